"""The definition does what it says: one definition, a handful of leads, and what becomes of them,
by the command line, over HTTP and on the pages. No model has been trained."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.cli.test_definition import winnable
from tests.service.conftest import serving, until

AS_OF = "2026-07-01T00:00:00Z"
START = """
name = "Acceptance"
version = "1"
growth_stage = "{stage}"
[outcome]
won = ["Won"]
lost = ["Lost"]
[columns]
id = "Id"
status = "Status"
created = "Created"
source = "Source"
[activities]
intent = ["Pricing page", "Demo request"]
interest = ["Webinar", "Case study"]
"""


@dataclass(frozen=True)
class Told:
    """A lead: its columns, and what it did, as (kind, day in June 2026, properties)."""

    columns: Mapping[str, object]
    did: Sequence[tuple[str, int, Mapping[str, object]]] = ()


def write(folder: Path, definition: str, leads: Mapping[str, Told], stage: str = "growth") -> None:
    """The definition and the leads as files."""
    (folder / "definition.toml").write_text(START.format(stage=stage) + definition)
    rows = [
        {"Id": name, "Status": "Open", "Created": "2026-06-01", "Source": "", **lead.columns}
        for name, lead in leads.items()
    ]
    pd.DataFrame(rows).to_csv(folder / "leads.csv", index=False)
    done = [
        {"Lead Id": name, "At": f"2026-06-{day:02d}T12:00:00Z", "Kind": kind, **properties}
        for name, lead in leads.items()
        for kind, day, properties in lead.did
    ]
    frame = pd.DataFrame(done, columns=None if done else ["Lead Id", "At", "Kind"])
    frame.to_csv(folder / "activities.csv", index=False)


def scored(folder: Path) -> dict[str, tuple[str, str]]:
    """What `winnable score` decides of each lead, and its sentence."""
    words = ("score", "leads.csv", "--activities", "activities.csv", "--store", "none")
    words += ("--definition", "definition.toml")
    done = winnable(*words, "--output", "scores.csv", "--as-of", AS_OF, folder=folder)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(folder / "scores.csv", dtype=str)
    rows = zip(table["lead_id"], table["decision"], table["because"], strict=True)
    return {lead: (decision, because) for lead, decision, because in rows}


def asked(leads: Mapping[str, Told]) -> list[dict[str, Any]]:
    """The same leads as requests tell them."""
    return [
        {
            "Id": name,
            "Created": "2026-06-01T00:00:00Z",
            **lead.columns,
            "activities": [
                {"kind": kind, "at": f"2026-06-{day:02d}T12:00:00Z", **properties}
                for kind, day, properties in lead.did
            ],
        }
        for name, lead in leads.items()
    ]


def shown_on(client: httpx.Client, path: str, because: str) -> bool:
    """Whether the lead's page has the sentence, as soon as the score is stored."""
    page = html.unescape(client.get(path).text)
    return because.rsplit(", ", maxsplit=1)[-1].rstrip(".") in page


def answered(folder: Path, leads: Mapping[str, Told]) -> dict[str, tuple[str, str]]:
    """What `POST /score` decides of each lead, and its sentence, which the lead's page shows."""
    options = ("--definition", str(folder / "definition.toml"))
    with serving(folder / "none", folder / "log", *options) as live, live.client() as client:
        body = {"leads": asked(leads), "as_of": AS_OF}
        scores = client.post("/score", json=body).json()["scores"]
        client.post("/inbox/sign-in", data={"by": "Kim", "key": "", "next": "/"})
        for score in scores:
            path = f"/inbox/leads/{score['lead_id']}"
            until(lambda: shown_on(client, path, score["because"]))  # noqa: B023
    return {score["lead_id"]: (score["decision"], score["because"]) for score in scores}


