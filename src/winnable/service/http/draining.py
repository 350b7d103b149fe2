"""Draining: whoever connected before the service stops listening is answered.

The system queues connections that nobody has accepted yet, and resets them when the last process
closes the socket. So they are accepted first, in the same breath; how a connection then ends is in
`protocol`. With several workers the process above them holds the socket as well, and has to let go
of it before the workers do. This is given to uvicorn as its event loop and its supervisor.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from uvicorn.config import Config
from uvicorn.supervisors.multiprocess import Multiprocess

from winnable.service.http.protocol import CoalescingHttpProtocol

if sys.platform == "win32":
    from asyncio import ProactorEventLoop as Loop
else:
    from uvloop import Loop

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class DrainingLoop(Loop):
    """An event loop whose servers drain when they are closed. Has to be named to uvicorn by its
    place."""

    async def create_server(  # type: ignore[override]
        self, protocol_factory: ProtocolFactory, *places: Any, **options: Any
    ) -> "DrainingServer":
        """As of `asyncio`."""
        server = await super().create_server(protocol_factory, *places, **options)
        return DrainingServer(self, server, protocol_factory)


class DrainingServer:
    """A server of an event loop that accepts, before it closes, whoever waits to be."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        server: asyncio.AbstractServer,
        protocol_factory: ProtocolFactory,
    ) -> None:
        self._loop = loop
        self._server = server
        self._protocol_factory = protocol_factory
        self._late: list[asyncio.Task[Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def close(self) -> None:
        """Stop listening."""
        CoalescingHttpProtocol.limits.is_stopping = True
        waiting = [
            connection
            for listener in self._server.sockets  # type: ignore[attr-defined]
            for connection in _accept_all(listener.fileno())
        ]
        self._server.close()
        self._late = [
            self._loop.create_task(
                self._loop.connect_accepted_socket(self._protocol_factory, connection)
            )
            for connection in waiting
        ]


class DrainingSupervisor(Multiprocess):
    """uvicorn's supervisor of several workers, which stops listening as soon as it is asked to
    stop: connections would wait here that no worker can accept any more."""

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def restart_all(self) -> None:
        """Replace one worker after the other."""
        with self._unless_stopped():
            super().restart_all()

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died."""
        with self._unless_stopped():
            super().keep_subprocess_alive()

    def _stop(self, number: int, _: FrameType | None) -> None:
        for listener in self.sockets:
            listener.close()
        self.signal_queue.append(number)

    @contextmanager
    def _unless_stopped(self) -> Iterator[None]:
        """A worker cannot be started once the socket is closed, and need not be."""
        try:
            yield
        except (OSError, ValueError):
            if all(listener.fileno() >= 0 for listener in self.sockets):
                raise


def _accept_all(listener: int) -> Iterator[socket.socket]:
    """The connections that nobody has accepted yet."""
    with socket.socket(fileno=os.dup(listener)) as accepting:
        accepting.setblocking(False)
        while True:
            try:
                connection, _ = accepting.accept()
            except OSError:  # none is left
                return
            connection.setblocking(False)
            yield connection
