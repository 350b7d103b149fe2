"""Display names of leads: how a lead is shown to people and searched for: its name, its owner in
sales, its source, and the key of its person.

The columns are named by the definition, else recognized by their names. Every part may be missing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from winnable.core.identity import is_company, person_key
from winnable.core.values import text
from winnable.definition.decide.junk import contact_columns
from winnable.definition.schema import Definition

_OWNER_NAMES = {
    "owner",
    "ownername",
    "owneralias",
    "ownerid",
    "leadowner",
    "contactowner",
    "dealowner",
    "opportunityowner",
    "hubspotowner",
    "hubspotownerid",
    "salesperson",
    "salesrep",
    "assignedto",
    "userid",
}

MAX_CHARACTERS = 500
"""A longer part is cut: no name is longer, and PostgreSQL cannot index texts of several thousand
characters."""


@dataclass(frozen=True, slots=True)
class LeadDisplay:
    """How one lead is shown. `person` is the key of `winnable.core.identity`, for comparing."""

    name: str | None
    owner: str | None
    source: str | None
    person: str | None


@dataclass(frozen=True)
class LeadDisplayColumns:
    """The columns of an export, or of a request, that identify its leads to people."""

    person: str | None
    names: tuple[str, ...]
    company: str | None
    owner: str | None
    source: str | None

    @classmethod
    def among(cls, definition: Definition, columns: Iterable[str]) -> "LeadDisplayColumns":
        """The columns to use, among those that exist."""
        existing = tuple(columns)
        roles = definition.columns
        owner = roles.owner or next(
            (name for name in existing if re.sub(r"[^a-z0-9]", "", name.lower()) in _OWNER_NAMES),
            None,
        )
        company = next((name for name in existing if is_company(name)), None)
        return cls(
            roles.person,
            contact_columns(definition.junk, existing).name,
            company,
            owner,
            roles.source,
        )

    def of(self, lead: Mapping[str, object]) -> LeadDisplay:
        """The display name of a lead, from its columns."""
        parts = (self._text(lead, column) for column in self.names)
        name = " ".join(filter(None, parts))[:MAX_CHARACTERS] or None
        company = self._text(lead, self.company)
        return LeadDisplay(
            ", ".join(filter(None, (name, company))) or None,
            self._text(lead, self.owner),
            self._text(lead, self.source),
            person_key(self._text(lead, self.person), name, company),
        )

    @staticmethod
    def _text(lead: Mapping[str, object], column: str | None) -> str | None:
        found = None if column is None else text(lead.get(column))
        return None if found is None else found[:MAX_CHARACTERS]
