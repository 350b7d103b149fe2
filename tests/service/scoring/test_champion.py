"""The service follows the champion, and goes on whatever happens to it."""

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.conftest import COMMAND, serving, until
from winnable.definition.load import load_definition
from winnable.errors import ArtifactError, StoreError
from winnable.learning.artifacts.artifact import read_artifact, write_artifact
from winnable.learning.artifacts.deployed import deploy
from winnable.learning.scoring.predictor import scorecard_artifact
from winnable.service.scoring.champion import ChampionFollower

LEAD = {
    "leads": [{"Employees": 120, "Industry": "Logistics", "Title": "Head of Logistics"}],
    "as_of": "2026-07-01T00:00:00Z",
}


@pytest.fixture
def artifacts(demo_store) -> list[Any]:
    """A learned model and the rules, which answer differently."""
    return [
        read_artifact(demo_store.store / "served" / "1"),
        scorecard_artifact(load_definition(demo_store.files.definition)),
    ]


def wait_for(client: httpx.Client, version: str) -> None:
    until(lambda: client.get("/model").json()["version"] == version)


def test_promotions_under_load(store: Path, artifacts: list[Any], tmp_path: Path) -> None:
    """No request fails, and none is answered by a mixture: the version that an answer names is the
    one that gave the number."""
    answers: list[tuple[str, float]] = []
    failed: list[object] = []
    stop = threading.Event()

    def ask(url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not stop.is_set():
                answer = client.post("/score?reasons=false", json=LEAD)
                if answer.status_code != 200:
                    failed.append(answer.text)
                    continue
                told = answer.json()
                answers.append((told["model"]["fingerprint"], told["scores"][0]["probability"]))

    with serving(store, tmp_path / "log") as live, live.client() as client:
        askers = [threading.Thread(target=ask, args=(live.url,)) for _ in range(3)]
        for asker in askers:
            asker.start()
        for version in range(2, 6):
            deploy(store, version, artifacts[version % 2 - 1])
            wait_for(client, str(version))
        stop.set()
        for asker in askers:
            asker.join()
    assert failed == []
    assert len(answers) > 20
    by_model = {model: {p for m, p in answers if m == model} for model, _ in answers}
    assert set(by_model) == {artifact.fingerprint for artifact in artifacts}
    for given in by_model.values():
        assert max(given) - min(given) < 1e-12


def test_a_broken_champion_is_refused_and_a_whole_one_taken(
    store: Path, artifacts: list[Any], tmp_path: Path
) -> None:
    with serving(store, tmp_path / "log") as live, live.client() as client:
        before = client.post("/score", json=LEAD).json()
        write_artifact(artifacts[1], store / "served" / "2")
        (store / "served" / "2" / "spec.json").unlink()
        (store / "served" / "champion.json").write_text('{"version": 2, "fingerprint": "0"}')
        until(lambda: client.get("/readyz").status_code == 503)
        assert str(store) not in client.get("/readyz").text
        after = client.post("/score", json=LEAD).json()
        assert after["model"]["version"] == before["model"]["version"] == "1"
        assert after["scores"][0]["probability"] == pytest.approx(
            before["scores"][0]["probability"], rel=0, abs=1e-12
        )
        assert "champion refused" in live.journal()
        deploy(store, 2, artifacts[1])
        wait_for(client, "2")
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("damage", ["missing", "altered", "other schema", "pointer", "no folder"])
def test_whatever_is_wrong_the_old_one_goes_on(
    store: Path, artifacts: list[Any], damage: str
) -> None:
    follower = ChampionFollower(store)
    old = follower.current()
    folder = store / "served" / "2"
    deploy(store, 2, artifacts[1])
    if damage == "missing":
        (folder / "spec.json").unlink()
    elif damage == "altered":
        (folder / "spec.json").write_text((folder / "spec.json").read_text() + " ")
    elif damage == "other schema":
        shutil.rmtree(folder)
        spec = {name: part for name, part in artifacts[1].data.items() if name != "plan"}
        deploy(store, 2, type(artifacts[1])(spec, {}))
    elif damage == "pointer":
        (store / "served" / "champion.json").write_text("{")
    else:
        shutil.rmtree(folder)
    follower.look()
    assert follower.current() is old
    assert follower.problem is not None


def test_the_same_number_with_another_model_is_another_model(
    store: Path, artifacts: list[Any]
) -> None:
    follower = ChampionFollower(store)
    deploy(store, 1, artifacts[1])
    follower.look()
    assert follower.current().mode == "rules"


def test_starts_without_a_model_and_takes_up_the_first(
    tmp_path: Path, demo_store, artifacts: list[Any]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with (
        serving(empty, tmp_path / "log", "--definition", str(demo_store.files.definition)) as live,
        live.client() as client,
    ):
        told = client.post("/score", json=LEAD).json()
        assert told["model"]["mode"] == told["model"]["version"] == "rules"
        assert "no history" in told["model"]["why"]
        assert told["scores"][0]["probability_winnable"] is None
        columns = client.get("/openapi.json").json()["components"]["schemas"]["Lead"]["properties"]
        assert "Owner" not in columns
        deploy(empty, 1, artifacts[0])
        wait_for(client, "1")
        columns = client.get("/openapi.json").json()["components"]["schemas"]["Lead"]["properties"]
        assert "Owner" in columns


def test_neither_a_model_nor_a_definition_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Train first or name a --definition"):
        ChampionFollower(tmp_path)
    for options in ([], ["--workers", "2"]):
        command = [*COMMAND, "serve", "--store", str(tmp_path), "--port", "0", *options]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert "Train first or name a --definition" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_broken_champion_at_the_start(store: Path, demo_store) -> None:
    (store / "served" / "1" / "digests.json").unlink()
    with pytest.raises(ArtifactError):
        ChampionFollower(store)
    follower = ChampionFollower(store, demo_store.files.definition)
    assert follower.current().mode == "rules"
    assert follower.problem is not None


def test_serving_goes_on_when_the_store_is_gone(store: Path, tmp_path: Path) -> None:
    with serving(store, tmp_path / "log") as live, live.client() as client:
        shutil.rmtree(store)
        until(lambda: client.get("/readyz").status_code == 503)
        assert client.post("/score", json=LEAD).status_code == 200
        assert json.loads(client.get("/readyz").text)["status"] == "degraded"
