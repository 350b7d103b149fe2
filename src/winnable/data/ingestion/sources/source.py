"""Data sources of ingestion: files of every usual kind, folders of them, databases and DataFrames.

Picks the reader for a source by its content, or says in one sentence why there is none. Columns are
interpreted in `winnable.data.ingestion.crm`.
"""

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow as pa

from winnable.core.values import text
from winnable.data.ingestion.sources.arrow_files import ARROW, PARQUET, read_arrow, read_parquet
from winnable.data.ingestion.sources.csv_files import read_delimited
from winnable.data.ingestion.sources.databases import read_database
from winnable.data.ingestion.sources.decoding import as_utf8, unpacked
from winnable.data.ingestion.sources.json_files import is_json, read_json
from winnable.data.ingestion.sources.options import ReadOptions
from winnable.data.ingestion.sources.spreadsheets import read_workbook
from winnable.data.ingestion.sources.text_table import TablePart, TextTable, text_table
from winnable.errors import DataError

_PACKINGS = ("", ".gz", ".zst")
_PARQUET_ENDINGS = (".parquet", ".pq")
_ENDINGS = {
    "CSV": tuple(f".{end}{packed}" for end in ("csv", "tsv", "txt") for packed in _PACKINGS),
    "JSON": tuple(f".{end}{packed}" for end in ("json", "ndjson", "jsonl") for packed in _PACKINGS),
    "Excel": (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
    "Parquet": _PARQUET_ENDINGS,
    "Arrow": (".arrow", ".feather"),
}
"""The files of a folder that are read; what is in them is recognized by their content."""
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_OTHER_FORMATS = {
    b"%PDF": "a PDF; export the table as CSV",
    b"SQLite format 3": "an SQLite database; name it as sqlite:///path#table",
}
_MARKUP = re.compile(rb"\s*<(?:!doctype|html|table|head|body|meta|div|\?xml)\b", re.IGNORECASE)

Source = str | Path | pd.DataFrame
"""A file, a folder, a database URL, or a DataFrame."""


def read_source(source: Source, kind: str, options: ReadOptions | None = None) -> TextTable:
    """Read a table: a CSV, JSON, Excel, Parquet or Arrow file, a folder of one of these, a database
    URL with the table's name after "#", or a DataFrame. After "#" may also stand the sheet of a
    workbook.

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
    path, chosen = _with_sheet(_expanded(source), options or ReadOptions())
    try:
        files = _files_of(path) if path.is_dir() else [path]
        return text_table(path.name, [_read_file(file, kind, chosen) for file in files])
    except FileNotFoundError as error:
        raise DataError(f"{source}: there is no such file or folder.") from error
    except PermissionError as error:
        raise DataError(f"{source}: no permission to read it; make it readable.") from error
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror or error}.") from error


def _with_sheet(path: Path, options: ReadOptions) -> tuple[Path, ReadOptions]:
    """The workbook and the sheet of "crm.xlsx#Leads"."""
    file, _, sheet = path.name.rpartition("#")
    if not file or not sheet or path.exists():
        return path, options
    return path.with_name(file), replace(options, sheet=sheet)


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
    tables = {
        kind: [file for file in files if file.name.lower().endswith(endings)]
        for kind, endings in _ENDINGS.items()
    }
    kinds = [kind for kind, found in tables.items() if found]
    if not kinds:
        found = ", ".join(file.name for file in files[:5]) or "no files"
        *others, last = _ENDINGS
        raise DataError(
            f"{folder}: no {', '.join(others)} or {last} file directly in this folder (it has:"
            f" {found})."
        )
    if len(kinds) > 1:
        raise DataError(
            f"{folder}: the folder has both {' and '.join(kinds)} files; name the file to read."
        )
    return tables[kinds[0]]


def _read_file(path: Path, kind: str, options: ReadOptions) -> TablePart:
    if path.name.lower().endswith(_PARQUET_ENDINGS):
        return read_parquet(path, path)
    raw = unpacked(path.read_bytes(), path)
    notes: list[str] = []
    if raw.startswith(PARQUET):
        return read_parquet(BytesIO(raw), path)
    if raw.startswith(ARROW):
        return read_arrow(raw, path)
    if raw.startswith(_WORKBOOKS):
        return read_workbook(raw, path, kind, options.sheet, options.header_row, notes)
    for magic, what in _OTHER_FORMATS.items():
        if raw.startswith(magic):
            raise DataError(f"{path}: this is not a CSV file but {what}.")
    content = as_utf8(raw, path, options.encoding, notes)
    if _MARKUP.match(content[:1_000]):
        raise DataError(
            f"{path}: this is not a table but a web page or XML, whatever its name says; open it in"
            " a spreadsheet and save it as CSV or .xlsx."
        )
    if is_json(content):
        return read_json(content, path, notes)
    return read_delimited(content, path, options.header_row, notes)


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
