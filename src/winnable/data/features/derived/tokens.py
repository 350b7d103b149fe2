"""The tokens of a text: its words in lower case without accents, in whatever language.

Words that say nothing, such as articles, need no list: they get no weight in the model.
"""

from __future__ import annotations

from winnable.core.identity import name_words

MIN_LETTERS = 2


def tokens_of(text: str) -> frozenset[str]:
    """The different tokens of a text; numbers and single letters are none."""
    return frozenset(
        word for word in name_words(text) if len(word) >= MIN_LETTERS and not word.isdigit()
    )
