"""Training rows: which moments of which leads, and what is known of their outcome."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from winnable.core.timestamps import microseconds
from winnable.data.features.derived.people import persons
from winnable.data.features.training_rows import LANDMARK_DAYS, MAX_ROWS, build_training_rows
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition

PRESENT = datetime(2026, 6, 30, tzinfo=UTC)


def definition(**columns: str) -> Definition:
    outcome = {"won": ["Won"], "lost": ["Lost"], "horizon_days": 90}
    return definition_from({"outcome": outcome, "columns": {"status": "status", **columns}}, "test")


DATED = definition(created="created", closed="closed")


def company(*leads: tuple[str, str, str | None], activities: bool = True) -> Crm:
    """Leads as (created, status, closed), by date."""
    table = pd.DataFrame(leads, columns=["created", "@status", "closed"])
    dates = {
        f"@{name}": pd.to_datetime(table[name], utc=True).astype("datetime64[us, UTC]")
        for name in ("created", "closed")
    }
    frame = pd.DataFrame(
        {"@id": [f"L{i}" for i in range(len(table))], "@status": table["@status"], **dates}
    ).astype({"@id": "str"})
    log = pd.DataFrame({"@id": pd.Series(dtype="str")}) if activities else None
    return Crm(frame, log, None, pd.DataFrame(columns=["table", "row", "id", "reason"]), ())


def ages(crm: Crm, lead: int = 0) -> dict[float, float]:
    rows = build_training_rows(DATED, crm, PRESENT)
    mine = rows.leads == lead
    return dict(zip(rows.age[mine].tolist(), rows.won[mine].tolist(), strict=True))


def test_a_won_lead_gives_rows_until_it_is_closed() -> None:
    assert ages(company(("2025-01-01", "Won", "2025-01-20"))) == {0: 1, 1: 1, 3: 1, 7: 1, 14: 1}


def test_the_outcome_is_the_one_within_the_horizon_from_each_row() -> None:
    # Won on day 120: not within 90 days of creation, but within 90 days of day 30.
    assert ages(company(("2025-01-01", "Won", "2025-05-01"))) == {
        0: 0,
        1: 0,
        3: 0,
        7: 0,
        14: 0,
        30: 1,
        60: 1,
        90: 1,
    }


def test_an_open_lead_is_not_lost_but_unknown_until_its_horizon_has_passed() -> None:
    known = ages(company(("2026-03-01", "Open", None)))
    # 121 days old: the horizon of the rows up to day 30 has passed, that of day 60 and 90 has not.
    assert {age for age, won in known.items() if won == 0} == {0, 1, 3, 7, 14, 30}
    assert {age for age, won in known.items() if np.isnan(won)} == {60, 90}


def test_a_quick_win_does_not_count_before_its_horizon_has_passed() -> None:
    assert all(np.isnan(won) for won in ages(company(("2026-06-01", "Won", "2026-06-10"))).values())


def test_without_any_dated_end_there_is_no_horizon() -> None:
    lost = company(("2025-01-01", "Lost", None))
    assert not np.isnan(build_training_rows(DATED, lost, PRESENT).won).any()
    assert build_training_rows(DATED, lost, PRESENT).horizon_days is None


def test_nothing_changes_with_age_where_neither_activities_nor_history_are_kept() -> None:
    assert ages(company(("2025-01-01", "Won", "2025-03-01"), activities=False)) == {0: 1}


def test_rows_stand_in_the_order_of_their_moments() -> None:
    rows = build_training_rows(
        DATED,
        company(("2025-02-01", "Lost", "2025-06-01"), ("2025-01-01", "Lost", "2025-08-01")),
        PRESENT,
    )
    assert (np.diff(rows.as_of) >= 0).all()
    assert rows.as_of[0] == microseconds(datetime(2025, 1, 1, tzinfo=UTC))


def test_without_a_date_of_closing_the_resolved_count_and_no_horizon_is_promised() -> None:
    crm = company(
        ("2025-02-01", "Lost", None), ("2025-01-01", "Won", None), ("2025-03-01", "Open", None)
    )
    crm = Crm(crm.leads.drop(columns="@closed"), None, None, crm.rejects, ())
    rows = build_training_rows(definition(created="created"), crm, PRESENT)
    assert rows.horizon_days is None
    assert rows.leads.tolist() == [1, 0, 2]
    assert rows.won[:2].tolist() == [1, 0]
    assert np.isnan(rows.won[2])


def test_memory_is_bounded_by_leaving_out_later_rows() -> None:
    size = MAX_ROWS // (len(LANDMARK_DAYS) - 2)
    crm = company(*[("2024-01-01", "Lost", "2025-01-01")] * 10)
    many = Crm(
        crm.leads.loc[crm.leads.index.repeat(size // 10)].reset_index(drop=True),
        crm.activities,
        None,
        crm.rejects,
        (),
    )
    rows = build_training_rows(DATED, many, PRESENT)
    assert len(rows.leads) == MAX_ROWS
    assert (rows.age == 0).sum() == len(many.leads)


def test_persons_are_recognised_by_their_address_whatever_its_case(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text(
        "mail,status\nA@x.de,Won\na@X.de ,Lost\n,Lost\n,Lost\nb@x.de,Won\n"
    )
    crm = read_crm(definition(person="mail"), str(tmp_path / "leads.csv"))
    who = persons(definition(), crm)
    assert who[0] == who[1]
    assert len(set(who.tolist())) == 4


def test_one_person_in_several_records_is_recognised_without_an_address_too() -> None:
    rows = [
        ("Ann@Acme.example", "Ann", "Lee", "Acme Ltd"),
        ("ann+crm@acme.example", "A.", "Lee", "Acme"),
        (None, "Ann", "Lee", "ACME"),
        (None, "Ann", "Lee", "Other GmbH"),
        (None, "Ann", "Lee", "other"),
        (None, None, None, "Acme"),
        (None, None, None, "Acme"),
    ]
    leads = pd.DataFrame(rows, columns=["@person", "First Name", "Last Name", "Company"]).astype(
        "str"
    )
    who = persons(definition(), Crm(leads, None, None, pd.DataFrame(), ()))
    assert [len({who[i] for i in same}) for same in ((0, 1, 2), (3, 4), (5,), (6,))] == [1, 1, 1, 1]
    assert len(set(who.tolist())) == 4


def test_a_name_that_two_addresses_share_decides_nothing() -> None:
    rows = [
        ("a@x.example", "Ann Lee", "Acme"),
        ("b@x.example", "Ann Lee", "Acme"),
        (None, "Ann Lee", "Acme"),
    ]
    leads = pd.DataFrame(rows, columns=["@person", "Name", "Company"]).astype("str")
    assert len(set(persons(definition(), Crm(leads, None, None, pd.DataFrame(), ())).tolist())) == 3


def test_how_long_a_row_was_watched_and_what_was_seen_is_told_apart_from_its_outcome() -> None:
    crm = company(
        ("2026-06-01", "Won", "2026-06-10"),
        ("2026-06-01", "Lost", "2026-06-20"),
        ("2026-06-01", "Open", None),
        ("2026-01-01", "Won", "2026-05-01"),
        activities=False,
    )
    rows = build_training_rows(DATED, crm, PRESENT)
    days, ended = (
        dict(zip(rows.leads.tolist(), values.tolist(), strict=True)) for values in rows.follow_up()
    )
    assert days == {0: 29, 1: 29, 2: 29, 3: 90}
    assert (ended[0], ended[1]) == (1, 0)
    assert np.isnan([ended[2], ended[3]]).all()  # the last one was won after its horizon
    assert dict(zip(rows.leads.tolist(), rows.won.tolist(), strict=True))[3] == 0


def test_rows_seen_at_an_earlier_moment_know_nothing_of_what_came_later() -> None:
    rows = build_training_rows(
        DATED, company(("2026-01-01", "Won", "2026-02-10"), activities=False), PRESENT
    )
    assert rows.won.tolist() == [1]
    before = rows.as_known_at(microseconds(datetime(2026, 2, 1, tzinfo=UTC)))
    assert np.isnan(before.won).all()
    days, ended = before.follow_up()
    assert days.tolist() == [31]
    assert np.isnan(ended).all()
    assert before.as_known_at(microseconds(datetime(2025, 12, 1, tzinfo=UTC))).follow_up()[0][0] < 0
