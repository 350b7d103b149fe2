"""Feature tables: what is known of leads, each at one time, in the form that rules, models and the
service read.

A million rows of an export and a single lead in a request arrive here in the same form, so that
everything above is written once. A column is either a `NumericColumn` or a `CategoricalColumn`; the
latter is dictionary-encoded, so that a test on a text column costs as many comparisons as there are
distinct values, not rows. What leads did is described by an `ActivityAggregate`, whose values are
one more column. Reading exports and computing aggregates is done in `winnable.data`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# The reserved columns of the CRM's tables (`data.ingestion.crm.Crm`), apart from an export's own
# names by their "@".
ID = "@id"
PERSON = "@person"
ACCOUNT = "@account"
STATUS = "@status"
SOURCE = "@source"
CREATED = "@created"
CLOSED = "@closed"
CLOSED_LOST = "@closed_lost"
CHANGED = "@changed"
AT = "@at"
KIND = "@kind"
RECORDED = "@recorded"
VISITOR = "@visitor"
IDENTIFIED = "@identified"
FIELD = "@field"
OLD = "@old"
NEW = "@new"

_NAMELESS = re.compile(r"(?:column|Unnamed:) [0-9]+(?:_level_[0-9]+)?(?: \([0-9]+\))?")


def is_nameless(column: str) -> bool:
    """Whether a name only says where its column stands, as readers call a column without one."""
    return _NAMELESS.fullmatch(column) is not None


_OF_LOADERS = re.compile(r"_+(?:dlt|airbyte|ab|fivetran|sdc|hevo|rivery|dbt)_+\w+", re.IGNORECASE)


def is_of_loader(column: str) -> bool:
    """Whether a column is one that loaders such as dlt and Airbyte add: it tells of the load, not
    of the lead."""
    return _OF_LOADERS.fullmatch(column) is not None


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers: `values` has shape (n,), float64, NaN for missing."""

    values: FloatArray

    def take(self, rows: IntArray) -> Self:
        """The same column for the given row positions."""
        return type(self)(self.values[rows])


@dataclass(frozen=True)
class CategoricalColumn:
    """A dictionary-encoded column of text: row i holds `vocabulary[codes[i]]`; `codes` has shape
    (n,), int64, -1 for missing."""

    codes: IntArray
    vocabulary: tuple[str, ...]

    @classmethod
    def of(cls, values: Sequence[str | None]) -> Self:
        """Encode a plain sequence; the vocabulary keeps the order of first appearance."""
        known: dict[str, int] = {}
        codes = [-1 if value is None else known.setdefault(value, len(known)) for value in values]
        return cls(np.asarray(codes, dtype=np.int64), tuple(known))

    def take(self, rows: IntArray) -> Self:
        """The same column for the given row positions."""
        return type(self)(self.codes[rows], self.vocabulary)


Column = NumericColumn | CategoricalColumn

_AGGREGATE_NAMES = {
    "count": "times",
    "days_since": "days since",
    "kinds": "different kinds of",
    "change": "change in times",
    "sum": "sum",
    "last": "last",
}
"""How the name of an aggregate begins. Stored models know their columns by these names."""


class PropertyTest(Protocol):
    """What must be true of an activity's properties: a condition of the definition, which is asked
    of a table with a row for each activity."""

    def holds(self, features: "FeatureTable") -> BoolArray:
        """For which rows it is true, shape (features.size,)."""
        ...


@dataclass(frozen=True)
class EarlierActivity:
    """An activity that must have come before another one: of these `kinds` (empty: any), at most
    `within_days` before it (None: at any time), whose properties meet all of `having`."""

    kinds: tuple[str, ...] = ()
    within_days: float | None = None
    having: tuple[PropertyTest, ...] = ()


@dataclass(frozen=True)
class ActivityTest:
    """What must be true of an activity, besides its kind, for it to count: of its properties, and
    what it came `after`. `words` says so in English, behind the kind; `columns` are the properties
    that are read."""

    having: tuple[PropertyTest, ...] = ()
    after: EarlierActivity | None = None
    words: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class ActivityAggregate:
    """One value computed from the activity log of a lead.

    `kinds` are the kinds of activity that count (empty: every kind); `within_days` limits them to
    the days before the time of the row (None: the whole past). `what` is how many there are
    ("count"), how many days have passed since the last one ("days_since", NaN if there is none),
    how many different kinds there are ("kinds"), or how many more there are in `within_days` than
    in as many days before these ("change"). Of a further `column` of the log, such as minutes, it
    is the "sum" (0 if there is none), or the value of the "last" activity that has one, which may
    be a word. With `only`, activities count that meet this test.
    """

    what: Literal["count", "days_since", "kinds", "change", "sum", "last"] = "count"
    kinds: tuple[str, ...] = ()
    within_days: float | None = None
    column: str | None = None
    only: ActivityTest | None = None

    @cached_property
    def name(self) -> str:
        """The name of its column, which reasons show as well."""
        kinds = " or ".join(self.kinds) or "any activity"
        if self.only is not None:
            kinds += self.only.words
        if self.column is not None:
            return f"{self.column} of {kinds}, {_AGGREGATE_NAMES[self.what]}"
        period = "" if self.within_days is None else f" in {self.within_days:g} days"
        return f"{_AGGREGATE_NAMES[self.what]} {kinds}{period}"


@dataclass(frozen=True)
class FeatureTable:
    """What is known of `size` leads, each at one time: columns by the CRM's own names, and activity
    aggregates by theirs."""

    size: int
    columns: Mapping[str, Column]

    def numbers(self, name: str) -> FloatArray:
        """The column as numbers, shape (size,); NaN for what is missing, absent or not a number."""
        column = self.columns.get(name)
        if isinstance(column, NumericColumn):
            return column.values
        return np.full(self.size, np.nan)

    def words(self, name: str) -> CategoricalColumn:
        """The column as text; all missing where it is absent. Numbers are written as they are read:
        3, 2.5."""
        column = self.columns.get(name)
        if isinstance(column, CategoricalColumn):
            return column
        if column is None:
            return CategoricalColumn(np.full(self.size, -1, dtype=np.int64), ())
        known, codes = np.unique(column.values, return_inverse=True)
        codes = np.where(np.isnan(column.values), -1, codes.reshape(-1))
        return CategoricalColumn(
            codes.astype(np.int64), tuple(f"{value:.15g}" for value in known if not np.isnan(value))
        )

    def take(self, rows: IntArray) -> "FeatureTable":
        """The features of the given row positions, in that order."""
        return FeatureTable(
            len(rows), {name: column.take(rows) for name, column in self.columns.items()}
        )

    def select(self, names: Sequence[str]) -> "FeatureTable":
        """These columns only, in this order; absent ones are skipped."""
        return FeatureTable(
            self.size, {name: self.columns[name] for name in names if name in self.columns}
        )

    def with_columns(self, columns: Mapping[str, Column]) -> "FeatureTable":
        """These features and more columns; a column of the same name is replaced."""
        return FeatureTable(self.size, {**self.columns, **columns})
