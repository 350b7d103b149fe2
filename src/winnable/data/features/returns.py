"""What is known at a time of a lead's earlier episodes: when the present one began, how many came
before it, and how and when the last of them ended.

A return is an open status after Closed Won or Closed Lost in the field history, as in
`stage_history`; without recorded changes of the status no return is known. Only changes strictly
before the time count. The changes come from an export's field history or from a request, which may
tell them under `STATUS_HISTORY`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import (
    AT,
    ID,
    NEW,
    OLD,
    BoolArray,
    CategoricalColumn,
    Column,
    IntArray,
    NumericColumn,
)
from winnable.core.timestamps import (
    NEVER,
    days_between,
    last_before,
    microseconds,
    times_of,
)
from winnable.definition.schema import Definition
from winnable.definition.stages import stage_of

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.ingestion.crm import Crm

STATUS_HISTORY = "status_history"
"""The member of a lead in a request that tells how its status changed."""

RETURNS = "times returned"
OUTCOME_BEFORE = "outcome before the return"
DAYS_SINCE_OUTCOME = "days since the outcome before"
RETURN_COLUMNS = (RETURNS, OUTCOME_BEFORE, DAYS_SINCE_OUTCOME)
"""The names of the features, which reasons show as well."""

OUTCOMES = ("lost", "won")
MIN_RETURNED_LEADS = 10
"""With fewer returned leads there is nothing to learn from returning."""


@dataclass(frozen=True)
class StatusChange:
    """One change of a lead's status, at the time from which the CRM had it. `old` matters in a
    lead's first change alone; None is open."""

    at: datetime
    new: str
    old: str | None = None


@dataclass(frozen=True)
class Returns:
    """The earlier episodes of n rows (lead, time); all arrays have shape (n,).

    `count` is how often the lead had returned, `start` the time of its last return and `ended` that
    of the end before it (both microseconds, `NEVER` where there is none or it is unknown);
    `outcome` is the position of that end in `OUTCOMES`, -1 where there is none.
    """

    count: IntArray
    start: IntArray
    ended: IntArray
    outcome: IntArray

    def starts(self, created: IntArray) -> IntArray:
        """When the present episodes began: with the last return or, where there is none, the
        creation (microseconds, (n,))."""
        return np.where(self.count > 0, self.start, created)

    def columns(self, as_of: IntArray) -> dict[str, Column]:
        """The features of the rows at their times (microseconds, (n,))."""
        return {
            RETURNS: NumericColumn(self.count.astype(np.float64)),
            OUTCOME_BEFORE: CategoricalColumn(self.outcome, OUTCOMES),
            DAYS_SINCE_OUTCOME: NumericColumn(days_between(self.ended, as_of)),
        }


def returns_at(definition: Definition, crm: Crm, leads: IntArray, as_of: IntArray) -> Returns:
    """The earlier episodes of `crm.leads.iloc[leads]` as known strictly before `as_of`
    (microseconds), both of shape (n,)."""
    import pandas as pd

    changes = crm.changes_of(definition.columns.status)
    changes = None if changes is None else changes[changes[NEW].notna()]
    if changes is None or not len(changes):
        unknown = np.full(len(leads), NEVER)
        return Returns(np.zeros(len(leads), int), unknown, unknown, np.full(len(leads), -1))
    keys, ids = pd.factorize(crm.leads[ID])
    owner = pd.Index(ids).get_indexer(pd.Index(changes[ID]))
    at = times_of(changes[AT])
    known = owner >= 0
    timeline = _timeline(
        owner[known],
        at[known],
        _outcomes(definition, changes[OLD])[known],
        _outcomes(definition, changes[NEW])[known],
    )
    return timeline.at(keys[leads].astype(np.int64), as_of)


def told_returns(
    definition: Definition, told: Sequence[Sequence[StatusChange] | None], as_of: IntArray
) -> Returns:
    """The earlier episodes of leads of a request, each with the changes that it tells, as known
    strictly before `as_of` (microseconds); both of length n."""
    changes = [
        (
            lead,
            microseconds(change.at),
            _outcome(definition, change.old),
            _outcome(definition, change.new),
        )
        for lead, theirs in enumerate(told)
        for change in _oldest_first(theirs or ())
    ]
    owner, at, old, new = np.asarray(changes, dtype=np.int64).reshape(-1, 4).T
    return _timeline(owner, at, old, new).at(np.arange(len(told)), as_of)


