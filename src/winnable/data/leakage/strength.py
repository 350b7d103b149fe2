"""Univariate strength: how well a single column predicts the outcome, cross-fitted so that no lead
is scored by its own outcome.

Columns are reduced to coarse groups: their categories, or up to 20 ranges of their numbers, and
missing values as a group of their own. That is crude for prediction but good enough to detect
target leakage. Conclusions are drawn in `winnable.data.leakage.detect`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from winnable.core.columns import BoolArray, Column, FloatArray, IntArray, NumericColumn

MAX_RANGES = 20
"""Groups of a numeric column."""
FOLDS = 5
PRIOR_LEADS = 5.0
"""A group's rate is smoothed towards the base rate by this many leads at the base rate."""
RIDGE_PENALTY = 5.0
"""Penalty on each coefficient of the additive model."""


@dataclass(frozen=True)
class Strength:
    """How well one column predicts the outcomes of n leads.

    auc: the cross-fitted AUC, the share of pairs of a won and a lost lead that it ranks correctly;
    `error` its standard error. filled_won, filled_lost: how many won and lost leads have a value.
    decided: the share of leads in groups of at least 20 of which nearly all or nearly none are won,
    far from the base rate. purest: the largest of these groups, or -1.
    """

    auc: float
    error: float
    filled_won: int
    filled_lost: int
    decided: float
    purest: int

    @property
    def cautious_auc(self) -> float:
        """The AUC less one and a half standard errors, at least 0.5."""
        return max(0.5, self.auc - 1.5 * self.error)


def groups_of(column: Column) -> IntArray:
    """The group of each row, 0 where the value is missing; shape (n,)."""
    if not isinstance(column, NumericColumn):
        return column.codes + 1
    known = ~np.isnan(column.values)
    distinct = np.unique(column.values[known])
    if len(distinct) <= MAX_RANGES:
        edges = distinct[1:]
    else:
        quantiles = np.quantile(
            column.values[known], np.linspace(0, 1, MAX_RANGES + 1), method="lower"
        )
        # A frequent number (such as the many zeros of an amount) gets a range of its own.
        frequent = quantiles[1:][np.diff(quantiles) == 0]
        edges = np.unique(np.concatenate([quantiles[1:], np.nextafter(frequent, np.inf)]))
    return np.where(
        known, 1 + np.searchsorted(edges, np.where(known, column.values, 0.0), side="right"), 0
    ).astype(np.int64)


def folds_of(won: BoolArray) -> IntArray:
    """The fold of each lead, shape (n,), stratified by outcome; deterministic for the same
    outcomes."""
    random = np.random.default_rng(0)
    ranks = np.lexsort((random.permutation(len(won)), won))
    folds = np.empty(len(won), dtype=np.int64)
    folds[ranks] = np.arange(len(won)) % FOLDS
    return folds


def strength_of(groups: IntArray, won: BoolArray, folds: IntArray) -> Strength:
    """Measure one column, given as groups; all three arrays of shape (n,), with at least one won
    and one lost lead."""
    auc = auc_of(_Rates.of(groups, won, folds).scores(groups, folds, without=folds), won)
    wins = int(won.sum())
    losses = int((~won).sum())
    filled = groups > 0
    decided, purest = _decided(groups, won)
    return Strength(
        auc,
        auc_error(auc, wins, losses),
        int((filled & won).sum()),
        int((filled & ~won).sum()),
        decided,
        purest,
    )


@dataclass(frozen=True)
class _Rates:
    """How many leads and how many wins each fold has in each group, shape (folds, groups)."""

    size: FloatArray
    wins: FloatArray

    @classmethod
    def of(cls, groups: IntArray, won: BoolArray, folds: IntArray) -> _Rates:
        count = int(groups.max()) + 1
        places = folds * count + groups
        size = np.bincount(places, minlength=FOLDS * count).reshape(FOLDS, count)
        wins = np.bincount(places, weights=won, minlength=FOLDS * count).reshape(FOLDS, count)
        return cls(np.asarray(size, dtype=np.float64), np.asarray(wins, dtype=np.float64))

    def scores(
        self, groups: IntArray, folds: IntArray, *, without: IntArray, nor: int | None = None
    ) -> FloatArray:
        """Each lead's log-odds of its group relative to the base rate, estimated without the folds
        `without` (n,) and `nor`."""
        size = self.size.sum(axis=0) - self.size
        wins = self.wins.sum(axis=0) - self.wins
        if nor is not None:
            own = (np.arange(FOLDS) == nor)[:, None]
            size = size - np.where(own, 0.0, self.size[nor])
            wins = wins - np.where(own, 0.0, self.wins[nor])
        base = (wins.sum(axis=1) + 1) / (size.sum(axis=1) + 2)
        rate = (wins + PRIOR_LEADS * base[:, None]) / (size + PRIOR_LEADS)
        return np.asarray((_logit(rate) - _logit(base)[:, None])[without, groups])


