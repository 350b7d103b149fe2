"""What is allowed but probably not meant gives a warning, with the nearest word in the data."""

from typing import Any

import numpy as np

from winnable.core.columns import FeatureTable, NumericColumn
from winnable.definition.load import definition_from
from winnable.definition.review.lint import warnings, warnings_about_leads, warnings_about_names
from winnable.definition.schema import Definition

RULE = {"says": "x", "points": 100, "when": [{"field": "Size", "is_present": True}]}


def definition(*segments: list[dict[str, Any]], **more: Any) -> Definition:
    cards = [
        {"name": f"card {i}", "segment": segment, "rule": [RULE]}
        for i, segment in enumerate(segments)
    ]
    return definition_from(
        {
            "outcome": {"won": ["Won"], "lost": ["Lost"]},
            "columns": {"status": "S"},
            "scorecard": cards,
            **more,
        },
        "test",
    )


BIG, SMALL, ANY_SIZE = (
    [{"field": "Size", "at_least": 100}],
    [{"field": "Size", "at_most": 99}],
    [{"field": "Size", "at_least": 0}],
)


def test_cards_that_exclude_each_other_and_a_last_one_for_the_rest_raise_no_warning() -> None:
    assert warnings(definition(BIG, SMALL, [])) == ()


def test_cards_that_may_both_fit_and_cards_that_are_never_used() -> None:
    assert warnings(definition(BIG, ANY_SIZE)) == (
        (
            "The scorecards 'card 0' and 'card 1' may both apply to a lead; the first, 'card 0', is"
            " used."
        ),
    )
    assert "'card 1' is never used" in warnings(definition([], BIG))[0]


def test_a_threshold_that_no_lead_can_reach() -> None:
    card = {"threshold": 101, "rule": [RULE]}
    assert "its rules give at most 100 of 101 points" in warnings(definition(scorecard=[card]))[0]


def test_a_gate_that_cannot_look_at_sources() -> None:
    found = warnings(definition(gate={"sources": ["Referral"]}))
    assert len(found) == 1
    assert "names no source column" in found[0]
    assert 'missing_source = "last touch"' in found[0]
    known = definition(gate={"refused_sources": ["List"]}, columns={"status": "S", "source": "F"})
    assert warnings(known) == ()


def test_acceptable_customers_who_can_never_ask() -> None:
    profile = {"acceptable": [{"field": "Size", "at_least": 10}]}
    assert "but no ideal ones" in warnings(definition(profile=profile))[0]
    profile["ideal"] = [{"field": "Size", "at_least": 100}]
    assert "nurtured whatever they do" in warnings(definition(profile=profile))[0]
    asks = {"intent": ["Demo"], "hand_raise": ["Demo"]}
    assert warnings(definition(profile=profile, activities=asks)) == ()


def test_names_that_the_data_do_not_have() -> None:
    what = definition(BIG, activities={"intent": ["Demo request"]})
    found = warnings_about_names(what, ["size", "S"], ["Demo requests"], ["Won", "lost"])
    assert found == (
        "The data have no column 'Size'; the nearest is 'size'.",
        "The data have no kind of activity 'Demo request'; the nearest is 'Demo requests'.",
        "The data have no status 'Lost'; the nearest is 'lost'.",
    )
    assert warnings_about_names(what, ["Size"]) == ()


def test_segments_held_against_leads() -> None:
    features = FeatureTable(4, {"Size": NumericColumn(np.array([5.0, 50.0, np.nan, 60.0]))})
    assert warnings_about_leads(definition(BIG, ANY_SIZE), features) == (
        "The scorecard 'card 0' applies to none of the 4 leads.",
        (
            "No scorecard applies to 1 of 4 leads; they get the conversion that is expected of any"
            " lead."
        ),
    )
    assert (
        "More than one scorecard applies to 3 of 4 leads"
        in warnings_about_leads(definition(SMALL, ANY_SIZE), features)[1]
    )
    assert warnings_about_leads(definition(SMALL, ANY_SIZE), FeatureTable(0, {})) == ()


def test_a_grid_needs_points_for_both_of_its_sides() -> None:
    assert not any("grid" in warning for warning in warnings(definition(BIG)))
    found = [warning for warning in warnings(definition(BIG, grid={})) if "grid" in warning]
    assert len(found) == 1
    assert "no rule of 'card 0' gives points for engagement" in found[0]


def test_a_condition_on_how_a_lead_ended_is_true_of_none_with_a_trained_model() -> None:
    columns = {"status": "S", "created": "C", "closed": "End"}
    profile = {"ideal": [{"field": "End", "within_days": 30}]}
    found = warnings(definition(columns=columns, profile=profile))
    assert len(found) == 1
    assert "asks for 'End', which tells how or when a lead ended" in found[0]
    returns = {"lost": {"when": [{"field": "S", "any_of": ["Recycled"]}]}}
    assert warnings(definition(columns=columns, returns=returns)) == ()


def test_an_acceptable_customer_that_is_ideal_anyway() -> None:
    profile = {"acceptable": BIG, "ideal": BIG}
    asks = {"intent": ["Demo"], "hand_raise": ["Demo"]}
    found = warnings(definition(profile=profile, activities=asks))
    assert len(found) == 1
    assert "Size is 100 or more is acceptable and already all that is asked" in found[0]
