"""Online features, for the leads of a request: equal to those of `offline`, in plain Python.

Needs neither pandas nor DuckDB, so that the serving process is small and fast.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import numpy as np

from winnable.core.columns import (
    ActivityAggregate,
    CategoricalColumn,
    Column,
    FeatureTable,
    FloatArray,
    IntArray,
    NumericColumn,
)
from winnable.core.timestamps import DAY, days_before, days_between, microseconds, whole
from winnable.core.values import text
from winnable.data.features.accounts import ACCOUNT_HISTORY, told_accounts
from winnable.data.features.activities.properties import MAX_VALUE, STEPS_PER_UNIT
from winnable.data.features.activities.tested import ActivityLog, known_since
from winnable.data.features.derived.derive import derived_columns
from winnable.data.features.plan import AGE, FeaturePlan, Field
from winnable.data.features.returns import STATUS_HISTORY, no_returns, told_returns
from winnable.definition.schema import Definition


@dataclass(frozen=True)
class Activity:
    """One activity of a lead; `recorded` is when it was entered into the CRM, if known, and
    `values` are its properties by the names that the log of the training has for them."""

    kind: str
    at: datetime
    recorded: datetime | None = None
    values: Mapping[str, object] | None = None

    @property
    def known(self) -> int:
        """Since when it has been known, in microseconds."""
        at = microseconds(self.at)
        return at if self.recorded is None else max(at, microseconds(self.recorded))


def features_of_records(
    plan: FeaturePlan,
    definition: Definition,
    records: Sequence[Mapping[str, Any]],
    activities: Sequence[Sequence[Activity]],
    as_of: Sequence[datetime],
    words: Mapping[str, Container[object]] = MappingProxyType({}),
) -> FeatureTable:
    """The features of each record (column: value) and its activities, as known strictly before its
    `as_of`; all three of length n.

    Values may be text, numbers or booleans; text that cannot be parsed as its column requires is
    missing. `words` are, by column, values that are known to need no cleaning, which most do not.
    A record may tell of its account and, as `StatusChange`s, of its earlier episodes; without
    these it is taken as one in its first.
    """
    moments = np.asarray([microseconds(when) for when in as_of], dtype=np.int64)
    columns: dict[str, Column] = {}
    numbers = iter(_read_values(plan.numbers, records))
    for field in plan.fields:
        name = field.name
        if field.kind == "words":
            columns[name] = _words(name, records, words.get(name, ()))
        elif field.kind == "number":
            columns[name] = NumericColumn(next(numbers))
        else:
            columns[name] = NumericColumn(
                days_before(whole(_read_values((field,), records)[0]), moments)
            )
    if plan.created:
        start = whole(_read_values((plan.created,), records)[0])
        if plan.returns:
            told = [record.get(STATUS_HISTORY) for record in records]
            if any(told):
                returns = told_returns(definition, told, moments)
                start = returns.starts(start)
                columns.update(returns.columns(moments))
            else:
                columns.update(no_returns(len(records)))
        columns[AGE] = NumericColumn(days_between(start, moments))
    if plan.accounts:
        columns.update(told_accounts([record.get(ACCOUNT_HISTORY) for record in records]))
    if plan.aggregates:
        columns.update(_activity_columns(plan, activities, moments))
    if plan.derived:
        known = FeatureTable(len(records), columns)
        columns.update(derived_columns(plan.derived, definition, known, moments))
    return FeatureTable(len(records), columns)


def _words(
    name: str, records: Sequence[Mapping[str, object]], known: Container[object]
) -> CategoricalColumn:
    """A column of words, of which the `known` ones need no cleaning."""
    vocabulary: dict[str, int] = {}
    codes = []
    for record in records:
        value = record.get(name)
        if type(value) is not str or value not in known:
            value = text(value)
        codes.append(-1 if value is None else vocabulary.setdefault(value, len(vocabulary)))
    return CategoricalColumn(np.asarray(codes, dtype=np.int64), tuple(vocabulary))


def _activity_columns(
    plan: FeaturePlan, activities: Sequence[Sequence[Activity]], moments: IntArray
) -> dict[str, Column]:
    """The aggregates of each lead's activities, as known before its moment."""
    pasts = [_past(done, when) for done, when in zip(activities, moments.tolist(), strict=True)]
    values = [
        _aggregate(aggregate, past) if past else _WITHOUT_ACTIVITY[aggregate.what]
        for aggregate in plan.counted
        for past in pasts
    ]
    shape = (len(plan.counted), len(pasts))
    aggregated = np.asarray(values, dtype=np.float64).reshape(shape)
    columns: dict[str, Column] = dict(
        zip(plan.counted_names, map(NumericColumn, aggregated), strict=True)
    )
    if plan.measured:
        columns.update(_property_columns(plan, activities, moments.tolist()))
    if plan.tests:
        columns.update(_tested_columns(plan, activities, moments.tolist()))
    return columns


