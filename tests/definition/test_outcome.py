"""Won and lost by conditions over several columns: what may be written, what is refused and why,
and how the page and the comparison of two versions show it."""

from typing import Any

import pytest

from winnable.definition.conditions import Condition
from winnable.definition.load import definition_from
from winnable.definition.review.diff import changes
from winnable.definition.review.summary import describe
from winnable.definition.schema import Definition
from winnable.errors import DefinitionError

WON = [{"field": "Is Closed", "any_of": ["true"]}, {"field": "Is Won", "any_of": [True]}]
LOST = [{"field": "active", "any_of": ["false"]}, {"field": "Lost Reason", "is_present": True}]


def definition(won: Any = WON, lost: Any = LOST, **columns: str) -> Definition:
    outcome = {"won": won} if lost is None else {"won": won, "lost": lost}
    return definition_from({"outcome": outcome, "columns": columns}, "test")


def told(won: Any = WON, lost: Any = LOST, **columns: str) -> str:
    with pytest.raises(DefinitionError) as refused:
        definition(won, lost, **columns)
    return str(refused.value)


@pytest.mark.parametrize(
    ("lead", "status"),
    [
        ({"Is Closed": "true", "Is Won": "True", "active": "true"}, "won"),
        ({"Is Closed": "true", "Is Won": "false", "active": "true"}, "open"),
        ({"Is Won": "true"}, "open"),
        ({"active": "FALSE", "Lost Reason": "Price"}, "lost"),
        ({"active": "false"}, "open"),
        ({}, "open"),
        (
            {"Is Closed": "true", "Is Won": "true", "active": "false", "Lost Reason": "Price"},
            "won and lost",
        ),
    ],
)
def test_every_condition_must_hold(lead: dict[str, str], status: str) -> None:
    assert definition().outcome.status_of(lead.get) == status


def test_where_no_conditions_say_lost_nobody_is() -> None:
    outcome = definition(lost=None).outcome
    assert (outcome.won, outcome.lost) == (("won",), ())
    assert outcome.status_of({"active": "false", "Lost Reason": "Price"}.get) == "open"


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ({"any_of": ["1"]}, "1.0", True),
        ({"any_of": ["1.0"]}, "1", True),
        ({"any_of": [1]}, "10", False),
        ({"none_of": ["0"]}, "0.0", False),
        ({"none_of": ["0"]}, "1.0", True),
        ({"any_of": ["yes"]}, "YES", True),
        ({"at_most": 0}, "0 %", True),
        ({"at_most": 0}, "5", False),
        ({"at_most": 0}, "unknown", False),
        ({"at_most": 0}, None, False),
        ({"is_missing": True}, None, True),
        ({"is_missing": True}, "x", False),
        ({"matches": ["lost"]}, "Deal lost", True),
    ],
)
def test_a_value_is_tested_as_it_is_written(
    condition: dict[str, Any], value: str | None, holds: bool
) -> None:
    assert Condition(field="Flag", **condition).holds_for(value) == holds


def test_conditions_are_kept_with_a_model_and_read_back() -> None:
    shared = definition(id="Id")
    stored = shared.model_dump(mode="json", exclude_defaults=True)
    assert stored["outcome"] == {
        "won": [
            {"field": "Is Closed", "any_of": ["true"]},
            {"field": "Is Won", "any_of": ["true"]},
        ],
        "lost": LOST,
    }
    assert definition_from(stored, "test") == shared
    assert shared.outcome.fields == ("Is Closed", "Is Won", "active", "Lost Reason")


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (told(won=[]), "outcome, won: expected at least 1 in the list"),
        (told(won=[*WON, "Won"]), "outcome, won: lists values of the status column (1) and cond"),
        (told(lost=["Lost"]), "both conditions, but lost lists values; write them as a condition"),
        (told(won=["Won"], status="S"), "both conditions, but won lists values"),
        (told(status="Stage"), "columns, status: [outcome] tells won and lost by conditions"),
        (told(won=["Won"], lost=["Lost"]), "columns, status: is missing; add it"),
        (told(won=[{"feild": "A"}]), "outcome, won 1, feild: there is no such key; did you mean"),
        (told(won=[{"field": "A"}]), "outcome, won 1: nothing is tested of the field 'A'"),
        (told(won=[{"activity": "Demo"}]), "won: the condition on the activity 'Demo' cannot tell"),
        (told(won=[{"field": "A", "within_days": 9}]), "won: within_days would let the outcome"),
        (told(lost=[{"field": "A", "is_missing": True}]), "lost: a new lead, of which nothing is"),
        (
            told(won=[{"field": "A", "any_of": ["x"]}, {"field": "A", "any_of": ["y"]}]),
            "won: A cannot be x and y at once",
        ),
    ],
)
def test_what_cannot_tell_an_outcome_is_refused_with_what_to_do(refused: str, said: str) -> None:
    assert said in refused


def test_statuses_of_stages_are_refused_where_no_status_is_read() -> None:
    stages = {"MQL": {"status": ["Qualified"]}}
    data = {"outcome": {"won": WON}, "columns": {}, "stages": stages}
    with pytest.raises(DefinitionError, match=r"stages, MQL, status: .*no status column is read"):
        definition_from(data, "test")
    assert definition_from({**data, "stages": {"MQL": {"label": "Warm"}}}, "test").stages


def test_the_page_says_the_conditions_in_words() -> None:
    text = describe(definition()).markdown()
    assert (
        "Won means that in the CRM Is Closed is true and Is Won is true. Lost means that active is"
        " false and Lost Reason is known. Any other lead is still open." in text
    )
    assert "| lost | Closed Lost |  | active is false and Lost Reason is known |" in text
    assert "Nothing means lost." in describe(definition(lost=None)).markdown()
    assert "@" not in text


def test_a_comparison_shows_that_conditions_came_in_place_of_statuses() -> None:
    old = definition(["Won"], ["Lost"], status="Stage")
    assert old.outcome.won  # what was asked of a definition does not change how it compares
    assert [
        (change.where, change.before, change.after) for change in changes(old, definition())
    ] == [
        ("outcome, won", "Won", "Is Closed is true and Is Won is true"),
        ("outcome, lost", "Lost", "active is false and Lost Reason is known"),
        ("columns, status", "Stage", None),
    ]
