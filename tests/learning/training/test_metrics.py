"""Evaluation: the measures mean what they say, and a forward split lets nothing of the later leads
through."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from winnable.core.statistics import base_rate
from winnable.core.timestamps import DAY, NEVER
from winnable.data.features.training_rows import TrainingRows
from winnable.learning.training.metrics import (
    MIN_OUTCOMES,
    WeightedAUC,
    bootstrap,
    difference,
    evaluate,
    split_forward,
)

CHANCE = np.random.default_rng(3)


def test_true_probabilities_are_calibrated_and_the_base_rate_saves_nothing() -> None:
    truth = CHANCE.beta(1, 4, 40_000)
    won = (CHANCE.random(40_000) < truth).astype(float)
    good, constant = (
        evaluate(won, truth, won.mean()),
        evaluate(won, np.full(40_000, won.mean()), won.mean()),
    )
    assert good.slope == pytest.approx(1, abs=0.05)
    assert good.intercept == pytest.approx(0, abs=0.06)
    assert good.predicted_to_observed == pytest.approx(1, abs=0.03)
    assert good.skill > 0.05
    assert constant.skill == pytest.approx(0)
    assert constant.slope is None


def test_overconfidence_has_a_slope_below_one_and_does_harm() -> None:
    truth = CHANCE.beta(2, 2, 20_000)
    won = (CHANCE.random(20_000) < truth).astype(float)
    odds = (truth / (1 - truth)) ** 3
    measured = evaluate(won, odds / (1 + odds), won.mean())
    assert measured.slope == pytest.approx(1 / 3, abs=0.03)
    assert measured.skill < evaluate(won, truth, won.mean()).skill


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_alone_is_judged_as_far_as_it_goes(outcome: float) -> None:
    measured = evaluate(np.full(5, outcome), np.full(5, 0.3), 0.5)
    assert measured.auc is None
    assert measured.slope is None
    assert measured.log_loss == pytest.approx(-np.log(0.3 if outcome else 0.7))
    assert (measured.predicted_to_observed is None) == (outcome == 0)
    assert "auc" not in measured.metrics()


def test_the_interval_of_observed_to_expected_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for _ in range(300):
        won = (CHANCE.random(200) < 0.2).astype(float)
        measured = evaluate(won, np.full(200, 0.2), 0.2)
        assert measured.observed_to_expected == pytest.approx(1 / measured.predicted_to_observed)
        held += measured.observed_to_expected_low <= 1 <= measured.observed_to_expected_high
    assert 0.91 <= held / 300 <= 0.99


def test_rows_of_one_person_make_an_interval_wider_and_all_measures_lie_in_theirs() -> None:
    truth = CHANCE.beta(1, 3, 300)
    won = (CHANCE.random(300) < truth).astype(float)
    person = np.repeat(np.arange(300), 5)
    won, truth = won[person], truth[person]
    alone, together = bootstrap(won, truth, won.mean()), bootstrap(won, truth, won.mean(), person)
    measured = evaluate(won, truth, won.mean()).metrics()
    for name, (low, high) in together.items():
        assert low < measured[name] < high, name
        assert np.diff(alone[name]) < 0.7 * np.diff(together[name])
    assert together == bootstrap(won, truth, won.mean(), person)
    assert "auc" not in bootstrap(np.zeros(9), np.full(9, 0.1), 0.1)


def test_the_auc_of_drawn_people_is_that_of_scikit_learn() -> None:
    """In ten draws of people, with probabilities of which many are equal."""
    probability = CHANCE.integers(1, 20, 400) / 20
    won = (CHANCE.random(400) < probability).astype(float)
    auc = WeightedAUC(won, probability)
    for _ in range(10):
        weights = np.bincount(CHANCE.integers(400, size=400), minlength=400).astype(float)
        theirs = roc_auc_score(won, probability, sample_weight=weights)
        assert auc(weights) == pytest.approx(theirs, abs=1e-12)


def test_a_better_answer_is_known_to_be_better_and_an_equal_one_is_not() -> None:
    truth = CHANCE.beta(1, 3, 3000)
    won = (CHANCE.random(3000) < truth).astype(float)
    better = difference(won, truth, np.full(3000, won.mean()))
    assert 0 < better.low < better.mean < better.high
    assert better.sure == 1
    assert difference(won, truth, truth).mean == 0
    noisy = difference(won, truth, np.clip(truth + CHANCE.normal(0, 0.003, 3000), 0.001, 0.999))
    assert noisy.low < 0 < noisy.high


def rows(size: int = 800, *, timed: bool = True) -> TrainingRows:
    as_of = np.sort(CHANCE.integers(0, 700, size)) * DAY
    won = (CHANCE.random(size) < 0.3).astype(float)
    person = CHANCE.integers(0, size // 2, size)
    never = np.full(size, NEVER)
    return TrainingRows(
        np.arange(size),
        as_of,
        won,
        np.zeros(size),
        person,
        timed,
        90.0,
        won,
        never,
        int(as_of.max()),
    )


def test_a_forward_split_leaves_a_gap_of_the_horizon_and_shares_no_person() -> None:
    known = rows()
    split = split_forward(known)
    assert split is not None
    gap = known.as_of[split.later].min() - known.as_of[split.earlier].max()
    assert gap >= 90 * DAY
    assert not set(known.person[split.earlier]) & set(known.person[split.later])
    assert split.later.mean() == pytest.approx(0.25, abs=0.02)


def test_without_time_or_with_too_few_outcomes_there_is_no_forward_split() -> None:
    assert split_forward(rows(timed=False)) is None
    few = rows(60)
    assert min(few.won.sum(), 60 - few.won.sum()) > MIN_OUTCOMES
    assert split_forward(few) is None
    assert split_forward(few.take(np.zeros(60, dtype=bool))) is None


def test_the_base_rate_is_never_nothing_or_all() -> None:
    assert base_rate(np.zeros(0)) == 0.5
    assert base_rate(np.ones(8)) == 0.9
