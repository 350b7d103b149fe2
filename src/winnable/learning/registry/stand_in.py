"""The stand-in: the base rate or the scorecard as a model of its own, which answers where the first
model that was trained is worse than it.

It is made from the candidate: the same definition, columns and win-time curve, and nothing learned
but a rate. Whether it is needed is decided in `champion_challenger`.
"""

from dataclasses import replace

import numpy as np

from winnable.core.statistics import logit_of
from winnable.learning.artifacts.artifact import Artifact
from winnable.learning.artifacts.card import ModelCard
from winnable.learning.model.calibration import identity
from winnable.learning.model.scorer import UNKNOWN_BAND
from winnable.learning.model.spec import ModelSpec
from winnable.learning.training.train import Candidate

SCORECARD = "the scorecard"
BASE_RATE = "the base rate"

STANDS_IN = "stands_in"
"""Key of the model card of a stand-in, whose value is the baseline that answers."""


def is_stand_in(card: ModelCard) -> bool:
    """Whether this is the card of a stand-in."""
    return STANDS_IN in card.others


def stand_in(candidate: Candidate, baseline: str) -> Candidate:
    """The candidate with a baseline in place of what it learned."""
    spec = candidate.artifact.spec
    evaluation = candidate.evaluation
    if evaluation is None:
        raise ValueError("a model without an evaluation is worse than nothing")
    answers = evaluation.rules
    rate = {"kind": "rules", "intercept": 0.0, "slope": 1.0}
    if baseline == BASE_RATE:
        answers = np.full_like(evaluation.rules, evaluation.base)
        rate = {"kind": "rules", "intercept": float(logit_of(spec.card.base_rate)), "slope": 0.0}
    evaluation = replace(evaluation, candidate=answers)
    why = f"the model that was trained is worse than {baseline}, which answers in its place"
    model = ModelSpec(
        mode="rules" if baseline == SCORECARD else "learned",
        why=why,
        encoding={"numbers": [], "words": []},
        experts={"rules": rate},
        base=0.0,
        weights={"rules": 1.0},
        calibration=identity(),
        interval=UNKNOWN_BAND,
    )
    card = replace(
        spec.card,
        measured={name: found.metrics() for name, found in evaluation.measured().items()},
        doubt=f"{why[0].upper()}{why[1:]}.",
        others={**spec.card.others, STANDS_IN: baseline},
    )
    artifact = Artifact.of(replace(spec, model=model, card=card), {})
    return replace(
        candidate,
        artifact=artifact,
        evaluation=evaluation,
        report={"mode": model.mode, "why": model.why},
    )
