"""Cross-site requests: what a page elsewhere makes a visitor's browser send is refused, with and
without keys, since a browser adds a remembered password (Basic) by itself.

Browsers say where a request comes from, in headers that no page can set: `Sec-Fetch-Site`, and
`Origin` where they are older or the service is not reached by TLS. What says neither is no browser
of today. A page can also send text without saying what it is; only JSON that is called so makes a
browser ask first whether it may, and nothing here ever says yes.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from winnable.service.http.problems import HTTPProblem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing (RFC 9110, section 9.2.1)."""

_SAME_SITE = frozenset({b"same-origin", b"none"})
_JSON = re.compile(rb"application/([a-z0-9!#$&^_.+-]+\+)?json\s*(;.*)?", re.IGNORECASE | re.DOTALL)
_FORWARDED_HOST = re.compile(rb'(?:^|[;,\s])host="?([^";,\s]+)', re.IGNORECASE)


def check_same_origin(headers: Mapping[bytes, bytes]) -> None:
    """`HTTPProblem` 403 for a request that a page of another origin made a browser send."""
    site = headers.get(b"sec-fetch-site")
    origin = headers.get(b"origin")
    if site is None and origin is None:
        return
    is_ours = site in _SAME_SITE if site is not None else _host_of(origin or b"") in _hosts(headers)
    if not is_ours:
        raise HTTPProblem(403, "A page of another site sent this request; nothing was done.")


def check_json(headers: Mapping[bytes, bytes]) -> None:
    """`HTTPProblem` 415 unless the body is said to be JSON, by any of its media types."""
    content_type = headers.get(b"content-type", b"")
    if content_type != b"application/json" and _JSON.fullmatch(content_type.strip()) is None:
        raise HTTPProblem(415, "The body has to be JSON: Content-Type: application/json.")


def _host_of(origin: bytes) -> bytes | None:
    """The host and port of an origin; None for one that says none (`null`)."""
    try:
        return urlsplit(origin.lower()).netloc or None
    except ValueError:
        return None


def _hosts(headers: Mapping[bytes, bytes]) -> set[bytes]:
    """The names under which the service may have been asked. A proxy that gives its own as Host
    says which one the browser asked for; a page elsewhere cannot set these headers."""
    hosts = {headers.get(b"host", b"").lower()}
    hosts.add(headers.get(b"x-forwarded-host", b"").partition(b",")[0].strip().lower())
    forwarded = _FORWARDED_HOST.search(headers.get(b"forwarded", b""))
    if forwarded is not None:
        hosts.add(forwarded[1].lower())
    return hosts
