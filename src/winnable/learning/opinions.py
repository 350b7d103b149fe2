"""Opinions: what each expert says of encoded leads, in log-odds, from its part of the spec alone.

Fitting them is the work of `experts` and `boosting`. Each has a `base` and adds to it what each column contributes, so that an
opinion is explained by a sum.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from winnable.definition.facts import FloatArray, IntArray
from winnable.learning.encoding import Encoded, Encoding
from winnable.learning.symmetric import SymmetricTrees
from winnable.learning.trees import Trees


class Expert(Protocol):
    """What the blend needs of an expert. Columns are the encoding's, numbers before words, and the scorecard's as the last."""

    base: float

    def opinion(self, leads: Encoded) -> tuple[FloatArray, FloatArray | float]:
        """Log-odds, shape (n,), and their variance had other leads been learned from; 0 where the expert does not know."""

    def contributions(self, leads: Encoded, size: int) -> FloatArray:
        """What each of `size` columns adds to `base`, shape (n, size)."""


class RulesExpert:
    """The definition's own log-odds, moved and stretched to what was observed."""

    def __init__(self, part: Mapping[str, Any]) -> None:
        self.base = float(part["intercept"])
        self._slope = float(part["slope"])

    def opinion(self, leads: Encoded) -> tuple[FloatArray, float]:
        """Log-odds, shape (n,); variance not known."""
        return np.asarray(self.base + self._slope * leads.rules, dtype=np.float64), 0.0

    def contributions(self, leads: Encoded, size: int) -> FloatArray:
        """Contributions (n, size), all of them in the last column, the scorecard's."""
        out = np.zeros((leads.size, size))
        out[:, -1] = self._slope * leads.rules
        return out


class LinearExpert:
    """An additive regression: a value a word; for a number a slope (within bounds), steps where it passes a mark, or a value for missing."""

    def __init__(self, part: Mapping[str, Any], level_counts: tuple[int, ...]) -> None:
        self.base = float(part["intercept"])
        self._rules = float(part["rules"])
        self._low, self._high, self._mean, self._slope, self._missing = (
            np.asarray(part[key], dtype=np.float64) for key in ("low", "high", "mean", "slope", "missing")
        )
        self._step_column = np.array([column for column, _, _ in part["steps"]], dtype=np.int64)
        self._step_at = np.array([at for _, at, _ in part["steps"]])
        self._step_values = np.zeros((len(part["steps"]), len(self._mean)))
        for row, (column, _, value) in enumerate(part["steps"]):
            self._step_values[row, column] = value
        self._table = np.array([value for table in part["tables"] for value in table])
        self._starts = np.cumsum([0, *level_counts])[:-1].astype(np.int64)

    def opinion(self, leads: Encoded) -> tuple[FloatArray, float]:
        """Log-odds, shape (n,); variance not known."""
        return np.asarray(self.base + self._parts(leads).sum(axis=1), dtype=np.float64), 0.0

    def contributions(self, leads: Encoded, size: int) -> FloatArray:
        """Contributions (n, size): what each column adds to `base`."""
        return self._parts(leads)

    def _parts(self, leads: Encoded) -> FloatArray:
        slopes = (np.clip(leads.numbers, self._low, self._high) - self._mean) * self._slope
        numbers = np.where(np.isnan(leads.numbers), self._missing, slopes)
        numbers += (leads.numbers[:, self._step_column] > self._step_at) @ self._step_values
        return np.hstack([numbers, self._table[self._starts + leads.codes], self._rules * leads.rules[:, None]])


class LeafwiseExpert:
    """LightGBM trees over numbers, the rules' log-odds, and for words the win rate and the frequency seen in training."""

    def __init__(self, part: Mapping[str, Any], text: str, level_counts: tuple[int, ...], numbers: int) -> None:
        self._trees = Trees(text)
        self.base = self._trees.base
        self._rates, self._counts = (np.array([value for table in part[key] for value in table]) for key in ("rates", "counts"))
        self._starts = np.cumsum([0, *level_counts])[:-1].astype(np.int64)
        words = numbers + np.arange(len(level_counts))
        rules = numbers + len(level_counts)
        self._sources: IntArray = np.concatenate([np.arange(numbers), words, words, [rules]]).astype(np.int64)

    def opinion(self, leads: Encoded) -> tuple[FloatArray, float]:
        """Log-odds, shape (n,); variance not known."""
        return self._trees.logit(self._features(leads)), 0.0

    def contributions(self, leads: Encoded, size: int) -> FloatArray:
        """Contributions (n, size): what each column adds to `base`."""
        return self._trees.contributions(self._features(leads), self._sources, size)

    def _features(self, leads: Encoded) -> FloatArray:
        """What the trees ask: numbers, rates of words, counts of words, rules: (n, numbers + 2 words + 1)."""
        places = self._starts + leads.codes
        return np.hstack([leads.numbers, self._rates[places], self._counts[places], leads.rules[:, None]])


def expert_of(part: Mapping[str, Any], text: str, encoding: Encoding) -> Expert:
    """The expert that a part of the spec describes; `text` is its booster, if it has one."""
    if part["kind"] == "rules":
        return RulesExpert(part)
    if part["kind"] == "linear":
        return LinearExpert(part, encoding.level_counts)
    if part["kind"] == "leafwise":
        return LeafwiseExpert(part, text, encoding.level_counts, len(encoding.number_names))
    return SymmetricTrees(text)
