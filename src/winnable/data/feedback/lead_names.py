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
            roles.source_name,
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
        account, account_name = self._account_of(lead)
        return LeadDisplay(
            ", ".join(filter(None, (name, company))) or None,
            self._text(lead, self.owner),
            self._text(lead, self.source),
            person_key(self._text(lead, self.person), name, company),
            account,
            account_name,
        )

    def _account_of(self, lead: Mapping[str, object]) -> tuple[str | None, str | None]:
        """The key of the lead's account, as `features.accounts` tells it from one lead alone, and
        its name: as it is written, but never somebody's address."""
        if self.account is None:
            return None, None
        written = text(lead.get(self.account))
        key = account_key(written)
        if key is not None and written is not None and not normal_email(written):
            return key[:MAX_CHARACTERS], written[:MAX_CHARACTERS]
        addresses = (text(lead.get(column)) for column in self.emails)
        domains = (account_key(each) for each in addresses if each and normal_email(each))
        key = key or next(filter(None, domains), None)
        cut = None if key is None else key[:MAX_CHARACTERS]
        return cut, cut

    @staticmethod
    def _text(lead: Mapping[str, object], column: str | None) -> str | None:
        found = None if column is None else text(lead.get(column))
        return None if found is None else found[:MAX_CHARACTERS]
