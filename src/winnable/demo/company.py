"""A synthetic demo data set: a company with at least two years of CRM history (leads, activities,
field history and a shared definition), to try everything on.

It sells planning software for warehouses and fleets. `write_demo` writes its CRM the way exports
are, with everything that real ones contain: open, won and lost leads, some that came back after
either, losses without a date, colleagues of customers, some passed back to marketing, recycled or
entered twice, junk, a country where it must not sell, BANT fields that are only partly filled,
activities that show intent, mere interest or nothing, late recordings, typing errors, and one
column (`Decision Reason`) that is only filled in once the outcome is known. The definition holds
what such people believe, and not all of it is true: topic surges and booths earn points there and
predict nothing, and repeated looks at the prices, the best predictor, earn no more than a single
one.

The package `leadforge` 1.0.0 was tried first and is not suitable. It is quick (20,000 leads in 24
monthly cohorts of 365 days: 23 s), but every run draws another world, so that what one cohort
teaches does not help in the next: the AUC of attributes on later cohorts is 0.47 to 0.53. Within
one run it is 0.50 to 0.53 and, with all activities of the first 14 days, at most 0.62, because
losing is pure chance and the kinds of touches, sessions and calls are drawn uniformly: intent and
interest do not differ. The middle half of the wins fall between days 54 and 76. There are no names,
addresses, telephone numbers, consent, field history, junk or duplicates. (6,000 leads, difficulties
intro to advanced, label `converted_within_90_days`, the better one of gradient boosting and ridge
logistic regression; tested on the last third of the cohorts, within one run on a random 30%.)
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import numpy as np

from winnable.core.columns import IntArray
from winnable.demo.blemishes import typed, typed_moments
from winnable.demo.journeys import KIND_NAMES, STAGES, STATUSES
from winnable.demo.records import MONTHS, PRESENT, Records, keep_records, present_after
from winnable.errors import DataError, StoreError

MIN_LEADS = 50

LEAD_COLUMNS = (
    "Lead ID",
    "First Name",
    "Last Name",
    "Email",
    "Phone",
    "Company",
    "Title",
    "Industry",
    "Employees",
    "Country",
    "Lead Source",
    "Marketing Consent",
    "Created Date",
    "Close Date",
    "Lead Status",
    "Budget",
    "Timeline",
    "Owner",
    "Decision Reason",
    "Notes",
)
"""The columns of leads.csv, in order."""


@dataclass(frozen=True)
class DemoFiles:
    """The paths of the demo company's files, and its present: nothing in them is newer."""

    leads: Path
    activities: Path
    history: Path
    definition: Path
    open_leads: Path
    as_of: datetime


def write_demo(
    folder: Path, *, leads: int = 3000, seed: int = 7, months: int = MONTHS
) -> DemoFiles:
    """Write leads.csv, activities.csv, history.csv and definition.toml into the folder, which is
    created if it does not exist.

    open_leads.csv holds the leads of leads.csv that are still open, as they would be exported to be
    scored.

    `leads` is the number of records of the first two years with an id of their own; a few rows of
    leads.csv are exact duplicates on top. The same size and seed give the same bytes. With more
    `months` than 24 it is the export that the same company would make that much later: its first
    leads as they are by then, and new ones. Existing files of these names are replaced atomically.

    Raises DataError for fewer than 50 leads or 24 months, StoreError where the folder cannot be
    written.
    """
    if leads < MIN_LEADS:
        raise DataError(
            f"a demo company needs at least {MIN_LEADS} leads to show anything; got {leads}; ask"
            " for more"
        )
    if months < MONTHS:
        raise DataError(
            f"the demo company has at least {MONTHS} months of history; got {months}; ask for that"
            " or more"
        )
    records = keep_records(leads, seed, months)
    ids = [f"L-{100_001 + row}" for row in range(len(records.created))]
    first = int((records.created < PRESENT.timestamp()).sum())
    rows = list(_lead_rows(records, ids, range(first), np.random.default_rng([7, seed])))
    rows += _lead_rows(records, ids, range(first, len(ids)), np.random.default_rng([9, seed]))
    status = LEAD_COLUMNS.index("Lead Status")
    contents = {
        "leads.csv": _csv(LEAD_COLUMNS, rows),
        "activities.csv": _csv(
            ("Lead ID", "At", "Type", "Recorded At"), _activity_rows(records, ids)
        ),
        "history.csv": _csv(("Lead ID", "At", "Field", "Old", "New"), _history_rows(records, ids)),
        "definition.toml": files("winnable.demo").joinpath("definition.toml").read_bytes(),
        "open_leads.csv": _csv(
            LEAD_COLUMNS, dict.fromkeys(row for row in rows if row[status] in STAGES)
        ),
    }
    _write_all(folder, contents)
    leads_at, activities_at, history_at, definition_at, open_at = (
        folder / name for name in contents
    )
    return DemoFiles(
        leads_at, activities_at, history_at, definition_at, open_at, present_after(months)
    )


def _lead_rows(
    records: Records, ids: Sequence[str], which: range, rng: np.random.Generator
) -> Iterator[tuple[str, ...]]:
    """These rows of leads.csv in the order of creation; a few rows are exported twice."""
    chosen = slice(which.start, which.stop)
    columns = {
        **typed({name: values[chosen] for name, values in records.fields.items()}, rng),
        "Lead ID": ids[chosen],
        "Created Date": typed_moments(records.created[chosen], rng),
        "Close Date": _iso(np.where(records.dated, records.closed, -1)[chosen]),
        "Lead Status": [STATUSES[status] for status in records.status[chosen]],
    }
    duplicated = set(rng.permutation(len(which))[: max(2, round(0.002 * len(which)))].tolist())
    for row, values in enumerate(zip(*(columns[name] for name in LEAD_COLUMNS), strict=True)):
        yield values
        if row in duplicated:
            yield values


def _activity_rows(records: Records, ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The rows of activities.csv in the order of time; the last three belong to leads that somebody
    deleted."""
    at = _iso(records.act_at)
    recorded = _iso(records.act_recorded)
    rows = zip(records.act_row, at, records.act_kind, recorded, strict=True)
    yield from ((ids[row], when, KIND_NAMES[kind], later) for row, when, kind, later in rows)
    yield from (
        (f"L-99990{number}", at[-1], "Website session", recorded[-1]) for number in range(3)
    )


def _history_rows(records: Records, ids: Sequence[str]) -> Iterator[Sequence[str]]:
    at = _iso(np.array([change.at for change in records.changes], dtype=np.int64))
    for change, when in zip(records.changes, at, strict=True):
        yield ids[change.row], when, change.field, change.old, change.new


def _iso(seconds: IntArray) -> list[str]:
    """Seconds since 1970 as ISO 8601 in UTC; "" for -1, which means no time."""
    written = np.datetime_as_string(seconds.astype("datetime64[s]"))
    return ["" if second < 0 else f"{text}Z" for second, text in zip(seconds, written, strict=True)]


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _write_all(folder: Path, contents: dict[str, bytes]) -> None:
    """Write every file under a temporary name first and rename them only when all are complete."""
    parts = {folder / f".{name}.part": folder / name for name in contents}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part, content in zip(parts, contents.values(), strict=True):
            part.write_bytes(content)
        for part, place in parts.items():
            part.replace(place)
    except OSError as error:
        for part in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        why = error.strerror or "unknown cause"
        raise StoreError(
            f"cannot write the demo company to {folder}: {why}; name a folder that can be"
            " written to"
        ) from error
