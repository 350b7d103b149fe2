"""`winnable score --output` into every kind of place: the same numbers everywhere."""

import json
import sqlite3
from pathlib import Path

import pandas as pd

from tests.cli.test_commands import winnable
from tests.conftest import DemoStore

DAY = ("--as-of", "2026-07-01")


def test_all_places_get_the_same_scores(demo_store: DemoStore, tmp_path: Path) -> None:
    words = ("score", demo_store.files.open_leads, "--store", demo_store.store, *DAY)
    for place in ("s.csv", "s.parquet", "s.ndjson", "sqlite:///bi.db#scores"):
        done = winnable(*words, "--output", place, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"written to {place}" in done.stdout
    printed = winnable(*words, "--output", "-", folder=tmp_path)
    assert printed.returncode == 0
    assert printed.stdout == (tmp_path / "s.csv").read_text()  # nothing else is printed there
    of_csv = pd.read_csv(tmp_path / "s.csv", float_precision="round_trip")
    lines = [json.loads(line) for line in (tmp_path / "s.ndjson").open(encoding="utf-8")]
    with sqlite3.connect(tmp_path / "bi.db") as connection:
        of_database = pd.read_sql("SELECT * FROM scores", connection)
    others = (pd.read_parquet(tmp_path / "s.parquet"), pd.DataFrame(lines), of_database)
    for table in others:
        assert list(table.columns) == list(of_csv.columns)
        by_lead = table.set_index("lead_id").loc[of_csv["lead_id"]]
        for name in ("probability", "low", "high", "probability_winnable", "decision", "reasons"):
            assert by_lead[name].tolist() == of_csv[name].tolist(), name


def test_a_database_holds_each_lead_once_or_its_history(
    demo_store: DemoStore, tmp_path: Path
) -> None:
    words = ("score", demo_store.files.open_leads, "--store", demo_store.store, "--no-reasons")
    for day in ("2026-07-01", "2026-08-01"):
        for table, keep in (("latest", ()), ("history", ("--keep-history",))):
            place = ("--output", f"sqlite:///bi.db#{table}", *keep)
            done = winnable(*words, "--as-of", day, *place, folder=tmp_path)
            assert done.returncode == 0, done.stderr
    leads = len(pd.read_csv(demo_store.files.open_leads))
    with sqlite3.connect(tmp_path / "bi.db") as connection:
        counts = [
            connection.execute(f"SELECT count(*), count(DISTINCT as_of) FROM {table}").fetchone()
            for table in ("latest", "history")
        ]
    assert counts == [(leads, 1), (2 * leads, 2)]


def test_a_place_that_cannot_be_written_is_told_before_any_work(
    demo_store: DemoStore, tmp_path: Path
) -> None:
    words = ("score", demo_store.files.open_leads, "--store", demo_store.store)
    for place, says in (
        ("postgresql://kim:secret@127.0.0.1:1/sales#scores", "kim:***@127.0.0.1:1/sales#scores"),
        ("sqlite:///bi.db", "which table?"),
        ("none/s.parquet", "there is no folder none"),
    ):
        done = winnable(*words, "--output", place, folder=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert says in done.stderr
        assert "secret" not in done.stderr
    done = winnable(*words, "--output", "s.csv", "--keep-history", folder=tmp_path)
    assert done.returncode == 2
    assert list(tmp_path.glob("s.*")) == []


def test_a_lead_that_a_database_cannot_tell_apart_is_told(
    demo_store: DemoStore, tmp_path: Path
) -> None:
    rows = pd.read_csv(demo_store.files.open_leads, dtype=str).head(5)
    rows.loc[2, "Lead ID"] = None
    rows.loc[3, "Created Date"] = "2031-01-01"
    rows.to_csv(tmp_path / "leads.csv", index=False)
    place = ("--output", "sqlite:///bi.db#scores")
    words = ("score", "leads.csv", "--store", demo_store.store, *DAY)
    done = winnable(*words, *place, folder=tmp_path)
    assert done.returncode == 1
    assert "1 row without 'lead_id', 'model': not in sqlite:///bi.db#scores" in done.stderr
    assert "1 row without a score: not in sqlite:///bi.db#scores" in done.stderr
    assert "1 of 5 rows could not be scored" in done.stderr
