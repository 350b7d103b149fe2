"""A company whose CRM tells the outcome in flags gets the model, the scores and the answers of one
whose CRM tells it in a status."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

import winnable
from tests.cli.test_definition import winnable as command
from tests.service.conftest import serving

AS_OF = "2025-08-01T00:00:00+00:00"
COLUMNS = """
[columns]
id = "Id"
created = "Created"
closed = "Closed"
source = "Source"
"""
BY_STATUS = f'[outcome]\nwon = "Won"\nlost = "Lost"\n{COLUMNS}status = "Status"\n'
BY_FLAGS = f"""
[outcome]
won = [{{ field = "Is Closed", any_of = ["true"] }}, {{ field = "Is Won", any_of = ["1"] }}]
lost = [
    {{ field = "active", any_of = ["false"] }},
    {{ field = "Lost Reason", is_present = true }},
]
{COLUMNS}"""
FLAGS = ["Is Closed", "Is Won", "active", "Lost Reason"]


def company(size: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    source = rng.choice(["Referral", "Website", "List"], size)
    employees = rng.integers(5, 500, size)
    logit = -1.2 + 1.0 * (source == "Referral") - 0.8 * (source == "List") + 0.7 * (employees > 200)
    wins = rng.random(size) < 1 / (1 + np.exp(-logit))
    status = np.where(rng.random(size) < 0.2, "Open", np.where(wins, "Won", "Lost"))
    created = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, size), unit="D")
    closed = created + pd.to_timedelta(rng.integers(5, 60, size), unit="D")
    lost = status == "Lost"
    return pd.DataFrame(
        {
            "Id": [f"L{row}" for row in range(size)],
            "Created": created.strftime("%Y-%m-%d"),
            "Closed": np.where(status == "Open", "", closed.strftime("%Y-%m-%d")),
            "Source": source,
            "Employees": employees,
            "Status": status,
            "Is Closed": np.where((status == "Won") | (lost & (employees % 2 == 0)), "true", ""),
            "Is Won": np.where(status == "Won", 1.0, 0.0),
            "active": np.where(lost, "FALSE", "TRUE"),
            "Lost Reason": np.where(lost, np.where(employees % 3, "Price", "Timing"), ""),
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stores `status` and `flags`, each trained by the command."""
    folder = tmp_path_factory.mktemp("twins")
    leads = company()
    for name, definition, left_out in (
        ("status", BY_STATUS, FLAGS),
        ("flags", BY_FLAGS, ["Status"]),
    ):
        leads.drop(columns=left_out).to_csv(folder / f"{name}.csv", index=False)
        (folder / f"{name}.toml").write_text(definition)
        words = ["train", f"{name}.csv", "--definition", f"{name}.toml", "--store", name]
        done = command(*words, folder=folder)
        assert done.returncode == 0, done.stderr
    return folder


def test_the_probabilities_are_those_of_the_twin_with_one_status(trained: Path) -> None:
    tables = []
    for name in ("status", "flags"):
        words = ["score", f"{name}.csv", "--store", name, "--output", f"{name}.scores.csv"]
        done = command(*words, "--as-of", AS_OF, folder=trained)
        assert done.returncode == 0, done.stderr
        tables.append(pd.read_csv(trained / f"{name}.scores.csv").drop(columns="model"))
    pd.testing.assert_frame_equal(tables[1], tables[0], check_exact=True)
    assert tables[0]["probability"].nunique() > 5
    assert (tables[0]["decision"] == "closed").sum() == (company()["Status"] != "Open").sum()


@pytest.fixture(scope="module")
def client(trained: Path) -> Iterator[httpx.Client]:
    with serving(trained / "flags", trained / "log") as live, live.client() as client:
        yield client


LEADS = [
    {"Is Closed": True, "Is Won": 1, "active": True, "Lost Reason": None},
    {"Is Closed": "TRUE", "Is Won": "1.0", "active": "true"},
    {"Is Closed": True, "Is Won": True},
    {"Is Closed": True, "Is Won": 0, "active": True},
    {"active": False, "Lost Reason": "Price"},
    {"active": False, "Lost Reason": "-"},
    {"active": False, "Lost Reason": "Price", "Closed": "2025-07-01"},
    {"active": False, "Lost Reason": "Price", "Closed": "2025-09-01"},
    {"Is Closed": True, "Is Won": 1, "active": False, "Lost Reason": "Price"},
    {"Lost Reason": ["Price"], "active": False},
    {},
]


def test_a_closed_lead_is_closed_over_http_as_in_a_table(
    trained: Path, client: httpx.Client
) -> None:
    predictor = winnable.load(trained / "flags")
    decisions = []
    for row, flags in enumerate(LEADS):
        lead = {"Id": f"N{row}", "Created": "2025-05-01", "Source": "List", "Employees": 9, **flags}
        answer = client.post("/score", json={"leads": [lead], "as_of": AS_OF}).json()
        assert answer["warnings"] == []
        (score,) = answer["scores"]
        told = {name: value for name, value in lead.items() if not isinstance(value, list)}
        table = predictor.score(pd.DataFrame([told]), as_of=datetime.fromisoformat(AS_OF))
        assert (score["decision"], score["because"]) == (table["decision"][0], table["because"][0])
        assert score["probability"] == pytest.approx(table["probability"][0], abs=1e-9)
        decisions.append(score["decision"] == "closed")
    assert decisions == [True, True, False, False, True, False, True, False, False, False, False]