def _tested_columns(
    plan: FeaturePlan, activities: Sequence[Sequence[Activity]], moments: Sequence[int]
) -> dict[str, Column]:
    """The aggregates of those activities of each lead that meet a test, as known before its
    moment."""
    log = _log_of(plan, activities)
    starts = np.cumsum([0, *map(len, activities)]).tolist()
    columns: dict[str, Column] = {}
    for test in plan.tests:
        since = known_since(test, log).tolist()
        pasts = [
            _past(
                [each for each, known in zip(done, since[start:], strict=False) if known < when],
                when,
            )
            for done, when, start in zip(activities, moments, starts[:-1], strict=True)
        ]
        for aggregate in plan.aggregates:
            if aggregate.only == test:
                values = [_aggregate(aggregate, past) for past in pasts]
                columns[aggregate.name] = NumericColumn(np.asarray(values, dtype=np.float64))
    return columns


def _log_of(plan: FeaturePlan, activities: Sequence[Sequence[Activity]]) -> ActivityLog:
    """The activities of all leads of a request as one log."""
    every = [activity for done in activities for activity in done]
    values = [activity.values or {} for activity in every]
    properties: dict[str, Column] = {}
    for field in plan.properties:
        if field.kind == "words":
            properties[field.name] = _words(field.name, values, ())
        else:
            properties[field.name] = NumericColumn(_read_values((field,), values)[0])
    return ActivityLog(
        np.repeat(np.arange(len(activities)), list(map(len, activities))),
        np.asarray([microseconds(activity.at) for activity in every], dtype=np.int64),
        np.asarray([activity.known for activity in every], dtype=np.int64),
        CategoricalColumn.of([activity.kind for activity in every]),
        FeatureTable(len(every), properties),
    )


def _property_columns(
    plan: FeaturePlan, activities: Sequence[Sequence[Activity]], moments: Sequence[int]
) -> dict[str, Column]:
    """The sums and last values of properties of each lead's activities, as known before its
    moment."""
    pasts = [
        sorted(_with_values(plan, activity) for activity in done if activity.known < when)
        for done, when in zip(activities, moments, strict=True)
    ]
    places = {field.name: place for place, field in enumerate(plan.properties, start=2)}
    columns: dict[str, Column] = {}
    for aggregate in plan.measured:
        place = places[aggregate.column or ""]
        found = [
            [
                values[place]
                for values in past
                if values[place] not in _MISSING
                and (not aggregate.kinds or values[1] in aggregate.kinds)
            ]
            for past in pasts
        ]
        columns[aggregate.name] = _of_property(plan, aggregate, found)
    return columns


_MISSING = ("", -np.inf)
"""What stands for a missing word and a missing number, before all others."""


def _with_values(plan: FeaturePlan, activity: Activity) -> tuple[Any, ...]:
    """When an activity was, its kind, and the values of its properties, numbers as whole steps."""
    values: list[object] = []
    given = activity.values or {}
    for field in plan.properties:
        value = given.get(field.name)
        if field.kind == "words":
            values.append(text(value) or "")
        else:
            number = _read_value(field, value)
            usable = abs(number) <= MAX_VALUE
            values.append(round(number * STEPS_PER_UNIT) if usable else -np.inf)
    return microseconds(activity.at), activity.kind, *values


