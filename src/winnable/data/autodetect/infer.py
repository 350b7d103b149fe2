"""Inference of a first definition from an export: which column plays which role, which statuses
mean won and lost, and why.

Columns are recognized by the names that CRM vendors give them and by what they contain. Every guess
keeps its reason in words, because people are to check and correct it; writing it down as a
definition file is done in `draft`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from winnable.core.columns import is_nameless
from winnable.core.text import listed, nearest, shortened
from winnable.data.autodetect.end_dates import last_change, losing_date
from winnable.data.autodetect.lexicon import (
    NO,
    YES,
    is_fixed,
    meaning_of_kind,
    meaning_of_status,
    spaced,
    stage_of_word,
    why_late,
    why_personal,
)
from winnable.data.autodetect.vendors import (
    FIELDS,
    KINDS,
    OUTCOMES,
    ROLES,
    STATUS,
    WON_DATES,
    Vendor,
    bare,
    recognize_vendor,
)
from winnable.data.ingestion.dates import anonymous
from winnable.data.ingestion.parsing import parse_moments, parse_numbers
from winnable.data.ingestion.repeated_ids import refuse_events
from winnable.data.ingestion.sources.options import ReadOptions
from winnable.data.ingestion.sources.source import read_source
from winnable.definition.schema import ANYTHING, StageName
from winnable.errors import DataError

SETTLED_ROLES = ("id", "person", "created", "closed", "closed_lost", "changed")
"""The roles besides the status that identify a lead or date it, in the order of the definition."""

MAX_CATEGORIES = 50
"""More different values than this are not statuses or sources; nearly one for each lead, they are
names or free text."""

MIN_LEADS_PER_GROUP = 50
"""Open and closed leads needed to compare how often a column is filled in the two groups."""

MIN_DATE_SHARE = 0.9
"""The share of values that are dates in a column of dates."""

USUAL_OUTCOME_WORDS = ("status", "stage", "outcome", "won", "converted")

DATE_SAMPLE_ROWS = 5_000
"""Rows that are looked at to tell whether a column holds dates."""


@dataclass(frozen=True)
class Guess:
    """A column and the reason why it was chosen."""

    column: str
    reason: str


@dataclass(frozen=True)
class OutcomeGuess:
    """The status column and what its values mean; `counts` is the number of leads with each value,
    the most frequent first."""

    status: Guess
    won: tuple[str, ...]
    lost: tuple[str, ...]
    stages: dict[StageName, tuple[str, ...]]
    counts: dict[str, int]


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
    notes: tuple[str, ...] = ()

    @property
    def won(self) -> pd.Series[bool]:
        """Which rows are won."""
        status = self.leads[self.outcome.status.column]
        return status.notna() if self.outcome.won == (ANYTHING,) else status.isin(self.outcome.won)

    @property
    def lost(self) -> pd.Series[bool]:
        """Which rows are lost."""
        return self.leads[self.outcome.status.column].isin(self.outcome.lost)


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
    data = table.data[[name for name in table.data.columns if name not in table.doubled]]
    vendor = recognize_vendor(list(data.columns))
    refuse_events(data, table.name)
    outcome = _outcome(table.name, data, vendor)
    of_events = None if options is None else options.for_events
    log = None if activities is None else read_source(activities, "activities", of_events).data
    roles = _roles(data, vendor, outcome, log)
    changes = None if history is None else read_source(history, "history", of_events).data
    tracked = set() if changes is None else _fields_in(changes)
    taken = {outcome.status.column, *(guess.column for guess in roles.values())}
    kinds = None if log is None else _kinds(log)
    guesses = Guesses(table.name, data, vendor, outcome, roles, (), {}, (), kinds, table.notes)
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
        outcome.status.column,
        *(roles[role].column for role in SETTLED_ROLES if role in roles),
    }
    history_has_fields = bool(tracked & set(data.columns) - known_otherwise)
    return replace(guesses, untracked=others if history_has_fields else ())


def _outcome(source: str, data: pd.DataFrame, vendor: Vendor | None) -> OutcomeGuess:
    """The column that tells won from not won: first by the vendor's names, then by the usual names,
    then by what columns contain."""
    by_bare = {bare(name): name for name in reversed(data.columns)}
    named = [
        by_bare[name] for name in (*(vendor.status if vendor else ()), *STATUS) if name in by_bare
    ]
    attempts: tuple[tuple[Iterable[str], Callable[[pd.Series[str]], OutcomeGuess | None]], ...] = (
        (named, lambda column: _by_words(column, vendor, "its name and its values")),
        ([by_bare[name] for name in OUTCOMES if name in by_bare], _by_truth),
        (data.columns, _by_content),
        ([by_bare[name] for name in WON_DATES if name in by_bare], _by_date),
    )
    for names, attempt in attempts:
        for name in names:
            found = attempt(data[name])
            if found is not None:
                return found
    if vendor is not None and named:
        # Nothing is won or lost yet: the vendor's default statuses make the file ready for when
        # something is.
        counts = _counted(data[named[0]])
        reason = (
            f"its name in {vendor.name} exports; no row is won yet, so these are the vendor's"
            " default statuses"
        )
        return OutcomeGuess(
            Guess(named[0], reason),
            vendor.won,
            vendor.lost,
            _stages(counts, vendor.won, vendor.lost),
            counts,
        )
    raise DataError(_no_outcome(source, data))


def _by_content(column: pd.Series[str]) -> OutcomeGuess | None:
    """The outcome where the values of a column, whatever its name, mean won and lost."""
    found = _by_words(column, None, "its values mean won and lost")
    return found if found is not None and found.lost else None


def _by_date(column: pd.Series[str]) -> OutcomeGuess | None:
    """The outcome where only leads that were won have a date."""
    if not 0 < column.notna().sum() < len(column) or _share_of_dates(column) < MIN_DATE_SHARE:
        return None
    reason = "there is no status column, and by its name only won leads have a date here"
    return OutcomeGuess(
        Guess(str(column.name), reason), (ANYTHING,), (), {}, {ANYTHING: int(column.notna().sum())}
    )


def _by_words(column: pd.Series[str], vendor: Vendor | None, reason: str) -> OutcomeGuess | None:
    """The outcome by the meaning of the values; None if none means won, or if there are too many
    to be statuses."""
    if column.nunique() > MAX_CATEGORIES:
        return None
    counts = _counted(column)
    meant = {value: meaning_of_status(value) for value in counts}
    if vendor is not None:
        defaults: dict[str, Literal["won", "lost"]] = {
            **{value.casefold(): "won" for value in vendor.won},
            **{value.casefold(): "lost" for value in vendor.lost},
        }
        meant = {value: defaults.get(value.casefold(), meaning) for value, meaning in meant.items()}
    won = tuple(value for value, meaning in meant.items() if meaning == "won")
    lost = tuple(value for value, meaning in meant.items() if meaning == "lost")
    if not won and lost:
        won = tuple(value for value in counts if value.casefold() == "qualified")
        reason += "; no value means won, so qualified is used instead"
    if not won:
        return None
    return OutcomeGuess(
        Guess(str(column.name), reason), won, lost, _stages(counts, won, lost), counts
    )


def _by_truth(column: pd.Series[str]) -> OutcomeGuess | None:
    """The outcome where a column holds yes and no, or 1 and 0, and nothing else; else None."""
    counts = _counted(column)
    folded = {value: value.casefold().removesuffix(".0") for value in counts}
    won = tuple(value for value, plain in folded.items() if plain in YES)
    lost = tuple(value for value, plain in folded.items() if plain in NO)
    if not won or not lost or len(won) + len(lost) < len(counts):
        return None
    values = " and ".join(repr(value) for value in (*won, *lost))
    reason = f"its name, and it only holds {values}"
    return OutcomeGuess(Guess(str(column.name), reason), won, lost, {}, counts)


def _stages(
    counts: Iterable[str], won: Sequence[str], lost: Sequence[str]
) -> dict[StageName, tuple[str, ...]]:
    stages: dict[StageName, tuple[str, ...]] = {}
    for value in counts:
        stage = None if value in won or value in lost else stage_of_word(value)
        if stage is not None:
            stages[stage] = (*stages.get(stage, ()), value)
    return stages


def _counted(column: pd.Series[str]) -> dict[str, int]:
    return {str(value): int(count) for value, count in column.value_counts().items()}


def _no_outcome(source: str, data: pd.DataFrame) -> str:
    """The error message where nothing tells which leads were won: the most likely columns, and
    what to do."""
    keys = [name for name in data.columns if len(data) and data[name].nunique() == len(data)]
    few = {
        name: list(_counted(data[name]))
        for name in data.columns
        if 2 <= data[name].nunique() <= 30 and name not in keys and not why_personal(name)
    }
    wanted = [spaced(name).casefold() for name in few]
    similar = {nearest(word, wanted) for word in USUAL_OUTCOME_WORDS}
    order = sorted(few, key=lambda name: (spaced(name).casefold() not in similar, len(few[name])))
    shown = [f"'{shortened(name)}' ({_first_values(few[name])})" for name in order[:3]]
    candidates = f"nearest are {' and '.join(shown)}"
    if not shown:
        candidates = f"its columns are {listed(data.columns)}"
    key = f" on '{keys[0]}'" if keys else ""
    return (
        f"{source}: no column tells which leads were won; {candidates}. If one of these does, write"
        ' a definition with [outcome] won = ["..."], lost = ["..."] and [columns] status = "...".'
        f" If the wins are in a table of their own, join it to the leads{key} first, one row for"
        " each lead, with the date of winning as 'won_date', and run this on the result."
    )


def _first_values(values: Sequence[str]) -> str:
    more = ", ..." if len(values) > 3 else ""
    return ", ".join(map(anonymous, values[:3])) + more


def _roles(
    data: pd.DataFrame, vendor: Vendor | None, outcome: OutcomeGuess, log: pd.DataFrame | None
) -> dict[str, Guess]:
    """The best column for each role, no column twice; a role that nothing fits is left out."""
    by_bare = {bare(name): name for name in reversed(data.columns)}
    fits = {
        "id": _fits_id,
        "person": _fits_person,
        "created": _fits_date,
        "closed": _fits_date,
        "source": _fits_words,
    }
    roles: dict[str, Guess] = {}
    taken = set() if outcome.won == (ANYTHING,) else {outcome.status.column}
    for role, test in (*fits.items(), ("consent", _fits_consent)):
        given = vendor.roles.get(role, ()) if vendor else ()
        for plain in dict.fromkeys((*given, *ROLES[role])):
            name = by_bare.get(plain)
            if name is None or name in taken:
                continue
            why = test(data[name])
            if role == "id" and why and log is not None and not _names_leads(data[name], log):
                continue
            if why is None:
                continue
            created = roles.get("created")
            if role == "closed" and created and _before(data, name, created.column):
                continue
            called = f"named as in {vendor.name}" if vendor and plain in given else "its name"
            roles[role] = Guess(name, f"{called}, {why}")
            taken.add(name)
            break
    return {**roles, **_other_end_dates(data, outcome, roles, taken)}


def _other_end_dates(
    data: pd.DataFrame, outcome: OutcomeGuess, roles: Mapping[str, Guess], taken: set[str]
) -> dict[str, Guess]:
    """The date of losing and that of the last change, where leads are dated at all."""
    if "created" not in roles or outcome.won == (ANYTHING,):
        return {}
    free = {bare(name): name for name in reversed(data.columns) if name not in taken}
    status = data[outcome.status.column]
    won, lost = (status.isin(words).to_numpy() for words in (outcome.won, outcome.lost))
    found = {}
    losing = losing_date(free, data, lost, won)
    if losing is not None:
        found["closed_lost"] = Guess(*losing)
    columns = [guess.column for guess in (roles.get("closed"), found.get("closed_lost")) if guess]
    dated = data[columns].notna().any(axis=1).to_numpy()
    changed = last_change(free, data, (won | lost) & ~dated)
    if changed is not None:
        found["changed"] = Guess(*changed)
    return found


def _fits_id(column: pd.Series[str]) -> str | None:
    if not len(column):
        return "and there are no rows to check"
    filled = int(column.notna().sum())
    different = column.nunique()
    if filled < 0.99 * len(column) or different < 0.9 * filled:
        return None
    if different == len(column):
        return "unique for every lead"
    return f"{different:,} different values in {len(column):,} rows"


def _fits_person(column: pd.Series[str]) -> str | None:
    different = column.nunique()
    if len(column) and different < 2:
        return None
    return f"{different:,} different values in {int(column.notna().sum()):,} leads"


def _fits_date(column: pd.Series[str]) -> str | None:
    filled = int(column.notna().sum())
    if len(column) and (not filled or _share_of_dates(column) < MIN_DATE_SHARE):
        return None
    return (
        f"{filled:,} of {len(column):,} leads have a date"
        if len(column)
        else "and there are no rows to check"
    )


def _fits_words(column: pd.Series[str]) -> str | None:
    different = column.nunique()
    if len(column) and not 2 <= different <= max(MAX_CATEGORIES, len(column) // 20):
        return None
    if parse_numbers(column.dropna()).notna().sum() > 0.9 * max(int(column.notna().sum()), 1):
        return None
    return f"{different:,} different values"


def _fits_consent(column: pd.Series[str]) -> str | None:
    """A consent column holds yes or no in nearly every row: where it is empty, nobody could be
    contacted."""
    plain = {str(value).casefold() for value in column.dropna().unique()}
    if not plain or not plain <= YES | NO or column.notna().mean() < 0.95:
        return None
    return f"yes or no in {'every' if column.notna().all() else 'nearly every'} row"


def allowing(column: pd.Series[str]) -> tuple[str, ...]:
    """The values of a consent column that allow contact: yes, or no where the column marks those
    who must not be contacted."""
    name = bare(str(column.name))
    is_opt_out = any(word in name for word in ("optout", "optedout", "donot", "unsubscribed"))
    allowed = NO if is_opt_out else YES
    return tuple(value for value in _counted(column) if value.casefold() in allowed)


def _names_leads(ids: pd.Series[str], log: pd.DataFrame) -> bool:
    """Whether some column of the activity log refers to leads by these ids."""
    known = set(ids.dropna())
    return any(log[name].isin(known).mean() > 0.5 for name in log.columns)


def _before(data: pd.DataFrame, closed: str, created: str) -> bool:
    """Whether a date of closing lies before creation too often to be one."""
    early = parse_moments(data[closed]).dt.floor("D") < parse_moments(data[created]).dt.floor("D")
    both = data[closed].notna() & data[created].notna()
    return bool(early.sum() > 0.2 * max(int(both.sum()), 1))


def _share_of_dates(column: pd.Series[str]) -> float:
    known = column.dropna()
    sample = known
    if len(known) > DATE_SAMPLE_ROWS:
        sample = known.sample(DATE_SAMPLE_ROWS, random_state=0)
    return float(parse_moments(sample).notna().mean()) if len(sample) else 0.0


def _ignored(guesses: Guesses, free: Sequence[str], tracked: set[str]) -> dict[str, str]:
    """Columns that models should not learn from, each with the reason."""
    ignored: dict[str, str] = {}
    for name in free:
        why = why_personal(name) or _why_unique(guesses.leads[name])
        if is_nameless(name):
            why = "it has no name in the header"
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
    if parse_numbers(known).notna().mean() > 0.98:
        is_serial = different == len(known) and bool(known.str.fullmatch(r"\d{4,}").all())
        return "a serial number" if is_serial else None
    if different > 0.5 * len(known) and _share_of_dates(known) < MIN_DATE_SHARE:
        return "nearly every lead has its own value"
    return None


def _fields_in(history: pd.DataFrame) -> set[str]:
    """The fields whose changes a field history records."""
    name = _column_called(FIELDS, history)
    return set() if name is None else {str(field) for field in history[name].dropna().unique()}


def _column_called(names: Iterable[str], table: pd.DataFrame) -> str | None:
    by_bare = {bare(name): name for name in reversed(table.columns)}
    return next((by_bare[name] for name in names if name in by_bare), None)


def _kinds(log: pd.DataFrame) -> Kinds | None:
    """The kinds in an activity log, grouped by what their names suggest; None where no column holds
    kinds."""
    name = _column_called(KINDS, log)
    if name is None:
        return None
    found: dict[str | None, dict[str, int]] = {"intent": {}, "interest": {}, None: {}}
    for kind, count in _counted(log[name]).items():
        found[meaning_of_kind(kind)][kind] = count
    return Kinds(found["intent"], found["interest"], found[None])
