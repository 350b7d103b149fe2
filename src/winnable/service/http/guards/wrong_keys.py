"""Wrong keys: whoever shows many of them is answered ever more slowly, by address.

A key cannot be guessed, so this is against noise and load. Right keys are never slowed down, from
whatever address, since behind a proxy all have the same. What is kept has a fixed size: addresses
share places by their hash. Those that wait are few; the others are told to come back.
"""

import asyncio
import time
from array import array
from collections.abc import Callable

from starlette.types import Scope

from winnable.service.http.guards.connections import client_of
from winnable.service.http.problems import HTTPProblem

PLACES = 4096
FREE_FAILURES = 5
"""Wrong keys of an address that cost nothing."""

FORGIVEN_AFTER_SECONDS = 10.0
"""One wrong key is forgotten in so much time."""

FIRST_DELAY_SECONDS = 0.1
"""It doubles with each further wrong key."""

LONGEST_DELAY_SECONDS = 5.0
MAX_FAILURES = 12.0
"""No more are remembered, so that a minute or two makes good."""

MAX_WAITING = 100


class WrongKeys:
    """Counts wrong keys by client; `count` is told of each. For the event loop only."""

    def __init__(self, count: Callable[[str], None]) -> None:
        self._count = count
        self._failures = array("d", bytes(8 * PLACES))
        self._counted_at = array("d", bytes(8 * PLACES))
        self._waiting = 0

    async def slow_down(self, scope: Scope) -> None:
        """Wait as long as a wrong key in this request costs. `HTTPProblem` 429 if too many wait."""
        self._count("wrong_key")
        client = scope.get("client")
        network = None if client is None else client_of(client[0])
        delay = self._delay(hash(network) % PLACES)
        if delay == 0:
            return
        if self._waiting >= MAX_WAITING:
            seconds = str(int(LONGEST_DELAY_SECONDS))
            raise HTTPProblem(429, "Too many wrong keys were given.", {"retry-after": seconds})
        self._waiting += 1
        try:
            await asyncio.sleep(delay)
        finally:
            self._waiting -= 1

    def _delay(self, place: int) -> float:
        now = time.monotonic()
        forgiven = (now - self._counted_at[place]) / FORGIVEN_AFTER_SECONDS
        failures = min(max(self._failures[place] - forgiven, 0.0) + 1, MAX_FAILURES)
        self._failures[place] = failures
        self._counted_at[place] = now
        if failures <= FREE_FAILURES:
            return 0.0
        doubled = 2 ** (failures - FREE_FAILURES - 1)
        return min(FIRST_DELAY_SECONDS * doubled, LONGEST_DELAY_SECONDS)
