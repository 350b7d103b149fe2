"""CSV files as this store writes and reads them, for their owner alone.

How a cell is written so that no spreadsheet runs it as a formula is in `core.cells`.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from winnable.core.files import whole_file
from winnable.errors import DataError


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table of texts atomically; a new file is for its owner alone. Raises StoreError if
    the file cannot be written."""
    with whole_file(path, private=True) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a UTF-8 CSV file, separated by commas, semicolons or tabs.

    Raises DataError if the file cannot be read as such.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text. Save it as CSV in UTF-8.") from None
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        header, *rows = list(
            csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        ) or [[]]
    except csv.Error as error:
        raise DataError(f"{path}: not a valid CSV file ({error}).") from None
    return [name.strip() for name in header], [row for row in rows if row]
