"""`winnable score --since`: why the scores of an export differ from those that the store kept."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.test_commands import SMALL, leads_table, winnable, write
from tests.conftest import DemoStore

CHANGED = ["probability_before", "before_as_of", "changed_by"]


@pytest.fixture(scope="module")
def company(demo_store: DemoStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's champion, whose open leads were scored for sales ten days before."""
    folder = tmp_path_factory.mktemp("since")
    shutil.copytree(demo_store.store / "served", folder / "models" / "served")
    done = score(demo_store, folder, "before.csv", "--inbox", "--as-of", "2026-06-20")
    assert done.stderr.endswith("before.csv.\n")  # some leads were not there yet
    return folder


def score(
    demo_store: DemoStore, folder: Path, output: str, *words: str
) -> subprocess.CompletedProcess[str]:
    files = demo_store.files
    given = (files.open_leads, "--activities", files.activities, "--history", files.history)
    return winnable("score", *given, "--output", output, *words, folder=folder)


def test_a_table_says_why_scores_differ_from_those_that_were_kept(
    demo_store: DemoStore, company: Path
) -> None:
    done = score(demo_store, company, "now.csv", "--since", "2026-06-22")
    assert done.returncode == 0, done.stderr
    before = pd.read_csv(company / "before.csv").set_index("lead_id")
    now = pd.read_csv(company / "now.csv").set_index("lead_id")
    assert list(now)[-4:] == [*CHANGED, "error"]
    compared = now[now["probability_before"].notna()]
    assert f"{len(compared)} of them have an earlier score" in done.stdout
    assert len(compared) == before["error"].isna().sum()
    assert set(compared["before_as_of"]) == {"2026-06-20T00:00:00Z"}
    earlier = before["probability"].reindex(compared.index)
    pd.testing.assert_series_equal(
        compared["probability_before"], earlier, check_names=False, rtol=1e-9
    )
    new = now[now["probability_before"].isna()]
    assert len(new) > 0
    assert new["changed_by"].isna().all()
    for lead in compared.to_dict("records"):
        written = str(lead["changed_by"]) if isinstance(lead["changed_by"], str) else ""
        numbers = [float(number) for number in re.findall(r"\(([+-][\d.]+)\)", written)]
        shown = round(100 * lead["probability"]) - round(100 * lead["probability_before"])
        assert not numbers or sum(numbers) == pytest.approx(shown)
    assert compared["changed_by"].str.contains("more than before").sum() > 5


def test_without_since_the_columns_are_as_before(demo_store: DemoStore, company: Path) -> None:
    done = score(demo_store, company, "plain.csv")
    assert done.returncode == 0, done.stderr
    assert not set(CHANGED) & set(pd.read_csv(company / "plain.csv"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--no-reasons",), "a change is told by reasons"),
        (("--by", "account"), "not of accounts"),
        (("--since", "Monday"), "Monday"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    demo_store: DemoStore, company: Path, words: tuple[str, ...], says: str
) -> None:
    done = score(demo_store, company, "refused.csv", "--since", "2026-06-22", *words)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())


def test_leads_without_ids_cannot_be_compared(tmp_path: Path) -> None:
    folder = write(tmp_path, leads_table(30), SMALL.replace('id = "lead_id"\n', ""))
    words = ("--definition", "definition.toml", "--output", "scores.csv", "--since", "2026-06-22")
    done = winnable("score", "leads.csv", *words, folder=folder)
    assert done.returncode == 1
    assert "columns.id" in done.stderr
