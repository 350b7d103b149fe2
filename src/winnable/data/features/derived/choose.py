"""Which derived features a model is offered: those whose columns an export has and that no verdict
keeps out, within a budget.

Which kinds there are is a matter of evidence (`tests/benchmarks/test_features_on_off.py`). How a
feature is computed is the work of `derive`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import CREATED, IntArray
from winnable.core.identity import account_key, are_mostly_addresses, is_company
from winnable.core.text import entries, word_key
from winnable.core.timestamps import DAY, NEVER, times_of
from winnable.data.features.accounts import account_keys
from winnable.data.features.derived.derive import DerivedFeature, What
from winnable.data.features.derived.people import persons
from winnable.data.features.derived.tokens import tokens_of
from winnable.definition.decide.junk import contact_columns
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.ingestion.crm import Crm

GROUPS: dict[str, tuple[What, ...]] = {
    "contact": (
        *("email provider", "email country", "email company"),
        *("phone country", "made-up name", "completeness"),
    ),
    "text": ("mention",),
    "arrival": ("weekday", "hour"),
}
"""What is derived, by what it is derived of. Each makes at least one history better and none worse
beyond chance; the month of arrival made two far worse."""

MIN_PEOPLE_PER_TOKEN = 10
MIN_ACCOUNTS_PER_TOKEN = 5
MAX_TOKENS_PER_COLUMN = 30
"""The most frequent ones of a text; each is one feature."""
MAX_TOKEN_SHARE = 0.95
MIN_DIFFERENT_TEXTS = 60
"""With fewer different ones the values of a column have coefficients of their own. Texts have two
words or more in the middle; a column of less is one of names or codes."""
MAX_SHARE_OF_NAMES = 0.8
MAX_WORDS_OF_A_NAME = 3
"""Where more of the leads have a text of their own, of as few words, it is taken for the name of a
person, of which nothing is learned."""
MAX_SAMPLED_LEADS = 20_000
"""Leads whose texts are read to choose tokens."""
MIN_TIMES_OF_DAY = 20
"""With fewer different ones arrivals have dates, not times."""

_WEBSITES = frozenset(
    entries("""
    website, companywebsite, websiteurl, url, domain, companydomain, webpage, homepage, web
    """)
)


def source_columns(definition: Definition, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that something is derived of although no model learns them as they stand."""
    company = _company(definition, columns)
    contact = contact_columns(definition.junk, columns).every
    sources = (*contact, *(() if company is None else (company,)))
    return tuple(name for name in sources if name not in definition.columns.ignore)


def choose_derived(
    definition: Definition,
    crm: Crm,
    kinds: Mapping[str, str],
    learned: Collection[str],
    age: str,
    leave_out: Collection[str],
) -> tuple[DerivedFeature, ...]:
    """The derived features of an export of whose columns `kinds` are read as such and `learned` as
    they stand; `age` is the name of the feature that says how long ago a lead came. Neither columns
    nor derived features in `leave_out` are used."""
    columns = [str(name) for name in crm.leads.columns if not str(name).startswith("@")]
    sources = [
        name
        for name in source_columns(definition, columns)
        if name in kinds and name not in leave_out
    ]
    found = _of_contact(definition, columns, sources)
    filled = tuple(dict.fromkeys([*(name for name in kinds if name in learned), *sources]))
    if len(filled) > 1:
        found.append(DerivedFeature("completeness of the record", "completeness", filled))
    leads = _Leads(definition, crm)
    for name, kind in kinds.items():
        if kind == "words" and (name in learned or (name == leads.company and name in sources)):
            found += _mentions(name, leads)
    if CREATED in crm.leads:
        found += _of_arrival(times_of(crm.leads[CREATED]), age)
    taken = {*columns, *leave_out}
    return tuple(feature for feature in found if feature.name not in taken)


