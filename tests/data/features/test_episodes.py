"""Episodes, row by row: when each began and ended, how that was found, and which rows it gives."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

import winnable
from winnable.core.timestamps import datetime_of
from winnable.data.dataset import Dataset
from winnable.data.features.episodes import END_SOURCES
from winnable.data.features.returns import returned_leads, returns_at
from winnable.definition.schema import Definition

PRESENT = datetime(2026, 6, 30, tzinfo=UTC)


def definition(**columns: str) -> Definition:
    return Definition.model_validate(
        {
            "outcome": {"won": ["Won"], "lost": ["Lost"], "horizon_days": 90},
            "stages": {"MIL": {"status": ["New"]}, "SAL": {"status": ["Working"]}},
            "columns": {"id": "id", "created": "created", "status": "status", **columns},
        }
    )


DATED = definition(closed="closed")

Change = tuple[str, str, str]
"""When a status changed, from what, to what."""


def company(
    status: str,
    *changes: Change,
    created: str = "2025-01-01",
    closed: str | None = None,
    how: Definition = DATED,
    **more: str | None,
) -> Dataset:
    """A company with one lead, and another that dates the export."""
    leads = pd.DataFrame(
        {
            "id": ["1", "2"],
            "created": [created, "2026-06-30"],
            "closed": [closed, None],
            "status": [status, "New"],
            **{name: [value, None] for name, value in more.items()},
        }
    )
    history = pd.DataFrame(
        [("1", at, "status", old, new) for at, old, new in changes] or [],
        columns=["lead", "at", "field", "old", "new"],
    )
    return winnable.read(leads, None, history if changes else None, definition=how)


def lives(data: Dataset) -> list[tuple[str | None, str | None, float | None, str]]:
    """Begin, end, outcome and source of the end of each episode of the first lead."""
    found = data.episodes
    assert found is not None
    return [
        (_day(start), _day(end), None if np.isnan(outcome) else outcome, END_SOURCES[source])
        for lead, start, end, outcome, source in zip(
            found.lead, found.start, found.end, found.outcome, found.found, strict=True
        )
        if lead == 0
    ]


def _day(moment: int) -> str | None:
    return None if moment < 0 else f"{datetime_of(moment):%Y-%m-%d}"


def rows(data: Dataset) -> list[tuple[str, float, float]]:
    """The day, age and outcome of each row of the first lead."""
    table = data.training_rows
    return [
        (f"{datetime_of(at):%Y-%m-%d}", age, won)
        for lead, at, age, won in zip(table.leads, table.as_of, table.age, table.won, strict=True)
        if lead == 0
    ]


def test_a_win_that_a_return_ended_stays_a_win_of_its_episode() -> None:
    data = company(
        "Working", ("2025-02-10", "Working", "Won"), ("2025-06-01 08:00", "Won", "Working")
    )
    assert lives(data) == [
        ("2025-01-01", "2025-02-10", 1.0, "status history"),
        ("2025-06-01", None, None, "open"),
    ]
    first = [row for row in rows(data) if row[0] < "2025-02-11"]
    assert [(age, won) for _, age, won in first] == [
        (0, 1),
        (1, 1),
        (3, 1),
        (7, 1),
        (14, 1),
        (30, 1),
    ]
    again = [row for row in rows(data) if row[0] >= "2025-06-01"]
    assert [age for _, age, _ in again] == [0, 1, 3, 7, 14, 30, 60, 90, 180, 365]
    assert [won for _, age, won in again if age <= 180] == [0] * 9
    assert len(first) + len(again) == len(rows(data)), "no rows while the lead was closed"


def test_a_lead_lost_reopened_and_won_is_lost_then_won() -> None:
    data = company(
        "Won",
        ("2025-01-20", "Working", "Lost"),
        ("2025-08-01 08:00", "Lost", "Working"),
        ("2025-09-15", "Working", "Won"),
        closed="2025-09-15",
    )
    assert lives(data) == [
        ("2025-01-01", "2025-01-20", 0.0, "status history"),
        ("2025-08-01", "2025-09-15", 1.0, "closing date"),
    ]
    assert {won for day, _, won in rows(data) if day < "2025-02"} == {0.0}
    assert {won for day, _, won in rows(data) if day > "2025-02"} == {1.0}
    assert min(day for day, _, _ in rows(data) if day > "2025-02") == "2025-08-01"


@pytest.mark.parametrize(("again", "won"), [("2025-10-29", 1.0), ("2025-10-31", 0.0)])
def test_a_second_win_counts_within_the_horizon_of_the_return(again: str, won: float) -> None:
    data = company(
        "Won",
        ("2025-01-20", "Working", "Lost"),
        ("2025-08-01 08:00", "Lost", "Working"),
        (again, "Working", "Won"),
    )
    assert {day: outcome for day, _, outcome in rows(data)}["2025-08-01"] == won


def test_a_stage_that_goes_back_is_no_return() -> None:
    data = company(
        "New",
        ("2025-01-20", "New", "Working"),
        ("2025-02-20", "Working", "New"),
    )
    assert lives(data) == [("2025-01-01", None, None, "open")]
    assert returned_leads(data.definition, data.crm) == 0


def test_a_return_on_the_day_of_closing() -> None:
    data = company(
        "Won",
        ("2025-03-05 09:00", "Working", "Lost"),
        ("2025-03-05 15:00", "Lost", "Working"),
        ("2025-03-20 10:00", "Working", "Won"),
        closed="2025-03-20",
    )
    assert [life[:3] for life in lives(data)] == [
        ("2025-01-01", "2025-03-05", 0.0),
        ("2025-03-05", "2025-03-20", 1.0),
    ]


def test_a_closing_date_without_a_time_is_not_a_return_on_that_day() -> None:
    data = company(
        "Won",
        ("2025-03-20 09:00", "New", "Working"),
        ("2025-03-20 16:00", "Working", "Won"),
        closed="2025-03-20",
    )
    assert [life[:3] for life in lives(data)] == [("2025-01-01", "2025-03-20", 1.0)]


def test_a_closing_date_of_an_earlier_episode_does_not_date_the_present_end() -> None:
    # Lost again, which the history does not tell: nothing says that it was on the day it returned.
    data = company(
        "Lost",
        ("2025-02-15 10:00", "Working", "Lost"),
        ("2025-06-10 10:00", "Lost", "Working"),
        closed="2025-02-15",
    )
    assert [(outcome, found) for _, _, outcome, found in lives(data)] == [
        (0.0, "status history"),
        (0.0, "estimate"),
    ]


def test_a_lead_that_the_history_knows_first_as_lost_did_not_end_when_it_was_created() -> None:
    # Lost before the history begins, which a field history of eighteen months does.
    data = company("Working", ("2026-02-01 10:00", "Lost", "Working"))
    (_, end, outcome, found), (again, *_) = lives(data)
    assert (outcome, found, again) == (0.0, "estimate", "2026-02-01")
    assert end is not None
    assert "2025-01-01" < end < "2026-02-01"


def test_a_correction_from_lost_to_won_is_one_life_without_rows_in_between() -> None:
    data = company("Won", ("2025-01-20", "Working", "Lost"), ("2025-03-01", "Lost", "Won"))
    assert lives(data) == [("2025-01-01", "2025-03-01", 1.0, "status history")]
    assert max(day for day, _, _ in rows(data)) < "2025-01-20"


def test_the_end_is_the_closing_date_else_the_history_else_the_last_change() -> None:
    changed = definition(closed="closed", changed="changed")
    told = ("2025-02-01", "Working", "Lost")
    every = company("Lost", told, closed="2025-02-03", changed="2025-05-01", how=changed)
    recorded = company("Lost", told, changed="2025-05-01", how=changed)
    neither = company("Lost", changed="2025-05-01", how=changed)
    assert [lives(each)[0][1] for each in (every, recorded, neither)] == [
        "2025-02-03",
        "2025-02-01",
        "2025-05-01",
    ]
    assert lives(neither)[0][3] == "last change"


@pytest.mark.parametrize(("later", "source"), [(0, "last change"), (15, "estimate")])
def test_the_last_change_is_no_end_where_leads_are_changed_after_it(
    later: int, source: str
) -> None:
    # 40 won leads with a closing date, of which so many were changed again in the summer, and one
    # lost lead of which only the last change is known.
    changes = ["2025-07-01"] * later + ["2025-03-02 17:00"] * (40 - later)
    leads = pd.DataFrame(
        {
            "id": [str(row) for row in range(42)],
            "created": ["2025-01-01"] * 41 + ["2026-06-30"],
            "closed": ["2025-03-02"] * 40 + [None, None],
            "status": ["Won"] * 40 + ["Lost", "New"],
            "changed": [*changes, "2025-08-01", "2026-06-30"],
        }
    )
    how = definition(closed="closed", changed="changed")
    found = winnable.read(leads, definition=how).episodes
    assert found is not None
    assert END_SOURCES[found.found[40]] == source


def test_losing_may_have_a_date_of_its_own() -> None:
    both = definition(closed="closed", closed_lost="lost_on")
    lost = company("Lost", closed=None, lost_on="2025-04-01", how=both)
    won = company("Won", closed="2025-05-01", lost_on="2025-02-01", how=both)
    assert lives(lost) == [("2025-01-01", "2025-04-01", 0.0, "closing date")]
    assert lives(won) == [("2025-01-01", "2025-05-01", 1.0, "closing date")]


def test_without_a_history_only_the_present_episode_is_known() -> None:
    data = company("Won", closed="2025-05-01")
    assert lives(data) == [("2025-01-01", "2025-05-01", 1.0, "closing date")]


def test_what_is_known_of_returns_is_known_strictly_before() -> None:
    data = company(
        "Working",
        ("2025-02-10", "Working", "Won"),
        ("2025-06-01 08:00", "Won", "Working"),
    )

    def known(day: str) -> tuple[int, str | None, str | None, int]:
        moment = np.asarray([pd.Timestamp(day, tz="UTC").value // 1000])
        found = returns_at(data.definition, data.crm, np.zeros(1, dtype=np.int64), moment)
        return (
            int(found.count[0]),
            _day(found.start[0]),
            _day(found.ended[0]),
            int(found.outcome[0]),
        )

    assert known("2025-06-01") == (0, None, None, -1)
    assert known("2025-06-02") == (1, "2025-06-01", "2025-02-10", 1)


def test_an_export_of_before_knows_the_end_by_then() -> None:
    data = company(
        "Working", ("2025-02-10", "Working", "Won"), ("2025-06-01 08:00", "Won", "Working")
    )
    then = data.as_of(datetime(2025, 4, 1, tzinfo=UTC))
    assert lives(then) == [("2025-01-01", "2025-02-10", 1.0, "closing date")]
