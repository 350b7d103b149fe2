"""Data ingestion: read a CRM's tables and validate them against the input contract.

Leads, activities and field history are read from their sources, their columns get the roles that
the definition names, and every row that cannot be used is rejected with a reason. What was known at
which time, and what a model learns from it, is not decided here.
"""

from dataclasses import dataclass

import pandas as pd

from winnable.core.columns import AT, CHANGED, CLOSED, CREATED, FIELD, RECORDED
from winnable.data.features.activities.touches import with_sources
from winnable.data.ingestion.events import EventReader
from winnable.data.ingestion.leads import read_leads
from winnable.data.ingestion.rejects import Findings
from winnable.data.ingestion.repeated_ids import RepeatedId
from winnable.data.ingestion.sources.options import ReadOptions
from winnable.data.ingestion.sources.source import Source
from winnable.definition.schema import Definition

TIMES = (CREATED, CLOSED, CHANGED, AT, RECORDED)
"""The columns of the tables with a time that is not expected but past."""


@dataclass(frozen=True)
class Crm:
    """The usable rows of a company's CRM.

    leads: one row per lead, indexed by the row's number in the source (0 is the first below the
    header). Every column of the export under its own name, as text (pandas "str"), cleaned; and
    under reserved names the roles that the definition names and the export has: "@id", "@person",
    "@status", "@source", "@consent" as text, "@created" and "@closed" as datetime64[us, UTC]. "@id"
    is always there; without an id column it is the row's number. Read for training, "@closed" is
    only given for leads that are won or lost: in an open lead it is an expected date.
    activities: "@id", "@at" (datetime64[us, UTC]), "@kind" and, where a row may have become known
    only later, "@recorded"; and every column without a role under its own name, as text, which are
    the properties of activities; sorted by id and time. history: "@id", "@at", "@field", "@old",
    "@new"; sorted by id, field and time; the dates of entering stages that stand in the leads are
    changes of the status there and no columns of the leads. rejects: table, row, id and reason of
    every row that could not be used. notes: everything else worth knowing about the data, in plain
    sentences. seen: the latest time in the activities and in the history, including rows of leads
    that are not to be scored.
    visitors: who came before anybody knew them, where the activities tell visitors: "@at", when
    first, and "@identified", when they were known as a lead (NaT if never).
    repeated_id: the id that the definition names, where it stands in several rows as in a history.
    """

    leads: pd.DataFrame
    activities: pd.DataFrame | None
    history: pd.DataFrame | None
    rejects: pd.DataFrame
    notes: tuple[str, ...]
    seen: tuple[pd.Timestamp, ...] = ()
    visitors: pd.DataFrame | None = None
    repeated_id: RepeatedId | None = None

    def changes_of(self, field: str) -> pd.DataFrame | None:
        """The recorded changes of a field, such as the column of the status, as rows of `history`
        in its order; None where there are none."""
        if self.history is None:
            return None
        changes = self.history[self.history[FIELD] == field]
        return changes if len(changes) else None


def read_crm(
    definition: Definition,
    leads: Source,
    activities: Source | None = None,
    history: Source | None = None,
    *,
    for_training: bool = True,
    now: pd.Timestamp | None = None,
    day_first: bool | None = None,
    options: ReadOptions | None = None,
) -> Crm:
    """Read the CRM's tables and check them against the contract.

    A source is a CSV, JSON or NDJSON file (packed by gzip or zstd, or not), a sheet of an Excel or
    OpenDocument workbook, a Parquet, Arrow or Feather file, a folder of one of these, a SQLAlchemy
    database URL with the table's name after "#" (without one: the table called leads, activities or
    history), or a pandas DataFrame. `options` say how files are read where looking does not help.

    For training, every lead needs a unique id (the last usable row with an id is kept) and possible
    dates; other rows are rejected. For scoring (`for_training=False`) every lead's row stays, in
    order, and only rows that cannot be read, or whose creation date cannot be read, are listed in
    the rejects. Dates more than a day after `now` (UTC, default: the present) are in the future.

    `day_first` decides how 3/4/2024 is read where nothing in the leads does: as in the export that
    the model was trained on.

    Raises DataError if a source cannot be read or lacks a column that the definition names.
    """
    present = pd.Timestamp.now("UTC") if now is None else now
    findings = Findings()
    lead_rows = read_leads(
        definition,
        leads,
        findings,
        present,
        for_training=for_training,
        day_first=day_first,
        options=options,
    )
    reading = None if options is None else options.for_events
    events = EventReader(definition, lead_rows, findings, present, for_training, reading)
    activity_rows = None if activities is None else events.activities(activities)
    entered, dropped = events.stages_of_leads()
    change_rows = events.changes(history, entered)
    return Crm(
        with_sources(definition, lead_rows.drop(columns=list(dropped)), activity_rows),
        activity_rows,
        change_rows,
        findings.rejects(),
        tuple(findings.notes),
        tuple(events.seen),
        events.visitors,
        findings.repeated_id,
    )


def latest_moment(crm: Crm, now: pd.Timestamp | None = None) -> pd.Timestamp | None:
    """The latest time recorded anywhere in the CRM that is not in the future; None if the CRM has
    no times."""
    present = pd.Timestamp.now("UTC") if now is None else now
    newest = [
        times[times <= present].max()
        for table in (crm.leads, crm.activities, crm.history)
        if table is not None
        for times in (table[name] for name in TIMES if name in table)
    ]
    seen = [moment for moment in crm.seen if moment <= present]
    return max((moment for moment in [*newest, *seen] if not pd.isna(moment)), default=None)
