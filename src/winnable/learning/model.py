"""LeadModel: from a company's leads and their outcomes to a blend of experts that answers with calibrated probabilities.

With no history it is the definition's scorecard, with much history it is what was learned, between the two it is both; there is
no switch, only weights. It never fails on thin data: what cannot be learned is answered by the rules, and `spec_["why"]` says so.
It does not read exports, make features, evaluate or store anything.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from scipy.stats import beta as beta_distribution  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from winnable.definition.facts import Facts, FloatArray, IntArray
from winnable.learning.blend import fit_weights
from winnable.learning.calibration import calibrate, fit_calibration, identity, log_losses, logit_of, sigmoid
from winnable.learning.encoding import Encoded, Encoding, learn_encoding
from winnable.learning.experts import Fitted, fit_linear, fit_rules, fit_trees
from winnable.learning.scorer import Contributions, Scorer, expert_of

LEAST_OUTCOMES = 5
"""Wins, and losses, below which nothing but the rate is learned."""

Fit = Callable[[Encoded, FloatArray, FloatArray], Fitted]


class LeadModel:
    """The probability that a lead is won, learned from leads with known outcomes.

    `threads` fits run side by side; neither it nor the order in which they end changes a result.

    Learned state: `spec_` (JSON-able) and `boosters_` (name to LightGBM text), which are all that `Scorer` needs; `oof_` (n,), the
    probability that each training lead got from experts who had not seen it; `report_`, the experts' weights and log losses.
    """

    def __init__(self, *, seed: int = 0, threads: int = 2) -> None:
        self.seed = seed
        self.threads = threads

    def fit(
        self,
        facts: Facts,
        won: FloatArray,
        rules: FloatArray,
        *,
        weights: FloatArray | None = None,
        groups: IntArray | None = None,
        order: FloatArray | None = None,
    ) -> Self:
        """Learn from n leads: `won` (n,) 0 or 1, `rules` (n,) the scorecard's log-odds, `weights` (n,) >= 0.

        Leads of one group (a person, an account) never stand on both sides of a fold. `order` (n,) is each lead's time in days;
        without it the leads have no order.
        """
        won, rules = np.asarray(won, dtype=np.float64), np.asarray(rules, dtype=np.float64)
        weights = np.ones(len(won)) if weights is None else np.asarray(weights, dtype=np.float64)
        with threadpool_limits(1, user_api="blas"):
            if min(weights @ won, weights @ (1 - won)) < LEAST_OUTCOMES:
                return self._fit_rules(won, rules, weights)
            return self._fit_blend(facts, won, rules, weights, groups)

    def logit(self, facts: Facts, rules: FloatArray) -> FloatArray:
        """Calibrated log-odds, shape (n,)."""
        return self._scorer.logit(facts, rules)

    def probability(self, facts: Facts, rules: FloatArray) -> FloatArray:
        """The probability that each lead is won, shape (n,)."""
        return self._scorer.probability(facts, rules)

    def explain(self, facts: Facts, rules: FloatArray) -> Contributions:
        """What each column added to the log-odds; see `Scorer.explain`."""
        return self._scorer.explain(facts, rules)

    def interval(self, facts: Facts, rules: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Low and high, each (n,); see `Scorer.interval`."""
        return self._scorer.interval(facts, rules)

    def _fit_rules(self, won: FloatArray, rules: FloatArray, weights: FloatArray) -> Self:
        part = _shifted_rules(won, rules, weights)
        wins, size = int(won.sum()), len(won)
        why = f"{wins} won and {size - wins} lost leads: at least {LEAST_OUTCOMES} of each are needed to learn more than the rate"
        logit = part["intercept"] + rules
        self._finish(
            mode="rules",
            why=why,
            encoding={"numbers": [], "words": []},
            experts={"rules": Fitted(part)},
            blend={"base": part["intercept"], "weights": {"rules": 1.0}},
            calibration=identity(),
            interval=_bands(logit, won, weights),
        )
        self.oof_ = sigmoid(logit)
        self.report_ = {"weights": {"rules": 1.0}, "log_loss": {}, "calibration": "none"}
        return self

    def _fit_blend(self, facts: Facts, won: FloatArray, rules: FloatArray, weights: FloatArray, groups: IntArray | None) -> Self:
        spec = learn_encoding(facts)
        encoding = Encoding(spec)
        leads = encoding.encode(facts, rules)
        fits = self._experts(encoding)
        folds = assign_folds(won, groups, 5, self.seed)
        opinions, fitted = self._cross_fit(fits, encoding, leads, won, weights, folds)
        base = float(logit_of((weights @ won + 1) / (weights.sum() + 2)))
        shares = fit_weights(opinions, base, won, weights, strength=50.0)
        blended = base + (opinions - base) @ shares
        calibration = fit_calibration(blended, won, weights, folds)
        logit = calibrate(blended, calibration)
        named = {name: float(share) for name, share in zip(fits, shares, strict=True)}
        mode = "learned" if named["rules"] < 0.05 else "blend"
        self._finish(
            mode=mode,
            why=f"learned from {int(won.sum())} won and {int((1 - won).sum())} lost leads",
            encoding=spec,
            experts=fitted,
            blend={"base": base, "weights": named},
            calibration=calibration,
            interval=_bands(logit, won, weights),
        )
        self.oof_ = sigmoid(logit)
        losses = {name: _mean_loss(opinions[:, i], won, weights) for i, name in enumerate(fits)}
        losses |= {"base": _mean_loss(np.full(len(won), base), won, weights), "blend": _mean_loss(logit, won, weights)}
        self.report_ = {"weights": named, "log_loss": losses, "calibration": calibration["kind"]}
        return self

    def _experts(self, encoding: Encoding) -> dict[str, Fit]:
        counts, seed = encoding.level_counts, self.seed
        return {
            "rules": fit_rules,
            "ridge": lambda leads, won, weights: fit_linear(leads, won, weights, counts),
            "trees": lambda leads, won, weights: fit_trees(leads, won, weights, counts, seed=seed, booster="trees"),
        }

    def _cross_fit(
        self, fits: dict[str, Fit], encoding: Encoding, leads: Encoded, won: FloatArray, weights: FloatArray, folds: IntArray
    ) -> tuple[FloatArray, dict[str, Fitted]]:
        """Out-of-fold log-odds (n, experts), and each expert fitted on all leads."""
        opinions = np.empty((leads.size, len(fits)))
        jobs = [(name, fold) for name in fits for fold in [-1, *np.unique(folds).tolist()]]

        def work(job: tuple[str, int]) -> Fitted:
            rows = np.flatnonzero(folds != job[1])
            return fits[job[0]](leads.take(rows), won[rows], weights[rows])

        with ThreadPoolExecutor(self.threads) as pool:
            done = dict(zip(jobs, pool.map(work, jobs), strict=True))
        for (name, fold), result in done.items():
            rows = np.flatnonzero(folds == fold)
            if fold >= 0:
                expert = expert_of(result.part, {name: result.booster or ""}, encoding)
                opinions[rows, list(fits).index(name)] = expert.logit(leads.take(rows))
        return opinions, {name: done[name, -1] for name in fits}

    def _finish(self, *, experts: dict[str, Fitted], **spec: Any) -> None:
        self.boosters_ = {name: fitted.booster for name, fitted in experts.items() if fitted.booster is not None}
        self.spec_: dict[str, Any] = {**spec, "experts": {name: fitted.part for name, fitted in experts.items()}}
        self._scorer = Scorer(self.spec_, self.boosters_)


