"""Junk: records that are no lead at all, found before anyone spends time on them.

Made-up names, throw-away addresses and telephone numbers that cannot be, from lists that every
definition starts with and may add to; and leads that nobody can reach. Only columns that are there
are looked at. What is told never repeats the person's data.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from winnable.core.columns import BoolArray, CategoricalColumn, FeatureTable, IntArray
from winnable.definition.conditions import all_hold
from winnable.definition.schema import Definition, Junk

FAKE_NAMES = frozenset(
    {
        *(
            "mickey mouse",
            "minnie mouse",
            "donald duck",
            "daisy duck",
            "daffy duck",
            "bugs bunny",
            "santa claus",
        ),
        *(
            "father christmas",
            "homer simpson",
            "bart simpson",
            "harry potter",
            "darth vader",
            "luke skywalker",
        ),
        *(
            "clark kent",
            "bruce wayne",
            "peter pan",
            "john doe",
            "jane doe",
            "max mustermann",
            "erika mustermann",
        ),
        *("joe bloggs", "no name", "not telling", "your name", "me myself"),
    }
)
"""Names, in lower case, that people give who do not want to give theirs."""

NONSENSE = frozenset(
    {
        *(
            "test",
            "tester",
            "testing",
            "testuser",
            "demo",
            "dummy",
            "fake",
            "sample",
            "example",
            "asdf",
            "asd",
            "asdfg",
        ),
        *(
            "asdfgh",
            "asdfasdf",
            "sdf",
            "sdfsdf",
            "dsf",
            "fdsa",
            "qwe",
            "qwer",
            "qwert",
            "qwerty",
            "qwertz",
            "zxcv",
            "abc",
        ),
        *(
            "abcd",
            "xyz",
            "foo",
            "foobar",
            "bar",
            "baz",
            "blah",
            "bla",
            "lorem",
            "ipsum",
            "unknown",
            "anonymous",
            "nobody",
        ),
        *("noname", "nope", "user", "lead"),
    }
)
"""Words, in lower case, that are no name; a name that has no other word in it is made up."""

THROW_AWAY_DOMAINS = frozenset(
    {
        *(
            "mailinator.com",
            "guerrillamail.com",
            "guerrillamail.org",
            "sharklasers.com",
            "grr.la",
            "10minutemail.com",
        ),
        *(
            "10minutemail.net",
            "tempmail.com",
            "temp-mail.org",
            "temp-mail.io",
            "tempmail.net",
            "tempmailo.com",
        ),
        *(
            "tempr.email",
            "yopmail.com",
            "yopmail.fr",
            "trashmail.com",
            "trashmail.de",
            "trash-mail.com",
            "wegwerfmail.de",
        ),
        *(
            "throwawaymail.com",
            "throwaway.email",
            "maildrop.cc",
            "mailnesia.com",
            "mailcatch.com",
            "mintemail.com",
        ),
        *(
            "getnada.com",
            "nada.email",
            "dispostable.com",
            "discard.email",
            "moakt.com",
            "fakeinbox.com",
            "fakemail.net",
        ),
        *(
            "fakemailgenerator.com",
            "mohmal.com",
            "emailondeck.com",
            "burnermail.io",
            "spamgourmet.com",
            "spam4.me",
        ),
        *("mytemp.email", "inboxkitten.com", "mail-temp.com"),
    }
)
"""Domains of addresses that exist for ten minutes."""

_EMAIL = {
    *(
        "email",
        "emailaddress",
        "emailaddress1",
        "mail",
        "leademail",
        "contactemail",
        "workemail",
        "businessemail",
        "emailfrom",
    ),
}
_PHONE = {
    *(
        "phone",
        "phonenumber",
        "telephone",
        "telephonenumber",
        "telephone1",
        "tel",
        "mobile",
        "mobilephone",
        "mobilenumber",
    ),
    *("businessphone", "contactphone", "workphone", "cellphone"),
}
_NAME = {
    "name",
    "fullname",
    "leadname",
    "contactname",
    "personname",
    "firstname",
    "lastname",
    "surname",
}


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
    name: tuple[str, ...], email: tuple[str, ...], phone: tuple[str, ...], there: tuple[str, ...]
) -> ContactColumns:
    def named_or_known(named: tuple[str, ...], known: set[str]) -> tuple[str, ...]:
        return tuple(
            c
            for c in there
            if (c in named if named else re.sub(r"[^a-z0-9]", "", c.lower()) in known)
        )

    return ContactColumns(
        named_or_known(name, _NAME), named_or_known(email, _EMAIL), named_or_known(phone, _PHONE)
    )


def find_junk(definition: Definition, features: FeatureTable) -> CategoricalColumn:
    """Why each lead is junk, in a few words, as a column of features.size rows; nothing (-1) for
    those that are not."""
    junk = definition.junk
    if junk.off:
        return CategoricalColumn(np.full(features.size, -1, dtype=np.int64), ())
    contact = contact_columns(junk, features.columns)
    nobody = np.zeros(features.size, dtype=np.bool_)
    names = emails = phones = nobody
    if contact.name:
        names = _made_up(features, contact.name, *_fake(junk.names))
    if contact.email:
        domains = _throw_away(junk.email_domains)
        emails = _any(features, contact.email, lambda word: _thrown_away(word, domains))
    if contact.phone:
        numbers = {_digits(phone) for phone in junk.phones}
        phones = _any(features, contact.phone, lambda word: _impossible(word, numbers))
    found = [
        ("the name is made up", names),
        ("the e-mail address is a throw-away one", emails),
        ("the telephone number cannot exist", phones),
    ]
    found += [
        (str(case), all_hold(case.when, features, definition.activities)) for case in junk.rule
    ]
    codes = np.full(features.size, -1, dtype=np.int64)
    for code, (_, held) in enumerate(found):
        if np.count_nonzero(held):
            codes[held & (codes < 0)] = code
    return CategoricalColumn(codes, tuple(says for says, _ in found))


def unreachable(definition: Definition, features: FeatureTable) -> BoolArray:
    """For which leads there are columns for e-mail address or telephone number, with nothing in any
    of them; shape (size,)."""
    contact = contact_columns(definition.junk, features.columns)
    ways = (*contact.email, *contact.phone)
    if definition.junk.off or not ways:
        return np.zeros(features.size, dtype=np.bool_)
    return np.asarray(np.all([_codes(features, column) < 0 for column in ways], axis=0))


def _codes(features: FeatureTable, column: str) -> IntArray:
    return features.words(column).codes


def _any(features: FeatureTable, columns: Iterable[str], test: Callable[[str], bool]) -> BoolArray:
    held = np.zeros(features.size, dtype=np.bool_)
    for column in columns:
        words = features.words(column)
        held |= np.asarray([*(test(word) for word in words.vocabulary), False], dtype=np.bool_)[
            words.codes
        ]
    return held


@lru_cache(maxsize=64)
def _throw_away(more: tuple[str, ...]) -> frozenset[str]:
    return THROW_AWAY_DOMAINS | {domain.casefold().lstrip("@") for domain in more}


@lru_cache(maxsize=64)
def _fake(more: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Names that nobody has, and the words in them."""
    names = FAKE_NAMES | {name.casefold() for name in more}
    return names, frozenset(part for name in names for part in name.split())


