"""Experts: the rules recalibrated, and a ridge that bends."""

import numpy as np

from winnable.core.columns import FloatArray
from winnable.core.statistics import log_losses, sigmoid
from winnable.learning.model.experts.encoding import Encoded
from winnable.learning.model.experts.linear import fit_linear, fit_scorecard
from winnable.learning.model.experts.predict import LinearExpert


def leads(size: int, seed: int) -> tuple[Encoded, FloatArray, FloatArray]:
    chance = np.random.default_rng(seed)
    gaps = np.where(chance.random(size) < 0.2, np.nan, chance.normal(size=size))
    numbers = np.column_stack([chance.uniform(-3, 3, size), gaps])
    codes = chance.integers(0, 5, (size, 1))
    truth = (
        np.abs(numbers[:, 0])
        - 2
        + np.array([0, 0, 1.5, -1, 0])[codes[:, 0]]
        + np.isnan(numbers[:, 1])
    )
    return (
        Encoded(numbers, codes, np.zeros(size)),
        (chance.random(size) < sigmoid(truth)).astype(float),
        truth,
    )


def test_the_ridge_bends_and_hears_words_and_gaps() -> None:
    known, won, _ = leads(4000, 0)
    fresh, outcome, truth = leads(20_000, 1)
    logit = (
        LinearExpert(fit_linear(known, won, np.ones(4000), (5,)).part, (5,)).predict(fresh).logit
    )
    assert log_losses(logit, outcome).mean() < 1.02 * log_losses(truth, outcome).mean()


def test_pure_noise_leaves_the_ridge_near_the_rate() -> None:
    known, _, _ = leads(500, 2)
    won = (np.random.default_rng(3).random(500) < 0.3).astype(float)
    logit = LinearExpert(fit_linear(known, won, np.ones(500), (5,)).part, (5,)).predict(known).logit
    assert logit.std() < 0.25


def test_words_that_never_won_get_finite_values() -> None:
    codes = np.repeat([[2], [3]], 50, axis=0)
    known = Encoded(np.empty((100, 0)), codes, np.zeros(100))
    logit = (
        LinearExpert(
            fit_linear(known, (codes[:, 0] == 3).astype(float), np.ones(100), (4,)).part, (4,)
        )
        .predict(known)
        .logit
    )
    assert np.isfinite(logit).all()
    assert logit[-1] > 2 > -2 > logit[0]


def test_rules_are_moved_to_the_rate_and_harmful_ones_flattened() -> None:
    chance = np.random.default_rng(4)
    rules = chance.normal(-2, 1, 3000)
    won = (chance.random(3000) < sigmoid(rules + 1)).astype(float)
    part = fit_scorecard(
        Encoded(np.empty((3000, 0)), np.empty((3000, 0), dtype=np.int64), rules), won, np.ones(3000)
    ).part
    assert abs(part["slope"] - 1) < 0.15
    assert abs(part["intercept"] - 1) < 0.3
    against = (chance.random(3000) < sigmoid(-rules - 3)).astype(float)
    part = fit_scorecard(
        Encoded(np.empty((3000, 0)), np.empty((3000, 0), dtype=np.int64), rules),
        against,
        np.ones(3000),
    ).part
    assert part["slope"] == 0.0


def test_weights_count() -> None:
    known, won, _ = leads(400, 5)
    twice = known.take(np.concatenate([np.arange(400), np.flatnonzero(won > 0)]))
    doubled = fit_scorecard(
        twice, np.concatenate([won, np.ones(int(won.sum()))]), np.ones(twice.size)
    ).part
    weighed = fit_scorecard(known, won, 1.0 + won).part
    assert abs(doubled["intercept"] - weighed["intercept"]) < 1e-12
