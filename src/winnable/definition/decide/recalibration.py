"""Logistic recalibration of the scorecards by real outcomes, and shrinkage of conversion by source.

Intercept and slope correct the log-odds that the teams expect of points;
the conversion of sources with few leads is shrunk to the common one. Both are small Bayesian
estimates whose prior is the definition as written, so that it stands where there is no history and
gives way where there is much. They look at outcomes only; which ones may be used is the caller's
decision. What a trained model says is corrected elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np

from winnable.core.columns import FloatArray
from winnable.core.statistics import log_losses, sigmoid
from winnable.definition.decide.scorecard import MAX_ABS_LOG_ODDS, Points

Counts = Sequence[float] | FloatArray

INTERCEPT_PRIOR_SD = 1.0
"""Standard deviation of the prior on the intercept, in log-odds: teams misjudge the odds at the
threshold by a factor e either way."""

SLOPE_PRIOR_SD = 0.5
"""Standard deviation of the prior on the slope: points are worth half as much, or half as much
again, as was written."""

MAX_NEWTON_STEPS = 100

NEWTON_TOLERANCE = 1e-10
"""Newton's method ends when no coefficient moves by more than this."""


@dataclass(frozen=True)
class Recalibration:
    """Intercept and slope of a logistic recalibration; 0 and 1 are the definition as written."""

    intercept: float = 0.0
    slope: float = 1.0

    def log_odds(self, points: Points) -> FloatArray:
        """Log-odds of being won, shape (n,):
        anchor + intercept + slope * (logit as written - anchor)."""
        logit = points.anchor + self.intercept + self.slope * (points.logit - points.anchor)
        return np.clip(logit, -MAX_ABS_LOG_ODDS, MAX_ABS_LOG_ODDS)


def recalibrate(
    points: Points, won: FloatArray, weights: FloatArray | None = None
) -> Recalibration:
    """The intercept and slope that agree best with the outcomes and with the definition.

    `won` (n,) is 1 for won and 0 for not; `weights` (n,) count each lead that many times (1 if not
    given). The model is Cox's logistic recalibration (Biometrika 45, 1958) around the threshold of
    each lead's scorecard,

        logit P(won) = anchor + a + b * (written - anchor),
        a ~ N(0, INTERCEPT_PRIOR_SD²),   b ~ N(1, SLOPE_PRIOR_SD²),

    and the answer is its posterior mode, found by Newton's method; the priors make the objective
    strictly concave, so there is exactly one.
    """
    design = np.column_stack([np.ones(points.size), points.logit - points.anchor])
    counts = np.ones(points.size) if weights is None else np.asarray(weights, dtype=np.float64)
    as_written = np.array([0.0, 1.0])
    precision = np.diag([INTERCEPT_PRIOR_SD**-2, SLOPE_PRIOR_SD**-2])

    def log_posterior(at: FloatArray) -> float:
        off = at - as_written
        losses = log_losses(points.anchor + design @ at, won)
        return float(-counts @ losses - off @ precision @ off / 2)

    at = as_written
    best = log_posterior(at)
    for _ in range(MAX_NEWTON_STEPS):
        probability = sigmoid(points.anchor + design @ at)
        gradient = design.T @ (counts * (won - probability)) - precision @ (at - as_written)
        variance = counts * probability * (1 - probability)
        curvature = (design * variance[:, None]).T @ design + precision
        step = np.linalg.solve(curvature, gradient)
        reached = log_posterior(at + step)
        # A full Newton step may overshoot where the expectation was far off; half of it, and half
        # again, cannot for ever.
        while reached < best and np.abs(step).max() > NEWTON_TOLERANCE:
            step = step / 2
            reached = log_posterior(at + step)
        if reached <= best or np.abs(step).max() < NEWTON_TOLERANCE:
            break
        at = at + step
        best = reached
    return Recalibration(float(at[0]), float(at[1]))


@dataclass(frozen=True)
class Shrunk:
    """Conversion of several sources, each shrunk towards the common one, the more so the fewer
    leads it had.

    The conversion of source i has the distribution Beta(`alpha[i]`, `beta[i]`); the prior they
    share is Beta(mean * strength, (1 - mean) * strength), where `strength` is the number of leads
    that the prior counts for.
    """

    mean: float
    strength: float
    alpha: FloatArray
    beta: FloatArray

    @property
    def conversion(self) -> FloatArray:
        """The expected conversion of each source, shape (sources,)."""
        return self.alpha / (self.alpha + self.beta)


def shrink(won: Counts, leads: Counts, expected: float, prior_leads: float = 10.0) -> Shrunk:
    """Conversion by source, by an empirical Bayes beta-binomial model.

    `won` and `leads` (sources,) are counts; `expected` is the conversion that the definition
    expects, which counts for `prior_leads` leads in the common mean. How alike the sources are (the
    strength k of the prior) is the value between 1 and 100,000 leads with the highest marginal
    likelihood over all sources, as in Casella, An Introduction to Empirical Bayes Data Analysis
    (1985):

        P(won | leads) = B(won + mean * k, leads - won + (1 - mean) * k)
                         / B(mean * k, (1 - mean) * k)
    """
    wins = np.asarray(won, dtype=np.float64)
    losses = np.asarray(leads, dtype=np.float64) - wins
    mean = float((wins.sum() + prior_leads * expected) / ((wins + losses).sum() + prior_leads))
    strengths = np.geomspace(1, 100_000, 101)
    likelihoods = [
        _marginal_log_likelihood(wins, losses, mean * k, (1 - mean) * k) for k in strengths
    ]
    strength = float(strengths[int(np.argmax(likelihoods))])
    return Shrunk(mean, strength, wins + mean * strength, losses + (1 - mean) * strength)


def _marginal_log_likelihood(won: FloatArray, lost: FloatArray, alpha: float, beta: float) -> float:
    prior = lgamma(alpha) + lgamma(beta) - lgamma(alpha + beta)
    pairs = zip(won.tolist(), lost.tolist(), strict=True)
    return sum(
        lgamma(w + alpha) + lgamma(x + beta) - lgamma(w + x + alpha + beta) - prior
        for w, x in pairs
    )
