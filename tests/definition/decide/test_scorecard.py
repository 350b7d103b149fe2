"""Points become the log-odds that two teams agreed on, rule by rule, card by card."""

from math import log
from typing import Any

import numpy as np
import pytest

from winnable.core.columns import ActivityAggregate, CategoricalColumn, FeatureTable, NumericColumn
from winnable.core.statistics import logit_of
from winnable.definition.decide.scorecard import (
    MAX_ABS_LOG_ODDS,
    Points,
    probability_of,
    score_points,
)
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition

DEMO = ActivityAggregate("count", ("Demo",), 30)
SINCE = ActivityAggregate("days_since", ("Demo",))


def definition(*cards: dict[str, Any], **more: Any) -> Definition:
    base = {
        "outcome": {"won": ["W"], "lost": ["L"], "expected_conversion": 0.05},
        "columns": {"status": "S"},
    }
    return definition_from({**base, "scorecard": list(cards), **more}, "test")


def rule(says: str, points: float, when: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"says": says, "points": points, "when": [when], **more}


def features(**columns: list[Any]) -> FeatureTable:
    size = len(next(iter(columns.values())))
    told = {
        name: (
            CategoricalColumn.of(values)
            if any(isinstance(v, str) for v in values)
            else NumericColumn(np.asarray(values, dtype=np.float64))
        )
        for name, values in columns.items()
    }
    return FeatureTable(size, told)


BIG = rule("Big", 15, {"field": "size", "at_least": 100})
FREE = rule("Free mail", -10, {"field": "mail", "any_of": ["gmail"]})


def met(points: Points, row: int) -> dict[str, float]:
    """The rules that the lead in this row met, and what they gave."""
    return {award.says: award.given[row] for award in points.awarded if award.held[row]}


def test_points_are_added_and_deducted_and_the_rules_that_fired_are_the_reasons() -> None:
    points = score_points(
        definition({"rule": [FREE, BIG]}),
        features(size=[200, 200, 5], mail=["gmail", "own", "gmail"]),
    )
    assert points.points.tolist() == [5, 15, -10]
    assert met(points, 0) == {"Big": 15, "Free mail": -10}
    assert met(points, 1) == {"Big": 15}
    assert [award.says for award in points.awarded] == ["Free mail", "Big"]
    assert [(award.card, award.rule) for award in points.awarded] == [(0, 0), (0, 1)]


def test_the_threshold_has_the_expected_conversion_and_more_points_double_the_odds() -> None:
    card = {
        "threshold": 15,
        "conversion_at_threshold": 0.2,
        "points_to_double_the_odds": 15,
        "rule": [BIG],
    }
    points = score_points(definition(card), features(size=[200, 5]))
    assert probability_of(points.logit)[0] == pytest.approx(0.2)
    assert points.logit[0] - points.logit[1] == pytest.approx(log(2))
    assert points.anchor.tolist() == pytest.approx([float(logit_of(0.2))] * 2)


def test_without_a_card_the_expected_conversion_answers() -> None:
    points = score_points(definition(), features(size=[200, 5]))
    assert points.card.tolist() == [-1, -1]
    assert points.points.tolist() == [0, 0]
    assert probability_of(points.logit).tolist() == pytest.approx([0.05, 0.05])


def test_each_lead_gets_the_first_card_whose_segment_fits() -> None:
    cards = [
        {
            "name": "big",
            "segment": [{"field": "size", "at_least": 100}],
            "rule": [rule("x", 1, {"field": "size", "is_present": True})],
        },
        {
            "name": "mid",
            "segment": [{"field": "size", "at_least": 10}],
            "rule": [rule("y", 2, {"field": "size", "is_present": True})],
        },
    ]
    points = score_points(definition(*cards), features(size=[500, 50, 5, np.nan]))
    assert points.card.tolist() == [0, 1, -1, -1]
    assert points.points.tolist() == [1, 2, 0, 0]
    assert points.logit[2] == pytest.approx(float(logit_of(0.05)))
    assert met(points, 0) == {"x": 1}


