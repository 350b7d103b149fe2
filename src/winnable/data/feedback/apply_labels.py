"""Load the feedback labels and apply them before training: outcomes are merged into the CRM's
history, opinions are evaluated, and the randomly selected leads are counted.

A store without labels changes nothing. What the labels changed is summarized in sentences and
stored in the model card. Opinions are not features: a lead that is scored over HTTP comes without
them, which would bias a model that was trained on them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from winnable.core.columns import ID
from winnable.core.text import counted
from winnable.data.feedback.agreement import Agreement, Share, agreement
from winnable.data.feedback.merge import Fate, WithFeedback, with_feedback
from winnable.definition.decide.gate import randomly_selected

if TYPE_CHECKING:
    from datetime import datetime

    from winnable.data.dataset import Dataset
    from winnable.data.feedback.store.records import HandedOver, Label, Return
    from winnable.data.ingestion.crm import Crm


@dataclass(frozen=True)
class RandomSample:
    """The exploration sample: leads that sales works whatever their score, `drawn` of them below
    the gate, and the share won of those with an outcome.

    It is the only unbiased view below the gate: `expected` is the average predicted probability of
    the same leads.
    """

    drawn: int
    won: Share
    expected: float | None


@dataclass(frozen=True)
class FeedbackEffect:
    """A CRM with the labels merged, and what they changed: `rows` training rows have a different or
    newly known outcome; `wins` of them are won now."""

    merged: WithFeedback
    labels: int
    rows: int
    wins: int
    opinions: Agreement
    random_sample: RandomSample

    @property
    def data(self) -> Dataset:
        """The history to train on."""
        return self.merged.data

    @property
    def crm(self) -> Crm:
        """Its tables."""
        return self.merged.crm

    def to_json(self) -> dict[str, Any] | None:
        """What feedback changed, for the model card, without names of people; None without
        feedback."""
        if not self.labels and not self.random_sample.won.trials:
            return None
        return {
            "labels": self.labels,
            "outcomes": dict(self.merged.fates),
            "contradictions": len(self.merged.contradictions),
            "rows_changed": self.rows,
            "rows_won": self.wins,
            "opinions": self.opinions.to_json(),
            "by_lot": asdict(self.random_sample),
            "told": self.summary(),
        }

    def summary(self) -> list[str]:
        """The same in sentences, for people."""
        sentences = _outcome_sentences(self) if self.labels else []
        return [
            *sentences,
            *_opinion_sentences(self.opinions),
            *_random_sample_sentences(self.random_sample),
        ]


def load_and_apply_labels(
    data: Dataset, store: Path, environment: Mapping[str, str] = os.environ
) -> FeedbackEffect:
    """Apply the labels in a store to this history; a store without labels changes nothing.

    Raises StoreError if the labels cannot be read.
    """
    from winnable.data.feedback.store.database import DATABASE_URL, FILE

    if DATABASE_URL not in environment and not (store / FILE).exists():
        return apply_labels(data, (), ())
    from winnable.data.feedback.store.store import FeedbackStore

    feedback = FeedbackStore.open(store)
    try:
        return apply_labels(data, feedback.labels(), feedback.handed_over(), feedback.returns())
    finally:
        feedback.close()


def apply_labels(
    data: Dataset,
    labels: Sequence[Label],
    handed_over: Sequence[HandedOver],
    returns: Sequence[Return] = (),
) -> FeedbackEffect:
    """The history with these labels applied, each to the episode between `returns` in which it was
    given, and what they and the handed-over leads show."""
    merged = with_feedback(data, labels, returns) if labels else WithFeedback(data, {}, (), {})
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
        _random_sample(handed_over, outcome),
    )


def _changed(before: Dataset, after: Dataset) -> tuple[int, int]:
    """How many training rows have another outcome than before, and how many of these are won."""
    old = _known_outcomes(before)
    new = _known_outcomes(after)
    changed = [won for row, won in new.items() if old.get(row) != won]
    return len(changed) + len(old.keys() - new.keys()), int(sum(changed))


def _known_outcomes(data: Dataset) -> dict[tuple[int, int], float]:
    """The known outcomes of the training rows, by lead and time."""
    rows = data.training_rows.take(data.training_rows.known)
    keys = zip(rows.leads.tolist(), rows.as_of.tolist(), strict=True)
    return dict(zip(keys, rows.won.tolist(), strict=True))


def _random_sample(handed_over: Sequence[HandedOver], outcome: Mapping[str, float]) -> RandomSample:
    """The leads that were handed over only because they were randomly selected, by the first such
    score.

    Under a capacity, random selection may also pick a lead that would have been among the best; it
    is not counted if its probability reaches that of any lead that was handed over on its merits in
    the same week's list.
    """
    lowest_on_merit: dict[tuple[str, datetime], float] = {}
    for handed in handed_over:
        if not randomly_selected(handed.because):
            week = (handed.version, handed.as_of)
            lowest_on_merit[week] = min(lowest_on_merit.get(week, 1.0), handed.probability)
    first: dict[str, float] = {}
    for handed in handed_over:
        bar = lowest_on_merit.get((handed.version, handed.as_of), 1.0)
        if randomly_selected(handed.because) and handed.probability < bar:
            first.setdefault(handed.lead_id, handed.probability)
    resolved = [lead for lead in first if lead in outcome]
    won = Share.of(int(sum(outcome[lead] for lead in resolved)), len(resolved))
    expected = float(np.mean([first[lead] for lead in resolved])) if resolved else None
    return RandomSample(len(first), won, expected)


def _outcome_sentences(effect: FeedbackEffect) -> list[str]:
    fates = effect.merged.fates
    sentences = [f"{counted(effect.labels, 'label')} from sales applied."]
    if effect.merged.learned:
        sentences.append(
            f"{counted(effect.merged.learned, 'outcome')} came from labels before the CRM had them;"
            f" {counted(effect.rows, 'training row')} changed, {effect.wins:,} of them to won."
        )
    reasons: dict[Fate, str] = {
        "later": "newer than the export; used with the next export",
        "unknown lead": "ignored, the lead is not in the export",
        "no such status": "ignored, the definition has no status for lost",
        "before a return": "of leads that have come back since; used for the time before",
    }
    sentences += [
        f"{counted(fates[fate], 'outcome')} {reason}."
        for fate, reason in reasons.items()
        if fates.get(fate)
    ]
    if effect.merged.earlier:
        sentences.append(
            f"{counted(effect.merged.earlier, 'opinion')} on leads that have come back since: about"
            " the time before, so not compared with what became of the lead now."
        )
    if effect.merged.contradictions:
        sentences.append(
            f"{counted(len(effect.merged.contradictions), 'lead')} with conflicting outcomes"
            " between the CRM and sales, or between two people; the CRM's outcome is used where it"
            " has one. `winnable feedback conflicts` lists them."
        )
    return sentences


def _opinion_sentences(opinions: Agreement) -> list[str]:
    if not opinions.leads:
        return []
    sentences = [
        f"{counted(opinions.leads, 'lead')} accepted or rejected by sales. These are opinions and"
        " never count as won or lost."
    ]
    accepted = opinions.accepted_won
    rejected = opinions.rejected_won
    if accepted.trials and rejected.trials:
        finding = (
            "acceptance predicts winning"
            if opinions.telling
            else "not enough evidence that acceptance predicts winning"
        )
        sentences.append(
            f"Of the accepted leads {_share_text(accepted)} were won, of the rejected ones"
            f" {_share_text(rejected)}: {finding}."
        )
    if opinions.alpha is not None:
        sentences.append(
            f"Inter-rater agreement on {counted(opinions.several, 'lead')} with several opinions:"
            f" Krippendorff's alpha {opinions.alpha:.2f} (1: full agreement, 0: no better than"
            " chance)."
        )
    return sentences


def _random_sample_sentences(sample: RandomSample) -> list[str]:
    if not sample.won.trials or sample.expected is None:
        return []
    return [
        f"Of {sample.drawn:,} randomly selected leads below the gate, {_share_text(sample.won)}"
        f" were won; predicted: {100 * sample.expected:.1f}%."
    ]


def _share_text(share: Share) -> str:
    return (
        f"{share.hits:,} of {share.trials:,}"
        f" (95% CI {100 * share.low:.0f}% to {100 * share.high:.0f}%)"
    )
