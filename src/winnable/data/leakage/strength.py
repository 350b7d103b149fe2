"""How much a single column tells of the outcome, measured so that no lead is judged by its own
answer.

Everything here looks at one column at a time, in coarse groups: its words, or up to 20 ranges of
its numbers, and "nothing stands there" as a group of its own. That is crude for predicting and good
for suspecting. What is concluded from it is decided in `leakage`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from winnable.core.columns import BoolArray, Column, FloatArray, IntArray, NumericColumn

RANGES = 20
FOLDS = 5
HELD = 5.0  # a group's rate is held at the base rate as if so many leads had shown it


@dataclass(frozen=True)
class Strength:
    """What one column tells of n leads' outcomes.

    auc: the share of pairs of a won and a lost lead that it ranks rightly, cross-fitted; `error`
    its standard error. filled_won, filled_lost: how many won and lost leads have a value. decided:
    the share of leads in groups of at least 20 in which nearly all or nearly none are won, far
    beyond the base rate. purest: the position of the largest of these groups among `groups`, or -1.
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
    """The group of each row, 0 where nothing stands; shape (n,)."""
    if not isinstance(column, NumericColumn):
        return column.codes + 1
    known = ~np.isnan(column.values)
    distinct = np.unique(column.values[known])
    if len(distinct) <= RANGES:
        edges = distinct[1:]
    else:
        quantiles = np.quantile(column.values[known], np.linspace(0, 1, RANGES + 1), method="lower")
        # A number that fills a range of its own (the many zeros of an amount) is kept apart from
        # its neighbours.
        frequent = quantiles[1:][np.diff(quantiles) == 0]
        edges = np.unique(np.concatenate([quantiles[1:], np.nextafter(frequent, np.inf)]))
    return np.where(
        known, 1 + np.searchsorted(edges, np.where(known, column.values, 0.0), side="right"), 0
    ).astype(np.int64)


def folds_of(won: BoolArray) -> IntArray:
    """A fold for each lead, wins spread evenly; always the same for the same outcomes. Shape (n,)."""
    chance = np.random.default_rng(0)
    ranks = np.lexsort((chance.permutation(len(won)), won))
    folds = np.empty(len(won), dtype=np.int64)
    folds[ranks] = np.arange(len(won)) % FOLDS
    return folds


def strength_of(groups: IntArray, won: BoolArray, folds: IntArray) -> Strength:
    """Measure one column, given as groups; all three of shape (n,), with at least one won and one
    lost lead."""
    auc = auc_of(_Rates.of(groups, won, folds).scores(groups, folds, without=folds), won)
    wins, losses = int(won.sum()), int((~won).sum())
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
    """How many leads, and how many won ones, each fold has in each group: both (folds, groups)."""

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
        """Each lead's log-odds relative to the base rate, by its group, learned without the folds
        `without` (n,) and `nor`."""
        size, wins = self.size.sum(axis=0) - self.size, self.wins.sum(axis=0) - self.wins
        if nor is not None:
            own = np.arange(FOLDS) == nor
            size, wins = (
                size - np.where(own[:, None], 0.0, self.size[nor]),
                wins - np.where(own[:, None], 0.0, self.wins[nor]),
            )
        base = (wins.sum(axis=1) + 1) / (size.sum(axis=1) + 2)
        rate = (wins + HELD * base[:, None]) / (size + HELD)
        return np.asarray((_logit(rate) - _logit(base)[:, None])[without, groups])


def auc_of(scores: FloatArray, won: BoolArray) -> float:
    """The area under the ROC curve: the share of pairs ranked rightly, ties counted half. One class
    alone: 0.5."""
    wins, losses = int(won.sum()), int((~won).sum())
    if not wins or not losses:
        return 0.5
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((ranks[won].sum() - wins * (wins + 1) / 2) / (wins * losses))


def auc_error(auc: float, wins: int, losses: int) -> float:
    """Standard error of an AUC (Hanley and McNeil 1982, Radiology 143), never less than half a lead
    of the smaller class."""
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (wins - 1) * (one - auc**2) + (losses - 1) * (two - auc**2)
    return float(max(np.sqrt(max(spread, 0.0) / (wins * losses)), 0.5 / min(wins, losses)))


