"""Reasons: the strongest parts of a score, said with the lead's own value and direction."""

import numpy as np
import pytest

from winnable.core.columns import ActivityAggregate, CategoricalColumn, FeatureTable, NumericColumn
from winnable.data.features.plan import AGE, FeaturePlan, Field
from winnable.definition.conditions import Activities
from winnable.definition.decide.scorecard import score_points
from winnable.definition.load import definition_from
from winnable.learning.model.scorer import RULES, Contributions
from winnable.learning.scoring.explanations import (
    REASONS_PER_DIRECTION,
    groups_of,
    model_reasons,
    scorecard_reasons,
)

MEASURES = (
    ActivityAggregate("count", ("Pricing page",), 14),
    ActivityAggregate("days_since", ("Demo request",)),
    ActivityAggregate("kinds"),
    ActivityAggregate("count"),
    ActivityAggregate("count", ("A", "B", "C", "D")),
    ActivityAggregate("change", (), 30),
)
PLAN = FeaturePlan(
    (Field("Employees", "number"), Field("Title", "words")),
    MEASURES,
    Field("Created", "moment", learn=False),
)
FACTS = FeatureTable(
    2,
    {
        "Employees": NumericColumn(np.array([1200.0, np.nan])),
        "Title": CategoricalColumn(np.array([0, -1]), ("VP",)),
        AGE: NumericColumn(np.array([3.0, 40.0])),
        MEASURES[0].name: NumericColumn(np.array([5.0, 0.0])),
        MEASURES[1].name: NumericColumn(np.array([2.0, np.nan])),
        MEASURES[2].name: NumericColumn(np.array([4.0, 0.0])),
        MEASURES[3].name: NumericColumn(np.array([9.0, 0.0])),
        MEASURES[4].name: NumericColumn(np.array([2.0, 0.0])),
        MEASURES[5].name: NumericColumn(np.array([3.0, 0.0])),
    },
)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("Employees", "Employees is 1200: raises", "Employees is not known: raises"),
        ("Title", "Title is VP: raises", "Title is not known: raises"),
        (AGE, "3 days old: raises", "40 days old: raises"),
        (
            MEASURES[0].name,
            "Pricing page 5 times in 14 days: raises",
            "No Pricing page in 14 days: raises",
        ),
        (MEASURES[1].name, "Last Demo request 2 days ago: raises", "No Demo request yet: raises"),
        (
            MEASURES[2].name,
            "4 different kinds of activity: raises",
            "0 different kinds of activity: raises",
        ),
        (MEASURES[3].name, "Activity 9 times: raises", "No activity yet: raises"),
        (
            MEASURES[4].name,
            "A, B or 2 other kinds 2 times: raises",
            "No A, B or 2 other kinds yet: raises",
        ),
        (
            MEASURES[5].name,
            "Activity 3 times more in 30 days than in the 30 before: raises",
            "Activity as often in 30 days as in the 30 before: raises",
        ),
    ],
)
def test_each_kind_of_column_is_said_in_words(name: str, first: str, second: str) -> None:
    told = model_reasons(
        PLAN, FACTS, Contributions((name,), np.array([[0.5], [0.5]]), np.zeros(2)), {}, {}
    )
    assert [reasons[0].text for reasons in told] == [first, second]


def test_the_strongest_come_first_those_that_raise_before_those_that_lower() -> None:
    names = tuple(f"c{i}" for i in range(9))
    parts = np.array([[0.1, -0.2, 0.3, 0.005, -0.4, 0.2, 0.25, -0.001, -0.05]])
    (told,) = model_reasons(
        PLAN, FeatureTable(1, {}), Contributions(names, parts, np.zeros(1)), {}, {}
    )
    assert [reason.name for reason in told] == ["c2", "c6", "c5", "c4", "c1", "c8"]
    assert len(told) <= 2 * REASONS_PER_DIRECTION
    assert [reason.log_odds for reason in told[:3]] == [0.3, 0.25, 0.2]
    assert told[-1].text.endswith(": lowers")


def test_a_word_that_the_model_does_not_tell_apart_is_called_rare() -> None:
    parts = Contributions(("Title",), np.array([[0.5], [0.5]]), np.zeros(2))
    rare, unknown = model_reasons(PLAN, FACTS, parts, {}, {"Title": {"CEO": 2}})
    assert rare[0].text == "Title is VP, one of the rare ones: raises"
    assert unknown[0].text == "Title is not known: raises"
    known, _ = model_reasons(PLAN, FACTS, parts, {}, {"Title": {"VP": 2}})
    assert known[0].text == "Title is VP: raises"


def test_groups_of_kinds_are_called_what_the_definition_makes_of_them() -> None:
    groups = groups_of(Activities(intent=("A", "B", "C"), interest=("D",)))
    parts = Contributions(
        (MEASURES[4].name, RULES), np.array([[0.5, -0.2], [0.5, -0.2]]), np.zeros(2)
    )
    first, second = model_reasons(PLAN, FACTS, parts, groups, {})
    assert [reason.text for reason in first] == [
        "Sign of intent or interest 2 times: raises",
        "The points of our definition: lowers",
    ]
    assert second[0].text == "No sign of intent or interest yet: raises"


def test_a_score_from_rules_names_the_rules_that_fired() -> None:
    rules = [
        {"says": "Decision maker", "when": [{"field": "Title", "any_of": ["VP"]}], "points": 15},
        {"says": "Small company", "when": [{"field": "Employees", "at_most": 10}], "points": -20},
    ]
    card = {
        "name": "All",
        "threshold": 50,
        "conversion_at_threshold": 0.1,
        "points_to_double_the_odds": 20,
        "rule": rules,
    }
    definition = definition_from(
        {"outcome": {"won": ["Won"]}, "columns": {"status": "Status"}, "scorecard": [card]}, "test"
    )
    first, second = scorecard_reasons(score_points(definition, FACTS))
    assert [reason.text for reason in first] == ["Decision maker: +15 points"]
    assert second == ()
