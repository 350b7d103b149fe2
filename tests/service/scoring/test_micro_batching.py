"""Requests that wait together are scored together, and each gets its own answer."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from winnable.service.http.problems import HTTPProblem
from winnable.service.http.request import read_body
from winnable.service.scoring.champion import ChampionFollower
from winnable.service.scoring.loaded_model import (
    LoadedModel,
    ParsedRequest,
    ScoredRequest,
    ScoreIds,
)
from winnable.service.scoring.micro_batching import MicroBatcher

NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def serving(demo_store: Any) -> LoadedModel:
    return LoadedModel(ChampionFollower(demo_store.store).current())


def read(serving: LoadedModel, body: bytes) -> ParsedRequest:
    return serving.read(read_body(body), body, NOW)


def scores_of(
    _: LoadedModel, requests: Sequence[tuple[ParsedRequest, ScoredRequest]]
) -> list[ScoredRequest]:
    return [scored for _, scored in requests]


def request(serving: LoadedModel, *leads: dict[str, Any]) -> Any:
    return read(serving, json.dumps({"leads": leads}).encode())


def test_each_gets_its_own(serving: LoadedModel) -> None:
    requests = [
        request(serving, *({"Employees": 10 * i + j, "Title": "Chief"} for j in range(1 + i % 3)))
        for i in range(30)
    ]

    async def ask() -> list[Any]:
        together = MicroBatcher(scores_of)
        told = await asyncio.gather(
            *(together.answer(serving, each, reasons=i % 2 == 0) for i, each in enumerate(requests))
        )
        together.close()
        return told

    told = asyncio.run(ask())
    # Fewer calls of the model than requests: that is the whole point.
    assert len({id(each.scores) for each in told}) <= 4
    for i, (each, mine) in enumerate(zip(requests, told, strict=True)):
        alone = serving.score([each], reasons=i % 2 == 0)[0]
        for row in range(len(each.leads)):
            at = mine.start + row
            assert mine.scores.probability[at] == pytest.approx(
                alone.scores.probability[row], abs=1e-12
            )
            assert mine.scores.decision[at] == alone.scores.decision[row]
            reasons, own = mine.scores.reasons[at], alone.scores.reasons[row]
            assert [each.text for each in reasons] == [each.text for each in own]
            # Sums of a matrix may round otherwise in another row of another matrix.
            assert [each.log_odds for each in reasons] == pytest.approx(
                [each.log_odds for each in own], abs=1e-12
            )


def test_one_that_fails_fails_alone(serving: LoadedModel) -> None:
    good, bad = request(serving, {"Employees": 10}), request(serving, {"Employees": 10})
    object.__setattr__(
        bad.leads[0], "values", None
    )  # nothing a client could send, but something must fail

    async def ask() -> list[Any]:
        together = MicroBatcher(scores_of)
        told = await asyncio.gather(
            *(together.answer(serving, each, reasons=False) for each in (good, bad, good)),
            return_exceptions=True,
        )
        together.close()
        return told

    told = asyncio.run(ask())
    assert [isinstance(each, Exception) for each in told] == [False, True, False]


def test_score_ids_are_uuids_of_version_7() -> None:
    from uuid import UUID

    ids = ScoreIds().next(5000)
    assert ids == sorted(ids)
    assert len(set(ids)) == 5000
    assert {UUID(each).version for each in ids} == {7}
    assert {UUID(each).variant for each in ids} == {"specified in RFC 4122"}


def test_the_lottery_does_not_care_how_an_id_is_sent(serving: LoadedModel) -> None:
    ids = [
        lead.lead_id
        for lead in request(
            serving, {"Lead ID": 17}, {"Lead ID": " 17 "}, {"Lead ID": 17.0}, {}
        ).leads
    ]
    assert ids == ["17", "17", "17", None]


def test_a_refusal_repeats_nothing() -> None:
    with pytest.raises(HTTPProblem) as refusal:
        read_body(b'{"leads": "secret"}')
    assert "secret" not in refusal.value.detail
