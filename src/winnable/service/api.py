"""The HTTP service: takes leads, answers with scores; runs by `winnable serve` or any ASGI server
with `create_app` as factory.

Here the parts are put together. Scores and the health check are answered directly; all other
requests go to `routes`, which is loaded later, so that a process scores soon after its start.
Imports neither mlflow nor pandas nor scikit-learn.
"""

import asyncio
import ctypes
import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from winnable.service.context import ServiceContext
from winnable.service.http.guards.key_usage import KeyUsage
from winnable.service.http.guards.refusals import COUNT_REFUSAL, Refusals
from winnable.service.http.guards.trusted_proxies import behind_proxies, trusted_proxies
from winnable.service.http.guards.wrong_keys import WrongKeys
from winnable.service.http.keys import Keys, Role
from winnable.service.http.logs import JsonLogger
from winnable.service.http.metrics import Metrics
from winnable.service.http.middleware import GatewayMiddleware
from winnable.service.scoring.champion import ChampionFollower
from winnable.service.scoring.endpoint import ScoringEndpoint
from winnable.service.scoring.score_log import ScoreLog

if TYPE_CHECKING:
    from winnable.service.scoring.remote_champion import RemoteChampion

STORE = "WINNABLE_STORE"
DEFINITION = "WINNABLE_DEFINITION"
ANY_KEY: frozenset[Role] = frozenset({"score", "feedback"})
ROUTES: dict[str, frozenset[Role] | None] = {
    "/": None,  # the inbox, which asks for a session itself
    "/score": frozenset({"score"}),
    "/feedback": frozenset({"feedback"}),
    "/leads": frozenset({"feedback"}),
    "/model": ANY_KEY,
    "/definition": ANY_KEY,
    "/metrics": ANY_KEY,
    "/docs": ANY_KEY,
    "/guide": ANY_KEY,
    "/openapi.json": ANY_KEY,
    "/healthz": None,
    "/readyz": None,
}
FLUSH_SECONDS = 0.2
"""How long lines of the log may be held back, and metrics from the other workers."""

LOAD_ROUTES_AFTER_SECONDS = 2.0
"""When routes are loaded that nobody has asked for since the start."""


def create_app(store: Path | None = None, definition: Path | None = None) -> ASGIApp:
    """The application for a store; both places come from `WINNABLE_STORE` and `WINNABLE_DEFINITION`
    where they are not given.

    Errors: `StoreError` and its kin if there is nothing to answer by, or `WINNABLE_PROXIES` names
    no proxies. Where the keys cannot be read the service starts, and lets nobody in.
    """
    store = store or Path(os.environ.get(STORE, "models"))
    if definition is None and DEFINITION in os.environ:
        definition = Path(os.environ[DEFINITION])
    logger = JsonLogger()
    metrics = Metrics()
    refusals = Refusals(metrics, logger)
    context = ServiceContext(
        store=store,
        keys=Keys(store),
        logger=logger,
        metrics=metrics,
        refusals=refusals,
        usage=KeyUsage(store),
        wrong_keys=WrongKeys(refusals.count),
        follower=ChampionFollower(store, definition, remote_champion()),
        score_log=ScoreLog(store, metrics, logger.event),
    )
    gateway = GatewayMiddleware(
        Service(context),
        keys=context.keys,
        logger=logger,
        metrics=metrics,
        routes=ROUTES,
        usage=context.usage,
        wrong_keys=context.wrong_keys,
    )
    return behind_proxies(gateway, trusted_proxies())


class Service:
    """The life of one running service, and the way of a request to the route that answers it."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        self._scoring = ScoringEndpoint(
            context.predictor,
            context.metrics,
            context.score_log,
            lambda wanted: context.read(lambda store: store.earlier_scores(wanted)),
        )
        self._direct_routes: dict[tuple[str, str], ASGIApp] = {
            ("POST", "/score"): self._scoring,
            ("GET", "/healthz"): _Health(),
        }
        self._other_routes: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        route = (scope.get("method", ""), scope["path"])
        answer = self._direct_routes.get(route) or self._other_routes
        if answer is None:
            answer = await asyncio.to_thread(self._load_other_routes)
        await answer(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if "state" in scope:  # of a server that hands it to its connections
            scope["state"][COUNT_REFUSAL] = self._context.refusals.count
        async with self._running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        """Follow the champion, log and keep scores while the service runs."""
        context = self._context
        predictor = context.predictor()
        context.logger.event(
            "started",
            version=predictor.version,
            mode=predictor.mode,
            keys=context.keys.required(),
            worker=os.getpid(),
        )
        for problem in context.problems():
            context.logger.event("degraded", level="error", problem=problem)
        context.follower.follow(context.logger.event)
        context.score_log.start()
        tasks = [asyncio.create_task(self._flush()), asyncio.create_task(self._load_later())]
        gc.collect()
        gc.freeze()  # what lives as long as the process need not be looked through again and again
        yield
        for task in tasks:
            task.cancel()
        self._scoring.close()
        context.score_log.close()
        context.follower.close()
        context.close_metrics()
        used = context.usage.take(at_once=True)
        if used:
            context.usage.write(used)
        context.logger.event("stopped", worker=os.getpid())

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self._context.refusals.flush()
            self._context.logger.flush()
            self._context.flush_metrics()
            if self._scoring.take_up_champion():
                await asyncio.to_thread(_return_memory)
            used = self._context.usage.take()
            if used:
                await asyncio.to_thread(self._context.usage.write, used)

    async def _load_later(self) -> None:
        await asyncio.sleep(LOAD_ROUTES_AFTER_SECONDS)
        await asyncio.to_thread(self._load_other_routes)
        gc.freeze()
        _return_memory()

    def _load_other_routes(self) -> ASGIApp:
        """The routes besides the direct ones. Two threads may come here at once; they make the
        same."""
        if self._other_routes is None:
            from winnable.service.routes.app import build_app

            self._context.exporter()
            self._other_routes = build_app(self._context, self._direct_routes)
        return self._other_routes


class _Health:
    """`GET /healthz`: the process lives."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        content = b'{"status":"ok"}'
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def _return_memory() -> None:
    """Hand memory that loading needed and nobody uses any more back to the system, where the C
    library keeps it otherwise."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, others need it less
    if trim is not None:
        trim(0)


def remote_champion() -> "RemoteChampion | None":
    """The tracking server to follow, where there is one; the code for it is loaded only then."""
    if not os.environ.get("MLFLOW_TRACKING_URI", "").startswith(("http://", "https://")):
        return None
    from winnable.service.scoring.remote_champion import RemoteChampion

    return RemoteChampion.from_environment()
