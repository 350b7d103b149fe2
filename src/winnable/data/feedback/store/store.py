"""The feedback store: scores that were given and the labels that people gave back, durable and
append only.

`add` returns when the label is on the disk. The same idempotency key gives the same label again.
Corrections are new rows; `conflicts` lists what people disagree on, and nothing decides between
them here. How the database is opened is in `feedback_database`, what its rows look like in
`feedback_rows`, CSV in `feedback_exchange`, forgetting a person in `feedback_erasure`, what labels
teach in `feedback_merge`.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self, cast

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from winnable.data.feedback.store import tables
from winnable.data.feedback.store.database import cause, open_database, writing
from winnable.data.feedback.store.records import (
    OPEN,
    Conflict,
    HandedOver,
    Label,
    ScoreRecord,
    State,
    checked,
    conflicts_of,
    current,
    live,
)
from winnable.data.feedback.store.tables import (
    OF_SCORE,
    digest_of,
    for_sqlite,
    json_or,
    label_of,
    lead_row,
    score_of,
    score_row,
)
from winnable.errors import DataError, LabelError, StoreError, WinnableError

WEEK = timedelta(days=7)
COUNTED = 1000  # leads that a page counts at most, so that its time does not grow with the store
PAGE = 50
LONGEST_SEARCH = 100
NEVER = -1.0  # stands for the probability of a lead that was never scored, so that it comes last
_MOMENT = timedelta(microseconds=1)  # between labels of one commit, so that their order is kept
_BATCH = 500  # rows in one statement

StateAsked = Literal["open", "all"] | State


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A lead as a list shows it: its last score (None if it was only ever labelled), the
    probability a week before that, and what counts of its labels."""

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
    size: int = PAGE


@dataclass(frozen=True, slots=True)
class LeadPage:
    """One page of leads, best first. `total` counts them all, up to `COUNTED`, beyond which
    `uncounted` is true."""

    leads: tuple[LeadRow, ...]
    page: int
    more: bool
    total: int
    uncounted: bool


@dataclass(frozen=True, slots=True)
class LeadHistory:
    """All that is kept of one lead: scores and labels by time, oldest first. Activities are those
    that the last score knew."""

    lead: LeadRow
    scores: tuple[ScoreRecord, ...]
    labels: tuple[Label, ...]


