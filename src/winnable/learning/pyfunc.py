"""The MLflow model flavor: a standard pyfunc whose `predict` returns probabilities, not classes.

MLflow finds this module by name (`loader_module`), so that the registry holds data and never code.
It imports no MLflow itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from winnable.core.columns import BoolArray
from winnable.core.text import listed
from winnable.core.timestamps import microseconds
from winnable.core.values import moment, text
from winnable.data.features.online import Activity
from winnable.data.features.returns import STATUS_HISTORY, StatusChange
from winnable.errors import DataError
from winnable.learning.scoring.predictor import Predictor

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

ACTIVITIES_COLUMN = "activities"
"""An optional column: a JSON list of {"kind", "at"} and properties, because a pyfunc takes one
table. So is `STATUS_HISTORY`, of {"at", "old", "new"}, where the model knows returns."""


class PyfuncModel:
    """What `mlflow.pyfunc.load_model` hands out: takes a frame with the CRM's own columns, one lead
    a row, of whatever types pandas, Spark or JSON gave them."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Probability of Closed Won with its interval, a row a lead: columns probability, low,
        high.

        `params["as_of"]` is the moment of scoring (ISO 8601); empty means now. A lead that cannot
        be scored, as it was created later or its creation date cannot be read, has empty numbers.
        Values are read as `winnable score` reads those of a frame. `DataError` for a frame without
        any column that the model knows: MLflow leaves out the others, and their rows with them.
        """
        import pandas as pd

        if not len(frame.columns) and not len(frame):
            raise DataError(
                "the frame has no column that the model knows, such as"
                f" {listed(sorted(self.predictor.columns)[:5])}. Name its columns as the CRM does."
            )
        written = (params or {}).get("as_of") or ""
        as_of = moment(written) if written else datetime.now(UTC)
        if as_of is None:
            raise DataError("as_of is not a date; write it as 2026-06-30 or 2026-06-30T12:00:00Z.")
        rows = _records(frame)
        if self.predictor.plan.returns:
            rows = [
                {**row, STATUS_HISTORY: _status_changes(row.get(STATUS_HISTORY))} for row in rows
            ]
        features = self.predictor.features(
            rows, [_activities(row.get(ACTIVITIES_COLUMN)) for row in rows], [as_of] * len(rows)
        )
        scores = self.predictor.score(features, [str(i) for i in range(len(rows))], reasons=False)
        answer = pd.DataFrame(
            {"probability": scores.probability, "low": scores.low, "high": scores.high},
            index=frame.index,
        )
        answer[self._unscorable(rows, as_of)] = np.nan
        return answer

    def _unscorable(self, rows: Sequence[Mapping[str, object]], as_of: datetime) -> BoolArray:
        """Which leads have a creation date that cannot be read or is not past yet, shape (n,)."""
        field = self.predictor.plan.created
        if field is None:
            return np.zeros(len(rows), dtype=bool)
        created = [text(row.get(field.name)) for row in rows]
        times = [np.nan if value is None else field.read(value) for value in created]
        unread = [
            value is not None and isnan(time) for value, time in zip(created, times, strict=True)
        ]
        return np.asarray(unread, dtype=bool) | (np.asarray(times) > microseconds(as_of))


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame, each as text by column, cleaned as for a batch; None where a value is
    missing."""
    from winnable.data.ingestion.sources.source import read_source

    if not len(frame.columns):
        return [{} for _ in range(len(frame))]
    table = read_source(frame, "leads").data
    plain = table.astype(object).where(table.notna(), None)
    rows = plain.itertuples(index=False, name=None)
    return [dict(zip(plain.columns, row, strict=True)) for row in rows]


def _activities(written: object) -> Sequence[Activity]:
    """The activities of one lead from their JSON; none where nothing stands there."""
    return _read_list(ACTIVITIES_COLUMN, written, _activity, '{"kind": ..., "at": date}')


def _activity(given: Mapping[str, str]) -> Activity:
    recorded = given.get("recorded")
    known = None if recorded is None else moment(recorded)
    return Activity(given["kind"], _moment(given["at"]), known, given)


def _status_changes(written: object) -> Sequence[StatusChange]:
    """The changes of one lead's status from their JSON; none where nothing stands there."""
    return _read_list(STATUS_HISTORY, written, _status_change, '{"at": date, "new": ...}')


def _status_change(given: Mapping[str, str]) -> StatusChange:
    new = text(given["new"])
    if new is None:
        raise ValueError(given["new"])
    return StatusChange(_moment(given["at"]), new, text(given.get("old")))


def _read_list(
    column: str, written: object, read: Callable[[Mapping[str, str]], T], form: str
) -> Sequence[T]:
    """What the JSON list of one lead in a column says; `DataError` where it has another form."""
    if not written:
        return ()
    try:
        return [read(given) for given in json.loads(str(written))]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{column} is not a JSON list of {form}; correct that lead.") from None


def _moment(written: str) -> datetime:
    when = moment(written)
    if when is None:
        raise ValueError(written)
    return when


def _load_pyfunc(path: str) -> PyfuncModel:
    """MLflow's entry point: `path` is the artifact folder."""
    return PyfuncModel(Predictor.read(Path(path)))
