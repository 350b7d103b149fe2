"""What a page elsewhere makes a browser send, over the real server: it is refused, and nothing is
kept of it."""

import json
from typing import Any

import httpx
import pytest

from winnable.service.http.guards.cross_site import check_same_origin
from winnable.service.http.problems import HTTPProblem

BODIES: dict[str, dict[str, Any]] = {
    "/score": {"leads": [{"Lead ID": "stranger", "Employees": 10}]},
    "/feedback": {"lead_id": "stranger", "label": "won", "by": "Eve"},
}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def nothing_kept(client: httpx.Client) -> Any:
    yield
    found = client.get("/leads", params={"search": "stranger", "state": "all"}).json()
    assert found["leads"] == []


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),  # a Blob without a type, and `sendBeacon` of one
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "text/plain;charset=UTF-8"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "text/plain; application/json"}, 415),
        ({"Content-Type": "application/jsonx"}, 415),
        ({**JSON, "Origin": "https://evil.example"}, 403),
        ({**JSON, "Origin": "null"}, 403),
        ({**JSON, "Origin": ""}, 403),
        ({**JSON, "Origin": "http://[::1"}, 403),
        ({**JSON, "Origin": "http://127.0.0.1:1"}, 403),  # another port of this machine
        ({**JSON, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**JSON, "Sec-Fetch-Site": "same-site"}, 403),
        ({**JSON, "Sec-Fetch-Site": "cross-site", "Origin": "null"}, 403),
        ({"Origin": "https://evil.example"}, 403),
    ],
)
def test_a_request_of_a_page_elsewhere_is_refused(
    client: httpx.Client, nothing_kept: None, path: str, headers: dict[str, str], status: int
) -> None:
    answer = client.post(path, content=json.dumps(BODIES[path]).encode(), headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE"])
@pytest.mark.parametrize("path", ["/", "/model", "/inbox/label", "/inbox/sign-in", "/nowhere"])
def test_so_it_is_by_every_method_that_may_change_something(
    client: httpx.Client, method: str, path: str
) -> None:
    answer = client.request(method, path, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", "application/vnd.crm+json;v=1"],
)
def test_what_is_said_to_be_json_is_taken(client: httpx.Client, content_type: str) -> None:
    content = json.dumps({"leads": [{"Employees": 10}]}).encode()
    answer = client.post("/score", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == 200, answer.text


def test_a_page_of_our_own_may_ask(client: httpx.Client, live: Any) -> None:
    body = {"leads": [{"Employees": 10}]}
    for headers in (
        {"Origin": live.url},
        {"Origin": live.url.upper()},
        {"Sec-Fetch-Site": "same-origin", "Origin": live.url},
        {"Sec-Fetch-Site": "none"},
    ):
        assert client.post("/score", json=body, headers=headers).status_code == 200, headers


@pytest.mark.parametrize(
    "headers",
    [
        {b"x-forwarded-host": b"Leads.example"},
        {b"x-forwarded-host": b"leads.example, inner.example"},
        {b"forwarded": b'for=192.0.2.1;host="leads.example";proto=https'},
        {b"forwarded": b"host=leads.example"},
    ],
)
def test_behind_a_proxy_the_host_is_the_one_that_the_browser_asked(
    headers: dict[bytes, bytes],
) -> None:
    inner = {b"host": b"127.0.0.1:8000", **headers}
    check_same_origin({**inner, b"origin": b"https://leads.example"})
    for other in (b"https://evil.example", b"https://leads.example.evil.example", b"null"):
        with pytest.raises(HTTPProblem):
            check_same_origin({**inner, b"origin": other})


def test_the_description_says_so(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path in BODIES:
        responses = paths[path]["post"]["responses"]
        assert "missing" in responses["415"]["description"]
        assert "another site" in responses["403"]["description"]
