"""A definition file is read whole, or the error names the key, what was expected, what stood there
and the nearest known word."""

import json
import tomllib
from pathlib import Path

import pytest

from winnable.core.columns import ActivityAggregate
from winnable.core.text import nearest
from winnable.definition.load import definition_from, load_definition
from winnable.definition.schema import Definition
from winnable.errors import DefinitionError

FIVE_LINES = """
[outcome]
won = ["Closed Won"]
lost = ["Closed Lost"]
[columns]
status = "Status"
"""

RULE = """
[[scorecard]]
[[scorecard.rule]]
says = "A rule"
points = 10
when = [{condition}]
"""


def ruled(conditions: str) -> str:
    """A definition of one rule with these conditions."""
    return FIVE_LINES + RULE.format(condition=conditions)


MODELS = Path(__file__).resolve().parents[2] / "models"


def read(tmp_path: Path, text: str) -> Definition:
    path = tmp_path / "definition.toml"
    path.write_text(text, encoding="utf-8")
    return load_definition(path)


def error_of(tmp_path: Path, text: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        read(tmp_path, text)
    return str(caught.value)


def test_five_lines_are_a_whole_definition(tmp_path: Path) -> None:
    definition = read(tmp_path, FIVE_LINES)
    assert definition.outcome.won == ("Closed Won",)
    assert (definition.outcome.horizon_days, definition.outcome.winnable_days) == (90, 365)
    assert definition.outcome.expected_conversion == 0.10
    assert definition.growth_stage == "growth"
    assert definition.aggregates() == ()
    assert definition.fields() == ()


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_examples_load(path: Path) -> None:
    assert load_definition(path).scorecard


def test_there_are_examples_of_every_growth_stage() -> None:
    found = [load_definition(path) for path in MODELS.glob("*.toml")]
    assert {definition.growth_stage for definition in found} == {"seed", "growth", "mature"}
    assert max(len(definition.scorecard) for definition in found) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FIVE_LINES + 'stauts = "x"', ["columns, stauts", "did you mean 'status'"]),
        (FIVE_LINES + "[gat]", ["gat", "did you mean 'gate'"]),
        (
            FIVE_LINES + '[activities]\nintents = ["x"]',
            ["activities, intents", "did you mean 'intent'"],
        ),
        (ruled('{ feild = "A", at_least = 1 }'), ["rule 1, when 1, feild", "did you mean 'field'"]),
        (
            FIVE_LINES + '[profile]\nunacceptable = [{ field = "A", any_off = ["B"] }]',
            ["unacceptable 1", "did you mean 'any_of'"],
        ),
        (
            FIVE_LINES + '[stages]\nMQ = { label = "x" }',
            ["stages, MQ", "'MQL'", "did you mean 'MQL'"],
        ),
        (
            FIVE_LINES + '[bant]\nfields = { budgets = "B" }',
            ["bant, fields, budgets", "did you mean 'budget'"],
        ),
        (FIVE_LINES + 'name = "Ours"', ["columns, name", "belongs to the top of the file"]),
        ('growth_stage = "sed"' + FIVE_LINES, ["growth_stage", "did you mean 'seed'"]),
        ('[columns]\nstatus = "S"', ["outcome: is missing"]),
        ('[outcome]\nwon = ["W"]\n[columns]', ["columns, status: is missing"]),
        ('[outcome]\nwon = []\n[columns]\nstatus = "S"', ["outcome, won", "at least 1"]),
        (FIVE_LINES + '[scorecard]\nname = "x"', ["scorecard", "[[...]]", "got a table"]),
        (
            FIVE_LINES
            + RULE.replace("10", '"ten"').format(condition='{ field = "A", at_least = 1 }'),
            ["points", "a number", "'ten'"],
        ),
        (FIVE_LINES + "[gate]\nprobability = 1.5", ["gate, probability", "below 1", "1.5"]),
        (
            FIVE_LINES + "[[scorecard]]\ncaps = { interest = -1 }",
            ["scorecard 1, caps, interest", "0.0 or more", "-1"],
        ),
        (FIVE_LINES + "[gate]\nprobability = nan", ["gate, probability"]),
        (
            FIVE_LINES + "[gate]\ncapacity_per_week = 2.5",
            ["gate, capacity_per_week", "a whole number", "2.5"],
        ),
        (FIVE_LINES + '[gate]\nconsent = [""]', ["gate, consent 1", "not empty"]),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, text: str, said: list[str]) -> None:
    message = error_of(tmp_path, text)
    assert str(tmp_path / "definition.toml") in message
    for words in said:
        assert words in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[outcome]\nwon = ["W"]\nlost = ["W"]\n[columns]\nstatus = "S"',
            "'W' is listed under won and under lost",
        ),
        (
            '[outcome]\nwon = ["W "]\nlost = [" W"]\n[columns]\nstatus = "S"',
            "'W' is listed under won and under lost",
        ),
        (
            FIVE_LINES.replace("[columns]", "winnable_days = 30\n[columns]"),
            "winnable_days (30) is shorter",
        ),
        (FIVE_LINES + 'id = "Status"', "cannot be both status and id"),
        (FIVE_LINES + 'created = "D"\nclosed = "D"', "cannot be both created and closed"),
        (
            FIVE_LINES + 'fixed = ["A"]\nignore = ["A"]',
            "'A' is listed under fixed and under ignore",
        ),
        (
            FIVE_LINES + '[activities]\nintent = ["A"]\ninterest = ["A"]',
            "'A' is listed under intent and under interest",
        ),
        (
            FIVE_LINES + '[stages]\nMQL = { status = "A" }\nSQL = { status = "A" }',
            "'A' means both SQL and MQL",
        ),
        (
            FIVE_LINES + '[stages]\nMQL = { status = "Closed Won" }',
            "'Closed Won' means both MQL and won",
        ),
        (
            FIVE_LINES + '[stages]\nwon = { status = "Done" }',
            "has the status 'Done', which [outcome] does not list under won",
        ),
        (ruled('{ field = "A", between = [3, 1] }'), "between 3 and 1 can never be true"),
        (ruled('{ field = "A", at_least = 3, at_most = 1 }'), "at least 3 and at most 1"),
        (
            ruled('{ field = "A", at_least = 3 }, { field = "A", at_most = 1 }'),
            "at least 3 and at most 1",
        ),
        (
            ruled('{ field = "A", any_of = "x" }, { field = "A", any_of = "y" }'),
            "cannot be x and y",
        ),
        (
            ruled('{ field = "A", is_missing = true, any_of = "x" }'),
            "cannot be missing and have a value",
        ),
        (
            ruled('{ activity = "A", is_missing = true, is_present = true }'),
            "at least 1 and at most 0",
        ),
        (ruled('{ activity = "A", any_of = ["x"] }'), "any_of and matches test a field"),
        (ruled('{ field = "A", activity = "B" }'), "either a field or an activity"),
        (ruled("{ at_least = 1 }"), "either a field or an activity"),
        (ruled('{ field = "A" }'), "nothing is tested of the field 'A'"),
        (ruled('{ activity = "intent" }'), "[activities] lists no kind under in"),
        (
            ruled('{ field = "A", at_least = 1 }') + "half_life_days = 3",
            "needs something with a date",
        ),
        (FIVE_LINES + '[[scorecard]]\nname = "Big"\n' * 2, "two scorecards are called 'Big'"),
        (FIVE_LINES + "[gate]\ncost_to_work = 5", "give both or neither"),
        (FIVE_LINES + "[gate]\ncost_to_work = 5\ndeal_value = 4", "never pays"),
        (FIVE_LINES + "[gate]\nnurture_from = 0.1\ndiscard_below = 0.2", "swap them"),
        (FIVE_LINES + "[grades]\nhot = 1\nwarm = 2", "must decrease in this order"),
        (FIVE_LINES + '[bant]\nfields = { need = "N" }\nat_least = 2', "names 1 of the four"),
        (
            FIVE_LINES
            + '[profile]\nideal = [{ field = "A", at_least = 1 }]\nunacceptable = [{ field = "A",'
            " at_least = 1 }]",
            "required of the ideal customer and refused",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in error_of(tmp_path, text)


def test_the_same_rule_twice_is_refused(tmp_path: Path) -> None:
    second = (
        '[[scorecard.rule]]\nsays = "Another"\npoints = -10\nwhen = [{ field = "A", at_least = 1 }]'
    )
    message = error_of(tmp_path, ruled('{ field = "A", at_least = 1 }') + second)
    assert "the rules 'A rule' and 'Another' have the same conditions" in message


def test_every_error_is_told_at_once(tmp_path: Path) -> None:
    message = error_of(tmp_path, FIVE_LINES + "[gate]\nprobability = 2\n[grades]\nwarn = 1")
    assert len(message.splitlines()) == 2
    assert "did you mean 'warm'" in message


def test_a_syntax_error_gives_line_and_column(tmp_path: Path) -> None:
    message = error_of(tmp_path, '[outcome]\nwon = ["W"\nlost = 3\n')
    assert "line 3, column 1" in message


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="no such file"):
        load_definition(tmp_path / "absent.toml")
    with pytest.raises(DefinitionError, match="cannot be read"):
        load_definition(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DefinitionError, match=r"byte 1 is not UTF-8"):
        load_definition(tmp_path / "binary.toml")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbf" + FIVE_LINES.encode())
    assert load_definition(path).columns.status == "Status"


