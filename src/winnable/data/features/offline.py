"""Features of many rows: fields by vocabulary, activities by one Ibis expression on DuckDB.

What is asked is a `FeaturePlan`; `records` answers the same for the leads of a request, and the two
are tested to be equal. A fact counts only if it was known strictly before the moment of asking.
Which rows exist is decided in `snapshots`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import (
    AT,
    CREATED,
    FIELD,
    ID,
    KIND,
    NEW,
    OLD,
    ActivityAggregate,
    CategoricalColumn,
    Column,
    FeatureTable,
    FloatArray,
    IntArray,
    NumericColumn,
)
from winnable.core.timestamps import DAY, NEVER, days_before, days_between, known_times, times_of
from winnable.data.features.plan import AGE, FeaturePlan, Field
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    import ibis
    import pandas as pd

    from winnable.data.ingestion.crm import Crm


def compute_features(
    plan: FeaturePlan, definition: Definition, crm: Crm, leads: IntArray, as_of: IntArray
) -> FeatureTable:
    """What was known of `crm.leads.iloc[leads]` strictly before `as_of` (microseconds), both of
    shape (n,)."""
    columns: dict[str, Column] = {}
    for field in plan.fields:
        words = words_at(definition, crm, field.name, leads, as_of)
        columns[field.name] = (
            words if field.kind == "words" else NumericColumn(_read_words(field, words, as_of))
        )
    if plan.created:
        columns[AGE] = NumericColumn(days_between(times_of(crm.leads[CREATED])[leads], as_of))
    columns.update(_measured(plan.aggregates, crm, leads, as_of))
    return FeatureTable(len(leads), columns)


def words_at(
    definition: Definition, crm: Crm, name: str, leads: IntArray, as_of: IntArray
) -> CategoricalColumn:
    """A field as it stood strictly before `as_of`.

    That is the new value of the last change before it, else the old value of the next change, else
    the current value, which is all there is for a field without recorded changes. A field that the
    definition calls fixed has its current value always.
    """
    import pandas as pd

    if name not in crm.leads:
        return CategoricalColumn(np.full(len(leads), -1, dtype=np.int64), ())
    changes = None if crm.history is None else crm.history[crm.history[FIELD] == name]
    tracked = changes is not None and len(changes) and name not in definition.columns.fixed
    parts = (
        [crm.leads[name], changes[OLD], changes[NEW]]
        if tracked and changes is not None
        else [crm.leads[name]]
    )
    codes, vocabulary = pd.factorize(pd.concat(parts, ignore_index=True), use_na_sentinel=True)
    codes, now = codes.astype(np.int64), len(crm.leads)
    values = codes[:now][leads]
    if tracked and changes is not None:
        before, after = change_around(crm, changes, leads, as_of)
        old, new = codes[now : now + len(changes)], codes[now + len(changes) :]
        values = np.where(before >= 0, new[before], np.where(after >= 0, old[after], values))
    return CategoricalColumn(values, tuple(str(word) for word in vocabulary))


def _keys(crm: Crm) -> tuple[IntArray, pd.Index[str]]:
    """A number for each lead's id, (number of leads,), and the index of ids that numbers them.

    Leads to be scored may share an id.
    """
    import pandas as pd

    codes, ids = pd.factorize(crm.leads[ID])
    return codes.astype(np.int64), pd.Index(ids)


def change_around(
    crm: Crm, changes: pd.DataFrame, leads: IntArray, as_of: IntArray
) -> tuple[IntArray, IntArray]:
    """For each row (lead, moment) the position in `changes`, which are of one field, of its last
    change strictly before the moment and of the first one not before; -1 where there is none. All
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

    Lead and time become one sortable key, so that a binary search finds both. Changes stand sorted
    by their time in a lead.
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


