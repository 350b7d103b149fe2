"""Leads as lists and pages show them: found by an index, page by page, and no more is read than is
shown.

Everything here reads within a transaction that `store` began.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast

import sqlalchemy as sql

from winnable.data.feedback.store import tables
from winnable.data.feedback.store.records import Label, ScoreRecord, State
from winnable.data.feedback.store.tables import label_of, score_of

WEEK = timedelta(days=7)
PAGE_SIZE = 50
MAX_CHOICES = 1000
"""Owners and sources to choose from, at most."""
MAX_COUNTED_LEADS = 1000
"""A page counts no more leads than this, so that its time does not grow with the store."""
LONGEST_SEARCH = 100
"""Characters of a search that are used."""

StateAsked = Literal["open", "all"] | State


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A lead as a list shows it: its latest score (None if it was only labeled), the probability a
    week before that, and its current label."""

    lead_id: str
    state: State
    score: ScoreRecord | None
    week_ago: float | None
    label: Label | None


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """Which leads are asked for: `search` is part of a name or id; "open" leads are new or
    accepted; a page has `size` of them."""

    search: str = ""
    owner: str | None = None
    source: str | None = None
    state: StateAsked = "open"
    decision: str | None = None
    page: int = 1
    size: int = PAGE_SIZE


@dataclass(frozen=True, slots=True)
class LeadPage:
    """One page of leads, best first. `total` counts all leads that match, up to
    `MAX_COUNTED_LEADS`; `uncounted` is true if there are more."""

    leads: tuple[LeadRow, ...]
    page: int
    more: bool
    total: int
    uncounted: bool


@dataclass(frozen=True, slots=True)
class LeadHistory:
    """Everything that is stored about one lead: scores and labels by time, oldest first.
    Activities are those that the latest score was based on."""

    lead: LeadRow
    scores: tuple[ScoreRecord, ...]
    labels: tuple[Label, ...]


def lead_page(connection: sql.Connection, query: LeadFilter) -> LeadPage:
    """A page of the leads that match, the most probable first."""
    column = tables.leads.c
    size = query.size
    where = _conditions(query)
    best = (
        sql.select(tables.leads).where(*where).order_by(column.probability.desc(), column.lead_id)
    )
    count = sql.select(sql.func.count()).select_from(
        sql.select(column.lead_id).where(*where).limit(MAX_COUNTED_LEADS + 1).subquery()
    )
    page = max(query.page, 1)
    found = connection.execute(best.limit(size + 1).offset((page - 1) * size)).all()
    total = int(connection.scalar(count) or 0)
    return LeadPage(
        tuple(_filled(connection, found[:size])),
        page,
        more=len(found) > size,
        total=min(total, MAX_COUNTED_LEADS),
        uncounted=total > MAX_COUNTED_LEADS,
    )


def lead_history(
    connection: sql.Connection, lead_id: str, latest_scores: int | None
) -> LeadHistory | None:
    """A lead with its labels and its latest scores, all if None; None if nothing is stored."""
    scores = tables.scores.c
    labels = tables.labels.c
    found = connection.execute(
        sql.select(tables.leads).where(tables.leads.c.lead_id == lead_id)
    ).all()
    if not found:
        return None
    scores_query = (
        sql.select(tables.scores)
        .where(scores.lead_id == lead_id)
        .order_by(scores.as_of.desc(), scores.given_at.desc())
        .limit(latest_scores)
    )
    labels_query = (
        sql.select(tables.labels).where(labels.lead_id == lead_id).order_by(labels.sequence)
    )
    return LeadHistory(
        _filled(connection, found)[0],
        tuple(score_of(row) for row in connection.execute(scores_query))[::-1],
        tuple(label_of(row) for row in connection.execute(labels_query)),
    )


def lead_choices(connection: sql.Connection) -> tuple[list[str], list[str]]:
    """The owners and the sources of the leads, sorted, at most `MAX_CHOICES` of each."""
    return (
        _distinct(connection, tables.leads.c.owner),
        _distinct(connection, tables.leads.c.source),
    )


def _conditions(query: LeadFilter) -> list[sql.ColumnElement[bool]]:
    column = tables.leads.c
    where: list[sql.ColumnElement[bool]] = []
    if query.state == "open":
        where.append(column.open.is_(True))
    elif query.state != "all":
        where.append(column.state == query.state)
    wanted = (
        (column.owner, query.owner),
        (column.source, query.source),
        (column.decision, query.decision),
    )
    where += [attribute == value for attribute, value in wanted if value is not None]
    words = query.search.strip().casefold()[:LONGEST_SEARCH]
    if words:
        where.append(column.search.contains(words, autoescape=True))
    return where


def _filled(connection: sql.Connection, rows: Sequence[Any]) -> list[LeadRow]:
    """The rows of `leads` with their scores and labels, looked up by id."""
    scores_query = sql.select(tables.scores).where(
        tables.scores.c.score_id.in_([row.score_id for row in rows if row.score_id])
    )
    labels_query = sql.select(tables.labels).where(
        tables.labels.c.label_id.in_([row.label_id for row in rows if row.label_id])
    )
    scores = map(score_of, connection.execute(scores_query))
    score_by_id = {score.score_id: score for score in scores}
    labels = map(label_of, connection.execute(labels_query))
    label_by_id = {label.label_id: label for label in labels}
    week_ago = _week_ago(connection, rows)
    return [
        LeadRow(
            row.lead_id,
            cast(State, row.state),
            score_by_id.get(row.score_id),
            week_ago.get(row.lead_id),
            label_by_id.get(row.label_id),
        )
        for row in rows
    ]


def _week_ago(connection: sql.Connection, rows: Sequence[Any]) -> dict[str, float]:
    """By lead, the probability of its last score that is at least a week older than its latest."""
    latest = [(row.lead_id, row.as_of - WEEK) for row in rows if row.score_id]
    if not latest:
        return {}
    scores = tables.scores.c
    columns = (sql.column("lead_id", sql.Text), sql.column("before", tables.Utc))
    wanted = sql.values(*columns, name="wanted").data(latest).cte()
    probability = (
        sql.select(scores.probability)
        .where(scores.lead_id == wanted.c.lead_id, scores.as_of <= wanted.c.before)
        .order_by(scores.as_of.desc(), scores.given_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = connection.execute(sql.select(wanted.c.lead_id, probability))
    return {lead_id: value for lead_id, value in found if value is not None}


def _distinct(connection: sql.Connection, column: Any) -> list[str]:
    """The distinct values of an indexed column, each found by one index lookup instead of a scan
    of all rows."""
    found: list[str] = []
    value = connection.scalar(sql.select(sql.func.min(column)))
    while value is not None and len(found) < MAX_CHOICES:
        found.append(value)
        value = connection.scalar(sql.select(sql.func.min(column)).where(column > value))
    return found
