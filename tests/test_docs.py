"""The README and the guides tell the truth: every command and every block of Python in them runs,
in its order, on the demo company, and every output that they show is the output of today.

Words are compared to the letter. Numbers may differ as far as another processor makes them differ;
which leads are the best may differ too, so of their rows only the form is compared.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pandas as pd
import pytest

from tests.service.conftest import Live, serving, until

ROOT = Path(__file__).resolve().parents[1]
GUIDES = [
    ROOT / name
    for name in (
        "README.md",
        "models/README.md",
        "src/winnable/learning/README.md",
        "src/winnable/service/README.md",
        "tests/benchmarks/README.md",
    )
]
NOT_READY = 3
MAX_README_LINES = 170
RELATIVE, ABSOLUTE = 0.25, 3.0
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Command:
    """A command of a guide, and the output that the guide shows; () where it shows none."""

    guide: Path
    line: str
    shown: tuple[str, ...]


def blocks(guide: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", guide.read_text(), re.DOTALL | re.MULTILINE)


def commands(guide: Path) -> list[Command]:
    """The commands of a guide. One may go on over several lines while a quote is open."""
    found = []
    for block in blocks(guide, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.rstrip("\n").split("\n")
            size = 1
            while "\n".join(lines[:size]).count("'") % 2:
                size += 1
            line = re.sub(r"\s+# .*$", "", "\n".join(lines[:size]))
            found.append(Command(guide, line, tuple(filter(None, lines[size:]))))
    return found


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of winnable in a folder."""
    words = shlex.split(command)
    hidden = {"MLFLOW_TRACKING_URI", "WINNABLE_DATABASE_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    program = Path(sys.executable).with_name(words[0])
    return subprocess.run(
        [program, *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


@dataclass(frozen=True)
class Company:
    """A folder in which `make demo` has run and exports lie, and what `make demo` printed."""

    folder: Path
    printed: str


def company_of(folder: Path, command: str) -> Company:
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    for name in ("leads", "activities", "history", "open_leads"):
        shutil.copy(folder / "models" / "demo" / f"{name}.csv", folder)
    return Company(folder, done.stdout)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The demo company as `make demo` makes it, whose output the guides show."""
    return company_of(tmp_path_factory.mktemp("guides"), "winnable demo")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """A small demo company, on which commands run that show no output."""
    return company_of(tmp_path_factory.mktemp("small"), "winnable demo --leads 300")


@pytest.fixture(scope="module")
def live(small: Company) -> Iterator[Live]:
    """The service of the guides; they call it http://127.0.0.1:8000."""
    with serving(small.folder / "models", small.folder / "service.log") as service:
        yield service


def differences(shown: tuple[str, ...], printed: str) -> list[str]:
    """The shown lines that are not in the output, in order; "..." stands for any lines."""
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    missing, place, skipping = [], 0, False
    for line in shown:
        if line.strip() == "...":
            skipping = True
            continue
        last = len(lines) if skipping else min(place + 1, len(lines))
        match = next((i for i in range(place, last) if alike(line, lines[i])), None)
        if match is None:
            missing.append(line)
        else:
            place, skipping = match + 1, False
    return missing


def alike(shown: str, printed: str) -> bool:
    """Whether two lines have the same words, and numbers that are near each other."""
    if re.match(r" L-\d+ ", shown):
        return bool(re.match(r" L-\d+ ", printed))
    if squeezed(NUMBER.sub("#", shown)) != squeezed(NUMBER.sub("#", printed)):
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    return all(near(float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs)


def near(shown: float, printed: float) -> bool:
    return abs(shown - printed) <= max(ABSOLUTE if shown >= 10 else 0.5, RELATIVE * abs(shown))


def squeezed(line: str) -> str:
    return re.sub(r"[-+−]?#%?", "#", re.sub(r"\s+", " ", line.strip()))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_runs_and_prints_what_is_shown(
    guide: Path, company: Company, small: Company, live: Live
) -> None:
    keys: list[str] = []
    for command in commands(guide):
        if command.line.startswith("winnable serve"):
            continue  # `live` is the service that runs
        if command.line.startswith("curl"):
            open_again(keys, small.folder, live)
            assert ask(command.line, live).is_success, command.line
            continue
        line = command.line
        if line.startswith("winnable keys withdraw"):
            line = f"winnable keys withdraw {keys.pop()}"
        if line == "make demo":  # which is `winnable demo` after setting itself up
            printed = company.printed
        else:
            line = line.replace("demo --months 27", "demo --months 27 --leads 300")
            shown = bool(command.shown) or guide.parent.name == "models"
            done = run(line, company.folder if shown else small.folder)
            allowed = (0, NOT_READY) if line.startswith("winnable check") else (0,)
            assert done.returncode in allowed, f"{line}\n{done.stdout}\n{done.stderr}"
            printed = done.stdout
            if line.startswith("winnable keys add"):
                keys.append(done.stderr.split()[1])
        assert differences(command.shown, printed) == [], f"{line} prints now:\n{printed}"


def open_again(keys: list[str], folder: Path, live: Live) -> None:
    """Open the service again, as the guides' requests without a key expect it."""
    if keys:
        keys.clear()
        assert run("winnable keys off", folder).returncode == 0
    until(lambda: httpx.get(f"{live.url}/leads", timeout=60).is_success)


def ask(curl: str, live: Live) -> httpx.Response:
    """Send what a curl command would send."""
    words = shlex.split(curl)[1:]
    headers: dict[str, str] = {}
    body, url = None, ""
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = words.pop(0)
        elif not word.startswith("-"):
            url = word.replace("http://127.0.0.1:8000", live.url)
    method = "GET" if body is None else "POST"
    return httpx.request(method, url, headers=headers, content=body, timeout=60)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "guide",
    [guide for guide in GUIDES if blocks(guide, "python")],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_every_block_of_python_runs(
    guide: Path, small: Company, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small.folder)
    leads = pd.read_csv("leads.csv", dtype=str).head(600)
    names = {
        "open_leads": "open_leads.csv",
        "activities": "activities.csv",
        "history": "history.csv",
        "frame": leads[["Title", "Industry", "Country", "Lead Source"]],
        "won": leads["Lead Status"] == "Closed Won",
        "leads": [{"Lead ID": "L-1", "Title": "Head of Logistics"}],
        "address": live.url,
        "key": "none-is-needed",
    }
    for block in blocks(guide, "python"):
        exec(compile(block, str(guide), "exec"), names)


def test_every_command_of_winnable_is_in_a_guide() -> None:
    told = run("winnable --help", ROOT).stdout
    known = set(re.findall(r"^│ (\w+) ", told, flags=re.MULTILINE))
    lines = [command.line for guide in GUIDES for command in commands(guide)]
    shown = {line.split()[1] for line in lines if line.startswith("winnable")}
    assert known <= shown


def test_the_tree_names_no_file_that_is_not_there() -> None:
    text = (ROOT / "README.md").read_text().split("## The tree")[1]
    tree = text.split("```text\n")[1].split("```")[0]
    place = [ROOT]
    for line in tree.splitlines():
        name = re.match(r"( *)([\w./]+)", line)
        if not name:
            continue
        depth = len(name[1]) // 2
        place[depth + 1 :] = []
        path = place[depth] / name[2]
        assert path.exists(), path
        place.append(path)


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_README_LINES
    for guide in GUIDES:
        for link in re.findall(r"\]\(([^)#]+)", guide.read_text()):
            assert link.startswith("http") or (guide.parent / link).exists(), f"{guide}: {link}"
