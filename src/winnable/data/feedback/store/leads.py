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
    OUTCOMES,
    UNANSWERED,
    Label,
    Queue,
    Return,
    ScoreRecord,
    State,
    live,
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
ACCOUNT_LEADS_SHOWN = 50
"""Leads of an account on its page."""
ACCOUNT_OUTCOMES_SHOWN = 20
"""Wins and losses of an account on its page."""
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


@dataclass(frozen=True, slots=True)
class AccountLeads:
    """The scored leads of one account, the open ones first and of them the best; at most
    `MAX_COUNTED_LEADS` are looked at (`total`).

    `leads` are the first `ACCOUNT_LEADS_SHOWN`, `open_probabilities` those of all open leads,
    `outcomes` the `ACCOUNT_OUTCOMES_SHOWN` latest of the leads that were `won` or `lost`, newest
    first, each lead's last one.
    """

    leads: tuple[LeadRow, ...]
    open_probabilities: tuple[float, ...]
    outcomes: tuple[tuple[LeadRow, Label], ...]
    total: int
    won: int
    lost: int


def lead_page(connection: sql.Connection, query: LeadFilter) -> LeadPage:
    """A page of the leads that match, the most probable first."""
    now = datetime.now(UTC)
    size = query.size
    page = max(query.page, 1)
    parts = _parts(query, now)
    found = _page_of(connection, parts, size + 1, (page - 1) * size)
    total = _counted(connection, parts)
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


def account_leads(connection: sql.Connection, account: str) -> AccountLeads | None:
    """The leads whose latest score names this account by its key; None if there are none."""
    now = datetime.now(UTC)
    column = tables.leads.c
    is_open = sql.or_(column.open.is_(True), column.returns_at <= now)
    rows = connection.execute(
        sql.select(tables.leads, sql.case((is_open, True), else_=False).label("is_open"))
        .where(column.account == account)
        .order_by(sql.desc("is_open"), column.probability.desc(), column.lead_id)
        .limit(MAX_COUNTED_LEADS)
    ).all()
    if not rows:
        return None
    ended = _last_outcomes(connection, [row.lead_id for row in rows if row.outcome is not None])
    shown = ended[:ACCOUNT_OUTCOMES_SHOWN]
    wanted = {label.lead_id for label in shown} | {
        row.lead_id for row in rows[:ACCOUNT_LEADS_SHOWN]
    }
    filled = _filled(connection, [row for row in rows if row.lead_id in wanted], now)
    by_id = {lead.lead_id: lead for lead in filled}
    return AccountLeads(
        leads=tuple(by_id[row.lead_id] for row in rows[:ACCOUNT_LEADS_SHOWN]),
        open_probabilities=tuple(row.probability for row in rows if row.is_open),
        outcomes=tuple((by_id[label.lead_id], label) for label in shown),
        total=len(rows),
        won=sum(label.label == "won" for label in ended),
        lost=sum(label.label == "lost" for label in ended),
    )


def _last_outcomes(connection: sql.Connection, lead_ids: Sequence[str]) -> list[Label]:
    """The last valid outcome of each of these leads, the newest first."""
    column = tables.labels.c
    by_lead: dict[str, list[Label]] = {}
    of_leads = sql.select(tables.labels).where(column.lead_id.in_(lead_ids))
    for row in connection.execute(of_leads):
        by_lead.setdefault(row.lead_id, []).append(label_of(row))
    outcomes = (
        [label for label in live(labels) if label.label in OUTCOMES] for labels in by_lead.values()
    )
    last = [of_lead[-1] for of_lead in outcomes if of_lead]
    return sorted(last, key=lambda label: (label.moment, label.lead_id), reverse=True)


def lead_choices(connection: sql.Connection) -> tuple[list[str], list[str]]:
    """The owners and the sources of the leads, sorted, at most `MAX_CHOICES` of each."""
    return (
        _distinct(connection, tables.leads.c.owner),
        _distinct(connection, tables.leads.c.source),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the leads that match a query. `few` of them are found first and then sorted; of many
    an index has the best first."""

    where: Where
    few: bool = False


def _page_of(
    connection: sql.Connection, parts: Sequence[_Part], limit: int, offset: int
) -> list[Any]:
    """The rows of the most probable leads of all parts."""
    found = [_best_first(part, limit + offset) for part in parts]
    best = found[0]
    if len(found) > 1:
        rows = sql.union_all(*(sql.select(part.subquery()) for part in found)).subquery()
        best = sql.select(rows).order_by(rows.c.probability.desc(), rows.c.lead_id)
    ids = [row.lead_id for row in connection.execute(best.limit(limit).offset(offset))]
    query = sql.select(tables.leads).where(tables.leads.c.lead_id.in_(ids))
    by_id = {row.lead_id: row for row in connection.execute(query)}
    return [by_id[lead_id] for lead_id in ids]


def _best_first(part: _Part, limit: int) -> sql.Select[Any]:
    column = tables.leads.c
    # No index has the sum, so that none is walked along in search of the few.
    order = column.probability + 0 if part.few else column.probability
    query = sql.select(column.lead_id, column.probability).where(*part.where)
    return query.order_by(order.desc(), column.lead_id).limit(limit)


def _counted(connection: sql.Connection, parts: Sequence[_Part]) -> int:
    """How many leads there are in all parts; of each not many more than a page counts."""
    total = 0
    for part in parts:
        found = sql.select(tables.leads.c.lead_id).where(*part.where).limit(MAX_COUNTED_LEADS + 1)
        count = sql.select(sql.func.count()).select_from(found.subquery())
        total += int(connection.scalar(count) or 0)
    return total


def _parts(query: LeadFilter, now: datetime) -> list[_Part]:
    """The leads that match, in parts that have none in common: an answered lead whose time has come
    counts as returned, although its row does not say so yet."""
    column = tables.leads.c
    common = _common(query)
    state = query.state or ("open" if query.queue is None else "all")
    if state == "all" and query.queue is None:
        return [_Part(common)]
    parts = [
        _Part([*common, *_in_state(state, now), *where]) for where in _in_queue(query.queue, now)
    ]
    if state in {"open", "all", "returned"} and query.queue != "given_back":
        due = [column.returns_at <= now, *_decided(query.queue), *_common(query, few=True)]
        parts.append(_Part(due, few=True))
    return parts


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


def _common(query: LeadFilter, *, few: bool = False) -> Where:
    """What is asked of every lead; of `few`, in a way that no index is looked up for."""
    column = tables.leads.c
    wanted = (
        (column.owner, query.owner),
        (column.source, query.source),
        (column.decision, query.decision),
    )
    where: Where = [
        (sql.func.coalesce(attribute, "") if few else attribute) == value
        for attribute, value in wanted
        if value is not None
    ]
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
