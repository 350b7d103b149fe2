"""Draining: whoever connected before the service stops listening is answered.

The system queues connections that nobody has accepted yet, and resets them when the last process
closes the socket. So new ones are turned away first, and then those that wait are accepted; how a
connection ends is in `protocol`. With several workers the process above them holds the socket as
well, turns new connections away, and has to let go of it before the workers do. This is given to
uvicorn as its event loop and its supervisor.
"""

import asyncio
import ctypes
import logging
import multiprocessing
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from winnable.service.http.protocol import CoalescingHttpProtocol

if sys.platform == "win32":
    from asyncio import ProactorEventLoop as Loop
else:
    from uvloop import Loop

_LOGGER = logging.getLogger("uvicorn.error")

ANSWER_POLL_SECONDS = 0.1
"""How often it is looked whether a worker that is waited for has died."""

_SO_ATTACH_FILTER = 26
"""Of Linux (`asm-generic/socket.h`); Python has no name for it."""

_DROPS_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # the flags of the TCP header
        (0x45, 0, 1, 0x02),  # is SYN among them?
        (0x06, 0, 0, 0),  # drop
        (0x06, 0, 0, 0xFFFFFFFF),  # keep the whole
    )
)
"""A program of the classic Berkeley packet filter that drops what opens a connection."""

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
        if multiprocessing.parent_process() is None:  # else other workers may go on with the socket
            for listener in self._server.sockets:  # type: ignore[attr-defined]
                _turn_away(listener.fileno())
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
        """Replace workers that died or do not answer. uvicorn waits for the answer of one that dies
        meanwhile as long as for one that is busy, and does not stop until then."""
        with self._unless_stopped():
            for place, worker in enumerate(self.processes):
                if self._answers(worker) or self._is_stopped():
                    continue
                worker.kill()
                worker.join()
                if worker.exitcode == STARTUP_FAILURE:  # as every other one would
                    _LOGGER.error("a worker cannot start; the service stops")
                    self.should_exit.set()
                    return
                self.processes[place] = Process(self.config, self.sockets)
                self.processes[place].start()

    def _answers(self, worker: Process) -> bool:
        """Whether a worker lives and answers in time; not waited for once it is dead or the service
        is asked to stop."""
        until = time.monotonic() + self.config.timeout_worker_healthcheck
        try:
            worker.parent_conn.send(b"ping")
            while not worker.parent_conn.poll(ANSWER_POLL_SECONDS):
                is_late = time.monotonic() >= until
                if is_late or self._is_stopped() or not worker.process.is_alive():
                    return False
            worker.parent_conn.recv()
        except (OSError, EOFError):
            return False
        return True

    def _is_stopped(self) -> bool:
        return any(listener.fileno() < 0 for listener in self.sockets)

    def _stop(self, number: int, _: FrameType | None) -> None:
        for listener in self.sockets:
            if listener.fileno() >= 0:
                _turn_away(listener.fileno())
            listener.close()
        self.signal_queue.append(number)

    @contextmanager
    def _unless_stopped(self) -> Iterator[None]:
        """A worker cannot be started once the socket is closed, and need not be."""
        try:
            yield
        except (OSError, ValueError):
            if not self._is_stopped():
                raise


def _turn_away(listener: int) -> None:
    """Let nobody connect any more, while who has connected is accepted. The system does not answer
    whoever tries, who tries again after a second and is then refused."""
    if sys.platform != "linux":
        return
    instructions = ctypes.create_string_buffer(_DROPS_SYN, len(_DROPS_SYN))
    count = len(_DROPS_SYN) // struct.calcsize("HBBI")
    program = struct.pack("HP", count, ctypes.addressof(instructions))
    with socket.socket(fileno=os.dup(listener)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


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
