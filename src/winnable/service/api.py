"""The HTTP service: takes leads, answers with scores; runs by `winnable serve` or any ASGI server with `create_app` as factory.

Here the parts are put together, and the small routes answered. Imports neither mlflow nor pandas nor scikit-learn.
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from winnable.definition.page import describe
from winnable.definition.values import moment
from winnable.service.champion import ChampionFollower
from winnable.service.guide import guide
from winnable.service.journal import Journal
from winnable.service.keys import Keys, Role
from winnable.service.metrics import CONTENT_TYPE, Metrics
from winnable.service.openapi import describe_scoring
from winnable.service.porter import FLUSH, Porter
from winnable.service.problems import MEDIA_TYPE, problem
from winnable.service.schemas import ColumnOut, Health, ModelCard, Readiness
from winnable.service.scoring import Scoring

STORE, DEFINITION = "WINNABLE_STORE", "WINNABLE_DEFINITION"
ANY_KEY: frozenset[Role] = frozenset({"score", "feedback"})
ROUTES: dict[str, frozenset[Role] | None] = {
    "/score": frozenset({"score"}),
    "/model": ANY_KEY,
    "/definition": ANY_KEY,
    "/metrics": ANY_KEY,
    "/docs": ANY_KEY,
    "/openapi.json": ANY_KEY,
    "/healthz": None,
    "/readyz": None,
}


def create_app(store: Path | None = None, definition: Path | None = None) -> FastAPI:
    """The application for a store; both places come from `WINNABLE_STORE` and `WINNABLE_DEFINITION` where they are not given.

    Errors: `StoreError` and its kin if there is nothing to answer by, or the keys cannot be read.
    """
    place = store or Path(os.environ.get(STORE, "models"))
    agreed = definition or (Path(os.environ[DEFINITION]) if DEFINITION in os.environ else None)
    service = Service(place, agreed)
    app = FastAPI(
        title="winnable",
        summary="The probability that a lead becomes Closed Won.",
        version=metadata.version("winnable"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=service.lifespan,
    )
    app.router.routes.append(Route("/score", service.scoring, methods=["POST"]))
    _add_routes(app, service)
    _add_documentation(app, service)
    app.add_middleware(Porter, keys=service.keys, journal=service.journal, metrics=service.metrics, routes=ROUTES)
    app.add_exception_handler(HTTPException, _refused)
    return app


class Service:
    """The parts of one running service."""

    def __init__(self, store: Path, definition: Path | None) -> None:
        self.store = store
        self.journal = Journal()
        self.metrics = Metrics()
        self.keys = Keys(store)
        self.follower = ChampionFollower(store, definition, _remote())
        self.scoring = Scoring(self.follower.current, self.metrics)

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Follow the champion and write the journal while the service runs."""
        predictor = self.follower.current()
        self.journal.event("started", version=predictor.version, mode=predictor.mode, keys=self.keys.any(), worker=os.getpid())
        for problem_text in self.problems():
            self.journal.event("degraded", level="error", problem=problem_text)
        self.follower.follow(self.journal.event)
        flushing = asyncio.create_task(self._flush())
        gc.collect()
        gc.freeze()  # what lives as long as the process need not be looked through again and again
        yield
        flushing.cancel()
        self.scoring.close()
        self.follower.close()
        self.journal.event("stopped", worker=os.getpid())

    def problems(self) -> list[str]:
        """What is not as it should be."""
        found = [self.follower.problem, self.follower.unreachable, self.keys.problem]
        if not os.access(self.store, os.R_OK | os.X_OK):
            found.append("the store cannot be read; the model in memory goes on")
        return [each for each in found if each is not None]

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH)
            self.journal.flush()


def _add_routes(app: FastAPI, service: Service) -> None:
    follower = service.follower
    page: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}}}

    @app.get("/model")
    async def model() -> ModelCard:
        """The model in charge: trained when, on what, how good it is, and the columns that it looks at."""
        predictor = follower.current()
        columns = [ColumnOut(name=field.name, kind=field.kind, learned=field.learn) for field in predictor.plan.fields]
        measures = [measure.name for measure in predictor.plan.measures]
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
        """The definition that the model answers by: a page for people, JSON for programs that say so in Accept."""
        agreed = follower.current().definition
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(agreed.model_dump(mode="json", exclude_defaults=True))
        return HTMLResponse(describe(agreed).html())

    @app.get("/healthz", openapi_extra={"security": []})
    async def healthz() -> Health:
        """Whether the process lives."""
        return Health(status="ok")

    @app.get("/readyz", responses={503: {"model": Readiness}}, openapi_extra={"security": []})
    async def readyz(response: Response) -> Readiness:
        """Whether the champion of the store answers and the store can be read; 503 if not. Scores are given all the same."""
        predictor, problems = follower.current(), service.problems()
        response.status_code = 503 if problems else 200
        status: Literal["ready", "degraded"] = "degraded" if problems else "ready"
        return Readiness(status=status, version=predictor.version, mode=predictor.mode, problems=problems)

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Counts of this process since its start, in Prometheus' text format."""
        predictor = follower.current()
        until = moment(str(predictor.card["known_until"] or ""))
        named = {"version": predictor.version, "fingerprint": predictor.fingerprint, "mode": predictor.mode}
        usual = predictor.scorer.spec["interval"]["at"]
        told = service.metrics.exposition(named, usual, until, follower.changed_at, bool(service.problems()))
        return Response(told, media_type=CONTENT_TYPE)


def _add_documentation(app: FastAPI, service: Service) -> None:
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
        return HTMLResponse(guide(follower.current(), document(), str(request.base_url).rstrip("/"), keys=service.keys.any()))


_WORDS = {404: "There is nothing at this path; /docs lists what there is.", 405: "This path has no such method."}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = _WORDS.get(error.status_code, "The request cannot be answered.")
    return Response(problem(error.status_code, detail), error.status_code, error.headers, MEDIA_TYPE.decode())


def _remote() -> Any:
    """The tracking server to follow, where there is one; the code for it is loaded only then."""
    if not os.environ.get("MLFLOW_TRACKING_URI", "").startswith(("http://", "https://")):
        return None
    from winnable.service.remote import RemoteChampion

    return RemoteChampion.from_environment()
