"""The database of the feedback store: where it is, how it is opened, and the migration of its
tables to this version.

SQLite in the store's folder unless `WINNABLE_DATABASE_URL` names another database, such as
PostgreSQL. SQLite is configured to be durable (every commit is on disk before it returns) and to
let readers work beside one writer (write-ahead log). Who reads has connections of their own, so
that those who wait to write never keep them from it, and may be given less patience. The first
process creates or migrates the tables while others wait for it.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql
from pydantic_core import to_json
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from winnable.core.files import keep_private, locked, make_private_file, make_private_folder
from winnable.data.feedback.store.tables import HEAD
from winnable.errors import StoreError

if TYPE_CHECKING:
    from alembic.config import Config

DATABASE_URL = "WINNABLE_DATABASE_URL"
FILE = "labels.db"
BUSY_TIMEOUT_SECONDS = 30
"""How long to wait for another writer of SQLite."""
_MIGRATION_LOCK_ID = 0x77696E6E
"""PostgreSQL's advisory lock during a migration; a number that others are unlikely to choose."""


@dataclass(frozen=True)
class Database:
    """One database by two engines, each with its own connections."""

    writers: sql.Engine
    readers: sql.Engine

    def close(self) -> None:
        """Close all connections."""
        self.writers.dispose()
        self.readers.dispose()


def open_database(
    store: Path,
    environment: Mapping[str, str] = os.environ,
    read_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
) -> Database:
    """A store's database, with its tables migrated to this version. Reading, and opening where
    there is nothing to migrate, waits so long for whoever has locked it.

    Raises StoreError, whose message never contains a password.
    """
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
            _make_private(store)
        database = Database(_engine(url), _engine(url, pool_timeout=read_timeout_seconds))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise StoreError(
            f"{DATABASE_URL}: not a usable database URL; expected one like"
            " postgresql://user@host/database."
        ) from None
    except OSError as error:
        raise StoreError(
            f"{store}: cannot be written ({error.strerror}). Choose another --store."
        ) from None
    shown = url.set(query={}).render_as_string(hide_password=True) if given else str(store / FILE)
    try:
        _limit_readers(database.readers, read_timeout_seconds)
        if database.writers.dialect.name == "sqlite":
            _make_sqlite_safe(database.writers)
        _ensure_migrated(database, store)
    except SQLAlchemyError as error:
        database.close()
        raise StoreError(
            f"{shown}: the feedback database cannot be used ({cause(error)})."
        ) from None
    return database


def has_database(store: Path, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a store's database is there already, which `open_database` else creates; one that is
    named by its address is taken to be."""
    return bool(environment.get(DATABASE_URL)) or (store / FILE).is_file()


def _engine(url: sql.URL, **options: Any) -> sql.Engine:
    pre_ping = url.get_backend_name() != "sqlite"
    return sql.create_engine(url, pool_pre_ping=pre_ping, json_serializer=_json, **options)


def _make_private(store: Path) -> None:
    """The folder and the file of SQLite, for their owner alone; `OSError` if they cannot be
    made."""
    make_private_folder(store)
    make_private_file(store / FILE)
    keep_private(*(store / f"{FILE}-{beside}" for beside in ("wal", "shm", "journal")))


def _json(value: object) -> str:
    """JSON with times in ISO 8601; a fast serializer, since it runs for every score."""
    return to_json(value).decode()


def cause(error: SQLAlchemyError) -> str:
    """The type of the driver's error. Its text is not shown: it may contain values or a
    password."""
    return type(getattr(error, "orig", None) or error).__name__


@contextmanager
def writing(engine: sql.Engine) -> Iterator[sql.Connection]:
    """A write transaction: committed and durable if the block succeeds. On SQLite it takes the
    write lock at its start."""
    with (
        engine.connect().execution_options(winnable_begin="IMMEDIATE") as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def reading(engine: sql.Engine) -> Iterator[sql.Connection]:
    """A read transaction with one consistent view of the data."""
    with engine.connect() as connection, connection.begin():
        yield connection


def _limit_readers(engine: sql.Engine, timeout_seconds: float) -> None:
    """Connections that only read, and wait so long for a lock."""
    milliseconds = int(1000 * timeout_seconds)

    @sql.event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        if engine.dialect.name == "sqlite":
            connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
            connection.execute("PRAGMA query_only = ON")
        elif engine.dialect.name == "postgresql":
            connection.execute(f"SET lock_timeout = {milliseconds}")
            connection.execute("SET default_transaction_read_only = on")
            connection.commit()

    if engine.dialect.name == "sqlite":
        begin_explicitly(engine)


def _make_sqlite_safe(engine: sql.Engine) -> None:
    """Durable commits, readers beside a writer, deleted content overwritten, and explicit
    transactions."""

    @sql.event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")

    begin_explicitly(engine)


def begin_explicitly(engine: sql.Engine) -> None:
    """Let transactions of SQLite begin when they are asked for: Python's driver begins them
    implicitly, and neither for reading nor before a table is made."""

    @sql.event.listens_for(engine, "connect", insert=True)
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @sql.event.listens_for(engine, "begin")
    def begun(connection: sql.Connection) -> None:
        connection.exec_driver_sql(
            f"BEGIN {connection.get_execution_options().get('winnable_begin', 'DEFERRED')}"
        )


def _use_wal(connection: Any) -> None:
    """Switch the file to write-ahead logging, once. SQLite's busy timeout does not apply to this
    statement."""
    import sqlite3

    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _ensure_migrated(database: Database, store: Path) -> None:
    if _revision(database.readers) == HEAD:
        return
    with _migration_lock(database.writers, store) as connection:
        if _revision_on(connection) != HEAD:  # another process may have been faster
            _migrate(connection)


def _revision(engine: sql.Engine) -> str | None:
    with engine.connect() as connection:
        return _revision_on(connection)


def _revision_on(connection: sql.Connection) -> str | None:
    if not sql.inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.scalar(sql.text("SELECT version_num FROM alembic_version")))


@contextmanager
def _migration_lock(engine: sql.Engine, store: Path) -> Iterator[sql.Connection]:
    """A transaction that only one process can hold at a time."""
    if engine.dialect.name == "sqlite":
        with locked(store / f".{FILE}.lock"), writing(engine) as connection:
            yield connection
        return
    with writing(engine) as connection:
        connection.execute(
            sql.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK_ID}
        )
        yield connection


def migrations(connection: sql.Connection) -> "Config":
    """Alembic's configuration for this connection, in whose transaction its commands run."""
    from alembic.config import Config

    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _migrate(connection: sql.Connection) -> None:
    from alembic import command
    from alembic.util import CommandError

    try:
        command.upgrade(migrations(connection), "head")
    except CommandError:
        raise StoreError(
            "the feedback database was written by a newer version of winnable; use that version."
        ) from None