def test_people_may_write_the_way_they_write(tmp_path: Path) -> None:
    text = "version = 2026.4\n" + ruled('{ field = "Opted in", any_of = [true, 3, "Maybe "] }')
    definition = read(tmp_path, text)
    assert definition.version == "2026.4"
    assert definition.scorecard[0].rule[0].when[0].any_of == ("true", "3", "Maybe")
    assert read(tmp_path, "version = 2026-04-01\n" + FIVE_LINES).version == "2026-04-01"


def test_measures_and_fields_are_everything_that_is_asked(tmp_path: Path) -> None:
    text = f"""{FIVE_LINES}
consent = "Consent"
[activities]
intent = ["Demo"]
interest = ["Webinar"]
[profile]
ideal = [{{ field = "Size", at_least = 5 }}]
[bant]
fields = {{ budget = "Money" }}
[[scorecard]]
[[scorecard.rule]]
says = "Demo lately"
points = 10
half_life_days = 7
when = [{{ activity = "Demo", within_days = 30 }}, {{ field = "Size", at_most = 500 }}]
[[scorecard.rule]]
says = "Active"
points = 1
when = [{{ activity = "any", at_least = 3 }}]
"""
    definition = read(tmp_path, text)
    assert set(definition.aggregates()) == {
        ActivityAggregate("count", ("Demo", "Webinar")),
        ActivityAggregate("count", ("Demo",), 30),
        ActivityAggregate("days_since", ("Demo",)),
        ActivityAggregate("count", ()),
    }
    assert definition.fields() == ("Size", "Money", "Consent")


