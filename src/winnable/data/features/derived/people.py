"""Whose leads are: the person of each lead of an export, by the keys of `core.identity`.

Whatever counts people counts these. Which account a lead belongs to is known to `accounts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import PERSON, IntArray
from winnable.core.identity import is_company, person_key
from winnable.definition.decide.junk import contact_columns
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    from winnable.data.ingestion.crm import Crm


def persons(definition: Definition, crm: Crm) -> IntArray:
    """A number for each lead, the same where the person is the same (`person_keys`), shape (number
    of leads,). A lead of whose person nothing is known stands alone."""
    import pandas as pd

    keys = (key or f"@{row}" for row, key in enumerate(person_keys(definition, crm)))
    return pd.factorize(pd.Series(list(keys), dtype="str"))[0].astype(np.int64)


def person_keys(definition: Definition, crm: Crm) -> list[str | None]:
    """The key of each lead's person (`core.identity.person_key`), None where it is not known.

    A lead without an address belongs to the one person of its name and company who has one, if
    there is exactly one. That needs the whole export: a request, which knows one lead, has the key
    of the name and company then.
    """
    given = _texts(crm, [PERSON] if PERSON in crm.leads else [])
    keys = [person_key(each) if each else None for each in given]
    if all(keys):
        return keys
    named = _by_name_and_company(definition, crm)
    owners: dict[str, set[str]] = {}
    for address, name in zip(keys, named, strict=True):
        if address and name:
            owners.setdefault(name, set()).add(address)
    only = {
        name: next(iter(addresses)) for name, addresses in owners.items() if len(addresses) == 1
    }
    return [
        key or (None if name is None else only.get(name, name))
        for key, name in zip(keys, named, strict=True)
    ]


def _by_name_and_company(definition: Definition, crm: Crm) -> list[str | None]:
    names = _texts(crm, list(contact_columns(definition.junk, crm.leads.columns).name))
    companies = _texts(crm, [column for column in crm.leads.columns if is_company(str(column))][:1])
    return [person_key(None, name, company) for name, company in zip(names, companies, strict=True)]


def _texts(crm: Crm, columns: list[str]) -> list[str]:
    """What stands in these columns of each lead, with a blank between; "" where nothing does."""
    if not columns:
        return [""] * len(crm.leads)
    parts = [crm.leads[column].fillna("").to_list() for column in columns]
    return [" ".join(words).strip() for words in zip(*parts, strict=True)]
