"""The feature plan: which columns and activity aggregates are a model's features, and how the text
of each column is parsed.

It is fitted to an export (`fit_feature_plan`), stored as JSON inside the model, and computed in two
ways with equal results: for a million rows in `offline`, for the leads of a request in `online`.
Which columns are safe to use is decided in `winnable.data.leakage`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from winnable.core.columns import (
    ACCOUNT,
    CREATED,
    ActivityAggregate,
    ActivityTest,
    EarlierActivity,
    PropertyTest,
    is_nameless,
    is_of_loader,
)
from winnable.core.text import counted
from winnable.core.timestamps import microseconds
from winnable.core.values import UNKNOWN, is_range, moment, number, quantity, unit_of
from winnable.data.features.accounts import ACCOUNT_COLUMNS, AccountScope
from winnable.data.features.activities.aggregates import aggregates_of
from winnable.data.features.activities.properties import properties_of
from winnable.data.features.derived.derive import DerivedFeature
from winnable.data.features.returns import (
    MIN_RETURNED_LEADS,
    RETURN_COLUMNS,
    returned_leads,
)
from winnable.definition.conditions import Condition
from winnable.definition.decide.junk import contact_columns
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.ingestion.crm import Crm

AGE = "days since created"
MIN_PARSED_SHARE = 0.98
"""A column is one of numbers (or dates) if at least this share of its values parse as such."""
MIN_NUMBER_SHARE = 0.9
MIN_DIFFERENT_NUMBERS = 20
"""With at least this share and as many different numbers a column is one of numbers, too: few
words among them are missing numbers, not codes."""
MIN_MEASURED_SHARE = 0.5
"""Ranges are read as numbers only in a column of which this share are numbers: a column of nothing
but ranges is a choice of words."""
MIN_LEADS_PER_NAME = 20
"""With fewer leads of each account on average its name tells who they are, not how they are."""
MAX_SAMPLED_VALUES = 20_000
"""Values of a column that are tried at most."""


@dataclass(frozen=True)
class Field:
    """One column of the CRM and how its text is parsed. `learn` is false for columns that only
    rules may use. `loose` is whether numbers are also read where people wrote them loosely (10k+,
    51-200), `unit` the word that may stand behind them."""

    name: str
    kind: Literal["number", "words", "moment"]
    decimal: str = "."
    day_first: bool = False
    learn: bool = True
    loose: bool = False
    unit: str = ""

    def number(self, value: str) -> float | None:
        """One text as a number; None if it is none."""
        if self.loose:
            return quantity(value, self.decimal, self.unit)
        return number(value, self.decimal)

    def is_range(self, value: str) -> bool:
        """Whether a text is read as the middle of a range."""
        return self.loose and is_range(value, self.decimal, self.unit)

    def means_missing(self, value: str) -> bool:
        """Whether a text says that the number is not known: "unknown", "keine Angabe"."""
        return self.loose and value.lower() in UNKNOWN

    def read(self, value: str) -> float:
        """One text as a number; a moment is microseconds since 1970. NaN if it cannot be
        parsed."""
        if self.kind == "number":
            found = self.number(value)
            return np.nan if found is None else found
        when = moment(value, self.day_first)
        return np.nan if when is None else float(microseconds(when))


class Attribute(NamedTuple):
    """One thing that is known of a lead, however many features tell of it: a column of the CRM,
    what is derived from one (with the column itself), a kind of activity (or several kinds that
    count together), its account, its returns, or a rule of the scorecard that tests several things
    at once."""

    about: Literal["field", "derived", "activity", "account", "returns", "age", "rule"]
    name: str


ACCOUNT_ATTRIBUTE = Attribute("account", "account")
RETURNS_ATTRIBUTE = Attribute("returns", "returns")
AGE_ATTRIBUTE = Attribute("age", AGE)


def activity_attribute(kinds: Sequence[str]) -> Attribute:
    """The attribute of all aggregates of these kinds of activity; of every kind if there are
    none."""
    return Attribute("activity", " or ".join(kinds) or "any activity")


@dataclass(frozen=True)
class FeaturePlan:
    """The fields and activity aggregates of a model, in order; `created` is how the creation date
    is parsed, if there is one. With `returns` a lead's age counts from its last return, and its
    earlier episodes are features. With `accounts` what is known of the others of its account is
    computed, too; `learned` does not name it, since models learn it apart from the rest. The
    `derived` features are computed from the fields and the age. `properties` are how the further
    columns of activities are parsed that aggregates ask for."""

    fields: tuple[Field, ...]
    aggregates: tuple[ActivityAggregate, ...] = ()
    created: Field | None = None
    returns: bool = False
    accounts: AccountScope | None = None
    derived: tuple[DerivedFeature, ...] = ()
    properties: tuple[Field, ...] = ()

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the columns that models may learn from."""
        age = (AGE,) if self.created else ()
        unlearned = {field.name for field in self.properties if not field.learn}
        return (
            *(field.name for field in self.fields if field.learn),
            *(
                each.name
                for each in self.aggregates
                if each.only is None or unlearned.isdisjoint(each.only.columns)
            ),
            *age,
            *(RETURN_COLUMNS if self.returns else ()),
            *(feature.name for feature in self.derived),
        )

    @cached_property
    def attributes(self) -> Mapping[str, Attribute]:
        """What each feature that is no plain column tells of, by its name: all that tell of one
        thing are one reason. Age belongs to activity, where that is counted: how much a lead did
        says little without the time that it had."""
        is_counted = any(not each.kinds for each in self.aggregates)
        age = activity_attribute(()) if is_counted else AGE_ATTRIBUTE
        return {
            AGE: age,
            **dict.fromkeys(RETURN_COLUMNS, RETURNS_ATTRIBUTE),
            **dict.fromkeys(ACCOUNT_COLUMNS, ACCOUNT_ATTRIBUTE),
            **{
                each.name: activity_attribute(each.kinds)
                for each in self.aggregates
                if each.column is None or each.kinds
            },
            **({} if self.created is None else {self.created.name: age}),
            **self._attributes_of_derived,
        }

    @property
    def _attributes_of_derived(self) -> Mapping[str, Attribute]:
        """Contact data and texts tell of what is derived from their column."""
        found: dict[str, Attribute] = {}
        for each in self.derived:
            if each.attribute != each.name:
                attribute = Attribute("derived", each.attribute)
                found[each.name] = found[each.attribute] = attribute
        return found

    def attribute_of(self, feature: str) -> Attribute:
        """What a feature tells of; a column tells of itself."""
        return self.attributes.get(feature) or Attribute("field", feature)

    @cached_property
    def derived_from(self) -> frozenset[str]:
        """The names of the columns that something is derived of."""
        return frozenset(name for feature in self.derived for name in feature.of)

    @cached_property
    def numbers(self) -> tuple[Field, ...]:
        """The fields that are parsed as numbers."""
        return tuple(field for field in self.fields if field.kind == "number")

    @cached_property
    def aggregate_names(self) -> tuple[str, ...]:
        """The names of the columns of the activity aggregates."""
        return tuple(aggregate.name for aggregate in self.aggregates)

    @cached_property
    def properties_of_words(self) -> frozenset[str]:
        """The names of the properties of activities that are words."""
        return frozenset(field.name for field in self.properties if field.kind == "words")

    @cached_property
    def counted(self) -> tuple[ActivityAggregate, ...]:
        """The activity aggregates of kinds and times alone."""
        return tuple(each for each in self.aggregates if each.column is None and each.only is None)

    @cached_property
    def counted_names(self) -> tuple[str, ...]:
        """The names of the columns of `counted`."""
        return tuple(aggregate.name for aggregate in self.counted)

    @cached_property
    def measured(self) -> tuple[ActivityAggregate, ...]:
        """The activity aggregates of properties."""
        return tuple(each for each in self.aggregates if each.column is not None)

    @cached_property
    def tests(self) -> tuple[ActivityTest, ...]:
        """What activities must meet besides their kind to count, each once."""
        tests = (each.only for each in self.aggregates if each.only is not None)
        return tuple(dict.fromkeys(tests))

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON types."""
        data = asdict(replace(self, aggregates=()))
        del data["aggregates"]
        data["measures"] = [_measure_to_json(aggregate) for aggregate in self.aggregates]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FeaturePlan:
        """The plan that `to_json` wrote."""
        aggregates = tuple(map(_measure_from_json, data["measures"]))
        created = Field(**data["created"]) if data["created"] else None
        fields = tuple(Field(**field) for field in data["fields"])
        scope = data.get("accounts")
        return cls(
            fields,
            aggregates,
            created,
            bool(data.get("returns", False)),
            None if scope is None else AccountScope(**scope),
            tuple(DerivedFeature.from_json(feature) for feature in data.get("derived", ())),
            tuple(Field(**field) for field in data.get("properties", ())),
        )


def _measure_to_json(aggregate: ActivityAggregate) -> dict[str, Any]:
    data: dict[str, Any] = asdict(replace(aggregate, only=None))
    del data["only"]
    only = aggregate.only
    if only is not None:
        data["only"] = {
            "having": _conditions_to_json(only.having),
            "words": only.words,
            "columns": list(only.columns),
        }
        if only.after is not None:
            data["only"]["after"] = {
                "kinds": list(only.after.kinds),
                "within_days": only.after.within_days,
                "having": _conditions_to_json(only.after.having),
            }
    return data


def _conditions_to_json(having: Sequence[PropertyTest]) -> list[dict[str, Any]]:
    conditions = (condition for condition in having if isinstance(condition, Condition))
    return [condition.model_dump(mode="json", exclude_defaults=True) for condition in conditions]


def _conditions_from_json(data: Sequence[Mapping[str, Any]]) -> tuple[Condition, ...]:
    return tuple(map(Condition.model_validate, data))


def _measure_from_json(data: Mapping[str, Any]) -> ActivityAggregate:
    kinds = tuple(data["kinds"])
    aggregate = ActivityAggregate(data["what"], kinds, data["within_days"], data.get("column"))
    only = data.get("only")
    if only is None:
        return aggregate
    after = only.get("after")
    earlier = None
    if after is not None:
        having = _conditions_from_json(after["having"])
        earlier = EarlierActivity(tuple(after["kinds"]), after["within_days"], having)
    having = _conditions_from_json(only["having"])
    test = ActivityTest(having, earlier, only["words"], tuple(only["columns"]))
    return replace(aggregate, only=test)


def fit_feature_plan(
    definition: Definition, crm: Crm, leave_out: Sequence[str] = ()
) -> FeaturePlan:
    """Decide how each column of an export is parsed and which activity aggregates are computed.

    Roles other than source and consent, and contact data, identify a lead or its outcome, so models
    do not use them as they stand, nor columns without a name, those of loaders, ignored columns and
    those in `leave_out`. Rules may use contact data and whatever the definition names, the date of
    creation, too, with which they compare other dates.
    """
    from winnable.data.features.derived.choose import choose_derived, source_columns
    from winnable.data.ingestion.dates import day_first_of_table
    from winnable.data.ingestion.parsing import decimal_marks

    roles = definition.columns
    never = {roles.id, *definition.untold_until_the_end}
    columns = [str(name) for name in crm.leads.columns if not str(name).startswith("@")]
    contact = contact_columns(definition.junk, columns).every
    meaningless = [name for name in columns if is_nameless(name) or is_of_loader(name)]
    unlearned = {
        roles.person,
        roles.created,
        *_account_as_key(crm, roles.account),
        *contact,
        *roles.ignore,
        *leave_out,
        *meaningless,
    }
    asked = {*definition.fields(), *contact, *source_columns(definition, columns)}
    used = [
        name for name in columns if name not in never and (name not in unlearned or name in asked)
    ]
    samples = {name: _sample(crm.leads[name]) for name in used}
    marks = decimal_marks(samples)
    dates = {role: crm.leads[name] for role, name in roles.dates.items() if name in crm.leads}
    # A column may be called "created" without having that role.
    columns_and_roles = {f"column {name}": sample for name, sample in samples.items()} | dates
    first = day_first_of_table(columns_and_roles)
    fields = [
        _field_of(
            Field(name, "words", marks[name], first[f"column {name}"], name not in unlearned),
            sample,
        )
        if name not in contact
        else Field(name, "words", learn=name not in unlearned)  # +49 151 is no number
        for name, sample in samples.items()
    ]
    kinds: dict[str, str] = {field.name: field.kind for field in fields}
    learned = {field.name for field in fields if field.learn}
    derived = choose_derived(definition, crm, kinds, learned, AGE, leave_out)
    if roles.created is None or CREATED not in crm.leads:
        return FeaturePlan(tuple(fields), derived=derived)
    by_day = day_first_of_table(dates)["created"]
    created = Field(roles.created, "moment", day_first=by_day, learn=False)
    fields = [created if field.name == created.name else field for field in fields]
    returns = returned_leads(definition, crm) >= MIN_RETURNED_LEADS
    scope = AccountScope.of(definition, crm) if ACCOUNT in crm.leads else None
    properties = _properties(definition, crm)
    by_kind = {
        kind: [field.name for field in properties if field.kind == kind and field.learn]
        for kind in ("number", "words")
    }
    aggregates = aggregates_of(definition, crm, by_kind["number"], by_kind["words"])
    asked_for = {*definition.properties(), *(aggregate.column for aggregate in aggregates)}
    properties = tuple(field for field in properties if field.name in asked_for)
    return FeaturePlan(tuple(fields), aggregates, created, returns, scope, derived, properties)


def _properties(definition: Definition, crm: Crm) -> tuple[Field, ...]:
    """How the properties of activities are parsed, as numbers or as words; rules may use others
    than models do."""
    from winnable.data.ingestion.parsing import decimal_marks

    if crm.activities is None:
        return ()
    used = properties_of(definition, crm).used
    asked = [name for name in definition.properties() if name in crm.activities]
    names = tuple(dict.fromkeys((*used, *asked)))
    samples = {name: _sample(crm.activities[name]) for name in names}
    marks = decimal_marks(samples)
    fields = []
    for name, sample in samples.items():
        words = Field(name, "words", learn=name in used)
        numbers = _number_field(replace(words, decimal=marks[name]), sample)
        fields.append(words if numbers is None else numbers)
    return tuple(fields)


def _account_as_key(crm: Crm, account: str | None) -> tuple[str, ...]:
    """The column of the account, where a model that learned it would know its few leads by heart:
    what became of the others is known by `accounts`, and only as far as it was known then."""
    if account is None or account not in crm.leads:
        return ()
    known = int(crm.leads[account].notna().sum())
    return (account,) if known < MIN_LEADS_PER_NAME * crm.leads[account].nunique() else ()


def _sample(values: pd.Series) -> pd.Series:
    """The known values of a column, as many as are tried."""
    known = values.dropna()
    too_many = len(known) > MAX_SAMPLED_VALUES
    return known.sample(MAX_SAMPLED_VALUES, random_state=0) if too_many else known


def _field_of(field: Field, sample: pd.Series) -> Field:
    """How a column is parsed: as numbers if nearly all its values are numbers, as moments if nearly
    all are, else as words. The given field says which marks its table uses."""
    from winnable.data.ingestion.parsing import parse_moments

    as_words = Field(field.name, "words", learn=field.learn)
    if sample.empty:
        return as_words
    numbers = _number_field(field, sample)
    if numbers is not None:
        return numbers
    if parse_moments(sample, field.day_first).notna().mean() >= MIN_PARSED_SHARE:
        return replace(as_words, kind="moment", day_first=field.day_first)
    return as_words


def _number_field(field: Field, sample: pd.Series) -> Field | None:
    """The field as one of numbers, also where a few of its values are words, ranges or numbers
    with a unit; None if it is not one of numbers."""
    from winnable.data.ingestion.parsing import parse_numbers

    numbers = Field(field.name, "number", field.decimal, learn=field.learn, loose=True)
    parsed = parse_numbers(sample, field.decimal)
    if parsed.notna().mean() >= MIN_PARSED_SHARE:
        return numbers
    counts = sample[parsed.isna()].value_counts()
    others = {str(value): int(count) for value, count in counts.items()}
    said = {value: count for value, count in others.items() if value.lower() not in UNKNOWN}
    numbers = replace(numbers, unit=_unit(said))
    exact = int(parsed.notna().sum())
    read = {value: n for value, n in said.items() if numbers.number(value) is not None}
    ranges = {value for value in read if is_range(value, numbers.decimal, numbers.unit)}
    measured = exact + sum(n for value, n in read.items() if value not in ranges)
    total = exact + sum(said.values())
    share = (exact + sum(read.values())) / max(total, 1)
    if measured < MIN_MEASURED_SHARE * len(sample):
        return None
    if share >= MIN_PARSED_SHARE:
        return numbers
    like_codes = bool(sample.str.fullmatch("0[0-9]+").any())
    enough = parsed.nunique() >= MIN_DIFFERENT_NUMBERS and share >= MIN_NUMBER_SHARE
    return numbers if enough and not like_codes else None


def _unit(counts: Mapping[str, int]) -> str:
    """The one word behind the numbers of a column; none where there are several, which may be
    different measures."""
    units = {unit for unit in map(unit_of, counts) if unit is not None}
    return units.pop() if len(units) == 1 else ""


def loosely_read(plan: FeaturePlan, crm: Crm) -> tuple[str, ...]:
    """A sentence for each column of numbers with values that are none: how many were read all the
    same, and how many count as missing."""
    from winnable.data.ingestion.parsing import parse_numbers

    notes = []
    for field in plan.numbers:
        column = crm.leads[field.name]
        loose = column[column.notna() & parse_numbers(column, field.decimal).isna()]
        read = sum(field.number(str(value)) is not None for value in loose)
        said = []
        if read:
            said.append(f"{read:,} written as 10k+ or 51-200 count as that number or its middle")
        if read < len(loose):
            said.append(f"{len(loose) - read:,} that are words count as missing")
        if said:
            of = f"of {counted(int(column.notna().sum()), 'value')}"
            notes.append(f"'{field.name}' is read as numbers: {of} {' and '.join(said)}.")
    return tuple(notes)
