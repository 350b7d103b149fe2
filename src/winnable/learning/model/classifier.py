"""LeadClassifier: the blend of experts as a scikit-learn classifier, for whoever has a table of
leads and a column of outcomes.

It takes what scikit-learn takes, and frames with text and missing values as they are; nothing need
be encoded or imputed. It knows no activities, no definition, no order in time and no leaks: that is
`winnable.train`. The answers are those of `LeadModel`.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from winnable.core.columns import CategoricalColumn, Column, FeatureTable, FloatArray, NumericColumn
from winnable.core.statistics import base_rate, logit_of
from winnable.core.values import text
from winnable.data.features.plan import MIN_PARSED_SHARE
from winnable.learning.model.lead_model import LeadModel


class LeadClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Two classes, any columns: the probability of the class that sorts last (won, True, 1).

    Numbers, truth values and dates are read as numbers, all else as words. `random_state` draws the
    folds in which experts are weighed; `threads` fits run side by side and change no result.

    Learned: `classes_` (2,), `n_features_in_`, `feature_names_in_` for frames with names of text,
    `model_` (a `LeadModel`).
    """

    def __init__(self, *, random_state: Any = 0, threads: int = 1) -> None:
        self.random_state = random_state
        self.threads = threads

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from leads X (n, columns) and outcomes y (n,) of two classes; `ValueError` for
        other y, infinity or no lead."""
        features = self._features(X, reset=True)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(y) != features.size:
            raise ValueError(
                f"X has {features.size} samples, y has {len(y)}: inconsistent numbers of samples."
            )
        if len(self.classes_) > 2:
            raise ValueError(
                f"Only binary classification is supported, y has {len(self.classes_)} classes. Give"
                " won and not won."
            )
        if len(self.classes_) < 2:
            raise ValueError(
                "y has 1 class only, so there is nothing to tell apart. Give leads that were won"
                " and some that were not."
            )
        won = codes.astype(np.float64)
        weights = (
            None
            if sample_weight is None
            else _check_sample_weight(sample_weight, won[:, None], ensure_non_negative=True)
        )
        seed = int(check_random_state(self.random_state).randint(2**31))
        self.model_ = LeadModel(seed=seed, threads=self.threads)
        self._rules = float(logit_of(base_rate(won)))
        self.model_.fit(features, won, np.full(features.size, self._rules), weights=weights)
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """The probability of each class, shape (n, 2), in the order of `classes_`."""
        features, rules = self._asked(X)
        won = self.model_.probability(features, rules)
        return np.column_stack([1 - won, won])

    def decision_function(self, X: Any) -> FloatArray:
        """The log-odds of the second class, shape (n,)."""
        features, rules = self._asked(X)
        return self.model_.logit(features, rules)

    def predict(self, X: Any) -> Any:
        """The likelier class of each lead, shape (n,). For leads it is nearly always "not won": use
        `predict_proba`."""
        likelier = (self.decision_function(X) > 0).astype(np.int64)
        return self.classes_[likelier]

    def _asked(self, X: Any) -> tuple[FeatureTable, FloatArray]:
        check_is_fitted(self)
        features = self._features(X, reset=False)
        return features, np.full(features.size, self._rules)

    def _features(self, X: Any, *, reset: bool) -> FeatureTable:
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, skip_check_array=True, reset=reset)
            if not len(X):
                raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
            series = [X.iloc[:, place] for place in range(X.shape[1])]
        else:
            X = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=reset)
            series = [pd.Series(X[:, place]) for place in range(X.shape[1])]
        names = getattr(self, "feature_names_in_", [f"x{place}" for place in range(len(series))])
        return FeatureTable(
            len(X), {str(name): _column(values) for name, values in zip(names, series, strict=True)}
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def _column(values: pd.Series) -> Column:
    """A column as models read it. Dates count as days since 1970; words are numbers where nearly
    all of them read as such."""
    if values.dtype == object:
        values = values.infer_objects()
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        days = (values - pd.Timestamp(0, tz=getattr(values.dtype, "tz", None))) / pd.Timedelta(
            days=1
        )
        return NumericColumn(np.asarray(days, dtype=np.float64))
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = np.full(len(values), np.nan)
        known = values.notna().to_numpy()
        numbers[known] = values.to_numpy()[known]
        check_array(numbers[:, None], ensure_all_finite="allow-nan", input_name="X")
        return NumericColumn(numbers)
    words = [
        None if missing else text(value)
        for value, missing in zip(values, values.isna(), strict=True)
    ]
    read = pd.to_numeric(pd.Series(words, dtype="str"), errors="coerce")
    if read.notna().sum() >= max(1.0, MIN_PARSED_SHARE * sum(word is not None for word in words)):
        return NumericColumn(np.asarray(read, dtype=np.float64))
    return CategoricalColumn.of(words)
