"""LeadModel: from a company's leads and their outcomes to a blend (stacking) of experts that gives
calibrated probabilities.

With no history it is the definition's scorecard, with much history it is what was learned, between
the two it is both; there is no switch, only blend weights. It never fails on thin data: what cannot
be learned is left to the scorecard, and `spec_.why` says so. It does not read exports, make
features, evaluate on later leads or store anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from winnable.core.columns import BoolArray, FeatureTable, FloatArray, IntArray
from winnable.core.progress import Step
from winnable.core.statistics import log_losses, logit_of, sigmoid
from winnable.data.features.accounts import ACCOUNT_COLUMNS
from winnable.learning.model.account_effect import (
    FOLDS,
    AccountGain,
    AccountRows,
    fit_account_effect,
    is_known,
)
from winnable.learning.model.blend import fit_blend
from winnable.learning.model.calibration import (
    calibrate,
    fit_calibration,
    follow_recent_rate,
    identity,
    settle_level,
)
from winnable.learning.model.experts.boosting import (
    fit_catboost,
    fit_lightgbm,
    indicators_of,
)
from winnable.learning.model.experts.cross_fit import CrossFit, Fit
from winnable.learning.model.experts.encoding import (
    Encoded,
    Encoding,
    Owners,
    learn_encoding,
)
from winnable.learning.model.experts.linear import (
    Fitted,
    codes_with_enough_leads,
    fit_linear,
    fit_per_segment,
    fit_scorecard,
)
from winnable.learning.model.intervals import fit_bands
from winnable.learning.model.scorer import UNKNOWN_BAND, Contributions, Prediction, Scorer
from winnable.learning.model.segments import SEGMENT
from winnable.learning.model.spec import ModelSpec

RATE_MARGIN = 0.4
"""While the share won is not known within 40% of it, nothing else can be."""

MIN_OUTCOMES = 3
"""Wins, and losses, below which nothing but the rate is learned."""

PRIOR_WEIGHTS = {
    "rules": 0.25,
    "ridge": 0.35,
    "catboost": 0.50,
    "lightgbm": 0.15,
    "per_segment": 0.10,
}
"""The experts' blend weights before any evidence, relative to each other."""


@dataclass(frozen=True)
class TrainingData:
    """What a model is trained on: n leads with known or partly observed (censored) outcomes.

    `won` (n,) is 0 or 1, `rules` (n,) the scorecard's log-odds, `weights` (n,) >= 0, by default 1.
    Rows of one lead have the same number in `leads` (n,), by default every row is a lead.
    Leads of one of the `groups` (n,), persons, never stand on both sides of a fold, and a word that
    one of them alone has is not learned.
    `order` (n,) is each lead's time in days; without it the leads have no order. `settled` (n,)
    says whose outcome is final, by default everyone's: what the others teach rests on the win-time
    curve of the leads before them, so that a change of the rate is read from the settled alone.
    `accounts` (n,) numbers each lead's account, -1 where it is not known; without it nothing is
    learned of accounts.
    """

    features: FeatureTable
    won: FloatArray
    rules: FloatArray
    weights: FloatArray | None = None
    leads: IntArray | None = None
    groups: IntArray | None = None
    order: FloatArray | None = None
    settled: BoolArray | None = None
    accounts: IntArray | None = None

    @property
    def owners(self) -> Owners:
        """Whose each row is: a person's where persons are known, else a lead's."""
        leads = np.arange(len(self.won)) if self.leads is None else self.leads
        return Owners(leads if self.groups is None else self.groups, self.accounts)


