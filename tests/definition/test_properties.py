"""Whatever a definition says and whatever a lead is like: no crash, no certainty, a reason for all,
and more is not less."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnable.core.columns import CategoricalColumn, Column, FeatureTable, FloatArray, NumericColumn
from winnable.definition.decide.gate import decide, grade
from winnable.definition.decide.recalibration import recalibrate
from winnable.definition.decide.scorecard import probability_of, score_points
from winnable.definition.load import definition_from
from winnable.definition.review.diff import changes
from winnable.definition.review.lint import warnings, warnings_about_leads
from winnable.definition.review.summary import describe
from winnable.definition.schema import Definition
from winnable.errors import DefinitionError

FIELDS = ("Size", "Title", "Email", "Phone", "Name", "Consent", "Source")
KINDS = ("Demo", "Webinar", "any")
WORDS = (
    "VP Sales",
    "Mickey",
    "yes",
    "no",
    "1,200",
    "a@mailinator.com",
    "a@b.co",
    "000000",
    "",
    "{chance}",
    "x|y",
    "ß",
    "İ",
)

numbers = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 5.0, 100.0])
shares = st.floats(0.0001, 0.9999)
words = st.sampled_from(WORDS[:8]) | st.text(min_size=1, max_size=6).filter(
    lambda word: word.strip() != ""
)
days = st.floats(0.001, 36_500)


def tables(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Tables with any of these keys."""
    return st.fixed_dictionaries({}, optional=keys)


# Mostly one limit at a time, so that most definitions do not contradict themselves; a few that do
# are told as errors.
limits = st.one_of(
    numbers.map(lambda limit: {"at_least": limit}),
    numbers.map(lambda limit: {"at_most": limit}),
    st.tuples(numbers, numbers).map(lambda ends: {"between": sorted(ends)}),
    st.tuples(numbers, numbers, days).map(
        lambda told: {"at_least": min(told[:2]), "at_most": max(told[:2]), "within_days": told[2]}
    ),
    days.map(lambda limit: {"within_days": limit}),
)
listed = st.lists(words, min_size=1, max_size=3)
asked_of_text = listed.map(lambda told: {"any_of": told}) | listed.map(
    lambda told: {"matches": told}
)
known = st.sampled_from([{"is_missing": True}, {"is_present": True}])
on_field = st.builds(
    lambda field, ask: {"field": field, **ask},
    st.sampled_from(FIELDS),
    limits | asked_of_text | known,
)
on_activity = st.builds(
    lambda kind, ask, limit: {"activity": kind, **ask, **limit},
    st.sampled_from(KINDS),
    st.sampled_from(
        [
            {},
            {"at_least": 1},
            {"at_least": 3},
            {"at_most": 0},
            {"between": [1, 2]},
            {"is_missing": True},
        ]
    ),
    tables(within_days=days),
)
refused = st.builds(
    lambda field, told: {"field": field, "none_of": told}, st.sampled_from(FIELDS), listed
)
compared = st.builds(
    lambda field, key, other: {"field": field, key: other},
    st.sampled_from(FIELDS),
    st.sampled_from(["same_as", "more_than", "less_than", "later_than", "earlier_than"]),
    st.sampled_from(FIELDS),
)
tested = st.builds(
    lambda kind, minutes, earlier: {
        "activity": kind,
        "having": [{"field": "Minutes", "at_least": minutes}],
        **earlier,
    },
    st.sampled_from(KINDS),
    numbers,
    tables(
        after=st.sampled_from(KINDS)
        | st.builds(lambda d: {"activity": "any", "within_days": d}, days)
    ),
)
single = on_field | on_activity | refused | compared | tested
among = st.builds(
    lambda key, told: {key: told},
    st.sampled_from(["any_of", "all_of", "none_of"]),
    st.lists(single, min_size=1, max_size=2),
)
conditions = st.lists(single | among, min_size=1, max_size=2)
fading = st.builds(
    lambda kind, half: {"when": [{"activity": kind}], "half_life_days": half},
    st.sampled_from(KINDS),
    days,
)
rules = st.builds(
    lambda asked, points, more: {"says": "rule", "points": points, **asked, **more},
    conditions.map(lambda when: {"when": when}) | fading,
    st.floats(-1e6, 1e6),
    tables(group=st.sampled_from(["one", "two"])),
)
cards = st.fixed_dictionaries(
    {"rule": st.lists(rules, min_size=1, max_size=4, unique_by=lambda rule: repr(rule["when"]))},
    optional={
        "segment": conditions,
        "threshold": numbers,
        "conversion_at_threshold": shares,
        "points_to_double_the_odds": st.floats(1e-6, 1e6),
        "at_most": st.floats(0, 1e6),
        "at_least": st.floats(-1e6, 0),
        "caps": st.dictionaries(
            st.sampled_from(["one", "two", "profile"]), st.floats(0, 100), max_size=2
        ),
    },
)
gates = tables(
    probability=shares,
    points=numbers,
    capacity_per_week=st.integers(1, 5),
    always_work_share=st.floats(0, 0.5),
    nurture_from=st.floats(0.1, 0.9),
    discard_below=st.floats(0, 0.1),
    sources=st.lists(words, min_size=1, max_size=2),
    refused_sources=st.lists(words, min_size=1, max_size=2),
)
definitions = st.fixed_dictionaries(
    {
        "scorecard": (
            st.lists(cards, max_size=3).map(
                lambda told: [{"name": f"card {i}", **card} for i, card in enumerate(told)]
            )
        ),
        "activities": st.just({"intent": ["Demo"], "interest": ["Webinar"]})
        | st.just({"intent": ["Demo"], "hand_raise": ["Demo"], "interest": ["Webinar"]}),
    },
    optional={
        "growth_stage": st.sampled_from(["seed", "growth", "mature"]),
        "profile": tables(
            ideal=conditions,
            acceptable=st.lists(st.builds(lambda when: {"when": when}, conditions), max_size=2),
            unacceptable=st.lists(st.builds(lambda when: {"when": when}, conditions), max_size=2),
        ),
        "bant": st.just({"fields": {"budget": "Size", "need": "Title"}, "at_least": 1}),
        "gate": gates,
        "junk": tables(
            rule=st.lists(
                st.builds(lambda when: {"when": when, "says": "odd {case}"}, conditions), max_size=2
            )
        ),
    },
)


