"""The states of leads, and their returns: derived from the labels of each lead, its last score, and
what the definition says of answers after which a lead may come back.

A return is a fact that stays: it begins an episode, in which only labels given since count, and no
label is changed or lost. When an answered lead comes back is worked out with every label and score
of it and kept beside it, so that a list finds those whose time has come by an index, and nobody has
to wait for another score. Everything here happens within a transaction that `store` began.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql

from winnable.core.values import moment
from winnable.data.features.online import Activity, features_of_records
from winnable.data.features.plan import FeaturePlan, Field
from winnable.data.feedback.store import tables
from winnable.data.feedback.store.records import (
    OPEN,
    OUTCOMES,
    Label,
    Return,
    ScoreRecord,
    current,
    episodes_of,
    live,
    queue_of,
)
from winnable.data.feedback.store.tables import label_of, return_of, score_of
from winnable.definition.conditions import Condition, all_hold
from winnable.definition.schema import Definition

_BATCH_ROWS = 500
"""Leads in one statement."""


def after_scores(
    connection: sql.Connection,
    lead_ids: Sequence[str],
    definition: Definition | None,
    now: datetime,
) -> None:
    """Bring back the leads that the scores just stored let return; without a definition, only those
    of which it was known before."""
    column = tables.leads.c
    for batch in _batches(lead_ids):
        answered = sql.select(column.lead_id).where(
            column.lead_id.in_(batch), column.open.is_(False)
        )
        ids = sorted(connection.scalars(answered))
        bring_back(connection, ids, now)
        if ids and definition is not None:
            update_states(connection, ids, definition)
            bring_back(connection, ids, now)


def bring_back(connection: sql.Connection, lead_ids: Sequence[str], now: datetime) -> None:
    """Note the return of those leads whose time has come, now or at their latest score."""
    leads = tables.leads.c
    labels = tables.labels.c
    for batch in _batches(lead_ids):
        due = sql.select(tables.leads).where(
            leads.lead_id.in_(batch),
            sql.or_(leads.returns_at <= now, leads.returns_at <= leads.as_of),
        )
        for row in connection.execute(due).all():
            of_lead = sql.select(sql.func.max(labels.sequence)).where(labels.lead_id == row.lead_id)
            back = Return(row.lead_id, int(connection.scalar(of_lead) or 0), row.returns_at)
            connection.execute(
                sql.insert(tables.returns),
                {"lead_id": back.lead_id, "sequence": back.sequence, "at": back.at},
            )
            values = {
                "state": "returned",
                "open": True,
                "queue": queue_of("returned", row.decision),
                "returns_at": None,
                "before_id": row.label_id,
                "label_id": None,
            }
            of_row = sql.update(tables.leads).where(leads.lead_id == row.lead_id)
            connection.execute(of_row.values(**values))


def update_states(
    connection: sql.Connection, lead_ids: Sequence[str], definition: Definition | None
) -> None:
    """Bring the leads' states up to date with their labels, returns and last scores."""
    column = tables.leads.c
    for batch in _batches(lead_ids):
        labels: dict[str, list[Label]] = {lead_id: [] for lead_id in batch}
        of_batch = sql.select(tables.labels).where(tables.labels.c.lead_id.in_(batch))
        for row in connection.execute(of_batch):
            labels[row.lead_id].append(label_of(row))
        unlabeled = [lead_id for lead_id, given in labels.items() if not given]
        # Rows that were only created for a label that was refused.
        unknown = sql.and_(column.lead_id.in_(unlabeled), column.score_id.is_(None))
        connection.execute(sql.delete(tables.leads).where(unknown))
        returns = returns_of(connection, batch)
        rows = connection.execute(sql.select(tables.leads).where(column.lead_id.in_(batch))).all()
        scores = _scores(connection, [row.score_id for row in rows if row.score_id])
        for row in rows:
            said = labels[row.lead_id]
            back = returns.get(row.lead_id, [])
            values = _values(definition, said, back, scores.get(row.score_id))
            connection.execute(
                sql.update(tables.leads).where(column.lead_id == row.lead_id).values(**values)
            )


