"""The activities' and the field history's side of the input contract: one row is one thing that
happened to a lead at one time.

Columns are found by the definition, or by the names that CRMs give them. Rows of no lead and rows
without a time are put aside.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from winnable.core.columns import AT, CREATED, FIELD, ID, KIND, NEW, OLD, RECORDED
from winnable.core.text import counted, listed
from winnable.data.ingestion.dates import ends_of_days, read_dates, shape
from winnable.data.ingestion.leads import AHEAD, nearest_column
from winnable.data.ingestion.rejects import Findings
from winnable.data.ingestion.sources.source import Source, read_source
from winnable.data.ingestion.sources.text_table import TextTable
from winnable.definition.schema import Definition
from winnable.errors import DataError

_UNTIL, _HAPPENED = "@until", "@happened"
"""Columns of the reader's own: until when a time can lie, and the time as it was written."""
_NAMES = {
    "lead": (
        "leadid lead leadorcontactid whoid prospectid contactid recordid parentid personid"
        " opportunityid dealid caseid"
    ),
    "at": (
        "at occurredat occurred happenedat timestamp eventtimestamp activitydate activitytime"
        " activitydatetime eventdate eventtime datetime time date changedat changedate changedon"
        " modifiedat modifiedon createdat createdon createddate created"
    ),
    "kind": (
        "kind type activitytype activitykind eventtype eventkind activity event eventname"
        " activityname"
    ),
    "recorded": "recorded recordedat recordedon loadedat insertedat ingestedat syncedat",
    "field": "field fieldname property propertyname attribute column columnname",
    "old": "old oldvalue from fromvalue previous previousvalue before valuebefore",
    "new": "new newvalue to tovalue after valueafter value",
}
"""What CRMs call the columns, without blanks, capitals and punctuation, the surest names first."""
_MEANT = {
    "lead": "the lead's id",
    "at": "the time",
    "kind": "the kind",
    "field": "the field's name",
    "new": "the new value",
}


@dataclass(frozen=True)
class EventReader:
    """Reads what happened to the given leads, each table by itself; rows that cannot be used go to
    the findings."""

    definition: Definition
    leads: pd.DataFrame
    findings: Findings
    now: pd.Timestamp
    for_training: bool
    seen: "list[pd.Timestamp]" = field(default_factory=list)
    """The newest time of each table that was read, also of rows that belong to none of the leads to
    be scored."""

    def activities(self, source: Source) -> pd.DataFrame:
        """The activities with "@id", "@at", "@kind"; sorted by id and time.

        Where the table has times of recording, or dates without a time of day, "@recorded" says
        when each row was known.
        """
        named = self.definition.activities
        given = {"lead": named.lead, "at": named.at, "kind": named.kind, "recorded": named.recorded}
        events = self._events("activities", source, given)
        if RECORDED in events or (events[_UNTIL] != events[AT]).any():
            events = events.assign(**{RECORDED: _known(events)})
        kindless = int(events[KIND].isna().sum())
        if kindless:
            self.findings.note(
                f"activities: {counted(kindless, 'row')} without a kind; counted under none of the"
                " kinds."
            )
        self._note_early("activities", events, "kept, early touches")
        return _sorted(events.drop(columns=_UNTIL), [])

    def changes(self, source: Source) -> pd.DataFrame:
        """The field history with "@id", "@at", "@field", "@old", "@new"; sorted by id, field and
        time, that of the recording.

        Where the table keeps no old values, the old value is the one that was new before; of a
        first change it is missing. A change that was recorded after a later one of the same field
        never was what the CRM said, and is left out.
        """
        named = self.definition.history
        given = {
            "lead": named.lead,
            "at": named.at,
            "field": named.field,
            "old": named.old,
            "new": named.new,
        }
        events = self._events("history", source, {**given, "recorded": named.recorded})
        fieldless = events[FIELD].isna()
        self.findings.reject(
            "history", events.index[fieldless], events.loc[fieldless, ID], "it names no field"
        )
        changes = events[~fieldless]
        self._note_early("history", changes, "kept, what was so before")
        known = changes.assign(**{_HAPPENED: changes[AT], AT: _known(changes)}).drop(columns=_UNTIL)
        changes = _sorted(known, [FIELD])
        overtaken = (
            changes[_HAPPENED] < changes.groupby([ID, FIELD], sort=False)[_HAPPENED].cummax()
        )
        if overtaken.any():
            self.findings.note(
                f"history: {counted(int(overtaken.sum()), 'change')} recorded after a later one;"
                " left out."
            )
        changes = changes[~overtaken].drop(columns=_HAPPENED)
        if OLD not in changes:
            self.findings.note(
                "history: it keeps no old values; the value that was new before was taken."
            )
            changes[OLD] = changes.groupby([ID, FIELD], sort=False)[NEW].shift().astype("str")
        return changes

    def _events(self, kind: str, source: Source, given: Mapping[str, str | None]) -> pd.DataFrame:
        """The table's usable rows, with its roles under reserved names."""
        id_column = self.definition.columns.id
        if id_column is None:
            raise DataError(
                f"{kind}: the definition names no id column of the leads, so no row can be tied to"
                " a lead; name it."
            )
        table = read_source(source, kind)
        for note in table.notes:
            self.findings.note(note)
        self.findings.reject(kind, pd.Index(list(table.broken)), None, list(table.broken.values()))
        roles = _roles(kind, given, table, id_column)
        frame = table.data
        dated: dict[str, pd.Series[str]] = {
            role: frame[roles[role]] for role in ("at", "recorded") if role in roles
        }
        dates = read_dates(dated, table.name, self.findings, strict=True)
        words = {role: frame[name] for role, name in roles.items() if role not in dates}
        frame = frame.assign(
            **{
                ID if role == "lead" else f"@{role}": column
                for role, column in {**words, **dates}.items()
            }
        )
        known = self._known(frame[ID])
        faults = [
            (frame[ID].isna(), "it names no lead"),
            (dated["at"].isna(), "it has no time"),
            (frame[AT].isna(), "its time cannot be read"),
            (frame[AT] > self.now + AHEAD, "its time lies in the future"),
        ]
        if "recorded" in dates:
            faults.append((frame[RECORDED] > self.now + AHEAD, "it was recorded in the future"))
        if self.for_training:
            self._refuse_strangers(frame, known, table, roles["lead"])
            faults.append((~known, "no lead that can be used has this id"))
        usable = self.findings.keep_usable(kind, frame, faults)
        self.seen.append(frame.loc[usable, AT].max())
        events = frame[usable & known]
        until = {
            role: ends_of_days(dated[role][events.index], events[f"@{role}"]) for role in dates
        }
        if days := int((until["at"] != events[AT]).sum()):
            self.findings.note(
                f"{kind}: {counted(days, 'date')} without a time of day; known from the end of that"
                " day on."
            )
        if "recorded" in until and (blank := int(until["recorded"].isna().sum())):
            self.findings.note(
                f"{kind}: {counted(blank, 'row')} without a time of recording that can be read;"
                " known when it happened."
            )
        return events.assign(
            **{
                _UNTIL: until.pop("at"),
                **{f"@{role}": moments for role, moments in until.items()},
            }
        )

    def _note_early(self, table: str, events: pd.DataFrame, kept: str) -> None:
        """Say how many rows are older than their lead."""
        if CREATED not in self.leads:
            return
        before = int(
            (events[_UNTIL].to_numpy(dtype="datetime64[us]") < self._created_of(events[ID])).sum()
        )
        if before:
            self.findings.note(
                f"{table}: {counted(before, 'row')} from before the lead was created; {kept}."
            )

    def _known(self, ids: "pd.Series[str]") -> "pd.Series[bool]":
        """Whether each row belongs to one of the leads. Each different id is looked up once."""
        leads = set(self.leads[ID].dropna())
        codes, distinct = pd.factorize(ids)
        return pd.Series(
            np.array([*(each in leads for each in distinct), False])[codes], index=ids.index
        )

    def _created_of(self, ids: "pd.Series[str]") -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
        """When the lead of each row was created; NaT where nobody knows. Each different id is
        looked up once."""
        created = self.leads.dropna(subset=[ID]).drop_duplicates(ID).set_index(ID)[CREATED]
        codes, distinct = pd.factorize(ids)
        return created.reindex(distinct).to_numpy(dtype="datetime64[us]")[codes]

    def _refuse_strangers(
        self, frame: pd.DataFrame, known: "pd.Series[bool]", table: TextTable, column: str
    ) -> None:
        """Raise DataError if there are leads and rows, but no row belongs to a lead."""
        mine, theirs = frame[ID].dropna(), self.leads[ID].dropna()
        if len(mine) and len(theirs) and not known.any():
            raise DataError(
                f"{table.name}: none of the {counted(len(frame), 'row')} belongs to a lead:"
                f" '{column}' holds values like '{shape(mine.iloc[0])}', the leads' ids are like"
                f" '{shape(theirs.iloc[0])}'. Name the right columns."
            )


