"""A real browser, where one can be had; else what needs it is skipped."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright
from playwright.sync_api import Error as PlaywrightError

IN_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WITHOUT_BROWSER = "the pages in a real browser: install Chromium with `apt-get install chromium`"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="session")
def chromium() -> dict[str, str]:
    """How to start the browser that `CHROMIUM` names, or else the first that starts: one in PATH,
    Chrome where it is usually installed, or Playwright's own. `CHROMIUM=` (empty) is none.

    Of the session, so that tests without a browser are skipped before anything is trained for them.
    """
    chosen = os.environ.get("CHROMIUM")
    if chosen:
        return {"executable_path": chosen}
    in_path = [path for path in map(shutil.which, IN_PATH) if path]
    places = [*({"executable_path": path} for path in in_path), {"channel": "chrome"}, {}]
    with sync_playwright() as playwright:
        for place in places if chosen is None else []:
            with suppress(PlaywrightError):
                start_browser(playwright, place).close()
                return place
    pytest.skip(WITHOUT_BROWSER)


@pytest.fixture(scope="module")
def browser(chromium: dict[str, str]) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = start_browser(playwright, chromium)
        yield browser
        browser.close()


def start_browser(playwright: Playwright, place: dict[str, str]) -> Browser:
    return playwright.chromium.launch(**place, args=OPTIONS)  # type: ignore[arg-type]
