"""Intervals: how far the share won among leads that are scored alike may lie from the score.

The interval is about that share, not about the one lead, which is won or not. `fit_bands` measures,
at points along the out-of-fold scores, how well the leads around each of them tell it. It does not
know how the score of one lead would move had others been learned from: `Scorer.answer` adds that.
"""

import numpy as np
from scipy.stats import beta as beta_distribution

from winnable.core.columns import FloatArray, IntArray
from winnable.core.statistics import logit_of, sigmoid
from winnable.learning.model.scorer import UNKNOWN_BAND

COVERAGE = 0.8
"""How often the share won is to lie in the interval."""

MIN_ROWS_FOR_BANDS = 20
"""Rows below which nothing is said of how far a score may be off."""

NEIGHBOURS = 0.05
"""Of the rows, those on either side of a score that count as scored alike: a tenth of them in the
middle, a twentieth at the ends, where the next score is far."""

MIN_PEOPLE_ALIKE = 15
"""People that stand on either side at least: of fewer, chance tells more than the scores do."""

POINTS = 21
"""Scores, evenly spread over the rows, at which the interval is measured."""

PRIOR_PEOPLE = 2.0
"""People for which the score itself counts: without them a share of 0 had no upper end."""


def fit_bands(logit: FloatArray, weights: FloatArray, people: IntArray) -> dict[str, list[float]]:
    """The distances in log-odds from scores `at` to the ends of their intervals, `below` and
    `above`.

    All arrays are (n,): out-of-fold log-odds, weights, and a number for each row's
    person. The rows of one person share one outcome, so that people count and not rows: the weight
    of the rows alike, where all rows together weigh as much as there are people, but no more than
    the effective number of the people among them (Kish 1965, Survey Sampling). The interval is the
    Beta's whose mean is the score: how far these people's share would lie from the truth by chance.
    The score, to which all leads contribute, is closer to it than that share. What was observed is
    therefore not its centre, which in a simulated world cost a third of the width
    (`tests/benchmarks/test_intervals.py`).
    """
    if len(logit) < MIN_ROWS_FOR_BANDS:
        return UNKNOWN_BAND
    person = np.unique(people, return_inverse=True)[1]
    counted = int(np.count_nonzero(np.bincount(person, weights)))
    total = float(weights.sum())
    if not counted:
        return UNKNOWN_BAND
    per_weight = min(1.0, counted / total)
    share = max(NEIGHBOURS, MIN_PEOPLE_ALIKE / min(counted, total))
    reach = int(np.ceil(len(logit) * min(share, 1.0)))
    order = np.argsort(logit, kind="stable")
    ends = []
    for place in np.linspace(0, len(logit) - 1, POINTS).astype(int):
        alike = order[max(0, place - reach) : place + reach + 1]
        mass = float(weights[alike].sum()) + 1e-9
        mean = float(np.clip(weights[alike] @ sigmoid(logit[alike]) / mass, 1e-6, 1 - 1e-6))
        of_people = np.bincount(person[alike], weights[alike])
        effective = mass**2 / (float(of_people @ of_people) + 1e-9)
        number = min(mass * per_weight, effective) + PRIOR_PEOPLE
        tails = [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]
        low, high = beta_distribution.ppf(tails, number * mean, number * (1 - mean))
        ends.append([logit_of(np.clip(end, 1e-9, 1 - 1e-9)) for end in (low, mean, high)])
    low, at, high = np.array(ends).T
    below = np.maximum(at - low, 0.0)
    above = np.maximum(high - at, 0.0)
    return {"at": at.tolist(), "below": below.tolist(), "above": above.tolist()}
