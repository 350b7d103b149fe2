"""Features: what a model may know of a lead at a moment, each defined once and rendered twice.

A `FeaturePlan` lists the fields of the CRM with the way their text is read, and the measures asked of the activity log. It is
learned from an export (`learn_plan`), kept as JSON inside the model, and rendered for a million rows (`facts_of`: fields by
vocabulary, activities by one Ibis expression on DuckDB) and for the leads of a request (`facts_of_records`: plain Python). The
two are tested to be equal. A fact counts only if it was known strictly before the moment of asking.

Which rows exist is decided in `snapshots`; which of the columns may be trusted, in `leakage`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from winnable.definition.facts import Column, Facts, FloatArray, IntArray, Measure, Numbers, Words
from winnable.definition.junk import contact_columns
from winnable.definition.model import Definition
from winnable.definition.values import moment, number, text

if TYPE_CHECKING:
    import ibis
    import pandas as pd

    from winnable.history.crm import Crm

AGE = "days since created"
DAY = 86_400_000_000  # microseconds, the unit of every time in this module
KINDS_MEASURED = 20  # the most frequent kinds of activity get measures of their own; the rest count among "any activity"
SHARE_READ = 0.98  # of a column's values that must read as numbers (or dates) for the column to be one of numbers (or dates)


@dataclass(frozen=True)
class Field:
    """One column of the CRM and the way its text is read. `learn` is false for columns that only rules may look at."""

    name: str
    kind: Literal["number", "words", "moment"]
    decimal: str = "."
    day_first: bool = False
    learn: bool = True

    def read(self, value: str) -> float:
        """The number that one text stands for; a moment is microseconds since 1970. NaN where it cannot be read."""
        if self.kind == "number":
            found = number(value, self.decimal)
            return np.nan if found is None else found
        when = moment(value, self.day_first)
        return np.nan if when is None else float(microseconds(when))


@dataclass(frozen=True)
class FeaturePlan:
    """The fields and measures of a model, in order; `created` is how the date of creation reads, where there is one."""

    fields: tuple[Field, ...]
    measures: tuple[Measure, ...] = ()
    created: Field | None = None

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the columns that models may learn from."""
        age = (AGE,) if self.created else ()
        return (*(field.name for field in self.fields if field.learn), *(measure.name for measure in self.measures), *age)

    @cached_property
    def measure_names(self) -> tuple[str, ...]:
        """The names of the columns that answer the measures."""
        return tuple(measure.name for measure in self.measures)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FeaturePlan:
        """The plan that `to_json` wrote."""
        measures = tuple(Measure(m["what"], tuple(m["kinds"]), m["within_days"]) for m in data["measures"])
        created = Field(**data["created"]) if data["created"] else None
        return cls(tuple(Field(**field) for field in data["fields"]), measures, created)


_EPOCH = datetime.fromtimestamp(0, UTC)


def microseconds(when: datetime) -> int:
    """A moment as whole microseconds since 1970 in UTC, computed without rounding through floats."""
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


# --- learning a plan from an export ------------------------------------------------------------------------------------------


def learn_plan(definition: Definition, crm: Crm, leave_out: Sequence[str] = ()) -> FeaturePlan:
    """Decide how each column of an export is read and what is asked of its activities.

    Roles other than source and consent, and contact data, say who a lead is or how it ended, so no model learns from them, nor
    from ignored columns and those in `leave_out`. Rules may look at contact data and at whatever the definition asks for.
    """
    from winnable.history.parsing import day_order

    roles = definition.columns
    never = {roles.id, roles.created, roles.closed, roles.status}
    columns = [str(name) for name in crm.leads.columns if not str(name).startswith("@")]
    contact = contact_columns(definition.junk, columns).every
    unlearned = {roles.person, *contact, *roles.ignore, *leave_out}
    asked = {*definition.fields(), *contact}
    fields = []
    for name in columns:
        if name not in never and (name not in unlearned or name in asked):
            fields.append(_field_of(name, crm.leads[name], learn=name not in unlearned))
    if roles.created is None or "@created" not in crm.leads:
        return FeaturePlan(tuple(fields))
    created = Field(roles.created, "moment", day_first=bool(day_order(crm.leads[roles.created]).day_first), learn=False)
    return FeaturePlan(tuple(fields), _measures_of(definition, crm), created)


