"""The reassessment: the closed test chooses what was done to the scores, and changes what is right
no more often than it says."""

import numpy as np
import pytest

from winnable.core.columns import FloatArray
from winnable.learning.monitoring.reassessment import UpdateDecision, closed_test, cross_fitted

SIZE = 1500


def world(seed: int) -> tuple[FloatArray, FloatArray]:
    """What three columns add to a model's log-odds, (n, 3), and the log-odds that they make."""
    chance = np.random.default_rng(seed)
    parts = chance.normal(size=(SIZE, 3)) * np.array([0.9, 0.6, 0.3])
    return parts, -1.8 + parts.sum(axis=1)


def outcomes(seed: int, logit: FloatArray) -> FloatArray:
    return (
        np.random.default_rng(1000 + seed).random(len(logit)) < 1 / (1 + np.exp(-logit))
    ).astype(float)


def chosen(seed: int, what_happened: str) -> UpdateDecision:
    parts, logit = world(seed)
    truth = {
        "nothing": logit,
        "fewer are won": logit - 0.8,
        "scores are too extreme": 0.45 * logit - 0.9,
        "a column means the opposite": logit - 2 * parts[:, 0],
    }[what_happened]
    return closed_test(outcomes(seed, truth), logit, parts).decision


@pytest.mark.parametrize(
    ("what_happened", "right"),
    [
        ("nothing", "keep"),
        ("fewer are won", "move"),
        ("scores are too extreme", "recalibrate"),
        ("a column means the opposite", "retrain"),
    ],
)
def test_it_chooses_what_was_done_to_the_scores(what_happened: str, right: UpdateDecision) -> None:
    """A lesser or a greater update is chosen in about one of twenty tries, which is the level of
    the test."""
    decisions = [chosen(seed, what_happened) for seed in range(100)]
    assert decisions.count(right) >= 89


def test_a_model_that_is_right_is_changed_in_one_of_twenty_tries() -> None:
    changed = sum(chosen(seed, "nothing") != "keep" for seed in range(100, 500))
    assert 8 <= changed <= 34


def test_doing_nothing_costs_what_the_right_update_saves_on_leads_that_it_has_not_seen() -> None:
    parts, logit = world(1)
    won = outcomes(1, logit - 0.8)
    answers = cross_fitted(won, logit, parts)
    loss = {
        name: -np.mean(np.where(won == 1, np.log(p), np.log(1 - p))) for name, p in answers.items()
    }
    assert loss["move"] < loss["keep"] - 0.02
    assert abs(loss["move"] - loss["retrain"]) < 0.01
    assert answers["keep"] == pytest.approx(1 / (1 + np.exp(-logit)))


def test_without_parts_it_can_still_recalibrate() -> None:
    parts, logit = world(2)
    choice = closed_test(outcomes(2, 0.4 * logit - 1), logit, parts[:, :0])
    assert choice.decision == "recalibrate"
    assert choice.slope == pytest.approx(0.4, abs=0.15)
    assert set(choice.p) == {"keep", "move"}
