"""Blend: how much each expert's opinion counts, found on out-of-fold log-odds.

The blend is base + sum of weight * (expert - base), weights at least 0. A prior holds the weights at equal shares, the more so the
fewer leads there are, which on few rows is worth more than any choice by cross-validation.
"""

import numpy as np

from winnable.definition.facts import FloatArray
from winnable.learning.calibration import log_losses, sigmoid


def fit_weights(opinions: FloatArray, base: float, won: FloatArray, weights: FloatArray, *, strength: float) -> FloatArray:
    """Weights (e,) >= 0 for the experts' out-of-fold log-odds `opinions` (n, e), by projected Newton steps on penalised log loss.

    `strength` is in leads: how many the prior (equal weights that sum to one) counts for.
    """
    steps = opinions - base
    many = steps.shape[1]
    prior = np.full(many, 1.0 / many)
    held = strength * np.maximum((weights @ steps**2) / weights.sum(), 1e-3) * 0.2
    beta = prior.copy()

    def loss(at: FloatArray) -> float:
        return float(weights @ log_losses(base + steps @ at, won) + 0.5 * held @ (at - prior) ** 2)

    now = loss(beta)
    for _ in range(200):
        p = sigmoid(base + steps @ beta)
        slope = steps.T @ (weights * (p - won)) + held * (beta - prior)
        free = (beta > 0) | (slope < 0)
        if not free.any():
            break
        inside = steps[:, free]
        curve = (inside * (weights * p * (1 - p))[:, None]).T @ inside + np.diag(held[free] + 1e-9)
        step = np.zeros(many)
        step[free] = np.linalg.solve(curve, slope[free])
        size = 1.0
        while loss(np.maximum(beta - size * step, 0)) > now and size > 1e-6:
            size /= 2
        beta = np.maximum(beta - size * step, 0)
        new = loss(beta)
        if now - new < 1e-10 * max(1.0, now):
            break
        now = new
    return beta
