"""Blend: a good expert is heard, a hopeless one costs nothing, and where nothing can be learned the
rate answers."""

import numpy as np

from winnable.core.columns import FloatArray
from winnable.core.statistics import log_losses, logit_of, sigmoid
from winnable.learning.model.blend import fit_blend


def history(size: int, seed: int) -> tuple[FloatArray, FloatArray, float]:
    chance = np.random.default_rng(seed)
    truth = chance.normal(-1, 1, size)
    won = (chance.random(size) < sigmoid(truth)).astype(float)
    return truth, won, float(logit_of(won.mean()))


def test_a_hopeless_expert_costs_nothing() -> None:
    truth, won, base = history(5000, 0)
    noise = np.random.default_rng(1).normal(-1, 1.5, 5000)
    weights = fit_blend(
        np.column_stack([truth, noise]), base, won, np.ones(5000), np.array([0.5, 0.5])
    )
    blended = base + (np.column_stack([truth, noise]) - base) @ weights
    assert weights[1] < 0.1
    assert log_losses(blended, won).mean() < 1.003 * log_losses(truth, won).mean()


def test_few_leads_move_the_prior_less_than_many() -> None:
    prior = np.array([0.7, 0.3])

    def moved(size: int) -> float:
        truth, won, base = history(size, 2)
        weights = fit_blend(np.column_stack([truth, truth[::-1]]), base, won, np.ones(size), prior)
        return float(np.abs(weights / weights.sum() - prior).max())

    assert 0 < moved(30) < 0.5 * moved(3000)


def test_experts_of_few_leads_are_stretched_and_those_who_say_too_much_are_not() -> None:
    def size(leads: int, timid: float) -> float:
        truth, won, base = history(leads, 11)
        opinion = base + timid * (truth - truth.mean())
        return float(fit_blend(opinion[:, None], base, won, np.ones(leads), np.ones(1))[0])

    assert size(100, 0.6) > 1.1
    assert size(20_000, 0.6) > 1.5
    assert size(20_000, 1.0) < 1.03
    assert size(20_000, 2.0) < 0.6


def test_where_nothing_can_be_learned_the_rate_answers() -> None:
    _, won, base = history(5000, 3)
    noise = np.random.default_rng(4).normal(base, 0.5, (5000, 2))
    weights = fit_blend(noise, base, won, np.ones(5000), np.array([0.5, 0.5]))
    np.testing.assert_array_equal(weights, 0.0)


def test_the_way_to_the_base_rate_has_no_step() -> None:
    truth, won, base = history(1500, 6)
    noise = np.random.default_rng(7).normal(-1, 1, 1500)
    sizes = [
        float(
            fit_blend(
                (base + 0.3 * ((1 - dim) * truth + dim * noise + 1))[:, None],
                base,
                won,
                np.ones(1500),
                np.ones(1),
            )[0]
        )
        for dim in np.linspace(0.3, 1.0, 141)
    ]
    assert sizes[0] > 0.9
    assert sizes[-1] == 0
    assert np.abs(np.diff(sizes)).max() < 0.15 * sizes[0]


def test_an_expert_that_is_far_ahead_is_not_held_back_by_the_mixture() -> None:
    truth, won, base = history(300, 8)
    sharp = 3 * (truth + 1)
    won = (np.random.default_rng(9).random(300) < sigmoid(sharp)).astype(float)
    others = np.random.default_rng(10).normal(base, 0.3, (300, 2))
    opinions = np.column_stack([sharp, others])
    weights = fit_blend(opinions, base, won, np.ones(300), np.full(3, 1 / 3))
    assert weights[0] > 0.85
    level = fit_blend(
        np.column_stack([sharp, sharp, sharp]), base, won, np.ones(300), np.array([0.6, 0.3, 0.1])
    )
    assert level[0] > level[1] > level[2] > 0


def test_no_weight_is_negative() -> None:
    truth, won, base = history(2000, 5)
    weights = fit_blend(
        np.column_stack([truth, -truth]), base, won, np.ones(2000), np.array([0.5, 0.5])
    )
    assert (weights >= 0).all()
    assert weights[0] > 0.75


def test_of_few_leads_a_blend_that_gains_nothing_is_drawn_towards_the_rate() -> None:
    """Not so far that one is ignored which is good, or has had no luck yet."""

    def kept(size: int, signal: float) -> float:
        found = []
        for seed in range(40):
            truth, won, base = history(size, seed)
            noise = np.random.default_rng(1000 + seed).normal(-1, 1, size)
            opinion = base + 0.5 * (signal * truth + (1 - signal) * noise + 1)
            found.append(fit_blend(opinion[:, None], base, won, np.ones(size), np.ones(1))[0])
        return float(np.mean(found))

    assert kept(60, 1.0) > 0.9
    assert kept(60, 0.0) < 0.75 * kept(60, 1.0)
    assert kept(600, 0.0) < 0.1
