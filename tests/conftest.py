"""What the tests share: the real conversion histories, one small trained store, and a run that may
not skip where CI runs it."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import Crm
from winnable.demo.company import DemoFiles, write_demo
from winnable.learning.training.train import Candidate

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
WITHOUT_DATA = "the real conversion histories (../shared/data) are not on this machine"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real conversion histories, which are not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(WITHOUT_DATA)
    return SHARED_DATA


@dataclass(frozen=True)
class DemoStore:
    """A demo company, the store of a model trained on it, what it read and what it found. Tests may
    change nothing of it."""

    files: DemoFiles
    store: Path
    data: Dataset
    candidate: Candidate

    @property
    def crm(self) -> Crm:
        """The tables of the CRM."""
        return self.data.crm


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> DemoStore:
    """A model trained on a demo company of 400 leads, through the same calls as `winnable train`."""
    from winnable.data.ingestion.crm import read_crm
    from winnable.definition.load import load_definition
    from winnable.learning.registry.promotion import register
    from winnable.learning.training.train import learn

    folder = tmp_path_factory.mktemp("demo")
    files = write_demo(folder / "crm", leads=400, seed=7)
    definition = load_definition(files.definition)
    crm = read_crm(definition, str(files.leads), str(files.activities), str(files.history))
    data = Dataset(definition, crm)
    candidate = learn(data)
    verdict = register(candidate, data, folder / "store")
    assert verdict.champion
    return DemoStore(files, folder / "store", data, candidate)


def skipped_in_ci(reporter: pytest.TerminalReporter) -> bool:
    """Whether CI skipped a test that was meant to run; only the histories may be absent."""
    skipped = [str(report.longrepr) for report in reporter.stats.get("skipped", [])]
    return bool(os.environ.get("CI")) and any(
        WITHOUT_DATA not in why or SHARED_DATA.is_dir() for why in skipped
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why the run fails; `pytest_sessionfinish` decides it."""
    if skipped_in_ci(terminalreporter):
        terminalreporter.write_line("FAILED: tests were skipped that CI is meant to run", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that skipped what was meant to run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and skipped_in_ci(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