class LeadModel:
    """The probability that a lead is won, learned from leads with known outcomes.

    `threads` fits run side by side; neither it nor the order in which they end changes a result.
    `quick` leaves out CatBoost and cross-fits three times, for whoever fits again and again. Where
    columns work together that costs some log loss.

    Learned state: `spec_` (a `ModelSpec`) and `boosters_` (name to text), which are all that
    `Scorer` needs; `oof_` (n,), the out-of-fold probability of each training lead, from experts
    that had not seen it; `report_`, the experts' blend weights and their log losses.
    """

    def __init__(self, *, seed: int = 0, threads: int = 2, quick: bool = False) -> None:
        self.seed = seed
        self.threads = threads
        self.quick = quick

    def fit(self, data: TrainingData, *, progress: Step = lambda done, total: None) -> Self:
        """Learn from the leads of `data`; `progress` is called after every fit that is done."""
        rows = _Rows.of(data)
        with threadpool_limits(1, user_api="blas"):
            if min(rows.wins, rows.losses) < min_outcomes(rows.rules, rows.wins, rows.losses):
                return self._fit_rules(rows)
            return self._fit_blend(data, rows, progress)

    def answer(
        self, features: FeatureTable, rules: FloatArray, *, reasons: bool = False
    ) -> Prediction:
        """Probability, interval and reasons at once; see `Scorer.answer`."""
        return self._scorer.answer(features, rules, reasons=reasons)

    def logit(self, features: FeatureTable, rules: FloatArray) -> FloatArray:
        """Calibrated log-odds, shape (n,)."""
        return self._scorer.logit(features, rules)

    def probability(self, features: FeatureTable, rules: FloatArray) -> FloatArray:
        """The probability that each lead is won, shape (n,)."""
        return self._scorer.probability(features, rules)

    def explain(self, features: FeatureTable, rules: FloatArray) -> Contributions:
        """What each column added to the log-odds; see `Scorer.explain`."""
        return self._scorer.explain(features, rules)

    def interval(self, features: FeatureTable, rules: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Low and high, each (n,); see `Scorer.interval`."""
        return self._scorer.interval(features, rules)

    def _fit_rules(self, rows: "_Rows") -> Self:
        part = _shifted_rules(rows)
        wins = round(rows.wins)
        losses = round(rows.losses)
        least = min_outcomes(rows.rules, rows.wins, rows.losses)
        logit = part["intercept"] + rows.rules
        known = rows.wins and rows.losses
        spec = ModelSpec(
            mode="rules",
            why=(
                f"{wins} won and {losses} other leads: at least {least} of each are needed to learn"
                " more than their rate"
            ),
            encoding={"numbers": [], "words": []},
            experts={"rules": part},
            base=part["intercept"],
            weights={"rules": 1.0},
            calibration=identity(),
            interval=rows.bands(logit) if known else UNKNOWN_BAND,
        )
        self._finish(spec, {})
        self.oof_ = sigmoid(logit)
        self.report_: dict[str, Any] = {
            "weights": {"rules": 1.0},
            "log_loss": {},
            "calibration": "none",
            "folds": [],
        }
        return self

    def _fit_blend(self, data: TrainingData, rows: "_Rows", progress: Step) -> Self:
        encoding_spec = learn_encoding(_of_the_lead_alone(data.features), data.owners)
        encoding = Encoding(encoding_spec)
        leads = encoding.encode(data.features, rows.rules)
        count = 3 if self.quick else fold_count(leads.size)
        folds = assign_folds(rows.won, data.groups, count, self.seed)
        fits = self._experts(encoding, leads, rows)
        cross_fit = CrossFit(
            fits, encoding, leads, rows.won, rows.weights, folds, self.threads, progress
        )
        predictions = cross_fit.out_of_fold()
        base = rows.base()
        prior = np.array([PRIOR_WEIGHTS[name] for name in fits])
        counted = rows.weights if data.order is None else rows.weights * _recency(data.order)
        shares = fit_blend(predictions, base, rows.won, counted, prior / prior.sum())
        blended = base + (predictions - base) @ shares
        calibration = _calibration(blended, counted, folds, bool(shares.any()), rows)
        effect, gain = self._account_effect(calibrate(blended, calibration), data, rows)
        calibration, effect, added = _following(blended, calibration, effect, gain, rows, data)
        logit = calibrate(blended, calibration) + added
        weights = {name: float(share) for name, share in zip(fits, shares, strict=True)}
        mode, why = _mode(weights, rows)
        fitted = cross_fit.final([name for name, weight in weights.items() if weight > 0])
        spec = ModelSpec(
            mode=mode,
            why=why,
            encoding=encoding_spec,
            experts={name: expert.part for name, expert in fitted.items()},
            base=base,
            weights=weights,
            calibration=calibration,
            interval=rows.bands(logit),
            accounts=effect,
        )
        self._finish(spec, fitted)
        self.oof_ = sigmoid(logit)
        losses = {name: rows.loss(predictions[:, i]) for i, name in enumerate(fits)}
        losses |= {"base": rows.loss(np.full(leads.size, base)), "blend": rows.loss(logit)}
        by_fold = [
            {name: rows.loss(predictions[:, i], folds == fold) for i, name in enumerate(fits)}
            for fold in np.unique(folds)
        ]
        self.report_ = {
            "weights": weights,
            "log_loss": losses,
            "calibration": calibration["kind"],
            "folds": by_fold,
        }
        if gain is not None:
            self.report_["accounts"] = gain.to_json()
        return self

    def _account_effect(
        self, logit: FloatArray, data: TrainingData, rows: "_Rows"
    ) -> tuple[dict[str, Any] | None, AccountGain | None]:
        """What the others of an account add to out-of-fold log-odds (n,), None where nothing is
        known of accounts or it is not kept; and what it gained."""
        if data.accounts is None:
            return None, None
        folds = assign_folds(rows.won, data.accounts, FOLDS, self.seed)
        return fit_account_effect(
            AccountRows(
                logit, data.features, rows.won, rows.weights, data.accounts, folds, data.order
            )
        )

    def _experts(self, encoding: Encoding, leads: Encoded, rows: "_Rows") -> dict[str, Fit]:
        counts = encoding.level_counts
        seed = self.seed
        pairs = indicators_of(leads)
        fits: dict[str, Fit] = {
            "catboost": lambda leads, won, weights: fit_catboost(
                leads, won, weights, counts, seed=seed, pairs=pairs
            ),
            "lightgbm": lambda leads, won, weights: fit_lightgbm(
                leads, won, weights, counts, seed=seed
            ),
            "ridge": lambda leads, won, weights: fit_linear(leads, won, weights, counts),
            "rules": fit_scorecard,
        }
        if SEGMENT in encoding.word_names:
            column = encoding.word_names.index(SEGMENT)
            if codes_with_enough_leads(leads, rows.won, rows.weights, column):
                fits["per_segment"] = lambda leads, won, weights: fit_per_segment(
                    leads, won, weights, counts, column=column
                )
        if np.ptp(leads.rules) < 1e-9:
            del fits["rules"]
        if self.quick:
            del fits["catboost"]
        return fits

    def _finish(self, spec: ModelSpec, fitted: Mapping[str, Fitted]) -> None:
        self.spec_ = spec
        self.boosters_ = {
            name: expert.booster for name, expert in fitted.items() if expert.booster is not None
        }
        self._scorer = Scorer(self.spec_, self.boosters_)


@dataclass(frozen=True)
class _Rows:
    """Outcomes, rule log-odds, weights, leads and people of the training rows, each (n,)."""

    won: FloatArray
    rules: FloatArray
    weights: FloatArray
    leads: IntArray
    people: IntArray

    @classmethod
    def of(cls, data: TrainingData) -> "_Rows":
        weights = np.ones(len(data.won)) if data.weights is None else data.weights
        leads = np.arange(len(data.won)) if data.leads is None else data.leads
        return cls(
            np.asarray(data.won, dtype=np.float64),
            np.asarray(data.rules, dtype=np.float64),
            np.asarray(weights, dtype=np.float64),
            leads,
            leads if data.groups is None else data.groups,
        )

    def bands(self, logit: FloatArray) -> dict[str, list[float]]:
        """The interval at points along out-of-fold log-odds (n,)."""
        return fit_bands(logit, self.weights, self.people)

    def counted(self) -> tuple[int, int]:
        """How many leads were won at any of their ages, and how many others there are."""
        counts = self.weights > 0
        every = len(np.unique(self.leads[counts]))
        won = len(np.unique(self.leads[counts & (self.won == 1)]))
        return won, every - won

    @property
    def wins(self) -> float:
        return float(self.weights @ self.won)

    @property
    def losses(self) -> float:
        return float(self.weights @ (1 - self.won))

    def base(self) -> float:
        """Log-odds of the rate, held at a half as if two leads had shown it."""
        return float(logit_of((self.wins + 1) / (self.wins + self.losses + 2)))

    def loss(self, logit: FloatArray, chosen: BoolArray | slice = slice(None)) -> float:
        weights = self.weights[chosen]
        return float(weights @ log_losses(logit, self.won)[chosen] / weights.sum())


def _of_the_lead_alone(features: FeatureTable) -> FeatureTable:
    """The features without those of the account, which the experts do not learn from."""
    return features.select([name for name in features.columns if name not in ACCOUNT_COLUMNS])


def rules_decide_below(share: float) -> int:
    """The wins below which a history of this share of wins does not even tell its own rate within
    40% of it.

    The overall risk is the first thing that a model must estimate (Riley et al. 2019, Statistics in
    Medicine 38, 1276-1296): with a relative margin m, wins = (1.96 / m) ** 2 * (1 - share).
    """
    return ceil((1.96 / RATE_MARGIN) ** 2 * (1 - share))


def min_outcomes(rules: FloatArray, wins: float, losses: float) -> int:
    """Wins, and losses, below which the rules answer.

    A scorecard that distinguishes leads is only left for something that the history can bear out.
    Without one there is nothing to wait for, and the prior of the blend is caution enough.
    """
    if not len(rules) or np.ptp(rules) < 1e-9:
        return MIN_OUTCOMES
    return max(MIN_OUTCOMES, rules_decide_below((min(wins, losses) + 1) / (wins + losses + 2)))


def fold_count(size: int) -> int:
    """The number of folds for cross-fitting: more where leads are few and every one that is left
    out is missed."""
    if size < 850:
        return 10
    if size < 3000:
        return 5
    return 4 if size < 10_000 else 3


def _recency(order: FloatArray) -> FloatArray:
    """Later leads count more in weighing the experts: the oldest half as much as the latest."""
    return np.asarray(
        0.5 ** ((order.max() - order) / max(float(np.ptp(order)), 1e-9)), dtype=np.float64
    )


def _calibration(
    blended: FloatArray,
    counted: FloatArray,
    folds: IntArray,
    any_weight: bool,
    rows: "_Rows",
) -> dict[str, Any]:
    """The calibration of blended out-of-fold log-odds (n,), its level settled."""
    calibration = fit_calibration(blended, rows.won, counted, folds)
    if any_weight:  # without any expert the base rate answers, whose level is right as it is
        level = settle_level(calibrate(blended, calibration), rows.won, rows.weights)
        calibration["intercept"] += level
    return calibration


def _following(
    blended: FloatArray,
    calibration: dict[str, Any],
    effect: dict[str, Any] | None,
    gain: AccountGain | None,
    rows: "_Rows",
    data: TrainingData,
) -> tuple[dict[str, Any], dict[str, Any] | None, FloatArray]:
    """The calibration and the account effect, both moved after a change of the rate where the leads
    have an order; and what the effect adds to each row's log-odds, (n,).

    Of leads of known accounts only that change is followed which their accounts do not explain.
    """
    added = np.zeros(len(blended)) if gain is None else gain.shift
    if data.order is None:
        return calibration, effect, added
    order = data.order
    settled = np.ones(len(rows.won), dtype=bool) if data.settled is None else data.settled

    def moved(logit: FloatArray) -> float:
        return follow_recent_rate(logit, rows.won, rows.weights, order, settled)

    logit = calibrate(blended, calibration)
    alone = moved(logit)
    calibration = {**calibration, "intercept": calibration["intercept"] + alone}
    if effect is None:
        return calibration, effect, added
    more = moved(logit + added) - alone
    effect = {**effect, "intercept": effect["intercept"] + more}
    return calibration, effect, added + np.where(is_known(data.features), more, 0.0)


def _mode(weights: Mapping[str, float], rows: "_Rows") -> tuple[str, str]:
    """The mode and why, in words, with the leads that it rests on."""
    won, others = rows.counted()
    counts = f"{won:,} won and {others:,} other leads"
    total = sum(weights.values())
    if total < 0.05:
        why = "no column separates won from lost leads, so the base rate is used"
        return "learned", f"learned from {counts}: {why}"
    if weights.get("rules", 0.0) > 0.05 * total:
        share = f"{100 * weights['rules'] / total:.0f}%"
        return "blend", f"learned from {counts}; scorecard weight {share}"
    return "learned", f"learned from {counts}"


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


def _shifted_rules(rows: _Rows) -> dict[str, Any]:
    """The rules, moved so that their mean meets the observed rate, which is held at theirs as if 20
    leads had shown it."""
    if not rows.losses:  # an export of wins only does not tell how many leads are won
        return {"kind": "rules", "intercept": 0.0, "slope": 1.0}
    expected = float(sigmoid(rows.rules).mean())
    rate = (rows.wins + 20 * expected) / (rows.wins + rows.losses + 20)
    low = -30.0
    high = 30.0
    for _ in range(60):
        middle = (low + high) / 2
        if sigmoid(rows.rules + middle).mean() < rate:
            low = middle
        else:
            high = middle
    return {"kind": "rules", "intercept": low, "slope": 1.0}
