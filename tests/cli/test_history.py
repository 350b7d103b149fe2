"""`winnable backtest` and `winnable reassess` as their users meet them, on a company whose sources
swap their worth in July."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.test_commands import winnable
from winnable.learning.readiness.data_quality import DATA_ALARMS

SOURCES, MIDDLE = ("Referral", "Fair", "List"), "2025-07-01"
DATED = """
[outcome]
won = ["Won"]
lost = ["Lost"]
horizon_days = 30
[columns]
id = "lead_id"
status = "status"
created = "created"
closed = "closed"
"""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year of leads whose source tells who is won, each over within some days; and the first half
    of it, as it was known."""
    folder, chance, size = tmp_path_factory.mktemp("company"), np.random.default_rng(3), 700
    created = pd.Timestamp("2025-01-01") + pd.to_timedelta(
        np.sort(chance.uniform(0, 364, size)), unit="D"
    )
    early = created < MIDDLE
    source = np.where(
        early,
        chance.choice(SOURCES, size, p=[0.4, 0.4, 0.2]),
        chance.choice(SOURCES, size, p=[0.4, 0.2, 0.4]),
    )
    region = chance.choice(["North", "South"], size)
    referral = (source == "Referral") == early  # what referrals were worth, lists are later
    logit = -2.0 + 2.0 * referral * (source != "Fair") + 1.8 * (region == "North")
    won = chance.random(size) < 1 / (1 + np.exp(-logit))
    closed = created + pd.to_timedelta(chance.exponential(8, size), unit="D")
    ended = closed < "2026-01-01"
    table = pd.DataFrame(
        {
            "lead_id": [f"L{i}" for i in range(size)],
            "source": source,
            "region": region,
            "created": created.floor("s"),
        }
    )
    table["closed"] = pd.Series(closed.floor("s")).where(ended)
    table["status"] = np.where(ended, np.where(won, "Won", "Lost"), "Open")
    table.to_csv(folder / "leads.csv", index=False)
    (folder / "definition.toml").write_text(DATED)
    later = pd.to_datetime(table["closed"]) >= MIDDLE
    first = table.assign(
        status=table["status"].mask(later, "Open"), closed=table["closed"].mask(later)
    )[early]
    first.to_csv(folder / "first_half.csv", index=False)
    done = winnable("train", "first_half.csv", "--backtest", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_prints_writes_and_draws_each_period(company: Path, tmp_path: Path) -> None:
    files = ("--output", tmp_path / "backtest.csv", "--plot", tmp_path / "backtest.png")
    done = winnable("backtest", "leads.csv", "--periods", 3, "--quick", *files, folder=company)
    assert done.returncode == 0, done.stderr
    assert "3 of 3: training on what was known on" in done.stdout
    assert "than the previous model" in done.stdout
    table = pd.read_csv(tmp_path / "backtest.csv")
    assert table["answer"].value_counts().to_dict() == {
        "model": 3,
        "rules": 3,
        "base rate": 3,
        "previous model": 2,
    }
    model = table[table["answer"] == "model"]
    assert (model["start"].to_numpy() == np.sort(model["start"].to_numpy())).all()
    assert (model["skill_low"] < model["skill"]).all()
    assert (tmp_path / "backtest.png").read_bytes().startswith(b"\x89PNG")


def test_a_training_that_is_asked_for_it_keeps_the_backtest_in_its_report_and_its_run(
    company: Path,
) -> None:
    assert (
        "Backtest: retrained for each of"
        in (company / "models" / "reports" / "version-1.html").read_text()
    )
    kept = {path.name: path for path in (company / "models").rglob("backtest.*")}
    assert set(kept) == {"backtest.csv", "backtest.png"}
    run = kept["backtest.csv"].parent
    periods = pd.read_csv(kept["backtest.csv"]).query("answer == 'model'")
    assert (periods["end"] <= "2025-07-01").all()
    assert len(periods) > 1
    assert (run / "report.html").read_text().count("Backtest: retrained for each of") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--periods", "0"), "Invalid value"),
        (("--output", "leads.csv"), "is an input of this command"),
        (("--plot", "nowhere/backtest.png"), "there is no folder nowhere"),
        (("--definition", "undated.toml"), "needs the creation date of each lead"),
    ],
)
def test_wrong_input_is_told_before_any_long_work(
    company: Path, words: tuple[str, ...], says: str
) -> None:
    undated = [line for line in DATED.splitlines() if not line.startswith(("created", "closed"))]
    (company / "undated.toml").write_text("\n".join(undated))
    done = winnable("backtest", "leads.csv", *words, folder=company)
    assert done.returncode in (1, 2)
    assert says in done.stderr


def test_a_model_whose_columns_changed_their_meaning_is_to_be_retrained(
    company: Path, tmp_path: Path
) -> None:
    done = winnable("reassess", "leads.csv", "--output", tmp_path / "month.html", folder=company)
    assert done.returncode == 0, done.stderr
    says = done.stdout
    assert "Retrain: the effects of the columns have changed (concept drift)" in says
    assert "Evaluated: version 1, out of sample on " in says
    assert re.search(r"\n  source: '\w+': \d+% of leads before, \d+% now \(PSI \d+\.\d+\)\.", says)
    assert re.search(r"\d+\.\d wins are missed", says)
    assert "the model expects" in says
    written = (tmp_path / "month.html").read_text()
    assert "Is the model still right? " in written
    assert DATA_ALARMS not in written
    assert "retrained" in written
    assert "cannot see that the same leads" in written
    assert "http" not in written


def test_a_model_that_is_too_young_is_judged_by_one_of_before(
    company: Path, tmp_path: Path
) -> None:
    done = winnable(
        "reassess",
        "first_half.csv",
        "--since",
        "2025-04-01",
        "--output",
        tmp_path / "month.md",
        folder=company,
    )
    assert done.returncode == 0, done.stderr
    assert "a model trained like version 1 on what was known on 2025-04-01" in done.stdout
    assert "Keep the model: " in done.stdout
    assert (tmp_path / "month.md").read_text().startswith("# Is the model still right?")


def test_the_monthly_page_shows_what_makes_models_of_the_data_wrong(
    company: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(company / "leads.csv")
    late = pd.to_datetime(table["created"]) >= "2025-09-15"
    table["status"] = table["status"].mask(late & (table["status"] == "Won"), "Closed Won - Gold")
    table["region"] = table["region"].mask(late)
    table.to_csv(tmp_path / "renamed.csv", index=False)
    page = tmp_path / "month.md"
    words = ("reassess", tmp_path / "renamed.csv", "--output", page, "--strict")
    done = winnable(*words, folder=company)
    assert done.returncode == 3, done.stderr
    _, _, alarms = page.read_text().partition(f"{DATA_ALARMS}, because these make any model wrong")
    alarms, _, _ = alarms.partition("Evaluated: ")
    assert "Counted as open, because the status is not in the definition" in alarms
    assert "'Closed Won - Gold'" in alarms
    assert "no longer filled in: 'region'" in alarms
    assert "hardly any lead has been recorded as won" in alarms


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--since", "last month"), "Invalid value"),
        (("--output", "month.txt"), "end the file's name so"),
        (("--store", "empty"), "there is no champion here"),
    ],
)
def test_what_cannot_be_reassessed_is_told_at_once(
    company: Path, words: tuple[str, ...], says: str
) -> None:
    done = winnable("reassess", "leads.csv", *words, folder=company)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Judging on" not in done.stdout
