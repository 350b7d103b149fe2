"""Signing in at the company: over the real server, at a real provider, and at one that means
harm."""

import json
import re
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.service.conftest import COMMAND, Live, serving
from tests.service.web.sign_in.providers import (
    CLIENT,
    KEY,
    KIM,
    SECRET,
    Provider,
    dripping,
    endless,
    oidc_provider_mock,
    provider,
    redirects_to,
    send,
    signed,
    signed_by_secret,
    unsigned,
)
from winnable.data.feedback.store.audit import Entry
from winnable.data.feedback.store.store import FeedbackStore
from winnable.service.http.keys import add_key
from winnable.service.web.sessions import COOKIE
from winnable.service.web.sign_in.configuration import (
    CALLBACK,
    CompanySignIn,
    remove_sign_in,
    write_sign_in,
)
from winnable.service.web.sign_in.pages import MAX_AT_ONCE, START

BROWSER = {"Accept": "text/html", "Connection": "close"}
ATTEMPT = "winnable_sign_in"
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "k-1"})


@dataclass
class Company:
    """A service that people sign in to at a provider."""

    live: Live
    store: Path
    key: str

    def uses(self, issuer: str, **other: Any) -> None:
        """Set the provider."""
        setting = {
            "issuer": issuer,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "address": self.live.url,
            "groups": {"sales": "feedback", "revops": "admin", "robots": "score"},
            "made": str(time.monotonic()),
        }
        write_sign_in(self.store, CompanySignIn(**{**setting, **other}))

    def browser(self) -> httpx.Client:
        return httpx.Client(base_url=self.live.url, headers=BROWSER, timeout=60)

    def signed_in(self) -> list[Entry]:
        """Who signed in, as the audit trail says."""
        feedback = FeedbackStore.open(self.store)
        try:
            return [entry for entry in feedback.audit_trail() if entry.action == "signed in"]
        finally:
            feedback.close()


