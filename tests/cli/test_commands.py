"""The command line as its users meet it: the whole way on real input, and every wrong input told in
a sentence."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import DemoStore

WINNABLE = Path(sys.executable).with_name("winnable")
SMALL = """
[outcome]
won = ["Closed Won"]
lost = ["Closed Lost"]
[columns]
id = "lead_id"
status = "status"
"""


def winnable(*words: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder."""
    variables = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    command = [str(WINNABLE), *map(str, words)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**variables, **environment},
        check=False,
    )


def leads_table(size: int, won_share: float = 0.3) -> pd.DataFrame:
    """Leads whose source tells something about who is won."""
    chance = np.random.default_rng(5)
    source = chance.choice(["Referral", "Fair", "List"], size)
    won = chance.random(size) < won_share * np.select(
        [source == "Referral", source == "Fair"], [2.0, 1.0], 0.3
    )
    status = np.where(won, "Closed Won", "Closed Lost")
    return pd.DataFrame(
        {
            "lead_id": [f"L{i}" for i in range(size)],
            "source": source,
            "size": chance.integers(1, 900, size),
            "status": status,
        }
    )


def write(folder: Path, table: pd.DataFrame, definition: str = SMALL) -> Path:
    table.to_csv(folder / "leads.csv", index=False)
    (folder / "definition.toml").write_text(definition)
    return folder


# --- the whole way


