"""A condition says what it says in plain English, and answers for a whole column what it would
answer for each lead alone."""

import re
from datetime import date

import numpy as np
import pytest

from winnable.core.columns import ActivityAggregate, CategoricalColumn, FeatureTable, NumericColumn
from winnable.definition.conditions import Condition, all_hold, impossible, in_words
from winnable.definition.parts import Activities
from winnable.definition.rules import Case

ACTIVITIES = Activities(intent=("Demo",), interest=("Webinar", "E-book"))


def holds(condition: Condition, *values: str | float | None) -> list[bool]:
    """Ask the condition of a column named "F" with these values."""
    if any(isinstance(value, str) for value in values):
        column = CategoricalColumn.of([value if value is None else str(value) for value in values])
    else:
        column = NumericColumn(
            np.asarray([np.nan if value is None else value for value in values], dtype=np.float64)
        )
    return condition.holds(FeatureTable(len(values), {"F": column}), ACTIVITIES).tolist()


def test_any_of_ignores_case_and_blanks_but_nothing_else() -> None:
    condition = Condition(field="F", any_of=("Referral", "Web "))
    assert holds(condition, "referral", " WEB", "Referrals", "", None) == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_any_of_compares_numbers_as_numbers() -> None:
    assert holds(Condition(field="F", any_of=("3", "2.50", "x")), 3.0, 2.5, 4.0, None) == [
        True,
        True,
        False,
        False,
    ]


def test_numbers_in_a_column_of_words_may_be_written_in_another_way() -> None:
    assert holds(Condition(field="F", any_of=("1", "x")), "1.0", "1", "10", "X") == [
        True,
        True,
        False,
        True,
    ]
    assert holds(Condition(field="F", none_of=("0",)), "0.0", "1.0", "x", None) == [
        False,
        True,
        True,
        False,
    ]


def test_conditions_that_were_asked_are_still_equal() -> None:
    one, other = (Condition(field="F", any_of=("3", "x")) for _ in range(2))
    assert holds(one, 3.0, None) == holds(other, 3.0, None)
    assert one == other
    assert len({one, other}) == 1


def test_matches_finds_whole_words_and_phrases() -> None:
    condition = Condition(field="F", matches=("VP", "Head of", "C++"))
    words = ("vp sales", "MVP", "Group head  of IT", "ahead of", "knows C++", "C+", None)
    assert holds(condition, *words) == [True, False, True, False, True, False, False]


def test_matches_reads_numbers_as_they_are_written() -> None:
    assert holds(Condition(field="F", matches=("2.5",)), 2.5, 25.0, None) == [True, False, False]


def test_limits_on_numbers_include_both_ends() -> None:
    assert holds(Condition(field="F", at_least=2), 1.9, 2.0, 3.0, None) == [
        False,
        True,
        True,
        False,
    ]
    assert holds(Condition(field="F", at_most=2), 1.9, 2.0, 3.0, None) == [True, True, False, False]
    assert holds(Condition(field="F", between=(2, 3)), 1.9, 2.0, 3.0, 3.1) == [
        False,
        True,
        True,
        False,
    ]
    assert holds(Condition(field="F", at_least=0, between=(-5, 3)), -1.0, 0.0, 3.0, 4.0) == [
        False,
        True,
        True,
        False,
    ]


def test_limits_read_the_numbers_in_words() -> None:
    assert holds(Condition(field="F", at_least=1000), "1,200", "$2,000", "many", "900", None) == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_missing_and_present() -> None:
    assert holds(Condition(field="F", is_missing=True), "a", None) == [False, True]
    assert holds(Condition(field="F", is_present=True), "a", None) == [True, False]
    assert holds(Condition(field="F", is_missing=True), 0.0, None) == [False, True]
    assert holds(Condition(field="F", is_present=True), 0.0, None) == [True, False]


def test_a_column_that_is_not_there_is_missing() -> None:
    features = FeatureTable(2, {})
    assert Condition(field="F", is_missing=True).holds(features, ACTIVITIES).all()
    assert not Condition(field="F", at_most=5).holds(features, ACTIVITIES).any()
    assert not Condition(field="F", any_of=("x",)).holds(features, ACTIVITIES).any()


