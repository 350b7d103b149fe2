"""The score log's worker: the process beside a server that writes the scores it gave into the
store's feedback.

`python -m winnable.service.scoring.score_log_worker STORE`, started by `score_log`. Here and not in
the server are the database and the time that a row costs. It reads names of `score_journal`'s files
from its standard input, one a line as JSON, commits what is in a file and answers with one line of
JSON on its standard output. It ends when its input does: signals are for the server, which has more
to send when it is asked to stop.
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic_core import from_json, to_json

from winnable.core.values import text
from winnable.data.features.activities.touches import SourceOfRequest
from winnable.data.features.plan import FeaturePlan
from winnable.data.feedback.lead_names import LeadDisplayColumns
from winnable.data.feedback.store.records import (
    ACTIVITIES_KEPT,
    LONGEST_ID,
    SCORE_LOG,
    ScoreRecord,
)
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.errors import StoreError
from winnable.learning.scoring.score_record import ScoreOrigin, kept_fields, to_score_record
from winnable.service.http.request import LeadReader, read_body, read_moment
from winnable.service.scoring.score_journal import (
    ANSWERED,
    MODEL,
    PARTS,
    REQUEST,
    ScoreJournal,
    entries,
)
from winnable.service.scoring.score_parts import PartsMaker, ScoredLead

if TYPE_CHECKING:
    from winnable.data.feedback.store.store import FeedbackStore

MAX_COMMIT_BYTES = 2_000_000
"""Of a file's entries that are committed together."""

RETRY_PARTS = 8
"""Into which a batch is split that the database does not take as a whole."""

MAX_COLUMN_SETS = 64
"""Different sets of columns of leads, beyond which what is known of them is forgotten."""


class ScoredModel:
    """What has to be known of a model to make rows of its answers: how it reads leads, and which
    columns name them."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        self.definition = definition_from(model["definition"], "the model's definition")
        self._id = self.definition.columns.id
        plan = FeaturePlan.from_json(model["plan"])
        description = model.get("parts")  # which files of earlier versions do not have
        self.parts = None
        self.parts_problem: str | None = None
        try:
            if description is not None:
                self.parts = PartsMaker(self.definition, plan, description)
        except Exception as error:  # such as a file of a later version; it costs no row
            self.parts_problem = type(error).__name__
        self._fields = kept_fields(plan, self.definition)
        self._reader = LeadReader(plan, self._id, source=SourceOfRequest.of(self.definition))
        self._plates: dict[tuple[str, ...], LeadDisplayColumns] = {}

    def scores(
        self, at: float, body: bytes, content: bytes, log_odds: bytes = b""
    ) -> Iterator[tuple[ScoreRecord, ScoredLead | None]]:
        """The rows of a request that was answered, each with the lead whose parts are to be kept,
        if they are known; leads without an id of their own have no rows."""
        answer = from_json(content)
        given_at = datetime.fromtimestamp(at, UTC)
        as_of = read_moment(answer["as_of"])
        assert as_of is not None, "every answer says its moment"
        model = answer["model"]
        origin = ScoreOrigin(model["mode"], model["version"], as_of, given_at)
        leads = read_body(body).leads
        added = iter(self.parts.log_odds(log_odds) if self.parts and log_odds else ())
        for index, (given, score) in enumerate(zip(leads, answer["scores"], strict=True)):
            if score is None:
                continue
            parts = next(added, None)
            if score["decision"] == "closed":
                continue  # a closed lead takes nobody's place with sales
            if text(given.get(self._id)) is None or len(score["lead_id"]) > LONGEST_ID:
                continue
            lead = self._reader.lead(given, index, as_of)
            past = sorted(
                (activity for activity in lead.activities if activity.at < as_of),
                key=lambda activity: activity.at,
            )
            record = to_score_record(
                score,
                origin,
                plate=self._plates_of(tuple(given)).of(lead.values),
                fields=self._fields,
                values=lead.values,
                activities=tuple(
                    {"kind": activity.kind, "at": activity.at}
                    for activity in past[-ACTIVITIES_KEPT:]
                ),
            )
            yield record, None if parts is None else ScoredLead(lead, as_of, parts)

    def with_parts(
        self, scores: Sequence[tuple[ScoreRecord, ScoredLead | None]]
    ) -> list[ScoreRecord]:
        """The rows with their parts."""
        leads = [lead for _, lead in scores if lead is not None]
        if self.parts is None or not leads:
            return [record for record, _ in scores]
        parts = iter(self.parts.parts(leads))
        return [
            record if lead is None else replace(record, parts=next(parts))
            for record, lead in scores
        ]

    def _plates_of(self, columns: tuple[str, ...]) -> LeadDisplayColumns:
        """The columns that name leads, among those of a lead; most leads have the same."""
        if columns not in self._plates:
            if len(self._plates) >= MAX_COLUMN_SETS:
                self._plates.clear()
            self._plates[columns] = LeadDisplayColumns.among(self.definition, columns)
        return self._plates[columns]


class ScoreLogWriter:
    """Keeps batches in a store. The database is opened with the first one, and anew after it
    refused one."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._feedback: FeedbackStore | None = None

    def keep(
        self, scores: list[ScoreRecord], definition: Definition | None = None
    ) -> tuple[int, str | None]:
        """How many were kept, and why none was. Those that are kept already stay as they are. The
        definition says which answered leads come back.

        A row that the database does not take costs the others nothing: what fails together is tried
        in parts. If all of them fail, the database is not there.
        """
        problem = self._remember(scores, definition)
        if problem is None:
            return len(scores), None
        kept = self._keep_in_parts(scores, definition)
        return kept, None if kept else problem

    def _keep_in_parts(self, scores: list[ScoreRecord], definition: Definition | None) -> int:
        """How many are kept of those that are refused together; none if each part is refused,
        too."""
        parts = [scores[start::RETRY_PARTS] for start in range(min(RETRY_PARTS, len(scores)))]
        failed = [
            part
            for part in parts
            if len(parts) > 1 and self._remember(part, definition) is not None
        ]
        if len(parts) == 1 or len(failed) == len(parts):
            return 0
        return len(scores) - sum(
            len(part) - self._keep_in_parts(part, definition) for part in failed
        )

    def _remember(self, scores: list[ScoreRecord], definition: Definition | None) -> str | None:
        """Keep all of them, or none and say why."""
        from winnable.data.feedback.store.store import FeedbackStore

        try:
            if self._feedback is None:
                self._feedback = FeedbackStore.open(self._store)
            self._feedback.remember(scores, definition)
            return None
        except Exception as error:  # whatever fails, the server hears of it and tries again
            if self._feedback is not None:
                self._feedback.close()
                self._feedback = None
            return str(error) if isinstance(error, StoreError) else type(error).__name__


