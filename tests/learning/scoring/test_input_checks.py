"""Values that look different from the training's are told, a sentence a column with its share, and
values like the training's are not."""

import pandas as pd
import pytest

from tests.conftest import DemoStore
from winnable.core.statistics import is_surprising
from winnable.learning.scoring.batch import read_to_score
from winnable.learning.scoring.predictor import Predictor


@pytest.fixture(scope="module")
def predictor(demo_store: DemoStore) -> Predictor:
    return Predictor.of_store(demo_store.store)


@pytest.fixture(scope="module")
def leads(demo_store: DemoStore) -> pd.DataFrame:
    return pd.read_csv(demo_store.files.leads, dtype=str).head(400)


def notes(predictor: Predictor, leads: pd.DataFrame, column: str) -> list[str]:
    found = read_to_score(predictor, leads).notes
    return [note for note in found if note.startswith(f"{column}:")]


def test_the_training_s_own_leads_are_not_unusual(
    predictor: Predictor, leads: pd.DataFrame
) -> None:
    found = read_to_score(predictor, leads).notes
    assert not [note for note in found if "training" in note or "learned" in note]


def test_a_word_never_seen_is_told_with_its_share(
    predictor: Predictor, leads: pd.DataFrame
) -> None:
    changed = leads.assign(**{"Lead Source": ["Carrier pigeon"] * 100 + ["Referral"] * 300})
    assert notes(predictor, changed, "Lead Source") == [
        "Lead Source: 100 of 400 values (25%) were never seen in training, or only once."
    ]


def test_a_number_that_is_none_is_told(predictor: Predictor, leads: pd.DataFrame) -> None:
    changed = leads.assign(Employees=["a great many"] * 40 + ["12"] * 360)
    assert notes(predictor, changed, "Employees") == [
        "Employees: 40 of 400 values (10%) are not numbers; they count as missing."
    ]


def test_ranges_where_the_training_had_numbers_are_told(
    predictor: Predictor, leads: pd.DataFrame
) -> None:
    changed = leads.assign(Employees=["51-200"] * 390 + ["12"] * 10)
    assert notes(predictor, changed, "Employees") == [
        "Employees: 390 of 400 values (98%) are ranges, where the training had numbers; each counts"
        " as its middle."
    ]
    few = leads.assign(Employees=["51-200"] * 4 + ["120"] * 396)
    assert notes(predictor, few, "Employees") == []


@pytest.mark.parametrize("factor", [1 / 1000, 1_000_000])
def test_another_unit_is_told(predictor: Predictor, leads: pd.DataFrame, factor: float) -> None:
    employees = pd.to_numeric(leads["Employees"].str.replace(",", ""), errors="coerce")
    (note,) = notes(predictor, leads.assign(Employees=employees * factor), "Employees")
    assert "outside the training's usual range" in note
    assert note.endswith("is it another unit?")


def test_a_column_that_is_gone_or_renamed_or_empty_is_told(
    predictor: Predictor, leads: pd.DataFrame
) -> None:
    (renamed,) = notes(predictor, leads.rename(columns={"Industry": "Industries"}), "Industry")
    assert "the nearest is 'Industries': was it renamed?" in renamed
    (empty,) = notes(predictor, leads.assign(Industry=None), "Industry")
    assert empty == "Industry: no lead has a value, and the model learned from it."


@pytest.mark.parametrize(
    ("count", "total", "usual", "surprising"),
    [
        (0, 10, 0.0, False),
        (1, 10, 0.0, True),
        (1, 1, 0.05, False),
        (3, 3, 0.05, True),
        (10, 100, 0.05, False),
        (20, 100, 0.05, True),
        (5_050, 100_000, 0.05, False),
    ],
)
def test_a_count_is_surprising_only_where_chance_would_not_give_it(
    count: int, total: int, usual: float, surprising: bool
) -> None:
    assert is_surprising(count, total, usual) is surprising
