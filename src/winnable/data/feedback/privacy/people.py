"""The people behind erased scores, to recognize where free text names them: by an e-mail address,
or by all words of a name, in any order."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from winnable.core.identity import name_words, normal_email

REDACTED = "[erased]"
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:]+@[^\s<>()\[\]\"',;:]+")
MIN_NAME_WORDS = 2
"""A single word, such as Young or Price, is not taken for a name."""


class People:
    """The people of these rows of `scores`, as columns by name."""

    def __init__(self, scores: Iterable[Mapping[str, Any]]) -> None:
        self._addresses: set[str] = set()
        self._names: dict[str, set[frozenset[str]]] = {}  # by one of their words
        for score in scores:
            self._add_addresses([score["person"], *score["values"].values()])
            self._add_name(score["name"])

    def are_named_in(self, text: str | None) -> bool:
        """Whether the text names any of them."""
        if not text:
            return False
        addresses = (normal_email(found.rstrip(".")) for found in _ADDRESS.findall(text))
        if not self._addresses.isdisjoint(filter(None, addresses)):
            return True
        words = name_words(text)
        return any(name <= words for word in words for name in self._names.get(word, ()))

    def redacted(self, text: str | None) -> str | None:
        """The text, or what stands in its place if it names any of them."""
        return REDACTED if self.are_named_in(text) else text

    def _add_addresses(self, values: Iterable[object]) -> None:
        for value in values:
            address = normal_email(value) if isinstance(value, str) else None
            if address is not None:
                self._addresses.add(address)

    def _add_name(self, shown: str | None) -> None:
        """`shown` is a name, a company, or both with a comma between; a name may have a comma
        itself."""
        parts = (shown or "").split(", ")
        name = name_words(parts[0])
        if len(name) < MIN_NAME_WORDS and len(parts) > 2:
            name = name_words(" ".join(parts[:2]))
        if len(name) >= MIN_NAME_WORDS:
            self._names.setdefault(min(name), set()).add(name)