class JournalReader:
    """Keeps whole files of the score journal in a store."""

    def __init__(self, store: Path) -> None:
        self._writer = ScoreLogWriter(store)
        self._model_payload = b""  # of the last model that was read; most files name the same
        self._model: ScoredModel | None = None
        self._has_time = True  # to make parts
        self._without_parts = 0
        self._parts_problem: str | None = None

    def keep(self, path: Path, parts: bool = True) -> dict[str, Any]:
        """How many scores of a file were "kept" and "broken", how many were kept "without_parts"
        although they have some, the "parts_problem" that kept the first of these from being made,
        and the "problem" if the file has to be read again: no score is kept twice. `parts` are left
        out where there is no time for them."""
        kept = 0
        broken = 0
        self._has_time = parts
        self._without_parts = 0
        self._parts_problem = None
        for scores, unread in self._batches(path):
            definition = None if self._model is None else self._model.definition
            n_kept, problem = self._writer.keep(scores, definition)
            if problem is not None:
                return _result(problem=problem)
            kept += n_kept
            broken += unread + len(scores) - n_kept
        return _result(kept, broken, self._without_parts, self._parts_problem)

    def _batches(self, path: Path) -> Iterator[tuple[list[ScoreRecord], int]]:
        """The file's scores, as many as are committed at once, and how many could not be read."""
        scores: list[ScoreRecord] = []
        waiting: list[tuple[ScoreRecord, ScoredLead | None]] = []  # for their parts
        log_odds = b""
        broken = 0
        size = 0
        for kind, payload in entries(path):
            if kind == MODEL:
                scores += self._with_parts(waiting)
                waiting = []
                self._take_model(payload)
            elif kind == PARTS:
                log_odds = payload
            elif kind == REQUEST:
                at, leads, length = ANSWERED.unpack_from(payload)
                end = ANSWERED.size + length
                try:
                    assert self._model is not None, "a model comes before its answers"
                    body = payload[ANSWERED.size : end]
                    waiting += list(self._model.scores(at, body, payload[end:], log_odds))
                    if log_odds and self._model.parts_problem is not None:
                        self._without_parts += leads
                        self._parts_problem = self._parts_problem or self._model.parts_problem
                except Exception:  # no request may cost the others their rows
                    broken += leads
                log_odds = b""
            size += len(payload)
            if size >= MAX_COMMIT_BYTES:
                yield scores + self._with_parts(waiting), broken
                scores = []
                waiting = []
                broken = 0
                size = 0
        yield scores + self._with_parts(waiting), broken

    def _with_parts(
        self, waiting: list[tuple[ScoreRecord, ScoredLead | None]]
    ) -> list[ScoreRecord]:
        scores = [record for record, _ in waiting]
        if self._model is not None and self._has_time:
            try:
                scores = self._model.with_parts(waiting)
            except Exception as error:  # whatever is wrong with parts costs no row
                self._parts_problem = self._parts_problem or type(error).__name__
        self._without_parts += sum(
            lead is not None and score.parts is None
            for score, (_, lead) in zip(scores, waiting, strict=True)
        )
        return scores

    def _take_model(self, payload: bytes) -> None:
        if payload != self._model_payload:
            self._model = ScoredModel(from_json(payload))
            self._model_payload = payload


def _result(
    kept: int = 0,
    broken: int = 0,
    without_parts: int = 0,
    parts_problem: str | None = None,
    problem: str | None = None,
) -> dict[str, Any]:
    return {
        "kept": kept,
        "broken": broken,
        "without_parts": without_parts,
        "parts_problem": parts_problem,
        "problem": problem,
    }


def keep_left_behind(store: Path) -> None:
    """Keep what services left in the store that have ended. `StoreError` if that fails."""
    if not (store / SCORE_LOG).is_dir():
        return
    journal = ScoreJournal(store)
    reader = JournalReader(store)
    try:
        for part in journal.left_behind():
            problem = reader.keep(part.path)["problem"]
            if problem is not None:
                raise StoreError(f"{store}: scores that wait cannot be kept ({problem}).")
            journal.remove(part)
    finally:
        journal.close()


def run(store: Path, requests: BinaryIO, answers: BinaryIO) -> None:
    """Keep the files that are named until no more are; a null names none, and is answered all the
    same."""
    reader = JournalReader(store)
    for line in requests:
        asked = from_json(line)
        path = asked["path"]
        result = {} if path is None else reader.keep(Path(path), asked["parts"])
        answers.write(to_json(result) + b"\n")
        answers.flush()


if __name__ == "__main__":
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(os, "nice"):  # Windows has none
        os.nice(10)  # whoever waits for an answer comes first
    run(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
