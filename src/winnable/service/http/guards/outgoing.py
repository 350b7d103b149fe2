"""Questions to other servers by HTTP, with Python's own library: each ends in time, whatever the
server does, is answered within a limit of bytes, and goes to no other server.

A timeout of a socket counts anew with every byte; here the connection is cut when the time for the
whole answer is over, or when the service stops. What the answers mean is known to who asks.
"""

import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from winnable.errors import StoreError

SILENCE_SECONDS = 10.0
"""How long a server may send nothing at all."""

MAX_JSON_BYTES = 1_000_000
_CHUNK_BYTES = 1 << 16


class RefusedError(StoreError):
    """The server answered with an error: its HTTP `status` and the beginning of its `text`."""

    def __init__(self, server: str, status: int, text: bytes) -> None:
        super().__init__(f"The {server} refused: HTTP {status}.")
        self.status = status
        self.text = text


class OutgoingClient:
    """Asks one question at a time. `server` is what errors call the one that is asked, `mend` what
    to do where it redirects to another one."""

    def __init__(self, server: str, mend: str) -> None:
        self._server = server
        self._mend = mend
        self._line: _Line | None = None
        self._is_closed = False

    def ask(self, request: urllib.request.Request, until: float, max_bytes: int) -> bytes:
        """The answer, if it has ended by `until` (of `time.monotonic`) and is not longer than
        `max_bytes`; else `StoreError`, which is a `RefusedError` if the server said no."""
        with self._cut_at(until) as line:
            redirects = _SameServer(self._server, self._mend)
            opener = urllib.request.build_opener(_Http(line), _Https(line), redirects)
            try:
                with opener.open(request, timeout=SILENCE_SECONDS) as answer:
                    content = _read(answer, max_bytes)
            except urllib.error.HTTPError as error:
                raise RefusedError(self._server, error.code, _beginning(error)) from None
            except (OSError, ValueError, http.client.HTTPException):
                raise StoreError(f"The {self._server} {line.how_it_failed}.") from None
            if line.is_cut:  # an answer without a length just seems to end
                raise StoreError(f"The {self._server} {line.how_it_failed}.")
        if content is None:
            raise StoreError(f"The {self._server}'s answer is too large to be one of ours.")
        return content

    def ask_json(self, request: urllib.request.Request, until: float) -> Any:
        """The answer as JSON; errors as of `ask`."""
        try:
            return json.loads(self.ask(request, until, MAX_JSON_BYTES))
        except (ValueError, RecursionError):
            raise StoreError(f"The {self._server} does not answer in JSON.") from None

    def close(self) -> None:
        """Cut the question under way, and ask no other."""
        self._is_closed = True
        line = self._line
        if line is not None:
            line.cut()

    @contextmanager
    def _cut_at(self, until: float) -> Iterator["_Line"]:
        line = _Line()
        timer = threading.Timer(max(0.0, until - time.monotonic()), line.cut)
        timer.daemon = True
        timer.start()
        self._line = line
        if self._is_closed:
            line.cut()
        try:
            yield line
        finally:
            timer.cancel()
            self._line = None
            line.close()


class _Line:
    """The connections of one question, which another thread can cut whatever they wait for: an
    address, a handshake, a header or the next byte."""

    def __init__(self) -> None:
        self.is_cut = False
        self._handles: list[socket.socket] = []
        self._lock = threading.Lock()

    @property
    def how_it_failed(self) -> str:
        return "does not answer in time" if self.is_cut else "does not answer"

    def connect(self, *arguments: Any, **options: Any) -> socket.socket:
        """As `socket.create_connection`. A second handle is kept, since TLS takes the first."""
        connection = socket.create_connection(*arguments, **options)
        with self._lock:
            self._handles.append(connection.dup())
        if self.is_cut:
            self.cut()
        return connection

    def cut(self) -> None:
        with self._lock:
            self.is_cut = True
            for handle in self._handles:
                with suppress(OSError):  # it has ended by itself
                    handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            for handle in self._handles:
                handle.close()
            self._handles.clear()


def _connection(
    kind: type[http.client.HTTPConnection], line: _Line, host: str, **options: Any
) -> http.client.HTTPConnection:
    connection = kind(host, **options)
    connection._create_connection = line.connect  # type: ignore[attr-defined]
    return connection


class _Http(urllib.request.HTTPHandler):
    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connection, http.client.HTTPConnection, self._line), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connection, http.client.HTTPSConnection, self._line), req)


class _SameServer(urllib.request.HTTPRedirectHandler):
    """Follows a redirect within the server; to another one the sign-in would go along."""

    def __init__(self, server: str, mend: str) -> None:
        self._server = server
        self._mend = mend

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: Any,
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        if _origin(newurl) != _origin(req.full_url):
            raise StoreError(
                f"The {self._server} redirects to another one, {_origin(newurl)[:200]!r}."
                f" {self._mend}"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _read(answer: Any, max_bytes: int) -> bytes | None:
    """The body; None if it is longer than that."""
    content = bytearray()
    while chunk := answer.read1(_CHUNK_BYTES):
        content += chunk
        if len(content) > max_bytes:
            return None
    if answer.length:
        raise http.client.IncompleteRead(bytes(content), answer.length)
    return bytes(content)


def _beginning(error: urllib.error.HTTPError) -> bytes:
    try:
        return error.read(10_000)
    except (OSError, ValueError, http.client.HTTPException):
        return b""
