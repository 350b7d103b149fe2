"""Does it work? How the scored leads turned out, beside what their scores expected, and the model
beside the scorecard. Nothing is evaluated anew but the scorecard.

Outcomes are counted by `data.feedback.store.outcomes`; the scorecard's points are computed again
for leads with an outcome, so that both are compared on the same leads. The holdout metrics of the
last training are read from the model card.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from winnable.core.columns import FloatArray
from winnable.core.statistics import wilson
from winnable.core.text import counted, percent, percent_range
from winnable.core.values import moment
from winnable.data.features.online import Activity
from winnable.data.feedback.store.outcomes import (
    CellOutcomes,
    Cohort,
    Decided,
    RandomSampleOutcomes,
    cell_outcomes,
    cohorts,
    decided,
    random_sample_outcomes,
)
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.decide.scorecard import score_points
from winnable.definition.grid import Grid
from winnable.learning.scoring.predictor import Predictor
from winnable.service.web.lead_view import tone

MAX_LEADS_COMPARED = 2000
"""Leads with an outcome, the newest, on which model and scorecard are compared."""

MIN_LEADS_COMPARED = 20
"""Leads with an outcome below which nothing is compared."""

MONTHS_SHOWN = 12
_TOP_SHARES = (0.1, 0.25, 0.5)
_GRADES = ("hot", "warm", "cool", "cold")
_COMPETITORS = (("model", "Model"), ("rules", "Scorecard"), ("base rate", "Base rate"))


@dataclass(frozen=True)
class OutcomeSummary:
    """Some leads and how they turned out: `rate` is the share of wins among those with an outcome,
    `interval` its 90% CI, `expected_rate` the mean of the first scores of all. None if unknown."""

    leads: int
    won: int
    known: int
    rate: float | None
    expected_rate: float | None
    interval: str

    @property
    def rate_text(self) -> str:
        """The share of wins, in words."""
        return "–" if self.rate is None else percent(self.rate)

    @property
    def expected_text(self) -> str:
        """The expected share of wins, in words."""
        return "–" if self.expected_rate is None else percent(self.expected_rate)


@dataclass(frozen=True)
class GradeLine:
    """A grade over all months; `tone` is what colors stand for."""

    grade: str
    tone: str
    outcome: OutcomeSummary


@dataclass(frozen=True)
class MonthLine:
    """A month: one outcome per grade, in the order of the grades; None where there was no lead."""

    month: str
    outcomes: tuple[OutcomeSummary | None, ...]


@dataclass(frozen=True)
class CumulativeGain:
    """The wins among the top share of the leads, ranked by the model, by the scorecard, and in
    random order."""

    share: str
    model: int
    scorecard: int
    random: float


@dataclass(frozen=True)
class MetricsLine:
    """One competitor's metrics on the holdout, in words."""

    name: str
    skill: str
    auc: str
    predicted_to_observed: str


@dataclass(frozen=True)
class CellLine:
    """What became of the leads of one cell of the grid, which the company calls `says`."""

    cell: str
    says: str
    outcome: OutcomeSummary


@dataclass(frozen=True)
class Results:
    """Everything that the page shows."""

    leads: int
    total: OutcomeSummary
    grades: tuple[GradeLine, ...]
    cells: tuple[CellLine, ...]
    months: tuple[MonthLine, ...]
    compared: int
    compared_won: int
    gains: tuple[CumulativeGain, ...]
    random_sample: OutcomeSummary
    metrics: tuple[MetricsLine, ...]
    holdout: str
    doubt: str
    feedback: tuple[str, ...]
    version: str
    horizon: str


def results(store: FeedbackStore, predictor: Predictor) -> Results:
    """What the store and the model card know. `StoreError` if the store cannot be read."""
    found = cohorts(store)
    names = [predictor.definition.grades.labels.get(grade, grade) for grade in _GRADES]  # type: ignore[call-overload]
    names += sorted({cohort.grade for cohort in found} - set(names))
    by_grade = [(name, [cohort for cohort in found if cohort.grade == name]) for name in names]
    months = sorted({cohort.month for cohort in found})[-MONTHS_SHOWN:]
    leads = decided(store, MAX_LEADS_COMPARED)
    comparable = len(leads) >= MIN_LEADS_COMPARED and any(lead.won for lead in leads)
    card = predictor.card
    horizon = card.horizon_days
    return Results(
        leads=sum(cohort.leads for cohort in found),
        total=_summary(found),
        grades=tuple(
            GradeLine(name, tone(predictor.definition, name), _summary(some))
            for name, some in by_grade
            if some
        ),
        cells=tuple(_cell_lines(store, predictor.definition.grid)),
        months=tuple(_month_line(month, by_grade) for month in reversed(months)),
        compared=len(leads),
        compared_won=sum(lead.won for lead in leads),
        gains=_cumulative_gains(leads, _scorecard_logit(predictor, leads)) if comparable else (),
        random_sample=_summary([random_sample_outcomes(store)]),
        metrics=_metrics_lines(card.measured),
        holdout=card.judged_on or "",
        doubt=card.doubt or "",
        feedback=tuple(_feedback_effects(card.feedback)),
        version=predictor.version,
        horizon="" if horizon is None else f" within {horizon:g} days",
    )


