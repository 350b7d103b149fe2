"""Tests of association with winning: exact p-values and odds ratios within strata, corrected for
multiple testing.

Leads are only compared within a stratum, such as leads of one age. Among many candidates some look
strong by chance alone; so the false discovery rate is controlled (Benjamini and Hochberg 1995), and
every odds ratio is shrunk towards 1 by a prior estimated from all of them (empirical Bayes).
"""

from dataclasses import dataclass

import numpy as np

from winnable.core.columns import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Counts:
    """k candidates in s strata: `held` (k, s) leads of which it is true, `won_held` (k, s) the won
    ones among them; `won` and `size` (s,) count all leads of the strata."""

    held: FloatArray
    won_held: FloatArray
    won: FloatArray
    size: FloatArray

    @classmethod
    def of(cls, held: BoolArray, won: BoolArray, stratum: IntArray) -> "Counts":
        """Count n leads: `held` (k, n), `won` (n,), `stratum` (n,) from 0."""
        strata = int(stratum.max(initial=-1)) + 1
        member = np.zeros((len(stratum), strata), dtype=np.float32)
        member[np.arange(len(stratum)), stratum] = 1.0
        marks = held.astype(np.float32)
        return cls(
            (marks @ member).astype(np.float64),
            (marks[:, won] @ member[won]).astype(np.float64),
            member[won].sum(axis=0).astype(np.float64),
            member.sum(axis=0).astype(np.float64),
        )

    def p_values(self) -> tuple[FloatArray, FloatArray]:
        """The exact one-sided p-values of each candidate, for so many wins or more and for so many
        or fewer, (k,) each.

        Conditional on the margins the wins in each stratum are hypergeometric and their sum is the
        sum of these (Gart 1970, Biometrika 57; with one stratum this is Fisher's exact test).
        """
        tails = [
            _tails(self.won_held[i], self.held[i], self.won, self.size)
            for i in range(len(self.held))
        ]
        both = np.asarray(tails, dtype=np.float64).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    def log_odds_ratios(self) -> tuple[FloatArray, FloatArray]:
        """The logarithm of the odds ratio and its standard error, (k,) each: Mantel and Haenszel's
        estimate with the variance of Robins, Breslow and Greenland (1986, Biometrics 42), half a
        lead added to every kind so that none is empty.
        """
        half = 0.5 / max(len(self.size), 1)
        a = self.won_held + half
        b = self.held - self.won_held + half
        c = self.won - self.won_held + half
        d = self.size - self.held - self.won + self.won_held + half
        n = a + b + c + d
        r = a * d / n
        s = b * c / n
        p = (a + d) / n
        q = (b + c) / n
        sum_r = r.sum(axis=1)
        sum_s = s.sum(axis=1)
        variance = (p * r).sum(axis=1) / (2 * sum_r**2) + (p * s + q * r).sum(axis=1) / (
            2 * sum_r * sum_s
        )
        return np.log(sum_r / sum_s), np.sqrt(variance + (q * s).sum(axis=1) / (2 * sum_s**2))


def two_sided(more: FloatArray, fewer: FloatArray) -> FloatArray:
    """Two-sided p-values: twice the smaller tail, at most 1."""
    return np.asarray(np.minimum(1.0, 2 * np.minimum(more, fewer)))


