"""Encoding: features as plain arrays, in the same way when a model learns and when it scores.

What is learned here is only how a table is read: which columns carry anything at all, and the
number that each known word gets (ordinal encoding). Nothing in it looks at the outcome, so it may
be shared between folds; everything that does (target encoding, coefficients) belongs to the
experts. A column that is
absent when scoring is missing everywhere; words where numbers were learned are read as numbers, and
numbers where words were learned are written as words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from winnable.core.columns import (
    CategoricalColumn,
    FeatureTable,
    FloatArray,
    IntArray,
    NumericColumn,
)
from winnable.core.text import word_key

MISSING = 0
RARE = 1
"""The codes of "nothing stood there" and of a word that fewer than two people, or accounts, have,
which is also what an unseen word gets."""

MAX_WORDS_PER_COLUMN = 5000
"""Words kept of one column, the most frequent ones: beyond them a word is too rare to have learned
from."""

MIN_PEOPLE_OF_ONE_ACCOUNT = 20
"""People who share a word from which on it may be that of a single account: with fewer it tells
who they are, not how they are."""


@dataclass(frozen=True)
class Encoded:
    """Leads as arrays: `numbers` (n, m) float64 with NaN for missing; `codes` (n, c) int64 (0
    missing, 1 rare, 2... the words); `rules` (n,) the definition's log-odds."""

    numbers: FloatArray
    codes: IntArray
    rules: FloatArray

    @property
    def size(self) -> int:
        """The number of leads."""
        return len(self.rules)

    def take(self, rows: IntArray) -> Self:
        """The given rows, in that order."""
        return type(self)(self.numbers[rows], self.codes[rows], self.rules[rows])


class Encoding:
    """Reads features as arrays, by a `spec` of `learn_encoding`: `{"numbers": [name, ...], "words":
    [[name, [word, ...]], ...], "variants": true}`.

    `codes` has the number of each word that is known, by column. With "variants" words that differ
    in case, blanks or punctuation only are one word; models learned before have none.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.number_names: tuple[str, ...] = tuple(spec["numbers"])
        self.word_names: tuple[str, ...] = tuple(name for name, _ in spec["words"])
        self.levels: tuple[tuple[str, ...], ...] = tuple(tuple(words) for _, words in spec["words"])
        self.codes: dict[str, dict[str, int]] = {
            name: {word: code + 2 for code, word in enumerate(words)}
            for name, words in spec["words"]
        }
        self._by_key: dict[str, dict[str, int]] = {name: {} for name in self.word_names}
        if spec.get("variants"):
            self._by_key = {
                name: {word_key(word): code for word, code in codes.items()}
                for name, codes in self.codes.items()
            }

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are used: numbers first, then words."""
        return self.number_names + self.word_names

    @property
    def level_counts(self) -> tuple[int, ...]:
        """How many codes each column of words has, missing and rare among them."""
        return tuple(len(words) + 2 for words in self.levels)

    def encode(self, features: FeatureTable, rules: FloatArray) -> Encoded:
        """Features of n leads and their rule log-odds, shape (n,), as arrays."""
        numbers = np.array([_numbers(features, name) for name in self.number_names]).reshape(
            len(self.number_names), features.size
        )
        codes = np.empty((len(self.word_names), features.size), dtype=np.int64)
        table: list[int] = []
        for row, name in zip(codes, self.word_names, strict=True):
            words = features.words(name)
            known = self.codes[name]
            np.add(words.codes, len(table), out=row)
            by_key = self._by_key[name]
            for word in words.vocabulary:
                table.append(known.get(word) or by_key.get(word_key(word), RARE))  # none is 0
            # This is what -1 points to in the next column, and in the first one.
            table.append(MISSING)
        coded = np.array(table, dtype=np.int64)[codes]
        return Encoded(_finite(numbers).T, coded.T, np.asarray(rules, dtype=np.float64))


@dataclass(frozen=True)
class Owners:
    """Whose the n rows are: the number of each row's person, and of its account where accounts are
    known (-1 where it is not), both (n,)."""

    person: IntArray
    account: IntArray | None = None


