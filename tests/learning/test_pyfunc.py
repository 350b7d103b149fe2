"""The registered model takes whatever frame the CRM's export became, returns a row for each of its
rows, and reads every value as a batch reads it."""

import json
from collections.abc import Callable
from decimal import Decimal

import mlflow
import numpy as np
import pandas as pd
import pytest

import winnable
from tests.conftest import DemoStore
from winnable.errors import DataError
from winnable.learning.registry.mlflow_registry import CHAMPION, MODEL, Registry

Frame = pd.DataFrame
AS_OF = "2026-06-30"


@pytest.fixture(scope="module")
def registered(demo_store: DemoStore) -> mlflow.pyfunc.PyFuncModel:
    """The champion, as MLflow loads it."""
    uri = Registry(demo_store.store).uri
    # MLflow writes its URI there as well, where the next store would obey it.
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        return mlflow.pyfunc.load_model(f"models:/{MODEL}@{CHAMPION}")


@pytest.fixture(scope="module")
def exported(demo_store: DemoStore) -> Frame:
    """Some leads of the CRM's export as pandas reads them."""
    return pd.read_csv(demo_store.files.leads).head(60)


def unchanged(frame: Frame) -> Frame:
    return frame


def with_thousands_marks(frame: Frame) -> Frame:
    return frame.assign(Employees=[f"{1000 + number:,}" for number in range(len(frame))])


def as_integers(frame: Frame) -> Frame:
    return frame.assign(Employees=np.arange(len(frame)))


def as_nullable_integers(frame: Frame) -> Frame:
    numbers = pd.Series([None, *range(1, len(frame))], dtype="Int64", index=frame.index)
    return frame.assign(Employees=numbers)


def as_decimals(frame: Frame) -> Frame:
    return frame.assign(Employees=[Decimal("12.50")] * len(frame))


def as_booleans(frame: Frame) -> Frame:
    return frame.assign(Employees=True, Title=False)


