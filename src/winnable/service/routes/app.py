"""The routes besides scoring: the model and its definition, readiness, metrics for monitoring, the
pages for people, and the documentation of the interface.

They are FastAPI's, which takes longer to load than a model: `api` loads this module when one of
them is first asked for, or a moment after the start. Their schemas are in `schemas`; what they need
of the service they declare as `dependencies`.
"""

from collections.abc import Mapping
from importlib import metadata
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from winnable.definition.review.summary import describe
from winnable.service.context import ServiceContext
from winnable.service.http.problems import FAILED, ClientGone, HTTPProblem
from winnable.service.http.prometheus import CONTENT_TYPE
from winnable.service.routes.dependencies import ActivePredictor, Context
from winnable.service.routes.docs_page import (
    DOCS_SECURITY_POLICY,
    IMMUTABLE,
    docs_asset,
    docs_page,
    guide_page,
)
from winnable.service.routes.feedback import add_feedback_routes
from winnable.service.routes.openapi import describe_scoring
from winnable.service.routes.schemas import ColumnOut, ModelCard, ReadinessOut
from winnable.service.web.sessions import Sessions


def build_app(context: ServiceContext, direct_routes: Mapping[tuple[str, str], ASGIApp]) -> FastAPI:
    """The application of these routes. It knows the direct ones, by method and path, as well, to
    say which methods they have."""
    app = FastAPI(
        title="winnable",
        summary="The probability that a lead becomes Closed Won.",
        version=metadata.version("winnable"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.context = context
    app.router.routes += [
        Route(path, answer, methods=[method]) for (method, path), answer in direct_routes.items()
    ]
    pages = Pages(context)
    app.router.routes += [Route("/", pages), Route("/inbox/{path:path}", pages)]
    _add_model_routes(app)
    _add_monitoring_routes(app)
    add_feedback_routes(app)
    _add_documentation(app, context)
    for error in (HTTPException, HTTPProblem, Exception):
        app.add_exception_handler(error, _refused)
    app.add_exception_handler(ClientDisconnect, _gone)
    return app


class Pages:
    """The inbox, made when its first page is asked for; until then neither templates nor a database
    are loaded."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        self._router: Router | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._router is None:
            self._router = await run_in_threadpool(self._build)
        await self._router(scope, receive, send)

    def _build(self) -> Router:
        from winnable.service.web.inbox import InboxPages
        from winnable.service.web.sign_in.pages import CompanyPages

        context = self._context
        sessions = Sessions(context.store, context.keys)
        company = CompanyPages(sessions, context.read, context.logger.event)
        pages = InboxPages(
            sessions,
            context.keys,
            context.read,
            context.predictor,
            context.add_label,
            context.wrong_keys,
        )
        return Router([*company.routes(), *pages.routes()], redirect_slashes=False)


def _add_model_routes(app: FastAPI) -> None:
    html: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}}}

    @app.get("/model")
    async def model(predictor: ActivePredictor) -> ModelCard:
        """The model in charge: trained when, on what, how good it is, and the columns that it looks
        at."""
        columns = [
            ColumnOut(name=field.name, kind=field.kind, learned=field.learn)
            for field in predictor.plan.fields
        ]
        card = predictor.card
        return ModelCard(
            version=predictor.version,
            fingerprint=predictor.fingerprint,
            mode=predictor.mode,  # type: ignore[arg-type]
            why=predictor.why,
            horizon_days=card.horizon_days,
            winnable_days=card.winnable_days,
            columns=columns,
            measures=[aggregate.name for aggregate in predictor.plan.aggregates],
            card=card.to_json(),
        )

    @app.get("/definition", response_model=dict[str, Any], responses=html)
    async def definition(request: Request, predictor: ActivePredictor) -> Response:
        """The definition that the model answers by: a page for people, JSON for programs that say
        so in Accept."""
        definition = predictor.definition
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(definition.model_dump(mode="json", exclude_defaults=True))
        return HTMLResponse(describe(definition).html())


def _add_monitoring_routes(app: FastAPI) -> None:
    @app.get("/readyz", responses={503: {"model": ReadinessOut}}, openapi_extra={"security": []})
    async def readyz(
        response: Response, context: Context, predictor: ActivePredictor
    ) -> ReadinessOut:
        """Whether the champion of the store answers and the store can be read; 503 if not. Scores
        are given all the same."""
        problems = context.problems()
        response.status_code = 503 if problems else 200
        status: Literal["ready", "degraded"] = "degraded" if problems else "ready"
        return ReadinessOut(
            status=status, version=predictor.version, mode=predictor.mode, problems=problems
        )

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics(context: Context) -> Response:
        """Counts of the service since its start, in Prometheus' text format."""
        text = context.exporter().exposition(context.model_state())
        return Response(text, headers={"content-type": CONTENT_TYPE})


def _add_documentation(app: FastAPI, context: ServiceContext) -> None:
    """The description of the interface follows the model in charge, whose columns it names."""
    documents: dict[str, dict[str, Any]] = {}

    def document() -> dict[str, Any]:
        predictor = context.predictor()
        if predictor.fingerprint not in documents:
            app.openapi_schema = None
            documents.clear()
            documents[predictor.fingerprint] = describe_scoring(FastAPI.openapi(app), predictor)
        return documents[predictor.fingerprint]

    app.openapi = document  # type: ignore[method-assign]

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return JSONResponse(document())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(docs_page(), headers={"content-security-policy": DOCS_SECURITY_POLICY})

    @app.get("/docs/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        try:
            content, media_type = docs_asset(name)
        except KeyError:
            raise HTTPProblem(404, _WORDS[404]) from None
        return Response(content, headers={"content-type": media_type, "cache-control": IMMUTABLE})

    @app.get("/guide", include_in_schema=False)
    async def guide(request: Request, predictor: ActivePredictor) -> Response:
        address = str(request.base_url).rstrip("/")
        has_keys = context.keys.required()
        return HTMLResponse(guide_page(predictor, document(), address, has_keys=has_keys))


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
    problem = error if isinstance(error, HTTPProblem) else HTTPProblem(500, FAILED)
    body, media_type = problem.answer(request.headers.get("accept", ""))
    return Response(body, problem.status, problem.headers, media_type.decode())


async def _gone(request: Request, error: Exception) -> Response:
    raise ClientGone
