"""The calibration of accounts: how often at least one of an account's open leads was won, against
what the probabilities of its leads said.

Measured on the later leads of an evaluation, by the model that had not seen them: at several
moments the open leads of each account are scored as they were then, and the horizon after them is
over. What is
learned is one number, how independent the leads of one account are (`scoring.accounts`).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from winnable.core.columns import BoolArray, FloatArray, IntArray
from winnable.core.timestamps import DAY, NEVER
from winnable.data.dataset import Dataset
from winnable.learning.scoring.accounts import MIN_SHARED_ACCOUNTS, probability_of_any

MOMENTS = 6
"""Moments at which accounts are looked at, at most; they lie as far apart as the history allows."""

CANDIDATES = np.linspace(0.0, 2.0, 41)
PRIOR_DEVIATION = 0.5
"""How far from 1, independence, the answer is expected to lie before any evidence."""

Probability = Callable[[IntArray, IntArray], FloatArray]


@dataclass(frozen=True)
class Band:
    """Accounts with so many open leads: how many there were, and the mean probability and share of
    those with a win."""

    open_leads: str
    accounts: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class AccountCalibration:
    """How independent the leads of one account are, 1.0 where too few were seen, and how well the
    probabilities of accounts were calibrated on the holdout with it."""

    independence: float
    bands: tuple[Band, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types, for the model card."""
        return {
            "independence": self.independence,
            "bands": [asdict(band) for band in self.bands],
        }


@dataclass(frozen=True)
class _Seen:
    """n open leads at several moments: probability, account at its moment, and whether won within
    the horizon, each (n,)."""

    probability: FloatArray
    account: IntArray
    won: FloatArray

    def outcomes(self) -> tuple[IntArray, FloatArray]:
        """The open leads of each account, and whether any was won."""
        _, place, count = np.unique(self.account, return_inverse=True, return_counts=True)
        return count, (np.bincount(place, self.won) > 0).astype(float)


def calibrate_accounts(
    data: Dataset, since: int, probability: Probability
) -> AccountCalibration | None:
    """The calibration on what happened since a moment (microseconds); `probability` answers for
    leads (positions) at times (microseconds), both (n,). None where no accounts are known."""
    if data.accounts is None or data.episodes is None or data.present is None:
        return None
    seen = _seen(data, since, probability)
    if seen is None:
        return None
    count, won = seen.outcomes()
    several = count > 1
    independence = 1.0
    if several.sum() >= MIN_SHARED_ACCOUNTS:
        losses = [_loss(seen, several, won, candidate) for candidate in CANDIDATES]
        independence = float(CANDIDATES[int(np.argmin(losses))])
    _, predicted = probability_of_any(seen.probability, seen.account, independence)
    bands = [
        Band(name, int(chosen.sum()), float(predicted[chosen].mean()), float(won[chosen].mean()))
        for name, chosen in (("1", count == 1), ("2", count == 2), ("3 or more", count > 2))
        if chosen.any()
    ]
    return AccountCalibration(round(independence, 4), tuple(bands))


def _loss(seen: _Seen, several: BoolArray, won: FloatArray, independence: float) -> float:
    _, answer = probability_of_any(seen.probability, seen.account, independence)
    answer = np.clip(answer[several], 1e-9, 1 - 1e-9)
    loss = -np.log(np.where(won[several] == 1, answer, 1 - answer)).sum()
    return float(loss + 0.5 * ((independence - 1) / PRIOR_DEVIATION) ** 2)


def _seen(data: Dataset, since: int, probability: Probability) -> _Seen | None:
    episodes = data.episodes
    accounts = data.accounts
    assert episodes is not None, "asked only where ends are known"
    assert accounts is not None, "asked only where accounts are known"
    horizon = int(data.definition.outcome.horizon_days * DAY)
    until = data.training_rows.present - horizon
    if until < since:
        return None
    parts = []
    for number, moment in enumerate(np.linspace(since, until, MOMENTS).astype(np.int64).tolist()):
        is_open = (episodes.start != NEVER) & (episodes.start < moment)
        is_open &= (episodes.end == NEVER) | (episodes.open_until > moment)
        rows = np.flatnonzero(is_open & (accounts.account[episodes.lead] >= 0))
        leads = episodes.lead[rows]
        if not len(leads):
            continue
        end = episodes.end[rows]
        won = (episodes.outcome[rows] == 1.0) & (end != NEVER) & (end <= moment + horizon)
        at_moment = accounts.account[leads] * MOMENTS + number
        answer = probability(leads, np.full(len(leads), moment))
        parts.append(_Seen(answer, at_moment, won.astype(float)))
    if not parts:
        return None
    return _Seen(
        np.concatenate([part.probability for part in parts]),
        np.concatenate([part.account for part in parts]),
        np.concatenate([part.won for part in parts]),
    )
