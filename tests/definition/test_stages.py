"""Stages come from statuses, moves are checked, and a lead that comes back begins anew."""

import pytest

from winnable.definition.load import definition_from
from winnable.definition.stages import (
    STAGES,
    StageName,
    episodes,
    kind_of_move,
    label,
    moves,
    stage_of,
)

DEFINITION = definition_from(
    {
        "outcome": {"won": ["Won"], "lost": ["Lost"]},
        "columns": {"status": "S"},
        "stages": {
            "MIL": {"label": "Contact", "status": ["New", "Passed back"]},
            "MQL": {"status": ["MQL"]},
            "SAL": {"status": ["Accepted"]},
            "opportunity": {"status": ["Deal"]},
        },
    },
    "test",
)


def test_a_status_means_a_stage() -> None:
    told = [
        stage_of(DEFINITION, status)
        for status in ("New", " MQL ", "Won", "Lost", "mql", "Odd", None)
    ]
    assert told == ["MIL", "MQL", "won", "lost", None, None, None]


def test_stages_have_the_company_s_words_or_the_field_s() -> None:
    assert label(DEFINITION, "MIL") == "Contact"
    assert label(DEFINITION, "MQL") == "Marketing qualified lead"
    assert STAGES == ("MAL", "MIL", "MQL", "SAL", "SQL", "opportunity", "won", "lost")


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("MIL", "MQL", "forward"),
        ("MIL", "won", "forward"),
        ("opportunity", "lost", "forward"),
        ("SAL", "MIL", "passed back"),
        ("opportunity", "SAL", "not allowed"),
        ("lost", "MIL", "recycled"),
        ("won", "MQL", "recycled"),
        ("lost", "won", "not allowed"),
        ("won", "lost", "not allowed"),
    ],
)
def test_moves_are_forward_or_back_to_marketing(
    before: StageName, after: StageName, kind: str
) -> None:
    assert kind_of_move(before, after) == kind


def test_moves_of_a_history() -> None:
    told = moves(
        DEFINITION,
        [
            "New",
            "MQL",
            "Odd",
            "Accepted",
            "Passed back",
            "New",
            None,
            "Deal",
            "Accepted",
            "Lost",
            "New",
        ],
    )
    assert [(move.position, move.kind) for move in told] == [
        (1, "forward"),
        (3, "forward"),
        (4, "passed back"),
        (7, "forward"),
        (8, "not allowed"),
        (9, "forward"),
        (10, "recycled"),
    ]


def test_a_lead_that_comes_back_is_a_new_episode() -> None:
    assert episodes(DEFINITION, ["New", "Lost", "Lost", "New", "Odd", "Won", None, "Odd"]) == (
        0,
        0,
        0,
        1,
        1,
        1,
        1,
        2,
    )
    assert episodes(DEFINITION, ["Accepted", "Passed back"]) == (0, 0)
