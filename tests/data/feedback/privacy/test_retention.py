"""What need not be kept any longer is thinned or erased, on both databases, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.data.feedback.scores import given
from winnable.data.feedback.privacy.erasure import receipts
from winnable.data.feedback.privacy.retention import Retained, months_before, retain
from winnable.data.feedback.store.outcomes import cohorts
from winnable.data.feedback.store.records import Label, ScoreRecord
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.schema import Retention

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


def weekly(lead: str, since: datetime, weeks: int, **told: object) -> list[ScoreRecord]:
    """A lead's scores, one a week."""
    return [
        given(lead, 0.3, at, score_id=f"{lead} {at:%Y-%m-%d}", given_at=at, **told)
        for at in (since + timedelta(weeks=week) for week in range(weeks))
    ]


def kept(feedback: FeedbackStore, lead: str) -> list[str]:
    return [score.score_id for score in feedback.scores() if score.lead_id == lead]


def test_old_scores_are_thinned_to_one_a_month(feedback: FeedbackStore) -> None:
    since = datetime(2025, 1, 3, tzinfo=UTC)
    scores = weekly("L-1", since, 60, decision="nurture")
    scores[6:7] = weekly("L-1", since + timedelta(weeks=6), 1)  # the first that is handed over
    feedback.remember(scores)
    feedback.remember(weekly("L-2", since, 3))
    feedback.add(Label("L-1", "accepted", "Kim", score_id=scores[10].score_id))
    rules = Retention(scores_months=12)
    before = cohorts(feedback)
    planned = retain(feedback, rules, now=NOW, dry_run=True)
    assert len(kept(feedback, "L-1")) == 60
    assert retain(feedback, rules, now=NOW) == planned
    limit = NOW.replace(year=2025)
    of_month: dict[str, ScoreRecord] = {}
    for score in scores:
        if score.as_of < limit:
            of_month[f"{score.as_of:%Y-%m}"] = score
    expected = [scores[0], scores[6], scores[10], *of_month.values()]
    expected += [score for score in scores if score.as_of >= limit]
    assert set(kept(feedback, "L-1")) == {score.score_id for score in expected}
    assert kept(feedback, "L-2") == ["L-2 2025-01-03", "L-2 2025-01-17"]
    assert cohorts(feedback) == before
    assert retain(feedback, rules, now=NOW) == Retained(0, 0)
    assert [entry.action for entry in feedback.audit_trail()][-1] == "applied retention"


def test_leads_that_were_closed_long_ago_are_erased_with_a_receipt(
    feedback: FeedbackStore,
) -> None:
    old = NOW - timedelta(days=1000)
    feedback.remember(weekly("L-1", old, 2, name="Ines Petrov"))
    feedback.remember(weekly("L-2", old, 2))
    feedback.remember(weekly("L-3", old, 2) + weekly("L-3", NOW - timedelta(days=9), 1))
    feedback.add(Label("L-1", "won", "Kim", at=old, recorded_at=old, origin="import"))
    feedback.add(Label("L-2", "won", "Kim", at=old))  # said today of a day long ago
    feedback.add(Label("L-3", "accepted", "Kim", note="ask Ines Petrov"))
    rules = Retention(leads_months=24)
    assert retain(feedback, rules, now=NOW, dry_run=True) == Retained(0, 1)
    done = retain(feedback, rules, now=NOW)
    assert done.leads == 1
    assert done.receipts[0].counts["scores"] == 2
    assert receipts(feedback)[0].receipt_id == done.receipts[0].receipt_id
    assert feedback.lead("L-1") is None
    assert [label.note for label in feedback.labels("L-3")] == ["[erased]"]
    assert len(kept(feedback, "L-2")) == 2
    assert len(kept(feedback, "L-3")) == 3


def test_without_a_rule_everything_is_kept(feedback: FeedbackStore) -> None:
    feedback.remember(weekly("L-1", datetime(2001, 1, 1, tzinfo=UTC), 30))
    assert retain(feedback, Retention(), now=NOW) == Retained(0, 0)
    assert len(kept(feedback, "L-1")) == 30


@pytest.mark.parametrize(
    ("moment", "months", "before"),
    [
        (datetime(2026, 3, 31), 1, datetime(2026, 2, 28)),
        (datetime(2026, 1, 15, 9), 13, datetime(2024, 12, 15, 9)),
        (datetime(2024, 2, 29), 12, datetime(2023, 2, 28)),
    ],
)
def test_months_before_a_day(moment: datetime, months: int, before: datetime) -> None:
    assert months_before(moment, months) == before
