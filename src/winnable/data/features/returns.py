"""What is known at a time of a lead's earlier episodes: when the present one began, how many came
before it, and how and when the last of them ended.

A return is an open status after Closed Won or Closed Lost in the field history, as in
`stage_history`; without recorded changes of the status no return is known. Only changes strictly
before the time count.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from winnable.core.timestamps import NEVER, days_between, last_before, times_of
from winnable.definition.schema import Definition
from winnable.definition.stages import stage_of

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.ingestion.crm import Crm

RETURNS = "times returned"
OUTCOME_BEFORE = "outcome before the return"
DAYS_SINCE_OUTCOME = "days since the outcome before"
RETURN_COLUMNS = (RETURNS, OUTCOME_BEFORE, DAYS_SINCE_OUTCOME)
"""The names of the features, which reasons show as well."""

OUTCOMES = ("lost", "won")
MIN_RETURNED_LEADS = 10
"""With fewer returned leads there is nothing to learn from returning."""


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
    timeline = _timeline(definition, changes[known], owner[known], at[known])
    return timeline.at(keys[leads].astype(np.int64), as_of)


def returned_leads(definition: Definition, crm: Crm) -> int:
    """How many leads have returned at least once."""
    size = len(crm.leads)
    latest = np.full(size, np.iinfo(np.int64).max)
    return int((returns_at(definition, crm, np.arange(size), latest).count > 0).sum())


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


def _timeline(
    definition: Definition, changes: pd.DataFrame, owner: IntArray, at: IntArray
) -> _Timeline:
    order = np.lexsort((at, owner))
    owner, at = owner[order], at[order]
    after = _outcomes(definition, changes[NEW])[order]
    first = np.append(True, owner[1:] != owner[:-1])[: len(owner)]
    before = np.append(-1, after[:-1])[: len(owner)]
    before[first] = _outcomes(definition, changes[OLD])[order][first]
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
    """What each status means: 1 won, 0 lost, -1 open."""
    import pandas as pd

    codes, vocabulary = pd.factorize(words)
    meanings = {"won": 1, "lost": 0}
    known = [meanings.get(stage_of(definition, str(word)) or "", -1) for word in vocabulary]
    return np.asarray([*known, -1], dtype=np.int64)[codes]


def no_returns(size: int) -> dict[str, Column]:
    """The features of leads in their first episode."""
    return {
        RETURNS: NumericColumn(np.zeros(size)),
        OUTCOME_BEFORE: CategoricalColumn(np.full(size, -1, dtype=np.int64), OUTCOMES),
        DAYS_SINCE_OUTCOME: NumericColumn(np.full(size, np.nan)),
    }
