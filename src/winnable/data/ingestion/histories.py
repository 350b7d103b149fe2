"""The layouts of field histories, brought into one: a row is the change of one field of one lead.

CRMs write a change a row (Salesforce and HubSpot history, Dynamics audit, Odoo tracking values), a
state a row (snapshots such as OpportunityHistory), or a date a stage (HubSpot "Date entered ...");
their APIs write changes as JSON in a cell, several of one moment (Dynamics audit) or all of one
field (HubSpot).
Columns are found in `event_columns`; rows are checked and dated in `events`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from winnable.core.text import listed
from winnable.core.values import text
from winnable.data.ingestion.dates import day_first_of_table
from winnable.data.ingestion.event_columns import (
    Events,
    newest_first,
    plain,
    plain_forms,
    typed_columns,
)
from winnable.data.ingestion.parsing import parse_moments
from winnable.data.ingestion.sources.text_table import TextTable
from winnable.errors import DataError

MIN_KNOWN_STATUSES = 0.8
"""A field whose new values are statuses of leads, this share of them, is the status."""
MIN_SHARE_OF_STATUSES = 0.5
"""With fewer statuses of leads among its values than that, a field is not the status even if it has
nearly all statuses of the leads: those that leads pass through stand in no lead."""

_ENTERED = re.compile(
    r"(?:hs )?(?:v2 )?date entered (?P<stage>.+)|became an? (?P<became>.+) date", re.IGNORECASE
)
_LEFT = re.compile(
    r"(?:hs )?(?:v2 )?(?:date exited|(?:cumulative|latest) time in) .+", re.IGNORECASE
)
"""When a lead left a stage, and how long it was in it."""
_DATED = re.compile(
    r"(?:date |first |entered |reached |moved to |became )*(?P<stage>.+?)"
    r"(?: (?:entered|reached|since))?(?: (?:date|at|on|time|timestamp))?",
    re.IGNORECASE,
)
"""The same idea in a company's own words, where the rest is one of its statuses: "MQL date"."""
MIN_DATE_SHARE = 0.9
MIN_DATED_STAGES = 2
"""Columns named by a status and holding dates, at this share, are dates of stages if there are as
many; one alone may be that of an appointment."""
_IN_QUOTES = re.compile(r"[\"'“„](?P<stage>.+?)[\"'”“]")
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")
_KEY_OF = re.compile(r"_id$")
_OF_WORDS = re.compile(r"(?:char|text|string)$", re.IGNORECASE)
_ZERO = r"0(?:\.0+)?|false"
_CHANGED_ATTRIBUTES = "changedAttributes"
"""Under which a Dynamics audit writes the changes of one moment as JSON."""
_OF_MOMENTS = re.compile(r"\s*\[\s*\{")
_COLUMNS = ("lead", "at", "field", "old", "new")


@dataclass(frozen=True)
class LeadColumns:
    """What a history refers to: the leads' columns, their status column and its values."""

    names: tuple[str, ...]
    status: str | None
    statuses: frozenset[str]

    def named(self, field: str) -> str | None:
        """The leads' column that a field of a history is; None if none has its name."""
        if field in self.names:
            return field
        wanted = {*plain_forms(field), plain(_IN_BRACKETS.sub("", field))}
        same = (name for name in self.names if wanted & {*plain_forms(name)})
        # Odoo calls the column "stage_id" and its field "Stage".
        keys = ((name, _KEY_OF.sub("", name)) for name in self.names)
        linked = (name for name, of in keys if of and of != name and plain(of) in wanted)
        return next(same, None) or next(linked, None)

    def stage(self, written: str) -> str:
        """The status that a stage's name means: the leads' own word for it if they have it."""
        wanted = plain(written)
        return next((word for word in self.statuses if plain(word) == wanted), written)


@dataclass(frozen=True)
class Changes:
    """A history as a table with a change a row, the column of each role, and notes on how it was
    read."""

    table: TextTable
    roles: dict[str, str]
    notes: tuple[str, ...] = ()


def as_changes(events: Events, leads: LeadColumns) -> Changes:
    """The history in the layout of one change a row, fields under the names of the leads' columns.

    Raises DataError where a column that is needed is not found.
    """
    events = _unpacked(events)
    field = events.find("field", set())
    if field is not None and events.find("new", {field}) is not None:
        return _with_leads_names(_of_values(events), leads)
    entered = _entered(events.table.data.columns)
    if len(entered) >= 2:
        return _of_stages(events, leads, entered)
    if leads.status is not None and _has_steps(events):
        return _of_steps(events, leads.status)
    states = _of_states(events, leads)
    return states if states is not None else _with_leads_names(_of_values(events), leads)


