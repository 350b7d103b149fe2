"""Forgetting a person, on both databases: from scores, labels, exports and the files underneath;
what stays is a receipt."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from tests.data.feedback.scores import given
from winnable.data.feedback.privacy.erasure import erase, receipts
from winnable.data.feedback.store.csv_exchange import export_labels
from winnable.data.feedback.store.leads import LeadFilter
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.data.outputs.place import Output
from winnable.errors import DataError

SECRET = "ines.petrov@cornewick.example"


def fill(feedback: FeedbackStore) -> None:
    feedback.remember([given(f"L-{i}") for i in range(1, 4)])
    feedback.remember(
        [
            given(lead, person=SECRET, name="Ines Petrov", values={"Email": SECRET})
            for lead in ("=L-8", "L-9")
        ]
    )
    for lead in ("L-1", "=L-8", "L-9", "L-10"):
        feedback.add(Label(lead, "accepted", "Kim", note=f"about {lead}"))


def test_a_person_is_forgotten_with_all_records_and_exports(
    feedback: FeedbackStore, tmp_path: Path
) -> None:
    fill(feedback)
    export_labels(feedback, tmp_path / "labels.csv")
    (tmp_path / "odd.csv").write_text("no id here\n1\n")
    feedback.exported(tmp_path / "odd.csv")
    feedback.exported(tmp_path / "gone.csv")
    receipt = erase(feedback, person=f"Ines <{SECRET.upper()}>")
    assert receipt.counts == {"scores": 2, "labels": 2, "leads": 2, "export rows": 2}
    assert receipt.unreached == (tmp_path / "odd.csv",)
    assert len(receipt.digest) == 64
    assert {each.lead_id for each in feedback.labels()} == {"L-1", "L-10"}
    assert {row.lead_id for row in feedback.leads(LeadFilter(state="all")).leads} == {
        "L-1",
        "L-2",
        "L-3",
        "L-10",
    }
    assert feedback.lead("L-9") is None
    written = (tmp_path / "labels.csv").read_text()
    assert "L-9" not in written
    assert "L-10" in written
    (kept,) = receipts(feedback)
    assert (kept.receipt_id, kept.counts, kept.digest) == (
        receipt.receipt_id,
        receipt.counts,
        receipt.digest,
    )
    assert abs((datetime.now(UTC) - kept.at).total_seconds()) < 60
    told = json.dumps([kept.counts, kept.digest, kept.receipt_id])
    assert "L-" not in told
    assert "petrov" not in told


def test_a_lead_leads_to_its_person_and_a_second_time_there_is_nothing_left(
    feedback: FeedbackStore,
) -> None:
    fill(feedback)
    assert erase(feedback, lead_id="L-9").counts["scores"] == 2
    assert erase(feedback, lead_id="L-10").counts == {
        "scores": 0,
        "labels": 1,
        "leads": 1,
        "export rows": 0,
    }
    for again in ({"lead_id": "L-9"}, {"person": SECRET}, {}, {"lead_id": "L-1", "person": SECRET}):
        with pytest.raises(DataError):
            erase(feedback, **again)
    assert len(feedback.labels()) == 1


def test_notes_on_other_leads_that_name_the_person_are_taken_off(
    feedback: FeedbackStore, tmp_path: Path
) -> None:
    fill(feedback)
    notes = [
        "Petrov, Ines is the one to ask",
        f"write to <{SECRET.upper()}>.",
        "INÉS PETROV said no",
        "Ines said no; Petrov is a village",
        "ask Ines Petersen",
        None,
    ]
    for number, note in enumerate(notes):
        feedback.add(Label(f"L-{number + 1}", "accepted", "Lee", note=note), f"key {number}")
    export_labels(feedback, tmp_path / "labels.csv")
    receipt = erase(feedback, person=SECRET)
    assert receipt.counts["notes"] == 4  # too many rather than one too few
    left = [label for label in feedback.labels() if label.by == "Lee"]
    assert [label.note for label in left] == [*4 * ["[erased]"], "ask Ines Petersen", None]
    assert [label.lead_id for label in left] == [f"L-{number}" for number in range(1, 7)]
    again = feedback.add(Label("L-1", "accepted", "Lee", note=notes[0]), "key 0")
    assert again == left[0]  # a repeated request brings nothing back
    written = (tmp_path / "labels.csv").read_text()
    assert "etrov" not in written.casefold()
    assert "ask Ines Petersen" in written


def test_a_copied_store_leaves_the_exports_of_the_original_alone(
    feedback: FeedbackStore, label_place: Path, tmp_path: Path
) -> None:
    fill(feedback)
    outside = tmp_path / "labels.csv"
    inside = label_place / "labels.csv"
    export_labels(feedback, outside)
    inside.parent.mkdir(exist_ok=True)
    export_labels(feedback, inside)
    feedback.engine.dispose()
    shutil.copytree(label_place, tmp_path / "copy")
    before = outside.read_text()
    copy = FeedbackStore.open(tmp_path / "copy")
    receipt = erase(copy, person=SECRET)
    copy.close()
    assert receipt.unreached == (outside,)
    assert outside.read_text() == before
    assert inside.read_text() == before
    assert "L-9" not in (tmp_path / "copy" / "labels.csv").read_text()


def test_a_lead_that_only_an_export_has_is_erased_there(
    feedback: FeedbackStore, tmp_path: Path
) -> None:
    (tmp_path / "scores.csv").write_text("lead_id,probability\nL-1,0.5\nL-2,0.6\n")
    feedback.exported(tmp_path / "scores.csv")
    assert erase(feedback, lead_id="L-1").counts["export rows"] == 1
    assert (tmp_path / "scores.csv").read_text() == "lead_id,probability\nL-2,0.6\n"
    with pytest.raises(DataError, match="nothing is stored"):
        erase(feedback, lead_id="L-1")


def test_an_erasure_is_in_the_audit_trail_and_says_nothing_of_the_person(
    feedback: FeedbackStore,
) -> None:
    fill(feedback)
    receipt = erase(feedback, person=SECRET)
    told = feedback.audit_trail()
    assert (told[-1].action, told[-1].subject) == ("erased", receipt.receipt_id)
    written = repr(told).casefold()
    assert "petrov" not in written
    assert "l-9" not in written


def test_nothing_of_a_person_is_left_in_the_files_of_sqlite(tmp_path: Path) -> None:
    feedback = FeedbackStore.open(tmp_path)
    fill(feedback)
    assert any(SECRET.encode() in file.read_bytes() for file in tmp_path.glob("labels.db*"))
    erase(feedback, person=SECRET)
    assert not any(
        word in file.read_bytes()
        for file in tmp_path.glob("labels.db*")
        for word in (b"petrov", b"Petrov", b"L-9")
    )


def test_nothing_of_the_person_is_left_in_their_account(feedback: FeedbackStore) -> None:
    told = {"person": SECRET, "name": "Ines Petrov", "account": "acme"}
    feedback.remember(
        [
            given("L-1", account="acme", account_name="Acme"),
            given("L-8", **told),
            given("L-9", **told),
        ]
    )
    feedback.add(Label("L-9", "won", "Kim"))
    erase(feedback, person=SECRET)
    acme = feedback.account("acme")
    assert acme is not None
    assert [row.lead_id for row in acme.leads] == ["L-1"]
    assert (acme.outcomes, acme.total, acme.won) == ((), 1, 0)
    assert "etrov" not in repr(acme)
    erase(feedback, lead_id="L-1")
    assert feedback.account("acme") is None


def test_parquet_and_lines_of_json_are_cleared_and_databases_named(
    feedback: FeedbackStore, tmp_path: Path
) -> None:
    fill(feedback)
    table = pd.DataFrame({"lead_id": ["L-1", "L-9", "=L-8"], "probability": [0.1, 0.2, 0.3]})
    for name in ("scores.parquet", "scores.ndjson"):
        Output(str(tmp_path / name)).write(table, ())
        feedback.exported(tmp_path / name)
    place = Output("postgresql://kim:secret@db.example/sales#scores").kept_at
    assert place == "postgresql://kim:***@db.example/sales#scores"
    sqlite = Output(f"sqlite:///{tmp_path / 'bi.db'}#scores")
    sqlite.write(table, ())
    for each in (place, sqlite.kept_at, f"sqlite:///{tmp_path / 'gone.db'}#scores"):
        feedback.exported(each)
    receipt = erase(feedback, person=SECRET)
    assert receipt.counts["export rows"] == 6
    assert (receipt.unreached, receipt.databases) == ((), (place,))
    assert pd.read_parquet(tmp_path / "scores.parquet")["lead_id"].tolist() == ["L-1"]
    assert "L-9" not in (tmp_path / "scores.ndjson").read_text()
    assert b"L-9" not in (tmp_path / "bi.db").read_bytes()
    assert not (tmp_path / "gone.db").exists()
