"""Trusted proxies: what a proxy that is known says of a request counts, what anybody else says does
not.

By its headers the application learns that the browser speaks TLS (`X-Forwarded-Proto`), so that
cookies are marked Secure and addresses begin with https, and where the request comes from
(`X-Forwarded-For`), so that wrong keys slow down who sends them and the audit trail names them.
Answers to requests by TLS ask browsers to come by TLS only (HSTS, RFC 6797). Without keys nobody
who comes through a proxy is answered, trusted or not.
"""

import os
from collections.abc import Mapping
from ipaddress import ip_network

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from winnable.errors import StoreError

PROXIES = "WINNABLE_PROXIES"
"""The addresses or networks of proxies that are trusted, separated by commas or spaces."""

HSTS = (b"strict-transport-security", b"max-age=31536000")
"""A year, for this host alone: others of the domain may not have TLS."""


def trusted_proxies(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The proxies that `WINNABLE_PROXIES` names. `StoreError` if one of them is no address or
    network, or is everybody."""
    found = environment.get(PROXIES, "").replace(",", " ").split()
    try:
        if all(ip_network(text).prefixlen for text in found):
            return found
    except ValueError:
        pass
    raise StoreError(
        f"{PROXIES}: expected addresses or networks of proxies, such as 127.0.0.1 10.2.0.0/16, and"
        " not everybody."
    )


def behind_proxies(app: ASGIApp, proxies: list[str]) -> ASGIApp:
    """The application as it is to be asked through these proxies; it itself if there are none."""
    if not proxies:
        return app
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    return ProxyHeadersMiddleware(_StrictTransport(app), proxies)  # type: ignore[arg-type,return-value]


class _StrictTransport:
    """Adds HSTS to answers by TLS."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("scheme") != "https":
            await self._app(scope, receive, send)
            return

        async def out(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], HSTS]
            await send(message)

        await self._app(scope, receive, out)
