"""This machine: whether a request comes from it, and not from behind a proxy on it.

Without keys nobody else is answered. A page elsewhere can point its own name at this machine: the
host that it asks for gives it away. A proxy on this machine would let everybody in: the headers
that it adds give it away.
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import Scope

from winnable.service.http.problems import HTTPProblem

_FORWARDED = (
    *("for", "host", "proto", "port", "server", "by", "prefix", "scheme", "ssl", "protocol"),
    *("uri", "path", "url", "user", "groups", "email", "access-token", "preferred-username"),
    *("client-cert", "tls-client-cert", "method", "context", "request-id"),
)
_PROXY_HEADERS = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"x-client-ip",
        b"x-original-forwarded-for",
        b"true-client-ip",
        b"cf-connecting-ip",
        *(f"x-forwarded-{name}".encode() for name in _FORWARDED),
    }
)
"""Each that is known, since a request's headers are soon compared with a set."""


def check_this_machine(scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    """`HTTPProblem` 403 unless a request comes from this machine, and straight."""
    is_here = _is_here(scope) and _names_this_machine(headers.get(b"host", b"localhost"))
    if not is_here:
        raise HTTPProblem(
            403,
            "Without keys the service answers on its own machine only. `winnable keys add` makes a"
            " key.",
        )
    if not _PROXY_HEADERS.isdisjoint(headers):
        raise HTTPProblem(
            403,
            "Without keys the service answers nobody who comes through a proxy, since that may be"
            " anybody. `winnable keys add` makes a key.",
        )


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(maxsize=64)
def _names_this_machine(host: bytes) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host.decode('latin-1')}").hostname or "")
    except ValueError:
        return False


def _is_here(scope: Scope) -> bool:
    client = scope.get("client")
    return client is None or is_loopback(client[0])  # None: a Unix socket
