"""The input profile: what the values of a model's columns looked like in training, so that scoring
can tell when those that it is given look different.

Part of an artifact, as data. How different the values of a batch or a request are is judged in
`learning.scoring.input_checks`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any, Self

import numpy as np

from winnable.core.columns import CategoricalColumn, FeatureTable, FloatArray, NumericColumn

TAIL_SHARE = 0.025
"""Of the training's values on either side of the usual range."""


@dataclass(frozen=True)
class NumberRange:
    """Of a column of numbers: the usual range, from `low` to `high`, the share of the values that
    lie `outside` of it (a twentieth, or less where many are equal), and the smallest and largest
    value."""

    least: float
    low: float
    high: float
    most: float
    outside: float

    @property
    def reach(self) -> tuple[float, float]:
        """Beyond these a value lies outside all values by more than their whole width."""
        width = self.most - self.least
        return self.least - width, self.most + width


@dataclass(frozen=True)
class InputProfile:
    """Columns as they were in training: `numbers` by name, and of each column of `words` the share
    of its values that the model does not tell apart, as they were too rare."""

    numbers: Mapping[str, NumberRange]
    words: Mapping[str, float]

    @classmethod
    def of(
        cls, features: FeatureTable, names: Iterable[str], learned: Mapping[str, Mapping[str, int]]
    ) -> Self:
        """The profile of the columns `names` in a training, a row a lead; `learned` are the words
        that the model tells apart, by column."""
        numbers = {}
        words = {}
        for name in names:
            column = features.columns.get(name)
            if isinstance(column, NumericColumn):
                known = column.values[np.isfinite(column.values)]
                if known.size:
                    numbers[name] = _range_of(known)
            elif isinstance(column, CategoricalColumn) and name in learned:
                words[name] = _rare_share(column, learned[name])
        return cls(numbers, words)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The profile that `to_json` wrote."""
        return cls(
            {name: NumberRange(*ends) for name, ends in data["numbers"].items()},
            dict(data["words"]),
        )

    def to_json(self) -> dict[str, Any]:
        """The profile as plain JSON types."""
        return {
            "numbers": {name: list(astuple(ends)) for name, ends in self.numbers.items()},
            "words": dict(self.words),
        }


NO_PROFILE = InputProfile({}, {})
"""Of a model that was not trained, or by a version that kept none."""


def _range_of(known: FloatArray) -> NumberRange:
    """The range of n > 0 numbers. One more than were seen counts as outside: that none was proves
    little where there are few."""
    least, low, high, most = np.quantile(known, [0, TAIL_SHARE, 1 - TAIL_SHARE, 1]).tolist()
    outside = int(((known < low) | (known > high)).sum())
    return NumberRange(least, low, high, most, (outside + 1) / (known.size + 1))


def _rare_share(column: CategoricalColumn, learned: Mapping[str, int]) -> float:
    """The share of values to come that will be new: those that one lead alone had (Good and Turing
    1953), and those that the model does not tell apart."""
    known = column.codes[column.codes >= 0]
    if not known.size:
        return 0.0
    once = np.bincount(known, minlength=len(column.vocabulary)) == 1
    is_rare = once | np.array([word not in learned for word in column.vocabulary])
    return float(is_rare[known].mean())
