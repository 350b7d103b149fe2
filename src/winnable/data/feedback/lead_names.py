"""Display names of leads: how a lead is shown to people and searched for: its name, its owner in
sales, its source, its account, and the key of its person.

The columns are named by the definition, else recognized by their names. Every part may be missing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from winnable.core.identity import account_key, is_company, normal_email, person_key
from winnable.core.values import text
from winnable.definition.decide.junk import contact_columns
from winnable.definition.schema import Definition, Junk

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
    """How one lead is shown. `person` and `account` are the keys of `winnable.core.identity`, for
    comparing; `account_name` is how its account is written."""

    name: str | None
    owner: str | None
    source: str | None
    person: str | None
    account: str | None = None
    account_name: str | None = None


@dataclass(frozen=True)
class LeadDisplayColumns:
    """The columns of an export, or of a request, that identify its leads to people. `emails` tell
    the account of a lead that does not name it."""

    person: str | None
    names: tuple[str, ...]
    company: str | None
    owner: str | None
    source: str | None
    account: str | None
    emails: tuple[str, ...]

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
            roles.account,
            (
                *filter(None, (roles.person,)),
                *contact_columns(Junk(), existing).email,
            ),
        )

    def of(self, lead: Mapping[str, object]) -> LeadDisplay:
        """The display name of a lead, from its columns."""
        parts = (self._text(lead, column) for column in self.names)
        name = " ".join(filter(None, parts))[:MAX_CHARACTERS] or None
        company = self._text(lead, self.company)
        account = self._account_of(lead)
        return LeadDisplay(
            ", ".join(filter(None, (name, company))) or None,
            self._text(lead, self.owner),
            self._text(lead, self.source),
            person_key(self._text(lead, self.person), name, company),
            account,
            None if account is None else self._text(lead, self.account) or account,
        )

    def _account_of(self, lead: Mapping[str, object]) -> str | None:
        """The key of the lead's account, as `features.accounts` tells it from one lead alone."""
        if self.account is None:
            return None
        addresses = (text(lead.get(column)) for column in self.emails)
        told = (
            text(lead.get(self.account)),
            *(address for address in addresses if address and normal_email(address)),
        )
        key = next(filter(None, map(account_key, told)), None)
        return None if key is None else key[:MAX_CHARACTERS]

    @staticmethod
    def _text(lead: Mapping[str, object], column: str | None) -> str | None:
        found = None if column is None else text(lead.get(column))
        return None if found is None else found[:MAX_CHARACTERS]
