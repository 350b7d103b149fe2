"""Answered leads come back, on both databases: when the definition says so, with all that was said,
and in the lists of those who work them."""

import csv
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from alembic import command

from tests.data.feedback.scores import given
from winnable.data.feedback.privacy.disclosure import disclose
from winnable.data.feedback.privacy.erasure import erase
from winnable.data.feedback.store import tables
from winnable.data.feedback.store.csv_exchange import export_labels, import_labels
from winnable.data.feedback.store.database import migrations
from winnable.data.feedback.store.leads import LeadFilter, QueueAsked
from winnable.data.feedback.store.outcomes import cohorts
from winnable.data.feedback.store.records import Label, episodes_of
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(days=200)


def definition(**returns: Any) -> Definition:
    data = {
        "outcome": {"won": ["Won"], "lost": ["Lost"]},
        "columns": {"status": "Status"},
        "activities": {"intent": ["Demo request"], "interest": ["E-book"]},
        "returns": returns,
    }
    return definition_from(data, "test")


USUAL = definition()


def asked_for_a_demo(days: float) -> tuple[dict[str, Any], ...]:
    """A demo request so many days after now, as scores keep it."""
    return ({"kind": "Demo request", "at": (NOW + timedelta(days=days)).isoformat()},)


def queue(feedback: FeedbackStore, name: QueueAsked) -> list[str]:
    return [row.lead_id for row in feedback.leads(LeadFilter(queue=name)).leads]


def reject(
    feedback: FeedbackStore, lead: str, by: Definition = USUAL, reason: str = "Not the right time"
) -> Label:
    return feedback.add(
        Label(lead, "rejected", "Kim", reason=reason, note="in spring"), definition=by
    )


def test_a_lead_rejected_for_now_comes_back_with_its_story_after_a_demo_request(
    feedback: FeedbackStore,
) -> None:
    feedback.remember([given("L-1", as_of=NOW)], USUAL)
    said = reject(feedback, "L-1")
    assert queue(feedback, "sales") == []
    assert queue(feedback, "marketing") == queue(feedback, "given_back") == ["L-1"]
    feedback.remember([given("L-1", 0.7, LATER, activities=asked_for_a_demo(199))], USUAL)
    assert queue(feedback, "sales") == ["L-1"]
    assert queue(feedback, "marketing") == []
    (lead,) = feedback.leads().leads
    assert (lead.state, lead.label, lead.before) == ("returned", None, said)
    history = feedback.lead("L-1")
    assert history is not None
    assert history.labels == (said,)
    assert [back.at for back in history.returns] == [LATER]


@pytest.mark.parametrize(
    ("days", "activities"),
    [
        (200, ()),  # nothing was done since
        (200, asked_for_a_demo(-1)),  # before the answer
        (200, ({"kind": "E-book", "at": (NOW + timedelta(days=100)).isoformat()},)),
    ],
    ids=["nothing", "before the answer", "no intent"],
)
def test_it_stays_with_marketing_while_the_conditions_do_not_hold(
    feedback: FeedbackStore, days: float, activities: Sequence[dict[str, Any]]
) -> None:
    feedback.remember([given("L-1", as_of=NOW)], USUAL)
    reject(feedback, "L-1")
    later = NOW + timedelta(days=days)
    feedback.remember([given("L-1", 0.9, later, activities=tuple(activities))], USUAL)
    assert queue(feedback, "sales") == []
    (lead,) = feedback.leads(LeadFilter(queue="marketing")).leads
    assert lead.state == "rejected"
    words = lead.comes_back(USUAL, later)
    assert words == f"with anything that shows intent since {NOW.day} {NOW:%b %Y}"


def test_a_sign_that_comes_too_early_counts_when_the_days_have_passed(
    feedback: FeedbackStore,
) -> None:
    feedback.remember([given("L-1", as_of=NOW)], USUAL)
    said = reject(feedback, "L-1")
    early = NOW + timedelta(days=10)
    feedback.remember([given("L-1", 0.7, early, activities=asked_for_a_demo(9))], USUAL)
    (lead,) = feedback.leads(LeadFilter(queue="given_back")).leads
    assert lead.returns_at == said.moment + timedelta(days=90)
    assert lead.comes_back(USUAL).startswith("on ")


