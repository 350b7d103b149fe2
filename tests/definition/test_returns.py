"""When answered leads may come back: what a definition may say of it, how it reads, and what is
wrong with it when it cannot be used."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from winnable.definition.load import definition_from
from winnable.definition.review.diff import Change, changes
from winnable.definition.review.summary import describe
from winnable.definition.schema import Definition
from winnable.errors import DefinitionError

ANSWERED = datetime(2026, 1, 11, tzinfo=UTC)


def definition(returns: dict[str, Any], **more: Any) -> Definition:
    data: dict[str, Any] = {
        "outcome": {"won": ["Won"], "lost": ["Lost"]},
        "columns": {"status": "Status"},
        "activities": {"intent": ["Demo request"]},
        "returns": returns,
    }
    return definition_from({**data, **more}, "file")


def test_without_a_word_leads_return_after_a_sign_of_intent_and_junk_never() -> None:
    usual = definition({})
    after = "after 90 days, with anything that shows intent since"
    for answer in (("rejected", "Not the right time"), ("rejected", None), ("lost",), ("won",)):
        assert str(usual.return_rule(*answer)) == after
    unwanted = ("Not a customer that we want", "Not a real person")
    for answer in (("junk",), ("accepted",), *(("rejected", reason) for reason in unwanted)):
        assert str(usual.return_rule(*answer)) == "never"
    without_intent = definition({}, activities={})
    assert str(without_intent.return_rule("lost")) == "after 90 days, with any activity since"


def test_describe_says_of_each_reason_when_it_comes_back() -> None:
    written = definition(
        {
            "won": "never",
            "lost": {"when": [{"activity": "Demo request"}, {"field": "Size", "at_least": 50}]},
            "rejected": {
                "No need": "Never",
                "No budget": {"after_days": 180},
                "Nobody answers": {"after_days": 1, "when": [{"activity": "intent"}]},
            },
        }
    )
    page = describe(written).markdown()
    for sentence in (
        "Rejected as “No need”, “Not a customer that we want” or “Not a real person”: never comes"
        " back.",
        "Rejected as “No budget”: comes back after 180 days.",
        "Rejected as “Nobody answers”: comes back after 1 day, with anything that shows intent"
        " since.",
        "Lost: comes back with Demo request since, if Size is 50 or more.",
        "Won: never comes back.",
        "Junk: never comes back.",
    ):
        assert sentence in page


def test_what_is_still_needed_is_said_by_date() -> None:
    written = definition(
        {"lost": {"after_days": 60, "when": [{"activity": "Demo request"}]}, "won": "never"}
    )
    rule = written.return_rule("lost")
    early = rule.still_needed(ANSWERED, ANSWERED + timedelta(days=1))
    assert early == "after 12 Mar 2026, with Demo request since"
    late = rule.still_needed(ANSWERED, ANSWERED + timedelta(days=61))
    assert late == "with Demo request since 11 Jan 2026"
    assert written.return_rule("won").still_needed(ANSWERED, ANSWERED) == ""


def test_a_changed_rule_is_told_in_words() -> None:
    (change,) = changes(definition({"won": "never"}), definition({"won": {"after_days": 30}}))
    assert change == Change("returns, won", "never", "after 30 days")


@pytest.mark.parametrize(
    ("returns", "says"),
    [
        ({"won": "nevr"}, 'returns, won: expected "never", or a table such as'),
        ({"lost": 90}, 'returns, lost: expected "never", or a table such as'),
        ({"rejected": {"No need": {}}}, "says neither after how many days nor on which conditions"),
        ({"rejected": {"No need": {"after_dys": 3}}}, "did you mean 'after_days'?"),
        ({"rejected": {"No need": {"after_days": -1}}}, "expected 0.0 or more, got -1"),
        (
            {"rejected": {"Not the rigth time": "never"}},
            "'Not the rigth time' is not one of the reasons of [feedback]; did you mean 'Not the"
            " right time'?",
        ),
        ({"lost": {"never": True, "after_days": 3}}, "never leaves no room for after_days"),
        (
            {"lost": {"when": [{"activity": "any", "at_most": 0}, {"activity": "any"}]}},
            "cannot be at least 1 and at most 0",
        ),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(returns: dict[str, Any], says: str) -> None:
    with pytest.raises(DefinitionError) as error:
        definition(returns)
    assert says in str(error.value)


def test_conditions_of_returns_change_no_feature_of_the_model() -> None:
    usual = definition({})
    asking = definition({"lost": {"when": [{"activity": "Webinar", "within_days": 7}]}})
    assert asking.aggregates() == usual.aggregates()
    with_field = definition({"lost": {"when": [{"field": "Size", "at_least": 5}]}})
    assert with_field.fields() == (*usual.fields(), "Size")


def test_what_must_not_have_been_done_is_said_without_twisting_the_words() -> None:
    none = {"none_of": [{"activity": "Demo request"}, {"activity": "Webinar"}]}
    rule = definition({"lost": {"after_days": 30, "when": [none]}}).return_rule("lost")
    assert str(rule) == "after 30 days, without Demo request or Webinar since"