def benjamini_hochberg(p: FloatArray) -> FloatArray:
    """The q-value of each p-value: the smallest false discovery rate at which it is significant,
    (k,)."""
    order = np.argsort(p, kind="stable")
    scaled = np.asarray(p[order] * len(p) / np.arange(1, len(p) + 1))
    q = np.empty(len(p))
    q[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return q


def prior_variance(estimates: FloatArray, errors: FloatArray) -> float:
    """How far true log-odds ratios spread around nothing, as a variance: the one that makes the
    estimates most likely.

    Each estimate is taken as normal around its truth with its error, each truth as normal around 0
    with the variance sought, which is found on a grid from 0 to 4, so that 0, nothing at all, is a
    possible answer.
    """
    grid = np.concatenate([[0.0], np.geomspace(1e-4, 4.0, 200)])
    spread = errors**2 + grid[:, None]
    likelihood = -0.5 * (np.log(spread) + estimates**2 / spread).sum(axis=1)
    return float(grid[int(np.argmax(likelihood))])


@dataclass(frozen=True)
class Effect:
    """The posterior of an odds ratio: its median and its 95% interval."""

    odds_ratio: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether the interval excludes 1."""
        return self.low > 1 or self.high < 1


def effect(counts: Counts, candidate: int, variance: float) -> Effect:
    """The odds ratio of one candidate, shrunk towards 1 by the prior N(0, variance) on its
    logarithm.

    By the conditional likelihood of the wins given the margins, which is exact for few leads and
    none won: with the odds ratio exp(t) in every stratum, so many wins have a chance proportional
    to that without effect times exp(t * wins) (Gart 1970).
    """
    one = Counts(counts.held[[candidate]], counts.won_held[[candidate]], counts.won, counts.size)
    estimate, error = (float(each[0]) for each in one.log_odds_ratios())
    keep = variance / (variance + error**2)
    t = estimate * keep + np.linspace(-8, 8, 801) * error * np.sqrt(keep)
    # Chances far from what was seen are too small to be written, so they are taken as if the
    # estimate were true, and turned back.
    chances, least = _distribution(counts.held[candidate], counts.won, counts.size, tilt=estimate)
    wins = np.arange(len(chances)) - (counts.won_held[candidate].sum() - least)
    tilted = np.log(np.maximum(chances, 1e-300)) + (t - estimate)[:, None] * wins
    top = tilted.max(axis=1)
    believed = -top - np.log(np.exp(tilted - top[:, None]).sum(axis=1)) - t * t / (2 * variance)
    mass = np.cumsum(np.exp(believed - believed.max()))
    low, middle, high = np.interp([0.025, 0.5, 0.975], mass / mass[-1], t)
    return Effect(float(np.exp(middle)), float(np.exp(low)), float(np.exp(high)))


def joint_log_odds(
    held: FloatArray, won: FloatArray, stratum: IntArray, variance: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The log-odds that each of k candidates adds beside the others, their standard deviations, and
    the strata's base log-odds.

    Shapes (k,), (k,) and (s,).

    A logistic regression on `held` (n, k) and the strata, with the prior N(0, variance) on the
    former and a vague one, N(0, 10²), on the latter; the posterior mode by Newton's method, which
    the priors make the only one.
    """
    strata = int(stratum.max(initial=0)) + 1
    member = np.zeros((len(stratum), strata))
    member[np.arange(len(stratum)), stratum] = 1.0
    design = np.hstack([held, member])
    precision = np.append(np.full(held.shape[1], 1 / max(variance, 1e-6)), np.full(strata, 0.01))
    at = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(design @ at, -30, 30)))
        gradient = design.T @ (won - chance) - precision * at
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        # Steps are kept short while they are long, which is enough for a strictly concave objective
        # of this size.
        at = at + step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    deviation = np.sqrt(np.diag(np.linalg.inv(curvature)))
    return at[: held.shape[1]], deviation[: held.shape[1]], at[held.shape[1] :]


def _tails(
    won_held: FloatArray, held: FloatArray, won: FloatArray, size: FloatArray
) -> tuple[float, float]:
    chances, least = _distribution(held, won, size)
    seen = int(won_held.sum()) - least
    total = chances.sum()
    return min(1.0, float(chances[seen:].sum() / total)), min(
        1.0, float(chances[: seen + 1].sum() / total)
    )


def _distribution(
    held: FloatArray, won: FloatArray, size: FloatArray, tilt: float = 0.0
) -> tuple[FloatArray, int]:
    """The chances of `least`, `least` + 1, ... wins among those held, over all strata, were the
    odds ratio exp(tilt) in each."""
    from scipy.stats import hypergeom

    chances = np.ones(1)
    least = 0
    for h, w, n in zip(held.astype(int), won.astype(int), size.astype(int), strict=True):
        low = max(0, h + w - n)
        high = min(h, w)
        if high > low:
            wins = np.arange(low, high + 1)
            logarithms = hypergeom.logpmf(wins, n, w, h) + tilt * wins
            here = np.exp(logarithms - logarithms.max())
            chances = np.convolve(chances, here / here.sum())
        least += low
    return chances, least
