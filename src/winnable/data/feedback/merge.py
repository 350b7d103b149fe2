"""Merge feedback labels into the CRM: outcomes that sales reported join its history as of the time
for which they were reported.

The CRM is the system of record: an outcome that it has counts, and a contradicting label is listed
as a conflict. A lead that the CRM still has as open is closed by a label's outcome. Labels later
than the latest record of the CRM wait for the next export: for leads without a label the outcomes
of that time are not known yet. Opinions never become outcomes; their quality is measured in
`winnable.data.feedback.agreement`.

A lead that came back has labels of several episodes, which do not contradict each other: the CRM's
status now is about the last one, unless the CRM closed the lead before its last return and never
reopened it: what a label says since then is a later fact, and closes the lead anew. An outcome
before a return joins the history of the status, where it is recorded and lacks it, as an end and a
reopening.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from winnable.core.columns import AT, CLOSED, CREATED, FIELD, ID, NEW, OLD, STATUS
from winnable.data.dataset import Dataset
from winnable.data.feedback.store.records import (
    OPINIONS,
    OUTCOMES,
    Label,
    Return,
    episodes_of,
    latest_by_person,
)
from winnable.data.ingestion.crm import Crm
from winnable.definition.outcome import ANYTHING

Fate = Literal[
    "agreed",
    "closed",
    "dated",
    "contradicted",
    "later",
    "unknown lead",
    "no such status",
    "before a return",
]


_Change = tuple[pd.Timestamp, str | None, str | None]
"""When a status changed, from what, to what."""


@dataclass(frozen=True)
class Contradiction:
    """A lead with different outcomes in the CRM and in a label, or in the labels of two people;
    `crm` is "won", "lost" or None for open."""

    lead_id: str
    crm: str | None
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class WithFeedback:
    """A dataset with the labels of sales merged, and what became of each label.

    `fates` counts the leads with a labeled outcome, once for each episode that has one: the CRM
    "agreed"; the label "closed" an open lead or one that came back, or "dated" an outcome without a
    date in the CRM; it "contradicted" the CRM, which counts; it is "later" than the export; the
    export has no such lead; the definition has no status that means lost; or the lead has come back
    since ("before a return"). `opinions` (by lead) are the latest labels of each person in the last
    episode, `earlier` how many there are of others.
    """

    data: Dataset
    fates: Mapping[Fate, int]
    contradictions: tuple[Contradiction, ...]
    opinions: Mapping[str, tuple[Label, ...]]
    earlier: int = 0

    @property
    def crm(self) -> Crm:
        """The CRM's tables with the labels merged."""
        return self.data.crm

    @property
    def learned(self) -> int:
        """The number of leads whose outcome, or its date, is only known from a label."""
        return self.fates.get("closed", 0) + self.fates.get("dated", 0)


def with_feedback(
    data: Dataset, labels: Iterable[Label], returns: Iterable[Return] = ()
) -> WithFeedback:
    """The dataset with the outcomes of the labels, each of the episode between `returns` in which
    it was given. Its leads, their order and their columns stay the same."""
    by_lead: dict[str, list[Label]] = {}
    for label in labels:
        by_lead.setdefault(label.lead_id, []).append(label)
    returns_of: dict[str, list[Return]] = {}
    for known_return in returns:
        returns_of.setdefault(known_return.lead_id, []).append(known_return)
    merger = _LabelMerger(data)
    fates: dict[Fate, int] = {}
    contradictions: list[Contradiction] = []
    opinions: dict[str, tuple[Label, ...]] = {}
    earlier = 0
    for lead_id, of_lead in by_lead.items():
        backs = sorted(returns_of.get(lead_id, ()), key=lambda back: back.sequence)
        *before, present = episodes_of(of_lead, backs)
        begins = [None, *backs]
        for episode, since, back in zip([*before, present], begins, [*backs, None], strict=True):
            outcomes = tuple(latest_by_person(episode, OUTCOMES).values())
            if not outcomes:
                continue
            known = merger.outcome(lead_id, since)
            fate = (
                merger.apply(lead_id, outcomes[-1], since)
                if back is None
                else merger.apply_before(lead_id, outcomes[-1], since, back)
            )
            fates[fate] = fates.get(fate, 0) + 1
            known = None if fate == "before a return" else known
            if len({label.label for label in outcomes} | {known or outcomes[0].label}) > 1:
                contradictions.append(Contradiction(lead_id, known, outcomes))
        earlier += sum(len(latest_by_person(episode, OPINIONS)) for episode in before)
        latest_opinions = tuple(latest_by_person(present, OPINIONS).values())
        if latest_opinions:
            opinions[lead_id] = latest_opinions
    merged = replace(data, crm=merger.result())
    return WithFeedback(merged, fates, tuple(contradictions), opinions, earlier)


