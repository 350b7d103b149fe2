"""What the service gives, as typed schemas for its documentation; what it takes is described by `openapi` for the live model."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Probability = Annotated[float, Field(ge=0, le=1)]


class ReasonOut(BaseModel):
    """One thing that moves the score; `log_odds` above 0 raises it, and is null where rules gave points instead."""

    says: str
    log_odds: float | None


class ScoreOut(BaseModel):
    """The answer for one lead: the probability of Closed Won and what to do.

    `probability` is that within the model's `horizon_days`, between `low` and `high`; `probability_winnable` that within
    `winnable_days`, null where the history has no dates. `score_id` is unique and sorts by time.
    """

    score_id: str
    lead_id: str
    probability: Probability
    low: Probability
    high: Probability
    probability_winnable: Probability | None
    grade: str
    decision: Literal["pass", "nurture", "recycle", "discard"]
    because: str
    reasons: list[ReasonOut]


class Problem(BaseModel):
    """RFC 9457: what was wrong with a request, without repeating any of its values."""

    type: str
    title: str
    status: int
    detail: str


class LeadProblem(Problem):
    """Why the lead at this place of the request has no score."""

    index: int


class ModelOut(BaseModel):
    """Who answered: the version, whether by rules, blend or what was learned, why, and the horizons in days."""

    version: str
    fingerprint: str
    mode: Literal["rules", "blend", "learned"]
    why: str
    horizon_days: float | None
    winnable_days: float | None


class ScoreResponse(BaseModel):
    """Scores in the order of the request's leads, null where `errors` says why, and what was not understood."""

    model: ModelOut
    as_of: str
    scores: list[ScoreOut | None]
    errors: list[LeadProblem]
    warnings: list[str]


class ColumnOut(BaseModel):
    """A column of the CRM that the model looks at; `learned` is false where only rules do."""

    name: str
    kind: Literal["number", "words", "moment"]
    learned: bool


class ModelCard(ModelOut):
    """The model in charge: besides who it is, its columns and measures, and the card of its training: when, on what, how good."""

    columns: list[ColumnOut]
    measures: list[str]
    card: dict[str, Any]


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether the service is as it should be; `problems` says what is not. Scores are given all the same."""

    status: Literal["ready", "degraded"]
    version: str
    mode: str
    problems: list[str]
