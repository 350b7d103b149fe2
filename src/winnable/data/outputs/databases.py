"""Tables written into a database, PostgreSQL or SQLite, in one transaction: rows take the place of
those with the same key (upsert), so that a job may run again and again.

A table that is not there is made, with its key; one that is there has to have the columns. Other
rows and other columns in it stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from winnable.core.files import make_private_file
from winnable.core.text import counted, listed
from winnable.data.feedback.store.database import begin_explicitly, writing
from winnable.data.ingestion.sources.databases import (
    address_and_table,
    cause_without_passwords,
    database_url,
    engine_of,
    shown_url,
)
from winnable.data.outputs.files import ID_COLUMNS, MOMENTS, plain_rows, typed
from winnable.errors import DataError, StoreError

if TYPE_CHECKING:
    import pandas as pd

ROWS_PER_STATEMENT = 1000
_INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def shown_place(given: str) -> str:
    """The URL and the table, without a password."""
    address, table = _parsed(given)
    return f"{shown_url(_url(address))}#{table}"


def lasting_place(given: str) -> str:
    """The same, with the whole path of a file, so that it is found from any folder."""
    address, table = _parsed(given)
    url = _url(address)
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(Path(url.database).absolute()))
    return f"{shown_url(url)}#{table}"


def check_database(given: str, inputs: Sequence[str | None], keys: Sequence[str]) -> None:
    """Check that the table can be written; `StoreError` if the database cannot be reached, the
    table is one of the `inputs`, or its key is not `keys`."""
    if given in inputs:
        raise StoreError(
            f"{shown_place(given)}: is an input of this command and would be lost. Choose another"
            " --output."
        )
    url = _url_to_write(given)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        _check_folder(Path(str(url.database)), given)
        return
    with _connected(given) as (connection, name):
        table = _table_there(connection, name)
        if table is not None and keys:
            _check_key(table, keys, given)


def write_database(table: pd.DataFrame, given: str, keys: Sequence[str]) -> tuple[str, ...]:
    """Write the rows of a table. Those without a key are left out, of those with the same key the
    last one is written; both are told in the sentences that are returned.

    `StoreError` if the database cannot be written; nothing is changed then.
    """
    told = typed(table)
    named = told[list(keys)]
    complete = told[(named.notna() & (named != "")).all(axis=1)]
    rows = complete.drop_duplicates(list(keys), keep="last") if keys else complete
    with _connected(given) as (connection, name):
        target = _table_there(connection, name)
        if target is None:
            target = _made(connection, name, told, keys)
        _check_columns(target, told, given)
        if keys:
            _check_key(target, keys, given)
        else:
            connection.execute(sql.delete(target))
        _insert(connection, target, rows, keys)
    failed = 0 if "error" not in told else int(told["error"].notna().sum())
    without_key = len(told) - len(complete) - failed
    repeated = len(complete) - len(rows)
    place = shown_place(given)
    sentences = {
        f"{counted(failed, 'row')} without a score: not in {place}, where an earlier score of the"
        " lead stays.": failed,
        f"{counted(without_key, 'row')} without {listed(keys)}: not in {place}.": without_key,
        f"{counted(repeated, 'row')} with the same {listed(keys)} as a later one: not in"
        f" {place}.": repeated,
    }
    return tuple(sentence for sentence, number in sentences.items() if number > 0)


def erase_rows(place: str, ids: Sequence[str]) -> int | None:
    """Delete the rows of these leads from a table of SQLite, which needs no password; returns how
    many there were, 0 where the file or the table is gone, None for another database.

    `StoreError` if it cannot be written.
    """
    url = _url_to_write(place)
    if url.get_backend_name() != "sqlite":
        return None
    if not Path(str(url.database)).exists():
        return 0
    with _connected(place) as (connection, name):
        table = _table_there(connection, name)
        if table is None:
            return 0
        told = [table.c[column] for column in ID_COLUMNS if column in table.c]
        removed = 0
        for start in range(0, len(ids), ROWS_PER_STATEMENT):
            some = ids[start : start + ROWS_PER_STATEMENT]
            of_leads = sql.or_(sql.false(), *(column.in_(some) for column in told))
            removed += connection.execute(sql.delete(table).where(of_leads)).rowcount
    return removed


def _parsed(given: str) -> tuple[str, str]:
    try:
        return address_and_table(given)
    except DataError as error:
        raise StoreError(str(error)) from None


def _url(address: str) -> sql.URL:
    try:
        return database_url(address)
    except DataError as error:
        raise StoreError(str(error)) from None


def _url_to_write(given: str) -> sql.URL:
    """The URL of a database that tables can be written into; else `StoreError`."""
    address, table = _parsed(given)
    url = _url(address)
    if url.get_backend_name() not in _INSERTS:
        raise StoreError(
            f"{shown_url(url)}: tables are written into PostgreSQL and SQLite only. Write a file"
            " and load it."
        )
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreError(
            f"{shown_url(url)}: names no file, and the scores would be lost. Name one, such as"
            " sqlite:///scores.db#scores."
        )
    if not table:
        raise StoreError(
            f"{shown_url(url)}: which table? Name it after '#', such as"
            " postgresql://user@host/database#scores."
        )
    return url


def _check_folder(file: Path, given: str) -> None:
    if not file.absolute().parent.is_dir():
        raise StoreError(
            f"{shown_place(given)}: cannot be written, there is no folder"
            f" {file.absolute().parent.name}. Make it or choose another --output."
        )


@contextmanager
def _connected(given: str) -> Iterator[tuple[sql.Connection, str]]:
    """A transaction in the database, and the name of the table; it is committed if the block
    succeeds. A file of SQLite that is not there is made, for its owner alone."""
    url = _url_to_write(given)
    try:
        engine = engine_of(url)
        if url.get_backend_name() == "sqlite":
            if not Path(str(url.database)).exists():
                make_private_file(Path(str(url.database)))
            begin_explicitly(engine)
    except DataError as error:
        raise StoreError(str(error)) from None
    except OSError as error:
        raise StoreError(
            f"{shown_url(url)}: cannot be written ({error.strerror}). Choose another --output."
        ) from None
    try:
        with writing(engine) as connection:
            yield connection, _parsed(given)[1]
    except SQLAlchemyError as error:
        raise StoreError(
            f"{shown_place(given)}: cannot be written ({cause_without_passwords(error, url)}). Is"
            " the database there, and may this user write there?"
        ) from None
    finally:
        engine.dispose()


def _table_there(connection: sql.Connection, name: str) -> sql.Table | None:
    schema, _, table = name.rpartition(".")
    if not sql.inspect(connection).has_table(table, schema or None):
        return None
    return sql.Table(table, sql.MetaData(), schema=schema or None, autoload_with=connection)


def _made(
    connection: sql.Connection, name: str, table: pd.DataFrame, keys: Sequence[str]
) -> sql.Table:
    schema, _, bare = name.rpartition(".")
    columns = [
        sql.Column(str(column), _type(table[column]), primary_key=column in keys)
        for column in table.columns
    ]
    made = sql.Table(bare, sql.MetaData(), *columns, schema=schema or None)
    made.create(connection)
    return made


def _type(column: pd.Series) -> Any:
    if column.name in MOMENTS:
        return sql.DateTime(timezone=True)
    kinds = {"f": sql.Double, "i": sql.BigInteger, "b": sql.Boolean}
    return kinds.get(column.dtype.kind, sql.Text)()


def _check_columns(target: sql.Table, table: pd.DataFrame, given: str) -> None:
    missing = [str(name) for name in table.columns if name not in target.columns]
    if missing:
        raise StoreError(
            f"{shown_place(given)}: the table has no column {listed(missing)}. Add what is missing,"
            " or name another table, which is then made."
        )


def _check_key(target: sql.Table, keys: Sequence[str], given: str) -> None:
    """A row can only take the place of another one where the database holds the key unique."""
    unique = [frozenset(column.name for column in target.primary_key.columns)]
    unique += [
        frozenset(column.name for column in index.columns)
        for index in target.indexes
        if index.unique
    ]
    unique += [
        frozenset(column.name for column in constraint.columns)
        for constraint in target.constraints
        if isinstance(constraint, sql.UniqueConstraint)
    ]
    if frozenset(keys) not in unique:
        there = listed(sorted(unique[0])) or "none"
        raise StoreError(
            f"{shown_place(given)}: its rows are to be told apart by {listed(keys)}, but the"
            f" table's key is {there}. Name another table, which is then made, or give it that key."
        )


def _insert(
    connection: sql.Connection, target: sql.Table, rows: pd.DataFrame, keys: Sequence[str]
) -> None:
    names = [str(name) for name in rows.columns]
    insert = _INSERTS[connection.dialect.name](target)
    if keys:
        changed = {name: insert.excluded[name] for name in names if name not in keys}
        insert = insert.on_conflict_do_update(index_elements=list(keys), set_=changed)
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        values = plain_rows(rows.iloc[start : start + ROWS_PER_STATEMENT])
        connection.execute(insert, [_plain(row) for row in values])


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the drivers take it. PostgreSQL cannot store NUL in a text."""
    return {
        name: value.replace("\x00", "") if isinstance(value, str) else _of_python(value)
        for name, value in row.items()
    }


def _of_python(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
