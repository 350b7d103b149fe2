"""Why a score changed: the parts of two scores differenced, in the words of the reasons, adding up
to the difference of the two probabilities."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import DemoStore
from winnable.core.timestamps import microseconds
from winnable.data.feedback.store.records import EarlierScore, packed, unpacked
from winnable.definition.load import definition_from
from winnable.learning.scoring.changes import (
    CLEARLY_WORSE,
    LOWERING,
    RAISING,
    Change,
    Part,
    ScoreParts,
    Value,
    change_between,
)
from winnable.learning.scoring.predictor import Predictor, Scores

MONDAY = datetime(2026, 6, 22, 9, tzinfo=UTC)
FRIDAY = MONDAY + timedelta(days=4)
BOTH = RAISING | LOWERING


def sigmoid(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))


def visits(times: float, days: float, log_odds: float, directions: int = BOTH) -> Part:
    says = f"Pricing page {times:g} times, last {days:g} days ago"
    return Part("activity", "Pricing page", log_odds, directions, float(times), says, days)


def title(word: str | None, log_odds: float) -> Part:
    says = f"Title is {word or 'not known'}"
    return Part("field", "Title", log_odds, BOTH, word, says)


def hidden(name: str, log_odds: float) -> Part:
    return Part("field", name, log_odds)


def change(
    then: Sequence[Part],
    now: Sequence[Part],
    *,
    model: str = "a",
    base: float = -2.0,
    probabilities: tuple[float, float] | None = None,
    at: datetime = FRIDAY,
) -> Change:
    """The change from the parts of Monday, given by model "a", to those of Friday."""
    before, after = probabilities or (
        sigmoid(base + sum(part.log_odds for part in then)),
        sigmoid(base + sum(part.log_odds for part in now)),
    )
    kept = packed(ScoreParts("a", tuple(then)).to_json())
    earlier = EarlierScore("L-1", "S-1", MONDAY, before, "1", kept)
    found = change_between(earlier, after, at, ScoreParts(model, tuple(now)))
    assert found.parts is not None
    total = sum(part.effect for part in found.parts) + found.rest
    assert total == pytest.approx(after - before, abs=1e-12)
    assert found.effect == pytest.approx(after - before, abs=1e-12)
    return found


def told(found: Change) -> list[tuple[str, str]]:
    assert found.parts is not None
    return [(part.cause, part.text) for part in found.parts]


def test_what_happened_is_told_in_the_words_of_the_reasons_with_what_was_before() -> None:
    found = change(
        [visits(1, 9, 0.1), title(None, -0.1), Part("field", "Country", 0.0, BOTH, "X", "Is X")],
        [
            visits(3, 0, 0.85),
            title("Manager", 0.4),
            Part("field", "Country", 0.0, BOTH, "X", "Is X"),
        ],
    )
    assert told(found) == [
        ("fact", "Pricing page 3 times, last 0 days ago, 2 more than before"),
        ("fact", "Title is Manager, was not known"),
    ]
    assert found.rest == pytest.approx(0, abs=1e-6)
    assert found.says == (
        "+20 since Mon 22 Jun 2026: Pricing page 3 times, last 0 days ago, 2 more than before"
        " (+12); Title is Manager, was not known (+8)"
    )
    assert found.parts is not None
    assert (found.parts[0].feature, found.parts[0].before, found.parts[0].value) == (
        "Pricing page",
        1,
        3,
    )


def test_what_did_not_change_has_no_effect_however_far_the_score_moved() -> None:
    same = [title("VP", 2.0), hidden("Company", 1.0)]
    found = change([*same, visits(1, 9, 0.0)], [*same, visits(9, 0, 3.0)])
    assert [text for _, text in told(found)] == [
        "Pricing page 9 times, last 0 days ago, 8 more than before"
    ]
    assert found.parts is not None
    assert found.parts[0].effect == pytest.approx(found.effect, abs=1e-6)


def test_the_numbers_that_are_shown_add_up() -> None:
    """To the difference of the percentages that are shown."""
    found = change(
        [visits(1, 9, 0.0), title("Intern", -0.2), hidden("Company", 0.0)],
        [visits(2, 1, 0.4), title("VP", 0.3), hidden("Company", -0.3)],
    )
    numbers = [float(number) for number in re.findall(r"\(([+-][\d.]+)\)", found.says)]
    assert "everything else" in found.says
    assert sum(numbers) == pytest.approx(found.points)
    assert found.says.startswith(f"{found.points:+d} since ")


def test_an_attribute_of_one_of_the_two_scores_counts_from_nothing() -> None:
    appeared = change([hidden("Company", 0.2)], [hidden("Company", 0.2), title("VP", 0.7)])
    assert told(appeared) == [("fact", "Title is VP")]
    gone = change([title("VP", 0.7)], [])
    assert told(gone) == []
    assert gone.rest == pytest.approx(gone.effect)


def test_what_few_leads_have_is_never_named() -> None:
    found = change([hidden("Company", 0.0)], [hidden("Company", 1.0)])
    assert told(found) == []
    assert found.says == f"{found.points:+d} since Mon 22 Jun 2026"
    was_hidden = change([hidden("Title", 0.0)], [title("VP", 1.0)])
    assert told(was_hidden) == [("fact", "Title is VP")]


def test_where_only_time_passed_it_says_so() -> None:
    age = [
        Part("age", "age", low, BOTH, days, f"{days:g} days old", days)
        for days, low in ((30.0, 0.1), (34.0, 0.0))
    ]
    found = change([visits(3, 5, 0.9), age[0]], [visits(3, 9, 0.4), age[1]])
    assert told(found) == [
        ("time", "Pricing page 3 times, last 9 days ago"),
        ("time", "34 days old"),
    ]
    assert found.only_time
    assert ", only time passed: Pricing page" in found.says
    also = change([visits(3, 5, 0.9), title(None, 0.0)], [visits(3, 9, 0.4), title("VP", 0.5)])
    assert not also.only_time
    unknown = change([visits(3, 5, 0.9), hidden("C", 0)], [visits(3, 9, 0.4), hidden("C", 0.4)])
    assert not unknown.only_time, "what is not shown may have changed"


@pytest.mark.parametrize(
    "gone", [title("VP", 0.3), hidden("Company", 0.3)], ids=["named", "hidden"]
)
def test_what_counts_nothing_any_more_is_told_alike_before_and_after_it_is_kept(
    gone: Part,
) -> None:
    """Kept parts have none that add nothing and have no words."""
    then = [visits(3, 5, 0.9), gone]
    live = [visits(3, 9, 0.4), hidden(gone.name, 0.0)]
    kept = ScoreParts.from_json(ScoreParts("a", tuple(live)).to_json()).parts
    assert len(kept) < len(live)
    odds = (0.4, 0.2)
    assert change(then, kept, probabilities=odds) == change(then, live, probabilities=odds)
    assert not change(then, kept, probabilities=odds).only_time


@pytest.mark.parametrize(
    ("then", "now", "named"),
    [
        (visits(3, 5, 0.2), visits(3, 9, 0.9), False),
        (visits(3, 5, 0.9), visits(5, 1, 0.2), False),
        (visits(3, 5, 0.9), visits(5, 1, 0.2, LOWERING | CLEARLY_WORSE), True),
        (visits(3, 5, 0.9), visits(3, 9, 0.2), True),
        (title("Intern", 0.1), replace(title("VP", 0.9), directions=LOWERING), False),
        (title("Intern", 0.9), replace(title("VP", 0.1), directions=LOWERING), True),
    ],
    ids=[
        "doing no more speaks for nobody",
        "doing more does not speak against a lead",
        "unless those who did were won less often",
        "what was long ago counts less",
        "what contradicts how such leads were won",
        "what does not contradict it",
    ],
)
def test_only_what_people_can_believe_is_named(then: Part, now: Part, named: bool) -> None:
    assert bool(told(change([then], [now]))) is named


def test_another_model_is_a_part_of_its_own() -> None:
    """All that is not of a changed fact, whatever the model says otherwise of the others."""
    found = change(
        [visits(1, 9, 0.1), title("VP", 0.5)],
        [visits(3, 0, 0.6), title("VP", -0.4), Part("field", "New", 0.9, BOTH, 1.0, "New is 1")],
        model="b",
        probabilities=(0.2, 0.31),
    )
    assert found.parts is not None
    assert {part.cause for part in found.parts} == {"fact", "model"}
    (model,) = [part for part in found.parts if part.cause == "model"]
    (fact,) = [part for part in found.parts if part.cause == "fact"]
    assert fact.feature == "Pricing page"
    assert model.feature is None
    assert model.effect == pytest.approx(0.11 - fact.effect)
    assert "a new model (" in found.says
    assert not found.only_time


def test_between_two_models_a_fact_is_named_only_where_the_present_one_says_the_same() -> None:
    then = [visits(1, 9, 0.9)]
    found = change(then, [visits(3, 0, 0.4)], model="b", probabilities=(0.3, 0.2))
    assert told(found) == [("model", "a new model")]
    same = change(then, [visits(3, 9, 0.9)], model="b", probabilities=(0.3, 0.3))
    assert same.says == "Unchanged since Mon 22 Jun 2026: a new model (+0)"


def test_without_the_parts_of_both_scores_it_says_that_it_cannot_tell() -> None:
    kept = packed(ScoreParts("a", (title("VP", 0.1),)).to_json())
    for before, after in ((None, ScoreParts("a", ())), (kept, None)):
        earlier = EarlierScore("L-1", "S-1", MONDAY, 0.2, "1", before)
        found = change_between(earlier, 0.5, FRIDAY, after)
        assert found.parts is None
        assert found.rest == pytest.approx(0.3)
        assert found.says == (
            "+30 since Mon 22 Jun 2026: we do not know why, because what made up one of the two"
            " scores was not kept"
        )
        same = change_between(earlier, 0.2, FRIDAY, after)
        assert (same.says, same.because) == ("Unchanged since Mon 22 Jun 2026", "")


@pytest.mark.parametrize(
    ("later", "since"),
    [
        (timedelta(hours=3), "since 22 Jun 2026, 09:00 UTC"),
        (timedelta(days=1), "since Mon 22 Jun 2026"),
    ],
)
def test_since_when_is_told_by_day_or_by_hour(later: timedelta, since: str) -> None:
    found = change([], [title("VP", 0.5)], at=MONDAY + later)
    assert since in found.says


NAMES = st.sampled_from(["Title", "Country", "Pricing page", "Company"])
LOG_ODDS = st.floats(-8, 8)


@st.composite
def some_parts(draw: st.DrawFn) -> list[Part]:
    found = {}
    for name in draw(st.lists(NAMES, unique=True)):
        about = "activity" if name == "Pricing page" else "field"
        value: Value = draw(st.sampled_from([None, 0.0, 1.0, 3.0, "VP"]))
        directions = draw(st.integers(0, 7))
        says = f"{name} is {value}" if directions else None
        days = draw(st.none() | st.floats(0, 400)) if directions else None
        shown = value if directions else None
        found[name] = Part(about, name, draw(LOG_ODDS), directions, shown, says, days)
    return list(found.values())


@given(
    some_parts(),
    some_parts(),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.sampled_from(["a", "b"]),
)
def test_the_parts_of_any_two_scores_add_up(
    then: list[Part], now: list[Part], probabilities: tuple[float, float], model: str
) -> None:
    found = change(then, now, model=model, probabilities=probabilities)
    assert found.parts is not None
    named = {part.feature for part in found.parts} - {None}
    assert named <= {part.name for part in now if part.directions}
    assert any(part.cause == "model" for part in found.parts) is (model == "b")
    json.dumps(found.to_json(), allow_nan=False)


@given(some_parts())
def test_kept_parts_are_those_that_were_given_to_a_millionth(parts: list[Part]) -> None:
    read = ScoreParts.from_json(unpacked(packed(ScoreParts("a", tuple(parts)).to_json())))
    by_name = {part.name: part for part in read.parts}
    for part in parts:
        kept = by_name.get(part.name, hidden(part.name, 0.0))
        assert kept.log_odds == pytest.approx(part.log_odds, abs=1e-6)
        assert (kept.value, kept.says, kept.directions) == (part.value, part.says, part.directions)


def scored(demo: DemoStore, predictor: Predictor, at: datetime) -> tuple[Scores, list[str]]:
    rows = np.arange(len(demo.crm.leads))
    moments = np.full(len(rows), microseconds(at))
    features = demo.data.features(predictor.plan, rows, moments)
    ids = demo.crm.leads["@id"].tolist()
    return predictor.score(features, ids, parts=True), ids


def changes_of(before: Scores, after: Scores, ids: Sequence[str]) -> list[Change]:
    assert before.parts is not None
    assert after.parts is not None
    found = []
    for row, lead_id in enumerate(ids):
        kept = packed(before.parts[row].to_json())
        earlier = EarlierScore(lead_id, "S", MONDAY, float(before.probability[row]), "1", kept)
        found.append(
            change_between(earlier, float(after.probability[row]), FRIDAY, after.parts[row])
        )
    return found


def test_of_real_scores_the_parts_add_up_and_tell_most_of_what_moved_them(
    demo_store: DemoStore,
) -> None:
    predictor = Predictor.of_store(demo_store.store)
    before, ids = scored(demo_store, predictor, MONDAY)
    after, _ = scored(demo_store, predictor, FRIDAY)
    found = changes_of(before, after, ids)
    for each in found:
        assert each.parts is not None
        total = sum(part.effect for part in each.parts) + each.rest
        assert total == pytest.approx(each.effect, abs=1e-12)
    large = [each for each in found if abs(each.effect) > 0.05]
    assert len(large) > 10
    assert all(each.parts for each in large)


def test_no_part_holds_what_identifies_somebody(demo_store: DemoStore) -> None:
    predictor = Predictor.of_store(demo_store.store)
    scores, _ = scored(demo_store, predictor, FRIDAY)
    assert scores.parts is not None
    leads = demo_store.crm.leads
    for row, kept in enumerate(scores.parts):
        written = json.dumps(kept.to_json(), ensure_ascii=False)
        for name in ("Email", "Phone", "Last Name", "Company"):
            value = leads[name].iloc[row]
            if isinstance(value, str) and len(value) > 4:
                assert value not in written, name


def test_the_reasons_of_a_score_are_among_its_parts(demo_store: DemoStore) -> None:
    predictor = Predictor.of_store(demo_store.store)
    scores, _ = scored(demo_store, predictor, FRIDAY)
    assert scores.parts is not None
    for reasons, kept in zip(scores.reasons, scores.parts, strict=True):
        parts = {part.name: part for part in kept.parts}
        for reason in reasons:
            part = parts[reason.name]
            assert part.directions & (RAISING if reason.effect > 0 else LOWERING)
            assert reason.text.startswith(f"{part.says}: ")
            assert (part.value, part.log_odds) == (reason.value, reason.log_odds)


def test_what_is_said_of_many_leads_is_put_into_words_once(demo_store: DemoStore) -> None:
    """Whatever the hour of what they did and their age, of which the words do not tell."""
    predictor = Predictor.of_store(demo_store.store)
    scores, _ = scored(demo_store, predictor, FRIDAY)
    assert scores.parts is not None
    said = [
        (part.name, part.says)
        for kept in scores.parts
        for part in kept.parts
        if part.about == "activity" and part.says is not None and "(" not in part.says
    ]
    assert len(said) > len(set(said))
    assert len({id(says) for _, says in said}) == len(set(said))


def test_scores_without_parts_are_the_same(demo_store: DemoStore) -> None:
    predictor = Predictor.of_store(demo_store.store)
    scores, ids = scored(demo_store, predictor, FRIDAY)
    features = demo_store.data.features(
        predictor.plan, np.arange(len(ids)), np.full(len(ids), microseconds(FRIDAY))
    )
    without = predictor.score(features, ids)
    assert without.parts is None
    np.testing.assert_array_equal(without.probability, scores.probability)
    assert without.reasons == scores.reasons


def test_of_a_scorecard_each_rule_is_told_with_its_points() -> None:
    rules: list[dict[str, Any]] = [
        {"says": "Decision maker", "points": 15, "when": [{"field": "Title", "matches": ["VP"]}]},
        {
            "says": "Asked for a demo",
            "points": 30,
            "half_life_days": 14,
            "when": [{"activity": "Demo request", "at_least": 1}],
        },
    ]
    predictor = Predictor.from_rules(
        definition_from(
            {
                "outcome": {"won": ["Won"]},
                "columns": {"id": "Id", "status": "Status", "created": "Created"},
                "activities": {"intent": ["Demo request"]},
                "scorecard": [{"threshold": 30, "rule": rules}],
            },
            "test",
        )
    )
    record = {"Id": "L-1", "Created": datetime(2026, 6, 1, tzinfo=UTC)}
    asked = [_activity("Demo request", MONDAY - timedelta(days=1))]
    before, after = (
        predictor.score(predictor.features([values], [asked], [at]), ["L-1"], parts=True)
        for values, at in ((record, MONDAY), ({**record, "Title": "VP"}, FRIDAY))
    )
    (found,) = changes_of(before, after, ["L-1"])
    assert [cause for cause, _ in told(found)] == ["fact", "time"]
    assert [text.partition(",")[0] for _, text in told(found)] == [
        "Decision maker",
        "Asked for a demo",
    ]
    assert found.rest == pytest.approx(0, abs=1e-5)
    assert "Decision maker, +15 points (" in found.says


def _activity(kind: str, at: datetime) -> Any:
    from winnable.data.features.online import Activity

    return Activity(kind, at)
