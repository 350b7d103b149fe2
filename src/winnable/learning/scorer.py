"""Scorer: the one implementation of a learned model's answer, for training, batches and a single lead in a request.

Works from data alone: `spec` (JSON) and `boosters` (LightGBM text). Imports neither pandas nor scikit-learn nor lightgbm.
The answer is a sum in log-odds: a base, plus what each expert learned, weighed; then the calibration. It is therefore explained
by a sum as well, and the parts add up to the score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from winnable.definition.facts import Facts, FloatArray, IntArray
from winnable.learning.calibration import calibrate, sigmoid
from winnable.learning.encoding import Encoded, Encoding
from winnable.learning.trees import Trees

RULES = "scorecard"
"""The name under which the definition's own points stand among the contributions."""


@dataclass(frozen=True)
class Contributions:
    """Reasons in log-odds: `base` (n,) plus the sum of `values` (n, k) over the columns `names` (k,) is the logit."""

    names: tuple[str, ...]
    values: FloatArray
    base: FloatArray


class Scorer:
    """Answers for leads by a learned `spec` and its `boosters`, as `LeadModel.fit` made them.

    Every method takes the facts of n leads and their rule log-odds (n,). A lead alone and within a batch gets the same numbers.
    """

    def __init__(self, spec: Mapping[str, Any], boosters: Mapping[str, str]) -> None:
        self.spec = spec
        self.mode: str = spec["mode"]
        self._encoding = Encoding(spec["encoding"])
        self.names: tuple[str, ...] = (*self._encoding.names, RULES)
        self._experts = {name: expert_of(part, boosters, self._encoding) for name, part in spec["experts"].items()}
        self._weights: dict[str, float] = dict(spec["blend"]["weights"])
        self._base = float(spec["blend"]["base"])
        bands = spec["interval"]
        self._band = {key: np.asarray(bands[key]) for key in ("at", "below", "above")}

    def logit(self, facts: Facts, rules: FloatArray) -> FloatArray:
        """Calibrated log-odds, shape (n,)."""
        return calibrate(self.blend(self._encoding.encode(facts, rules)), self.spec["calibration"])

    def probability(self, facts: Facts, rules: FloatArray) -> FloatArray:
        """The probability that each lead is won, shape (n,)."""
        return sigmoid(self.logit(facts, rules))

    def blend(self, leads: Encoded) -> FloatArray:
        """Log-odds before calibration, shape (n,)."""
        total = np.full(leads.size, self._base)
        for name, weight in self._weights.items():
            total += weight * (self._experts[name].logit(leads) - self._base)
        return total

    def explain(self, facts: Facts, rules: FloatArray) -> Contributions:
        """What each column added to the log-odds of each lead, the whole blend and its calibration included.

        A calibration of two parameters scales every part. One of three bends the sum, and every part gets its share of that in
        proportion to its size (counted from the calibrated base).
        """
        leads = self._encoding.encode(facts, rules)
        values = np.zeros((leads.size, len(self.names)))
        base = self._base
        for name, weight in self._weights.items():
            expert = self._experts[name]
            values += weight * expert.contributions(leads, len(self.names))
            base += weight * (expert.base - self._base)
        calibration = self.spec["calibration"]
        start = calibrate(np.array([base]), calibration)[0]
        final = calibrate(self.blend(leads), calibration)
        moved = values.sum(axis=1)
        steady = np.abs(moved) > 1e-9
        values *= np.divide(final - start, moved, out=np.ones_like(moved), where=steady)[:, None]
        return Contributions(self.names, values, final - values.sum(axis=1))

    def interval(self, facts: Facts, rules: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Low and high, each (n,): what became of leads with similar scores, and how far the experts disagree on this one."""
        leads = self._encoding.encode(facts, rules)
        logit = calibrate(self.blend(leads), self.spec["calibration"])
        below, above = (np.interp(logit, self._band["at"], self._band[side]) for side in ("below", "above"))
        spread = self.spread(leads)
        return sigmoid(logit - np.hypot(below, spread)), sigmoid(logit + np.hypot(above, spread))

    def spread(self, leads: Encoded) -> FloatArray:
        """The weighted standard deviation of the experts' log-odds, shape (n,)."""
        total = sum(self._weights.values())
        if total <= 0:
            return np.zeros(leads.size)
        answers = np.array([self._experts[name].logit(leads) for name in self._weights])
        shares = np.array(list(self._weights.values()))[:, None] / total
        return np.asarray(np.sqrt((shares * (answers - (shares * answers).sum(axis=0)) ** 2).sum(axis=0)), dtype=np.float64)


class RulesExpert:
    """The definition's own log-odds, moved and stretched to what was observed."""

    def __init__(self, part: Mapping[str, Any]) -> None:
        self.base = float(part["intercept"])
        self._slope = float(part["slope"])

    def logit(self, leads: Encoded) -> FloatArray:
        """Log-odds, shape (n,)."""
        return np.asarray(self.base + self._slope * leads.rules, dtype=np.float64)

    def contributions(self, leads: Encoded, size: int) -> FloatArray:
        """Contributions (n, size), all of them in the last column, the scorecard's."""
        out = np.zeros((leads.size, size))
        out[:, -1] = self._slope * leads.rules
        return out


class LinearExpert:
    """A logistic regression: a coefficient a word, a slope (within bounds) and a value for "missing" a number."""

    def __init__(self, part: Mapping[str, Any], level_counts: tuple[int, ...]) -> None:
        self.base = float(part["intercept"])
        self._rules = float(part["rules"])
        self._low, self._high, self._mean, self._slope, self._missing = (
            np.asarray(part[key], dtype=np.float64) for key in ("low", "high", "mean", "slope", "missing")
        )
        self._table = np.array([value for table in part["tables"] for value in table])
        self._starts = np.cumsum([0, *level_counts])[:-1].astype(np.int64)

    def logit(self, leads: Encoded) -> FloatArray:
        """Log-odds, shape (n,)."""
        return np.asarray(self.base + self._parts(leads).sum(axis=1), dtype=np.float64)

    def contributions(self, leads: Encoded, size: int) -> FloatArray:
        """Contributions (n, size): what each column adds to `base`."""
        return self._parts(leads)

    def _parts(self, leads: Encoded) -> FloatArray:
        steps = (np.clip(leads.numbers, self._low, self._high) - self._mean) * self._slope
        steps = np.where(np.isnan(leads.numbers), self._missing, steps)
        return np.hstack([steps, self._table[self._starts + leads.codes], self._rules * leads.rules[:, None]])


class TreeExpert:
    """LightGBM trees over numbers, the rules' log-odds, and for words the win rate and the frequency seen in training."""

    def __init__(self, part: Mapping[str, Any], text: str, level_counts: tuple[int, ...], numbers: int) -> None:
        self._trees = Trees(text)
        self.base = self._trees.base
        self._rates, self._counts = (np.array([value for table in part[key] for value in table]) for key in ("rates", "counts"))
        self._starts = np.cumsum([0, *level_counts])[:-1].astype(np.int64)
        words = numbers + np.arange(len(level_counts))
        rules = numbers + len(level_counts)
        self._sources: IntArray = np.concatenate([np.arange(numbers), words, words, [rules]]).astype(np.int64)

    def logit(self, leads: Encoded) -> FloatArray:
        """Log-odds, shape (n,)."""
        return self._trees.logit(self.features(leads))

    def contributions(self, leads: Encoded, size: int) -> FloatArray:
        """Contributions (n, size): what each column adds to `base`."""
        return self._trees.contributions(self.features(leads), self._sources, size)

    def features(self, leads: Encoded) -> FloatArray:
        """What the trees ask: numbers, rates of words, counts of words, rules: (n, numbers + 2 words + 1)."""
        places = self._starts + leads.codes
        return np.hstack([leads.numbers, self._rates[places], self._counts[places], leads.rules[:, None]])


Expert = RulesExpert | LinearExpert | TreeExpert


def expert_of(part: Mapping[str, Any], boosters: Mapping[str, str], encoding: Encoding) -> Expert:
    """The expert that a part of the spec describes."""
    if part["kind"] == "rules":
        return RulesExpert(part)
    if part["kind"] == "linear":
        return LinearExpert(part, encoding.level_counts)
    return TreeExpert(part, boosters[part["booster"]], encoding.level_counts, len(encoding.number_names))
