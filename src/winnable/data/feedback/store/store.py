"""The feedback store: scores that were given and the labels that people gave in return, durable and
append-only.

`add` returns once the label is on disk. The same idempotency key returns the same label again.
Corrections are new rows; `conflicts` lists contradicting labels, and nothing here decides between
them. The database is opened in `database`, its rows are described in `tables`, leads are listed in
`leads` and come back in `returns`, CSV files are written and read in `csv_exchange`, a person's
data is erased in `winnable.data.feedback.privacy`, and labels become training data in
`winnable.data.feedback.merge`.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from winnable.data.feedback.store import tables
from winnable.data.feedback.store.audit import Action, Actor, Entry, audit_trail, record
from winnable.data.feedback.store.database import (
    BUSY_TIMEOUT_SECONDS,
    Database,
    cause,
    open_database,
    reading,
    writing,
)
from winnable.data.feedback.store.leads import (
    AccountLeads,
    LeadFilter,
    LeadHistory,
    LeadPage,
    account_leads,
    earlier_scores,
    lead_choices,
    lead_history,
    lead_page,
)
from winnable.data.feedback.store.records import (
    Conflict,
    EarlierScore,
    HandedOver,
    Label,
    Return,
    ScoreRecord,
    checked,
    conflicts_of,
    episodes_of,
    live,
)
from winnable.data.feedback.store.returns import after_scores, bring_back, update_states
from winnable.data.feedback.store.tables import (
    FOR_POSTGRESQL,
    FOR_SQLITE,
    OF_SCORE,
    digest_of,
    label_of,
    lead_row,
    plain_values,
    return_of,
    score_of,
    score_row,
)
from winnable.definition.schema import Definition
from winnable.errors import DataError, LabelError, StoreError, WinnableError

UNSCORED_PROBABILITY = -1.0
"""The probability of a lead that was never scored, so that it is listed last."""
_LABEL_SPACING = timedelta(microseconds=1)
"""The time between labels of one commit, so that their order is kept."""
_LEADS_PER_QUERY = 1000
"""Leads whose earlier scores are looked up at once."""


class FeedbackStore:
    """The scores and labels of one store, safe to use from several threads and processes.

    Every method raises StoreError if the database fails.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self.engine = database.writers
        self.folder = folder.resolve()

    @classmethod
    def open(cls, store: Path, read_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> Self:
        """The feedback store in this folder; its database is created by the first call. Reading
        waits so long for whoever has locked it."""
        return cls(open_database(store, read_timeout_seconds=read_timeout_seconds), store)

    def close(self) -> None:
        """Close all database connections."""
        self._database.close()

    def remember(self, scores: Sequence[ScoreRecord], definition: Definition | None = None) -> None:
        """Store scores, all or none of them; scores whose id is already stored are skipped. Leads
        that were answered come back where the definition and these scores let them."""
        if not scores:
            return
        with self.transaction() as connection:
            insert = self._insert(tables.scores).on_conflict_do_nothing(index_elements=["score_id"])
            self._many(connection, insert, [score_row(score) for score in scores])
            last: dict[str, ScoreRecord] = {}
            for score in scores:
                if score.lead_id not in last or score.as_of >= last[score.lead_id].as_of:
                    last[score.lead_id] = score
            # Always in the same order, so that two writers cannot deadlock.
            self._many(
                connection,
                self._newer_lead(),
                [lead_row(last[lead_id]) for lead_id in sorted(last)],
            )
            kept = plain_values(sorted(last), FOR_POSTGRESQL)
            after_scores(connection, kept, definition, datetime.now(UTC))

    def already_scored(self, version: str, as_of: datetime) -> set[str]:
        """The ids of the leads that this model version has already scored as of this time."""
        scores = tables.scores.c
        query = sql.select(scores.lead_id).where(scores.as_of == as_of, scores.version == version)
        with self.reading() as connection:
            return set(connection.scalars(query))

    def add(
        self,
        label: Label,
        key: str | None = None,
        actor: Actor | None = None,
        definition: Definition | None = None,
    ) -> Label:
        """Store a label; the returned one has its id and times, and is durable. The definition says
        when the lead may come back; without it, that is found with the lead's next score.

        With the idempotency key of an earlier label, that label is returned and nothing is added.
        Raises DataError if the label is invalid, and LabelError if the key was used for a different
        label, the score belongs to another lead, or the label to replace does not exist, belongs to
        another lead or, unless the actor may correct others, another person, or was replaced
        already.
        """
        result = self.add_each([label], [key], actor, definition)[0]
        if isinstance(result, WinnableError):
            raise result
        return result

    def add_each(
        self,
        labels: Sequence[Label],
        keys: Sequence[str | None],
        actor: Actor | None = None,
        definition: Definition | None = None,
    ) -> list[Label | WinnableError]:
        """Store labels, in order and in one commit with their entries in the audit trail; returns
        for each what `add` returns or raises. Without an `actor` everyone speaks for themselves."""
        now = datetime.now(UTC)
        results: list[Label | WinnableError] = [_checked(label, now) for label in labels]
        lead_ids = sorted({label.lead_id for label in results if isinstance(label, Label)})
        with self.transaction() as connection:
            for lead_id in lead_ids:
                self._lock(connection, lead_id)
            bring_back(connection, lead_ids, now)
            for position, (label, key) in enumerate(zip(results, keys, strict=True)):
                if isinstance(label, Label):
                    recorded_at = now + position * _LABEL_SPACING
                    by = actor or Actor(label.by, None, label.origin)
                    results[position] = self._stored(connection, label, key, recorded_at, by)
            update_states(connection, lead_ids, definition)
        return results

    def record(
        self, actor: Actor, action: Action, subject: str | None = None, detail: str | None = None
    ) -> None:
        """Add an entry to the audit trail."""
        with self.transaction() as connection:
            record(connection, actor, action, [(subject, detail)])

    def audit_trail(self, since: datetime | None = None) -> list[Entry]:
        """The entries of the audit trail, or those since a time, oldest first."""
        with self.reading() as connection:
            return audit_trail(connection, since)

    def exported(self, output: Path | str) -> None:
        """Register what holds data from this store, so that it is cleared, too, when a person is
        erased, or named then: a file, or a table of a database by its URL without a password.

        What lies in the store's folder moves with it; any other file belongs to the store at this
        place, not to a copy of it elsewhere."""
        row = {"written_at": datetime.now(UTC), **self._place_of(output)}
        insert = self._insert(tables.exports)
        update = {name: insert.excluded[name] for name in ("written_at", "home")}
        with self.transaction() as connection:
            connection.execute(
                insert.on_conflict_do_update(index_elements=["path"], set_=update), row
            )

    def _place_of(self, output: Path | str) -> dict[str, str | None]:
        if isinstance(output, str) and "://" in output:
            return {"path": output, "home": str(self.folder)}
        place = Path(output).resolve()
        if place.is_relative_to(self.folder):
            return {"path": str(place.relative_to(self.folder)), "home": None}
        return {"path": str(place), "home": str(self.folder)}

    def labels(self, lead_id: str | None = None, since: datetime | None = None) -> list[Label]:
        """All labels, or those of one lead, or those recorded since a time; in the order in which
        they were taken in."""
        column = tables.labels.c
        query = sql.select(tables.labels).order_by(column.sequence, column.label_id)
        if lead_id is not None:
            query = query.where(column.lead_id == lead_id)
        if since is not None:
            query = query.where(column.recorded_at >= since)
        with self.reading() as connection:
            return [label_of(row) for row in connection.execute(query)]

    def returns(self) -> list[Return]:
        """The returns of all leads that came back, of each lead oldest first."""
        column = tables.returns.c
        query = sql.select(tables.returns).order_by(column.lead_id, column.sequence)
        with self.reading() as connection:
            return [return_of(row) for row in connection.execute(query)]

    def add_returns(self, returns: Sequence[Return], definition: Definition | None = None) -> None:
        """Store returns that another store knows; those known here already are skipped."""
        if not returns:
            return
        lead_ids = sorted({back.lead_id for back in returns})
        insert = self._insert(tables.returns).on_conflict_do_nothing(
            index_elements=["lead_id", "sequence"]
        )
        with self.transaction() as connection:
            for lead_id in lead_ids:
                self._lock(connection, lead_id)
            connection.execute(insert, [asdict(back) for back in returns])
            update_states(connection, lead_ids, definition)

    def ids(self) -> set[str]:
        """The ids of all labels."""
        with self.reading() as connection:
            return set(connection.scalars(sql.select(tables.labels.c.label_id)))

    def leads(self, query: LeadFilter | None = None) -> LeadPage:
        """A page of the leads that match, of the open ones by default, the most probable first."""
        with self.reading() as connection:
            return lead_page(connection, query or LeadFilter())

    def lead(self, lead_id: str, latest_scores: int | None = None) -> LeadHistory | None:
        """A lead with all its labels and scores, or so many of the latest scores; None if nothing
        is stored about it."""
        with self.reading() as connection:
            return lead_history(connection, lead_id, latest_scores)

    def earlier_scores(
        self, wanted: Sequence[tuple[str, datetime, datetime]]
    ) -> dict[tuple[str, datetime], EarlierScore]:
        """As `leads.earlier_scores`; an id with a NUL character, which PostgreSQL takes in no
        query, has none."""
        found: dict[tuple[str, datetime], EarlierScore] = {}
        asked = [each for each in wanted if "\x00" not in each[0]]
        with self.reading() as connection:
            for start in range(0, len(asked), _LEADS_PER_QUERY):
                batch = asked[start : start + _LEADS_PER_QUERY]
                found |= earlier_scores(connection, batch)
        return found

    def account(self, key: str) -> AccountLeads | None:
        """The leads of the account with this key; None if no lead's latest score names it."""
        with self.reading() as connection:
            return account_leads(connection, key)

    def choices(self) -> tuple[list[str], list[str]]:
        """The owners and the sources of the leads, sorted, at most `leads.MAX_CHOICES` of each."""
        with self.reading() as connection:
            return lead_choices(connection)

    def conflicts(self) -> list[Conflict]:
        """Leads with contradicting labels: one person accepts a lead that another rejects or calls
        junk, or one says won and another lost, since the lead came or came back."""
        by_lead: dict[str, list[Label]] = {}
        for label in self.labels():
            by_lead.setdefault(label.lead_id, []).append(label)
        returns: dict[str, list[Return]] = {}
        for back in self.returns():
            returns.setdefault(back.lead_id, []).append(back)
        return [
            conflict
            for lead_id, labels in sorted(by_lead.items())
            for episode in episodes_of(labels, returns.get(lead_id, ()))
            for conflict in conflicts_of(lead_id, episode)
        ]

    def scores(self, version: str | None = None) -> Iterator[ScoreRecord]:
        """Every stored score, oldest first, of one model version or of all."""
        column = tables.scores.c
        query = sql.select(tables.scores).order_by(column.given_at, column.score_id)
        if version is not None:
            query = query.where(column.version == version)
        with self.reading() as connection:
            for row in connection.execution_options(stream_results=True).execute(query):
                yield score_of(row)

    def handed_over(self) -> list[HandedOver]:
        """Every score by which a lead was handed to sales, oldest first."""
        column = tables.scores.c
        query = (
            sql.select(*(column[field.name] for field in fields(HandedOver)))
            .where(column.decision == "pass")
            .order_by(column.given_at, column.score_id)
        )
        with self.reading() as connection:
            return [HandedOver(*row) for row in connection.execute(query)]

    @contextmanager
    def transaction(self) -> Iterator[sql.Connection]:
        """A write transaction, rolled back if the block fails."""
        try:
            with writing(self.engine) as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(
                f"the feedback database cannot be written ({cause(error)}); nothing was saved."
            ) from None

    @contextmanager
    def reading(self) -> Iterator[sql.Connection]:
        """A read transaction with one consistent view of the data."""
        try:
            with reading(self._database.readers) as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(f"the feedback database cannot be read ({cause(error)}).") from None

    def _insert(self, table: sql.Table) -> Any:
        """An insert that supports ON CONFLICT, which SQLite and PostgreSQL both have."""
        if self.engine.dialect.name == "postgresql":
            return postgresql.insert(table)
        return sqlite.insert(table)

    def _many(
        self, connection: sql.Connection, insert: Any, rows: Sequence[dict[str, Any]]
    ) -> None:
        """Insert many rows directly through the driver, in half the processor time: every score
        is stored this way."""
        compiled = insert.compile(dialect=self.engine.dialect, column_keys=list(rows[0]))
        if self.engine.dialect.name == "sqlite":
            in_order = itemgetter(*compiled.positiontup)
            parameters: Any = [tuple(plain_values(in_order(row), FOR_SQLITE)) for row in rows]
        else:
            parameters = [
                dict(zip(row, plain_values(row.values(), FOR_POSTGRESQL), strict=True))
                for row in rows
            ]
        connection.exec_driver_sql(str(compiled), parameters)

    def _newer_lead(self) -> Any:
        insert = self._insert(tables.leads)
        update = {name: insert.excluded[name] for name in OF_SCORE}
        # Who works an answered lead is not up to its score.
        update["queue"] = sql.case(
            (tables.leads.c.open & (tables.leads.c.label_id.is_(None)), insert.excluded.queue),
            else_=tables.leads.c.queue,
        )
        newer = sql.or_(
            tables.leads.c.as_of.is_(None), insert.excluded.as_of >= tables.leads.c.as_of
        )
        return insert.on_conflict_do_update(index_elements=["lead_id"], set_=update, where=newer)

    def _lock(self, connection: sql.Connection, lead_id: str) -> None:
        """Create the lead's row if needed, and lock it against other writers until the
        transaction ends."""
        row = {
            "lead_id": lead_id,
            "search": lead_id.casefold(),
            "probability": UNSCORED_PROBABILITY,
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

    def _stored(
        self,
        connection: sql.Connection,
        label: Label,
        key: str | None,
        now: datetime,
        actor: Actor,
    ) -> Label | LabelError:
        """Insert the label and return it as stored, or return why it was refused."""
        column = tables.labels.c
        digest = digest_of(label)
        known = None
        if key is not None:
            known = connection.execute(sql.select(tables.labels).where(column.key == key)).first()
        elif label.label_id:
            same_id = column.label_id == label.label_id
            known = connection.execute(sql.select(tables.labels).where(same_id)).first()
        if known is not None:
            known_label = label_of(known)
            known_digest = digest_of(known_label) if key is None else known.key_digest
            if known_digest == digest:
                return known_label
            return LabelError("this key or id was already used for a different label.")
        try:
            label = self._consistent(connection, label, actor)
        except LabelError as refused:
            return refused
        stored = replace(
            label,
            label_id=label.label_id or str(uuid.uuid4()),
            at=label.at or now,
            recorded_at=label.recorded_at or now,
        )
        last = connection.scalar(sql.select(sql.func.max(tables.labels.c.sequence)))
        # Greater than that of every earlier label of the lead, whose row is locked.
        stored = replace(stored, sequence=(last or 0) + 1)
        connection.execute(
            sql.insert(tables.labels), {**asdict(stored), "key": key, "key_digest": digest}
        )
        record(connection, actor, "labelled", [(stored.label_id, stored.label)])
        return stored

    def _consistent(self, connection: sql.Connection, label: Label, actor: Actor) -> Label:
        """The label with the id of the label it replaces; LabelError if it does not fit what is
        stored."""
        scores = tables.scores.c
        labels = tables.labels.c
        if label.score_id is not None:
            scored_lead = connection.scalar(
                sql.select(scores.lead_id).where(scores.score_id == label.score_id)
            )
            if scored_lead not in (None, label.lead_id):
                raise LabelError("score_id: this score belongs to another lead.")
        if label.replaces is None and label.label != "withdrawn":
            return label
        of_lead = sql.select(tables.labels).where(labels.lead_id == label.lead_id)
        earlier = [label_of(row) for row in connection.execute(of_lead)]
        standing = {stored.label_id: stored for stored in live(earlier)}
        if label.replaces is None:
            own = [stored.label_id for stored in standing.values() if stored.by == label.by]
            if not own:
                raise LabelError("this person has no label on this lead to withdraw.")
            return replace(label, replaces=own[-1])
        if label.replaces not in standing:
            raise LabelError(
                "replaces: this label does not exist, belongs to another lead, or was replaced"
                " already."
            )
        if standing[label.replaces].by != label.by and not actor.may_correct_others:
            raise LabelError(
                "replaces: this is another person's label. Add your own instead, or let somebody"
                " with an admin key correct it."
            )
        return label


def _checked(label: Label, now: datetime) -> Label | DataError:
    try:
        return checked(label, now)
    except DataError as refused:
        return refused
