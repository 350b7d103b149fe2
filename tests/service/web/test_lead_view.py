"""The words of a lead in the inbox: its decision without the probability, and what moved it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from winnable.core.columns import FeatureTable
from winnable.data.feedback.store.leads import LeadRow
from winnable.data.feedback.store.records import EarlierScore, ScoreRecord
from winnable.definition.decide.gate import decide
from winnable.definition.decide.scorecard import score_points
from winnable.definition.schema import Definition
from winnable.service.web.lead_view import decision_text, lead_view

NOW = datetime(2026, 6, 30, tzinfo=UTC)


def definition(**gate: object) -> Definition:
    return Definition.model_validate(
        {
            "outcome": {"won": ["Won"]},
            "columns": {"id": "Id", "created": "Created", "status": "Status"},
            "gate": gate,
        }
    )


def row(week_ago: float | None = None, because: str = "Nothing speaks against it.") -> LeadRow:
    score = ScoreRecord(
        *("s", "L", NOW, NOW, 0.5, 0.4, 0.6, None, "hot", "pass", because, "rules", "rules")
    )
    return LeadRow("L", "new", score, week_ago, None)


@pytest.mark.parametrize(
    ("because", "text"),
    [
        (
            "About 84 in 100 leads like this are won within 90 days, which is among the best 25 of"
            " the week.",
            "Among the best 25 of the week.",
        ),
        (
            "Fewer than 1 in 100 leads like this are won, and sales has room for the best 2 of the"
            " week only.",
            "Sales has room for the best 2 of the week only.",
        ),
        ("About 84% of leads like this are won within 90 days: hand over.", "Hand over."),
        ("Junk: a made-up name.", "Junk: a made-up name."),
        ("", ""),
    ],
)
def test_a_decision_does_not_repeat_the_probability(because: str, text: str) -> None:
    assert decision_text(because) == text


@pytest.mark.parametrize("gate", [{"probability": 0.3}, {"capacity_per_week": 1}, {}])
def test_no_sentence_of_the_gate_repeats_the_probability(gate: dict[str, object]) -> None:
    features = FeatureTable(3, {})
    company = definition(**gate)
    probability = np.array([0.5, 0.2, 0.001])
    points = score_points(company, features)
    for decision in decide(company, features, ["a", "b", "c"], points, probability, probability):
        text = decision_text(decision.because)
        assert "leads like this" not in text
        assert text[:1].isupper()


@pytest.mark.parametrize(
    ("week_ago", "trend"),
    [
        (None, "First scored this week"),
        (0.3, "Up from 30% a week ago"),
        (0.7, "Down from 70% a week ago"),
        (0.502, "Unchanged from a week ago"),
    ],
)
def test_the_trend_is_told_from_the_last_score_of_a_week_before(
    week_ago: float | None, trend: str
) -> None:
    view = lead_view(row(week_ago), definition(), "Kim")
    assert (view.probability, view.interval, view.trend) == ("50%", "40–60%", trend)


def test_a_lead_with_an_earlier_score_of_this_week_was_not_first_scored_this_week() -> None:
    before = EarlierScore("L", "s-0", NOW - timedelta(days=3), 0.47, "rules", None)
    view = lead_view(replace(row(), earlier=before), definition(), "Kim")
    assert view.change is not None
    assert view.trend == view.change.headline == "+3 since Sat 27 Jun 2026"
    assert view.direction == "up"


@pytest.mark.parametrize(
    ("ratio", "points", "text"),
    [
        (2.8284, 50.0, "A: 50 points, 2.8 times the odds"),
        (0.0123, -12.5, "A: -12.5 points, 0.012 times the odds"),
        (99.7, 99.97, "A: 100 points, 100 times the odds"),
        (4.1e14, 1500.0, "A: 1,500 points, more than 100 times the odds"),
        (2e-9, -100_000.0, "A: -100,000 points, less than a hundredth of the odds"),
    ],
)
def test_no_number_of_the_grid_is_written_with_an_exponent(
    ratio: float, points: float, text: str
) -> None:
    sides = {"interest": 1.0, "intent": 1.0, "behaviour": 1.0}
    given = {"profile": points, "interest": 0.0, "intent": 0.0, "behaviour": 0.0}
    place = {"cell": "A2", "says": "", "fit": ratio, "engagement": 1.0, **sides, "points": given}
    lead = row()
    assert lead.score is not None
    view = lead_view(replace(lead, score=replace(lead.score, grid=place)), definition(), "Kim")
    assert view.grid is not None
    assert view.grid.sub_scores[0] == ("Fit", text)


def test_a_lead_without_a_score_says_so() -> None:
    view = lead_view(LeadRow("L", "new", None, None, None), definition(), "Kim")
    assert (view.name, view.probability, view.decision) == ("L", "–", "Not scored yet.")
