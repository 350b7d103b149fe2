"""Micro-batching: requests that wait at the same moment are scored in one batch.

Most of the time that one lead takes is the same for one and for many. While a batch is being
scored, the next requests gather; a request that comes when no others do does not wait for company.
The answers of a batch are written together as well. Large requests are worked on in threads of
their own, so that small ones and the health check pass them.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from winnable.service.scoring.loaded_model import LoadedModel, ParsedRequest, ScoredRequest

T = TypeVar("T")
Answer = TypeVar("Answer")

MAX_WAIT_SECONDS = 0.001
"""How long to wait for as many requests as came together of late; about what scoring a batch
takes."""

MAX_LEADS_PER_BATCH = 64
"""So that the first request of a batch does not wait long for its last."""


@dataclass(frozen=True, slots=True)
class _WaitingRequest(Generic[Answer]):
    model: LoadedModel
    request: ParsedRequest
    reasons: bool
    answered: "asyncio.Future[Answer]"


class MicroBatcher(Generic[Answer]):
    """Scores and answers requests of one event loop; each is answered wholly by the model that it
    was read for. `answer` makes the answers to requests that a model has scored."""

    def __init__(
        self,
        answer: Callable[
            [LoadedModel, Sequence[tuple[ParsedRequest, ScoredRequest]]], list[Answer]
        ],
    ) -> None:
        self._answer = answer
        self._waiting: list[_WaitingRequest[Answer]] = []
        # Requests that came together of late; one for whoever is alone, and does not wait.
        self._usual_batch = 1
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="large-request")

    async def answer(self, model: LoadedModel, request: ParsedRequest, *, reasons: bool) -> Answer:
        """The answer to a small request, which has a lead without a fault."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._gather, loop, time.perf_counter() + MAX_WAIT_SECONDS)
        self._waiting.append(_WaitingRequest(model, request, reasons, answered))
        return await answered

    async def run_in_thread(self, work: Callable[[], T]) -> T:
        """The result of some longer work, done in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Let large requests finish."""
        self._threads.shutdown()

    def _gather(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        """Score what waits once it is as many as of late, or at the deadline; meanwhile the loop
        takes in what arrives."""
        if len(self._waiting) < self._usual_batch and time.perf_counter() < deadline:
            loop.call_soon(self._gather, loop, deadline)
        else:
            self._score_waiting(loop)

    def _score_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        first = self._waiting[0]
        batch: list[_WaitingRequest[Answer]] = []
        later: list[_WaitingRequest[Answer]] = []
        leads = 0
        for waiting in self._waiting:
            is_alike = waiting.model is first.model and waiting.reasons == first.reasons
            fits = leads + len(waiting.request.leads) <= MAX_LEADS_PER_BATCH
            if is_alike and (waiting is first or fits):
                batch.append(waiting)
                leads += len(waiting.request.leads)
            else:
                later.append(waiting)
        self._waiting = later
        self._usual_batch = max(len(batch), self._usual_batch - 1)
        if self._waiting:
            loop.call_soon(self._score_waiting, loop)
        self._answer_batch(batch)

    def _answer_batch(self, batch: list[_WaitingRequest[Answer]]) -> None:
        """Answer every request of a batch. If the batch fails as a whole, each is tried alone, so
        that none falls by another's fault."""
        first = batch[0]
        requests = [waiting.request for waiting in batch]
        try:
            scored = first.model.score(requests, reasons=first.reasons)
            answers = self._answer(first.model, list(zip(requests, scored, strict=True)))
        except Exception as error:
            if len(batch) > 1:
                for waiting in batch:
                    self._answer_batch([waiting])
            elif not first.answered.done():
                first.answered.set_exception(error)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answered.done():  # its client may have gone
                waiting.answered.set_result(answer)
