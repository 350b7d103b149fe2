"""The activities' and the field history's side of the input contract: one row is one thing that happened to a lead at one time.

Columns are found by the definition or by the names that CRMs give them. Rows that belong to no lead or have no time are put aside.
"""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from winnable.definition.model import Definition
from winnable.errors import DataError
from winnable.history.dates import read_dates, shape
from winnable.history.lead_table import AHEAD, nearest
from winnable.history.rejects import Findings, counted
from winnable.history.sources import read_source
from winnable.history.table import TextTable

_NAMES = {
    "lead": "leadid lead leadorcontactid whoid prospectid contactid recordid parentid personid opportunityid dealid caseid",
    "at": "at occurredat occurred happenedat timestamp eventtimestamp activitydate activitytime activitydatetime eventdate eventtime "
    "datetime time date changedat changedate changedon modifiedat modifiedon createdat createdon createddate created",
    "kind": "kind type activitytype activitykind eventtype eventkind activity event eventname activityname",
    "recorded": "recorded recordedat recordedon loadedat insertedat ingestedat syncedat",
    "field": "field fieldname property propertyname attribute column columnname",
    "old": "old oldvalue from fromvalue previous previousvalue before valuebefore",
    "new": "new newvalue to tovalue after valueafter value",
}
"""What CRMs call the columns, without blanks, capitals and punctuation, the surest names first."""
_MEANT = {"lead": "the lead's id", "at": "the time", "kind": "the kind of activity", "field": "the field's name", "new": "the new value"}




def read_activities(
    definition: Definition, source: str, leads: pd.DataFrame, findings: Findings, now: pd.Timestamp, *, for_training: bool
) -> pd.DataFrame:
    """The activities with "@id", "@at", "@kind" and, where the table has it, "@recorded"; sorted by id and time."""
    named = definition.activities
    given = {"lead": named.lead, "at": named.at, "kind": named.kind, "recorded": named.recorded}
    events = _read_events("activities", source, given, definition, leads, findings, now, for_training=for_training)
    kindless = int(events["@kind"].isna().sum())
    if kindless:
        findings.note(f"{counted(kindless, 'activity row')} without a kind; counted among all activities, but among none of a kind.")
    if "@created" in leads:
        created = events["@id"].map(leads.dropna(subset="@id").drop_duplicates("@id").set_index("@id")["@created"])
        before = int((events["@at"] < created).sum())
        if before:
            findings.note(f"{counted(before, 'activity row')} from before the lead was created; kept, as touches of somebody not yet known.")
    return _sorted(events, [])


def read_changes(
    definition: Definition, source: str, leads: pd.DataFrame, findings: Findings, now: pd.Timestamp, *, for_training: bool
) -> pd.DataFrame:
    """The field history with "@id", "@at", "@field", "@old", "@new"; sorted by id, field and time.

    Where the table keeps no old values, the old value is the one that was new before; of a first change it is missing.
    """
    named = definition.history
    given = {"lead": named.lead, "at": named.at, "field": named.field, "old": named.old, "new": named.new}
    events = _read_events("history", source, given, definition, leads, findings, now, for_training=for_training)
    fieldless = events["@field"].isna()
    findings.reject("history", events.index[fieldless], events.loc[fieldless, "@id"], "it names no field")
    changes = _sorted(events[~fieldless], ["@field"])
    if "@old" not in changes:
        findings.note("history: it keeps no old values; the value that was new before was taken.")
        changes = changes.assign(**{"@old": changes.groupby(["@id", "@field"], sort=False)["@new"].shift()})
    return changes


def _read_events(
    kind: str,
    source: str,
    given: Mapping[str, str | None],
    definition: Definition,
    leads: pd.DataFrame,
    findings: Findings,
    now: pd.Timestamp,
    *,
    for_training: bool,
) -> pd.DataFrame:
    """The table's usable rows, with its roles under reserved names."""
    if definition.columns.id is None:
        raise DataError(f"{kind}: the definition names no id column of the leads, so no row can be tied to a lead; name one as columns.id.")
    table = read_source(source, kind)
    for note in table.notes:
        findings.note(note)
    findings.reject(kind, pd.Index(list(table.broken)), None, list(table.broken.values()))
    roles = _roles(kind, given, table, definition.columns.id)
    frame = table.data
    dates = read_dates({role: frame[roles[role]] for role in ("at", "recorded") if role in roles}, table.name, findings, strict=True)
    words = {role: frame[name] for role, name in roles.items() if role not in dates}
    frame = frame.assign(**{"@id" if role == "lead" else f"@{role}": column for role, column in {**words, **dates}.items()})
    unknown = ~frame["@id"].isin(leads["@id"])
    if for_training and len(frame) and unknown.all():
        mine, theirs = frame["@id"].dropna(), leads["@id"].dropna()
        forms = f" (theirs look like '{shape(mine.iloc[0])}', the leads' like '{shape(theirs.iloc[0])}')" if len(mine) and len(theirs) else ""
        raise DataError(f"{table.name}: no row belongs to a lead: no '{roles['lead']}' is an id of the leads{forms}. Name the right columns.")
    faults = [
        (frame["@id"].isna(), "it names no lead"),
        (frame[roles["at"]].isna(), "it has no time"),
        (frame["@at"].isna(), "its time cannot be read"),
        (frame["@at"] > now + AHEAD, "its time lies in the future"),
    ]
    if for_training:
        faults.append((unknown, "no lead that can be used has this id"))
    usable = pd.Series(True, index=frame.index)
    for fault, reason in faults:
        wrong = usable & fault
        findings.reject(kind, frame.index[wrong], frame.loc[wrong, "@id"], reason)
        usable &= ~fault
    return frame[usable & ~unknown]


def _roles(kind: str, given: Mapping[str, str | None], table: TextTable, id_column: str) -> dict[str, str]:
    """Which column plays which role: the one that the definition names, else the one with the surest of the usual names."""
    columns = list(table.data.columns)
    by_plain: dict[str, str] = {}
    for column in columns:
        by_plain.setdefault(_plain(column), column)
    roles: dict[str, str] = {}
    for role, name in given.items():
        if name is not None and name not in columns:
            raise DataError(f"{table.name}: there is no column '{name}', which the definition names as {kind}.{role}; {nearest(name, columns)}")
        usual = [_plain(id_column)] if role == "lead" else []
        free = (by_plain[each] for each in [*usual, *_NAMES[role].split()] if each in by_plain and by_plain[each] not in roles.values())
        found = name or next(free, None)
        if found is None and role not in ("recorded", "old"):
            listed = ", ".join(f"'{column}'" for column in columns)
            raise DataError(f"{table.name}: no column is recognised as {_MEANT[role]}; name it in the definition as {kind}.{role}. Its columns: {listed}.")
        if found is not None:
            roles[role] = found
    return roles


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _sorted(events: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Sorted by id, the given columns of text, and time; rows of the same time stay in the order of the source."""
    keys = [events["@at"].to_numpy(), *(pd.factorize(events[name], sort=True)[0] for name in reversed(["@id", *by]))]
    return events.iloc[np.lexsort(keys)]
