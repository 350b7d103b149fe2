"""Running the service by uvicorn on this machine; any other ASGI server may run
`winnable.service.api:create_app` as well.

With several workers each is a process of its own that reads the same store; a worker that dies is
replaced. Their metrics meet in a folder that is made here and removed in the end, so that a scrape
of one worker tells of all of them (another ASGI server names one by `PROMETHEUS_MULTIPROC_DIR`).
"""

import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from winnable.errors import StoreError
from winnable.service.api import DEFINITION, STORE, create_app, remote_champion
from winnable.service.http.keys import Keys
from winnable.service.http.metrics import METRICS_FOLDER
from winnable.service.http.middleware import is_loopback
from winnable.service.http.protocol import CoalescingHttpProtocol
from winnable.service.scoring.champion import ChampionFollower

SHUTDOWN_TIMEOUT_SECONDS = 10
"""For requests under way when the service is asked to stop."""

MAX_CONCURRENT_REQUESTS = 1000
"""Connections and requests of a worker; more get 503."""

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
    "loggers": {"uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False}},
}


def run(
    store: Path,
    definition: Path | None,
    host: str,
    port: int,
    workers: int = 1,
    tell: Callable[[], None] = lambda: None,
) -> None:
    """Serve until asked to stop by SIGTERM or SIGINT; requests under way are finished. `tell` is
    called when all is ready to start.

    `StoreError` and its kin, before anything is served, if there is nothing to answer by, the keys
    cannot be read, the port is taken, or there are no keys and the address is not this machine's
    own.
    """
    _check_address(store, host, port)
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "log_config": _LOGGING,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # who is on this machine is not for a header to say
        "limit_concurrency": MAX_CONCURRENT_REQUESTS,
        "timeout_graceful_shutdown": SHUTDOWN_TIMEOUT_SECONDS,
        "ws": "none",
        "http": CoalescingHttpProtocol,
        "lifespan": "on",
    }
    if workers == 1:
        app = create_app(store, definition)
        signal.signal(signal.SIGTERM, _leave)
        tell()
        uvicorn.run(app, **options)
        return
    ChampionFollower(store, definition, remote_champion())  # fails here, not in each worker
    os.environ[STORE] = str(store.absolute())
    if definition is not None:
        os.environ[DEFINITION] = str(definition.absolute())
    tell()
    with _metrics_folder():
        uvicorn.run("winnable.service.api:create_app", factory=True, workers=workers, **options)


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
    if not (Keys(store).any() or is_loopback(host)):
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


def _leave(*_: object) -> None:
    """uvicorn raises the signal again when it has finished, but an end that was asked for is no
    failure."""
    raise SystemExit(0)
