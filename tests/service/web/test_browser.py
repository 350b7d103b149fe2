"""A day at work in a real browser: with and without its script, on a laptop and a phone, by mouse
and by keys, light and dark."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.service.conftest import serving
from winnable.data.feedback.store.records import Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.service.http.keys import add_key

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 375, "height": 760}


@pytest.fixture(scope="module")
def shop(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """A service with keys on a filled store: its address, the key of sales, and the store."""
    store = Path(shutil.copytree(filled, tmp_path_factory.mktemp("shop") / "store"))
    _, secret = add_key(store, "feedback", "sales")
    with serving(store, tmp_path_factory.mktemp("shop-log") / "log") as live:
        yield live.url, secret, store


def sign_in(context: BrowserContext, url: str, secret: str, by: str = "Kim Osei") -> Page:
    page = context.new_page()
    page.goto(url)
    page.get_by_label("Your name").fill(by)
    page.get_by_label("Key").fill(secret)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Today’s leads")).to_be_visible()
    return page


def inbox_labels(store: Path, by: str) -> list[Label]:
    feedback = FeedbackStore.open(store)
    try:
        return [label for label in feedback.labels() if label.origin == "inbox" and label.by == by]
    finally:
        feedback.close()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_a_day_at_work(
    browser: Browser, shop: tuple[str, str, Path], script: bool, size: dict[str, int]
) -> None:
    url, secret, store = shop
    by = f"{size['width']} {script}"
    context = browser.new_context(viewport=size, java_script_enabled=script)  # type: ignore[arg-type]
    errors: list[str] = []
    context.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else None
    )
    context.on("weberror", lambda error: errors.append(str(error.error)))
    page = sign_in(context, url, secret, by)
    first = page.locator("[data-lead]").first
    name = first.get_by_role("heading").get_by_role("link").inner_text()
    first.get_by_role("button", name="Accept").click()
    toast = page.locator(".toast")
    expect(toast).to_contain_text(f"Accepted: {name}")
    toast.get_by_role("button", name="Undo").click()
    expect(toast).to_contain_text("Answer undone")
    first.locator("summary").click()
    reason = first.locator(".menu button").first
    why = reason.inner_text()
    reason.click()
    expect(toast).to_contain_text(f"Rejected: {why}")
    page.locator("[data-lead]").first.get_by_role("heading").get_by_role("link").click()
    page.get_by_label("Note").fill("signed today")
    page.get_by_role("button", name="Won").click()
    expect(page.get_by_text("signed today")).to_be_visible()
    page.get_by_role("link", name="Does it work?").click()
    expect(page.get_by_role("heading", name="Results by grade")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(url)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()
    labels = inbox_labels(store, by)
    assert [(label.label, label.reason, label.note) for label in labels] == [
        ("accepted", None, None),
        ("withdrawn", None, None),
        ("rejected", why, None),
        ("won", None, "signed today"),
    ]
    assert labels[0].score_id
    assert errors == []


def test_by_keys_alone(browser: Browser, shop: tuple[str, str, Path]) -> None:
    url, secret, store = shop
    context = browser.new_context(viewport=LAPTOP)  # type: ignore[arg-type]
    page = sign_in(context, url, secret, "Keys")
    ids = [page.locator("[data-lead] [name=lead_id]").nth(i).input_value() for i in range(4)]
    keys, toast = page.keyboard, page.locator(".toast")
    for key in ("j", "j", "j", "k"):
        keys.press(key)
    expect(page.locator("[data-lead]").nth(1)).to_be_focused()
    keys.press("a")
    expect(toast).to_contain_text("Accepted")
    expect(page.locator("[data-lead]").nth(1)).to_be_focused()  # the next one moved up
    keys.press("r")
    expect(page.locator(".menu button").nth(0)).not_to_be_focused()  # that is the first lead's
    keys.press("Escape")
    keys.press("r")
    keys.press("Enter")
    expect(toast).to_contain_text("Rejected")
    keys.press("u")
    expect(toast).to_contain_text("Answer undone")
    keys.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    keys.press("Escape")
    keys.press("/")
    expect(page.locator("#search")).to_be_focused()
    keys.type("awl")  # letters in a field are letters
    expect(page.locator("#search")).to_have_value("awl")
    page.goto(url)
    for key, label in (("w", "Won"), ("l", "Lost"), ("x", "Junk")):
        keys.press("j")
        keys.press(key)
        expect(toast).to_contain_text(label)
    context.close()
    labels = [(label.label, label.lead_id) for label in inbox_labels(store, "Keys")]
    assert labels[:3] == [("accepted", ids[1]), ("rejected", ids[2]), ("withdrawn", ids[2])]
    assert [label for label, _ in labels[3:]] == ["won", "lost", "junk"]


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", LAPTOP), ("dark", PHONE)], ids=["light laptop", "dark phone"]
)
def test_no_barriers(
    browser: Browser,
    shop: tuple[str, str, Path],
    scheme: Literal["light", "dark"],
    size: dict[str, int],
) -> None:
    url, secret, _ = shop
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url)
    assert faults(page) == []
    page.close()
    page = sign_in(context, url, secret, f"{scheme} {size['width']}")
    assert faults(page) == []
    page.goto(f"{url}/?show=all")
    page.locator("summary").first.click()
    assert faults(page) == []
    page.locator(".menu button").first.click()
    assert faults(page) == []
    lead = page.locator("[data-lead] h2 a").first.get_attribute("href")
    for path in (
        "/?show=rejected",
        f"{lead}",
        "/inbox/results",
        "/?q=nobody+at+all",
        "/inbox/leads/nobody",
        "/nothing",
    ):
        page.goto(url + path)
        assert faults(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    if size is LAPTOP:
        page.goto(url)
        page.keyboard.press("?")
        assert faults(page) == []
    context.close()


def faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical, and where."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run().then(result => result.violations)")
    return [
        f"{each['id']}: {node['html']}"
        for each in found
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]
