"""How columns are parsed is decided with the whole table in view: decimal marks, loose numbers, the
order of day and month; and single values are read as whole columns are."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from winnable.core.timestamps import microseconds
from winnable.data.dataset import Dataset
from winnable.data.features.offline import compute_features
from winnable.data.features.online import features_of_records
from winnable.data.features.plan import FeaturePlan, Field
from winnable.data.ingestion.crm import read_crm
from winnable.definition.conditions import Condition
from winnable.definition.schema import Definition

ROWS = 120


def dataset(columns: dict[str, object], **roles: str) -> Dataset:
    """Leads with these columns, read for training."""
    definition = Definition.model_validate(
        {
            "outcome": {"won": ["Won"], "lost": ["Lost"]},
            "columns": {"status": "Status", **roles},
        }
    )
    frame = pd.DataFrame({"Status": np.resize(["Won", "Lost", "New"], ROWS), **columns})
    return Dataset(definition, read_crm(definition, frame))


def field_of(data: Dataset, name: str) -> Field:
    return next(field for field in data.feature_plan().fields if field.name == name)


def values_of(data: Dataset, name: str) -> list[float]:
    """What the column is as a feature."""
    leads = np.arange(len(data.crm.leads))
    as_of = np.full(len(leads), 10**16)
    features = compute_features(data.feature_plan(), data.definition, data.crm, leads, as_of)
    return [float(value) for value in features.numbers(name)]


def sizes(*values: str) -> np.ndarray:
    return np.resize(values, ROWS)


def test_the_decimal_mark_is_the_tables() -> None:
    amounts = [f"{1000 + row * 137},{row % 100:02d}" for row in range(ROWS)]
    data = dataset({"Betrag": amounts, "Mitarbeiter": sizes("1.250", "10.400", "3.815", "35.125")})
    assert set(values_of(data, "Mitarbeiter")) == {1250.0, 10400.0, 3815.0, 35125.0}
    english = [f"{1000 + row * 137}.{row % 100:02d}" for row in range(ROWS)]
    data = dataset({"Amount": english, "Share": sizes("1.250", "10.400", "3.815")})
    assert set(values_of(data, "Share")) == {1.25, 10.4, 3.815}


def test_a_column_that_shows_its_own_mark_keeps_it() -> None:
    amounts = [f"{1000 + row * 137},{row % 100:02d}" for row in range(ROWS)]
    data = dataset({"Betrag": amounts, "Score": sizes("1.250", "2.5", "3.75")})
    assert set(values_of(data, "Score")) == {1.25, 2.5, 3.75}


def test_thousands_are_seen_without_another_column() -> None:
    data = dataset({"Staff": sizes("3", "35", "250", "1.250", "10.400")})
    assert set(values_of(data, "Staff")) == {3.0, 35.0, 250.0, 1250.0, 10400.0}
    data = dataset({"Rate": sizes("0.125", "3.375", "1.625")})
    assert set(values_of(data, "Rate")) == {0.125, 3.375, 1.625}


def test_words_among_numbers_do_not_make_them_words_and_are_told() -> None:
    written = [str(20 + row) for row in range(ROWS)]
    written[:7] = ["unknown", "10k+", "(No value)", "n/a", "51-200", "$1.2M", "keine Angabe"]
    data = dataset({"Employees": written})
    values = values_of(data, "Employees")
    assert [values[1], values[4], values[5]] == [10_000.0, pytest.approx(100.995, abs=0.001), 1.2e6]
    assert np.isnan([values[0], values[2], values[3], values[6]]).all()
    assert values[7:] == [float(20 + row) for row in range(7, ROWS)]
    told = [note for note in data.notes if "Employees" in note]
    assert told == [
        "'Employees' is read as numbers: of 119 values 3 written as 10k+ or 51-200 count as that"
        " number or its middle and 3 that are words count as missing."
    ]


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        (("1,064 employees", "12 employees", "300 employees", "1 employee"), "number"),
        (("3 days", "2 weeks", "5 days", "1 month"), "words"),
        (("1-10", "11-50", "51-200", "1001+"), "words"),
        (("1", "2", "3", "A", "B"), "words"),
        (("$1.2M", "$300k", "$45k", "$2M"), "number"),
        (("01067", "SW1A", "20095", "10115"), "words"),
        (("10", "20", "unknown", "unknown"), "number"),
        (("45", "unknown", "unknown", "unknown"), "words"),
    ],
)
def test_what_is_a_column_of_numbers(written: tuple[str, ...], kind: str) -> None:
    assert field_of(dataset({"X": sizes(*written)}), "X").kind == kind


def test_a_request_reads_loose_numbers_as_an_export_does() -> None:
    written = [str(20 + row) for row in range(ROWS)]
    written[:5] = ["unknown", "10k+", "51-200", "1,064 employees", "> 500"]
    data = dataset({"Employees": written})
    plan = FeaturePlan.from_json(data.feature_plan().to_json())
    moments = [datetime(2025, 1, 1, tzinfo=UTC)] * ROWS
    records = [{"Employees": value} for value in written]
    online = features_of_records(plan, data.definition, records, [[]] * ROWS, moments)
    np.testing.assert_array_equal(online.numbers("Employees"), values_of(data, "Employees"))


def test_a_model_of_before_reads_numbers_as_before() -> None:
    old = {"name": "Employees", "kind": "number", "decimal": ".", "day_first": False, "learn": True}
    plan = FeaturePlan.from_json({"fields": [old], "measures": [], "created": None})
    assert np.isnan(plan.fields[0].read("51-200"))
    assert not plan.fields[0].means_missing("unknown")


def test_the_order_of_day_and_month_is_the_one_in_which_leads_close_after_creation() -> None:
    created = [f"{1 + row % 12:02d}/{1 + row % 3:02d}/2024" for row in range(ROWS)]
    closed = [f"{1 + row * 5 % 12:02d}/{4 + row % 3:02d}/2024" for row in range(ROWS)]
    data = dataset({"Created": created, "Closed": closed}, created="Created", closed="Closed")
    assert len(data.rejects) == 0
    assert data.crm.leads["@created"].dt.month.max() == 3
    assert any("read as day first" in note for note in data.notes)
    plan = data.feature_plan()
    assert plan.created is not None
    assert plan.created.day_first


def test_the_creation_date_of_a_request_is_read_in_the_order_of_the_export() -> None:
    """Another date column decides for the ambiguous one, in training and afterwards."""
    created = [f"{1 + row % 12:02d}/{1 + row % 3:02d}/2024" for row in range(ROWS)]
    closed = ["25/12/2024"] * ROWS
    data = dataset({"Created": created, "Closed": closed}, created="Created", closed="Closed")
    plan = data.feature_plan()
    assert data.crm.leads["@created"].dt.month.max() == 3
    assert plan.created is not None
    assert plan.created.day_first


def test_dates_of_spreadsheets_are_read() -> None:
    days = [f"{45_000 + row}.5" for row in range(ROWS)]
    data = dataset({"Created": days}, created="Created")
    assert data.crm.leads["@created"].iloc[0] == pd.Timestamp("2023-03-15 12:00", tz="UTC")
    assert len(data.crm.leads) == ROWS


def test_a_condition_may_compare_with_the_date_of_creation_and_no_model_learns_it() -> None:
    trial_later = Condition(field="Trial", later_than="Created")
    definition = Definition.model_validate(
        {
            "outcome": {"won": ["Won"], "lost": ["Lost"]},
            "columns": {"status": "Status", "created": "Created"},
            "profile": {"ideal": [trial_later.model_dump(by_alias=True, exclude_defaults=True)]},
        }
    )
    rows = {
        "Status": np.resize(["Won", "Lost", "New"], ROWS),
        "Created": "03.02.2026",
        "Trial": np.resize(["04.02.2026", "02.02.2026"], ROWS),
    }
    data = Dataset(definition, read_crm(definition, pd.DataFrame(rows)))
    plan = data.feature_plan()
    as_of = datetime(2026, 6, 1, tzinfo=UTC)
    records = [{name: str(values[row]) for name, values in told(rows)} for row in range(2)]
    online = features_of_records(plan, definition, records, [[], []], [as_of, as_of])
    assert trial_later.holds(online).tolist() == [True, False]
    leads = np.arange(2)
    times = np.full(2, microseconds(as_of))
    offline = compute_features(plan, definition, data.crm, leads, times)
    assert trial_later.holds(offline).tolist() == [True, False]
    assert "Created" not in plan.learned
    unasked = dataset({"Created": rows["Created"]}, created="Created").feature_plan()
    assert "Created" not in {field.name for field in unasked.fields}


def told(rows: dict[str, object]) -> list[tuple[str, np.ndarray]]:
    return [(name, np.resize(values, ROWS)) for name, values in rows.items()]
