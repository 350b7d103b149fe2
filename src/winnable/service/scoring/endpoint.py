"""`POST /score`, the scoring endpoint: plain ASGI, since the time of the service goes here.

How leads are read, scored and answered is in `loaded_model`, how requests are scored together in
`micro_batching`.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from starlette.types import Receive, Scope, Send

from winnable.learning.scoring.predictor import Predictor
from winnable.service.http.metrics import Metrics
from winnable.service.http.problems import HTTPProblem
from winnable.service.http.request import ScoreRequest, body_of, read_body
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
        self._batcher = MicroBatcher()
        self._model = LoadedModel(current())

    def close(self) -> None:
        """Let large requests finish."""
        self._batcher.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        reasons = _wants_reasons(scope["query_string"])
        body = await body_of(scope, receive)
        model = self._active_model()
        parsed, scored = await self._score(model, body, reasons=reasons)
        scope["winnable.leads"] = len(parsed.leads)
        content = self._answer(model, body, parsed, scored)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _score(
        self, model: LoadedModel, body: bytes, *, reasons: bool
    ) -> tuple[ParsedRequest, ScoredRequest | None]:
        """The request and its scores, None if no lead can be scored. What takes long is done in a
        thread, so that small requests and the health check pass it."""
        if len(body) > LARGE_BODY_BYTES:
            return await self._batcher.run_in_thread(
                lambda: _score_alone(model, read_body(body), reasons=reasons)
            )
        request = read_body(body)
        if len(request.leads) > MAX_LEADS_PER_BATCH:
            return await self._batcher.run_in_thread(
                lambda: _score_alone(model, request, reasons=reasons)
            )
        parsed = model.read(request, datetime.now(UTC))
        if not parsed.good:
            return parsed, None
        return parsed, await self._batcher.score(model, parsed, reasons=reasons)

    def _active_model(self) -> LoadedModel:
        predictor = self._current()
        if predictor is not self._model.predictor:
            self._model = LoadedModel(predictor)
        return self._model

    def _answer(
        self, model: LoadedModel, body: bytes, parsed: ParsedRequest, scored: ScoredRequest | None
    ) -> bytes:
        n_scored = len(parsed.good)
        content = model.answer(parsed, scored, self._ids.next(n_scored))
        if scored is not None:
            self._score_log.submit(model, body, content, n_scored)
            rows = slice(scored.start, scored.start + n_scored)
            self._metrics.scored(
                model.predictor.fingerprint,
                model.predictor.mode,
                scored.scores.grade[rows],
                scored.scores.probability[rows].tolist(),
                len(parsed.leads) - n_scored,
            )
            if scored.unexpected:
                self._metrics.unexpected(scored.unexpected)
        if parsed.unexpected:
            self._metrics.unexpected(parsed.unexpected)
        return content


def _score_alone(
    model: LoadedModel, request: ScoreRequest, *, reasons: bool
) -> tuple[ParsedRequest, ScoredRequest | None]:
    parsed = model.read(request, datetime.now(UTC))
    return parsed, model.score([parsed], reasons=reasons)[0] if parsed.good else None


def _wants_reasons(query: bytes) -> bool:
    """Whether reasons are asked for, which they are by default. `HTTPProblem` for a query that the
    schema does not know."""
    if not query:
        return True
    wanted = {b"reasons=true": True, b"reasons=false": False}.get(query)
    if wanted is None:
        raise HTTPProblem(422, "The query may only say reasons=true or reasons=false.")
    return wanted
