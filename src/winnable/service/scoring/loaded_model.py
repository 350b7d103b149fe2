"""Online scoring: a loaded model, made ready for requests, reads their leads, scores them and
writes the answer.

The leads of several requests may be scored together: a model answers for eight leads in hardly more
time than for one, and for each the same. What is the same in every answer of a model is written
once. No HTTP here.
"""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from winnable.data.features.activities.touches import SourceOfRequest
from winnable.learning.scoring.changes import Change
from winnable.learning.scoring.input_checks import InputChecks
from winnable.learning.scoring.predictor import Predictor, Scores
from winnable.learning.scoring.score_record import BECAUSE_CLOSED, to_response
from winnable.service.http.problems import problem_of
from winnable.service.http.request import (
    EndedLeads,
    LeadReader,
    RequestLead,
    ScoreRequest,
    Unexpected,
)


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request read for one model: its `body`, its leads as they were `given`, all of them in
    order as they were read, those without a fault (`good`), and the moment for which they are
    scored. `unexpected` are the values that cannot be read, and the unknown columns of the
    `warnings`. `since` is the moment whose scores they are compared with, if any."""

    body: bytes
    given: list[Any]
    leads: list[RequestLead]
    good: list[RequestLead]
    as_of: datetime
    warnings: list[str]
    unexpected: Sequence[Unexpected] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ScoredRequest:
    """The scores of a request's good leads: those of `scores` from the row `start` on, in order.
    `unexpected` are the values of these leads that training did not have, `changes` what moved the
    score of each since its earlier one, where that was asked for."""

    scores: Scores
    start: int
    unexpected: Sequence[Unexpected] = ()
    changes: Sequence[Change | None] | None = None


class LoadedModel:
    """One predictor at work. It holds no state that a request changes."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        card = predictor.card
        self.model = {
            "version": predictor.version,
            "fingerprint": predictor.fingerprint,
            "mode": predictor.mode,
            "why": predictor.why,
            "horizon_days": card.horizon_days,
            "winnable_days": card.winnable_days,
        }
        self._model_json = to_json(self.model)
        self.leads_have_ids = predictor.definition.columns.id is not None
        created = predictor.plan.created
        self._checks = InputChecks(predictor)
        self._reader = LeadReader(
            predictor.plan,
            predictor.definition.columns.id,
            predictor.columns,
            EndedLeads(predictor.definition, created is not None and created.day_first),
            SourceOfRequest.of(predictor.definition),
        )

    def read(self, request: ScoreRequest, body: bytes, now: datetime) -> ParsedRequest:
        """The leads of the request in a body as this model takes them; `now` is the moment of
        scoring where the request names none."""
        as_of = request.as_of or now
        unexpected: list[Unexpected] = []
        leads = [
            self._reader.lead(given, index, as_of, unexpected)
            for index, given in enumerate(request.leads)
        ]
        warnings = self._reader.warnings(request.leads)
        # Their names come from outside, and would make metrics without end.
        unexpected += [("", "unknown column")] * len(warnings)
        good = [lead for lead in leads if lead.fault is None]
        return ParsedRequest(
            body, request.leads, leads, good, as_of, warnings, unexpected, request.since
        )

    def score(
        self, requests: Sequence[ParsedRequest], *, reasons: bool, parts: bool = False
    ) -> list[ScoredRequest]:
        """Scores for all good leads of the requests, in one go; `parts` as of `Predictor.score`."""
        leads = [lead for request in requests for lead in request.good]
        moments = [request.as_of for request in requests for _ in request.good]
        features = self.predictor.features(
            [lead.values for lead in leads], [lead.activities for lead in leads], moments
        )
        scores = self.predictor.score(
            features, [lead.lead_id or "" for lead in leads], reasons=reasons, parts=parts
        )
        unexpected: dict[int, list[Unexpected]] = {}
        for row, name, kind in self._checks.unexpected(features):
            unexpected.setdefault(row, []).append((name, kind))
        scored = []
        start = 0
        for request in requests:
            end = start + len(request.good)
            own = [found for row in range(start, end) for found in unexpected.get(row, ())]
            scored.append(ScoredRequest(scores, start, own))
            start = end
        return scored

    def answer(
        self, request: ParsedRequest, scored: ScoredRequest | None, ids: Sequence[str]
    ) -> bytes:
        """The body of the answer; `ids` are the score ids of the good leads. Without any of these,
        `scored` is None."""
        row = 0
        scores: list[dict[str, Any] | None] = []
        faults: list[dict[str, Any]] = []
        for index, lead in enumerate(request.leads):
            if lead.fault is None and scored is not None:
                response = to_response(scored.scores, scored.start + row, lead.lead_id, ids[row])
                if lead.closed:
                    response |= {"decision": "closed", "because": BECAUSE_CLOSED}
                if scored.changes is not None:
                    change = scored.changes[row]
                    response["change"] = None if change is None else change.to_json()
                scores.append(response)
                row += 1
            else:
                scores.append(None)
                faults.append({"index": index, **problem_of(422, lead.fault or "")})
        as_of = request.as_of.isoformat().replace("+00:00", "Z")
        warnings = self._warnings(request, scored)
        rest = to_json({"as_of": as_of, "scores": scores, "errors": faults, "warnings": warnings})
        return b'{"model":' + self._model_json + b"," + rest[1:]

    def _warnings(self, request: ParsedRequest, scored: ScoredRequest | None) -> list[str]:
        """What is to be told of the request: columns that the model does not know, and values that
        training did not have."""
        values: list[Unexpected] = [] if scored is None else [*scored.unexpected]
        if request.unexpected:
            values += [found for found in request.unexpected if found[1] != "unknown column"]
        if not values:
            return request.warnings
        return request.warnings + self._checks.warnings(values, request.given)


class ScoreIds:
    """Identifiers of scores: UUIDs of version 7 (RFC 9562), unique everywhere, and in one process
    sorted by the order of making."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self, n_ids: int) -> list[str]:
        """So many new ones. The 12 bits after the time count within a millisecond; a full count
        borrows from the next one."""
        with self._lock:
            first = max(self._last + 1, time.time_ns() // 1_000_000 << 12)
            self._last = first + n_ids - 1
        random_bytes = os.urandom(8 * n_ids)
        return [_uuid7(first + i, random_bytes[8 * i : 8 * i + 8]) for i in range(n_ids)]


def _uuid7(count: int, random_bytes: bytes) -> str:
    time_part = f"{count:015x}"
    random_bits = int.from_bytes(random_bytes, "big") & 0x3FFF_FFFF_FFFF_FFFF
    tail = f"{random_bits | 0x8000_0000_0000_0000:016x}"
    return f"{time_part[:8]}-{time_part[8:12]}-7{time_part[12:]}-{tail[:4]}-{tail[4:]}"
