"""Fit, interest and intent apart: the points of a scorecard by what they tell of, against the
average lead that the definition expects, and the cells A1 to D4."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnable.core.columns import ActivityAggregate, CategoricalColumn, FeatureTable, NumericColumn
from winnable.definition.decide.grid import (
    SIDES,
    GridPlace,
    SubScores,
    offered_points,
    places,
    side_of,
    sides_of_points,
)
from winnable.definition.decide.scorecard import MAX_ABS_LOG_ODDS, log_odds_by_rule, score_points
from winnable.definition.grid import CELLS, Grid
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.errors import DefinitionError

RULES = (
    {"says": "Size", "points": 20, "when": [{"field": "Size", "any_of": ["big"]}]},
    {"says": "Demo", "points": 30, "when": [{"activity": "Demo"}]},
    {"says": "Webinar", "points": 10, "when": [{"activity": "Webinar"}]},
    {"says": "Silent", "points": -10, "when": [{"activity": "any", "at_most": 0}]},
)


def definition(*cards: dict[str, Any], **more: Any) -> Definition:
    return definition_from(
        {
            "outcome": {"won": ["Won"], "expected_conversion": 0.1},
            "columns": {"status": "Status"},
            "activities": {"intent": ["Demo"], "interest": ["Webinar"]},
            "scorecard": list(cards) or [{"rule": list(RULES)}],
            "grid": {},
            **more,
        },
        "test",
    )


def leads(*told: tuple[str | None, int, int]) -> FeatureTable:
    """Leads by size, demos and webinars."""
    demos = [float(demo) for _, demo, _ in told]
    webinars = [float(webinar) for _, _, webinar in told]
    counts = {("Demo",): demos, ("Webinar",): webinars, (): np.add(demos, webinars).tolist()}
    return FeatureTable(
        len(told),
        {
            "Size": CategoricalColumn.of([size for size, _, _ in told]),
            **{
                ActivityAggregate("count", kinds).name: NumericColumn(np.array(values))
                for kinds, values in counts.items()
            },
        },
    )


def sub_scores(agreed: Definition, features: FeatureTable) -> SubScores:
    points = score_points(agreed, features)
    return sides_of_points(agreed, log_odds_by_rule(agreed, points), points.card)


def placed(agreed: Definition, features: FeatureTable) -> list[GridPlace]:
    assert agreed.grid is not None
    return [place for place in places(agreed.grid, sub_scores(agreed, features)) if place]


def test_each_side_has_its_own_points() -> None:
    features = leads(("big", 1, 1), ("big", 0, 0), (None, 1, 0))
    assert [place.points for place in placed(definition(), features)] == [
        {"profile": 20, "interest": 10, "intent": 30, "behaviour": 0},
        {"profile": 20, "interest": 0, "intent": 0, "behaviour": -10},
        {"profile": 0, "interest": 0, "intent": 30, "behaviour": 0},
    ]


def test_a_lead_that_fits_and_did_nothing_is_far_from_one_that_only_asked() -> None:
    cells = [place.cell for place in placed(definition(), leads(("big", 1, 1), ("big", 0, 0)))]
    only_asked = placed(definition(), leads((None, 1, 1)))[0].cell
    assert cells == ["B2", "B4"]
    assert only_asked == "C2"


def test_fit_times_engagement_is_what_the_points_make_of_the_expected_odds() -> None:
    agreed = definition({"rule": list(RULES), "threshold": 45, "conversion_at_threshold": 0.3})
    features = leads(("big", 1, 1), (None, 0, 0), ("big", 0, 1))
    odds = np.exp(score_points(agreed, features).logit)
    for place, own in zip(placed(agreed, features), odds.tolist(), strict=True):
        assert place.fit * place.engagement == pytest.approx(own / (0.1 / 0.9))
        assert place.interest * place.intent * place.behaviour == pytest.approx(place.engagement)


def test_the_average_lead_has_its_points_where_the_rules_give_them() -> None:
    agreed = definition()
    assert offered_points(agreed, agreed.scorecard[0]).tolist() == [20, 10, 30, 0]
    against = sub_scores(agreed, leads((None, 0, 1)))
    given_points = np.array([0, 10, 0, 0])
    average = 60 * np.array([20, 10, 30, 0]) / 60  # the threshold, at the expected conversion
    assert against.log_odds[0] == pytest.approx((given_points - average) * np.log(2) / 20)


def test_a_cap_limits_what_a_side_can_give_and_gave() -> None:
    more = {"says": "Seminar", "points": 30, "when": [{"activity": "Webinar", "at_least": 2}]}
    agreed = definition({"rule": [*RULES, more], "caps": {"interest": 20}})
    assert offered_points(agreed, agreed.scorecard[0]).tolist() == [20, 20, 30, 0]
    assert placed(agreed, leads((None, 0, 2)))[0].points == {
        "profile": 0,
        "interest": 20,
        "intent": 0,
        "behaviour": 0,
    }


def test_a_group_of_ones_own_tells_of_what_its_conditions_test() -> None:
    agreed = definition({"rule": [{**rule, "group": "mine"} for rule in RULES]})
    sides = [side_of(rule, agreed.activities) for rule in agreed.scorecard[0].rule]
    assert sides == ["profile", "intent", "interest", "behaviour"]


def test_each_scorecard_has_an_average_lead_of_its_own_and_none_is_average() -> None:
    big = {
        "name": "Big",
        "segment": [{"field": "Size", "any_of": ["big"]}],
        "points_to_double_the_odds": 5,
        "rule": [{"says": "Demo", "points": 40, "when": [{"activity": "Demo"}]}],
    }
    small = {**big, "name": "Small", "segment": [{"field": "Size", "any_of": ["small"]}]}
    small |= {"points_to_double_the_odds": 20}
    found = placed(definition(big, small), leads(("big", 1, 0), ("small", 1, 0), ("none", 1, 0)))
    assert [place.engagement for place in found] == pytest.approx([2**-4, 2**-1, 1])
    assert [place.cell for place in found] == ["B4", "B3", "B2"]


def test_no_rule_for_a_side_leaves_it_average() -> None:
    agreed = definition({"rule": [RULES[0]]})
    assert [place.cell[1] for place in placed(agreed, leads(("big", 1, 1), (None, 0, 0)))] == [
        "2",
        "2",
    ]


@given(st.floats(-15, 15), st.floats(-15, 15))
def test_a_better_lead_never_has_a_worse_letter(first: float, second: float) -> None:
    grid = Grid()
    low, high = sorted((first, second))
    worse, better = (
        place.cell
        for place in places(grid, SubScores(np.array([[low, 0, 0, 0], [high, 0, 0, 0]])))
        if place is not None
    )
    assert better[0] <= worse[0]
    assert {worse, better} <= set(CELLS)


def test_the_steps_are_odds_ratios_and_belong_to_the_better_cell() -> None:
    grid = Grid(fit=(4, 1, 0.25), engagement=(2, 1, 0.5))
    ratios = [5, 4, 3.99, 1, 0.99, 0.25, 0.2]
    log_odds = np.column_stack(
        [np.log(ratios), np.zeros(len(ratios))] + [np.zeros(len(ratios))] * 2
    )
    found = [place.cell for place in places(grid, SubScores(log_odds)) if place is not None]
    assert found == ["A2", "A2", "B2", "B2", "C2", "C2", "D2"]
    by_engagement = log_odds[:, [1, 0, 2, 3]]
    found = [place.cell for place in places(grid, SubScores(by_engagement)) if place is not None]
    assert found == ["B1", "B1", "B1", "B2", "B3", "B4", "B4"]


def test_a_lead_without_a_score_has_no_place() -> None:
    assert places(Grid(), SubScores(np.full((1, len(SIDES)), np.nan))) == (None,)


@pytest.mark.parametrize("knock_out", [1_000, 100_000, -1_000, -100_000])
def test_a_rule_of_very_many_points_has_an_odds_ratio_that_every_reader_can_parse(
    knock_out: int,
) -> None:
    rules = [{**rule, "points": knock_out} for rule in RULES[:3]]
    (place,) = placed(definition({"rule": rules, "threshold": 0}), leads(("big", 1, 1)))
    json.dumps(place.to_json(), allow_nan=False)
    for ratio in (place.fit, place.engagement, place.interest, place.intent):
        assert abs(np.log(ratio)) == pytest.approx(MAX_ABS_LOG_ODDS)


def test_a_cell_is_called_by_its_own_words_else_by_those_of_its_letter_and_number() -> None:
    grid = Grid(words={"1": "asks", "A": "ideal", "B2": "soon"})
    assert grid.says("A1") == "ideal, asks"
    assert grid.says("A2") == "ideal"
    assert grid.says("B2") == "soon"
    assert grid.says("D4") == ""


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"fit": [1, 2, 3]}, "grid: fit: the three odds ratios must decrease, got 1, 2, 3"),
        ({"engagement": [2, 1]}, "grid, engagement 3: is missing"),
        ({"fit": [2, 1, 0]}, "grid, fit 3: expected a number above 0"),
        ({"words": {"E1": "x"}}, "'E1' is no part of the grid; write a letter from A to D"),
        ({"fitt": [2, 1, 0.5]}, "grid, fitt: there is no such key; did you mean 'fit'?"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_way_out(grid: Any, message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        definition(grid=grid)
    assert message in str(refused.value)
