"""What labels teach: outcomes that sales told join the CRM's history at the time when they were so.

The CRM is the record: an outcome that it knows counts, and a label that says otherwise is a
conflict, which is listed. A lead that the CRM still calls open is closed by the outcome that sales
told, at the time it was told for. Labels later than the newest record of the CRM wait for the next
export: of the leads without a label nobody knows yet what became of them in that time. Opinions
never become outcomes; what they are worth is asked in `learning.agreement`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from winnable.core.columns import AT, CLOSED, CREATED, FIELD, ID, NEW, OLD, STATUS
from winnable.data.dataset import Dataset
from winnable.data.feedback.store.records import OPINIONS, OUTCOMES, Label, latest_by_person, live
from winnable.data.ingestion.crm import Crm
from winnable.definition.schema import ANYTHING

Fate = Literal[
    "agreed", "closed", "dated", "contradicted", "later", "unknown lead", "no such status"
]


@dataclass(frozen=True)
class Contradiction:
    """A lead of which the CRM and a person, or two people, tell different outcomes; `crm` is "won",
    "lost" or None for open."""

    lead_id: str
    crm: str | None
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class WithFeedback:
    """A dataset with what sales told, and what became of it.

    `fates` counts the leads with an outcome by a label: the CRM "agreed"; the label "closed" an
    open lead, or "dated" an outcome whose date the CRM does not know; it "contradicted" the CRM,
    which counts; it is "later" than the export; the export has no such lead; or the definition has
    no status that means lost. `opinions` (by lead) is the last word of each person.
    """

    data: Dataset
    fates: Mapping[Fate, int]
    contradictions: tuple[Contradiction, ...]
    opinions: Mapping[str, tuple[Label, ...]]

    @property
    def crm(self) -> Crm:
        """The CRM's tables with what sales told."""
        return self.data.crm

    @property
    def learned(self) -> int:
        """The leads whose outcome, or its date, is known by a label alone."""
        return self.fates.get("closed", 0) + self.fates.get("dated", 0)


def with_feedback(data: Dataset, labels: Iterable[Label]) -> WithFeedback:
    """The dataset with the outcomes that sales told. Leads, their order and their columns stay as they
    are."""
    by_lead: dict[str, list[Label]] = {}
    for label in live(labels):
        by_lead.setdefault(label.lead_id, []).append(label)
    merging = _Merging(data)
    fates: dict[Fate, int] = {}
    contradictions, opinions = [], {}
    for lead_id, said in by_lead.items():
        outcomes = sorted(latest_by_person(said, OUTCOMES).values(), key=lambda each: each.moment)
        known = merging.outcome(lead_id)
        if outcomes:
            if len({each.label for each in outcomes} | {known or outcomes[0].label}) > 1:
                contradictions.append(Contradiction(lead_id, known, tuple(outcomes)))
            fate = merging.take(lead_id, outcomes[-1])
            fates[fate] = fates.get(fate, 0) + 1
        if words := tuple(latest_by_person(said, OPINIONS).values()):
            opinions[lead_id] = words
    return WithFeedback(replace(data, crm=merging.result()), fates, tuple(contradictions), opinions)


class _Merging:
    """A CRM on its way to the one with feedback: status and closing date of the leads, and what is
    added to the field history."""

    def __init__(self, data: Dataset) -> None:
        crm = data.crm
        self._crm, self._definition = crm, data.definition
        self._row = {lead_id: row for row, lead_id in enumerate(crm.leads[ID])}
        self._status: list[str | None] = (
            crm.leads[STATUS].astype(object).where(crm.leads[STATUS].notna(), None).to_list()
        )
        self._closed = crm.leads[CLOSED].to_list() if CLOSED in crm.leads else None
        self._created = crm.leads[CREATED].to_list() if CREATED in crm.leads else None
        self._present = data.present
        self._changes: list[tuple[str, pd.Timestamp, str | None, str]] = []

    def outcome(self, lead_id: str) -> str | None:
        """What the CRM says became of a lead: "won", "lost", or None."""
        status = self._status[self._row[lead_id]] if lead_id in self._row else None
        outcome = self._definition.outcome
        return "won" if status in outcome.won else "lost" if status in outcome.lost else None

    def take(self, lead_id: str, label: Label) -> Fate:
        """Take in the outcome that a label tells; returns what became of it."""
        row, known = self._row.get(lead_id), self.outcome(lead_id)
        if row is None:
            return "unknown lead"
        if known is not None and known != label.label:
            return "contradicted"
        later = self._present is not None and label.moment > self._present
        if known is not None:
            dated = self._closed is None or not pd.isna(self._closed[row])
            return "agreed" if dated or later else self._close(row, label, "dated")
        if later:
            return "later"
        means: tuple[str, ...] = getattr(self._definition.outcome, label.label)
        if not means:
            return "no such status"
        self._changes.append((lead_id, self._at(row, label), self._status[row], means[0]))
        self._status[row] = means[0]
        return self._close(row, label, "closed")

    def _close(self, row: int, label: Label, fate: Fate) -> Fate:
        if self._closed is not None:
            self._closed[row] = self._at(row, label)
        return fate

    def _at(self, row: int, label: Label) -> pd.Timestamp:
        """When the label was so; never before the lead came to be."""
        at, created = (
            pd.Timestamp(label.moment),
            None if self._created is None else self._created[row],
        )
        return at if created is None or pd.isna(created) else max(at, created)

    def result(self) -> Crm:
        """The CRM with all that was taken in."""
        leads, roles = self._crm.leads.copy(), self._definition.columns
        leads[STATUS] = pd.array(self._status, dtype="str")
        if roles.status in leads and self._definition.outcome.won != (ANYTHING,):
            leads[roles.status] = leads[STATUS]
        if self._closed is not None:
            leads[CLOSED] = pd.Series(
                self._closed, index=leads.index, dtype=self._crm.leads[CLOSED].dtype
            )
        return replace(self._crm, leads=leads, history=self._history())

    def _history(self) -> pd.DataFrame | None:
        """The field history with the changes of status that sales told, where statuses are recorded
        at all."""
        history, status = self._crm.history, self._definition.columns.status
        if history is None or not self._changes or not (history[FIELD] == status).any():
            return history
        ids, at, old, new = zip(*self._changes, strict=True)
        told = pd.DataFrame({ID: ids, AT: at, FIELD: status, OLD: old, NEW: new})
        told = told.reindex(columns=history.columns).astype(history.dtypes.to_dict())
        joined = pd.concat([history, told], ignore_index=True)
        return joined.iloc[np.lexsort((joined[AT], joined[FIELD], joined[ID]))].reset_index(
            drop=True
        )
