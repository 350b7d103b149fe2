"""The learning curve: would more leads help? Models learned from parts of the data, judged on the
same leads that none has seen.

A check of the published minimum (`readiness`) on the data themselves. Nothing is decided by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from winnable.core.columns import BoolArray, FeatureTable, FloatArray
from winnable.core.progress import Progress, named_step, no_progress
from winnable.core.statistics import sigmoid
from winnable.learning.model.experts.encoding import Encoding, learn_encoding
from winnable.learning.model.experts.linear import fit_linear
from winnable.learning.model.experts.predict import expert_of
from winnable.learning.model.lead_model import LeadModel

MOST_LEADS = 2000
"""More leads than this to learn from do not show more clearly whether more would help."""


@dataclass(frozen=True)
class CurvePoint:
    """What a model learned from so many leads and wins saves of the base rate's log loss on leads
    that it has not seen."""

    leads: int
    wins: int
    saved: float


def learning_curve(
    features: FeatureTable,
    won: BoolArray,
    *,
    steps: int = 4,
    seed: int = 0,
    quick: bool = False,
    progress: Progress = no_progress,
) -> tuple[CurvePoint, ...]:
    """Learn from an eighth, a quarter, half and all of at most `MOST_LEADS` leads, and judge each model
    on the same fifth left out.

    `features` of n leads, one row each, and whether they were `won`, shape (n,); a point for each
    of `steps` parts, smallest first. Empty where there are too few outcomes to judge by. The rules
    are taken as the base rate alone. `quick`: by the ridge alone, which takes a second where the
    whole model may take a minute.
    """
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(won))[: ceil(1.25 * MOST_LEADS)]
    judged, rest = order[: len(order) // 5], order[len(order) // 5 :]
    if min(won[judged].sum(), (~won[judged]).sum()) < 5:
        return ()
    points = []
    for step in range(steps - 1, -1, -1):
        rows = rest[: len(rest) // 2**step]
        outcome, rules = won[rows].astype(np.float64), np.zeros(len(rows))
        if quick:
            answer = _by_ridge(features.take(rows), outcome, features.take(judged))
        else:
            told = named_step(f"Learning from {len(rows):,} leads", progress)
            model = LeadModel(seed=seed, threads=1).fit(
                features.take(rows), outcome, rules, progress=told
            )
            answer = model.probability(features.take(judged), np.zeros(len(judged)))
        rate = (won[rest].sum() + 1) / (len(rest) + 2)
        saved = 1 - _loss(answer, won[judged]) / _loss(np.full(1, rate), won[judged])
        points.append(CurvePoint(len(rows), int(outcome.sum()), saved))
    return tuple(points)


def _by_ridge(features: FeatureTable, won: FloatArray, judged: FeatureTable) -> FloatArray:
    """What a ridge of these leads says of the judged ones; the rate where only wins or only losses
    teach it."""
    if np.ptp(won) == 0:
        return np.full(judged.size, (won.sum() + 1) / (len(won) + 2))
    encoding = Encoding(learn_encoding(features))
    leads = encoding.encode(features, np.zeros(features.size))
    part = fit_linear(leads, won, np.ones(len(won)), encoding.level_counts).part
    return sigmoid(
        expert_of(part, "", encoding).predict(encoding.encode(judged, np.zeros(judged.size))).logit
    )


def _loss(probability: FloatArray, won: BoolArray) -> float:
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(won, np.log(p), np.log(1 - p))))
