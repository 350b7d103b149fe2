"""Fit and engagement apart on the command line: described, compared with the version before, in the
table of scores, and in the funnel by the scores that were kept."""

from pathlib import Path

import pandas as pd
import pytest

from tests.cli.test_commands import winnable

BEFORE = """
name = "Ours"
version = "1"
[outcome]
won = ["Won"]
lost = ["Lost"]
expected_conversion = 0.1
[columns]
id = "id"
status = "status"
created = "created"
[activities]
intent = ["Demo"]
interest = ["Webinar"]
[[scorecard]]
threshold = 40
  [[scorecard.rule]]
  says = "Large"
  when = [{ field = "size", at_least = 100 }]
  points = 40
  [[scorecard.rule]]
  says = "Demo"
  when = [{ activity = "Demo" }]
  points = 40
"""
NOW = BEFORE.replace('version = "1"', 'version = "2"') + (
    '[grid]\nfit = [1.5, 1, 0.5]\nwords = { A1 = "Call today", A3 = "Invite" }\n'
)
PLACES = {"L0": "A1", "L1": "A3", "L2": "C1", "L3": "C3"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four leads, large or small, with a demo or without."""
    (tmp_path / "before.toml").write_text(BEFORE)
    (tmp_path / "definition.toml").write_text(NOW)
    leads = pd.DataFrame(
        {
            "id": list(PLACES),
            "status": "New",
            "created": "2026-06-01",
            "size": [500, 500, 10, 10],
        }
    )
    leads.to_csv(tmp_path / "leads.csv", index=False)
    pd.DataFrame({"id": ["L0", "L2"], "at": "2026-06-20", "kind": "Demo"}).to_csv(
        tmp_path / "activities.csv", index=False
    )
    leads.assign(
        status=["Won", "Won", "Lost", "Lost"], created="2026-06-01", closed="2026-07-20"
    ).to_csv(tmp_path / "later.csv", index=False)
    return tmp_path


def test_the_definition_says_what_the_grid_means_and_what_changed(folder: Path) -> None:
    page = winnable("describe", "--definition", "definition.toml", folder=folder, COLUMNS="140")
    assert page.returncode == 0, page.stderr
    assert "Fit and engagement apart: A1 to D4" in page.stdout
    assert "The letter says how well a lead fits: who they are." in page.stdout
    assert "A: 1.5 or more" in page.stdout
    assert "Call today" in page.stdout
    assert "as often as we expect of any: 10 in 100" in " ".join(page.stdout.split())
    compared = winnable(
        "describe",
        "--definition",
        "definition.toml",
        "--against",
        "before.toml",
        folder=folder,
        COLUMNS="140",
    )
    assert compared.returncode == 0, compared.stderr
    assert "grid, fit" in compared.stdout
    assert "1.5, 1, 0.5" in compared.stdout
    assert "grid, words, A1" in compared.stdout


def test_a_grid_that_cannot_be_meant_is_refused(folder: Path) -> None:
    (folder / "definition.toml").write_text(NOW.replace("1.5, 1, 0.5", "0.5, 1, 2"))
    refused = winnable("describe", folder=folder)
    assert refused.returncode == 1
    assert "grid: fit: the three odds ratios must decrease, got 0.5, 1, 2" in " ".join(
        refused.stderr.split()
    )


def test_scores_have_cells_and_the_funnel_tells_what_they_convert(folder: Path) -> None:
    """The store holds no model: the scorecard of the definition answers."""
    early = winnable(
        *("funnel", "later.csv", "--by", "grid", "--store", "store"), folder=folder, COLUMNS="140"
    )
    assert early.returncode == 1
    assert not (folder / "store").exists(), "reading creates nothing"
    assert "no score with a cell of the grid is kept here" in " ".join(early.stderr.split())
    scored = winnable(
        *("score", "leads.csv", "--activities", "activities.csv", "--inbox"),
        *("--definition", "definition.toml", "--store", "store", "--as-of", "2026-06-30"),
        *("--output", "scores.csv"),
        folder=folder,
    )
    assert scored.returncode == 0, scored.stderr
    table = pd.read_csv(folder / "scores.csv", keep_default_na=False).set_index("lead_id")
    assert table["cell"].to_dict() == PLACES
    assert table["cell_says"].to_dict() == {"L0": "Call today", "L1": "Invite", "L2": "", "L3": ""}
    assert table.loc["L0", "fit"] == pytest.approx(2)
    assert table.loc["L3", "engagement"] == pytest.approx(0.5)
    told = winnable(
        *("funnel", "later.csv", "--by", "grid", "--store", "store", "--output", "funnel.csv"),
        folder=folder,
        COLUMNS="140",
    )
    assert told.returncode == 0, told.stderr
    assert "A1 Call today" in told.stdout
    cells = pd.read_csv(folder / "funnel.csv").query("part == 'grid'").set_index("name")
    assert cells["leads"].to_dict() == {"A1 Call today": 1, "A3 Invite": 1, "C1": 1, "C3": 1}