def test_data_may_come_from_elsewhere_than_a_file() -> None:
    with pytest.raises(DefinitionError, match=r"^the request: outcome: is missing"):
        definition_from({"columns": {"status": "S"}}, "the request")


def test_the_nearest_word_ignores_case() -> None:
    assert nearest("lead source", ["Lead Source", "Status"]) == "Lead Source"
    assert nearest("qqq", ["Lead Source", "Status"]) is None


def test_a_win_may_be_anything_in_a_column_such_as_the_date_of_winning() -> None:
    dated = {
        "outcome": {"won": ["*"]},
        "columns": {"created": "asked", "closed": "won_date", "status": "won_date"},
    }
    assert definition_from(dated, "test").columns.closed == "won_date"
    with pytest.raises(DefinitionError, match="no other can be listed beside it"):
        definition_from({**dated, "outcome": {"won": ["*"], "lost": ["Lost"]}}, "test")
    with pytest.raises(DefinitionError, match="cannot be both status and closed"):
        definition_from({**dated, "outcome": {"won": ["Won"]}}, "test")


def test_bant_keeps_its_order_through_json_with_sorted_keys() -> None:
    written = FIVE_LINES + '[bant]\nfields = { timeframe = "T", budget = "B", authority = "A" }'
    definition = definition_from(tomllib.loads(written), "test")
    stored = json.loads(json.dumps(definition.model_dump(mode="json"), sort_keys=True))
    again = definition_from(stored, "test")
    assert list(again.bant.fields) == list(definition.bant.fields)


def test_an_integer_of_thousands_of_digits_is_told(tmp_path: Path) -> None:
    path = tmp_path / "definition.toml"
    path.write_text(f"[outcome]\nhorizon_days = {'9' * 5000}\n")
    with pytest.raises(DefinitionError, match="not valid TOML"):
        load_definition(path)


@pytest.mark.parametrize("name", ["End", "S"])
def test_no_condition_compares_with_how_a_lead_ended(name: str) -> None:
    data = {
        "outcome": {"won": ["Won"]},
        "columns": {"status": "S", "created": "C", "closed": "End"},
        "profile": {"ideal": [{"field": "Trial", "same_as": name}]},
    }
    with pytest.raises(DefinitionError, match=f"'Trial' with '{name}', but '{name}' tells how"):
        definition_from(data, "test")


def test_the_last_touch_before_creation_needs_the_date_of_creation() -> None:
    columns = {"status": "S", "missing_source": "last touch"}
    with pytest.raises(DefinitionError, match=r"columns: missing_source .*created names no column"):
        definition_from({"outcome": {"won": ["Won"]}, "columns": columns}, "test")
