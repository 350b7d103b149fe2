"""A tracking server that means harm, or is slow: nothing is written or read outside the store, no
token goes elsewhere, and the service starts and stops in time."""

import hashlib
import json
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.service.conftest import serving, until
from tests.service.scoring.hostile import TrackingServer, tracking_server
from winnable.errors import ArtifactError, StoreError, WinnableError
from winnable.learning.artifacts.deployed import champion_of
from winnable.learning.registry.mlflow_registry import Registry
from winnable.service.scoring.champion import ChampionFollower
from winnable.service.scoring.remote_champion import RemoteChampion


@pytest.fixture
def server() -> Iterator[TrackingServer]:
    with tracking_server() as says:
        yield says


@pytest.fixture
def model(demo_store) -> dict[str, bytes]:
    """The files of a whole model, where MLflow keeps them."""
    return below_data((demo_store.store / "served" / "1").iterdir())


def below_data(files: Iterator[Path]) -> dict[str, bytes]:
    return {f"data/winnable/{path.name}": path.read_bytes() for path in files}


def with_name(model: Mapping[str, bytes], name: str, content: bytes) -> dict[str, bytes]:
    """The model with one more name in its digests, which are right."""
    digests = json.loads(model["data/winnable/digests.json"])
    digests[name] = hashlib.sha256(content).hexdigest()
    return {**model, "data/winnable/digests.json": json.dumps(digests).encode()}


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_whole_model_is_fetched(
    server: TrackingServer, model: dict[str, bytes], tmp_path: Path
) -> None:
    server.files = model
    RemoteChampion(server.url, {}).fetch(tmp_path / "store")
    champion = champion_of(tmp_path / "store")
    assert champion is not None
    assert champion.version == 7
    assert below_data(champion.folder.iterdir()) == model


