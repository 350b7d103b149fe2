"""Middleware: authentication, security headers, access log and metrics of every request.

On the way in, a request gets an id, and its key and role are checked; without keys only this
machine is answered. On the way out, an answer gets the headers that keep browsers from doing harm
(Content-Security-Policy and others), and whatever failed inside becomes a problem that tells
nothing of the inside. Nothing is allowed across origins (no CORS). The pages for people let
everyone pass here, since they have sessions of their own. It is plain ASGI, which costs a request a
few microseconds.
"""

import base64
import binascii
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from winnable.service.http.guards.cross_site import SAFE_METHODS, check_json, check_same_origin
from winnable.service.http.guards.key_usage import KeyUsage
from winnable.service.http.guards.this_machine import check_this_machine
from winnable.service.http.guards.wrong_keys import WrongKeys
from winnable.service.http.keys import Keys, Role
from winnable.service.http.logs import JsonLogger
from winnable.service.http.metrics import Metrics
from winnable.service.http.problems import FAILED, ClientGone, HTTPProblem

_CONTENT = (
    b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none';"
    b" form-action 'self'"
)
_SAFE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _CONTENT),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# Each on a line of its own: Chromium reads the first of a line only, and asks nobody for Bearer.
_CHALLENGES = [
    (b"www-authenticate", b'Bearer realm="winnable"'),
    (b"www-authenticate", b'Basic realm="winnable", charset="UTF-8"'),
]
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PAGES = "/inbox/"
"""The paths of the pages for people begin so."""

DOCS = "/docs"
"""The paths of the interactive documentation begin so."""

CLIENT_GONE = 499
"""What the log calls a request whose sender did not wait; nobody is sent it."""

KEY_NAME = "winnable.key"
"""In a request's scope, the name of the key that it was let in by, for the log."""

# Begins the ids of this process's requests; the time ends them.
_PROCESS = os.urandom(8).hex().encode()


class GatewayMiddleware:
    """ASGI middleware. `routes` says which roles may use a path (None: anyone); any other path
    needs any key. `admin` may use all."""

    def __init__(
        self,
        app: ASGIApp,
        keys: Keys,
        logger: JsonLogger,
        metrics: Metrics,
        routes: Mapping[str, frozenset[Role] | None],
        usage: KeyUsage,
        wrong_keys: WrongKeys,
    ) -> None:
        self._app = app
        self._keys = keys
        self._usage = usage
        self._wrong_keys = wrong_keys
        self._logger = logger
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request in and its answer out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        path = scope["path"]
        is_page = path == "/" or path.startswith((PAGES, DOCS))
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = _request_id(headers)
        status = 0

        async def out(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *_safe(message.get("headers", ()), is_page=is_page),
                    (b"x-request-id", request_id),
                ]
            await send(message)

        try:
            is_safe = scope["method"] in SAFE_METHODS
            if not is_safe:
                check_same_origin(headers)
            self._admit(scope, path, headers)
            if not (is_safe or is_page):  # the pages' forms carry a token of their own
                check_json(headers)
            await self._app(scope, receive, out)
        except HTTPProblem as refusal:
            due = await self._due(scope, refusal)
            # A browser asks its user for a password only where there is something to open.
            known = path in self._routes or path.startswith(DOCS)
            await _refuse(out, due, headers, _CHALLENGES if known else _CHALLENGES[:1])
        except ClientGone:
            status = CLIENT_GONE
        except Exception as error:
            kind = type(error).__name__
            where = _where(error)
            self._logger.event(
                "failed", level="error", request_id=request_id.decode(), error=kind, where=where
            )
            if status == 0:
                await _refuse(out, HTTPProblem(500, FAILED), headers)
        finally:
            self._record(scope, path, status, time.perf_counter() - start, request_id)

    def _admit(self, scope: Scope, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Raise a `HTTPProblem` unless this caller may ask for this path."""
        if not self._keys.required():
            check_this_machine(scope, headers)
            return
        roles = self._routes.get(path, frozenset[Role]({"score", "feedback"}))
        if path == "/" or path.startswith(PAGES):
            if self._keys.problem is not None:
                raise _keys_unusable()
            return
        if roles is None:
            return
        secret = secret_of(headers.get(b"authorization", b""))
        key = None if secret is None else self._keys.find(secret)
        if key is None:
            if self._keys.problem is not None:
                raise _keys_unusable()
            raise _KeyNeeded(is_wrong=secret is not None)
        scope[KEY_NAME] = key.name
        if key.role != "admin" and key.role not in roles:
            raise HTTPProblem(403, f"A key with the role {key.role} may not do this.")

    async def _due(self, scope: Scope, refusal: HTTPProblem) -> HTTPProblem:
        """The refusal when it is time for it: that of a wrong key is late, and another one if too
        many wait."""
        if isinstance(refusal, _KeyNeeded) and refusal.is_wrong:
            try:
                await self._wrong_keys.slow_down(scope)
            except HTTPProblem as too_many:
                return too_many
        return refusal

    def _record(
        self, scope: Scope, path: str, status: int, seconds: float, request_id: bytes
    ) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = self._route(path)
        self._metrics.request(method, route, status, seconds)
        key = scope.get(KEY_NAME, "")
        if key:
            self._usage.add(key)
        leads = scope.get("winnable.leads", 0)
        self._logger.request(request_id.decode(), method, route, status, seconds, leads, key)

    def _route(self, path: str) -> str:
        """What the log and the metrics call a path: one of a few."""
        if path in self._routes:
            return path
        if path.startswith(PAGES):
            return PAGES
        return "other"


class _KeyNeeded(HTTPProblem):
    """No key was given, or a wrong one."""

    def __init__(self, *, is_wrong: bool) -> None:
        super().__init__(
            401, "A key is needed: Authorization: Bearer KEY, or as the password of Basic."
        )
        self.is_wrong = is_wrong


def _keys_unusable() -> HTTPProblem:
    return HTTPProblem(
        503,
        "The service's file of keys is missing or cannot be read, so that nobody can be let in. On"
        " its machine, put the file back, or use `winnable keys add` or `winnable keys off`.",
        {"retry-after": "5"},
    )


def _request_id(headers: Mapping[bytes, bytes]) -> bytes:
    """The caller's own id if it is a plain word, so that it may stand in a header and in the log as
    it is."""
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return b"%s%016x" % (_PROCESS, time.time_ns())


def secret_of(authorization: bytes) -> str | None:
    """The key in an Authorization header, as Bearer or as the password of Basic."""
    scheme, _, given = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return given.strip().decode("latin-1")
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(given, validate=True).partition(b":")[2].decode("latin-1")
        except (binascii.Error, ValueError):
            return None
    return None


def _where(error: Exception) -> str:
    """The place in the code where an error came up; its text may hold values and stays inside."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"


def _safe(given: Iterable[tuple[bytes, bytes]], *, is_page: bool) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with those that keep it safe; a page may have stated its own
    instead."""
    if not is_page:
        return [*given, *_SAFE_HEADERS]
    stated = {name for name, _ in given}
    return [*given, *(header for header in _SAFE_HEADERS if header[0] not in stated)]


async def _refuse(
    send: Send,
    refusal: HTTPProblem,
    asked: Mapping[bytes, bytes],
    challenges: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    body, media_type = refusal.answer(asked.get(b"accept", b"").decode("latin-1"))
    headers = [(b"content-type", media_type), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
    if refusal.status == 401:
        headers += challenges
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