def _field_of(name: str, values: pd.Series, learn: bool) -> Field:
    """How a column reads: as numbers if nearly all its words are numbers, as moments if nearly all are, else as words."""
    from winnable.history.parsing import day_order, decimal_mark, parse_moments, parse_numbers

    known = values.dropna()
    if known.empty:
        return Field(name, "words", learn=learn)
    sample = known.sample(20_000, random_state=0) if len(known) > 20_000 else known
    decimal = decimal_mark(sample)
    if parse_numbers(sample, decimal).notna().mean() >= SHARE_READ:
        return Field(name, "number", decimal=decimal, learn=learn)
    day_first = bool(day_order(sample).day_first)
    if parse_moments(sample, day_first).notna().mean() >= SHARE_READ:
        return Field(name, "moment", day_first=day_first, learn=learn)
    return Field(name, "words", learn=learn)


def _measures_of(definition: Definition, crm: Crm) -> tuple[Measure, ...]:
    """General questions to the activity log, the same for intent and interest, one pair a frequent kind, and the rules' own."""
    asked = definition.measures()
    if crm.activities is None:
        return asked
    general = [Measure("count"), *(Measure("count", (), days) for days in (7, 30, 90)), Measure("days_since"), Measure("kinds")]
    named = [tuple(kinds) for kinds in (definition.activities.intent, definition.activities.interest) if kinds]
    frequent = [(str(kind),) for kind in crm.activities["@kind"].value_counts().index[:KINDS_MEASURED]]
    by_kind = [Measure(what, kinds) for kinds in (*named, *frequent) for what in ("count", "days_since")]
    recent = [Measure("count", kinds, 30) for kinds in named]
    return tuple(dict.fromkeys((*general, *by_kind, *recent, *asked)))


# --- many rows: fields by vocabulary, activities by one expression -----------------------------------------------------------


def facts_of(plan: FeaturePlan, definition: Definition, crm: Crm, leads: IntArray, as_of: IntArray) -> Facts:
    """What was known of `crm.leads.iloc[leads]` strictly before `as_of` (microseconds), both of shape (n,)."""
    columns: dict[str, Column] = {}
    for field in plan.fields:
        words = words_at(definition, crm, field.name, leads, as_of)
        columns[field.name] = words if field.kind == "words" else Numbers(_read_words(field, words, as_of))
    if plan.created:
        columns[AGE] = Numbers(_days_between(times_of(crm.leads["@created"])[leads], as_of))
    columns.update(_measured(plan.measures, crm, leads, as_of))
    return Facts(len(leads), columns)


def words_at(definition: Definition, crm: Crm, name: str, leads: IntArray, as_of: IntArray) -> Words:
    """A field as it stood strictly before `as_of`.

    That is the new value of the last change before it, else the old value of the next change, else the current value, which
    is all there is for a field without recorded changes. A field that the definition calls fixed has its current value always.
    """
    import pandas as pd

    if name not in crm.leads:
        return Words(np.full(len(leads), -1, dtype=np.int64), ())
    changes = None if crm.history is None else crm.history[crm.history["@field"] == name]
    tracked = changes is not None and len(changes) and name not in definition.columns.fixed
    parts = [crm.leads[name], changes["@old"], changes["@new"]] if tracked and changes is not None else [crm.leads[name]]
    codes, vocabulary = pd.factorize(pd.concat(parts, ignore_index=True), use_na_sentinel=True)
    codes, now = codes.astype(np.int64), len(crm.leads)
    values = codes[:now][leads]
    if tracked and changes is not None:
        before, after = change_around(crm, changes, leads, as_of)
        old, new = codes[now : now + len(changes)], codes[now + len(changes) :]
        values = np.where(before >= 0, new[before], np.where(after >= 0, old[after], values))
    return Words(values, tuple(str(word) for word in vocabulary))


def _keys(crm: Crm) -> tuple[IntArray, pd.Index[str]]:
    """A number for each lead's id, (number of leads,), and the index of ids that numbers them.

    Leads to be scored may share an id.
    """
    import pandas as pd

    codes, ids = pd.factorize(crm.leads["@id"])
    return codes.astype(np.int64), pd.Index(ids)


def change_around(crm: Crm, changes: pd.DataFrame, leads: IntArray, as_of: IntArray) -> tuple[IntArray, IntArray]:
    """For each row (lead, moment) the position in `changes`, which are of one field, of its last change strictly before the
    moment and of the first one not before; -1 where there is none. All arrays have shape (n,).
    """
    import pandas as pd

    key, ids = _keys(crm)
    return _neighbours(ids.get_indexer(pd.Index(changes["@id"])), times_of(changes["@at"]), key[leads], as_of)


