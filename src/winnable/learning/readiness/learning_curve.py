"""The learning curve: would more leads help? Models trained on growing parts of the data, evaluated
on the same leads left out.

A check of the published minimum sample size (`readiness`) on the data themselves. Nothing is
decided by it.
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
from winnable.learning.model.lead_model import LeadModel, TrainingData

MIN_HOLDOUT_OUTCOMES = 5
"""Wins, and losses, without which the holdout tells nothing."""

MAX_LEADS = 2000
"""More training leads than this do not show more clearly whether more would help."""


@dataclass(frozen=True)
class CurvePoint:
    """The skill (log-loss reduction against the base rate) of a model trained on so
    many leads and wins, on the holdout."""

    leads: int
    wins: int
    skill: float


def learning_curve(
    features: FeatureTable,
    won: BoolArray,
    *,
    steps: int = 4,
    seed: int = 0,
    quick: bool = False,
    progress: Progress = no_progress,
) -> tuple[CurvePoint, ...]:
    """Train on an eighth, a quarter, half and all of at most `MAX_LEADS` leads, and evaluate each
    model on the same holdout of a fifth.

    `features` of n leads, one row each, and whether they were `won`, shape (n,); a point for each
    of `steps` parts, smallest first. Empty where there are too few outcomes to evaluate on. The
    scorecard is taken as the base rate alone. `quick`: the ridge regression alone, which takes a
    second where the whole model may take a minute.
    """
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(won))[: ceil(1.25 * MAX_LEADS)]
    holdout = order[: len(order) // 5]
    rest = order[len(order) // 5 :]
    if min(won[holdout].sum(), (~won[holdout]).sum()) < MIN_HOLDOUT_OUTCOMES:
        return ()
    points = []
    for step in range(steps - 1, -1, -1):
        rows = rest[: len(rest) // 2**step]
        outcome = won[rows].astype(np.float64)
        rules = np.zeros(len(rows))
        if quick:
            answer = _by_ridge(features.take(rows), outcome, features.take(holdout))
        else:
            named = named_step(f"Training on {len(rows):,} leads", progress)
            model = LeadModel(seed=seed, threads=1).fit(
                TrainingData(features.take(rows), outcome, rules), progress=named
            )
            answer = model.probability(features.take(holdout), np.zeros(len(holdout)))
        rate = (won[rest].sum() + 1) / (len(rest) + 2)
        skill = 1 - _loss(answer, won[holdout]) / _loss(np.full(1, rate), won[holdout])
        points.append(CurvePoint(len(rows), int(outcome.sum()), skill))
    return tuple(points)


def _by_ridge(features: FeatureTable, won: FloatArray, holdout: FeatureTable) -> FloatArray:
    """The predictions of a ridge regression trained on these leads for the holdout; the base rate
    where there are only wins or only losses."""
    if np.ptp(won) == 0:
        return np.full(holdout.size, (won.sum() + 1) / (len(won) + 2))
    encoding = Encoding(learn_encoding(features))
    leads = encoding.encode(features, np.zeros(features.size))
    part = fit_linear(leads, won, np.ones(len(won)), encoding.level_counts).part
    return sigmoid(
        expert_of(part, "", encoding)
        .predict(encoding.encode(holdout, np.zeros(holdout.size)))
        .logit
    )


def _loss(probability: FloatArray, won: BoolArray) -> float:
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(won, np.log(p), np.log(1 - p))))
