"""Bodies are read quickly where they are plain and strictly where they are not; nobody can tell
which it was."""

import asyncio
import json

import numpy as np
import pytest
from starlette.types import Message

from winnable.service.http.problems import HTTPProblem
from winnable.service.http.request import body_of, read_body


def test_every_number_is_read_as_python_reads_it() -> None:
    chance = np.random.default_rng(0)
    numbers = [
        *chance.normal(size=2000).tolist(),
        *(10 ** chance.uniform(-300, 300, size=2000)).tolist(),
        0.1,
        5e-324,
        10**30,
    ]
    body = json.dumps({"leads": [{f"n{i}": number for i, number in enumerate(numbers)}]}).encode()
    assert read_body(body).leads == json.loads(body)["leads"]


@pytest.mark.parametrize(
    "told",
    [
        '{"a": 1, "b": "x"}',
        '{"a" : "10:30"}',
        '{"a\\u003a": "\\":"}',
        '{"a": [{"b": 1}], "c": {}}',
        '{"activities": [{"kind": "a:b", "at": "2026-07-01T10:30:00Z"}, 7], "x": null}',
        '{"activities": {"a": 1}, "status_history": [[]], "account_history": {"b": "\\":"}}',
        "7",
    ],
)
def test_a_lead_is_read_as_it_stands(told: str) -> None:
    assert read_body(f'{{"leads": [{told}]}}'.encode()).leads == [json.loads(told)]


@pytest.mark.parametrize(
    "body",
    [
        '{"leads": [{"a": 1, "a": 2}]}',
        '{"leads": [{"a" : 1, "a" : 2}]}',
        '{"leads": [{"a": 1, "\\u0061": 2}]}',
        '{"leads": [{"a": "x:y", "a": "x"}]}',
        '{"leads": [{}], "leads": [{}]}',
        '{"leads": [{"a": [{"b": 1, "b": 1}]}]}',
        '{"leads": [{"a": "10:30", "a" : 1}]}',
        '{"leads": [{"a": "\\":", "a"\n: 1}]}',
        '{"leads": [{"activities": [{"kind": "x", "at": "10:30", "at": "10:31"}]}]}',
        '{"leads": [{"activities": [{"kind" : "x", "kind": "y", "at": "10:30"}]}]}',
        '{"leads": [{"account_history": {"a": 1, "a": 2}}]}',
    ],
)
def test_a_member_that_stands_twice_is_refused(body: str) -> None:
    with pytest.raises(HTTPProblem, match="twice"):
        read_body(body.encode())


@pytest.mark.parametrize("length", [b"9" * 4301, b"9" * 12, b"-1", b"1e3", b""])
def test_a_length_that_is_none_or_too_large_is_refused(length: bytes) -> None:
    """Whatever server runs the application."""

    async def nothing() -> Message:
        raise AssertionError("nothing is read")

    with pytest.raises(HTTPProblem) as refusal:
        asyncio.run(body_of({"headers": [(b"content-length", length)]}, nothing))
    assert refusal.value.status == 413
