"""Signing in at the company in a real browser, at a real provider, set by the real command."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.service.conftest import COMMAND, Live, serving
from tests.service.proxies import RECIPES, running
from tests.service.web.sign_in.providers import CLIENT, KIM, SECRET, oidc_provider_mock
from tests.service.web.test_browser import faults
from winnable.data.feedback.store.store import FeedbackStore
from winnable.service.http.guards.trusted_proxies import PROXIES
from winnable.service.http.keys import add_key, read_keys
from winnable.service.web.sessions import COOKIE
from winnable.service.web.sign_in.configuration import CompanySignIn, write_sign_in
from winnable.service.web.sign_in.pages import START

ROBOT = {"sub": "u-9", "email": "robot@example.com", "groups": ["robots"]}


@pytest.fixture(scope="module")
def shop(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Path]]:
    """A service with a key, on a filled store, that people sign in to at a real provider."""
    place = tmp_path_factory.mktemp("shop")
    store = Path(shutil.copytree(filled, place / "store"))
    add_key(store, "feedback")
    with (
        oidc_provider_mock(place / "provider", KIM, ROBOT) as issuer,
        serving(store, place / "log") as live,
    ):
        words = ["--issuer", issuer, "--client-id", CLIENT, "--address", live.url]
        words += ["--group", "feedback=sales", "--group", "score=robots", "--store", str(store)]
        done = subprocess.run(
            [*COMMAND, "sign-in", "set", *words],
            env={**os.environ, "WINNABLE_OIDC_CLIENT_SECRET": SECRET},
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"Register {live.url}/inbox/signed-in" in done.stdout.replace("\n", " ")
        assert done.stderr == ""
        yield live, store


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_day_at_work_under_the_name_at_the_company(
    browser: Browser, shop: tuple[Live, Path], script: bool
) -> None:
    live, store = shop
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    page.goto(f"{live.url}/inbox/results")
    expect(page.get_by_label("Key")).to_be_visible()  # beside it
    page.get_by_role("link", name="Sign in at your company").click()
    page.get_by_role("button", name=KIM["sub"]).click()
    expect(page.get_by_role("heading", name="Results by grade")).to_be_visible()
    page.goto(live.url)
    expect(page.locator(".who .name")).to_have_text(KIM["email"])
    page.locator("[data-lead]").first.get_by_role("button", name="Accept").click()
    expect(page.locator(".toast")).to_contain_text("Accepted")
    (cookie,) = [cookie for cookie in context.cookies() if cookie["name"] == COOKIE]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(live.url)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()
    feedback = FeedbackStore.open(store)
    last = list(feedback.labels())[-1]
    feedback.close()
    assert (last.label, last.by) == ("accepted", KIM["email"])


def test_a_group_without_a_role_is_told_whom_to_ask(
    browser: Browser, shop: tuple[Live, Path]
) -> None:
    page = browser.new_page()
    page.goto(shop[0].url)
    page.get_by_role("link", name="Sign in at your company").click()
    page.get_by_role("button", name=ROBOT["sub"]).click()
    expect(page.get_by_text("no group of yours may use these pages")).to_be_visible()
    page.get_by_role("link", name="Go to the inbox").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.close()


def test_a_page_elsewhere_signs_nobody_in_as_somebody_else(
    browser: Browser, shop: tuple[Live, Path]
) -> None:
    live, _ = shop
    with httpx.Client(base_url=live.url) as eve:
        begun = eve.get(START)
        answer = httpx.post(begun.headers["location"], data={"sub": KIM["sub"]})
    page = browser.new_page()
    page.set_content(f'<a href="{answer.headers["location"]}">a prize</a>')
    page.get_by_role("link").click()
    expect(page.get_by_text("does not belong to a sign-in that was begun")).to_be_visible()
    page.goto(live.url)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_page(browser: Browser, shop: tuple[Live, Path], scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme, viewport={"width": 375, "height": 760})  # type: ignore[arg-type]
    page.goto(shop[0].url)
    assert faults(page) == []
    page.close()


@pytest.mark.parametrize("name", RECIPES)
def test_by_tls_through_a_proxy_every_cookie_is_secure(
    browser: Browser, worked: Path, tmp_path: Path, name: str
) -> None:
    _, key = add_key(worked, "feedback")
    context = browser.new_context(ignore_https_errors=True)  # the certificate is its own authority
    with (
        oidc_provider_mock(tmp_path / "provider", KIM) as issuer,
        serving(worked, tmp_path / "log", environment={PROXIES: "127.0.0.1"}) as live,
        running(name, live, tmp_path / "proxy", host="127.0.0.1") as proxy,
    ):
        address = f"https://127.0.0.1:{proxy.tls}"
        groups = {"sales": "feedback"}
        write_sign_in(worked, CompanySignIn(issuer, CLIENT, SECRET, address, groups))  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{address}/inbox/results")
        with page.expect_response(lambda answer: START in answer.url) as begun:
            page.get_by_role("link", name="Sign in at your company").click()
        begins = begun.value.header_value("set-cookie") or ""
        assert begins.startswith("__Host-winnable_sign_in=")
        assert "; Secure" in begins
        page.get_by_role("button", name=KIM["sub"]).click()
        expect(page.get_by_role("heading", name="Results by grade")).to_be_visible()
        page.goto(address)
        page.locator("[data-lead]").first.get_by_role("button", name="Accept").click()
        expect(page.locator(".toast")).to_contain_text("Accepted")
        (cookie,) = [cookie for cookie in context.cookies() if cookie["name"] == COOKIE]
        assert cookie["secure"]
        assert cookie["httpOnly"]
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Your name").fill("Lee")
        page.get_by_label("Key").fill(key)
        page.get_by_role("button", name="Sign in with the key").click()
        expect(page.locator(".who .name")).to_have_text(f"Lee (key {kept_name(worked)})")
        assert all(cookie["secure"] for cookie in context.cookies(address))
    context.close()


def kept_name(store: Path) -> str:
    (key,) = read_keys(store)
    return key.name
