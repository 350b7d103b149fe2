"""The views for reports: each lead once, as the inbox has it, and nothing that was typed about a
person."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sql

from tests.data.feedback.scores import NOW, given
from winnable.data.feedback.privacy.erasure import erase
from winnable.data.feedback.store import tables
from winnable.data.feedback.store.leads import LeadFilter
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore


def view(feedback: FeedbackStore, name: str) -> list[dict[str, Any]]:
    with feedback.reading() as connection:
        found = connection.execute(sql.text(f"SELECT * FROM {name} ORDER BY lead_id"))
        return [dict(row._mapping) for row in found]


def test_a_lead_has_its_latest_score_and_its_present_label(feedback: FeedbackStore) -> None:
    feedback.remember([given("L-1", 0.2), given("L-2", 0.3)])
    feedback.remember([given("L-1", 0.6, NOW + timedelta(days=1))])
    feedback.add(Label("L-1", "accepted", "Kim", note="call Ines Petrov"))
    feedback.add(Label("L-1", "won", "Lee"))
    scores = view(feedback, "current_scores")
    assert [(row["lead_id"], row["probability"], row["state"]) for row in scores] == [
        ("L-1", 0.6, "won"),
        ("L-2", 0.3, "new"),
    ]
    assert {row["model"] for row in scores} == {given("L-1").version}
    labels = view(feedback, "current_labels")
    assert [(row["lead_id"], row["label"], row["by"]) for row in labels] == [("L-1", "won", "Lee")]


def test_the_views_say_nothing_that_was_typed_about_a_person(feedback: FeedbackStore) -> None:
    feedback.remember([given("L-1")])
    feedback.add(Label("L-1", "junk", "Kim", reason="call Ines Petrov", note="Ines Petrov"))
    told = str(view(feedback, "current_scores") + view(feedback, "current_labels"))
    for secret in ("Anna", "example.org", "Petrov", "Head of IT"):
        assert secret not in told


def test_an_answered_lead_is_back_when_its_time_has_come(feedback: FeedbackStore) -> None:
    feedback.remember([given("L-1", decision="pass"), given("L-2", decision="pass")])
    for lead in ("L-1", "L-2"):
        feedback.add(Label(lead, "rejected", "Kim", reason="Not now"))
    due = {"L-1": datetime.now(UTC) - timedelta(days=1), "L-2": datetime.now(UTC) + timedelta(1)}
    with feedback.transaction() as connection:
        for lead, at in due.items():
            of_lead = tables.leads.c.lead_id == lead
            connection.execute(sql.update(tables.leads).where(of_lead).values(returns_at=at))
    found = [(row["state"], row["queue"]) for row in view(feedback, "current_scores")]
    shown = {row.lead_id: row for row in feedback.leads(LeadFilter(state="all")).leads}
    assert found == [(shown[lead].state, shown[lead].queue) for lead in ("L-1", "L-2")]
    assert found[0] == ("returned", "sales")
    assert [row["reason"] for row in view(feedback, "current_labels")] == ["Not now", "Not now"]


def test_an_erased_lead_is_in_no_view(feedback: FeedbackStore) -> None:
    feedback.remember([given("L-1")])
    feedback.add(Label("L-1", "accepted", "Kim"))
    erase(feedback, lead_id="L-1")
    assert view(feedback, "current_scores") == view(feedback, "current_labels") == []
