"""What the service gives, as typed schemas for its documentation; what it takes is described by
`openapi` for the live model."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from winnable.core.values import text
from winnable.data.feedback.store.leads import SortAsked
from winnable.data.feedback.store.records import (
    LONGEST_ID,
    LONGEST_NAME,
    LONGEST_NOTE,
    Label,
    LabelName,
    Origin,
    Queue,
    State,
)
from winnable.definition.grid import CELLS, NAMES
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    from winnable.data.feedback.store.leads import LeadPage, LeadRow

Probability = Annotated[float, Field(ge=0, le=1)]


class ReasonOut(BaseModel):
    """One thing that is known of the lead and moves its score, in words and for machines: the
    `feature` (a column, a kind of activity, the account, a rule), the lead's `value` of it, null
    where it is not known or no single value, and the `effect`, what it adds to the probability of
    a typical lead.

    `log_odds` is the same in log-odds, and null where rules gave points instead, which are then the
    `value`.
    """

    says: str
    feature: str
    value: str | float | None
    effect: float
    log_odds: float | None


class ChangePartOut(BaseModel):
    """One thing that moved a score since an earlier one, as a reason: `cause` is "fact" (something
    became known, or happened), "time" (only time passed) or "model" (another model scored, and
    there is no `feature`), `before` the value at the earlier score."""

    says: str
    cause: Literal["fact", "time", "model"]
    feature: str | None
    value: str | float | None
    before: str | float | None
    effect: float
    log_odds: float | None


class ChangeOut(BaseModel):
    """Why a score differs from an earlier one of the lead, which `score_id`, `as_of`, `version` and
    `probability` tell of.

    `effect` is the difference of the two probabilities, to which the effects of the `parts`, the
    strongest first, and `rest` add up. `parts` is null where those of the earlier score were not
    kept: it was given without reasons, or by an earlier version.
    """

    says: str
    score_id: str
    as_of: str
    version: str
    probability: Probability
    effect: float
    parts: list[ChangePartOut] | None
    rest: float


class GridOut(BaseModel):
    """Fit and engagement apart: the cell, A1 to D4, and what the company calls it ("" for nothing).

    `fit`, `interest`, `intent` and `behaviour` (other than those two) are odds ratios against a
    typical open lead, or, where the scorecard answers, against the average lead that the definition
    expects; the last three multiply to `engagement`. `points` are then those of the scorecard, by
    the same four (fit is "profile"), else null.
    """

    cell: Literal[CELLS]  # type: ignore[valid-type]
    says: str
    fit: float
    engagement: float
    interest: float
    intent: float
    behaviour: float
    points: dict[Literal["profile", "interest", "intent", "behaviour"], float] | None


class KeptReason(BaseModel):
    """A reason as it was kept; those of earlier versions have words and log-odds only."""

    says: str
    feature: str | None = None
    value: str | float | None = None
    effect: float | None = None
    log_odds: float | None


class AnyScore(BaseModel):
    """The probability of Closed Won and what to do.

    `probability` is that within the model's `horizon_days`, between `low` and `high`;
    `probability_winnable` that within `winnable_days`, null where the history has no dates.
    `score_id` is unique and sorts by time; `lead_id` is null for a lead without an id. "closed" is
    a lead that was won or lost by the moment of scoring. `start` is the probability of a typical
    open lead, from which the effects of the reasons count: the mean over those that were open when
    the model was trained, or, with fewer than 50, over the latest leads; where the scorecard
    answers, that of a lead without points. It is null without reasons, and for a model of an
    earlier version.
    """

    score_id: str
    lead_id: str | None
    probability: Probability
    low: Probability
    high: Probability
    probability_winnable: Probability | None
    grade: str
    decision: Literal["pass", "nurture", "recycle", "discard", "closed"]
    because: str
    start: Probability | None


class ScoreOut(AnyScore):
    """The answer for one lead. The effects of the `reasons` and `rest`, that of everything else,
    add up from `start` to `probability`. `change` is there where the request says since when; it is
    null for a lead without an earlier score. `grid` is there where the definition has a grid and
    reasons are given."""

    rest: float | None
    reasons: list[ReasonOut]
    change: ChangeOut | None = None
    grid: GridOut | None = None


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
    """The model that scored: its version, its type (rules, blend or learned) and why, and the
    horizons in days."""

    version: str
    fingerprint: str
    mode: Literal["rules", "blend", "learned"]
    why: str
    horizon_days: float | None
    winnable_days: float | None


class ScoreResponse(BaseModel):
    """Scores in the order of the request's leads, null where `errors` says why, and what was not
    understood."""

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
    """The live model with its columns, its activity aggregates, and its model card: trained when,
    on what, how good."""

    columns: list[ColumnOut]
    measures: list[str]
    card: dict[str, Any]


class HealthOut(BaseModel):
    """The process is alive."""

    status: Literal["ok"]


class ReadinessOut(BaseModel):
    """Whether the service is as it should be; `problems` says what is not. Scores are given all the
    same."""

    status: Literal["ready", "degraded"]
    version: str
    mode: str
    problems: list[str]


Id = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]


def _number_as_text(value: Any) -> Any:
    """An id that a CRM writes as a number, as `POST /score` reads it: 7 is "7"."""
    return text(value) if type(value) in (int, float) else value


LeadId = Annotated[
    Id,
    BeforeValidator(_number_as_text),
    WithJsonSchema({"type": ["string", "integer"], "minLength": 1, "maxLength": LONGEST_ID}),
]


class LabelIn(BaseModel):
    """A label for a lead: an opinion (accepted, rejected, junk) or an outcome (won,
    lost); "withdrawn" takes back.

    `score_id` is the score that it answers, `replaces` the label that it corrects. A reason for
    "rejected" is one of the definition's. Without `at` it is so now.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    lead_id: LeadId
    label: LabelName
    by: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    score_id: Id | None = None
    reason: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] | None = None
    at: Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})] | None = (
        None
    )
    replaces: Id | None = None


