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
"""The codes of "nothing stood there" and of a word seen less than twice, which is also what an
unseen word gets."""

MAX_WORDS_PER_COLUMN = 5000
"""Words kept of one column, the most frequent ones: beyond them a word is too rare to have learned
from."""


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


def learn_encoding(features: FeatureTable) -> dict[str, Any]:
    """The spec of an `Encoding` for these leads, without columns that are constant, empty or
    (words) different in nearly all."""
    numbers = [
        name
        for name, column in features.columns.items()
        if isinstance(column, NumericColumn) and _tells(_finite(column.values))
    ]
    words = [
        (name, _levels(column))
        for name, column in features.columns.items()
        if isinstance(column, CategoricalColumn) and not _like_an_id(column)
    ]
    telling = [[name, levels] for name, levels in words if _differs(features.columns[name], levels)]
    return {"numbers": numbers, "words": telling, "variants": True}


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


def _levels(column: CategoricalColumn) -> list[str]:
    """The words seen at least twice in any way of writing, each as it is mostly written, most
    frequent first (equals in alphabetical order, so that row order does not matter)."""
    kept = sorted((-count, word) for word, count in _counts(column).items() if count >= 2)
    return [word for _, word in kept[:MAX_WORDS_PER_COLUMN]]


def _counts(column: CategoricalColumn) -> dict[str, int]:
    """How often each word occurs, its ways of writing together, under the most frequent one."""
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.vocabulary))
    usual: dict[str, str] = {}
    total: dict[str, int] = {}
    written = zip(counts.tolist(), column.vocabulary, strict=True)
    for count, word in sorted(written, key=lambda pair: (-pair[0], pair[1])):
        key = word_key(word)
        usual.setdefault(key, word)
        total[key] = total.get(key, 0) + count
    return {usual[key]: count for key, count in total.items()}


def _like_an_id(column: CategoricalColumn) -> bool:
    known = column.codes[column.codes >= 0]
    return known.size >= 20 and np.unique(known).size > 0.9 * known.size


def _differs(column: object, levels: Sequence[str]) -> bool:
    """Whether at least two of "missing", "rare" and the levels occur."""
    if not isinstance(column, CategoricalColumn):
        return False
    seen_once = any(count == 1 for count in _counts(column).values())
    return (len(levels) + int((column.codes < 0).any()) + int(seen_once)) >= 2
