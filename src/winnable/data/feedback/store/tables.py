"""The tables of the feedback store, for SQLite and PostgreSQL: created by `migrations`, described
here for queries.

`scores`, `labels` and `returns` are append-only. `leads` is derived from the three, one row per
lead with its latest score and current label, so that a page out of a hundred thousand leads is
found by an index.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import sqlalchemy as sql
from pydantic_core import to_json
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from winnable.data.feedback.store.records import Label, Return, ScoreRecord, queue_of

HEAD = "0008"
"""The revision of `migrations` that these tables correspond to."""


class Utc(TypeDecorator[datetime]):
    """A time in UTC. SQLite stores no time zone and returns naive times; here they always have
    one."""

    impl = sql.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata = sql.MetaData()

scores = sql.Table(
    "scores",
    metadata,
    sql.Column("score_id", sql.Text, primary_key=True),
    sql.Column("lead_id", sql.Text, nullable=False),
    sql.Column("person", sql.Text),
    sql.Column("as_of", Utc, nullable=False),
    sql.Column("given_at", Utc, nullable=False),
    sql.Column("probability", sql.Double, nullable=False),
    sql.Column("low", sql.Double, nullable=False),
    sql.Column("high", sql.Double, nullable=False),
    sql.Column("probability_winnable", sql.Double),
    sql.Column("grade", sql.Text, nullable=False),
    sql.Column("decision", sql.Text, nullable=False),
    sql.Column("because", sql.Text, nullable=False),
    sql.Column("reasons", sql.JSON, nullable=False),
    sql.Column("mode", sql.Text, nullable=False),
    sql.Column("version", sql.Text, nullable=False),
    sql.Column("values", sql.JSON, nullable=False),
    sql.Column("activities", sql.JSON, nullable=False),
    sql.Column("name", sql.Text),
    sql.Column("owner", sql.Text),
    sql.Column("source", sql.Text),
    sql.Column("account", sql.Text),
    sql.Column("account_name", sql.Text),
    sql.Column("start", sql.Double),
    sql.Column("parts", sql.LargeBinary),
    sql.Column("grid", sql.JSON(none_as_null=True)),
    sql.Index("scores_of_lead", "lead_id", "as_of"),
    sql.Index("scores_of_person", "person"),
)

labels = sql.Table(
    "labels",
    metadata,
    sql.Column("label_id", sql.Text, primary_key=True),
    sql.Column("lead_id", sql.Text, nullable=False),
    sql.Column("score_id", sql.Text),
    sql.Column("label", sql.Text, nullable=False),
    sql.Column("reason", sql.Text),
    sql.Column("note", sql.Text),
    sql.Column("by", sql.Text, nullable=False),
    sql.Column("at", Utc, nullable=False),
    sql.Column("recorded_at", Utc, nullable=False),
    sql.Column("origin", sql.Text, nullable=False),
    sql.Column("replaces", sql.Text),
    sql.Column("key", sql.Text, unique=True),
    sql.Column("key_digest", sql.Text),
    sql.Column("sequence", sql.BigInteger, nullable=False),
    sql.Index("labels_of_lead", "lead_id"),
    sql.Index("labels_by_time", "recorded_at"),
    sql.Index("labels_in_order", "sequence"),
)

leads = sql.Table(
    "leads",
    metadata,
    sql.Column("lead_id", sql.Text, primary_key=True),
    sql.Column("person", sql.Text),
    sql.Column("search", sql.Text, nullable=False),
    sql.Column("owner", sql.Text),
    sql.Column("source", sql.Text),
    sql.Column("score_id", sql.Text),
    sql.Column("as_of", Utc),
    sql.Column("given_at", Utc),
    sql.Column("probability", sql.Double, nullable=False),
    sql.Column("decision", sql.Text),
    sql.Column("state", sql.Text, nullable=False),
    sql.Column("open", sql.Boolean, nullable=False),
    sql.Column("label_id", sql.Text),
    sql.Column("queue", sql.Text),
    sql.Column("returns_at", Utc),
    sql.Column("before_id", sql.Text),
    sql.Column("outcome", sql.Text),
    sql.Column("account", sql.Text),
    sql.Column("cell", sql.Text),
    sql.Index("leads_best_first", "open", sql.text("probability DESC"), "lead_id"),
    sql.Index("leads_all", sql.text("probability DESC"), "lead_id"),
    sql.Index("leads_by_state", "state", sql.text("probability DESC"), "lead_id"),
    sql.Index("leads_by_decision", "open", "decision", sql.text("probability DESC"), "lead_id"),
    sql.Index("leads_by_owner", "owner", "open", sql.text("probability DESC"), "lead_id"),
    sql.Index("leads_by_source", "source", "open", sql.text("probability DESC"), "lead_id"),
    sql.Index("leads_of_person", "person"),
    sql.Index("leads_of_account", "account"),
    sql.Index("leads_by_queue", "queue", sql.text("probability DESC"), "lead_id"),
    sql.Index("queue_by_owner", "owner", "queue", sql.text("probability DESC"), "lead_id"),
    sql.Index("queue_by_source", "source", "queue", sql.text("probability DESC"), "lead_id"),
    *(
        sql.Index(
            name,
            "cell",
            second,
            sql.text("probability DESC"),
            "lead_id",
            sqlite_where=sql.text("cell IS NOT NULL"),
            postgresql_where=sql.text("cell IS NOT NULL"),
        )
        for name, second in (("leads_by_cell", "open"), ("queue_by_cell", "queue"))
    ),
    sql.Index(
        "leads_returning",
        "returns_at",
        sqlite_where=sql.text("returns_at IS NOT NULL"),
        postgresql_where=sql.text("returns_at IS NOT NULL"),
    ),
)
"""`queue` is who works the lead (`records.queue_of`), `returns_at` when an answered lead comes
back, as far as is known, `before_id` the label that its last return ended, and `outcome` the last
one before its first return, else the last."""

returns = sql.Table(
    "returns",
    metadata,
    sql.Column("lead_id", sql.Text, primary_key=True),
    sql.Column("sequence", sql.BigInteger, primary_key=True),
    sql.Column("at", Utc, nullable=False),
)
"""When a lead came back; `sequence` is that of its last label before."""

exports = sql.Table(
    "exports",
    metadata,
    sql.Column("path", sql.Text, primary_key=True),
    sql.Column("written_at", Utc, nullable=False),
    sql.Column("home", sql.Text),
)

erasures = sql.Table(
    "erasures",
    metadata,
    sql.Column("receipt_id", sql.Text, primary_key=True),
    sql.Column("at", Utc, nullable=False),
    sql.Column("counts", sql.JSON, nullable=False),
    sql.Column("digest", sql.Text, nullable=False),
)

audit = sql.Table(
    "audit",
    metadata,
    sql.Column(
        "entry_id",
        sql.BigInteger().with_variant(sql.Integer, "sqlite"),  # SQLite counts only this type
        primary_key=True,
    ),
    sql.Column("at", Utc, nullable=False),
    sql.Column("action", sql.Text, nullable=False),
    sql.Column("who", sql.Text, nullable=False),
    sql.Column("key", sql.Text),
    sql.Column("place", sql.Text, nullable=False),
    sql.Column("subject", sql.Text),
    sql.Column("detail", sql.Text),
    sql.Index("audit_by_time", "at"),
)


OF_SCORE = (
    "person",
    "search",
    "owner",
    "source",
    "account",
    "cell",
    "score_id",
    "as_of",
    "given_at",
    "probability",
    "decision",
)
"""The columns of `leads` that come from its latest score."""
_SCORE_COLUMNS = tuple(column.name for column in scores.columns)
_score_values = attrgetter(*_SCORE_COLUMNS)
_LABEL_COLUMNS = tuple(field.name for field in fields(Label))


def digest_of(label: Label) -> str:
    """SHA-256 of a label's content as its sender gave it, without the fields that the store
    sets."""
    content = {
        name: value
        for name, value in asdict(label).items()
        if name not in {"label_id", "recorded_at", "origin", "sequence"}
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def score_row(score: ScoreRecord) -> dict[str, Any]:
    """The row of `scores`."""
    return dict(zip(_SCORE_COLUMNS, _score_values(score), strict=True))


def lead_row(score: ScoreRecord) -> dict[str, Any]:
    """The row of `leads` for a lead whose first or latest score this is."""
    row = {name: getattr(score, name) for name in OF_SCORE if name != "search"}
    words = " ".join(filter(None, (score.name, score.lead_id))).casefold()
    return {
        **row,
        "lead_id": score.lead_id,
        "search": words,
        "state": "new",
        "open": True,
        "queue": queue_of("new", score.decision),
    }


Writers = Mapping[type, Callable[[Any], Any]]
"""How values of some types are written; those of others are taken as they are."""


def plain_values(row: Iterable[Any], writers: Writers) -> list[Any]:
    """A row's values as the driver of a database takes them, by `FOR_SQLITE` or
    `FOR_POSTGRESQL`."""
    return [
        value
        if (kind := type(value)) in _TAKEN_AS_THEY_ARE or (kind is str and "\x00" not in value)
        else _plain_value(value, kind, writers)
        for value in row
    ]


def _plain_value(value: Any, kind: type, writers: Writers) -> Any:
    writer = next((writers[base] for base in kind.__mro__ if base in writers), None)
    return value if writer is None else writer(value)


def _json(value: Any) -> str:
    return to_json(value).decode()


def _utc(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _without_nul(value: str) -> str:
    return value.replace("\x00", "")


_TAKEN_AS_THEY_ARE = frozenset({float, int, bool, type(None)})

FOR_POSTGRESQL: Writers = {str: _without_nul, tuple: _json, list: _json, dict: _json}
"""Lists and objects become JSON text. PostgreSQL cannot store NUL in a text, and one such text must
not fail a whole batch."""

FOR_SQLITE: Writers = {**FOR_POSTGRESQL, datetime: _utc}
"""Times are written as `Utc` does, besides."""


def score_of(row: Any) -> ScoreRecord:
    """The score in a row of `scores`."""
    values = {name: row._mapping[name] for name in _SCORE_COLUMNS}
    values["reasons"] = tuple(values["reasons"])
    values["activities"] = tuple(values["activities"])
    return ScoreRecord(**values)


def label_of(row: Any) -> Label:
    """The label in a row of `labels`."""
    return Label(**{name: row._mapping[name] for name in _LABEL_COLUMNS})


def return_of(row: Any) -> Return:
    """The return in a row of `returns`."""
    return Return(row.lead_id, row.sequence, row.at)