def described(folder: Path, *options: str) -> str:
    """The definition as a page, with warnings about these leads."""
    done = winnable("describe", *options, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


CONDITIONS = """
[gate]
points = 50
always_work_share = 0

[[scorecard]]
threshold = 50

  [[scorecard.rule]]
  says = "Knows our case, then looked at prices"
  when = [{ activity = "Pricing page", after = { activity = "Case study", within_days = 14 } }]
  points = 30

  [[scorecard.rule]]
  says = "Stayed in the webinar"
  when = [{ activity = "Webinar", having = [{ field = "Minutes", at_least = 30 }] }]
  points = 20

  [[scorecard.rule]]
  says = "Decides or pays"
  when = [{ any_of = [
    { field = "Title", matches = ["head of"] },
    { field = "Budget", more_than = "Offer" },
  ] }]
  points = 20

  [[scorecard.rule]]
  says = "Neither a student nor a reseller"
  when = [{ none_of = [
    { field = "Title", matches = ["student"] },
    { field = "Industry", any_of = ["Reseller"] },
  ] }]
  points = 10
"""
PEOPLE = {
    "ordered": Told(
        {"Title": "Head of IT", "Industry": "Retail", "Budget": "10", "Offer": "20"},
        [("Case study", 1, {}), ("Pricing page", 10, {})],
    ),
    "too late": Told(
        {"Title": "Head of IT", "Industry": "Retail", "Budget": "10", "Offer": "20"},
        [("Case study", 1, {}), ("Pricing page", 20, {})],
    ),
    "other order": Told(
        {"Title": "Head of IT", "Industry": "Retail", "Budget": "10", "Offer": "20"},
        [("Pricing page", 1, {}), ("Case study", 10, {})],
    ),
    "pays and stayed": Told(
        {"Title": "Clerk", "Industry": "Retail", "Budget": "30", "Offer": "20"},
        [("Webinar", 3, {"Minutes": "45"})],
    ),
    "pays and left": Told(
        {"Title": "Clerk", "Industry": "Retail", "Budget": "30", "Offer": "20"},
        [("Webinar", 3, {"Minutes": "5"})],
    ),
    "student": Told(
        {"Title": "Student, head of club", "Industry": "Retail", "Budget": "10", "Offer": "20"},
        [("Webinar", 3, {"Minutes": "45"})],
    ),
}
REACHED = "points reach the hand-over threshold of 50."
BELOW = "points are below the hand-over threshold of 50"


@pytest.fixture(scope="module")
def conditions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conditions")
    write(folder, CONDITIONS, PEOPLE)
    return folder


def test_conditions_join_others_and_know_order_properties_and_other_columns(
    conditions: Path,
) -> None:
    decided = scored(conditions)
    assert decided["ordered"] == ("pass", f"60 {REACHED}")
    assert decided["pays and stayed"] == ("pass", f"50 {REACHED}")
    points = {lead: because.split(" ")[0] for lead, (_, because) in decided.items()}
    assert points == {
        "ordered": "60",
        "too late": "30",
        "other order": "30",
        "pays and stayed": "50",
        "pays and left": "30",
        "student": "40",
    }
    assert decided["too late"][1].startswith(f"30 {BELOW}")
    assert answered(conditions, PEOPLE) == decided


def test_the_page_says_such_conditions_in_english_and_what_changed_of_them(
    conditions: Path,
) -> None:
    page = described(conditions)
    for sentence in (
        "Pricing page within 14 days after Case study",
        "Webinar (Minutes is 30 or more)",
        "either Title contains head of or Budget is more than Offer",
        "neither Title contains student nor Industry is Reseller",
    ):
        assert sentence in page
    older = (
        (conditions / "definition.toml").read_text().replace("within_days = 14", "within_days = 7")
    )
    (conditions / "old.toml").write_text(older)
    changed = described(conditions, "--against", "old.toml")
    assert "within 7 days after Case study" in changed
    assert "within 14 days after Case study" in changed


def test_names_in_such_conditions_that_the_data_lack_are_warned_of(conditions: Path) -> None:
    text = (conditions / "definition.toml").read_text()
    wrong = text.replace('"Minutes"', '"Minuts"').replace('"Offer"', '"Created at"')
    (conditions / "wrong.toml").write_text(wrong)
    past = pd.read_csv(conditions / "leads.csv", dtype=str)
    past["Status"] = ["Won", "Lost", "Open"] * 2
    past.to_csv(conditions / "past.csv", index=False)
    options = ("past.csv", "--activities", "activities.csv", "--definition", "wrong.toml")
    page = described(conditions, *options)
    assert "no property of activities 'Minuts'; the nearest is 'Minutes'" in page
    assert "no column 'Created at'" in page


def test_a_wrong_condition_is_refused_with_what_to_do(conditions: Path) -> None:
    text = (conditions / "definition.toml").read_text()
    (conditions / "bad.toml").write_text(text.replace("after = {", "afterr = {"))
    refused = winnable("describe", "--definition", "bad.toml", folder=conditions)
    assert refused.returncode == 1
    assert "did you mean 'after'?" in refused.stderr
