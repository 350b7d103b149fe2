"""Where a table begins and ends within a sheet or a text file: title rows stand above the header,
totals, counts and notices below the rows.

Rows are compared by how many cells are filled and by what kind of value stands in them; a row is
never left out for its values alone. Columns are interpreted elsewhere.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc

from winnable.core import values
from winnable.core.text import counted
from winnable.data.ingestion.sources.text_table import TablePart, numbers_of_rows
from winnable.errors import DataError

Row = Sequence[str]

SAMPLE_ROWS = 200
"""Rows at the start that are looked at to find the header."""

FOOTER = "the row is a total or a footer below the table"
_EMPTY = "the row is empty"
_MAX_ROWS_ABOVE = 50
_TAIL_ROWS = 40
"""Rows at the end that can be footers without being totals."""
_MIN_FILLED_SHARE = 2 / 3
"""Of the cells of the fullest row: a header names at least so many columns."""
_MIN_KIND_SHARE = 0.8
"""Of the values of a column: as many of one kind make a column of that kind."""
MIN_GROUPS = 2
"""Groups with a subtotal each; in a table without, blanks mean that a value is missing."""
_MAX_GROUPINGS = 3
_E_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_THINGS = (
    r"(?:records?|rows?|leads?|deals?|opportunit(?:y|ies)|contacts?|accounts?|items?|entries|count"
    r"|activities|tasks)"
)
_TOTAL = (
    r"(?i)^(?:(?:grand |report |sub[- ]?)?totals?(?: g[ée]n[ée]ral| general| geral| generale)?"
    rf"(?: (?:number of )?{_THINGS})?"
    r"|gesamt(?:summe|ergebnis)?|zwischensumme|endsumme|summe|insgesamt|sous-total|somme"
    r"|totale(?: complessivo)?|suma(?: total)?|soma|totaal|eindtotaal|subtotaal|итого|всего"
    r"|(?:record |row )?count|anzahl(?: der)?(?: datensätze)?|nombre|recuento|contagem|conteggio"
    r"|aantal"
    r"|合计|总计|合計|総計|小計)\s*(?:[:(=].*|[0-9][0-9.,\s]*)?$"
)
_COUNT = re.compile(
    rf"(?:number of )?{_THINGS}(?: count)?\s*[:=]\s*[0-9][0-9.,]*"
    rf"|[0-9][0-9.,]* {_THINGS}(?: (?:found|total|returned|selected|exported))?\.?",
    re.IGNORECASE,
)
_NOTICE = re.compile(
    r"copyright\b|©|\(c\) |confidential\b|vertraulich\b|generated (?:by|on|at)\b|exported (?:by|on"
    r"|from|at)\b|printed (?:by|on)\b|report (?:run|generated|created|as of)\b|as of\b|page [0-9]+"
    r"|end of (?:report|file)\b|filtered by\b|erstellt (?:am|von)\b|.*all rights reserved",
    re.IGNORECASE,
)


def header_place(rows: Sequence[Row], path: Path) -> int:
    """The position of the header among the first rows of a file: 0 for a table without titles.

    Raises DataError if no row can be the header.
    """
    filled = [_filled(row) for row in rows]
    lengths = Counter(len(row) for row, count in zip(rows, filled, strict=True) if count)
    width = max(lengths, key=lambda length: lengths[length] * length, default=0)
    fullest = max(
        (count for row, count in zip(rows, filled, strict=True) if len(row) == width), default=0
    )
    enough = max(min(fullest, 2), _MIN_FILLED_SHARE * fullest)
    full = [place for place, count in enumerate(filled) if count >= enough and count]
    if not full:
        return 0
    first = full[0]
    if first == 0 and not _is_data(rows[0], rows[1:]):
        return 0
    for place in full:
        if place > _MAX_ROWS_ABOVE:
            break
        if _is_header(rows[place], rows[place + 1 :]):
            return place
    raise DataError(
        f"{path}: no row looks like a header with the names of the columns; say which it is with"
        " --header-row, or write the names into the first row."
    )


def rows_above(rows: Sequence[Row], header: int) -> int:
    """How many rows above the header are not blank."""
    return sum(_filled(row) > 0 for row in rows[:header])


def note_rows_above(skipped: int, header_row: int, path: Path, notes: list[str]) -> None:
    """Say how many rows above the header were skipped, if any."""
    if skipped:
        was = "was" if skipped == 1 else "were"
        notes.append(
            f"{path.name}: the header is row {header_row:,}; {counted(skipped, 'row')} above it"
            f" {was} skipped."
        )


def without_footers(part: TablePart) -> TablePart:
    """The part with totals, counts, notices and empty rows at its end among the broken rows."""
    size = len(part.columns[0]) if part.columns else 0
    if size == 0 or len(part.columns) < 2:
        return part
    usual = median(map(_filled, _rows(part, range(min(size, SAMPLE_ROWS)))))
    tail = range(max(size - _TAIL_ROWS, 0), size)
    places = sorted({*_places_of_totals(part), *tail})
    left_out = {
        place: FOOTER
        for place, row in zip(places, _rows(part, places), strict=True)
        if is_footer(row, usual)
    }
    left_out |= _rest_of_footer(tail, _rows(part, tail), left_out, usual)
    if not left_out or len(left_out) == size:
        return part
    numbers = numbers_of_rows(part)
    filled, notes = _filled_down(part, left_out)
    kept = pa.array([place for place in range(size) if place not in left_out], type=pa.int64())
    return TablePart(
        part.names,
        [column.take(kept) for column in filled],
        part.broken | {int(numbers[place]): reason for place, reason in left_out.items()},
        [*part.notes, *notes],
    )


def _filled_down(
    part: TablePart, left_out: Mapping[int, str]
) -> tuple[list[pa.ChunkedArray], list[str]]:
    """The columns, and a note on those that a report is grouped by: they stand in the first row
    of each group, above its subtotal, and are meant for all its rows."""
    groups: list[list[int]] = [[]]
    for place in range(len(part.columns[0])):
        if place in left_out:
            groups += [[]] if groups[-1] else []
        else:
            groups[-1].append(place)
    groups = [group for group in groups if group]
    columns = list(part.columns)
    grouped = []
    if len(groups) >= MIN_GROUPS and max(map(len, groups)) > 1:
        for place, column in enumerate(columns[:_MAX_GROUPINGS]):
            cells = column.to_pylist()
            if not all(_leads_only(cells, group) for group in groups):
                continue
            for group in groups:
                for row in group:
                    cells[row] = cells[group[0]]
            columns[place] = pa.chunked_array([pa.array(cells, type=column.type)])
            grouped.append(f"'{part.names[place]}'")
    if not grouped:
        return columns, []
    return columns, [
        f"the report is grouped by {' and '.join(grouped)}, which stands in the first row of a"
        " group; the other rows of the group were given it."
    ]


def _leads_only(cells: Sequence[str | None], group: Sequence[int]) -> bool:
    """Whether of the rows of a group the first has a value and no other has."""
    first, *others = (bool(cells[row]) and _is_filled(str(cells[row])) for row in group)
    return first and not any(others)


def is_footer(row: Row, usual: float) -> bool:
    """Whether a row is a total, a count or a notice; `usual` is how many cells rows have filled."""
    cells = [cell for cell in row if _is_filled(cell)]
    if not cells or len(cells) >= usual:
        return False
    first, *others = (cell.strip(values.BLANKS) for cell in cells)
    if re.match(_TOTAL, first) and all(_kind(cell) == "number" for cell in others):
        return True
    sparse = len(cells) <= max(1, usual / 2)
    return sparse and bool(_COUNT.fullmatch(first) or _NOTICE.match(first))


def _rest_of_footer(
    tail: Sequence[int], rows: Sequence[Row], found: dict[int, str], usual: float
) -> dict[int, str]:
    """Below the first footer of the end, where only sparse rows follow, everything is footer; empty
    rows at the end are none of the table."""
    rest: dict[int, str] = {}
    has_footer = any(place in found for place in tail)
    for place, row in zip(reversed(tail), reversed(rows), strict=True):
        filled = _filled(row)
        if place in found:
            continue
        above = any(earlier in found for earlier in tail if earlier < place)
        if filled and not (has_footer and above and filled <= max(1, usual / 3)):
            break
        rest[place] = FOOTER if filled else _EMPTY
    return rest


def _places_of_totals(part: TablePart) -> list[int]:
    """Rows whose first or second cell is the word for a total."""
    return [
        place
        for column in part.columns[:2]
        for place in pc.indices_nonzero(
            pc.fill_null(pc.match_substring_regex(column, _TOTAL), False)
        ).to_pylist()
    ]


def _rows(part: TablePart, places: Sequence[int]) -> list[list[str]]:
    wanted = pa.array(list(places), type=pa.int64())
    columns = [column.take(wanted).to_pylist() for column in part.columns]
    return [[cell or "" for cell in row] for row in zip(*columns, strict=True)]


def _is_header(row: Row, below: Sequence[Row]) -> bool:
    """Whether a row has names only, and none of them is a value of its own column."""
    if any(_kind(cell) not in ("", "words") for cell in row):
        return False
    for place, name in enumerate(row):
        if _is_filled(name) and any(name == other[place] for other in below if place < len(other)):
            return False
    return True


def _is_data(row: Row, below: Sequence[Row]) -> bool:
    """Whether a row is a record rather than a header: a date or an e-mail address stands above
    values of its kind, or it has numbers only, above numbers."""
    kinds = [_kind(cell) for cell in row]
    alike = [_is_column_of(kind, place, below) for place, kind in enumerate(kinds)]
    if any(same and kind in ("date", "e-mail") for kind, same in zip(kinds, alike, strict=True)):
        return True
    counting = [str(place) for place in range(len(row))]
    return all(kind == "number" for kind in kinds) and all(alike) and list(row) != counting


def _is_column_of(kind: str, place: int, rows: Sequence[Row]) -> bool:
    kinds = [_kind(row[place]) for row in rows if place < len(row) and _is_filled(row[place])]
    return bool(kinds) and kinds.count(kind) >= _MIN_KIND_SHARE * len(kinds)


def _kind(cell: str) -> str:
    if not _is_filled(cell):
        return ""
    if _E_MAIL.fullmatch(cell.strip(values.BLANKS)):
        return "e-mail"
    if values.number(cell) is not None or values.number(cell, ",") is not None:
        return "number"
    return "words" if values.moment(cell) is None else "date"


def _filled(row: Row) -> int:
    return sum(map(_is_filled, row))


def _is_filled(cell: str) -> bool:
    return bool(cell.strip(values.BLANKS))
