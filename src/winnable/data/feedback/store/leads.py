"""Leads as lists and pages show them: found by an index, page by page, and no more is read than is
shown.

Everything here reads within a transaction that `store` began.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

import sqlalchemy as sql

from winnable.data.feedback.store import tables
from winnable.data.feedback.store.records import (
    NURTURED,
    UNANSWERED,
    Label,
    Queue,
    Return,
    ScoreRecord,
    State,
    queue_of,
)
from winnable.data.feedback.store.returns import returns_of
from winnable.data.feedback.store.tables import label_of, score_of
from winnable.definition.schema import Definition

WEEK = timedelta(days=7)
PAGE_SIZE = 50
MAX_CHOICES = 1000
"""Owners and sources to choose from, at most."""
MAX_COUNTED_LEADS = 1000
"""A page counts no more leads than this, so that its time does not grow with the store."""
LONGEST_SEARCH = 100
"""Characters of a search that are used."""

StateAsked = Literal["open", "all"] | State
QueueAsked = Literal["marketing"] | Queue
Where = list[sql.ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A lead as a list shows it: its latest score (None if it was only labeled), the probability a
    week before that, and its current label.

    `before` is the label that its last return ended, `queue` who works it, and `returns_at` when
    an answered lead comes back, if that is known.
    """

    lead_id: str
    state: State
    score: ScoreRecord | None
    week_ago: float | None
    label: Label | None
    before: Label | None = None
    queue: Queue | None = None
    returns_at: datetime | None = None

    def comes_back(self, definition: Definition, now: datetime | None = None) -> str:
        """What would bring an answered lead back, in words: "after 12 Mar 2026, with Demo request
        since"; "" if it was not answered or never comes back."""
        label = self.label
        if label is None:
            return ""
        if self.returns_at is not None:
            at = self.returns_at.astimezone(UTC)
            return f"on {at.day} {at:%b %Y}"
        rule = definition.return_rule(label.label, label.reason)
        return rule.still_needed(label.moment, now or datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """Which leads are asked for: `search` is part of a name or id; "open" leads are new, returned
    or accepted; a page has `size` of them.

    `queue` is who works them: "sales", or "marketing", which has leads to "nurture" and those that
    sales has "given_back". Without a `state`, those in a queue are asked for in any, else the open.
    """

    search: str = ""
    owner: str | None = None
    source: str | None = None
    state: StateAsked | None = None
    decision: str | None = None
    queue: QueueAsked | None = None
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
    """Everything that is stored about one lead: scores, labels and returns by time, oldest first.
    Activities are those that the latest score was based on."""

    lead: LeadRow
    scores: tuple[ScoreRecord, ...]
    labels: tuple[Label, ...]
    returns: tuple[Return, ...] = ()


def lead_page(connection: sql.Connection, query: LeadFilter) -> LeadPage:
    """A page of the leads that match, the most probable first."""
    now = datetime.now(UTC)
    size = query.size
    page = max(query.page, 1)
    alternatives = _alternatives(query, now)
    best = _best_first(alternatives, page * size + 1).offset((page - 1) * size)
    found = connection.execute(best).all()
    total = _counted(connection, alternatives)
    return LeadPage(
        tuple(_filled(connection, found[:size], now)),
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
        _filled(connection, found, datetime.now(UTC))[0],
        tuple(score_of(row) for row in connection.execute(scores_query))[::-1],
        tuple(label_of(row) for row in connection.execute(labels_query)),
        tuple(returns_of(connection, [lead_id]).get(lead_id, ())),
    )


def lead_choices(connection: sql.Connection) -> tuple[list[str], list[str]]:
    """The owners and the sources of the leads, sorted, at most `MAX_CHOICES` of each."""
    return (
        _distinct(connection, tables.leads.c.owner),
        _distinct(connection, tables.leads.c.source),
    )


def _best_first(alternatives: Sequence[Where], limit: int) -> sql.Select[Any]:
    """The most probable leads that meet one of the alternatives, each of which an index finds."""
    column = tables.leads.c
    best = (column.probability.desc(), column.lead_id)
    parts = [
        sql.select(tables.leads).where(*where).order_by(*best).limit(limit)
        for where in alternatives
    ]
    if len(parts) == 1:
        return parts[0]
    rows = sql.union_all(*(sql.select(part.subquery()) for part in parts)).subquery()
    return sql.select(rows).order_by(rows.c.probability.desc(), rows.c.lead_id).limit(limit)


def _counted(connection: sql.Connection, alternatives: Sequence[Where]) -> int:
    """How many leads meet one of the alternatives; of each not many more than a page counts."""
    total = 0
    for where in alternatives:
        found = sql.select(tables.leads.c.lead_id).where(*where).limit(MAX_COUNTED_LEADS + 1)
        count = sql.select(sql.func.count()).select_from(found.subquery())
        total += int(connection.scalar(count) or 0)
    return total


def _alternatives(query: LeadFilter, now: datetime) -> list[Where]:
    """The conditions of the query, as alternatives that no lead meets two of: an answered lead
    whose time has come counts as returned, although its row does not say so yet."""
    column = tables.leads.c
    common = _common(query)
    state = query.state or ("open" if query.queue is None else "all")
    if state == "all" and query.queue is None:
        return [common]
    alternatives = [
        [*common, *_in_state(state, now), *where] for where in _in_queue(query.queue, now)
    ]
    if state in {"open", "all", "returned"} and query.queue != "given_back":
        alternatives.append([*common, column.returns_at <= now, *_decided(query.queue)])
    return alternatives


def _decided(queue: QueueAsked | None) -> Where:
    """What was decided on a lead that nobody has answered, for it to be in this queue."""
    decision = tables.leads.c.decision
    if queue is None:
        return []
    return [decision == "pass"] if queue == "sales" else [decision.in_(NURTURED)]


def _in_state(state: StateAsked, now: datetime) -> Where:
    column = tables.leads.c
    if state == "open":
        return [column.open.is_(True)]
    if state == "all":
        return []
    if state in UNANSWERED or state == "accepted":
        return [column.state == state]
    return [column.state == state, _not_due(now)]


def _in_queue(queue: QueueAsked | None, now: datetime) -> list[Where]:
    column = tables.leads.c
    if queue is None:
        return [[]]
    given_back: Where = [column.queue == "given_back", _not_due(now)]
    if queue == "given_back":
        return [given_back]
    if queue == "marketing":
        return [[column.queue == "nurture"], given_back]
    return [[column.queue == queue]]


def _not_due(now: datetime) -> sql.ColumnElement[bool]:
    returns_at = tables.leads.c.returns_at
    return sql.or_(returns_at.is_(None), returns_at > now)


def _common(query: LeadFilter) -> Where:
    column = tables.leads.c
    wanted = (
        (column.owner, query.owner),
        (column.source, query.source),
        (column.decision, query.decision),
    )
    where: Where = [attribute == value for attribute, value in wanted if value is not None]
    words = query.search.strip().casefold()[:LONGEST_SEARCH]
    if words:
        where.append(column.search.contains(words, autoescape=True))
    return where


def _filled(connection: sql.Connection, rows: Sequence[Any], now: datetime) -> list[LeadRow]:
    """The rows of `leads` with their scores and labels, looked up by id."""
    label_ids = {label_id for row in rows for label_id in (row.label_id, row.before_id)}
    scores_query = sql.select(tables.scores).where(
        tables.scores.c.score_id.in_([row.score_id for row in rows if row.score_id])
    )
    labels_query = sql.select(tables.labels).where(
        tables.labels.c.label_id.in_(sorted(filter(None, label_ids)))
    )
    scores = map(score_of, connection.execute(scores_query))
    score_by_id = {score.score_id: score for score in scores}
    labels = map(label_of, connection.execute(labels_query))
    label_by_id = {label.label_id: label for label in labels}
    week_ago = _week_ago(connection, rows)
    return [
        _lead_row(row, score_by_id, label_by_id, week_ago.get(row.lead_id), now) for row in rows
    ]


def _lead_row(
    row: Any,
    scores: Mapping[str, ScoreRecord],
    labels: Mapping[str, Label],
    week_ago: float | None,
    now: datetime,
) -> LeadRow:
    score = scores.get(row.score_id)
    label = labels.get(row.label_id)
    if row.returns_at is not None and row.returns_at <= now:
        queue = queue_of("returned", row.decision)
        return LeadRow(row.lead_id, "returned", score, week_ago, None, label, queue)
    return LeadRow(
        row.lead_id,
        cast(State, row.state),
        score,
        week_ago,
        label,
        labels.get(row.before_id),
        cast(Queue | None, row.queue),
        row.returns_at,
    )


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
