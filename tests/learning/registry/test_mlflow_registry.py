"""The registry: a real MLflow store keeps the run, the version and the aliases, and hands out
probabilities."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from tests.conftest import DemoStore
from winnable.errors import StoreError
from winnable.learning.artifacts.deployed import champion_of
from winnable.learning.registry.mlflow_registry import CHAMPION, MODEL, Registry, check_writable


@pytest.fixture(scope="module")
def client(demo_store: DemoStore) -> mlflow.MlflowClient:
    uri = Registry(demo_store.store).uri
    # MLflow writes its URI there as well, where the next store would obey it.
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
    return mlflow.MlflowClient(uri, uri)


def test_the_run_tells_what_was_trained_on_what_and_how_good_it_is(
    client: mlflow.MlflowClient, demo_store: DemoStore
) -> None:
    version = client.get_model_version_by_alias(MODEL, CHAMPION)
    run = client.get_run(version.run_id)
    assert {"mode", "horizon_days", "leads", "rows", "judged_on"} <= set(run.data.params)
    assert {
        "log_loss",
        "brier",
        "auc",
        "slope",
        "rules_log_loss",
        "base_rate_log_loss",
        "skill",
    } <= set(run.data.metrics)
    saved = 1 - run.data.metrics["log_loss"] / run.data.metrics["base_rate_log_loss"]
    assert run.data.metrics["skill"] == pytest.approx(saved)
    assert {"definition", "data_fingerprint", "model_fingerprint", "winnable_version"} <= set(
        run.data.tags
    )
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert {"reliability.png", "gain.png", "definition.json", "card.json"} <= names


def test_the_registered_model_is_a_pyfunc_of_data_only_that_gives_probabilities(
    client: mlflow.MlflowClient, demo_store: DemoStore
) -> None:
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}@{CHAMPION}")
    example = model.input_example
    assert example is not None
    answer = model.predict(example)
    assert list(answer.columns) == ["probability", "low", "high"]
    assert answer["probability"].between(0, 1, inclusive="neither").all()
    signature = model.metadata.signature
    assert signature is not None
    assert all(not column.required for column in signature.inputs.inputs)
    source = Path(
        mlflow.artifacts.download_artifacts(client.get_model_version_download_uri(MODEL, "1"))
    )
    assert not [
        path
        for path in source.rglob("*")
        if path.suffix in {".pkl", ".py", ".joblib", ".skops", ".cloudpickle"}
    ]


def test_the_example_holds_no_real_person(
    demo_store: DemoStore, client: mlflow.MlflowClient
) -> None:
    example = mlflow.pyfunc.load_model(f"models:/{MODEL}@{CHAMPION}").input_example
    assert example is not None
    leads = pd.read_csv(demo_store.files.leads, dtype=str)
    shown = {str(value) for value in example.to_numpy().ravel()}
    for name in ("Email", "First Name", "Last Name", "Phone"):
        assert not shown & set(leads[name].dropna())


def test_the_served_copy_is_the_champion(
    client: mlflow.MlflowClient, demo_store: DemoStore
) -> None:
    champion = champion_of(demo_store.store)
    assert champion is not None
    assert champion.version == int(client.get_model_version_by_alias(MODEL, CHAMPION).version)
    fingerprint = Registry(demo_store.store).artifact(champion.version).fingerprint
    assert client.get_model_version(MODEL, str(champion.version)).tags["fingerprint"] == fingerprint


def test_mlflow_serves_probabilities_over_http(demo_store: DemoStore) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        f"models:/{MODEL}@{CHAMPION}",
    ]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": Registry(demo_store.store).uri,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    server = subprocess.Popen(
        [*command, "--env-manager", "local", "-p", str(port)],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        body = json.dumps(
            {
                "dataframe_records": [
                    {"Employees": 200, "Title": "VP Operations"},
                    {"Employees": "1,064"},
                ],
                "params": {"as_of": "2026-06-30"},
            }
        )
        answer = _ask(f"http://127.0.0.1:{port}/invocations", body)
        assert [set(row) for row in answer["predictions"]] == [{"probability", "low", "high"}] * 2
        assert all(0 < row["probability"] < 1 for row in answer["predictions"])
    finally:
        server.terminate()
        server.wait(20)


def _ask(url: str, body: str) -> dict[str, list[dict[str, float]]]:
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    for _ in range(120):
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.loads(response.read())
        except (ConnectionError, urllib.error.URLError):
            time.sleep(0.5)
    raise AssertionError("mlflow did not start within a minute")


def test_a_version_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="version 7"):
        Registry(tmp_path / "store").artifact(7)
    assert Registry(tmp_path / "store").champion() is None


def test_the_tracking_uri_of_the_environment_is_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    assert Registry(tmp_path / "store").champion() is None
    assert (tmp_path / "elsewhere.db").exists()
    assert not (tmp_path / "store" / "mlflow.db").exists()


def test_a_store_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="--store"):
        check_writable(tmp_path / "file" / "store")


NOBODY = """
import os, pwd, sys
from pathlib import Path

def without_entry(_: int) -> None:
    raise KeyError

pwd.getpwuid = without_entry
for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(name, None)

from winnable.learning.registry.mlflow_registry import Registry
from winnable.learning.registry.promotion import promote
from winnable.errors import DataError
import winnable

try:
    winnable.read("~/leads.csv", definition=sys.argv[2])
except DataError as error:
    print(error)
store = Path(sys.argv[1])
print(promote(store, 1), Registry(store).history()[-1].by)
"""


def test_an_account_without_an_entry_or_a_home_may_promote(
    demo_store: DemoStore, tmp_path: Path
) -> None:
    """As in containers that run under some number."""
    store = shutil.copytree(demo_store.store, tmp_path / "store")
    done = subprocess.run(
        [sys.executable, "-c", NOBODY, str(store), str(demo_store.files.definition)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    home, promoted = done.stdout.splitlines()
    assert promoted.startswith("1 ")
    assert home == "~/leads.csv: there is no home folder of this account; name the whole path."
