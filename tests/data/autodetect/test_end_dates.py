"""Which columns date the end of a lead: the date of losing, and the last change where nothing else
does."""

from pathlib import Path

import pandas as pd
import pytest

from winnable.data.autodetect.infer import guess

HEAD = {"Lead ID": [f"L{row}" for row in range(40)], "Created Date": ["2025-01-03"] * 40}
STATUS = ["Won"] * 10 + ["Lost"] * 20 + ["Open"] * 10
DAYS = [f"2025-03-{day:02d}" for day in range(1, 31)]
WON_DATES = [*DAYS[:10], *[None] * 30]
LOST_DATES = [*[None] * 10, *DAYS[:20], *[None] * 10]
CHANGES = [*DAYS, *DAYS[:10]]


def roles(folder: Path, **columns: list[str | None]) -> dict[str, str]:
    table = pd.DataFrame({**HEAD, "Status": STATUS, **columns})
    table.columns = [name.replace("_", " ") for name in table.columns]
    table.to_csv(folder / "leads.csv", index=False)
    return {role: found.column for role, found in guess(str(folder / "leads.csv")).roles.items()}


def test_a_date_of_losing_has_a_role_of_its_own(tmp_path: Path) -> None:
    found = roles(tmp_path, Won_time=WON_DATES, Lost_time=LOST_DATES, Modified_on=CHANGES)
    assert found["closed"] == "Won time"
    assert found["closed_lost"] == "Lost time"
    assert "changed" not in found, "every end has a date"


def test_the_last_change_dates_leads_without_another_date(tmp_path: Path) -> None:
    found = roles(tmp_path, Won_time=WON_DATES, Last_Modified_Date=CHANGES)
    assert found["changed"] == "Last Modified Date"


@pytest.mark.parametrize("day", ["2025-04-01", None])
def test_a_bulk_update_or_an_empty_column_dates_nothing(tmp_path: Path, day: str | None) -> None:
    found = roles(tmp_path, Won_time=WON_DATES, Last_Modified_Date=[day] * 40)
    assert "changed" not in found


def test_a_date_that_won_leads_have_too_is_no_date_of_losing(tmp_path: Path) -> None:
    found = roles(tmp_path, Won_time=WON_DATES, Lost_time=CHANGES)
    assert "closed_lost" not in found
