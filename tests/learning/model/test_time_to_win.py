"""Horizons: the pace of wins, one coherent probability for every horizon, and what leads teach that
were watched for a part."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnable.core.columns import BoolArray, FloatArray
from winnable.learning.model.time_to_win import WinTimeCurve, censoring_weights, fit_win_time_curve


def history(
    size: int, seed: int, watched: float
) -> tuple[FloatArray, FloatArray, BoolArray, FloatArray]:
    """Leads of whom 30 in 100 are won, the others lost, mostly sooner: days to the end, won, seen,
    days watched."""
    chance = np.random.default_rng(seed)
    won = chance.random(size) < 0.3
    days = np.where(won, chance.exponential(60, size), chance.exponential(25, size))
    until = chance.uniform(0, watched, size)
    return days, won, days <= until, until


def test_without_censoring_it_is_the_plain_share_won_and_open_by_each_age() -> None:
    days, won, _, _ = history(3000, 0, 1)
    pace = fit_win_time_curve(days, won, ~won, 100)
    for age, share, still_open in zip(pace.ages, pace.won, pace.open, strict=True):
        assert share == pytest.approx((won & (days <= age)).mean())
        assert still_open == pytest.approx((days > age).mean())


def test_censoring_at_random_leaves_the_estimate_where_it_was() -> None:
    days, won, seen, until = history(20_000, 1, 400)
    pace = fit_win_time_curve(np.minimum(days, until), seen & won, seen & ~won, 365)
    share = pace.within(np.zeros(1), 90.0)[0]
    assert share == pytest.approx((won & (days <= 90)).mean(), abs=0.01)


def test_older_leads_have_the_chance_of_those_that_were_open_at_their_age() -> None:
    days, won, _, _ = history(20_000, 2, 1)
    pace = fit_win_time_curve(days, won, ~won, 365)
    left = days > 30
    expected = (won & (days <= 75))[left].mean()
    assert pace.within(np.array([30.0]), 45.0)[0] == pytest.approx(expected, abs=0.01)


def test_beyond_the_observation_wins_go_on_ever_more_slowly() -> None:
    days, won, seen, until = history(5000, 3, 60)
    pace = fit_win_time_curve(np.minimum(days, until), seen & won, seen & ~won, 545)
    assert pace.observed < 60
    steps = np.array(
        [pace.within(np.zeros(1), float(day))[0] for day in (pace.observed, 90, 120, 240, 480)]
    )
    assert (np.diff(steps) > 0).all()
    assert steps[2] - steps[1] < steps[1] - steps[0]
    assert steps[-1] < 0.5
    assert ((pace.won + pace.open) <= 1 + 1e-9).all()


@given(st.integers(0, 50), st.floats(0, 400), st.floats(1e-6, 1 - 1e-6))
def test_the_longer_horizon_never_has_the_smaller_probability(
    seed: int, age: float, probability: float
) -> None:
    days, won, seen, until = history(60, seed, 200)
    pace = fit_win_time_curve(np.minimum(days, until), seen & won, seen & ~won, 545)
    horizons = (1.0, 7.0, 30.0, 90.0, 91.0, 180.0, 365.0)
    answers = [
        float(pace.rescale_horizon(np.array([probability]), np.array([age]), 90.0, days)[0])
        for days in horizons
    ]
    assert all(0 <= answer <= 1 for answer in answers)
    assert all(later >= sooner - 1e-12 for sooner, later in pairwise(answers))
    assert answers[3] == pytest.approx(probability)


def test_the_better_lead_stays_the_better_at_every_horizon() -> None:
    days, won, _, _ = history(500, 4, 1)
    pace = fit_win_time_curve(days, won, ~won, 545)
    longer = pace.rescale_horizon(np.linspace(0.01, 0.99, 99), np.full(99, 10.0), 90.0, 365.0)
    assert (np.diff(longer) > 0).all()


@pytest.mark.parametrize("won", [[False, False], []], ids=["no wins", "no leads"])
def test_a_history_that_cannot_tell_claims_no_later_wins(won: list[bool]) -> None:
    flags = np.array(won, dtype=bool)
    pace = fit_win_time_curve(np.array([20.0, 200.0])[: len(won)], flags, ~flags, 365)
    assert pace.rescale_horizon(
        np.array([0.2]), np.zeros(1), 90.0, 365.0
    ).tolist() == pytest.approx([0.2])


def test_a_pace_survives_json() -> None:
    days, won, _, _ = history(50, 5, 1)
    pace = fit_win_time_curve(days, won, ~won, 100)
    again = WinTimeCurve.from_json(pace.to_json())
    assert (again.ages == pace.ages).all()
    assert again.within(np.array([3.0]), 40.0) == pace.within(np.array([3.0]), 40.0)


def odds(won: FloatArray, weights: FloatArray) -> float:
    return float(weights @ won / (weights @ (1 - won)))


@pytest.mark.parametrize("watched", [10.0, 30.0, 60.0])
def test_leads_watched_for_a_part_have_the_odds_of_the_whole_horizon_when_weighed(
    watched: float,
) -> None:
    # Two kinds of leads, won at one pace but not equally often; losses come sooner than wins.
    chance = np.random.default_rng(6)
    good = chance.random(200_000) < 0.5
    won = chance.random(200_000) < np.where(good, 0.4, 0.1)
    days = np.where(won, chance.exponential(60, 200_000), chance.exponential(25, 200_000))
    pace = fit_win_time_curve(days, won, ~won, 400)
    ended = np.where(days <= watched, won.astype(float), np.nan)
    weights = censoring_weights(pace, np.zeros(200_000), np.full(200_000, watched), ended, 90.0)
    for kind in (good, ~good):
        within = (won & (days <= 90))[kind].mean()
        assert odds((ended == 1)[kind].astype(float), weights[kind]) == pytest.approx(
            within / (1 - within), rel=0.15
        )
        # Counting what is still open as lost falls far short of them.
        assert odds((ended == 1)[kind].astype(float), np.ones(int(kind.sum()))) < (
            0.4 + watched / 150
        ) * within / (1 - within)


def test_a_horizon_that_has_passed_weighs_one_and_a_watch_that_has_hardly_begun_nothing() -> None:
    days, won, _, _ = history(1000, 7, 1)
    pace = fit_win_time_curve(days, won, ~won, 400)
    ended = np.array([1.0, 0.0, np.nan, 1.0, np.nan])
    watched = np.array([90.0, 90.0, 90.0, 0.5, 0.5])
    assert censoring_weights(pace, np.zeros(5), watched, ended, 90.0).tolist() == [1, 1, 1, 0, 0]
