"""The dataset: each derived table is computed once, and is what the building blocks answer."""

import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

import winnable
from winnable.data import dataset
from winnable.data.dataset import Dataset
from winnable.data.features.accounts import account_columns
from winnable.data.features.derived.people import persons
from winnable.data.features.offline import compute_features
from winnable.data.features.plan import fit_feature_plan
from winnable.data.features.point_in_time import as_of
from winnable.data.features.training_rows import TrainingRows, build_training_rows, outcomes
from winnable.data.ingestion.crm import latest_moment
from winnable.data.leakage.detect import assess_columns, left_out
from winnable.demo.company import write_demo
from winnable.learning.readiness.check import check
from winnable.learning.training.targets import build_targets

THEN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    files = write_demo(tmp_path_factory.mktemp("demo"), leads=400, seed=7)
    return winnable.read(files.leads, files.activities, files.history, definition=files.definition)


@pytest.fixture
def data(company: Dataset) -> Dataset:
    """The demo company's dataset, of which nothing is computed yet."""
    return Dataset(company.definition, company.crm)


def equal_rows(one: TrainingRows, other: TrainingRows) -> bool:
    return all(
        np.array_equal(getattr(one, part.name), getattr(other, part.name), equal_nan=True)
        if isinstance(getattr(one, part.name), np.ndarray)
        else getattr(one, part.name) == getattr(other, part.name)
        for part in fields(TrainingRows)
    )


def test_it_hands_out_what_the_building_blocks_answer(data: Dataset) -> None:
    definition, crm = data.definition, data.crm
    plan, latest = fit_feature_plan(definition, crm), latest_moment(crm)
    rows = build_training_rows(definition, crm, latest)
    assert data.present == latest
    assert np.array_equal(data.outcomes, outcomes(definition, crm), equal_nan=True)
    assert np.array_equal(data.persons, persons(definition, crm))
    assert equal_rows(data.training_rows, rows)
    assert equal_rows(data.training_rows_at(THEN), build_training_rows(definition, crm, THEN))
    assert data.feature_plan() == plan
    assert data.verdicts == assess_columns(definition, crm, plan, outcomes(definition, crm))
    assert data.left_out == left_out(data.verdicts) != ()
    assert data.feature_plan(data.left_out) == fit_feature_plan(definition, crm, data.left_out)
    mine = data.features(plan, rows.leads[:50], rows.as_of[:50])
    theirs = compute_features(plan, definition, crm, rows.leads[:50], rows.as_of[:50])
    assert data.accounts is not None
    accounts = data.accounts.at(rows.leads[:50], rows.as_of[:50])
    theirs = theirs.with_columns(account_columns(accounts))
    assert pickle.dumps(mine) == pickle.dumps(theirs)


def test_each_derived_table_is_computed_once(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By everything that a check, a funnel and the targets of a training ask for."""
    from winnable.data.analysis.funnel import funnel

    calls: Counter[object] = Counter()

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            calls[(name, arguments[2:] if name == "fit_feature_plan" else ())] += 1
            return function(*arguments, **named)

        return counted

    names = [
        "latest_moment",
        "outcomes",
        "persons",
        "build_training_rows",
        "assess_columns",
        "fit_feature_plan",
        "columns_assumed_static",
    ]
    for name in names:
        monkeypatch.setattr(dataset, name, counting(name, getattr(dataset, name)))
    for _ in range(2):
        check(data)
        funnel(data)
        build_targets(data, data.training_rows)
        data.feature_plan(["Owner"])
    assert {name for name, _ in calls} == set(names)
    assert set(calls.values()) == {1}


def test_the_tables_are_not_changed_by_what_is_asked(data: Dataset) -> None:
    before = data.crm.leads.copy()
    check(data)
    assert data.crm.leads.equals(before)


def test_the_dataset_of_then_is_the_crm_of_then_at_that_moment(data: Dataset) -> None:
    then, expected = data.as_of(THEN), as_of(data.definition, data.crm, THEN, data.episodes)
    assert then.present == THEN
    assert then.crm.leads.equals(expected.leads)
    assert 0 < len(then.crm.leads) < len(data.crm.leads)


def test_a_part_has_the_leads_and_what_happened_to_them(data: Dataset) -> None:
    part = data.only(np.array([3, 1]))
    ids = data.crm.leads["@id"].iloc[[3, 1]].tolist()
    assert part.crm.leads["@id"].tolist() == ids
    assert part.crm.activities is not None
    assert set(part.crm.activities["@id"]) <= set(ids)
    assert not len(part.rejects)


def test_it_says_what_it_is_and_its_former_name_still_leads_to_it(data: Dataset) -> None:
    assert repr(data).startswith(f"<{data.definition.name}: {len(data.crm.leads):,} leads, ")
    with pytest.warns(DeprecationWarning, match=r"winnable\.Data is now winnable\.Dataset"):
        assert winnable.Data is winnable.Dataset is Dataset
