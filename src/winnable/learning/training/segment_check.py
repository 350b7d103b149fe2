"""Segment check: is one model for all scorecards as good as one per segment?

Measured with the ridge regression alone, on out-of-fold predictions: it is the expert that cannot
learn by itself that a column means something else in another segment, so that separate models have
their best case here, and it costs seconds. The blend weight of separate regressions is decided by
the blend.
"""

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from winnable.core.columns import FeatureTable, FloatArray, IntArray
from winnable.core.statistics import sigmoid
from winnable.data.features.training_rows import TrainingRows
from winnable.definition.decide.scorecard import Points
from winnable.learning.model.experts.encoding import Encoded, Encoding, learn_encoding
from winnable.learning.model.experts.linear import (
    MIN_OUTCOMES_PER_SEGMENT,
    fit_linear,
    fit_scorecard,
)
from winnable.learning.model.experts.predict import expert_of
from winnable.learning.model.lead_model import assign_folds
from winnable.learning.training.metrics import difference

CROSS_FIT_FOLDS = 5
MAX_LEADS_COMPARED = 5000


def compare_segments(
    features: FeatureTable, points: Points, rows: TrainingRows, seed: int
) -> str | None:
    """Whether one model for all scorecards is as good as one per segment, in words; None where
    there is one scorecard, or no segment is large enough.

    `features` and `points` belong to the training `rows`, of which the first of each lead is taken
    whose outcome is known.
    """
    known = np.flatnonzero(rows.known)
    if not len(known):
        return None
    first = known[np.unique(rows.leads[known], return_index=True)[1]]
    first = first[
        np.linspace(0, len(first) - 1, min(MAX_LEADS_COMPARED, len(first))).astype(np.int64)
    ]
    won = rows.won[first]
    card = points.card[first]
    person = rows.person[first]
    segments = [card == number for number in np.unique(card)]
    own = [
        mine
        for mine in segments
        if min(won[mine].sum(), (1 - won[mine]).sum()) >= MIN_OUTCOMES_PER_SEGMENT
    ]
    if len(segments) < 2 or not own:
        return None
    encoding = Encoding(learn_encoding(features.take(first)))
    leads = encoding.encode(features.take(first), points.logit[first])
    folds = assign_folds(won, person, CROSS_FIT_FOLDS, seed)
    with threadpool_limits(1, user_api="blas"):
        together = _out_of_fold(encoding, leads, won, folds, [np.ones(len(won), dtype=bool)])
        apart = np.where(
            np.any(own, axis=0), _out_of_fold(encoding, leads, won, folds, own), together
        )
    less = difference(won, together, apart, person, seed=seed)
    verdict = "no worse than one model per segment"
    if less.high < 0:
        verdict = "and one model per segment is significantly better"
    return (
        f"one model with the segment as a column, {verdict}: out-of-fold log-loss difference of a"
        f" ridge regression {-less.mean:+.4f} (95% CI [{-less.high:+.4f}, {-less.low:+.4f}])"
    )


def _out_of_fold(
    encoding: Encoding, leads: Encoded, won: FloatArray, folds: IntArray, parts: list[FloatArray]
) -> FloatArray:
    """Out-of-fold probabilities (n,) from regressions of each part (mask)."""
    out = np.full(len(won), won.mean())
    for part in parts:
        for fold in range(CROSS_FIT_FOLDS):
            inside = np.flatnonzero(part & (folds != fold))
            outside = np.flatnonzero(part & (folds == fold))
            weights = np.ones(len(inside))
            if np.ptp(won[inside]):
                fitted = fit_linear(leads.take(inside), won[inside], weights, encoding.level_counts)
            else:
                fitted = fit_scorecard(leads.take(inside), won[inside], weights)
            out[outside] = sigmoid(
                expert_of(fitted.part, "", encoding).predict(leads.take(outside)).logit
            )
    return out
