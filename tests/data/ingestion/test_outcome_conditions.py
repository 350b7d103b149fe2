"""Leads whose outcome stands in flags are read as those whose outcome stands in one status."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnable.core.values import text
from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.errors import DataError

NOW = pd.Timestamp("2025-06-01", tz="UTC")
ROLES = {"id": "Id", "created": "Created", "closed": "Closed"}
BY_STATUS = definition_from(
    {"outcome": {"won": "Won", "lost": "Lost"}, "columns": {**ROLES, "status": "Status"}}, "test"
)
BY_FLAGS = definition_from(
    {
        "outcome": {
            "won": [{"field": "Is Closed", "any_of": "true"}, {"field": "Is Won", "any_of": "1"}],
            "lost": [
                {"field": "active", "any_of": ["false", "0"]},
                {"field": "Lost Reason", "is_present": True},
            ],
        },
        "columns": ROLES,
    },
    "test",
)
FLAGS = ["Is Closed", "Is Won", "active", "Lost Reason"]
SPELLINGS = {
    "Won": [["true", "1", "true", ""], ["TRUE", "1.0", "", "-"], ["True", "1", "false", "n/a"]],
    "Lost": [["true", "0", "false", "Price"], ["", "", "0", "x"], ["false", "1", "0.0", "Price"]],
    "Open": [["false", "0", "true", ""], ["", "", "", ""], ["true", "0", "0", ""]],
}
"""Flags that mean the same as a status."""


def leads(statuses: list[tuple[str, int]]) -> pd.DataFrame:
    """A table with both: a status, and flags that say the same."""
    size = len(statuses)
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(size) % 90, unit="D")
    table = pd.DataFrame(
        {
            "Id": [f"L{row}" for row in range(size)],
            "Created": days.strftime("%Y-%m-%d"),
            "Closed": (days + pd.Timedelta(days=20)).strftime("%Y-%m-%d"),
            "Status": [status for status, _ in statuses],
            "City": [f"City {row % 7}" for row in range(size)],
        }
    )
    table[FLAGS] = [SPELLINGS[status][spelling] for status, spelling in statuses]
    return table


def read(definition: Definition, table: pd.DataFrame, *, for_training: bool = True) -> Crm:
    return read_crm(definition, table, for_training=for_training, now=NOW)


def flagged(*rows: list[str]) -> pd.DataFrame:
    table = leads([("Won", 0), ("Lost", 0), *[("Open", 0)] * len(rows)]).drop(columns="Status")
    for place, row in enumerate(rows, start=2):
        table.loc[place, FLAGS] = row
    return table


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(SPELLINGS)), st.integers(0, 2)), max_size=30))
def test_flags_give_the_labels_of_one_status(drawn: list[tuple[str, int]]) -> None:
    table = leads([("Won", 0), ("Lost", 0), *drawn])
    of_flags = Dataset(BY_FLAGS, read(BY_FLAGS, table.drop(columns="Status")), NOW)
    of_status = Dataset(BY_STATUS, read(BY_STATUS, table.drop(columns=FLAGS)), NOW)
    assert of_flags.outcomes.tobytes() == of_status.outcomes.tobytes()
    assert of_flags.crm.leads["@closed"].equals(of_status.crm.leads["@closed"])
    rows = of_flags.training_rows
    expected = of_status.training_rows
    for name in ("leads", "as_of", "won", "known", "ended", "outcome"):
        assert np.array_equal(getattr(rows, name), getattr(expected, name), equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.sampled_from(["true", "false", "0", "1", "1.0", "", "none", "Price"])] * 4),
        min_size=1,
        max_size=20,
    )
)
def test_a_table_and_a_single_lead_have_the_same_status(rows: list[tuple[str, ...]]) -> None:
    table = pd.DataFrame(rows, columns=FLAGS)
    crm = read(BY_FLAGS, table.assign(Id=range(len(rows))), for_training=False)
    alone = [
        BY_FLAGS.outcome.status_of(lambda name, row=row: text(row[name]))
        for row in table.to_dict("records")
    ]
    assert crm.leads["@status"].tolist() == alone


def test_the_columns_that_tell_the_outcome_are_no_features() -> None:
    data = Dataset(BY_FLAGS, read(BY_FLAGS, leads([("Won", 1), ("Lost", 2), ("Open", 0)] * 9)), NOW)
    names = {field.name for field in data.feature_plan().fields}
    assert "City" in names
    assert names.isdisjoint(FLAGS)
    assert not any(verdict.name in FLAGS for verdict in data.verdicts)


def test_what_was_not_known_yet_is_gone_at_an_earlier_moment() -> None:
    data = Dataset(BY_FLAGS, read(BY_FLAGS, leads([("Won", 0), ("Lost", 0)] * 9)), NOW)
    then = data.as_of(datetime(2025, 1, 10, tzinfo=UTC))
    assert len(then.crm.leads) == 9
    assert np.isnan(then.outcomes).all()
    assert then.crm.leads[FLAGS].isna().all(axis=None)


def test_a_lead_that_is_won_and_lost_teaches_nothing_and_is_counted() -> None:
    table = flagged(["true", "1", "false", "Price"], ["true", "1", "0", "Timing"])
    crm = read(BY_FLAGS, table)
    assert crm.leads["Id"].tolist() == ["L0", "L1"]
    reason = "it meets the conditions of won and those of lost"
    assert crm.rejects[["id", "reason"]].to_numpy().tolist() == [["L2", reason], ["L3", reason]]
    (note,) = (note for note in crm.notes if "conditions" in note)
    assert note.startswith("2 leads that meet the conditions of won and those of lost;")
    assert "Narrow the conditions in [outcome]" in note
    scored = read(BY_FLAGS, table, for_training=False)
    assert scored.leads["@status"].tolist() == ["won", "lost", "won and lost", "won and lost"]


def test_a_column_that_training_lacks_is_an_error_with_the_nearest() -> None:
    table = flagged().rename(columns={"Is Won": "Is_Won"})
    with pytest.raises(DataError, match="no column 'Is Won', the definition's outcome; the neare"):
        read(BY_FLAGS, table)


def test_new_leads_without_the_flags_are_open() -> None:
    crm = read(BY_FLAGS, flagged(["", "", "", ""]).drop(columns=FLAGS), for_training=False)
    assert "@status" not in crm.leads
    some = read(BY_FLAGS, flagged().drop(columns="Is Won"), for_training=False)
    assert some.leads["@status"].tolist() == ["open", "lost"]
    assert any("there is no 'Is Won'" in note for note in some.notes)


def test_conditions_that_no_lead_meets_are_an_error_that_shows_the_values() -> None:
    table = flagged().assign(**{"Is Won": "Y", "active": "Y"})
    with pytest.raises(DataError, match=r"of 'Is Won' 'Y' \(2\);.*Correct the conditions"):
        read(BY_FLAGS, table)


def test_a_history_of_one_status_cannot_be_read() -> None:
    steps = pd.DataFrame(
        {
            "lead_id": ["L0"],
            "from_stage": ["New"],
            "to_stage": ["Won"],
            "changed_at": ["2025-01-09"],
        }
    )
    with pytest.raises(DataError, match="a history of one status column cannot be read where"):
        read_crm(BY_FLAGS, flagged(), history=steps, now=NOW)


def test_a_history_of_other_columns_is_read_and_said_not_to_tell_the_end() -> None:
    history = pd.DataFrame(
        {"Lead": ["L0"], "Field": ["City"], "Old": ["A"], "New": ["B"], "Date": ["2025-01-09"]}
    )
    crm = read_crm(BY_FLAGS, flagged(), history=history, now=NOW)
    assert crm.history is not None
    assert crm.history["@field"].tolist() == ["City"]
    assert any("the changes do not tell when a lead ended" in note for note in crm.notes)
