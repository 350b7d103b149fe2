"""Ends without dates: the share that ended by any age stays right, whatever is missing."""

import numpy as np
import pytest

from winnable.core.columns import FloatArray
from winnable.data.features.end_times import draw_end_ages


def lives(size: int, seed: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Leads that arrived evenly over two years: outcome today, true age at the end, age today, and
    the age at the last activity, one every ten days while the lead is open."""
    rng = np.random.default_rng(seed)
    today = rng.uniform(1, 730, size)
    end = rng.gamma(1.5, 25, size)
    won = rng.random(size) < 0.3
    end[won] *= 1.5
    outcome = np.where(end > today, np.nan, won.astype(float))
    age = np.where(np.isnan(outcome), np.nan, end)
    seen = np.floor(np.minimum(end, today) / 10) * 10
    return outcome, age, today, seen


def keys(size: int) -> list[str]:
    return [f"L{row}" for row in range(size)]


@pytest.mark.parametrize("dated", [0.0, 0.1, 0.3, 1.0])
def test_losses_come_as_fast_as_they_did_whatever_share_has_dates(dated: float) -> None:
    outcome, age, today, seen = lives(20_000, 1)
    lost = outcome == 0
    told = np.random.default_rng(2).random(len(age)) < dated
    known = np.where(lost & ~told, np.nan, age)
    drawn = draw_end_ages(outcome, known, seen, today, keys(len(age)))
    for days in (7, 14, 30, 60, 90, 180):
        # Current status alone tells the least: an error of .02 at 20,000 leads (`SMOOTHING`).
        assert (drawn[lost] <= days).mean() == pytest.approx((age[lost] <= days).mean(), abs=0.05)
    assert (drawn[outcome == 1] == age[outcome == 1]).all()
    assert np.isnan(drawn[np.isnan(outcome)]).all()


def test_wins_without_dates_are_dated_likewise() -> None:
    outcome, age, today, seen = lives(20_000, 3)
    won = outcome == 1
    drawn = draw_end_ages(outcome, np.where(won, np.nan, age), seen, today, keys(len(age)))
    for days in (14, 30, 60, 120):
        assert (drawn[won] <= days).mean() == pytest.approx((age[won] <= days).mean(), abs=0.06)


@pytest.mark.parametrize("since", ["lost", "both"])
def test_ends_that_are_dated_since_some_day_only_came_before_it(since: str) -> None:
    # A field history that is kept for a year: early ends are lost with it, late ones are not.
    outcome, age, today, seen = lives(20_000, 9)
    ended_before = today - age > 365
    missing = ended_before & ((outcome == 0) | (since == "both"))
    seen = np.where(missing, 0.0, seen)
    drawn = draw_end_ages(outcome, np.where(missing, np.nan, age), seen, today, keys(len(age)))
    assert ((today - drawn)[missing] > 360).all()
    for days in (7, 30, 60, 120):
        share = (age[missing] <= days).mean()
        assert (drawn[missing] <= days).mean() == pytest.approx(share, abs=0.04), days


def test_a_day_since_which_ends_are_dated_needs_more_than_old_dates() -> None:
    outcome, age, today, seen = lives(20_000, 10)
    kept = (today - age > 365) & (np.random.default_rng(11).random(len(age)) < 0.5)
    drawn = draw_end_ages(outcome, np.where(kept, age, np.nan), seen, today, keys(len(age)))
    assert ((today - drawn)[~kept & ~np.isnan(outcome)] < 365).any()


def test_nothing_ends_after_today_and_few_leads_before_they_were_last_seen() -> None:
    outcome, age, today, seen = lives(20_000, 4)
    lost = outcome == 0
    drawn = draw_end_ages(outcome, np.where(lost, np.nan, age), seen, today, keys(len(age)))
    assert (drawn[lost] <= today[lost]).all()
    assert (drawn[lost] >= seen[lost]).mean() > 0.85


def test_activities_after_the_end_do_not_make_the_ends_late() -> None:
    outcome, age, today, _ = lives(20_000, 5)
    lost = outcome == 0
    newsletters = today - 1  # everybody gets one to this day
    drawn = draw_end_ages(outcome, np.where(lost, np.nan, age), newsletters, today, keys(len(age)))
    assert (drawn[lost] <= 30).mean() == pytest.approx((age[lost] <= 30).mean(), abs=0.05)


def test_the_same_lead_always_draws_the_same_age() -> None:
    outcome, age, today, seen = lives(500, 6)
    known = np.where(outcome == 0, np.nan, age)
    once, again = (draw_end_ages(outcome, known, seen, today, keys(500)) for _ in range(2))
    assert np.array_equal(once, again, equal_nan=True)


def test_where_every_end_has_a_date_nothing_is_drawn() -> None:
    outcome, age, today, seen = lives(200, 7)
    assert np.array_equal(draw_end_ages(outcome, age, seen, today, keys(200)), age, equal_nan=True)


def signs(end: FloatArray, pattern: str, rng: np.random.Generator) -> list[FloatArray]:
    """When each lead was active before its end: as often a day, some more often than others, or as
    often in its life, however long that is."""
    by_day = np.minimum(end, 300) / 8
    rates = {"a day": by_day, "some more": by_day * rng.gamma(0.7, 1.0, len(end))}
    counts = rng.poisson(rates.get(pattern, np.full(len(end), 2.0)))
    pairs = zip(counts, end, strict=True)
    return [np.sort(rng.uniform(0, min(last, 300), count)) for count, last in pairs]


@pytest.mark.parametrize("pattern", ["a day", "some more", "a life"])
@pytest.mark.parametrize("undated", ["lost", "won", "half"])
def test_silent_leads_are_open_at_an_age_as_often_as_they_were(pattern: str, undated: str) -> None:
    # Leads that nobody ever saw do not end sooner for it: what the model learns of a lead without
    # activities rests on how many of them were still open.
    rng = np.random.default_rng(8)
    outcome, age, today, _ = lives(20_000, 8)
    seen = signs(np.where(np.isnan(age), today, age), pattern, rng)
    last = np.array([at[-1] if len(at) else 0.0 for at in seen])
    first = np.array([at[0] if len(at) else np.inf for at in seen])
    missing = {"lost": outcome == 0, "won": outcome == 1, "half": rng.random(len(age)) < 0.5}[
        undated
    ]
    drawn = draw_end_ages(outcome, np.where(missing, np.nan, age), last, today, keys(len(age)))
    for days in (7, 14, 30):
        rows = missing & ~np.isnan(age)
        truly = rows & (age > days)
        estimated = rows & (drawn > days)
        of_silent = (first > days)[truly].mean(), (first > days)[estimated].mean()
        assert of_silent[1] == pytest.approx(of_silent[0], abs=0.03), (days, of_silent)


def test_quick_losers_do_not_seem_as_slow_as_the_winners_whose_dates_are_known() -> None:
    late = []
    for seed in (12, 13, 14, 15):
        rng = np.random.default_rng(seed)
        today = rng.uniform(0, 1000, 20_000)
        won = rng.random(len(today)) < 0.25
        losing = rng.exponential(8, len(today))
        end = np.where(won, rng.lognormal(np.log(70), 0.6, len(today)), losing)
        outcome = np.where(end > today, np.nan, won.astype(float))
        lost = outcome == 0
        known = np.where(np.isnan(outcome) | lost, np.nan, end)
        nothing_seen = np.zeros(len(today))
        drawn = draw_end_ages(outcome, known, nothing_seen, today, keys(len(today)))
        late.append([(drawn[lost] > days).mean() for days in (30, 60)])
    of_30, of_60 = np.mean(late, axis=0)
    assert of_30 < 0.06, "of 1,000 it is truly 24"
    assert of_60 < 0.02, "of 1,000 it is truly one"
