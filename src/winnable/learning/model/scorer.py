"""Scorer: the one implementation of a learned model's answer, for training, batches and a single
lead in a request.

Works from data alone: a `ModelSpec` and `boosters` (text). Imports neither pandas nor scikit-learn
nor lightgbm nor catboost. The answer is a weighted sum in log-odds (stacking): a base, plus what
each expert learned; then the calibration. It is therefore explained by additive feature
contributions, which add up to the score. What is known of the lead's account comes last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from winnable.core.columns import FeatureTable, FloatArray
from winnable.core.statistics import sigmoid
from winnable.data.features.accounts import ACCOUNT_COLUMNS
from winnable.learning.model.account_effect import account_shift
from winnable.learning.model.calibration import calibrate
from winnable.learning.model.experts.encoding import Encoded, Encoding
from winnable.learning.model.experts.predict import ExpertPrediction, expert_of
from winnable.learning.model.spec import ModelSpec

UNKNOWN_BAND = {"at": [0.0], "below": [2.0], "above": [2.0]}
"""How far a score may be off, in log-odds, where there is no history to measure it."""

RULES = "scorecard"
"""The name under which the definition's own points stand among the contributions."""

Z_OF_80_PERCENT = 1.2816
"""Standard deviations to either side that hold 80% of a normal distribution, as the bands of
similar scores do."""


@dataclass(frozen=True)
class Contributions:
    """Reasons in log-odds: `base` (n,) plus the sum of `values` (n, k) over the columns `names`
    (k,) is the logit."""

    names: tuple[str, ...]
    values: FloatArray
    base: FloatArray


@dataclass(frozen=True)
class Prediction:
    """The prediction for n leads: `logit`, `probability`, and `low` and `high` of its interval,
    each (n,); and reasons where they were asked for."""

    logit: FloatArray
    probability: FloatArray
    low: FloatArray
    high: FloatArray
    reasons: Contributions | None


class Scorer:
    """Answers for leads by a learned `spec` and its `boosters`, as `LeadModel.fit` made them.

    Every method takes the features of n leads and their rule log-odds (n,). A lead alone and within
    a batch gets the same numbers. `answer` gives everything for the price of one; the other methods
    are for when one thing is enough. `words` holds, by column, the words that were seen often
    enough to be distinguished.
    """

    def __init__(self, spec: ModelSpec, boosters: Mapping[str, str]) -> None:
        self.spec = spec
        self._boosters = boosters
        self.mode = spec.mode
        self._encoding = Encoding(spec.encoding)
        self._blended: tuple[str, ...] = (*self._encoding.names, RULES)
        of_accounts = () if spec.accounts is None else ACCOUNT_COLUMNS
        self.names: tuple[str, ...] = (*self._blended, *of_accounts)
        self.words: Mapping[str, Mapping[str, int]] = self._encoding.codes
        self._calibration = spec.calibration
        weights = {name: float(weight) for name, weight in spec.weights.items() if weight > 0}
        self._weights = list(weights.values())
        self._experts = [
            expert_of(spec.experts[name], boosters.get(name, ""), self._encoding)
            for name in weights
        ]
        self._offset = float(spec.base) * (1 - sum(self._weights))
        self._at, self._below, self._above = (
            np.asarray(spec.interval[key]) for key in ("at", "below", "above")
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies, in this process and in others, are made anew from what was learned: native
        handles cannot be copied."""
        return type(self), (self.spec, self._boosters)

    def answer(
        self, features: FeatureTable, rules: FloatArray, *, reasons: bool = False
    ) -> Prediction:
        """Probability, interval and, if asked, reasons.

        The interval is about the share won among leads that are scored like this one, not about
        the lead: it holds that share about 8 times in 10. It combines how well as many people as
        have such scores tell a share, and how far the score itself would move had other leads been
        learned from. The reasons are what each column
        added to the log-odds, the whole blend and its calibration included: a calibration of two
        parameters scales every part; one of three bends the sum, and every part gets its share of
        that in proportion to its size, counted from the calibrated base.
        """
        predictions = self._predictions(self._encoding.encode(features, rules), reasons=reasons)
        blended = self._blend(predictions, features.size)
        logit = self._with_account(blended, features)
        variance = sum(
            weight**2 * prediction.variance
            for weight, prediction in zip(self._weights, predictions, strict=True)
        )
        spread = Z_OF_80_PERCENT**2 * np.asarray(variance)
        low = logit - np.sqrt(np.interp(logit, self._at, self._below) ** 2 + spread)
        high = logit + np.sqrt(np.interp(logit, self._at, self._above) ** 2 + spread)
        explained = self._explained(predictions, blended, features) if reasons else None
        probability, low, high = sigmoid(np.array([logit, low, high]))
        return Prediction(logit, probability, low, high, explained)

    def logit(self, features: FeatureTable, rules: FloatArray) -> FloatArray:
        """Calibrated log-odds, shape (n,)."""
        predictions = self._predictions(self._encoding.encode(features, rules))
        blended = self._blend(predictions, features.size)
        return self._with_account(blended, features)

    def probability(self, features: FeatureTable, rules: FloatArray) -> FloatArray:
        """The probability that each lead is won, shape (n,)."""
        return sigmoid(self.logit(features, rules))

    def explain(self, features: FeatureTable, rules: FloatArray) -> Contributions:
        """The reasons alone; see `answer`."""
        predictions = self._predictions(self._encoding.encode(features, rules), reasons=True)
        blended = self._blend(predictions, features.size)
        return self._explained(predictions, blended, features)

    def interval(self, features: FeatureTable, rules: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Low and high alone, each (n,); see `answer`."""
        answer = self.answer(features, rules)
        return answer.low, answer.high

    def _predictions(self, leads: Encoded, *, reasons: bool = False) -> list[ExpertPrediction]:
        return [expert.predict(leads, reasons=reasons) for expert in self._experts]

    def _blend(self, predictions: Sequence[ExpertPrediction], size: int) -> FloatArray:
        """Calibrated log-odds without the account effect, shape (n,)."""
        blended = np.full(size, self._offset)
        for weight, prediction in zip(self._weights, predictions, strict=True):
            blended += weight * prediction.logit
        return calibrate(blended, self._calibration)

    def _with_account(self, logit: FloatArray, features: FeatureTable) -> FloatArray:
        """Log-odds (n,) with the account effect."""
        if self.spec.accounts is None:
            return logit
        by_column, as_such = account_shift(self.spec.accounts, features)
        return np.asarray(logit + by_column.sum(axis=1) + as_such, dtype=np.float64)

    def _explained(
        self, predictions: Sequence[ExpertPrediction], logit: FloatArray, features: FeatureTable
    ) -> Contributions:
        """The reasons; `logit` (n,) is without the account effect, whose parts stand beside those
        of the blend."""
        values = np.zeros((len(logit), len(self._blended)))
        base = self._offset
        for weight, expert, prediction in zip(
            self._weights, self._experts, predictions, strict=True
        ):
            if prediction.parts is not None:
                values += weight * prediction.parts
            base += weight * expert.base
        start = calibrate(np.array([base]), self._calibration)[0]
        moved = values.sum(axis=1)
        values *= np.divide(
            logit - start, moved, out=np.ones_like(moved), where=np.abs(moved) > 1e-6
        )[:, None]
        start_logit = logit - values.sum(axis=1)
        if self.spec.accounts is None:
            return Contributions(self.names, values, start_logit)
        by_column, as_such = account_shift(self.spec.accounts, features)
        return Contributions(self.names, np.hstack([values, by_column]), start_logit + as_such)
