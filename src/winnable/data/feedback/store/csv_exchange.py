"""Labels as CSV, out and in, with the same names as in `POST /feedback`.

A spreadsheet takes a cell that begins with "=" and its like for a formula and runs it. Such cells
are written with an apostrophe in front, and read back without it, so that what went out comes in
unchanged.
"""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from winnable.core.files import whole_file
from winnable.core.values import moment
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import DataError, WinnableError

COLUMNS = (
    "lead_id",
    "score_id",
    "label",
    "reason",
    "note",
    "by",
    "at",
    "label_id",
    "recorded_at",
    "origin",
    "replaces",
)
NEEDED = ("lead_id", "label", "by")
_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "'",
)  # the apostrophe itself, so that reading is the exact reverse of writing
_AT_ONCE = 500  # rows in one commit


@dataclass(frozen=True)
class Imported:
    """What became of the rows of a file: `added`, `known` (there already, and not doubled), and the
    row and reason of others."""

    added: int
    known: int
    rejects: tuple[tuple[int, str], ...]


def cell(value: str) -> str:
    """The text as a spreadsheet may have it: never a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def value_of(written: str) -> str:
    """The text that `cell` made safe."""
    return written[1:] if written.startswith("'") and written[1:].startswith(_FORMULA) else written


def export_labels(feedback: FeedbackStore, path: Path) -> int:
    """Write every label as CSV, oldest first, whole or not at all; returns how many. `StoreError`
    if it cannot be written."""
    labels = feedback.labels()
    rows = [[cell(_written(getattr(label, name))) for name in COLUMNS] for label in labels]
    feedback.exported(path)  # before, so that no copy is ever forgotten
    write_csv(path, COLUMNS, rows)
    return len(labels)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table of texts, whole or not at all. `StoreError` if it cannot be written."""
    with whole_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def import_labels(feedback: FeedbackStore, path: Path) -> Imported:
    """Take in the labels of a CSV file; the same file may be taken in twice. Row 1 is the first
    below the header.

    `DataError` if it is no such file; what is wrong with single rows is told row by row, and the
    others are taken in.
    """
    header, rows = read_csv(path)
    lacking = [name for name in NEEDED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if lacking or unknown:
        wrong = (
            f"has no column {lacking[0]}"
            if lacking
            else f"has a column {unknown[0]!r}, which no label has"
        )
        raise DataError(
            f"{path}: {wrong}. Its columns may be {', '.join(COLUMNS)}; {', '.join(NEEDED)} are"
            " needed."
        )
    before = feedback.ids()
    seen: Counter[str] = Counter()
    rejects: list[tuple[int, str]] = []
    labels: list[tuple[int, Label, str]] = []
    for number, row in enumerate(rows, 1):
        try:
            label = _label(dict(zip(header, map(value_of, row), strict=True)))
        except (DataError, ValueError) as error:
            says = (
                str(error)
                if isinstance(error, DataError)
                else "it has more or fewer cells than the header."
            )
            rejects.append((number, says))
            continue
        digest = hashlib.sha256("\x1f".join(row).encode()).hexdigest()
        seen[digest] += 1
        labels.append((number, label, f"import {digest} {seen[digest]}"))
    kept: set[str] = set()
    for start in range(0, len(labels), _AT_ONCE):
        some = labels[start : start + _AT_ONCE]
        told = feedback.add_each(
            [label for _, label, _ in some],
            [None if label.label_id else key for _, label, key in some],
        )
        for (number, _, _), answer in zip(some, told, strict=True):
            if isinstance(answer, WinnableError):
                rejects.append((number, str(answer)))
            else:
                kept.add(answer.label_id)
    return Imported(len(kept - before), len(kept & before), tuple(sorted(rejects)))


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV file in UTF-8, with commas, semicolons or tabs; `DataError` if it is
    none."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not text in UTF-8. Save it as CSV in UTF-8.") from None
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        header, *rows = list(
            csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        ) or [[]]
    except csv.Error as error:
        raise DataError(f"{path}: is not a CSV file ({error}).") from None
    return [name.strip() for name in header], [row for row in rows if row]


def _label(told: dict[str, str]) -> Label:
    label = told["label"].strip().casefold()
    return Label(
        lead_id=told["lead_id"],
        label=label,  # type: ignore[arg-type]  # the store checks it
        by=told["by"],
        at=_moment("at", told),
        reason=told.get("reason"),
        note=told.get("note"),
        score_id=told.get("score_id"),
        replaces=told.get("replaces"),
        origin="import",
        label_id=told.get("label_id") or "",
        recorded_at=_moment("recorded_at", told),
    )


def _moment(name: str, told: dict[str, str]) -> datetime | None:
    written = told.get(name, "").strip()
    read = moment(written) if written else None
    if written and read is None:
        raise DataError(f"{name}: expected a date, such as 2026-06-30T12:00:00Z.")
    return read


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return "" if value is None else str(value)
