"""Blend: how much each expert's opinion counts, found on out-of-fold log-odds.

The blend is base + sum of weight * (expert - base), with weights of at least 0. A prior holds it at a mixture of all experts as
if a number of leads had shown that; on few rows this is worth more than any choice by cross-validation. Then the whole is weighed
against the bare base rate by what it gained out of fold: where there is nothing to be learned, the base rate answers.
"""

import numpy as np

from winnable.definition.facts import FloatArray
from winnable.learning.calibration import log_losses, sigmoid

STRENGTH = 500.0
"""Leads that the prior mixture counts for."""

UNDECIDED = 500.0
"""Leads from which on a blend that gains nothing over the base rate is doubted; with fewer, gaining nothing says little."""


def fit_blend(opinions: FloatArray, base: float, won: FloatArray, weights: FloatArray, prior: FloatArray) -> FloatArray:
    """Weights (e,) >= 0 for the experts' out-of-fold log-odds `opinions` (n, e); `prior` (e,) holds their shares before evidence.

    The doubt grows by 2 log n, as in a comparison of models by BIC (Schwarz 1978) with the experts' weights as parameters.
    """
    steps = opinions - base
    shares = _penalised(steps, base, won, weights, prior)
    gained = float(weights @ (log_losses(np.full(len(won), base), won) - log_losses(base + steps @ shares, won)))
    return shares * float(sigmoid(np.array(gained - 2 * np.log(weights.sum() / UNDECIDED))))


def _penalised(steps: FloatArray, base: float, won: FloatArray, weights: FloatArray, prior: FloatArray) -> FloatArray:
    """Projected Newton steps on log loss plus the prior's squared distance, measured where it matters: in the answers."""
    held = STRENGTH * 0.2 / weights.sum() * (steps * weights[:, None]).T @ steps + 1e-6 * np.eye(len(prior))
    beta = prior.copy()

    def loss(at: FloatArray) -> float:
        return float(weights @ log_losses(base + steps @ at, won) + 0.5 * (at - prior) @ held @ (at - prior))

    now = loss(beta)
    for _ in range(100):
        p = sigmoid(base + steps @ beta)
        slope = steps.T @ (weights * (p - won)) + held @ (beta - prior)
        free = (beta > 0) | (slope < 0)
        if not free.any():
            break
        inside = steps[:, free]
        curve = (inside * (weights * p * (1 - p))[:, None]).T @ inside + held[np.ix_(free, free)]
        step = np.zeros(len(prior))
        step[free] = np.linalg.solve(curve, slope[free])
        size = 1.0
        while loss(np.maximum(beta - size * step, 0)) > now and size > 1e-6:
            size /= 2
        beta = np.maximum(beta - size * step, 0)
        if now - loss(beta) < 1e-10 * max(1.0, now):
            break
        now = loss(beta)
    return beta
