"""One person in several records: a key that is the same wherever the same person stands.

A normalised e-mail address where there is one, else the name together with the company. Names alone
are never enough: two people may be called alike. The key is for comparing; it is personal data like
what it was made of.
"""

import re
import unicodedata

from winnable.core.values import text

_LEGAL_FORMS = re.compile(
    r"\b(inc|incorporated|llc|ltd|limited|plc|corp|corporation|co|company|gmbh|ag|kg|se|sa|sas|sarl|srl|spa|bv|nv|oy|ab|as|aps|pty)\b"
)


_COMPANY = {
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
    return re.sub(r"[^a-z0-9]", "", column.lower()) in _COMPANY


def person_key(
    person: str | None, name: str | None = None, company: str | None = None
) -> str | None:
    """The key of a person by `person` (an e-mail address, or any other key of the CRM), else by
    name and company; else None."""
    given = text(person)
    if given is not None:
        return normal_email(given) or given.casefold()
    who, where = _plain(text(name)), _plain(text(company))
    where = re.sub(r"\s+", " ", _LEGAL_FORMS.sub("", where)).strip() or where
    return f"{who} @ {where}" if who and where else None


def normal_email(value: str) -> str | None:
    """The address as it is delivered to: lower case, without a display name or a +tag, Gmail
    without dots; None if it is none."""
    found = re.search(r"<([^<>]+)>\s*$", value)
    address = (found[1] if found else value).strip().casefold().removeprefix("mailto:")
    local, at, domain = address.rpartition("@")
    if not (at and local and re.fullmatch(r"[^\s@]+\.[^\s@.]+\.?", domain)):
        return None
    local = local.split("+", 1)[0] or local
    domain = domain.rstrip(".")
    if domain in {"gmail.com", "googlemail.com"}:
        local, domain = local.replace(".", "") or local, "gmail.com"
    return f"{local}@{domain}"


def _plain(words: str | None) -> str:
    """Lower case, without accents, titles' dots and punctuation, single spaces."""
    bare = "".join(
        c for c in unicodedata.normalize("NFKD", words or "") if not unicodedata.combining(c)
    )
    return " ".join(re.sub(r"[^\w\s]", " ", bare.casefold()).split())
