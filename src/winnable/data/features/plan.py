"""The feature plan: which columns and activity aggregates are a model's features, and how the text
of each column is parsed.

It is fitted to an export (`fit_feature_plan`), stored as JSON inside the model, and computed in two
ways with equal results: for a million rows in `offline`, for the leads of a request in `online`.
Which columns are safe to use is decided in `winnable.data.leakage`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from winnable.core.columns import CREATED, KIND, ActivityAggregate, is_nameless
from winnable.core.timestamps import microseconds
from winnable.core.values import moment, number
from winnable.data.features.returns import (
    MIN_RETURNED_LEADS,
    RETURN_COLUMNS,
    returned_leads,
)
from winnable.definition.decide.junk import contact_columns
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.ingestion.crm import Crm

AGE = "days since created"
MAX_AGGREGATED_KINDS = 20
"""The most frequent kinds of activity that get aggregates of their own; the rest only count as "any
activity"."""
MIN_PARSED_SHARE = 0.98
"""A column is one of numbers (or dates) if at least this share of its values parse as such."""
MAX_SAMPLED_VALUES = 20_000
"""Values of a column that are tried at most."""


@dataclass(frozen=True)
class Field:
    """One column of the CRM and how its text is parsed. `learn` is false for columns that only
    rules may use."""

    name: str
    kind: Literal["number", "words", "moment"]
    decimal: str = "."
    day_first: bool = False
    learn: bool = True

    def read(self, value: str) -> float:
        """One text as a number; a moment is microseconds since 1970. NaN if it cannot be
        parsed."""
        if self.kind == "number":
            found = number(value, self.decimal)
            return np.nan if found is None else found
        when = moment(value, self.day_first)
        return np.nan if when is None else float(microseconds(when))


@dataclass(frozen=True)
class FeaturePlan:
    """The fields and activity aggregates of a model, in order; `created` is how the creation date
    is parsed, if there is one. With `returns` a lead's age counts from its last return, and its
    earlier episodes are features."""

    fields: tuple[Field, ...]
    aggregates: tuple[ActivityAggregate, ...] = ()
    created: Field | None = None
    returns: bool = False

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the columns that models may learn from."""
        age = (AGE,) if self.created else ()
        return (
            *(field.name for field in self.fields if field.learn),
            *(aggregate.name for aggregate in self.aggregates),
            *age,
            *(RETURN_COLUMNS if self.returns else ()),
        )

    @cached_property
    def numbers(self) -> tuple[Field, ...]:
        """The fields that are parsed as numbers."""
        return tuple(field for field in self.fields if field.kind == "number")

    @cached_property
    def aggregate_names(self) -> tuple[str, ...]:
        """The names of the columns of the activity aggregates."""
        return tuple(aggregate.name for aggregate in self.aggregates)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON types."""
        data = asdict(self)
        data["measures"] = data.pop("aggregates")
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FeaturePlan:
        """The plan that `to_json` wrote."""
        aggregates = tuple(
            ActivityAggregate(m["what"], tuple(m["kinds"]), m["within_days"])
            for m in data["measures"]
        )
        created = Field(**data["created"]) if data["created"] else None
        fields = tuple(Field(**field) for field in data["fields"])
        return cls(fields, aggregates, created, bool(data.get("returns", False)))


def fit_feature_plan(
    definition: Definition, crm: Crm, leave_out: Sequence[str] = ()
) -> FeaturePlan:
    """Decide how each column of an export is parsed and which activity aggregates are computed.

    Roles other than source and consent, and contact data, identify a lead or its outcome, so models
    do not use them, nor columns without a name, ignored columns and those in `leave_out`. Rules may
    use contact data and whatever the definition names.
    """
    from winnable.data.ingestion.parsing import day_order

    roles = definition.columns
    never = {roles.id, roles.created, roles.status, *roles.dates_of_the_end}
    columns = [str(name) for name in crm.leads.columns if not str(name).startswith("@")]
    contact = contact_columns(definition.junk, columns).every
    nameless = filter(is_nameless, columns)
    unlearned = {roles.person, *contact, *roles.ignore, *leave_out, *nameless}
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
    returns = returned_leads(definition, crm) >= MIN_RETURNED_LEADS
    return FeaturePlan(tuple(fields), _aggregates_of(definition, crm), created, returns)


def _field_of(name: str, values: pd.Series, learn: bool) -> Field:
    """How a column is parsed: as numbers if nearly all its values are numbers, as moments if nearly
    all are, else as words."""
    from winnable.data.ingestion.parsing import (
        day_order,
        decimal_mark,
        parse_moments,
        parse_numbers,
    )

    known = values.dropna()
    if known.empty:
        return Field(name, "words", learn=learn)
    too_many = len(known) > MAX_SAMPLED_VALUES
    sample = known.sample(MAX_SAMPLED_VALUES, random_state=0) if too_many else known
    decimal = decimal_mark(sample)
    if parse_numbers(sample, decimal).notna().mean() >= MIN_PARSED_SHARE:
        return Field(name, "number", decimal=decimal, learn=learn)
    day_first = bool(day_order(sample).day_first)
    if parse_moments(sample, day_first).notna().mean() >= MIN_PARSED_SHARE:
        return Field(name, "moment", day_first=day_first, learn=learn)
    return Field(name, "words", learn=learn)


def _aggregates_of(definition: Definition, crm: Crm) -> tuple[ActivityAggregate, ...]:
    """General aggregates of all activities, the same for intent and interest, a count and a recency
    per frequent kind, and those that rules need."""
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
    frequent = [
        (str(kind),) for kind in crm.activities[KIND].value_counts().index[:MAX_AGGREGATED_KINDS]
    ]
    by_kind = [
        ActivityAggregate(what, kinds)
        for kinds in (*named, *frequent)
        for what in ("count", "days_since")
    ]
    recent = [aggregate for kinds in named for aggregate in _by_window(kinds)]
    return tuple(dict.fromkeys((*general, *by_kind, *recent, *asked)))


def _by_window(kinds: tuple[str, ...]) -> list[ActivityAggregate]:
    """Counts in recent windows, and the change against the window before."""
    return [
        *(ActivityAggregate("count", kinds, days) for days in (7, 30, 90)),
        ActivityAggregate("change", kinds, 30),
    ]