def _unpacked(events: Events) -> Events:
    """The history with changes that stand as JSON in cells in rows of their own; the same one where
    none do."""
    data = events.table.data
    for column in data.columns:
        cells = data[column].dropna()
        if len(cells) and cells.str.contains(_CHANGED_ATTRIBUTES, regex=False).mean() > 0.5:
            found = [_changes_of(str(cell)) for cell in data[column].fillna("")]
            return _spread(events, data.drop(columns=[column]), found)
    lead = events.find("lead", set())
    packed = [name for name in data.columns if name != lead and _is_of_moments(data[name])]
    if lead is None or not packed:
        return events
    rows = data[packed].fillna("").to_numpy()
    names = [name.rsplit(".", 1)[-1] for name in packed]
    found = [
        [
            {"field": name, "timestamp": state.get("timestamp"), "newvalue": state.get("value")}
            for name, cell in zip(names, row, strict=True)
            for state in _objects(cell)
        ]
        for row in rows
    ]
    return _spread(events, data[[lead]], found)


def _is_of_moments(column: "pd.Series[str]") -> bool:
    """Whether cells are lists of values, each with its time."""
    cells = column.dropna()
    if not len(cells) or not cells.str.match(_OF_MOMENTS).all():
        return False
    states = [*_objects(str(cells.iloc[0]))]
    return bool(states) and all({"value", "timestamp"} <= state.keys() for state in states)


def _changes_of(cell: str) -> list[dict[str, object]]:
    """The changes of a cell of a Dynamics audit."""
    return [
        {
            "field": change.get("logicalName"),
            "oldvalue": change.get("oldValue"),
            "newvalue": change.get("newValue"),
        }
        for change in _objects(cell, _CHANGED_ATTRIBUTES)
    ]


def _objects(cell: str, key: str = "") -> Iterator[dict[str, object]]:
    """The objects of a list in JSON, which is under a key if one is given; none where the cell is
    something else."""
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return
    if key:
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, list):
        yield from (each for each in found if isinstance(each, dict))


def _spread(events: Events, data: pd.DataFrame, found: "list[list[dict[str, object]]]") -> Events:
    """Each row once for each of its changes, under its own number; a row without one once, without
    a field."""
    counts = [max(len(changes), 1) for changes in found]
    columns = list(dict.fromkeys(name for changes in found for each in changes for name in each))
    others = data.drop(columns=columns, errors="ignore")
    rows = others.iloc[np.repeat(np.arange(len(data)), counts)]
    each = [change for changes in found for change in (changes or [{}])]
    texts = {name: [text(change.get(name)) for change in each] for name in columns}
    parts = pd.DataFrame(texts, index=rows.index, dtype="str")
    table = replace(events.table, data=pd.concat([rows, parts], axis=1))
    return replace(events, table=table)


def refuse_status_history(events: Events) -> None:
    """Raise DataError for a history of nothing but stages, which says nothing where conditions tell
    the outcome."""
    fields = events.find("field", set())
    if fields is not None and events.find("new", {fields}) is not None:
        return
    if _has_steps(events) or len(_entered(events.table.data.columns)) >= 2:
        raise DataError(
            f"{events.table.name}: a history of one status column cannot be read where [outcome]"
            " tells won and lost by conditions; leave it out, or list the values of the status"
            " column under won and lost."
        )


def fields_of(changes: Changes) -> set[str]:
    """The fields whose changes a history records."""
    return {str(name) for name in changes.table.data[changes.roles["field"]].dropna().unique()}


def _of_values(events: Events) -> Changes:
    """A history with a change a row; values in columns by their types become one."""
    roles = events.roles()
    data = events.table.data
    for role in ("old", "new"):
        if role in roles and events.given.get(role) is None:
            same = typed_columns(roles[role], data.columns)
            if len(same) > 1:
                data = data.assign(**{roles[role]: _of_types(data[same])})
    return Changes(replace(events.table, data=data), roles)


