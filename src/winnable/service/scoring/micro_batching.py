"""Together: requests that wait at the same moment are scored in one go.

Most of the time that one lead takes is the same for one and for many. While a group is being
scored, the next requests gather; who comes when no others do does not wait for company. Large
requests are worked on in threads of their own, so that small ones and the health check pass them.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from winnable.service.scoring.loaded_model import LoadedModel, ParsedRequest, ScoredRequest

T = TypeVar("T")
# Seconds, about what scoring a group takes, to wait for as many requests as came together of late.
PATIENCE = 0.001
MOST = 64  # leads that a group holds, so that its first request does not wait long for its last


@dataclass(frozen=True, slots=True)
class _Waiting:
    serving: LoadedModel
    request: ParsedRequest
    reasons: bool
    told: "asyncio.Future[ScoredRequest]"


class MicroBatcher:
    """Scores requests of one event loop; each is answered wholly by the model that it was read for."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        # Requests that come together, as of late; one for whoever is alone, and does not wait.
        self._usual = 1
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="large-request")

    async def score(
        self, serving: LoadedModel, request: ParsedRequest, *, reasons: bool
    ) -> ScoredRequest:
        """The scores of a small request, which has a lead without a fault."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[ScoredRequest] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._gather, loop, time.perf_counter() + PATIENCE)
        self._waiting.append(_Waiting(serving, request, reasons, told))
        return await told

    async def run_in_thread(self, work: Callable[[], T]) -> T:
        """The result of some longer work, done in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Let large requests finish."""
        self._threads.shutdown()

    def _gather(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        """Score what waits once it is as many as of late, or when patience ends; meanwhile the loop
        takes in what arrives."""
        if len(self._waiting) < self._usual and time.perf_counter() < until:
            loop.call_soon(self._gather, loop, until)
        else:
            self._score_waiting(loop)

    def _score_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        first, group, later, leads = self._waiting[0], [], [], 0
        for each in self._waiting:
            alike = each.serving is first.serving and each.reasons == first.reasons
            if alike and (each is first or leads + len(each.request.leads) <= MOST):
                group.append(each)
                leads += len(each.request.leads)
            else:
                later.append(each)
        self._waiting = later
        self._usual = max(len(group), self._usual - 1)
        if self._waiting:
            loop.call_soon(self._score_waiting, loop)
        _score_group(group)


def _score_group(group: list[_Waiting]) -> None:
    """Answer every request of a group. If the group fails as a whole, each is tried alone, so that
    none falls by another's fault."""
    try:
        told = group[0].serving.score([each.request for each in group], reasons=group[0].reasons)
    except Exception as error:
        if len(group) > 1:
            for each in group:
                _score_group([each])
        elif not group[0].told.done():
            group[0].told.set_exception(error)
        return
    for each, answer in zip(group, told, strict=True):
        if not each.told.done():  # its client may have gone
            each.told.set_result(answer)
