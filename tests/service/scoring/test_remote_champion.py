"""The champion of a real MLflow tracking server, followed without MLflow."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest

from tests.service.conftest import free_port, until
from winnable.errors import StoreError
from winnable.learning.artifacts.artifact import read_artifact
from winnable.learning.artifacts.deployed import champion_of
from winnable.learning.registry.mlflow_registry import Registry
from winnable.learning.registry.records import ChildRun, TrainingRun
from winnable.service.scoring.champion import ChampionFollower
from winnable.service.scoring.remote_champion import RemoteChampion


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a tracking server with a store of its own."""
    folder, port = tmp_path_factory.mktemp("tracking"), free_port()
    command = [
        str(Path(sys.executable).with_name("mlflow")),
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artefacts"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 150
        while True:
            try:
                httpx.get(f"{url}/health", timeout=5).raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def test_a_champion_elsewhere_is_followed(
    tracking: str, demo_store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = read_artifact(demo_store.store / "served" / "1")
    remote = RemoteChampion(tracking, {})
    remote.fetch(tmp_path / "here")  # nothing is registered yet
    assert champion_of(tmp_path / "here") is None

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
    registry = Registry(tmp_path / "there")
    parts, curve = (
        (ChildRun("fold 1", {}, {"log_loss_ridge": 0.3}),),
        {"curve_saved": ((10, 0.1), (20, 0.2))},
    )
    example = pd.DataFrame({"Employees": [10.0]})
    version = registry.register(
        TrainingRun(
            "test",
            artifact,
            {},
            {"auc": 0.7},
            {},
            {"a.txt": "a"},
            {},
            example,
            parts=parts,
            series=curve,
        )
    )
    remote.fetch(tmp_path / "here")  # registered, but no champion yet
    assert champion_of(tmp_path / "here") is None
    registry.promote(version, "for the test")
    registry.reconcile()
    assert [(each.version, each.before, each.because) for each in registry.history()] == [
        (version, None, "for the test")
    ]
    assert [(each.version, each.standing) for each in registry.versions()] == [
        (version, "champion")
    ]

    follower = ChampionFollower(tmp_path / "here", remote=remote)
    assert (follower.current().version, follower.current().fingerprint) == (
        str(version),
        artifact.fingerprint,
    )
    assert follower.unreachable is None
    before = (tmp_path / "here" / "served" / "champion.json").stat().st_mtime_ns
    remote.fetch(tmp_path / "here")
    assert (
        tmp_path / "here" / "served" / "champion.json"
    ).stat().st_mtime_ns == before  # nothing is copied twice


def test_a_server_that_does_not_answer(demo_store, store: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    gone = RemoteChampion(address, {})
    follower = ChampionFollower(store, remote=gone)
    assert follower.current().version == "1"
    follower.follow()
    until(lambda: follower.unreachable)
    follower.close()
    with pytest.raises(StoreError, match="does not answer"):
        RemoteChampion(address, {}).fetch(store)


def test_only_servers_are_followed() -> None:
    assert RemoteChampion.from_environment({}) is None
    assert RemoteChampion.from_environment({"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}) is None
    assert (
        RemoteChampion.from_environment({"MLFLOW_TRACKING_URI": "https://mlflow.example"})
        is not None
    )