@pytest.mark.parametrize(
    "name",
    ["../../../../out.txt", "/etc/hostname", "a/b.txt", "..", ".txt", "C:\\x.txt", "a\0.txt", ""],
)
def test_names_that_are_not_plain_are_refused(
    server: TrackingServer, model: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    own = b"of this machine"
    (tmp_path / "out.txt").write_bytes(own)
    server.files = {**with_name(model, name, own), f"data/winnable/{name}": own}
    before = everything_below(tmp_path)
    with pytest.raises(ArtifactError, match="file name"):
        RemoteChampion(server.url, {}).fetch(tmp_path / "store")
    assert everything_below(tmp_path) - before <= {"store", "store/.fetch.lock"}


@pytest.mark.parametrize(
    "content", [b"[]", b"{", b"[" * 100_000, b'{"spec.json": 1}', b"\xff", b"7"]
)
def test_digests_that_are_not_a_list_of_files_are_refused(
    server: TrackingServer, model: dict[str, bytes], tmp_path: Path, content: bytes
) -> None:
    server.files = {**model, "data/winnable/digests.json": content}
    with pytest.raises(ArtifactError):
        RemoteChampion(server.url, {}).fetch(tmp_path / "store")
    assert champion_of(tmp_path / "store") is None


def test_promote_refuses_them_too(
    server: TrackingServer,
    model: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"of this machine")
    server.files = with_name(model, str(secret), secret.read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    with pytest.raises(ArtifactError, match="file name"):
        Registry(tmp_path / "store").artifact(7)


def test_the_token_goes_to_no_other_server(
    server: TrackingServer, model: dict[str, bytes], tmp_path: Path
) -> None:
    with tracking_server(files=model) as elsewhere:
        server.instead = lambda path: (302, {"Location": elsewhere.url + path}, b"")
        remote = RemoteChampion(server.url, {"MLFLOW_TRACKING_TOKEN": "secret"})
        with pytest.raises(StoreError, match="redirects"):
            remote.fetch(tmp_path / "store")
        assert server.tokens == ["Bearer secret"]
        assert elsewhere.asked == []


def test_a_redirect_within_the_server_is_followed(
    server: TrackingServer, model: dict[str, bytes], tmp_path: Path
) -> None:
    server.files = model

    def moved(path: str) -> tuple[int, dict[str, str], bytes] | None:
        if path.startswith("/moved") or "alias" not in path:
            return None
        return 302, {"Location": f"/moved{path}?name=winnable&alias=champion"}, b""

    server.instead = moved
    RemoteChampion(server.url, {}).fetch(tmp_path / "store")
    assert champion_of(tmp_path / "store") is not None


def test_there_is_no_end_of_files(
    server: TrackingServer, model: dict[str, bytes], tmp_path: Path
) -> None:
    files = with_name(model, "more.txt", b"more")
    for number in range(200):
        files = with_name(files, f"more_{number}.txt", b"more")
        files[f"data/winnable/more_{number}.txt"] = b"more"
    server.files = files
    with pytest.raises(ArtifactError, match="more than"):
        RemoteChampion(server.url, {}).fetch(tmp_path / "store")
    assert len(server.asked) < 10


def test_there_is_no_end_of_bytes(
    server: TrackingServer, model: dict[str, bytes], tmp_path: Path
) -> None:
    server.files = {**model, "data/winnable/spec.json": b" " * 3_000_000}
    with pytest.raises(StoreError, match="too large"):
        RemoteChampion(server.url, {}, max_bytes=1_000_000).fetch(tmp_path / "store")


@pytest.mark.parametrize(
    "place", ["file:///", "/", "http://127.0.0.1:9/x", "mlflow-artifacts://h/x"]
)
def test_places_that_are_not_the_servers_own_are_refused(
    server: TrackingServer, tmp_path: Path, place: str
) -> None:
    server.uri = place
    began = time.monotonic()
    with pytest.raises(StoreError, match="cannot be fetched"):
        RemoteChampion(server.url, {"MLFLOW_TRACKING_TOKEN": "secret"}).fetch(tmp_path / "store")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("scheme", ["http", "mlflow-artifacts", "file"])
def test_promote_searches_no_disk_and_sends_the_token_to_nobody_else(
    server: TrackingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    with tracking_server() as elsewhere:
        host = "" if scheme == "file" else elsewhere.url.removeprefix("http://")
        server.uri = f"{scheme}://{host}/api/2.0/mlflow-artifacts/artifacts/1"
        with pytest.raises(WinnableError, match=r"not at this server|digests.json is missing"):
            Registry(tmp_path / "store").artifact(7)
        assert elsewhere.asked == []


def test_promote_fetches_from_the_server(
    server: TrackingServer,
    model: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.files = model
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    Registry(tmp_path / "store").artifact(7)


def test_start_and_stop_wait_for_no_slow_server(
    server: TrackingServer, store: Path, tmp_path: Path
) -> None:
    """A byte every five seconds would keep any timeout between bytes waiting for minutes."""
    server.drip_seconds = 5
    began = time.monotonic()
    with serving(store, tmp_path / "log", environment={"MLFLOW_TRACKING_URI": server.url}) as live:
        until(lambda: server.asked)
        until(lambda: "registry unreachable" in live.journal())
        with live.client() as client:
            assert client.get("/model").json()["version"] == "1"
        live.process.send_signal(signal.SIGTERM)
        live.process.wait(25)
    assert len(server.asked) * 35 > time.monotonic() - began  # each question has its deadline
    assert '"stopped"' in (tmp_path / "log").read_text()


def test_a_first_start_ends_in_time_too(server: TrackingServer, tmp_path: Path) -> None:
    server.drip_seconds = 5
    began = time.monotonic()
    with pytest.raises(StoreError, match="no champion"):
        ChampionFollower(tmp_path / "store", remote=RemoteChampion(server.url, {}))
    assert time.monotonic() - began < 30


def test_a_question_is_given_up_when_the_service_stops(server: TrackingServer, store: Path) -> None:
    server.drip_seconds = 5
    follower = ChampionFollower(store, remote=RemoteChampion(server.url, {}))
    follower.follow()
    until(lambda: server.asked)
    began = time.monotonic()
    follower.close()
    assert time.monotonic() - began < 4.5  # it would be five seconds to the next byte
    assert not any(thread.is_alive() for thread in follower._threads)


def test_a_copy_that_points_nowhere_is_fetched_again(
    server: TrackingServer, model: dict[str, bytes], store: Path
) -> None:
    server.files = model
    (store / "served" / "champion.json").write_text("{")
    shutil.rmtree(store / "served" / "1")
    RemoteChampion(server.url, {}).fetch(store)
    champion = champion_of(store)
    assert champion is not None
    assert champion.version == 7