def test_a_date_lies_within_days_before_the_moment_of_asking() -> None:
    assert holds(Condition(field="F", within_days=7), -1.0, 0.0, 7.0, 7.5, None) == [
        False,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("condition", "measure", "counts"),
    [
        (
            Condition(activity="Demo"),
            ActivityAggregate("count", ("Demo",)),
            [False, True, True, False],
        ),
        (
            Condition(activity="Demo", at_least=2, within_days=30),
            ActivityAggregate("count", ("Demo",), 30),
            [False, False, True, False],
        ),
        (
            Condition(activity="Demo", at_most=0),
            ActivityAggregate("count", ("Demo",)),
            [True, False, False, False],
        ),
        (
            Condition(activity="interest"),
            ActivityAggregate("count", ("Webinar", "E-book")),
            [False, True, True, False],
        ),
        (
            Condition(activity="intent", is_missing=True),
            ActivityAggregate("count", ("Demo",)),
            [True, False, False, False],
        ),
        (
            Condition(activity="any", is_present=True),
            ActivityAggregate("count", ()),
            [False, True, True, False],
        ),
    ],
)
def test_activities_are_counted_by_their_measure(
    condition: Condition, measure: ActivityAggregate, counts: list[bool]
) -> None:
    assert condition.aggregate(ACTIVITIES) == measure
    features = FeatureTable(4, {measure.name: NumericColumn(np.array([0.0, 1.0, 2.0, np.nan]))})
    assert condition.holds(features, ACTIVITIES).tolist() == counts


def test_all_conditions_of_a_list_are_required() -> None:
    features = FeatureTable(
        3,
        {"A": NumericColumn(np.array([1.0, 5.0, 5.0])), "B": CategoricalColumn.of(["x", "x", "y"])},
    )
    assert all_hold(
        [Condition(field="A", at_least=2), Condition(field="B", any_of=("x",))],
        features,
        ACTIVITIES,
    ).tolist() == [
        False,
        True,
        False,
    ]
    assert all_hold([], features, ACTIVITIES).all()


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Condition(field="Size", at_least=50), "Size is 50 or more"),
        (Condition(field="Size", at_most=50), "Size is 50 or less"),
        (Condition(field="Size", between=(1, 2.5)), "Size is between 1 and 2.5"),
        (Condition(field="Size", between=(3, 3)), "Size is exactly 3"),
        (Condition(field="Country", any_of=("A", "B", "C")), "Country is A, B or C"),
        (Condition(field="Title", matches=("VP",)), "Title contains VP"),
        (
            Condition(field="Title", matches=("VP",), any_of=("VP Sales", "VP IT")),
            "Title is VP Sales or VP IT and contains VP",
        ),
        (Condition(field="Title", is_missing=True), "Title is not known"),
        (Condition(field="Title", is_present=True), "Title is known"),
        (Condition(field="Last call", within_days=30), "Last call lies in the last 30 days"),
        (Condition(activity="Demo"), "Demo"),
        (Condition(activity="Demo", within_days=1), "Demo in the last day"),
        (
            Condition(activity="Demo", at_least=2, within_days=30),
            "Demo at least 2 times in the last 30 days",
        ),
        (Condition(activity="Demo", between=(2, 3)), "Demo between 2 and 3 times"),
        (Condition(activity="Demo", at_least=1, at_most=1), "Demo exactly once"),
        (Condition(activity="Demo", at_most=0), "no Demo"),
        (Condition(activity="any", at_most=0, within_days=90), "no activity in the last 90 days"),
        (Condition(activity="intent"), "anything that shows intent"),
        (Condition(activity="interest", at_most=3), "anything that shows interest at most 3 times"),
    ],
)
def test_a_condition_prints_itself_as_plain_english(condition: Condition, said: str) -> None:
    assert str(condition) == said


def test_what_can_be_true_is_not_called_impossible() -> None:
    assert (
        impossible(
            [Condition(field="A", any_of=("x", "y")), Condition(field="A", any_of=("Y", "z"))]
        )
        is None
    )
    assert impossible([Condition(field="A", at_least=1), Condition(field="B", at_most=0)]) is None
    assert (
        impossible(
            [
                Condition(activity="A", at_least=1, within_days=7),
                Condition(activity="A", at_most=0, within_days=30),
            ]
        )
        is None
    )