class LabelOut(BaseModel):
    """A stored label."""

    label_id: str
    lead_id: str
    score_id: str | None
    label: LabelName
    reason: str | None
    note: str | None
    by: str
    at: datetime
    recorded_at: datetime
    origin: Origin
    replaces: str | None

    @classmethod
    def of(cls, label: Label) -> Self:
        """The schema of a label."""
        return cls.model_validate(label, from_attributes=True)


class LeadListQuery(BaseModel):
    """Which leads are asked for. `search` is part of a name or an id; "open" leads are new,
    returned or accepted.

    `queue` is who works them: sales, or marketing, which has leads to nurture and those that sales
    has given back. Without a `state`, those of a queue are in any, else only the open ones. `grid`
    is a cell of the grid (A1), a letter (A) or a number (1); sorted by grid, leads of the best cell
    come first.
    """

    model_config = ConfigDict(extra="forbid")

    search: Annotated[str, Field(max_length=LONGEST_NAME)] = ""
    owner: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None
    source: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None
    state: Literal["open", "all"] | State | None = None
    queue: Literal["marketing"] | Queue | None = None
    decision: Literal["pass", "nurture", "recycle", "discard"] | None = None
    page: Annotated[int, Field(ge=1, le=100_000)] = 1
    size: Annotated[int, Field(ge=1, le=200)] = 50
    grid: Literal[NAMES] | None = None  # type: ignore[valid-type]
    sort: SortAsked = "probability"


class KeptScore(AnyScore):
    """A score as it was given, for which moment and by which model."""

    reasons: list[KeptReason]
    as_of: datetime
    given_at: datetime
    mode: str
    version: str
    grid: Annotated[GridOut | None, Field(exclude_if=lambda grid: grid is None)] = None


class LeadOut(BaseModel):
    """A lead with its last score (null if it was only ever labelled), the probability a week
    before, and what counts of its labels.

    `queue` is who works it, `before` what was said before it came back, if it did. `comes_back`
    says in words what would bring an answered lead back, `returns_at` when it will, where that is
    known; both are null if it never comes back.
    """

    lead_id: str
    state: State
    name: str | None
    owner: str | None
    source: str | None
    score: KeptScore | None
    week_ago: Probability | None
    label: LabelOut | None
    before: LabelOut | None
    queue: Queue | None
    returns_at: datetime | None
    comes_back: str | None

    @classmethod
    def of(cls, lead: "LeadRow", definition: Definition) -> Self:
        """The schema of a lead."""
        score = lead.score
        named = (None, None, None) if score is None else (score.name, score.owner, score.source)
        return cls(
            lead_id=lead.lead_id,
            state=lead.state,
            name=named[0],
            owner=named[1],
            source=named[2],
            score=None if score is None else KeptScore.model_validate(score, from_attributes=True),
            week_ago=lead.week_ago,
            label=None if lead.label is None else LabelOut.of(lead.label),
            before=None if lead.before is None else LabelOut.of(lead.before),
            queue=lead.queue,
            returns_at=lead.returns_at,
            comes_back=lead.comes_back(definition) or None,
        )


class LeadsOut(BaseModel):
    """A page of leads; `more` says whether another follows. `total` counts all of them, up to
    1,000, beyond which `uncounted` is true."""

    leads: list[LeadOut]
    page: int
    more: bool
    total: int
    uncounted: bool

    @classmethod
    def of(cls, page: "LeadPage", definition: Definition) -> Self:
        """The schema of a page; the definition says when leads come back."""
        leads = [LeadOut.of(lead, definition) for lead in page.leads]
        return cls(
            leads=leads, page=page.page, more=page.more, total=page.total, uncounted=page.uncounted
        )
