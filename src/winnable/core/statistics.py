"""Basic statistics that every package uses: log-odds, log loss, a penalized logistic regression,
and Wilson's confidence interval.

Models, metrics and tests are built on these elsewhere.
"""

from math import log
from statistics import NormalDist

import numpy as np

from winnable.core.columns import FloatArray


def sigmoid(logit: FloatArray) -> FloatArray:
    """The probabilities of log-odds, of the same shape, without overflow."""
    return np.asarray(
        0.5 * (1.0 + np.tanh(0.5 * np.asarray(logit, dtype=np.float64))), dtype=np.float64
    )


def logit_of(probability: FloatArray | float) -> FloatArray:
    """The log-odds of probabilities, which must lie strictly between 0 and 1."""
    p = np.asarray(probability, dtype=np.float64)
    return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float64)


def log_losses(logit: FloatArray, won: FloatArray) -> FloatArray:
    """The log loss of every row, shape (n,), from log-odds."""
    return np.asarray(np.logaddexp(0.0, logit) - won * logit, dtype=np.float64)


def newton(
    columns: FloatArray,
    won: FloatArray,
    weights: FloatArray,
    *,
    penalty: FloatArray,
    aim: FloatArray,
) -> FloatArray:
    """Logistic regression by Newton's method: the p coefficients of `columns` (n, p).

    Row i counts `weights[i]` times; half of `penalty` (p,) times the squared distance from `aim`
    (p,) is added to the log loss.
    """
    beta = aim.copy()

    def loss(at: FloatArray) -> float:
        return float(weights @ log_losses(columns @ at, won) + 0.5 * penalty @ (at - aim) ** 2)

    now = loss(beta)
    for _ in range(50):
        p = sigmoid(columns @ beta)
        gradient = columns.T @ (weights * (p - won)) + penalty * (beta - aim)
        hessian = (columns * (weights * p * (1 - p))[:, None]).T @ columns + np.diag(penalty + 1e-9)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(beta - size * step) > now + 1e-12 and size > 1e-4:
            size /= 2
        new = loss(beta - size * step)
        if new > now - 1e-9 * max(1.0, abs(now)):
            break
        beta = beta - size * step
        now = new
    return beta


def wilson(hits: int, trials: int, level: float = 0.90) -> tuple[float, float]:
    """Wilson's confidence interval for a share (Journal of the American Statistical Association 22,
    1927) at `level`; 0 to 1 without trials."""
    if not trials:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    spread = np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    half = z / (1 + z * z / trials) * spread
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def base_rate(won: FloatArray) -> float:
    """The share won, with one win and one loss added (Laplace smoothing), so that it is never 0 or
    1."""
    return float((won.sum() + 1) / (len(won) + 2))


SURPRISE = log(1000)
"""Evidence, as a natural logarithm, from which a count is taken for no chance."""


def is_surprising(count: int, total: int, usual_share: float) -> bool:
    """Whether `count` of `total` is more than chance gives where the share is usually
    `usual_share`, at odds of a thousand to one.

    By Chernoff's bound on the tail of the binomial distribution, which is exact enough for a
    warning and costs nothing.

    Examples
    --------
    >>> is_surprising(1, 1, 0.05), is_surprising(3, 3, 0.05), is_surprising(1, 100, 0.0)
    (False, True, True)
    """
    if not total or count <= total * usual_share:
        return False
    if usual_share <= 0:
        return True
    share = count / total
    divergence = share * log(share / usual_share)
    if share < 1:
        divergence += (1 - share) * log((1 - share) / (1 - usual_share))
    return total * divergence > SURPRISE