TITLES = CategoricalColumn.of(["VP", "Clerk", None])
SIZES = NumericColumn(np.array([10.0, 80.0, 90.0]))
THREE = FeatureTable(
    3,
    {
        "Title": TITLES,
        "Size": SIZES,
        "Budget": NumericColumn(np.array([50.0, 80.0, np.nan])),
        "Seats": CategoricalColumn.of(["60", "70", "80"]),
        "Country": CategoricalColumn.of(["France", "spain", None]),
        "Billing": CategoricalColumn.of(["FRANCE ", "Italy", None]),
        "Visit": NumericColumn(np.array([3.0, 9.0, np.nan])),
        "Call": NumericColumn(np.array([5.0, 5.0, 5.0])),
    },
)
VP = {"field": "Title", "any_of": ["VP"]}
BIG = {"field": "Size", "at_least": 80}


@pytest.mark.parametrize(
    ("condition", "expected", "words"),
    [
        (
            {"any_of": [VP, BIG]},
            [True, True, True],
            "either Title is VP or Size is 80 or more",
        ),
        (
            {"all_of": [VP, BIG]},
            [False, False, False],
            "both Title is VP and Size is 80 or more",
        ),
        (
            {"none_of": [VP, {"field": "Size", "at_least": 90}]},
            [False, True, False],
            "neither Title is VP nor Size is 90 or more",
        ),
        ({"none_of": [VP]}, [False, True, True], "it is not true that Title is VP"),
        (
            {"any_of": [VP, {"all_of": [BIG, {"field": "Title", "is_missing": True}]}]},
            [True, False, True],
            "either Title is VP or (both Size is 80 or more and Title is not known)",
        ),
        ({"field": "Title", "none_of": ["vp"]}, [False, True, False], "Title is known and not vp"),
        (
            {"field": "Size", "none_of": ["80", "7"]},
            [True, False, True],
            "Size is known and neither 80 nor 7",
        ),
        (
            {"field": "Country", "same_as": "Billing"},
            [True, False, False],
            "Country is the same as Billing",
        ),
        (
            {"field": "Size", "same_as": "Budget"},
            [False, True, False],
            "Size is the same as Budget",
        ),
        ({"field": "Size", "more_than": "Budget"}, [False] * 3, "Size is more than Budget"),
        (
            {"field": "Seats", "more_than": "Size"},
            [True, False, False],
            "Seats is more than Size",
        ),
        (
            {"field": "Size", "less_than": "Budget", "at_least": 5},
            [True, False, False],
            "Size is 5 or more and is less than Budget",
        ),
        (
            {"field": "Visit", "later_than": "Call"},
            [True, False, False],
            "Visit is later than Call",
        ),
        (
            {"field": "Visit", "earlier_than": "Call"},
            [False, True, False],
            "Visit is earlier than Call",
        ),
    ],
)
def test_conditions_join_others_and_compare_columns(
    condition: dict[str, object], expected: list[bool], words: str
) -> None:
    asked = Condition.model_validate(condition)
    assert asked.holds(THREE, ACTIVITIES).tolist() == expected
    assert str(asked) == words
    assert Condition.model_validate(asked.model_dump(exclude_defaults=True)) == asked


@pytest.mark.parametrize(
    ("condition", "words", "name"),
    [
        (
            {"activity": "Webinar", "having": [{"field": "Minutes", "at_least": 30}]},
            "Webinar (Minutes is 30 or more)",
            "times Webinar (Minutes is 30 or more)",
        ),
        (
            {"activity": "Pricing page", "after": "Case study", "at_least": 2, "within_days": 30},
            "Pricing page at least 2 times in the last 30 days, after Case study",
            "times Pricing page after Case study in 30 days",
        ),
        (
            {
                "activity": "Demo",
                "after": {"activity": "interest", "within_days": 14},
                "at_most": 0,
            },
            "no Demo within 14 days after anything that shows interest",
            "times Demo within 14 days after anything that shows interest",
        ),
    ],
)
def test_activities_are_counted_that_have_properties_or_follow_others(
    condition: dict[str, object], words: str, name: str
) -> None:
    asked = Condition.model_validate(condition)
    assert str(asked) == words
    counted = asked.aggregate(ACTIVITIES)
    assert counted is not None
    assert counted.name == name


