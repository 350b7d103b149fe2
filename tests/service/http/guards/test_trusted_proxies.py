"""Behind a proxy: the recipes of the guide, run by the real nginx and Caddy with TLS; and what a
request that only claims to come through one is believed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import Live, serving
from tests.service.proxies import HOST, RECIPES, Proxy, binary, running
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import StoreError
from winnable.service.http.guards.trusted_proxies import PROXIES, trusted_proxies
from winnable.service.http.keys import add_key

TRUSTED = {PROXIES: "127.0.0.1"}
HSTS = "strict-transport-security"
BY_TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}


Behind = tuple[Live, Path, str]


@pytest.fixture(scope="module")
def behind(demo_store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """A service with keys that trusts a proxy on this machine, its store, and an admin's key."""
    place = tmp_path_factory.mktemp("behind")
    shutil.copytree(demo_store.store / "served", place / "store" / "served")
    _, key = add_key(place / "store", "admin")
    with serving(place / "store", place / "log", environment=TRUSTED) as live:
        yield live, place / "store", key


@pytest.fixture(scope="module", params=RECIPES)
def proxy(
    request: pytest.FixtureRequest, behind: Behind, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    with running(request.param, behind[0], tmp_path_factory.mktemp("proxy") / "home") as proxy:
        yield proxy


def test_scores_come_through_the_proxy_with_a_key_only(proxy: Proxy, behind: Behind) -> None:
    body = {"leads": [{"Lead ID": "L-1", "Employees": 12}]}
    with proxy.client(behind[2]) as client:
        answer = client.post("/score", json=body)
        assert answer.status_code == 200
        assert answer.headers[HSTS] == "max-age=31536000"
        assert answer.http_version == "HTTP/1.1"
    with proxy.client() as client:
        assert client.post("/score", json=body).status_code == 401
        assert client.get("/leads").headers[HSTS]


def test_people_sign_in_through_the_proxy(proxy: Proxy, behind: Behind) -> None:
    origin = f"https://{HOST}:{proxy.tls}"
    with proxy.client(Origin=origin, Connection="close") as client:
        sent = {"by": "Kim", "key": behind[2], "next": "/inbox/results"}
        entered = client.post("/inbox/sign-in", data=sent)
        assert (entered.status_code, entered.headers["location"]) == (303, "/inbox/results")
        assert "; Secure" in entered.headers["set-cookie"]
        cookie = entered.headers["set-cookie"].partition(";")[0]
        assert "Does it work?" in client.get("/inbox/results", headers={"Cookie": cookie}).text
        client.headers["Origin"] = "https://evil.example"
        assert client.post("/inbox/sign-in", data=sent).status_code == 403


def test_what_the_service_says_of_itself_begins_with_https(proxy: Proxy, behind: Behind) -> None:
    with proxy.client(behind[2]) as client:
        assert f"https://{HOST}:{proxy.tls}/score" in client.get("/guide").text


def test_who_comes_without_tls_is_sent_to_it(proxy: Proxy) -> None:
    answer = httpx.get(f"http://127.0.0.1:{proxy.plain}/inbox/results", headers={"Host": HOST})
    assert answer.status_code in {301, 308}
    location = answer.headers["location"].replace(f":{proxy.tls}", "")
    assert location == f"https://{HOST}/inbox/results"
    assert HSTS not in answer.headers


def test_nobody_can_claim_through_the_proxy_to_be_somebody_else(
    proxy: Proxy, behind: Behind
) -> None:
    _, store, key = behind
    lies = {
        "X-Forwarded-For": "198.51.100.9",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=198.51.100.9;host=evil.example;proto=http",
        "X-Real-IP": "198.51.100.9",
    }
    with proxy.client(key, **lies) as client:
        assert client.get("/model").headers[HSTS]  # it still came by TLS
        assert "evil.example" not in client.get("/guide").text
        client.post("/feedback", json={"lead_id": "L-1", "label": "won", "by": "Kim"})
        client.headers["Origin"] = "https://evil.example"
        label = {"lead_id": "L-1", "label": "lost", "by": "Eve"}
        assert client.post("/feedback", json=label).status_code == 403
    feedback = FeedbackStore.open(store)
    places = {entry.place for entry in feedback.audit_trail() if entry.action == "labelled"}
    feedback.close()
    assert places == {"127.0.0.1"}


def test_a_body_that_is_too_large_is_refused_through_the_proxy(
    proxy: Proxy, behind: Behind
) -> None:
    with proxy.client(behind[2], **{"Content-Type": "application/json"}) as client:
        answer = client.post("/score", content=b" " * 11_000_000)
        assert answer.status_code in {413, 502}  # Caddy 2.6 says 502 if it is cut off on the way
        assert client.get("/model").status_code == 200


@pytest.mark.parametrize("name", RECIPES)
def test_without_keys_nobody_is_answered_through_a_proxy(
    name: str, store: Path, tmp_path: Path
) -> None:
    binary(name)
    with serving(store, tmp_path / "log", environment=TRUSTED) as live:
        with running(name, live, tmp_path / "proxy") as proxy, proxy.client() as client:
            for path in ("/", "/leads", "/healthz", "/inbox/sign-in"):
                assert client.get(path).status_code == 403
            answer = client.get("/leads", headers={"X-Forwarded-For": "127.0.0.1"})
            assert answer.status_code == 403
        with live.client() as client:
            assert client.get("/leads").status_code == 200


# --- who claims to be a proxy


def test_what_a_trusted_proxy_says_counts(behind: Behind) -> None:
    live, store, key = behind
    with live.client(key) as client:
        answer = client.post(
            "/feedback", json={"lead_id": "L-2", "label": "won", "by": "Kim"}, headers=BY_TLS
        )
        assert answer.headers[HSTS]
        assert HSTS not in client.get("/model").headers
        assert HSTS not in client.get("/model", headers={"X-Forwarded-Proto": "http"}).headers
        assert (
            HSTS not in client.get("/model", headers={"X-Forwarded-Proto": "https, http"}).headers
        )
    feedback = FeedbackStore.open(store)
    entry = feedback.audit_trail()[-1]
    feedback.close()
    assert (entry.action, entry.place) == ("labelled", "203.0.113.7")


def test_wrong_keys_behind_a_proxy_slow_down_only_who_shows_them(behind: Behind) -> None:
    live, _, _ = behind
    with live.client("wrong") as eve, live.client("wrong") as kim:
        eve.headers["X-Forwarded-For"] = "198.51.100.20"
        kim.headers["X-Forwarded-For"] = "198.51.100.21"
        spent = [eve.get("/leads").elapsed.total_seconds() for _ in range(8)]
        assert max(spent) > 0.3
        assert kim.get("/leads").elapsed.total_seconds() < 0.1


@pytest.mark.parametrize("proxies", ["", "198.51.100.1", "10.0.0.0/8 198.51.100.0/24"])
def test_what_anybody_else_says_means_nothing(proxies: str, store: Path, tmp_path: Path) -> None:
    _, key = add_key(store, "admin")
    with (
        serving(store, tmp_path / "log", environment={PROXIES: proxies}) as live,
        live.client(key) as client,
    ):
        sent = {"lead_id": "L-1", "label": "won", "by": "Kim"}
        answer = client.post("/feedback", json=sent, headers=BY_TLS)
        assert answer.status_code == 201
        assert HSTS not in answer.headers
        sign_in = {"by": "Kim", "key": key, "next": "/"}
        entered = client.post("/inbox/sign-in", data=sign_in, headers=BY_TLS)
        assert "Secure" not in entered.headers["set-cookie"]
    feedback = FeedbackStore.open(store)
    places = {entry.place for entry in feedback.audit_trail()}
    feedback.close()
    assert places == {"127.0.0.1"}


@pytest.mark.parametrize(
    "given", ["*", "0.0.0.0/0", "::/0", "proxy.example.com", "10.0.0.1/8", "1"]
)
def test_only_addresses_and_networks_are_proxies(given: str) -> None:
    with pytest.raises(StoreError, match=PROXIES):
        trusted_proxies({PROXIES: given})
    assert trusted_proxies({}) == []
    assert trusted_proxies({PROXIES: "127.0.0.1, ::1 10.0.0.0/8"}) == [
        "127.0.0.1",
        "::1",
        "10.0.0.0/8",
    ]
