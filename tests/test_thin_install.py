"""An installation without the extra `train`: it scores and serves as any other, and says what is
missing for the rest.

The environment is a real one that holds nothing but the packages that `dependencies` names and
those that they need, linked from the one in which the tests run.
"""

import json
import runpy
import shutil
import signal
import subprocess
import tomllib
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.conftest import DemoStore
from tests.service.conftest import Live, free_port, until

HOME = Path(__file__).resolve().parents[1]
ONLY_TRAINING = {"catboost", "matplotlib", "mlflow", "scikit-learn", "threadpoolctl"}
ONLY_SIGN_IN = {"authlib", "joserfc", "cryptography"}
COMMAND = "from winnable.cli import main; main()"


def needed() -> dict[str, Distribution]:
    """The distributions of an installation without extras."""
    audit = runpy.run_path(str(HOME / ".ci" / "audit.py"))
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    found: dict[str, Distribution] = {}
    for line in project["dependencies"]:
        wanted = audit["Requirement"](line)
        if wanted.marker is None or wanted.marker.evaluate():
            found |= audit["runtime_distributions"](wanted.name, frozenset(wanted.extras))
    return found


@pytest.fixture(scope="module")
def thin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of the environment."""
    place = tmp_path_factory.mktemp("thin")
    venv.create(place, symlinks=True)
    (packages,) = place.glob("lib/python*/site-packages")
    own = distribution("winnable")
    for installed in (*needed().values(), own):
        tops = {file.parts[0] for file in installed.files or [] if file.parts[0] != ".."}
        for name in tops:
            is_metadata = name.endswith(".dist-info")
            if (is_metadata or installed is not own) and not (packages / name).exists():
                (packages / name).symlink_to(Path(str(installed.locate_file(name))))
    return place / "bin" / "python"


@pytest.fixture
def store(demo_store: DemoStore, tmp_path: Path) -> Path:
    shutil.copytree(demo_store.store / "served", tmp_path / "store" / "served")
    return tmp_path / "store"


def environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(HOME / "src"), "OMP_NUM_THREADS": "1"}


def run(thin: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(thin), "-c", COMMAND, *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )


def test_it_is_without_what_only_training_needs(thin: Path) -> None:
    assert not (ONLY_TRAINING | ONLY_SIGN_IN) & needed().keys()
    code = "import catboost, mlflow, sklearn"
    done = subprocess.run([str(thin), "-c", code], env=environment(), check=False)
    assert done.returncode != 0


def test_it_scores_as_any_other(
    thin: Path, demo_store: DemoStore, store: Path, tmp_path: Path
) -> None:
    files = demo_store.files
    words = [str(files.open_leads), "--activities", str(files.activities)]
    words += ["--history", str(files.history), "--store", str(store)]
    done = run(thin, "score", *words, "--inbox", "--output", str(tmp_path / "thin.csv"))
    assert done.returncode == 0, done.stderr
    import winnable

    model = winnable.load(demo_store.store)
    scores = model.score(str(files.open_leads), str(files.activities), str(files.history))
    read = pd.read_csv(tmp_path / "thin.csv")
    assert read["lead_id"].tolist() == scores["lead_id"].tolist()
    assert read["probability"].to_numpy() == pytest.approx(
        scores["probability"].to_numpy(), rel=0, abs=1e-12
    )


def test_it_serves_as_any_other(thin: Path, store: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [str(thin), "-c", COMMAND, "serve", "--store", str(store), "--port", str(port)]
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment())
    live = Live(f"http://127.0.0.1:{port}", process, log)
    try:
        until(lambda: _answers(live))
        with live.client() as client:
            paths = ("/", "/readyz", "/model", "/definition", "/docs", "/guide", "/metrics")
            answers = {path: client.get(path, follow_redirects=True).status_code for path in paths}
            lead: dict[str, Any] = {"Lead ID": "L-1", "Employees": 120}
            scored = client.post("/score", json={"leads": [lead]})
            label = {"lead_id": "L-1", "label": "won", "by": "Zoë"}
            labeled = client.post("/feedback", json=label)
        assert set(answers.values()) == {200}, (answers, live.journal())
        assert scored.status_code == 200
        assert scored.json()["scores"][0]["reasons"]
        assert labeled.status_code in {200, 201}, labeled.text
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _answers(live: Live) -> bool:
    assert live.process.poll() is None, live.journal()
    try:
        return bool(httpx.get(f"{live.url}/healthz", timeout=5))
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("command", ["train", "check", "models", "promote", "report"])
def test_it_says_what_is_missing_for_the_rest(
    thin: Path, demo_store: DemoStore, store: Path, tmp_path: Path, command: str
) -> None:
    files = demo_store.files
    export = [str(files.leads), "--definition", str(files.definition)]
    words = {
        "train": ["train", *export, "--store", str(tmp_path / "new")],
        "check": ["check", *export],
        "models": ["models", "--store", str(store)],
        "promote": ["promote", "1", "--store", str(store)],
        "report": ["funnel", *export, "--plot", str(tmp_path / "funnel.png")],
    }[command]
    done = run(thin, *words)
    assert done.returncode == 1, done.stdout
    told = " ".join(done.stderr.split())
    assert "Install winnable[train]" in told
    assert "Traceback" not in done.stderr


def test_it_says_what_is_missing_to_sign_in_at_the_company(thin: Path, store: Path) -> None:
    words = ["--issuer", "https://login.example.com", "--client-id", "winnable"]
    words += ["--address", "https://leads.example.com", "--group", "feedback=sales"]
    done = run(thin, "sign-in", "set", *words, "--store", str(store))
    assert done.returncode == 1
    assert "Install winnable[sign-in]" in " ".join(done.stderr.split())
    assert not (store / "sign-in.json").exists()


def test_the_public_names_say_so_too(thin: Path) -> None:
    code = "import winnable, json; print(json.dumps(winnable.__all__)); winnable.LeadClassifier"
    done = subprocess.run(
        [str(thin), "-c", code], capture_output=True, text=True, check=False, env=environment()
    )
    assert "Install winnable[train]" in done.stderr
    assert "LeadClassifier" in json.loads(done.stdout)