def decided_groups(
    groups: IntArray, won: BoolArray, beyond: float = 15.0, least: int = 20
) -> BoolArray:
    """Which groups decide nearly everything: odds surely `beyond` times the base odds, or surely as
    many times less."""
    size: FloatArray = np.asarray(np.bincount(groups), dtype=np.float64)
    wins: FloatArray = np.asarray(np.bincount(groups, weights=won), dtype=np.float64)
    base = won.mean() / (1 - won.mean())
    above = odds_bound(wins, size) >= beyond * base
    below = odds_bound(size - wins, size) >= beyond / base
    return np.asarray((size >= least) & (above | below))


def _decided(groups: IntArray, won: BoolArray) -> tuple[float, int]:
    """The share of leads in decided groups, and the largest of these groups or -1."""
    size, decided = np.bincount(groups), decided_groups(groups, won)
    if not decided.any():
        return 0.0, -1
    return float(size[decided].sum() / size.sum()), int(np.argmax(np.where(decided, size, 0)))


def odds_bound(wins: FloatArray, size: FloatArray, z: float = 1.64) -> FloatArray:
    """The lower end of Wilson's interval (1927) of a share, as odds; 0 where there is no lead.
    Shapes equal."""
    total = np.maximum(size, 1e-9)
    share = wins / total
    middle = share + z**2 / (2 * total)
    reach = z * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    low = np.clip((middle - reach) / (1 + z**2 / total), 0.0, 1 - 1e-12)
    return np.asarray(low / (1 - low))


def fill_odds(filled_one: int, all_one: int, filled_other: int, all_other: int) -> float:
    """How many times likelier a value surely stands at leads of one outcome than at those of the
    other (a lower bound)."""
    one, other = filled_one * all_other, filled_other * all_one
    if not one or not all_other:
        return 0.0
    bound = float(
        odds_bound(np.array([float(filled_one)]), np.array([float(filled_one + filled_other)]))[0]
    )
    return bound * all_other / all_one if one > other else 0.0


def joint_auc(columns: list[IntArray], won: BoolArray, folds: IntArray, most: int = 5000) -> float:
    """The cross-fitted AUC of an additive model of several columns, given as groups (n,): a guess
    at what a model would reach.

    A fold's leads are answered by a model that has seen them neither in its coefficients nor in the
    rates that it weighs.
    """
    rows = np.linspace(0, len(won) - 1, min(most, len(won))).astype(np.int64)
    won, folds, columns = won[rows], folds[rows], [groups[rows] for groups in columns]
    rates = [_Rates.of(groups, won, folds) for groups in columns]
    answer = np.zeros(len(rows))
    for fold in range(FOLDS):
        scores = [
            each.scores(groups, folds, without=folds, nor=fold)
            for each, groups in zip(rates, columns, strict=True)
        ]
        design = np.column_stack([np.ones(len(rows)), *scores])
        own = folds == fold
        answer[own] = design[own] @ _additive(design[~own], won[~own].astype(np.float64))
    return auc_of(answer, won)


def _additive(design: FloatArray, outcome: FloatArray) -> FloatArray:
    """Logistic regression with a ridge of 5 by Newton's method."""
    held = np.full(design.shape[1], 5.0)
    held[0] = 1e-6
    beta = np.zeros(design.shape[1])
    for _ in range(12):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        curve = np.maximum(p * (1 - p), 1e-6)
        step = np.linalg.solve(
            (design * curve[:, None]).T @ design + np.diag(held),
            design.T @ (outcome - p) - held * beta,
        )
        beta = beta + step * min(1.0, 4.0 / max(1e-12, float(np.abs(design @ step).max())))
        if np.abs(step).max() < 1e-4:
            break
    return beta


def _logit(rate: FloatArray) -> FloatArray:
    return np.asarray(np.log(rate / (1 - rate)))