def learn_encoding(features: FeatureTable, owners: Owners | None = None) -> dict[str, Any]:
    """The spec of an `Encoding` for these leads, without columns that are constant, empty or
    (words) different in nearly all.

    A person may have several rows, and an account several people: a word that one person alone has,
    or the few people of one account, is not kept. By default every row is a person.
    """
    owners = Owners(np.arange(features.size)) if owners is None else owners
    numbers = [
        name
        for name, column in features.columns.items()
        if isinstance(column, NumericColumn) and _tells(_finite(column.values))
    ]
    words = []
    for name, column in features.columns.items():
        if isinstance(column, CategoricalColumn):
            counts = _Counts.of(column, owners)
            levels = counts.levels()
            if not counts.like_an_id and counts.differs(column, levels):
                words.append([name, levels])
    return {"numbers": numbers, "words": words, "variants": True}


def _numbers(features: FeatureTable, name: str) -> FloatArray:
    column = features.columns.get(name)
    if isinstance(column, NumericColumn):
        return column.values
    if column is None:
        return features.numbers(name)
    read = np.array([_number(word) for word in column.vocabulary] + [np.nan])
    return read[column.codes]


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return np.nan


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, np.nan)


def _tells(values: FloatArray) -> bool:
    known = values[~np.isnan(values)]
    return known.size > 0 and (known.size < values.size or bool(np.any(known != known[0])))


@dataclass(frozen=True)
class _Counts:
    """How many people, and how many accounts, have each word of a column, its ways of writing
    together, under the most frequent one; a row of no known account counts as one of its own."""

    people: dict[str, int]
    accounts: dict[str, int]

    @classmethod
    def of(cls, column: CategoricalColumn, owners: Owners) -> "_Counts":
        known = np.flatnonzero(column.codes >= 0)
        times = np.bincount(column.codes[known], minlength=len(column.vocabulary))
        usual: dict[str, str] = {}
        group = np.zeros(len(column.vocabulary), dtype=np.int64)
        places: dict[str, int] = {}
        written = enumerate(zip(times.tolist(), column.vocabulary, strict=True))
        for code, (_, word) in sorted(written, key=lambda pair: (-pair[1][0], pair[1][1])):
            key = word_key(word)
            usual.setdefault(key, word)
            group[code] = places.setdefault(key, len(places))
        words = group[column.codes[known]]
        account = owners.person if owners.account is None else owners.account
        single = np.where(account < 0, -1 - owners.person, account)
        names = [usual[key] for key in places]
        people, accounts = (
            dict(zip(names, _owner_counts(words, of[known], len(names)), strict=True))
            for of in (owners.person, single)
        )
        return cls(people, accounts)

    @property
    def like_an_id(self) -> bool:
        """Whether nearly everybody has a word of their own."""
        held = sum(self.people.values())
        return held >= 20 and sum(n > 0 for n in self.people.values()) > 0.9 * held

    def levels(self) -> list[str]:
        """The words to keep, each as it is mostly written, most frequent first (equals in
        alphabetical order, so that row order does not matter)."""
        kept = sorted(
            (-people, word)
            for word, people in self.people.items()
            if people >= MIN_PEOPLE_OF_ONE_ACCOUNT or (people >= 2 and self.accounts[word] >= 2)
        )
        return [word for _, word in kept[:MAX_WORDS_PER_COLUMN]]

    def differs(self, column: CategoricalColumn, levels: Sequence[str]) -> bool:
        """Whether at least two of "missing", "rare" and the levels occur."""
        kept = set(levels)
        rare = any(people and word not in kept for word, people in self.people.items())
        return (len(levels) + int((column.codes < 0).any()) + int(rare)) >= 2


def _owner_counts(words: IntArray, owners: IntArray, size: int) -> list[int]:
    """How many different owners each of `size` words has; both arrays a row each."""
    pairs = np.unique(np.column_stack([words, owners]), axis=0)
    return [int(owners) for owners in np.bincount(pairs[:, 0], minlength=size)]
