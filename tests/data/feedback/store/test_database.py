"""Reading beside those who write, on both databases: own connections, and a deadline."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sql

from winnable.data.feedback.store.database import DATABASE_URL, FILE
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore, LeadFilter
from winnable.errors import StoreError

SHORT_SECONDS = 0.3
LONG_SECONDS = 15.0
"""Less than the patience of those who write."""


@contextmanager
def locked_by_somebody(place: Path) -> Iterator[None]:
    """The database as it is while somebody else has it all to themselves."""
    url = os.environ.get(DATABASE_URL)
    if url is None:
        connection = sqlite3.connect(place / FILE, isolation_level=None)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("CREATE TABLE somebody_else (x)")
        yield
        connection.execute("ROLLBACK")
        connection.close()
        return
    engine = sql.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as held, held.begin() as transaction:
        held.execute(sql.text("LOCK TABLE leads, labels, scores, alembic_version"))
        yield
        transaction.rollback()
    engine.dispose()


def test_a_locked_database_is_told_soon(label_place: Path) -> None:
    FeedbackStore.open(label_place).close()
    began = time.monotonic()
    with locked_by_somebody(label_place), pytest.raises(StoreError):
        FeedbackStore.open(label_place, SHORT_SECONDS)
    assert time.monotonic() - began < LONG_SECONDS
    opened = FeedbackStore.open(label_place, SHORT_SECONDS)
    assert opened.leads(LeadFilter()).leads == ()
    opened.close()


def test_reading_does_not_wait_for_those_who_write(label_place: Path) -> None:
    """More of them than a pool of connections has, the first of them in the middle of it."""
    store = FeedbackStore.open(label_place, SHORT_SECONDS)
    store.add(Label("L-1", "won", "Kim"))
    most = store.engine.pool.size() + store.engine.pool._max_overflow  # type: ignore[attr-defined]
    with ExitStack() as held:
        held.enter_context(store.transaction())
        for _ in range(most - 1):
            held.enter_context(store.engine.connect())
        began = time.monotonic()
        assert len(store.labels("L-1")) == 1
        assert time.monotonic() - began < LONG_SECONDS
    store.close()


def test_who_reads_cannot_write(label_place: Path) -> None:
    store = FeedbackStore.open(label_place)
    with pytest.raises(StoreError), store.reading() as connection:
        connection.execute(sql.text("DELETE FROM labels"))
    store.close()