def _read_words(field: Field, words: CategoricalColumn, as_of: IntArray) -> FloatArray:
    """Words as numbers: each different word is read once. A date counts as days before `as_of`; a
    later one was not yet known."""
    import pandas as pd

    from winnable.data.ingestion.parsing import parse_moments, parse_numbers

    vocabulary = pd.Series(words.vocabulary, dtype="str")
    if field.kind == "number":
        read = parse_numbers(vocabulary, field.decimal).to_numpy(dtype=np.float64)
        return np.append(read, np.nan)[words.codes]
    when = times_of(parse_moments(vocabulary, field.day_first))
    return days_before(np.append(when, NEVER)[words.codes], as_of)


def _measured(
    measures: Sequence[ActivityAggregate], crm: Crm, leads: IntArray, as_of: IntArray
) -> dict[str, Column]:
    """Every measure for every row, by one equality join and filter on DuckDB."""
    if not measures or crm.activities is None:
        return {
            measure.name: NumericColumn(_of_nothing(measure, len(leads))) for measure in measures
        }
    import ibis
    import pandas as pd

    key, ids = _keys(crm)
    events = pd.DataFrame(
        {
            "lead": ids.get_indexer(pd.Index(crm.activities[ID])),
            "at": times_of(crm.activities[AT]),
            "known": known_times(crm.activities),
            "kind": crm.activities[KIND],
        }
    )
    rows = pd.DataFrame({"row": np.arange(len(leads)), "lead": key[leads], "as_of": as_of})
    engine = ibis.duckdb.connect(threads=2, memory_limit="3GB")
    # A progress bar would be drawn among what a command prints. In a notebook without widgets there
    # is none, nor may it be set.
    if engine.raw_sql("SELECT current_setting('enable_progress_bar')").fetchone()[0]:
        engine.raw_sql("SET enable_progress_bar = false")
    expression = aggregate_expression(
        measures, engine.create_table("snapshots", rows), engine.create_table("events", events)
    )
    answer = engine.to_pyarrow(expression)
    engine.disconnect()
    answered = answer["row"].to_numpy()
    columns: dict[str, Column] = {}
    for position, measure in enumerate(measures):
        values = _of_nothing(measure, len(leads))
        values[answered] = answer[f"m{position}"].to_numpy()
        columns[measure.name] = NumericColumn(values)
    return columns


def aggregate_expression(
    measures: Sequence[ActivityAggregate], rows: ibis.Table, events: ibis.Table
) -> ibis.Table:
    """One row for each of `rows` (row, lead, as_of) that has any of `events` (lead, at, known,
    kind) before it: row, m0, m1, ...

    Times are microseconds. Only an equality join and a filter, so that the same expression runs on
    DuckDB and on Spark.
    """
    past = rows.inner_join(events, "lead").filter(lambda both: both.known < both.as_of)
    past = past.mutate(age=past.as_of - past.at)
    return past.group_by("row").aggregate(
        **{f"m{i}": _aggregate(measure, past) for i, measure in enumerate(measures)}
    )


def _aggregate(measure: ActivityAggregate, past: ibis.Table) -> ibis.Value:
    """One measure as an aggregate over a row's past activities."""
    import ibis

    counts = past.age > 0  # of all that is left
    if measure.kinds:
        counts = counts & past.kind.isin(measure.kinds)
    if measure.within_days is not None:
        window = int(measure.within_days * DAY)
        if measure.what == "change":
            before = counts & (past.age > window) & (past.age <= 2 * window)
            return (counts & (past.age <= window)).cast("int64").sum() - before.cast("int64").sum()
        counts = counts & (past.age <= window)
    if measure.what == "count":
        return counts.cast("int64").sum()
    if measure.what == "kinds":
        return ibis.ifelse(counts, past.kind, ibis.null("string")).nunique()
    return ibis.ifelse(counts, past.age, ibis.null("int64")).min() / DAY


def _of_nothing(measure: ActivityAggregate, size: int) -> FloatArray:
    """The answer where there is no activity at all: zero times, and no last time."""
    return np.full(size, np.nan if measure.what == "days_since" else 0.0)
