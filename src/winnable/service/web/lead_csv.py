"""A list of the inbox as a CSV file, for marketing's own tools: who the leads are, what was said of
them, and what would bring each back. No HTML, no database."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

from winnable.core.cells import cell
from winnable.core.timestamps import moment_text
from winnable.data.feedback.store.leads import LeadRow
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.schema import Definition
from winnable.learning.scoring.changes import change_of
from winnable.service.web.lead_list import MAX_EXPORTED_LEADS, InboxQuery

_LEADS_PER_READ = 500

COLUMNS = (
    "lead_id",
    "name",
    "owner",
    "source",
    "state",
    "probability",
    "decision",
    "because",
    "scored_as_of",
    "label",
    "reason",
    "by",
    "at",
    "note",
    "comes_back",
    "said_before",
    "reason_before",
    "by_before",
    "at_before",
    "same_person",
    "probability_before",
    "before_as_of",
    "changed_by",
)
GRID_COLUMNS = ("cell", "cell_says", "fit", "engagement", "interest", "intent", "behaviour")
"""Besides, where the definition has a grid."""


@dataclass(frozen=True)
class ExportedLeads:
    """A CSV file in UTF-8, and how many leads it has."""

    content: bytes
    leads: int


def leads_csv(store: FeedbackStore, query: InboxQuery, definition: Definition) -> ExportedLeads:
    """The leads of a list, the most probable first, at most `MAX_EXPORTED_LEADS`. `StoreError` if
    they cannot be read."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    grid = () if definition.grid is None else GRID_COLUMNS
    writer.writerow((*COLUMNS, *grid))
    leads = 0
    for row in _rows(store, query):
        writer.writerow([cell(value) for value in _values(row, definition)])
        leads += 1
    return ExportedLeads(file.getvalue().encode("utf-8", "replace"), leads)


def _rows(store: FeedbackStore, query: InboxQuery) -> Iterator[LeadRow]:
    for page in range(1, MAX_EXPORTED_LEADS // _LEADS_PER_READ + 1):
        found = store.leads(replace(query, page=page).filter(_LEADS_PER_READ))
        yield from found.leads
        if not found.more:
            return


def _values(row: LeadRow, definition: Definition) -> Iterator[str]:
    score = row.score
    yield row.lead_id
    if score is None:
        yield from ("", "", "", row.state, "", "", "", "")
    else:
        yield from (score.name or "", score.owner or "", score.source or "", row.state)
        yield from (f"{score.probability:.4f}", score.decision, score.because)
        yield score.as_of.isoformat(timespec="seconds")
    yield from _said(row.label)
    yield "" if row.label is None or row.label.note is None else row.label.note
    yield row.comes_back(definition)
    yield from _said(row.before)
    yield _others(row)
    yield from _changed(row)
    if definition.grid is not None:
        yield from _grid(row)


def _grid(row: LeadRow) -> Iterator[str]:
    """What is in `GRID_COLUMNS`."""
    place = None if row.score is None else row.score.grid
    if place is None:
        yield from ("",) * len(GRID_COLUMNS)
        return
    yield from (place["cell"], place["says"])
    yield from (f"{place[name]:.4g}" for name in GRID_COLUMNS[2:])


def _changed(row: LeadRow) -> tuple[str, str, str]:
    """The earlier score, and why the present one is another."""
    if row.score is None or row.earlier is None:
        return ("", "", "")
    change = change_of(row.score, row.earlier)
    at = moment_text(row.earlier.as_of)
    return (f"{row.earlier.probability:.4f}", at, change.because)


def _others(row: LeadRow) -> str:
    """The ids of other leads of the same person."""
    ids = [lead_id for lead_id, _ in row.others.named]
    more = row.others.total - len(ids)
    return "; ".join([*ids, f"and {more} more"] if more else ids)


def _said(label: Label | None) -> tuple[str, str, str, str]:
    if label is None:
        return ("", "", "", "")
    at = label.moment.isoformat(timespec="seconds")
    return (label.label, label.reason or "", label.by, at)
