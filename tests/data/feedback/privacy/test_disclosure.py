"""What is kept of a person is shown to whoever asks for it, on both databases."""

import json
from pathlib import Path

import pytest

from tests.data.feedback.scores import given
from winnable.data.feedback.privacy.disclosure import as_json, disclose, write_disclosure
from winnable.data.feedback.privacy.erasure import erase
from winnable.data.feedback.store.csv_exchange import export_labels
from winnable.data.feedback.store.records import Label, packed
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import DataError

PARTS = {"model": "a", "parts": [["field", "Title", 0.2, 3, "Head of IT", "Title is Head of IT"]]}
ADDRESS = "ines.petrov@cornewick.example"


def fill(feedback: FeedbackStore) -> None:
    feedback.remember(
        [
            given("L-1"),
            given(
                "L-2",
                person=ADDRESS,
                name="Ines Petrov",
                account="cornewick",
                account_name="Cornewick",
                parts=packed(PARTS),
            ),
        ]
    )
    feedback.remember([given("L-3", person=ADDRESS)])
    feedback.add(Label("L-3", "accepted", "Kim"))
    feedback.add(Label("L-1", "rejected", "Lee", note="Ines Petrov is the one to ask"))
    feedback.add(Label("L-1", "won", "Kim", note="easy"))


@pytest.mark.parametrize("who", ["Ines <Ines.Petrov@cornewick.example>", "L-2", "L-3"])
def test_all_of_a_person_is_disclosed(feedback: FeedbackStore, tmp_path: Path, who: str) -> None:
    fill(feedback)
    export_labels(feedback, tmp_path / "labels.csv")
    shown = json.loads(as_json(disclose(feedback, who)))
    assert shown["leads"] == ["L-2", "L-3"]
    assert [score["values"]["Title"] for score in shown["scores"]] == ["Head of IT"] * 2
    assert [score["account"] for score in shown["scores"]] == ["cornewick", None]
    assert [score["parts"] for score in shown["scores"]] == [PARTS, None]
    assert [label["label"] for label in shown["labels"]] == ["accepted"]
    named = shown["labels_of_other_leads_that_name_the_person"]
    assert [label["note"] for label in named] == ["Ines Petrov is the one to ask"]
    assert shown["files_with_these_leads"] == [str(tmp_path / "labels.csv")]
    assert "easy" not in as_json(shown)
    assert feedback.audit_trail()[-1].action == "disclosed"
    assert "etrov" not in repr(feedback.audit_trail())


def test_its_file_is_remembered_for_an_erasure(feedback: FeedbackStore, tmp_path: Path) -> None:
    fill(feedback)
    write_disclosure(feedback, disclose(feedback, ADDRESS), tmp_path / "person.json")
    assert json.loads((tmp_path / "person.json").read_text())["leads"] == ["L-2", "L-3"]
    assert erase(feedback, person=ADDRESS).unreached == (tmp_path / "person.json",)


def test_of_a_stranger_nothing_is_disclosed(feedback: FeedbackStore) -> None:
    fill(feedback)
    with pytest.raises(DataError, match="nothing is kept"):
        disclose(feedback, "nobody@cornewick.example")
    assert [entry.action for entry in feedback.audit_trail()] == ["labelled"] * 3
