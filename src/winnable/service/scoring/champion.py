"""The model that a service answers with: the store's champion, taken up without a restart when it
changes.

A new champion is read completely and checked before it answers anything; one that cannot be read is
refused, the old one goes on, and `problem` says why. Where there is no champion at all, the rules
of the definition answer. Where the tracking server is elsewhere, `remote_champion` keeps the
store's copy up to date, in a thread of its own, so that neither start nor stop nor a promotion on
this machine waits for it; what is served always lies on this disk.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from winnable.core.files import file_state
from winnable.definition.load import load_definition
from winnable.errors import ArtifactError, StoreError, WinnableError
from winnable.learning.artifacts.deployed import champion_of
from winnable.learning.scoring.predictor import Predictor

if TYPE_CHECKING:
    from winnable.service.scoring.remote_champion import RemoteChampion

STORE_POLL_SECONDS = 1.0
TRACKING_SERVER_POLL_SECONDS = 5.0

STOP_SECONDS = 5.0
"""How long a thread may still be at work when the service stops; it dies with the process."""

LogEvent = Callable[..., None]


class ChampionFollower:
    """Hands out the predictor in charge. `follow` looks after it in threads of their own; without
    them, what was there at first stays. Only a store without a copy of a champion waits for the
    tracking server, since there is no model to start with.

    `StoreError` if there is neither a champion nor a definition to answer by, `ArtifactError` if
    the champion is broken and there is no definition either.
    """

    def __init__(
        self, store: Path, definition: Path | None = None, remote: "RemoteChampion | None" = None
    ) -> None:
        self.store = store
        self.definition = definition
        self.changed_at = time.time()
        self._remote = remote
        self._seen: tuple[int, ...] | None = None
        self._broken: str | None = None
        self._unreachable: str | None = None
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        if not self._signature():
            self._ask_remote()
        self._predictor = self._first()

    def current(self) -> Predictor:
        """The predictor in charge now."""
        return self._predictor

    @property
    def problem(self) -> str | None:
        """Why the model in charge is not the one that should be, in words that name no place on
        this machine; None if all is well."""
        return self._broken

    @property
    def unreachable(self) -> str | None:
        """Why nobody can tell whether there is a newer champion; None if all is well. The last
        known one is served."""
        return self._unreachable

    def is_copy_gone(self) -> bool:
        """Whether the store no longer has the copy of a champion that it had."""
        return self._had_copy and not self._signature()

    def follow(self, log_event: LogEvent = lambda *_, **__: None) -> None:
        """Begin to look after the champion; `log_event` is called for every change, with its
        name and fields."""
        if self._threads:
            return
        self._start(self._follow, log_event, "champion")
        if self._remote is not None:
            self._start(self._follow_remote, log_event, "tracking server")

    def _start(self, follow: Callable[[LogEvent], None], log_event: LogEvent, name: str) -> None:
        thread = threading.Thread(target=follow, args=(log_event,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Stop looking; whatever the tracking server was asked is given up."""
        self._stop.set()
        if self._remote is not None:
            self._remote.close()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _follow(self, log_event: LogEvent) -> None:
        try:
            self._predictor.warm()
        except Exception as error:  # nothing may keep a better one from being taken up
            self._broken = _description(error)
        while not self._stop.wait(STORE_POLL_SECONDS):
            before = (self._predictor, self._broken)
            self.look()
            if self._predictor is not before[0]:
                found = self._predictor
                log_event(
                    "champion",
                    version=found.version,
                    fingerprint=found.fingerprint,
                    mode=found.mode,
                )
            if self._broken is not None and self._broken != before[1]:
                log_event("champion refused", level="error", problem=self._broken)

    def _follow_remote(self, log_event: LogEvent) -> None:
        while not self._stop.is_set():
            before = self._unreachable
            self._ask_remote()
            if self._unreachable is not None and self._unreachable != before:
                log_event("registry unreachable", level="error", problem=self._unreachable)
            self._stop.wait(TRACKING_SERVER_POLL_SECONDS)

    def _first(self) -> Predictor:
        self._seen = self._signature()
        self._had_copy = bool(self._seen)
        try:
            found = self._read()
        except WinnableError as error:
            if self.definition is None:
                raise
            self._broken = _description(error)
            return Predictor.from_rules(load_definition(self.definition))
        return found or Predictor.of_store(self.store, self.definition)

    def look(self) -> None:
        """Take up the champion if it is another one. One that was refused is tried again, since its
        files may still be on their way."""
        seen = self._signature()
        if seen == self._seen and self._broken is None:
            return
        try:
            found = self._read()
            current = self._predictor
            if found is not None and (found.version, found.fingerprint) != (
                current.version,
                current.fingerprint,
            ):
                found.warm()
                self._predictor = found
                self.changed_at = time.time()
            self._seen = seen
            self._had_copy = self._had_copy or bool(seen)
            self._broken = None
        except Exception as error:  # whatever is wrong with a new model, the old one goes on
            self._broken = _description(error)

    def _read(self) -> Predictor | None:
        champion = champion_of(self.store)
        if champion is None:
            return None
        try:
            return Predictor.read(champion.folder, str(champion.version))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            # Whole by its digests, but not what this version of winnable writes.
            raise ArtifactError(
                f"{champion.folder}: cannot be read as a model ({type(error).__name__}). Train"
                " again."
            ) from None

    def _signature(self) -> tuple[int, ...]:
        return file_state(self.store / "served" / "champion.json")

    def _ask_remote(self) -> None:
        if self._remote is None:
            return
        try:
            self._remote.fetch(self.store)
            self._unreachable = None
        except Exception as error:  # the copy on this disk is served whatever happens elsewhere
            self._unreachable = _description(error)


def _description(error: Exception) -> str:
    """What went wrong, for people who may not know where this machine keeps things."""
    if isinstance(error, ArtifactError):
        return (
            "the champion's artifact is incomplete, altered or of another version; the model before"
            " it goes on."
        )
    if isinstance(error, StoreError):
        return "the store or the registry cannot be read; the model before it goes on."
    return f"the champion cannot be used ({type(error).__name__}); the model before it goes on."
