"""What happened corrects what was expected, by as much as it is worth."""

import numpy as np
import pytest

from winnable.core.columns import FeatureTable, NumericColumn
from winnable.definition.decide.recalibration import (
    INTERCEPT_PRIOR_SD,
    SLOPE_PRIOR_SD,
    Recalibration,
    recalibrate,
    shrink,
)
from winnable.definition.decide.scorecard import Points, probability_of, score_points
from winnable.definition.load import definition_from

CARD = {
    "threshold": 30,
    "conversion_at_threshold": 0.2,
    "points_to_double_the_odds": 10,
    "rule": [
        {"says": f"r{i}", "points": 10, "when": [{"field": "n", "at_least": i}]}
        for i in range(1, 7)
    ],
}


def points_of(size: int, seed: int = 1) -> Points:
    definition = definition_from(
        {"outcome": {"won": ["W"]}, "columns": {"status": "S"}, "scorecard": [CARD]}, "test"
    )
    rng = np.random.default_rng(seed)
    return score_points(
        definition,
        FeatureTable(size, {"n": NumericColumn(rng.integers(0, 8, size).astype(np.float64))}),
    )


def test_without_history_the_definition_stands_as_written() -> None:
    assert recalibrate(points_of(0), np.zeros(0)) == Recalibration(0.0, 1.0)
    points = points_of(50)
    np.testing.assert_allclose(Recalibration().log_odds(points), points.logit)


def test_much_history_finds_the_true_intercept_and_slope() -> None:
    points = points_of(100_000)
    true = Recalibration(-0.7, 0.4)
    won = np.random.default_rng(2).random(points.size) < probability_of(true.log_odds(points))
    found = recalibrate(points, won.astype(np.float64))
    assert found.intercept == pytest.approx(true.intercept, abs=0.05)
    assert found.slope == pytest.approx(true.slope, abs=0.05)


def test_a_little_history_moves_a_little_in_its_direction() -> None:
    points = points_of(10)
    nothing_won = recalibrate(points, np.zeros(10))
    assert -2 * INTERCEPT_PRIOR_SD < nothing_won.intercept < 0
    assert abs(nothing_won.slope - 1) < SLOPE_PRIOR_SD
    assert (nothing_won.log_odds(points) < points.logit).mean() > 0.5


def test_the_answer_is_where_the_gradient_vanishes() -> None:
    points = points_of(300)
    won = (np.random.default_rng(3).random(300) < 0.6).astype(np.float64)
    found = recalibrate(points, won)
    turned = points.logit - points.anchor
    rest = won - 1 / (1 + np.exp(-(points.anchor + found.intercept + found.slope * turned)))
    assert rest.sum() == pytest.approx(found.intercept / INTERCEPT_PRIOR_SD**2, abs=1e-5)
    assert rest @ turned == pytest.approx((found.slope - 1) / SLOPE_PRIOR_SD**2, abs=1e-5)


def test_a_weight_counts_a_lead_so_many_times() -> None:
    points = points_of(40)
    won = (np.arange(40) % 3 == 0).astype(np.float64)
    rows = np.repeat(np.arange(40), 2)
    twice = Points(
        80, *(getattr(points, name)[rows] for name in ("card", "points", "logit", "anchor")), ()
    )
    weighted, repeated = recalibrate(points, won, np.full(40, 2.0)), recalibrate(twice, won[rows])
    assert weighted.intercept == pytest.approx(repeated.intercept)
    assert weighted.slope == pytest.approx(repeated.slope)


def test_an_expectation_that_was_far_off_is_still_found() -> None:
    points = points_of(5_000)
    extreme = Points(
        points.size,
        points.card,
        points.points,
        np.where(points.points > 20, 20.0, -20.0),
        points.anchor,
        (),
    )
    found = recalibrate(extreme, (points.points <= 20).astype(np.float64))
    assert np.isfinite([found.intercept, found.slope]).all()
    assert found.slope < 0


def test_small_sources_are_drawn_to_the_common_conversion() -> None:
    sources = shrink([1, 150, 50, 0, 90], [2, 1000, 1000, 2, 900], expected=0.1)
    conversion = sources.conversion
    assert sources.mean < conversion[0] < 0.5
    assert 0 < conversion[3] < sources.mean
    assert conversion[1] == pytest.approx(0.15, abs=0.005)
    assert conversion[2] == pytest.approx(0.05, abs=0.005)


def test_like_sources_count_as_one_and_unlike_ones_alone() -> None:
    alike = shrink([10, 11, 9, 10], [100, 100, 100, 100], expected=0.1)
    unlike = shrink([90, 1, 50, 10], [100, 100, 100, 100], expected=0.1)
    assert alike.strength > 1000 > 20 > unlike.strength


def test_no_sources_and_empty_sources_have_the_expected_conversion() -> None:
    assert shrink([], [], expected=0.1).mean == pytest.approx(0.1)
    assert shrink([0], [0], expected=0.1).conversion[0] == pytest.approx(0.1)
