"""The database of the feedback store: where it is, how it is opened, and the migration of its
tables to this version.

SQLite in the store's folder unless `WINNABLE_DATABASE_URL` names another database, such as
PostgreSQL. SQLite is configured to be durable (every commit is on disk before it returns) and to
let readers work beside one writer. The first process creates or migrates the tables while others
wait for it.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql
from filelock import FileLock
from pydantic_core import to_json
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from winnable.data.feedback.store.tables import HEAD
from winnable.errors import StoreError

if TYPE_CHECKING:
    from alembic.config import Config

DATABASE_URL = "WINNABLE_DATABASE_URL"
FILE = "labels.db"
SCORE_LOG = "score_log"
"""The folder of scores that a service gave and the database does not have yet."""
BUSY_TIMEOUT_SECONDS = 30
"""How long to wait for another writer of SQLite."""
_MIGRATION_LOCK_ID = 0x77696E6E
"""PostgreSQL's advisory lock during a migration; a number that others are unlikely to choose."""


def open_database(store: Path, environment: Mapping[str, str] = os.environ) -> sql.Engine:
    """The engine of a store's database, with its tables migrated to this version.

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
            store.mkdir(parents=True, exist_ok=True)
        engine = sql.create_engine(
            url, pool_pre_ping=url.get_backend_name() != "sqlite", json_serializer=_json
        )
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
        if engine.dialect.name == "sqlite":
            _make_sqlite_safe(engine)
        _ensure_migrated(engine, store)
    except SQLAlchemyError as error:
        engine.dispose()
        raise StoreError(
            f"{shown}: the feedback database cannot be used ({cause(error)})."
        ) from None
    return engine


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


def _make_sqlite_safe(engine: sql.Engine) -> None:
    """Durable commits, readers beside a writer, deleted content overwritten, and explicit
    transactions."""

    @sql.event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        # Otherwise Python's driver begins transactions implicitly.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")

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


def _ensure_migrated(engine: sql.Engine, store: Path) -> None:
    if _revision(engine) == HEAD:
        return
    with _migration_lock(engine, store) as connection:
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
        with FileLock(store / f".{FILE}.lock"), writing(engine) as connection:
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
