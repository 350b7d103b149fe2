"""Sample size: the published minimum for training a prediction model; formulas alone, no company's
data.

Riley et al. 2019, "Minimum sample size for developing a multivariable prediction model: PART II"
(Statistics in Medicine 38), made practical in Riley et al. 2020, "Calculating the sample size
required for developing a clinical prediction model" (BMJ 368:m441): so many leads that the model is
shrunk by no more than a tenth, its optimism is no more than 0.05 of Nagelkerke's R2, and the base
rate is known precisely. What a company has of it is assessed in `readiness`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log

import numpy as np

SHRINKAGE = 0.9

MAX_OPTIMISM = 0.05
"""Of Nagelkerke's R2."""

BASE_RATE_MARGIN = 0.05
"""Half-width of the base rate's 95% confidence interval, at most."""

RELATIVE_BASE_RATE_MARGIN = 0.25
"""The same relative to the base rate; the narrower of the two counts."""


@dataclass(frozen=True)
class Minimum:
    """The leads that each of Riley's three criteria asks for."""

    shrinkage: int
    optimism: int
    rate: int

    @property
    def leads(self) -> int:
        """The leads that meet all three."""
        return max(self.shrinkage, self.optimism, self.rate)


def minimum_size(
    parameters: int, share: float, r2: float, margin: float | None = None, factor: float = 1.0
) -> Minimum:
    """The least number of leads for `parameters` candidate parameters, a share won of `share` and a
    Cox-Snell R2 of `r2`.

    Riley et al. 2020, figures 1 to 3. `margin` is that of the base rate, absolute (they use 0.05;
    by default the narrower of 0.05 and a quarter of the share). `factor` multiplies the first
    criterion (see `strength_factor`).
    """
    margin = min(BASE_RATE_MARGIN, RELATIVE_BASE_RATE_MARGIN * share) if margin is None else margin
    less = r2 / (r2 + MAX_OPTIMISM * most_cox_snell(share))
    return Minimum(
        shrinkage=ceil(factor * _leads_for_shrinkage(parameters, r2, SHRINKAGE)),
        optimism=ceil(_leads_for_shrinkage(parameters, r2, less)),
        rate=ceil((1.96 / margin) ** 2 * share * (1 - share)),
    )


def _leads_for_shrinkage(parameters: int, r2: float, shrinkage: float) -> float:
    return parameters / ((shrinkage - 1) * log(1 - r2 / shrinkage))


def most_cox_snell(share: float) -> float:
    """The largest Cox-Snell R2 that is possible at this share won (Riley et al. 2020)."""
    return 1 - exp(2 * (share * log(share) + (1 - share) * log(1 - share)))


def cox_snell(auc: float, share: float) -> float:
    """The Cox-Snell R2 of a calibrated model with this AUC.

    Riley, Van Calster and Collins 2021, "A note on estimating the Cox-Snell R2 from a reported C
    statistic" (Statistics in Medicine 40): won and lost leads lie normally about means sqrt(2)
    z(AUC) apart. They simulate a million leads; here the expected likelihood ratio is integrated,
    which is where their simulation converges.
    """
    from scipy.stats import norm

    apart = float(np.sqrt(2) * norm.ppf(auc))
    x = np.linspace(-8, 8 + apart, 4001)
    step = x[1] - x[0]
    won = share * norm.pdf(x - apart)
    lost = (1 - share) * norm.pdf(x)
    p = np.clip(won / np.maximum(won + lost, 1e-300), 1e-12, 1 - 1e-12)
    ratio = (
        2
        * step
        * float(won @ (np.log(p) - np.log(share)) + lost @ (np.log(1 - p) - np.log(1 - share)))
    )
    return 1 - exp(-ratio)


def strength_factor(auc: float) -> float:
    """How many times more leads strong models need than the first criterion says: 1 up to an AUC of
    0.80, 1.5 at 0.85, 2 at 0.90.

    Pavlou et al. 2024, "An evaluation of sample size requirements for developing risk prediction
    models with binary outcomes" (BMC Medical Research Methodology 24:146), between their points on
    a straight line.
    """
    return 1 + 10 * max(0.0, auc - 0.80)
