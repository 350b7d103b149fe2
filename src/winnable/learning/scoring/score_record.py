"""One score: as a response shows it, and as the feedback store keeps it together with its inputs.

Batches (`publish`) and the service (`service.scoring`) use both. Imports no database.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from winnable.data.features.plan import FeaturePlan
from winnable.data.feedback.lead_names import LeadDisplay
from winnable.data.feedback.store.records import ScoreRecord
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    from winnable.learning.scoring.predictor import Scores

BECAUSE_CLOSED = (
    "It is closed already; the score says what was known at the time, not what happened."
)


def to_response(scores: "Scores", place: int, lead_id: str | None, score_id: str) -> dict[str, Any]:
    """The response for the lead at `place` among the `scores`, as plain JSON types."""
    decision = scores.decision[place]
    cell = None if scores.grid is None else scores.grid[place]
    return {
        "score_id": score_id,
        "lead_id": lead_id,
        "probability": float(scores.probability[place]),
        "low": float(scores.low[place]),
        "high": float(scores.high[place]),
        "probability_winnable": None if scores.winnable is None else float(scores.winnable[place]),
        "grade": scores.grade[place],
        "decision": decision.action,
        "because": decision.because,
        "start": None if scores.start is None else float(scores.start[place]),
        "rest": None if scores.rest is None else float(scores.rest[place]),
        "reasons": [reason.to_json() for reason in scores.reasons[place]],
        **({} if cell is None else {"grid": cell.to_json()}),
    }


@dataclass(frozen=True)
class ScoreOrigin:
    """Which model gave a score and in which mode, for which moment, and when."""

    mode: str
    version: str
    as_of: datetime
    given_at: datetime


def kept_fields(plan: FeaturePlan, definition: Definition) -> tuple[str, ...]:
    """The columns whose values are kept with a score: those that the model looks at, and when the
    lead was created and its status, which tell people apart the leads of one person."""
    roles = definition.columns
    named = filter(None, (roles.created, roles.status))
    return tuple(dict.fromkeys([*(field.name for field in plan.fields), *named]))


def to_score_record(
    response: Mapping[str, Any],
    origin: ScoreOrigin,
    *,
    plate: LeadDisplay,
    fields: Iterable[str],
    values: Mapping[str, Any],
    activities: tuple[dict[str, Any], ...],
) -> ScoreRecord:
    """The record of a `to_response`; of the lead's `values` it keeps the `fields` (`kept_fields`)
    that are there. What is left over by the reasons follows from the others and is not kept, nor is
    what an earlier score says."""
    answer = {name: value for name, value in response.items() if name not in {"rest", "change"}}
    return ScoreRecord(
        **{**answer, "reasons": tuple(response["reasons"])},
        as_of=origin.as_of,
        given_at=origin.given_at,
        mode=origin.mode,
        version=origin.version,
        person=plate.person,
        values={name: values[name] for name in fields if values.get(name) is not None},
        activities=activities,
        name=plate.name,
        owner=plate.owner,
        source=plate.source,
        account=plate.account,
        account_name=plate.account_name,
    )
