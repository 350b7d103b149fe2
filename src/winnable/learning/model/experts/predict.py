"""Expert predictions: log-odds of encoded leads by each expert of the blend, from its part of the
spec alone.

Fitting them is the work of `linear` and `boosting`. Each has a `base` and adds to it what each
column contributes, so that a prediction is explained by a sum (additive feature attribution).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from winnable.core.columns import FloatArray, IntArray
from winnable.errors import ArtifactError
from winnable.learning.model.experts.catboost_trees import CatBoostTrees
from winnable.learning.model.experts.encoding import Encoded, Encoding
from winnable.learning.model.experts.lightgbm_trees import LightGBMTrees


@dataclass(frozen=True)
class ExpertPrediction:
    """Log-odds (n,); their variance (n,) if other leads had been learned from, 0 where that is not
    known; and, if reasons were asked for, what each column adds to the expert's base (n, columns).

    Columns are the encoding's, numbers before words, and the scorecard's as the last.
    """

    logit: FloatArray
    variance: FloatArray | float = 0.0
    parts: FloatArray | None = None


class Expert(Protocol):
    """What the blend needs of an expert; `base` are the log-odds to which a lead's columns add."""

    @property
    def base(self) -> float:
        """The log-odds before anything is known of a lead."""

    def predict(self, leads: Encoded, *, reasons: bool = False) -> ExpertPrediction:
        """The prediction for n leads."""


class ScorecardExpert:
    """The definition's own log-odds, moved and stretched to what was observed."""

    def __init__(self, part: Mapping[str, Any], columns: int) -> None:
        self.base = float(part["intercept"])
        self._slope = float(part["slope"])
        self._columns = columns

    def predict(self, leads: Encoded, *, reasons: bool = False) -> ExpertPrediction:
        """The prediction for n leads; the whole of it is the scorecard's."""
        added = self._slope * leads.rules
        if not reasons:
            return ExpertPrediction(self.base + added)
        parts = np.zeros((leads.size, self._columns))
        parts[:, -1] = added
        return ExpertPrediction(self.base + added, parts=parts)


class LinearExpert:
    """An additive regression: a value a word; for a number a slope within bounds and steps at
    marks, or a value for missing."""

    def __init__(self, part: Mapping[str, Any], level_counts: tuple[int, ...]) -> None:
        self.base = float(part["intercept"])
        self._rules = float(part["rules"])
        self._low, self._high, self._mean, self._slope, self._missing = (
            np.asarray(part[key], dtype=np.float64)
            for key in ("low", "high", "mean", "slope", "missing")
        )
        self._step_column = np.array([column for column, _, _ in part["steps"]], dtype=np.int64)
        self._step_at = np.array([at for _, at, _ in part["steps"]])
        self._step_values = np.zeros((len(part["steps"]), len(self._mean)))
        for row, (column, _, value) in enumerate(part["steps"]):
            self._step_values[row, column] = value
        self._table = np.array([value for table in part["tables"] for value in table])
        self._starts = np.cumsum([0, *level_counts])[:-1].astype(np.int64)

    def predict(self, leads: Encoded, *, reasons: bool = False) -> ExpertPrediction:
        """The prediction for n leads."""
        parts = self.parts(leads)
        return ExpertPrediction(self.base + parts.sum(axis=1), parts=parts)

    def parts(self, leads: Encoded) -> FloatArray:
        """What each column of n leads adds to the base, shape (n, columns)."""
        slopes = (
            np.minimum(np.maximum(leads.numbers, self._low), self._high) - self._mean
        ) * self._slope
        numbers = np.where(np.isnan(leads.numbers), self._missing, slopes)
        numbers += (leads.numbers[:, self._step_column] > self._step_at) @ self._step_values
        return np.concatenate(
            [numbers, self._table[self._starts + leads.codes], self._rules * leads.rules[:, None]],
            axis=1,
        )


class PerSegmentExpert:
    """A regression for each of some words of a column, and one for all other leads."""

    def __init__(
        self, part: Mapping[str, Any], level_counts: tuple[int, ...], numbers: int
    ) -> None:
        self._others = LinearExpert(part["others"], level_counts)
        self._own = {
            int(code): LinearExpert(own, level_counts) for code, own in part["own"].items()
        }
        self._column = int(part["column"])
        self._place = numbers + int(part["column"])

    @property
    def base(self) -> float:
        """That of the regression for all other leads."""
        return self._others.base

    def predict(self, leads: Encoded, *, reasons: bool = False) -> ExpertPrediction:
        """The prediction for n leads; where a regression of their own starts from another base,
        that is the column's doing."""
        parts = self._others.parts(leads)
        for code, expert in self._own.items():
            rows = np.flatnonzero(leads.codes[:, self._column] == code)
            if rows.size:
                parts[rows] = expert.parts(leads.take(rows))
                parts[rows, self._place] += expert.base - self.base
        return ExpertPrediction(self.base + parts.sum(axis=1), parts=parts)


class LightGBMExpert:
    """LightGBM trees over numbers, the rules' log-odds, and for words the win rate and the
    frequency seen in training."""

    def __init__(
        self, part: Mapping[str, Any], text: str, level_counts: tuple[int, ...], numbers: int
    ) -> None:
        words = numbers + np.arange(len(level_counts))
        sources: IntArray = np.concatenate(
            [np.arange(numbers), words, words, [numbers + len(level_counts)]]
        ).astype(np.int64)
        self._trees = LightGBMTrees(text, sources)
        self._rates, self._counts = (
            np.array([value for table in part[key] for value in table])
            for key in ("rates", "counts")
        )
        if not len(self._rates) == len(self._counts) == sum(level_counts):
            raise ArtifactError("the rates of words do not fit the words. Train again.")
        self._starts = np.cumsum([0, *level_counts])[:-1].astype(np.int64)

    @property
    def base(self) -> float:
        """The mean of its predictions in training."""
        return self._trees.base

    def predict(self, leads: Encoded, *, reasons: bool = False) -> ExpertPrediction:
        """The prediction for n leads."""
        places = self._starts + leads.codes
        features = np.concatenate(
            [leads.numbers, self._rates[places], self._counts[places], leads.rules[:, None]], axis=1
        )
        logit, parts = self._trees.logit(features, reasons=reasons)
        return ExpertPrediction(logit, parts=parts)


class CatBoostExpert:
    """CatBoost trees, several models averaged."""

    def __init__(self, text: str, level_counts: tuple[int, ...], numbers: int) -> None:
        self._trees = CatBoostTrees(text, level_counts, numbers)

    @property
    def base(self) -> float:
        """The mean of its predictions in training."""
        return self._trees.base

    def predict(self, leads: Encoded, *, reasons: bool = False) -> ExpertPrediction:
        """The prediction for n leads."""
        logit, variance, parts = self._trees.logit(leads, reasons=reasons)
        return ExpertPrediction(logit, variance, parts)


def expert_of(part: Mapping[str, Any], text: str, encoding: Encoding) -> Expert:
    """The expert that a part of the spec describes; `text` is its booster, if it has one."""
    if part["kind"] == "rules":
        return ScorecardExpert(part, len(encoding.names) + 1)
    if part["kind"] == "linear":
        return LinearExpert(part, encoding.level_counts)
    if part["kind"] == "per_segment":
        return PerSegmentExpert(part, encoding.level_counts, len(encoding.number_names))
    if part["kind"] == "lightgbm":
        return LightGBMExpert(part, text, encoding.level_counts, len(encoding.number_names))
    return CatBoostExpert(text, encoding.level_counts, len(encoding.number_names))