def _of_contact(
    definition: Definition, columns: Sequence[str], sources: Sequence[str]
) -> list[DerivedFeature]:
    """What the contact columns among the sources tell."""
    contact = contact_columns(definition.junk, columns)
    company = _company(definition, columns)
    if company is None:
        named = (name for name in columns if re.sub(r"[^a-z]", "", name.lower()) in _WEBSITES)
        company = next(named, None)
    found: list[DerivedFeature] = []
    for name in contact.email:
        if name in sources:
            found += [
                DerivedFeature(f"{name} provider", "email provider", (name,)),
                DerivedFeature(f"{name} country", "email country", (name,)),
            ]
            if company in sources:
                is_companys = (name, str(company))
                found.append(DerivedFeature(f"{name} domain", "email company", is_companys))
    found += [
        DerivedFeature(f"{name} country", "phone country", (name,))
        for name in contact.phone
        if name in sources
    ]
    if contact.name and all(name in sources for name in contact.name):
        found.append(DerivedFeature("name is made up", "made-up name", contact.name))
    return found


def _company(definition: Definition, columns: Sequence[str]) -> str | None:
    """The column of the company that a lead's person works for."""
    account = definition.columns.account
    if account in columns:
        return account
    return next((name for name in columns if is_company(name)), None)


class _Leads:
    """The leads of an export, and whose they are, which is looked up for the first text."""

    def __init__(self, definition: Definition, crm: Crm) -> None:
        self._definition = definition
        self._crm = crm
        self.company = _company(definition, list(crm.leads.columns))

    def texts(self, name: str) -> pd.Series:
        """A column as it stands."""
        return self._crm.leads[name]

    @cached_property
    def person(self) -> IntArray:
        """As of `people.persons`."""
        return persons(self._definition, self._crm)

    @cached_property
    def account(self) -> list[str]:
        """The account of each lead, else its company, else its person."""
        known: list[str | None] = [None] * len(self.person)
        if self.company is not None:
            known = [account_key(each) for each in self.texts(self.company).fillna("").map(str)]
        return [
            key or company or f"@{who}"
            for key, company, who in zip(
                account_keys(self._crm), known, self.person.tolist(), strict=True
            )
        ]


def _mentions(name: str, leads: _Leads) -> list[DerivedFeature]:
    """The tokens of a column of texts that enough people and accounts, but not all, have in
    theirs."""
    texts = leads.texts(name)
    different = {word_key(str(text)): len(tokens_of(str(text))) for text in texts.dropna().unique()}
    usual = np.median(list(different.values())) if different else 0
    if len(different) <= MIN_DIFFERENT_TEXTS or usual < 2 or _has_addresses(texts):
        return []
    own = len(different) > MAX_SHARE_OF_NAMES * texts.notna().sum()
    if own and usual <= MAX_WORDS_OF_A_NAME and name != leads.company:  # as names of people are
        return []
    rows = np.flatnonzero(texts.notna())
    if len(rows) > MAX_SAMPLED_LEADS:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:MAX_SAMPLED_LEADS])
    people: dict[str, set[int]] = {}
    accounts: dict[str, set[str]] = {}
    for row in rows.tolist():
        for token in tokens_of(str(texts.iat[row])):
            people.setdefault(token, set()).add(int(leads.person[row]))
            accounts.setdefault(token, set()).add(leads.account[row])
    most = MAX_TOKEN_SHARE * len(np.unique(leads.person[rows]))
    frequent = [
        (-len(who), token)
        for token, who in people.items()
        if MIN_PEOPLE_PER_TOKEN <= len(who) <= most
        and len(accounts[token]) >= MIN_ACCOUNTS_PER_TOKEN
    ]
    return [
        DerivedFeature(f"{name} mentions {token}", "mention", (name,), token)
        for _, token in sorted(frequent)[:MAX_TOKENS_PER_COLUMN]
    ]


def _has_addresses(texts: pd.Series) -> bool:
    """Whether most of a few values are e-mail addresses."""
    return are_mostly_addresses(texts.dropna().iloc[:MIN_DIFFERENT_TEXTS].map(str).to_list())


def _of_arrival(created: np.ndarray, age: str) -> list[DerivedFeature]:
    known = created[created != NEVER]
    weekday = DerivedFeature("weekday of arrival", "weekday", (age,))
    if len(np.unique(known % DAY)) < MIN_TIMES_OF_DAY:
        return [weekday]
    return [weekday, DerivedFeature("hour of arrival (UTC)", "hour", (age,))]
