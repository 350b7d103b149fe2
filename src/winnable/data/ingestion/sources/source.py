"""Data sources of ingestion: text and Parquet files, folders of them, databases and DataFrames.

Picks the reader for a source, or says in one sentence why there is none. Columns are interpreted in
`winnable.data.ingestion.crm`.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from winnable.core.values import text
from winnable.data.ingestion.sources.csv_files import read_delimited
from winnable.data.ingestion.sources.databases import read_database
from winnable.data.ingestion.sources.text_table import TablePart, TextTable, text_table
from winnable.errors import DataError

TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
PARQUET_ENDINGS = (".parquet", ".pq")

Source = str | Path | pd.DataFrame
"""A file, a folder, a database URL, or a DataFrame."""


def read_source(source: Source, kind: str) -> TextTable:
    """Read a table: a text or Parquet file, a folder of either, a database URL with the table's
    name after "#", or a DataFrame.

    `kind` ("leads", "activities", "history") is the table to read from a database if the URL names
    none. Raises DataError, which never contains a password, if there is nothing that can be read.
    """
    if isinstance(source, pd.DataFrame):
        return text_table(kind, [_of_frame(source)])
    if source == "":
        raise DataError(
            f"{kind}: the name of the source is empty; name a file, a folder or a database URL."
        )
    if "://" in str(source):
        shown, part = read_database(str(source), kind)
        return text_table(shown, [part])
    path = _expanded(source)
    try:
        files = _files_of(path) if path.is_dir() else [path]
        return text_table(path.name, [_read_file(file) for file in files])
    except FileNotFoundError as error:
        raise DataError(f"{source}: there is no such file or folder.") from error
    except PermissionError as error:
        raise DataError(f"{source}: no permission to read it; make it readable.") from error
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror or error}.") from error


def _expanded(source: str | Path) -> Path:
    """The path with the home folder for its `~`."""
    try:
        return Path(source).expanduser()
    except RuntimeError:  # an account without an entry, as in containers
        raise DataError(
            f"{source}: there is no home folder of this account; name the whole path."
        ) from None


def _files_of(folder: Path) -> list[Path]:
    """The tables directly in a folder, by name; hidden files and those starting with "_" are
    markers of other programs."""
    files = sorted(
        file for file in folder.iterdir() if file.is_file() and not file.name.startswith((".", "_"))
    )
    tables = [file for file in files if file.name.lower().endswith(TEXT_ENDINGS + PARQUET_ENDINGS)]
    if not tables:
        found = ", ".join(file.name for file in files[:5]) or "no files"
        raise DataError(
            f"{folder}: no CSV or Parquet file directly in this folder (it has: {found})."
        )
    if len({file.name.lower().endswith(PARQUET_ENDINGS) for file in tables}) > 1:
        raise DataError(
            f"{folder}: the folder has both CSV and Parquet files; name the file to read."
        )
    return tables


def _read_file(path: Path) -> TablePart:
    if path.name.lower().endswith(PARQUET_ENDINGS):
        return _read_parquet(path)
    return read_delimited(path)


def _read_parquet(path: Path) -> TablePart:
    try:
        table = pyarrow.parquet.ParquetFile(path).read()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{path}: not a readable Parquet file ({str(error).split('.', 1)[0]})."
        ) from error
    names = [name for name in table.column_names if not name.startswith("__index_level_")]
    kept = [
        position
        for position, name in enumerate(table.column_names)
        if not name.startswith("__index_level_")
    ]
    return TablePart(names, [table.column(position) for position in kept])


def _of_frame(frame: pd.DataFrame) -> TablePart:
    """A DataFrame as if it had been exported: without its index, rows numbered from 0."""
    return TablePart(
        [str(name) for name in frame.columns],
        [_of_series(frame.iloc[:, position]) for position in range(frame.shape[1])],
    )


def _of_series(values: "pd.Series") -> pa.ChunkedArray:
    """A column of any type; one of mixed types is converted value by value."""
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        known = values.astype(object).where(values.notna(), None)
        array = pa.array([text(value) for value in known], type=pa.large_string())
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