def defined(data: dict[str, Any]) -> Definition | None:
    """The definition, or None where it contradicts itself, which is told as an error and never as a
    crash."""
    base = {
        "outcome": {"won": ["W"], "lost": ["L"]},
        "columns": {"status": "S", "source": "Source", "consent": "Consent"},
    }
    try:
        return definition_from({**base, **data}, "test")
    except DefinitionError:
        return None


@st.composite
def leads(draw: st.DrawFn, definition: Definition) -> FeatureTable:
    """Up to five leads with some of the columns, of either kind, and some of the measures."""
    size = draw(st.integers(0, 5))
    values = st.floats(allow_nan=True, allow_infinity=True) | numbers | st.just(float("nan"))
    columns: dict[str, Column] = {}
    for name in (*FIELDS, *(measure.name for measure in definition.aggregates())):
        kind = draw(st.sampled_from(["none", "numbers", "words"]))
        if kind == "numbers":
            columns[name] = NumericColumn(
                np.asarray(draw(st.lists(values, min_size=size, max_size=size)), dtype=np.float64)
            )
        elif kind == "words":
            columns[name] = CategoricalColumn.of(
                draw(
                    st.lists(
                        st.none() | st.sampled_from(WORDS) | st.text(max_size=8),
                        min_size=size,
                        max_size=size,
                    )
                )
            )
    return FeatureTable(size, columns)


def probabilities(definition: Definition, features: FeatureTable) -> FloatArray:
    return probability_of(score_points(definition, features).logit)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_definition_and_no_lead_make_it_crash_or_sure(data: st.DataObject) -> None:
    definition = defined(data.draw(definitions))
    if definition is None:
        return
    features = data.draw(leads(definition))
    points = score_points(definition, features)
    chance = probability_of(points.logit)
    assert ((chance > 0) & (chance < 1)).all()
    assert np.isfinite(points.points).all()
    assert np.isfinite(recalibrate(points, np.ones(features.size)).log_odds(points)).all()
    ids = [str(row) for row in range(features.size)]
    decisions = decide(definition, features, ids, points, chance, None)
    assert len(decisions) == len(grade(definition, chance)) == features.size
    for decision in decisions:
        assert decision.action in {"pass", "nurture", "recycle", "discard"}
        assert decision.because.endswith(".")
        assert len(decision.because) > 10
    describe(
        definition, (*warnings(definition), *warnings_about_leads(definition, features))
    ).html()
    assert changes(definition, definition) == ()
    written = definition.model_dump(mode="json", exclude_defaults=True)
    assert definition_from(written, "test") == definition


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_rule_with_positive_points_lowers_nobody(data: st.DataObject) -> None:
    card = data.draw(cards)
    before = defined({"scorecard": [card]})
    more = data.draw(rules)
    after = defined(
        {
            "scorecard": [
                {**card, "rule": [*card.get("rule", []), {**more, "points": abs(more["points"])}]}
            ]
        }
    )
    if before is None or after is None:
        return
    features = data.draw(leads(after))
    without, together = score_points(before, features).points, score_points(after, features).points
    # Sums of a million points are rounded at the tenth digit.
    assert (together >= without - 1e-6).all()
    assert (probabilities(after, features) >= probabilities(before, features) * (1 - 1e-6)).all()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_lead_is_scored_alone_as_among_others(data: st.DataObject) -> None:
    definition = defined(data.draw(definitions))
    if definition is None:
        return
    features = data.draw(leads(definition))
    together = score_points(definition, features)
    for row in range(features.size):
        alone = score_points(definition, features.take(np.array([row])))
        assert alone.card[0] == together.card[row]
        assert alone.points[0] == together.points[row]
        assert alone.logit[0] == together.logit[row]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_lead_that_must_not_be_passed_is_not(data: st.DataObject) -> None:
    definition = defined(
        {**data.draw(definitions), "profile": {"unacceptable": [{"field": "Size", "at_least": 5}]}}
    )
    if definition is None:
        return
    features = data.draw(leads(definition))
    size, consent = features.numbers("Size"), features.words("Consent")
    ids = [str(row) for row in range(features.size)]
    decisions = decide(
        definition,
        features,
        ids,
        score_points(definition, features),
        np.full(features.size, 0.999),
        np.full(features.size, 0.999),
    )
    for row, decision in enumerate(decisions):
        said = (
            consent.vocabulary[consent.codes[row]].strip().lower()
            if consent.codes[row] >= 0
            else None
        )
        if size[row] >= 5 or said not in definition.gate.consent:
            assert decision.action != "pass"


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "outcome",
                        "columns",
                        "scorecard",
                        "rule",
                        "when",
                        "field",
                        "stages",
                        "profile",
                        "gate",
                        "won",
                        "status",
                        "x",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    )
)
def test_anything_that_is_no_definition_is_told_as_an_error(anything: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^test: "):
        definition_from(anything if isinstance(anything, dict) else {"outcome": anything}, "test")
