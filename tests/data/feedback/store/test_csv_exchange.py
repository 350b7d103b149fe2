"""Labels as CSV: out, in, and nothing that a spreadsheet would run."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnable.core.cells import cell, value_of
from winnable.data.feedback.store.csv_exchange import export_labels, import_labels
from winnable.data.feedback.store.leads import LeadFilter
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import DataError, StoreError

ATTACKS = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "'=1", "'")


@settings(max_examples=200, deadline=None)
@given(st.text() | st.sampled_from(ATTACKS))
def test_every_text_comes_back_and_none_is_a_formula(text: str) -> None:
    assert value_of(cell(text)) == text
    assert not cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_what_goes_out_comes_in_unchanged_and_once(tmp_path: Path) -> None:
    feedback, other = FeedbackStore.open(tmp_path / "a"), FeedbackStore.open(tmp_path / "b")
    wrong = feedback.add(
        Label("L-1", "rejected", "Kim", reason="No budget", note='said "no",\nthen hung up')
    )
    feedback.add(Label("L-1", "accepted", "Kim", replaces=wrong.label_id))
    for attack in ATTACKS[:4]:
        feedback.add(Label(attack, "won", attack, note=attack))
    assert export_labels(feedback, tmp_path / "labels.csv") == 6
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:7] == ["lead_id", "score_id", "label", "reason", "note", "by", "at"]
    assert not [text for row in rows for text in row if text.startswith(("=", "+", "-", "@", "\t"))]
    assert import_labels(other, tmp_path / "labels.csv").added == 6
    origin = {"api": "import"}
    assert [
        (each.lead_id, each.note, each.at, each.replaces, each.label_id) for each in other.labels()
    ] == [
        (each.lead_id, each.note, each.at, each.replaces, each.label_id)
        for each in feedback.labels()
    ]
    assert {each.origin for each in other.labels()} == {origin["api"]}
    again = import_labels(other, tmp_path / "labels.csv")
    assert (again.added, again.known, again.rejects) == (0, 6, ())


def test_labels_written_by_hand_are_taken_in_once_and_faulty_rows_are_told(tmp_path: Path) -> None:
    feedback, file = FeedbackStore.open(tmp_path), tmp_path / "hand.csv"
    file.write_text(
        "\ufefflead_id;label;by;at\nL-1;Won;Kim;2026-03-01\nL-2;perhaps;Kim;\nL-3;lost;;\nL-4;lost;Kim;someday\nL-5;lost\nL-6;lost;Kim;\n"
    )
    told = import_labels(feedback, file)
    assert (told.added, [row for row, _ in told.rejects]) == (2, [2, 3, 4, 5])
    assert [says.split(":")[0] for _, says in told.rejects[:3]] == ["label", "by", "at"]
    assert import_labels(feedback, file).known == 2
    assert [(each.lead_id, each.label) for each in feedback.labels()] == [
        ("L-1", "won"),
        ("L-6", "lost"),
    ]
    assert {row.lead_id for row in feedback.leads(LeadFilter(state="all")).leads} == {"L-1", "L-6"}


def test_a_file_that_holds_no_labels_is_refused(tmp_path: Path) -> None:
    feedback, file = FeedbackStore.open(tmp_path), tmp_path / "leads.csv"
    for content, says in (
        ("Lead ID,Name\n1,2\n", "lead_id"),
        ("lead_id,label,by,Status\n", "'Status'"),
        ("", "lead_id"),
    ):
        file.write_text(content)
        with pytest.raises(DataError, match=says):
            import_labels(feedback, file)
    with pytest.raises(DataError, match="no such file"):
        import_labels(feedback, tmp_path / "none.csv")
    with pytest.raises(StoreError, match="cannot be written"):
        export_labels(feedback, tmp_path / "none" / "labels.csv")
