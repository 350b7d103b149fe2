"""The model that a service answers with: the store's champion, taken up without a restart when it changes.

A new champion is read completely and checked before it answers anything; one that cannot be read is refused, the old one goes on, and
`problem` says why. Where there is no champion at all, the rules of the definition answer.
"""

import threading
import time
from pathlib import Path

from winnable.definition.load import load_definition
from winnable.definition.model import Definition
from winnable.errors import StoreError, WinnableError
from winnable.learning.predictor import Predictor
from winnable.learning.served import champion_of

LOOK_AGAIN = 1.0  # seconds between two looks at the store


class ChampionFollower:
    """Hands out the predictor in charge. Safe to ask from several threads."""

    def __init__(self, store: Path, definition: Path | None = None) -> None:
        self.store = store
        self.definition = definition
        self.problem: str | None = None
        self._lock = threading.Lock()
        self._looked = 0.0
        self._predictor = self._first()

    def current(self) -> Predictor:
        """The predictor in charge now; a promotion is noticed within `LOOK_AGAIN` seconds."""
        if time.monotonic() - self._looked >= LOOK_AGAIN and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._predictor

    def _first(self) -> Predictor:
        self._looked = time.monotonic()
        champion = champion_of(self.store)
        if champion is not None:
            return Predictor.read(champion.folder, str(champion.version))
        return Predictor.from_rules(self._agreed())

    def _agreed(self) -> Definition:
        if self.definition is None:
            raise StoreError(f"{self.store}: there is no champion here and no definition to answer by. Train first or name a --definition.")
        return load_definition(self.definition)

    def _look(self) -> None:
        self._looked = time.monotonic()
        try:
            champion = champion_of(self.store)
            if champion is not None and str(champion.version) != self._predictor.version:
                self._predictor = Predictor.read(champion.folder, str(champion.version))
            self.problem = None
        except WinnableError as error:
            self.problem = str(error)
