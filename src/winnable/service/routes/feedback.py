"""`POST /feedback` and `GET /leads`: labels that sales gives to leads, and the leads with their
scores.

A label is answered only when it is durable. Nothing that is refused is repeated in the refusal. Who
may ask is decided by the middleware, and labels are stored by `data.feedback.store`.
"""

import asyncio
import re
from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from winnable.data.feedback.store.audit import Actor
from winnable.data.feedback.store.leads import LeadFilter
from winnable.data.feedback.store.records import Label
from winnable.definition.schema import Definition
from winnable.errors import DataError, LabelError, StoreError
from winnable.service.http.keys import Keys
from winnable.service.http.middleware import secret_of
from winnable.service.http.problems import MEDIA_TYPE, HTTPProblem, problem
from winnable.service.http.request import NO_MOMENT, body_of, read_json, read_moment
from winnable.service.routes.dependencies import ActivePredictor, Context
from winnable.service.routes.openapi import refusal
from winnable.service.routes.schemas import LabelIn, LabelOut, LeadListQuery, LeadsOut

MAX_LABEL_BYTES = 20_000
_KEY = re.compile(r'"?([\x21-\x7e]{1,200}?)"?')
T = TypeVar("T")


def add_feedback_routes(app: FastAPI) -> None:
    """Give the application the two routes."""
    refusals: dict[int | str, dict[str, Any]] = {
        code: refusal(description)
        for code, description in {
            400: "The body is not JSON in UTF-8, or has a member twice",
            409: "The label conflicts with a stored label, or its key was used for another one",
            413: "The body is too large",
            415: "The Content-Type is missing or not JSON",
            422: "The body is not what the schema says",
            503: "The feedback store is unavailable; nothing was saved",
        }.items()
    }
    described = {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": LabelIn.model_json_schema()}},
        },
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "pattern": _KEY.pattern.join("^$")},
                "description": (
                    "The same key with the same label gives the same answer, and adds nothing."
                ),
            }
        ],
    }

    @app.post(
        "/feedback",
        status_code=201,
        response_model=LabelOut,
        responses=refusals,
        openapi_extra=described,
    )
    async def feedback(request: Request, context: Context, predictor: ActivePredictor) -> LabelOut:
        """Keep a label: what somebody says of a lead, or of a score. The answer comes when it is on
        the disk."""
        data = read_json(await body_of(request.scope, request.receive, MAX_LABEL_BYTES))
        label = _label(data, predictor.definition)
        key = _key(request.headers.get("idempotency-key"))
        actor = _actor(request, context.keys, label.by)
        return LabelOut.of(await _answer(asyncio.to_thread(context.add_label, label, key, actor)))

    @app.get("/leads", responses={code: refusals[code] for code in (422, 503)})
    async def leads(
        query: Annotated[LeadListQuery, Query()], context: Context, predictor: ActivePredictor
    ) -> LeadsOut:
        """The leads that were scored, the most probable first, a page at a time, each with its last
        score and what sales said."""
        wanted = LeadFilter(**query.model_dump())
        found = await _answer(context.read(lambda store: store.leads(wanted)))
        return LeadsOut.of(found, predictor.definition)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return Response(problem(422, _first(error.errors())), 422, media_type=MEDIA_TYPE.decode())


async def _answer(work: Awaitable[T]) -> T:
    """The result of work with the database; its errors as refusals."""
    try:
        return await work
    except DataError as error:
        raise HTTPProblem(422, str(error)) from None
    except LabelError as error:
        raise HTTPProblem(409, f"{str(error)[0].upper()}{str(error)[1:]}") from None
    except StoreError:
        raise HTTPProblem(
            503, "The feedback store is unavailable; nothing was saved.", {"retry-after": "5"}
        ) from None


def _label(data: Any, definition: Definition) -> Label:
    """The label in a body. `HTTPProblem` 422 if it is none, or a lead is rejected for a reason that
    is not the definition's."""
    if type(data) is not dict:
        raise HTTPProblem(422, "The body is not an object.")
    try:
        given = LabelIn.model_validate(data)
    except ValidationError as error:
        raise HTTPProblem(422, _first(error.errors())) from None
    at: datetime | None = None
    if given.at is not None:
        at = read_moment(given.at)
        if at is None:
            raise HTTPProblem(422, f"at: {NO_MOMENT}.")
    if (
        given.label == "rejected"
        and given.reason is not None
        and given.reason not in definition.feedback.every
    ):
        raise HTTPProblem(
            422,
            f"reason: expected one of the definition's: {', '.join(definition.feedback.every)}.",
        )
    return Label(**{**given.model_dump(exclude={"at"}), "at": at})


def _actor(request: Request, keys: Keys, by: str) -> Actor:
    """Who sends a label: by the name that it has, the key that was shown, and the address. Only a
    key with the role admin may correct other people's labels."""
    place = "" if request.client is None else request.client.host
    secret = secret_of(request.headers.get("authorization", "").encode("latin-1"))
    key = None if secret is None else keys.find(secret)
    if key is None:
        return Actor(by.strip(), None, place)
    return Actor(by.strip(), key.name, place, may_correct_others=key.role == "admin")


def _key(given: str | None) -> str | None:
    if given is None:
        return None
    found = _KEY.fullmatch(given)
    if found is None:
        raise HTTPProblem(
            422, "Idempotency-Key: expected 1 to 200 visible characters of ASCII, in quotes or not."
        )
    return found[1]


def _first(errors: Any) -> str:
    """The first thing that was wrong, by the name of its member and what was expected; never what
    stood there."""
    first = errors[0]
    where = str(first["loc"][-1]) if first["loc"] else "body"
    if first["type"] == "extra_forbidden":
        return "There is a member or parameter that the schema does not know."
    return f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}."