def _neighbours(owner: IntArray, at: IntArray, leads: IntArray, as_of: IntArray) -> tuple[IntArray, IntArray]:
    """For each row the position of its lead's last change strictly before `as_of` and of the first one not before; -1 if none.

    Lead and time become one sortable key, so that a binary search finds both. Changes stand sorted by their time in a lead.
    """
    moments = np.unique(at)
    width = len(moments) + 1
    key = owner * width + np.searchsorted(moments, at)
    order = np.argsort(key, kind="stable")
    found = np.searchsorted(key[order], leads * width + np.searchsorted(moments, as_of))
    before, after = order[np.clip(found - 1, 0, None)], order[np.clip(found, None, len(order) - 1)]
    return (
        np.where((found > 0) & (owner[before] == leads), before, -1),
        np.where((found < len(order)) & (owner[after] == leads), after, -1),
    )


def _read_words(field: Field, words: Words, as_of: IntArray) -> FloatArray:
    """Words as numbers: each different word is read once. A date counts as days before `as_of`; a later one was not yet known."""
    import pandas as pd

    from winnable.history.parsing import parse_moments, parse_numbers

    vocabulary = pd.Series(words.vocabulary, dtype="str")
    if field.kind == "number":
        read = parse_numbers(vocabulary, field.decimal).to_numpy(dtype=np.float64)
        return np.append(read, np.nan)[words.codes]
    when = times_of(parse_moments(vocabulary, field.day_first))
    return _days_before(np.append(when, NEVER)[words.codes], as_of)


NEVER = np.iinfo(np.int64).min  # how numpy writes a missing time


def times_of(moments: pd.Series) -> IntArray:
    """Moments as microseconds since 1970, shape (n,); a missing one is the smallest int64."""
    times: IntArray = moments.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
    return times


def _days_between(since: IntArray, until: IntArray) -> FloatArray:
    """Days from `since` to `until`, NaN where `since` is missing."""
    return np.where(since == NEVER, np.nan, (until - np.where(since == NEVER, 0, since)) / DAY)


def _days_before(when: IntArray, as_of: IntArray) -> FloatArray:
    """Days from `when` to `as_of`, NaN where it is missing or not strictly before."""
    days = _days_between(when, as_of)
    return np.where(days > 0, days, np.nan)


def _measured(measures: Sequence[Measure], crm: Crm, leads: IntArray, as_of: IntArray) -> dict[str, Column]:
    """Every measure for every row, by one equality join and filter on DuckDB."""
    if not measures or crm.activities is None:
        return {measure.name: Numbers(_of_nothing(measure, len(leads))) for measure in measures}
    import ibis
    import pandas as pd

    known = crm.activities["@at"] if "@recorded" not in crm.activities else crm.activities[["@at", "@recorded"]].max(axis=1)
    key, ids = _keys(crm)
    events = pd.DataFrame(
        {
            "lead": ids.get_indexer(pd.Index(crm.activities["@id"])),
            "at": times_of(crm.activities["@at"]),
            "known": times_of(known),
            "kind": crm.activities["@kind"],
        }
    )
    rows = pd.DataFrame({"row": np.arange(len(leads)), "lead": key[leads], "as_of": as_of})
    engine = ibis.duckdb.connect(threads=2, memory_limit="3GB")
    expression = measure_expression(measures, engine.create_table("snapshots", rows), engine.create_table("events", events))
    answer = engine.to_pyarrow(expression)
    engine.disconnect()
    answered = answer["row"].to_numpy()
    columns: dict[str, Column] = {}
    for position, measure in enumerate(measures):
        values = _of_nothing(measure, len(leads))
        values[answered] = answer[f"m{position}"].to_numpy()
        columns[measure.name] = Numbers(values)
    return columns


def measure_expression(measures: Sequence[Measure], rows: ibis.Table, events: ibis.Table) -> ibis.Table:
    """One row for each of `rows` (row, lead, as_of) that has any of `events` (lead, at, known, kind) before it: row, m0, m1, ...

    Times are microseconds. Only an equality join and a filter, so that the same expression runs on DuckDB and on Spark.
    """
    past = rows.inner_join(events, "lead").filter(lambda both: both.known < both.as_of)
    past = past.mutate(age=past.as_of - past.at)
    return past.group_by("row").aggregate(**{f"m{i}": _aggregate(measure, past) for i, measure in enumerate(measures)})


