"""A real service in a process of its own, on a real champion."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.filling import fill

COMMAND = [sys.executable, "-c", "from winnable.cli import main; main()"]


@dataclass(frozen=True)
class Live:
    """A service that runs."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def journal(self) -> str:
        return self.log.read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(happens: Callable[[], Any], seconds: float = 60) -> Any:
    """What a look returns as soon as it is anything; looked for as long as a busy machine may
    need."""
    end = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


@contextmanager
def serving(
    store: Path, log: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[Live]:
    """`winnable serve` on a free port, until the block ends; then asked to stop."""
    port = free_port()
    with log.open("wb") as out:
        command = [*COMMAND, "serve", "--store", str(store), "--port", str(port), *options]
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env={**os.environ, **(environment or {})}
        )
    live = Live(f"http://127.0.0.1:{port}", process, log)
    try:
        until(lambda: _answers(live))
        yield live
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _answers(live: Live) -> bool:
    assert live.process.poll() is None, live.journal()
    try:
        return bool(httpx.get(f"{live.url}/healthz", timeout=5))
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def live(demo_store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The demo company's service, without keys."""
    with serving(demo_store.store, tmp_path_factory.mktemp("live") / "log") as service:
        yield service


@pytest.fixture(scope="session")
def client(live: Live) -> Iterator[httpx.Client]:
    with live.client() as client:
        yield client


@pytest.fixture
def store(demo_store, tmp_path: Path) -> Path:
    """A store of one's own, with the demo company's champion."""
    shutil.copytree(demo_store.store / "served", tmp_path / "store" / "served")
    return tmp_path / "store"


@pytest.fixture(scope="session")
def filled(demo_store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the demo company's champion and some weeks of scores and labels. Tests copy it
    (`worked`)."""
    place = tmp_path_factory.mktemp("filled") / "store"
    shutil.copytree(demo_store.store / "served", place / "served")
    fill(place, demo_store.files)
    return place


@pytest.fixture
def worked(filled: Path, tmp_path: Path) -> Path:
    """A copy of the filled store of one's own."""
    return Path(shutil.copytree(filled, tmp_path / "worked"))
