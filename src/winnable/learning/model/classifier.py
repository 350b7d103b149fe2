"""LeadClassifier: the blend of experts (stacking) as a scikit-learn classifier, for whoever has a
table of leads and a column of outcomes.

It takes what scikit-learn takes, and frames with text and missing values as they are; nothing need
be encoded or imputed. It knows no activities, no definition, no order in time, no censoring and no
target leakage: that is `winnable.train`. The predictions are those of `LeadModel`.
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
from winnable.learning.model.lead_model import LeadModel, TrainingData


class LeadClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifier for leads: the probability of being won, from a table of any columns.

    A blend (stacking) of CatBoost, LightGBM and a ridge logistic regression, weighted out of fold
    and calibrated. Numbers, truth values and dates are read as numbers, everything else as words;
    missing values and text need no preparation. There are two classes, and the one that sorts last
    ("won", True, 1) is the one whose probability is learned.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=0
        Seed of the folds by which the experts are weighted, and of the experts.
    threads : int, default=1
        Number of fits that run side by side. It changes no result.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two classes, sorted.
    n_features_in_ : int
        Number of columns seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns seen by `fit`, for frames whose names are all text.
    model_ : LeadModel
        The fitted blend, with its out-of-fold predictions.

    See Also
    --------
    winnable.train : Learns from the history of a CRM, with activities, censoring and a check for
        target leakage.

    Examples
    --------
    >>> import pandas as pd
    >>> from winnable import LeadClassifier
    >>> leads = pd.DataFrame({
    ...     "Title": ["Director", "Student", "Engineer", None] * 15,
    ...     "Employees": [120, 3, None, 45] * 15,
    ... })
    >>> won = ["won", "not won", "not won", "not won"] * 15
    >>> classifier = LeadClassifier().fit(leads, won)
    >>> classifier.classes_.tolist()
    ['not won', 'won']
    >>> director, student = classifier.predict_proba(leads)[:2, 1]
    >>> bool(director > 0.5 > student)
    True
    """

    def __init__(self, *, random_state: Any = 0, threads: int = 1) -> None:
        self.random_state = random_state
        self.threads = threads

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from leads and their outcomes.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            The leads, a row a lead; text and missing values are allowed.
        y : array-like of shape (n_samples,)
            The outcomes, of two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the leads; without them every lead counts once.

        Returns
        -------
        self : LeadClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If `y` has not exactly two classes or another length than `X`, if a number is infinite,
            or if there is no lead.
        """
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
                "y has 1 class only, so there is nothing to learn. Give leads that were won and"
                " some that were not."
            )
        won = codes.astype(np.float64)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, won[:, None], ensure_non_negative=True)
        seed = int(check_random_state(self.random_state).randint(2**31))
        self.model_ = LeadModel(seed=seed, threads=self.threads)
        self._rules = float(logit_of(base_rate(won)))
        rules = np.full(features.size, self._rules)
        self.model_.fit(TrainingData(features, won, rules, weights=weights))
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            The leads, with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            The calibrated probabilities, in the order of `classes_`.

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        ValueError
            If the columns are not those of `fit`.
        """
        features, rules = self._inputs(X)
        won = self.model_.probability(features, rules)
        return np.column_stack([1 - won, won])

    def decision_function(self, X: Any) -> FloatArray:
        """Predict the log-odds of the second class.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            The leads, with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            The calibrated log-odds; above 0 the second class is the likelier one.

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        ValueError
            If the columns are not those of `fit`.
        """
        features, rules = self._inputs(X)
        return self.model_.logit(features, rules)

    def predict(self, X: Any) -> Any:
        """Predict the likelier class of each lead.

        For leads it is nearly always "not won": use `predict_proba` to rank them.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            The leads, with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels out of `classes_`.

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        ValueError
            If the columns are not those of `fit`.
        """
        likelier = (self.decision_function(X) > 0).astype(np.int64)
        return self.classes_[likelier]

    def _inputs(self, X: Any) -> tuple[FeatureTable, FloatArray]:
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
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def _column(values: pd.Series) -> Column:
    """A column as models read it. Dates count as days since 1970; words are numbers where nearly
    all of them read as such."""
    if values.dtype == object:
        values = values.infer_objects()
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        since_1970 = values - pd.Timestamp(0, tz=getattr(values.dtype, "tz", None))
        return NumericColumn(np.asarray(since_1970 / pd.Timedelta(days=1), dtype=np.float64))
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