def _cell_lines(store: FeedbackStore, grid: Grid | None) -> Iterator[CellLine]:
    """The cells, where the definition has a grid; the store is asked for nothing else."""
    if grid is not None:
        for found in cell_outcomes(store):
            yield CellLine(found.cell, grid.says(found.cell), _summary([found]))


def _summary(groups: Sequence[Cohort | RandomSampleOutcomes | CellOutcomes]) -> OutcomeSummary:
    leads = sum(group.leads for group in groups)
    won = sum(group.won for group in groups)
    known = won + sum(group.lost for group in groups)
    return OutcomeSummary(
        leads=leads,
        won=won,
        known=known,
        rate=won / known if known else None,
        expected_rate=sum(group.expected_wins for group in groups) / leads if leads else None,
        interval=percent_range(*wilson(won, known)) if known else "",
    )


def _month_line(month: str, by_grade: Sequence[tuple[str, Sequence[Cohort]]]) -> MonthLine:
    in_month = (
        [cohort for cohort in some if cohort.month == month] for _, some in by_grade if some
    )
    first_day = datetime.strptime(f"{month}-01", "%Y-%m-%d").replace(tzinfo=UTC)
    return MonthLine(
        f"{first_day:%B %Y}", tuple(_summary(some) if some else None for some in in_month)
    )


def _scorecard_logit(predictor: Predictor, leads: Sequence[Decided]) -> FloatArray:
    """The points of the definition for leads as they were at their first score, as log-odds, shape
    (n,)."""
    activities = [[_activity(record) for record in lead.activities] for lead in leads]
    features = predictor.features(
        [lead.values for lead in leads], activities, [lead.as_of for lead in leads]
    )
    return score_points(predictor.definition, features).logit


def _activity(record: Mapping[str, Any]) -> Activity:
    at = moment(str(record["at"]))
    assert at is not None, "the store keeps moments that can be read"
    return Activity(str(record["kind"]), at)


def _cumulative_gains(
    leads: Sequence[Decided], scorecard_logit: FloatArray
) -> tuple[CumulativeGain, ...]:
    """For each share, the wins among the top leads of either ranking. Ties are broken by the id,
    which knows nothing of the outcome."""
    won = np.asarray([lead.won for lead in leads])
    ids = np.asarray([lead.lead_id for lead in leads])
    by_model = won[np.lexsort([ids, -np.asarray([lead.probability for lead in leads])])]
    by_scorecard = won[np.lexsort([ids, -scorecard_logit])]
    gains = []
    for share in _TOP_SHARES:
        top = max(1, round(share * len(leads)))
        gains.append(
            CumulativeGain(
                share=percent(share),
                model=int(by_model[:top].sum()),
                scorecard=int(by_scorecard[:top].sum()),
                random=float(won.mean() * top),
            )
        )
    return tuple(gains)


def _feedback_effects(feedback: Mapping[str, Any] | None) -> Iterator[str]:
    """What the labels changed in the last training, by the model card, in sentences."""
    if feedback is None:
        return
    labels = feedback["labels"]
    yield f"{counted(labels, 'answer')} {'was' if labels == 1 else 'were'} used."
    if feedback["rows_changed"]:
        rows = counted(feedback["rows_changed"], "training row")
        won = feedback["rows_won"]
        yield f"Outcomes that you marked before the CRM had them changed {rows} ({won:,} won)."
    if feedback["contradictions"]:
        leads = feedback["contradictions"]
        yield (
            f"{counted(leads, 'lead')} {'has' if leads == 1 else 'have'} conflicting outcomes; the"
            " CRM's outcome counts where there is one."
        )
    accepted, rejected = (feedback["opinions"][name] for name in ("accepted_won", "rejected_won"))
    if accepted["trials"] and rejected["trials"]:
        yield (
            f"Of the leads you accepted, {accepted['hits']:,} of {accepted['trials']:,} were won;"
            f" of those you rejected, {rejected['hits']:,} of {rejected['trials']:,}."
        )
    sample = feedback["by_lot"]["won"]
    if sample["trials"]:
        interval = percent_range(sample["low"], sample["high"])
        yield (
            "Of the randomly selected leads below the gate that were worked,"
            f" {sample['hits']:,} of {sample['trials']:,} were won (90% CI {interval})."
        )


def _metrics_lines(measured: Mapping[str, Mapping[str, float]]) -> tuple[MetricsLine, ...]:
    """The holdout metrics of the last training: skill (reduction of the log loss of the base rate),
    AUC, and predicted to observed wins."""
    lines = []
    for name, label in _COMPETITORS:
        metrics = measured.get(name)
        if metrics is None:
            continue
        auc = metrics.get("auc")
        ratio = metrics.get("predicted_to_observed")
        skill = round(100 * metrics["skill"]) or 0
        lines.append(
            MetricsLine(
                name=label,
                skill=f"{skill}%".replace("-", "−"),
                auc="–" if auc is None else f"{auc:.2f}",
                predicted_to_observed="–" if ratio is None else f"{ratio:.2f}",
            )
        )
    return tuple(lines)