def _made_up(
    features: FeatureTable, columns: tuple[str, ...], names: frozenset[str], known: frozenset[str]
) -> BoolArray:
    """A name may lie in one column or in several (first and last), so the few suspects are looked
    at with all columns joined."""
    told = [features.words(column) for column in columns]
    suspect = np.zeros(features.size, dtype=np.bool_)
    for words in told:
        suspect |= words.codes >= 0
    for words in told:
        odd = [
            all(part in known or _no_word(part) for part in word.casefold().split())
            for word in words.vocabulary
        ]
        suspect &= np.asarray([*odd, True], dtype=np.bool_)[words.codes]
    held = np.zeros(features.size, dtype=np.bool_)
    for row in np.flatnonzero(suspect):
        codes = [(words, int(words.codes[row])) for words in told]
        parts = [
            part
            for words, code in codes
            if code >= 0
            for part in words.vocabulary[code].casefold().split()
        ]
        held[row] = " ".join(parts) in names or all(_no_word(part) for part in parts)
    return held


def _no_word(part: str) -> bool:
    return part in NONSENSE or re.fullmatch(r"(\w)\1{2,}|[\W_]+", part) is not None


def _thrown_away(address: str, domains: frozenset[str]) -> bool:
    local, at, domain = address.casefold().strip().rpartition("@")
    if not at:
        # Not an address at all, such as a pseudonym in an export made for analysis: nothing can be
        # said.
        return False
    labels = domain.split(".")
    known = any(".".join(labels[start:]) in domains for start in range(len(labels)))
    return known or len(labels) == 1 or not local


def _impossible(phone: str, numbers: set[str]) -> bool:
    """E.164 allows at most 15 digits; 555-0100 to 555-0199 are reserved for fiction in North
    America."""
    number = re.sub(r"(?i)\s*(ext\.?|x|#)\s*\d+$", "", phone)
    digits = _digits(number)
    if digits in numbers:
        return True
    if re.search(r"[^\d\s()+./-]", number):
        # Letters or marks that no telephone number has: a pseudonym, of which nothing can be said.
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
