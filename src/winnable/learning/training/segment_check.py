"""Segment check: does one model for all scorecards answer as well as one for each?

Told by the ridge alone, on leads left out in turn: it is the expert that cannot learn by itself
that a column means another thing in another segment, so that separate models have their best case
here, and it costs seconds. How much of the say separate regressions get is decided by the blend.
"""

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from winnable.core.columns import FeatureTable, FloatArray, IntArray
from winnable.core.statistics import sigmoid
from winnable.data.features.training_rows import TrainingRows
from winnable.definition.decide.scorecard import Points
from winnable.learning.model.experts.encoding import Encoded, Encoding, learn_encoding
from winnable.learning.model.experts.linear import ALONE, fit_linear, fit_scorecard
from winnable.learning.model.experts.predict import expert_of
from winnable.learning.model.lead_model import assign_folds
from winnable.learning.training.metrics import difference

FOLDS = 5
MOST = 5000  # leads that are looked at


def compare_segments(
    features: FeatureTable, points: Points, rows: TrainingRows, seed: int
) -> str | None:
    """Whether one model for all scorecards answers as well as one for each, in words; None where
    there is one scorecard, or no segment large enough to ask.

    `features` and `points` belong to the training `rows`, of which the first of each lead is taken
    whose outcome is known.
    """
    known = np.flatnonzero(rows.known)
    if not len(known):
        return None
    first = known[np.unique(rows.leads[known], return_index=True)[1]]
    first = first[np.linspace(0, len(first) - 1, min(MOST, len(first))).astype(np.int64)]
    won, card, person = rows.won[first], points.card[first], rows.person[first]
    segments = [card == each for each in np.unique(card)]
    own = [mine for mine in segments if min(won[mine].sum(), (1 - won[mine]).sum()) >= ALONE]
    if len(segments) < 2 or not own:
        return None
    encoding = Encoding(learn_encoding(features.take(first)))
    leads, folds = (
        encoding.encode(features.take(first), points.logit[first]),
        assign_folds(won, person, FOLDS, seed),
    )
    with threadpool_limits(1, user_api="blas"):
        together = _left_out(encoding, leads, won, folds, [np.ones(len(won), dtype=bool)])
        apart = np.where(np.any(own, axis=0), _left_out(encoding, leads, won, folds, own), together)
    less = difference(won, together, apart, person, seed=seed)
    better = "and separate ones are better" if less.high < 0 else "no worse than separate ones"
    how = "a regression's log loss on leads left out in turn is"
    return (
        f"one model with the segment as a column, {better}: {how} {less.mean:+.4f} lower"
        f" ({less.low:+.4f} to {less.high:+.4f})"
    )


def _left_out(
    encoding: Encoding, leads: Encoded, won: FloatArray, folds: IntArray, parts: list[FloatArray]
) -> FloatArray:
    """Probabilities (n,) from regressions of each part (mask), for its leads in the fold that was
    left out."""
    out = np.full(len(won), won.mean())
    for part in parts:
        for fold in range(FOLDS):
            inside, outside = (
                np.flatnonzero(part & (folds != fold)),
                np.flatnonzero(part & (folds == fold)),
            )
            weights = np.ones(len(inside))
            if np.ptp(won[inside]):
                fitted = fit_linear(leads.take(inside), won[inside], weights, encoding.level_counts)
            else:
                fitted = fit_scorecard(leads.take(inside), won[inside], weights)
            out[outside] = sigmoid(
                expert_of(fitted.part, "", encoding).predict(leads.take(outside)).logit
            )
    return out
