"""Ingestion of activities and field history: one row is one event of a lead at one time.

Columns are found by the definition, or by the names that CRMs usually give them. Rows without a
known lead and rows without a time are rejected. Activities of visitors whom nobody has identified
are counted (`EventReader.visitors`). Leads are read in `winnable.data.ingestion.leads`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from winnable.core.columns import (
    AT,
    CREATED,
    FIELD,
    ID,
    IDENTIFIED,
    KIND,
    NEW,
    OLD,
    RECORDED,
    STATUS,
    VISITOR,
)
from winnable.core.text import counted, listed
from winnable.data.ingestion.dates import ends_of_days, read_dates, shape
from winnable.data.ingestion.event_columns import Events, newest_first
from winnable.data.ingestion.histories import (
    LeadColumns,
    as_changes,
    refuse_status_history,
    rows_of_stages,
    stage_dates,
)
from winnable.data.ingestion.lead_keys import LeadKeys, Visits, merge_visits
from winnable.data.ingestion.leads import CLOCK_TOLERANCE
from winnable.data.ingestion.rejects import Findings
from winnable.data.ingestion.sources.options import ReadOptions
from winnable.data.ingestion.sources.source import Source, read_source
from winnable.data.ingestion.sources.text_table import TextTable
from winnable.definition.schema import Definition
from winnable.errors import DataError

_UNTIL = "@until"
_HAPPENED = "@happened"
"""Columns of the reader's own: until when a time can lie, and the time as it was written."""


