"""The README tells the truth: every command in it runs, in its order, on a small demo company."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
COMMANDS = [
    re.split(r"\s+# ", line.removeprefix("$ "))[0].strip()
    for line in README.read_text().splitlines()
    if line.startswith("$ winnable")
]
NOT_ENOUGH_HISTORY = 3


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `make demo` has run, and a company's own exports lie."""
    folder = tmp_path_factory.mktemp("readme")
    assert run("winnable demo --leads 400", folder).returncode == 0
    for name in ("leads", "activities", "history", "open_leads"):
        shutil.copy(folder / "models" / "demo" / f"{name}.csv", folder)
    return folder


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    environment = {
        name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"
    }
    program = Path(sys.executable).with_name(words[0])
    return subprocess.run(
        [program, *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


@pytest.mark.timeout(900)
def test_every_command_runs(company: Path) -> None:
    key = ""
    for command in COMMANDS:
        if command.startswith("winnable serve"):
            continue  # it does not end; tests/service runs it
        done = run(re.sub(r"withdraw \w+", f"withdraw {key}", command), company)
        allowed = (0, NOT_ENOUGH_HISTORY) if command.startswith("winnable check") else (0,)
        assert done.returncode in allowed, f"{command}\n{done.stdout}\n{done.stderr}"
        if command.startswith("winnable keys add"):
            key = done.stderr.split()[1]


def test_it_shows_every_command_that_there_is() -> None:
    told = run("winnable --help", README.parent).stdout
    known = set(re.findall(r"^│ (\w+) ", told, flags=re.MULTILINE))
    assert known - {"demo", "describe"} <= {command.split()[1] for command in COMMANDS}
    assert "winnable describe" in README.read_text()


def test_it_names_no_file_that_is_not_there() -> None:
    tree = README.read_text().split("## The tree")[1].split("```")[1]
    for name in re.findall(r"^  ([\w./]+)", tree, flags=re.MULTILINE):
        assert (README.parent / "src" / "winnable" / name).exists(), name
    for name in re.findall(r"^(\w+/)", tree, flags=re.MULTILINE):
        assert (README.parent / name).exists(), name
