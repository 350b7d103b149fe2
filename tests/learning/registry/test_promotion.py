"""Who is in charge: promotions, their history, and that no interruption and no rival leaves
anything half done."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from tests.cli.test_commands import SMALL, leads_table
from winnable.core.files import locked
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.load import definition_from
from winnable.errors import ArtifactError, StoreError
from winnable.learning.artifacts.artifact import Artifact
from winnable.learning.artifacts.deployed import champion_of
from winnable.learning.registry.mlflow_registry import MODEL, Registry
from winnable.learning.registry.promotion import promote, rollback
from winnable.learning.registry.records import ChildRun, TrainingRun
from winnable.learning.scoring.predictor import scorecard_artifact

DEFINITION = definition_from(
    {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": {"status": "Status"}}, "test"
)


def record(number: int) -> TrainingRun:
    """A small model that differs from the others by its number."""
    import pandas as pd

    spec = {**scorecard_artifact(DEFINITION).data, "usual_bar": number / 100}
    example, parts = (
        pd.DataFrame({"Employees": [10.0]}),
        (ChildRun("ridge", {"weight": "0.5"}, {"log_loss": 0.3}),),
    )
    params, metrics, tags = {"mode": "rules"}, {"auc": 0.7}, {"mode": "rules"}
    return TrainingRun(
        "test",
        Artifact(spec, {}),
        params,
        metrics,
        {},
        {},
        {},
        example,
        f"number {number}",
        tags,
        parts,
    )


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three versions, none of them in charge."""
    store = tmp_path_factory.mktemp("three") / "store"
    for number in (1, 2, 3):
        assert Registry(store).register(record(number)) == number
    return store


@pytest.fixture
def store(three: Path, tmp_path: Path) -> Path:
    """A copy of it; artifacts keep their place, as MLflow wrote it down."""
    return Path(shutil.copytree(three, tmp_path / "store"))


def consistent(store: Path) -> int:
    """Alias, served copy and history agree, and each promotion follows the one before; returns the
    version in charge."""
    registry, history = Registry(store), Registry(store).history()
    served = champion_of(store)
    assert served is not None
    assert served.version == registry.champion() == history[-1].version
    assert [each.before for each in history] == [None, *(each.version for each in history[:-1])]
    return served.version


def test_promotions_and_rollbacks_are_remembered_with_who_and_why(store: Path) -> None:
    promote(store, 1, "the first")
    promote(store, 3)
    assert rollback(store, "it passed students") == (3, 1)
    history = Registry(store).history()
    assert [(each.before, each.version, each.kind, each.because) for each in history] == [
        (None, 1, "promoted", "the first"),
        (1, 3, "promoted", "asked for"),
        (3, 1, "rolled back", "it passed students"),
    ]
    assert all("@" in each.by and each.at.startswith("20") for each in history)
    assert consistent(store) == 1
    with pytest.raises(StoreError, match="no champion before"):
        rollback(store)


def test_versions_are_listed_with_what_their_training_wrote(store: Path) -> None:
    promote(store, 2)
    versions = Registry(store).versions()
    assert [each.version for each in versions] == [3, 2, 1]
    assert {each.version: each.standing for each in versions} == {
        3: "challenger",
        2: "champion",
        1: "",
    }
    assert versions[0].tags["mode"] == "rules"


def test_a_promotion_elsewhere_is_taken_up_and_remembered(store: Path) -> None:
    promote(store, 1)
    uri = Registry(store).uri
    mlflow.MlflowClient(uri, uri).set_registered_model_alias(MODEL, "champion", "2")
    promote(store, 3)
    assert [each.version for each in Registry(store).history()] == [1, 2, 3]
    assert consistent(store) == 3


def test_a_version_that_is_missing_or_broken_is_not_promoted(store: Path) -> None:
    promote(store, 1)
    with pytest.raises(StoreError, match="no version 9"):
        promote(store, 9)
    uri = Registry(store).uri
    source = mlflow.MlflowClient(uri, uri).get_model_version_download_uri(MODEL, "2")
    copy = Path(mlflow.artifacts.download_artifacts(source))
    spec = next(copy.rglob("spec.json"))
    whole = spec.read_text()
    try:
        spec.write_text(whole.replace("0.02", "0.92"))
        with pytest.raises(ArtifactError, match=r"spec\.json"):
            promote(store, 2)
    finally:
        spec.write_text(whole)
    assert consistent(store) == 1


def test_what_a_killed_process_left_half_written_is_swept_when_nobody_can_be_at_it_any_more(
    store: Path,
) -> None:
    promote(store, 1)
    old, young = store / "served" / ".2-abc", store / "served" / ".3-def"
    for draft in (old, young):
        draft.mkdir()
        (draft / "spec.json").touch()
    os.utime(old, (0, 0))
    promote(store, 2)
    assert not old.exists()
    assert young.exists()


def test_a_part_is_a_run_within_the_run(three: Path) -> None:
    uri = Registry(three).uri
    client = mlflow.MlflowClient(uri, uri)
    run = client.get_run(client.get_model_version(MODEL, "1").run_id)
    assert (run.info.run_name, run.info.status) == ("number 1", "FINISHED")
    parts = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    )
    assert [(part.info.run_name, part.info.status) for part in parts] == [("ridge", "FINISHED")]
    assert parts[0].data.metrics == {"log_loss": 0.3}


# --- others are at work


def test_a_locked_database_is_waited_for_and_then_told(store: Path) -> None:
    with sqlite3.connect(
        store / "mlflow.db", isolation_level=None, check_same_thread=False
    ) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(StoreError, match="locked for 1 second"):
            Registry(store, patience=1).versions()
        assert time.monotonic() - began < 30
        threading.Timer(1, lambda: other.execute("ROLLBACK")).start()
        assert len(Registry(store, patience=60).versions()) == 3


