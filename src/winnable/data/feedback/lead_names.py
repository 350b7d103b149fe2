"""Nameplates: how a lead is shown to people and found again: a name, who owns it in sales, its
source, and the key of its person.

Which columns tell is what the definition says, else what their names say. Every part may be
missing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from winnable.core.identity import is_company, person_key
from winnable.core.values import text
from winnable.definition.decide.junk import contact_columns
from winnable.definition.schema import Definition

_OWNER = {
    *(
        "owner",
        "ownername",
        "owneralias",
        "ownerid",
        "leadowner",
        "contactowner",
        "dealowner",
        "opportunityowner",
    ),
    *("hubspotowner", "hubspotownerid", "salesperson", "salesrep", "assignedto", "userid"),
}


LONGEST = 500
"""Characters of a part that are kept: nobody is called longer, and PostgreSQL sorts no texts of
several thousand."""


@dataclass(frozen=True, slots=True)
class LeadDisplay:
    """What one lead is called. `person` is the key of `definition.people`, for comparing."""

    name: str | None
    owner: str | None
    source: str | None
    person: str | None


@dataclass(frozen=True)
class LeadDisplayColumns:
    """The columns of an export, or of a request, that name its leads."""

    person: str | None
    names: tuple[str, ...]
    company: str | None
    owner: str | None
    source: str | None

    @classmethod
    def among(cls, definition: Definition, columns: Iterable[str]) -> "LeadDisplayColumns":
        """The columns that tell, among those that are there."""
        there, roles = tuple(columns), definition.columns
        owner = roles.owner or next(
            (name for name in there if re.sub(r"[^a-z0-9]", "", name.lower()) in _OWNER), None
        )
        company = next((name for name in there if is_company(name)), None)
        return cls(
            roles.person, contact_columns(definition.junk, there).name, company, owner, roles.source
        )

    def of(self, lead: Mapping[str, object]) -> LeadDisplay:
        """The nameplate of a lead, by its columns."""
        name = (
            " ".join(filter(None, (self._text(lead, column) for column in self.names)))[:LONGEST]
            or None
        )
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
        return None if found is None else found[:LONGEST]
