"""Linear experts: the recalibrated scorecard and the ridge logistic regressions. Each is fitted on
encoded leads and leaves a part of the spec; `boosting` has the experts made of trees.

All that looks at the outcome (win rates of words, coefficients, which words are frequent enough) is
learned inside `fit_*`, so that a fold never sees its own outcomes. `weights` are the leads'
weights, shape (n,)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

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

RIDGE_MAX_ROWS = 50_000
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
    """A ridge for each word of a column that has leads enough, and one of all leads for the
    others."""
    own = {}
    for code in codes_with_enough_leads(leads, won, weights, column):
        rows = np.flatnonzero(leads.codes[:, column] == code)
        own[str(code)] = fit_linear(leads.take(rows), won[rows], weights[rows], level_counts).part
    return Fitted(
        {
            "kind": "per_segment",
            "column": column,
            "own": own,
            "others": fit_linear(leads, won, weights, level_counts).part,
        }
    )


def _ridge(
    columns: FloatArray, won: FloatArray, weights: FloatArray, offset: FloatArray
) -> FloatArray:
    """Coefficients (1 + p,), intercept first, by Newton steps on a path of penalties that ends
    where leave-one-out loss rises.

    Not `statistics.newton`: leave-one-out loss needs the inverse of the Hessian, and a step is
    limited in what it changes in the log-odds instead of halved. The coefficients are the mean over
    the path, each penalty weighed by `EVIDENCE_WEIGHT` times its leave-one-out
    log-likelihood (Yao et al. 2018, pseudo-BMA) and by how usual it is. The best penalty of few
    leads is a matter of luck, and a lucky one that is too weak does great harm.
    """
    full = np.column_stack([np.ones(len(columns)), columns])
    beta = np.zeros(full.shape[1])
    losses = []
    betas = []
    for penalty in PENALTIES:
        held = np.r_[1e-6, np.full(columns.shape[1], penalty)]
        for _ in range(8):
            p = sigmoid(offset + full @ beta)
            curve = np.maximum(weights * p * (1 - p), 1e-6)
            inverse = np.linalg.inv((full * curve[:, None]).T @ full + np.diag(held))
            step = inverse @ (full.T @ (weights * (won - p)) - held * beta)
            beta = beta + step * min(1.0, 4.0 / max(1e-12, float(np.abs(full @ step).max())))
            if np.abs(step).max() < 1e-5:
                break
        # Leaving one lead out (Rad and Maleki 2020): its log-odds move by its leverage times its
        # residual.
        logit = offset + full @ beta
        p = sigmoid(logit)
        leverage = np.minimum(
            ((full @ inverse) * full).sum(axis=1) * np.maximum(weights * p * (1 - p), 1e-6), 0.95
        )
        without = logit - leverage / (1 - leverage) * (won - p) / np.maximum(p * (1 - p), 1e-6)
        losses.append(float(weights @ log_losses(without, won)))
        betas.append(beta.copy())
        if losses[-1] > 1.02 * min(losses) + 5 / EVIDENCE_WEIGHT:
            break
    off = np.log10(PENALTIES[: len(losses)] / PRIOR_PENALTY)
    spread = np.where(off > 0, DECADES_STRONGER, DECADES_WEAKER)
    doubt = EVIDENCE_WEIGHT * np.array(losses) + 0.5 * (off / spread) ** 2
    likely = np.exp(doubt.min() - doubt)
    return np.asarray(likely @ np.array(betas) / likely.sum(), dtype=np.float64)


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
