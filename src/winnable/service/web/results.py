"""Does it work? How the leads that were scored really turned out, the model beside the rules, in
words and numbers for sales.

What is counted comes from `history.track_record`; the rules' points are given anew for leads with
an outcome, so that both are asked about the same leads. The figures of the last training are the
model's own card.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from winnable.core.columns import FloatArray
from winnable.core.statistics import wilson
from winnable.core.values import moment
from winnable.data.features.online import Activity
from winnable.data.feedback.store.outcomes import (
    Cohort,
    Decided,
    RandomSampleOutcomes,
    cohorts,
    decided,
    random_sample_outcomes,
)
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.decide.scorecard import score_points
from winnable.learning.scoring.predictor import Predictor
from winnable.service.web.lead_view import tone

COMPARED = 2000  # leads with an outcome, the newest, on which model and rules are compared
LEAST = 20  # leads with an outcome below which nothing is compared
MONTHS = 12  # that are shown
_SHARES = (0.1, 0.25, 0.5)
_GRADES = ("hot", "warm", "cool", "cold")


@dataclass(frozen=True)
class DecidedOutcome:
    """Some leads and what became of them: `of_100` of those with an outcome were won, `said_of_100`
    was promised for all."""

    leads: int
    won: int
    known: int
    of_100: float | None
    said_of_100: float | None
    between: str


@dataclass(frozen=True)
class GradeLine:
    """A grade over all months; `tone` is what colours stand for."""

    grade: str
    tone: str
    outcome: DecidedOutcome


@dataclass(frozen=True)
class MonthLine:
    """A month: one outcome a grade, in the order of the grades; None where there was no such lead."""

    month: str
    outcomes: tuple[DecidedOutcome | None, ...]


@dataclass(frozen=True)
class Reached:
    """Had sales worked only the best share of the leads: how many of all wins were among them."""

    share: str
    model: int
    rules: int
    chance: float


@dataclass(frozen=True)
class Results:
    """Everything that the page shows."""

    leads: int
    total: DecidedOutcome
    grades: tuple[GradeLine, ...]
    months: tuple[MonthLine, ...]
    compared: int
    compared_won: int
    reached: tuple[Reached, ...]
    random_sample_outcomes: DecidedOutcome
    judged: tuple[tuple[str, str, str, str], ...]
    judged_on: str
    feedback: tuple[str, ...]
    version: str
    horizon: str


def results(store: FeedbackStore, predictor: Predictor) -> Results:
    """What the store and the model's card know. `StoreError` if the store cannot be read."""
    found = cohorts(store)
    names = [predictor.definition.grades.labels.get(grade, grade) for grade in _GRADES]  # type: ignore[call-overload]
    names += sorted({each.grade for each in found} - set(names))
    lines = [(name, [each for each in found if each.grade == name]) for name in names]
    months = sorted({each.month for each in found})[-MONTHS:]
    outcomes = decided(store, COMPARED)
    enough = len(outcomes) >= LEAST and any(each.won for each in outcomes)
    card, horizon = predictor.card, predictor.card["horizon_days"]
    return Results(
        leads=sum(each.leads for each in found),
        total=_outcome(found),
        grades=tuple(
            GradeLine(name, tone(predictor.definition, name), _outcome(some))
            for name, some in lines
            if some
        ),
        months=tuple(_month(month, lines) for month in reversed(months)),
        compared=len(outcomes),
        compared_won=sum(each.won for each in outcomes),
        reached=_reached(outcomes, _rules(predictor, outcomes)) if enough else (),
        random_sample_outcomes=_outcome([random_sample_outcomes(store)]),
        judged=_judged(card["measured"]),
        judged_on=str(card["judged_on"] or ""),
        feedback=tuple(_feedback(card.get("feedback"))),
        version=predictor.version,
        horizon="" if horizon is None else f" within {horizon:g} days",
    )


def _outcome(some: Sequence[Cohort | RandomSampleOutcomes]) -> DecidedOutcome:
    leads, won = sum(each.leads for each in some), sum(each.won for each in some)
    known = won + sum(each.lost for each in some)
    low, high = wilson(won, known)
    return DecidedOutcome(
        leads=leads,
        won=won,
        known=known,
        of_100=100 * won / known if known else None,
        said_of_100=100 * sum(each.promised for each in some) / leads if leads else None,
        between=f"{100 * low:.0f} to {100 * high:.0f}" if known else "",
    )


