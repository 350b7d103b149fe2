"""The HTTP service: takes leads, answers with scores; runs by `winnable serve` or any ASGI server with `create_app` as factory.

The routes validate bodies themselves and answer with ready bytes, which is where most of a small service's time would go. Nothing that a
lead holds is repeated in an error. It imports neither mlflow nor pandas nor scikit-learn.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException

from winnable.history.features import Activity
from winnable.learning.predictor import Predictor
from winnable.service.champion import ChampionFollower
from winnable.service.schemas import (
    ActivityIn, LeadError, ModelOut, Problem, ReasonOut, ScoreOut, ScoreRequest, ScoreResponse,
)  # fmt: skip

ACTIVITIES = "activities"
_ACTIVITIES = TypeAdapter(list[ActivityIn])
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "content": {"application/problem+json": {}}, "description": text}
    for code, text in ((400, "The body is not JSON"), (422, "The body is not what the schema says"))
}


def create_app(store: Path | None = None, definition: Path | None = None) -> FastAPI:
    """The application for a store; both places come from `WINNABLE_STORE` and `WINNABLE_DEFINITION` where they are not given."""
    place = store or Path(os.environ.get("WINNABLE_STORE", "models"))
    agreed = definition or (Path(os.environ["WINNABLE_DEFINITION"]) if "WINNABLE_DEFINITION" in os.environ else None)
    follower = ChampionFollower(place, agreed)
    app = FastAPI(title="winnable", summary="The probability that a lead becomes Closed Won.", version="0.1.0")
    body = {"content": {"application/json": {"schema": ScoreRequest.model_json_schema()}}, "required": True}

    @app.post("/score", response_model=ScoreResponse, responses=_PROBLEMS, openapi_extra={"requestBody": body})
    async def score(request: Request) -> Response:
        """Score one to 1,000 leads."""
        asked = ScoreRequest.model_validate_json(await request.body())
        reasons = request.query_params.get("reasons", "true") != "false"
        answer = answer_request(follower.current(), asked, datetime.now(UTC), reasons=reasons)
        return Response(answer.model_dump_json(), media_type="application/json")

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """The card of the model in charge."""
        predictor = follower.current()
        return {**_model_of(predictor).model_dump(), "card": dict(predictor.card)}

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz(response: Response) -> dict[str, str | None]:
        """Whether the model in charge is the store's champion; 503 and the reason if an older one goes on."""
        predictor = follower.current()
        response.status_code = 503 if follower.problem else 200
        return {"version": predictor.version, "problem": follower.problem}

    app.add_exception_handler(ValidationError, _unprocessable)
    app.add_exception_handler(HTTPException, _refused)
    return app


def answer_request(predictor: Predictor, asked: ScoreRequest, now: datetime, *, reasons: bool) -> ScoreResponse:
    """The scores of a request's leads; a lead whose activities cannot be read gets an error of its own."""
    as_of = asked.as_of or now
    read = [_read_lead(lead) for lead in asked.leads]
    good = [each for each in read if each.fault is None]
    facts = predictor.facts([each.values for each in good], [each.activities for each in good], [as_of] * len(good))
    ids = [_id_of(predictor, each.values, index) for index, each in enumerate(read) if each.fault is None]
    scores = predictor.score(facts, ids, reasons=reasons)
    told = iter(
        ScoreOut.model_construct(
            lead_id=ids[i],
            probability=float(scores.probability[i]),
            low=float(scores.low[i]),
            high=float(scores.high[i]),
            probability_winnable=None if scores.winnable is None else float(scores.winnable[i]),
            grade=scores.grade[i],
            decision=scores.decision[i].action,
            because=scores.decision[i].because,
            reasons=[ReasonOut.model_construct(says=each.says, log_odds=each.log_odds) for each in scores.reasons[i]],
        )
        for i in range(len(good))
    )
    return ScoreResponse.model_construct(
        model=_model_of(predictor),
        as_of=as_of.astimezone(UTC).isoformat(),
        scores=[next(told) if each.fault is None else None for each in read],
        errors=[LeadError(index=i, detail=each.fault) for i, each in enumerate(read) if each.fault is not None],
        warnings=_warnings(predictor, asked.leads),
    )


@dataclass(frozen=True)
class _Read:
    values: Mapping[str, object]
    activities: Sequence[Activity]
    fault: str | None


def _read_lead(lead: Mapping[str, Any]) -> _Read:
    """A lead's values and activities, or what is wrong with them, in words that repeat none of them."""
    values = {name: value for name, value in lead.items() if name != ACTIVITIES}
    nested = sorted(name for name, value in values.items() if isinstance(value, list | dict))
    if nested:
        return _Read({}, (), f"{nested[0]}: expected text, a number, true, false or null, got a list or an object")
    try:
        did = _ACTIVITIES.validate_python(lead.get(ACTIVITIES) or [])
    except ValidationError as error:
        return _Read({}, (), _in_words(error, ACTIVITIES))
    return _Read(values, [Activity(each.kind, each.at, each.recorded) for each in did], None)


def _id_of(predictor: Predictor, values: Mapping[str, object], index: int) -> str:
    name = predictor.definition.columns.id
    given = values.get(name) if name else None
    return str(index) if given is None else str(given)


def _warnings(predictor: Predictor, leads: Sequence[Mapping[str, object]]) -> list[str]:
    unknown = sorted({name for lead in leads for name in lead} - predictor.columns - {ACTIVITIES})
    return [f"{name}: the model does not know this column; it was ignored" for name in unknown]


def _model_of(predictor: Predictor) -> ModelOut:
    card = predictor.card
    return ModelOut(
        version=predictor.version,
        fingerprint=predictor.fingerprint,
        mode=predictor.mode,
        why=predictor.why,
        horizon_days=card["horizon_days"],
        winnable_days=card["winnable_days"],
    )


async def _unprocessable(request: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)  # noqa: S101 - registered for nothing else
    broken = any(detail["type"] == "json_invalid" for detail in error.errors(include_input=False))
    return _problem(400, "Not JSON", "The body is not valid JSON.") if broken else _problem(422, "Unprocessable", _in_words(error))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    return _problem(error.status_code, str(error.detail), str(error.detail))


def _in_words(error: ValidationError, prefix: str = "") -> str:
    """The places of a body that are wrong and what was expected there, without the values."""
    details = error.errors(include_input=False, include_url=False, include_context=False)[:5]
    return "; ".join(f"{'.'.join(map(str, (*([prefix] if prefix else []), *each['loc'])))}: {each['msg']}" for each in details)


def _problem(status: int, title: str, detail: str) -> Response:
    content = Problem(title=title, status=status, detail=detail).model_dump_json()
    return Response(content, status_code=status, media_type="application/problem+json")