def test_who_has_to_wait_for_the_days_alone_needs_no_other_score(feedback: FeedbackStore) -> None:
    soon = definition(rejected={"No budget": {"after_days": 1 / 86_400}})
    feedback.remember([given("L-1", as_of=NOW)], soon)
    reject(feedback, "L-1", soon, "No budget")
    assert queue(feedback, "sales") == []
    time.sleep(1.1)
    assert queue(feedback, "sales") == ["L-1"]
    assert queue(feedback, "marketing") == []
    assert [row.state for row in feedback.leads(LeadFilter(state="returned")).leads] == ["returned"]
    assert feedback.leads(LeadFilter(state="rejected")).leads == ()
    assert feedback.leads(LeadFilter(state="all")).total == 1
    accepted = feedback.add(Label("L-1", "accepted", "Lee"), definition=soon)
    (lead,) = feedback.leads().leads
    assert (lead.state, lead.label) == ("accepted", accepted)
    assert lead.before is not None
    assert lead.before.reason == "No budget"


@pytest.mark.parametrize(
    "label",
    [Label("L-1", "rejected", "Kim", reason="Not a real person"), Label("L-1", "junk", "Kim")],
    ids=["reason", "label"],
)
def test_junk_never_comes_back_and_is_nothing_for_marketing(
    feedback: FeedbackStore, label: Label
) -> None:
    feedback.remember([given("L-1", as_of=NOW)], USUAL)
    feedback.add(label, definition=USUAL)
    feedback.remember([given("L-1", 0.9, LATER, activities=asked_for_a_demo(199))], USUAL)
    assert queue(feedback, "sales") == queue(feedback, "marketing") == []


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_won_and_lost_leads_come_back_into_an_episode_of_their_own(
    feedback: FeedbackStore, outcome: Any
) -> None:
    feedback.remember([given("L-1", as_of=NOW)], USUAL)
    ended = feedback.add(Label("L-1", outcome, "Kim"), definition=USUAL)
    feedback.remember([given("L-1", 0.7, LATER, activities=asked_for_a_demo(199))], USUAL)
    assert queue(feedback, "sales") == ["L-1"]
    feedback.add(Label("L-1", "accepted", "Kim"), definition=USUAL)
    (lead,) = feedback.leads().leads
    assert (lead.state, lead.before) == ("accepted", ended)
    other = "lost" if outcome == "won" else "won"
    feedback.add(Label("L-1", other, "Lee"), definition=USUAL)  # type: ignore[arg-type]
    assert [row.state for row in feedback.leads(LeadFilter(state=other)).leads] == [other]  # type: ignore[arg-type]
    (cohort,) = cohorts(feedback)
    assert (cohort.won, cohort.lost) == (int(outcome == "won"), int(outcome == "lost"))
    assert feedback.conflicts() == []
    assert [label.label for label in feedback.labels("L-1")] == [outcome, "accepted", other]


def test_who_came_back_stays_although_a_later_score_would_not_bring_it_back(
    feedback: FeedbackStore,
) -> None:
    recent = [{"activity": "Demo request", "within_days": 30}]
    rules = definition(rejected={"Not the right time": {"after_days": 90, "when": recent}})
    feedback.remember([given("L-1", as_of=NOW)], rules)
    reject(feedback, "L-1", rules)
    done = asked_for_a_demo(199)
    feedback.remember([given("L-1", 0.7, LATER, activities=done)], rules)
    feedback.remember([given("L-1", 0.6, LATER + timedelta(days=60), activities=done)], rules)
    assert queue(feedback, "sales") == ["L-1"]


