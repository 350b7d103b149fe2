"""`winnable check`: one answer for people and machines, and an exit status that a script can rely
on."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from winnable.cli import app

DEFINITION = """
[outcome]
won = ["Closed Won"]
lost = ["Closed Lost"]
[columns]
id = "Lead ID"
status = "Status"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "definition.toml").write_text(DEFINITION)
    return tmp_path


def write(size: int, folder: Path) -> str:
    random = np.random.default_rng(0)
    fit = random.normal(size=size)
    won = random.random(size) < 1 / (1 + np.exp(1.2 - 1.5 * fit))
    columns = {
        "Lead ID": np.arange(size),
        "Status": np.where(won, "Closed Won", "Closed Lost"),
        "Fit": fit,
    }
    leads = pd.DataFrame(
        {**columns, "Contract No": np.where(won, [f"C{row}" for row in range(size)], "")}
    )
    leads.to_csv(folder / "leads.csv", index=False)
    return str(folder / "leads.csv")


def run(*words: str, folder: Path) -> tuple[int, str]:
    done = CliRunner().invoke(
        app, ["check", *words, "--definition", str(folder / "definition.toml")]
    )
    return done.exit_code, done.output


def test_machines_get_verdicts_and_readiness(folder: Path) -> None:
    status, output = run(write(4000, folder), "--json", folder=folder)
    answer = json.loads(output)
    assert status == 0
    assert [(each["name"], each["verdict"]) for each in answer["columns"]] == [
        ("Fit", "ok"),
        ("Contract No", "quarantined"),
    ]
    assert all(each["evidence"] for each in answer["columns"])
    ready = answer["readiness"]
    assert ready["ready"] is True
    assert ready["leads"] == 4000 >= ready["needed_leads"]
    assert ready["wins"] >= ready["needed_wins"]


def test_people_read_what_is_kept_out_and_what_is_missing(folder: Path) -> None:
    status, output = run(write(60, folder), folder=folder)
    said = " ".join(output.split())
    assert status == 3
    assert "Contract No: quarantined, excluded." in said
    assert "Not ready by the published minimum sample size." in said


def test_the_curve_and_the_plot_are_there_if_asked_for(folder: Path) -> None:
    _, output = run(write(300, folder), "--curve", "--plot", str(folder / "way.png"), folder=folder)
    assert output.count("Learning curve: trained on") == 4
    assert (folder / "way.png").read_bytes().startswith(b"\x89PNG")


def test_thin_data_are_no_fault(folder: Path) -> None:
    (folder / "leads.csv").write_text("Lead ID,Status,Country\n")
    status, output = run(str(folder / "leads.csv"), "--json", folder=folder)
    assert status == 3
    assert json.loads(output)["readiness"]["wins"] == 0
