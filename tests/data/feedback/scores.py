"""Scores as they are given, for the tests of what keeps them."""

from datetime import UTC, datetime

from winnable.data.feedback.store.records import ScoreRecord

NOW = datetime(2026, 6, 30, 12, 0, tzinfo=UTC)


def given(
    lead: str, probability: float = 0.3, as_of: datetime = NOW, **told: object
) -> ScoreRecord:
    """The score of a lead; `told` is what differs from the usual."""
    rest: dict[str, object] = {
        "person": f"{lead.lower()}@example.org",
        "name": f"Anna {lead}",
        "owner": "Kim",
        "source": "Web",
    }
    rest |= {
        "values": {"Title": "Head of IT", "Employees": 40},
        "score_id": f"{lead}-{as_of:%m%d}",
        "given_at": as_of,
        "decision": "pass",
    }
    return ScoreRecord(
        lead_id=lead,
        as_of=as_of,
        probability=probability,
        low=probability / 2,
        high=min(2 * probability, 1),
        probability_winnable=None,
        grade="warm",
        because="Nothing speaks against it.",
        mode="blend",
        version="3",
        reasons=({"says": "Pricing page twice: raises", "log_odds": 0.7},),
        **{**rest, **told},  # type: ignore[arg-type]
    )
