"""Cells of CSV files that people open in a spreadsheet.

A spreadsheet runs a cell that begins with "=" or similar as a formula (CSV injection), and what a
lead typed into a form may begin so. Such cells are written with an apostrophe before them and read
without it, so that nothing is lost. Which files are written and read is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")
"""Starts of cells that spreadsheets interpret, and the apostrophe itself, so that reading is the
exact inverse of writing."""


def cell(value: str) -> str:
    """The text as a cell that no spreadsheet runs as a formula.

    Examples
    --------
    >>> cell("=1+1"), cell("L-1")
    ("'=1+1", 'L-1')
    """
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


def value_of(written: str) -> str:
    """The text of a cell written by `cell`."""
    if written.startswith("'") and written[1:].startswith(FORMULA_STARTS):
        return written[1:]
    return written


def with_safe_cells(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every text written by `cell`; numbers stay numbers, and missing values
    missing."""
    safe = {}
    for name, column in table.items():
        if column.dtype.kind in "biufcmM":
            continue
        words = column.astype("str")  # missing values stay missing
        runs = words.str.startswith(FORMULA_STARTS, na=False)
        if runs.any():
            safe[str(name)] = words.mask(runs, "'" + words)
    return table.assign(**safe)
