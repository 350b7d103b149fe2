"""The interactive documentation in a real browser: a request tried there is answered, with and
without keys, and nothing is loaded from elsewhere."""

import re
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.service.conftest import Live, serving
from winnable.service.http.keys import add_key

LAPTOP = {"width": 1280, "height": 800}
LIVE_COLUMNS = re.compile(r'"leads".*"Employees"', re.DOTALL)


def open_docs(context: BrowserContext, url: str) -> tuple[Page, list[str], set[str]]:
    """The page, and what its console says and it loads from then on."""
    errors: list[str] = []
    loaded: set[str] = set()
    context.on("request", lambda request: loaded.add(request.url))
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on(
        "console",
        lambda message: errors.append(message.text) if message.type == "error" else None,
    )
    page = context.new_page()
    page.goto(f"{url}/docs")
    expect(page.get_by_role("link", name="Guide")).to_be_visible()
    return page, errors, loaded


def try_scoring(page: Page) -> None:
    """Send the example of POST /score."""
    score = page.locator("#operations-default-score")
    if not score.get_by_role("button", name="Execute").is_visible():
        score.locator(".opblock-summary-control").click()
        score.get_by_role("button", name="Try it out").click()
        example = score.locator("textarea").first
        expect(example).to_have_value(LIVE_COLUMNS)
    score.get_by_role("button", name="Execute").click()


def response_status(page: Page) -> Locator:
    return page.locator("#operations-default-score .live-responses-table .response-col_status")


def test_a_request_tried_without_keys_is_answered(browser: Browser, live: Live) -> None:
    context = browser.new_context(viewport=LAPTOP)  # type: ignore[arg-type]
    page, errors, loaded = open_docs(context, live.url)
    try_scoring(page)
    expect(response_status(page).last).to_contain_text("200")
    expect(page.locator(".live-responses-table .response-col_description").last).to_contain_text(
        '"probability"'
    )
    assert errors == []
    assert all(address.startswith((f"{live.url}/", "data:")) for address in loaded)
    context.close()


def test_a_request_tried_with_a_key_is_answered(
    browser: Browser, store: Path, tmp_path: Path
) -> None:
    """Sales' key opens the page; it may not score, which the key given to Authorize may."""
    _, sales = add_key(store, "feedback")
    _, scoring = add_key(store, "score")
    with serving(store, tmp_path / "log") as live:
        context = browser.new_context(
            viewport=LAPTOP,  # type: ignore[arg-type]
            http_credentials={"username": "sales", "password": sales},
        )
        opened = context.new_page().goto(f"{live.url}/definition")
        assert opened is not None
        assert opened.status == 200
        page, _, _ = open_docs(context, live.url)
        try_scoring(page)
        expect(response_status(page).last).to_contain_text("403")
        page.get_by_role("button", name="Authorize", exact=True).first.click()
        dialog = page.locator(".modal-ux")
        dialog.locator("input").fill(scoring)
        dialog.get_by_role("button", name="Apply credentials").click()
        dialog.get_by_role("button", name="Close").last.click()
        try_scoring(page)
        expect(response_status(page).last).to_contain_text("200")
        context.close()
