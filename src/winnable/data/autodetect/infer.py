"""Inference of a first definition from an export: which column plays which role, which statuses
mean won and lost, and why.

Columns are recognized by the names that CRM vendors give them and by what they contain. Every guess
keeps its reason in words, because people are to check and correct it; writing it down as a
definition file is done in `draft`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from winnable.core.columns import is_nameless, is_of_loader
from winnable.core.text import listed
from winnable.data.autodetect.content import (
    MAX_CATEGORIES,
    MIN_DATE_SHARE,
    DateColumns,
    Guess,
    dates_share,
    numbers_share,
)
from winnable.data.autodetect.end_dates import ended_without_outcome
from winnable.data.autodetect.lexicon import (
    NO,
    YES,
    is_fixed,
    meaning_of_kind,
    spaced,
    why_late,
    why_personal,
)
from winnable.data.autodetect.outcome import OutcomeGuess, find_outcome, values_of
from winnable.data.autodetect.roles import RoleSearch
from winnable.data.autodetect.vendors import (
    STATUS,
    Vendor,
    bare,
    recognize_vendor,
)
from winnable.data.features.plan import MIN_NUMBER_SHARE
from winnable.data.ingestion.dates import day_first_of_table
from winnable.data.ingestion.event_columns import NAMES, Events, plain
from winnable.data.ingestion.histories import LeadColumns, as_changes, fields_of, stage_dates
from winnable.data.ingestion.lead_keys import LeadKeys
from winnable.data.ingestion.parsing import parse_moments
from winnable.data.ingestion.repeated_ids import refuse_events
from winnable.data.ingestion.sources.options import ReadOptions
from winnable.data.ingestion.sources.source import read_source
from winnable.data.ingestion.sources.text_table import TextTable
from winnable.definition.outcome import ANYTHING
from winnable.errors import DataError

SETTLED_ROLES = ("id", "person", "created", "closed", "closed_lost", "changed")
"""The roles besides the status that identify a lead or date it, in the order of the definition."""

MIN_LEADS_PER_GROUP = 50
"""Open and closed leads needed to compare how often a column is filled in the two groups."""

FEATURE_ROLES = ("owner", "account", "amount")
"""Roles whose columns models may still learn from."""


@dataclass(frozen=True)
class Kinds:
    """Kinds of activity by what they seem to show, each with its count in the log."""

    intent: dict[str, int]
    interest: dict[str, int]
    neither: dict[str, int]


@dataclass(frozen=True)
class Guesses:
    """Everything that was inferred from an export, with the reasons."""

    source: str
    leads: pd.DataFrame
    vendor: Vendor | None
    outcome: OutcomeGuess
    roles: dict[str, Guess]
    fixed: tuple[str, ...]
    ignore: dict[str, str]
    untracked: tuple[str, ...]
    kinds: Kinds | None
    dropped: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    visitor: str | None = None
    stages: tuple[str, ...] = ()
    """The columns with the date of entering or leaving a stage, which reading takes for the history
    of the status."""

    @property
    def won(self) -> pd.Series[bool]:
        """Which rows are won."""
        return pd.Series(self.outcome.won_in(self.leads), index=self.leads.index)

    @property
    def lost(self) -> pd.Series[bool]:
        """Which rows are lost."""
        return pd.Series(self.outcome.lost_in(self.leads), index=self.leads.index)


def guess(
    leads: str,
    activities: str | None = None,
    history: str | None = None,
    options: ReadOptions | None = None,
) -> Guesses:
    """What the columns of an export, and the kinds in its activity log, seem to mean.

    A field whose changes are in the field history is neither fixed nor ignored as written too late:
    its past values are known.

    Raises DataError where no column tells which leads were won, with the most likely columns and
    what to write.
    """
    table = read_source(leads, "leads", options)
    data = _of_one_meaning(table)
    vendor = recognize_vendor(list(data.columns))
    refuse_events(data, table.name)
    try:
        outcome = find_outcome(table.name, data, vendor, has_history=history is not None)
    except DataError as error:
        raise DataError(f"{error}{_about_doubled(table)}") from None
    of_events = None if options is None else options.for_events
    done = None if activities is None else read_source(activities, "activities", of_events)
    log = None if done is None else done.data
    past = None if history is None else read_source(history, "history", of_events)
    by_date = outcome.won == (ANYTHING,)
    dates = DateColumns(data)
    search = RoleSearch(
        data,
        vendor,
        outcome.won_in(data),
        outcome.lost_in(data),
        log,
        dates,
        {name for name in data.columns if is_of_loader(name)}
        | {name for name in outcome.columns if not dates.is_date(name)},
        has_open=not by_date,
        past=None if past is None else past.data,
    ).run()
    roles = search.found
    outcome = replace(outcome, silent=(*outcome.silent, *_ended_as_open(data, outcome, roles)))
    tracked: set[str] = set()
    if past is not None and "id" in roles:
        tracked = _fields_in(past, data, outcome, roles["id"].column)
    taken = {
        *outcome.columns,
        *(guess.column for role, guess in roles.items() if role not in FEATURE_ROLES),
    }
    kinds = None if log is None else _kinds(log)
    visitor = None
    if done is not None and "id" in roles:
        visitor = _visitor_in(done, data, roles["id"].column)
    guesses = Guesses(
        table.name,
        data,
        vendor,
        outcome,
        roles,
        (),
        {},
        (),
        kinds,
        search.dropped,
        table.notes,
        visitor,
    )
    stages = _stage_dates(data, outcome, taken)
    taken |= {*stages}
    guesses = replace(guesses, stages=stages)
    ignore = _ignored(guesses, [name for name in data.columns if name not in taken], tracked)
    source = {roles["source"].column} if "source" in roles else set()
    fixed = (
        name
        for name in data.columns
        if name in source or (name not in taken and name not in ignore and is_fixed(name))
    )
    guesses = replace(
        guesses, fixed=tuple(name for name in fixed if name not in tracked), ignore=ignore
    )
    settled = {*taken, *ignore, *guesses.fixed, *tracked}
    others = tuple(name for name in data.columns if name not in settled)
    known_otherwise = {
        *outcome.columns,
        *(roles[role].column for role in SETTLED_ROLES if role in roles),
    }
    history_has_fields = bool(tracked & set(data.columns) - known_otherwise)
    return replace(guesses, untracked=others if history_has_fields else ())


def _of_one_meaning(table: TextTable) -> pd.DataFrame:
    """The columns whose name stands once in the header: of two of the same name nobody can tell
    which is meant."""
    numbered = re.compile(rf"(?:{'|'.join(map(re.escape, table.doubled))})(?: \(\d+\))?")
    of_two = [name for name in table.data.columns if numbered.fullmatch(name)]
    return table.data.drop(columns=of_two) if table.doubled else table.data


def _about_doubled(table: TextTable) -> str:
    """What to do where the column that is missed may be one of those with the same name."""
    if not table.doubled:
        return ""
    return (
        f" Of columns with the same name ({listed(sorted(table.doubled))}) none was looked at: give"
        " each a name of its own."
    )


def allowing(column: pd.Series[str]) -> tuple[str, ...]:
    """The values of a consent column that allow contact: yes, or no where the column marks those
    who must not be contacted."""
    name = bare(str(column.name))
    is_opt_out = any(word in name for word in ("optout", "optedout", "donot", "unsubscribed"))
    allowed = NO if is_opt_out else YES
    return tuple(value for value in values_of(column) if value.casefold() in allowed)


def _ignored(guesses: Guesses, free: Sequence[str], tracked: set[str]) -> dict[str, str]:
    """Columns that models should not learn from, each with the reason."""
    ignored: dict[str, str] = {}
    for name in free:
        column = guesses.leads[name]
        why = why_personal(name) or _why_unique(column) or _why_key(name, column)
        if is_nameless(name):
            why = "it has no name in the header"
        if is_of_loader(name):
            why = "it tells of the load, not of the lead"
        if why is None and name not in tracked:
            why = _why_too_late(guesses, name)
        if why:
            ignored[name] = why
    return ignored


def _why_too_late(guesses: Guesses, name: str) -> str | None:
    """Why a column is probably only filled in or changed while a lead is worked or closed."""
    vendor = guesses.vendor
    if vendor is not None and bare(name) in vendor.late:
        return f"{vendor.name} changes it while a lead is worked"
    by_name = why_late(name)
    if by_name is not None:
        return by_name
    if _is_status(name, vendor):
        return "another status, which changes while a lead is worked"
    resolved = guesses.won | guesses.lost
    return _why_after_the_fact(guesses.leads[name].notna(), guesses.won, resolved)


def _is_status(name: str, vendor: Vendor | None) -> bool:
    """Whether a column of this name holds a status; a plain "state" is as often part of an
    address."""
    return bare(name) in {*STATUS, *(vendor.status if vendor else ())} - {"state"}


def _why_after_the_fact(
    filled: pd.Series[bool], won: pd.Series[bool], resolved: pd.Series[bool]
) -> str | None:
    """The reason where a column is filled for hardly any but won, lost or closed leads: it was
    written when the outcome was known."""
    size = int(filled.sum())
    for group, label in ((won, "won"), (resolved & ~won, "lost"), (resolved, "closed")):
        inside = int((filled & group).sum())
        share = float(group.mean())
        if not size or share == 1 or inside < 0.999 * size:
            continue
        # If it were filled regardless of the outcome, this would happen less than once in a million
        # exports.
        if size * np.log(max(share, 1e-9)) < np.log(1e-6):
            return f"it is only filled for {label} leads, so it is written at the end"
    of_open = float(filled[~resolved].mean())
    of_closed = float(filled[resolved].mean())
    smaller_group = min(int((~resolved).sum()), int(resolved.sum()))
    if smaller_group >= MIN_LEADS_PER_GROUP and of_closed > 0.99 and of_open < 0.8:
        return (
            f"closed leads have it but only {100 * of_open:.0f}% of open ones, so it is filled in"
            " while a lead is worked"
        )
    return None


def _why_unique(column: pd.Series[str]) -> str | None:
    """The reason where nearly every lead has a value of its own, such as a name or free text."""
    known = column.dropna()
    different = known.nunique()
    if different <= MAX_CATEGORIES:
        return None
    numbers = numbers_share(known)
    if numbers > 0.98:
        is_serial = different == len(known) and bool(known.str.fullmatch(r"\d{4,}").all())
        return "a serial number" if is_serial else None
    if numbers >= MIN_NUMBER_SHARE:
        return None  # a few words among numbers
    if different > 0.5 * len(known) and dates_share(known) < MIN_DATE_SHARE:
        return "nearly every lead has its own value"
    return None


def _why_key(name: str, column: pd.Series[str]) -> str | None:
    """The reason where a column is called an id and has too many values to be a choice."""
    last = spaced(name).casefold().split()[-1:]
    is_key = last in (["id"], ["uuid"], ["guid"]) and column.nunique() > MAX_CATEGORIES
    return "the key of another record, by which leads would be known" if is_key else None


def _fields_in(history: TextTable, data: pd.DataFrame, outcome: OutcomeGuess, key: str) -> set[str]:
    """The leads' columns whose changes a field history records; none where it is not recognized,
    which reading it says."""
    given = dict.fromkeys(("lead", "at", "field", "old", "new"))
    leads = _lead_columns(data, outcome)
    keys = LeadKeys(data[key].dropna())
    events = Events("history", history, given, keys, key)
    return fields_of(as_changes(events, leads))


def _lead_columns(data: pd.DataFrame, outcome: OutcomeGuess) -> LeadColumns:
    status = None if outcome.won_if else outcome.status.column
    names = tuple(str(name) for name in data.columns)
    return LeadColumns(names, status, frozenset({*outcome.counts, *outcome.won, *outcome.lost}))


def _stage_dates(
    data: pd.DataFrame, outcome: OutcomeGuess, taken: Collection[str]
) -> tuple[str, ...]:
    """The columns that reading takes for the history of the status; none where conditions or a date
    tell the outcome, beside which there is no such history."""
    if outcome.won_if or outcome.won == (ANYTHING,):
        return ()
    entered, left = stage_dates(data, _lead_columns(data, outcome))
    return tuple(name for name in (*entered, *left) if name not in taken)


def _ended_as_open(
    data: pd.DataFrame, outcome: OutcomeGuess, roles: Mapping[str, Guess]
) -> Iterator[str]:
    """The sentence on leads that ended by their closing date but are neither won nor lost."""
    names = {role: roles[role].column for role in ("created", "closed") if role in roles}
    if len(names) < 2 or outcome.won == (ANYTHING,):
        return
    order = day_first_of_table({role: data[name] for role, name in names.items()})
    days = {role: parse_moments(data[name], order[role]) for role, name in names.items()}
    decided = outcome.won_in(data) | outcome.lost_in(data)
    words = pd.Series("open", index=data.index) if outcome.won_if else data[outcome.status.column]
    says = ended_without_outcome(words, days["created"], days["closed"], decided)
    if says is not None:
        yield says


def _visitor_in(log: TextTable, data: pd.DataFrame, key: str) -> str | None:
    """The column of an activity log with the keys of anonymous visitors, by its name; None where
    every row names its lead."""
    events = Events("activities", log, {}, LeadKeys(data[key].dropna()), key)
    lead = events.find("lead", set())
    name = None if lead is None else events.find("visitor", {lead})
    if name is None or not (log.data[lead].isna() & log.data[name].notna()).any():
        return None
    return name


def _kinds(log: pd.DataFrame) -> Kinds | None:
    """The kinds in an activity log, grouped by what their names suggest; None where no column holds
    kinds."""
    plains = {plain(str(name)): str(name) for name in reversed(log.columns)}
    name = next((plains[usual] for usual in NAMES["kind"].split() if usual in plains), None)
    if name is None:
        return None
    found: dict[str | None, dict[str, int]] = {"intent": {}, "interest": {}, None: {}}
    for kind, count in values_of(log[name]).items():
        found[meaning_of_kind(kind)][kind] = count
    return Kinds(found["intent"], found["interest"], found[None])