def test_points_of_joined_activities_decay_from_the_latest_that_may_count() -> None:
    demo, webinar = {"activity": "Demo"}, {"activity": "Webinar"}
    either = Condition.model_validate({"any_of": [demo, webinar]})
    names = [age.name for age in either.ages(ACTIVITIES) if isinstance(age, ActivityAggregate)]
    assert names == ["days since Demo", "days since Webinar"]
    assert list(Condition.model_validate({"none_of": [demo]}).ages(ACTIVITIES)) == []


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"any_of": ["a"]}, "either a field or an activity, or lists conditions"),
        ({"any_of": [VP, "x"]}, "lists values (1) and conditions (1)"),
        ({"field": "Title", "any_of": [VP]}, "conditions under any_of stand alone"),
        ({"any_of": [VP], "none_of": [BIG]}, "stand alone"),
        ({"any_of": [VP], "at_least": 3}, "stand alone"),
        (
            {"any_of": [{"all_of": [{"none_of": [VP]}]}]},
            "the most that people read correctly",
        ),
        ({"field": "A", "having": [BIG], "at_least": 1}, "'A' is a field"),
        ({"field": "A", "same_as": "A"}, "compared with itself"),
        ({"activity": "A", "having": [{"activity": "B"}]}, "names one as its field"),
        (
            {"activity": "A", "having": [{"field": "At", "within_days": 3}]},
            "cannot be tested as a date",
        ),
        (
            {"field": "A", "any_of": ["x"], "none_of": ["X"]},
            "cannot be x and not at once",
        ),
        ({"field": "A", "is_missing": True, "same_as": "B"}, "be missing and have a value"),
        ({"activity": "A", "same_as": "B"}, "test a field"),
    ],
)
def test_conditions_that_cannot_be_meant_are_refused(
    condition: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Condition.model_validate(condition)


@pytest.mark.parametrize(
    ("key", "value", "instead"),
    [
        ("more_than", 50, "for a number write at_least"),
        ("less_than", "1,000", "for a number write at_most"),
        ("same_as", 3.5, "for a value write any_of"),
        ("later_than", "2026-01-01", "is said by within_days"),
        ("earlier_than", date(2026, 1, 1), "is said by within_days"),
    ],
)
def test_a_number_or_a_date_is_not_taken_for_the_name_of_a_column(
    key: str, value: object, instead: str
) -> None:
    with pytest.raises(ValueError, match=f"{key} names a column, got .*; .*{instead}"):
        Condition.model_validate({"field": "Size", key: value})


def test_joined_conditions_stand_in_brackets_beside_others() -> None:
    either = Condition.model_validate({"any_of": [VP, BIG]})
    big = Condition.model_validate(BIG)
    assert in_words([either, big]) == (
        "(either Title is VP or Size is 80 or more) and Size is 80 or more"
    )
    neither = Condition.model_validate({"none_of": [{"any_of": [VP, BIG]}, VP]})
    assert str(neither) == ("neither (either Title is VP or Size is 80 or more) nor Title is VP")
    assert in_words([either]) == str(either)


@pytest.mark.parametrize(
    "conditions",
    [
        [{"all_of": [BIG, {"field": "Size", "at_most": 5}]}],
        [BIG, {"all_of": [VP, {"field": "Size", "at_most": 5}]}],
    ],
)
def test_what_joined_conditions_require_may_not_contradict(
    conditions: list[dict[str, object]],
) -> None:
    with pytest.raises(ValueError, match="Size cannot be at least 80 and at most 5 at once"):
        Case.model_validate({"when": conditions})


@pytest.mark.parametrize("earlier", [False, True])
def test_properties_may_not_contradict(earlier: bool) -> None:
    having = [{"field": "Minutes", "at_least": 30}, {"field": "Minutes", "at_most": 5}]
    asked = {"activity": "Demo", "having": having}
    condition = {"activity": "Call", "after": asked} if earlier else asked
    with pytest.raises(ValueError, match="Minutes cannot be at least 30 and at most 5 at once"):
        Condition.model_validate(condition)
