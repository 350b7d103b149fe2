"""`POST /score`, the scoring endpoint: plain ASGI, since the time of the service goes here.

How leads are read, scored and answered is in `loaded_model`, how requests are scored together in
`micro_batching`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

from starlette.types import Receive, Scope, Send

from winnable.data.feedback.store.records import EarlierScore
from winnable.errors import StoreError
from winnable.learning.scoring.changes import Change, change_between
from winnable.learning.scoring.predictor import Predictor
from winnable.service.http.metrics import Metrics
from winnable.service.http.problems import HTTPProblem
from winnable.service.http.request import body_of, read_body
from winnable.service.scoring.loaded_model import (
    LoadedModel,
    ParsedRequest,
    ScoredRequest,
    ScoreIds,
)
from winnable.service.scoring.micro_batching import MAX_LEADS_PER_BATCH, MicroBatcher
from winnable.service.scoring.score_journal import Answered
from winnable.service.scoring.score_log import RETRY_SECONDS, ScoreLog

EarlierScores = Callable[
    [Sequence[tuple[str, datetime, datetime]]],
    Awaitable[Mapping[tuple[str, datetime], EarlierScore]],
]
"""As of `FeedbackStore.earlier_scores`."""

LARGE_BODY_BYTES = 100_000
"""From this size on, a request is worked on in a thread of its own."""


class ScoringEndpoint:
    """The endpoint. `current` gives the predictor in charge; a request is answered by the one that
    was in charge when it came. `earlier_scores` looks up what is kept."""

    def __init__(
        self,
        current: Callable[[], Predictor],
        metrics: Metrics,
        score_log: ScoreLog,
        earlier_scores: EarlierScores,
    ) -> None:
        self._current = current
        self._earlier_scores = earlier_scores
        self._score_log = score_log
        self._metrics = metrics
        self._ids = ScoreIds()
        self._batcher = MicroBatcher(self._answer)
        self._model = LoadedModel(current())

    def close(self) -> None:
        """Let large requests finish."""
        self._batcher.close()

    def take_up_champion(self) -> bool:
        """Let go of a model that is no longer in charge, which else the next request does, so that
        no more than two are ever held; whether there was one."""
        before = self._model
        return self._active_model() is not before

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        reasons = _wants_reasons(scope["query_string"])
        body = await body_of(scope, receive)
        content = await self._content(scope, body, reasons=reasons)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _content(self, scope: Scope, body: bytes, *, reasons: bool) -> bytes:
        """The answer. What takes long is done in a thread, so that small requests and the health
        check pass it."""
        model = self._active_model()
        if len(body) > LARGE_BODY_BYTES:
            request = await self._batcher.run_in_thread(lambda: _read(model, body))
        else:
            request = _read(model, body)
        scope["winnable.leads"] = len(request.leads)
        if not request.good:
            return self._answer(model, [(request, None)])[0]
        if request.since is not None:
            scored = await self._compared(model, request, request.since, reasons=reasons)
            return self._answer(model, [(request, scored)])[0]
        if len(request.leads) <= MAX_LEADS_PER_BATCH and len(body) <= LARGE_BODY_BYTES:
            return await self._batcher.answer(model, request, reasons=reasons)
        scored = await self._batcher.run_in_thread(
            lambda: model.score([request], reasons=reasons)[0]
        )
        return self._answer(model, [(request, scored)])[0]

    async def _compared(
        self, model: LoadedModel, request: ParsedRequest, since: datetime, *, reasons: bool
    ) -> ScoredRequest:
        """The scores of a request, compared with those that were kept since a moment."""
        _check_since(model, request, since, reasons=reasons)
        wanted = [(lead.lead_id, since, request.as_of) for lead in request.good if lead.lead_id]
        try:
            kept = await self._earlier_scores(wanted)
        except StoreError:
            raise HTTPProblem(
                503,
                "The earlier scores cannot be read at the moment. Ask again later, or without"
                " since.",
                {"retry-after": f"{RETRY_SECONDS:.0f}"},
            ) from None
        return await self._batcher.run_in_thread(lambda: _compare(model, request, kept))

    def _active_model(self) -> LoadedModel:
        predictor = self._current()
        if predictor is not self._model.predictor:
            self._model = LoadedModel(predictor)
        return self._model

    def _answer(
        self,
        model: LoadedModel,
        requests: Sequence[tuple[ParsedRequest, ScoredRequest | None]],
    ) -> list[bytes]:
        """The bodies of the answers, whose scores are in the score log then."""
        ids = iter(self._ids.next(sum(len(request.good) for request, _ in requests)))
        answers = [
            model.answer(request, scored, list(islice(ids, len(request.good))))
            for request, scored in requests
        ]
        self._score_log.submit(
            model,
            [
                Answered(request.body, answer, len(request.good), _log_odds(request, scored))
                for (request, scored), answer in zip(requests, answers, strict=True)
                if request.good
            ],
        )
        self._count(model, requests)
        return answers

    def _count(
        self,
        model: LoadedModel,
        requests: Sequence[tuple[ParsedRequest, ScoredRequest | None]],
    ) -> None:
        """Count the leads of requests that were scored together."""
        scores = next((scored.scores for _, scored in requests if scored is not None), None)
        self._metrics.scored(
            model.predictor.fingerprint,
            model.predictor.mode,
            () if scores is None else scores.grade,
            () if scores is None else scores.probability.tolist(),
            sum(len(request.leads) - len(request.good) for request, _ in requests),
        )
        unexpected = [
            found
            for request, scored in requests
            for found in (*request.unexpected, *(() if scored is None else scored.unexpected))
        ]
        if unexpected:
            self._metrics.unexpected(unexpected)


def _check_since(
    model: LoadedModel, request: ParsedRequest, since: datetime, *, reasons: bool
) -> None:
    """`HTTPProblem` 422 where no change can be told."""
    if not reasons:
        raise HTTPProblem(422, "since: a change is told by reasons; leave out reasons=false.")
    if not model.leads_have_ids:
        raise HTTPProblem(422, "since: no scores are kept of leads that have no column for an id.")
    if since >= request.as_of:
        raise HTTPProblem(422, "since: expected a moment before that of scoring.")


def _compare(
    model: LoadedModel,
    request: ParsedRequest,
    kept: Mapping[tuple[str, datetime], EarlierScore],
) -> ScoredRequest:
    scored = model.score([request], reasons=True, parts=True)[0]
    scores = scored.scores
    assert scores.parts is not None, "they were asked for"
    changes: list[Change | None] = []
    for row, lead in enumerate(request.good):
        earlier = kept.get((lead.lead_id or "", request.as_of))
        change = None
        if earlier is not None:
            probability = float(scores.probability[row])
            change = change_between(earlier, probability, request.as_of, scores.parts[row])
        changes.append(change)
    return replace(scored, changes=changes)


def _log_odds(request: ParsedRequest, scored: ScoredRequest | None) -> bytes:
    """What each attribute of each lead added, for the score log; nothing without reasons."""
    if scored is None or scored.scores.log_odds is None:
        return b""
    end = scored.start + len(request.good)
    return scored.scores.log_odds[scored.start : end].tobytes()


def _read(model: LoadedModel, body: bytes) -> ParsedRequest:
    return model.read(read_body(body), body, datetime.now(UTC))


def _wants_reasons(query: bytes) -> bool:
    """Whether reasons are asked for, which they are by default. `HTTPProblem` for a query that the
    schema does not know."""
    if not query:
        return True
    wanted = {b"reasons=true": True, b"reasons=false": False}.get(query)
    if wanted is None:
        raise HTTPProblem(422, "The query may only say reasons=true or reasons=false.")
    return wanted
