"""Recording: every score that is given for a lead with an id is kept, so that sales can answer it and learning can look back.

A request only hands over what it has in hand. A thread of its own makes rows of it and commits many at once; only there the
database is loaded. If the database is slower than the requests, or fails, scores are dropped and counted, never delayed.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from winnable.definition.values import text
from winnable.errors import StoreError
from winnable.history.feedback_records import ACTIVITIES_KEPT, LONGEST_ID, GivenScore
from winnable.history.nameplates import Nameplates
from winnable.learning.given import given_score
from winnable.service.metrics import Metrics
from winnable.service.serving import Read, Serving, Told

if TYPE_CHECKING:
    from winnable.history.feedback import FeedbackStore

MOST_WAITING = 20_000  # scores that wait to be kept; more are dropped
TOGETHER = 1000  # scores in one commit
GATHERING = 0.25  # seconds for which scores gather before they are committed
SETTLING = 2.0  # seconds after the start before the database is loaded, so that the first requests have the processor
AGAIN = 5.0  # seconds after which a database that failed is tried again
MOST_FORMS = 64  # different sets of columns of leads, beyond which what is known of them is forgotten
PATIENCE = 5.0  # seconds for the last scores when the service stops


@dataclass(frozen=True, slots=True)
class _Given:
    """A request's good leads, scored: all that a row of the store is made of."""

    serving: Serving
    read: Read
    told: Told
    ids: list[str]
    at: float


class Recorder:
    """Keeps scores in the background. `feedback` opens the store; `tell` hears when keeping fails and when it works again."""

    def __init__(self, feedback: "Callable[[], FeedbackStore]", metrics: Metrics, tell: Callable[..., None]) -> None:
        self.problem: str | None = None
        self._feedback = feedback
        self._metrics = metrics
        self._tell = tell
        self._queue: queue.SimpleQueue[_Given | None] = queue.SimpleQueue()
        self._waiting = 0  # only ever a little off, since two threads count
        self._try_at = 0.0
        self._named: tuple[Serving | None, dict[tuple[str, ...], Nameplates]] = (None, {})
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to keep what is given."""
        self._thread.start()

    def give(self, serving: Serving, read: Read, told: Told, ids: list[str]) -> None:
        """Take over the scores of one request. Never waits and never fails."""
        if self._waiting + len(ids) > MOST_WAITING:
            self._metrics.not_kept(len(ids))
            return
        self._waiting += len(ids)
        self._queue.put(_Given(serving, read, told, ids, time.time()))

    def close(self) -> None:
        """Keep what was given so far, as far as that takes no more than `PATIENCE`."""
        self._queue.put(None)
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE)

    def _work(self) -> None:
        self._stopping.wait(SETTLING)
        going = True
        while going:
            first = self._queue.get()
            given, going = self._gathered(first)
            many = sum(len(each.ids) for each in given)
            self._waiting = max(self._waiting - many, 0)
            if given:
                self._keep(given, many)

    def _gathered(self, first: _Given | None) -> tuple[list[_Given], bool]:
        """What came within a moment of the first; and whether more will come."""
        given: list[_Given] = []
        until, each, many = time.monotonic() + GATHERING, first, 0
        while each is not None:
            given.append(each)
            many += len(each.ids)
            if many >= TOGETHER:
                return given, True
            try:
                each = self._queue.get(timeout=max(until - time.monotonic(), 0.0))
            except queue.Empty:
                return given, True
        return given, False

    def _keep(self, given: list[_Given], many: int) -> None:
        if time.monotonic() < self._try_at:
            self._metrics.not_kept(many)
            return
        try:
            scores = [score for each in given for score in self._scores(each)]
            self._feedback().remember(scores)
            self._metrics.kept(len(scores))
            if self.problem is not None:
                self.problem = None
                self._tell("scores kept again")
        except Exception as error:  # whatever fails here, scoring goes on
            self._metrics.not_kept(many)
            self._try_at = time.monotonic() + AGAIN
            if self.problem is None:
                self.problem = "scores that are given are not kept, because the database of labels fails"
                says = str(error) if isinstance(error, StoreError) else type(error).__name__
                self._tell("scores not kept", level="error", problem=says)

    def _scores(self, given: _Given) -> Iterator[GivenScore]:
        predictor, scores = given.serving.predictor, given.told.scores
        roles, at = predictor.definition.columns, datetime.fromtimestamp(given.at, UTC)
        if roles.id is None:
            return
        for row, (lead, score_id) in enumerate(zip(given.read.good, given.ids, strict=True), given.told.start):
            values = lead.values
            if text(values.get(roles.id)) is None or len(lead.lead_id) > LONGEST_ID:
                continue  # the answer calls it by its place in the request, which is nobody's name
            yield given_score(
                *(predictor, scores, row),
                score_id=score_id,
                lead_id=lead.lead_id,
                as_of=given.read.as_of,
                given_at=at,
                plate=self._plates(given.serving, tuple(values)).of(values),
                values=values,
                activities=tuple(
                    {"kind": each.kind, "at": each.at}
                    for each in sorted(lead.activities, key=lambda each: each.at)[-ACTIVITIES_KEPT:]
                    if each.at < given.read.as_of
                ),
            )

    def _plates(self, serving: Serving, columns: tuple[str, ...]) -> Nameplates:
        """The columns that name leads, among those of a lead; most leads have the same."""
        if serving is not self._named[0] or len(self._named[1]) > MOST_FORMS:
            self._named = (serving, {})
        known = self._named[1]
        if columns not in known:
            known[columns] = Nameplates.among(serving.predictor.definition, columns)
        return known[columns]
