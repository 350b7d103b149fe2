"""Forgetting a person: everything that the store keeps of one, and of the exports that it knows of,
is removed for good.

What is left is a receipt: when, how much, and a digest by which a copy of what was removed could be
recognised, but nobody can guess who it was. The CRM is the company's to clear; a model keeps no
leads, and one trained afterwards never saw this one.
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

from winnable.core.identity import person_key
from winnable.data.feedback.store import tables
from winnable.data.feedback.store.csv_exchange import read_csv, value_of, write_csv
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import DataError, StoreError, WinnableError

_ID_COLUMNS = ("lead_id", "id")


@dataclass(frozen=True)
class Receipt:
    """What was removed. `counts` are rows by table, and under "export rows" those of files;
    `digest` is the SHA-256 of the tables' rows, random ids and all, as sorted JSON. `unreached` are
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
    """Forget the person behind a lead, or with this e-mail address, with every record they have.

    `DataError` if neither is named or nothing is known of them, in which case nothing is changed.
    """
    key = person_key(person)
    if (lead_id is None) == (key is None):
        raise DataError("name one of the two: a lead's id, or a person's e-mail address.")
    with feedback.transaction() as connection:
        ids = _leads_of(connection, lead_id, key)
        if not ids:
            raise DataError("nothing is kept of them; nothing was changed.")
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
        kept = {
            "receipt_id": receipt.receipt_id,
            "at": receipt.at,
            "counts": receipt.counts,
            "digest": digest,
        }
        connection.execute(sql.insert(tables.erasures), kept)
    _overwrite(feedback.engine)
    return receipt


def receipts(feedback: FeedbackStore) -> list[Receipt]:
    """The receipts of all erasures, oldest first."""
    with feedback.reading() as connection:
        rows = connection.execute(sql.select(tables.erasures).order_by(tables.erasures.c.at)).all()
    return [Receipt(row.receipt_id, row.at, row.counts, row.digest) for row in rows]


def _leads_of(connection: sql.Connection, lead_id: str | None, key: str | None) -> set[str]:
    """The ids of all leads of the person, as far as scores or labels tell."""
    scores, labels = tables.scores.c, tables.labels.c
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
    these = table.c.lead_id.in_(sorted(ids))
    rows = [dict(row._mapping) for row in connection.execute(sql.select(table).where(these))]
    connection.execute(sql.delete(table).where(these))
    return rows


def _clear(paths: list[Path], ids: set[str]) -> tuple[int, list[Path]]:
    """Take the leads' rows out of exports; returns how many rows, and the files where that was not
    possible."""
    cleared, unreached = 0, []
    for path in paths:
        if not path.exists():
            continue
        try:
            header, rows = read_csv(path)
            column = next(header.index(name) for name in _ID_COLUMNS if name in header)
            left = [row for row in rows if len(row) <= column or value_of(row[column]) not in ids]
            if len(left) < len(rows):
                write_csv(path, header, left)
                cleared += len(rows) - len(left)
        except (WinnableError, StopIteration):
            unreached.append(path)
    return cleared, unreached


def _overwrite(engine: sql.Engine) -> None:
    """See that the removed rows are gone from the database's files, too; deleting alone leaves them
    in places to be reused."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sql.text("VACUUM scores, labels, leads"))
        return
    if engine.dialect.name == "sqlite" and not _tried(lambda: _write_ahead_log_emptied(engine)):
        raise StoreError(
            "the person is forgotten, but the write-ahead log is in use and may hold copies; erase"
            " again later."
        )


def _write_ahead_log_emptied(engine: sql.Engine) -> bool:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        return bool(cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
    finally:
        connection.close()


def _tried(attempt: Callable[[], bool], times: int = 50) -> bool:
    for _ in range(times):
        if attempt():
            return True
        time.sleep(0.1)
    return False
