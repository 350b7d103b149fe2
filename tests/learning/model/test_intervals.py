"""Intervals: people count, not rows, and more of them tell more."""

import numpy as np

from winnable.core.columns import FloatArray
from winnable.learning.model.intervals import fit_bands


def width(bands: dict[str, list[float]]) -> float:
    return float(np.mean(np.array(bands["below"]) + np.array(bands["above"])))


def scores(size: int) -> FloatArray:
    return np.random.default_rng(0).normal(-1, 1, size)


def test_rows_of_one_person_make_no_interval_narrower() -> None:
    logit = scores(400)
    once = fit_bands(logit, np.ones(400), np.arange(400))
    for weight in (1.0, 0.2):
        five_times = fit_bands(
            np.repeat(logit, 5), np.full(2000, weight), np.repeat(np.arange(400), 5)
        )
        assert width(five_times) >= 0.98 * width(once)


def test_few_people_who_give_most_rows_of_a_score_do_not_make_its_interval_narrow() -> None:
    logit = np.sort(scores(1000))
    alone = np.arange(1000)
    crowded = np.where(alone >= 900, 900 + alone % 5, alone)
    apart, together = (fit_bands(logit, np.ones(1000), people) for people in (alone, crowded))
    assert together["below"][-1] > 1.5 * apart["below"][-1]
    assert together["above"][-1] > 1.5 * apart["above"][-1]


def test_more_people_make_it_narrower_by_the_root_of_their_number() -> None:
    few, many = (fit_bands(scores(n), np.ones(n), np.arange(n)) for n in (500, 8000))
    assert 3 < width(few) / width(many) < 5


def test_no_weight_at_all_says_nothing() -> None:
    assert fit_bands(scores(30), np.zeros(30), np.arange(30))["below"] == [2.0]