def _month(month: str, lines: Sequence[tuple[str, Sequence[Cohort]]]) -> MonthLine:
    told = ([each for each in some if each.month == month] for _, some in lines if some)
    name = datetime.strptime(f"{month}-01", "%Y-%m-%d").replace(tzinfo=UTC)
    return MonthLine(f"{name:%B %Y}", tuple(_outcome(some) if some else None for some in told))


def _rules(predictor: Predictor, leads: Sequence[Decided]) -> FloatArray:
    """The points of the definition for leads as they were at their first score, as log-odds, shape
    (n,)."""
    activities = [[_activity(each) for each in lead.activities] for lead in leads]
    features = predictor.features(
        [lead.values for lead in leads], activities, [lead.as_of for lead in leads]
    )
    return score_points(predictor.definition, features).logit


def _activity(kept: Mapping[str, Any]) -> Activity:
    at = moment(str(kept["at"]))
    assert at is not None, "the store keeps moments that can be read"
    return Activity(str(kept["kind"]), at)


def _reached(leads: Sequence[Decided], rules: FloatArray) -> tuple[Reached, ...]:
    """For each share, the wins among the best leads by either. Ties are broken by the id, which
    knows nothing of the outcome."""
    won = np.asarray([lead.won for lead in leads])
    ids = np.asarray([lead.lead_id for lead in leads])
    by_model = won[np.lexsort([ids, -np.asarray([lead.probability for lead in leads])])]
    by_rules = won[np.lexsort([ids, -rules])]
    told = []
    for share in _SHARES:
        best = max(1, round(share * len(leads)))
        told.append(
            Reached(
                f"{100 * share:g} %",
                int(by_model[:best].sum()),
                int(by_rules[:best].sum()),
                float(won.mean() * best),
            )
        )
    return tuple(told)


def _feedback(heard: Mapping[str, Any] | None) -> Iterator[str]:
    """What the answers changed in the last training, by the model's card, in sentences."""
    if heard is None:
        return
    yield f"{heard['labels']:,} answers were heard."
    if heard["rows_changed"]:
        changed = f"{heard['rows_changed']:,} training rows, {heard['rows_won']:,} of them won"
        yield f"Leads that you marked as won or lost before the CRM said so changed {changed}."
    if heard["contradictions"]:
        yield (
            f"{heard['contradictions']:,} leads have contradicting outcomes; the CRM counts where"
            " it knows one."
        )
    accepted, rejected = (heard["opinions"][name] for name in ("accepted_won", "rejected_won"))
    if accepted["trials"] and rejected["trials"]:
        told = [f"{each['hits']:,} of {each['trials']:,}" for each in (accepted, rejected)]
        yield (
            f"Of leads that you accepted {told[0]} were won, of those that you rejected {told[1]}."
        )
    by_lot = heard["by_lot"]
    if by_lot["won"]["trials"]:
        won = by_lot["won"]
        between = f"{100 * won['low']:.0f} to {100 * won['high']:.0f} of 100"
        yield (
            f"Of leads below the gate that were worked by lot {won['hits']:,} of {won['trials']:,}"
            f" were won: {between}."
        )


def _judged(measured: Mapping[str, Mapping[str, float]]) -> tuple[tuple[str, str, str, str], ...]:
    """The measures of the last training: who, how much better than knowing nothing, the ranking,
    promised beside won."""
    told = []
    for name, label in (("model", "Model"), ("rules", "Rules"), ("base rate", "Knowing nothing")):
        each = measured.get(name)
        if each is not None:
            auc = "–" if each.get("auc") is None else f"{100 * each['auc']:.0f} of 100"
            ratio = each.get("predicted_to_observed")
            told.append(
                (
                    label,
                    f"{round(100 * each['skill']) or 0} %".replace("-", "−"),
                    auc,
                    "–" if ratio is None else f"{ratio:.2f}",
                )
            )
    return tuple(told)
