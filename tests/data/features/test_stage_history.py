"""The lives of all leads at once say what the definition floor says of one lead."""

from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as some

from winnable.core.timestamps import DAY
from winnable.data.features.stage_history import MOVES, stage_history
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import definition_from
from winnable.definition.stages import STAGES, episodes, moves

DEFINITION = definition_from(
    {
        "outcome": {"won": ["Won"], "lost": ["Lost"]},
        "columns": {"id": "id", "created": "created", "closed": "closed", "status": "status"},
        "stages": {
            "MIL": {"status": ["New"]},
            "MQL": {"status": ["Hot"]},
            "SAL": {"status": ["Accepted"]},
            "opportunity": {"status": ["Offer"]},
        },
    },
    "test",
)
WORDS = ("New", "Hot", "Accepted", "Offer", "Won", "Lost", "Asleep")


def crm_of(statuses: list[list[str]]) -> Crm:
    """Leads created a day apart, whose status changed once a day from then on."""
    start = pd.Timestamp("2024-01-01", tz="UTC")
    created = [start + pd.Timedelta(days=i) for i in range(len(statuses))]
    leads = pd.DataFrame(
        {
            "@id": pd.array([f"L{i}" for i in range(len(statuses))], dtype="str"),
            "@status": pd.array([each[-1] for each in statuses], dtype="str"),
            "@created": pd.Series(created, dtype="datetime64[us, UTC]"),
        }
    )
    rows = [
        (f"L{i}", created[i] + pd.Timedelta(days=day), "status", each[day - 1], each[day])
        for i, each in enumerate(statuses)
        for day in range(1, len(each))
    ]
    history = pd.DataFrame(rows, columns=["@id", "@at", "@field", "@old", "@new"]).astype(
        {"@at": "datetime64[us, UTC]"}
    )
    for name in ("@id", "@field", "@old", "@new"):
        history[name] = history[name].astype("str")
    return Crm(leads, None, history, pd.DataFrame(), ())


@settings(deadline=None, max_examples=60)
@given(
    some.lists(some.lists(some.sampled_from(WORDS), min_size=2, max_size=8), min_size=1, max_size=6)
)
def test_all_lives_are_as_one_life(statuses: list[list[str]]) -> None:
    told = stage_history(DEFINITION, crm_of(statuses))
    for i, each in enumerate(statuses):
        mine = told.lead == i
        assert tuple(told.episode[mine]) == episodes(DEFINITION, each)
        expected = [(move.position, move.kind) for move in moves(DEFINITION, each)]
        found = [
            (int(place), MOVES[code]) for place, code in enumerate(told.move[mine]) if code >= 0
        ]
        assert found == expected


def test_the_stage_is_that_of_strictly_before() -> None:
    crm = crm_of([["New", "Hot", "Accepted"]])
    told = stage_history(DEFINITION, crm)
    start = int(told.at[0])
    times = np.array([start, start + 1, start + DAY, start + DAY + 1, start + 5 * DAY])
    stages = told.stage_at(np.zeros(5, dtype=np.int64), times)
    assert [STAGES[code] if code >= 0 else None for code in stages] == [
        None,
        "MIL",
        "MIL",
        "MQL",
        "SAL",
    ]


def test_a_lead_without_recorded_changes_has_only_its_present_stage(tmp_path: Path) -> None:
    source = tmp_path / "leads.csv"
    source.write_text(
        "id,created,closed,status\n1,2024-01-01,2024-02-01,Won\n2,2024-01-01,,Hot\n3,2024-01-01,,\n"
    )
    told = stage_history(DEFINITION, read_crm(DEFINITION, str(source)))
    later = int(pd.Timestamp("2024-03-01", tz="UTC").value // 1000)
    earlier = int(pd.Timestamp("2024-01-15", tz="UTC").value // 1000)
    assert told.stage_at(np.array([0, 1, 2]), np.full(3, later)).tolist() == [
        STAGES.index("won"),
        -1,
        -1,
    ]
    assert told.stage_at(np.array([0, 1, 2]), np.full(3, earlier)).tolist() == [-1, -1, -1]
    assert told.counted() == {"forward": 0, "passed back": 0, "recycled": 0, "not allowed": 0}


def test_passed_back_and_recycled_leads_are_counted() -> None:
    told = stage_history(
        DEFINITION,
        crm_of(
            [
                ["New", "Hot", "Accepted", "New"],
                ["Offer", "Lost", "Hot", "Won"],
                ["Offer", "Accepted"],
            ]
        ),
    )
    assert told.counted() == {"forward": 4, "passed back": 1, "recycled": 1, "not allowed": 1}
    assert told.episode[told.lead == 1].tolist() == [0, 0, 1, 1]


def test_no_leads_at_all() -> None:
    empty = crm_of([["New", "Hot"]])
    none = Crm(empty.leads.iloc[:0], None, empty.history, empty.rejects, ())
    told = stage_history(DEFINITION, none)
    assert len(told.lead) == 0
    assert told.stage_at(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)).tolist() == []