class FeedbackStore:
    """Scores and labels of one store. Safe to use from several threads and processes. Every method
    raises `StoreError` where the database fails."""

    def __init__(self, engine: sql.Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, store: Path) -> Self:
        """The feedback of a store; its database is made with the first call."""
        return cls(open_database(store))

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def remember(self, scores: Sequence[ScoreRecord]) -> None:
        """Keep scores, all or none of them; those whose id is known are kept once."""
        if not scores:
            return
        with self.transaction() as connection:
            insert = self._insert(tables.scores).on_conflict_do_nothing(index_elements=["score_id"])
            self._many(connection, insert, [score_row(each) for each in scores])
            last: dict[str, ScoreRecord] = {}
            for each in scores:
                if each.lead_id not in last or each.as_of >= last[each.lead_id].as_of:
                    last[each.lead_id] = each
            # Always in the same order, so that two writers do not wait for each other.
            self._many(
                connection,
                self._newer_lead(),
                [lead_row(last[lead_id]) for lead_id in sorted(last)],
            )

    def already_scored(self, version: str, as_of: datetime) -> set[str]:
        """The ids of the leads that this version of the model has scored for this moment."""
        kept = tables.scores.c
        asked = sql.select(kept.lead_id).where(kept.as_of == as_of, kept.version == version)
        with self.reading() as connection:
            return set(connection.scalars(asked))

    def add(self, label: Label, key: str | None = None) -> Label:
        """Keep a label; the one that is returned has its id and times, and is durable.

        With the key of an earlier label the same one is returned and nothing is added. `DataError`
        for what cannot be a label, `LabelError` for a key that was used for another label, for a
        score of another lead, and for a label to replace that is not there, is another lead's, or
        was replaced before.
        """
        told = self.add_each([label], [key])[0]
        if isinstance(told, WinnableError):
            raise told
        return told

    def add_each(
        self, labels: Sequence[Label], keys: Sequence[str | None]
    ) -> list[Label | WinnableError]:
        """Keep labels, in order and in one commit; for each what `add` returns or raises."""
        now = datetime.now(UTC)
        told = [_checked(each, now) for each in labels]
        lead_ids = sorted({each.lead_id for each in told if isinstance(each, Label)})
        with self.transaction() as connection:
            for lead_id in lead_ids:  # from here on each lead is ours alone
                self._lock(connection, lead_id)
            kept: list[Label | WinnableError] = [
                (
                    self._kept(connection, each, key, now + place * _MOMENT)
                    if isinstance(each, Label)
                    else each
                )
                for place, (each, key) in enumerate(zip(told, keys, strict=True))
            ]
            self._derive(connection, lead_ids)
        return kept

    def exported(self, path: Path) -> None:
        """Know of a file with what is kept here, so that it is cleared, too, when a person is
        forgotten."""
        row = {"path": str(path.absolute()), "written_at": datetime.now(UTC)}
        insert = self._insert(tables.exports)
        told = {"written_at": insert.excluded.written_at}
        with self.transaction() as connection:
            connection.execute(
                insert.on_conflict_do_update(index_elements=["path"], set_=told), row
            )

    def labels(self, lead_id: str | None = None, since: datetime | None = None) -> list[Label]:
        """Every label that was ever taken down, or those of one lead, or from a time of taking down
        on; in that order."""
        kept = tables.labels.c
        asked = sql.select(tables.labels).order_by(kept.recorded_at, kept.label_id)
        if lead_id is not None:
            asked = asked.where(kept.lead_id == lead_id)
        if since is not None:
            asked = asked.where(kept.recorded_at >= since)
        with self.reading() as connection:
            return [label_of(row) for row in connection.execute(asked)]

    def ids(self) -> set[str]:
        """The ids of all labels."""
        with self.reading() as connection:
            return set(connection.scalars(sql.select(tables.labels.c.label_id)))

    def leads(self, wanted: LeadFilter = LeadFilter()) -> LeadPage:
        """A page of the wanted leads, the most probable first."""
        row, state, size = tables.leads.c, wanted.state, wanted.size
        where: list[sql.ColumnElement[bool]] = [row.open.is_(True)] if state == "open" else []
        if state not in ("open", "all"):
            where.append(row.state == state)
        for column, asked in (
            (row.owner, wanted.owner),
            (row.source, wanted.source),
            (row.decision, wanted.decision),
        ):
            if asked is not None:
                where.append(column == asked)
        words = wanted.search.strip().casefold()[:LONGEST_SEARCH]
        if words:
            where.append(row.search.contains(words, autoescape=True))
        best = sql.select(tables.leads).where(*where).order_by(row.probability.desc(), row.lead_id)
        count = sql.select(sql.func.count()).select_from(
            sql.select(row.lead_id).where(*where).limit(COUNTED + 1).subquery()
        )
        page = max(wanted.page, 1)
        with self.reading() as connection:
            found = connection.execute(best.limit(size + 1).offset((page - 1) * size)).all()
            total = int(connection.scalar(count) or 0)
            rows = self._filled(connection, found[:size])
        return LeadPage(tuple(rows), page, len(found) > size, min(total, COUNTED), total > COUNTED)

    def lead(self, lead_id: str) -> LeadHistory | None:
        """Everything that is kept of one lead; None if nothing is."""
        scores, labels = tables.scores.c, tables.labels.c
        with self.reading() as connection:
            found = connection.execute(
                sql.select(tables.leads).where(tables.leads.c.lead_id == lead_id)
            ).all()
            if not found:
                return None
            given = (
                sql.select(tables.scores)
                .where(scores.lead_id == lead_id)
                .order_by(scores.as_of, scores.given_at)
            )
            said = (
                sql.select(tables.labels)
                .where(labels.lead_id == lead_id)
                .order_by(labels.recorded_at, labels.label_id)
            )
            return LeadHistory(
                self._filled(connection, found)[0],
                tuple(score_of(row) for row in connection.execute(given)),
                tuple(label_of(row) for row in connection.execute(said)),
            )

    def choices(self) -> tuple[list[str], list[str]]:
        """The owners and the sources that leads have, sorted, a thousand of each at most."""
        with self.reading() as connection:
            owners, sources = (
                _distinct(connection, tables.leads.c[name]) for name in ("owner", "source")
            )
            return owners, sources

    def conflicts(self) -> list[Conflict]:
        """Leads on which people disagree: one accepts whom another rejects or calls junk, or one
        says won and another lost."""
        by_lead: dict[str, list[Label]] = {}
        for each in self.labels():
            by_lead.setdefault(each.lead_id, []).append(each)
        return [
            conflict
            for lead_id, said in sorted(by_lead.items())
            for conflict in conflicts_of(lead_id, said)
        ]

    def scores(self, version: str | None = None) -> Iterator[ScoreRecord]:
        """Every score that was given, oldest first, of one version or of all."""
        kept = tables.scores.c
        asked = sql.select(tables.scores).order_by(kept.given_at, kept.score_id)
        if version is not None:
            asked = asked.where(kept.version == version)
        with self.reading() as connection:
            for row in connection.execution_options(stream_results=True).execute(asked):
                yield score_of(row)

    def handed_over(self) -> list[HandedOver]:
        """Every score by which a lead was handed to sales, oldest first."""
        kept = tables.scores.c
        asked = sql.select(*(kept[each.name] for each in fields(HandedOver))).where(
            kept.decision == "pass"
        )
        with self.reading() as connection:
            return [
                HandedOver(*row)
                for row in connection.execute(asked.order_by(kept.given_at, kept.score_id))
            ]

    @contextmanager
    def transaction(self) -> Iterator[sql.Connection]:
        """A transaction that writes; nothing of it is kept if the block fails."""
        try:
            with writing(self.engine) as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(
                f"the database of labels cannot be written ({cause(error)}); nothing was kept."
            ) from None

    @contextmanager
    def reading(self) -> Iterator[sql.Connection]:
        """A transaction that reads, and sees the same from its first look to its last."""
        try:
            with self.engine.connect() as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(f"the database of labels cannot be read ({cause(error)}).") from None

    def _insert(self, table: sql.Table) -> Any:
        """An insert that can say what happens to a row that is there; SQLite and PostgreSQL both
        know it."""
        return (
            postgresql.insert(table)
            if self.engine.dialect.name == "postgresql"
            else sqlite.insert(table)
        )

    def _many(
        self, connection: sql.Connection, insert: Any, rows: Sequence[dict[str, Any]]
    ) -> None:
        """Insert many rows by the driver itself, in half the processor time: every score that is
        given comes this way."""
        compiled = insert.compile(dialect=self.engine.dialect, column_keys=list(rows[0]))
        if self.engine.dialect.name == "sqlite":
            told: Any = [
                tuple(for_sqlite(row[name]) for name in compiled.positiontup) for row in rows
            ]
        else:
            told = [{name: json_or(value) for name, value in row.items()} for row in rows]
        connection.exec_driver_sql(str(compiled), told)

    def _newer_lead(self) -> Any:
        insert = self._insert(tables.leads)
        told = {name: insert.excluded[name] for name in OF_SCORE}
        newer = sql.or_(
            tables.leads.c.as_of.is_(None), insert.excluded.as_of >= tables.leads.c.as_of
        )
        return insert.on_conflict_do_update(index_elements=["lead_id"], set_=told, where=newer)

    def _lock(self, connection: sql.Connection, lead_id: str) -> None:
        """Have the lead's row, and keep other writers of the same lead waiting until the
        transaction ends."""
        row = {
            "lead_id": lead_id,
            "search": lead_id.casefold(),
            "probability": NEVER,
            "state": "new",
            "open": True,
        }
        connection.execute(
            self._insert(tables.leads).on_conflict_do_nothing(index_elements=["lead_id"]), row
        )
        connection.execute(
            sql.select(tables.leads.c.lead_id)
            .where(tables.leads.c.lead_id == lead_id)
            .with_for_update()
        )

    def _kept(
        self, connection: sql.Connection, label: Label, key: str | None, now: datetime
    ) -> Label | LabelError:
        """The label as it is kept, or why it is not."""
        labels, digest = tables.labels.c, digest_of(label)
        known = None
        if key is not None or label.label_id:
            same = labels.key == key if key is not None else labels.label_id == label.label_id
            known = connection.execute(sql.select(tables.labels).where(same)).first()
        if known is not None:
            same_content = digest == (
                known.key_digest if key is not None else digest_of(label_of(known))
            )
            return (
                label_of(known)
                if same_content
                else LabelError("this key or id was used for another label before.")
            )
        try:
            label = self._consistent(connection, label)
        except LabelError as refused:
            return refused
        kept = replace(
            label,
            label_id=label.label_id or str(uuid.uuid4()),
            at=label.at or now,
            recorded_at=label.recorded_at or now,
        )
        connection.execute(
            sql.insert(tables.labels), {**asdict(kept), "key": key, "key_digest": digest}
        )
        return kept

    def _consistent(self, connection: sql.Connection, label: Label) -> Label:
        """The label with what it replaces; `LabelError` if it contradicts what is there."""
        scores, labels = tables.scores.c, tables.labels.c
        if label.score_id is not None:
            scored = connection.scalar(
                sql.select(scores.lead_id).where(scores.score_id == label.score_id)
            )
            if scored not in (None, label.lead_id):
                raise LabelError("the score that the label answers is another lead's.")
        if label.replaces is None and label.label != "withdrawn":
            return label
        said = [
            label_of(row)
            for row in connection.execute(
                sql.select(tables.labels).where(labels.lead_id == label.lead_id)
            )
        ]
        standing = {each.label_id: each for each in live(said)}
        if label.replaces is None:
            own = [each.label_id for each in standing.values() if each.by == label.by]
            if not own:
                raise LabelError("there is no label of this person on this lead to take back.")
            return replace(label, replaces=own[-1])
        if label.replaces not in standing:
            raise LabelError(
                "the label to replace is not there, is another lead's, or was replaced before."
            )
        return label

    def _derive(self, connection: sql.Connection, lead_ids: Sequence[str]) -> None:
        """Bring the leads' states up to date with their labels."""
        for some in (lead_ids[start : start + _BATCH] for start in range(0, len(lead_ids), _BATCH)):
            said: dict[str, list[Label]] = {lead_id: [] for lead_id in some}
            for row in connection.execute(
                sql.select(tables.labels).where(tables.labels.c.lead_id.in_(some))
            ):
                said[row.lead_id].append(label_of(row))
            nothing = [lead_id for lead_id, labels in said.items() if not labels]
            unknown = sql.and_(
                tables.leads.c.lead_id.in_(nothing), tables.leads.c.score_id.is_(None)
            )
            connection.execute(
                sql.delete(tables.leads).where(unknown)
            )  # its only label was refused
            for lead_id, labels in said.items():
                counts = current(labels)
                state = "new" if counts is None else counts.label
                told = {
                    "state": state,
                    "open": state in OPEN,
                    "label_id": None if counts is None else counts.label_id,
                }
                connection.execute(
                    sql.update(tables.leads).where(tables.leads.c.lead_id == lead_id).values(**told)
                )

    def _filled(self, connection: sql.Connection, rows: Sequence[Any]) -> list[LeadRow]:
        """The rows of `leads` with their scores and labels, which are found by their ids."""
        scores, labels = tables.scores.c, tables.labels.c
        given = sql.select(tables.scores).where(
            scores.score_id.in_([row.score_id for row in rows if row.score_id])
        )
        said = sql.select(tables.labels).where(
            labels.label_id.in_([row.label_id for row in rows if row.label_id])
        )
        score = {each.score_id: each for each in map(score_of, connection.execute(given))}
        label = {each.label_id: each for each in map(label_of, connection.execute(said))}
        before = self._week_ago(connection, rows)
        return [
            LeadRow(
                row.lead_id,
                cast(State, row.state),
                score.get(row.score_id),
                before.get(row.lead_id),
                label.get(row.label_id),
            )
            for row in rows
        ]

    def _week_ago(self, connection: sql.Connection, rows: Sequence[Any]) -> dict[str, float]:
        """By lead, what its last score of at least a week before the last one said."""
        scores, last = tables.scores.c, {row.lead_id: row.as_of for row in rows if row.score_id}
        asked = sql.select(scores.lead_id, scores.as_of, scores.probability).where(
            scores.lead_id.in_(last)
        )
        told = connection.execute(asked.order_by(scores.as_of))
        return {
            lead_id: probability
            for lead_id, as_of, probability in told
            if as_of <= last[lead_id] - WEEK
        }


def _checked(label: Label, now: datetime) -> Label | DataError:
    try:
        return checked(label, now)
    except DataError as refused:
        return refused


def _distinct(connection: sql.Connection, column: Any) -> list[str]:
    """The values of an indexed column, each found by a step along the index instead of a look at
    every row."""
    found: list[str] = []
    value = connection.scalar(sql.select(sql.func.min(column)))
    while value is not None and len(found) < COUNTED:
        found.append(value)
        value = connection.scalar(sql.select(sql.func.min(column)).where(column > value))
    return found