class _LabelMerger:
    """Collects the changes of labels to a CRM: status and closing date of leads, and additions to
    the field history."""

    def __init__(self, data: Dataset) -> None:
        crm = data.crm
        self._crm = crm
        self._definition = data.definition
        self._row = {lead_id: row for row, lead_id in enumerate(crm.leads[ID])}
        self._status: list[str | None] = (
            crm.leads[STATUS].astype(object).where(crm.leads[STATUS].notna(), None).to_list()
        )
        self._closed = crm.leads[CLOSED].to_list() if CLOSED in crm.leads else None
        self._created = crm.leads[CREATED].to_list() if CREATED in crm.leads else None
        self._present = data.present
        self._changes: list[tuple[str, pd.Timestamp, str | None, str]] = []
        self._reopened: dict[str, str] = {}
        self._ended = frozenset((*data.definition.outcome.won, *data.definition.outcome.lost))

    def outcome(self, lead_id: str, since: Return | None) -> str | None:
        """The outcome of a lead in the CRM, "won", "lost", or None; None, too, where the CRM closed
        it before the return `since` that the labels' episode began with."""
        row = self._row.get(lead_id)
        if row is None or (since is not None and self._closed_before(row, since)):
            return None
        status = self._status[row]
        outcome = self._definition.outcome
        if status in outcome.won:
            return "won"
        return "lost" if status in outcome.lost else None

    def apply(self, lead_id: str, label: Label, since: Return | None) -> Fate:
        """Apply the outcome of a label in the last episode, which began with the return `since`;
        returns what became of it."""
        row = self._row.get(lead_id)
        known = self.outcome(lead_id, since)
        if row is None:
            return "unknown lead"
        if known is not None and known != label.label:
            return "contradicted"
        later = self._is_later(label.moment)
        if known is not None:
            dated = self._closed is None or not pd.isna(self._closed[row])
            return "agreed" if dated or later else self._close(row, label, "dated")
        if later:
            return "later"
        statuses: tuple[str, ...] = getattr(self._definition.outcome, label.label)
        if not statuses:
            return "no such status"
        before = self._status[row]
        if since is not None and before in self._ended:
            before = self._reopen(row, since)
        self._changes.append((lead_id, self._at(row, label), before, statuses[0]))
        self._status[row] = statuses[0]
        return self._close(row, label, "closed")

    def apply_before(self, lead_id: str, label: Label, since: Return | None, back: Return) -> Fate:
        """Apply the outcome of a label in the episode from the return `since` to the return `back`;
        returns what became of it. Where the CRM closed the lead in between and not since, it speaks
        of the same episode."""
        row = self._row.get(lead_id)
        if row is None:
            return "unknown lead"
        known = self.outcome(lead_id, since)
        if known is not None and self._closed_before(row, back):
            return "agreed" if known == label.label else "contradicted"
        self._note_before(row, label, since, back)
        return "before a return"

    def _note_before(self, row: int, label: Label, since: Return | None, back: Return) -> None:
        """Have the status change to an outcome and back, where the CRM's history has no end of its
        own in that episode."""
        statuses: tuple[str, ...] = getattr(self._definition.outcome, label.label)
        at = self._at(row, label)
        if self._status_changes is None or not statuses or self._is_later(back.at):
            return
        if since is not None and self._closed_before(row, since):
            before = self._reopen(row, since)
        else:
            before = self._open_status(row, at, since, back)
        if before is None or before in self._ended or at >= back.at:
            return
        self._changes.append((label.lead_id, at, before, statuses[0]))
        self._changes.append((label.lead_id, pd.Timestamp(back.at), statuses[0], before))

    def _open_status(
        self, row: int, at: pd.Timestamp, since: Return | None, back: Return
    ) -> str | None:
        """The status of a lead at a time between two returns; None where the CRM's history has an
        end between them."""
        changes = self._changes_of(row)
        for when, _, new in changes:
            if new in self._ended and when < back.at and (since is None or when >= since.at):
                return None
        following = [old for when, old, _ in changes if when >= at and old is not None]
        previous = [new for when, _, new in changes if when < at and new is not None]
        return (*following[:1], *previous[-1:], self._status[row])[0]

    def _closed_before(self, row: int, back: Return) -> bool:
        """Whether the CRM closed a lead before a return, and never changed its status since."""
        if self._status[row] not in self._ended:
            return False
        changes = self._changes_of(row)
        closed = self._closed_at(row)
        is_told = len(changes) > 0 and changes[-1][2] in self._ended
        times = [when for when in (closed, *(change[0] for change in changes)) if not pd.isna(when)]
        return (is_told or not pd.isna(closed)) and max(times) < back.at

    def _reopen(self, row: int, since: Return) -> str | None:
        """Have the status of a lead that the CRM never reopened change back with a return; returns
        the open status. None where the CRM records no changes of it: then only the present episode
        can be told, as for any such lead."""
        lead_id = str(self._crm.leads[ID].iloc[row])
        if lead_id in self._reopened:
            return self._reopened[lead_id]
        changes = self._changes_of(row)
        written = [*(old for _, old, _ in changes), *(new for _, _, new in changes[-1:])]
        statuses = [status for status in written if status is not None]
        opened = [status for status in statuses if status not in self._ended]
        if not opened:
            return None
        status = str(self._status[row])
        if statuses[-1] not in self._ended:  # its closing date alone tells the end
            end = max(self._closed_at(row), changes[-1][0])
            self._changes.append((lead_id, end, statuses[-1], status))
        self._reopened[lead_id] = opened[-1]
        self._changes.append((lead_id, pd.Timestamp(since.at), status, opened[-1]))
        return opened[-1]

    def _changes_of(self, row: int) -> Sequence[_Change]:
        """The CRM's own changes of a lead's status, by time."""
        return self._changes_of_lead.get(self._crm.leads[ID].iloc[row], ())

    def _closed_at(self, row: int) -> Any:
        """When the CRM closed a lead; None or NaT where it does not say."""
        return None if self._closed is None else self._closed[row]

    def _is_later(self, at: datetime) -> bool:
        return self._present is not None and at > self._present

    @cached_property
    def _status_changes(self) -> pd.DataFrame | None:
        """The CRM's own changes of the status; None where it records none."""
        return self._crm.changes_of(self._definition.columns.status)

    @cached_property
    def _changes_of_lead(self) -> Mapping[str, list[_Change]]:
        """The changes of the status by lead, each by time."""
        by_lead: dict[str, list[_Change]] = {}
        if self._status_changes is not None:
            changes = self._status_changes[[ID, AT, OLD, NEW]].astype(object)
            changes = changes.where(changes.notna(), None)
            for lead_id, *change in changes.itertuples(index=False, name=None):
                by_lead.setdefault(lead_id, []).append((change[0], change[1], change[2]))
        return by_lead

    def _close(self, row: int, label: Label, fate: Fate) -> Fate:
        if self._closed is not None:
            self._closed[row] = self._at(row, label)
        return fate

    def _at(self, row: int, label: Label) -> pd.Timestamp:
        """The time of the label, but not before the lead was created."""
        at = pd.Timestamp(label.moment)
        created = None if self._created is None else self._created[row]
        return at if created is None or pd.isna(created) else max(at, created)

    def result(self) -> Crm:
        """The CRM with all labels applied."""
        leads = self._crm.leads.copy()
        roles = self._definition.columns
        leads[STATUS] = pd.array(self._status, dtype="str")
        if roles.status in leads and self._definition.outcome.won != (ANYTHING,):
            leads[roles.status] = leads[STATUS]
        if self._closed is not None:
            leads[CLOSED] = pd.Series(
                self._closed, index=leads.index, dtype=self._crm.leads[CLOSED].dtype
            )
        return replace(self._crm, leads=leads, history=self._history())

    def _history(self) -> pd.DataFrame | None:
        """The field history with the status changes of the labels, if status changes are recorded
        at all."""
        history = self._crm.history
        status = self._definition.columns.status
        if history is None or not self._changes or self._status_changes is None:
            return history
        ids, at, old, new = zip(*self._changes, strict=True)
        added = pd.DataFrame({ID: ids, AT: at, FIELD: status, OLD: old, NEW: new})
        added = added.reindex(columns=history.columns).astype(history.dtypes.to_dict())
        joined = pd.concat([history, added], ignore_index=True)
        return joined.iloc[np.lexsort((joined[AT], joined[FIELD], joined[ID]))].reset_index(
            drop=True
        )