def of_mixed_types(frame: Frame) -> Frame:
    mixed = [1, "2", None, 4.5, True, pd.NA] * (len(frame) // 6)
    return frame.assign(Employees=mixed, Title=mixed)


def _moments(frame: Frame) -> pd.Series:
    return pd.to_datetime(frame["Created Date"], format="ISO8601", utc=True)


def as_datetimes(frame: Frame) -> Frame:
    return frame.assign(**{"Created Date": _moments(frame)})


def as_dates(frame: Frame) -> Frame:
    return frame.assign(**{"Created Date": _moments(frame).dt.date})


def as_categories(frame: Frame) -> Frame:
    return frame.assign(**{"Lead Source": frame["Lead Source"].astype("category")})


def in_another_order(frame: Frame) -> Frame:
    return frame[frame.columns[::-1]]


def with_more_and_fewer_columns(frame: Frame) -> Frame:
    return frame.drop(columns=["Title", "Lead Source"]).assign(Surprise=1)


def with_ranges(frame: Frame) -> Frame:
    return frame.assign(Employees="51-200")


def with_an_index_of_its_own(frame: Frame) -> Frame:
    return frame.set_axis([7] * len(frame))


@pytest.mark.parametrize(
    "change",
    [
        unchanged,
        with_thousands_marks,
        as_integers,
        as_nullable_integers,
        as_decimals,
        as_booleans,
        of_mixed_types,
        as_datetimes,
        as_dates,
        as_categories,
        in_another_order,
        with_more_and_fewer_columns,
        with_ranges,
        with_an_index_of_its_own,
        Frame.convert_dtypes,
    ],
)
def test_every_frame_is_answered_as_a_batch_answers_it(
    change: Callable[[Frame], Frame],
    registered: mlflow.pyfunc.PyFuncModel,
    exported: Frame,
    demo_store: DemoStore,
) -> None:
    frame = change(exported)
    answer = registered.predict(frame, params={"as_of": AS_OF})
    batch = winnable.load(demo_store.store).score(frame, as_of=AS_OF, reasons=False)
    assert answer.index.equals(frame.index)
    for name in ("probability", "low", "high"):
        np.testing.assert_allclose(answer[name], batch[name], rtol=1e-12)


def test_a_frame_of_ids_alone_keeps_its_rows(
    registered: mlflow.pyfunc.PyFuncModel, exported: Frame
) -> None:
    answer = registered.predict(exported[["Lead ID"]])
    assert len(answer) == len(exported)
    assert answer.notna().all().all()


def test_a_frame_without_any_known_column_is_refused_in_a_sentence(
    registered: mlflow.pyfunc.PyFuncModel,
) -> None:
    with pytest.raises(DataError, match=r"no column that the model knows.*Name its columns"):
        registered.predict(Frame({"Sesame": [1, 2]}))


def test_a_lead_that_cannot_be_scored_has_empty_numbers_as_in_a_batch(
    registered: mlflow.pyfunc.PyFuncModel, exported: Frame
) -> None:
    frame = exported.assign(
        **{"Created Date": ["2030-01-01", "soon", *exported["Created Date"][2:]]}
    )
    answer = registered.predict(frame, params={"as_of": AS_OF})
    assert answer.isna().all(axis=1).tolist() == [True, True] + [False] * (len(frame) - 2)


def test_the_signature_names_every_column_of_the_export(
    registered: mlflow.pyfunc.PyFuncModel, exported: Frame
) -> None:
    schema = registered.metadata.get_input_schema()
    assert schema is not None
    assert set(exported.columns) < set(schema.input_names())
    assert not schema.required_input_names()


def test_activities_are_taken_as_json_and_as_lists(
    registered: mlflow.pyfunc.PyFuncModel,
) -> None:
    visits = [{"kind": "Pricing page", "at": "2026-06-28T14:30:00Z"}] * 9
    written = '[{"kind": "Pricing page", "at": "2026-06-28T14:30:00Z"}' + (
        ',{"kind": "Pricing page", "at": "2026-06-28T14:30:00Z"}' * 8 + "]"
    )
    lead = {"Created Date": "2026-06-01", "Employees": 300}
    frames = [
        Frame([lead]),
        Frame([{**lead, "activities": visits}]),
        Frame([{**lead, "activities": written}]),
    ]
    without, listed, as_json = (
        registered.predict(frame, params={"as_of": AS_OF})["probability"].iloc[0]
        for frame in frames
    )
    assert listed == as_json
    assert listed != without


@pytest.mark.parametrize("write", [list, json.dumps], ids=["as lists", "as JSON"])
def test_a_frame_that_tells_how_statuses_changed_is_answered_as_a_batch_with_a_history(
    write: Callable[[list[dict[str, str]]], object],
    registered: mlflow.pyfunc.PyFuncModel,
    exported: Frame,
    demo_store: DemoStore,
) -> None:
    history = pd.read_csv(demo_store.files.history, keep_default_na=False)
    history = history[history["Field"] == "Lead Status"]
    changes = history.rename(columns={"At": "at", "Old": "old", "New": "new"})
    told = {
        lead: rows[["at", "old", "new"]].to_dict("records")
        for lead, rows in changes.groupby("Lead ID")
    }
    frame = exported.assign(
        status_history=[write(told.get(lead, [])) for lead in exported["Lead ID"]]
    )
    answer = registered.predict(frame, params={"as_of": AS_OF})
    model = winnable.load(demo_store.store)
    batch = model.score(exported, history=history, as_of=AS_OF, reasons=False)
    for name in ("probability", "low", "high"):
        np.testing.assert_allclose(answer[name], batch[name], rtol=1e-12)
    silent = registered.predict(exported, params={"as_of": AS_OF})
    assert (answer["probability"] - silent["probability"]).abs().max() > 0.01


@pytest.mark.parametrize("written", ["lost", "[1]", '[{"at": "soon", "new": "New"}]'])
def test_a_status_history_that_cannot_be_read_is_refused_in_a_sentence(
    registered: mlflow.pyfunc.PyFuncModel, exported: Frame, written: str
) -> None:
    with pytest.raises(DataError, match="status_history is not a JSON list"):
        registered.predict(exported.assign(status_history=written))
