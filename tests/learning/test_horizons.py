"""From one horizon to the other: the cumulative incidence, and one coherent probability for both horizons."""

import numpy as np
import pytest

from winnable.learning.horizons import cumulative_incidence, later_wins, stretch


def test_without_censoring_it_is_the_plain_share_won_by_each_day() -> None:
    chance = np.random.default_rng(0)
    days = chance.integers(1, 300, 500).astype(float)
    won = chance.random(500) < 0.4
    until = np.array([0.0, 10, 90, 365])
    expected = [(won & (days <= day)).mean() for day in until]
    assert cumulative_incidence(days, won, ~won, until) == pytest.approx(expected)


def test_censored_leads_are_not_counted_as_lost() -> None:
    # Two leads won on day 10 and 20; one left observation on day 15: the second win counts for the half that was still open.
    days, won = np.array([10.0, 15.0, 20.0]), np.array([True, False, True])
    lost = np.zeros(3, dtype=bool)
    assert cumulative_incidence(days, won, lost, np.array([10.0, 20.0])) == pytest.approx([1 / 3, 1.0])


def test_censoring_at_random_leaves_the_estimate_where_it_was() -> None:
    chance = np.random.default_rng(1)
    days, outcome = chance.exponential(60, 20_000), chance.random(20_000) < 0.3
    watched = chance.uniform(0, 400, 20_000)
    seen = days <= watched
    estimate = cumulative_incidence(np.minimum(days, watched), seen & outcome, seen & ~outcome, np.array([90.0]))
    assert estimate[0] == pytest.approx((outcome & (days <= 90)).mean(), abs=0.01)


def test_the_longer_horizon_never_has_the_smaller_probability() -> None:
    probability = np.linspace(0, 1, 101)[:-1]
    days, won = np.array([10.0, 100.0, 200.0, 300.0]), np.array([True, True, False, False])
    exponent = later_wins(days, won, ~won, 90, 365)
    assert exponent == pytest.approx(np.log(0.5) / np.log(0.75))
    longer = stretch(probability, exponent)
    assert (longer >= probability).all()
    assert (np.diff(longer) > 0).all()
    assert stretch(np.array([0.25]), exponent)[0] == pytest.approx(0.5)


@pytest.mark.parametrize("won", [[False, False], [False, True]], ids=["no wins", "no early wins"])
def test_a_history_that_cannot_tell_claims_no_later_wins(won: list[bool]) -> None:
    days = np.array([20.0, 200.0])
    assert later_wins(days, np.array(won), ~np.array(won), 90, 365) == 1.0
