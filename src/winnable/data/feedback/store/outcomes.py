"""The track record: what became of the leads that were scored, as the feedback store knows it.
Nothing is judged here.

Every lead counts once, with the first score that it was given: what was said of it later was said
with more knowledge. An outcome is the last one that people marked or imported; a lead without one
is open, and never counts as lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql

from winnable.data.feedback.store import tables
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.decide.gate import RANDOMLY_SELECTED_PREFIXES


@dataclass(frozen=True)
class Cohort:
    """The leads whose first score was given for a month ("2026-06") with this grade: how many, how
    many were won and lost since, and how many wins the scores promised within the horizon."""

    month: str
    grade: str
    leads: int
    won: int
    lost: int
    promised: float


@dataclass(frozen=True)
class Decided:
    """A lead with an outcome: what its first score said, and what the rules need to say theirs."""

    lead_id: str
    as_of: Any
    probability: float
    values: dict[str, Any]
    activities: Sequence[dict[str, Any]]
    won: bool


@dataclass(frozen=True)
class RandomSampleOutcomes:
    """The leads that were handed over by lot, whatever their score: how many, won, lost, and wins
    promised."""

    leads: int
    won: int
    lost: int
    promised: float


def answered_after(store: FeedbackStore, label: Label) -> float | None:
    """Seconds from the score that a kept label answers, else from the lead's last one, until the
    label was taken down; None where no score is known. `StoreError` if the database cannot be read.
    """
    assert label.recorded_at is not None, "the store gives every label its time"
    scores = tables.scores.c
    asked = sql.select(sql.func.max(scores.given_at)).where(scores.lead_id == label.lead_id)
    asked = asked.where(
        scores.given_at <= label.recorded_at
        if label.score_id is None
        else scores.score_id == label.score_id
    )
    with store.reading() as connection:
        given_at = connection.scalar(asked)
    return None if given_at is None else max((label.recorded_at - given_at).total_seconds(), 0.0)


def cohorts(store: FeedbackStore) -> list[Cohort]:
    """By month and grade, oldest first. `StoreError` if the database cannot be read."""
    first = _first_scores("as_of", "grade", "probability")
    at = first.c.as_of
    if store.engine.dialect.name == "postgresql":
        at = sql.func.timezone("UTC", at)  # else months begin where the server's clock says
    year, month = sql.extract("year", at), sql.extract("month", at)
    asked = (
        sql.select(year, month, first.c.grade, *_counts(first))
        .join(tables.leads, tables.leads.c.lead_id == first.c.lead_id)
        .group_by(year, month, first.c.grade)
        .order_by(year, month, first.c.grade)
    )
    with store.reading() as connection:
        return [
            Cohort(f"{int(y)}-{int(m):02d}", grade, leads, int(won), int(lost), float(promised))
            for y, m, grade, leads, won, lost, promised in connection.execute(asked)
        ]


def decided(store: FeedbackStore, most: int) -> list[Decided]:
    """The leads with an outcome whose first scores are the newest, `most` of them at most."""
    first, state = (
        _first_scores("as_of", "probability", "values", "activities"),
        tables.leads.c.state,
    )
    asked = (
        sql.select(first, state)
        .join(tables.leads, tables.leads.c.lead_id == first.c.lead_id)
        .where(state.in_(("won", "lost")))
        .order_by(first.c.as_of.desc(), first.c.lead_id)
        .limit(most)
    )
    with store.reading() as connection:
        return [
            Decided(
                row.lead_id,
                row.as_of,
                row.probability,
                row._mapping["values"],
                row.activities,
                row.state == "won",
            )
            for row in connection.execute(asked)
        ]


def random_sample_outcomes(store: FeedbackStore) -> RandomSampleOutcomes:
    """What became of the leads that were randomly selected for hand-over."""
    first = _first_scores("probability", "because")
    selected = [
        first.c.because.startswith(prefix, autoescape=True) for prefix in RANDOMLY_SELECTED_PREFIXES
    ]
    asked = (
        sql.select(*_counts(first))
        .join(tables.leads, tables.leads.c.lead_id == first.c.lead_id)
        .where(sql.or_(*selected))
    )
    with store.reading() as connection:
        leads, won, lost, promised = connection.execute(asked).one()
    return RandomSampleOutcomes(int(leads), int(won or 0), int(lost or 0), float(promised or 0))


def _first_scores(*names: str) -> Any:
    """These columns of each lead's first score."""
    kept = tables.scores.c
    rank = sql.func.row_number().over(
        partition_by=kept.lead_id, order_by=(kept.as_of, kept.given_at, kept.score_id)
    )
    asked = ("lead_id", *names)
    ranked = sql.select(*(kept[name] for name in asked), rank.label("rank")).subquery()
    return sql.select(*(ranked.c[name] for name in asked)).where(ranked.c.rank == 1).subquery()


def _counts(first: Any) -> tuple[Any, ...]:
    def in_state(state: str) -> Any:
        return sql.func.sum(sql.case((tables.leads.c.state == state, 1), else_=0))

    return sql.func.count(), in_state("won"), in_state("lost"), sql.func.sum(first.c.probability)
