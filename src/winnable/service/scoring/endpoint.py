"""`POST /score`: plain ASGI, since this is where the time of the service goes. Everything that it
knows of leads is in `serving`."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.types import Receive, Scope, Send

from winnable.learning.scoring.predictor import Predictor
from winnable.service.http.metrics import Metrics
from winnable.service.http.problems import ClientGone, HTTPProblem
from winnable.service.http.request import ScoreRequest, read_body
from winnable.service.scoring.loaded_model import (
    LoadedModel,
    ParsedRequest,
    ScoredRequest,
    ScoreIds,
)
from winnable.service.scoring.micro_batching import MOST, MicroBatcher
from winnable.service.scoring.score_log import ScoreLog

LARGEST_BODY = 10_000_000  # bytes
LARGE_BODY = 100_000  # bytes from which a request is worked on aside
PATIENCE = 20.0  # seconds for a body to arrive


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
        self._serving = LoadedModel(current())

    def close(self) -> None:
        """Let large requests finish."""
        self._batcher.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        reasons = _reasons(scope["query_string"])
        body = await body_of(scope, receive)
        serving = self._in_charge()
        if len(body) > LARGE_BODY:
            read, told = await self._batcher.run_in_thread(
                lambda: _alone(serving, read_body(body), reasons)
            )
        else:
            asked = read_body(body)
            if len(asked.leads) > MOST:
                read, told = await self._batcher.run_in_thread(
                    lambda: _alone(serving, asked, reasons)
                )
            else:
                read = serving.read(asked, datetime.now(UTC))
                told = (
                    await self._batcher.score(serving, read, reasons=reasons) if read.good else None
                )
        scope["winnable.leads"] = len(read.leads)
        content = self._answer(serving, body, read, told)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _in_charge(self) -> LoadedModel:
        predictor = self._current()
        if predictor is not self._serving.predictor:
            self._serving = LoadedModel(predictor)
        return self._serving

    def _answer(
        self, serving: LoadedModel, body: bytes, read: ParsedRequest, told: ScoredRequest | None
    ) -> bytes:
        many = len(read.good)
        ids = self._ids.next(many)
        content = serving.answer(read, told, ids)
        if told is not None:
            rows = slice(told.start, told.start + many)
            grades, probabilities = told.scores.grade[rows], told.scores.probability[rows].tolist()
            model = serving.predictor
            self._metrics.scored(
                model.fingerprint, model.mode, grades, probabilities, len(read.leads) - many
            )
            self._score_log.submit(serving, body, content, many)
        return content


def _alone(
    serving: LoadedModel, asked: ScoreRequest, reasons: bool
) -> tuple[ParsedRequest, ScoredRequest | None]:
    read = serving.read(asked, datetime.now(UTC))
    return read, serving.score([read], reasons=reasons)[0] if read.good else None


async def body_of(scope: Scope, receive: Receive, largest: int = LARGEST_BODY) -> bytes:
    """The whole body of a request. `HTTPProblem` if it is too large, too slow or not said to be
    JSON."""
    for name, value in scope["headers"]:
        if (
            name == b"content-type"
            and value.split(b";", 1)[0].strip().lower() != b"application/json"
        ):
            raise HTTPProblem(415, "The body has to be JSON: Content-Type: application/json.")
        if name == b"content-length" and (not value.isdigit() or int(value) > largest):
            raise _too_large(largest)
    message = await receive()
    if not message.get("more_body", False) and message["type"] == "http.request":
        return bytes(message["body"])
    parts, size = [], 0
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                if message["type"] == "http.disconnect":
                    raise ClientGone
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > largest:
                    raise _too_large(largest)
                if not message.get("more_body", False):
                    return b"".join(parts)
                message = await receive()
    except TimeoutError:
        raise HTTPProblem(
            408, f"The body did not arrive within {PATIENCE:g} seconds.", {"connection": "close"}
        ) from None


def _too_large(largest: int) -> HTTPProblem:
    return HTTPProblem(
        413,
        f"The body is larger than {largest:,} bytes. Send several requests.",
        {"connection": "close"},
    )


def _reasons(query: bytes) -> bool:
    """Whether reasons are asked for, which they are by default. `HTTPProblem` for a query that the
    schema does not know."""
    if not query:
        return True
    told = {b"reasons=true": True, b"reasons=false": False}.get(query)
    if told is None:
        raise HTTPProblem(422, "The query may only say reasons=true or reasons=false.")
    return told
