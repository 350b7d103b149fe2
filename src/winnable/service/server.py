"""Running the service by uvicorn on this machine; any other ASGI server may run
`winnable.service.api:create_app` as well.

With several workers each is a process of its own that reads the same store; a worker that dies is
replaced. Their metrics meet in a folder that is made here and removed in the end, so that a scrape
of one worker tells of all of them (another ASGI server names one by `PROMETHEUS_MULTIPROC_DIR`).
"""

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from winnable.errors import StoreError
from winnable.service.api import DEFINITION, STORE, create_app, remote_champion
from winnable.service.http.draining import DrainingSupervisor
from winnable.service.http.guards.this_machine import is_loopback
from winnable.service.http.guards.trusted_proxies import trusted_proxies
from winnable.service.http.keys import Keys, read_keys
from winnable.service.http.metrics import METRICS_FOLDER
from winnable.service.http.protocol import CoalescingHttpProtocol
from winnable.service.scoring.champion import ChampionFollower

SHUTDOWN_TIMEOUT_SECONDS = 10
"""For requests under way when the service is asked to stop."""

WORKER_TIMEOUT_SECONDS = 60
"""For a new worker to be ready, and for one at work to say that it lives."""

MIN_OPEN_FILES = 4096
"""So many files and connections a process should be able to open: more than the connections that
its limits allow."""

_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": "winnable.service.http.logs.JsonFormatter"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "lines",
            "stream": "ext://sys.stderr",
        }
    },
    # Not its warnings: `refusals` counts what they are about, and attacks would fill the log.
    "loggers": {"uvicorn": {"handlers": ["stderr"], "level": "ERROR", "propagate": False}},
}


def run(
    store: Path,
    definition: Path | None,
    host: str,
    port: int,
    workers: int = 1,
    tell: Callable[[], None] = lambda: None,
) -> None:
    """Serve until asked to stop by SIGTERM or SIGINT; whoever connected before is answered. SIGHUP
    replaces several workers one after the other; one worker it stops. `tell` is called when all is
    ready to start.

    `StoreError` and its kin, before anything is served, if there is nothing to answer by, the keys
    cannot be read, the port is taken, there are no keys and the address is not this machine's own,
    or `WINNABLE_PROXIES` names no proxies.
    """
    trusted_proxies()  # words that name none are told to whoever starts the service
    _check_address(store, host, port)
    _allow_open_files()
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "log_config": _LOGGING,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # `trusted_proxies` says whose count
        "timeout_graceful_shutdown": SHUTDOWN_TIMEOUT_SECONDS,
        "timeout_worker_healthcheck": WORKER_TIMEOUT_SECONDS,
        "ws": "none",
        "http": CoalescingHttpProtocol,
        "loop": "winnable.service.http.draining:DrainingLoop",
        "lifespan": "on",
    }
    if workers == 1:
        app = create_app(store, definition)
        signal.signal(signal.SIGTERM, _leave)
        if sys.platform != "win32":
            signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
        tell()
        uvicorn.run(app, **options)
        return
    ChampionFollower(store, definition, remote_champion())  # fails here, not in each worker
    os.environ[STORE] = str(store.absolute())
    if definition is not None:
        os.environ[DEFINITION] = str(definition.absolute())
    tell()
    with _metrics_folder():
        config = uvicorn.Config(
            "winnable.service.server:create_worker", factory=True, workers=workers, **options
        )
        DrainingSupervisor(config, [config.bind_socket()]).run()


def create_worker() -> ASGIApp:
    """The application of one of several workers, whose beginning and end are the supervisor's."""
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return create_app()


@contextmanager
def _metrics_folder() -> Iterator[None]:
    """The folder in which the workers' metrics meet, named to them by their environment. One that
    somebody else has named is left to them."""
    if METRICS_FOLDER in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="winnable-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[METRICS_FOLDER]


def _check_address(store: Path, host: str, port: int) -> None:
    read_keys(store)  # a file that somebody broke is told to whoever starts the service
    if not (Keys(store).required() or is_loopback(host)):
        raise StoreError(
            f"--host {host}: without keys only this machine is answered. `winnable keys add` makes"
            " a key."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StoreError(
                f"--host {host} --port {port}: cannot be used ({error.strerror}). Choose another"
                " --port."
            ) from None


def _allow_open_files() -> None:
    """Raise this process's limit of open files, and that of its workers, as far as it may."""
    if sys.platform == "win32":  # which has no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MIN_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MIN_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leave(*_: object) -> None:
    """uvicorn raises the signal again when it has finished, but an end that was asked for is no
    failure."""
    raise SystemExit(0)
