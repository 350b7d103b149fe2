"""One person once in the inbox: somebody whom the CRM has as several leads is one card among
today's, each lead's page has the others, and an answer counts for one of them. Over HTTP and in a
real browser, from scores that the service itself gave."""

import csv
import io
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.service.conftest import serving, until
from tests.service.web.test_browser import LAPTOP, PHONE, faults
from tests.service.web.test_inbox import Person
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore

DEFINITION = """
[outcome]
won = ["Won"]
lost = ["Lost"]
[columns]
id = "Id"
status = "Status"
person = "Email"
created = "Created"
[gate]
probability = 0.001
[[scorecard]]
name = "All"
threshold = 50
conversion_at_threshold = 0.1
points_to_double_the_odds = 20
  [[scorecard.rule]]
  says = "Asked for a demo"
  when = [{ field = "Form", any_of = ["Demo"] }]
  points = 40
"""
INES = "ines.petrov@cornewick.example"


def lead(number: int, email: str, form: str = "", **more: Any) -> dict[str, Any]:
    return {
        "Id": f"L-{number}",
        "Name": "Tom Hale" if "tom" in email else "Ines Petrov",
        "Email": email,
        "Form": form,
        "Status": "Contacted",
        "Created": f"2026-03-{number:02}T10:00:00Z",
        **more,
    }


LEADS = [
    lead(1, INES, Status="Working"),
    lead(2, INES.title(), "Demo"),
    lead(7, f"Ines Petrov <{INES}>"),
    lead(8, INES),
    lead(9, "tom@hale.example"),
]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the scores of a service, in which one lead was rejected and one accepted."""
    store = tmp_path_factory.mktemp("people") / "store"
    store.mkdir()
    (store.parent / "definition.toml").write_text(DEFINITION)
    with serving(store, store.parent / "log", *definition_of(store)) as live:
        asked = {"leads": LEADS, "as_of": "2026-06-30T00:00:00Z"}
        answer = httpx.post(f"{live.url}/score", json=asked, timeout=60).json()
        assert [score["decision"] for score in answer["scores"]] == ["pass"] * len(LEADS)
        until(lambda: len(stored_scores(store)) == len(LEADS))
    feedback = FeedbackStore.open(store)
    feedback.add(Label("L-1", "accepted", "Lena", note="wants a demo in May"))
    feedback.add(Label("L-1", "lost", "Lena", note="no budget"))
    feedback.close()
    return store


def stored_scores(store: Path) -> list[str]:
    feedback = FeedbackStore.open(store)
    try:
        return [score.lead_id for score in feedback.scores()]
    finally:
        feedback.close()


def definition_of(store: Path) -> tuple[str, str]:
    return "--definition", str(store.parent / "definition.toml")


@pytest.fixture
def own(scored: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a service on a copy of the store, which the test may change."""
    store = Path(shutil.copytree(scored.parent, tmp_path / "own")) / "store"
    with serving(store, tmp_path / "log", *definition_of(store)) as live:
        yield live.url


def sign_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("Your name").fill("Kim Osei")
    page.get_by_role("button", name="Show my leads").click()


@pytest.mark.parametrize(
    ("scheme", "size"),
    [("light", LAPTOP), ("dark", LAPTOP), ("light", PHONE), ("dark", PHONE)],
    ids=["light laptop", "dark laptop", "light phone", "dark phone"],
)
def test_a_person_of_four_leads_is_one_card_and_an_answer_counts_for_one_of_them(
    browser: Browser, own: str, scheme: Literal["light", "dark"], size: dict[str, int]
) -> None:
    context = browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, own)
    cards = page.locator("[data-lead]")
    expect(cards).to_have_count(2)
    ines = cards.filter(has_text="Ines Petrov")
    expect(ines.locator(".also")).to_have_text(
        "Also in the CRM as L-7, L-8, L-1 (lost). Your answer counts for L-2 alone."
    )
    expect(cards.filter(has_text="Tom Hale").locator(".also")).to_have_count(0)
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    ines.get_by_role("link", name="L-1").click()
    expect(page.get_by_role("heading", name="Ines Petrov")).to_be_visible()
    others = page.locator("section", has=page.get_by_role("heading", name="The same person"))
    expect(others.get_by_role("listitem")).to_have_count(3)
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    others.get_by_role("link", name="L-2").click()
    expect(page.locator(".also")).to_contain_text("Your answer counts for L-2 alone.")
    page.get_by_role("button", name="Accept").click()
    expect(page.locator(".toast")).to_contain_text("Accepted: Ines Petrov")

    page.goto(own)
    expect(cards).to_have_count(2)
    expect(ines.locator(".also")).to_have_text(
        "Also in the CRM as L-2 (accepted), L-8, L-1 (lost). Your answer counts for L-7 alone."
    )
    page.goto(f"{own}/?show=all")
    expect(cards).to_have_count(5)
    assert faults(page) == []
    context.close()


def test_the_page_of_a_lead_says_what_became_of_the_others_and_what_was_said(own: str) -> None:
    kim = Person(own)
    page = unescape(kim.page("/inbox/leads/L-2"))
    section = page[page.index("The same person in the CRM") :].split("</section>")[0]
    for says in (
        '<a href="/inbox/leads/L-1">L-1</a></strong> · Lost',
        "Created 1 Mar 2026",
        "In the CRM: Working, on 30 Jun 2026",
        "Accepted · by Lena",
        "“wants a demo in May”",
        "Lost · by Lena",
        "“no budget”",
        '<a href="/inbox/leads/L-7">L-7</a></strong> · New',
        "An answer counts for the lead that it was given on, not for these.",
    ):
        assert says in section, says
    assert "L-9" not in section
    assert "The same person" not in kim.page("/inbox/leads/L-9")


def test_the_list_as_csv_has_the_person_once_and_names_the_other_leads(own: str) -> None:
    kim = Person(own)
    rows = list(csv.DictReader(io.StringIO(kim.client.get("/inbox/leads.csv").text)))
    assert [(row["lead_id"], row["same_person"]) for row in rows] == [
        ("L-2", "L-7; L-8; L-1"),
        ("L-9", ""),
    ]
    everyone = kim.client.get("/inbox/leads.csv?show=all").text
    assert len(list(csv.DictReader(io.StringIO(everyone)))) == len(LEADS)


def test_a_search_finds_the_lead_that_is_not_the_best_of_its_person(own: str) -> None:
    page = unescape(Person(own).page("/?q=L-8"))
    assert "Your answer counts for L-8 alone." in page
    assert "1 lead waiting for your answer" in page
