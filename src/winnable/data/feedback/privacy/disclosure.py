"""Everything that the feedback store keeps of one person, as JSON: for whoever asks for it (GDPR,
right of access).

The CRM, the exports of the company and copies made by hand are not looked through; the files that
this store wrote and that have the person are named.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from winnable.core.files import whole_file
from winnable.core.identity import normal_email, person_key
from winnable.data.feedback.privacy.erasure import exports_with, leads_of
from winnable.data.feedback.privacy.people import People
from winnable.data.feedback.store import tables
from winnable.data.feedback.store.audit import Actor, record
from winnable.data.feedback.store.records import Label, ScoreRecord, unpacked
from winnable.data.feedback.store.returns import returns_of
from winnable.data.feedback.store.store import FeedbackStore
from winnable.data.feedback.store.tables import label_of, score_of
from winnable.errors import DataError


def disclose(feedback: FeedbackStore, who: str, actor: Actor | None = None) -> dict[str, Any]:
    """All that is kept of the person with this e-mail address, or behind the lead with this id:
    scores with their inputs, labels, returns, notes on other leads that name them, and files.

    Raises DataError if nothing is kept.
    """
    with feedback.transaction() as connection:
        ids = leads_of(connection, who, None)
        if normal_email(who) is not None:
            ids |= leads_of(connection, None, person_key(who))
        rows = list(
            connection.execute(
                sql.select(tables.scores)
                .where(tables.scores.c.lead_id.in_(ids))
                .order_by(tables.scores.c.as_of, tables.scores.c.score_id)
            )
        )
        labels = [
            label_of(row)
            for row in connection.execute(
                sql.select(tables.labels).order_by(tables.labels.c.sequence)
            )
        ]
        own = [label for label in labels if label.lead_id in ids]
        if not rows and not own:
            raise DataError(f"nothing is kept of {who}; give an e-mail address or a lead's id.")
        people = People([dict(row._mapping) for row in rows])
        returns = returns_of(connection, sorted(ids))
        named = [label for label in labels if label.lead_id not in ids and _names(label, people)]
        files = [str(path) for path in exports_with(feedback, connection, ids)]
        counts = f"{len(rows)} scores, {len(own)} labels, {len(named)} notes"
        record(connection, actor or Actor.of_command(), "disclosed", [(None, counts)])
    return {
        "at": datetime.now(UTC),
        "leads": sorted(ids & ({row.lead_id for row in rows} | {label.lead_id for label in own})),
        "scores": [_disclosed(score_of(row)) for row in rows],
        "labels": [asdict(label) for label in own],
        "returns": [asdict(back) for backs in returns.values() for back in backs],
        "labels_of_other_leads_that_name_the_person": [asdict(label) for label in named],
        "files_with_these_leads": files,
    }


def _disclosed(score: ScoreRecord) -> dict[str, Any]:
    return asdict(score) | {"parts": unpacked(score.parts)}


def as_json(disclosed: dict[str, Any]) -> str:
    """The same as text, with times in ISO 8601."""
    return json.dumps(disclosed, indent=2, ensure_ascii=False, default=_written)


def write_disclosure(feedback: FeedbackStore, disclosed: dict[str, Any], path: Path) -> None:
    """Write it to a file, which an erasure names as one that it cannot clear. Raises StoreError if
    it cannot be written."""
    feedback.exported(path)
    with whole_file(path) as file:
        file.write(as_json(disclosed) + "\n")


def _names(label: Label, people: People) -> bool:
    return people.are_named_in(label.note) or people.are_named_in(label.reason)


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)