def test_a_store_at_work_is_waited_for_and_then_told(store: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from"
        " winnable.learning.registry.mlflow_registry import Registry\n"
    )
    code += "with Registry(Path(sys.argv[1])).lock(): print('in', flush=True); time.sleep(100)"
    other = subprocess.Popen([sys.executable, "-c", code, str(store)], stdout=subprocess.PIPE)
    assert other.stdout is not None
    other.stdout.readline()
    with (
        pytest.raises(StoreError, match=f"process {other.pid} "),
        locked(store / ".lock", patience=0.2),
    ):
        pass
    other.kill()
    other.wait()
    with locked(store / ".lock", patience=5):
        pass


RIVAL = """
import sys; from pathlib import Path
from tests.learning.registry.test_promotion import record
from winnable.learning.registry.promotion import promote
from winnable.learning.registry.mlflow_registry import Registry
store, name = Path(sys.argv[1]), int(sys.argv[2])
registry = Registry(store)
with registry.lock():
    registry.reconcile()
    version = registry.register(record(name))
for _ in range(2):
    promote(store, version, f"rival {name}")
"""


@pytest.mark.timeout(1200)
def test_rivals_on_an_empty_store_leave_every_version_and_one_champion(tmp_path: Path) -> None:
    store = tmp_path / "store"
    command = [sys.executable, "-c", RIVAL, str(store)]
    rivals = [subprocess.Popen([*command, str(name)], stderr=subprocess.PIPE) for name in (1, 2)]
    for rival in rivals:
        _, said = rival.communicate()
        assert rival.returncode == 0, said.decode()
    assert sorted(each.version for each in Registry(store).versions()) == [1, 2]
    assert {each.because for each in Registry(store).history()} == {"rival 1", "rival 2"}
    consistent(store)


@pytest.mark.timeout(1200)
def test_a_training_that_is_killed_at_any_stage_leaves_a_whole_champion_and_the_next_one_works(
    tmp_path: Path,
) -> None:
    leads_table(40).assign(status=["Closed Won"] * 2 + ["Closed Lost"] * 38).to_csv(
        tmp_path / "leads.csv", index=False
    )
    (tmp_path / "definition.toml").write_text(SMALL)
    words = [str(tmp_path / name) for name in ("store", "leads.csv", "definition.toml")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.learning.registry.interrupted", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *stages, last = (json.loads(line) for line in done.stdout.splitlines())
    assert len(stages) == 6
    assert [each for each in stages if not each["killed"] or not each["intact"]] == []
    assert last["intact"]
    assert not last["killed"]
    registry = Registry(tmp_path / "store")
    assert (
        consistent(tmp_path / "store")
        == last["served"]
        == max(each.version for each in registry.versions())
    )
    client = mlflow.MlflowClient(registry.uri, registry.uri)
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert {run.info.status for run in runs} == {"FINISHED", "KILLED"}
    for version in registry.versions():
        assert client.get_run(version.run_id).info.status == "FINISHED"


@pytest.mark.parametrize("is_new", [True, False])
def test_a_store_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path, is_new: bool) -> None:
    """What can be reached from the store's folder by others; MLflow writes by the umask, below
    folders that nobody else may enter."""
    store = tmp_path / "store"
    before = os.umask(0)
    try:
        if not is_new:  # as an earlier version left it
            for folder in ("served", "artefacts"):
                (store / folder).mkdir(parents=True)
            for name in ("labels.db", "mlflow.db"):
                (store / name).touch()
        promote(store, Registry(store).register(record(1)), "for the test")
        labels = FeedbackStore.open(store)
        labels.add(Label(lead_id="L-1", label="won", by="Zoë"))
        open_to_others = set(reached(store))
        labels.close()
    finally:
        os.umask(before)
    assert {path for path in open_to_others if "lock" not in path and path != ".name"} == set()
    assert (stat.S_IMODE(store.stat().st_mode) == 0o700) is is_new
    assert consistent(store) == 1


def reached(folder: Path) -> Iterator[str]:
    """The files that others may read, by the way through folders that they may enter."""
    for path in folder.iterdir():
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir() and mode & 0o077:
            yield from (f"{path.name}/{name}" for name in reached(path))
        elif not path.is_dir() and mode & 0o077:
            yield path.name


def found_after(store: Path, *words: str) -> list[dict[str, object]]:
    """What the program of `killed` found."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.learning.registry.killed", str(store), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_promotions_that_are_killed_at_any_moment_leave_a_whole_champion(store: Path) -> None:
    """What the alias names lies there complete, also where the service does not serve it yet."""
    promote(store, 1)
    found = found_after(store, "kills", "12")
    assert not any("traceback" in each for each in found), found
    # A promotion may be refused where the machine is busy; what was found after each kill counts.
    assert [each["intact"] for each in found if "intact" in each] == [True] * 12, found
    promote(store, 2)
    assert consistent(store) == 2


def test_a_full_disk_is_told_and_leaves_the_champion(store: Path) -> None:
    promote(store, 1)
    database = (store / "mlflow.db").stat().st_size
    sizes = ["0", "100", "2000", str(database // 2), str(database - 1)]
    found = found_after(store, "full", *sizes)
    assert not any("traceback" in each for each in found), found
    assert any("refused" in each for each in found), found
    assert [each["intact"] for each in found if "refused" not in each] == [True] * len(sizes)
    promote(store, 2)
    assert consistent(store) == 2