def _roles(
    kind: str, given: Mapping[str, str | None], table: TextTable, id_column: str
) -> dict[str, str]:
    """Which column plays which role: the one that the definition names, else the one with the
    surest of the usual names."""
    columns = list(table.data.columns)
    by_plain: dict[str, str] = {}
    for column in columns:
        by_plain.setdefault(_plain(column), column)
    roles: dict[str, str] = {}
    for role, name in given.items():
        if name is not None and name not in columns:
            where = f"which the definition names as {kind}.{role}"
            raise DataError(
                f"{table.name}: there is no column '{name}', {where}; {nearest_column(name, columns)}"
            )
        usual = [_plain(id_column)] if role == "lead" else []
        usual += _NAMES[role].split()
        free = (
            by_plain[each]
            for each in usual
            if each in by_plain and by_plain[each] not in roles.values()
        )
        found = name or next(free, None)
        if found is None and role not in ("recorded", "old"):
            mend = f"name it in the definition as {kind}.{role}"
            raise DataError(
                f"{table.name}: no column is recognised as {_MEANT[role]}; {mend}. Its columns:"
                f" {listed(columns)}."
            )
        if found is not None:
            roles[role] = found
    return roles


def _known(events: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """When each row was known: it had surely happened and, where that is told, it was recorded."""
    return events[_UNTIL] if RECORDED not in events else events[[_UNTIL, RECORDED]].max(axis=1)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _sorted(events: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Sorted by id, the given columns of text, and time; rows of the same time stay in the order of
    the source.

    A source that has the newest rows of a lead first is read from below, so that the last of a
    second is the last that was told.
    """
    times = events[AT].to_numpy(dtype="datetime64[us]")
    keys = [times, *(pd.factorize(events[name], sort=True)[0] for name in reversed([ID, *by]))]
    of_each = np.argsort(keys[-1], kind="stable")
    steps = np.diff(times[of_each]).astype(np.int64)[np.diff(keys[-1][of_each]) == 0]
    upwards = slice(None, None, -1 if (steps < 0).sum() > (steps > 0).sum() else 1)
    return events.iloc[upwards].iloc[np.lexsort([key[upwards] for key in keys])]
