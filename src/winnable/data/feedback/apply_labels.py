"""Hearing what sales said, before training: outcomes join the history, opinions are weighed, the
leads worked by lot are counted.

A store without labels changes nothing. What feedback changed is told in words and kept in the
model's card. Opinions do not enter the model: a lead that is asked for over HTTP comes without
them, so that a model that had learned from them would be misled.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from winnable.core.columns import ID
from winnable.data.feedback.agreement import Agreement, Share, agreement
from winnable.data.feedback.merge import Fate, WithFeedback, with_feedback
from winnable.definition.decide.gate import randomly_selected

if TYPE_CHECKING:
    from datetime import datetime

    from winnable.data.dataset import Dataset
    from winnable.data.feedback.store.records import HandedOver, Label
    from winnable.data.ingestion.crm import Crm


@dataclass(frozen=True)
class RandomSample:
    """Leads that sales works whatever their score: `drawn` of them below the gate, and of those
    with an outcome the share won.

    It is the only honest look below the gate: `expected` is what the scores promised of the same
    leads, on average.
    """

    drawn: int
    won: Share
    expected: float | None


@dataclass(frozen=True)
class FeedbackEffect:
    """A CRM with what sales told, and what it changed: `rows` training rows have another outcome,
    or one that was not known; `wins` of them are won now."""

    merged: WithFeedback
    labels: int
    rows: int
    wins: int
    opinions: Agreement
    by_lot: RandomSample

    @property
    def data(self) -> Dataset:
        """The history to learn from."""
        return self.merged.data

    @property
    def crm(self) -> Crm:
        """Its tables."""
        return self.merged.crm

    def to_json(self) -> dict[str, Any] | None:
        """What feedback changed, for the model's card, without anybody's name; None where there was
        nothing to hear."""
        if not self.labels and not self.by_lot.won.trials:
            return None
        return {
            "labels": self.labels,
            "outcomes": dict(self.merged.fates),
            "contradictions": len(self.merged.contradictions),
            "rows_changed": self.rows,
            "rows_won": self.wins,
            "opinions": self.opinions.to_json(),
            "by_lot": asdict(self.by_lot),
            "told": self.told(),
        }

    def told(self) -> list[str]:
        """The same in sentences, for people."""
        outcomes = _outcomes_told(self) if self.labels else []
        return [*outcomes, *_opinions_told(self.opinions), *_lot_told(self.by_lot)]


def load_and_apply_labels(
    data: Dataset, store: Path, environment: Mapping[str, str] = os.environ
) -> FeedbackEffect:
    """What the labels in a store say of this history; nothing where the store has none.
    `StoreError` if they cannot be read."""
    from winnable.data.feedback.store.database import DATABASE_URL, FILE

    if DATABASE_URL not in environment and not (store / FILE).exists():
        return apply_labels(data, (), ())
    from winnable.data.feedback.store.store import FeedbackStore

    feedback = FeedbackStore.open(store)
    try:
        return apply_labels(data, feedback.labels(), feedback.handed_over())
    finally:
        feedback.close()


def apply_labels(
    data: Dataset, labels: Sequence[Label], handed_over: Sequence[HandedOver]
) -> FeedbackEffect:
    """The history with these labels, and what they and the leads that were handed over tell."""
    merged = with_feedback(data, labels) if labels else WithFeedback(data, {}, (), {})
    outcome = {
        lead: float(won)
        for lead, won in zip(merged.crm.leads[ID], merged.data.outcomes, strict=True)
        if not np.isnan(won)
    }
    rows, wins = _changed(data, merged.data) if merged.learned else (0, 0)
    return FeedbackEffect(
        merged,
        len(labels),
        rows,
        wins,
        agreement(merged.opinions, outcome),
        _by_lot(handed_over, outcome),
    )


def _changed(before: Dataset, after: Dataset) -> tuple[int, int]:
    """How many training rows teach something else than before, and how many of these a win."""
    known = []
    for data in (before, after):
        rows = data.training_rows.take(data.training_rows.known)
        known.append(
            dict(
                zip(
                    zip(rows.leads.tolist(), rows.as_of.tolist(), strict=True),
                    rows.won.tolist(),
                    strict=True,
                )
            )
        )
    old, new = known
    moved = [won for row, won in new.items() if old.get(row) != won]
    return len(moved) + len(old.keys() - new.keys()), int(sum(moved))


def _by_lot(handed_over: Sequence[HandedOver], outcome: Mapping[str, float]) -> RandomSample:
    """The leads that were handed over by lot alone, by the first score that says so.

    Where sales has a capacity, the lot may also fall on a lead that would have been among the best;
    it is not counted if its probability reaches that of any lead that was handed over on its merits
    in the same week's list.
    """
    bars: dict[tuple[str, datetime], float] = {}
    for each in handed_over:
        if not randomly_selected(each.because):
            week = (each.version, each.as_of)
            bars[week] = min(bars.get(week, 1.0), each.probability)
    first: dict[str, float] = {}
    for each in handed_over:
        if randomly_selected(each.because) and each.probability < bars.get(
            (each.version, each.as_of), 1.0
        ):
            first.setdefault(each.lead_id, each.probability)
    resolved = [lead for lead in first if lead in outcome]
    won = Share.of(int(sum(outcome[lead] for lead in resolved)), len(resolved))
    return RandomSample(
        len(first), won, float(np.mean([first[lead] for lead in resolved])) if resolved else None
    )


def _outcomes_told(heard: FeedbackEffect) -> list[str]:
    fates = heard.merged.fates
    says = [f"{heard.labels:,} labels by sales were heard."]
    if heard.merged.learned:
        says.append(
            f"{heard.merged.learned:,} leads are won or lost by what sales told before the CRM did;"
            f" {heard.rows:,} training rows changed, {heard.wins:,} of them won."
        )
    why: dict[Fate, str] = {
        "later": "is newer than the export and waits for the next one",
        "unknown lead": "is of a lead that the export has not",
        "no such status": "is lost, for which the definition has no status",
    }
    says += [
        f"{fates[fate]:,} outcomes: each {reason}."
        for fate, reason in why.items()
        if fates.get(fate)
    ]
    if heard.merged.contradictions:
        says.append(
            f"{len(heard.merged.contradictions):,} leads of which the CRM and sales, or two people,"
            " tell different outcomes; the CRM counts where it knows one. `winnable feedback"
            " conflicts` lists them."
        )
    return says


def _opinions_told(opinions: Agreement) -> list[str]:
    if not opinions.leads:
        return []
    says = [
        f"{opinions.leads:,} leads were accepted or rejected. That is an opinion, and never counts"
        " as won or lost."
    ]
    accepted, rejected = opinions.accepted_won, opinions.rejected_won
    if accepted.trials and rejected.trials:
        telling = (
            "accepting tells something"
            if opinions.telling
            else "too few or too close to say that accepting tells anything"
        )
        says.append(
            f"Of accepted leads {_share_told(accepted)} were won, of rejected ones"
            f" {_share_told(rejected)}: {telling}."
        )
    if opinions.alpha is not None:
        says.append(
            f"Where several people answered ({opinions.several:,} leads) they agree to alpha"
            f" {opinions.alpha:.2f} (1: always, 0: no more than by chance)."
        )
    return says


def _lot_told(by_lot: RandomSample) -> list[str]:
    if not by_lot.won.trials or by_lot.expected is None:
        return []
    return [
        f"Of {by_lot.drawn:,} leads below the gate that were worked by lot"
        f" {_share_told(by_lot.won)} were won; the scores said {100 * by_lot.expected:.1f} %."
    ]


def _share_told(share: Share) -> str:
    return f"{share.hits:,} of {share.trials:,} ({100 * share.low:.0f} to {100 * share.high:.0f} %)"
