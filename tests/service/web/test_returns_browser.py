"""A lead that comes back, in a real browser: rejected for now, and back with its story when it asks
for a demo; marketing sees what sales gave back, and what would bring it back."""

import csv
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.service.conftest import serving, until
from tests.service.web.test_browser import LAPTOP, PHONE, faults, sign_in
from winnable.service.http.keys import add_key

NOW = datetime.now(UTC)
RETURN_DAYS = 90


@pytest.fixture
def shop(demo_store: Any, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A service on the demo company's champion that has given no score yet, and the key of sales,
    which is everybody's here."""
    store = tmp_path / "store"
    shutil.copytree(demo_store.store / "served", store / "served")
    _, secret = add_key(store, "admin", "everybody")
    with serving(store, tmp_path / "log") as live:
        yield live.url, secret


def score(shop: tuple[str, str], as_of: datetime, *days_ago: float) -> dict[str, Any]:
    """Score the lead as of a time, after demo requests so many days before it."""
    url, secret = shop
    lead = {
        "Lead ID": "L-1",
        "First Name": "Ines",
        "Last Name": "Petrov",
        "Email": "ines.petrov@cornewick.example",
        "Title": "Head of Logistics",
        "Employees": 410,
        "Country": "Germany",
        "Industry": "Logistics",
        "Lead Source": "Referral",
        "Marketing Consent": "yes",
        "Created Date": (NOW - timedelta(days=3)).isoformat(),
        "activities": [
            {"kind": "Demo request", "at": (as_of - timedelta(days=days)).isoformat()}
            for days in days_ago
        ],
    }
    answer = httpx.post(
        f"{url}/score",
        json={"leads": [lead], "as_of": as_of.isoformat()},
        headers={"Authorization": f"Bearer {secret}"},
        timeout=60,
    )
    given: dict[str, Any] = answer.json()["scores"][0]
    return given


def leads(shop: tuple[str, str], **query: str) -> list[dict[str, Any]]:
    url, secret = shop
    headers = {"Authorization": f"Bearer {secret}"}
    answer = httpx.get(f"{url}/leads", params=query, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["leads"]
    return found


def downloaded(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("link", name="Download this list as CSV").click()
    return list(csv.DictReader(download.value.path().read_text().splitlines()))


def reject_for_now(page: Page) -> None:
    lead = page.locator("[data-lead]")
    lead.get_by_role("heading").get_by_role("link").click()
    page.get_by_label("Note").fill("budget year begins in spring")
    page.locator("summary").click()
    page.get_by_role("button", name="Not the right time").click()
    expect(page.locator(".toast")).to_contain_text("Rejected: Not the right time")
    expect(page.locator(".comes-back")).to_contain_text("Comes back after")


def marketing_sees_what_it_got_back(page: Page, since: datetime) -> None:
    page.get_by_role("link", name="Marketing").click()
    expect(page.get_by_role("heading", name="Leads for marketing")).to_be_visible()
    page.get_by_role("link", name="Given back by sales").click()
    lead = page.locator("[data-lead]")
    expect(lead).to_contain_text("Ines Petrov")
    expect(lead).to_contain_text("Rejected: Not the right time · by you")
    after = since + timedelta(days=RETURN_DAYS)
    expect(lead.locator(".comes-back")).to_have_text(
        f"Comes back after {after.day} {after:%b %Y}, with anything that shows intent since."
    )
    expect(page.get_by_role("button", name="Accept")).to_have_count(0)
    (row,) = downloaded(page)
    assert (row["lead_id"], row["reason"], row["by"]) == ("L-1", "Not the right time", "Kim Osei")
    assert row["note"] == "budget year begins in spring"
    assert row["comes_back"].startswith("after ")


def nobody_waits_for_sales(page: Page) -> None:
    page.get_by_role("link", name="Inbox").click()
    expect(page.get_by_role("heading", name="You’re all caught up")).to_be_visible()


def test_a_lead_rejected_for_now_is_back_with_its_story_after_200_days(
    browser: Browser, shop: tuple[str, str]
) -> None:
    url, secret = shop
    assert score(shop, NOW, 1.0)["decision"] == "pass"
    until(lambda: leads(shop, queue="sales"))
    context: BrowserContext = browser.new_context(viewport=LAPTOP)  # type: ignore[arg-type]
    page = sign_in(context, url, secret)
    reject_for_now(page)
    marketing_sees_what_it_got_back(page, NOW)
    nobody_waits_for_sales(page)
    # 200 days pass; the request from before the rejection is no sign since.
    later = NOW + timedelta(days=200)
    score(shop, later, 201.0)
    until(
        lambda: leads(shop, queue="marketing")[0]["score"]["as_of"].startswith(f"{later:%Y-%m-%d}")
    )
    page.reload()
    nobody_waits_for_sales(page)
    assert score(shop, later + timedelta(days=1), 0.5, 202.0)["decision"] == "pass"
    until(lambda: leads(shop, queue="sales"))
    page.goto(url)
    lead = page.locator("[data-lead]")
    expect(lead).to_have_count(1)
    expect(lead.locator(".before")).to_contain_text(
        "Back again. Before: Rejected: Not the right time · by you"
    )
    expect(lead.locator(".before")).to_contain_text("budget year begins in spring")
    (kept,) = leads(shop, state="returned")
    assert (kept["before"]["reason"], kept["before"]["by"]) == ("Not the right time", "Kim Osei")
    assert (kept["label"], kept["queue"]) == (None, "sales")
    page.get_by_role("link", name="Marketing").click()
    expect(page.get_by_role("heading", name="No leads here yet")).to_be_visible()
    nothing_is_lost_when_it_is_accepted(page, url)
    context.close()


def nothing_is_lost_when_it_is_accepted(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_role("button", name="Accept").click()
    expect(page.locator(".toast")).to_contain_text("Accepted: Ines Petrov")
    page.get_by_role("link", name="Accepted", exact=True).click()
    page.get_by_role("link", name="Ines Petrov").click()
    expect(page.locator(".before")).to_contain_text("Not the right time")
    story = page.locator("section[aria-labelledby=feedback] li strong")
    expect(story).to_have_text(["Accepted", "Came back", "Rejected: Not the right time"])
    expect(page.get_by_text("conflicting feedback")).to_have_count(0)


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_marketings_lists_have_no_barriers(
    browser: Browser, shop: tuple[str, str], size: dict[str, int]
) -> None:
    url, secret = shop
    score(shop, NOW, 1.0)
    until(lambda: leads(shop, queue="sales"))
    context = browser.new_context(viewport=size, reduced_motion="reduce")  # type: ignore[arg-type]
    page = sign_in(context, url, secret)
    reject_for_now(page)
    assert faults(page) == []
    for show in ("marketing", "given-back", "nurture"):
        page.goto(f"{url}/?show={show}")
        assert faults(page) == [], show
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), show
    context.close()
