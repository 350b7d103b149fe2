"""Calibration: mends what is wrong, leaves what is right, and follows the rate only where that
would have helped."""

import numpy as np
import pytest

from winnable.core.columns import FloatArray
from winnable.core.statistics import log_losses, logit_of, sigmoid
from winnable.learning.model.calibration import (
    calibrate,
    fit_calibration,
    follow_recent_rate,
    settle_level,
)


def scores(size: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    chance = np.random.default_rng(seed)
    logit = chance.normal(-1, 1.5, size)
    return logit, (chance.random(size) < sigmoid(logit)).astype(float)


@pytest.mark.parametrize(("size", "kind"), [(600, "platt"), (4000, "beta")])
def test_overconfident_scores_are_calmed(size: int, kind: str) -> None:
    logit, won = scores(size)
    calibration = fit_calibration(2 * logit + 1, won, np.ones(size), np.arange(size) % 5)
    assert calibration["kind"] == kind
    fresh, outcome = scores(20_000, seed=1)
    before, after = (
        log_losses(2 * fresh + 1, outcome).mean(),
        log_losses(calibrate(2 * fresh + 1, calibration), outcome).mean(),
    )
    best = log_losses(fresh, outcome).mean()
    assert after - best < 0.15 * (before - best)


def test_right_scores_are_mostly_left_alone_and_never_harmed() -> None:
    fresh, outcome = scores(50_000, seed=99)
    best, kinds = log_losses(fresh, outcome).mean(), []
    for seed in range(10):
        logit, won = scores(3000, seed=seed)
        calibration = fit_calibration(logit, won, np.ones(3000), np.arange(3000) % 5)
        kinds.append(calibration["kind"])
        assert log_losses(calibrate(fresh, calibration), outcome).mean() < 1.004 * best
    assert kinds.count("none") >= 7


def test_two_equal_slopes_are_a_straight_line() -> None:
    calibration = {"intercept": 0.3, "win": 0.8, "loss": 0.8}
    logit = np.linspace(-5, 5, 11)
    np.testing.assert_allclose(calibrate(logit, calibration), 0.3 + 0.8 * logit, atol=1e-12)


def test_scores_that_add_up_to_too_few_wins_are_moved_half_of_the_way() -> None:
    chance = np.random.default_rng(3)
    truth = chance.normal(-3, 1, 20_000)
    won = (chance.random(20_000) < sigmoid(truth)).astype(float)
    every = np.ones(20_000)
    assert settle_level(truth, won, every) == pytest.approx(0, abs=0.05)
    assert settle_level(truth - 1, won, every) == pytest.approx(0.5, abs=0.05)
    sure = np.where(won == 1, 11.0, -11.0)
    sure[0] = -sure[0]
    assert abs(settle_level(sure, won, every)) < 0.15


def test_a_changed_rate_is_followed_and_a_steady_one_is_not() -> None:
    logit, won = scores(4000, seed=4)
    order, every = np.arange(4000.0), np.ones(4000, dtype=bool)
    assert follow_recent_rate(logit, won, np.ones(4000), order, every) == 0.0
    chance = np.random.default_rng(5)
    moved = (chance.random(4000) < sigmoid(logit + np.linspace(-1, 1, 4000))).astype(float)
    assert 0.25 < follow_recent_rate(logit, moved, np.ones(4000), order, every) < 1.1
    assert follow_recent_rate(logit, moved, np.ones(4000), np.zeros(4000), every) == 0.0
    # Nothing is told from leads whose outcome is not final, however much their rate seems to have
    # moved.
    of_late = np.where(order < 3000, won, moved)
    assert follow_recent_rate(logit, of_late, np.ones(4000), order, every) > 0.1
    assert follow_recent_rate(logit, of_late, np.ones(4000), order, order < 3000) == 0.0
    assert follow_recent_rate(logit, moved, np.ones(4000), order, ~every) == 0.0


def test_log_odds_and_probability_are_each_other_s_inverse() -> None:
    p = np.array([1e-9, 0.2, 0.5, 1 - 1e-9])
    np.testing.assert_allclose(sigmoid(logit_of(p)), p, rtol=1e-6)
    assert np.isfinite(sigmoid(np.array([-1e6, 1e6]))).all()