def test_a_lead_can_be_rejected_again_and_come_back_again(feedback: FeedbackStore) -> None:
    feedback.remember([given("L-1", as_of=NOW)], USUAL)
    for days in (200, 500):
        reject(feedback, "L-1")
        assert queue(feedback, "sales") == []
        at = NOW + timedelta(days=days)
        feedback.remember([given("L-1", 0.7, at, activities=asked_for_a_demo(days - 1))], USUAL)
        assert queue(feedback, "sales") == ["L-1"]
    history = feedback.lead("L-1")
    assert history is not None
    assert len(history.returns) == len(history.labels) == 2


def test_an_undone_answer_after_a_return_leaves_it_returned(feedback: FeedbackStore) -> None:
    feedback.remember([given("L-1", as_of=NOW)], USUAL)
    said = reject(feedback, "L-1")
    feedback.remember([given("L-1", 0.7, LATER, activities=asked_for_a_demo(199))], USUAL)
    accepted = feedback.add(Label("L-1", "accepted", "Kim"), definition=USUAL)
    feedback.add(Label("L-1", "withdrawn", "Kim", replaces=accepted.label_id), definition=USUAL)
    (lead,) = feedback.leads().leads
    assert (lead.state, lead.label, lead.before) == ("returned", None, said)
    assert queue(feedback, "sales") == ["L-1"]


def test_conditions_on_columns_are_asked_of_the_last_score(feedback: FeedbackStore) -> None:
    rules = definition(rejected={"No budget": {"when": [{"field": "Budget", "at_least": 1000}]}})
    for lead, budget in (("L-1", "500"), ("L-2", "5000")):
        feedback.remember([given(lead, as_of=NOW)], rules)
        reject(feedback, lead, rules, "No budget")
        feedback.remember([given(lead, as_of=LATER, values={"Budget": budget})], rules)
    assert queue(feedback, "sales") == ["L-2"]
    assert queue(feedback, "given_back") == ["L-1"]


def test_lists_of_both_teams_have_what_the_gate_decided(feedback: FeedbackStore) -> None:
    decisions = ("pass", "nurture", "recycle", "discard")
    feedback.remember(
        [given(decision, as_of=NOW, decision=decision) for decision in decisions], USUAL
    )
    assert queue(feedback, "sales") == ["pass"]
    assert sorted(queue(feedback, "marketing")) == ["nurture", "recycle"]
    later = given("nurture", as_of=LATER, decision="pass")
    feedback.remember([later], USUAL)
    assert sorted(queue(feedback, "sales")) == ["nurture", "pass"]
    feedback.add(Label("pass", "accepted", "Kim"), definition=USUAL)
    feedback.remember([given("pass", as_of=LATER, decision="nurture")], USUAL)
    assert queue(feedback, "marketing") == ["recycle"]  # nobody takes an accepted lead away


def test_pages_of_returned_and_new_leads_have_each_lead_once(feedback: FeedbackStore) -> None:
    soon = definition(rejected={"No budget": {"after_days": 0.5 / 86_400}})
    ids = [f"L-{i:02}" for i in range(30)]
    feedback.remember([given(lead, i / 100, NOW) for i, lead in enumerate(ids)], soon)
    for lead in ids[::3]:
        reject(feedback, lead, soon, "No budget")
    time.sleep(0.6)
    found = []
    for page in (1, 2, 3):
        leads = feedback.leads(LeadFilter(queue="sales", page=page, size=12))
        assert leads.total == 30
        assert leads.more is (page < 3)
        found += [row.lead_id for row in leads.leads]
    assert found == ids[::-1]


def test_labels_without_a_definition_are_looked_at_with_the_next_score(
    feedback: FeedbackStore,
) -> None:
    feedback.remember([given("L-1", as_of=NOW)])
    feedback.add(Label("L-1", "rejected", "Kim", reason="No need"))
    assert queue(feedback, "marketing") == []
    feedback.remember([given("L-1", as_of=NOW + timedelta(days=5))], USUAL)
    assert queue(feedback, "marketing") == ["L-1"]


