"""Retention: what the feedback store need not keep any longer is thinned or erased, as the
definition says (`[retention]`).

Of older scores one a month stays for each lead, with those that something depends on: its first
one, its first one that was handed over, its latest, and those that a label answers. Leads that were
neither scored nor answered for long are erased as in `erasure`, with a receipt: a lead that the CRM
has closed is scored no more.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql

from winnable.data.feedback.privacy.erasure import Receipt, erase_leads, overwrite
from winnable.data.feedback.store import tables
from winnable.data.feedback.store.audit import Actor, record
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.schema import Retention

_BATCH_LEADS = 2000
"""Leads that are erased in one transaction, with one receipt."""


@dataclass(frozen=True)
class Retained:
    """What retention did, or would do: how many scores were thinned, how many leads were erased,
    and the receipts for these."""

    scores: int
    leads: int
    receipts: tuple[Receipt, ...] = ()


def retain(
    feedback: FeedbackStore,
    retention: Retention,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
    actor: Actor | None = None,
) -> Retained:
    """Apply the rules as of now; with `dry_run` only count.

    Raises StoreError if the database fails; what was done by then is done, and is done again by
    the next run.
    """
    today = now or datetime.now(UTC)
    ids = _old_leads(feedback, retention, today)
    surplus = _surplus_scores(feedback, retention, today, ids)
    if dry_run:
        return Retained(len(surplus), len(ids))
    by = actor or Actor.of_command()
    receipts = []
    for start in range(0, len(ids), _BATCH_LEADS):
        with feedback.transaction() as connection:
            receipt = erase_leads(feedback, connection, set(ids[start : start + _BATCH_LEADS]))
            record(connection, by, "erased", [(receipt.receipt_id, "by retention")])
            receipts.append(receipt)
    scores = tables.scores.c
    with feedback.transaction() as connection:
        for start in range(0, len(surplus), _BATCH_LEADS):
            batch = surplus[start : start + _BATCH_LEADS]
            connection.execute(sql.delete(tables.scores).where(scores.score_id.in_(batch)))
        detail = f"{len(surplus)} scores thinned, {len(ids)} leads erased"
        record(connection, by, "applied retention", [(None, detail)])
    overwrite(feedback.engine)
    return Retained(len(surplus), len(ids), tuple(receipts))


def months_before(moment: datetime, months: int) -> datetime:
    """The same day and time so many months earlier, or the last day of that month."""
    year, month = divmod(12 * moment.year + moment.month - 1 - months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _old_leads(feedback: FeedbackStore, retention: Retention, now: datetime) -> list[str]:
    """The leads without a score or an answer since the limit, by id."""
    if retention.leads_months is None:
        return []
    limit = months_before(now, retention.leads_months)
    leads = tables.leads.c
    labels = tables.labels.c
    answered = (
        sql.select(labels.lead_id)
        .where(
            labels.lead_id == leads.lead_id,
            sql.or_(labels.at >= limit, labels.recorded_at >= limit),
        )
        .exists()
    )
    is_old = sql.or_(leads.as_of.is_(None), leads.as_of < limit)
    query = sql.select(leads.lead_id).where(is_old, ~answered).order_by(leads.lead_id)
    with feedback.reading() as connection:
        return list(connection.scalars(query))


def _surplus_scores(
    feedback: FeedbackStore, retention: Retention, now: datetime, without: list[str]
) -> list[str]:
    """The ids of the scores that thinning takes away, of all leads but those that are erased."""
    if retention.scores_months is None:
        return []
    limit = months_before(now, retention.scores_months)
    scores = tables.scores.c
    older = sql.select(scores.score_id, scores.lead_id, scores.decision, *_ranks(feedback)).where(
        scores.as_of < limit
    )
    ranked = older.subquery().c
    is_first_handed_over = sql.and_(ranked.decision == "pass", ranked.of_decision == 1)
    query = sql.select(ranked.score_id, ranked.lead_id).where(
        ranked.of_month > 1,
        ranked.of_lead > 1,
        ~is_first_handed_over,
        ~sql.exists().where(tables.labels.c.score_id == ranked.score_id),
        ~sql.exists().where(tables.leads.c.score_id == ranked.score_id),
    )
    erased = set(without)
    with feedback.reading() as connection:
        return [score_id for score_id, lead in connection.execute(query) if lead not in erased]


def _ranks(feedback: FeedbackStore) -> tuple[Any, ...]:
    """The place of a score, from 1, within its lead's month (the latest first), within its lead,
    and among its lead's scores with the same decision (the first first)."""
    scores = tables.scores.c
    at: Any = scores.as_of
    if feedback.engine.dialect.name == "postgresql":
        at = sql.func.timezone("UTC", at)  # otherwise months begin in the server's time zone
    month = (scores.lead_id, sql.extract("year", at), sql.extract("month", at))
    first = (scores.as_of, scores.given_at, scores.score_id)
    last = tuple(column.desc() for column in first)
    rank = sql.func.row_number()
    return (
        rank.over(partition_by=month, order_by=last).label("of_month"),
        rank.over(partition_by=scores.lead_id, order_by=first).label("of_lead"),
        rank.over(partition_by=(scores.lead_id, scores.decision), order_by=first).label(
            "of_decision"
        ),
    )
