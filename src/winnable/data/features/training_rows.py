"""Training rows: one lead at one time (landmark), and whether it was won within the horizon after
that.

Landmarking (van Houwelingen 2007, "Dynamic prediction by landmarking in event history analysis",
Scandinavian Journal of Statistics 34): an episode of a lead (`episodes`) gives a row at its start,
the creation or a return, and, where activities or field history can change its features, at later
ages. A closed lead gives no rows until it returns. A row is
*mature* once its whole horizon has passed; only then is its outcome known without bias towards
leads that close quickly. The other rows are subject to right censoring: their follow-up time and
what was observed in it are given, and open leads never count as lost. Without dates there is one
row per resolved lead and no horizon.

The features of each row are computed in `winnable.data.features.offline`, not here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import CREATED, STATUS, BoolArray, FloatArray, IntArray
from winnable.core.timestamps import DAY, NEVER, microseconds, times_of
from winnable.data.features.derived.people import persons
from winnable.data.features.episodes import Episodes, build_episodes
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    from datetime import datetime

    from winnable.data.ingestion.crm import Crm

LANDMARK_DAYS = (0, 1, 3, 7, 14, 30, 60, 90, 180, 365)
"""Days after its creation or return at which a lead gives a row, up to the long horizon of the
definition; the steps grow with age."""
MAX_ROWS = 1_000_000
"""Later landmarks are sampled down to this many rows in total, so that memory stays bounded."""


@dataclass(frozen=True)
class TrainingRows:
    """n rows (lead, time): all arrays have shape (n,).

    `leads` are positions in `crm.leads`; `as_of` is in microseconds, or meaningless if `timed` is
    false. `won` is 1.0, 0.0, or NaN where the outcome within the horizon is not known yet; `age` is
    in days since the start of the episode; `person` is equal for rows of one person. `outcome` is
    how the episode ended (1.0 won, 0.0 lost, NaN still open) and `ended` when, in microseconds, the
    smallest int64 where it is open; both are as of today and may be after the horizon. Nothing is
    known after `present` (microseconds).
    """

    leads: IntArray
    as_of: IntArray
    won: FloatArray
    age: FloatArray
    person: IntArray
    timed: bool
    horizon_days: float | None
    outcome: FloatArray
    ended: IntArray
    present: int

    @property
    def known(self) -> BoolArray:
        """Which rows have a known outcome."""
        return ~np.isnan(self.won)

    def take(self, rows: IntArray | BoolArray) -> TrainingRows:
        """The given rows, by position or mask."""
        return replace(
            self,
            leads=self.leads[rows],
            as_of=self.as_of[rows],
            won=self.won[rows],
            age=self.age[rows],
            person=self.person[rows],
            outcome=self.outcome[rows],
            ended=self.ended[rows],
        )

    def as_known_at(self, moment: int) -> TrainingRows:
        """The same rows with what was known at an earlier time (microseconds): rows that were not
        mature then have no outcome."""
        if self.horizon_days is None:
            raise ValueError("rows without a horizon have no earlier state")
        won = _won_within(self.outcome, self.ended, self.as_of, self.horizon_days, moment)
        return replace(self, won=won, present=moment)

    def follow_up(self) -> tuple[FloatArray, FloatArray]:
        """The follow-up time of each row in days, at most its horizon and 0 or less for later rows;
        and the outcome in it: 1.0 won, 0.0 lost, NaN still open (censored). Both (n,)."""
        if self.horizon_days is None:
            raise ValueError("rows without a horizon have no follow-up time")
        days = np.minimum((self.present - self.as_of) / DAY, self.horizon_days)
        observed = (self.ended != NEVER) & (
            self.ended <= np.minimum(self.as_of + int(self.horizon_days * DAY), self.present)
        )
        return days, np.where(observed, self.outcome, np.nan)


def outcomes(definition: Definition, crm: Crm) -> FloatArray:
    """1.0 for Closed Won, 0.0 for Closed Lost, NaN for every other status, shape (number of
    leads,)."""
    status = crm.leads[STATUS]
    won = status.isin(definition.outcome.won)
    lost = status.isin(definition.outcome.lost)
    return np.where(won, 1.0, np.where(lost, 0.0, np.nan))


def build_training_rows(
    definition: Definition,
    crm: Crm,
    present: datetime | None,
    *,
    outcome: FloatArray | None = None,
    person: IntArray | None = None,
    episodes: Episodes | None = None,
) -> TrainingRows:
    """The training rows of an export whose newest record is of `present`.

    `outcome`, `person` and `episodes` are what `outcomes`, `persons` and `build_episodes` answer,
    computed if not given.

    With dates of creation and of ends a row is known when its horizon has passed. With creation
    alone, and with no dates, a row is known when its lead is resolved, and no horizon is promised.
    """
    outcome = outcomes(definition, crm) if outcome is None else outcome
    person = persons(definition, crm) if person is None else person
    if episodes is None and present is not None:
        episodes = build_episodes(definition, crm, outcome, microseconds(present))
    if episodes is None or present is None:
        return _without_horizon(crm, outcome, person)
    return _with_horizon(definition, crm, episodes, person, microseconds(present))


def _without_horizon(crm: Crm, outcome: FloatArray, person: IntArray) -> TrainingRows:
    leads = np.arange(len(crm.leads))
    timed = CREATED in crm.leads
    when = times_of(crm.leads[CREATED]) if timed else np.zeros(len(leads), dtype=np.int64)
    never = np.full(len(leads), NEVER)
    present = int(when.max(initial=0))
    rows = TrainingRows(
        leads, when, outcome, np.zeros(len(leads)), person, timed, None, outcome, never, present
    )
    return rows.take(np.argsort(when, kind="stable"))


def _with_horizon(
    definition: Definition, crm: Crm, episodes: Episodes, person: IntArray, present: int
) -> TrainingRows:
    horizon = definition.outcome.horizon_days
    changing = crm.activities is not None or crm.history is not None
    ages = [age for age in LANDMARK_DAYS if age <= definition.outcome.winnable_days]
    # A return is recorded at the moment at which it happens, and known right after it.
    first = np.where(episodes.number > 0, episodes.start + 1, episodes.start)
    parts = []
    for age in ages if changing else ages[:1]:
        as_of = first + age * DAY
        closed_already = (age > 0) & (episodes.open_until <= as_of)
        chosen = (episodes.start != NEVER) & (as_of <= present) & ~closed_already
        rows = np.flatnonzero(chosen)
        leads = episodes.lead[rows]
        known = (episodes.outcome[rows], episodes.end[rows], as_of[rows])
        won = _won_within(*known, horizon, present)
        parts.append(
            TrainingRows(
                leads,
                as_of[rows],
                won,
                np.full(len(rows), float(age)),
                person[leads],
                True,
                horizon,
                *known[:2],
                present,
            )
        )
    joined = _joined(parts)
    joined = joined.take(_thinned(joined))
    return joined.take(np.lexsort((joined.leads, joined.as_of)))


def _won_within(
    outcome: FloatArray, ended: IntArray, as_of: IntArray, horizon: float, present: int
) -> FloatArray:
    """1.0 or 0.0 where the whole horizon has passed at `present`, else NaN, shape (n,)."""
    until = as_of + int(horizon * DAY)
    return np.where(until <= present, ((outcome == 1.0) & (ended <= until)).astype(float), np.nan)


def _joined(parts: list[TrainingRows]) -> TrainingRows:
    return replace(
        parts[0],
        leads=np.concatenate([part.leads for part in parts]),
        as_of=np.concatenate([part.as_of for part in parts]),
        won=np.concatenate([part.won for part in parts]),
        age=np.concatenate([part.age for part in parts]),
        person=np.concatenate([part.person for part in parts]),
        outcome=np.concatenate([part.outcome for part in parts]),
        ended=np.concatenate([part.ended for part in parts]),
    )


def _thinned(rows: TrainingRows) -> BoolArray:
    """Every row at creation, and of the later ones as many as fit, the same ones each time."""
    later = rows.age > 0
    room = max(MAX_ROWS - int((~later).sum()), 0)
    if later.sum() <= room:
        return np.ones(len(later), dtype=bool)
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(later))[:room]
    keep = ~later
    keep[chosen] = True
    return keep
