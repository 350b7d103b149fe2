"""The ledger: what a roll-back returns to."""

import pytest

from winnable.learning.registry.records import ROLLED_BACK, Promotion, earlier_champion


def history(*steps: int) -> list[Promotion]:
    """Promotions to these versions in turn; a negative number is a roll-back to that version."""
    kinds = {True: ROLLED_BACK, False: "promoted"}
    return [
        Promotion(f"2026-01-{day:02}", "ann", None, abs(step), "", kinds[step < 0])
        for day, step in enumerate(steps, start=1)
    ]


@pytest.mark.parametrize(
    ("steps", "earlier"),
    [
        ((), None),
        ((1,), None),
        ((1, 2), 1),
        ((1, 2, 3, -2), 1),
        ((1, 2, 3, -2, -1), None),
        ((1, 2, -1, 3), 1),
        ((1, 2, 1), 2),
        ((1, 2, 3, -2, 4), 2),
    ],
)
def test_a_step_back_leads_to_the_champion_before_and_never_to_what_was_taken_back(
    steps: tuple[int, ...], earlier: int | None
) -> None:
    assert earlier_champion(history(*steps)) == earlier


def test_a_promotion_survives_being_written() -> None:
    change = Promotion("2026-06-30T12:00:00+00:00", "ann@desk", None, 1, "it is „better“")
    assert Promotion.from_json(change.to_json()) == change
