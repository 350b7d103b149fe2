"""Whatever is sent, the answer is a score, a lead's own error or a problem; never a failure, and
the process lives."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from winnable.service.routes.schemas import Problem, ScoreResponse

COLUMNS = st.sampled_from(
    [
        "Lead ID",
        "Employees",
        "Company",
        "Created Date",
        "Budget",
        "Email",
        "Title",
        "Timeline",
        "activities",
        "new",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text()
    | st.sampled_from(
        [
            "n/a",
            "1,000",
            "1e400",
            "-",
            "2026-06-01",
            "32.13.2026",
            "9999-12-31T23:59:59-23:00",
            "0001-01-01T00:00:00+23:00",
            "\x00",
        ]
    )
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
TIMES = st.datetimes().map(lambda when: when.isoformat() + "Z") | LEAVES
ACTIVITY = (
    st.fixed_dictionaries({}, optional={"kind": st.text() | LEAVES, "at": TIMES, "recorded": TIMES})
    | LEAVES
)
LEAD = st.dictionaries(COLUMNS, VALUES | st.lists(ACTIVITY, max_size=4), max_size=8)
BODY = st.fixed_dictionaries(
    {"leads": st.lists(LEAD | LEAVES, min_size=1, max_size=4)}, optional={"as_of": TIMES}
)


def mutated(body: bytes, places: list[tuple[int, bytes]]) -> bytes:
    """The body with some bytes replaced, some put in and some cut out."""
    for place, piece in places:
        at = place % (len(body) + 1)
        body = body[:at] + piece + body[at + (place // 7) % 3 :]
    return body


PIECES = st.binary(max_size=3) | st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b'"',
        b"NaN",
        b"\\ud800",
        b"\\u0000",
        b"1e999",
        b"-",
        b"\xff",
        b'"a":1,"a":2',
    ]
)


def check(answer: httpx.Response) -> None:
    if answer.status_code == 200:
        told = ScoreResponse.model_validate_json(answer.content)
        assert [score is None for score in told.scores] == [
            i in {error.index for error in told.errors} for i in range(len(told.scores))
        ]
    else:
        assert 400 <= answer.status_code < 500, answer.text
        assert Problem.model_validate_json(answer.content).status == answer.status_code


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=BODY)
def test_odd_values(client: httpx.Client, body: dict[str, Any]) -> None:
    check(
        client.post(
            "/score",
            content=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
    )


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=BODY, places=st.lists(st.tuples(st.integers(0, 10_000), PIECES), min_size=1, max_size=4)
)
def test_broken_bodies(
    client: httpx.Client, body: dict[str, Any], places: list[tuple[int, bytes]]
) -> None:
    content = mutated(json.dumps(body).encode(), places)
    check(client.post("/score", content=content, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize("digits", [4300, 4301, 100_000])
@pytest.mark.parametrize(
    "body",
    [
        '{"leads": [{"Lead ID": N, "Employees": 1}]}',
        '{"leads": [{"Lead ID": "L-1", "Employees": N}]}',
        '{"leads": [{"Lead ID": "L-1", "Employees": "N"}]}',
        '{"leads": [{"Employees": 1eN}]}',
        '{"leads": [{"Created Date": "N"}]}',
        '{"leads": [{"activities": [{"kind": "Call", "at": "N"}]}]}',
        '{"leads": [{}], "as_of": N}',
        '{"leads": N}',
    ],
)
def test_endless_numbers_in_a_body(client: httpx.Client, body: str, digits: int) -> None:
    content = body.replace("N", "9" * digits).encode()
    check(client.post("/score", content=content, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize("path", ["/leads?page=N", "/leads?size=-N", "/score?reasons=N", "/N"])
def test_endless_numbers_in_a_query(client: httpx.Client, path: str) -> None:
    for digits in (4300, 4301, 30_000):
        check(client.get(path.replace("N", "9" * digits)))


@pytest.mark.parametrize("header", ["Authorization", "Cookie", "Accept", "Origin", "X-Request-ID"])
def test_endless_headers(client: httpx.Client, header: str) -> None:
    answer = client.get("/leads", headers={header: "9" * 131_073})
    assert answer.status_code == 431
    check(answer)
    assert client.get("/leads", headers={header: "9" * 10_000}).status_code == 200


def test_it_lives(client: httpx.Client, live: Any) -> None:
    assert client.post("/score", json={"leads": [{}]}).status_code == 200
    assert '"failed"' not in live.journal()