def test_returns_are_disclosed_and_erased_with_the_person(feedback: FeedbackStore) -> None:
    feedback.remember([given("L-1", as_of=NOW)], USUAL)
    reject(feedback, "L-1")
    feedback.remember([given("L-1", 0.7, LATER, activities=asked_for_a_demo(199))], USUAL)
    assert [back["at"] for back in disclose(feedback, "L-1")["returns"]] == [LATER]
    assert erase(feedback, lead_id="L-1").counts["returns"] == 1
    with feedback.reading() as connection:
        assert connection.scalar(sql.select(sql.func.count()).select_from(tables.returns)) == 0


def test_the_migration_keeps_lists_and_outcomes_and_goes_back(label_place: Path) -> None:
    feedback = FeedbackStore.open(label_place)
    feedback.remember([given("L-1", as_of=NOW), given("L-2", as_of=NOW)], USUAL)
    feedback.remember([given("L-3", as_of=NOW, decision="nurture")], USUAL)
    feedback.add(Label("L-1", "won", "Kim"), definition=USUAL)
    reject(feedback, "L-2")
    feedback.remember([given("L-2", 0.7, LATER, activities=asked_for_a_demo(199))], USUAL)
    with feedback.transaction() as connection:
        command.downgrade(migrations(connection), "0002")
        states = dict(connection.execute(sql.text("SELECT lead_id, state FROM leads")).all())
    assert states == {"L-1": "won", "L-2": "rejected", "L-3": "new"}
    feedback.close()
    again = FeedbackStore.open(label_place)
    assert sum(cohort.won for cohort in cohorts(again)) == 1
    assert queue(again, "nurture") == ["L-3"]
    again.remember(
        [given("L-2", 0.7, LATER + timedelta(days=1), activities=asked_for_a_demo(199))], USUAL
    )
    assert queue(again, "sales") == ["L-2"]
    again.close()


def test_a_file_of_labels_carries_the_returns_and_one_without_them_still_imports(
    tmp_path: Path,
) -> None:
    """What was said before and after a return stays apart in the other store."""
    here, there, old = (FeedbackStore.open(tmp_path / name) for name in ("a", "b", "c"))
    said = NOW - timedelta(days=300)
    here.add(
        Label("L-1", "rejected", "Kim", at=said, reason="Not the right time"), definition=USUAL
    )
    here.add(Label("L-2", "lost", "Kim", at=said), definition=USUAL)
    first = said + timedelta(days=200)
    activity = {"kind": "Demo request", "at": (first - timedelta(days=1)).isoformat()}
    here.remember([given("L-1", as_of=first, activities=(activity,))], USUAL)
    here.add(Label("L-1", "accepted", "Kim"), definition=USUAL)
    assert [(back.lead_id, back.sequence, back.at) for back in here.returns()] == [
        ("L-1", 1, first)
    ]
    export_labels(here, tmp_path / "labels.csv")
    for _ in range(2):
        assert import_labels(there, tmp_path / "labels.csv", USUAL).rejects == ()
        assert there.returns() == here.returns()
        for lead_id in ("L-1", "L-2"):
            one, other = (store.lead(lead_id) for store in (here, there))
            assert one is not None
            assert other is not None
            assert one.lead.state == other.lead.state
            assert [
                [label.label_id for label in part] for part in episodes_of(one.labels, one.returns)
            ] == [
                [label.label_id for label in part]
                for part in episodes_of(other.labels, other.returns)
            ]
    export_labels(there, tmp_path / "again.csv")
    with (
        (tmp_path / "labels.csv").open(newline="") as file,
        (tmp_path / "again.csv").open(newline="") as again,
    ):
        assert [{**row, "origin": ""} for row in csv.DictReader(file)] == [
            {**row, "origin": ""} for row in csv.DictReader(again)
        ]
    with (
        (tmp_path / "labels.csv").open(newline="") as file,
        (tmp_path / "old.csv").open("w", newline="") as cut,
    ):
        rows = list(csv.reader(file))
        csv.writer(cut).writerows(row[:-1] for row in rows)
    assert import_labels(old, tmp_path / "old.csv", USUAL).added == 3
    assert old.returns() == []
