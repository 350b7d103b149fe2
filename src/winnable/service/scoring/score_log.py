"""The score log: every score that is given for a lead with an id is kept, so that sales can answer
it and learning can look back.

A request only leaves its bytes behind. A thread sends what has gathered to a process beside this
one (`score_log_worker`), which makes rows of it and commits many at once: neither the database nor
the time that it takes is in the server. A batch is let go when the other process says that it is on
disk; it is sent again when that process or its database fails, which makes no second rows. If the
database is slower than the requests, or stays away, scores beyond a bound are dropped and counted,
and so is a batch of which that process dies again and again; no request waits.
"""

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from winnable.service.http.metrics import Metrics
from winnable.service.scoring.loaded_model import LoadedModel
from winnable.service.scoring.score_log_worker import ANSWERED, END, HEAD, MODEL, REQUEST

MAX_WAITING_BYTES = 16_000_000
"""Requests and answers that wait to be kept; more are dropped."""

MAX_COMMIT_BYTES = 2_000_000
COMMIT_INTERVAL_SECONDS = 0.25
START_DELAY_SECONDS = 2.0
"""Before the other process is started, so that the first requests have the processor."""

RETRY_SECONDS = 5.0
"""After which a database that failed is tried again."""

MAX_WORKER_DEATHS = 3
"""Of the process that keeps a batch, after which the batch is given up."""

CLOSE_TIMEOUT_SECONDS = 10.0
"""For the last scores when the service stops."""


@dataclass(frozen=True, slots=True)
class _AnsweredRequest:
    """A request with good leads, and its answer: all that rows of the store are made of."""

    model: LoadedModel
    at: float
    body: bytes
    content: bytes
    leads: int

    @property
    def size(self) -> int:
        return len(self.body) + len(self.content)


class ScoreLog:
    """Keeps scores in the background. `log_event` is called when keeping fails and when it works
    again."""

    def __init__(self, store: Path, metrics: Metrics, log_event: Callable[..., None]) -> None:
        self.problem: str | None = None
        self._metrics = metrics
        self._log_event = log_event
        self._worker = _WorkerProcess(store)
        self._waiting: deque[_AnsweredRequest] = deque()
        self._batch: list[_AnsweredRequest] = []  # what is being kept
        self._deaths = 0  # how often the other process died of it
        # Bytes that came and went; each is counted by one thread alone.
        self._bytes_in = 0
        self._bytes_out = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="score_log", daemon=True)

    def start(self) -> None:
        """Begin to keep what is given."""
        self._thread.start()

    def submit(self, model: LoadedModel, body: bytes, content: bytes, leads: int) -> None:
        """Take over a request of which so many leads were scored, and its answer. Never waits and
        never fails."""
        if not model.leads_have_ids:
            return
        answered = _AnsweredRequest(model, time.time(), body, content, leads)
        if self._bytes_in - self._bytes_out + answered.size > MAX_WAITING_BYTES:
            self._lose(leads, "the feedback store is too slow or away")
            return
        self._bytes_in += answered.size
        self._waiting.append(answered)

    def close(self) -> None:
        """Keep what was given so far, as far as that takes no more than `CLOSE_TIMEOUT_SECONDS`.
        What is not kept then is counted and logged."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT_SECONDS)
            self._worker.end()
            self._thread.join(CLOSE_TIMEOUT_SECONDS)

    def _work(self) -> None:
        self._stopping.wait(START_DELAY_SECONDS)
        last = False
        while not last:
            last = self._stopping.wait(COMMIT_INTERVAL_SECONDS)
            while self._keep_batch():
                pass
        left = sum(answered.leads for answered in (*self._batch, *self._waiting))
        if left:
            self._metrics.not_kept(left)
            self._log_event(
                "scores not kept",
                level="error",
                problem="the service stopped before they were kept",
                scores=left,
            )

    def _keep_batch(self) -> bool:
        """Keep what has waited longest; False if there is nothing, or it has to wait."""
        size = sum(answered.size for answered in self._batch)
        while self._waiting and size < MAX_COMMIT_BYTES:
            size += self._waiting[0].size
            self._batch.append(self._waiting.popleft())
        if not self._batch:
            return False
        # A process that died is started anew, once.
        result = self._worker.ask(self._batch) or self._worker.ask(self._batch)
        if result is None:
            self._deaths += 1
            problem: str | None = "the process that keeps them ended"
        else:
            self._deaths = 0
            problem = result["problem"]
        if problem is not None and self._deaths < MAX_WORKER_DEATHS:
            self._report(problem)
            self._stopping.wait(RETRY_SECONDS)
            return False
        leads = sum(answered.leads for answered in self._batch)
        self._batch = []
        self._deaths = 0
        self._bytes_out += size
        if result is None:
            self._lose(leads, str(problem))
            return True
        self._metrics.kept(result["kept"])
        if self.problem is not None:
            self.problem = None
            self._log_event("scores kept again")
        if result["broken"]:
            self._metrics.not_kept(result["broken"])
            self._log_event(
                "scores not kept",
                level="error",
                problem="no rows could be made of some",
                scores=result["broken"],
            )
        return True

    def _lose(self, leads: int, why: str) -> None:
        self._metrics.not_kept(leads)
        self._report(why)

    def _report(self, why: str) -> None:
        if self.problem is None:
            self.problem = f"scores are not being saved: {why}"
            self._log_event("scores not kept", level="error", problem=why)


class _WorkerProcess:
    """The process that keeps scores, started with the first batch. One batch at a time."""

    def __init__(self, store: Path) -> None:
        self._command = [
            sys.executable,
            "-P",
            "-m",
            "winnable.service.scoring.score_log_worker",
            str(store),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._sent_model: LoadedModel | None = None
        self._ended = False
        self._changing = threading.Lock()  # no process may be started while the last one is ended

    def ask(self, batch: list[_AnsweredRequest]) -> dict[str, Any] | None:
        """What the process says of a batch: the scores "kept" and "broken" and the "problem" of
        all. None if it died of it."""
        try:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(self._message(batch))
            process.stdin.flush()
            result: dict[str, Any] = from_json(process.stdout.readline())
            return result
        except (OSError, ValueError):
            self._kill()
            return None

    def end(self) -> None:
        """End the process, for good."""
        with self._changing:
            self._ended = True
        self._kill()

    def _kill(self) -> None:
        process = self._process
        self._process = None
        self._sent_model = None
        if process is not None:
            process.kill()
            process.wait()

    def _running(self) -> "subprocess.Popen[bytes]":
        with self._changing:
            if self._ended:
                raise OSError
            if self._process is None:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            return self._process

    def _message(self, batch: list[_AnsweredRequest]) -> bytes:
        parts: list[bytes] = []
        for answered in batch:
            if answered.model is not self._sent_model:
                self._sent_model = answered.model
                predictor = answered.model.predictor
                definition = predictor.definition.model_dump(mode="json", exclude_defaults=True)
                parts += _frame(
                    MODEL, to_json({"definition": definition, "plan": predictor.plan.to_json()})
                )
            head = ANSWERED.pack(answered.at, answered.leads, len(answered.body))
            parts += _frame(REQUEST, head, answered.body, answered.content)
        return b"".join([*parts, *_frame(END)])


def _frame(kind: bytes, *payload: bytes) -> list[bytes]:
    return [HEAD.pack(kind, sum(map(len, payload))), *payload]
