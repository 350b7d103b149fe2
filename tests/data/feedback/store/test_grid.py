"""Scores with a place in the grid on both databases: found and sorted by their cells, counted with
what became of them, and beside scores that have none."""

from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command

from tests.data.feedback.scores import NOW, given
from winnable.data.feedback.store.database import migrations
from winnable.data.feedback.store.leads import LeadFilter
from winnable.data.feedback.store.outcomes import CellOutcomes, cell_outcomes, first_cells
from winnable.data.feedback.store.records import Label, ScoreRecord
from winnable.data.feedback.store.store import FeedbackStore

LATER = NOW + timedelta(days=9)


def placed(lead: str, cell: str, probability: float = 0.3, **told: object) -> ScoreRecord:
    """A score with a place in the grid."""
    grid = {"cell": cell, "says": "Call today", "fit": 2.5, "engagement": 0.5, "points": None}
    return given(lead, probability, grid=grid, **told)  # type: ignore[arg-type]


def found(feedback: FeedbackStore, **asked: object) -> list[str]:
    page = feedback.leads(LeadFilter(**asked))  # type: ignore[arg-type]
    assert page.total == len(page.leads)
    return [row.lead_id for row in page.leads]


@pytest.fixture
def filled(feedback: FeedbackStore) -> FeedbackStore:
    feedback.remember(
        [
            placed("L-1", "B2", 0.9),
            placed("L-2", "A4", 0.2),
            placed("L-3", "A1", 0.5),
            placed("L-4", "A4", 0.6),
            given("L-5", 0.8),
        ]
    )
    return feedback


def test_a_place_is_read_back_as_it_was(filled: FeedbackStore) -> None:
    lead = filled.lead("L-2")
    assert lead is not None
    assert lead.scores == (placed("L-2", "A4", 0.2),)
    assert lead.scores[0].cell == "A4"


def test_leads_are_found_by_cell_letter_and_number(filled: FeedbackStore) -> None:
    assert found(filled, grid="A4") == ["L-4", "L-2"]
    assert found(filled, grid="A") == ["L-4", "L-3", "L-2"]
    assert found(filled, grid="4") == ["L-4", "L-2"]
    assert found(filled, grid="D1") == []
    assert found(filled, grid="A", owner="Kim", search="l-3", queue="sales") == ["L-3"]
    assert found(filled, grid="A", owner="Lee") == []


def test_sorted_by_grid_the_best_cell_comes_first_and_leads_without_one_last(
    filled: FeedbackStore,
) -> None:
    assert found(filled) == ["L-1", "L-5", "L-4", "L-3", "L-2"]
    in_order = ["L-3", "L-4", "L-2", "L-1", "L-5"]
    assert found(filled, sort="grid") == in_order
    assert found(filled, sort="grid", queue="sales", one_per_person=True) == in_order
    pages = [filled.leads(LeadFilter(sort="grid", page=page, size=2)).leads for page in (1, 2, 3)]
    assert [row.lead_id for page in pages for row in page] == in_order


def test_a_lead_that_comes_back_is_found_by_its_cell(filled: FeedbackStore) -> None:
    """The row of such a lead does not say yet that it is back."""
    filled.add(Label("L-3", "rejected", "Kim", NOW))
    with filled.transaction() as connection:
        connection.exec_driver_sql("UPDATE leads SET returns_at = as_of WHERE lead_id = 'L-3'")
    assert found(filled, grid="A1", state="returned") == ["L-3"]
    assert found(filled, grid="4", state="returned") == []
    assert found(filled, sort="grid")[0] == "L-3"


def test_the_cell_of_a_lead_is_that_of_its_latest_score(filled: FeedbackStore) -> None:
    filled.remember([placed("L-2", "C3", as_of=LATER), given("L-3", as_of=LATER)])
    assert found(filled, grid="C3") == ["L-2"]
    assert found(filled, grid="A") == ["L-4"]


def test_what_became_of_cells_counts_by_the_first_score(filled: FeedbackStore) -> None:
    filled.remember([placed("L-2", "C3", 0.7, as_of=LATER), placed("L-5", "D4", as_of=LATER)])
    filled.add(Label("L-2", "won", "Kim", LATER))
    filled.add(Label("L-4", "lost", "Kim", LATER))
    assert cell_outcomes(filled) == [
        CellOutcomes("A1", 1, 0, 0, 0.5),
        CellOutcomes("A4", 2, 1, 1, pytest.approx(0.8)),
        CellOutcomes("B2", 1, 0, 0, 0.9),
    ]
    cells = first_cells(filled)
    assert cells["L-2"] == (NOW, "A4")
    assert cells["L-5"] == (LATER, "D4"), "the first that has one"


def test_scores_from_before_have_no_cell_until_the_next_one(label_place: Path) -> None:
    feedback = FeedbackStore.open(label_place)
    feedback.remember([placed("L-1", "A1")])
    with feedback.transaction() as connection:
        command.downgrade(migrations(connection), "0006")
    feedback.close()
    again = FeedbackStore.open(label_place)
    lead = again.lead("L-1")
    assert lead is not None
    assert lead.scores == (given("L-1"),)
    assert (found(again), found(again, sort="grid"), found(again, grid="A1")) == (
        ["L-1"],
        ["L-1"],
        [],
    )
    assert cell_outcomes(again) == []
    again.remember([placed("L-1", "A1", as_of=LATER)])
    assert found(again, grid="A1") == ["L-1"]
    again.close()
