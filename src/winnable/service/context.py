"""The context of the service's routes: the parts of one running service that they need, built by
`api` and handed to them by FastAPI's `Depends`.

No HTTP here. The feedback store is opened with the first need of it.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from winnable.errors import StoreError
from winnable.learning.scoring.predictor import Predictor
from winnable.service.http.guards.key_usage import KeyUsage
from winnable.service.http.guards.refusals import Refusals
from winnable.service.http.guards.wrong_keys import WrongKeys
from winnable.service.http.keys import Keys
from winnable.service.http.logs import JsonLogger
from winnable.service.http.metrics import Metrics
from winnable.service.scoring.champion import ChampionFollower
from winnable.service.scoring.score_log import ScoreLog

if TYPE_CHECKING:
    from winnable.data.feedback.store.audit import Actor
    from winnable.data.feedback.store.records import Label
    from winnable.data.feedback.store.store import FeedbackStore
    from winnable.service.http.prometheus import ModelState, PrometheusExporter

T = TypeVar("T")
READ_TIMEOUT_SECONDS = 2.0
"""How long a request that reads waits for a lock on the database, and for a thread."""

READER_THREADS = 8
OPEN_AGAIN_SECONDS = 1.0
"""After the database could not be opened."""


@dataclass
class ServiceContext:
    """The parts of one running service. Safe to use from several threads."""

    store: Path
    keys: Keys
    logger: JsonLogger
    metrics: Metrics
    refusals: Refusals
    usage: KeyUsage
    wrong_keys: WrongKeys
    follower: ChampionFollower
    score_log: ScoreLog
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _readers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(READER_THREADS, "reader"), repr=False
    )
    _free_readers: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(READER_THREADS), repr=False
    )
    _open_again_at: float = 0.0
    _feedback: "FeedbackStore | None" = None
    _exporter: "PrometheusExporter | None" = None

    def predictor(self) -> Predictor:
        """The predictor in charge now."""
        return self.follower.current()

    def feedback(self) -> "FeedbackStore":
        """The store of scores and labels, opened by whichever thread needs it first. `StoreError`
        if it cannot be, for whoever asks a moment later as well."""
        with self._lock:
            if self._feedback is None:
                if time.monotonic() < self._open_again_at:
                    raise StoreError("the feedback database could not be opened a moment ago.")
                from winnable.data.feedback.store.store import FeedbackStore

                try:
                    self._feedback = FeedbackStore.open(self.store, READ_TIMEOUT_SECONDS)
                except StoreError:
                    self._open_again_at = time.monotonic() + OPEN_AGAIN_SECONDS
                    raise
            return self._feedback

    async def read(self, ask: "Callable[[FeedbackStore], T]") -> T:
        """What the store says, asked in a thread that is kept for reading, since those that write
        may all be waiting. Errors as of the store; `StoreError`, too, if no thread becomes free in
        time."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_SECONDS):
                await self._free_readers.acquire()
        except TimeoutError:
            raise StoreError("the feedback database does not answer in time.") from None
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._readers, lambda: ask(self.feedback()))
        finally:
            self._free_readers.release()

    def add_label(self, label: "Label", key: str | None, actor: "Actor") -> "Label":
        """Keep a label, and count it with the time that it took to come.

        `key` is the request's idempotency key, `actor` who sent it. Errors as of
        `FeedbackStore.add`.
        """
        from winnable.data.feedback.store.outcomes import answered_after

        store = self.feedback()
        began_at = datetime.now(UTC)
        kept = store.add(label, key, actor, self.predictor().definition)
        is_new = kept.recorded_at is not None and kept.recorded_at >= began_at
        if is_new:  # else the key was used before, and its label is only given again
            with suppress(StoreError):  # the label is on the disk, and that is what counts
                self.metrics.labeled(kept.label, answered_after(store, kept))
        return kept

    def problems(self) -> list[str]:
        """What is not as it should be, for people who may not know where this machine keeps
        things."""
        found = [
            self.follower.problem,
            self.follower.unreachable,
            self.keys.problem,
            self.score_log.problem,
        ]
        if not os.access(self.store, os.R_OK | os.X_OK) or self.follower.is_copy_gone():
            found.append("the store cannot be read; the model in memory goes on")
        return [problem for problem in found if problem is not None]

    def exporter(self) -> "PrometheusExporter":
        """What writes the metrics for Prometheus, made with the first need of it."""
        with self._lock:
            if self._exporter is None:
                from winnable.service.http.prometheus import PrometheusExporter

                self._exporter = PrometheusExporter(self.metrics)
            return self._exporter

    def flush_metrics(self) -> None:
        """Show this process's metrics to a scrape that another worker answers, if there are any."""
        exporter = self._exporter
        if exporter is not None and exporter.is_shared:
            exporter.flush(self.model_state())

    def close_metrics(self) -> None:
        """Leave this process's metrics to the other workers, if there are any."""
        if self._exporter is not None:
            self._exporter.close(self.model_state())

    def model_state(self) -> "ModelState":
        """The model in charge, for the gauges."""
        from winnable.service.http.prometheus import ModelState

        predictor = self.predictor()
        return ModelState(
            version=predictor.version,
            fingerprint=predictor.fingerprint,
            mode=predictor.mode,
            typical_log_odds=predictor.scorer.spec.interval["at"],
            known_until=predictor.card.known_until,
            changed_at=self.follower.changed_at,
            has_problem=bool(self.problems()),
        )
