"""Fit and engagement apart, from the definition to the page: scored over HTTP while the scorecard
answers, listed by the API, and found and sorted in a real browser."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.service.conftest import serving, until
from tests.service.web.test_browser import LAPTOP, PHONE, faults, sign_in
from winnable.service.http.keys import add_key

EXAMPLE = Path(__file__).parents[3] / "models" / "growth-stage.toml"
GRID = """
[grid]
words = { A1 = "Call today", A = "Our kind of company", 4 = "did nothing yet" }
"""
AS_OF = "2026-06-30T00:00:00Z"
DEMO = ("Demo request", "Pricing page", "Pricing page")
LEADS = {
    "L-1": ("CEO", "Referral", DEMO),
    "L-2": ("CFO", "Referral", ()),
    "L-3": ("Head of sales", "Web", ("Webinar", "E-book")),
    "L-4": ("Analyst", "Purchased list", DEMO),
    "L-5": ("VP", "Web", ("Demo request",)),
}
CELLS = {"L-1": "A1", "L-2": "A4", "L-3": "B3", "L-4": "D1", "L-5": "B2"}
Shop = tuple[str, dict[str, str], str]


def lead(lead_id: str) -> dict[str, Any]:
    title, source, kinds = LEADS[lead_id]
    return {
        "Lead ID": lead_id,
        "Title": title,
        "Employees": 200,
        "Lead Source": source,
        "Email": f"{lead_id.lower()}@cornewick.example",
        "Country": "Germany",
        "Marketing Consent": "yes",
        "activities": [{"kind": kind, "at": "2026-06-29T00:00:00Z"} for kind in kinds],
    }


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A service on the scorecard of a definition with a grid, which has scored five leads."""
    folder = tmp_path_factory.mktemp("grid")
    agreed = folder / "definition.toml"
    agreed.write_text(EXAMPLE.read_text().partition("[grid]")[0] + GRID)
    store = folder / "store"
    _, secret = add_key(store, "admin", "everybody")
    with serving(store, folder / "log", "--definition", str(agreed)) as live:
        headers = {"Authorization": f"Bearer {secret}"}
        answer = scored(live.url, headers)
        assert answer.status_code == 200, answer.text
        until(lambda: len(listed((live.url, headers, secret))) == len(LEADS))
        yield live.url, headers, secret


def scored(url: str, headers: dict[str, str], query: str = "") -> httpx.Response:
    body = {"leads": [lead(lead_id) for lead_id in LEADS], "as_of": AS_OF}
    return httpx.post(f"{url}/score{query}", json=body, headers=headers, timeout=60)


def listed(shop: Shop, **query: str) -> dict[str, str]:
    """The cells of the leads that the API lists, in its order."""
    url, headers, _ = shop
    answer = httpx.get(f"{url}/leads", params=query, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return {row["lead_id"]: row["score"]["grid"]["cell"] for row in answer.json()["leads"]}


def shown(page: Page) -> list[str]:
    return page.locator("[data-lead] h2 a").all_inner_texts()


def test_a_score_has_its_place_with_points_and_odds(shop: Shop) -> None:
    url, headers, _ = shop
    scores = scored(url, headers).json()["scores"]
    assert {score["lead_id"]: score["grid"]["cell"] for score in scores} == CELLS
    assert [score["grid"]["says"] for score in scores] == [
        "Call today",
        "Our kind of company, did nothing yet",
        "",
        "",
        "",
    ]
    for score in scores:
        odds = score["probability"] / (1 - score["probability"])
        grid = score["grid"]
        assert grid["fit"] * grid["engagement"] == pytest.approx(odds / (0.08 / 0.92), rel=1e-9)
    assert scores[1]["grid"]["points"] == {
        "profile": 50,
        "interest": 0,
        "intent": 0,
        "behaviour": -20,
    }


def test_the_api_lists_leads_by_the_grid(shop: Shop) -> None:
    assert list(listed(shop, sort="grid")) == ["L-1", "L-2", "L-5", "L-3", "L-4"]
    assert listed(shop, grid="A") == {"L-1": "A1", "L-2": "A4"}
    assert list(listed(shop, grid="1")) == ["L-1", "L-4"]
    assert listed(shop, grid="D1") == {"L-4": "D1"}
    url, headers, _ = shop
    refused = httpx.get(f"{url}/leads?grid=E1", headers=headers)
    assert refused.status_code == 422
    assert "'A1'" in refused.json()["detail"]


def test_sales_finds_and_sorts_leads_by_the_grid(browser: Browser, shop: Shop) -> None:
    url, _, secret = shop
    context = browser.new_context(viewport=LAPTOP)  # type: ignore[arg-type]
    page = sign_in(context, url, secret)
    page.goto(f"{url}/?show=all")
    assert shown(page)[:2] == ["L-1", "L-5"]
    page.get_by_label("Order").select_option(label="A1 to D4")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("from A1 to D4")).to_be_visible()
    assert shown(page) == ["L-1", "L-2", "L-5", "L-3", "L-4"]
    expect(page.locator("[data-lead]").first).to_contain_text("A1 · Call today")
    page.get_by_label("Fit and engagement").select_option(label="Fit A: Our kind of company")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("2 leads")).to_be_visible()
    assert shown(page) == ["L-1", "L-2"]
    with page.expect_download() as download:
        page.get_by_role("link", name="Download this list as CSV").click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert [(row["lead_id"], row["cell"], row["cell_says"]) for row in rows] == [
        ("L-1", "A1", "Call today"),
        ("L-2", "A4", "Our kind of company, did nothing yet"),
    ]
    assert float(rows[0]["fit"]) > 2
    assert float(rows[1]["engagement"]) < 0.5
    page.get_by_role("link", name="Clear").click()
    page.goto(f"{url}/inbox/leads/L-2")
    section = page.get_by_role("region", name="Fit and engagement")
    expect(section).to_contain_text("A4: Our kind of company, did nothing yet")
    expect(section).to_contain_text("A: 50 points, 2.8 times the odds")
    expect(section).to_contain_text("of that, intent")
    page.goto(f"{url}/inbox/results")
    expect(page.get_by_role("row", name="A1 · Call today")).to_be_visible()
    context.close()


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", PHONE), ("dark", LAPTOP)], ids=["light phone", "dark laptop"]
)
def test_the_grid_makes_no_barriers(
    browser: Browser, shop: Shop, scheme: Literal["light", "dark"], size: dict[str, int]
) -> None:
    url, _, secret = shop
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = sign_in(context, url, secret)
    for path in ("/?show=all&sort=grid", "/inbox/leads/L-2", "/inbox/results"):
        page.goto(url + path)
        assert faults(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    context.close()


def test_a_score_without_reasons_has_no_place(shop: Shop) -> None:
    """Last, since the list shows the latest score."""
    url, headers, _ = shop
    scores = scored(url, headers, "?reasons=false").json()["scores"]
    assert all("grid" not in score for score in scores)
