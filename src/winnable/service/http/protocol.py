"""HTTP protocol: uvicorn's, with the head and the body of an answer sent in one go (coalesced).

uvicorn hands them to the transport one after the other, and each is a call to the system and wakes
the client. For answers as small as a score this is a good part of what the service does at all.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class CoalescingHttpProtocol(HttpToolsProtocol):
    """The protocol of one connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(_Joining(transport, self.loop))  # type: ignore[arg-type]


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
