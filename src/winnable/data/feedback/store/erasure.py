"""Erase a person's data (GDPR, right to erasure): everything that the store holds about a person is
deleted permanently, also from the exports that it knows of.

What remains is a receipt: when, how much, and a digest that would recognize a copy of the deleted
rows, but does not reveal whose they were. Deleting the person in the CRM is up to the company; a
model stores no leads, and a model trained afterwards never sees this one.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from winnable.core.cells import value_of
from winnable.core.identity import person_key
from winnable.data.feedback.store import tables
from winnable.data.feedback.store.csv_exchange import read_csv, write_csv
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import DataError, StoreError, WinnableError

_ID_COLUMNS = ("lead_id", "id")


@dataclass(frozen=True)
class Receipt:
    """What was erased. `counts` are rows by table, and under "export rows" those of files; `digest`
    is the SHA-256 of the tables' rows, including random ids, as sorted JSON. `unreached` are
    exports that could not be cleared.
    """

    receipt_id: str
    at: datetime
    counts: dict[str, int]
    digest: str
    unreached: tuple[Path, ...] = ()


def erase(
    feedback: FeedbackStore, *, lead_id: str | None = None, person: str | None = None
) -> Receipt:
    """Erase every record of the person behind a lead, or with this e-mail address.

    Raises DataError if not exactly one of the two is given, or if nothing is stored about the
    person; nothing is changed then.
    """
    key = person_key(person)
    if (lead_id is None) == (key is None):
        raise DataError("give either a lead's id or a person's e-mail address.")
    with feedback.transaction() as connection:
        ids = _leads_of(connection, lead_id, key)
        if not ids:
            raise DataError("nothing is stored about this person; nothing was changed.")
        removed = {
            table.name: _removed(connection, table, ids)
            for table in (tables.scores, tables.labels, tables.leads)
        }
        paths = [Path(path) for path in connection.scalars(sql.select(tables.exports.c.path))]
        lines = sorted(
            json.dumps([name, row], sort_keys=True, default=str)
            for name, rows in removed.items()
            for row in rows
        )
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        counts = {name: len(rows) for name, rows in removed.items()}
        cleared, unreached = _clear(paths, ids)
        receipt = Receipt(
            str(uuid.uuid4()),
            datetime.now(UTC),
            {**counts, "export rows": cleared},
            digest,
            tuple(unreached),
        )
        receipt_row = {
            "receipt_id": receipt.receipt_id,
            "at": receipt.at,
            "counts": receipt.counts,
            "digest": digest,
        }
        connection.execute(sql.insert(tables.erasures), receipt_row)
    _overwrite(feedback.engine)
    return receipt


def receipts(feedback: FeedbackStore) -> list[Receipt]:
    """The receipts of all erasures, oldest first."""
    with feedback.reading() as connection:
        rows = connection.execute(sql.select(tables.erasures).order_by(tables.erasures.c.at)).all()
    return [Receipt(row.receipt_id, row.at, row.counts, row.digest) for row in rows]


def _leads_of(connection: sql.Connection, lead_id: str | None, key: str | None) -> set[str]:
    """The ids of all leads of the person that scores or labels know of."""
    scores = tables.scores.c
    labels = tables.labels.c
    ids: set[str] = set()
    keys = {key} if key is not None else set()
    if lead_id is not None:
        columns = (scores.lead_id, labels.lead_id, tables.leads.c.lead_id)
        ids = {
            lead_id
            for column in columns
            if connection.scalar(sql.select(column).where(column == lead_id).limit(1))
        }
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
    of_person = table.c.lead_id.in_(sorted(ids))
    rows = [dict(row._mapping) for row in connection.execute(sql.select(table).where(of_person))]
    connection.execute(sql.delete(table).where(of_person))
    return rows


def _clear(paths: list[Path], ids: set[str]) -> tuple[int, list[Path]]:
    """Delete the leads' rows from exports; returns how many rows, and the files where that
    failed."""
    cleared = 0
    unreached: list[Path] = []
    for path in paths:
        if not path.exists():
            continue
        try:
            header, rows = read_csv(path)
            column = next(header.index(name) for name in _ID_COLUMNS if name in header)
            kept = [row for row in rows if len(row) <= column or value_of(row[column]) not in ids]
            if len(kept) < len(rows):
                write_csv(path, header, kept)
                cleared += len(rows) - len(kept)
        except (WinnableError, StopIteration):
            unreached.append(path)
    return cleared, unreached


def _overwrite(engine: sql.Engine) -> None:
    """Make sure that the deleted rows are gone from the database's files, too; a DELETE alone
    leaves their content in free pages."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sql.text("VACUUM scores, labels, leads"))
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
