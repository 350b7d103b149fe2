"""Recording: every score that is given for a lead with an id is kept, so that sales can answer it
and learning can look back.

A request only leaves its bytes behind. A thread sends what has gathered to a process beside this
one (`keeping`), which makes rows of it and commits many at once: neither the database nor the time
that it takes is in the server. A batch is let go when the other process says that it is on disk; it
is sent again when that process or its database fails, which makes no second rows. If the database
is slower than the requests, or stays away, scores beyond a bound are dropped and counted, and so is
a batch of which that process dies again and again; no request waits.
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

MOST_WAITING = 16_000_000  # bytes of requests and answers that wait to be kept; more are dropped
TOGETHER = 2_000_000  # bytes in one commit
GATHERING = 0.25  # seconds for which scores gather before they are committed
# Seconds after the start before the other process is started, so that the first requests have the
# processor.
SETTLING = 2.0
AGAIN = 5.0  # seconds after which a database that failed is tried again
MOST_DEATHS = 3  # of the process that keeps a batch, after which it is given up
PATIENCE = 10.0  # seconds for the last scores when the service stops


@dataclass(frozen=True, slots=True)
class _Given:
    """A request with good leads, and its answer: all that rows of the store are made of."""

    serving: LoadedModel
    at: float
    body: bytes
    content: bytes
    leads: int

    @property
    def size(self) -> int:
        return len(self.body) + len(self.content)


class ScoreLog:
    """Keeps scores in the background. `tell` hears when keeping fails and when it works again."""

    def __init__(self, store: Path, metrics: Metrics, tell: Callable[..., None]) -> None:
        self.problem: str | None = None
        self._metrics = metrics
        self._tell = tell
        self._keeper = _Keeper(store)
        self._waiting: deque[_Given] = deque()
        self._batch: list[_Given] = []  # what is being kept
        self._deaths = 0  # how often the other process died of it
        self._came, self._went = 0, 0  # bytes; each is counted by one thread alone
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="score_log", daemon=True)

    def start(self) -> None:
        """Begin to keep what is given."""
        self._thread.start()

    def submit(self, serving: LoadedModel, body: bytes, content: bytes, leads: int) -> None:
        """Take over a request of which so many leads were scored, and its answer. Never waits and
        never fails."""
        if not serving.leads_have_ids:
            return
        given = _Given(serving, time.time(), body, content, leads)
        if self._came - self._went + given.size > MOST_WAITING:
            self._lose(leads, "the database of labels is too slow or away")
            return
        self._came += given.size
        self._waiting.append(given)

    def close(self) -> None:
        """Keep what was given so far, as far as that takes no more than `PATIENCE`; what is not
        kept then is counted and told."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE)
            self._keeper.end()
            self._thread.join(PATIENCE)

    def _work(self) -> None:
        self._stopping.wait(SETTLING)
        last = False
        while not last:
            last = self._stopping.wait(GATHERING)
            while self._kept_some():
                pass
        left = sum(each.leads for each in (*self._batch, *self._waiting))
        if left:
            self._metrics.not_kept(left)
            self._tell(
                "scores not kept",
                level="error",
                problem="the service stopped before they were kept",
                scores=left,
            )

    def _kept_some(self) -> bool:
        """Keep what has waited longest; False if there is nothing, or it has to wait."""
        size = sum(each.size for each in self._batch)
        while self._waiting and size < TOGETHER:
            size += self._waiting[0].size
            self._batch.append(self._waiting.popleft())
        if not self._batch:
            return False
        told = self._keeper.ask(self._batch) or self._keeper.ask(
            self._batch
        )  # a process that died is started anew, once
        self._deaths = self._deaths + 1 if told is None else 0
        problem = "the process that keeps them ended" if told is None else told["problem"]
        if problem is not None and self._deaths < MOST_DEATHS:
            self._report(problem)
            self._stopping.wait(AGAIN)
            return False
        leads, self._batch, self._deaths = sum(each.leads for each in self._batch), [], 0
        self._went += size
        if told is None:
            self._lose(leads, problem)
            return True
        self._metrics.kept(told["kept"])
        if self.problem is not None:
            self.problem = None
            self._tell("scores kept again")
        if told["broken"]:
            self._metrics.not_kept(told["broken"])
            self._tell(
                "scores not kept",
                level="error",
                problem="no rows could be made of some",
                scores=told["broken"],
            )
        return True

    def _lose(self, leads: int, why: str) -> None:
        self._metrics.not_kept(leads)
        self._report(why)

    def _report(self, why: str) -> None:
        if self.problem is None:
            self.problem = f"scores that are given are not kept: {why}"
            self._tell("scores not kept", level="error", problem=why)


class _Keeper:
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
        self._known: LoadedModel | None = None
        self._ended = False
        self._changing = threading.Lock()  # no process may be started while the last one is ended

    def ask(self, batch: list[_Given]) -> dict[str, Any] | None:
        """What the process says of a batch: the scores "kept" and "broken" and the "problem" of
        all. None if it died of it."""
        try:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(self._message(batch))
            process.stdin.flush()
            told: dict[str, Any] = from_json(process.stdout.readline())
            return told
        except (OSError, ValueError):
            self._let_go()
            return None

    def end(self) -> None:
        """End the process, for good."""
        with self._changing:
            self._ended = True
        self._let_go()

    def _let_go(self) -> None:
        process, self._process, self._known = self._process, None, None
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

    def _message(self, batch: list[_Given]) -> bytes:
        parts: list[bytes] = []
        for each in batch:
            if each.serving is not self._known:
                self._known = each.serving
                predictor = each.serving.predictor
                told = {
                    "definition": predictor.definition.model_dump(
                        mode="json", exclude_defaults=True
                    ),
                    "plan": predictor.plan.to_json(),
                }
                parts += _frame(MODEL, to_json(told))
            parts += _frame(
                REQUEST, ANSWERED.pack(each.at, each.leads, len(each.body)), each.body, each.content
            )
        return b"".join([*parts, *_frame(END)])


def _frame(kind: bytes, *payload: bytes) -> list[bytes]:
    return [HEAD.pack(kind, sum(map(len, payload))), *payload]