def auc_of(scores: FloatArray, won: BoolArray) -> float:
    """The area under the ROC curve: the share of pairs ranked correctly, ties counted half; 0.5 if
    there is only one class."""
    wins = int(won.sum())
    losses = len(won) - wins
    if not wins or not losses:
        return 0.5
    _, position, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[position]
    return float((ranks[won].sum() - wins * (wins + 1) / 2) / (wins * losses))


def auc_error(auc: float, wins: int, losses: int) -> float:
    """Standard error of an AUC (Hanley and McNeil 1982, Radiology 143), never less than half a lead
    of the smaller class."""
    q1 = auc / (2 - auc)
    q2 = 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (wins - 1) * (q1 - auc**2) + (losses - 1) * (q2 - auc**2)
    return float(max(np.sqrt(max(variance, 0.0) / (wins * losses)), 0.5 / min(wins, losses)))


def decided_groups(
    groups: IntArray, won: BoolArray, beyond: float = 15.0, least: int = 20
) -> BoolArray:
    """Which groups nearly determine the outcome: groups of at least `least` leads whose odds are
    with confidence at least `beyond` times the base odds, or as many times smaller."""
    size: FloatArray = np.asarray(np.bincount(groups), dtype=np.float64)
    wins: FloatArray = np.asarray(np.bincount(groups, weights=won), dtype=np.float64)
    base = won.mean() / (1 - won.mean())
    above = odds_bound(wins, size) >= beyond * base
    below = odds_bound(size - wins, size) >= beyond / base
    return np.asarray((size >= least) & (above | below))


def _decided(groups: IntArray, won: BoolArray) -> tuple[float, int]:
    """The share of leads in decided groups, and the largest of these groups or -1."""
    size = np.bincount(groups)
    decided = decided_groups(groups, won)
    if not decided.any():
        return 0.0, -1
    return float(size[decided].sum() / size.sum()), int(np.argmax(np.where(decided, size, 0)))


def odds_bound(wins: FloatArray, size: FloatArray, z: float = 1.64) -> FloatArray:
    """The lower end of Wilson's confidence interval (1927) of a share, as odds; 0 where there is no
    lead. Vectorized: all shapes equal."""
    total = np.maximum(size, 1e-9)
    share = wins / total
    middle = share + z**2 / (2 * total)
    half_width = z * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    low = np.clip((middle - half_width) / (1 + z**2 / total), 0.0, 1 - 1e-12)
    return np.asarray(low / (1 - low))


def fill_odds(filled_one: int, all_one: int, filled_other: int, all_other: int) -> float:
    """How many times more often leads of one outcome have a value than those of the other (a lower
    confidence bound); 0 if they do not have it more often."""
    if filled_one * all_other <= filled_other * all_one:
        return 0.0
    filled = np.array([float(filled_one)])
    total = np.array([float(filled_one + filled_other)])
    return float(odds_bound(filled, total)[0]) * all_other / all_one


def joint_auc(columns: list[IntArray], won: BoolArray, folds: IntArray, most: int = 5000) -> float:
    """The cross-fitted AUC of an additive model of several columns, given as groups (n,), on at
    most `most` leads: an estimate of what a model would reach.

    A fold's leads are predicted by a model whose coefficients and group rates were both estimated
    without them.
    """
    rows = np.linspace(0, len(won) - 1, min(most, len(won))).astype(np.int64)
    won = won[rows]
    folds = folds[rows]
    columns = [groups[rows] for groups in columns]
    rates = [_Rates.of(groups, won, folds) for groups in columns]
    prediction = np.zeros(len(rows))
    for fold in range(FOLDS):
        scores = [
            column_rates.scores(groups, folds, without=folds, nor=fold)
            for column_rates, groups in zip(rates, columns, strict=True)
        ]
        design = np.column_stack([np.ones(len(rows)), *scores])
        own = folds == fold
        prediction[own] = design[own] @ _additive(design[~own], won[~own].astype(np.float64))
    return auc_of(prediction, won)


def _additive(design: FloatArray, outcome: FloatArray) -> FloatArray:
    """Coefficients of a ridge logistic regression, by Newton's method."""
    penalty = np.full(design.shape[1], RIDGE_PENALTY)
    penalty[0] = 1e-6
    beta = np.zeros(design.shape[1])
    for _ in range(12):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        weight = np.maximum(p * (1 - p), 1e-6)
        step = np.linalg.solve(
            (design * weight[:, None]).T @ design + np.diag(penalty),
            design.T @ (outcome - p) - penalty * beta,
        )
        beta = beta + step * min(1.0, 4.0 / max(1e-12, float(np.abs(design @ step).max())))
        if np.abs(step).max() < 1e-4:
            break
    return beta


def _logit(rate: FloatArray) -> FloatArray:
    return np.asarray(np.log(rate / (1 - rate)))
