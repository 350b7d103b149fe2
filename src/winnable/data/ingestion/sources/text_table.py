"""A table as text, whatever types it had in its source.

A CSV file, a Parquet file and a database with the same content give the same table: every value is
text, cleaned by `winnable.core.values`, or missing. This module neither reads sources nor
interprets columns.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from winnable.core import values
from winnable.core.columns import IntArray, is_nameless
from winnable.core.text import counted, listed


@dataclass(frozen=True)
class AnswerPage:
    """What an API's answer says of the records that are not in it: `more` is the mark that another
    page follows ("" without one), `total` the number of all records, None if it is not told."""

    more: str
    total: int | None


@dataclass(frozen=True)
class TablePart:
    """A table or a part of one as it was read: columns of any Arrow type in the order of `names`,
    which may repeat.

    `broken` maps the numbers of unreadable rows (0 is the first below the header) to reasons; these
    rows are not in `columns`. `page` is what it says of itself as an API's answer.
    """

    names: Sequence[str]
    columns: Sequence[pa.ChunkedArray]
    broken: dict[int, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    page: AnswerPage | None = None

    @property
    def size(self) -> int:
        """How many rows the part has, including the broken ones."""
        return (len(self.columns[0]) if self.columns else 0) + len(self.broken)


@dataclass(frozen=True)
class TextTable:
    """A table as text: every column of `data` has the pandas dtype "str"; its index holds the row
    numbers in the source.

    `broken` maps the numbers of unreadable rows to reasons; they are not in `data`. `size` counts
    both. `doubled` are the names that appear more than once in the header; the second of them is
    called "name (2)".
    """

    name: str
    data: pd.DataFrame
    broken: dict[int, str]
    notes: tuple[str, ...]
    doubled: frozenset[str]

    @property
    def size(self) -> int:
        """How many rows the source has."""
        return len(self.data) + len(self.broken)


def text_table(name: str, parts: Sequence[TablePart]) -> TextTable:
    """Clean the parts and concatenate them by column names, in the order given; where a part lacks
    a column, the values are missing."""
    notes = [note for part in parts for note in part.notes]
    doubled: set[str] = set()
    cleaned: list[pa.Table] = []
    numbers: list[IntArray] = []
    broken: dict[int, str] = {}
    before = 0
    for part in parts:
        names, repeated = _distinct_names(part.names)
        doubled |= repeated
        cleaned.append(_without_empty_nameless([_clean(column) for column in part.columns], names))
        numbers.append(before + numbers_of_rows(part))
        broken |= {before + row: reason for row, reason in part.broken.items()}
        before += part.size
    notes += _missing_pages(name, [part.page for part in parts if part.page is not None], before)
    if doubled:
        notes.append(
            f"{name}: {listed(sorted(doubled))} more than once in the header; the later ones were"
            " numbered."
        )
    lacking = {
        column
        for table in cleaned
        for column in set(cleaned[0].column_names) ^ set(table.column_names)
    }
    if lacking:
        notes.append(
            f"{name}: not every file has {listed(sorted(lacking))}; where it is absent, the values"
            " are missing."
        )
    nameless = list(filter(is_nameless, cleaned[0].column_names))
    if nameless:
        has = "has" if len(nameless) == 1 else "have"
        notes.append(
            f"{name}: {listed(nameless)} {has} no name in the header; no model learns from"
            f" {'it' if len(nameless) == 1 else 'them'}."
        )
    stacked = pa.concat_tables(cleaned, promote_options="default")
    data = pd.DataFrame(
        {column: pd.array(stacked[column], dtype="str") for column in stacked.column_names},
        index=pd.Index(np.concatenate(numbers), dtype=np.int64),
    )
    return TextTable(name, data, broken, tuple(notes), frozenset(doubled))


def _missing_pages(name: str, pages: Sequence[AnswerPage], rows: int) -> list[str]:
    """A warning where the answers of an API say that there are records which none of them holds.
    Of all its pages, one tells that no other follows."""
    if not pages:
        return []
    total = max((page.total for page in pages if page.total is not None), default=0)
    marks = [page.more for page in pages if page.more]
    if total <= rows and len(marks) < len(pages):
        return []
    is_counted = total > rows
    says = f"all {total:,}" if is_counted else f"another page ('{marks[0]}')"
    lacking = f"{total - rows:,} of them" if is_counted else "leads"
    return [
        f"{name}: WARNING: this is not everything. The API's answer holds {counted(rows, 'record')}"
        f" and tells of {says}, so {lacking} are missing; fetch every page and save them in one"
        " folder, or use the CRM's own export."
    ]


def _distinct_names(header: Sequence[str]) -> tuple[list[str], set[str]]:
    """Stripped names; an empty name becomes "column 3" by its position, a repeated one is
    numbered. Also returns the repeated names."""
    stripped = [
        raw.strip(values.BLANKS) or f"column {position}"
        for position, raw in enumerate(header, start=1)
    ]
    taken: set[str] = set()
    names: list[str] = []
    for name in stripped:
        unique = name
        for number in count(2):
            if unique not in taken:
                break
            numbered = f"{name} ({number})"
            if numbered not in stripped:
                unique = numbered
        names.append(unique)
        taken.add(unique)
    return names, {name for name, times in Counter(stripped).items() if times > 1}


def _without_empty_nameless(columns: Sequence[pa.ChunkedArray], names: Sequence[str]) -> pa.Table:
    """The columns, without those that have neither a name nor a value: commas at the ends of
    lines."""
    kept = [
        place
        for place, (name, column) in enumerate(zip(names, columns, strict=True))
        if not is_nameless(name) or column.null_count < len(column) or not len(column)
    ]
    return pa.table([columns[place] for place in kept], names=[names[place] for place in kept])


def numbers_of_rows(part: TablePart) -> IntArray:
    """The numbers of the rows that are not broken, shape (n,)."""
    rows = np.ones(part.size, dtype=bool)
    rows[list(part.broken)] = False
    return np.flatnonzero(rows)


def _clean(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as text, like `values.text` of each value."""
    written = _written(column)
    if pc.any(pc.match_substring_regex(written, values.ENTITY)).as_py():
        written = _by_value(written, lambda value: values.unescaped(str(value)))
    stripped = pc.utf8_trim(written, characters=values.BLANKS)
    missing = pc.is_in(
        pc.utf8_lower(stripped), value_set=pa.array(sorted(values.MISSING), type=pa.large_string())
    )
    return pc.if_else(missing, pa.scalar(None, type=pa.large_string()), stripped)


def _written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _written(pc.cast(column, kind.value_type))
    castable = (
        "is_string",
        "is_large_string",
        "is_integer",
        "is_boolean",
        "is_date",
        "is_null",
    )
    if any(getattr(pa.types, test)(kind) for test in castable):
        return pc.cast(column, pa.large_string())
    if pa.types.is_timestamp(kind):
        return pc.cast(pc.cast(column, pa.timestamp("us", kind.tz), safe=False), pa.large_string())
    if pa.types.is_nested(kind):
        return _by_value(column, lambda value: json.dumps(value, default=str, ensure_ascii=False))
    return _by_value(column, values.text)


def _by_value(column: pa.ChunkedArray, write: Callable[[object], str | None]) -> pa.ChunkedArray:
    """Convert each distinct value once."""
    try:
        encoded = column.combine_chunks().dictionary_encode()
    except pa.ArrowNotImplementedError:
        return pa.chunked_array(
            [_words(None if value is None else write(value) for value in column.to_pylist())]
        )
    return pa.chunked_array(
        [_words(write(value) for value in encoded.dictionary.to_pylist()).take(encoded.indices)]
    )


def _words(written: Iterable[str | None]) -> pa.Array:
    return pa.array(list(written), type=pa.large_string())
