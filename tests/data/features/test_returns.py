"""The earlier episodes of leads: what a request that tells its status changes says of them is what
the field history of an export says."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import winnable
from winnable.core.timestamps import microseconds
from winnable.data.features.online import features_of_records
from winnable.data.features.plan import AGE, FeaturePlan, Field
from winnable.data.features.returns import (
    DAYS_SINCE_OUTCOME,
    OUTCOME_BEFORE,
    RETURNS,
    STATUS_HISTORY,
    StatusChange,
)
from winnable.definition.schema import Definition

START = datetime(2025, 1, 1, 8, 30, tzinfo=UTC)
DEFINITION = Definition.model_validate(
    {
        "outcome": {"won": ["Won"], "lost": ["Lost", "Rejected"]},
        "stages": {"MIL": {"status": ["New"]}, "SAL": {"status": ["Working"]}},
        "columns": {"id": "id", "created": "created", "status": "status"},
    }
)
PLAN = FeaturePlan((), created=Field("created", "moment"), returns=True)
STATUSES = ("New", "Working", "Won", "Lost", "Rejected")


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def told(
    changes: list[StatusChange], at: datetime, created: datetime | None = START
) -> tuple[float, str | None, float, float]:
    """Of one lead in a request: how often it returned, how the episode before ended, how many days
    ago, and for how many days the present one has gone on."""
    record = {"created": created, STATUS_HISTORY: changes}
    features = features_of_records(PLAN, DEFINITION, [record], [()], [at])
    before = features.words(OUTCOME_BEFORE)
    code = int(before.codes[0])
    return (
        float(features.numbers(RETURNS)[0]),
        None if code < 0 else before.vocabulary[code],
        float(features.numbers(DAYS_SINCE_OUTCOME)[0]),
        float(features.numbers(AGE)[0]),
    )


LIFE = [
    StatusChange(day(10), "Working", "New"),
    StatusChange(day(20), "Lost", "Working"),
    StatusChange(day(50), "Working", "Lost"),
    StatusChange(day(60), "Won", "Working"),
    StatusChange(day(90.5), "New", "Won"),
]


def test_worked_examples() -> None:
    first_time = (0, None, 15)
    for moment in (day(15), day(20), day(50)):
        count, outcome, ago, age = told(LIFE, moment)
        assert (count, outcome) == first_time[:2]
        assert np.isnan(ago)
        assert age == (moment - START).days
    assert told(LIFE, day(52)) == (1, "lost", 32, 2)
    assert told(LIFE, day(70)) == (1, "lost", 50, 20)
    assert told(LIFE, day(91)) == (2, "won", 31, 0.5)
    assert told(LIFE[::-1], day(91)) == told(LIFE, day(91)), "in any order"


def test_a_lead_of_which_only_the_return_is_told_returned_after_an_end_of_unknown_time() -> None:
    count, outcome, ago, age = told([StatusChange(day(50), "Working", "Lost")], day(60))
    assert (count, outcome, age) == (1, "lost", 10)
    assert np.isnan(ago)


def test_the_present_episode_has_an_age_where_the_creation_is_not_told() -> None:
    assert told(LIFE, day(52), created=None)[3] == 2


def test_of_changes_at_one_time_the_last_counts_or_the_first_where_the_newest_come_first() -> None:
    lost, back = StatusChange(day(20), "Lost"), StatusChange(day(20), "Working")
    changes = [StatusChange(day(10), "Working"), lost, back, StatusChange(day(30), "New")]
    assert told(changes, day(40))[:2] == (1, "lost")
    assert told(changes[::-1], day(40)) == told(changes, day(40))
    assert told([changes[0], back, lost, changes[3]], day(40))[3] == 10, "it came back with New"


def test_without_changes_a_lead_came_for_the_first_time() -> None:
    silent = [{"created": START}, {"created": START, STATUS_HISTORY: None}, {STATUS_HISTORY: []}]
    features = features_of_records(PLAN, DEFINITION, silent, [()] * 3, [day(9)] * 3)
    assert features.numbers(RETURNS).tolist() == [0, 0, 0]
    assert features.words(OUTCOME_BEFORE).codes.tolist() == [-1, -1, -1]
    assert np.isnan(features.numbers(DAYS_SINCE_OUTCOME)).all()
    assert np.array_equal(features.numbers(AGE), [9, 9, np.nan], equal_nan=True)


def by_time(changes: list[tuple[int, str, str | None]]) -> list[tuple[int, str, str | None]]:
    return sorted(changes, key=lambda change: change[0])


changes_of_a_lead = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(STATUSES), st.sampled_from([None, *STATUSES])),
    max_size=7,
).map(by_time)


@settings(max_examples=100, deadline=None)
@given(st.lists(changes_of_a_lead, min_size=1, max_size=4), st.integers(0, 14))
def test_an_export_and_a_request_tell_the_same_at_every_moment(
    lives: list[list[tuple[int, str, str | None]]], asked: int
) -> None:
    ids = [f"L{number}" for number in range(len(lives))]
    leads = pd.DataFrame({"id": ids, "created": [START.isoformat()] * len(ids), "status": "New"})
    history = pd.DataFrame(
        [
            (lead, day(at).isoformat(), "status", old, new)
            for lead, life in zip(ids, lives, strict=True)
            for at, new, old in life
        ],
        columns=["lead", "at", "field", "old", "new"],
    )
    data = winnable.read(leads, None, history if len(history) else None, definition=DEFINITION)
    moment = day(asked) + timedelta(microseconds=1)
    for at in (day(asked), moment):
        batch = data.features(PLAN, np.arange(len(ids)), np.full(len(ids), microseconds(at)))
        records = [
            {
                "created": START,
                STATUS_HISTORY: [StatusChange(day(d), new, old) for d, new, old in life],
            }
            for life in lives
        ]
        online = features_of_records(PLAN, DEFINITION, records, [()] * len(ids), [at] * len(ids))
        for name in (RETURNS, DAYS_SINCE_OUTCOME, AGE):
            np.testing.assert_allclose(online.numbers(name), batch.numbers(name), rtol=0, atol=1e-9)
        before, same = batch.words(OUTCOME_BEFORE), online.words(OUTCOME_BEFORE)
        assert before.vocabulary == same.vocabulary
        assert before.codes.tolist() == same.codes.tolist()