def test_points_fade_by_half_lives() -> None:
    card = {"rule": [rule("Demo", 40, {"activity": "Demo", "within_days": 30}, half_life_days=10)]}
    told = FeatureTable(
        4,
        {
            DEMO.name: NumericColumn(np.array([1.0, 2.0, 1.0, 0.0])),
            SINCE.name: NumericColumn(np.array([0.0, 10.0, 20.0, np.nan])),
        },
    )
    assert score_points(definition(card), told).points.tolist() == [40, 20, 10, 0]


def test_a_date_field_fades_too_and_an_unknown_day_does_not() -> None:
    card = {"rule": [rule("Called", 40, {"field": "called", "within_days": 30}, half_life_days=10)]}
    assert score_points(
        definition(card), features(called=[10.0, 40.0, np.nan])
    ).points.tolist() == [20, 0, 0]
    counted = {
        "rule": [rule("Demo", 40, {"activity": "Demo", "within_days": 30}, half_life_days=10)]
    }
    assert score_points(
        definition(counted), FeatureTable(1, {DEMO.name: NumericColumn(np.array([1.0]))})
    ).points.tolist() == [40]


def test_caps_hold_for_groups_and_for_the_card() -> None:
    kinds = {"interest": ["Webinar", "Swag"], "intent": ["Demo"]}
    rules = [
        rule("Webinar", 30, {"activity": "Webinar"}),
        rule("Swag", 30, {"activity": "Swag"}),
        rule("Demo", 50, {"activity": "Demo"}),
        rule("Deducted", -200, {"field": "bad", "any_of": ["yes"]}),
    ]
    card = {"rule": rules, "caps": {"interest": 40}, "at_most": 80, "at_least": -20}
    told = FeatureTable(
        3,
        {
            **{
                ActivityAggregate("count", (kind,)).name: NumericColumn(np.array([1.0, 1.0, 0.0]))
                for kind in ("Webinar", "Swag")
            },
            ActivityAggregate("count", ("Demo",)).name: NumericColumn(np.array([0.0, 1.0, 0.0])),
            "bad": CategoricalColumn.of([None, None, "yes"]),
        },
    )
    points = score_points(definition(card, activities=kinds), told)
    assert points.points.tolist() == [40, 80, -20]


def test_no_expectation_is_certain() -> None:
    card = {"points_to_double_the_odds": 0.001, "rule": [BIG]}
    points = score_points(definition(card), features(size=[200, 5]))
    assert np.abs(points.logit).max() <= MAX_ABS_LOG_ODDS
    chance = probability_of(np.array([-np.inf, -1e6, 0.0, 1e6, np.inf]))
    assert ((chance > 0) & (chance < 1)).all()


def test_no_leads_are_no_trouble() -> None:
    assert score_points(definition({"rule": [BIG]}), FeatureTable(0, {})).points.shape == (0,)


def test_a_million_and_one_lead_are_scored_alike() -> None:
    card = definition({"rule": [BIG, FREE]})
    told = features(size=[200, np.nan, 5], mail=["gmail", None, "own"])
    together = score_points(card, told)
    for row in range(told.size):
        alone = score_points(card, told.take(np.array([row])))
        assert alone.points[0] == together.points[row]
        assert alone.logit[0] == together.logit[row]
        assert met(alone, 0) == met(together, row)


def test_points_decay_by_what_is_true_of_several_conditions_not_by_what_is_not() -> None:
    either = {
        "any_of": [
            {"activity": "Demo", "at_least": 1},
            {"activity": "Pricing", "at_least": 3},
        ]
    }
    what = definition({"rule": [rule("Either", 40, either, half_life_days=10)]})
    told = FeatureTable(
        2,
        {
            ActivityAggregate("count", ("Demo",)).name: NumericColumn(np.array([1.0, 1])),
            ActivityAggregate("count", ("Pricing",)).name: NumericColumn(np.array([1.0, 3])),
            ActivityAggregate("days_since", ("Demo",)).name: NumericColumn(np.array([20.0, 20])),
            ActivityAggregate("days_since", ("Pricing",)).name: NumericColumn(np.array([0.0, 10])),
        },
    )
    assert score_points(what, told).points.tolist() == pytest.approx([10, 20])
