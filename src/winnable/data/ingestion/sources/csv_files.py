"""Read CSV and similar delimited files, as spreadsheets and CRMs write them, into a table of text.

Encoding, separator and quoting are inferred. Rows whose number of values differs from the header
are rejected with their number and the reason. Values are not interpreted here.
"""

import codecs
import csv
import gzip
import io
import zlib
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from winnable.core.text import counted
from winnable.data.ingestion.sources.text_table import TablePart
from winnable.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 1 << 20
_MAX_ROW_BYTES = 1 << 24
_SEPARATOR_SAMPLE_ROWS = 200
_OTHER_FORMATS = {
    b"PK\x03\x04": "a ZIP or Excel file; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save the sheet as CSV",
    b"%PDF": "a PDF; export the table as CSV",
    b"SQLite format 3": "an SQLite database; name it as sqlite:///path#table",
    b"PAR1": "a Parquet file; rename it so that it ends in .parquet",
}


def read_delimited(path: Path) -> TablePart:
    """Read a delimited text file, gzipped or not.

    Raises DataError if the file is empty, is not text, or is not a table.
    """
    notes: list[str] = []
    raw = _as_utf8(_unpacked(path), path, notes)
    if not raw.strip():
        raise DataError(f"{path}: the file is empty; a header with column names was expected.")
    start = raw[:_SAMPLE_BYTES].decode("utf-8", errors="ignore")
    separator, hint = _separator(start)
    if hint:
        raw = raw[raw.index(b"\n") + 1 :]
        start = start[start.index("\n") + 1 :]
    header = next(csv.reader(io.StringIO(start, newline=""), delimiter=separator), [])
    columns, broken = _parsed(raw, separator, len(header), path)
    if broken and len(broken) == len(broken) + columns[0].length():
        example = next(iter(broken.values()))
        raise DataError(
            f"{path}: none of its {len(broken)} rows fits the header: {example}. Correct the"
            " header."
        )
    return TablePart(header, columns, broken, notes)


def _unpacked(path: Path) -> bytes:
    raw = path.read_bytes()
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: the gzip file is damaged or truncated ({error}); export it again."
        ) from error


def _as_utf8(raw: bytes, path: Path, notes: list[str]) -> bytes:
    for magic, what in _OTHER_FORMATS.items():
        if raw.startswith(magic):
            raise DataError(f"{path}: this is not a CSV file but {what}.")
    if raw.startswith(codecs.BOM_UTF8):
        return raw[len(codecs.BOM_UTF8) :]
    encoding = _wide_encoding(raw)
    if encoding is None:
        sample = raw[:_SAMPLE_BYTES]
        control_characters = bytes({*range(9), *range(14, 27), 28, 29, 30, 31, 127})
        control_count = len(sample) - len(sample.translate(None, control_characters))
        if b"\0" in sample or control_count > len(sample) / 100:
            raise DataError(
                f"{path}: this is a binary file, not a table; expected CSV, Parquet or a database"
                " URL."
            )
        try:
            codecs.lookup("utf-8").decode(raw)
            return raw
        except UnicodeDecodeError:
            encoding = "cp1252"
            notes.append(
                f"{path.name} is not UTF-8; it was read as Windows-1252 (Western European)."
            )
    try:
        return raw.decode(encoding).encode("utf-8")
    except UnicodeError as error:
        raise DataError(
            f"{path}: the text is neither UTF-8, UTF-16 nor Windows-1252; save it as UTF-8."
        ) from error


def _wide_encoding(raw: bytes) -> str | None:
    """UTF-16 or UTF-32 by its byte order mark, or UTF-16 without one by the positions of its
    NULs."""
    for byte_order_mark, encoding in (
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(byte_order_mark):
            return encoding
    sample = raw[:2000]
    pairs = len(sample) // 2
    for encoding, nuls, others in (
        ("utf-16-le", sample[1::2], sample[::2]),
        ("utf-16-be", sample[::2], sample[1::2]),
    ):
        if pairs and nuls.count(0) > 0.7 * pairs and others.count(0) == 0:
            return encoding
    return None


def _separator(start: str) -> tuple[str, bool]:
    """The separator with which the rows fit the header best, and whether the first line only names
    it, like Excel's "sep=;"."""
    first = start.split("\n", 1)[0].strip().lower()
    if first.startswith("sep=") and len(first) == 5 and "\n" in start:
        return first[4], True
    fits = {separator: _fit(start, separator) for separator in SEPARATORS}
    return max(SEPARATORS, key=lambda separator: fits[separator]), False


def _fit(start: str, separator: str) -> tuple[float, int]:
    widths: list[int] = []
    try:
        for row in csv.reader(io.StringIO(start, newline=""), delimiter=separator):
            if row:
                widths.append(len(row))
            if len(widths) == _SEPARATOR_SAMPLE_ROWS:
                break
    except csv.Error:
        return 0.0, 0
    if not widths or widths[0] < 2:
        return 0.0, 0
    return Counter(widths)[widths[0]] / len(widths), widths[0]


def _parsed(
    raw: bytes, separator: str, width: int, path: Path
) -> tuple[list[pa.ChunkedArray], dict[int, str]]:
    """All rows below the header as text. The parser runs in one thread, because only then does it
    know the row numbers."""
    broken: dict[int, str] = {}

    def reject(row: pyarrow.csv.InvalidRow) -> str:
        values = counted(row.actual_columns, "value")
        columns = counted(row.expected_columns, "column")
        reason = f"the row has {values}, but the header has {columns}"
        line_breaks = row.text.count("\n")
        if line_breaks:
            reason += f", over {line_breaks + 1} lines: a quotation mark may be unclosed"
        broken[row.number - 2] = reason
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
            else str(error)
        )
        raise DataError(f"{path}: {reason}.") from error
    return table.columns, broken
