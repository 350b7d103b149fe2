"""How scores and labels become rows of the feedback tables, and rows become scores and labels
again.

Which rows are written and asked for is decided in `feedback`.
"""

import hashlib
import json
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from winnable.data.feedback.store import tables
from winnable.data.feedback.store.records import Label, ScoreRecord

OF_SCORE = (
    "person",
    "search",
    "owner",
    "source",
    "score_id",
    "as_of",
    "given_at",
    "probability",
    "decision",
)
"""The columns of `leads` that come from its last score."""
_SCORE = tuple(column.name for column in tables.scores.columns)
_LABEL = tuple(each.name for each in fields(Label))


def digest_of(label: Label) -> str:
    """A label's content as its sender gave it, as a hash; what the store gives is left out."""
    told = {
        name: value
        for name, value in asdict(label).items()
        if name not in {"label_id", "recorded_at", "origin"}
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def score_row(score: ScoreRecord) -> dict[str, Any]:
    """The row of `scores`."""
    return {name: _plain(getattr(score, name)) for name in _SCORE}


def lead_row(score: ScoreRecord) -> dict[str, Any]:
    """The row of `leads` for a lead of which this is the first or the newest score."""
    row = {name: _plain(getattr(score, name)) for name in OF_SCORE if name != "search"}
    words = _plain(" ".join(filter(None, (score.name, score.lead_id))).casefold())
    return {**row, "lead_id": _plain(score.lead_id), "search": words, "state": "new", "open": True}


def json_or(value: Any) -> Any:
    """Lists and objects as the JSON that a column of such keeps; everything else as it is."""
    return to_json(value).decode() if isinstance(value, tuple | list | dict) else value


def for_sqlite(value: Any) -> Any:
    """The value as `Utc` and SQLAlchemy's JSON write it to SQLite."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return json_or(value)


def _plain(value: Any) -> Any:
    """Texts without NUL, which PostgreSQL does not keep: one such text must not cost a whole batch."""
    return value.replace("\x00", "") if isinstance(value, str) else value


def score_of(row: Any) -> ScoreRecord:
    """The score in a row of `scores`."""
    told = {name: row._mapping[name] for name in _SCORE}
    return ScoreRecord(
        **{**told, "reasons": tuple(told["reasons"]), "activities": tuple(told["activities"])}
    )


def label_of(row: Any) -> Label:
    """The label in a row of `labels`."""
    return Label(**{name: row._mapping[name] for name in _LABEL})
