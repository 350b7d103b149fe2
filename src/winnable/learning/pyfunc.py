"""The MLflow model flavor: a standard pyfunc whose `predict` returns probabilities, not classes.

MLflow finds this module by name (`loader_module`), so that the registry holds data and never code.
It imports no MLflow itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winnable.core.values import moment
from winnable.data.features.online import Activity
from winnable.errors import DataError
from winnable.learning.scoring.predictor import Predictor

if TYPE_CHECKING:
    import pandas as pd

ACTIVITIES_COLUMN = "activities"
"""An optional column: a JSON list of {"kind", "at"}, because a pyfunc takes one table."""


class PyfuncModel:
    """What `mlflow.pyfunc.load_model` hands out: takes a frame with the CRM's own columns, one lead
    a row."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Probability of Closed Won with its interval, a row a lead: columns probability, low,
        high.

        `params["as_of"]` is the moment of scoring (ISO 8601); empty means now.
        """
        import pandas as pd

        written = (params or {}).get("as_of") or ""
        as_of = moment(written) if written else datetime.now(UTC)
        if as_of is None:
            raise DataError("as_of is not a date; write it as 2026-06-30 or 2026-06-30T12:00:00Z.")
        plain = frame.astype(object).where(frame.notna(), None)
        rows = [
            dict(zip(plain.columns, row, strict=True))
            for row in plain.itertuples(index=False, name=None)
        ]
        features = self.predictor.features(
            rows, [_activities(row.get(ACTIVITIES_COLUMN)) for row in rows], [as_of] * len(rows)
        )
        scores = self.predictor.score(features, [str(i) for i in range(len(rows))], reasons=False)
        return pd.DataFrame(
            {"probability": scores.probability, "low": scores.low, "high": scores.high},
            index=frame.index,
        )


def _activities(written: object) -> Sequence[Activity]:
    """The activities of one lead from their JSON; none where nothing stands there."""
    if not written:
        return ()
    try:
        return [
            _activity(activity["kind"], activity["at"], activity.get("recorded"))
            for activity in json.loads(str(written))
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(
            f'{ACTIVITIES_COLUMN} is not a JSON list of {{"kind": ..., "at": date}}; correct that'
            " lead."
        ) from None


def _activity(kind: str, at: str, recorded: str | None) -> Activity:
    when = moment(at)
    if when is None:
        raise ValueError(at)
    return Activity(kind, when, None if recorded is None else moment(recorded))


def _load_pyfunc(path: str) -> PyfuncModel:
    """MLflow's entry point: `path` is the artifact folder."""
    return PyfuncModel(Predictor.read(Path(path)))
