"""Offline features, for many rows: fields by vocabulary, activities by one Ibis expression.

The expression runs on DuckDB. The features are those of a `FeaturePlan`; `online` computes the same
for the leads of a request, and the two are tested to be equal. Only what was known strictly before
a row's time counts. Which rows exist is decided in `training_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import (
    AT,
    CREATED,
    ID,
    KIND,
    NEW,
    OLD,
    SOURCE,
    ActivityAggregate,
    ActivityTest,
    CategoricalColumn,
    Column,
    FeatureTable,
    FloatArray,
    IntArray,
    NumericColumn,
)
from winnable.core.timestamps import DAY, NEVER, days_before, days_between, known_times, times_of
from winnable.data.features.activities.properties import MISSING, STEPS_PER_UNIT, in_steps
from winnable.data.features.activities.tested import ActivityLog, known_since
from winnable.data.features.activities.touches import is_filled, touches_at
from winnable.data.features.derived.derive import derived_columns
from winnable.data.features.plan import AGE, FeaturePlan, Field
from winnable.data.features.returns import returns_at
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    import ibis
    import pandas as pd
    import pyarrow as pa

    from winnable.data.ingestion.crm import Crm


def compute_features(
    plan: FeaturePlan, definition: Definition, crm: Crm, leads: IntArray, as_of: IntArray
) -> FeatureTable:
    """The features of `crm.leads.iloc[leads]` as known strictly before `as_of` (microseconds), both
    of shape (n,)."""
    columns: dict[str, Column] = {}
    for field in plan.fields:
        words = words_at(definition, crm, field.name, leads, as_of)
        columns[field.name] = (
            words if field.kind == "words" else NumericColumn(_read_words(field, words, as_of))
        )
    if plan.created:
        start = _created(crm, leads)
        if plan.returns:
            returns = returns_at(definition, crm, leads, as_of)
            start = returns.starts(start)
            columns.update(returns.columns(as_of))
        columns[AGE] = NumericColumn(days_between(start, as_of))
    known = FeatureTable(len(leads), columns)
    derived = derived_columns(plan.derived, definition, known, as_of)
    aggregated = _aggregated(plan, crm, leads, as_of)
    return known.with_columns({**aggregated, **derived})


def _created(crm: Crm, leads: IntArray) -> IntArray:
    """When leads were created, shape (n,); `NEVER` where an export that is to be scored does not
    say it, as for a lead of a request that does not."""
    if CREATED not in crm.leads:
        return np.full(len(leads), NEVER)
    return times_of(crm.leads[CREATED])[leads]


def words_at(
    definition: Definition, crm: Crm, name: str, leads: IntArray, as_of: IntArray
) -> CategoricalColumn:
    """The value of a field strictly before `as_of`.

    That is the new value of the last change before it, else the old value of the next change, else
    the current value, which is all there is for a field without recorded changes. A field that the
    definition lists as fixed always has its current value. A source that was not known yet is the
    last touch, where the definition wants that.
    """
    import pandas as pd

    if name not in crm.leads:
        return CategoricalColumn(np.full(len(leads), -1, dtype=np.int64), ())
    changes = None if name in definition.columns.fixed else crm.changes_of(name)
    filled = is_filled(definition, name)
    parts = [_own_sources(crm) if filled else crm.leads[name]]
    if changes is not None:
        parts += [changes[OLD], changes[NEW]]
    codes, vocabulary = pd.factorize(pd.concat(parts, ignore_index=True), use_na_sentinel=True)
    codes = codes.astype(np.int64)
    n_leads = len(crm.leads)
    values = codes[:n_leads][leads]
    if changes is not None:
        before, after = change_around(crm, changes, leads, as_of)
        old, new = np.split(codes[-2 * len(changes) :], 2)
        values = np.where(before >= 0, new[before], np.where(after >= 0, old[after], values))
    written = CategoricalColumn(values, tuple(str(word) for word in vocabulary))
    if not filled:
        return written
    touches = touches_at(definition, crm.leads, crm.activities, leads, as_of)
    known = len(written.vocabulary)
    later = np.where(touches.codes < 0, -1, touches.codes + known)
    codes = np.where(values < 0, later, values)
    return CategoricalColumn(codes, (*written.vocabulary, *touches.vocabulary))


def _own_sources(crm: Crm) -> pd.Series[str]:
    """The sources of the CRM alone; missing where it has no column for it."""
    import pandas as pd

    nothing = pd.Series(pd.array([pd.NA] * len(crm.leads), dtype="str"), index=crm.leads.index)
    return crm.leads.get(SOURCE, nothing)


def _keys(crm: Crm) -> tuple[IntArray, pd.Index[str]]:
    """An integer code for each lead's id, shape (number of leads,), and the index of distinct ids.

    Leads to be scored may share an id.
    """
    import pandas as pd

    codes, ids = pd.factorize(crm.leads[ID])
    return codes.astype(np.int64), pd.Index(ids)


def change_around(
    crm: Crm, changes: pd.DataFrame, leads: IntArray, as_of: IntArray
) -> tuple[IntArray, IntArray]:
    """For each row (lead, time) the positions in `changes`, which are of one field, of the last
    change strictly before the time and of the first one not before it; -1 where there is none. All
    arrays have shape (n,).
    """
    import pandas as pd

    key, ids = _keys(crm)
    return _neighbours(
        ids.get_indexer(pd.Index(changes[ID])), times_of(changes[AT]), key[leads], as_of
    )


def _neighbours(
    owner: IntArray, at: IntArray, leads: IntArray, as_of: IntArray
) -> tuple[IntArray, IntArray]:
    """For each row the position of its lead's last change strictly before `as_of` and of the first
    one not before; -1 if none.

    Lead and time become one sortable key, so that a binary search finds both. The changes of a lead
    are sorted by time.
    """
    moments = np.unique(at)
    width = len(moments) + 1
    key = owner * width + np.searchsorted(moments, at)
    order = np.argsort(key, kind="stable")
    found = np.searchsorted(key[order], leads * width + np.searchsorted(moments, as_of))
    before = order[np.clip(found - 1, 0, None)]
    after = order[np.clip(found, None, len(order) - 1)]
    return (
        np.where((found > 0) & (owner[before] == leads), before, -1),
        np.where((found < len(order)) & (owner[after] == leads), after, -1),
    )


def _read_words(field: Field, words: CategoricalColumn, as_of: IntArray) -> FloatArray:
    """Words as numbers, each distinct word parsed once. A date becomes days before `as_of`; a later
    one was not known yet."""
    import pandas as pd

    from winnable.data.ingestion.parsing import parse_moments

    vocabulary = pd.Series(words.vocabulary, dtype="str")
    if field.kind == "number":
        return np.append(_numbers_of(field, vocabulary), np.nan)[words.codes]
    when = times_of(parse_moments(vocabulary, field.day_first))
    return days_before(np.append(when, NEVER)[words.codes], as_of)


def _aggregated(plan: FeaturePlan, crm: Crm, leads: IntArray, as_of: IntArray) -> dict[str, Column]:
    """Every activity aggregate for every row, by one equality join and filter on DuckDB."""
    import pandas as pd

    known = [_without_activity(aggregate, len(leads)) for aggregate in plan.aggregates]
    vocabularies: dict[str, tuple[str, ...]] = {}
    if plan.aggregates and crm.activities is not None:
        key, ids = _keys(crm)
        properties, vocabularies = _property_values(plan.properties, crm.activities)
        events = pd.DataFrame(
            {
                "lead": ids.get_indexer(pd.Index(crm.activities[ID])),
                "at": times_of(crm.activities[AT]),
                "known": known_times(crm.activities),
                "kind": crm.activities[KIND],
                **properties,
            }
        )
        rows = pd.DataFrame({"row": np.arange(len(leads)), "lead": key[leads], "as_of": as_of})
        tested = _tested(plan, crm.activities, events)
        result = _computed(plan, rows, events.assign(**tested))
        rows_with_activity = result["row"].to_numpy()
        for position, aggregated in enumerate(known):
            aggregated[rows_with_activity] = result[f"m{position}"].to_numpy()
    return {
        aggregate.name: _as_column(plan, aggregate, values, vocabularies)
        for aggregate, values in zip(plan.aggregates, known, strict=True)
    }


def _tested(plan: FeaturePlan, log: pd.DataFrame, events: pd.DataFrame) -> dict[str, IntArray]:
    """Since when it has been known that each activity meets each test of the plan, as columns t0,
    t1, ..."""
    import pandas as pd

    if not plan.tests:
        return {}
    asked = {name for test in plan.tests for name in test.columns}
    properties: dict[str, Column] = {}
    for field in plan.properties:
        if field.name in asked and field.name in log:
            words = _categorical(log[field.name])
            properties[field.name] = words
            if field.kind == "number":
                numbers = _numbers_of(field, pd.Series(words.vocabulary, dtype="str"))
                properties[field.name] = NumericColumn(np.append(numbers, np.nan)[words.codes])
    own, at, known = (events[name].to_numpy() for name in ("lead", "at", "known"))
    table = FeatureTable(len(log), properties)
    activities = ActivityLog(own, at, known, _categorical(log[KIND]), table)
    return {f"t{place}": known_since(test, activities) for place, test in enumerate(plan.tests)}


def _categorical(values: pd.Series[str]) -> CategoricalColumn:
    import pandas as pd

    codes, vocabulary = pd.factorize(values)
    return CategoricalColumn(codes.astype(np.int64), tuple(map(str, vocabulary)))


def _property_values(
    fields: Sequence[Field], log: pd.DataFrame
) -> tuple[dict[str, IntArray], dict[str, tuple[str, ...]]]:
    """The properties of a log as columns p0, p1, ... in the order of the fields, each of shape
    (activities,): numbers as whole steps, words as codes of their vocabulary, by field the second
    answer. One that the log does not have is missing everywhere.

    `position` is the place of each activity in the order of time. What happened at the same moment
    is in the order of kinds and values, so that the last value does not depend on that of rows.
    """
    import pandas as pd

    if not fields:
        return {}, {}
    columns: dict[str, IntArray] = {}
    vocabularies: dict[str, tuple[str, ...]] = {}
    for place, field in enumerate(fields):
        written = log.get(field.name, pd.Series(pd.NA, index=log.index, dtype="str"))
        codes, vocabulary = pd.factorize(written, sort=True)
        if field.kind == "number":
            steps = in_steps(_numbers_of(field, pd.Series(vocabulary, dtype="str")))
            columns[f"p{place}"] = np.append(steps, MISSING)[codes]
        else:
            vocabularies[field.name] = tuple(map(str, vocabulary))
            columns[f"p{place}"] = np.where(codes < 0, MISSING, codes)
    kinds = pd.factorize(log[KIND], sort=True)[0]
    order = np.lexsort([*reversed(columns.values()), kinds, times_of(log[AT])])
    position = np.empty(len(log), dtype=np.int64)
    position[order] = np.arange(len(log))
    return {**columns, "position": position}, vocabularies


def _numbers_of(field: Field, vocabulary: pd.Series[str]) -> FloatArray:
    """Distinct texts as numbers, as a field of numbers reads them; NaN for what is none."""
    from winnable.data.ingestion.parsing import parse_numbers

    parsed = parse_numbers(vocabulary, field.decimal)
    read: FloatArray = np.array(parsed, dtype=np.float64)
    if field.loose:
        for row in np.flatnonzero(np.isnan(read)):
            read[row] = field.read(str(vocabulary.iloc[row]))
    return read


def _computed(plan: FeaturePlan, rows: pd.DataFrame, events: pd.DataFrame) -> pa.Table:
    """What `aggregate_expression` answers for these tables."""
    import ibis

    engine = ibis.duckdb.connect(threads=2, memory_limit="3GB")
    # A progress bar would be drawn into the output of a command. In a notebook without widgets
    # there is none, and the setting cannot be changed.
    if engine.raw_sql("SELECT current_setting('enable_progress_bar')").fetchone()[0]:
        engine.raw_sql("SET enable_progress_bar = false")
    expression = aggregate_expression(
        plan.aggregates,
        engine.create_table("training_rows", rows),
        engine.create_table("events", events),
        tuple(field.name for field in plan.properties),
        plan.tests,
    )
    result = engine.to_pyarrow(expression)
    engine.disconnect()
    return result


def _as_column(
    plan: FeaturePlan,
    aggregate: ActivityAggregate,
    values: FloatArray,
    vocabularies: Mapping[str, tuple[str, ...]],
) -> Column:
    """The values of an aggregate as a column; those of properties are steps, or codes of words."""
    if aggregate.column is None:
        return NumericColumn(values)
    if aggregate.column not in plan.properties_of_words:
        return NumericColumn(values / STEPS_PER_UNIT)
    codes = np.where(np.isnan(values), -1, values).astype(np.int64)
    return CategoricalColumn(codes, vocabularies.get(aggregate.column, ()))


def aggregate_expression(
    aggregates: Sequence[ActivityAggregate],
    rows: ibis.Table,
    events: ibis.Table,
    properties: Sequence[str] = (),
    tests: Sequence[ActivityTest] = (),
) -> ibis.Table:
    """One row for each of `rows` (row, lead, as_of) that has any of `events` (lead, at, known,
    kind) before it: row, m0, m1, ...

    With `properties` the events have their values, as whole steps or codes, as p0, p1, ..., and
    their `position` among all events in the order of time. With `tests` they have, as t0, t1, ...,
    since when it has been known that they meet each. Times are microseconds. Only an equality join
    and a filter, so that the same expression runs on DuckDB and on Spark.
    """
    past = rows.inner_join(events, "lead").filter(lambda both: both.known < both.as_of)
    past = past.mutate(age=past.as_of - past.at)
    return past.group_by("row").aggregate(
        **{
            f"m{i}": _aggregate(aggregate, past, properties, tests)
            for i, aggregate in enumerate(aggregates)
        }
    )


def _aggregate(
    aggregate: ActivityAggregate,
    past: ibis.Table,
    properties: Sequence[str],
    tests: Sequence[ActivityTest],
) -> ibis.Value:
    """One activity aggregate as an Ibis aggregate over a row's past activities."""
    import ibis

    counts = past.age > 0  # true for every row that is left
    if aggregate.kinds:
        counts = counts & past.kind.isin(aggregate.kinds)
    if aggregate.only is not None:
        counts = counts & (past[f"t{tests.index(aggregate.only)}"] < past.as_of)
    if aggregate.column is not None:
        value = past[f"p{properties.index(aggregate.column)}"]
        counts = counts & (value != MISSING)
        if aggregate.what == "sum":
            return ibis.ifelse(counts, value, 0).sum().cast("float64")
        return value.argmax(past.position, where=counts).cast("float64")
    if aggregate.within_days is not None:
        window = int(aggregate.within_days * DAY)
        if aggregate.what == "change":
            before = counts & (past.age > window) & (past.age <= 2 * window)
            return (counts & (past.age <= window)).cast("int64").sum() - before.cast("int64").sum()
        counts = counts & (past.age <= window)
    if aggregate.what == "count":
        return counts.cast("int64").sum()
    if aggregate.what == "kinds":
        return ibis.ifelse(counts, past.kind, ibis.null("string")).nunique()
    return ibis.ifelse(counts, past.age, ibis.null("int64")).min() / DAY


def _without_activity(aggregate: ActivityAggregate, size: int) -> FloatArray:
    """The values without any activity: a count of zero, and no recency."""
    return np.full(size, np.nan if aggregate.what in {"days_since", "last"} else 0.0)
