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
    page = html.unescape(client.get(path).text).casefold()
    return because.rsplit(", ", maxsplit=1)[-1].rstrip(".").casefold() in page


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


PROFILES = """
hand_raise = ["Demo request"]
[profile]
ideal = [{ field = "Employees", at_least = 100 }]
acceptable = [{ says = "Small firms", when = [{ field = "Employees", between = [10, 99] }] }]
unacceptable = [{ field = "Country", any_of = ["Atlantis"] }]
[gate]
always_work_share = 0
sources = ["Referral", "Website"]
refused_sources = ["Purchased list"]
"""
LEADS = {
    "ideal": Told({"Employees": "500", "Country": "France", "Source": "Referral"}),
    "ideal, engaged": Told(
        {"Employees": "500", "Country": "France", "Source": "Referral"}, [("Webinar", 3, {})]
    ),
    "acceptable, engaged": Told(
        {"Employees": "20", "Country": "France", "Source": "Website"}, [("Pricing page", 3, {})]
    ),
    "acceptable, asks": Told(
        {"Employees": "20", "Country": "France", "Source": "Website"}, [("Demo request", 3, {})]
    ),
    "neither, asks": Told(
        {"Employees": "3", "Country": "France", "Source": "Website"}, [("Demo request", 3, {})]
    ),
    "unwanted, asks": Told(
        {"Employees": "500", "Country": "Atlantis", "Source": "Website"}, [("Demo request", 3, {})]
    ),
    "other source, engaged": Told(
        {"Employees": "500", "Country": "France", "Source": "Fair"}, [("Webinar", 3, {})]
    ),
    "other source, asks": Told(
        {"Employees": "500", "Country": "France", "Source": "Fair"}, [("Demo request", 3, {})]
    ),
    "list, asks": Told(
        {"Employees": "500", "Country": "France", "Source": "Purchased list"},
        [("Demo request", 3, {})],
    ),
}
ASKED = "It asked for sales itself, which outweighs "


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (
            "seed",
            {
                "ideal": "It has not asked for sales itself in the last 90 days",
                "ideal, engaged": "It has not asked for sales itself in the last 90 days",
                "acceptable, engaged": "It has not asked for sales itself in the last 90 days",
                "acceptable, asks": "pass",
                "neither, asks": "pass",
                "other source, engaged": "Its source is not one of those that convert best",
            },
        ),
        (
            "growth",
            {
                "ideal": "It has not done anything yet that shows interest or intent",
                "ideal, engaged": "pass",
                "acceptable, asks": "pass",
                "neither, asks": "It does not fit our ideal customer",
                "other source, engaged": "Its source is not one of those that convert best",
            },
        ),
        (
            "mature",
            {
                "ideal": "pass",
                "ideal, engaged": "pass",
                "acceptable, asks": "pass",
                "neither, asks": "It does not fit our ideal customer",
                "other source, engaged": "Its source is not one of those that convert best",
            },
        ),
    ],
)
def test_profiles_raised_hands_and_sources_decide_at_every_growth_stage(
    stage: str, expected: Mapping[str, str], tmp_path: Path
) -> None:
    write(tmp_path, PROFILES, LEADS, stage)
    decided = scored(tmp_path)
    said = {
        lead: what if what == "pass" else because.split(", but")[0].split(";")[0]
        for lead, (what, because) in decided.items()
    }
    assert said == {
        "acceptable, engaged": "An acceptable customer",
        **expected,
        "unwanted, asks": "Not a customer that we want: Country is Atlantis.",
        "other source, asks": "pass",
        "list, asks": "Its source is one of those that we refuse",
    }
    assert decided["other source, asks"][1] == f"{ASKED}its source."
    if stage != "seed":
        assert decided["acceptable, engaged"][0] == "nurture"
        assert decided["acceptable, asks"][1] == f"{ASKED}that it is not our ideal customer."
    if stage == "growth":
        assert answered(tmp_path, LEADS) == decided


