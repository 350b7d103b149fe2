"""The feature plan: which columns and measures a model looks at, and how the text of each column is
read.

It is learned from an export (`fit_feature_plan`), kept as JSON inside the model, and rendered
twice: for a million rows in `features`, for the leads of a request in `records`. Which of the
columns may be trusted is decided in `leakage`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from winnable.core.columns import CREATED, KIND, ActivityAggregate
from winnable.core.timestamps import microseconds
from winnable.core.values import moment, number
from winnable.definition.decide.junk import contact_columns
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.ingestion.crm import Crm

AGE = "days since created"
# The most frequent kinds of activity get measures of their own; the rest count among "any
# activity".
KINDS_MEASURED = 20
# Of a column's values that must read as numbers (or dates) for the column to be one of numbers (or
# dates).
SHARE_READ = 0.98


@dataclass(frozen=True)
class Field:
    """One column of the CRM and the way its text is read. `learn` is false for columns that only
    rules may look at."""

    name: str
    kind: Literal["number", "words", "moment"]
    decimal: str = "."
    day_first: bool = False
    learn: bool = True

    def read(self, value: str) -> float:
        """The number that one text stands for; a moment is microseconds since 1970. NaN where it
        cannot be read."""
        if self.kind == "number":
            found = number(value, self.decimal)
            return np.nan if found is None else found
        when = moment(value, self.day_first)
        return np.nan if when is None else float(microseconds(when))


@dataclass(frozen=True)
class FeaturePlan:
    """The fields and measures of a model, in order; `created` is how the date of creation reads,
    where there is one."""

    fields: tuple[Field, ...]
    aggregates: tuple[ActivityAggregate, ...] = ()
    created: Field | None = None

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the columns that models may learn from."""
        age = (AGE,) if self.created else ()
        return (
            *(field.name for field in self.fields if field.learn),
            *(measure.name for measure in self.aggregates),
            *age,
        )

    @cached_property
    def numbers(self) -> tuple[Field, ...]:
        """The fields that read as numbers."""
        return tuple(field for field in self.fields if field.kind == "number")

    @cached_property
    def aggregate_names(self) -> tuple[str, ...]:
        """The names of the columns that answer the measures."""
        return tuple(measure.name for measure in self.aggregates)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON types."""
        data = asdict(self)
        data["measures"] = data.pop("aggregates")
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FeaturePlan:
        """The plan that `to_json` wrote."""
        measures = tuple(
            ActivityAggregate(m["what"], tuple(m["kinds"]), m["within_days"])
            for m in data["measures"]
        )
        created = Field(**data["created"]) if data["created"] else None
        return cls(tuple(Field(**field) for field in data["fields"]), measures, created)


def fit_feature_plan(
    definition: Definition, crm: Crm, leave_out: Sequence[str] = ()
) -> FeaturePlan:
    """Decide how each column of an export is read and what is asked of its activities.

    Roles other than source and consent, and contact data, say who a lead is or how it ended, so no
    model learns from them, nor from ignored columns and those in `leave_out`. Rules may look at
    contact data and at whatever the definition asks for.
    """
    from winnable.data.ingestion.parsing import day_order

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
    if roles.created is None or CREATED not in crm.leads:
        return FeaturePlan(tuple(fields))
    created = Field(
        roles.created,
        "moment",
        day_first=bool(day_order(crm.leads[roles.created]).day_first),
        learn=False,
    )
    return FeaturePlan(tuple(fields), _measures_of(definition, crm), created)


def _field_of(name: str, values: pd.Series, learn: bool) -> Field:
    """How a column reads: as numbers if nearly all its words are numbers, as moments if nearly all
    are, else as words."""
    from winnable.data.ingestion.parsing import (
        day_order,
        decimal_mark,
        parse_moments,
        parse_numbers,
    )

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


def _measures_of(definition: Definition, crm: Crm) -> tuple[ActivityAggregate, ...]:
    """General questions to the activity log, the same for intent and interest, one pair a frequent
    kind, and the rules' own."""
    asked = definition.aggregates()
    if crm.activities is None:
        return asked
    general = [
        ActivityAggregate("count"),
        *_by_window(()),
        ActivityAggregate("change", (), 7),
        ActivityAggregate("days_since"),
        ActivityAggregate("kinds"),
    ]
    named = [
        tuple(kinds)
        for kinds in (definition.activities.intent, definition.activities.interest)
        if kinds
    ]
    frequent = [(str(kind),) for kind in crm.activities[KIND].value_counts().index[:KINDS_MEASURED]]
    by_kind = [
        ActivityAggregate(what, kinds)
        for kinds in (*named, *frequent)
        for what in ("count", "days_since")
    ]
    recent = [measure for kinds in named for measure in _by_window(kinds)]
    return tuple(dict.fromkeys((*general, *by_kind, *recent, *asked)))


def _by_window(kinds: tuple[str, ...]) -> list[ActivityAggregate]:
    """How often lately, and whether more often than before."""
    return [
        *(ActivityAggregate("count", kinds, days) for days in (7, 30, 90)),
        ActivityAggregate("change", kinds, 30),
    ]
