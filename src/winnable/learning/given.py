"""One score that was given, as the feedback store keeps it: a predictor's answer for one lead, with what it was made of.

Batches (`inbox`) and the service (`service.recording`) keep their scores by it. Imports no database.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from winnable.history.feedback_records import GivenScore
from winnable.history.nameplates import Nameplate
from winnable.learning.predictor import Predictor, Scores


def given_score(
    predictor: Predictor,
    scores: Scores,
    place: int,
    *,
    score_id: str,
    lead_id: str,
    as_of: datetime,
    given_at: datetime,
    plate: Nameplate,
    values: Mapping[str, Any],
    activities: tuple[dict[str, Any], ...],
) -> GivenScore:
    """The answer at `place` among the `scores`; of the lead's `values`, what the model looks at and what is there."""
    decision = scores.decision[place]
    return GivenScore(
        score_id=score_id,
        lead_id=lead_id,
        as_of=as_of,
        given_at=given_at,
        probability=float(scores.probability[place]),
        low=float(scores.low[place]),
        high=float(scores.high[place]),
        probability_winnable=None if scores.winnable is None else float(scores.winnable[place]),
        grade=scores.grade[place],
        decision=decision.action,
        because=decision.because,
        mode=scores.mode,
        version=predictor.version,
        person=plate.person,
        reasons=tuple({"says": each.says, "log_odds": each.log_odds} for each in scores.reasons[place]),
        values={field.name: values[field.name] for field in predictor.plan.fields if values.get(field.name) is not None},
        activities=activities,
        name=plate.name,
        owner=plate.owner,
        source=plate.source,
    )
