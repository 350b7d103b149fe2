"""The commands around feedback, as people meet them."""

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from tests.cli.test_commands import winnable
from tests.conftest import DemoStore
from tests.data.feedback.scores import given
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.demo.company import write_demo


def test_labels_go_out_come_in_and_a_person_is_forgotten(
    demo_store: DemoStore, tmp_path: Path
) -> None:
    shutil.copytree(demo_store.store / "served", tmp_path / "models" / "served")
    scored = winnable(
        "score", demo_store.files.open_leads, "--output", "scores.csv", "--inbox", folder=tmp_path
    )
    assert scored.returncode == 0, scored.stderr
    lead = FeedbackStore.open(tmp_path / "models").leads().leads[0]
    assert lead.score is not None
    FeedbackStore.open(tmp_path / "models").add(
        Label(lead.lead_id, "accepted", "Kim", score_id=lead.score.score_id)
    )
    FeedbackStore.open(tmp_path / "models").add(
        Label(lead.lead_id, "rejected", "Lee", reason="No budget")
    )
    assert "Kim: accepted" in winnable("feedback", "conflicts", folder=tmp_path).stdout
    assert (
        "2 labels written"
        in winnable("feedback", "export", "--output", "labels.csv", folder=tmp_path).stdout
    )
    assert (
        "0 labels added, 2 were already known"
        in winnable("feedback", "import", "labels.csv", folder=tmp_path).stdout
    )
    assert (
        "2 labels added"
        in winnable("feedback", "import", "labels.csv", "--store", "third", folder=tmp_path).stdout
    )
    shown = winnable("feedback", "person", lead.score.person, folder=tmp_path)
    assert json.loads(shown.stdout)["leads"] == [lead.lead_id]
    plain = winnable("score", demo_store.files.open_leads, "--output", "plain.csv", folder=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert lead.lead_id in (tmp_path / "plain.csv").read_text()
    erased = winnable("feedback", "erase", "--person", lead.score.person, folder=tmp_path)
    assert re.search(r"1 scores, 2 labels, 1 leads, 4 export rows erased", erased.stdout), (
        erased.stdout + erased.stderr
    )
    assert (
        lead.lead_id
        not in (tmp_path / "scores.csv").read_text()
        + (tmp_path / "labels.csv").read_text()
        + (tmp_path / "plain.csv").read_text()
    )
    trail = winnable("audit", folder=tmp_path).stdout
    for action in ("labelled", "exported labels", "disclosed", "erased"):
        assert action in trail
    assert lead.lead_id not in trail
    assert "No conflicts" in winnable("feedback", "conflicts", folder=tmp_path).stdout


def test_wrong_input_is_told(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("lead_id,label,by\nL-1,perhaps,Kim\nL-2,won,Kim\n")
    done = winnable("feedback", "import", "labels.csv", folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "1 labels added, 0 were already known.\n")
    assert done.stderr.startswith("Row 1: label: expected one of accepted")
    for words, says in (
        (("import", "none.csv"), "no such file"),
        (("export", "--output", "none/labels.csv"), "cannot be written"),
        (("erase", "--lead", "L-99"), "nothing is stored about this person"),
        (("erase",), "give either a lead's id or"),
    ):
        done = winnable("feedback", *words, folder=tmp_path)
        assert done.returncode == 1
        assert says in done.stderr
        assert "Traceback" not in done.stderr


def test_training_hears_what_sales_said_and_says_so(tmp_path: Path) -> None:
    files = write_demo(tmp_path / "demo", leads=100, seed=7)
    source = (
        "demo/leads.csv",
        "--activities",
        "demo/activities.csv",
        "--history",
        "demo/history.csv",
    )
    lead = pd.read_csv(files.open_leads).iloc[0]
    (tmp_path / "labels.csv").write_text(
        f"lead_id,label,by,at\n{lead['Lead ID']},won,Kim,2026-06-01\nL-0,lost,Kim,2026-06-01\n"
    )
    winnable("feedback", "import", "labels.csv", folder=tmp_path)
    check = ("check", *source, "--definition", "demo/definition.toml", "--json")
    deaf, hearing = (
        json.loads(winnable(*check, *more, folder=tmp_path).stdout)
        for more in (("--store", "other"), ())
    )
    for name, more in (("wins", 1), ("leads", 1), ("open_leads_that_teach", -1)):
        assert hearing["readiness"][name] == deaf["readiness"][name] + more
    assert (
        f"{hearing['readiness']['open_leads_that_teach']} open leads (censored) also count"
        in hearing["readiness"]["told"][0]
    )
    done = winnable("train", *source, "--definition", "demo/definition.toml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 labels from sales applied." in done.stdout
    assert "1 outcome came from labels before the CRM had them" in done.stdout
    card = json.loads((tmp_path / "models" / "served" / "1" / "spec.json").read_text())["card"]
    assert card["feedback"]["outcomes"] == {"closed": 1, "unknown lead": 1}


def test_what_the_definition_need_not_keep_is_thinned(tmp_path: Path) -> None:
    rules = 'outcome = {won = ["Won"], lost = ["Lost"]}\ncolumns = {status = "Status"}\n'
    (tmp_path / "none.toml").write_text(rules)
    (tmp_path / "some.toml").write_text(rules + "retention = {leads_months = 12}\n")
    feedback = FeedbackStore.open(tmp_path / "models")
    feedback.remember([given("L-1", as_of=datetime(2020, 1, 1, tzinfo=UTC))])
    retain = ("feedback", "retain", "--definition")
    assert "everything is kept" in winnable(*retain, "none.toml", folder=tmp_path).stdout
    planned = winnable(*retain, "some.toml", "--dry-run", folder=tmp_path)
    assert planned.stdout == "0 scores would be thinned, 1 lead would be erased.\n"
    assert feedback.lead("L-1") is not None
    done = winnable(*retain, "some.toml", folder=tmp_path)
    assert "0 scores thinned, 1 lead erased.\nReceipt " in done.stdout
    assert feedback.lead("L-1") is None
    feedback.close()
