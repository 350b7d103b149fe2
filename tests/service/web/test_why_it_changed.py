"""Why a score changed, as sales reads it: in the lists, on a lead's page and in the CSV file, in
the words of the reasons."""

import csv
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.data.feedback.scores import NOW, given
from tests.service.conftest import serving
from tests.service.web.test_browser import LAPTOP, PHONE, faults
from tests.service.web.test_inbox import Person
from winnable.data.feedback.store.records import packed
from winnable.data.feedback.store.store import FeedbackStore
from winnable.learning.scoring.changes import change_of

WEEK_AGO = NOW - timedelta(days=8)
BEFORE = [
    ["activity", "Pricing page", 0.1, 3, 1.0, "Pricing page once, 2 days ago", 2.0],
    ["field", "Title", -0.1, 3, None, "Title is not known"],
    ["field", "Company", 0.2],
]
AFTER = [
    ["activity", "Pricing page", 0.85, 3, 3.0, "Pricing page 3 times, last today", 0.1],
    ["field", "Title", 0.4, 3, "<b>VP</b>", "Title is <b>VP</b>"],
    ["field", "Company", 0.2],
]
FIRST = "Pricing page 3 times, last today, 2 more than before"
SECOND = "Title is <b>VP</b>, was not known"


@pytest.fixture(scope="module")
def shown(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A service whose best lead gained 20 points, and its store; of one lead no parts were kept,
    and one was scored for the first time."""
    place = Path(shutil.copytree(filled, tmp_path_factory.mktemp("changed") / "store"))
    feedback = FeedbackStore.open(place)
    kept = [packed({"model": "a", "parts": parts}) for parts in (BEFORE, AFTER)]
    feedback.remember(
        [
            given("gained", 0.7, WEEK_AGO, parts=kept[0]),
            replace(given("gained", 0.9, parts=kept[1]), because=""),
            given("unknown", 0.8, WEEK_AGO),
            given("unknown", 0.88, parts=kept[1]),
            given("first", 0.87, parts=kept[1]),
        ]
    )
    feedback.close()
    with serving(place, place.parent / "log") as service:
        yield service.url, place


def card(page: str, lead: str) -> str:
    """What a list says of a lead, as text."""
    cards = page.split("data-lead>")
    (own,) = [each for each in cards if f'/inbox/leads/{lead}"' in each]
    return unescape(re.sub(r"<[^>]*>", "", own.split("<form")[0]))


def test_a_list_says_what_moved_a_score_since_a_week_before(shown: tuple[str, Path]) -> None:
    page = Person(shown[0]).page("/")
    assert "<b>VP</b>" not in page
    text = card(page, "gained")
    assert "+20 since Mon 22 Jun 2026: Pricing page 3 times" in text
    assert f"{FIRST} (+" in text
    assert f"{SECOND} (+" in text
    assert "Up from 80% a week ago" in card(page, "unknown")
    assert "First scored this week" in card(page, "first")


def test_a_leads_page_has_all_that_raised_and_lowered_its_score(shown: tuple[str, Path]) -> None:
    kim = Person(shown[0])
    page = kim.page("/inbox/leads/gained")
    section = unescape(page[page.index('aria-labelledby="change"') :].split("</section>")[0])
    assert "+20 since Mon 22 Jun 2026, in points of probability." in section
    assert section.index("Raised it") < section.index(FIRST) < section.index("was not known")
    numbers = [float(each) for each in re.findall(r": ([+-][\d.]+\d|[+-]\d)\b", section)]
    assert sum(numbers) == 20
    unknown = unescape(kim.page("/inbox/leads/unknown"))
    assert "+8 since Mon 22 Jun 2026: we do not know why, because what made up one of" in unknown
    assert "Why it changed" not in kim.page("/inbox/leads/first")


def test_the_csv_file_has_the_earlier_score_and_the_same_sentence(shown: tuple[str, Path]) -> None:
    url, place = shown
    rows = {
        row["lead_id"]: row
        for row in csv.DictReader(io.StringIO(Person(url).client.get("/inbox/leads.csv").text))
    }
    feedback = FeedbackStore.open(place)
    story = feedback.lead("gained")
    feedback.close()
    assert story is not None
    change = change_of(story.scores[1], story.lead.earlier or pytest.fail("none"))
    assert rows["gained"]["probability_before"] == "0.7000"
    assert rows["gained"]["before_as_of"] == "2026-06-22T12:00:00Z"
    assert rows["gained"]["changed_by"] == change.because
    assert change.because.startswith(FIRST)
    assert rows["first"]["changed_by"] == rows["first"]["probability_before"] == ""


def test_every_list_of_real_scores_tells_what_moved_them(shown: tuple[str, Path]) -> None:
    page = unescape(Person(shown[0]).page("/?show=all"))
    assert page.count(" since Mon 22 Jun 2026") > 3


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_change_is_readable_in_a_real_browser(
    shown: tuple[str, Path], browser: Browser, size: object, scheme: object
) -> None:
    context = browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(shown[0])
    page.fill("#by", "Kim")
    page.press("#by", "Enter")
    for address in ("/", "/inbox/leads/gained"):
        page.goto(f"{shown[0]}{address}")
        assert FIRST in page.inner_text("main")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert faults(page) == []
    context.close()
