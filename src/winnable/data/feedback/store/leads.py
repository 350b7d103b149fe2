"""Leads as lists and pages show them: found by an index, page by page, and no more is read than is
shown.

Everything here reads within a transaction that `store` began.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

import sqlalchemy as sql
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from winnable.data.feedback.store import tables
from winnable.data.feedback.store.records import (
    NURTURED,
    OUTCOMES,
    UNANSWERED,
    EarlierScore,
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
from winnable.definition.grid import CELLS
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
OTHERS_NAMED = 5
"""Other leads of the same person that a list names."""
OTHERS_SHOWN = 20
"""Other leads of the same person on a lead's page."""
LONGEST_SEARCH = 100
"""Characters of a search that are used."""

StateAsked = Literal["open", "all"] | State
QueueAsked = Literal["marketing"] | Queue
SortAsked = Literal["probability", "grid"]
Where = list[sql.ColumnElement[bool]]
Rows = list[Any]
Columns = ReadOnlyColumnCollection[str, sql.Column[Any]]
_OPEN_FIRST = (
    tables.leads.c.open.desc(),
    tables.leads.c.probability.desc(),
    tables.leads.c.lead_id,
)


@dataclass(frozen=True, slots=True)
class SamePerson:
    """The other leads of a lead's person, the open ones first and of them the best: id and state of
    at most `OTHERS_NAMED`, and how many there are."""

    named: tuple[tuple[str, State], ...] = ()
    total: int = 0


