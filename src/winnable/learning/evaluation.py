"""Evaluation: how good probabilities are on leads whose outcome is known, and on which leads that may be judged.

Every comparison is on the same leads, later than anything the compared answers were learned from where the history has dates. The
measures are those of the prediction literature (Steyerberg 2019, "Clinical Prediction Models", ch. 15). No model is fitted here.
"""

from dataclasses import asdict, dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from winnable.definition.facts import BoolArray, FloatArray
from winnable.history.features import DAY
from winnable.history.snapshots import Snapshots

LATER_SHARE = 0.25  # of the rows, the latest, on which a model of the others is judged
LEAST = 10  # wins, and losses, on either side below which a forward split judges nothing


@dataclass(frozen=True)
class Measured:
    """How good n probabilities were. `skill` is the share of the base rate's log loss that they save; below 0 they do harm.

    `predicted_to_observed` is the ratio of the mean probability to the rate won. `slope` and `intercept` are those of the
    logistic recalibration (Cox 1958): a slope below 1 means too extreme, above 1 too timid. What one class alone cannot tell is
    None.
    """

    leads: int
    wins: int
    log_loss: float
    skill: float
    brier: float
    predicted_to_observed: float | None
    auc: float | None
    slope: float | None
    intercept: float | None

    def metrics(self, prefix: str = "") -> dict[str, float]:
        """The measures that could be taken, by name."""
        return {prefix + name: float(value) for name, value in asdict(self).items() if value is not None}


def measure(won: FloatArray, probability: FloatArray, base: float) -> Measured:
    """Judge probabilities (n,) by outcomes (n,) of 0 and 1, n > 0, against the constant `base`."""
    probability = np.clip(probability, 1e-6, 1 - 1e-6)
    loss = float(log_loss(won, probability, labels=[0, 1]))
    constant = float(log_loss(won, np.full(len(won), np.clip(base, 1e-6, 1 - 1e-6)), labels=[0, 1]))
    both = 0 < won.sum() < len(won)
    intercept, slope = _recalibration(won, probability) if both else (None, None)
    return Measured(
        leads=len(won),
        wins=int(won.sum()),
        log_loss=loss,
        skill=1 - loss / constant,
        brier=float(brier_score_loss(won, probability)),
        predicted_to_observed=float(probability.mean() / won.mean()) if won.sum() else None,
        auc=float(roc_auc_score(won, probability)) if both else None,
        slope=slope,
        intercept=intercept,
    )


def _recalibration(won: FloatArray, probability: FloatArray) -> tuple[float | None, float | None]:
    """Intercept and slope of the outcome regressed on the log-odds; None for constant probabilities, which have no slope."""
    logit = np.log(probability / (1 - probability))
    if np.ptp(logit) < 1e-9:
        return None, None
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(logit[:, None], won)
    return float(fitted.intercept_[0]), float(fitted.coef_[0, 0])


@dataclass(frozen=True)
class Split:
    """Rows to learn from and later rows to judge on, as masks (n,), and in words where the cut lies."""

    earlier: BoolArray
    later: BoolArray
    cut: str


def split_forward(rows: Snapshots) -> Split | None:
    """Cut known rows in time, with a gap of the horizon; None where there is no time or too little on either side to judge by.

    A person who stands among the later rows is left out of the earlier ones.
    """
    if not rows.timed or not len(rows.won):
        return None
    cut = int(np.quantile(rows.as_of, 1 - LATER_SHARE))
    later = rows.as_of >= cut
    earlier = rows.as_of + int((rows.horizon_days or 0) * DAY) <= cut
    earlier &= ~np.isin(rows.person, rows.person[later])
    enough = all(min(side.sum(), (1 - side).sum()) >= LEAST for side in (rows.won[earlier], rows.won[later]))
    day = np.datetime64(cut, "us").astype("datetime64[D]")
    return Split(earlier & ~later, later, str(day)) if enough else None


def base_rate(won: FloatArray) -> float:
    """The rate won with one win and one loss added (Laplace), so that it is never 0 or 1."""
    return float((won.sum() + 1) / (len(won) + 2))