@pytest.fixture(scope="module")
def company(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    place = tmp_path_factory.mktemp("company")
    store = Path(shutil.copytree(filled, place / "store"))
    _, key = add_key(store, "admin")
    with serving(store, place / "log") as live:
        yield Company(live, store, key)


@pytest.fixture
def at(company: Company) -> Iterator[Provider]:
    """The provider that the company uses; it does no harm unless a test makes it."""
    with provider() as says:
        company.uses(says.issuer)
        yield says


def walk(client: httpx.Client, to: str = "/") -> str:
    """Begin, visit the provider, and return where it sends the browser back to."""
    begun = client.get(START, params={"next": to})
    assert begun.status_code == 303, begun.text
    return httpx.get(begun.headers["location"]).headers["location"]


def enter(client: httpx.Client, to: str = "/") -> httpx.Response:
    return client.get(walk(client, to))


def is_in(client: httpx.Client) -> bool:
    return client.get("/").status_code == 200


def test_somebody_signs_in_at_a_real_provider(company: Company, tmp_path: Path) -> None:
    before = len(company.signed_in())
    with oidc_provider_mock(tmp_path / "log", KIM) as issuer, company.browser() as kim:
        company.uses(issuer)
        begun = kim.get(START, params={"next": "/inbox/results"})
        answer = httpx.post(begun.headers["location"], data={"sub": KIM["sub"]})
        entered = kim.get(answer.headers["location"])
        assert (entered.status_code, entered.headers["location"]) == (303, "/inbox/results")
        page = kim.get("/")
        assert '<span class="name">kim@example.com</span>' in page.text
        again = kim.get(answer.headers["location"])
        assert again.status_code == 403
    (entry,) = company.signed_in()[before:]
    assert (entry.who, entry.key, entry.subject, entry.detail) == (
        "kim@example.com",
        None,
        "u-1",
        issuer,
    )
    assert entry.place == "127.0.0.1"


def test_a_token_that_a_real_provider_gave_too_long_ago(company: Company, tmp_path: Path) -> None:
    options = ("--token-max-age=-120",)
    with (
        oidc_provider_mock(tmp_path / "log", KIM, options=options) as issuer,
        company.browser() as kim,
    ):
        company.uses(issuer)
        begun = kim.get(START)
        answer = httpx.post(begun.headers["location"], data={"sub": KIM["sub"]})
        assert kim.get(answer.headers["location"]).status_code == 403
        assert not is_in(kim)
    assert "expired_token" in company.live.journal()


def test_the_provider_is_asked_with_pkce_state_and_nonce(company: Company, at: Provider) -> None:
    with company.browser() as one, company.browser() as two:
        assert enter(one).status_code == 303
        assert enter(two).status_code == 303
    first, second = at.asked
    assert first["response_type"] == "code"
    assert first["code_challenge_method"] == "S256"
    assert first["redirect_uri"] == company.live.url + CALLBACK
    assert first["scope"] == "openid email profile"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 32
        assert first[name] != second[name]


def test_groups_are_asked_for_where_the_provider_knows_the_scope(
    company: Company, at: Provider
) -> None:
    at.metadata = {"scopes_supported": ["openid", "groups"]}
    with company.browser() as kim:
        enter(kim)
    assert at.asked[0]["scope"] == "openid email profile groups"


def test_answers_are_kept_under_the_name_at_the_company_and_no_other(
    company: Company, at: Provider
) -> None:
    with company.browser() as kim:
        enter(kim)
        page = kim.get("/").text
        form = page[page.index('class="act') :].split("</form>")[0]
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        forged = {**fields, "label": "accepted", "by": "Eve", "subject": "u-2", "key": "x"}
        assert kim.post("/inbox/label", data=forged).status_code == 303
    feedback = FeedbackStore.open(company.store)
    label = list(feedback.labels())[-1]
    feedback.close()
    assert (label.lead_id, label.by) == (fields["lead_id"], "kim@example.com")


def test_who_has_a_key_cannot_take_a_name_of_the_company(company: Company, at: Provider) -> None:
    with company.browser() as eve:
        sent = {"by": "kim@example.com", "key": company.key, "next": "/"}
        assert eve.post("/inbox/sign-in", data=sent).status_code == 303
        assert re.search(r'class="name">kim@example.com \(key \w+\)<', eve.get("/").text)
        sent["by"] = "kim (key 00000000)"
        assert eve.post("/inbox/sign-in", data=sent).status_code == 303
        assert re.search(r'class="name">kim 00000000\) \(key \w+\)<', eve.get("/").text)
        sent = {"by": "kim@example.com", "key": "", "next": "/"}
        assert eve.post("/inbox/sign-in", data=sent).status_code == 403
    with company.browser() as kim:
        at.claims["email"] = "kim (key 00000000)"
        assert enter(kim).status_code == 403


# --- who may


@pytest.mark.parametrize(
    ("groups", "may"),
    [
        (["revops"], True),
        (["lunch", "sales"], True),
        ("sales", True),
        (["robots"], False),
        (["lunch"], False),
        (["SALES"], False),
        ([], False),
        ([["sales"]], False),
        ({"sales": True}, False),
        (None, False),
    ],
)
def test_a_group_needs_a_role_for_the_pages(
    company: Company, at: Provider, groups: object, may: bool
) -> None:
    at.claims["groups"] = groups
    with company.browser() as kim:
        entered = enter(kim)
        assert entered.status_code == (303 if may else 403)
        assert may or "no group of yours" in entered.text
        assert is_in(kim) is may


def test_without_groups_nobody_may(company: Company, at: Provider) -> None:
    at.forget = {"groups"}
    with company.browser() as kim:
        assert enter(kim).status_code == 403
        assert not is_in(kim)


@pytest.mark.parametrize(
    "claims",
    [
        {"email": ""},
        {"email": None},
        {"email": ["kim@example.com"]},
        {"email": " kim@example.com"},
        {"email": "kim\u202e@example.com"},
        {"email": "k" * 81},
        {"email_verified": False},
        {"sub": "s" * 256},
        {"sub": ""},
        {"sub": 7},
    ],
    ids=str,
)
def test_a_person_without_a_plain_name_is_refused(
    company: Company, at: Provider, claims: dict[str, Any]
) -> None:
    at.claims |= claims
    with company.browser() as kim:
        assert enter(kim).status_code == 403
        assert not is_in(kim)


# --- tokens that prove nothing

HOUR = 3600


def other(**claims: Any) -> Callable[[Provider], None]:
    return lambda at: at.claims.update(claims)


def without(name: str) -> Callable[[Provider], None]:
    return lambda at: at.forget.add(name)


def made(sign: Callable[[dict[str, Any]], str]) -> Callable[[Provider], None]:
    return lambda at: setattr(at, "sign", sign)


def by_public_key(form: str) -> Callable[[dict[str, Any]], str]:
    """Signed with what everybody can read as if it were a shared secret."""
    pem = KEY.as_pem(private=False)
    content = pem if form == "pem" else KEY.as_der(private=False)
    return lambda claims: signed_by_secret(claims, content)


def with_its_own_key(claims: dict[str, Any]) -> str:
    header = {"alg": "RS256", "jwk": OTHER_KEY.as_dict(private=False)}
    return jwt.encode(header, claims, OTHER_KEY)


def tampered(claims: dict[str, Any]) -> str:
    """The payload of one token, the signature of another."""
    head, _, signature = signed({**claims, "groups": ["lunch"]}).split(".")
    return ".".join([head, signed(claims).split(".")[1], signature])


FORGERIES: dict[str, Callable[[Provider], None]] = {
    "another nonce": other(nonce="of-another-attempt"),
    "no nonce": without("nonce"),
    "another audience": other(aud="somebody-else"),
    "another audience among several": other(aud=["somebody-else", "a-third"]),
    "for several, but not for us": other(aud=[CLIENT, "somebody-else"], azp="somebody-else"),
    "for several, and nobody in particular": other(aud=[CLIENT, "somebody-else"]),
    "no audience": without("aud"),
    "expired": other(exp=int(time.time()) - 2 * HOUR, iat=int(time.time()) - 3 * HOUR),
    "no expiry": without("exp"),
    "an expiry that is a word": other(exp="never"),
    "not yet": other(nbf=int(time.time()) + HOUR),
    "of tomorrow": other(iat=int(time.time()) + 24 * HOUR, exp=int(time.time()) + 48 * HOUR),
    "no time of issue": without("iat"),
    "another issuer": other(iss="http://127.0.0.1:1"),
    "an issuer that begins alike": other(iss="http://127.0.0.1"),
    "no issuer": without("iss"),
    "no subject": without("sub"),
    "alg none": made(unsigned),
    "alg none with a signature": made(
        lambda claims: unsigned(claims) + signed(claims).split(".")[2]
    ),
    "signed by another key": made(lambda claims: signed(claims, OTHER_KEY)),
    "signed by a key that it brings": made(with_its_own_key),
    "signed by the public key as a secret": made(by_public_key("pem")),
    "signed by the public key as a secret, in DER": made(by_public_key("der")),
    "signed by the client's secret": made(lambda claims: signed_by_secret(claims, SECRET.encode())),
    "signed by nothing as a secret": made(lambda claims: signed_by_secret(claims, b"")),
    "a payload of another token": made(tampered),
    "no signature": made(lambda claims: signed(claims).rpartition(".")[0] + "."),
    "an unknown key": made(lambda claims: signed(claims, kid="k-2")),
    "no token": made(lambda claims: ""),
    "not a token": made(lambda claims: "a.b.c"),
    "a list": made(lambda claims: ["a"]),  # type: ignore[arg-type,return-value]
    "endless": made(lambda claims: signed({**claims, "x": "x" * 200_000})),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_token_that_proves_nothing_is_refused(
    company: Company, at: Provider, forge: Callable[[Provider], None]
) -> None:
    before = len(company.signed_in())
    with company.browser() as kim:
        assert enter(kim).status_code == 303
        kim.cookies.clear()
        forge(at)
        entered = enter(kim)
        assert entered.status_code == 403
        assert COOKIE not in kim.cookies
        assert not is_in(kim)
    assert len(company.signed_in()) == before + 1


def test_keys_of_a_provider_that_are_no_public_keys(company: Company, at: Provider) -> None:
    secret = OctKey.import_key("k" * 64, {"kid": "k-1"})
    for keys in ([], [secret.as_dict(private=True)], "none", [{"kty": "RSA"}], ["x"], [None]):
        content = json.dumps({"keys": keys}).encode()
        at.instead["/jwks"] = lambda handler, content=content: send(handler, 200, content)
        at.sign = lambda claims: jwt.encode(
            {"alg": "HS256", "kid": "k-1"}, claims, secret, algorithms=["HS256"]
        )
        with company.browser() as kim:
            assert enter(kim).status_code == 403
            assert not is_in(kim)


# --- answers that were not asked for


def test_an_answer_with_another_state_is_refused(company: Company, at: Provider) -> None:
    with company.browser() as kim:
        address = walk(kim)
        state = dict(parse_qsl(urlsplit(address).query))["state"]
        for wrong in (f"{state}x", state[:-1], "", "é", "%ED%A0%80"):
            kim.get(START)
            assert kim.get(address.replace(state, wrong)).status_code == 403
        assert not is_in(kim)
    assert "/token" not in at.paths


def test_an_answer_works_once_and_in_its_own_browser_only(company: Company, at: Provider) -> None:
    with company.browser() as kim, company.browser() as eve:
        address = walk(kim)
        attempt = kim.cookies[ATTEMPT]
        assert eve.get(address).status_code == 403
        assert kim.get(address).status_code == 303
        assert ATTEMPT not in kim.cookies
        kim.cookies.clear()
        assert kim.get(address).status_code == 403
        eve.cookies.set(ATTEMPT, attempt)  # and whoever stole the cookie as well
        assert eve.get(address).status_code == 403
        assert not is_in(eve)
        assert not is_in(kim)


def test_a_stolen_code_is_of_no_use_in_another_attempt(company: Company, at: Provider) -> None:
    with company.browser() as kim, company.browser() as eve:
        stolen = dict(parse_qsl(urlsplit(walk(kim)).query))["code"]
        own = dict(parse_qsl(urlsplit(walk(eve)).query))
        answer = eve.get(CALLBACK, params={**own, "code": stolen})  # PKCE: the verifier is Kim's
        assert answer.status_code == 403
        assert not is_in(eve)


def test_nobody_is_signed_in_as_somebody_else_by_a_link(company: Company, at: Provider) -> None:
    with company.browser() as kim, company.browser() as eve:
        assert kim.get(walk(eve)).status_code == 403
        assert not is_in(kim)


def test_an_attempt_is_believed_only_as_it_was_packed(company: Company, at: Provider) -> None:
    with company.browser() as kim:
        address = walk(kim)
        packed = kim.cookies[ATTEMPT]
        for place in range(0, len(packed) - 1, 7):
            kim.cookies.clear()
            letter = "A" if packed[place] != "A" else "B"
            kim.cookies.set(ATTEMPT, packed[:place] + letter + packed[place + 1 :])
            assert kim.get(address).status_code == 403


def test_the_answer_of_another_issuer_is_refused(company: Company, at: Provider) -> None:
    with company.browser() as kim:
        at.back = {"iss": "https://evil.example"}
        assert enter(kim).status_code == 403
        at.back = {"iss": at.issuer}
        assert enter(kim).status_code == 303
        kim.cookies.clear()
        at.metadata = {"authorization_response_iss_parameter_supported": True}
        at.back = {}
        assert enter(kim).status_code == 403
        assert not is_in(kim)
    assert at.paths.count("/token") == 1  # no code went out


def test_an_attempt_at_one_provider_is_not_finished_at_another(
    company: Company, at: Provider
) -> None:
    with company.browser() as kim, provider() as elsewhere:
        address = walk(kim)
        company.uses(elsewhere.issuer)
        assert kim.get(address).status_code == 403
        assert elsewhere.paths == []


def test_a_refusal_of_the_provider_signs_nobody_in(company: Company, at: Provider) -> None:
    with company.browser() as kim:
        state = dict(parse_qsl(urlsplit(walk(kim)).query))["state"]
        script = "<script>alert(1)</script>"
        sent = {"error": "access_denied", "error_description": script, "state": state}
        answer = kim.get(CALLBACK, params=sent)
        assert answer.status_code == 403
        assert "alert(1)" not in answer.text
        assert not is_in(kim)


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/inbox/../\\evil.example",
        "javascript:alert(1)",
        "/inbox/results\r\nSet-Cookie: a=b",
        "\x00//evil.example",
        "/docs",
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(company: Company, at: Provider, to: str) -> None:
    with company.browser() as kim:
        entered = enter(kim, to)
        assert entered.status_code == 303
        assert entered.headers["location"] == "/"
        assert entered.headers.get_list("set-cookie")
        assert "a" not in kim.cookies


def test_a_session_that_was_planted_is_replaced(company: Company, at: Provider) -> None:
    with company.browser() as eve, company.browser() as lee:
        enter(eve)
        planted = {"Cookie": f"{COOKIE}={eve.cookies[COOKIE]}"}
        assert "kim@example.com" in lee.get("/", headers=planted).text
        at.claims = {**KIM, "sub": "u-2", "email": "lee@example.com"}
        address = walk(lee)
        attempt = f"{ATTEMPT}={lee.cookies[ATTEMPT]}"
        lee.get(address, headers={"Cookie": f"{planted['Cookie']}; {attempt}"})
        assert lee.cookies[COOKIE] != eve.cookies[COOKIE]
        assert "lee@example.com" in lee.get("/").text
        assert "lee@example.com" not in eve.get("/").text  # what was planted is still Eve's own


def test_every_sign_in_has_a_session_of_its_own(company: Company, at: Provider) -> None:
    with company.browser() as kim:
        enter(kim)
        first = kim.cookies[COOKIE]
        enter(kim)
        assert kim.cookies[COOKIE] != first


# --- the end of a session


def test_signing_out_forgets_the_session(company: Company, at: Provider) -> None:
    with company.browser() as kim:
        enter(kim)
        token = re.findall(r'name="token" value="([^"]*)"', kim.get("/").text)[0]
        assert kim.post("/inbox/sign-out", data={"token": "x"}).status_code == 403
        assert is_in(kim)
        assert kim.post("/inbox/sign-out", data={"token": token}).status_code == 303
        assert not is_in(kim)


def test_a_session_ends_with_the_setting(company: Company, at: Provider) -> None:
    with company.browser() as kim:
        enter(kim)
        company.uses(at.issuer, groups={"sales": "score"})
        assert not is_in(kim)
        company.uses(at.issuer)
        assert not is_in(kim)
        enter(kim)
        assert is_in(kim)
        (company.store / "sign-in.json").write_text("{")
        assert not is_in(kim)
        assert kim.get(START).status_code == 503
        assert kim.get("/inbox/sign-in").status_code == 200
        remove_sign_in(company.store)
        assert not is_in(kim)
        assert kim.get(START).status_code == 404


def test_a_session_of_the_company_is_none_of_a_key(company: Company, at: Provider) -> None:
    with company.browser() as kim, company.browser() as eve:
        enter(kim)
        signed_part = kim.cookies[COOKIE].partition(".")[2]
        eve.post("/inbox/sign-in", data={"by": "Eve", "key": company.key, "next": "/"})
        key, _, by_key = eve.cookies[COOKIE].partition(".")
        for forged in (f"{key}.{signed_part}", f".{signed_part}", f"~company.{by_key}"):
            eve.cookies.clear()
            eve.cookies.set(COOKIE, forged)
            assert not is_in(eve)


def test_a_session_opens_nothing_of_the_interface(company: Company, at: Provider) -> None:
    with company.browser() as kim:
        enter(kim)
        for path in ("/leads", "/model", "/metrics", "/docs"):
            assert kim.get(path).status_code == 401
        assert kim.post("/score", json={"leads": []}).status_code == 401
        assert kim.post("/feedback", json={}).status_code == 401


# --- a provider that is away, slow or hostile

HARM: dict[str, Callable[[Provider], None]] = {
    "not there": lambda at: at.metadata.update(token_endpoint="http://127.0.0.1:1/token"),
    "endless": lambda at: at.instead.update({"/token": endless}),
    "endless keys": lambda at: at.instead.update({"/jwks": endless}),
    "a page": lambda at: at.instead.update({"/token": lambda h: send(h, 200, b"<html>")}),
    "a list": lambda at: at.instead.update({"/jwks": lambda h: send(h, 200, b"[" * 100_000)}),
    "a huge number": lambda at: at.instead.update({"/token": lambda h: send(h, 200, b"9" * 5000)}),
    "fails": lambda at: at.instead.update({"/token": lambda h: send(h, 500, b"no")}),
    "refuses the client": lambda at: at.instead.update({"/token": lambda h: send(h, 401, b"no")}),
    "another issuer": lambda at: at.metadata.update(issuer="https://evil.example"),
    "a file": lambda at: at.metadata.update(jwks_uri="file:///etc/passwd"),
    "no address": lambda at: at.metadata.update(token_endpoint=["x"]),
    "without TLS": lambda at: at.metadata.update(token_endpoint="http://evil.example/token"),
    "with a user": lambda at: at.metadata.update(token_endpoint="https://a@evil.example/token"),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_a_provider_that_does_not_answer_as_it_should(
    company: Company, at: Provider, harm: Callable[[Provider], None]
) -> None:
    with company.browser() as kim:
        address = walk(kim)
        harm(at)
        began = time.monotonic()
        answer = kim.get(address)
        assert answer.status_code == 503
        assert "identity provider does not answer as it should" in answer.text
        assert time.monotonic() - began < 9
        assert not is_in(kim)


def test_a_provider_that_is_away_is_said_to_be(company: Company, at: Provider) -> None:
    company.uses("http://127.0.0.1:1")
    with company.browser() as kim:
        assert kim.get(START).status_code == 503
        assert kim.get("/inbox/sign-in").status_code == 200


def test_nothing_is_sent_where_the_provider_redirects(company: Company, at: Provider) -> None:
    with company.browser() as kim, provider() as elsewhere:
        for path in ("/token", "/jwks", "/.well-known/openid-configuration"):
            address = walk(kim)
            at.instead = {path: redirects_to(elsewhere.issuer + path)}
            assert kim.get(address).status_code == 503
            at.instead = {}
        assert elsewhere.paths == []


def test_a_slow_provider_delays_only_those_who_sign_in(company: Company, at: Provider) -> None:
    with company.browser() as eve:
        eve.post("/inbox/sign-in", data={"by": "Eve", "key": company.key, "next": "/"})
        at.instead = {"/.well-known/openid-configuration": dripping}
        waited: list[tuple[int, float]] = []

        def wait() -> None:
            began = time.monotonic()
            with company.browser() as kim:
                waited.append((kim.get(START).status_code, time.monotonic() - began))

        threads = [threading.Thread(target=wait) for _ in range(MAX_AT_ONCE)]
        for thread in threads:
            thread.start()
        while at.paths.count("/.well-known/openid-configuration") < MAX_AT_ONCE:
            time.sleep(0.05)
        began = time.monotonic()
        assert eve.get(START).status_code == 503  # one too many
        for _ in range(20):
            assert eve.get("/").status_code == 200
        with company.live.client(company.key) as service:
            scored = service.post("/score", json={"leads": [{"Lead ID": "L-1", "Employees": 9}]})
        assert scored.status_code == 200
        assert time.monotonic() - began < 7
        assert not waited
        for thread in threads:
            thread.join()
    assert {status for status, _ in waited} == {503}
    assert max(seconds for _, seconds in waited) < 12
    at.instead = {}
    with company.browser() as kim:
        assert enter(kim).status_code == 303


def test_a_slow_provider_does_not_hold_the_service_up_when_it_stops(
    store: Path, tmp_path: Path
) -> None:
    _, key = add_key(store, "admin")
    with provider(instead={"/.well-known/openid-configuration": dripping}) as at:
        with serving(store, tmp_path / "log") as live:
            company = Company(live, store, key)
            company.uses(at.issuer)
            thread = threading.Thread(target=lambda: company.browser().get(START))
            thread.start()
            while not at.paths:
                time.sleep(0.05)
            began = time.monotonic()
        assert time.monotonic() - began < 15
        thread.join()


# --- the secret


def test_the_secret_stands_nowhere_but_in_a_file_of_the_owner(
    company: Company, at: Provider
) -> None:
    with company.browser() as kim:
        page = kim.get("/inbox/sign-in").text
        assert enter(kim).status_code == 303
        at.instead = {"/token": lambda handler: send(handler, 401, b"no")}
        assert enter(kim).status_code == 503
    file = company.store / "sign-in.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET in file.read_text()
    shown = subprocess.run(
        [*COMMAND, "sign-in", "show", "--store", str(company.store)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert at.issuer in shown.stdout
    journal = company.live.journal()
    assert "The identity provider refused: HTTP 401." in journal
    for text in (journal, shown.stdout, page):
        assert SECRET not in text
