"""The other leads of a lead's person, as the lead's own page shows them: when each was created, how
far it came, and what was said of it. No HTML, no database.

Who is the same person is decided where scores are kept (`core.identity`, `training_rows`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from winnable.core.text import counted, percent
from winnable.core.values import moment
from winnable.data.feedback.store.leads import LeadHistory
from winnable.data.feedback.store.records import ScoreRecord
from winnable.definition.schema import Definition
from winnable.service.web.lead_view import STATE_NAMES, address, date_text, said


@dataclass(frozen=True)
class PersonLead:
    """Another lead of the person: its id and page, its state in a word, its last probability, and
    in `lines` what else is known of it, the latest last."""

    lead_id: str
    address: str
    state: str
    probability: str
    lines: tuple[str, ...]


def same_person(history: LeadHistory, definition: Definition, by: str) -> tuple[PersonLead, ...]:
    """The other leads of the person of a lead, for whoever is signed in as `by`."""
    return tuple(
        PersonLead(
            row.lead_id,
            address(row.lead_id),
            STATE_NAMES[row.state],
            "" if row.score is None else percent(row.score.probability),
            (*_facts(row.score, definition), *(said(label, by) for label in labels)),
        )
        for row, labels in history.others
    )


def left_out(history: LeadHistory) -> str:
    """How many leads of the person are not shown; "" if all are."""
    more = history.lead.others.total - len(history.others)
    return f"And {counted(more, 'more lead')}." if more > 0 else ""


def _facts(score: ScoreRecord | None, definition: Definition) -> Iterator[str]:
    """When the lead was created, and its status at its last score."""
    if score is None:
        yield "Not scored yet."
        return
    roles = definition.columns
    created = score.values.get(roles.created or "")
    at = None if created is None else moment(str(created))
    if at is not None:
        yield f"Created {date_text(at.replace(tzinfo=at.tzinfo or UTC))}"
    status = score.values.get(roles.status or "")
    if status is not None:
        yield f"In the CRM: {status}, on {date_text(score.as_of)}"
