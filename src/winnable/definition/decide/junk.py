"""Junk detection: records that are not leads at all, found before anyone spends time on them.

Made-up names, disposable e-mail addresses and impossible telephone numbers, from built-in lists
that a definition may add to; and leads that nobody can reach. Only columns that exist are looked
at. The reasons never repeat the person's data.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from winnable.core.columns import BoolArray, CategoricalColumn, FeatureTable
from winnable.core.text import entries
from winnable.definition.conditions import all_hold
from winnable.definition.schema import Definition, Junk

MADE_UP_NAMES = frozenset(
    entries("""
    mickey mouse, minnie mouse, donald duck, daisy duck, daffy duck, bugs bunny, santa claus,
    father christmas, homer simpson, bart simpson, harry potter, darth vader, luke skywalker,
    clark kent, bruce wayne, peter pan, john doe, jane doe, max mustermann, erika mustermann, joe
    bloggs, no name, not telling, your name, me myself
    """)
)
"""Names, in lower case, that people give instead of their own."""

NONSENSE_WORDS = frozenset(
    entries("""
    test, tester, testing, testuser, demo, dummy, fake, sample, example, asdf, asd, asdfg, asdfgh,
    asdfasdf, sdf, sdfsdf, dsf, fdsa, qwe, qwer, qwert, qwerty, qwertz, zxcv, abc, abcd, xyz, foo,
    foobar, bar, baz, blah, bla, lorem, ipsum, unknown, anonymous, nobody, noname, nope, user,
    lead
    """)
)
"""Words, in lower case, that are not names; a name made of nothing else is made up."""

DISPOSABLE_EMAIL_DOMAINS = frozenset(
    entries("""
    mailinator.com, guerrillamail.com, guerrillamail.org, sharklasers.com, grr.la,
    10minutemail.com, 10minutemail.net, tempmail.com, temp-mail.org, temp-mail.io, tempmail.net,
    tempmailo.com, tempr.email, yopmail.com, yopmail.fr, trashmail.com, trashmail.de,
    trash-mail.com, wegwerfmail.de, throwawaymail.com, throwaway.email, maildrop.cc,
    mailnesia.com, mailcatch.com, mintemail.com, getnada.com, nada.email, dispostable.com,
    discard.email, moakt.com, fakeinbox.com, fakemail.net, fakemailgenerator.com, mohmal.com,
    emailondeck.com, burnermail.io, spamgourmet.com, spam4.me, mytemp.email, inboxkitten.com,
    mail-temp.com
    """)
)
"""Domains of disposable e-mail addresses, which exist for ten minutes."""

_EMAIL_COLUMNS = frozenset(
    entries("""
    email, emailaddress, emailaddress1, mail, leademail, contactemail, workemail, businessemail,
    emailfrom
    """)
)
_PHONE_COLUMNS = frozenset(
    entries("""
    phone, phonenumber, telephone, telephonenumber, telephone1, tel, mobile, mobilephone,
    mobilenumber, businessphone, contactphone, workphone, cellphone
    """)
)
_NAME_COLUMNS = frozenset(
    entries("""
    name, fullname, leadname, contactname, personname, firstname, lastname, surname
    """)
)


@dataclass(frozen=True)
class ContactColumns:
    """The columns of an export that hold names, e-mail addresses and telephone numbers of
    people."""

    name: tuple[str, ...]
    email: tuple[str, ...]
    phone: tuple[str, ...]

    @property
    def every(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.name, *self.email, *self.phone)))


def contact_columns(junk: Junk, columns: Iterable[str]) -> ContactColumns:
    """Which of these columns hold contact data: those that the definition names, else those
    recognised by their names."""
    return _contact_columns(junk.name, junk.email, junk.phone, tuple(columns))


@lru_cache(maxsize=64)
def _contact_columns(
    name: tuple[str, ...], email: tuple[str, ...], phone: tuple[str, ...], columns: tuple[str, ...]
) -> ContactColumns:
    def named_or_known(named: tuple[str, ...], known: frozenset[str]) -> tuple[str, ...]:
        if named:
            return tuple(column for column in columns if column in named)
        return tuple(
            column for column in columns if re.sub(r"[^a-z0-9]", "", column.lower()) in known
        )

    return ContactColumns(
        named_or_known(name, _NAME_COLUMNS),
        named_or_known(email, _EMAIL_COLUMNS),
        named_or_known(phone, _PHONE_COLUMNS),
    )


def find_junk(definition: Definition, features: FeatureTable) -> CategoricalColumn:
    """Why each lead is junk, in a few words, as a column of features.size rows; missing (-1) for
    leads that are not junk."""
    junk = definition.junk
    if junk.off:
        return CategoricalColumn(np.full(features.size, -1, dtype=np.int64), ())
    contact = contact_columns(junk, features.columns)
    none = np.zeros(features.size, dtype=np.bool_)
    names = emails = phones = none
    if contact.name:
        names = made_up_names(junk, features, contact.name)
    if contact.email:
        domains = _disposable_domains(junk.email_domains)
        emails = _any(features, contact.email, lambda word: _is_disposable(word, domains))
    if contact.phone:
        numbers = {_digits(phone) for phone in junk.phones}
        phones = _any(features, contact.phone, lambda word: _is_impossible(word, numbers))
    found = [
        ("the name is made up", names),
        ("the e-mail address is disposable", emails),
        ("the telephone number cannot exist", phones),
    ]
    found += [
        (str(case), all_hold(case.when, features, definition.activities)) for case in junk.rule
    ]
    codes = np.full(features.size, -1, dtype=np.int64)
    for code, (_, held) in enumerate(found):
        if np.count_nonzero(held):
            codes[held & (codes < 0)] = code
    return CategoricalColumn(codes, tuple(why for why, _ in found))


def made_up_names(junk: Junk, features: FeatureTable, columns: tuple[str, ...]) -> BoolArray:
    """Which leads have a made-up name in these columns together; shape (size,), bool."""
    return _has_made_up_name(features, columns, *_made_up_names(junk.names))


def unreachable(definition: Definition, features: FeatureTable) -> BoolArray:
    """Which leads have neither an e-mail address nor a telephone number although the data have such
    columns; shape (size,), bool."""
    contact = contact_columns(definition.junk, features.columns)
    columns = (*contact.email, *contact.phone)
    if definition.junk.off or not columns:
        return np.zeros(features.size, dtype=np.bool_)
    return np.asarray(np.all([features.words(column).codes < 0 for column in columns], axis=0))


def _any(features: FeatureTable, columns: Iterable[str], test: Callable[[str], bool]) -> BoolArray:
    held = np.zeros(features.size, dtype=np.bool_)
    for column in columns:
        words = features.words(column)
        # Code -1 (missing) picks the last entry.
        by_code = np.asarray([*(test(word) for word in words.vocabulary), False], dtype=np.bool_)
        held |= by_code[words.codes]
    return held


@lru_cache(maxsize=64)
def _disposable_domains(more: tuple[str, ...]) -> frozenset[str]:
    return DISPOSABLE_EMAIL_DOMAINS | {domain.casefold().lstrip("@") for domain in more}


@lru_cache(maxsize=64)
def _made_up_names(more: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """All made-up names, and the words in them."""
    names = MADE_UP_NAMES | {name.casefold() for name in more}
    return names, frozenset(part for name in names for part in name.split())


def _has_made_up_name(
    features: FeatureTable, columns: tuple[str, ...], names: frozenset[str], known: frozenset[str]
) -> BoolArray:
    """Which leads have a made-up name. It may stand in one column or in several (first and last),
    so the few suspects are looked at with all columns joined."""
    written = [features.words(column) for column in columns]
    suspect = np.zeros(features.size, dtype=np.bool_)
    for words in written:
        suspect |= words.codes >= 0
    for words in written:
        odd = [
            all(part in known or _is_no_name(part) for part in name.casefold().split())
            for name in words.vocabulary
        ]
        suspect &= np.asarray([*odd, True], dtype=np.bool_)[words.codes]
    held = np.zeros(features.size, dtype=np.bool_)
    for row in np.flatnonzero(suspect):
        codes = [(words, int(words.codes[row])) for words in written]
        parts = [
            part
            for words, code in codes
            if code >= 0
            for part in words.vocabulary[code].casefold().split()
        ]
        held[row] = " ".join(parts) in names or all(_is_no_name(part) for part in parts)
    return held


def _is_no_name(part: str) -> bool:
    return part in NONSENSE_WORDS or re.fullmatch(r"(\w)\1{2,}|[\W_]+", part) is not None


def _is_disposable(address: str, domains: frozenset[str]) -> bool:
    local, at, domain = address.casefold().strip().rpartition("@")
    if not at:
        # Not an address at all, such as a pseudonym in an export made for analysis.
        return False
    labels = domain.split(".")
    known = any(".".join(labels[start:]) in domains for start in range(len(labels)))
    return known or len(labels) == 1 or not local


def _is_impossible(phone: str, numbers: set[str]) -> bool:
    """E.164 allows at most 15 digits; 555-0100 to 555-0199 are reserved for fiction in North
    America."""
    number = re.sub(r"(?i)\s*(ext\.?|x|#)\s*\d+$", "", phone)
    digits = _digits(number)
    if digits in numbers:
        return True
    if re.search(r"[^\d\s()+./-]", number):
        # Letters or marks that no telephone number has, such as in a pseudonym.
        return False
    national = digits.removeprefix("1")
    return (
        not 6 <= len(digits) <= 15
        or len(set(digits)) == 1
        or digits in "01234567890123456789"
        or (len(national) == 10 and national[3:8] == "55501")
    )


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)
