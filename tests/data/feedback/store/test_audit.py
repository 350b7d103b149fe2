"""The audit trail on both databases: it can be added to and read, and nothing else."""

import csv
from pathlib import Path

import pytest
import sqlalchemy as sql
from sqlalchemy.exc import DatabaseError

from winnable.data.feedback.store.audit import Actor, write_audit_trail
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore

ATTACKS = (
    "UPDATE audit SET who = 'Nobody'",
    "DELETE FROM audit",
    "INSERT OR REPLACE INTO audit SELECT entry_id, at, action, 'Nobody', place, key, subject,"
    " detail FROM audit",
    "TRUNCATE audit",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_entries_are_neither_changed_nor_deleted(feedback: FeedbackStore, attack: str) -> None:
    feedback.record(Actor("Kim", "5c01d2ee", "10.0.0.7"), "promoted", "version 3", "agreed")
    before = feedback.audit_trail()
    assert len(before) == 1
    with pytest.raises(DatabaseError), feedback.engine.begin() as connection:
        connection.execute(sql.text(attack))
    assert feedback.audit_trail() == before


def test_a_label_and_its_entry_are_kept_together_or_not_at_all(feedback: FeedbackStore) -> None:
    kept = feedback.add(Label("L-1", "won", "Kim"), "key 1")
    feedback.add(Label("L-1", "won", "Kim"), "key 1")  # the same request again
    with pytest.raises(Exception, match="label"):
        feedback.add(Label("L-1", "perhaps", "Kim"))  # type: ignore[arg-type]
    (entry,) = feedback.audit_trail()
    assert (entry.action, entry.subject, entry.detail) == ("labelled", kept.label_id, "won")


def test_it_is_written_as_a_table_without_formulas(feedback: FeedbackStore, tmp_path: Path) -> None:
    feedback.record(Actor("=Kim", None, "here"), "exported labels", "labels.csv")
    write_audit_trail(feedback.audit_trail(), tmp_path / "audit.csv")
    (row,) = csv.DictReader((tmp_path / "audit.csv").read_text().splitlines())
    assert (row["who"], row["key"], row["action"]) == ("'=Kim", "", "exported labels")
    assert row["at"].endswith("Z")
