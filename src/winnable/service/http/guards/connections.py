"""Limits of connections: how many this process holds, in all and of one client, and what is said to
those who get none or take too long.

Nobody can hold the service up by doing nothing: where a limit is reached, connections that wait for
a request or its body make room, the one first that would be closed first anyway. Only where all of
them are at work is the new one refused. A client is an address, of IPv6 its network (/64), since
whoever has one address there has all of them. This machine is no client: a proxy on it speaks for
many. What was refused is counted by reason.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

from winnable.service.http.problems import MEDIA_TYPE, problem

MAX_CONNECTIONS = 1000
"""Of one process."""

MAX_CONNECTIONS_PER_CLIENT = 200
CLOSED_AT_ONCE = 32
"""Waiting connections that make room together, so that looking for them costs little."""

IPV6_NETWORK_BITS = 64


class Connection(Protocol):
    """What has to be known of a connection: whose it is (`client_of`), and until when it waits."""

    network: str | None

    def closes_at(self) -> float | None:
        """The loop's time at which it will be closed if nothing comes; None while it is at work."""

    def drop(self) -> None:
        """Close it."""


class ConnectionLimits:
    """Counts the connections of this process. For its event loop only."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._by_client: Counter[str] = Counter()
        self.is_stopping = False
        """Whether each connection is to be closed after the request that is on its way."""

    def admit(self, connection: Connection, count: Callable[[str], None]) -> bool:
        """Whether there is room for a new connection, which is counted until `release`; `count` is
        called with the reason of each one that is closed or refused."""
        client = connection.network
        if client is not None and self._by_client[client] >= MAX_CONNECTIONS_PER_CLIENT:
            others = [other for other in self._open if other.network == client]
            if not self._make_room(others, count):
                count("client_limit")
                return False
        if len(self._open) >= MAX_CONNECTIONS and not self._make_room(self._open, count):
            count("limit")
            return False
        self._open.add(connection)
        if client is not None:
            self._by_client[client] += 1
        return True

    def release(self, connection: Connection) -> None:
        """A connection is closed; one that was not admitted, or released before, changes
        nothing."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        client = connection.network
        if client is not None:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]

    def _make_room(self, among: Iterable[Connection], count: Callable[[str], None]) -> bool:
        waiting = []
        for connection in among:
            closes_at = connection.closes_at()
            if closes_at is not None:
                waiting.append((closes_at, id(connection), connection))
        for _, _, connection in heapq.nsmallest(CLOSED_AT_ONCE, waiting):
            self.release(connection)
            connection.drop()
            count("made_room")
        return bool(waiting)


@lru_cache(maxsize=1024)
def client_of(address: str) -> str | None:
    """The client at an address; None for this machine."""
    try:
        found = ip_address(address)
    except ValueError:  # a Unix socket
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_loopback:
        return None
    if isinstance(found, IPv6Address):
        return str(ip_network((found.packed, IPV6_NETWORK_BITS), strict=False))
    return str(found)


def plain_answer(status: int, detail: str, retry_after: int | None = None) -> bytes:
    """A whole answer with a problem, for a connection that has no request to be answered."""
    body = problem(status, detail)
    head = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"content-type: {MEDIA_TYPE.decode()}",
        f"content-length: {len(body)}",
        "cache-control: no-store",
        "connection: close",
    ]
    if retry_after is not None:
        head.append(f"retry-after: {retry_after}")
    return "\r\n".join([*head, "", ""]).encode() + body
