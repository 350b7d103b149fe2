"""Stage history: which stage each lead was in at any time, how it moved, and where a new episode
began.

Statuses come from the field history if it has them, else from the export's current values. What a
status means, which moves are allowed and when an episode begins is defined in
`winnable.definition.stages`; here it is computed for all leads at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from winnable.core.columns import (
    AT,
    CLOSED,
    CREATED,
    ID,
    NEW,
    OLD,
    STATUS,
    BoolArray,
    IntArray,
)
from winnable.core.timestamps import DAY, NEVER, last_before, times_of
from winnable.definition.schema import Definition
from winnable.definition.stages import STAGES, MoveKind, kind_of_move, stage_of

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.ingestion.crm import Crm

MOVES: tuple[MoveKind, ...] = get_args(MoveKind)
WON = STAGES.index("won")
LOST = STAGES.index("lost")
PRESENT = np.iinfo(np.int64).max
"""The time of a status of which only the present value is known."""


@dataclass(frozen=True)
class StageHistory:
    """The m statuses that leads had, sorted by lead and time; all arrays have shape (m,).

    `lead` is the position in `crm.leads`, `at` microseconds since 1970, `stage` a position in
    STAGES, or -1 for a status that means none, `episode` counts from 0 in each lead, `move` is a
    position in MOVES, or -1 where the stage is that of before.
    """

    lead: IntArray
    at: IntArray
    stage: IntArray
    episode: IntArray
    move: IntArray

    def stage_at(self, leads: IntArray, as_of: IntArray) -> IntArray:
        """The stage of these leads strictly before `as_of` (microseconds), both of shape (n,); -1
        where it is not known."""
        found = last_before(self.lead, self.at, leads, as_of)
        return np.append(self.stage, -1)[found]

    def counted(self) -> dict[MoveKind, int]:
        """How many moves of each kind there were."""
        return {kind: int((self.move == code).sum()) for code, kind in enumerate(MOVES)}


def stage_history(definition: Definition, crm: Crm) -> StageHistory:
    """Every status that the leads are known to have had.

    A lead of which changes are recorded had the first old value from its creation on. Of any other
    only the present status is known: since its closing if it is closed and that has a date, else
    since an unknown time (`PRESENT`). A present status that no change tells of came after them.
    """
    import pandas as pd

    size = len(crm.leads)
    created = _times(crm, CREATED)
    closed = _times(crm, CLOSED)
    status = crm.leads[STATUS] if STATUS in crm.leads else pd.Series([pd.NA] * size, dtype="str")
    lead = np.arange(size)
    at = np.where(closed == NEVER, PRESENT, closed)
    words = [status.reset_index(drop=True)]
    order = np.full(size, 2)
    changes = crm.changes_of(definition.columns.status)
    if changes is not None:
        # An export to be scored may hold an id twice.
        ids = crm.leads[ID].reset_index(drop=True).drop_duplicates(keep="last")
        places = np.append(ids.index.to_numpy(), -1)  # the last is for whoever is not found
        owner = places[pd.Index(ids).get_indexer(changes[ID])]
        mine = owner >= 0
        owner, changes = owner[mine], changes[mine]
        first = np.flatnonzero(~pd.Series(owner).duplicated())
        when = times_of(changes[AT])
        latest = np.full(size, NEVER)
        np.maximum.at(latest, owner, when)
        # A closing date is often a day without a time, and earlier than the changes of that day;
        # one of a day before tells of an earlier end, not since when the present status holds.
        same_day = (at < latest) & (at + DAY > latest)
        at = np.select([same_day, at < latest], [latest, PRESENT], at)
        start = np.minimum(
            np.where(created[owner[first]] == NEVER, when[first], created[owner[first]]),
            when[first],
        )
        lead, at = np.concatenate([owner[first], owner, lead]), np.concatenate([start, when, at])
        words = [changes[OLD].iloc[first], changes[NEW], *words]
        order = np.concatenate([np.zeros(len(first), int), np.ones(len(owner), int), order])
    stages, codes = _stages(definition, pd.concat(words, ignore_index=True))
    sorting = np.lexsort((order, at, lead))
    return _told(lead[sorting], at[sorting], stages[sorting], codes[sorting], order[sorting])


def _times(crm: Crm, role: str) -> IntArray:
    return times_of(crm.leads[role]) if role in crm.leads else np.full(len(crm.leads), NEVER)


def _stages(definition: Definition, words: pd.Series[str]) -> tuple[IntArray, IntArray]:
    """The stage of each status, and a number for each status (-1 for a missing one)."""
    import pandas as pd

    codes, vocabulary = pd.factorize(words)
    stages = [stage_of(definition, str(word)) for word in vocabulary]
    positions = np.asarray(
        [-1 if stage is None else STAGES.index(stage) for stage in stages] + [-1], dtype=np.int64
    )
    return positions[codes], codes.astype(np.int64)


def _told(
    lead: IntArray, at: IntArray, stage: IntArray, status: IntArray, order: IntArray
) -> StageHistory:
    """The lives of sorted rows; a missing status tells nothing, nor does a present one that the
    changes have told already."""
    again = (order == 2) & np.append(False, (lead[1:] == lead[:-1]) & (status[1:] == status[:-1]))[
        : len(lead)
    ]
    kept = ~again & (status >= 0)
    lead, at, stage = lead[kept], at[kept], stage[kept]
    return StageHistory(lead, at, stage, _episodes(lead, stage), _moves(lead, stage))


def _episodes(lead: IntArray, stage: IntArray) -> IntArray:
    """Like `definition.stages.episodes` for every lead: an open status after an end begins a new
    episode."""
    if not len(lead):
        return np.zeros(0, dtype=np.int64)
    ended = (stage == WON) | (stage == LOST)
    first = np.append(True, lead[1:] != lead[:-1])
    begins = np.append(False, ended[:-1]) & ~ended & ~first
    total = np.cumsum(begins)
    starts = np.flatnonzero(first)
    return np.asarray(
        total - np.repeat(total[starts], np.diff(np.append(starts, len(lead)))), dtype=np.int64
    )


def _moves(lead: IntArray, stage: IntArray) -> IntArray:
    """Like `definition.stages.moves` for every lead: statuses without a stage are skipped."""
    kinds = np.asarray(
        [[MOVES.index(kind_of_move(before, after)) for after in STAGES] for before in STAGES]
    )
    named = np.flatnonzero(stage >= 0)
    moved: BoolArray = (lead[named][1:] == lead[named][:-1]) & (
        stage[named][1:] != stage[named][:-1]
    )
    moves = np.full(len(lead), -1)
    moves[named[1:][moved]] = kinds[stage[named][:-1][moved], stage[named][1:][moved]]
    return moves
