"""The score log: every score that is given for a lead with an id is kept, so that sales can answer
it and learning can look back.

A request is appended to a file of the store (`score_journal`) before it is answered; where that
fails, it is not answered but refused (503), so that a score that was given is never lost. A thread
hands file after file to a process beside this one (`score_log_worker`), which makes rows of it and
commits many at once: neither the database nor the time that it takes is in the server. A file is
deleted when that process says that it is in the database; it is tried again when that process or
its database fails, which makes no second rows. What is not in the database when the service stops
is kept by the next start. A file of which that process dies again and again is set aside.
"""

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from winnable.service.http.metrics import Metrics
from winnable.service.http.problems import HTTPProblem
from winnable.service.scoring.loaded_model import LoadedModel
from winnable.service.scoring.score_journal import (
    MAX_WAITING_BYTES,
    Answered,
    JournalPart,
    ScoreJournal,
)

COMMIT_INTERVAL_SECONDS = 0.25
START_DELAY_SECONDS = 2.0
"""Before the other process is started, so that the first requests have the processor."""

RETRY_SECONDS = 5.0
"""After which a database that failed is tried again, and a client that was refused may ask."""

MAX_WORKER_DEATHS = 3
"""Of the process that keeps a file, after which the file is set aside."""

CLOSE_TIMEOUT_SECONDS = 10.0
"""For the last scores when the service stops."""


class ScoreLog:
    """Keeps scores in the background. `log_event` is called when keeping fails and when it works
    again; at most `max_bytes` of requests and answers wait."""

    def __init__(
        self,
        store: Path,
        metrics: Metrics,
        log_event: Callable[..., None],
        max_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self.problem: str | None = None
        self._metrics = metrics
        self._log_event = log_event
        self._worker = _WorkerProcess(store)
        self._journal = ScoreJournal(store, max_bytes)
        self._parts: deque[JournalPart] = deque()
        self._deaths = 0  # how often the other process died of the first part
        self._is_refusing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="score_log", daemon=True)

    def start(self) -> None:
        """Begin to keep what is given."""
        self._thread.start()

    def submit(self, model: LoadedModel, answered: Sequence[Answered]) -> None:
        """Take over requests and their answers, which may be sent then. `HTTPProblem` 503 if they
        cannot be kept."""
        if not model.leads_have_ids or not answered:
            return
        try:
            self._journal.append(model, answered)
        except OSError as error:
            self._is_refusing = True
            self._report(error.strerror or type(error).__name__)
            raise HTTPProblem(
                503,
                "The scores cannot be saved at the moment, and are not given. Ask again later.",
                {"retry-after": f"{RETRY_SECONDS:.0f}"},
            ) from None

    def close(self) -> None:
        """Keep what was given so far, as far as that takes no more than `CLOSE_TIMEOUT_SECONDS`.
        What is not kept then is left to the next start, and logged."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT_SECONDS)
            self._worker.end()
            self._thread.join(CLOSE_TIMEOUT_SECONDS)
        self._journal.close()

    def _work(self) -> None:
        self._stopping.wait(START_DELAY_SECONDS)
        self._adopt()
        last = False
        while not last:
            last = self._stopping.wait(COMMIT_INTERVAL_SECONDS)
            while self._keep_next():
                pass
            if self._is_refusing:
                self._probe()
        self._take_part()
        left = sum(part.leads for part in self._parts)
        if left:
            self._log_event(
                "scores not kept yet",
                level="error",
                problem="the service stopped before they were; its next start keeps them",
                scores=left,
            )

    def _adopt(self) -> None:
        """Take over what services left that have ended."""
        try:
            self._parts += self._journal.left_behind()
        except OSError as error:
            self._report(f"files of an earlier start cannot be read ({error.strerror})")

    def _take_part(self) -> None:
        part = self._journal.cut()
        if part is not None:
            self._parts.append(part)

    def _keep_next(self) -> bool:
        """Keep what has waited longest; False if there is nothing, or it has to wait."""
        if not self._parts or self._journal.is_large:
            self._take_part()
        if not self._parts:
            return False
        part = self._parts[0]
        # A process that died is started anew, once.
        parts = not self._journal.is_filling
        result = self._worker.ask(part.path, parts) or self._worker.ask(part.path, parts)
        self._deaths = self._deaths + 1 if result is None else 0
        if self._deaths >= MAX_WORKER_DEATHS and self._worker.ask(None) is not None:
            self._set_aside(part)
            return True
        problem = "the process that keeps them ended" if result is None else result["problem"]
        if result is None or problem is not None:
            self._report(problem)
            self._stopping.wait(RETRY_SECONDS)
            return False
        self._parts.popleft()
        self._journal.remove(part)
        self._tell(result["kept"], result["broken"])
        self._tell_of_parts(result["without_parts"], result["parts_problem"])
        return True

    def _tell(self, kept: int, broken: int) -> None:
        self._metrics.kept(kept)
        if self.problem is not None and not self._is_refusing:
            self.problem = None
            self._log_event("scores kept again")
        if broken:
            self._metrics.not_kept(broken)
            self._log_event(
                "scores not kept",
                level="error",
                problem="no rows could be made of some",
                scores=broken,
            )

    def _tell_of_parts(self, scores: int, problem: str | None) -> None:
        """Log scores whose parts could not be kept, with which later ones cannot be compared."""
        if scores:
            too_many = "more scores are asked for than can be described"
            self._log_event(
                "parts of scores not kept",
                level="warning",
                problem=too_many if problem is None else f"they cannot be made ({problem})",
                scores=scores,
            )

    def _set_aside(self, part: JournalPart) -> None:
        self._deaths = 0
        self._parts.popleft()
        self._journal.set_aside(part)
        self._metrics.not_kept(part.leads)
        self._log_event(
            "scores not kept",
            level="error",
            problem="the process that keeps them ends of them; their file is set aside",
            scores=part.leads,
        )

    def _probe(self) -> None:
        """Answer again as soon as there is room."""
        try:
            self._journal.probe()
        except OSError:
            self._stopping.wait(COMMIT_INTERVAL_SECONDS)
            return
        self._is_refusing = False
        if not self._parts:
            self.problem = None
            self._log_event("scores kept again")

    def _report(self, why: str) -> None:
        if self.problem is None:
            self.problem = f"scores are not being saved: {why}"
            self._log_event("scores not kept", level="error", problem=why)


class _WorkerProcess:
    """The process that keeps scores, started with the first file. One file at a time."""

    def __init__(self, store: Path) -> None:
        self._command = [
            sys.executable,
            "-P",
            "-m",
            "winnable.service.scoring.score_log_worker",
            str(store),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._changing = threading.Lock()  # no process may be started while the last one is ended

    def ask(self, path: Path | None, parts: bool = True) -> dict[str, Any] | None:
        """What the process says of a file: the scores "kept", "broken" and "without_parts", the
        "parts_problem" of these and the "problem" of all; nothing of none. None if it died of it.
        Without `parts` it is quicker."""
        try:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            asked = {"path": None if path is None else str(path), "parts": parts}
            process.stdin.write(to_json(asked) + b"\n")
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
