"""Training targets: the outcome and the weight of each training row, under censoring.

A lead whose horizon has passed counts as won or not. A censored one, followed up for a part of the
horizon only, is weighted by the share of wins that come within that part and the probability of a
later win (`time_to_win.censoring_weights`). Where closing dates are unknown there is no horizon,
and resolved leads are weighted by the inverse probability of being resolved at their age. No row is
made and no model fitted here.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from winnable.core.columns import CLOSED, CREATED, BoolArray, FloatArray
from winnable.core.timestamps import DAY, NEVER, times_of
from winnable.data.dataset import Dataset
from winnable.data.features.training_rows import LANDMARK_DAYS, TrainingRows
from winnable.learning.model.time_to_win import WinTimeCurve, censoring_weights, fit_win_time_curve

MIN_FOLLOW_UP_SHARE = 1 / 3
"""Of the horizon for which the oldest leads must have been followed up before anything is predicted
for the whole of it."""

MIN_OPEN_SHARE = 0.05
"""Of the leads that must still be open at the end of the follow-up for wins still to come."""

SETTLED_SHARE = 0.95
"""Of a horizon's wins that have had time to come, from which on a row's outcome counts as final."""

MAX_RESOLVED_WEIGHT = 20.0
"""A resolved lead stands for at most so many of its age, however rare it is to be resolved so
young."""


@dataclass(frozen=True)
class Targets:
    """The targets of n rows: `won` (n,) 1 or 0, without meaning where `weights` (n,) is 0;
    `settled` (n,) says where that is final; `win_time_curve` is the win-time curve where there is a
    horizon."""

    won: FloatArray
    weights: FloatArray
    settled: BoolArray
    win_time_curve: WinTimeCurve | None

    @property
    def usable(self) -> BoolArray:
        """Which rows can be trained on."""
        return self.weights > 0

    def take(self, rows: BoolArray) -> Self:
        """The targets of the given rows."""
        return replace(
            self, won=self.won[rows], weights=self.weights[rows], settled=self.settled[rows]
        )

    def without(self, rows: BoolArray) -> Self:
        """The same targets, with weight 0 for the given rows."""
        return replace(self, weights=np.where(rows, 0.0, self.weights))

    def base_rate(self) -> float:
        """The rate won with one win and one loss added (Laplace), so that it is never 0 or 1."""
        return float((self.weights @ self.won + 1) / (self.weights.sum() + 2))


def build_targets(data: Dataset, rows: TrainingRows) -> Targets:
    """The targets of the rows at their `present`; the win-time curve is that of all leads of the
    export, as it was known then."""
    if rows.horizon_days is None:
        won = np.where(rows.known, rows.won, 0.0)
        return Targets(
            won,
            _resolved_weights(rows) if rows.timed else rows.known.astype(float),
            rows.known,
            None,
        )
    win_time_curve = _win_time_curve(data, rows.present)
    horizon = rows.horizon_days
    followed_up, ended = rows.follow_up()
    won = np.where(rows.known, rows.won == 1, ended == 1).astype(float)
    weights = censoring_weights(win_time_curve, rows.age, followed_up, ended, horizon)
    enough = (
        win_time_curve.observed >= MIN_FOLLOW_UP_SHARE * horizon
        or win_time_curve.open_at(win_time_curve.observed) < MIN_OPEN_SHARE
    )
    settled = rows.known | (
        win_time_curve.observed_share(rows.age, followed_up, horizon)[0] >= SETTLED_SHARE
    )
    return Targets(won, weights if enough else rows.known.astype(float), settled, win_time_curve)


def _win_time_curve(data: Dataset, present: int) -> WinTimeCurve:
    """How the leads of an export were won with age, as far as it was known at `present`
    (microseconds)."""
    crm = data.crm
    outcome = data.outcomes
    created = times_of(crm.leads[CREATED])
    closed = times_of(crm.leads[CLOSED])
    ended = (closed != NEVER) & (closed <= present) & ~np.isnan(outcome)
    days = (np.where(ended, closed, present) - created) / DAY
    # A lead that is won without a closing date may have been won at any time: it tells nothing
    # about the win-time curve.
    usable = (created != NEVER) & (days >= 0) & ~((outcome == 1.0) & (closed == NEVER))
    until = data.definition.outcome.winnable_days + LANDMARK_DAYS[-1]
    return fit_win_time_curve(
        days[usable], (ended & (outcome == 1.0))[usable], (ended & (outcome == 0.0))[usable], until
    )


def _resolved_weights(rows: TrainingRows) -> FloatArray:
    """Weights of resolved leads, by the inverse of the share resolved among leads of their age, 0
    for the others; shape (n,).

    The share is taken to grow with age (isotonic regression). All weights together count as the
    effective sample size (Kish 1965, Survey Sampling).
    """
    from sklearn.isotonic import IsotonicRegression

    resolved = rows.known.astype(float)
    if not 0 < resolved.sum() < len(resolved):
        return resolved
    age = (rows.present - rows.as_of) / DAY
    share = (
        IsotonicRegression(y_min=1 / MAX_RESOLVED_WEIGHT, y_max=1.0).fit(age, resolved).predict(age)
    )
    weights = np.asarray(resolved / share, dtype=np.float64)
    return weights * float(weights.sum() / (weights @ weights))
