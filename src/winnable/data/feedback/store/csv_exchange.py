"""Export and import labels as CSV, with the same names as in `POST /feedback`.

How cells are written and read is in `csv_files` and `core.cells`: exported labels are imported
unchanged. `returned_at` of a label says when its lead came back after it; a file without the column
tells of no returns.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from winnable.core.cells import cell, value_of
from winnable.core.values import moment
from winnable.data.feedback.store.audit import Actor
from winnable.data.feedback.store.csv_files import read_csv, write_csv
from winnable.data.feedback.store.records import Label, Return
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.schema import Definition
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
    "returned_at",
)
REQUIRED_COLUMNS = ("lead_id", "label", "by")
_BATCH_ROWS = 500
"""Rows in one commit."""


@dataclass(frozen=True)
class Imported:
    """The result of an import: how many labels were `added` and `known` already, and the row number
    and reason of each rejected row."""

    added: int
    known: int
    rejects: tuple[tuple[int, str], ...]


def export_labels(feedback: FeedbackStore, path: Path) -> int:
    """Write every label as CSV, oldest first and atomically; returns how many.

    Raises StoreError if the file cannot be written.
    """
    labels = feedback.labels()
    returns = {(back.lead_id, back.sequence): back.at for back in feedback.returns()}
    rows = [
        [
            *(cell(_written(getattr(label, name))) for name in COLUMNS[:-1]),
            cell(_written(returns.get((label.lead_id, label.sequence)))),
        ]
        for label in labels
    ]
    feedback.exported(path)  # before writing, so that no copy is ever unregistered
    write_csv(path, COLUMNS, rows)
    return len(labels)


def import_labels(
    feedback: FeedbackStore, path: Path, definition: Definition | None = None
) -> Imported:
    """Import the labels of a CSV file; importing the same file again adds nothing. Row 1 is the
    first below the header. The definition says when their leads may come back.

    Raises DataError if the file is not a CSV file of labels; faulty rows are rejected one by one,
    the others are imported.
    """
    header, rows = read_csv(path)
    missing = [name for name in REQUIRED_COLUMNS if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if missing or unknown:
        problem = (
            f"there is no column {missing[0]}" if missing else f"unknown column {unknown[0]!r}"
        )
        raise DataError(
            f"{path}: {problem}. Possible columns: {', '.join(COLUMNS)}; required are"
            f" {', '.join(REQUIRED_COLUMNS)}."
        )
    actor = Actor.of_command()
    before = feedback.ids()
    seen: Counter[str] = Counter()
    rejects: list[tuple[int, str]] = []
    labels: list[tuple[int, Label, str]] = []
    returned: dict[int, datetime] = {}
    for number, row in enumerate(rows, 1):
        try:
            values = dict(zip(header, map(value_of, row), strict=True))
            label = _label(values)
            back = _moment("returned_at", values)
        except DataError as error:
            rejects.append((number, str(error)))
            continue
        except ValueError:
            rejects.append((number, "the row has more or fewer cells than the header."))
            continue
        digest = hashlib.sha256("\x1f".join(row).encode()).hexdigest()
        seen[digest] += 1
        labels.append((number, label, f"import {digest} {seen[digest]}"))
        if back is not None:
            returned[number] = back
    stored: set[str] = set()
    for start in range(0, len(labels), _BATCH_ROWS):
        batch = labels[start : start + _BATCH_ROWS]
        results = feedback.add_each(
            [label for _, label, _ in batch],
            [None if label.label_id else key for _, label, key in batch],
            actor,
            definition,
        )
        returns = []
        for (number, _, _), result in zip(batch, results, strict=True):
            if isinstance(result, WinnableError):
                rejects.append((number, str(result)))
                continue
            stored.add(result.label_id)
            if number in returned:
                returns.append(Return(result.lead_id, result.sequence, returned[number]))
        feedback.add_returns(returns, definition)
    return Imported(len(stored - before), len(stored & before), tuple(sorted(rejects)))


def _label(row: dict[str, str]) -> Label:
    label = row["label"].strip().casefold()
    return Label(
        lead_id=row["lead_id"],
        label=label,  # type: ignore[arg-type]  # the store checks it
        by=row["by"],
        at=_moment("at", row),
        reason=row.get("reason"),
        note=row.get("note"),
        score_id=row.get("score_id"),
        replaces=row.get("replaces"),
        origin="import",
        label_id=row.get("label_id") or "",
        recorded_at=_moment("recorded_at", row),
    )


def _moment(name: str, row: dict[str, str]) -> datetime | None:
    written = row.get(name, "").strip()
    parsed = moment(written) if written else None
    if written and parsed is None:
        raise DataError(f"{name}: expected a date, such as 2026-06-30T12:00:00Z.")
    return parsed


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return "" if value is None else str(value)