def _of_property(
    plan: FeaturePlan, aggregate: ActivityAggregate, found: Sequence[Sequence[Any]]
) -> Column:
    """One aggregate of a property, of the values that were `found` for each lead."""
    if aggregate.what == "sum":
        return NumericColumn(np.asarray([sum(values) / STEPS_PER_UNIT for values in found]))
    if aggregate.column in plan.properties_of_words:
        return CategoricalColumn.of([values[-1] if values else None for values in found])
    last = [values[-1] / STEPS_PER_UNIT if values else np.nan for values in found]
    return NumericColumn(np.asarray(last, dtype=np.float64))


_NUMPY_READY = {
    "number": frozenset({float, int, type(None)}),
    "moment": frozenset({float, type(None)}),
}
"""By the kind of a field, the types that numpy converts correctly, to numbers and NaN; a truth
value is none of them."""


def _read_values(fields: Sequence[Field], records: Sequence[Mapping[str, object]]) -> FloatArray:
    """The values of records as numbers, parsed as the fields, all of one kind, require; shape
    (fields, records)."""
    names = [field.name for field in fields]
    values = [value for record in records for value in map(record.get, names)]
    shape = (len(records), len(fields))
    if values and _NUMPY_READY[fields[0].kind].issuperset(map(type, values)):
        try:
            return np.ascontiguousarray(np.asarray(values, dtype=np.float64).reshape(shape).T)
        except OverflowError:  # an integer beyond every float
            pass
    parsed = [_read_value(field, record.get(field.name)) for record in records for field in fields]
    return np.ascontiguousarray(np.asarray(parsed, dtype=np.float64).reshape(shape).T)


def _read_value(field: Field, value: object) -> float:
    """One value of a record as a number; NaN if it is missing or cannot be parsed."""
    if isinstance(value, float | int) and not isinstance(value, bool) and field.kind == "number":
        try:
            return float(value)
        except OverflowError:  # an integer beyond every float
            return np.inf if value > 0 else -np.inf
    if isinstance(value, datetime):
        return float(microseconds(value))
    written = text(value)
    return np.nan if written is None else field.read(written)


_WITHOUT_ACTIVITY = {"count": 0.0, "kinds": 0.0, "change": 0.0, "days_since": np.nan}


def _past(activities: Sequence[Activity], as_of: int) -> dict[str, list[int]]:
    """The ages in microseconds of the activities that were known before `as_of`, by kind, the
    latest first."""
    ages: dict[str, list[int]] = {}
    for activity in activities:
        at = microseconds(activity.at)
        known = at if activity.recorded is None else max(at, microseconds(activity.recorded))
        if known < as_of:
            ages.setdefault(activity.kind, []).append(as_of - at)
    for ages_of_kind in ages.values():
        ages_of_kind.sort()
    return ages


def _aggregate(aggregate: ActivityAggregate, past: Mapping[str, list[int]]) -> float:
    """One aggregate of one lead's past activities."""
    kinds = [ages for kind, ages in past.items() if not aggregate.kinds or kind in aggregate.kinds]
    if aggregate.within_days is not None:
        limit = int(aggregate.within_days * DAY)
        if aggregate.what == "change":
            recent = sum(bisect_right(ages, limit) for ages in kinds)
            return float(2 * recent - sum(bisect_right(ages, 2 * limit) for ages in kinds))
        recent_ages = [ages[: bisect_right(ages, limit)] for ages in kinds]
        kinds = [ages for ages in recent_ages if ages]
    if aggregate.what == "count":
        return float(sum(map(len, kinds)))
    if aggregate.what == "kinds":
        return float(len(kinds))
    return min(ages[0] for ages in kinds) / DAY if kinds else np.nan
