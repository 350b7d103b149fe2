"""Words for people: counts, lists of names, and the nearest name to one that is not known.

Sentences are made where their facts are known, not here.
"""

import difflib
from collections.abc import Iterable


def listed(names: Iterable[str]) -> str:
    """Names in quotes, with commas between them."""
    return ", ".join(f"'{name}'" for name in names)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is spelt most like this one, upper and lower case being the same; None if
    none is near."""
    by_fold = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(word.casefold(), list(by_fold), n=1)
    return by_fold[found[0]] if found else None


def counted(times: int, what: str) -> str:
    """A number of things in words: 1 lead, 2 leads, 1,000 leads."""
    return f"{times:,} {what}" if times == 1 else f"{times:,} {what}s"
