"""What opinions are worth: against numbers worked out by hand, and against people whose faults are
known."""

from datetime import UTC, datetime

import numpy as np
import pytest

from winnable.data.feedback.agreement import Share, agreement, error_rates, krippendorff_alpha
from winnable.data.feedback.store.records import Label

AT = datetime(2026, 1, 1, tzinfo=UTC)


def said(lead: str, **opinions: bool) -> tuple[Label, ...]:
    return tuple(
        Label(lead, "accepted" if yes else "rejected", by, AT) for by, yes in opinions.items()
    )


def test_alpha_is_krippendorffs() -> None:
    """His example of two observers and ten units (Computing Krippendorff's Alpha-Reliability, 2011,
    section A): 0.095."""
    first, second = "0100000010", "1110010000"
    units = [[a == "1", b == "1"] for a, b in zip(first, second, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.095, abs=5e-4)
    assert krippendorff_alpha([[True, True], [False, False], [True]]) == 1.0
    assert krippendorff_alpha([[True], [False]]) is None
    assert krippendorff_alpha([[True, True]]) is None


def test_shares_have_wilsons_interval() -> None:
    """Wilson by hand for 10 of 20: centre 0.5, half width 1.96 sqrt(0.25 / 20 + 1.96² / 1600) / (1
    + 1.96² / 20)."""
    share = Share.of(10, 20)
    assert (share.low, share.high) == (
        pytest.approx(0.2993, abs=1e-4),
        pytest.approx(0.7007, abs=1e-4),
    )
    assert Share.of(0, 0) == Share(0, 0, 0.0, 1.0)


def test_the_rates_of_people_are_found_with_few_outcomes_known() -> None:
    """Three people, one of whom guesses; four outcomes in five are not known."""
    rng = np.random.default_rng(3)
    leads, truth = 1500, np.array([[0.2, 0.8], [0.1, 0.6], [0.5, 0.5]])
    won = (rng.random(leads) < 0.3).astype(int)
    lead, by = np.repeat(np.arange(leads), 3), np.tile(np.arange(3), leads)
    accepted = (rng.random(len(lead)) < truth[by, won[lead]]).astype(float)
    fate = np.where(rng.random(leads) < 0.2, won.astype(float), np.nan)
    rates, chance = error_rates(lead, by, accepted, fate)
    assert np.abs(rates - truth).max() < 0.06
    unknown = np.isnan(fate)
    assert chance[unknown & (won == 1)].mean() > chance[unknown & (won == 0)].mean() + 0.3
    assert np.array_equal(chance[~unknown], fate[~unknown])


def test_opinions_are_weighed_and_people_not_named() -> None:
    opinions = {
        f"L-{i}": said(f"L-{i}", Kim=i % 2 == 0, **({"Lee": True} if i < 10 else {}))
        for i in range(60)
    }
    outcome = {f"L-{i}": float(i % 4 == 0) for i in range(50)}
    found = agreement(opinions, outcome)
    assert (found.leads, found.several) == (60, 10)
    assert (found.accepted_won.hits, found.accepted_won.trials) == (16, 35)
    assert (found.rejected_won.hits, found.rejected_won.trials) == (0, 25)
    assert found.telling
    kim = found.raters[0]
    assert kim.by == "Kim"
    assert kim.accepts_won > 0.8
    assert kim.accepts_lost < 0.5
    assert "Kim" not in str(found.to_json())


def test_few_outcomes_say_nothing_of_people() -> None:
    found = agreement({"L-1": said("L-1", Kim=True)}, {"L-1": 1.0})
    assert (found.raters, found.alpha, found.telling) == ((), None, False)
    assert agreement({}, {}).leads == 0