def _of_types(values: pd.DataFrame) -> "pd.Series[str]":
    """The one value that each row has among columns by types: words before the numbers of the keys
    that stand for them, and a zero, which is written where there is no number, only if there is
    nothing else."""
    words = [name for name in values.columns if _OF_WORDS.search(str(name))]
    ordered = values[[*words, *(name for name in values.columns if name not in words)]]
    empty = ordered.apply(lambda column: column.str.fullmatch(_ZERO, case=False).fillna(False))
    told = ordered.mask(empty.astype(bool))
    return told.bfill(axis=1).iloc[:, 0].fillna(ordered.bfill(axis=1).iloc[:, 0])


def _with_leads_names(changes: Changes, leads: LeadColumns) -> Changes:
    """The same changes with fields under the names of the leads' columns."""
    column = changes.roles["field"]
    data = changes.table.data
    fields = [str(name) for name in data[column].dropna().unique()]
    named = {field: leads.named(field) for field in fields}
    renamed = {field: name for field, name in named.items() if name and name != field}
    if leads.status is not None and leads.status not in {*fields, *renamed.values()}:
        unknown = {field for field, name in named.items() if name is None}
        status = _field_of_status(data, changes.roles, leads, unknown)
        renamed |= {status: leads.status} if status is not None else {}
    if not renamed:
        return changes
    pairs = ", ".join(f"'{field}' as '{name}'" for field, name in renamed.items())
    table = replace(changes.table, data=data.assign(**{column: data[column].replace(renamed)}))
    return replace(changes, table=table, notes=(*changes.notes, f"history: read {pairs}."))


def _field_of_status(
    data: pd.DataFrame, roles: Mapping[str, str], leads: LeadColumns, fields: set[str]
) -> str | None:
    """The field whose new values are the leads' statuses, whatever its name."""
    known = data[[roles["field"], roles["new"]]].dropna()
    is_status = known[roles["new"]].isin(leads.statuses)
    shares = is_status.groupby(known[roles["field"]], sort=False).mean()
    shares = shares[[field in fields for field in shares.index]]
    likely = shares[shares >= MIN_SHARE_OF_STATUSES].sort_values(ascending=False)
    for name, share in likely.items():
        of_field = set(known.loc[known[roles["field"]] == name, roles["new"]])
        if share >= MIN_KNOWN_STATUSES or (
            len(leads.statuses & of_field) >= MIN_KNOWN_STATUSES * len(leads.statuses)
        ):
            return str(name)
    return None


def _has_steps(events: Events) -> bool:
    """Whether each row is a step from one stage to the next, without the name of a field."""
    plains = {plain(str(name)) for name in events.table.data.columns}
    return {"fromstage", "tostage"} <= plains


def _of_steps(events: Events, status: str) -> Changes:
    given = {role: name for role, name in events.given.items() if role != "field"}
    roles = replace(events, given=given).roles()
    data = events.table.data.assign(field=status)
    return Changes(replace(events.table, data=data), {**roles, "field": "field"})


def _of_states(events: Events, leads: LeadColumns) -> Changes | None:
    """A history with a state a row: what differs from the lead's row before is a change. None where
    the rows hold none of the leads' columns."""
    lead = events.find("lead", set())
    at = events.find("at", {lead} if lead else set())
    if lead is None or at is None:
        return None
    data = events.table.data
    tracked = _tracked(data, leads, {lead, at})
    if not tracked:
        return None
    ordered = _in_order(data, lead, at)
    before = ordered.groupby(lead, sort=False, dropna=False)[list(tracked)].shift()
    first = ~ordered[lead].duplicated()
    parts = [_undated(ordered, lead, at)]
    for column, name in tracked.items():
        changed = ordered[column].fillna("") != before[column].fillna("")
        changed |= first & ordered[column].notna()
        rows = ordered[changed & ordered[lead].notna() & ordered[at].notna()]
        values = {"lead": rows[lead], "at": rows[at], "old": before.loc[rows.index, column]}
        part = pd.DataFrame({**values, "new": rows[column]})
        parts.append(part.assign(field=pd.array([name] * len(rows), dtype="str")))
    others = [name for name in data.columns if name not in {lead, at, *tracked}]
    note = (
        f"history: each row is a state of a lead; changes of {listed(tracked.values())} were taken"
        f" from it, dated by '{at}'" + (f"; not used: {listed(others)}." if others else ".")
    )
    data = pd.concat(parts)[list(_COLUMNS)].astype("str")
    return Changes(replace(events.table, data=data), {role: role for role in _COLUMNS}, (note,))