def assign_folds(won: FloatArray, groups: IntArray | None, count: int, seed: int) -> IntArray:
    """The fold (0 to count - 1) of each lead: random, wins spread evenly, groups kept whole."""
    chance = np.random.default_rng(seed)
    if groups is None:
        ranks = np.lexsort((chance.permutation(len(won)), won))
        folds = np.empty(len(won), dtype=np.int64)
        folds[ranks] = np.arange(len(won)) % count
        return folds
    known, members = np.unique(groups, return_inverse=True)
    wins = np.bincount(members, won)
    ranks = np.lexsort((chance.permutation(len(known)), wins))
    by_group = np.empty(len(known), dtype=np.int64)
    by_group[ranks] = np.arange(len(known)) % count
    return by_group[members]


def _shifted_rules(won: FloatArray, rules: FloatArray, weights: FloatArray) -> dict[str, Any]:
    """The rules, moved so that their mean meets the observed rate, which is held at theirs as if 20 leads had shown it."""
    if not len(won):
        return {"kind": "rules", "intercept": 0.0, "slope": 1.0}
    expected = float(sigmoid(rules).mean())
    rate = (weights @ won + 20 * expected) / (weights.sum() + 20)
    low, high = -30.0, 30.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(rules + middle).mean() < rate else (low, middle)
    return {"kind": "rules", "intercept": middle, "slope": 1.0}


def _mean_loss(logit: FloatArray, won: FloatArray, weights: FloatArray) -> float:
    return float(weights @ log_losses(logit, won) / weights.sum())


def _bands(logit: FloatArray, won: FloatArray, weights: FloatArray, coverage: float = 0.8) -> dict[str, list[float]]:
    """How far the conversion of leads with similar out-of-fold scores may lie from the score, in log-odds, at points along the scores.

    A Beta interval in each of up to 20 bins of scores, held at the bin's own mean score as if two leads had shown it.
    """
    if len(logit) < 20:
        return {"at": [0.0], "below": [2.0], "above": [2.0]}
    order = np.argsort(logit, kind="stable")
    at, below, above = [], [], []
    for rows in np.array_split(order, int(np.clip(len(logit) // 50, 1, 20))):
        mass = weights[rows].sum() + 1e-9
        mean = float(np.clip(weights[rows] @ sigmoid(logit[rows]) / mass, 1e-6, 1 - 1e-6))
        wins = float(weights[rows] @ won[rows])
        shape = (wins + 2 * mean, mass - wins + 2 * (1 - mean))
        low, high = beta_distribution.ppf([(1 - coverage) / 2, (1 + coverage) / 2], *shape)
        at.append(float(logit_of(mean)))
        below.append(max(0.0, at[-1] - float(logit_of(max(low, 1e-9)))))
        above.append(max(0.0, float(logit_of(min(high, 1 - 1e-9))) - at[-1]))
    return {"at": at, "below": below, "above": above}
