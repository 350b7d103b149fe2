"""Read CSV and similar delimited files, as spreadsheets and CRMs write them, into a table of text.

Separator, quoting and the row of the header are inferred. Rows whose number of values differs from
the header are rejected with their number and the reason. Values are not interpreted here; encodings
are recognized in `decoding`.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from winnable.core.text import counted
from winnable.data.ingestion.sources.table_bounds import (
    FOOTER,
    SAMPLE_ROWS,
    header_place,
    is_footer,
    note_rows_above,
    rows_above,
    without_footers,
)
from winnable.data.ingestion.sources.text_table import TablePart
from winnable.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 1 << 20
_MAX_ROW_BYTES = 1 << 24
_MIN_FITTING_SHARE = 0.5
"""Of the rows: where fewer fit the first one with any separator, it is no header."""


@dataclass(frozen=True)
class _SampledRow:
    """A row at the start of a file; `offset` and `line` are where it begins, in bytes and in lines
    from 0."""

    cells: list[str]
    offset: int
    line: int


def read_delimited(raw: bytes, path: Path, header_row: int | None, notes: list[str]) -> TablePart:
    """Read delimited text in UTF-8; `header_row` is the line of the header, counted from 1, None to
    find it.

    Raises DataError if the text is empty or is not a table.
    """
    if not raw.strip():
        raise DataError(f"{path}: the file is empty; a header with column names was expected.")
    lines_before = 0
    if header_row is not None:
        lines_before = header_row - 1
        raw = _without_lines(raw, lines_before, path)
    start = raw[:_SAMPLE_BYTES].decode("utf-8", errors="ignore")
    separator, hint = _separator(start)
    if hint:
        raw = raw[raw.index(b"\n") + 1 :]
        start = start[start.index("\n") + 1 :]
    sample = list(_sampled(start, separator))
    header = 0 if header_row is not None else _header(sample, path, notes, int(hint))
    if sample:
        raw = raw[sample[header].offset :]
    names = sample[header].cells if sample else []
    columns, broken = _parsed(raw, separator, len(names), path)
    if broken and len(broken) == len(broken) + columns[0].length():
        example = next(iter(broken.values()))
        raise DataError(
            f"{path}: none of its {len(broken)} rows fits the header: {example}. Correct the"
            " header, or say which row it is with --header-row."
        )
    return without_footers(TablePart(names, columns, broken, notes))


def _without_lines(raw: bytes, lines: int, path: Path) -> bytes:
    rest = raw.splitlines(keepends=True)
    if lines >= len(rest):
        raise DataError(
            f"{path}: the file has {counted(len(rest), 'line')}; --header-row {lines + 1} is below"
            " its end."
        )
    return b"".join(rest[lines:])


def _header(sample: list[_SampledRow], path: Path, notes: list[str], lines_before: int) -> int:
    rows = [row.cells for row in sample]
    header = header_place(rows, path)
    if header:
        line = sample[header].line + lines_before + 1
        note_rows_above(rows_above(rows, header), line, path, notes)
    return header


def _separator(start: str) -> tuple[str, bool]:
    """The separator with which the rows fit the header best, and whether the first line only names
    it, like Excel's "sep=;"."""
    first = start.split("\n", 1)[0].strip().lower()
    if first.startswith("sep=") and len(first) == 5 and "\n" in start:
        return first[4], True
    lengths = {
        separator: [len(row.cells) for row in _sampled(start, separator)]
        for separator in SEPARATORS
    }
    fits = {separator: _fit(found) for separator, found in lengths.items()}
    best = max(SEPARATORS, key=lambda separator: fits[separator])
    if fits[best][0] < _MIN_FITTING_SHARE:  # titles stand above the header
        fits = {separator: _fit_of_most(found) for separator, found in lengths.items()}
        best = max(SEPARATORS, key=lambda separator: fits[separator])
    return best, False


def _fit(lengths: list[int]) -> tuple[float, int]:
    """The share of rows that are as long as the first, and its length."""
    if not lengths or lengths[0] < 2:
        return 0.0, 0
    return lengths.count(lengths[0]) / len(lengths), lengths[0]


def _fit_of_most(lengths: list[int]) -> tuple[float, int]:
    """The same for the most frequent length of several values."""
    longer = Counter(length for length in lengths if length > 1)
    if not longer:
        return 0.0, 0
    length, times = max(longer.items(), key=lambda item: (item[0] * item[1], item[0]))
    return times / len(lengths), length


def _sampled(start: str, separator: str) -> Iterator[_SampledRow]:
    """The first rows that are not blank lines."""
    ends = [0]

    def lines() -> Iterator[str]:
        for line in io.StringIO(start, newline=""):
            ends.append(ends[-1] + len(line.encode()))
            yield line

    found = 0
    line = 0
    try:
        for cells in csv.reader(lines(), delimiter=separator):
            if cells:
                yield _SampledRow(cells, ends[line], line)
                found += 1
            line = len(ends) - 1
            if found == SAMPLE_ROWS:
                return
    except csv.Error:
        return


def _parsed(
    raw: bytes, separator: str, width: int, path: Path
) -> tuple[list[pa.ChunkedArray], dict[int, str]]:
    """All rows below the header as text. The parser runs in one thread, because only then does it
    know the row numbers."""
    broken: dict[int, str] = {}

    def reject(row: pyarrow.csv.InvalidRow) -> str:
        broken[row.number - 2] = _reason(row, separator)
        return "skip"

    names = [str(place) for place in range(width)]
    if not raw.endswith(b"\n"):
        raw += b"\n"
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(raw),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,
                column_names=names,
                skip_rows_after_names=1,
                block_size=_MAX_ROW_BYTES,
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=separator,
                newlines_in_values=b'"' in raw,
                invalid_row_handler=reject,
                ignore_empty_lines=True,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()), check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        reason = (
            "a row is longer than 16 MB; a quotation mark may be unclosed"
            if "straddling" in str(error)
            else "a row cannot be parsed"
        )
        raise DataError(f"{path}: {reason}. Export it again, as CSV.") from error
    return table.columns, broken


def _reason(row: pyarrow.csv.InvalidRow, separator: str) -> str:
    """Why a row that does not fit the header is no record."""
    cells = next(csv.reader([row.text[:1_000]], delimiter=separator), [])
    if row.actual_columns < row.expected_columns and is_footer(cells, row.expected_columns):
        return FOOTER
    values = counted(row.actual_columns, "value")
    columns = counted(row.expected_columns, "column")
    reason = f"the row has {values}, but the header has {columns}"
    line_breaks = row.text.count("\n")
    if line_breaks:
        reason += f", over {line_breaks + 1} lines: a quotation mark may be unclosed"
    return reason
