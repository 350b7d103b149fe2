"""The input contract: what the CRM's tables must hold, and what becomes of rows that do not hold
it.

Leads, activities and field history are read from where they lie, their columns get the roles that
the definition names, and every row that cannot be used is put aside with its reason. What was known
when, and what is learned from it, is not decided here.
"""

from dataclasses import dataclass

import pandas as pd

from winnable.core.columns import AT, CLOSED, CREATED, RECORDED
from winnable.data.ingestion.events import EventReader
from winnable.data.ingestion.leads import read_leads
from winnable.data.ingestion.rejects import Findings
from winnable.data.ingestion.sources.source import Source
from winnable.definition.schema import Definition


@dataclass(frozen=True)
class Crm:
    """A company's CRM as far as it can be used.

    leads: one row a lead, indexed by the row's number in the source (0 is the first below the
    header). Every column of the export under its own name, as text (pandas "str"), cleaned; and
    under reserved names the roles that the definition names and the export has: "@id", "@person",
    "@status", "@source", "@consent" as text, "@created" and "@closed" as datetime64[us, UTC]. "@id"
    is always there; without an id column it is the row's number. Read for training, "@closed" is
    only given for leads that are won or lost: in an open lead it is what somebody expects.
    activities: "@id", "@at" (datetime64[us, UTC]), "@kind" and, if rows may be known later,
    "@recorded"; sorted by id and time. history: "@id", "@at", "@field", "@old", "@new"; sorted by
    id, field and time. rejects: table, row, id, reason of every row that could not be used. notes:
    what else was noticed, in plain sentences. seen: the newest time of the activities and of the
    history that were read, also of rows of leads that are not to be scored.
    """

    leads: pd.DataFrame
    activities: pd.DataFrame | None
    history: pd.DataFrame | None
    rejects: pd.DataFrame
    notes: tuple[str, ...]
    seen: tuple[pd.Timestamp, ...] = ()


def read_crm(
    definition: Definition,
    leads: Source,
    activities: Source | None = None,
    history: Source | None = None,
    *,
    for_training: bool = True,
    now: pd.Timestamp | None = None,
    day_first: bool | None = None,
) -> Crm:
    """Read the CRM's tables and check them against the contract.

    A source is a .csv, .tsv or .txt file (packed with gzip or not), a .parquet file, a folder of
    either, a database URL as SQLAlchemy writes it with the table's name after "#" (without one: the
    table called leads, activities or history), or a frame.

    For training, every lead has an id of its own (of several rows with one id the last that can be
    used is kept) and dates that can be true; other rows are rejected. Otherwise (to be scored)
    every lead's row stays, in order, and only those that cannot be read, or whose creation date
    cannot be read, are named in the rejects. `now` (in UTC, the present by default) tells which
    dates lie in the future: more than a day ahead.

    `day_first` is how 3/4/2024 is read where nothing in the leads decides it: as it was in the
    model's own export.

    Raises DataError where a source cannot be read or misses a column that the definition names.
    """
    present = pd.Timestamp.now("UTC") if now is None else now
    findings = Findings()
    lead_rows = read_leads(
        definition, leads, findings, present, for_training=for_training, day_first=day_first
    )
    events = EventReader(definition, lead_rows, findings, present, for_training)
    activity_rows = None if activities is None else events.activities(activities)
    change_rows = None if history is None else events.changes(history)
    return Crm(
        lead_rows,
        activity_rows,
        change_rows,
        findings.rejects(),
        tuple(findings.notes),
        tuple(events.seen),
    )


def latest_moment(crm: Crm, now: pd.Timestamp | None = None) -> pd.Timestamp | None:
    """The newest time that is recorded anywhere in the CRM and does not lie in the future; None if
    it has no times."""
    present = pd.Timestamp.now("UTC") if now is None else now
    newest = [
        times[times <= present].max()
        for table in (crm.leads, crm.activities, crm.history)
        if table is not None
        for times in (table[name] for name in (CREATED, CLOSED, AT, RECORDED) if name in table)
    ]
    seen = [moment for moment in crm.seen if moment <= present]
    return max((moment for moment in [*newest, *seen] if not pd.isna(moment)), default=None)
