"""Erase a person's data (GDPR, right to erasure): everything that the store holds about a person is
deleted permanently, also from the exports that it knows of.

Notes on other leads that name the person are taken off: a note names them if it has their e-mail
address or all words of their name. What remains is a receipt: when, how much, and a digest that
would recognize a copy of the deleted rows, but does not reveal whose they were. Deleting the person
in the CRM is up to the company; a model stores no leads, and a model trained afterwards never sees
this one.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from winnable.core.cells import value_of
from winnable.core.identity import person_key
from winnable.data.feedback.privacy.people import People
from winnable.data.feedback.store import tables
from winnable.data.feedback.store.audit import Actor, record
from winnable.data.feedback.store.csv_files import read_csv, write_csv
from winnable.data.feedback.store.records import SCORE_LOG
from winnable.data.feedback.store.store import FeedbackStore
from winnable.data.outputs.files import (
    ID_COLUMNS,
    is_typed_file,
    rows_of_leads,
    without_leads,
)
from winnable.errors import DataError, StoreError, WinnableError

_FREE_TEXTS = ("note", "reason")
_BATCH_LEADS = 500
"""Leads in one statement."""


@dataclass(frozen=True)
class Receipt:
    """What was erased. `counts` are rows by table, and under "export rows" those of files; `digest`
    is the SHA-256 of the tables' rows, including random ids, as sorted JSON. `unreached` are
    exports that could not be cleared, `databases` tables that scores were written into and that
    nobody here can clear, since the store keeps no password.
    """

    receipt_id: str
    at: datetime
    counts: dict[str, int]
    digest: str
    unreached: tuple[Path, ...] = ()
    databases: tuple[str, ...] = ()


def erase(
    feedback: FeedbackStore,
    *,
    lead_id: str | None = None,
    person: str | None = None,
    actor: Actor | None = None,
) -> Receipt:
    """Erase every record of the person behind a lead, or with this e-mail address.

    Raises DataError if not exactly one of the two is given, or if nothing is stored about the
    person; nothing is changed then.
    """
    key = person_key(person)
    if (lead_id is None) == (key is None):
        raise DataError("give either a lead's id or a person's e-mail address.")
    waiting = _waiting_scores(feedback.folder)
    with feedback.transaction() as connection:
        ids = leads_of(connection, lead_id, key)
        receipt = erase_leads(feedback, connection, ids, waiting)
        if not any(receipt.counts.values()):
            raise DataError("nothing is stored about this person; nothing was changed.")
        counts = ", ".join(f"{count} {name}" for name, count in receipt.counts.items())
        record(connection, actor or Actor.of_command(), "erased", [(receipt.receipt_id, counts)])
    overwrite(feedback.engine)
    return receipt


def erase_leads(
    feedback: FeedbackStore,
    connection: sql.Connection,
    ids: set[str],
    waiting: Sequence[Path] = (),
) -> Receipt:
    """Delete what the store and its exports have of these leads, in a transaction that is under
    way, and what notes on other leads say of their people; `overwrite` has to follow. `waiting` are
    files that could not be cleared already."""
    removed = {
        table.name: _removed(connection, table, ids)
        for table in (tables.scores, tables.labels, tables.leads, tables.returns)
    }
    lines = sorted(
        json.dumps([name, row], sort_keys=True, default=str)
        for name, rows in removed.items()
        for row in rows
    )
    counts = {name: len(rows) for name, rows in removed.items() if rows or name != "returns"}
    people = People(removed["scores"])
    notes = _redact_notes(connection, people)
    if notes:
        counts["notes"] = notes
    places, foreign = _exports(feedback, connection)
    cleared, unreached = _clear(places, ids, people)
    of_tables, left = _clear_tables(_tables_elsewhere(connection), ids)
    receipt = Receipt(
        str(uuid.uuid4()),
        datetime.now(UTC),
        {**counts, "export rows": cleared + of_tables},
        hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        (*unreached, *foreign, *waiting),
        tuple(left),
    )
    receipt_row = {
        "receipt_id": receipt.receipt_id,
        "at": receipt.at,
        "counts": receipt.counts,
        "digest": receipt.digest,
    }
    connection.execute(sql.insert(tables.erasures), receipt_row)
    return receipt


def receipts(feedback: FeedbackStore) -> list[Receipt]:
    """The receipts of all erasures, oldest first."""
    with feedback.reading() as connection:
        rows = connection.execute(sql.select(tables.erasures).order_by(tables.erasures.c.at)).all()
    return [Receipt(row.receipt_id, row.at, row.counts, row.digest) for row in rows]


def leads_of(connection: sql.Connection, lead_id: str | None, key: str | None) -> set[str]:
    """The ids of all leads of the person behind a lead, or with this key, that scores know of; the
    lead itself even if nothing is stored, since an export may have it."""
    scores = tables.scores.c
    ids: set[str] = set()
    keys = {key} if key is not None else set()
    if lead_id is not None:
        ids = {lead_id}
        keys = set(
            connection.scalars(
                sql.select(scores.person).where(
                    scores.lead_id == lead_id, scores.person.is_not(None)
                )
            )
        )
    if keys:
        ids |= set(connection.scalars(sql.select(scores.lead_id).where(scores.person.in_(keys))))
    return ids


def _removed(connection: sql.Connection, table: sql.Table, ids: set[str]) -> list[dict[str, Any]]:
    ordered = sorted(ids)
    rows: list[dict[str, Any]] = []
    for start in range(0, len(ordered), _BATCH_LEADS):
        of_people = table.c.lead_id.in_(ordered[start : start + _BATCH_LEADS])
        found = connection.execute(sql.select(table).where(of_people))
        rows += [dict(row._mapping) for row in found]
        connection.execute(sql.delete(table).where(of_people))
    return rows


def _redact_notes(connection: sql.Connection, people: People) -> int:
    """Take the notes and reasons that name the people off the labels of other leads; returns how
    many labels that were. Labels cannot be updated: they are deleted and inserted again."""
    column = tables.labels.c
    written = sql.or_(column.note.is_not(None), column.reason.is_not(None))
    named = [
        dict(row._mapping)
        for row in connection.execute(sql.select(tables.labels).where(written))
        if people.are_named_in(row.note) or people.are_named_in(row.reason)
    ]
    for row in named:
        connection.execute(sql.delete(tables.labels).where(column.label_id == row["label_id"]))
        texts = {name: people.redacted(row[name]) for name in _FREE_TEXTS}
        connection.execute(sql.insert(tables.labels), {**row, **texts})
    return len(named)


def _waiting_scores(folder: Path) -> list[Path]:
    """Scores that a service gave and the database does not have yet, once those of a running
    service had time to get there: the files that are still there."""

    def left() -> list[Path]:
        return [path for path in files if path.exists()]

    files = [
        path
        for path in (folder / SCORE_LOG).glob("*-*.*")
        if path.suffix in {".scores", ".refused"} and path.stat().st_size
    ]
    _retried(lambda: not left(), times=100)
    return left()


def _exports(feedback: FeedbackStore, connection: sql.Connection) -> tuple[list[Path], list[Path]]:
    """The exported files of this store, and those of the store that it is a copy of, which are not
    its to change."""
    own: list[Path] = []
    foreign: list[Path] = []
    for row in connection.execute(sql.select(tables.exports)):
        path = feedback.folder / row.path  # an absolute path stays as it is
        if "://" not in row.path and path.exists():
            (own if row.home in (None, str(feedback.folder)) else foreign).append(path)
    return own, foreign


def _tables_elsewhere(connection: sql.Connection) -> list[str]:
    """The tables of databases that scores of this store were written into."""
    places = connection.scalars(sql.select(tables.exports.c.path))
    return [place for place in places if "://" in place]


def _clear_tables(places: Sequence[str], ids: set[str]) -> tuple[int, list[str]]:
    """Delete the leads' rows from tables of databases; returns how many there were, and the tables
    that nobody here can clear."""
    from winnable.data.outputs.databases import erase_rows

    cleared = 0
    left: list[str] = []
    for place in places:
        try:
            rows = erase_rows(place, sorted(ids))
        except WinnableError:
            rows = None
        if rows is None:
            left.append(place)
        else:
            cleared += rows
    return cleared, left


def _clear(paths: list[Path], ids: set[str], people: People) -> tuple[int, list[Path]]:
    """Delete the leads' rows from exports, and what the other rows' notes say of the people;
    returns how many rows, and the files where that failed."""
    cleared = 0
    unreached: list[Path] = []
    for path in paths:
        try:
            if is_typed_file(path):
                cleared += without_leads(path, ids)
                continue
            header, rows = read_csv(path)
            column = next(header.index(name) for name in ID_COLUMNS if name in header)
            kept = [row for row in rows if len(row) <= column or value_of(row[column]) not in ids]
            notes = [header.index(name) for name in _FREE_TEXTS if name in header]
            redacted = [_redacted_row(row, notes, people) for row in kept]
            if redacted != rows:
                write_csv(path, header, redacted)
                cleared += len(rows) - len(kept)
        except (WinnableError, StopIteration):
            unreached.append(path)
    return cleared, unreached


def exports_with(
    feedback: FeedbackStore, connection: sql.Connection, ids: set[str]
) -> list[Path | str]:
    """The exports of this store that have rows of these leads, or may have them, as tables of
    databases may."""
    found: list[Path | str] = [*_tables_elsewhere(connection)]
    for path in _exports(feedback, connection)[0]:
        try:
            if is_typed_file(path):
                if rows_of_leads(path, ids):
                    found.append(path)
                continue
            header, rows = read_csv(path)
            column = next(header.index(name) for name in ID_COLUMNS if name in header)
            if any(len(row) > column and value_of(row[column]) in ids for row in rows):
                found.append(path)
        except (WinnableError, StopIteration):
            found.append(path)
    return found


def _redacted_row(row: list[str], columns: list[int], people: People) -> list[str]:
    texts = {column: people.redacted(row[column]) or "" for column in columns if column < len(row)}
    return [texts.get(column, value) for column, value in enumerate(row)]


def overwrite(engine: sql.Engine) -> None:
    """Make sure that the deleted rows are gone from the database's files, too; a DELETE alone
    leaves their content in free pages."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sql.text("VACUUM scores, labels, leads, returns"))
        return
    if engine.dialect.name == "sqlite" and not _retried(lambda: _truncated_wal(engine)):
        raise StoreError(
            "the person's data was erased, but the write-ahead log is in use and may still contain"
            " copies; erase again later."
        )


def _truncated_wal(engine: sql.Engine) -> bool:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        return bool(cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
    finally:
        connection.close()


def _retried(attempt: Callable[[], bool], times: int = 50) -> bool:
    for _ in range(times):
        if attempt():
            return True
        time.sleep(0.1)
    return False
