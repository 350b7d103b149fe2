"""What really happened corrects what was expected: of points, and of sources with few leads.

Both are small Bayesian estimates in which the written definition is the prior, so that they say the
definition's own word where nothing has happened yet and the history's where much has. They look at
outcomes only; which outcomes may be looked at is decided by whoever calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np

from winnable.core.columns import FloatArray
from winnable.definition.decide.scorecard import SUREST, Points

Counts = Sequence[float] | FloatArray

ODDS_OFF = 1.0
"""One standard deviation of the prior on the intercept: teams misjudge the odds at the threshold by
a factor e either way."""

SLOPE_OFF = 0.5
"""One standard deviation of the prior on the slope: points are worth half as much, or half as much
again, as was written."""


@dataclass(frozen=True)
class Recalibration:
    """Points with the expectation corrected; intercept 0 and slope 1 are the definition as written."""

    intercept: float = 0.0
    slope: float = 1.0

    def log_odds(self, points: Points) -> FloatArray:
        """Log-odds of being won, shape (n,): anchor + intercept + slope * (logit as written -
        anchor)."""
        return np.clip(
            points.anchor + self.intercept + self.slope * (points.logit - points.anchor),
            -SUREST,
            SUREST,
        )


def recalibrate(
    points: Points, won: FloatArray, weights: FloatArray | None = None
) -> Recalibration:
    """The intercept and slope that agree best with outcomes and with the definition.

    `won` (n,) is 1 for won and 0 for not, `weights` (n,) count each lead so many times (1 if not
    given). The model is Cox's recalibration (Biometrika 45, 1958) around the threshold of each
    lead's card,

        logit P(won) = anchor + a + b * (written - anchor),   a ~ N(0, ODDS_OFF²),   b ~ N(1, SLOPE_OFF²),

    and the answer its posterior mode, found by Newton's method; the priors make the objective
    strictly concave, so there is one.
    """
    turned = np.column_stack([np.ones(points.size), points.logit - points.anchor])
    counted = np.ones(points.size) if weights is None else np.asarray(weights, dtype=np.float64)
    written, precision = np.array([0.0, 1.0]), np.diag([ODDS_OFF**-2, SLOPE_OFF**-2])

    def objective(at: FloatArray) -> float:
        logit = points.anchor + turned @ at
        off = at - written
        return float(counted @ (won * logit - np.logaddexp(0, logit)) - off @ precision @ off / 2)

    at, best = written, objective(written)
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(points.anchor + turned @ at, -700, 700)))
        gradient = turned.T @ (counted * (won - chance)) - precision @ (at - written)
        curvature = (turned * (counted * chance * (1 - chance))[:, None]).T @ turned + precision
        step = np.linalg.solve(curvature, gradient)
        # A full Newton step may overshoot where the expectation was far off; half of it, and half
        # again, cannot for ever.
        while (reached := objective(at + step)) < best and np.abs(step).max() > 1e-10:
            step = step / 2
        if reached <= best or np.abs(step).max() < 1e-10:
            break
        at, best = at + step, reached
    return Recalibration(float(at[0]), float(at[1]))


@dataclass(frozen=True)
class Shrunk:
    """Conversion of several sources, each drawn towards the common one the more, the fewer leads it
    had.

    The conversion of source i has the distribution Beta(`alpha[i]`, `beta[i]`); the prior they
    share is Beta(mean * strength, (1 - mean) * strength), `strength` being the number of leads that
    the prior counts for.
    """

    mean: float
    strength: float
    alpha: FloatArray
    beta: FloatArray

    @property
    def conversion(self) -> FloatArray:
        """The expected conversion of each source, shape (sources,)."""
        return self.alpha / (self.alpha + self.beta)


def shrink(won: Counts, leads: Counts, expected: float, trust: float = 10.0) -> Shrunk:
    """Conversion by source by an empirical Bayes Beta-Binomial model.

    `won` and `leads` (sources,) are counts, `expected` the conversion that the definition expects,
    which counts for `trust` leads in the common mean. How alike the sources are (the strength of
    the prior) is the value between 1 and 100,000 leads with the highest marginal likelihood, as in
    Casella, An Introduction to Empirical Bayes Data Analysis (1985):

        P(won | leads) = B(won + mean * k, leads - won + (1 - mean) * k) / B(mean * k, (1 - mean) * k)   over all sources.
    """
    wins, n = np.asarray(won, dtype=np.float64), np.asarray(leads, dtype=np.float64)
    mean = float((wins.sum() + trust * expected) / (n.sum() + trust))
    strengths = np.geomspace(1, 100_000, 101)
    likelihood = [_marginal(wins, n - wins, mean * k, (1 - mean) * k) for k in strengths]
    strength = float(strengths[int(np.argmax(likelihood))])
    return Shrunk(mean, strength, wins + mean * strength, n - wins + (1 - mean) * strength)


def _marginal(won: FloatArray, lost: FloatArray, alpha: float, beta: float) -> float:
    prior = lgamma(alpha) + lgamma(beta) - lgamma(alpha + beta)
    pairs = zip(won.tolist(), lost.tolist(), strict=True)
    return sum(
        lgamma(w + alpha) + lgamma(x + beta) - lgamma(w + x + alpha + beta) - prior
        for w, x in pairs
    )