@dataclass(frozen=True)
class EventReader:
    """Reads the events of the given leads, table by table; unusable rows are recorded in the
    findings."""

    definition: Definition
    leads: pd.DataFrame
    findings: Findings
    now: pd.Timestamp
    for_training: bool
    options: ReadOptions | None = None
    seen: "list[pd.Timestamp]" = field(default_factory=list)
    """The latest time of each table that was read, including rows of leads that are not to be
    scored."""
    _visitors: "list[pd.DataFrame]" = field(default_factory=list)

    @property
    def visitors(self) -> pd.DataFrame | None:
        """Who came before anybody knew them, as in `Visits`; None where the activities tell no
        visitors."""
        return self._visitors[-1] if self._visitors else None

    def activities(self, source: Source) -> pd.DataFrame:
        """The activities with "@id", "@at", "@kind", and as text their properties, which are all
        columns without a role; sorted by id and time.

        If the table has recording times, dates without a time of day, or visitors who were
        identified later, "@recorded" holds the time from which each row was known as its lead's.
        """
        named = self.definition.activities
        roles = ("lead", "at", "kind", "recorded", "visitor")
        given = {role: getattr(named, role) for role in roles}
        events = self._events("activities", self._read("activities", source), given)
        late = {RECORDED, IDENTIFIED} & {*events.columns}
        if late or (events[_UNTIL] != events[AT]).any():
            events = events.assign(**{RECORDED: _known(events)}).drop(
                columns=[IDENTIFIED], errors="ignore"
            )
        without_kind = int(events[KIND].isna().sum())
        if without_kind:
            self.findings.note(
                f"activities: {counted(without_kind, 'row')} without a kind; not counted under any"
                " kind."
            )
        self._note_early("activities", events, "kept as early touches")
        return _sorted(events.drop(columns=[_UNTIL, VISITOR], errors="ignore"), [])

    def changes(
        self, source: Source | None, entered: Mapping[str, str] | None = None
    ) -> pd.DataFrame | None:
        """The field history of a source, and that of the dates of stages in the leads (`entered`:
        columns and stages); None where there is neither.

        Where the source records changes of the status, these are used alone.
        """
        found = None if source is None else self._changes(self._read("history", source))
        status = self.definition.columns.status
        if not entered or (found is not None and (found[FIELD] == status).any()):
            return found
        rows = rows_of_stages(self.leads, ID, status, entered)
        if not len(rows):
            return found
        own = self._changes(TextTable("leads", rows, {}, (), frozenset()), is_own=True)
        if found is None:
            return own
        columns = [ID, AT, FIELD, OLD, NEW]
        joined = pd.concat([found[columns], own[columns]])
        return _sorted(joined, [FIELD])

    def stages_of_leads(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """The leads' columns with the date of entering a stage, and the stages; and all columns
        that are no features because they are such dates. Those that the definition lists are as it
        says."""
        columns = self.definition.columns
        asked = {*columns.fixed, *columns.trusted, *columns.ignore, *self.definition.fields()}
        roles = {*columns.dates.values()}
        leads = self._lead_columns()
        entered, left = stage_dates(self.leads.drop(columns=[*asked], errors="ignore"), leads)
        dropped = tuple(name for name in (*entered, *left) if name not in roles)
        if dropped:
            self.findings.note(self._about_stages(entered, dropped, leads))
        known = sum(stage in leads.statuses for stage in entered.values())
        is_of_status = leads.status is not None and 2 * known >= len(entered)
        return (entered if is_of_status else {}), dropped

    def _about_stages(
        self, entered: Mapping[str, str], dropped: Sequence[str], leads: LeadColumns
    ) -> str:
        known = sum(stage in leads.statuses for stage in entered.values())
        says = (
            f"leads: {listed(dropped)} tell when a lead entered or left a stage, so they are no"
            " features"
        )
        if leads.status is None:
            return f"{says}; [outcome] tells won and lost by conditions, so they are not read."
        if not entered or 2 * known < len(entered):
            return f"{says}; they are not stages of '{leads.status}', so they are not read."
        read = "they" if set(entered) == set(dropped) else listed(entered)
        return (
            f"{says}; {read} are read as changes of '{leads.status}', each from its date"
            " on. List a column under columns.ignore to leave it out."
        )

    def _changes(self, table: TextTable, *, is_own: bool = False) -> pd.DataFrame:
        """The field history with "@id", "@at", "@field", "@old", "@new"; sorted by id, field and
        recording time, which is "@at".

        If the table has no old values, the old value is the previous new one; that of a first
        change is missing. A change that was recorded after a later change of the same field was
        never the current value in the CRM, and is left out.
        """
        named = self.definition.history
        given = {
            "lead": named.lead,
            "at": named.at,
            "field": named.field,
            "old": named.old,
            "new": named.new,
        }
        given = {} if is_own else {**given, "recorded": named.recorded}
        events = self._events("history", table, given, is_own=is_own)
        fieldless = events[FIELD].isna()
        self.findings.reject(
            "history", events.index[fieldless], events.loc[fieldless, ID], "it names no field"
        )
        changes = events[~fieldless]
        self._note_early("history", changes, "kept as earlier values")
        known = changes.assign(**{_HAPPENED: changes[AT], AT: _known(changes)}).drop(columns=_UNTIL)
        changes = _sorted(known, [FIELD])
        overtaken = (
            changes[_HAPPENED] < changes.groupby([ID, FIELD], sort=False)[_HAPPENED].cummax()
        )
        if overtaken.any():
            self.findings.note(
                f"history: {counted(int(overtaken.sum()), 'change')} recorded after a later change"
                " of the same field; left out."
            )
        changes = changes[~overtaken].drop(columns=_HAPPENED)
        if OLD not in changes:
            if not is_own:
                self.findings.note(
                    "history: no old values in the table; the previous new value was used."
                )
            changes[OLD] = changes.groupby([ID, FIELD], sort=False)[NEW].shift().astype("str")
        return changes

    def _read(self, kind: str, source: Source) -> TextTable:
        """The table of a source; what could not be read of it is recorded."""
        if self.definition.columns.id is None:
            raise DataError(
                f"{kind}: the definition names no id column for the leads, so no row can be matched"
                " to a lead; set columns.id."
            )
        table = read_source(source, kind, self.options)
        for note in table.notes:
            self.findings.note(note)
        self.findings.reject(kind, pd.Index(list(table.broken)), None, list(table.broken.values()))
        return table

    def _events(
        self, kind: str, table: TextTable, given: Mapping[str, str | None], *, is_own: bool = False
    ) -> pd.DataFrame:
        """The table's usable rows, with its roles under reserved names; the leads' `own` table has
        its roles as names."""
        keys = LeadKeys(self.leads[ID].dropna())
        if is_own:
            roles = {name: name for name in ("lead", "at", "field", "new")}
        else:
            table, roles = self._found(Events(kind, table, given, keys, self.definition.columns.id))
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
        if kind == "activities":
            # The columns that are left are the properties of activities.
            frame = frame.drop(columns=list(roles.values()))
        in_file = len(frame) + len(table.broken)
        named = frame[ID].notna()
        unnamed = ~named
        visits = self._visits(frame, dated) if VISITOR in frame else None
        if visits is not None:
            frame = frame.assign(**{ID: visits.leads}).assign(**{IDENTIFIED: visits.identified})
            # Those left without a lead have no time, which is what is wrong with them.
            kept = ~visits.anonymous
            unnamed = (visits.leads.isna() & frame[VISITOR].isna())[kept]
            dated = {role: written[kept] for role, written in dated.items()}
            frame = frame[kept]
        links = keys.find(frame[ID])
        known = pd.Series(links.counts > 0, index=frame.index)
        faults = [
            (unnamed, "it has no lead id"),
            (dated["at"].isna(), "it has no timestamp"),
            (frame[AT].isna(), "its timestamp cannot be read"),
            (frame[AT] > self.now + CLOCK_TOLERANCE, "its timestamp is in the future"),
        ]
        if "recorded" in dates:
            faults.append(
                (
                    frame[RECORDED] > self.now + CLOCK_TOLERANCE,
                    "its recording time is in the future",
                )
            )
        if self.for_training:
            self._refuse_unmatched(frame, known, table, roles["lead"])
            faults.append((~known, "no usable lead has this id"))
        usable = self.findings.keep_usable(kind, frame, faults)
        self.seen.append(frame.loc[usable, AT].max())
        events = frame[usable & known]
        until = {
            role: ends_of_days(dated[role][usable & known], events[f"@{role}"]) for role in dates
        }
        if visits is not None and self.for_training:
            self._note_visits(visits, named[events.index], in_file)
        dates_only = int((until["at"] != events[AT]).sum())
        if dates_only:
            self.findings.note(
                f"{kind}: {counted(dates_only, 'date')} without a time of day; treated as known"
                " from the end of that day."
            )
        unrecorded = int(until["recorded"].isna().sum()) if "recorded" in until else 0
        if unrecorded:
            self.findings.note(
                f"{kind}: {counted(unrecorded, 'row')} without a readable recording time;"
                " treated as known when it happened."
            )
        events = events.assign(
            **{
                _UNTIL: until.pop("at"),
                **{f"@{role}": moments for role, moments in until.items()},
            }
        )
        return links.take(events, (usable & known).to_numpy(), ID)

    def _visits(self, frame: pd.DataFrame, dated: "Mapping[str, pd.Series[str]]") -> Visits | None:
        """The activities merged by visitor; None where every row names its lead."""
        if not (frame[ID].isna() & frame[VISITOR].notna()).any():
            return None
        times = {role: frame[f"@{role}"] for role in dated}
        past = pd.concat(times, axis=1).max(axis=1) <= self.now + CLOCK_TOLERANCE
        ends = [ends_of_days(dated[role], at) for role, at in times.items()]
        known = pd.concat(ends, axis=1).max(axis=1).where(past & frame[AT].notna())
        visits = merge_visits(frame, known)
        self._visitors.append(visits.visitors)
        self.seen.append(frame.loc[visits.anonymous, AT].max())
        return visits

    def _note_visits(self, visits: Visits, named: "pd.Series[bool]", in_file: int) -> None:
        """Add notes on what became of each row of a log with visitors; `named` tells of those that
        are used whether they name their lead."""
        anonymous = int(visits.anonymous.sum())
        used = len(named)
        by_visitor = int((~named).sum())
        self.findings.note(
            f"activities: {counted(in_file, 'row')}: {used - by_visitor:,} name their lead,"
            f" {by_visitor:,} belong to one by their visitor, {anonymous:,} are of visitors nobody"
            f" has identified, {in_file - used - anonymous:,} rejected."
        )
        came = len(visits.visitors)
        later = int(visits.visitors[IDENTIFIED].notna().sum())
        share = f" ({100 * later / came:.0f}%)" if came else ""
        self.findings.note(
            f"activities: of {counted(came, 'visitor')} who came anonymously {later:,}{share} were"
            " identified later; what they did before counts from then."
        )
        if visits.several:
            self.findings.note(
                f"activities: {counted(visits.several, 'visitor')} identified as more than one lead"
                " (a shared computer?): rows before the first belong to the first, later ones to"
                " the lead identified last before them."
            )

    def _found(self, events: Events) -> tuple[TextTable, dict[str, str]]:
        """The table and the column of each role; a history in the layout of one change a row."""
        if events.kind != "history":
            return events.table, events.roles()
        if self.definition.outcome.won_if:
            refuse_status_history(events)
            self.findings.note(
                "history: [outcome] tells won and lost by conditions, not by one status, so the"
                " changes do not tell when a lead ended; the closing date does."
            )
        changes = as_changes(events, self._lead_columns())
        for note in changes.notes:
            self.findings.note(note)
        return changes.table, changes.roles

    def _lead_columns(self) -> LeadColumns:
        names = tuple(str(name) for name in self.leads.columns if not str(name).startswith("@"))
        statuses = self.definition.outcome.won + self.definition.outcome.lost
        if STATUS in self.leads:
            statuses += tuple(self.leads[STATUS].dropna().unique())
        by_conditions = bool(self.definition.outcome.won_if)
        status = None if by_conditions else self.definition.columns.status
        return LeadColumns(names, status, frozenset(statuses))

    def _note_early(self, table: str, events: pd.DataFrame, kept: str) -> None:
        """Add a note with the number of rows that are older than their lead."""
        if CREATED not in self.leads:
            return
        before = int(
            (events[_UNTIL].to_numpy(dtype="datetime64[us]") < self._created_of(events[ID])).sum()
        )
        if before:
            self.findings.note(
                f"{table}: {counted(before, 'row')} from before the lead was created; {kept}."
            )

    def _created_of(self, ids: "pd.Series[str]") -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
        """When the lead of each row was created; NaT where unknown. Each distinct id is looked up
        once."""
        created = self.leads.dropna(subset=[ID]).drop_duplicates(ID).set_index(ID)[CREATED]
        codes, distinct = pd.factorize(ids)
        return created.reindex(distinct).to_numpy(dtype="datetime64[us]")[codes]

    def _refuse_unmatched(
        self, frame: pd.DataFrame, known: "pd.Series[bool]", table: TextTable, column: str
    ) -> None:
        """Raise DataError if there are leads and rows, but no row belongs to a lead."""
        event_ids = frame[ID].dropna()
        lead_ids = self.leads[ID].dropna()
        if len(event_ids) and len(lead_ids) and not known.any():
            raise DataError(
                f"{table.name}: none of the {counted(len(frame), 'row')} belongs to a lead:"
                f" '{column}' has values like '{shape(event_ids.iloc[0])}', the leads' ids look"
                f" like '{shape(lead_ids.iloc[0])}'. Name the right columns in the definition."
            )


def _known(events: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """From when each row was known: it had certainly happened, and was recorded and its visitor
    identified, where these times are given."""
    given = [name for name in (_UNTIL, RECORDED, IDENTIFIED) if name in events]
    return events[_UNTIL] if len(given) == 1 else events[given].max(axis=1)


def _sorted(events: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Sorted by id, the given text columns, and time; rows of the same time keep the order of the
    source.

    A source with the newest rows of a lead first is read from the bottom, so that of several rows
    in one second the latest comes last.
    """
    times = events[AT].to_numpy(dtype="datetime64[us]")
    keys = [times, *(pd.factorize(events[name], sort=True)[0] for name in reversed([ID, *by]))]
    source_order = slice(None, None, -1 if newest_first(keys[-1], times) else 1)
    return events.iloc[source_order].iloc[np.lexsort([key[source_order] for key in keys])]