NOBODY_ELSE = SamePerson()


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A lead as a list shows it: its latest score (None if it was only labeled), the probability a
    week before that, and its current label. `earlier` is the score that the latest is compared
    with: that of a week before or, of a younger lead, its first one.

    `before` is the label that its last return ended, `queue` who works it, and `returns_at` when
    an answered lead comes back, if that is known. A list also names the `others` of its person.
    """

    lead_id: str
    state: State
    score: ScoreRecord | None
    week_ago: float | None
    label: Label | None
    before: Label | None = None
    queue: Queue | None = None
    returns_at: datetime | None = None
    others: SamePerson = NOBODY_ELSE
    earlier: EarlierScore | None = None

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
    `grid` is a cell, or its letter or number; sorted by grid, leads of the best cell come first.
    """

    search: str = ""
    owner: str | None = None
    source: str | None = None
    state: StateAsked | None = None
    decision: str | None = None
    queue: QueueAsked | None = None
    page: int = 1
    size: int = PAGE_SIZE
    one_per_person: bool = False
    grid: str | None = None
    sort: SortAsked = "probability"


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
    Activities are those that the latest score was based on.

    `others` are at most `OTHERS_SHOWN` other leads of its person, each with its valid labels, the
    oldest first; `lead.others` says how many there are.
    """

    lead: LeadRow
    scores: tuple[ScoreRecord, ...]
    labels: tuple[Label, ...]
    returns: tuple[Return, ...] = ()
    others: tuple[tuple[LeadRow, tuple[Label, ...]], ...] = ()


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
    in_order = _page_by_grid if query.sort == "grid" else _page_of
    found = in_order(connection, parts, size + 1, (page - 1) * size)
    total = _counted(connection, parts)
    shown = found[:size]
    others = _named_others(connection, shown, now)
    return LeadPage(
        tuple(
            replace(lead, others=others.get(lead.lead_id, NOBODY_ELSE))
            for lead in _filled(connection, shown, now)
        ),
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
    now = datetime.now(UTC)
    others = _named_others(connection, found, now).get(lead_id, NOBODY_ELSE)
    return LeadHistory(
        replace(_filled(connection, found, now)[0], others=others),
        tuple(score_of(row) for row in connection.execute(scores_query))[::-1],
        tuple(label_of(row) for row in connection.execute(labels_query)),
        tuple(returns_of(connection, [lead_id]).get(lead_id, ())),
        _others_with_labels(connection, found[0], now) if others.total else (),
    )


def _others_with_labels(
    connection: sql.Connection, of: Any, now: datetime
) -> tuple[tuple[LeadRow, tuple[Label, ...]], ...]:
    """The other leads of the person of a row of `leads`, with what was said of each."""
    column = tables.leads.c
    rows = connection.execute(
        sql.select(tables.leads)
        .where(column.person == of.person, column.lead_id != of.lead_id)
        .order_by(*_OPEN_FIRST)
        .limit(OTHERS_SHOWN)
    ).all()
    said = _labels_by_lead(connection, [row.lead_id for row in rows])
    return tuple(
        (lead, tuple(live(said.get(lead.lead_id, ())))) for lead in _filled(connection, rows, now)
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
    outcomes = (
        [label for label in live(labels) if label.label in OUTCOMES]
        for labels in _labels_by_lead(connection, lead_ids).values()
    )
    last = [of_lead[-1] for of_lead in outcomes if of_lead]
    return sorted(last, key=lambda label: (label.moment, label.lead_id), reverse=True)


def _labels_by_lead(connection: sql.Connection, lead_ids: Sequence[str]) -> dict[str, list[Label]]:
    """All labels of those of these leads that have any."""
    by_lead: dict[str, list[Label]] = {}
    of_leads = sql.select(tables.labels).where(tables.labels.c.lead_id.in_(lead_ids))
    for row in connection.execute(of_leads):
        by_lead.setdefault(row.lead_id, []).append(label_of(row))
    return by_lead


def _named_others(
    connection: sql.Connection, rows: Sequence[Any], now: datetime
) -> dict[str, SamePerson]:
    """By lead, the other leads of the person of each of these rows of `leads` that has any."""
    person_of = {row.lead_id: row.person for row in rows if row.person is not None}
    column = tables.leads.c
    ranked = (
        sql.select(
            column.person,
            column.lead_id,
            column.state,
            column.returns_at,
            sql.func.row_number()
            .over(partition_by=column.person, order_by=_OPEN_FIRST)
            .label("place"),
            sql.func.count().over(partition_by=column.person).label("total"),
        )
        .where(column.person.in_(sorted(set(person_of.values()))))
        .subquery()
    )
    found: dict[str, list[Any]] = {}
    # One more than are named, since the lead itself is among them.
    first = sql.select(ranked).where(ranked.c.total > 1, ranked.c.place <= OTHERS_NAMED + 1)
    for row in connection.execute(first.order_by(ranked.c.place)):
        found.setdefault(row.person, []).append(row)
    return {
        lead_id: SamePerson(
            tuple(
                (row.lead_id, _state_at(row, now))
                for row in found[person]
                if row.lead_id != lead_id
            )[:OTHERS_NAMED],
            found[person][0].total - 1,
        )
        for lead_id, person in person_of.items()
        if person in found
    }


def _state_at(row: Any, now: datetime) -> State:
    """The state of a row of `leads`; an answered lead whose time has come is back."""
    is_due = row.returns_at is not None and row.returns_at <= now
    return "returned" if is_due else cast(State, row.state)


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


def _page_of(connection: sql.Connection, parts: Sequence[_Part], limit: int, offset: int) -> Rows:
    """The rows of the most probable leads of all parts."""
    return _rows_of(connection, _best_ids(connection, parts, limit, offset))


def _page_by_grid(
    connection: sql.Connection, parts: Sequence[_Part], limit: int, offset: int
) -> Rows:
    """The same, the best cell of the grid first, leads without one last: cell by cell, so that an
    index has the best of each."""
    ids: list[str] = []
    for cell in (*CELLS, None):
        wanted = limit + offset - len(ids)
        if wanted > 0:
            inside = [_in_cell(part, cell) for part in parts]
            ids += _best_ids(connection, inside, wanted, 0)
    return _rows_of(connection, ids[offset:])


def _in_cell(part: _Part, cell: str | None) -> _Part:
    column = tables.leads.c.cell
    in_cell = sql.func.coalesce(column, "") == (cell or "") if part.few else column == cell
    return replace(part, where=[*part.where, in_cell])


def _rows_of(connection: sql.Connection, ids: Sequence[str]) -> Rows:
    query = sql.select(tables.leads).where(tables.leads.c.lead_id.in_(ids))
    by_id = {row.lead_id: row for row in connection.execute(query)}
    return [by_id[lead_id] for lead_id in ids]


def _best_ids(
    connection: sql.Connection, parts: Sequence[_Part], limit: int, offset: int
) -> list[str]:
    found = [_best_first(part, limit + offset) for part in parts]
    best = found[0]
    if len(found) > 1:
        rows = sql.union_all(*(sql.select(part.subquery()) for part in found)).subquery()
        best = sql.select(rows).order_by(rows.c.probability.desc(), rows.c.lead_id)
    return [row.lead_id for row in connection.execute(best.limit(limit).offset(offset))]


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
    """The leads that match, in parts that have none in common; of one person's only the best, if
    that is asked for."""
    parts = _matching(query, now, tables.leads.c)
    if not query.one_per_person:
        return parts
    alone = _no_better_of_person(query, now)
    return [replace(part, where=[*part.where, alone]) for part in parts]


def _matching(
    query: LeadFilter, now: datetime, column: Columns, *, few: bool = False
) -> list[_Part]:
    """The rows of `leads`, with these columns, that match, in parts that have none in common: an
    answered lead whose time has come counts as returned, although its row does not say so yet."""
    common = _common(query, column, few=few)
    state = query.state or ("open" if query.queue is None else "all")
    if state == "all" and query.queue is None:
        return [_Part(common, few)]
    parts = [
        _Part([*common, *_in_state(state, now, column), *where], few)
        for where in _in_queue(query.queue, now, column)
    ]
    if state in {"open", "all", "returned"} and query.queue != "given_back":
        decided = _decided(query.queue, column)
        due = [column.returns_at <= now, *decided, *_common(query, column, few=True)]
        parts.append(_Part(due, few=True))
    return parts


def _no_better_of_person(query: LeadFilter, now: datetime) -> sql.ColumnElement[bool]:
    """That no other lead of the same person matches and is more probable."""
    lead = tables.leads.c
    others = tables.leads.alias("other")
    other = others.c
    better = sql.or_(
        other.probability > lead.probability,
        sql.and_(other.probability == lead.probability, other.lead_id < lead.lead_id),
    )
    matching = [sql.and_(*part.where) for part in _matching(query, now, other, few=True)]
    found = sql.select(sql.literal(1)).select_from(others)
    found = found.where(other.person == lead.person, better, sql.or_(*matching))
    return ~found.correlate(tables.leads).exists()


def _decided(queue: QueueAsked | None, column: Columns) -> Where:
    """What was decided on a lead that nobody has answered, for it to be in this queue."""
    if queue is None:
        return []
    return [column.decision == "pass" if queue == "sales" else column.decision.in_(NURTURED)]


def _in_state(state: StateAsked, now: datetime, column: Columns) -> Where:
    if state == "open":
        return [column.open.is_(True)]
    if state == "all":
        return []
    if state in UNANSWERED or state == "accepted":
        return [column.state == state]
    return [column.state == state, _not_due(now, column)]


def _in_queue(queue: QueueAsked | None, now: datetime, column: Columns) -> list[Where]:
    if queue is None:
        return [[]]
    given_back: Where = [column.queue == "given_back", _not_due(now, column)]
    if queue == "given_back":
        return [given_back]
    if queue == "marketing":
        return [[column.queue == "nurture"], given_back]
    return [[column.queue == queue]]


def _not_due(now: datetime, column: Columns) -> sql.ColumnElement[bool]:
    return sql.or_(column.returns_at.is_(None), column.returns_at > now)


def _common(query: LeadFilter, column: Columns, *, few: bool = False) -> Where:
    """What is asked of every lead; of `few`, in a way that no index is looked up for."""
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
    if query.grid is not None:
        cells = [cell for cell in CELLS if query.grid in cell]
        cell = sql.func.coalesce(column.cell, "") if few else column.cell
        where.append(cell == cells[0] if len(cells) == 1 else cell.in_(cells))
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
    latest = [(row.lead_id, row.as_of - WEEK, row.as_of) for row in rows if row.score_id]
    earlier = earlier_scores(connection, latest)
    return [
        replace(
            _lead_row(row, score_by_id, label_by_id, now),
            week_ago=_week_ago(row, earlier.get((row.lead_id, row.as_of))),
            earlier=earlier.get((row.lead_id, row.as_of)),
        )
        for row in rows
    ]


def _lead_row(
    row: Any,
    scores: Mapping[str, ScoreRecord],
    labels: Mapping[str, Label],
    now: datetime,
) -> LeadRow:
    score = scores.get(row.score_id)
    label = labels.get(row.label_id)
    state = _state_at(row, now)
    if state != row.state:
        queue = queue_of("returned", row.decision)
        return LeadRow(row.lead_id, "returned", score, None, None, label, queue)
    return LeadRow(
        row.lead_id,
        state,
        score,
        None,
        label,
        labels.get(row.before_id),
        cast(Queue | None, row.queue),
        row.returns_at,
    )


def _week_ago(row: Any, earlier: EarlierScore | None) -> float | None:
    """The probability of the score a week before that of a row of `leads`, if there is one."""
    is_old = earlier is not None and earlier.as_of <= row.as_of - WEEK
    return earlier.probability if earlier is not None and is_old else None


def earlier_scores(
    connection: sql.Connection, wanted: Sequence[tuple[str, datetime, datetime]]
) -> dict[tuple[str, datetime], EarlierScore]:
    """For each lead, the moment to look back to and that of its present score: the last score as of
    the first moment or before, else the first one after it, by lead and present moment. A score as
    of the present moment or later is none."""
    if not wanted:
        return {}
    columns = (
        sql.column("lead_id", sql.Text),
        sql.column("since", tables.Utc),
        sql.column("present", tables.Utc),
    )
    asked = sql.values(*columns, name="wanted").data(list(wanted)).cte()
    scores = tables.scores.c
    of_lead = sql.select(scores.score_id).where(
        scores.lead_id == asked.c.lead_id, scores.as_of < asked.c.present
    )
    last = (
        of_lead.where(scores.as_of <= asked.c.since)
        .order_by(scores.as_of.desc(), scores.given_at.desc())
        .limit(1)
    )
    first = (
        of_lead.where(scores.as_of > asked.c.since).order_by(scores.as_of, scores.given_at).limit(1)
    )
    chosen = sql.func.coalesce(last.scalar_subquery(), first.scalar_subquery())
    found = sql.select(asked.c.present, chosen.label("score_id")).cte()
    query = sql.select(
        found.c.present, *(scores[field.name] for field in fields(EarlierScore))
    ).join_from(found, tables.scores, scores.score_id == found.c.score_id)
    return {(row.lead_id, row.present): EarlierScore(*row[1:]) for row in connection.execute(query)}


def _distinct(connection: sql.Connection, column: Any) -> list[str]:
    """The distinct values of an indexed column, each found by one index lookup instead of a scan
    of all rows."""
    found: list[str] = []
    value = connection.scalar(sql.select(sql.func.min(column)))
    while value is not None and len(found) < MAX_CHOICES:
        found.append(value)
        value = connection.scalar(sql.select(sql.func.min(column)).where(column > value))
    return found