def test_the_page_says_who_is_acceptable_who_asks_and_which_sources_are_refused(
    tmp_path: Path,
) -> None:
    write(tmp_path, PROFILES, LEADS)
    page = described(tmp_path)
    for sentence in (
        "| Asks for sales | Demo request |",
        "Small firms: Employees is between 10 and 99",
        "leads that come from Purchased list, even if they ask for sales themselves",
        "Who asked for sales in the last 90 days counts as asking for sales.",
        "It comes from Referral or Website, or asks for sales itself.",
        "It fits our ideal customer, or is acceptable and asks for sales itself.",
    ):
        assert sentence in page
    for wrong, said in (
        (
            PROFILES.replace('"Demo request"', '"Webinar"'),
            "is listed under hand_raise, but not under",
        ),
        (
            PROFILES.replace('"Purchased list"', '"referral"'),
            "is listed under sources and under refused_sources",
        ),
        (
            PROFILES.replace("between = [10, 99]", "at_most = 5").replace(
                'field = "Country", any_of = ["Atlantis"]', 'field = "Employees", at_most = 5'
            ),
            "is listed as acceptable and as unacceptable",
        ),
    ):
        write(tmp_path, wrong, LEADS)
        refused = winnable("describe", folder=tmp_path)
        assert (refused.returncode, said in refused.stderr) == (1, True), refused.stderr


TOUCHES = """
recorded = "recorded"
[gate]
always_work_share = 0
sources = ["Webinar", "Referral"]
[[scorecard]]
threshold = 0
  [[scorecard.rule]]
  says = "Came by a webinar"
  when = [{ field = "Source", any_of = ["Webinar"] }]
  points = 60
"""
CAME = {
    "by its own source": Told({"Created": "2026-06-05", "Source": "Referral"}),
    "by a webinar": Told(
        {"Created": "2026-06-05", "Source": ""}, [("Case study", 2, {}), ("Webinar", 3, {})]
    ),
    "by a case study": Told(
        {"Created": "2026-06-05", "Source": ""},
        [("Webinar", 2, {}), ("Case study", 3, {}), ("Webinar", 9, {})],
    ),
    "from nowhere": Told({"Created": "2026-06-05", "Source": ""}, [("Webinar", 9, {})]),
    "by a late record": Told(
        {"Created": "2026-06-05", "Source": ""},
        [("Webinar", 3, {"recorded": "2026-07-20T10:00:00Z"})],
    ),
}


@pytest.mark.parametrize("has_column", [True, False], ids=["of the CRM", "of no CRM"])
def test_the_last_marketing_touch_is_the_source_where_the_crm_has_none(
    has_column: bool, tmp_path: Path
) -> None:
    leads = CAME
    write(tmp_path, TOUCHES, leads, "mature")
    file = tmp_path / "definition.toml"
    text = file.read_text()
    before = scored(tmp_path)
    refused = "Its source is not one of those that convert best"
    assert [what for what, _ in before.values()].count("pass") == 1
    touch = 'source = "Source"\nmissing_source = "last touch"'
    if not has_column:
        leads = {name: Told({"Created": "2026-06-05"}, lead.did) for name, lead in CAME.items()}
        write(tmp_path, TOUCHES.replace('"Source"', '"Last marketing touch"'), leads, "mature")
        text = file.read_text()
        touch = 'missing_source = "last touch"'
        table = pd.read_csv(tmp_path / "leads.csv", dtype=str).drop(columns="Source")
        table.to_csv(tmp_path / "leads.csv", index=False)
    file.write_text(text.replace('source = "Source"', touch))
    decided = scored(tmp_path)
    assert decided["by a webinar"][0] == "pass"
    assert (decided["by its own source"][0] == "pass") == has_column
    for lead in ("by a case study", "from nowhere", "by a late record"):
        assert decided[lead][1].startswith(refused)
    assert answered(tmp_path, leads) == decided


