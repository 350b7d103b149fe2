"""Episodes: the lives of a lead, each from its creation or its return to its end.

A lead that was won or lost and is open again has returned, and begins a new episode; a lead that
sales passes back to marketing goes on in the same one. A win that a return ended stays the win of
its episode. Where the field history has no changes of the status, only the present episode is
known.

Here every episode gets its end: the closing date, else the recorded change of the status, else the
date of the lead's last change where leads are not changed after their end, else an estimate
(`end_times`). Which rows a lead gives is decided in `training_rows`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from winnable.core.columns import (
    AT,
    CHANGED,
    CLOSED,
    CREATED,
    ID,
    KIND,
    BoolArray,
    FloatArray,
    IntArray,
)
from winnable.core.timestamps import DAY, NEVER, times_of
from winnable.data.features.end_times import draw_end_ages
from winnable.data.features.stage_history import LOST, PRESENT, WON, StageHistory, stage_history
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    from winnable.data.ingestion.crm import Crm

EndSource = Literal["open", "closing date", "status history", "last change", "estimate"]
END_SOURCES: tuple[EndSource, ...] = get_args(EndSource)
"""How the end of an episode was found, in the order in which it is looked for."""

OPEN, CLOSING_DATE, STATUS_HISTORY, LAST_CHANGE, ESTIMATE = range(len(END_SOURCES))


MAX_SHARE_AFTER_THE_END = 0.1
"""Of the leads with a dated end, that may have a kind of activity later and it still counts as one
that stops there."""

MAX_DAYS_OF_CLOSING = 2
"""A change so soon after the end still belongs to it: closing dates have no time of day."""

MAX_SHARE_CHANGED_LATER = 0.05
"""Of the leads with a dated end, that may have been changed again later and the last change still
dates the ends of others. Where half of them were, on average 60 days later, lost leads seemed open
so long that those of 60 days were said to be won .70 times as often as they are."""

MIN_DATED_ENDS = 20
"""With fewer dated ends nothing is said against the last change."""


@dataclass(frozen=True)
class Episodes:
    """The m episodes of all leads, by lead and time; all arrays have shape (m,).

    `lead` is the position in `crm.leads`, `number` counts from 0 in each lead. `start` and `end`
    are in microseconds since 1970; `start` is `NEVER` where it is unknown, `end` where the episode
    is open. `open_until` is the end, or the first of several where a closed lead was corrected
    from lost to won; far in the future while the episode is open. `outcome` is 1.0 won, 0.0 lost,
    NaN open; `found` is the position in `END_SOURCES`.
    """

    lead: IntArray
    number: IntArray
    start: IntArray
    end: IntArray
    open_until: IntArray
    outcome: FloatArray
    found: IntArray

    @property
    def last(self) -> BoolArray:
        """Which are the last episodes of their leads."""
        return np.append(self.lead[1:] != self.lead[:-1], True)[: len(self.lead)]

    def counted(self) -> dict[EndSource, int]:
        """How many ends were found in each way."""
        return {name: int((self.found == code).sum()) for code, name in enumerate(END_SOURCES)}


def build_episodes(
    definition: Definition, crm: Crm, outcome: FloatArray, present: int
) -> Episodes | None:
    """The episodes of an export's leads.

    `outcome` (number of leads,) is how each lead stands today: 1.0 won, 0.0 lost, NaN open. Nothing
    is later than `present` (microseconds). None where leads have no creation date, or where no end
    of any lead is dated in any way, so that there is no horizon either.
    """
    if CREATED not in crm.leads:
        return None
    episodes = _recorded(definition, crm, outcome)
    dated = (episodes.end != NEVER) & (episodes.start != NEVER)
    none_ended = CLOSED in crm.leads and bool(np.isnan(outcome).all())
    if not (dated.any() or none_ended):
        return None
    return _with_estimates(crm, episodes, present)


def _recorded(definition: Definition, crm: Crm, outcome: FloatArray) -> Episodes:
    """The episodes with the ends that have a date."""
    history = stage_history(definition, crm)
    size = len(crm.leads)
    count = np.zeros(size, dtype=np.int64)
    np.maximum.at(count, history.lead, history.episode)
    first = np.cumsum(count + 1) - (count + 1)
    lead = np.repeat(np.arange(size), count + 1)
    number = np.arange(len(lead)) - first[lead]
    unit = first[history.lead] + history.episode
    start = _starts(history, unit, times_of(crm.leads[CREATED])[lead], number)
    history = _without_assumed_times(history, start[unit])
    ended, end = _ends(history, unit, len(lead))
    found = np.where(np.isnan(ended), OPEN, STATUS_HISTORY)
    ended[number == count[lead]] = outcome
    until = _open_until(history, unit, len(lead))
    return _with_dates_of_the_export(crm, Episodes(lead, number, start, end, until, ended, found))


def _starts(history: StageHistory, unit: IntArray, created: IntArray, number: IntArray) -> IntArray:
    """When each episode began: with the creation of the lead or the status of its return."""
    start = created.copy()
    begins = np.append(True, unit[1:] != unit[:-1])[: len(unit)]
    at = np.full(len(start), NEVER)
    at[unit[begins]] = np.where(history.at[begins] == PRESENT, NEVER, history.at[begins])
    start[number > 0] = at[number > 0]
    return start


def _without_assumed_times(history: StageHistory, start: IntArray) -> StageHistory:
    """The history without a time for a lead that it knows first as won or lost, before a change.

    Its first status is taken to hold from the creation on (`start`, one for each status), but no
    lead ends there: this one ended before the history begins.
    """
    lead = history.lead
    first = np.append(True, lead[1:] != lead[:-1])[: len(lead)]
    followed = np.append(lead[1:] == lead[:-1], False)[: len(lead)]
    ended = (history.stage == WON) | (history.stage == LOST)
    assumed = first & followed & ended & (history.at <= start)
    return replace(history, at=np.where(assumed, PRESENT, history.at))


def _ends(history: StageHistory, unit: IntArray, size: int) -> tuple[FloatArray, IntArray]:
    """The outcome of each episode by its last status, and when it first had that one without an
    interruption; `NEVER` where that has no time."""
    final = np.append(unit[1:] != unit[:-1], True)[: len(unit)]
    stage = np.full(size, -1)
    stage[unit[final]] = history.stage[final]
    outcome = np.where(stage == WON, 1.0, np.where(stage == LOST, 0.0, np.nan))
    same = history.stage == stage[unit]
    # Statuses after which nothing but the final one comes.
    breaks = np.where(~same, np.arange(len(unit)), -1)
    latest_break = np.full(size, -1)
    np.maximum.at(latest_break, unit, breaks)
    tail = np.flatnonzero(same & (np.arange(len(unit)) > latest_break[unit]))
    end = np.full(size, PRESENT)
    np.minimum.at(end, unit[tail], history.at[tail])
    return outcome, np.where(np.isnan(outcome) | (end == PRESENT), NEVER, end)


def _open_until(history: StageHistory, unit: IntArray, size: int) -> IntArray:
    """When each episode was first won or lost; far in the future where that has no time."""
    ended = np.flatnonzero((history.stage == WON) | (history.stage == LOST))
    until = np.full(size, PRESENT)
    np.minimum.at(until, unit[ended], history.at[ended])
    return until


def _with_dates_of_the_export(crm: Crm, episodes: Episodes) -> Episodes:
    """The last episode of each lead, ended by its closing date where that lies in the episode, else
    by its history, else by its last change if that tells of ends."""
    resolved = episodes.last & ~np.isnan(episodes.outcome)
    end = np.where(np.isnan(episodes.outcome), NEVER, episodes.end)
    found = np.where(end == NEVER, OPEN, episodes.found)
    if CLOSED in crm.leads:
        closed = times_of(crm.leads[CLOSED])[episodes.lead]
        usable = resolved & (closed != NEVER) & (closed >= episodes.start)
        end = np.where(usable, closed, end)
        found = np.where(usable, CLOSING_DATE, found)
    dated = _with_ends(episodes, end, found)
    if CHANGED not in crm.leads or last_change_is_no_end(changed_later(crm, dated)):
        return dated
    changed = times_of(crm.leads[CHANGED])[episodes.lead]
    usable = resolved & (end == NEVER) & (changed != NEVER) & (changed >= episodes.start)
    return _with_ends(
        episodes, np.where(usable, changed, end), np.where(usable, LAST_CHANGE, found)
    )


def changed_later(crm: Crm, episodes: Episodes) -> BoolArray:
    """Of the closed leads that have both a last change and an end of another date, which were
    changed again after it."""
    if CHANGED not in crm.leads:
        return np.zeros(0, dtype=np.bool_)
    changed = times_of(crm.leads[CHANGED])[episodes.lead]
    both = episodes.last & (episodes.end != NEVER) & (changed != NEVER)
    both &= np.isin(episodes.found, (CLOSING_DATE, STATUS_HISTORY))
    return np.asarray(changed[both] > episodes.end[both] + MAX_DAYS_OF_CLOSING * DAY)


def last_change_is_no_end(later: BoolArray) -> bool:
    """Whether leads are changed after their end (`changed_later`), so that the last change of one
    without another date does not tell when it ended."""
    return len(later) >= MIN_DATED_ENDS and bool(later.mean() > MAX_SHARE_CHANGED_LATER)


def _with_ends(episodes: Episodes, end: IntArray, found: IntArray) -> Episodes:
    until = np.where(end == NEVER, episodes.open_until, np.minimum(end, episodes.open_until))
    return replace(episodes, end=end, open_until=until, found=found)


def _with_estimates(crm: Crm, episodes: Episodes, present: int) -> Episodes:
    """The episodes with estimated ends where nothing dates them."""
    missing = ~np.isnan(episodes.outcome) & (episodes.end == NEVER) & (episodes.start != NEVER)
    if not missing.any():
        return episodes
    usable = np.flatnonzero((episodes.start != NEVER) & (episodes.start <= present))
    start = episodes.start[usable]
    end = episodes.end[usable]
    ids = crm.leads[ID].to_list()
    keys = [f"{ids[episodes.lead[row]]}.{episodes.number[row]}" for row in usable.tolist()]
    returned = np.where(episodes.last, NEVER, np.append(episodes.start[1:], NEVER))[usable]
    ages = draw_end_ages(
        episodes.outcome[usable],
        np.where(end == NEVER, np.nan, (end - start) / DAY),
        np.maximum((_last_activity(crm, episodes)[episodes.lead[usable]] - start) / DAY, 0.0),
        (present - start) / DAY,
        keys,
        np.where(returned == NEVER, np.inf, (returned - start) / DAY),
    )
    estimated = missing[usable]
    filled = episodes.end.copy()
    filled[usable[estimated]] = (start + np.nan_to_num(ages * DAY).astype(np.int64))[estimated]
    found = episodes.found.copy()
    found[usable[estimated]] = ESTIMATE
    return _with_ends(episodes, filled, found)


def _last_activity(crm: Crm, episodes: Episodes) -> IntArray:
    """When each lead had its last activity of a kind that stops where leads end, shape (number of
    leads,); long ago if it has none.

    A kind that many leads with a dated end have after it, such as a newsletter, says nothing about
    whether a lead is still open.
    """
    import pandas as pd

    latest = np.zeros(len(crm.leads), dtype=np.int64)
    if crm.activities is None:
        return latest
    owner = pd.Index(crm.leads[ID]).get_indexer(crm.activities[ID])
    mine = owner >= 0
    owner = owner[mine]
    at = times_of(crm.activities[AT])[mine]
    kinds, names = pd.factorize(crm.activities[KIND][mine])
    ended = episodes.last & (episodes.end != NEVER)
    end = np.full(len(crm.leads), NEVER)
    end[episodes.lead[ended]] = episodes.end[ended]
    after = (end[owner] != NEVER) & (at > end[owner] + DAY)
    pairs = np.unique(kinds[after] * len(end) + owner[after]) // max(len(end), 1)
    leads_after = np.bincount(pairs[pairs >= 0], minlength=len(names))
    stops = leads_after <= MAX_SHARE_AFTER_THE_END * ended.sum()
    telling = (kinds >= 0) & np.append(stops, False)[kinds]
    np.maximum.at(latest, owner[telling], at[telling])
    return latest
