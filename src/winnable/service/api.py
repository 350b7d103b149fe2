"""The HTTP service: takes leads, answers with scores; runs by `winnable serve` or any ASGI server
with `create_app` as factory.

Here the parts are put together. Scores and the sign of life are answered directly; all other
requests go to `routes`, which is loaded later, so that a process scores soon after its start.
Imports neither mlflow nor pandas nor scikit-learn.
"""

import asyncio
import ctypes
import gc
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Receive, Scope, Send

from winnable.errors import StoreError
from winnable.service.http.keys import Keys, Role
from winnable.service.http.logs import JsonLogger
from winnable.service.http.metrics import Metrics
from winnable.service.http.middleware import FLUSH, GatewayMiddleware
from winnable.service.scoring.champion import ChampionFollower
from winnable.service.scoring.endpoint import ScoringEndpoint
from winnable.service.scoring.score_log import ScoreLog

if TYPE_CHECKING:
    from winnable.data.feedback.store.records import Label
    from winnable.data.feedback.store.store import FeedbackStore

STORE, DEFINITION = "WINNABLE_STORE", "WINNABLE_DEFINITION"
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
    "/openapi.json": ANY_KEY,
    "/healthz": None,
    "/readyz": None,
}
LATER = 2.0  # seconds after the start at which the routes that nobody has asked for yet are loaded


def create_app(store: Path | None = None, definition: Path | None = None) -> ASGIApp:
    """The application for a store; both places come from `WINNABLE_STORE` and `WINNABLE_DEFINITION`
    where they are not given.

    Errors: `StoreError` and its kin if there is nothing to answer by, or the keys cannot be read.
    """
    place = store or Path(os.environ.get(STORE, "models"))
    agreed = definition or (Path(os.environ[DEFINITION]) if DEFINITION in os.environ else None)
    service = Service(place, agreed)
    return GatewayMiddleware(
        service, keys=service.keys, journal=service.journal, metrics=service.metrics, routes=ROUTES
    )


class Service:
    """The parts of one running service, and the way of a request to the one that answers it."""

    def __init__(self, store: Path, definition: Path | None) -> None:
        self.store = store
        self.journal = JsonLogger()
        self.metrics = Metrics()
        self.keys = Keys(store)
        self.follower = ChampionFollower(store, definition, _remote())
        self._opening = threading.Lock()
        self._feedback: FeedbackStore | None = None
        self.score_log = ScoreLog(store, self.metrics, self.journal.event)
        self.scoring = ScoringEndpoint(self.follower.current, self.metrics, self.score_log)
        self.direct: dict[tuple[str, str], ASGIApp] = {
            ("POST", "/score"): self.scoring,
            ("GET", "/healthz"): _Alive(),
        }
        self._others: ASGIApp | None = None

    def feedback(self) -> "FeedbackStore":
        """The store of scores and labels, opened with the first need of it, in whatever thread.
        `StoreError` if it cannot be."""
        with self._opening:
            if self._feedback is None:
                from winnable.data.feedback.store.store import FeedbackStore

                self._feedback = FeedbackStore.open(self.store)
            return self._feedback

    def hear(self, label: "Label", key: str | None) -> "Label":
        """Keep a label, and count it with the time that it took to come. Errors as of
        `FeedbackStore.add`."""
        from winnable.data.feedback.store.outcomes import answered_after

        store, asked_at = self.feedback(), datetime.now(UTC)
        kept = store.add(label, key)
        if (
            kept.recorded_at is not None and kept.recorded_at >= asked_at
        ):  # else it was only told again
            with suppress(StoreError):  # the label is on the disk, and that is what counts
                self.metrics.heard(kept.label, answered_after(store, kept))
        return kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        answer = self.direct.get((scope.get("method", ""), scope["path"])) or self._others
        if answer is None:
            answer = await asyncio.to_thread(self._load_others)
        await answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        """Follow the champion and write the journal while the service runs."""
        predictor = self.follower.current()
        self.journal.event(
            "started",
            version=predictor.version,
            mode=predictor.mode,
            keys=self.keys.any(),
            worker=os.getpid(),
        )
        for problem_text in self.problems():
            self.journal.event("degraded", level="error", problem=problem_text)
        self.follower.follow(self.journal.event)
        self.score_log.start()
        tasks = [asyncio.create_task(each) for each in (self._flush(), self._later())]
        gc.collect()
        gc.freeze()  # what lives as long as the process need not be looked through again and again
        yield
        for task in tasks:
            task.cancel()
        self.scoring.close()
        self.score_log.close()
        self.follower.close()
        self.journal.event("stopped", worker=os.getpid())

    def problems(self) -> list[str]:
        """What is not as it should be."""
        found = [
            self.follower.problem,
            self.follower.unreachable,
            self.keys.problem,
            self.score_log.problem,
        ]
        if not os.access(self.store, os.R_OK | os.X_OK):
            found.append("the store cannot be read; the model in memory goes on")
        return [each for each in found if each is not None]

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH)
            self.journal.flush()

    async def _later(self) -> None:
        await asyncio.sleep(LATER)
        await asyncio.to_thread(self._load_others)
        gc.freeze()
        _give_back()

    def _load_others(self) -> ASGIApp:
        """The other routes. Two threads may come here at once; they make the same."""
        if self._others is None:
            from winnable.service.routes.app import build_app

            self._others = build_app(self)
        return self._others


class _Alive:
    """`GET /healthz`: the process lives."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        content = b'{"status":"ok"}'
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def _give_back() -> None:
    """Hand memory that loading needed and nobody uses any more back to the system, where the C
    library keeps it otherwise."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, others need it less
    if trim is not None:
        trim(0)


def _remote() -> Any:
    """The tracking server to follow, where there is one; the code for it is loaded only then."""
    if not os.environ.get("MLFLOW_TRACKING_URI", "").startswith(("http://", "https://")):
        return None
    from winnable.service.scoring.remote_champion import RemoteChampion

    return RemoteChampion.from_environment()
