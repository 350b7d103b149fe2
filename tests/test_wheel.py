"""The wheel works without the repository: installed into an environment of its own, it trains,
scores and serves its pages from an empty folder."""

import os
import subprocess
import sys
import time
import venv
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import free_port

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("/docs", "/guide", "/definition", "/", "/metrics", "/openapi.json")


def run(*words: object, folder: Path) -> str:
    """Run a command in a folder, where nothing of this repository is in reach."""
    hidden = {"PYTHONPATH", "MLFLOW_TRACKING_URI", "WINNABLE_DATABASE_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [*map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel; what it depends on is that of these tests."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index")
    run(sys.executable, *build, "--wheel-dir", folder, ROOT, folder=folder)
    (wheel,) = folder.glob("winnable-*.whl")
    venv.create(folder / "env", with_pip=True)
    programs = folder / "env" / "bin"
    run(
        programs / "python", "-m", "pip", "install", "--no-deps", "--no-index", wheel, folder=folder
    )
    # A path in a .pth file brings the packages, but not the editable winnable among them.
    ours = run(
        programs / "python", "-c", "import site; print(site.getsitepackages()[0])", folder=folder
    )
    theirs = Path(pytest.__file__).parents[1]
    (Path(ours.strip()) / "dependencies.pth").write_text(f"{theirs}\n")
    return programs


@pytest.mark.timeout(900)
def test_the_wheel_trains_scores_and_serves_without_the_repository(
    installed: Path, tmp_path: Path
) -> None:
    where = run(
        installed / "python", "-c", "import winnable; print(winnable.__file__)", folder=tmp_path
    )
    assert installed.parent in Path(where.strip()).parents
    printed = run(installed / "winnable", "demo", "--leads", "200", folder=tmp_path)
    assert "Top open leads:" in printed
    port = free_port()
    serve = [installed / "winnable", "serve", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(serve, cwd=tmp_path, stdout=log, stderr=log)
        try:
            answers = pages(process, f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(60)
    assert answers == dict.fromkeys(PAGES, 200), (tmp_path / "log").read_text()


def pages(process: "subprocess.Popen[bytes]", url: str) -> dict[str, int]:
    """The statuses of the pages, as soon as the service answers."""
    until = time.monotonic() + 120
    with httpx.Client(base_url=url, timeout=60, follow_redirects=True) as client:
        while time.monotonic() < until and process.poll() is None:
            try:
                return {page: client.get(page).status_code for page in PAGES}
            except httpx.TransportError:
                time.sleep(0.1)
    return {}