def test_init_proposes_profiles_who_asks_for_sales_and_which_sources_to_refuse(
    tmp_path: Path,
) -> None:
    leads = pd.DataFrame(
        {
            "Id": [f"L{row}" for row in range(400)],
            "Lead Source": ["Purchased list", "Referral"] * 200,
            "Status": ["Closed Lost", "Closed Won", "Closed Lost", "Closed Lost"] * 100,
            "Created Date": "2026-01-01",
            "Country": ["Spain", "France", "Spain", "Italy"] * 100,
        }
    )
    leads.to_csv(tmp_path / "leads.csv", index=False)
    kinds = ["Demo request", "Pricing page", "Webinar", "Contact form"] * 100
    done = {"Lead Id": leads["Id"], "Activity Date": "2026-01-02T10:00:00Z", "Kind": kinds}
    pd.DataFrame(done).to_csv(tmp_path / "activities.csv", index=False)
    words = ("init", "leads.csv", "--activities", "activities.csv")
    begun = winnable(*words, folder=tmp_path)
    assert begun.returncode == 0, begun.stderr
    draft = (tmp_path / "definition.toml").read_text()
    assert '# hand_raise = ["Demo request", "Contact form"]' in draft
    assert '# refused_sources = ["Purchased list"]' in draft
    assert "(25% won); Purchased list: 0 of 200 won" in draft
    assert '# ideal = [{ field = "Country", any_of = ["France"] }]' in draft
    assert "#   Country: significantly above the usual 25% won; France: 100 of 100 won" in draft
    assert '# unacceptable = [{ field = "Country", any_of = ["Italy", "Spain"] }]' in draft
    accepted = draft.replace("# hand_raise", "hand_raise").replace("# refused", "refused")
    accepted = accepted.replace("# ideal", "ideal").replace("# unacceptable", "unacceptable")
    (tmp_path / "definition.toml").write_text(accepted)
    page = described(tmp_path)
    assert "leads that come from Purchased list" in page
    assert "- Country is France" in page


GRADES = """
[grades]
while_thin = "source"
labels = { hot = "Hot", warm = "Warm", cool = "Cool", cold = "Cold" }
[[scorecard]]
  [[scorecard.rule]]
  says = "Large"
  when = [{ field = "Employees", at_least = 100 }]
  points = 200
"""


def test_leads_have_the_grade_of_their_source_while_the_history_is_thin(tmp_path: Path) -> None:
    write(tmp_path, GRADES, {})
    file = tmp_path / "definition.toml"
    file.write_text(
        file.read_text().replace('source = "Source"', 'source = "Source"\nclosed = "Closed"'),
    )
    size = 36
    sources = ["Referral", "Website", "Purchased list"] * 12
    won = [
        (source == "Referral" and row % 2 == 0) or row == 1 for row, source in enumerate(sources)
    ]
    past = pd.DataFrame(
        {
            "Id": [f"P{row}" for row in range(size)],
            "Status": ["Won" if each else "Lost" for each in won],
            "Created": [f"2025-{1 + row % 9:02d}-01" for row in range(size)],
            "Closed": [f"2025-{1 + row % 9:02d}-20" for row in range(size)],
            "Source": sources,
            "Employees": ["500" if each else "20" for each in won],
        }
    )
    past.to_csv(tmp_path / "past.csv", index=False)
    trained = winnable("train", "past.csv", "--store", "store", folder=tmp_path)
    assert trained.returncode == 0, trained.stderr
    names = ["Referral", "referral", "Website", "Purchased list", "Fair", ""]
    new = pd.DataFrame({"Id": range(6), "Status": "Open", "Created": "2026-06-01", "Source": names})
    new.assign(Employees="500").to_csv(tmp_path / "new.csv", index=False)
    done = winnable(
        "score", "new.csv", "--store", "store", "--output", "scores.csv", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    grades = pd.read_csv(tmp_path / "scores.csv", dtype=str)["grade"].tolist()
    assert grades == ["Hot", "Hot", "Cool", "Cold", "Warm", "Warm"]
    assert "a lead has the grade of its source" in described(tmp_path)
    file.write_text(file.read_text().replace('source = "Source"', ""))
    refused = winnable("describe", folder=tmp_path)
    assert "leads cannot be graded by source" in refused.stderr
