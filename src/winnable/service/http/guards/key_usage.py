"""Key usage: when each key was last used, to the minute, so that keys that nobody needs can be
withdrawn.

A request only leaves its key's name here. The times are written to a file beside the keys, at most
once a minute, by each process for itself; where it cannot be written they are lost, and nobody is
kept waiting.
"""

import json
import time
from contextlib import suppress
from pathlib import Path

from winnable.core.files import locked, whole_file
from winnable.errors import StoreError
from winnable.service.http.keys import LOCK_FILE, TIME, read_keys

WRITE_INTERVAL_SECONDS = 60.0
LOCK_TIMEOUT_SECONDS = 5.0


class KeyUsage:
    """The keys that were used since the last time was written. `add` and `take` are for the event
    loop, `write` for any thread."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._used: set[str] = set()
        self._due = 0.0

    def add(self, name: str) -> None:
        """The key of this name was used."""
        self._used.add(name)

    def take(self, *, at_once: bool = False) -> set[str]:
        """The names of keys that were used and are to be written now; none while it is too
        early."""
        is_early = not at_once and time.monotonic() < self._due
        if is_early or not self._used:
            return set()
        self._due = time.monotonic() + WRITE_INTERVAL_SECONDS
        used, self._used = self._used, set()
        return used

    def write(self, used: set[str]) -> None:
        """Write that these keys were used now."""
        now = time.strftime(TIME, time.gmtime())
        with suppress(StoreError, OSError), locked(self._store / LOCK_FILE, LOCK_TIMEOUT_SECONDS):
            known = {key.name for key in read_keys(self._store)}
            last = last_uses(self._store) | dict.fromkeys(used, now)
            content = {name: last[name] for name in sorted(last.keys() & known)}
            with whole_file(_file(self._store)) as file:
                json.dump(content, file, indent=1)


def last_uses(store: Path) -> dict[str, str]:
    """When keys were last used, by their names; those that are not there never were, as far as is
    known."""
    try:
        content = json.loads(_file(store).read_bytes())
        return {str(name): str(at) for name, at in content.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _file(store: Path) -> Path:
    return store / "keys.used.json"
