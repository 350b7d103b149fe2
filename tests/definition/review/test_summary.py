"""The page shows everything in the definition, in words, and can be forwarded as one file."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnable.core.columns import FeatureTable, NumericColumn
from winnable.core.documents import Bullets, Heading, Page, Table, Text
from winnable.definition.load import definition_from, load_definition
from winnable.definition.review.diff import Change, changes, handed_over
from winnable.definition.review.summary import describe, describe_changes, of_100, schema

MODELS = sorted((Path(__file__).resolve().parents[3] / "models").glob("*.toml"))
SMALLEST = {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": {"status": "Status"}}
VOID = {"meta"}


class Reader(HTMLParser):
    """Reads a page: checks that every element is closed and collects the text and the names of the
    elements."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_everything_in_the_definition_stands_on_the_page(path: Path) -> None:
    definition = load_definition(path)
    page = describe(definition)
    reader = read(page.html())
    text = " ".join(" ".join(reader.text).split())
    assert "script" not in reader.seen
    assert reader.loaded == []
    assert "`" not in page.html()
    for condition in definition.conditions():
        assert str(condition) in text
    for card in definition.scorecard:
        assert card.name in text
        assert all(rule.says in text and f"{rule.points:+g}" in text for rule in card.rule)
    for label in definition.grades.labels.values():
        assert label in text
    assert all(person in text for person in definition.agreed_by)
    assert page.markdown().startswith(f"# {definition.name}\n")


def test_the_smallest_definition_has_a_page() -> None:
    text = describe(definition_from(SMALLEST, "test"), ["Nothing was ever won."]).markdown()
    assert "Won means that the status in the CRM is Won. Lost means Lost." in text
    assert "There is no scorecard" in text
    assert "## Warnings\n\n- Nothing was ever won." in text


@pytest.mark.parametrize(
    ("gate", "text"),
    [
        ({"points": 60}, "It has 60 points or more."),
        ({"probability": 0.15}, "At least 15 in 100 such leads are won within 90 days."),
        ({"capacity_per_week": 40}, "It is among the best 40 of the week."),
        ({"cost_to_work": 30, "deal_value": 1000}, "so 3 in 100 must be won"),
        ({"always_work_share": 0.03}, "3 in 100 leads are randomly selected"),
        ({"nurture_from": 0.2}, "Nurture: at least 20 in 100"),
        ({"discard_below": 0.02}, "Discard: fewer than 2 in 100"),
    ],
)
def test_the_page_describes_the_gate_as_it_decides(gate: dict[str, float], text: str) -> None:
    assert text in describe(definition_from({**SMALLEST, "gate": gate}, "test")).markdown()


def test_probabilities_are_natural_frequencies() -> None:
    assert [of_100(p) for p in (0.5, 0.125, 0.01, 0.0056, 0.0001)] == [
        "50 in 100",
        "12.5 in 100",
        "1 in 100",
        "5.6 in 1,000",
        "fewer than 1 in 1,000",
    ]


