"""Tables as files: CSV that is safe in a spreadsheet, Parquet with types, or NDJSON, by the ending
of the name; and the rows of some leads taken out of them again.

A file is whole or not there, and a new one is for its owner alone, since leads are people.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winnable.core.cells import with_safe_cells
from winnable.core.files import whole_binary_file, whole_file
from winnable.core.text import entries
from winnable.errors import DataError, StoreError

if TYPE_CHECKING:
    import pandas as pd

PARQUET = frozenset({".parquet", ".pq"})
NDJSON = frozenset({".ndjson", ".jsonl"})

OTHER_FORMATS = frozenset({".json", ".xlsx", ".xls", ".ods", ".feather", ".arrow", ".tsv"})
"""What a name may promise and is not written."""

MOMENTS = frozenset({"as_of", "before_as_of"})
"""Columns of times, which are text in a table of scores and times in Parquet and in databases."""

NUMBERS = frozenset(
    entries("""
    probability, low, high, probability_winnable, probability_before, fit, engagement, interest,
    intent, behaviour, best_probability
    """)
)
WORDS = frozenset(entries("cell, cell_says, changed_by, reasons, because, grade, model, error"))
"""Columns of numbers and of text in a table of scores, also where they are empty: what one export
happens to have decides no type."""

BLOCK_ROWS = 10_000
"""Rows that are written together, so that memory does not grow with the table."""

ID_COLUMNS = ("lead_id", "best_lead_id", "id")
"""Columns that say whose a row is."""


def write_file(table: pd.DataFrame, path: Path) -> None:
    """Write a table in the format of the file's name, CSV unless it says another. `StoreError` if
    it cannot be written."""
    if path.suffix.lower() in PARQUET:
        with whole_binary_file(path, private=True) as file:
            typed(table).to_parquet(file, index=False)
        return
    with whole_file(path, private=True) as text_file:
        if path.suffix.lower() in NDJSON:
            for start in range(0, len(table), BLOCK_ROWS):
                rows = plain_rows(table.iloc[start : start + BLOCK_ROWS])
                text_file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        else:
            with_safe_cells(table).to_csv(text_file, index=False, lineterminator="\n")


def check_format(path: Path) -> None:
    """`StoreError` for a name that promises a format that is not written."""
    if path.suffix.lower() in OTHER_FORMATS:
        raise StoreError(
            f"{path}: tables are written as .csv, .parquet or .ndjson. Choose another --output."
        )


def write_stdout(table: pd.DataFrame) -> None:
    """Print a table as CSV."""
    with_safe_cells(table).to_csv(sys.stdout, index=False, lineterminator="\n")


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each column in its own type, whatever this export has of it: times in UTC,
    numbers, text."""
    import pandas as pd

    columns: dict[str, pd.Series] = {}
    for name, column in table.items():
        if name in MOMENTS:
            columns[str(name)] = pd.to_datetime(column, utc=True)
        elif name in NUMBERS:
            columns[str(name)] = pd.to_numeric(column).astype("float64")
        elif name in WORDS or column.dtype.kind == "O":
            columns[str(name)] = column.astype("str")
    return table.assign(**columns)


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain Python values, None where one is missing."""
    cells = table.astype(object)
    rows = cells.where(cells.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def is_typed_file(path: Path) -> bool:
    """Whether a file is Parquet or NDJSON, by its name."""
    return path.suffix.lower() in PARQUET | NDJSON


def rows_of_leads(path: Path, ids: Container[str]) -> int:
    """How many rows of a Parquet or NDJSON file are about these leads. `DataError` if that cannot
    be told."""
    return sum(_is_about(row, ids, path) for row in _rows(path)[0])


def without_leads(path: Path, ids: Container[str]) -> int:
    """Take the rows of these leads out of a Parquet or NDJSON file; returns how many there were.
    `DataError` if it cannot be read, `StoreError` if it cannot be written."""
    rows, write = _rows(path)
    kept = [not _is_about(row, ids, path) for row in rows]
    removed = kept.count(False)
    if removed:
        write(kept)
    return removed


def _rows(path: Path) -> tuple[list[dict[str, Any]], Callable[[list[bool]], None]]:
    """The ids in each row, and what writes the rows that are to be kept."""
    try:
        return _of_parquet(path) if path.suffix.lower() in PARQUET else _of_ndjson(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__}).") from None


def _of_parquet(path: Path) -> tuple[list[dict[str, Any]], Callable[[list[bool]], None]]:
    import pyarrow.parquet

    content = pyarrow.parquet.read_table(path)
    names = [name for name in ID_COLUMNS if name in content.column_names]
    if not names:
        raise ValueError("no column says whose the rows are")

    def write(kept: list[bool]) -> None:
        with whole_binary_file(path, private=True) as file:
            pyarrow.parquet.write_table(content.filter(pyarrow.array(kept)), file)

    return content.select(names).to_pylist(), write


def _of_ndjson(path: Path) -> tuple[list[dict[str, Any]], Callable[[list[bool]], None]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) if line.strip() else {} for line in lines]

    def write(kept: list[bool]) -> None:
        with whole_file(path, private=True) as file:
            file.write("\n".join(line for line, stays in zip(lines, kept, strict=True) if stays))

    return rows, write


def _is_about(row: dict[str, Any], ids: Container[str], path: Path) -> bool:
    told = [row[name] for name in ID_COLUMNS if name in row]
    if not told and row:
        raise DataError(f"{path}: no column says whose the rows are.")
    return any(str(each) in ids for each in told if each is not None)
