"""Words for people: counts, lists of names, and the nearest name to one that is not known.

Sentences are made where their facts are known, not here.
"""

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache

LONGEST_ABBREVIATION = 3
"""Capital letters that are read out one by one, as in MQL; longer words are read as words."""


MAX_LISTED = 40
"""Names that a sentence lists before it says how many more there are: a screen of them."""
MIN_WHOLE_POINTS = 0.95
"""Percentage points from which on a difference is shown without decimals."""
MAX_CHARACTERS = 60
"""The length at which a name or value in a sentence is cut."""


def listed(names: Iterable[str]) -> str:
    """Names in quotes, with commas between them; many are cut to a screen of them."""
    known = list(names)
    shown = ", ".join(f"'{shortened(name)}'" for name in known[:MAX_LISTED])
    more = len(known) - MAX_LISTED
    return f"{shown} and {more:,} more" if more > 0 else shown


def shortened(words: str, characters: int = MAX_CHARACTERS) -> str:
    """The words, cut with dots where they are longer."""
    return words if len(words) <= characters else f"{words[: characters - 3]}..."


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is spelled most like this one, ignoring case; None if none is similar."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    similar = difflib.get_close_matches(word.casefold(), list(by_folded), n=1)
    return by_folded[similar[0]] if similar else None


_MARKS = re.compile(r"(?<![0-9])[\s_\-–—./,;:'\"()&]+|[\s_\-–—./,;:'\"()&]+(?![0-9])")
"""Blanks and punctuation, but not between digits (51-200 is not 51200), and none that makes another
word, as in C++ or C#."""


@lru_cache(maxsize=4096)
def word_key(word: str) -> str:
    """What is the same for all ways of writing a word: "Trade Show", "trade-show" and
    "TRADE SHOW " are "tradeshow"."""
    return _MARKS.sub("", word.casefold()) or word


def entries(text: str) -> list[str]:
    """The entries of a comma-separated list that may run over several lines."""
    return [" ".join(entry.split()) for entry in text.split(",")]


def counted(times: int, what: str) -> str:
    """A number of things in words: 1 lead, 2 leads, 1,000 leads."""
    return f"{times:,} {what}" if times == 1 else f"{times:,} {what}s"


def percent(share: float) -> str:
    """A probability or share as a whole percentage: "84%"; "<1%" where rounding would hide that it
    is not zero."""
    return "<1%" if 0 < share < 0.005 else f"{100 * share:.0f}%"


def effect_points(effect: float) -> float:
    """A difference of probabilities in percentage points as they are shown: without decimals, small
    ones with one."""
    points = 100 * effect
    return float(round(points)) if abs(points) >= MIN_WHOLE_POINTS else round(points, 1)


def effect_text(effect: float) -> str:
    """The same with its sign: +31, -2, +0.4."""
    return f"{effect_points(effect):+g}"


def percent_range(low: float, high: float) -> str:
    """An interval of probabilities or shares: "79–86%"; "8%" where both ends round to the same."""
    lower = percent(low)
    upper = percent(high)
    return upper if lower == upper else f"{lower.removesuffix('%')}–{upper}"


def with_article(label: str) -> str:
    """A company's own word behind its indefinite article: "a lead", "an Enquiry", "an MQL"."""
    first = label[:1].upper()
    is_abbreviation = label.isupper() and len(label) <= LONGEST_ABBREVIATION
    with_vowel_sound = "AEFHILMNORSX" if is_abbreviation else "AEIOU"
    return f"{'an' if first and first in with_vowel_sound else 'a'} {label}"
