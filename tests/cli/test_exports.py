"""Exports of every kind through the commands: what is found is told, what is not is asked for in
one sentence."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.test_definition import winnable
from tests.data.ingestion.sources.workbooks import xlsx
from winnable.definition.load import load_definition

LEADS = pd.DataFrame(
    {
        "Lead ID": [f"{row:05d}" for row in range(60)],
        "Status": ["Closed Won", "Closed Lost", "Closed Lost"] * 20,
        "Created Date": [f"2025-{row % 9 + 1:02d}-{row % 28 + 1:02d}" for row in range(60)],
        "City": ["Győr", "Pécs", "Szűcs"] * 20,
        "Email": [f"p{row}@example.com" for row in range(60)],
    }
)
DEFINITION = """
[outcome]
won = ["Closed Won"]
lost = ["Closed Lost"]
[columns]
id = "Lead ID"
status = "Status"
"""


def test_options_are_taken_and_passed_on(tmp_path: Path) -> None:
    rows = [["Report of", "Ann"], [*LEADS.columns], *LEADS.to_numpy().tolist()]
    other = [["Lead ID", "Kind"], ["00000", "Call"]]
    (tmp_path / "crm.xlsx").write_bytes(xlsx({"All Leads": rows, "Calls": other}))
    asked = winnable("init", "crm.xlsx", folder=tmp_path)
    assert asked.returncode == 1
    assert "'All Leads' (62 rows), 'Calls' (2 rows)" in asked.stderr
    found = winnable("init", "crm.xlsx", "--sheet", "All Leads", "--header-row", 2, folder=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "60 leads: 20 won and 40 lost by 'Status'" in " ".join(found.stdout.split())
    assert "--sheet 'All Leads' --header-row 2" in found.stdout
    assert load_definition(tmp_path / "definition.toml").columns.id == "Lead ID"


def test_titles_and_the_encoding_are_told_by_init(tmp_path: Path) -> None:
    text = "Lead report,,,,\nAs of 2026,,,,\n" + LEADS.to_csv(index=False)
    (tmp_path / "leads.csv").write_bytes(text.encode("cp1250"))
    told = winnable("init", "leads.csv", folder=tmp_path)
    words = " ".join(told.stdout.split())
    assert "Note: leads.csv is not UTF-8; it was read as" in words
    assert "the header is row 3; 2 rows above it were skipped" in words


def test_check_reads_in_the_encoding_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_bytes(LEADS.to_csv(index=False).encode("cp1250"))
    (tmp_path / "definition.toml").write_text(DEFINITION)
    wrong = winnable("check", "leads.csv", "--encoding", "utf-8", folder=tmp_path)
    assert wrong.returncode == 1
    assert "not in the encoding utf-8" in wrong.stderr
    right = winnable("check", "leads.csv", "--encoding", "cp1250", "--json", folder=tmp_path)
    assert right.returncode == 3
    assert json.loads(right.stdout)["readiness"]["leads"] == 60


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(LEADS.to_dict("records") * 50)[:-9],
        LEADS.to_csv(index=False, header=False),
        ",".join(f"column of {row} p{row}@example.com" * 9 for row in range(900)) + "\n1\n",
        LEADS.drop(columns="Status").to_csv(index=False),
        LEADS.drop(columns=["Status", "Lead ID"])
        .assign(Owner=[f"ann.{row % 9}@example.com" for row in range(60)])
        .to_csv(index=False),
    ],
    ids=["broken JSON", "no header", "long names", "no outcome", "owners"],
)
@pytest.mark.parametrize("command", ["init", "check"])
def test_no_error_fills_a_screen_or_shows_a_person(
    tmp_path: Path, content: str, command: str
) -> None:
    (tmp_path / "leads.csv").write_text(content)
    if command == "check":
        (tmp_path / "definition.toml").write_text(DEFINITION)
    said = winnable(command, "leads.csv", folder=tmp_path)
    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    assert len(said.stdout + said.stderr) < 2_500
    if "column of" not in content:
        assert "@example.com" not in said.stdout + said.stderr
