"""Linear experts: the recalibrated scorecard and the ridge logistic regressions. Each is fitted on
encoded leads and leaves a part of the spec; `boosting` has the experts made of trees.

All that looks at the outcome (win rates of words, coefficients, which words are frequent enough) is
learned inside `fit_*`, so that a fold never sees its own outcomes. `weights` are the leads'
weights, shape (n,)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.blas import dsyrk, dtrsm

from winnable.core.columns import FloatArray, IntArray
from winnable.core.statistics import log_losses, logit_of, newton, sigmoid
from winnable.learning.model.experts.encoding import Encoded

PENALTIES = np.logspace(3, -1, 9)
"""Ridge penalties that are tried, strongest first (1 / C in scikit-learn's terms)."""

PRIOR_PENALTY = 20.0
DECADES_WEAKER = 0.5
DECADES_STRONGER = 1.0
"""The penalty that is expected before any evidence, and how far it may be off either way, in powers
of ten: what one standard deviation of a column changes in the log-odds is seldom above a half, and
may well be nothing."""

EVIDENCE_WEIGHT = 0.5
"""How much of the evidence counts in weighing penalties; less than all, since what one path leaves
unexplained is much alike."""

MAX_LOG_ODDS_A_STEP = 4.0
"""What a step of the ridge may change in any lead's log-odds."""

ARRIVED = 1e-5
"""A step of the ridge that changes no coefficient by more is the last."""

SHORTER = 0.5
"""By how much each step of the ridge has to be shorter than the one before."""

MAX_CURVATURES = 8
"""How often the curvature is computed on the way to a penalty, at most."""

LEFT_OUT_ROWS = 5_000
"""Rows, evenly spaced, whose leave-one-out losses stand for those of all where there are more."""

RIDGE_MAX_ROWS = 20_000
"""More leads than this do not change a few hundred coefficients; the ridge takes an even sample of
them."""

MIN_OUTCOMES_PER_SEGMENT = 20
"""Wins, and others, from which on a segment has a regression of its own."""

MIN_LEADS_PER_COEFFICIENT = 3
"""Leads in which a word, or a missing number, must occur to get a coefficient of its own."""

MAX_COEFFICIENTS_PER_COLUMN = 60
"""Words of one column that get coefficients of their own, the most frequent ones."""

STEPS_PER_NUMBER = 9
"""Deciles at which a number's effect may step, beside its slope: what makes the ridge bend."""


@dataclass(frozen=True)
class Fitted:
    """What an expert learned: `part` for the spec, and the text of its trees if it has any."""

    part: dict[str, Any]
    booster: str | None = None


def fit_scorecard(leads: Encoded, won: FloatArray, weights: FloatArray) -> Fitted:
    """The rules' log-odds recalibrated: held at slope 1 and at the rules' own level as if 20 leads
    had shown it."""
    if np.ptp(leads.rules) < 1e-9:
        expected = float(sigmoid(leads.rules[:1])[0])
        wins = float(weights @ won)
        size = float(weights.sum())
        return Fitted(
            {
                "kind": "rules",
                "intercept": float(logit_of((wins + 2 * expected) / (size + 2))),
                "slope": 0.0,
            }
        )
    centre = float(leads.rules.mean())
    columns = np.column_stack([np.ones(leads.size), leads.rules - centre])
    beta = newton(columns, won, weights, penalty=np.array([0.5, 5.0]), aim=np.array([centre, 1.0]))
    slope = max(0.0, float(beta[1]))
    return Fitted({"kind": "rules", "intercept": float(beta[0]) - slope * centre, "slope": slope})


def fit_linear(
    leads: Encoded, won: FloatArray, weights: FloatArray, level_counts: tuple[int, ...]
) -> Fitted:
    """Ridge logistic regression with the recalibrated rules as offset; the mean over penalties,
    weighed by leave-one-out loss."""
    if leads.size > RIDGE_MAX_ROWS:
        rows = np.linspace(0, leads.size - 1, RIDGE_MAX_ROWS).astype(np.int64)
        leads, won, weights = leads.take(rows), won[rows], weights[rows]
    rules = fit_scorecard(leads, won, weights).part
    offset = rules["intercept"] + rules["slope"] * leads.rules
    design = _Design.of(leads, level_counts)
    beta = _ridge(design.columns(leads), won, weights, offset)
    part = {
        "kind": "linear",
        "intercept": float(rules["intercept"] + beta[0]),
        "rules": rules["slope"],
    }
    return Fitted({**part, **design.part(beta[1:])})


def codes_with_enough_leads(
    leads: Encoded, won: FloatArray, weights: FloatArray, column: int
) -> list[int]:
    """The codes of a column of words that have wins and others enough for a regression of their
    own."""
    codes = leads.codes[:, column]
    wins = np.bincount(codes, weights * won)
    others = np.bincount(codes, weights * (1 - won))
    return [
        int(code) for code in np.flatnonzero(np.minimum(wins, others) >= MIN_OUTCOMES_PER_SEGMENT)
    ]


def fit_per_segment(
    leads: Encoded,
    won: FloatArray,
    weights: FloatArray,
    level_counts: tuple[int, ...],
    *,
    column: int,
) -> Fitted:
    """A ridge for each word of a column that has leads enough; `with_others` adds the one for the
    others."""
    own = {}
    for code in codes_with_enough_leads(leads, won, weights, column):
        rows = np.flatnonzero(leads.codes[:, column] == code)
        own[str(code)] = fit_linear(leads.take(rows), won[rows], weights[rows], level_counts).part
    return Fitted({"kind": "per_segment", "column": column, "own": own})


def with_others(per_segment: Fitted, ridge: Fitted) -> Fitted:
    """The regressions per segment with a ridge of all leads, which answers for the others. Where
    there was nothing to learn neither is a regression, and nothing changes."""
    if per_segment.part["kind"] != "per_segment":
        return per_segment
    return Fitted({**per_segment.part, "others": ridge.part})


def _ridge(
    columns: FloatArray, won: FloatArray, weights: FloatArray, offset: FloatArray
) -> FloatArray:
    """Coefficients (1 + p,), intercept first, on a path of penalties that ends where leave-one-out
    loss rises.

    Not `statistics.newton`: leave-one-out loss needs the inverse of the Hessian. The coefficients
    are the mean over the path, each penalty weighed by `EVIDENCE_WEIGHT` times its leave-one-out
    log-likelihood (Yao et al. 2018, pseudo-BMA) and by how usual it is. The best penalty of few
    leads is a matter of luck, and a lucky one that is too weak does great harm.
    """
    path = _Path(np.column_stack([np.ones(len(columns)), columns]), won, weights, offset)
    losses: list[float] = []
    betas = []
    for penalty in PENALTIES:
        losses.append(path.follow(np.r_[1e-6, np.full(columns.shape[1], penalty)]))
        betas.append(path.beta.copy())
        if losses[-1] > 1.02 * min(losses) + 5 / EVIDENCE_WEIGHT:
            break
    off = np.log10(PENALTIES[: len(losses)] / PRIOR_PENALTY)
    spread = np.where(off > 0, DECADES_STRONGER, DECADES_WEAKER)
    doubt = EVIDENCE_WEIGHT * np.array(losses) + 0.5 * (off / spread) ** 2
    likely = np.exp(doubt.min() - doubt)
    return np.asarray(likely @ np.array(betas) / likely.sum(), dtype=np.float64)


class _Path:
    """The coefficients `beta` (1 + p,) along the path of penalties, by Newton's method.

    Of all its work, nearly all is the curvature (the Hessian without penalty), which changes little
    along the path. It is therefore computed once a penalty, where the path has arrived, which is
    what leave-one-out loss needs; the steps to the next penalty go by it (Kelley 1995, Iterative
    Methods for Linear and Nonlinear Equations, chapter 5.4, the chord method), and it is only
    computed in between if they do not get shorter.
    """

    def __init__(
        self, columns: FloatArray, won: FloatArray, weights: FloatArray, offset: FloatArray
    ) -> None:
        self._columns = columns
        self._won = won
        self._weights = weights
        self.beta = np.zeros(columns.shape[1])
        self._logit = offset.copy()
        size = len(won)
        self._left_out = np.linspace(0, size - 1, min(size, LEFT_OUT_ROWS)).astype(np.int64)
        self._curvature = self._curvature_here()

    def follow(self, held: FloatArray) -> float:
        """Moves to the coefficients at the penalties `held` (1 + p,); returns the leave-one-out
        loss there."""
        for _ in range(MAX_CURVATURES):
            if self._descend(held):
                break
            self._curvature = self._curvature_here()
        self._curvature = self._curvature_here()
        return self._leave_one_out_loss(held)

    def _descend(self, held: FloatArray) -> bool:
        """Steps by the curvature as it is, as long as each is clearly shorter than the one before;
        whether they arrived. A step is limited in what it changes in the log-odds."""
        factor = cho_factor(self._curvature + np.diag(held), check_finite=False)
        before = np.inf
        while True:
            residual = self._weights * (self._won - sigmoid(self._logit))
            step = cho_solve(
                factor, self._columns.T @ residual - held * self.beta, check_finite=False
            )
            moved = self._columns @ step
            share = min(1.0, MAX_LOG_ODDS_A_STEP / max(1e-12, float(np.abs(moved).max())))
            self.beta = self.beta + share * step
            self._logit = self._logit + share * moved
            size = float(np.abs(step).max())
            if size < ARRIVED:
                return True
            if share < 1 or size > SHORTER * before:
                return False
            before = size

    def _curvature_here(self) -> FloatArray:
        """The Hessian of the log loss, of which only the upper half is filled in."""
        p = sigmoid(self._logit)
        root = np.sqrt(np.maximum(self._weights * p * (1 - p), 1e-6))
        return np.asarray(dsyrk(1.0, (self._columns * root[:, None]).T), dtype=np.float64)

    def _leave_one_out_loss(self, held: FloatArray) -> float:
        """Leaving one lead out (Rad and Maleki 2020): its log-odds move by its leverage times its
        residual."""
        upper = cho_factor(self._curvature + np.diag(held), check_finite=False)[0]
        rows = self._left_out
        won = self._won[rows]
        weights = self._weights[rows]
        p = sigmoid(self._logit[rows])
        # The upper triangle solves for the leads' columns in place of an inverse: half the work.
        solved = dtrsm(1.0, upper, self._columns[rows].T, trans_a=1)
        leverage = np.minimum(
            (solved**2).sum(axis=0) * np.maximum(weights * p * (1 - p), 1e-6), 0.95
        )
        moved = leverage / (1 - leverage) * (won - p) / np.maximum(p * (1 - p), 1e-6)
        loss = float(weights @ log_losses(self._logit[rows] - moved, won))
        return loss * len(self._won) / len(rows)


@dataclass(frozen=True)
class _Design:
    """How encoded leads become the ridge's columns, learned on the rows that it is fitted on."""

    low: FloatArray
    high: FloatArray
    mean: FloatArray
    scale: FloatArray
    flagged: IntArray
    steps: tuple[tuple[int, float], ...]
    groups: tuple[IntArray, ...]

    @classmethod
    def of(cls, leads: Encoded, level_counts: tuple[int, ...]) -> "_Design":
        numbers = leads.numbers
        low, high, mean = (np.zeros(numbers.shape[1]) for _ in range(3))
        steps: list[tuple[int, float]] = []
        scale = np.ones(numbers.shape[1])
        for j in range(numbers.shape[1]):
            known = numbers[~np.isnan(numbers[:, j]), j]
            if known.size:
                low[j], high[j] = np.quantile(known, [0.01, 0.99])
                inside = np.clip(known, low[j], high[j])
                mean[j] = inside.mean()
                scale[j] = inside.std() or 1.0
                if np.unique(known).size > STEPS_PER_NUMBER:
                    inner = np.linspace(0, 1, STEPS_PER_NUMBER + 2)[1:-1]
                    steps += [(j, float(at)) for at in np.unique(np.quantile(known, inner))]
        missing = np.isnan(numbers).sum(axis=0)
        least = MIN_LEADS_PER_COEFFICIENT
        flagged = np.flatnonzero((missing >= least) & (missing <= len(numbers) - least))
        groups = tuple(_groups(leads.codes[:, j], size) for j, size in enumerate(level_counts))
        return cls(low, high, mean, scale, flagged, tuple(steps), groups)

    def columns(self, leads: Encoded) -> FloatArray:
        steps = (np.clip(leads.numbers, self.low, self.high) - self.mean) / self.scale
        blocks = [
            np.where(np.isnan(steps), 0.0, steps),
            np.isnan(leads.numbers[:, self.flagged]).astype(np.float64),
        ]
        if self.steps:
            columns, marks = (np.array(side) for side in zip(*self.steps, strict=True))
            blocks.append(0.5 * (leads.numbers[:, columns] > marks))
        for j, groups in enumerate(self.groups):
            blocks.append(np.eye(groups.max() + 1)[groups[leads.codes[:, j]]])
        return np.hstack(blocks)

    def part(self, beta: FloatArray) -> dict[str, Any]:
        many = len(self.mean)
        missing = np.zeros(many)
        missing[self.flagged] = beta[many : many + len(self.flagged)]
        at = many + len(self.flagged)
        tables = []
        steps = [
            [j, mark, 0.5 * float(value)]
            for (j, mark), value in zip(self.steps, beta[at:], strict=False)
        ]
        at += len(steps)
        for groups in self.groups:
            tables.append(beta[at + groups].tolist())
            at += int(groups.max()) + 1
        slope = beta[:many] / self.scale
        numbers = {
            "low": self.low,
            "high": self.high,
            "mean": self.mean,
            "slope": slope,
            "missing": missing,
        }
        return {
            **{key: value.tolist() for key, value in numbers.items()},
            "steps": steps,
            "tables": tables,
        }


def _groups(codes: IntArray, size: int) -> IntArray:
    """The ridge's column for each code: the frequent codes get their own, all others share column
    0."""
    counts = np.bincount(codes, minlength=size)
    frequent = np.flatnonzero(counts >= MIN_LEADS_PER_COEFFICIENT)
    by_count = np.argsort(-counts[frequent], kind="stable")
    frequent = frequent[by_count][:MAX_COEFFICIENTS_PER_COLUMN]
    groups = np.zeros(size, dtype=np.int64)
    groups[np.sort(frequent)] = 1 + np.arange(len(frequent))
    return groups