def _tracked(data: pd.DataFrame, leads: LeadColumns, taken: set[str]) -> dict[str, str]:
    """The columns of states that are the leads', and their names there; a column of statuses is the
    status whatever its name."""
    tracked: dict[str, str] = {}
    for column in data.columns:
        name = leads.named(str(column)) if column not in taken else None
        if name is not None and name not in tracked.values():
            tracked[str(column)] = name
    if leads.status is not None and leads.status not in tracked.values():
        for column in data.columns:
            known = data[column].dropna()
            words = column not in {*taken, *tracked} and known.isin(leads.statuses).mean()
            if len(known) and words >= MIN_KNOWN_STATUSES:
                return {**tracked, str(column): leads.status}
    return tracked


def _in_order(data: pd.DataFrame, lead: str, at: str) -> pd.DataFrame:
    """The rows of each lead by their time; of the same time as in the source, or as in a source
    with the newest rows first from its bottom."""
    first = day_first_of_table({"at": data[at]})["at"]
    times = parse_moments(data[at], first).to_numpy(dtype="datetime64[us]")
    owner = pd.factorize(data[lead])[0].astype(np.int64)
    if newest_first(owner, times):
        data = data.iloc[::-1]
        times = times[::-1]
    return data.iloc[np.argsort(times, kind="stable")]


def _undated(data: pd.DataFrame, lead: str, at: str) -> pd.DataFrame:
    """The rows that cannot be placed, each once, to be rejected with the reason."""
    rows = data[data[lead].isna() | data[at].isna()]
    return pd.DataFrame({"lead": rows[lead], "at": rows[at]}).reindex(columns=list(_COLUMNS))


def stage_dates(data: pd.DataFrame, leads: LeadColumns) -> tuple[dict[str, str], tuple[str, ...]]:
    """The columns of a table of leads with the date of entering a stage, and the leads' word for
    each stage; and the columns that tell when stages were left, from which no status follows."""
    columns = [str(name) for name in data.columns if not str(name).startswith("@")]
    entered = {name: leads.stage(stage) for name, stage in _entered(columns).items()}
    if leads.status is not None:
        entered |= _dated_stages(data, [name for name in columns if name not in entered], leads)
    left = tuple(name for name in columns if _LEFT.fullmatch(_in_words(name)))
    return entered, left


def _dated_stages(data: pd.DataFrame, columns: Iterable[str], leads: LeadColumns) -> dict[str, str]:
    found = {}
    for name in columns:
        words = _DATED.fullmatch(_in_words(name))
        stage = leads.stage(words["stage"]) if words and words["stage"] != name else None
        if stage in leads.statuses and name != leads.status:
            known = data[name].dropna()
            if len(known) and parse_moments(known).notna().mean() >= MIN_DATE_SHARE:
                found[name] = str(stage)
    return found if len(found) >= MIN_DATED_STAGES else {}


def rows_of_stages(
    data: pd.DataFrame, lead: str, field: str, entered: Mapping[str, str]
) -> pd.DataFrame:
    """A row for each date of a stage: lead, at, field and new, under the numbers of the leads'
    rows."""
    parts = []
    for column, stage in entered.items():
        rows = data[data[column].notna() & data[lead].notna()]
        part = pd.DataFrame({"lead": rows[lead], "at": rows[column]})
        parts.append(part.assign(field=field, new=stage))
    return pd.concat(parts).astype("str")


def _in_words(column: str) -> str:
    return " ".join(re.sub(r"_+", " ", column).split())


def _entered(columns: Iterable[object]) -> dict[str, str]:
    """The columns with the date of entering a stage, and the stages."""
    stages = {}
    for column in columns:
        found = _ENTERED.fullmatch(_in_words(str(column)))
        if found is not None:
            stage = found["stage"] or found["became"]
            quoted = _IN_QUOTES.search(stage)
            stages[str(column)] = _IN_BRACKETS.sub("", quoted["stage"] if quoted else stage)
    return stages


def _of_stages(events: Events, leads: LeadColumns, entered: Mapping[str, str]) -> Changes:
    """A history with a row a lead and a date a stage."""
    lead = events.find("lead", set(entered))
    if lead is None or leads.status is None:
        return Changes(events.table, events.roles())
    stages = {column: leads.stage(stage) for column, stage in entered.items()}
    rows = rows_of_stages(events.table.data, lead, leads.status, stages)
    table = replace(events.table, data=rows)
    note = f"history: {listed(entered)} are read as changes of '{leads.status}'."
    return Changes(table, {role: role for role in ("lead", "at", "field", "new")}, (note,))