def returns_of(connection: sql.Connection, lead_ids: Sequence[str]) -> dict[str, list[Return]]:
    """The returns of those of these leads that came back, oldest first."""
    column = tables.returns.c
    query = (
        sql.select(tables.returns)
        .where(column.lead_id.in_(lead_ids))
        .order_by(column.lead_id, column.sequence)
    )
    found: dict[str, list[Return]] = {}
    for row in connection.execute(query):
        found.setdefault(row.lead_id, []).append(return_of(row))
    return found


def comes_back(definition: Definition, label: Label, score: ScoreRecord | None) -> datetime | None:
    """When a lead comes back after this label, as far as its last score tells; None if its
    conditions do not hold yet, or never can.

    Conditions need a score of a later time than the label; activities before it do not count.
    """
    rule = definition.return_rule(label.label, label.reason)
    if rule.never:
        return None
    due = rule.due(label.moment)
    if not rule.when:
        return due
    if score is None or score.as_of <= label.moment:
        return None
    at = max(due, score.as_of)
    return at if _hold(rule.when, definition, score, label.moment, at) else None


def _values(
    definition: Definition | None,
    labels: Sequence[Label],
    returns: Sequence[Return],
    score: ScoreRecord | None,
) -> dict[str, Any]:
    """The columns of `leads` that come from labels and returns."""
    episodes = episodes_of(labels, returns)
    label = current(episodes[-1])
    before = [said for said in map(current, episodes[:-1]) if said is not None]
    outcomes = [said for said in live(episodes[0]) if said.label in OUTCOMES] or [
        said for said in live(labels) if said.label in OUTCOMES
    ]
    unanswered = "returned" if returns else "new"
    state = unanswered if label is None else label.label
    may_return = False
    returns_at = None
    if definition is not None and label is not None:
        may_return = not definition.return_rule(label.label, label.reason).never
        returns_at = comes_back(definition, label, score)
    decision = None if score is None else score.decision
    return {
        "state": state,
        "open": state in OPEN,
        "label_id": None if label is None else label.label_id,
        "queue": queue_of(state, decision, may_return=may_return),
        "returns_at": returns_at,
        "before_id": before[-1].label_id if before else None,
        "outcome": outcomes[-1].label if outcomes else None,
    }


def _hold(
    conditions: Sequence[Condition],
    definition: Definition,
    score: ScoreRecord,
    since: datetime,
    at: datetime,
) -> bool:
    """Whether the conditions are true at a time, of the values that the score was made from and of
    its activities since an answer."""
    activities = definition.activities
    leaves = [leaf for condition in conditions for leaf in condition.leaves()]
    aggregates = [leaf.aggregate(activities) for leaf in leaves]
    dates = {name for leaf in leaves for name in leaf.dates}
    fields = dict.fromkeys(name for leaf in leaves for name in leaf.columns)
    plan = FeaturePlan(
        tuple(Field(name, "moment" if name in dates else "words", learn=False) for name in fields),
        tuple(dict.fromkeys(asked for asked in aggregates if asked is not None)),
    )
    done = [activity for activity in _activities(score) if activity.at > since]
    features = features_of_records(plan, definition, [score.values], [done], [at])
    return bool(all_hold(conditions, features, activities)[0])


def _activities(score: ScoreRecord) -> Iterator[Activity]:
    for activity in score.activities:
        at = activity["at"]
        done_at = at if isinstance(at, datetime) else moment(str(at))
        if done_at is not None:
            yield Activity(str(activity["kind"]), done_at.replace(tzinfo=done_at.tzinfo or UTC))


def _scores(connection: sql.Connection, score_ids: Sequence[str]) -> dict[str | None, ScoreRecord]:
    query = sql.select(tables.scores).where(tables.scores.c.score_id.in_(score_ids))
    return {row.score_id: score_of(row) for row in connection.execute(query)}


def _batches(lead_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(lead_ids), _BATCH_ROWS):
        yield lead_ids[start : start + _BATCH_ROWS]
