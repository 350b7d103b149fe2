"""Read tables of a SQL database, named by a SQLAlchemy URL with the table's name after "#".

Messages show the URL without passwords (`shown_url`, `cause_without_passwords`), here and where
tables are written (`data.outputs`).
"""

from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from winnable.core import values
from winnable.data.ingestion.sources.text_table import TablePart
from winnable.errors import DataError

_BATCH_ROWS = 50_000


def read_database(source: str, kind: str) -> tuple[str, TablePart]:
    """Read the table named after "#", or the one called `kind`; rows in the order of the primary
    key if there is one.

    Returns the table's name for messages (without a password) and its content. Raises DataError,
    whose message never contains a password.
    """
    address, wanted = address_and_table(source)
    url = database_url(address)
    if url.drivername.startswith("sqlite") and not _is_file(url.database):
        raise DataError(f"{url.drivername}:///{url.database or ''}: there is no such SQLite file.")
    shown = shown_url(url)
    engine = engine_of(url)
    try:
        with engine.connect().execution_options(stream_results=True) as connection:
            table = _table_called(connection, wanted or kind, shown)
            return f"{shown}#{table.name}", _content(connection, table)
    except SQLAlchemyError as error:
        raise DataError(
            f"{shown}: the database cannot be read: {cause_without_passwords(error, url)}."
        ) from None
    finally:
        engine.dispose()


def address_and_table(source: str) -> tuple[str, str]:
    """The URL of a database, and the table after "#", empty if none is named."""
    address, _, table = source.rpartition("#") if "#" in source else (source, "", "")
    if "@" in table:
        raise DataError(
            "the database URL has a '#' before its '@'; write '#' in a password as %23."
        )
    return address, table


def database_url(address: str) -> sql.URL:
    """The parsed URL, with the driver that winnable installs for PostgreSQL."""
    try:
        url = sql.make_url(address)
    except (ArgumentError, ValueError):
        raise DataError(
            "the database URL cannot be parsed; expected a URL like"
            " postgresql://user@host/database#table."
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return url


def engine_of(url: sql.URL) -> sql.Engine:
    """The engine of a database; DataError where its driver is not there."""
    try:
        return sql.create_engine(url)
    except NoSuchModuleError:
        raise DataError(
            f"{url.drivername}://: databases of this kind are not supported; PostgreSQL and"
            " SQLite are built in."
        ) from None
    except ModuleNotFoundError as error:
        raise DataError(
            f"{url.drivername}://: the Python driver '{error.name}' for this database is not"
            " installed."
        ) from None


def _is_file(database: str | None) -> bool:
    return bool(database) and Path(str(database)).is_file()


def shown_url(url: sql.URL) -> str:
    """The URL for messages: without a password, and without the query, in which some drivers
    accept a password, too."""
    return url.set(query={}, drivername=url.drivername.split("+")[0]).render_as_string(
        hide_password=True
    )


def cause_without_passwords(error: SQLAlchemyError, url: sql.URL) -> str:
    """The first line of the driver's error message, with every password masked."""
    message = str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0].rstrip(".")
    secrets = [
        url.password,
        *(str(value) for key, value in url.query.items() if "pass" in key.lower()),
    ]
    for secret in filter(None, secrets):
        message = message.replace(str(secret), "***").replace(quote(str(secret)), "***")
    return message


def _table_called(connection: sql.Connection, wanted: str, shown: str) -> sql.Table:
    inspector = sql.inspect(connection)
    schema, _, name = wanted.rpartition(".")
    known = sorted(
        [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
    )
    if name not in known:
        tables = ", ".join(known) if known else "none"
        raise DataError(
            f"{shown}: there is no table '{wanted}'; its tables are: {tables}. Name one after '#'."
        )
    return sql.Table(name, sql.MetaData(), schema=schema or None, autoload_with=connection)


def _content(connection: sql.Connection, table: sql.Table) -> TablePart:
    names = [column.name for column in table.columns]
    chunks: list[list[pa.Array]] = [[] for _ in names]
    result = connection.execute(sql.select(table).order_by(*table.primary_key.columns))
    for rows in result.partitions(_BATCH_ROWS):
        for chunk, column in zip(chunks, zip(*rows, strict=True), strict=True):
            chunk.append(pa.array([values.text(value) for value in column], type=pa.large_string()))
    return TablePart(names, [pa.chunked_array(chunk, type=pa.large_string()) for chunk in chunks])
