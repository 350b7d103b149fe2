"""What the service takes and gives, as typed schemas: separate ones for the way in and the way out."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
MOST_LEADS = 1000


class ActivityIn(BaseModel):
    """One thing that the lead did: what kind, when, and when the CRM learned of it if that was later."""

    model_config = ConfigDict(extra="ignore")
    kind: str
    at: AwareDatetime
    recorded: AwareDatetime | None = None


class ScoreRequest(BaseModel):
    """Leads to be scored, with the CRM's own column names; `activities` of a lead is optional."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "leads": [{"Lead ID": "L1", "Industry": "Software", "activities": [{"kind": "Pricing page", "at": "2026-06-01T12:00:00Z"}]}],
                    "as_of": "2026-06-30T00:00:00Z",
                }
            ]
        },
    )
    leads: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_LEADS)]
    as_of: AwareDatetime | None = Field(None, description="The moment for which the probability is asked; now, if not given.")


class ReasonOut(BaseModel):
    """One thing that moves the score; `log_odds` above 0 raises it, and is null where rules gave points instead."""

    says: str
    log_odds: float | None


class ScoreOut(BaseModel):
    """The answer for one lead: the probability of Closed Won within the model's horizon and what to do."""

    lead_id: str
    probability: Probability
    low: Probability
    high: Probability
    probability_winnable: Probability | None
    grade: str
    decision: str
    because: str
    reasons: list[ReasonOut]


class LeadError(BaseModel):
    """Why the lead at this place of the request has no score."""

    index: int
    detail: str


class ModelOut(BaseModel):
    """Who answered: the version, whether by rules, blend or what was learned, why, and the horizons in days."""

    version: str
    fingerprint: str
    mode: str
    why: str
    horizon_days: float | None
    winnable_days: float | None


class ScoreResponse(BaseModel):
    """Scores in the order of the request's leads, null where `errors` says why, and what was not understood."""

    model: ModelOut
    as_of: str
    scores: list[ScoreOut | None]
    errors: list[LeadError]
    warnings: list[str]


class Problem(BaseModel):
    """RFC 9457: what was wrong with a request, without repeating any of its values."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