def returned_leads(definition: Definition, crm: Crm) -> int:
    """How many leads have returned at least once."""
    size = len(crm.leads)
    latest = np.full(size, np.iinfo(np.int64).max)
    return int((returns_at(definition, crm, np.arange(size), latest).count > 0).sum())


def _oldest_first(changes: Sequence[StatusChange]) -> Sequence[StatusChange]:
    """The changes, from the bottom where the newest come first: as in a table, of several at one
    time the latest is then the last."""
    steps = [(one.at, other.at) for one, other in pairwise(changes)]
    down = sum(one > other for one, other in steps)
    up = sum(one < other for one, other in steps)
    return changes[::-1] if down > up else changes


@dataclass(frozen=True)
class _Timeline:
    """The m changes of the status, sorted by owner and time, each with what is known after it."""

    owner: IntArray
    time: IntArray
    known: Returns

    def at(self, owner: IntArray, as_of: IntArray) -> Returns:
        """What is known of n owners strictly before a time each."""
        found = last_before(self.owner, self.time, owner, as_of)
        known = self.known
        return Returns(
            np.append(known.count, 0)[found],
            np.append(known.start, NEVER)[found],
            np.append(known.ended, NEVER)[found],
            np.append(known.outcome, -1)[found],
        )


def _timeline(owner: IntArray, at: IntArray, old: IntArray, new: IntArray) -> _Timeline:
    """What is known after each of m changes, whose statuses are given as `_outcome` says."""
    order = np.lexsort((at, owner))
    owner, at = owner[order], at[order]
    after = new[order]
    first = np.append(True, owner[1:] != owner[:-1])[: len(owner)]
    before = np.append(-1, after[:-1])[: len(owner)]
    before[first] = old[order][first]
    returned = (before >= 0) & (after < 0)
    ended = (before < 0) & (after >= 0) | (before >= 0) & (after >= 0) & (before != after)
    place = np.arange(len(owner))
    begins = np.maximum.accumulate(np.where(first, place, 0))
    last_return = _latest(returned, begins)
    last_end = _latest(ended, begins)
    # The end before a return is the one that was the latest when the lead returned.
    end_before = np.where(last_return >= 0, last_end[last_return], -1)
    total: IntArray = np.cumsum(returned)
    count = total - (total - returned)[begins]
    return _Timeline(
        owner,
        at,
        Returns(
            count,
            np.where(last_return >= 0, at[last_return], NEVER),
            np.where(end_before >= 0, at[end_before], NEVER),
            np.where(last_return >= 0, before[last_return], -1),
        ),
    )


def _latest(happened: BoolArray, begins: IntArray) -> IntArray:
    """For each change the place of the latest one up to it that `happened`, of the same owner; -1
    if there is none."""
    latest = np.maximum.accumulate(np.where(happened, np.arange(len(happened)), -1))
    return np.where(latest >= begins, latest, -1)


def _outcomes(definition: Definition, words: pd.Series[str]) -> IntArray:
    """What each status means, as `_outcome` says."""
    import pandas as pd

    codes, vocabulary = pd.factorize(words)
    known = [_outcome(definition, str(word)) for word in vocabulary]
    return np.asarray([*known, -1], dtype=np.int64)[codes]


def _outcome(definition: Definition, status: str | None) -> int:
    """What a status means: its position in `OUTCOMES`, -1 for an open one."""
    stage = stage_of(definition, status)
    return OUTCOMES.index(stage) if stage in OUTCOMES else -1


def no_returns(size: int) -> dict[str, Column]:
    """The features of leads in their first episode."""
    return {
        RETURNS: NumericColumn(np.zeros(size)),
        OUTCOME_BEFORE: CategoricalColumn(np.full(size, -1, dtype=np.int64), OUTCOMES),
        DAYS_SINCE_OUTCOME: NumericColumn(np.full(size, np.nan)),
    }
