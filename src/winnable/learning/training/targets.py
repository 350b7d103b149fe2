"""Lessons: what each training row teaches, its outcome and its weight, as far as it is known at the
moment of the rows.

A lead whose horizon has passed teaches that it was won or not. One that has been watched for a part
of it teaches as much as that part tells (`horizons.censoring_weights`). Where nobody knows when
leads were closed there is no horizon, and the resolved leads teach for those of their age that are
not. No row is made and no model fitted here.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from winnable.core.columns import CLOSED, CREATED, BoolArray, FloatArray
from winnable.core.timestamps import DAY, NEVER, times_of
from winnable.data.dataset import Dataset
from winnable.data.features.training_rows import LANDMARK_DAYS, TrainingRows
from winnable.learning.model.time_to_win import WinTimeCurve, censoring_weights, fit_win_time_curve

LEAST_WATCHED = 1 / 3
"""Of the horizon for which the oldest leads must have been watched before anything is said of the
whole of it."""

LEAST_OPEN = 0.05
"""Of the leads that must still be open at the end of all observation for anything to be left to
come."""

SETTLED = 0.95
"""Of a horizon's wins that have had time to come, from which on a row's outcome counts as final."""

HEAVIEST = 20.0
"""A resolved lead speaks for at most so many of its age, however rare it is to be resolved so
young."""


@dataclass(frozen=True)
class Targets:
    """What n rows teach: `won` (n,) 1 or 0, of no meaning where `weights` (n,) is 0; `settled` (n,)
    says where that is final; `pace` where there is a horizon."""

    won: FloatArray
    weights: FloatArray
    settled: BoolArray
    pace: WinTimeCurve | None

    @property
    def usable(self) -> BoolArray:
        """Which rows teach anything."""
        return self.weights > 0

    def take(self, rows: BoolArray) -> Self:
        """The targets of the given rows."""
        return replace(
            self, won=self.won[rows], weights=self.weights[rows], settled=self.settled[rows]
        )

    def without(self, rows: BoolArray) -> Self:
        """The same targets, of which the given rows teach nothing."""
        return replace(self, weights=np.where(rows, 0.0, self.weights))

    def base_rate(self) -> float:
        """The rate won with one win and one loss added (Laplace), so that it is never 0 or 1."""
        return float((self.weights @ self.won + 1) / (self.weights.sum() + 2))


def build_targets(data: Dataset, rows: TrainingRows) -> Targets:
    """What the rows teach at their `present`; the pace is that of all leads of the export, as it
    was known then."""
    if rows.horizon_days is None:
        won = np.where(rows.known, rows.won, 0.0)
        return Targets(
            won,
            _resolved_weights(rows) if rows.timed else rows.known.astype(float),
            rows.known,
            None,
        )
    pace, horizon = _pace_of(data, rows.present), rows.horizon_days
    watched, ended = rows.follow_up()
    won = np.where(rows.known, rows.won == 1, ended == 1).astype(float)
    weights = censoring_weights(pace, rows.age, watched, ended, horizon)
    enough = pace.observed >= LEAST_WATCHED * horizon or pace.open_at(pace.observed) < LEAST_OPEN
    settled = rows.known | (pace.observed_share(rows.age, watched, horizon)[0] >= SETTLED)
    return Targets(won, weights if enough else rows.known.astype(float), settled, pace)


def _pace_of(data: Dataset, present: int) -> WinTimeCurve:
    """How the leads of an export were won with age, as far as it was known at `present`
    (microseconds)."""
    crm, outcome = data.crm, data.outcomes
    created, closed = times_of(crm.leads[CREATED]), times_of(crm.leads[CLOSED])
    ended = (closed != NEVER) & (closed <= present) & ~np.isnan(outcome)
    days = (np.where(ended, closed, present) - created) / DAY
    # A lead that is won without a date of closing may have been won at any time: it tells nothing
    # of the pace.
    usable = (created != NEVER) & (days >= 0) & ~((outcome == 1.0) & (closed == NEVER))
    until = data.definition.outcome.winnable_days + LANDMARK_DAYS[-1]
    return fit_win_time_curve(
        days[usable], (ended & (outcome == 1.0))[usable], (ended & (outcome == 0.0))[usable], until
    )


def _resolved_weights(rows: TrainingRows) -> FloatArray:
    """Weights of resolved leads, by the inverse of the share resolved among leads of their age, 0
    for the others; shape (n,).

    The share is taken to grow with age (isotonic regression). All weights together count as many
    leads as their unevenness leaves (Kish 1965, Survey Sampling).
    """
    from sklearn.isotonic import IsotonicRegression

    resolved = rows.known.astype(float)
    if not 0 < resolved.sum() < len(resolved):
        return resolved
    age = (rows.present - rows.as_of) / DAY
    share = IsotonicRegression(y_min=1 / HEAVIEST, y_max=1.0).fit(age, resolved).predict(age)
    weights = np.asarray(resolved / share, dtype=np.float64)
    return weights * float(weights.sum() / (weights @ weights))
