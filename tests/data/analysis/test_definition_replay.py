"""A version of the definition held against leads whose end is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.data.analysis.definition_replay import handed_over, warnings_about
from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition


def version(bar: float, **more: object) -> Definition:
    card = {
        "threshold": 50,
        "rule": [
            {"says": "Large", "when": [{"field": "Employees", "at_least": bar}], "points": 50}
        ],
    }
    return definition_from(
        {
            "version": f"from {bar:g}",
            "outcome": {"won": ["Won"], "lost": ["Lost"], "horizon_days": 30},
            "columns": {"id": "id", "created": "created", "closed": "closed", "status": "status"},
            "gate": {"points": 50, "always_work_share": 0},
            "scorecard": [card],
            **more,
        },
        "test",
    )


@pytest.fixture
def sources(tmp_path: Path) -> tuple[str, str]:
    rows = ["id,created,closed,status,Employees"]
    for i in range(100):
        status = "Won" if i % 10 == 0 else "Lost" if i % 10 < 9 else "New"
        rows.append(
            f"{i},2024-01-{1 + i % 28:02},{'2024-02-20' if status != 'New' else ''},{status},{i}"
        )
    (tmp_path / "leads.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "log.csv").write_text(
        "id,at,kind\n" + "".join(f"{i},2024-01-{min(i + 5, 28):02},Demo\n" for i in range(20))
    )
    return str(tmp_path / "leads.csv"), str(tmp_path / "log.csv")


def read(agreed: Definition, sources: tuple[str, str], *, log: bool = False) -> Crm:
    return read_crm(agreed, sources[0], sources[1] if log else None)


def test_each_version_passes_its_own_leads(sources: tuple[str, str]) -> None:
    loose, strict = version(10), version(90)
    told = handed_over(Dataset(loose, read(loose, sources)))
    assert (told.version, told.leads, told.passed, told.known, told.won) == (
        "from 10",
        100,
        90,
        81,
        9,
    )
    told = handed_over(Dataset(strict, read(strict, sources)))
    assert (told.passed, told.known, told.won) == (10, 9, 1)


def test_a_lead_that_shows_intent_later_is_passed_later(sources: tuple[str, str]) -> None:
    rule = {"says": "Demo", "when": [{"activity": "Demo", "at_least": 1}], "points": 50}
    agreed = version(0, scorecard=[{"threshold": 50, "rule": [rule]}])
    assert handed_over(Dataset(agreed, read(agreed, sources, log=True))).passed == 20
    assert handed_over(Dataset(agreed, read(agreed, sources))).passed == 0


def test_capacity_is_that_of_a_usual_week(sources: tuple[str, str]) -> None:
    rules = [
        {"says": str(n), "when": [{"field": "Employees", "at_least": n}], "points": 1}
        for n in range(1, 100)
    ]
    gate = {"capacity_per_week": 5, "always_work_share": 0}
    agreed = version(0, gate=gate, scorecard=[{"rule": rules}])
    passed = handed_over(Dataset(agreed, read(agreed, sources))).passed
    assert 15 <= passed <= 20, "5 a week, in not quite four weeks"


def test_doubts_that_only_the_leads_can_raise(sources: tuple[str, str]) -> None:
    agreed = version(
        1000,
        stages={"MQL": {"status": ["Nwe"]}},
        activities={"intent": ["Demos"]},
        scorecard=[{"segment": [{"field": "Employes", "at_least": 5}]}],
    )
    told = " ".join(warnings_about(Dataset(agreed, read(agreed, sources, log=True))))
    misspelt = (
        "no column 'Employes'; the nearest is 'Employees'",
        "no status 'Nwe'",
        "'Demos'; the nearest is 'Demo'",
    )
    for words in (*misspelt, "applies to none"):
        assert words in told


def test_dates_that_are_still_to_come_are_counted_where_they_are_compared(
    sources: tuple[str, str],
) -> None:
    leads = pd.read_csv(sources[0], dtype=str)
    leads["Trial"] = np.where(np.arange(100) < 30, "2999-01-01", "2024-01-30")
    later = {"ideal": [{"field": "Trial", "later_than": "created"}]}
    agreed = version(10, profile=later)
    found = warnings_about(Dataset(agreed, read_crm(agreed, leads)))
    assert [warning for warning in found if "Trial" in warning] == [
        "30 leads of 100 with a date under 'Trial' that is still to come, or is none: it is not"
        " known yet, so no comparison with it is true."
    ]
    plain = version(10)
    assert not any(
        "Trial" in each for each in warnings_about(Dataset(plain, read_crm(plain, leads)))
    )


def test_the_kinds_of_activities_are_no_property_that_is_proposed(
    sources: tuple[str, str],
) -> None:
    page = {"activity": "Demo", "having": [{"field": "kind", "any_of": ["Demo"]}]}
    agreed = version(10, profile={"ideal": [page]})
    found = warnings_about(Dataset(agreed, read(agreed, sources, log=True)))
    assert any("no property of activities 'kind'" in warning for warning in found)
    assert not any("@" in warning for warning in found)
