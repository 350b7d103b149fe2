"""What drives conversion: sizes and directions that are known because the leads were made so."""

import numpy as np
import pandas as pd
import pytest

import winnable
from tests.conftest import DemoStore
from winnable.data.features.accounts import ACCOUNT_COLUMNS
from winnable.data.features.offline import compute_features
from winnable.data.features.returns import RETURN_COLUMNS
from winnable.learning.reporting.drivers import Driver, drivers
from winnable.learning.scoring.predictor import Predictor

DEFINITION = winnable.Definition.model_validate(
    {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": {"status": "Status"}}
)


@pytest.fixture(scope="module")
def found() -> dict[str, Driver]:
    """Drivers of leads that are won by title and size, and by a third column not at all."""
    chance = np.random.default_rng(3)
    title = chance.choice(["Director", "Engineer", "Student"], 400)
    employees = np.round(np.exp(chance.normal(4, 1, 400)))
    logit = (
        -0.5
        + 2.0 * (title == "Director")
        - 2.5 * (title == "Student")
        + 1.0 * (np.log(employees) - 4)
    )
    won = chance.random(400) < 1 / (1 + np.exp(-logit))
    leads = pd.DataFrame(
        {"Title": title, "Employees": employees, "Shoe size": chance.integers(36, 47, 400)}
    )
    data = winnable.read(leads.assign(Status=np.where(won, "Won", "Lost")), definition=DEFINITION)
    predictor = winnable.train(data)._predictor
    features = compute_features(
        predictor.plan,
        predictor.definition,
        data.crm,
        np.arange(400),
        np.zeros(400, dtype=np.int64),
    )
    return {driver.name: driver for driver in drivers(predictor, features)}


def test_what_decided_comes_first_and_what_did_not_comes_last(found: dict[str, Driver]) -> None:
    assert next(iter(found)) == "Title"
    assert (
        found["Title"].odds
        > 2
        > found["Employees"].odds
        > found.get("Shoe size", Driver("", 0.0, "")).odds
    )


def test_directions_are_those_of_the_leads(found: dict[str, Driver]) -> None:
    assert found["Employees"].direction == "the more, the likelier"
    assert found["Title"].direction == "Director raises it; Student lowers it"


def test_all_questions_about_one_activity_are_one_driver(demo_store: DemoStore) -> None:
    predictor, rows = Predictor(demo_store.candidate.artifact), demo_store.candidate.evaluation
    assert rows is not None
    features = demo_store.data.features(predictor.plan, rows.rows.leads, rows.rows.as_of)
    told = drivers(predictor, features)
    names = [driver.name for driver in told]
    assert len(set(names)) == len(names) < len(predictor.scorer.names)
    assert "Pricing page" in names
    others = {column.lower() for column in (*ACCOUNT_COLUMNS, *RETURN_COLUMNS)}
    of_activities = {name for name in names if name.lower() not in others}
    assert not any(name.startswith(("times ", "Times ", "days since")) for name in of_activities)
    assert [driver.weight for driver in told] == sorted(
        (driver.weight for driver in told), reverse=True
    )


def test_rules_have_no_drivers() -> None:
    predictor = Predictor.from_rules(DEFINITION)
    assert (
        drivers(
            predictor,
            predictor.features([{}], [()], [pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime()]),
        )
        == ()
    )
