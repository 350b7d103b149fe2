"""Person identity: a key under which records of the same person can be matched.

It is the normalized e-mail address where there is one, else the name together with the company.
Names alone are never enough: two people may have the same. The key is for comparing; it is personal
data like what it was made of.
"""

import re
import unicodedata

from winnable.core.values import text

_LEGAL_FORMS = re.compile(
    r"\b(inc|incorporated|llc|ltd|limited|plc|corp|corporation|co|company|gmbh|ag|kg|se|sa|sas|sarl|srl|spa|bv|nv|oy|ab|as|aps|pty)\b"
)


_COMPANY_COLUMNS = {
    "company",
    "companyname",
    "companyaccount",
    "account",
    "accountname",
    "organisation",
    "organization",
    "partnername",
}


def is_company(column: str) -> bool:
    """Whether a column of this name holds the name of the company that a person works for."""
    return re.sub(r"[^a-z0-9]", "", column.lower()) in _COMPANY_COLUMNS


def person_key(
    person: str | None, name: str | None = None, company: str | None = None
) -> str | None:
    """The key of a person by `person` (an e-mail address or any other key of the CRM), else by name
    and company; None without either."""
    own_key = text(person)
    if own_key is not None:
        return normal_email(own_key) or own_key.casefold()
    who = _plain(text(name))
    employer = _plain(text(company)) if who else ""
    if not employer:
        return None
    employer = re.sub(r"\s+", " ", _LEGAL_FORMS.sub("", employer)).strip() or employer
    return f"{who} @ {employer}"


def normal_email(value: str) -> str | None:
    """The address that mail is delivered to: lower case, without a display name or a +tag, Gmail
    without dots; None if the value is not an address."""
    found = re.search(r"<([^<>]+)>\s*$", value)
    address = (found[1] if found else value).strip().casefold().removeprefix("mailto:")
    local, at, domain = address.rpartition("@")
    if not (at and local and re.fullmatch(r"[^\s@]+\.[^\s@.]+\.?", domain)):
        return None
    local = local.split("+", 1)[0] or local
    domain = domain.rstrip(".")
    if domain in {"gmail.com", "googlemail.com"}:
        local = local.replace(".", "") or local
        domain = "gmail.com"
    return f"{local}@{domain}"


def name_words(name: str | None) -> frozenset[str]:
    """The words of a name for comparing: lower case, without accents and punctuation."""
    return frozenset(_plain(name).split())


def _plain(words: str | None) -> str:
    """Lower case, without accents and punctuation, single spaces."""
    bare = words or ""
    if not bare.isascii():
        decomposed = unicodedata.normalize("NFKD", bare)
        bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w\s]", " ", bare.casefold()).split())
