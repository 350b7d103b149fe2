"""Reasons: one an attribute, measured against the typical lead, adding up to the probability, and
resting on enough leads."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import DemoStore
from winnable.core.columns import ActivityAggregate, CategoricalColumn, FeatureTable, NumericColumn
from winnable.core.statistics import sigmoid
from winnable.data.features.accounts import ACCOUNT_COLUMNS, DAYS_KNOWN, LOST, WON
from winnable.data.features.derived.derive import DerivedFeature, derived_columns
from winnable.data.features.plan import AGE, Attribute, FeaturePlan, Field, activity_attribute
from winnable.data.features.returns import RETURNS
from winnable.definition.decide.scorecard import Points, score_points
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.learning.artifacts.typical_lead import TypicalLead
from winnable.learning.model.scorer import RULES, Contributions
from winnable.learning.scoring.attributes import HAS, HAS_NOT
from winnable.learning.scoring.explanations import MAX_REASONS, Explainer, Reason
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.typical_lead import MIN_LEADS_PER_STATE

PRICING = ActivityAggregate("count", ("Pricing page",))
PRICING_DAYS = ActivityAggregate("days_since", ("Pricing page",))
DEMO_14 = ActivityAggregate("count", ("Demo request",), 14)
DEMO = ActivityAggregate("count", ("Demo request",))
INTENT = ActivityAggregate("count", ("Pricing page", "Demo request"))
ANY = ActivityAggregate("count")
ANY_DAYS = ActivityAggregate("days_since")
PLAN = FeaturePlan(
    (Field("Employees", "number"), Field("Title", "words")),
    (PRICING, PRICING_DAYS, DEMO, DEMO_14, INTENT, ANY, ANY_DAYS),
    Field("Created", "moment", learn=False),
)


def numbers(*values: float) -> NumericColumn:
    return NumericColumn(np.array(values, dtype=np.float64))


FEATURES = FeatureTable(
    2,
    {
        "Employees": numbers(1200, np.nan),
        "Title": CategoricalColumn(np.array([0, -1]), ("VP",)),
        AGE: numbers(30, 3),
        PRICING.name: numbers(22, 0),
        PRICING_DAYS.name: numbers(2, np.nan),
        DEMO.name: numbers(0, 0),
        DEMO_14.name: numbers(0, 0),
        INTENT.name: numbers(22, 0),
        ANY.name: numbers(40, 0),
        ANY_DAYS.name: numbers(0, np.nan),
    },
)


def agreed(rules: Sequence[Mapping[str, Any]] = (), **card: Any) -> Definition:
    scorecard = {"threshold": 0, "points_to_double_the_odds": 20, "rule": list(rules), **card}
    return definition_from(
        {
            "outcome": {"won": ["Won"]},
            "columns": {"status": "Status"},
            "activities": {"intent": ["Pricing page", "Demo request"]},
            "scorecard": [scorecard],
        },
        "test",
    )


def rule(says: str, points: float, *when: Mapping[str, Any]) -> dict[str, Any]:
    return {"says": says, "points": points, "when": list(when)}


def typical(parts: Mapping[str, float], rules: Sequence[float] = (), **others: Any) -> TypicalLead:
    known: dict[str, Any] = {
        "who": "open lead",
        "base": -1.0,
        "cards": (0.0, 0.0),
        "points": 0.0,
        "slope": 1.0,
        "enough": EVERYTHING,
    }
    return TypicalLead(parts=parts, rules=tuple(rules), **{**known, **others})


class _Everything(dict[Attribute, frozenset[str]]):
    """Enough leads had whatever there is."""

    def get(self, _: Attribute, default: Any = None) -> Any:
        return _Every()


class _Every(frozenset[str]):
    def __contains__(self, _: object) -> bool:
        return True


EVERYTHING = _Everything()


def reasons_of(
    parts: Mapping[str, float],
    *,
    definition: Definition | None = None,
    lead: TypicalLead | None = None,
    features: FeatureTable = FEATURES,
    plan: FeaturePlan = PLAN,
    known: Mapping[str, Mapping[str, int]] | None = None,
) -> list[tuple[Reason, ...]]:
    """The reasons of all leads, each of which has the same `parts`."""
    definition = definition or agreed()
    parts = {ANY.name: 0.0, PRICING.name: 0.0, RULES: 0.0, **parts}
    contributions = Contributions(
        tuple(parts),
        np.tile(list(parts.values()), (features.size, 1)),
        np.full(features.size, -1.0),
    )
    points = score_points(definition, features)
    explainer = Explainer(definition, plan, tuple(parts), lead, apart=False)
    probability = sigmoid(contributions.base + contributions.values.sum(axis=1))
    explained = explainer.explain(features, points, contributions, probability)
    total = explained.start + explained.effects.sum(axis=1) + explained.rest
    np.testing.assert_allclose(total, probability, atol=1e-12)
    return list(explainer.reasons(features, points, explained, known or {}))


def said(reasons: Sequence[Reason]) -> list[str]:
    return [reason.text.rpartition(":")[0] for reason in reasons]


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("Employees", "Employees is 1200", "Employees is not known"),
        ("Title", "Title is VP", "Title is not known"),
        (PRICING.name, "Pricing page 22 times, last 2 days ago", "No activity yet, 3 days old"),
        (
            PRICING_DAYS.name,
            "Pricing page 22 times, last 2 days ago",
            "No activity yet, 3 days old",
        ),
        (INTENT.name, "Pricing page 22 times, last 2 days ago", "No activity yet, 3 days old"),
        (DEMO_14.name, "No Demo request yet", "No activity yet, 3 days old"),
        (ANY.name, "Activity 40 times in 30 days, last today", "No activity yet, 3 days old"),
        (AGE, "Activity 40 times in 30 days, last today", "No activity yet, 3 days old"),
    ],
)
def test_each_attribute_is_said_in_words(name: str, first: str, second: str) -> None:
    told = reasons_of({name: -0.5})
    assert [said(reasons) for reasons in told] == [[first], [second]]
    assert all(reasons[0].text.endswith(": -9") for reasons in told)


def test_what_a_returned_lead_did_is_not_said_to_lie_in_its_present_episode() -> None:
    features = FEATURES.with_columns({AGE: numbers(5, 5), RETURNS: numbers(1, 0)})
    features = features.with_columns({ANY.name: numbers(40, 40)})
    first, second = reasons_of({ANY.name: 0.5, RETURNS: 0.0}, features=features)
    assert said(first) == ["Activity 40 times, last today"]
    assert said(second) == ["Activity 40 times in 5 days"]


def test_the_age_is_a_reason_of_its_own_where_no_activities_are_counted() -> None:
    plan = FeaturePlan(PLAN.fields, (), PLAN.created)
    first, second = reasons_of({AGE: 0.5}, plan=plan)
    assert said(first) == ["30 days old"]
    assert said(second) == ["3 days old"]


def test_all_that_is_known_of_one_kind_of_activity_is_one_reason_with_its_net_effect() -> None:
    (reason,) = reasons_of({PRICING.name: 0.9, PRICING_DAYS.name: -0.4, INTENT.name: 0.2})[0]
    assert reason.name == "Pricing page"
    assert reason.value == 22
    assert reason.log_odds == pytest.approx(0.7)
    assert reason.text == f"Pricing page 22 times, last 2 days ago: +{100 * reason.effect:.0f}"


def test_the_account_and_the_returns_are_one_reason_each() -> None:
    columns = dict.fromkeys(ACCOUNT_COLUMNS, numbers(0)) | {
        WON: numbers(1),
        LOST: numbers(3),
        DAYS_KNOWN: numbers(200),
        "times returned": numbers(2),
    }
    parts = {WON: 0.5, LOST: -0.1, "times returned": 0.3, "days since the outcome before": 0.1}
    plan = FeaturePlan(PLAN.fields, (), PLAN.created, returns=True)
    (reasons,) = reasons_of(parts, features=FeatureTable(1, columns), plan=plan)
    assert said(reasons) == [
        "1 earlier win of the account, 3 earlier losses of the account",
        "Has returned 2 times",
    ]


def test_the_strongest_are_shown_those_that_raise_before_those_that_lower() -> None:
    parts = dict(
        zip("abcdefghi", [0.1, -0.2, 0.3, 0.005, -0.4, 0.2, 0.25, -0.001, -0.05], strict=True)
    )
    (told,) = reasons_of(parts, features=FeatureTable(1, {}))
    assert [reason.name for reason in told] == ["c", "g", "f", "a", "e", "b"]
    assert len(told) == MAX_REASONS
    assert [reason.log_odds for reason in told[:3]] == pytest.approx([0.3, 0.25, 0.2])


def test_a_reason_is_what_the_lead_has_beyond_the_typical_lead() -> None:
    lead = typical({"Employees": 0.5, "Title": 0.1, RULES: 0.0})
    reasons, _ = reasons_of({"Employees": 0.2, "Title": 0.4}, lead=lead)
    assert [(reason.name, round(reason.log_odds or 0, 9)) for reason in reasons] == [
        ("Title", 0.3),
        ("Employees", -0.3),
    ]
    assert sum(reason.effect for reason in reasons) == pytest.approx(0, abs=1e-12)


def test_a_rule_that_tests_one_thing_belongs_to_it_and_another_is_a_reason_of_its_own() -> None:
    definition = agreed(
        [
            rule("Large", 20, {"field": "Employees", "at_least": 50}),
            rule("Prices", 10, {"activity": "Pricing page", "at_least": 1}),
            rule(
                "Large and looks",
                5,
                {"field": "Employees", "at_least": 50},
                {"activity": "Pricing page", "at_least": 1},
            ),
        ]
    )
    points = score_points(definition, FEATURES)
    moved = float(points.logit[0])
    first, second = reasons_of(
        {"Employees": -0.1, RULES: moved},
        definition=definition,
        lead=typical({"Employees": 0.0, RULES: 0.0}, [0.1, 0.0, 0.05]),
    )
    of_a_point = np.log(2) / 20
    assert {reason.name: reason.log_odds for reason in first} == pytest.approx(
        {
            "Employees": 20 * of_a_point - 0.1 - 0.1,
            "Pricing page": 10 * of_a_point,
            "Large and looks": 5 * of_a_point - 0.05,
        }
    )
    assert {reason.name: reason.log_odds for reason in second} == pytest.approx(
        {"Employees": -0.2, "Large and looks": -0.05}
    )
    assert said(second)[-1] == "Not met: Large and looks"


def test_what_fewer_than_twenty_leads_had_is_no_reason_unless_enough_met_its_rule() -> None:
    definition = agreed([rule("Decision maker", 20, {"field": "Title", "any_of": ["VP"]})])
    parts = {"Title": 0.5, "Employees": 0.3}
    enough = {Attribute("field", "Employees"): frozenset([HAS])}
    lead = typical({}, [0.0], enough=enough)
    first, second = reasons_of(parts, definition=definition, lead=lead)
    assert said(first) == ["Employees is 1200"]
    assert second == ()
    by_rule = {**enough, Attribute("rule", "Decision maker"): frozenset([HAS])}
    first, second = reasons_of(
        parts, definition=definition, lead=typical({}, [0.0], enough=by_rule)
    )
    assert said(first) == ["Decision maker", "Employees is 1200"]
    assert [one.value for one in first] == [None, 1200]
    assert second == ()


@pytest.mark.parametrize("column", ["First Name", "Email", "account"])
def test_a_column_that_no_model_learns_is_told_by_its_rules_and_never_by_its_value(
    column: str,
) -> None:
    """Rules may look at what identifies somebody."""
    definition = agreed([rule("Says who it is", 20, {"field": column, "is_present": True})])
    plan = FeaturePlan((*PLAN.fields, Field(column, "words", learn=False)), PLAN.aggregates)
    features = FEATURES.with_columns({column: CategoricalColumn.of(["Ann of Fenaford", None])})
    parts = {"Employees": 0.3, DAYS_KNOWN: 0.4}
    lead = typical({}, [0.0])
    both = reasons_of(parts, definition=definition, lead=lead, features=features, plan=plan)
    assert "Says who it is" in said(both[0])
    assert "Ann of Fenaford" not in str(both)


def test_an_activity_that_fewer_than_twenty_leads_did_is_no_reason() -> None:
    pricing = activity_attribute(["Pricing page"])
    lead = typical({}, enough={pricing: frozenset([HAS_NOT])})
    assert reasons_of({PRICING.name: 0.5}, lead=lead)[0] == ()
    lead = typical({}, enough={pricing: frozenset([HAS])})
    assert said(reasons_of({PRICING.name: 0.5}, lead=lead)[0]) == [
        "Pricing page 22 times, last 2 days ago"
    ]


def test_that_something_was_not_done_never_speaks_for_a_lead() -> None:
    first, second = reasons_of({DEMO.name: 0.5})
    assert first == second == ()


def test_a_word_that_the_model_does_not_tell_apart_is_called_rare() -> None:
    rare, unknown = reasons_of({"Title": 0.5}, known={"Title": {"CEO": 2}})
    assert said(rare) == ["Title is VP, one of the rare ones"]
    assert said(unknown) == ["Title is not known"]
    known, _ = reasons_of({"Title": 0.5}, known={"Title": {"VP": 2}})
    assert said(known) == ["Title is VP"]


def from_rules(definition: Definition, features: FeatureTable) -> tuple[Points, Explainer, Any]:
    points = score_points(definition, features)
    explainer = Explainer(definition, PLAN, (RULES,), None, apart=True)
    parts = Contributions((RULES,), points.logit[:, None].copy(), np.zeros(features.size))
    return points, explainer, explainer.explain(features, points, parts, sigmoid(points.logit))


def test_a_score_from_rules_names_the_rules_that_fired_and_starts_without_points() -> None:
    definition = agreed(
        [
            rule("Decision maker", 15, {"field": "Title", "any_of": ["VP"]}),
            rule("Small company", -20, {"field": "Employees", "at_most": 10}),
        ],
        threshold=20,
        conversion_at_threshold=0.1,
    )
    points, explainer, explained = from_rules(definition, FEATURES)
    first, second = explainer.reasons(FEATURES, points, explained, {})
    assert [(reason.text, reason.value) for reason in first] == [("Decision maker: +15 points", 15)]
    assert first[0].log_odds is None
    assert second == ()
    without = sigmoid(np.log(0.1 / 0.9) - np.log(2))
    np.testing.assert_allclose(explained.start, without)
    assert first[0].effect == pytest.approx(float(sigmoid(points.logit)[0] - without))
    np.testing.assert_allclose(explained.rest, 0, atol=1e-12)


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.sampled_from(["a", "b"])), min_size=1, max_size=6),
    st.fixed_dictionaries({}, optional={"a": st.floats(0, 60), "b": st.floats(0, 60)}),
    st.fixed_dictionaries(
        {}, optional={"at_most": st.floats(1, 80), "at_least": st.floats(-80, 0)}
    ),
)
def test_the_effects_of_capped_rules_add_up_to_the_probability(
    rules: list[tuple[float, str]], caps: dict[str, float], limits: dict[str, float]
) -> None:
    definition = agreed(
        [
            rule(f"Rule {i}", given, {"field": "Employees", "at_least": i}) | {"group": group}
            for i, (given, group) in enumerate(rules)
        ],
        caps=caps,
        **limits,
    )
    points, _, explained = from_rules(definition, FEATURES)
    total = explained.start + explained.effects.sum(axis=1) + explained.rest
    np.testing.assert_allclose(total, sigmoid(points.logit), atol=1e-12)
    np.testing.assert_allclose(explained.rest, 0, atol=1e-9)


def test_the_reasons_of_a_trained_model_add_up_to_its_scores(demo_store: DemoStore) -> None:
    predictor = Predictor(demo_store.candidate.artifact)
    rows = demo_store.data.training_rows
    features = demo_store.data.features(predictor.plan, rows.leads, rows.as_of)
    scores = predictor.score(features, [""] * features.size)
    assert scores.start is not None
    assert scores.rest is not None
    assert np.ptp(scores.start) == 0
    shown = [sum(reason.effect for reason in reasons) for reasons in scores.reasons]
    np.testing.assert_allclose(scores.start + shown + scores.rest, scores.probability, atol=1e-12)
    names = [[reason.name for reason in reasons] for reasons in scores.reasons]
    assert all(len(set(own)) == len(own) for own in names)
    assert RULES not in {name for own in names for name in own}


def test_the_typical_lead_is_the_mean_of_the_open_leads(demo_store: DemoStore) -> None:
    spec = demo_store.candidate.artifact.spec
    assert spec.typical is not None
    assert spec.typical.who == "open lead"
    leads = np.flatnonzero(np.isnan(demo_store.data.outcomes))
    present = demo_store.data.present
    assert present is not None
    now = int(present.timestamp() * 1e6) + 1_000_000
    features = demo_store.data.features(spec.plan, leads, np.full(len(leads), now))
    predictor = Predictor(demo_store.candidate.artifact)
    _, parts = predictor.explain(features)
    logit = parts.base + parts.values.sum(axis=1)
    assert spec.typical.logit == pytest.approx(float(logit.mean()), abs=1e-9)
    titles = demo_store.data.crm.leads["Title"].value_counts()
    kept = spec.typical.enough[Attribute("field", "Title")] - {HAS_NOT}
    assert kept
    assert len(kept) <= (titles >= MIN_LEADS_PER_STATE).sum() + 5


def test_contact_data_are_told_by_what_is_derived_of_them_and_never_as_they_stand() -> None:
    """Whose an address is and where from are one reason; a text is told by what it mentions."""
    derived = (
        DerivedFeature("Email provider", "email provider", ("Email",)),
        DerivedFeature("Email country", "email country", ("Email",)),
        DerivedFeature("Need mentions budget", "mention", ("Need",), "budget"),
        DerivedFeature("Need mentions crm", "mention", ("Need",), "crm"),
    )
    fields = tuple(Field(name, "words", learn=False) for name in ("Email", "Need"))
    plan = FeaturePlan((*PLAN.fields, *fields), PLAN.aggregates, PLAN.created, derived=derived)
    definition = agreed()
    told = FEATURES.with_columns(
        {
            "Email": CategoricalColumn.of(["ann@example.de", None]),
            "Need": CategoricalColumn.of(["A CRM within budget for Ann", None]),
        }
    )
    as_of = np.zeros(2, dtype=np.int64)
    features = told.with_columns(derived_columns(derived, definition, told, as_of))
    parts = {one.name: 0.5 for one in derived}
    first, second = reasons_of(parts, definition=definition, features=features, plan=plan)
    assert [(one.name, one.value) for one in first] == [
        ("Email", "company, DE"),
        ("Need", "budget, crm"),
    ]
    assert said(first) == [
        "Email provider is company, Email country is DE",
        "Need mentions budget, crm",
    ]
    assert said(second) == ["Email tells nothing usual", "Need tells nothing usual"]
    assert first[0].log_odds == pytest.approx(1.0)
