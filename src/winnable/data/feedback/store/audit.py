"""The audit trail: who did what to a store, from where, and when.

Entries are added and read, never changed: the database refuses to update or delete them. They name
people who work with the store, the ids of their keys or what their identity provider calls them,
versions, files and random ids of labels and receipts, but no lead: nothing of a person is left here
when that person is erased.
"""

import getpass
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sql

from winnable.core.cells import cell
from winnable.data.feedback.store import tables
from winnable.data.feedback.store.csv_files import write_csv

Action = Literal[
    "labelled",
    "exported labels",
    "exported leads",
    "erased",
    "disclosed",
    "applied retention",
    "trained",
    "promoted",
    "rolled back",
    "signed in",
    "added a key",
    "withdrew a key",
    "turned keys off",
    "set the sign-in",
    "turned the sign-in off",
    "backed up",
    "restored",
]


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever does something: a name, the id of the key that was shown, and the address or machine
    it was done from. `may_correct_others` is the right to replace other people's labels."""

    who: str
    key: str | None
    place: str
    may_correct_others: bool = False

    @classmethod
    def of_command(cls) -> "Actor":
        """The user of this machine who runs a command."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a user without an entry, as in a container
            user = f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown"
        return cls(user, None, socket.gethostname(), may_correct_others=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """What was done: `subject` is a version, a file, or a random id, `detail` says more."""

    at: datetime
    action: str
    who: str
    key: str | None
    place: str
    subject: str | None
    detail: str | None


def record(
    connection: sql.Connection,
    actor: Actor,
    action: Action,
    subjects: Iterable[tuple[str | None, str | None]],
) -> None:
    """Add an entry for each subject and its detail, in the transaction of what was done."""
    common = {
        "at": datetime.now(UTC),
        "action": action,
        "who": actor.who,
        "key": actor.key,
        "place": actor.place,
    }
    rows = [{**common, "subject": subject, "detail": detail} for subject, detail in subjects]
    if rows:
        connection.execute(sql.insert(tables.audit), rows)


def audit_trail(connection: sql.Connection, since: datetime | None = None) -> list[Entry]:
    """The entries, or those since a time, oldest first."""
    column = tables.audit.c
    query = sql.select(tables.audit).order_by(column.entry_id)
    if since is not None:
        query = query.where(column.at >= since)
    return [_entry(row) for row in connection.execute(query)]


def write_audit_trail(entries: Iterable[Entry], path: Path) -> None:
    """Write the entries as CSV. Raises StoreError if the file cannot be written."""
    header = [field.name for field in fields(Entry)]
    rows = [[cell(_written(getattr(entry, name))) for name in header] for entry in entries]
    write_csv(path, header, rows)


def _entry(row: Any) -> Entry:
    return Entry(**{field.name: getattr(row, field.name) for field in fields(Entry)})


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return "" if value is None else str(value)
