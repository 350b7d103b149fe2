"""Offline features, for many rows: fields by vocabulary, activities by one Ibis expression.

The expression runs on DuckDB. The features are those of a `FeaturePlan`; `online` computes the same
for the leads of a request, and the two are tested to be equal. Only what was known strictly before
a row's time counts. Which rows exist is decided in `training_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import (
    AT,
    CREATED,
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
from winnable.data.features.derived.derive import derived_columns
from winnable.data.features.plan import AGE, FeaturePlan, Field
from winnable.data.features.returns import returns_at
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    import ibis
    import pandas as pd

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
    aggregated = _aggregated(plan.aggregates, crm, leads, as_of)
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
    definition lists as fixed always has its current value.
    """
    import pandas as pd

    if name not in crm.leads:
        return CategoricalColumn(np.full(len(leads), -1, dtype=np.int64), ())
    changes = None if name in definition.columns.fixed else crm.changes_of(name)
    parts = [crm.leads[name]]
    if changes is not None:
        parts += [changes[OLD], changes[NEW]]
    codes, vocabulary = pd.factorize(pd.concat(parts, ignore_index=True), use_na_sentinel=True)
    codes = codes.astype(np.int64)
    n_leads = len(crm.leads)
    values = codes[:n_leads][leads]
    if changes is not None:
        before, after = change_around(crm, changes, leads, as_of)
        old = codes[n_leads : n_leads + len(changes)]
        new = codes[n_leads + len(changes) :]
        values = np.where(before >= 0, new[before], np.where(after >= 0, old[after], values))
    return CategoricalColumn(values, tuple(str(word) for word in vocabulary))


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

    from winnable.data.ingestion.parsing import parse_moments, parse_numbers

    vocabulary = pd.Series(words.vocabulary, dtype="str")
    if field.kind == "number":
        read = parse_numbers(vocabulary, field.decimal).to_numpy(dtype=np.float64, copy=True)
        if field.loose:
            for row in np.flatnonzero(np.isnan(read)):
                read[row] = field.read(words.vocabulary[row])
        return np.append(read, np.nan)[words.codes]
    when = times_of(parse_moments(vocabulary, field.day_first))
    return days_before(np.append(when, NEVER)[words.codes], as_of)


def _aggregated(
    aggregates: Sequence[ActivityAggregate], crm: Crm, leads: IntArray, as_of: IntArray
) -> dict[str, Column]:
    """Every activity aggregate for every row, by one equality join and filter on DuckDB."""
    if not aggregates or crm.activities is None:
        return {
            aggregate.name: NumericColumn(_without_activity(aggregate, len(leads)))
            for aggregate in aggregates
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
    # A progress bar would be drawn into the output of a command. In a notebook without widgets
    # there is none, and the setting cannot be changed.
    if engine.raw_sql("SELECT current_setting('enable_progress_bar')").fetchone()[0]:
        engine.raw_sql("SET enable_progress_bar = false")
    expression = aggregate_expression(
        aggregates,
        engine.create_table("training_rows", rows),
        engine.create_table("events", events),
    )
    result = engine.to_pyarrow(expression)
    engine.disconnect()
    rows_with_activity = result["row"].to_numpy()
    columns: dict[str, Column] = {}
    for position, aggregate in enumerate(aggregates):
        values = _without_activity(aggregate, len(leads))
        values[rows_with_activity] = result[f"m{position}"].to_numpy()
        columns[aggregate.name] = NumericColumn(values)
    return columns


def aggregate_expression(
    aggregates: Sequence[ActivityAggregate], rows: ibis.Table, events: ibis.Table
) -> ibis.Table:
    """One row for each of `rows` (row, lead, as_of) that has any of `events` (lead, at, known,
    kind) before it: row, m0, m1, ...

    Times are microseconds. Only an equality join and a filter, so that the same expression runs on
    DuckDB and on Spark.
    """
    past = rows.inner_join(events, "lead").filter(lambda both: both.known < both.as_of)
    past = past.mutate(age=past.as_of - past.at)
    return past.group_by("row").aggregate(
        **{f"m{i}": _aggregate(aggregate, past) for i, aggregate in enumerate(aggregates)}
    )


def _aggregate(aggregate: ActivityAggregate, past: ibis.Table) -> ibis.Value:
    """One activity aggregate as an Ibis aggregate over a row's past activities."""
    import ibis

    counts = past.age > 0  # true for every row that is left
    if aggregate.kinds:
        counts = counts & past.kind.isin(aggregate.kinds)
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
    return np.full(size, np.nan if aggregate.what == "days_since" else 0.0)
