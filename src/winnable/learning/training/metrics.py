"""Evaluation metrics: log loss, skill against the base rate, AUC, calibration and bootstrap
confidence intervals, and the holdout on which they are measured.

Every comparison is on the same leads, a holdout later than anything the compared models were
trained on where the history has dates. The metrics are those of the prediction literature
(Steyerberg 2019, "Clinical Prediction Models", ch. 15). No model is fitted here; what takes a table
rather than a number is in `curves`.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from winnable.core.columns import BoolArray, FloatArray, IntArray
from winnable.core.statistics import log_losses, logit_of
from winnable.core.timestamps import DAY
from winnable.data.features.training_rows import TrainingRows

HOLDOUT_SHARE = 0.25
"""Of the rows, the latest, that are held out for the evaluation."""

MIN_OUTCOMES = 10
"""Wins, and losses, on either side of a split below which nothing can be evaluated."""

BOOTSTRAP_DRAWS = 200
"""Resampled sets of people behind a confidence interval; its ends are then known to about a
twentieth of its width."""

INTERVAL_TAIL = 0.025
"""Left out on either side of a 95% confidence interval."""


@dataclass(frozen=True)
class Metrics:
    """How good n probabilities were. `skill` is the log-loss reduction against the base rate, as a
    share of its log loss; below 0 they do harm.

    `predicted_to_observed` is the ratio of the mean probability to the observed share won;
    `observed_to_expected` is its inverse, with the 95% confidence interval of Debray et al. 2017
    (BMJ 356:i6460). `slope` and `intercept` are those of the logistic recalibration (Cox 1958): a
    slope below 1 means too extreme, above 1 too timid. What is undefined for a single class is
    None.
    """

    leads: int
    wins: int
    log_loss: float
    skill: float
    brier: float
    predicted_to_observed: float | None
    observed_to_expected: float | None
    observed_to_expected_low: float | None
    observed_to_expected_high: float | None
    auc: float | None
    slope: float | None
    intercept: float | None

    def metrics(self, prefix: str = "") -> dict[str, float]:
        """The metrics that are defined, by name."""
        return {
            prefix + name: float(value) for name, value in asdict(self).items() if value is not None
        }


def evaluate(won: FloatArray, probability: FloatArray, base: float) -> Metrics:
    """Evaluate probabilities (n,) on outcomes (n,) of 0 and 1, n > 0, with the constant `base` as
    the baseline."""
    probability = np.clip(probability, 1e-6, 1 - 1e-6)
    loss = float(log_loss(won, probability, labels=[0, 1]))
    constant = float(log_loss(won, np.full(len(won), np.clip(base, 1e-6, 1 - 1e-6)), labels=[0, 1]))
    both = 0 < won.sum() < len(won)
    intercept, slope = _recalibration(won, probability) if both else (None, None)
    ratio = float(won.mean() / probability.mean()) if won.sum() else None
    margin = float(np.exp(1.96 * np.sqrt((1 - won.mean()) / won.sum()))) if won.sum() else 1.0
    return Metrics(
        leads=len(won),
        wins=int(won.sum()),
        log_loss=loss,
        skill=1 - loss / constant,
        brier=float(brier_score_loss(won, probability)),
        predicted_to_observed=None if ratio is None else 1 / ratio,
        observed_to_expected=ratio,
        observed_to_expected_low=None if ratio is None else ratio / margin,
        observed_to_expected_high=None if ratio is None else ratio * margin,
        auc=float(roc_auc_score(won, probability)) if both else None,
        slope=slope,
        intercept=intercept,
    )


def _recalibration(won: FloatArray, probability: FloatArray) -> tuple[float | None, float | None]:
    """Intercept and slope of the outcome regressed on the log-odds; None for constant
    probabilities, which have no slope."""
    logit = np.log(probability / (1 - probability))
    if np.ptp(logit) < 1e-9:
        return None, None
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(logit[:, None], won)
    return float(fitted.intercept_[0]), float(fitted.coef_[0, 0])


def bootstrap(
    won: FloatArray,
    probability: FloatArray,
    base: float,
    person: IntArray | None = None,
    *,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """95% confidence intervals of metrics by their names in `Metrics`, from a bootstrap of people
    (Efron 1979).

    `person` (n,) numbers the people: the rows of one are drawn together. A metric that is
    undefined in some draw, because it holds only wins or only losses, is left out.
    """
    probability = np.clip(probability, 1e-6, 1 - 1e-6)
    constant = log_losses(np.full(len(won), logit_of(np.clip(base, 1e-6, 1 - 1e-6))), won)
    loss = log_losses(logit_of(probability), won)
    squares = (probability - won) ** 2
    drawn: dict[str, list[float]] = {
        name: [] for name in ("log_loss", "skill", "brier", "observed_to_expected", "auc")
    }
    auc = WeightedAUC(won, probability)
    for weights in _redrawn(len(won), person, seed):
        wins = float(weights @ won)
        drawn["log_loss"].append(float(weights @ loss / weights.sum()))
        drawn["skill"].append(1 - float((weights @ loss) / (weights @ constant)))
        drawn["brier"].append(float(weights @ squares / weights.sum()))
        drawn["observed_to_expected"].append(
            wins / float(weights @ probability) if wins else np.nan
        )
        both = 0 < wins < weights.sum()
        drawn["auc"].append(auc(weights) if both else np.nan)
    return {name: _interval(values) for name, values in drawn.items() if not np.isnan(values).any()}


class WeightedAUC:
    """The area under the ROC curve of n probabilities by the weights of their rows (n,), ties
    counted as half: that of scikit-learn, but sorted once and not at every draw."""

    def __init__(self, won: FloatArray, probability: FloatArray) -> None:
        self._won = won
        self._place = np.unique(probability, return_inverse=True)[1]

    def __call__(self, weights: FloatArray) -> float:
        """The area with these weights, of which both outcomes have some."""
        wins = np.bincount(self._place, weights * self._won)
        losses = np.bincount(self._place, weights * (1 - self._won))
        below = np.cumsum(losses) - losses / 2
        return float(wins @ below / (wins.sum() * losses.sum()))


@dataclass(frozen=True)
class Difference:
    """The log-loss difference of two models on the same leads, the other's less the first's: the
    mean, its 95% confidence interval, and the share of the bootstrap draws in which it is above 0
    (`sure`). Above 0 the first model is better.
    """

    mean: float
    low: float
    high: float
    sure: float


def difference(
    won: FloatArray,
    one: FloatArray,
    other: FloatArray,
    person: IntArray | None = None,
    *,
    seed: int = 0,
) -> Difference:
    """The log-loss difference of two models' probabilities (n,), by a paired bootstrap of people:
    both are evaluated on the same draws."""
    losses = [log_losses(logit_of(np.clip(answer, 1e-6, 1 - 1e-6)), won) for answer in (one, other)]
    less = losses[1] - losses[0]
    drawn = [float(weights @ less / weights.sum()) for weights in _redrawn(len(won), person, seed)]
    return Difference(float(less.mean()), *_interval(drawn), float(np.mean(np.array(drawn) > 0)))


def _redrawn(size: int, person: IntArray | None, seed: int) -> Iterator[FloatArray]:
    """How often each row counts, (n,), in each of `BOOTSTRAP_DRAWS` sets of people."""
    members = np.arange(size) if person is None else np.unique(person, return_inverse=True)[1]
    people = int(members.max(initial=-1)) + 1
    chance = np.random.default_rng(seed)
    for _ in range(BOOTSTRAP_DRAWS):
        times = np.bincount(chance.integers(people, size=people), minlength=people)
        yield times[members].astype(np.float64)


def _interval(drawn: list[float]) -> tuple[float, float]:
    low, high = np.quantile(drawn, [INTERVAL_TAIL, 1 - INTERVAL_TAIL])
    return float(low), float(high)


@dataclass(frozen=True)
class Split:
    """Training rows and holdout rows, as masks (n,), and the cut between them, in microseconds and
    as a day.

    The earlier rows are those whose outcome was known at the cut.
    """

    earlier: BoolArray
    later: BoolArray
    at: int
    cut: str


def split_forward(rows: TrainingRows) -> Split | None:
    """Split known rows in time into training and holdout, with a gap of the horizon; None where
    there is no time or too little on either side.

    A person in the holdout is left out of the training rows.
    """
    if not rows.timed or not len(rows.won):
        return None
    cut = int(np.quantile(rows.as_of, 1 - HOLDOUT_SHARE))
    later = rows.as_of >= cut
    earlier = rows.as_of + int((rows.horizon_days or 0) * DAY) <= cut
    earlier &= ~np.isin(rows.person, rows.person[later])
    enough = all(tells_enough(rows.won[side]) for side in (earlier, later))
    day = np.datetime64(cut, "us").astype("datetime64[D]")
    return Split(earlier & ~later, later, cut, str(day)) if enough else None


def tells_enough(won: FloatArray) -> bool:
    """Whether there are enough wins and losses (n,) to evaluate on, or to train something that is
    worth evaluating."""
    return bool(min(won.sum(), (1 - won).sum()) >= MIN_OUTCOMES)
