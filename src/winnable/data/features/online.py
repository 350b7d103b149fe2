"""Features of the leads of a request: the same as `features` answers for many rows, in plain
Python.

Needs neither pandas nor DuckDB, so that the serving process is small and quick.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import numpy as np

from winnable.core.columns import (
    ActivityAggregate,
    CategoricalColumn,
    Column,
    FeatureTable,
    FloatArray,
    NumericColumn,
)
from winnable.core.timestamps import DAY, days_before, days_between, microseconds, whole
from winnable.core.values import text
from winnable.data.features.plan import AGE, FeaturePlan, Field


@dataclass(frozen=True)
class Activity:
    """One thing a lead did, or that was done to it; `recorded` is when the CRM learned of it, where
    that is known."""

    kind: str
    at: datetime
    recorded: datetime | None = None


def features_of_records(
    plan: FeaturePlan,
    records: Sequence[Mapping[str, object]],
    activities: Sequence[Sequence[Activity]],
    as_of: Sequence[datetime],
    words: Mapping[str, Container[object]] = MappingProxyType({}),
) -> FeatureTable:
    """What was known of each record (column: value) and its activities strictly before its `as_of`;
    all three of length n.

    Values may be text, numbers or booleans; a text that cannot be read as its column demands counts
    as missing. `words` are, by column, some that are known to be read as they stand: most are, and
    need no second look.
    """
    moments = np.asarray([microseconds(when) for when in as_of], dtype=np.int64)
    columns: dict[str, Column] = {}
    numbers = iter(_read_values(plan.numbers, records))
    for field in plan.fields:
        name = field.name
        if field.kind == "words":
            known = words.get(name, ())
            told = [record.get(name) for record in records]
            columns[name] = CategoricalColumn.of(
                [value if type(value) is str and value in known else text(value) for value in told]
            )
        elif field.kind == "number":
            columns[name] = NumericColumn(next(numbers))
        else:
            columns[name] = NumericColumn(
                days_before(whole(_read_values((field,), records)[0]), moments)
            )
    if plan.created:
        columns[AGE] = NumericColumn(
            days_between(whole(_read_values((plan.created,), records)[0]), moments)
        )
    pasts = [_past(did, when) for did, when in zip(activities, moments.tolist(), strict=True)]
    answers = [
        _measure(measure, past) if past else _NOTHING[measure.what]
        for measure in plan.aggregates
        for past in pasts
    ]
    measured = np.asarray(answers, dtype=np.float64).reshape(len(plan.aggregates), len(records))
    columns.update(zip(plan.aggregate_names, map(NumericColumn, measured), strict=True))
    return FeatureTable(len(records), columns)


_READY = frozenset(
    {float, type(None)}
)  # types that numpy takes as numbers and NaN, as they should be


def _read_values(fields: Sequence[Field], records: Sequence[Mapping[str, object]]) -> FloatArray:
    """The values of records as the numbers that the fields demand, (fields, records)."""
    names = [field.name for field in fields]
    values = [value for record in records for value in map(record.get, names)]
    if not _READY.issuperset(map(type, values)):
        values = [
            _read_value(field, record.get(field.name)) for record in records for field in fields
        ]
    return np.ascontiguousarray(
        np.asarray(values, dtype=np.float64).reshape(len(records), len(fields)).T
    )


def _read_value(field: Field, value: object) -> float:
    """One value of a record as the number that its field demands; NaN for what is missing or cannot
    be read."""
    if isinstance(value, float | int) and not isinstance(value, bool) and field.kind == "number":
        return float(value)
    if isinstance(value, datetime):
        return float(microseconds(value))
    written = text(value)
    return np.nan if written is None else field.read(written)


_NOTHING = {"count": 0.0, "kinds": 0.0, "change": 0.0, "days_since": np.nan}


def _past(activities: Sequence[Activity], as_of: int) -> dict[str, list[int]]:
    """The ages of what a lead did and what was known of it before `as_of`, in microseconds, by
    kind, the latest first."""
    ages: dict[str, list[int]] = {}
    for activity in activities:
        at = microseconds(activity.at)
        known = at if activity.recorded is None else max(at, microseconds(activity.recorded))
        if known < as_of:
            ages.setdefault(activity.kind, []).append(as_of - at)
    for each in ages.values():
        each.sort()
    return ages


def _measure(measure: ActivityAggregate, past: Mapping[str, list[int]]) -> float:
    """One measure of one lead's past."""
    kinds = [ages for kind, ages in past.items() if not measure.kinds or kind in measure.kinds]
    if measure.within_days is not None:
        limit = int(measure.within_days * DAY)
        if measure.what == "change":
            recent = sum(bisect_right(ages, limit) for ages in kinds)
            return float(2 * recent - sum(bisect_right(ages, 2 * limit) for ages in kinds))
        kinds = [ages[:counted] for ages in kinds if (counted := bisect_right(ages, limit))]
    if measure.what == "count":
        return float(sum(map(len, kinds)))
    if measure.what == "kinds":
        return float(len(kinds))
    return min(ages[0] for ages in kinds) / DAY if kinds else np.nan
