"""The routes besides scoring: the model and its definition, readiness, metrics, and the description
of the interface.

They are FastAPI's, which takes longer to load than a model: `api` loads this module when one of
them is first asked for, or a moment after the start. Their schemas are in `schemas`, what they
answer comes from the parts of the service.
"""

from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from winnable.core.values import moment
from winnable.definition.review.summary import describe
from winnable.service.http.metrics import CONTENT_TYPE
from winnable.service.http.problems import FAILED, ClientGone, HTTPProblem
from winnable.service.http.templates import Pages
from winnable.service.routes.docs_page import guide_page
from winnable.service.routes.feedback import add_feedback_routes
from winnable.service.routes.openapi import describe_scoring
from winnable.service.routes.schemas import ColumnOut, ModelCard, ReadinessOut
from winnable.service.web.sessions import Sessions

if TYPE_CHECKING:
    from winnable.service.api import Service


def build_app(service: "Service") -> FastAPI:
    """The application of these routes. It knows the direct ones as well, to say which methods they
    have."""
    app = FastAPI(
        title="winnable",
        summary="The probability that a lead becomes Closed Won.",
        version=metadata.version("winnable"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.router.routes += [
        Route(path, answer, methods=[method]) for (method, path), answer in service.direct.items()
    ]
    pages = Pages(
        Sessions(service.store, service.keys),
        service.keys,
        service.feedback,
        service.follower.current,
        service.hear,
    )
    app.router.routes += [Route("/", pages), Route("/inbox/{path:path}", pages)]
    _add_routes(app, service)
    add_feedback_routes(app, service)
    _add_documentation(app, service)
    for error in (HTTPException, HTTPProblem, Exception):
        app.add_exception_handler(error, _refused)
    app.add_exception_handler(ClientDisconnect, _gone)
    return app


def _add_routes(app: FastAPI, service: "Service") -> None:
    follower = service.follower
    page: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}}}

    @app.get("/model")
    async def model() -> ModelCard:
        """The model in charge: trained when, on what, how good it is, and the columns that it looks
        at."""
        predictor = follower.current()
        columns = [
            ColumnOut(name=field.name, kind=field.kind, learned=field.learn)
            for field in predictor.plan.fields
        ]
        measures = [measure.name for measure in predictor.plan.aggregates]
        card = predictor.card
        return ModelCard(
            version=predictor.version,
            fingerprint=predictor.fingerprint,
            mode=predictor.mode,  # type: ignore[arg-type]
            why=predictor.why,
            horizon_days=card["horizon_days"],
            winnable_days=card["winnable_days"],
            columns=columns,
            measures=measures,
            card=dict(card),
        )

    @app.get("/definition", response_model=dict[str, Any], responses=page)
    async def definition(request: Request) -> Response:
        """The definition that the model answers by: a page for people, JSON for programs that say
        so in Accept."""
        agreed = follower.current().definition
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(agreed.model_dump(mode="json", exclude_defaults=True))
        return HTMLResponse(describe(agreed).html())

    @app.get("/readyz", responses={503: {"model": ReadinessOut}}, openapi_extra={"security": []})
    async def readyz(response: Response) -> ReadinessOut:
        """Whether the champion of the store answers and the store can be read; 503 if not. Scores
        are given all the same."""
        predictor, problems = follower.current(), service.problems()
        response.status_code = 503 if problems else 200
        status: Literal["ready", "degraded"] = "degraded" if problems else "ready"
        return ReadinessOut(
            status=status, version=predictor.version, mode=predictor.mode, problems=problems
        )

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Counts of this process since its start, in Prometheus' text format."""
        predictor = follower.current()
        until = moment(str(predictor.card["known_until"] or ""))
        named = {
            "version": predictor.version,
            "fingerprint": predictor.fingerprint,
            "mode": predictor.mode,
        }
        usual = predictor.scorer.spec["interval"]["at"]
        told = service.metrics.exposition(
            named, usual, until, follower.changed_at, bool(service.problems())
        )
        return Response(told, media_type=CONTENT_TYPE)


def _add_documentation(app: FastAPI, service: "Service") -> None:
    """The description of the interface follows the model in charge, whose columns it names."""
    follower = service.follower
    described: dict[str, dict[str, Any]] = {}

    def document() -> dict[str, Any]:
        predictor = follower.current()
        if predictor.fingerprint not in described:
            app.openapi_schema = None
            described.clear()
            described[predictor.fingerprint] = describe_scoring(FastAPI.openapi(app), predictor)
        return described[predictor.fingerprint]

    app.openapi = document  # type: ignore[method-assign]

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return JSONResponse(document())

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return HTMLResponse(
            guide_page(
                follower.current(),
                document(),
                str(request.base_url).rstrip("/"),
                keys=service.keys.any(),
            )
        )


_WORDS = {
    404: "There is nothing at this path; /docs lists what there is.",
    405: "This path has no such method.",
}


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        error = HTTPProblem(
            error.status_code,
            _WORDS.get(error.status_code, "The request cannot be answered."),
            error.headers,
        )
    refusal = error if isinstance(error, HTTPProblem) else HTTPProblem(500, FAILED)
    body, media_type = refusal.answer(request.headers.get("accept", ""))
    return Response(body, refusal.status, refusal.headers, media_type.decode())


async def _gone(request: Request, error: Exception) -> Response:
    raise ClientGone
