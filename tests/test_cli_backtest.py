"""`winnable backtest` as its users meet it: what it prints, writes and draws, and every wrong input told in a sentence."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.test_cli import winnable

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
    """A year of leads whose source tells who is won, each over within some days."""
    folder, chance, size = tmp_path_factory.mktemp("company"), np.random.default_rng(3), 700
    source = chance.choice(["Referral", "Fair", "List"], size)
    won = chance.random(size) < np.select([source == "Referral", source == "Fair"], [0.6, 0.3], 0.1)
    created = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.sort(chance.uniform(0, 364, size)), unit="D")
    closed = created + pd.to_timedelta(chance.exponential(8, size), unit="D")
    ended = closed < "2026-01-01"
    table = pd.DataFrame({"lead_id": [f"L{i}" for i in range(size)], "source": source, "created": created.floor("s")})
    table["closed"] = pd.Series(closed.floor("s")).where(ended)
    table["status"] = np.where(ended, np.where(won, "Won", "Lost"), "Open")
    table.to_csv(folder / "leads.csv", index=False)
    (folder / "definition.toml").write_text(DATED)
    return folder


def test_it_prints_writes_and_draws_each_period(company: Path, tmp_path: Path) -> None:
    files = ("--output", tmp_path / "backtest.csv", "--plot", tmp_path / "backtest.png")
    done = winnable("backtest", "leads.csv", "--periods", 3, *files, folder=company)
    assert done.returncode == 0, done.stderr
    assert "3 of 3: learning from what was known on" in done.stdout
    assert "The model was better than the base rate" in done.stdout
    table = pd.read_csv(tmp_path / "backtest.csv")
    assert table["answer"].value_counts().to_dict() == {"model": 3, "rules": 3, "base rate": 3, "previous model": 2}
    model = table[table["answer"] == "model"]
    assert (model["start"].to_numpy() == np.sort(model["start"].to_numpy())).all()
    assert (model["skill"] > 0).all()
    assert (tmp_path / "backtest.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--periods", "0"), "Invalid value"),
        (("--output", "leads.csv"), "is an input of this command"),
        (("--plot", "nowhere/backtest.png"), "there is no folder nowhere"),
        (("--definition", "undated.toml"), "needs to know when each lead came"),
    ],
)
def test_wrong_input_is_told_before_any_long_work(company: Path, words: tuple[str, ...], says: str) -> None:
    undated = [line for line in DATED.splitlines() if not line.startswith(("created", "closed"))]
    (company / "undated.toml").write_text("\n".join(undated))
    done = winnable("backtest", "leads.csv", *words, folder=company)
    assert done.returncode in (1, 2)
    assert says in done.stderr
