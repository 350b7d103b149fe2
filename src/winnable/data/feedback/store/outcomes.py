"""Outcomes of scored leads, as the feedback store knows them: the data for comparing predictions
with what happened. Nothing is evaluated here.

Every lead counts once, with its first score: later scores were given with more knowledge. Its
outcome is the last one that people marked or imported, of those before its first return if there
are any; a lead without one is open (censored) and never counts as lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sql

from winnable.data.feedback.store import tables
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.decide.gate import RANDOMLY_SELECTED_PREFIXES


@dataclass(frozen=True)
class Cohort:
    """The leads whose first score is of one month ("2026-06") and has this grade: how many, how
    many were won and lost since, and how many wins the scores predicted within the horizon."""

    month: str
    grade: str
    leads: int
    won: int
    lost: int
    expected_wins: float


@dataclass(frozen=True)
class CellOutcomes:
    """The leads whose first score is in this cell of the grid: how many, how many won and lost, and
    predicted wins."""

    cell: str
    leads: int
    won: int
    lost: int
    expected_wins: float


@dataclass(frozen=True)
class Decided:
    """A lead with an outcome: its first score, and the inputs that the scorecard needs to score
    it, too."""

    lead_id: str
    as_of: Any
    probability: float
    values: dict[str, Any]
    activities: Sequence[dict[str, Any]]
    won: bool


@dataclass(frozen=True)
class RandomSampleOutcomes:
    """The leads that were handed over at random (exploration sample), whatever their score: how
    many, how many won and lost, and predicted wins."""

    leads: int
    won: int
    lost: int
    expected_wins: float


def answered_after(store: FeedbackStore, label: Label) -> float | None:
    """Seconds from the score that a stored label refers to, else from the lead's latest one, until
    the label was recorded; None without a score.

    Raises StoreError if the database cannot be read.
    """
    assert label.recorded_at is not None, "the store gives every label its time"
    query = sql.select(tables.leads.c.given_at).where(tables.leads.c.lead_id == label.lead_id)
    if label.score_id is not None:
        scores = tables.scores.c
        query = sql.select(scores.given_at).where(scores.score_id == label.score_id)
    with store.reading() as connection:
        given_at = connection.scalar(query)
    if given_at is None:
        return None
    seconds: float = (label.recorded_at - given_at).total_seconds()
    return max(seconds, 0.0)


def cohorts(store: FeedbackStore) -> list[Cohort]:
    """By month and grade, oldest first. Raises StoreError if the database cannot be read."""
    first = _first_scores("as_of", "grade", "probability")
    at = first.c.as_of
    if store.engine.dialect.name == "postgresql":
        at = sql.func.timezone("UTC", at)  # otherwise months begin in the server's time zone
    year = sql.extract("year", at)
    month = sql.extract("month", at)
    query = (
        sql.select(year, month, first.c.grade, *_counts(first))
        .join(tables.leads, tables.leads.c.lead_id == first.c.lead_id)
        .group_by(year, month, first.c.grade)
        .order_by(year, month, first.c.grade)
    )
    with store.reading() as connection:
        return [
            Cohort(
                f"{int(y)}-{int(m):02d}", grade, leads, int(won), int(lost), float(expected_wins)
            )
            for y, m, grade, leads, won, lost, expected_wins in connection.execute(query)
        ]


def decided(store: FeedbackStore, most: int) -> list[Decided]:
    """The leads with an outcome whose first scores are the newest, at most `most`."""
    first = _first_scores("score_id", "as_of")  # ranked without the columns that take much room
    outcome = tables.leads.c.outcome
    newest = (
        sql.select(first.c.score_id, outcome)
        .join(tables.leads, tables.leads.c.lead_id == first.c.lead_id)
        .where(outcome.in_(("won", "lost")))
        .order_by(first.c.as_of.desc(), first.c.lead_id)
        .limit(most)
        .subquery()
    )
    scores = tables.scores.c
    query = (
        sql.select(tables.scores, newest.c.outcome)
        .join(newest, newest.c.score_id == scores.score_id)
        .order_by(scores.as_of.desc(), scores.lead_id)
    )
    with store.reading() as connection:
        return [
            Decided(
                row.lead_id,
                row.as_of,
                row.probability,
                row._mapping["values"],
                row.activities,
                row.outcome == "won",
            )
            for row in connection.execute(query)
        ]


def random_sample_outcomes(store: FeedbackStore) -> RandomSampleOutcomes:
    """What became of the leads that were randomly selected for hand-over."""
    first = _first_scores("probability", "because")
    selected = [
        first.c.because.startswith(prefix, autoescape=True) for prefix in RANDOMLY_SELECTED_PREFIXES
    ]
    query = (
        sql.select(*_counts(first))
        .join(tables.leads, tables.leads.c.lead_id == first.c.lead_id)
        .where(sql.or_(*selected))
    )
    with store.reading() as connection:
        leads, won, lost, expected_wins = connection.execute(query).one()
    return RandomSampleOutcomes(
        int(leads), int(won or 0), int(lost or 0), float(expected_wins or 0)
    )


def cell_outcomes(store: FeedbackStore) -> list[CellOutcomes]:
    """By cell of the grid, A1 first; leads whose first score has none are left out."""
    first = _first_scores("score_id", "probability")  # ranked without what takes much room
    cell = tables.scores.c.grid["cell"].as_string()
    query = (
        sql.select(cell, *_counts(first))
        .join(tables.leads, tables.leads.c.lead_id == first.c.lead_id)
        .join(tables.scores, tables.scores.c.score_id == first.c.score_id)
        .where(tables.scores.c.grid.is_not(None))
        .group_by(cell)
    )
    with store.reading() as connection:
        found = [
            CellOutcomes(name, leads, int(won), int(lost), float(expected_wins))
            for name, leads, won, lost, expected_wins in connection.execute(query)
        ]
    return sorted(found, key=lambda outcomes: outcomes.cell)


def first_cells(store: FeedbackStore) -> dict[str, tuple[datetime, str]]:
    """By lead, the moment of its first score that has a cell of the grid, and that cell."""
    first = _first_scores("as_of", "score_id", only=tables.scores.c.grid.is_not(None))
    cell = tables.scores.c.grid["cell"].as_string()  # read of those that were chosen alone
    query = (
        sql.select(first.c.lead_id, first.c.as_of, cell)
        .select_from(first)
        .join(tables.scores, tables.scores.c.score_id == first.c.score_id)
    )
    with store.reading() as connection:
        return {lead_id: (as_of, name) for lead_id, as_of, name in connection.execute(query)}


def _first_scores(*names: str, only: Any = None) -> Any:
    """These columns of each lead's first score, of all or of `only` some."""
    scores = tables.scores.c
    rank = sql.func.row_number().over(
        partition_by=scores.lead_id, order_by=(scores.as_of, scores.given_at, scores.score_id)
    )
    columns = ("lead_id", *names)
    ranking = sql.select(*(scores[name] for name in columns), rank.label("rank"))
    ranked = (ranking if only is None else ranking.where(only)).subquery()
    return sql.select(*(ranked.c[name] for name in columns)).where(ranked.c.rank == 1).subquery()


def _counts(first: Any) -> tuple[Any, ...]:
    def ended(outcome: str) -> Any:
        return sql.func.sum(sql.case((tables.leads.c.outcome == outcome, 1), else_=0))

    return sql.func.count(), ended("won"), ended("lost"), sql.func.sum(first.c.probability)
