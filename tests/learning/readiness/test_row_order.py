"""Where nothing dates the leads, a share won that changes along the rows is told, beyond chance."""

import numpy as np
import pandas as pd
import pytest

import winnable
from winnable.definition.load import definition_from
from winnable.learning.readiness.data_quality import Finding, alarms, inspect_quality
from winnable.learning.readiness.row_order import changing_shares

SIZE = 1000
DEFINITION = definition_from(
    {
        "outcome": {"won": ["Won"], "lost": ["Lost"]},
        "columns": {"id": "Id", "status": "Status"},
    },
    "the test",
)


def export(*, moves: bool, seed: int = 0) -> pd.DataFrame:
    """Leads in the order of their creation, which nothing tells; with `moves`, ever fewer are
    won."""
    random = np.random.default_rng(seed)
    rate = np.linspace(0.5, 0.1, SIZE) if moves else np.full(SIZE, 0.3)
    return pd.DataFrame(
        {
            "Id": [f"L-{row}" for row in range(SIZE)],
            "Status": np.where(random.random(SIZE) < rate, "Won", "Lost"),
            "Country": random.choice(["DE", "FR", "PL"], SIZE),
        }
    )


def moving(leads: pd.DataFrame) -> list[Finding]:
    data = winnable.read(leads, definition=DEFINITION)
    return [finding for finding in inspect_quality(data) if finding.kind == "moving rate"]


def test_a_rate_that_moves_along_the_file_is_an_alarm() -> None:
    (finding,) = moving(export(moves=True))
    assert finding.alarm
    assert "changes along the numbers in the ids, beyond chance: by fifths it is 4" in finding.text
    data = winnable.read(export(moves=True), definition=DEFINITION)
    assert finding in alarms(data)


def test_the_numbers_of_ids_tell_it_in_a_file_of_any_order() -> None:
    (finding,) = moving(export(moves=True).sample(frac=1, random_state=1))
    assert "along the numbers in the ids" in finding.text


def test_without_numbers_in_the_ids_the_order_of_the_rows_tells_it() -> None:
    leads = export(moves=True)
    names = np.random.default_rng(2).permutation([f"{row:x}-lead" for row in range(SIZE)])
    (finding,) = moving(leads.assign(Id=names))
    assert finding.alarm
    assert "changes along the file, beyond chance" in finding.text


@pytest.mark.parametrize("column", ["Country", "Size"])
def test_a_file_sorted_by_a_column_is_said_to_be_and_is_no_alarm(column: str) -> None:
    random = np.random.default_rng(3)
    leads = export(moves=False).assign(Size=random.permutation(SIZE) + 5)
    good = leads[column].rank(pct=True) > 0.7
    leads["Status"] = np.where(random.random(SIZE) < np.where(good, 0.6, 0.1), "Won", "Lost")
    names = [f"{row:x}-lead" for row in random.permutation(SIZE)]
    (finding,) = moving(leads.assign(Id=names).sort_values(column))
    assert not finding.alarm
    assert f"The rows are sorted by '{column}', which may be the reason." in finding.text


def test_a_rate_that_does_not_move_is_not_told() -> None:
    assert not moving(export(moves=False))


def test_leads_with_dates_of_creation_have_other_checks() -> None:
    days = pd.date_range("2024-01-01", periods=SIZE).strftime("%Y-%m-%d")
    dated = definition_from(
        {
            "outcome": {"won": ["Won"], "lost": ["Lost"]},
            "columns": {"id": "Id", "status": "Status", "created": "Created"},
        },
        "the test",
    )
    data = winnable.read(export(moves=True).assign(Created=days), definition=dated)
    assert "moving rate" not in {finding.kind for finding in inspect_quality(data)}


def test_random_orders_are_hardly_ever_told_to_change() -> None:
    random = np.random.default_rng(0)
    told = [changing_shares((random.random(400) < 0.2).astype(float)) for _ in range(2000)]
    assert sum(shares is not None for shares in told) <= 8  # 2 are expected, 9 come once in 4,000
