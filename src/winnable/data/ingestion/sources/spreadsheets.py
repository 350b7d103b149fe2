"""Read a sheet of an Excel or OpenDocument workbook (.xlsx, .xlsm, .xlsb, .xls, .ods) into a table
of text.

Cells are read as what they are, not as they are shown: a date is a date whatever its format.
"""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from winnable.core import values
from winnable.core.text import counted
from winnable.data.ingestion.sources.table_bounds import (
    SAMPLE_ROWS,
    header_place,
    note_rows_above,
    rows_above,
    without_footers,
)
from winnable.data.ingestion.sources.text_table import TablePart
from winnable.errors import DataError

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

Grid = list[list[str]]

MAX_SHEETS_SHOWN = 12


def read_workbook(
    raw: bytes, path: Path, kind: str, sheet: str | None, header_row: int | None, notes: list[str]
) -> TablePart:
    """Read a sheet of a workbook: the one that is named, else the only one with a table, else the
    one called `kind` ("leads").

    Raises DataError if the file is no workbook, or it is not clear which sheet is meant.
    """
    workbook = _opened(raw, path)
    name = sheet or _sheet(workbook, path, kind)
    if name not in workbook.sheet_names:
        raise DataError(
            f"{path}: there is no sheet '{name}'; its sheets: {_shown(workbook.sheet_names)}."
        )
    grid = _grid(workbook, name)
    if not grid:
        raise DataError(f"{path}: the sheet '{name}' is empty; name another with --sheet.")
    return without_footers(_table(grid, path, header_row, notes))


def _opened(raw: bytes, path: Path) -> "CalamineWorkbook":
    from python_calamine import CalamineError, PasswordError, load_workbook

    try:
        return load_workbook(BytesIO(raw))
    except PasswordError as error:
        raise DataError(
            f"{path}: the workbook has a password; save it without one, or save the sheet as CSV."
        ) from error
    except (CalamineError, OSError) as error:
        what = "a ZIP file or a damaged Excel file; unpack it" if raw[:2] == b"PK" else "a damaged"
        what = what if raw[:2] == b"PK" else f"{what} Excel file, or another Office file"
        raise DataError(
            f"{path}: this is not a CSV file but {what}, or save the sheet as CSV."
        ) from error


def _sheet(workbook: "CalamineWorkbook", path: Path, kind: str) -> str:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    visible = [
        sheet.name
        for sheet in workbook.sheets_metadata
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
    ]
    if len(visible) == 1:
        return visible[0]
    sizes = {name: len(_grid(workbook, name)) for name in visible or workbook.sheet_names}
    tables = [name for name, size in sizes.items() if size > 1] or list(sizes)[:1]
    if len(tables) == 1:
        return tables[0]
    called = [name for name in tables if name.strip().casefold() == kind]
    if len(called) == 1:
        return called[0]
    largest = max(tables, key=lambda name: sizes[name])
    shown = [f"'{name}' ({counted(sizes[name], 'row')})" for name in tables]
    raise DataError(
        f"{path}: the workbook has several sheets with a table:"
        f" {', '.join(shown[:MAX_SHEETS_SHOWN])}. Name the one of the {kind} after '#', as in"
        f" '{path.name}#{largest}'{' or by --sheet' if kind == 'leads' else ''}."
    )


def _grid(workbook: "CalamineWorkbook", name: str) -> Grid:
    """The cells as text, without the empty rows at the end."""
    rows = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
    grid = [[_cell(value) for value in row] for row in rows]
    while grid and not any(grid[-1]):
        grid.pop()
    return grid


def _cell(value: object) -> str:
    return value if isinstance(value, str) else values.text(value) or ""


def _table(grid: Grid, path: Path, header_row: int | None, notes: list[str]) -> TablePart:
    if header_row is None:
        header = header_place(grid[:SAMPLE_ROWS], path)
        note_rows_above(rows_above(grid, header), header + 1, path, notes)
    elif header_row > len(grid):
        raise DataError(
            f"{path}: the sheet has {counted(len(grid), 'row')}; --header-row {header_row} is"
            " below its end."
        )
    else:
        header = header_row - 1
    names = grid[header]
    rows = [row for row in grid[header + 1 :] if any(row)]
    columns = [
        pa.chunked_array([pa.array([row[place] for row in rows], type=pa.large_string())])
        for place in range(len(names))
    ]
    return TablePart(names, columns, {}, notes)


def _shown(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:MAX_SHEETS_SHOWN])
    more = len(names) - MAX_SHEETS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