def _aggregate(measure: Measure, past: ibis.Table) -> ibis.Value:
    """One measure as an aggregate over a row's past activities."""
    import ibis

    counts = past.age > 0  # of all that is left
    if measure.kinds:
        counts = counts & past.kind.isin(measure.kinds)
    if measure.within_days is not None:
        counts = counts & (past.age <= int(measure.within_days * DAY))
    if measure.what == "count":
        return counts.cast("int64").sum()
    if measure.what == "kinds":
        return ibis.ifelse(counts, past.kind, ibis.null("string")).nunique()
    return ibis.ifelse(counts, past.age, ibis.null("int64")).min() / DAY


def _of_nothing(measure: Measure, size: int) -> FloatArray:
    """The answer where there is no activity at all: zero times, and no last time."""
    return np.full(size, np.nan if measure.what == "days_since" else 0.0)


# --- the leads of a request: the same, plainly -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Activity:
    """One thing a lead did, or that was done to it; `recorded` is when the CRM learned of it, where that is known."""

    kind: str
    at: datetime
    recorded: datetime | None = None


def facts_of_records(
    plan: FeaturePlan,
    records: Sequence[Mapping[str, object]],
    activities: Sequence[Sequence[Activity]],
    as_of: Sequence[datetime],
) -> Facts:
    """What was known of each record (column: value) and its activities strictly before its `as_of`; all three of length n.

    Values may be text, numbers or booleans; a text that cannot be read as its column demands counts as missing.
    """
    moments = np.asarray([microseconds(when) for when in as_of], dtype=np.int64)
    columns: dict[str, Column] = {}
    for field in plan.fields:
        values = [record.get(field.name) for record in records]
        if field.kind == "words":
            columns[field.name] = Words.of([text(value) for value in values])
        else:
            ready = _READY.issuperset(map(type, values)) and field.kind == "number"
            numbers = np.asarray(values if ready else [_read_value(field, value) for value in values], dtype=np.float64)
            columns[field.name] = Numbers(numbers if field.kind == "number" else _days_before(_whole(numbers), moments))
    if plan.created:
        times = np.asarray([_read_value(plan.created, record.get(plan.created.name)) for record in records], dtype=np.float64)
        columns[AGE] = Numbers(_days_between(_whole(times), moments))
    pasts = [_past(did, when) for did, when in zip(activities, moments.tolist(), strict=True)]
    for measure, name in zip(plan.measures, plan.measure_names, strict=True):
        answers = [_measure(measure, past) if past else _NOTHING[measure.what] for past in pasts]
        columns[name] = Numbers(np.asarray(answers, dtype=np.float64))
    return Facts(len(records), columns)


_READY = frozenset({float, type(None)})  # types that numpy takes as numbers and NaN, as they should be


def _read_value(field: Field, value: object) -> float:
    """One value of a record as the number that its field demands; NaN for what is missing or cannot be read."""
    if isinstance(value, float | int) and not isinstance(value, bool) and field.kind == "number":
        return float(value)
    if isinstance(value, datetime):
        return float(microseconds(value))
    written = text(value)
    return np.nan if written is None else field.read(written)


def _whole(times: FloatArray) -> IntArray:
    """Microseconds as integers; a missing time is the smallest int64."""
    return np.where(np.isnan(times), 0, times).astype(np.int64) + np.where(np.isnan(times), NEVER, 0)


_NOTHING = {"count": 0.0, "kinds": 0.0, "days_since": np.nan}


def _past(activities: Sequence[Activity], as_of: int) -> dict[str, list[int]]:
    """The ages of what a lead did and what was known of it before `as_of`, in microseconds, by kind, the latest first."""
    ages: dict[str, list[int]] = {}
    for activity in activities:
        at = microseconds(activity.at)
        known = at if activity.recorded is None else max(at, microseconds(activity.recorded))
        if known < as_of:
            ages.setdefault(activity.kind, []).append(as_of - at)
    for each in ages.values():
        each.sort()
    return ages


def _measure(measure: Measure, past: Mapping[str, list[int]]) -> float:
    """One measure of one lead's past."""
    kinds = [ages for kind, ages in past.items() if not measure.kinds or kind in measure.kinds]
    if measure.within_days is not None:
        limit = int(measure.within_days * DAY)
        kinds = [ages[:counted] for ages in kinds if (counted := bisect_right(ages, limit))]
    if measure.what == "count":
        return float(sum(map(len, kinds)))
    if measure.what == "kinds":
        return float(len(kinds))
    return min(ages[0] for ages in kinds) / DAY if kinds else np.nan