def test_words_never_become_markup() -> None:
    odd = "<script>alert(1)</script> | *bold* [x](http://y) _z_ `c`\n# not a heading"
    page = Page(odd, (Heading(odd), Text(odd), Bullets((odd,)), Table((odd,), ((odd,),))))
    reader = read(page.html())
    assert "script" not in reader.seen
    assert "a" not in reader.seen
    assert page.html().count("&lt;script&gt;") == 7
    markdown = page.markdown()
    assert "<script>" not in markdown.replace(r"\<", "")
    assert len([line for line in markdown.splitlines() if line.startswith("#")]) == 2
    row = next(line for line in markdown.splitlines() if line.startswith("|"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 2


@given(st.text(max_size=40))
def test_any_word_at_all_fits_in_a_table(word: str) -> None:
    page = Page(word, (Table(("a", "b"), ((word, word),)),))
    read(page.html())
    lines = [line for line in page.markdown().split("\n") if line.startswith("| ")]
    assert all(len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3 for line in lines)
    assert len(lines) == 3


def test_the_schema_is_json_and_explains_every_key() -> None:
    written = json.loads(json.dumps(schema()))
    assert written["properties"]["scorecard"]["type"] == "array"
    for name, part in written["$defs"].items():
        for key, value in part.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key} has no description"
    assert "Examples" not in written["description"], "the schema describes the file, not the class"


def test_an_article_fits_the_companys_own_word() -> None:
    stages = {"MIL": {"label": "Enquiry"}}
    text = describe(definition_from({**SMALLEST, "stages": stages}, "test")).markdown()
    assert "passed back to marketing and is an Enquiry again" in text


def test_a_change_is_listed_with_its_place() -> None:
    rule = {"says": "Big", "points": 10, "when": [{"field": "Size", "at_least": 5}]}
    old = definition_from(
        {**SMALLEST, "version": "1", "scorecard": [{"name": "A", "rule": [rule]}]}, "old"
    )
    new = definition_from(
        {
            **SMALLEST,
            "version": "2",
            "gate": {"probability": 0.2},
            "scorecard": [
                {"name": "B"},
                {"name": "A", "rule": [{**rule, "points": 20, "half_life_days": None}]},
            ],
            "profile": {"unacceptable": [{"field": "Country", "any_of": ["X"]}]},
        },
        "new",
    )
    found = changes(old, new)
    assert Change("version", "1", "2") in found
    assert Change("gate, probability", None, "0.2") in found
    assert (
        Change(
            "scorecard 'A', rule 'Big'",
            "+10 where Size is 5 or more",
            "+20 where Size is 5 or more",
        )
        in found
    )
    assert Change("scorecard 'B', threshold", None, "60") in found
    assert Change("profile, unacceptable 'Country is X'", None, "Country is X") in found
    assert changes(new, new) == ()
    assert "There is no difference." in describe_changes(new, new).markdown()
    assert "| gate, probability | – | 0.2 |" in describe_changes(old, new).markdown()


def test_versions_are_compared_on_leads() -> None:
    rule = {"says": "Big", "points": 60, "when": [{"field": "Size", "at_least": 5}]}
    base = {**SMALLEST, "gate": {"always_work_share": 0}}
    strict = definition_from({**base, "version": "2", "scorecard": [{"rule": [rule]}]}, "strict")
    loose = definition_from({**base, "version": "1"}, "loose")
    features = FeatureTable(4, {"Size": NumericColumn(np.array([9.0, 9.0, 9.0, 1.0]))})
    ids, won = ["a", "b", "c", "d"], np.array([1.0, 0.0, np.nan, 0.0])
    handed = [handed_over(definition, features, ids, won) for definition in (loose, strict)]
    assert [(version.passed, version.known, version.won) for version in handed] == [
        (4, 3, 1),
        (3, 2, 1),
    ]
    text = describe_changes(loose, strict, handed).markdown()
    assert "| 1 | 4 | 4 | 1 of 3 | 33.3 in 100 |" in text
    assert "| 2 | 4 | 3 | 1 of 2 | 50 in 100 |" in text


def test_how_long_data_is_kept_is_said_only_where_it_is_limited() -> None:
    assert "How long data is kept" not in describe(definition_from(SMALLEST, "test")).markdown()
    limited = {**SMALLEST, "retention": {"scores_months": 24, "leads_months": 1}}
    page = describe(definition_from(limited, "test")).markdown()
    assert "Scores older than 24 months are thinned to one a month for each lead." in page
    assert "neither scored nor answered for 1 month is erased, with a receipt." in page


def test_a_list_that_is_split_at_a_comma_is_a_change() -> None:
    one = definition_from({**SMALLEST, "gate": {"refused_sources": ["Fair, 2024", "List"]}}, "one")
    two = definition_from(
        {**SMALLEST, "gate": {"refused_sources": ["Fair", "2024", "List"]}}, "two"
    )
    assert changes(one, two) == (
        Change("gate, refused_sources", '"Fair, 2024", List', "Fair, 2024, List"),
    )


def test_grades_of_sources_are_said_to_compare_with_what_they_do() -> None:
    grades = {"while_thin": "source", "relative_to": "gate"}
    columns = {**SMALLEST["columns"], "source": "From"}
    page = describe(definition_from({**SMALLEST, "columns": columns, "grades": grades}, "test"))
    assert "won so far, compared with a lead that just passes the gate." in page.markdown()
