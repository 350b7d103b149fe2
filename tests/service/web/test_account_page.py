"""The page of an account: from a lead to its colleagues and on to another, over HTTP and in a real
browser, from scores that the service itself gave."""

import shutil
from collections.abc import Iterator
from html import escape, unescape
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.service.conftest import serving, until
from tests.service.web.test_browser import LAPTOP, PHONE, faults
from tests.service.web.test_inbox import SCRIPT, Person
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.service.http.keys import add_key

DEFINITION = """
[outcome]
won = ["Won"]
[columns]
id = "Id"
status = "Status"
account = "Company"
"""
WAYS = [{"kind": "Pricing page", "at": "2026-06-28T14:30:00Z"}]
LEADS = [
    {"Id": "L-1", "Name": "Ines Petrov", "Company": "Acme Inc.", "Owner": "Kim Osei"},
    {"Id": "L-2", "Name": "Tom Hale", "Company": "ACME", "Owner": "Lena", "activities": WAYS},
    {"Id": "L-3", "Name": "Ada Moss", "Company": "Acme Inc."},
    {"Id": "L-4", "Name": "Bo Lind", "Company": f"{SCRIPT} & Sons"},
    {"Id": "L-5", "Name": "Cy Alto", "Email": "cy@gmail.com"},
    {"Id": "L-6", "Name": "Di Noor", "Email": "di@noor/x.example"},
]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with leads that a service scored, of which one was won."""
    store = tmp_path_factory.mktemp("accounts") / "store"
    store.mkdir()
    (store.parent / "definition.toml").write_text(DEFINITION)
    with serving(store, store.parent / "log", *definition_of(store)) as live:
        asked = httpx.post(f"{live.url}/score", json={"leads": LEADS}, timeout=60)
        assert asked.json()["errors"] == []

        def kept() -> bool:
            feedback = FeedbackStore.open(store)
            try:
                return len(list(feedback.scores())) == len(LEADS)
            finally:
                feedback.close()

        until(kept)
    feedback = FeedbackStore.open(store)
    feedback.add(Label("L-3", "won", "Lena"))
    feedback.close()
    return store


def definition_of(store: Path) -> tuple[str, str]:
    return "--definition", str(store.parent / "definition.toml")


@pytest.fixture(scope="module")
def place(scored: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(scored, tmp_path_factory.mktemp("log") / "log", *definition_of(scored)) as live:
        yield live.url


def test_an_account_shows_who_is_there_what_they_did_and_how_it_ended(place: str) -> None:
    kim = Person(place)
    assert '<a href="/inbox/accounts/acme">Acme Inc.</a>' in kim.page("/inbox/leads/L-1")
    page = unescape(kim.page("/inbox/accounts/acme"))
    assert "<h1>Acme Inc.</h1>" in page
    for name, lead_id in (("Ines Petrov", "L-1"), ("Tom Hale", "L-2"), ("Ada Moss", "L-3")):
        assert f'<a href="/inbox/leads/{lead_id}">{name}' in page
    for says in (
        "at least one of its 2 open leads is won",
        "Not calibrated",
        "Kim Osei",
        "Pricing page",
        "28 Jun 2026, 14:30 UTC",
        "1 won, 0 lost",
    ):
        assert says in page
    assert "Cy Alto" not in page


def test_an_account_is_a_link_only_where_it_is_known(place: str) -> None:
    kim = Person(place)
    assert "/inbox/accounts/" not in kim.page("/inbox/leads/L-5")
    assert '"/inbox/accounts/noor%2Fx.example"' in kim.page("/inbox/leads/L-6")
    assert "Di Noor" in kim.page("/inbox/accounts/noor%2Fx.example")
    for unknown in ("nobody", "gmail.com", "%00", "%ff", "..%2f..%2fetc", "x" * 3000):
        answer = kim.client.get(f"/inbox/accounts/{unknown}")
        assert answer.status_code == 404
        assert "Go to the inbox" in answer.text
    assert "No lead is known of this account" in kim.client.get("/inbox/accounts/nobody").text


def test_whoever_is_not_signed_in_sees_no_account(scored: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(scored.parent, tmp_path / "own")) / "store"
    _, secret = add_key(store, "feedback")
    _, scoring = add_key(store, "score")
    with serving(store, tmp_path / "log", *definition_of(store)) as live:
        assert "Acme Inc." in Person(live.url, key=secret).page("/inbox/accounts/acme")
        answer = Person(live.url, key=scoring).client.get("/inbox/accounts/acme")
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/inbox/sign-in?next=%2Finbox%2Faccounts%2Facme",
        )


def test_markup_in_the_name_of_an_account_is_text(place: str) -> None:
    kim = Person(place)
    lead = kim.page("/inbox/leads/L-4")
    (address,) = [part for part in lead.split('"') if part.startswith("/inbox/accounts/")]
    for page in (lead, kim.page(address)):
        assert SCRIPT not in page
        assert escape(f"{SCRIPT} & Sons", quote=False) in page.replace("&#34;", '"')
        assert page.count("<script") == 1


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_from_a_lead_to_a_colleague_by_their_account(
    browser: Browser, place: str, size: dict[str, int]
) -> None:
    context = browser.new_context(viewport=size)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{place}/inbox/leads/L-1")
    page.get_by_label("Your name").fill("Kim Osei")
    page.get_by_role("button", name="Show my leads").click()
    page.get_by_role("link", name="Acme Inc.", exact=True).click()
    expect(page.get_by_role("heading", name="Acme Inc.")).to_be_visible()
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator(".people").get_by_role("link", name="Tom Hale").click()
    expect(page.get_by_role("heading", name="Tom Hale")).to_be_visible()
    page.get_by_role("link", name="Back to the account").click()
    expect(page.get_by_role("heading", name="Acme Inc.")).to_be_visible()
    context.close()
