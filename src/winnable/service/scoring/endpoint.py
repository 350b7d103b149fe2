"""`POST /score`, the scoring endpoint: plain ASGI, since the time of the service goes here.

How leads are read, scored and answered is in `loaded_model`, how requests are scored together in
`micro_batching`.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice

from starlette.types import Receive, Scope, Send

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
from winnable.service.scoring.score_log import ScoreLog

LARGE_BODY_BYTES = 100_000
"""From this size on, a request is worked on in a thread of its own."""


class ScoringEndpoint:
    """The endpoint. `current` gives the predictor in charge; a request is answered by the one that
    was in charge when it came."""

    def __init__(
        self, current: Callable[[], Predictor], metrics: Metrics, score_log: ScoreLog
    ) -> None:
        self._current = current
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
        if len(request.leads) <= MAX_LEADS_PER_BATCH and len(body) <= LARGE_BODY_BYTES:
            return await self._batcher.answer(model, request, reasons=reasons)
        scored = await self._batcher.run_in_thread(
            lambda: model.score([request], reasons=reasons)[0]
        )
        return self._answer(model, [(request, scored)])[0]

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
                (request.body, answer, len(request.good))
                for (request, _), answer in zip(requests, answers, strict=True)
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
