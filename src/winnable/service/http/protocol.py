"""HTTP protocol: uvicorn's, with limits for what comes before a request, and with the head and the
body of an answer sent in one go (coalesced).

The head of a request has to arrive within a time and a size; so has whatever else is no body, such
as trailers. llhttp, which reads the heads here, sets no limits of its own, and uvicorn's time for
an idle connection begins with the first answer. When the service is asked to stop, a connection
waits a moment for a request that is on its way, answers it, and closes.

uvicorn hands the head and the body of an answer to the transport one after the other, and each is a
call to the system and wakes the client. For answers as small as a score this is a good part of what
the service does at all.
"""

import asyncio
from math import inf
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from winnable.service.http.guards.connections import ConnectionLimits, client_of, plain_answer
from winnable.service.http.guards.refusals import COUNT_REFUSAL

MAX_HEAD_BYTES = 65_536
"""Of a request's head, and of its trailers."""

HEAD_TIMEOUT_SECONDS = 10.0
DRAIN_SECONDS = 1.0
"""How long a connection may still bring a request when the service is asked to stop."""

_TOO_LARGE = plain_answer(431, f"The head of the request is larger than {MAX_HEAD_BYTES:,} bytes.")
_TOO_LATE = plain_answer(
    408, f"The head of the request did not arrive within {HEAD_TIMEOUT_SECONDS:g} seconds."
)
_NO_HTTP = plain_answer(400, "This is no HTTP request that can be read.")
_TOO_MANY = plain_answer(
    503, "The service has as many connections as it can hold, or as one client may have.", 5
)


class CoalescingHttpProtocol(HttpToolsProtocol):
    """The protocol of one connection."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()
    """Those of this process."""

    network: str | None = None
    _unread = 0
    """Bytes that came since a head was complete, or a piece of a body."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(_Joining(transport, self.loop))  # type: ignore[arg-type]
        self.network = None if self.client is None else client_of(self.client[0])
        if self.limits.admit(self, self._count):
            self._expect_head()
        else:
            self.transport.write(_TOO_MANY)
            self.transport.close()
        if self.limits.is_stopping:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whomever."""
        self.limits.release(self)
        self._cancel_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came: a head or a body, a part of one, or several."""
        if self._unread + len(data) > MAX_HEAD_BYTES:
            self._read_in_pieces(data)
        else:
            self._unread += len(data)
            super().data_received(data)
        # Written out, since every request comes this way.
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._unread = 0
        if self._head_timer is not None:
            self._cancel_head_timer()
        super().on_headers_complete()
        if self.limits.is_stopping:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A piece of a body came."""
        self._unread = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse("no_http", _NO_HTTP)

    def shutdown(self) -> None:
        """The service was asked to stop: the answer of the request under way, or of the one that
        is on its way, says that it is the last."""
        if not self._is_idle() and not self.cycle.response_started:
            self.cycle.keep_alive = False
        self.loop.call_later(DRAIN_SECONDS, self._close_idle)

    def closes_at(self) -> float | None:
        """As of `connections.Connection`; those that wait for a body come last."""
        if self._is_idle():
            timer = self._head_timer or self.timeout_keep_alive_task
            return None if timer is None else timer.when()
        return inf if self.cycle.more_body and not self.cycle.response_started else None

    def drop(self) -> None:
        """As of `connections.Connection`."""
        self.transport.abort()

    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _close_idle(self) -> None:
        if self._is_idle():
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def _read_in_pieces(self, data: bytes) -> None:
        """Read what may hold the end of a head that is small enough, and a body after it."""
        rest = memoryview(data)
        while rest and not self.transport.is_closing():
            room = MAX_HEAD_BYTES - self._unread
            if room == 0:
                self._refuse("head_too_large", _TOO_LARGE)
                return
            piece = rest[:room]
            rest = rest[room:]
            self._unread += len(piece)
            super().data_received(piece)  # type: ignore[arg-type]

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        head_has_begun = self.scope is not None and "method" not in self.scope
        self._refuse("head_timeout", _TOO_LATE if head_has_begun else b"")

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, reason: str, answer: bytes) -> None:
        """Close the connection, with an answer unless another one is on its way."""
        if self.transport.is_closing():
            return
        self._count(reason)
        if answer and (self._is_idle() or not self.cycle.response_started):
            self.transport.write(answer)
        self.transport.close()

    def _count(self, reason: str) -> None:
        count = self.app_state.get(COUNT_REFUSAL)
        if count is not None:
            count(reason)


class _Joining:
    """A transport that holds the first of two pieces back until the second one comes, or the loop
    has nothing else to do."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send this, perhaps a little later."""
        held, self._held = self._held, None
        if held is None:
            self._held = data
            self._loop.call_soon(self._send)
        else:
            self._transport.writelines((held, data))

    def close(self) -> None:
        """Send what is held and close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._transport.write(held)
