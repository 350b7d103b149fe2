"""The track record on both databases: each lead once, by its first score, and open leads are never
lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.data.feedback.scores import NOW, given
from winnable.data.feedback.store.outcomes import (
    Cohort,
    RandomSampleOutcomes,
    cohorts,
    decided,
    random_sample_outcomes,
)
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.decide.gate import RANDOMLY_SELECTED

LAST = datetime(2026, 5, 31, 23, 59, tzinfo=UTC)  # in June already where clocks are ahead


def test_each_lead_counts_once_with_its_first_score(feedback: FeedbackStore) -> None:
    feedback.remember(
        [replace(given("L-1", 0.2, LAST), grade="hot"), replace(given("L-1", 0.9), grade="cold")]
    )
    feedback.remember([replace(given("L-2", 0.4, LAST), grade="hot")])
    feedback.remember(
        [
            replace(given(lead, chance), grade="cold")
            for lead, chance in (("L-3", 0.1), ("L-4", 0.3))
        ]
    )
    for lead, label in (("L-1", "accepted"), ("L-1", "won"), ("L-3", "lost"), ("L-4", "rejected")):
        feedback.add(Label(lead, label, "Kim"))  # type: ignore[arg-type]
    hot, cold = cohorts(feedback)
    assert hot == Cohort("2026-05", "hot", 2, 1, 0, pytest.approx(0.6))
    assert cold == Cohort("2026-06", "cold", 2, 0, 1, pytest.approx(0.4))
    assert [(each.lead_id, each.probability, each.won) for each in decided(feedback, 9)] == [
        ("L-3", 0.1, False),
        ("L-1", 0.2, True),
    ]
    assert [each.lead_id for each in decided(feedback, 1)] == ["L-3"]


def test_leads_by_lot_are_counted_apart(feedback: FeedbackStore) -> None:
    assert (cohorts(feedback), random_sample_outcomes(feedback)) == (
        [],
        RandomSampleOutcomes(0, 0, 0, 0.0),
    )
    drawn = f"{RANDOMLY_SELECTED}sales works 3 in 100 leads whatever their score."
    by_lot = [
        replace(given(lead, chance), because=drawn) for lead, chance in (("L-1", 0.2), ("L-3", 0.1))
    ]
    feedback.remember([given("L-2", 0.6), *by_lot])
    feedback.remember(
        [replace(given("L-2", 0.6, NOW + timedelta(days=1)), because=drawn)]
    )  # not by its first score
    feedback.add(Label("L-1", "won", "Kim"))
    assert random_sample_outcomes(feedback) == RandomSampleOutcomes(2, 1, 0, pytest.approx(0.3))
