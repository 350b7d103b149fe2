"""Small statistics that every wing uses: log-odds, log loss, a penalized logistic regression, and
Wilson's confidence interval.

Calibration, evaluation and models build on these; none of them is fitted or judged here.
"""

from statistics import NormalDist

import numpy as np

from winnable.core.columns import FloatArray


def sigmoid(logit: FloatArray) -> FloatArray:
    """Probabilities of log-odds, without overflow."""
    return np.asarray(
        0.5 * (1.0 + np.tanh(0.5 * np.asarray(logit, dtype=np.float64))), dtype=np.float64
    )


def logit_of(probability: FloatArray | float) -> FloatArray:
    """Log-odds of probabilities, which must lie strictly between 0 and 1."""
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
    """Logistic regression on `columns` (n, p): p coefficients, held at `aim` (p,) by half of
    `penalty` (p,) times the square."""
    beta = aim.copy()

    def loss(at: FloatArray) -> float:
        return float(weights @ log_losses(columns @ at, won) + 0.5 * penalty @ (at - aim) ** 2)

    now = loss(beta)
    for _ in range(50):
        p = sigmoid(columns @ beta)
        slope = columns.T @ (weights * (p - won)) + penalty * (beta - aim)
        curve = (columns * (weights * p * (1 - p))[:, None]).T @ columns + np.diag(penalty + 1e-9)
        step, size = np.linalg.solve(curve, slope), 1.0
        while loss(beta - size * step) > now + 1e-12 and size > 1e-4:
            size /= 2
        new = loss(beta - size * step)
        if new > now - 1e-9 * max(1.0, abs(now)):
            break
        beta, now = beta - size * step, new
    return beta


def wilson(hits: int, trials: int, level: float = 0.90) -> tuple[float, float]:
    """Wilson's confidence interval for a share (Journal of the American Statistical Association 22,
    1927) at `level`; 0 to 1 without trials."""
    if not trials:
        return 0.0, 1.0
    z, share = NormalDist().inv_cdf((1 + level) / 2), hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    spread = np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    half = z / (1 + z * z / trials) * spread
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def base_rate(won: FloatArray) -> float:
    """The rate won with one win and one loss added (Laplace), so that it is never 0 or 1."""
    return float((won.sum() + 1) / (len(won) + 2))
