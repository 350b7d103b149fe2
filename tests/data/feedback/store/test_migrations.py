"""Migrations on both databases: up from every version, with what is in it, and back."""

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sql
from alembic import command

from tests.data.feedback.scores import given
from winnable.data.feedback.store import tables
from winnable.data.feedback.store.database import migrations
from winnable.data.feedback.store.records import Label, packed
from winnable.data.feedback.store.store import FeedbackStore


def downgrade(feedback: FeedbackStore, revision: str) -> None:
    with feedback.transaction() as connection:
        command.downgrade(migrations(connection), revision)


def columns(engine: sql.Engine) -> dict[str, set[str]]:
    inspector = sql.inspect(engine)
    return {
        table: {column["name"] for column in inspector.get_columns(table)}
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def test_the_migrated_tables_are_those_that_queries_expect(feedback: FeedbackStore) -> None:
    expected = {
        table.name: {column.name for column in table.columns}
        for table in tables.metadata.sorted_tables
    }
    assert columns(feedback.engine) == expected
    assert tables.HEAD == "0008"


def test_a_filled_database_goes_back_and_up_again(label_place: Path) -> None:
    feedback = FeedbackStore.open(label_place)
    feedback.remember([given("L-1")])
    first = feedback.add(Label("L-1", "accepted", "Kim"))
    second = feedback.add(Label("L-1", "won", "Lee"))
    feedback.exported(label_place.parent / "labels.csv")
    downgrade(feedback, "0001")
    assert "audit" not in columns(feedback.engine)
    assert "sequence" not in columns(feedback.engine)["labels"]
    feedback.close()
    again = FeedbackStore.open(label_place)
    assert [label.label_id for label in again.labels()] == [first.label_id, second.label_id]
    assert [label.sequence for label in again.labels()] == [1, 2]
    third = again.add(Label("L-1", "lost", "Kim"))
    assert third.sequence == 3
    lead = again.lead("L-1")
    assert lead is not None
    assert lead.scores == (given("L-1"),)
    with pytest.raises(sql.exc.DatabaseError), again.engine.begin() as connection:
        connection.execute(sql.text("UPDATE labels SET note = 'x'"))  # the trigger is back
    again.close()


def test_all_the_way_back_and_up_again(label_place: Path) -> None:
    feedback = FeedbackStore.open(label_place)
    downgrade(feedback, "base")
    assert columns(feedback.engine) == {}
    feedback.close()
    again = FeedbackStore.open(label_place)
    assert again.labels() == []
    again.close()


def test_a_lead_from_before_has_no_account_until_its_next_score(label_place: Path) -> None:
    feedback = FeedbackStore.open(label_place)
    before = given("L-1", account="acme", account_name="Acme Inc.")
    feedback.remember([before])
    downgrade(feedback, "0003")
    assert "account" not in columns(feedback.engine)["leads"]
    feedback.close()
    again = FeedbackStore.open(label_place)
    assert again.account("acme") is None
    lead = again.lead("L-1")
    assert lead is not None
    assert lead.scores == (given("L-1"),)
    again.remember([replace(before, score_id="later")])
    found = again.account("acme")
    assert found is not None
    assert [row.lead_id for row in found.leads] == ["L-1"]
    again.close()


def test_scores_from_before_parts_were_kept_still_read(label_place: Path) -> None:
    feedback = FeedbackStore.open(label_place)
    feedback.remember([given("L-1", parts=packed({"model": "a", "parts": []}))])
    downgrade(feedback, "0005")
    assert "parts" not in columns(feedback.engine)["scores"]
    feedback.close()
    again = FeedbackStore.open(label_place)
    lead = again.lead("L-1")
    assert lead is not None
    assert lead.scores == (given("L-1"),)
    again.close()
