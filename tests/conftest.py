"""What the tests share: the real conversion histories, one small trained store, and the end of a
run: its last line says what was not tested, and in CI nothing that can run may be skipped."""

import os
import pickle
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import Crm
from winnable.demo.company import DemoFiles, write_demo
from winnable.learning.training.train import Candidate

# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("any machine", deadline=None)
if "CI" not in os.environ:  # where Hypothesis has settings of its own
    hypothesis.settings.load_profile("any machine")

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
WITHOUT_DATA = "the real conversion histories: they are expected in ../shared/data"
"""Reasons of skipped tests are written `what is not tested: what to do about it`."""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real conversion histories, which are not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(WITHOUT_DATA)
    return SHARED_DATA


@pytest.fixture(autouse=True)
def environment_restored() -> Iterator[None]:
    """No test leaves an environment variable to the next: MLflow writes its tracking URI there,
    and a model trained later in the same process would be registered elsewhere."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@dataclass(frozen=True)
class DemoStore:
    """A demo company, the store of a model trained on it, what was read and what was learned.

    One run of pytest trains it once, and all its processes share the files: tests only read them.
    """

    files: DemoFiles
    store: Path
    data: Dataset
    candidate: Candidate
    progress: dict[str, list[float]]
    """How far the training had come, at each report, by the name of the step."""

    @property
    def crm(self) -> Crm:
        """The tables of the CRM."""
        return self.data.crm


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> DemoStore:
    """A model trained on a demo company of 400 leads, by the calls of `winnable train`."""
    folder = shared_folder(tmp_path_factory) / "demo"
    trained = folder / "trained.pickle"
    with FileLock(f"{folder}.lock"):
        if not trained.exists():
            trained.write_bytes(pickle.dumps(train_demo(folder)))
    demo = pickle.loads(trained.read_bytes())
    assert isinstance(demo, DemoStore)
    return demo


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of this run share (pytest-xdist gives each one of its own)."""
    mine = tmp_path_factory.getbasetemp()
    return mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine


def train_demo(folder: Path) -> DemoStore:
    from winnable.data.ingestion.crm import read_crm
    from winnable.definition.load import load_definition
    from winnable.learning.registry.promotion import register
    from winnable.learning.training.train import learn

    progress: dict[str, list[float]] = {}
    files = write_demo(folder / "crm", leads=400, seed=7)
    definition = load_definition(files.definition)
    crm = read_crm(definition, str(files.leads), str(files.activities), str(files.history))
    data = Dataset(definition, crm)
    candidate = learn(
        data,
        progress=lambda step, done, total: progress.setdefault(step, []).append(done / total),
    )
    verdict = register(candidate, data, folder / "store")
    assert verdict.champion
    return DemoStore(files, folder / "store", data, candidate, progress)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the files with long tests (those with a timeout of their own) first, so that no process
    works through one of them alone while the others have nothing left to do."""
    long = {item.path for item in items if item.get_closest_marker("timeout")}
    items.sort(key=lambda item: item.path not in long)


def skip_reasons(reporter: pytest.TerminalReporter) -> list[str]:
    """Why tests were skipped, one reason a test."""
    reasons = []
    for report in reporter.stats.get("skipped", []):
        *_, reason = report.longrepr if isinstance(report.longrepr, tuple) else (report.longrepr,)
        reasons.append(str(reason).removeprefix("Skipped: "))
    return reasons


def skipped_in_ci(reporter: pytest.TerminalReporter) -> bool:
    """Whether CI skipped a test that was meant to run; only the histories may be absent."""
    return bool(os.environ.get("CI")) and any(
        reason != WITHOUT_DATA or SHARED_DATA.is_dir() for reason in skip_reasons(reporter)
    )


def not_tested(reasons: list[str]) -> str:
    """One line that names what was skipped, how many tests that were, and what to do about it."""
    parts = []
    for reason, count in Counter(reasons).items():
        what, _, remedy = reason.partition(": ")
        tests = "1 test" if count == 1 else f"{count} tests"
        parts.append(f"{what} ({tests}; {remedy})" if remedy else f"{what} ({tests})")
    return f"Not tested: {', '.join(parts)}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Fail a run in CI that skipped what was meant to run, and end every run with what it skipped.

    A terminal summary would stand before the line that counts the tests; this stands after it.
    """
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    failed = reporter is not None and skipped_in_ci(reporter)
    if failed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    result = yield
    if failed:
        reporter.write_line("FAILED: tests were skipped that CI is meant to run", red=True)
    if reporter is not None and (reasons := skip_reasons(reporter)):
        reporter.write_line(not_tested(reasons), yellow=True)
    return result
