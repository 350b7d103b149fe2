"""The database under the feedback store: where it lies, how it is opened, and that its tables are
of this version.

SQLite in the store's folder unless `WINNABLE_DATABASE_URL` names another database, such as
PostgreSQL. SQLite is told to be durable (every commit is on the disk before it returns) and to let
readers and one writer work at once. The first process to come makes the tables or brings them up to
date; others wait for it.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from filelock import FileLock
from pydantic_core import to_json
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from winnable.data.feedback.store.tables import HEAD
from winnable.errors import StoreError

DATABASE_URL = "WINNABLE_DATABASE_URL"
FILE = "labels.db"
BUSY = 30  # seconds to wait for another writer
# PostgreSQL's advisory lock while tables are made; any number that others are unlikely to choose.
_LOCK = 0x77696E6E


def open_database(store: Path, environment: Mapping[str, str] = os.environ) -> sql.Engine:
    """The engine of a store's database, with its tables as they should be; `StoreError` without any
    password if it fails."""
    given = environment.get(DATABASE_URL)
    try:
        url = (
            sql.make_url(given)
            if given
            else sql.URL.create("sqlite", database=str(store.absolute() / FILE))
        )
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        if not given:
            store.mkdir(parents=True, exist_ok=True)
        engine = sql.create_engine(
            url, pool_pre_ping=url.get_backend_name() != "sqlite", json_serializer=_json
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise StoreError(
            f"{DATABASE_URL}: cannot be used; expected is one like postgresql://user@host/database."
        ) from None
    except OSError as error:
        raise StoreError(
            f"{store}: cannot be written ({error.strerror}). Choose another --store."
        ) from None
    shown = url.set(query={}).render_as_string(hide_password=True) if given else str(store / FILE)
    try:
        if engine.dialect.name == "sqlite":
            _make_sqlite_safe(engine)
        _bring_up_to_date(engine, store)
    except SQLAlchemyError as error:
        engine.dispose()
        raise StoreError(
            f"{shown}: the database of labels cannot be used ({cause(error)})."
        ) from None
    return engine


def _json(value: object) -> str:
    """JSON with times in ISO 8601, and quickly, since it is written for every score that is given."""
    return to_json(value).decode()


def cause(error: SQLAlchemyError) -> str:
    """The kind of the driver's error. Its text is not told: it may hold values, and a password."""
    return type(getattr(error, "orig", None) or error).__name__


@contextmanager
def writing(engine: sql.Engine) -> Iterator[sql.Connection]:
    """A transaction that writes: committed, and durable, when the block ends well. On SQLite it
    waits for its turn at once."""
    with (
        engine.connect().execution_options(winnable_begin="IMMEDIATE") as connection,
        connection.begin(),
    ):
        yield connection


def _make_sqlite_safe(engine: sql.Engine) -> None:
    """Durable commits, readers beside a writer, deleted content overwritten; and transactions that
    are begun by us."""

    @sql.event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = (
            None  # else Python's driver begins transactions at times of its own choosing
        )
        connection.execute(f"PRAGMA busy_timeout = {BUSY * 1000}")
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")

    @sql.event.listens_for(engine, "begin")
    def begun(connection: sql.Connection) -> None:
        connection.exec_driver_sql(
            f"BEGIN {connection.get_execution_options().get('winnable_begin', 'DEFERRED')}"
        )


def _use_wal(connection: Any) -> None:
    """Switch the file to write-ahead logging, once in its life. SQLite does not wait for others
    when it does."""
    import sqlite3

    until = time.monotonic() + BUSY
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _bring_up_to_date(engine: sql.Engine, store: Path) -> None:
    if _revision(engine) == HEAD:
        return
    with _alone(engine, store) as connection:
        if _revision_on(connection) != HEAD:  # another process may have been quicker
            _migrate(connection)


def _revision(engine: sql.Engine) -> str | None:
    with engine.connect() as connection:
        return _revision_on(connection)


def _revision_on(connection: sql.Connection) -> str | None:
    if not sql.inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.scalar(sql.text("SELECT version_num FROM alembic_version")))


@contextmanager
def _alone(engine: sql.Engine, store: Path) -> Iterator[sql.Connection]:
    """A transaction that no other process can have at the same time."""
    if engine.dialect.name == "sqlite":
        with FileLock(store / f".{FILE}.lock"), writing(engine) as connection:
            yield connection
        return
    with writing(engine) as connection:
        connection.execute(sql.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        yield connection


def _migrate(connection: sql.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option(
        "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
    )
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise StoreError(
            "the database of labels was written by a newer version of winnable; use that one."
        ) from None
