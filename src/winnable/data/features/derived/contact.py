"""What contact data tell of a lead without telling who it is: the kind and country of an e-mail
domain, whether it is the company's, and the country of a telephone number.

One value at a time, in plain Python. The address or number itself never leaves this module.
"""

from __future__ import annotations

import re
from functools import lru_cache

from winnable.core.identity import (
    account_key,
    disposable_domains,
    free_mail_domains,
    name_words,
    normal_email,
)
from winnable.core.text import entries
from winnable.definition.decide.junk import DISPOSABLE_EMAIL_DOMAINS

MAX_DOMAINS_KEPT = 4096
MIN_LETTERS_OF_A_NAME = 3
"""Letters that a domain and a company's name must have in common to be a match."""

_NOT_OF_A_COUNTRY = frozenset(entries("ai, cc, co, eu, fm, gg, io, la, ly, me, nu, sh, to, tv, ws"))
"""Two-letter top-level domains that anybody uses."""

_SECOND_LEVEL = frozenset(entries("ac, co, com, edu, gob, gouv, gov, govt, net, nom, or, org, sch"))
"""Labels before a country's that are registries, not companies."""

_GOVERNMENT = re.compile(
    r"(?:^|\.)(?:gov|mil|(?:gov|gob|gouv|gub|govt|gc|go|mil)\.[a-z]{2}|bund\.de|admin\.ch"
    r"|europa\.eu)$"
)
_EDUCATION = re.compile(
    r"(?:^|\.)(?:edu|(?:edu|ac|sch)\.[a-z]{2})$|(?:^|[.-])(?:uni|univ|university|tu|fh)-"
    r"|(?:^|\.)(?:univ|university)\."
)


def email_provider(address: str) -> str | None:
    """Whose an address is: "company", "free-mail", "disposable", "education" or "government"; None
    if it is not an address."""
    domain = _domain_of(address)
    return None if domain is None else _provider(domain)


def email_country(address: str) -> str | None:
    """The country of an address's domain as two letters, None if it has none."""
    domain = _domain_of(address)
    if domain is None:
        return None
    last = domain.rpartition(".")[2]
    if len(last) != 2 or not last.isalpha() or last in _NOT_OF_A_COUNTRY:
        return None
    return "GB" if last == "uk" else last.upper()


def is_the_companys(address: str, company: str) -> str | None:
    """Whether an address is at the domain of a company, given by name or website: "the company's"
    or "another's"; None for free-mail, or where either is unknown."""
    domain = _domain_of(address)
    if domain is None or _provider(domain) in ("free-mail", "disposable"):
        return None
    return _matches(domain, company)


def phone_country(number: str) -> str:
    """The country of a telephone number as two letters, "not told" if it is a national one."""
    import phonenumbers

    digits = re.sub(r"\D", "", number)
    written = number.strip()
    if written.startswith("00"):
        digits = digits[2:]
    elif not written.startswith("+"):
        return "not told"
    if digits.startswith("1"):  # of the codes that countries share, the one with two large ones
        return _of_north_america(digits)
    for length in (1, 2, 3):
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:length] or 0))
        if regions is not None:
            return str(regions[0])
    return "not told"


def _of_north_america(digits: str) -> str:
    """Which of the countries with code 1 an area code belongs to."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return "not told"
    return str(phonenumbers.region_code_for_number(parsed) or "US")


def _domain_of(address: str) -> str | None:
    normal = normal_email(address)
    return None if normal is None else normal.rpartition("@")[2]


@lru_cache(maxsize=MAX_DOMAINS_KEPT)
def _provider(domain: str) -> str:
    labels = domain.split(".")
    ends = [".".join(labels[start:]) for start in range(len(labels))]
    if any(end in DISPOSABLE_EMAIL_DOMAINS or end in disposable_domains() for end in ends):
        return "disposable"
    if domain in free_mail_domains():
        return "free-mail"
    if _EDUCATION.search(domain):
        return "education"
    return "government" if _GOVERNMENT.search(domain) else "company"


@lru_cache(maxsize=MAX_DOMAINS_KEPT)
def _matches(domain: str, company: str) -> str | None:
    key = account_key(company)
    if key is None:
        return None
    own = _name_in(domain)
    name = _name_in(key) if "." in key else "".join(key.split())
    words = sorted(name_words(key), key=len)
    initials = "".join(word[0] for word in key.split())
    short = min(own, name, key=len)
    matches = (
        (len(short) >= MIN_LETTERS_OF_A_NAME and max(own, name, key=len).startswith(short))
        or own == initials
        or (bool(words) and len(words[-1]) > MIN_LETTERS_OF_A_NAME and words[-1] in own)
    )
    return "the company's" if matches else "another's"


def _name_in(domain: str) -> str:
    """The label of a domain that its owner chose, without hyphens."""
    labels = domain.split(".")[:-1]
    while len(labels) > 1 and labels[-1] in _SECOND_LEVEL:
        labels.pop()
    return labels[-1].replace("-", "") if labels else domain
