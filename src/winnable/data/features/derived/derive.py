"""Derived features: what a model learns of columns beyond the columns themselves, computed from a
feature table.

Both ways of computing features, `offline` for many rows and `online` for a request, hand the table
of a plan's fields to the one function here, so that they are equal by construction. A value is
computed once per distinct word. What is derived is a column of words or numbers like any other;
an address, a telephone number or a name never is. Which features a plan has is decided in `choose`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from winnable.core.columns import (
    CategoricalColumn,
    Column,
    FeatureTable,
    FloatArray,
    IntArray,
    NumericColumn,
)
from winnable.core.timestamps import DAY
from winnable.data.features.derived.contact import (
    email_country,
    email_provider,
    is_the_companys,
    phone_country,
)
from winnable.data.features.derived.tokens import tokens_of
from winnable.definition.decide.junk import made_up_names
from winnable.definition.schema import Definition

What = Literal[
    "email provider",
    "email country",
    "email company",
    "phone country",
    "made-up name",
    "completeness",
    "mention",
    "weekday",
    "hour",
]

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HOUR = DAY // 24


@dataclass(frozen=True)
class DerivedFeature:
    """One derived feature: `what` is computed of the columns `of`, in that order. `word` is what a
    mention looks for."""

    name: str
    what: What
    of: tuple[str, ...]
    word: str = ""

    @property
    def attribute(self) -> str:
        """What it is about, so that all that is known of one thing can be told together: its column
        where it is of one, else itself."""
        of_the_lead = self.what in ("weekday", "hour", "made-up name", "completeness")
        return self.name if of_the_lead else self.of[0]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DerivedFeature:
        """The feature whose members `dataclasses.asdict` wrote."""
        return cls(data["name"], data["what"], tuple(data["of"]), data["word"])


def derived_columns(
    derived: Sequence[DerivedFeature],
    definition: Definition,
    features: FeatureTable,
    as_of: IntArray,
) -> dict[str, Column]:
    """The derived features of n rows of which the plan's fields are known, each as of a time in
    microseconds (n,)."""
    columns: dict[str, Column] = {}
    mentions: dict[str, list[DerivedFeature]] = {}
    for feature in derived:
        if feature.what in _OF_WORDS:
            columns[feature.name] = _by_word(_OF_WORDS[feature.what], feature.of, features)
        elif feature.what == "mention":
            mentions.setdefault(feature.of[0], []).append(feature)
        elif feature.what == "made-up name":
            made_up = made_up_names(definition.junk, features, feature.of)
            columns[feature.name] = CategoricalColumn(made_up.astype(np.int64), ("no", "yes"))
        elif feature.what == "completeness":
            columns[feature.name] = _completeness([features.columns[name] for name in feature.of])
        else:
            columns[feature.name] = _arrival(feature.what, features.numbers(feature.of[0]), as_of)
    for name, of_column in mentions.items():
        columns.update(_mentions(of_column, features.words(name)))
    return columns


def warm() -> None:
    """Read the lists of domains and of country codes, which the first lead would have to wait
    for."""
    email_provider("somebody@winnable.example")
    phone_country("+1 650 253 0000")


_OF_WORDS: Mapping[str, Callable[..., str | None]] = {
    "email provider": email_provider,
    "email country": email_country,
    "email company": is_the_companys,
    "phone country": phone_country,
}


def _by_word(
    value_of: Callable[..., str | None], names: tuple[str, ...], features: FeatureTable
) -> CategoricalColumn:
    """A value for each combination of words, computed once; missing where one of them is."""
    columns = [features.words(name) for name in names]
    codes = columns[0].codes
    combinations: list[tuple[str, ...]] = [(word,) for word in columns[0].vocabulary]
    for column in columns[1:]:
        width = len(column.vocabulary)
        both = np.where((codes < 0) | (column.codes < 0), -1, codes * width + column.codes)
        found, at = np.unique(both, return_inverse=True)
        combinations = [
            (*combinations[pair // width], column.vocabulary[pair % width])
            for pair in found[found >= 0].tolist()
        ]
        codes = at.reshape(-1) - int(found.size > 0 and found[0] < 0)
    values: dict[str, int] = {}
    table = [
        -1 if value is None else values.setdefault(value, len(values))
        for value in (value_of(*words) for words in combinations)
    ]
    return CategoricalColumn(np.array([*table, -1], dtype=np.int64)[codes], tuple(values))


def _mentions(
    mentions: Sequence[DerivedFeature], column: CategoricalColumn
) -> dict[str, NumericColumn]:
    """1 where a text mentions a word, 0 where it does not, missing where there is no text; for
    several words of one column."""
    place = {feature.word: row for row, feature in enumerate(mentions)}
    table = np.zeros((len(mentions), len(column.vocabulary) + 1))
    for code, text in enumerate(column.vocabulary):
        for word in tokens_of(text):
            if word in place:
                table[place[word], code] = 1.0
    table[:, -1] = np.nan
    found = table[:, column.codes]
    return {feature.name: NumericColumn(found[row]) for row, feature in enumerate(mentions)}


def _completeness(columns: Sequence[Column]) -> NumericColumn:
    """The share of these columns that is filled in."""
    words = np.array([c.codes for c in columns if isinstance(c, CategoricalColumn)])
    numbers = np.array([c.values for c in columns if isinstance(c, NumericColumn)])
    filled = (words >= 0).sum(axis=0) + (~np.isnan(numbers)).sum(axis=0)
    return NumericColumn(np.asarray(filled / len(columns), dtype=np.float64))


def _arrival(what: What, age: FloatArray, as_of: IntArray) -> Column:
    """When leads came, in UTC, by their age in days (n,) at a time."""
    known = ~np.isnan(age)
    came = as_of - np.round(np.where(known, age, 0.0) * DAY).astype(np.int64)
    if what == "hour":
        return NumericColumn(np.where(known, came % DAY // _HOUR, np.nan))
    weekday = (came // DAY + 3) % 7  # 1970 began on a Thursday
    return CategoricalColumn(np.where(known, weekday, -1), WEEKDAYS)