def test_the_demo_shows_a_champion_scores_and_how_to_serve(tmp_path: Path) -> None:
    done = winnable("demo", "--leads", 200, "--store", "store", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Version 1 is champion" in done.stdout
    assert re.search(r"model +0\.\d{4}", done.stdout)
    assert "winnable serve --store store" in done.stdout
    assert done.stderr == ""
    scores = pd.read_csv(tmp_path / "store/demo/scores.csv")
    assert scores["probability"].between(0, 1, inclusive="neither").all()


def test_data_that_look_wrong_are_told_in_training_and_change_the_status_if_asked(
    tmp_path: Path,
) -> None:
    leads = leads_table(120)
    renamed = leads["status"].where(leads.index < 90, "Deal won, signed")
    write(tmp_path, leads.assign(status=renamed))
    loud = winnable("train", "leads.csv", "--strict", folder=tmp_path)
    assert loud.returncode == 3, loud.stderr
    warning = "Warning: Counted as open, because the status is not in the definition: 30 leads"
    assert warning in loud.stdout.replace("\n", " ")
    assert "Look at the data first" in (tmp_path / "models/reports/version-1.html").read_text()
    quiet = winnable("train", "leads.csv", "-q", folder=tmp_path)
    assert quiet.returncode == 0
    assert (quiet.stdout, warning in quiet.stderr.replace("\n", " ")) == ("", True)


def test_every_row_gets_an_answer_in_its_order(demo_store: DemoStore, tmp_path: Path) -> None:
    files = demo_store.files
    rows = pd.read_csv(files.leads, dtype=str, keep_default_na=False)
    rows["Created Date"] = rows["Created Date"].mask(rows.index == 3, "not a date")
    rows.to_csv(tmp_path / "leads.csv", index=False)
    with_tables = ("--activities", files.activities, "--history", files.history)
    done = winnable(
        "score",
        "leads.csv",
        "--store",
        demo_store.store,
        "--output",
        "scores.csv",
        *with_tables,
        folder=tmp_path,
    )
    assert done.returncode == 1
    assert "1 of" in done.stderr
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores["lead_id"].tolist() == rows["Lead ID"].tolist()
    assert scores.index[scores["error"].notna()].tolist() == [3]
    assert scores["probability"].notna().sum() == len(rows) - 1
    good = scores[scores["error"].isna()]
    assert ((good["low"] <= good["probability"]) & (good["probability"] <= good["high"])).all()
    assert (good["probability"] <= good["probability_winnable"]).all()
    assert good["because"].notna().all()


def test_a_quiet_lead_cools_and_an_active_one_warms(demo_store: DemoStore, tmp_path: Path) -> None:
    """The open leads of the demo company today; two months later with nothing new; and so, but for
    a demo asked for of late."""
    files = demo_store.files
    log = pd.read_csv(files.activities, dtype=str)
    ids = pd.read_csv(files.open_leads)["Lead ID"]
    asked = pd.DataFrame(
        {
            "Lead ID": ids,
            "At": "2026-08-27T10:00:00Z",
            "Type": "Demo request",
            "Recorded At": "2026-08-27T10:00:00Z",
        }
    )
    pd.concat([log, asked]).to_csv(tmp_path / "active.csv", index=False)

    def odds(activities: object, day: str) -> pd.Series:
        words = (
            "--activities",
            activities,
            "--as-of",
            day,
            "--store",
            demo_store.store,
            "--output",
            "scores.csv",
        )
        assert winnable("score", files.open_leads, *words, folder=tmp_path).returncode == 0
        scores = pd.read_csv(tmp_path / "scores.csv")
        assert set(scores["as_of"]) == {f"{day}T00:00:00Z"}
        return np.log(scores["probability"] / (1 - scores["probability"]))

    today, quiet, active = (
        odds(files.activities, "2026-06-30"),
        odds(files.activities, "2026-08-29"),
        odds("active.csv", "2026-08-29"),
    )
    assert quiet.mean() < today.mean()
    assert active.mean() > quiet.mean()


def test_what_happens_after_the_moment_of_scoring_changes_nothing(
    demo_store: DemoStore, tmp_path: Path
) -> None:
    files, day = demo_store.files, "2025-10-01"
    log = pd.read_csv(files.activities, dtype=str)
    log[(log["At"] < day) & (log["Recorded At"] < day)].to_csv(
        tmp_path / "activities.csv", index=False
    )
    for name, tables in (
        ("whole", (files.activities, files.history)),
        ("cut", ("activities.csv", files.history)),
    ):
        words = (
            "--activities",
            tables[0],
            "--history",
            tables[1],
            "--as-of",
            day,
            "--store",
            demo_store.store,
        )
        winnable("score", files.leads, *words, "--output", f"{name}.csv", folder=tmp_path)
    assert (tmp_path / "whole.csv").read_text() == (tmp_path / "cut.csv").read_text()


def test_activities_raise_what_is_known_about_real_applications(
    shared_data: Path, tmp_path: Path
) -> None:
    """BPI 2012: with activities known at the moment of scoring the log loss on later rows is well
    below that of the base rate."""
    source = shared_data / "bpi-2012"
    leads = pd.read_csv(source / "leads.csv.gz", dtype=str).iloc[::6]
    leads.to_csv(tmp_path / "leads.csv", index=False)
    (tmp_path / "definition.toml").write_text(
        '[outcome]\nwon = ["Closed Won"]\nlost = ["Closed Lost"]\nhorizon_days = 30\n'
        '[columns]\nid = "lead_id"\ncreated = "created"\nclosed = "closed"\nstatus = "status"\n'
    )
    done = winnable(
        "train",
        "leads.csv",
        "--activities",
        source / "activities.csv.gz",
        "--store",
        "store",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    saved = float(re.search(r"model +[\d.]+ +([+-][\d.]+)%", done.stdout).group(1))  # type: ignore[union-attr]
    assert saved > 5


def test_training_again_on_the_same_data_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, leads_table(300))
    first, second = (
        winnable("train", "leads.csv", "--store", "store", folder=tmp_path) for _ in range(2)
    )
    assert "Version 1 is champion" in first.stdout
    assert "Version 2 is challenger: it is the same model as version 1" in second.stdout


def test_leads_come_from_a_database_too(tmp_path: Path) -> None:
    write(tmp_path, leads_table(300))
    with sqlite3.connect(tmp_path / "crm.db") as database:
        pd.read_csv(tmp_path / "leads.csv").to_sql("leads", database, index=False)
    done = winnable("train", "sqlite:///crm.db#leads", "--store", "store", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    by_file = winnable("train", "leads.csv", "--store", "other", folder=tmp_path)
    assert done.stdout.split("Evaluated")[1] == by_file.stdout.split("Evaluated")[1].replace(
        "other/", "store/"
    )


# --- no history


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ([], "0 won"),
        (["Closed Lost"] * 30, "0 won"),
        (["Closed Won"] * 30, "30 won"),
        (["Closed Won", "Closed Lost"], "1 won"),
    ],
    ids=["no leads", "no wins", "only wins", "one of each"],
)
def test_without_enough_history_the_rules_answer_and_say_so(
    statuses: list[str], told: str, tmp_path: Path
) -> None:
    table = leads_table(max(len(statuses), 1)).iloc[: len(statuses)].assign(status=statuses)
    write(tmp_path, table)
    done = winnable("train", "leads.csv", "--store", "store", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Model type: rules" in done.stdout
    assert told in done.stdout
    leads_table(5).drop(columns="status").to_csv(tmp_path / "new.csv", index=False)
    scored = winnable(
        "score", "new.csv", "--store", "store", "--output", "scores.csv", folder=tmp_path
    )
    assert scored.returncode == 0, scored.stderr
    assert "The scorecard is used: " in scored.stdout
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores["mode"].tolist() == ["rules"] * 5
    assert scores["probability"].between(0, 1, inclusive="neither").all()


def test_a_definition_alone_answers(tmp_path: Path) -> None:
    rule = (
        '[[scorecard]]\nname = "All"\nthreshold = 10\nconversion_at_threshold ='
        " 0.2\npoints_to_double_the_odds = 10\n"
    )
    rule += (
        '[[scorecard.rule]]\nsays = "Recommended"\nwhen = [{ field = "source", any_of ='
        ' ["Referral"] }]\npoints = 10\n'
    )
    write(tmp_path, leads_table(20).drop(columns="status"), SMALL + rule)
    done = winnable(
        "score",
        "leads.csv",
        "--definition",
        "definition.toml",
        "--store",
        "empty",
        "--output",
        "scores.csv",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    scores = pd.read_csv(tmp_path / "scores.csv").assign(
        source=pd.read_csv(tmp_path / "leads.csv")["source"]
    )
    recommended = scores[scores["source"] == "Referral"]
    assert recommended["probability"].to_numpy() == pytest.approx(0.2)
    assert recommended["reasons"].str.contains("Recommended").all()
    assert (scores.loc[scores["source"] != "Referral", "probability"] < 0.2).all()


def test_an_empty_or_older_export_does_not_dethrone_what_was_learned_from_more(
    tmp_path: Path,
) -> None:
    write(tmp_path, leads_table(300))
    assert (
        "is champion" in winnable("train", "leads.csv", "--store", "store", folder=tmp_path).stdout
    )
    leads_table(300).iloc[:0].to_csv(tmp_path / "empty.csv", index=False)
    leads_table(300).iloc[:100].to_csv(tmp_path / "fewer.csv", index=False)
    for name, told in (("empty", "it is the scorecard only"), ("fewer", "it was trained on")):
        done = winnable("train", f"{name}.csv", "--store", "store", folder=tmp_path)
        assert "is challenger" in done.stdout
        assert told in done.stdout


def test_a_history_so_thin_that_more_leads_bring_no_more_wins_is_learned_from_and_recorded(
    tmp_path: Path,
) -> None:
    order = np.random.default_rng(0).permutation(
        60
    )  # as the learning curve takes them: 12 to judge, then 6, 12, 24, 48 to learn
    won = np.isin(np.arange(60), order[[0, 1, 2, 3, 4, 12, 13, 14, 15]])
    table = leads_table(60).assign(status=np.where(won, "Closed Won", "Closed Lost"))
    done = winnable("train", "leads.csv", "--store", "store", folder=write(tmp_path, table))
    assert done.returncode == 0, done.stderr
    told = done.stdout.replace("\n", " ")  # chance alone decides who is won
    assert "Version 1 is champion" in told
    assert "Warning: The model may be worse than the base rate" in told


def test_wins_alone_do_not_tell_how_many_leads_are_won(tmp_path: Path) -> None:
    write(tmp_path, leads_table(60).assign(status="Closed Won"))
    winnable("train", "leads.csv", "--store", "store", folder=tmp_path)
    winnable("score", "leads.csv", "--store", "store", "--output", "scores.csv", folder=tmp_path)
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores["probability"].to_numpy() == pytest.approx(0.1)
    assert (scores["low"] < 0.1).all()


# --- exports as they are


def test_leads_that_are_closed_take_nobodys_place_with_sales(
    demo_store: DemoStore, tmp_path: Path
) -> None:
    files = demo_store.files
    for name, leads in (("everyone", files.leads), ("open", files.open_leads)):
        words = (
            "--activities",
            files.activities,
            "--history",
            files.history,
            "--store",
            demo_store.store,
        )
        winnable(
            "score",
            leads,
            *words,
            "--as-of",
            "2026-06-30",
            "--output",
            f"{name}.csv",
            folder=tmp_path,
        )
    everyone, still_open = (
        pd.read_csv(tmp_path / "everyone.csv"),
        pd.read_csv(tmp_path / "open.csv"),
    )
    status = pd.read_csv(files.leads)["Lead Status"]
    assert (everyone["decision"] == "closed").to_numpy().tolist() == status.isin(
        ["Closed Won", "Closed Lost", "Junk Lead"]
    ).tolist()
    assert everyone["probability"].notna().all()
    passed = everyone[everyone["decision"] == "pass"]["lead_id"]
    assert set(passed) == set(still_open[still_open["decision"] == "pass"]["lead_id"])


def test_when_an_open_lead_is_expected_to_close_does_not_move_the_moment_of_scoring(
    demo_store: DemoStore, tmp_path: Path
) -> None:
    leads = pd.read_csv(demo_store.files.open_leads, dtype=str).assign(
        **{"Close Date": "2026-10-15"}
    )
    leads.to_csv(tmp_path / "leads.csv", index=False)
    winnable(
        "score", "leads.csv", "--store", demo_store.store, "--output", "scores.csv", folder=tmp_path
    )
    assert pd.read_csv(tmp_path / "scores.csv")["as_of"].str.startswith("2026-06").all()


def test_a_date_that_could_be_two_is_read_as_in_the_models_own_export(tmp_path: Path) -> None:
    days = pd.Timestamp("2024-01-05") + pd.to_timedelta(np.arange(300), "D")
    table = leads_table(300).assign(created=days.strftime("%d/%m/%Y"))
    write(tmp_path, table, SMALL + 'created = "created"\n')
    winnable("train", "leads.csv", "--store", "store", folder=tmp_path)
    pd.DataFrame({"lead_id": ["N1"], "source": ["Fair"], "created": ["10/09/2024"]}).to_csv(
        tmp_path / "new.csv", index=False
    )
    done = winnable(
        "score", "new.csv", "--store", "store", "--output", "scores.csv", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(tmp_path / "scores.csv")["as_of"][0] == "2024-09-10T00:00:01Z"


def test_square_brackets_in_names_and_values_are_printed_as_they_are(tmp_path: Path) -> None:
    table = leads_table(120).assign(**{"Size [/month]": "1 [b]", "source": "[/web] form"})
    write(tmp_path, table, SMALL + 'source = "source"\nfixed = ["Size [/week]"]\n')
    for command in (("train", "leads.csv", "--store", "store"), ("funnel", "leads.csv")):
        done = winnable(*command, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "[/" in done.stdout


# --- wrong input: a clear sentence, exit status 1, nothing half-written


def refused(done: subprocess.CompletedProcess[str], *said: str) -> None:
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    for words in said:
        assert words in done.stderr


@pytest.mark.parametrize(
    ("definition", "leads", "said"),
    [
        (SMALL, "nowhere.csv", ["nowhere.csv"]),
        (SMALL.replace('"lead_id"', '"lead_nr"'), "leads.csv", ["lead_nr", "lead_id"]),
        (
            SMALL.replace("Closed Won", "Gewonnen").replace("Closed Lost", "Verloren"),
            "leads.csv",
            ["Gewonnen", "Closed Lost"],
        ),
        (SMALL.replace("[columns]", "[colums]"), "leads.csv", ["colums", "columns"]),
        (SMALL.replace("won = [", "won = "), "leads.csv", ["line"]),
        (SMALL + 'created = "source"\n', "leads.csv", ["source"]),
        (SMALL, "empty.csv", ["empty"]),
        (SMALL, "binary.csv", ["binary.csv"]),
    ],
    ids=[
        "no file",
        "no column",
        "unknown statuses",
        "unknown key",
        "broken TOML",
        "no dates",
        "empty",
        "binary",
    ],
)
def test_wrong_input_is_told_in_a_sentence(
    definition: str, leads: str, said: list[str], tmp_path: Path
) -> None:
    write(tmp_path, leads_table(60), definition)
    (tmp_path / "empty.csv").touch()
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 20)
    refused(winnable("train", leads, "--store", "store", folder=tmp_path), *said)
    assert not (tmp_path / "store" / "served").exists()


def test_a_store_that_cannot_be_written_is_told_before_any_work(tmp_path: Path) -> None:
    write(tmp_path, leads_table(60))
    (tmp_path / "file").touch()
    refused(
        winnable("train", "leads.csv", "--store", "file/store", folder=tmp_path),
        "file/store",
        "--store",
    )


def test_an_output_that_cannot_be_written_is_told(demo_store: DemoStore, tmp_path: Path) -> None:
    done = winnable(
        "score",
        demo_store.files.open_leads,
        "--store",
        demo_store.store,
        "--output",
        "no/where.csv",
        folder=tmp_path,
    )
    refused(done, "no/where.csv", "--output")


def test_an_output_that_is_an_input_or_a_folder_is_refused(
    demo_store: DemoStore, tmp_path: Path
) -> None:
    leads = tmp_path / "leads.csv"
    leads.write_bytes(demo_store.files.open_leads.read_bytes())
    for output, told in (("leads.csv", "would be lost"), (".", "is a folder")):
        refused(
            winnable(
                "score",
                "leads.csv",
                "--store",
                demo_store.store,
                "--output",
                output,
                folder=tmp_path,
            ),
            told,
        )
    assert leads.read_bytes() == demo_store.files.open_leads.read_bytes()


def test_a_registry_that_does_not_answer_is_told_before_any_learning(tmp_path: Path) -> None:
    write(tmp_path, leads_table(60))
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mlflow.db").write_bytes(b"this is no database" * 100)
    done = winnable("train", "leads.csv", "--store", "store", folder=tmp_path)
    refused(done, "MLflow cannot use this store")
    assert "training rows" not in done.stdout


def test_an_unknown_moment_of_scoring_is_told(demo_store: DemoStore, tmp_path: Path) -> None:
    words = ("--store", demo_store.store, "--output", "scores.csv", "--as-of", "yesterday")
    refused(
        winnable("score", demo_store.files.open_leads, *words, folder=tmp_path),
        "yesterday",
        "2026-06-30",
    )
    assert not (tmp_path / "scores.csv").exists()


def test_a_store_without_a_model_or_definition_is_told(tmp_path: Path) -> None:
    write(tmp_path, leads_table(10))
    refused(
        winnable(
            "score", "leads.csv", "--store", "empty", "--output", "scores.csv", folder=tmp_path
        ),
        "Train first",
    )


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    assert winnable("trane", folder=tmp_path).returncode == 2
