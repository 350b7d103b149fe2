"""One person once: of several leads of a person a list can show the best that matches, and names
the others."""

import random
from datetime import timedelta

import pytest

from tests.data.feedback.scores import NOW, given
from winnable.data.feedback.store.leads import (
    OTHERS_NAMED,
    OTHERS_SHOWN,
    LeadFilter,
    LeadPage,
    LeadRow,
)
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.load import definition_from

DEFINITION = definition_from(
    {
        "outcome": {"won": ["Won"]},
        "columns": {"status": "Status"},
        "returns": {"rejected": {"Not the right time": {"after_days": 90}}},
    },
    "test",
)


def today(feedback: FeedbackStore, **asked: object) -> LeadPage:
    return feedback.leads(LeadFilter(queue="sales", one_per_person=True, **asked))  # type: ignore[arg-type]


def ids(page: LeadPage) -> list[str]:
    return [row.lead_id for row in page.leads]


def named(row: LeadRow) -> dict[str, str]:
    return dict(row.others.named)


def test_a_person_of_three_leads_stands_once_with_the_best_that_waits_and_the_others_named(
    feedback: FeedbackStore,
) -> None:
    ann = "ann@acme.example"
    feedback.remember(
        [
            given("L-1", 0.4, person=ann),
            given("L-2", 0.6, person=ann),
            given("L-7", 0.2, person=ann, decision="nurture"),
            given("L-3", 0.5, person="bo@acme.example"),
            given("L-4", 0.1, person=None),
            given("L-5", 0.1, person=None),
        ]
    )
    page = today(feedback)
    assert ids(page) == ["L-2", "L-3", "L-4", "L-5"]
    assert (page.total, page.more) == (4, False)
    assert named(page.leads[0]) == {"L-1": "new", "L-7": "new"}
    assert [row.others.total for row in page.leads] == [2, 0, 0, 0]
    feedback.add(Label("L-2", "accepted", "Kim"))
    page = today(feedback)
    assert ids(page) == ["L-3", "L-1", "L-4", "L-5"]
    assert named(page.leads[1]) == {"L-2": "accepted", "L-7": "new"}


def test_of_two_leads_that_are_as_probable_one_stands(feedback: FeedbackStore) -> None:
    feedback.remember([given(f"L-{i}", 0.3, person="ann@acme.example") for i in (2, 1, 3)])
    assert ids(today(feedback)) == ["L-1"]


def test_a_filter_shows_the_person_with_the_best_lead_that_matches_it(
    feedback: FeedbackStore,
) -> None:
    ann = "ann@acme.example"
    feedback.remember(
        [
            given("L-1", 0.4, person=ann, owner="Kim", source="Web"),
            given("L-2", 0.6, person=ann, owner="Lena", source="Fair"),
        ]
    )
    assert ids(today(feedback)) == ["L-2"]
    assert ids(today(feedback, owner="Kim")) == ["L-1"]
    assert ids(today(feedback, source="Web")) == ["L-1"]
    assert ids(today(feedback, search="l-1")) == ["L-1"]
    assert today(feedback, owner="Kim").total == 1


def test_other_lists_have_every_lead_and_name_the_others_too(feedback: FeedbackStore) -> None:
    feedback.remember([given(f"L-{i}", i / 10, person="ann@acme.example") for i in (1, 2)])
    page = feedback.leads(LeadFilter(state="all"))
    assert ids(page) == ["L-2", "L-1"]
    assert [named(row) for row in page.leads] == [{"L-1": "new"}, {"L-2": "new"}]


def test_a_lead_whose_time_has_come_is_one_of_those_that_wait(feedback: FeedbackStore) -> None:
    before = NOW - timedelta(days=201)
    feedback.remember([given(f"L-{i}", i / 10, before, person="ann@acme.example") for i in (1, 2)])
    answer = Label(
        "L-2", "rejected", "Kim", reason="Not the right time", at=NOW - timedelta(days=200)
    )
    feedback.add(answer, definition=DEFINITION)
    page = today(feedback)
    assert ids(page) == ["L-2"]
    assert page.leads[0].state == "returned"
    assert page.total == 1
    assert named(feedback.leads(LeadFilter(search="l-1")).leads[0]) == {"L-2": "returned"}


@pytest.mark.parametrize("size", [3, 7])
def test_pages_and_their_count_hold_each_person_once_with_the_best_lead(
    feedback: FeedbackStore, size: int
) -> None:
    rng = random.Random(3)
    leads = [
        (f"L-{i:03}", rng.choice((0.1, 0.2, 0.3, 0.4)), rng.choice([None, *"abcdefgh"]))
        for i in range(60)
    ]
    feedback.remember([given(lead, p, person=person) for lead, p, person in leads])
    feedback.add_each(
        [Label(lead, "accepted", "Kim") for lead, _, _ in leads[::4]], [None] * len(leads[::4])
    )
    waiting = [lead for place, lead in enumerate(leads) if place % 4]
    best: dict[str, tuple[float, str]] = {}
    for lead, probability, person in waiting:
        rank = (-probability, lead)
        best[person or lead] = min(best.get(person or lead, rank), rank)
    expected = [lead for _, lead in sorted(best.values())]
    found: list[str] = []
    for number in range(1, len(expected) // size + 2):
        page = today(feedback, page=number, size=size)
        assert page.total == len(expected)
        assert page.more is (number * size < len(expected))
        found += ids(page)
    assert found == expected


def test_the_page_of_a_lead_has_the_others_of_its_person_with_what_was_said(
    feedback: FeedbackStore,
) -> None:
    ann = "ann@acme.example"
    feedback.remember([given(f"L-{i}", i / 10, person=ann) for i in (1, 2, 3)])
    feedback.add(Label("L-3", "accepted", "Kim", at=NOW - timedelta(days=2)))
    feedback.add(Label("L-3", "lost", "Lena", note="no budget"))
    wrong = feedback.add(Label("L-2", "junk", "Kim"))
    feedback.add(Label("L-2", "withdrawn", "Kim", replaces=wrong.label_id))
    history = feedback.lead("L-1")
    assert history is not None
    assert history.lead.others.total == 2
    assert [(row.lead_id, row.state) for row, _ in history.others] == [
        ("L-2", "new"),
        ("L-3", "lost"),
    ]
    assert [[label.label for label in said] for _, said in history.others] == [
        [],
        ["accepted", "lost"],
    ]
    alone = feedback.lead("L-1", latest_scores=1)
    assert alone is not None
    assert len(alone.others) == 2


def test_of_a_mailbox_with_many_leads_some_are_named_and_all_are_counted(
    feedback: FeedbackStore,
) -> None:
    many = OTHERS_SHOWN + 10
    feedback.remember(
        [given(f"L-{i:02}", i / 100, person="info@acme.example") for i in range(many)]
    )
    (row,) = today(feedback).leads
    assert row.lead_id == f"L-{many - 1:02}"
    assert list(named(row)) == [f"L-{many - 2 - i:02}" for i in range(OTHERS_NAMED)]
    assert row.others.total == many - 1
    history = feedback.lead("L-00")
    assert history is not None
    assert (len(history.others), history.lead.others.total) == (OTHERS_SHOWN, many - 1)
    assert len(history.lead.others.named) == OTHERS_NAMED
