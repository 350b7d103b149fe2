"""Activities of anonymous visitors: whose they turn out to be, from when that is known, and that no
row is lost."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnable.core.columns import NumericColumn
from winnable.core.timestamps import microseconds
from winnable.data.analysis.funnel import funnel, funnel_table
from winnable.data.autodetect.draft import draft
from winnable.data.autodetect.infer import guess
from winnable.data.dataset import Dataset
from winnable.data.features.online import Activity, features_of_records
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.data.ingestion.lead_keys import merge_visits
from winnable.definition.load import definition_from

NOW = pd.Timestamp("2024-06-01", tz="UTC")
DEFINITION = definition_from(
    {
        "outcome": {"won": ["Won"], "lost": ["Lost"], "horizon_days": 30},
        "columns": {"id": "Id", "created": "Created", "closed": "Closed", "status": "Status"},
        "activities": {"intent": ["Pricing"]},
    },
    "a test",
)
LEADS = """Id,Created,Closed,Status
a1,2024-02-01 10:00,2024-03-01,Won
a2,2024-02-20 10:00,2024-03-01,Lost
a3,2024-02-01 10:00,2024-04-01,Lost
"""
LOG = """lead_id,anonymous_id,kind,at
,v1,Pricing,2024-01-20 09:00
,v1,Visit,2024-02-01 08:00
a1,v1,Form,2024-02-02 09:00
,v1,Pricing,2024-02-03 09:00
a2,v1,Form,2024-02-21 09:00
,v1,Visit,2024-02-22 09:00
,v2,Visit,2024-02-23 09:00
,v2,Visit,2024-02-24 09:00
,,Visit,2024-02-25 09:00
zz,v3,Visit,2024-02-25 09:00
,v3,Visit,2024-02-26 09:00
a3,,Call,2024-02-27 09:00
,v1,Visit,sometime
"""


def read(folder: Path, log: str = LOG, *, for_training: bool = True) -> Crm:
    (folder / "leads.csv").write_text(LEADS)
    (folder / "activities.csv").write_text(log)
    leads, activities = str(folder / "leads.csv"), str(folder / "activities.csv")
    return read_crm(DEFINITION, leads, activities, for_training=for_training, now=NOW)


def moment(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def days_of(crm: Crm, lead: str) -> list[tuple[str, str]]:
    """The days of a lead's activities, and from when each is known."""
    assert crm.activities is not None
    rows = crm.activities[crm.activities["@id"] == lead]
    return [
        (f"{at:%m-%d}", f"{known:%m-%d}")
        for at, known in zip(rows["@at"], rows["@recorded"], strict=True)
    ]


@pytest.mark.parametrize("for_training", [True, False])
def test_rows_before_identification_belong_to_the_first_lead_and_later_ones_to_the_last_identified(
    tmp_path: Path, for_training: bool
) -> None:
    crm = read(tmp_path, for_training=for_training)
    assert days_of(crm, "a1") == [
        ("01-20", "02-02"),
        ("02-01", "02-02"),
        ("02-02", "02-02"),
        ("02-03", "02-03"),
    ]
    assert days_of(crm, "a2") == [("02-21", "02-21"), ("02-22", "02-22")]
    assert days_of(crm, "a3") == [("02-27", "02-27")]


def test_every_row_is_used_anonymous_or_rejected_and_the_notes_say_how_many(tmp_path: Path) -> None:
    crm = read(tmp_path)
    assert crm.activities is not None
    reasons = crm.rejects["reason"].tolist()
    assert (len(crm.activities), len(reasons)) == (7, 4)
    assert sorted(reasons) == [
        "it has no lead id",
        "its timestamp cannot be read",
        "no usable lead has this id",
        "no usable lead has this id",
    ]
    notes = " ".join(crm.notes)
    assert (
        "activities: 13 rows: 3 name their lead, 4 belong to one by their visitor, 2 are of"
        " visitors nobody has identified, 4 rejected." in notes
    )
    assert "of 2 visitors who came anonymously 1 (50%) were identified later" in notes
    assert "1 visitor identified as more than one lead" in notes


def test_before_identification_nothing_is_known_of_the_lead(tmp_path: Path) -> None:
    data = Dataset(DEFINITION, read(tmp_path))
    before = data.as_of(moment("2024-02-02 09:00"))
    after = data.as_of(moment("2024-02-02 09:01"))
    assert before.crm.activities is not None
    assert after.crm.activities is not None
    assert len(before.crm.activities) == 0
    assert len(after.crm.activities) == 3
    assert before.crm.visitors is not None
    assert after.crm.visitors is not None
    assert before.crm.visitors["@identified"].notna().tolist() == [False]
    assert after.crm.visitors["@identified"].notna().tolist() == [True]


@pytest.mark.parametrize(
    "day", ["2024-02-02 09:00", "2024-02-02 09:01", "2024-02-21", "2024-05-01"]
)
def test_a_batch_and_a_request_that_tells_when_the_visitor_was_identified_are_equal(
    tmp_path: Path, day: str
) -> None:
    data = Dataset(DEFINITION, read(tmp_path))
    plan = data.feature_plan()
    at = moment(day)
    batch = data.features(plan, np.array([0]), np.array([microseconds(at)]))
    known = moment("2024-02-02 09:00")
    asked = [
        Activity("Pricing", moment("2024-01-20 09:00"), known),
        Activity("Visit", moment("2024-02-01 08:00"), known),
        Activity("Form", known),
        Activity("Pricing", moment("2024-02-03 09:00")),
    ]
    record = {"Created": "2024-02-01T10:00:00Z"}
    online = features_of_records(plan, DEFINITION, [record], [asked], [at])
    assert plan.aggregate_names
    for name in plan.aggregate_names:
        one, other = batch.columns[name], online.columns[name]
        assert isinstance(one, NumericColumn)
        assert isinstance(other, NumericColumn)
        np.testing.assert_allclose(one.values, other.values, rtol=0, atol=1e-9)


def test_the_funnel_counts_anonymous_visitors_above_all_leads(tmp_path: Path) -> None:
    found = funnel(Dataset(DEFINITION, read(tmp_path)))
    assert found.anonymous is not None
    assert (found.anonymous.volume, found.anonymous.before, found.anonymous.reached) == (2, 2, 1)
    assert found.steps[0].name == "Leads"
    assert any("Of 2 anonymous visitors 1 (50%" in note for note in found.notes)
    assert funnel_table(found)["name"].tolist()[:2] == ["Anonymous", "Leads"]


def test_a_log_whose_rows_all_name_their_lead_is_read_as_without_visitors(tmp_path: Path) -> None:
    named = "lead_id,anonymous_id,kind,at\na1,v1,Visit,2024-02-02 09:00\n"
    crm = read(tmp_path, named)
    assert crm.visitors is None
    without = read(tmp_path, "lead_id,kind,at\na1,Visit,2024-02-02 09:00\n")
    assert crm.activities is not None
    assert without.activities is not None
    assert crm.activities.equals(without.activities)
    assert funnel(Dataset(DEFINITION, crm)).anonymous is None


def test_init_proposes_the_column_of_visitors_and_the_draft_reads_the_log(tmp_path: Path) -> None:
    read(tmp_path)
    found = guess(str(tmp_path / "leads.csv"), str(tmp_path / "activities.csv"))
    assert found.visitor == "anonymous_id"
    assert 'visitor = "anonymous_id"' in draft(found)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v"]),
        st.sampled_from([None, None, "a", "b"]),
        st.integers(0, 12),
        st.integers(0, 4),
    ),
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_what_was_known_at_a_moment_never_changes_with_rows_that_were_known_later(
    events: list[tuple[str, str | None, int, int]], random: "np.random.Generator"
) -> None:
    """Reading the log as it was at each moment gives the same as reading all of it and asking what
    was known then; whatever the order of the rows. Every row goes to one place."""

    def known_at(rows: list[tuple[str, str | None, int, int]], now: int) -> list[tuple[str, int]]:
        if not rows:
            return []
        start = pd.Timestamp("2024-01-01", tz="UTC")
        frame = pd.DataFrame(
            {
                "@id": pd.array([row[1] for row in rows], dtype="str"),
                "@visitor": pd.array([row[0] for row in rows], dtype="str"),
                "@at": pd.Series([start + timedelta(days=row[2]) for row in rows]).astype(
                    "datetime64[us, UTC]"
                ),
            }
        )
        known = (frame["@at"] + pd.to_timedelta([row[3] for row in rows], unit="D")).astype(
            "datetime64[us, UTC]"
        )
        visits = merge_visits(frame, known)
        assert (visits.leads.isna() == visits.anonymous).all()
        since = pd.concat([known, visits.identified], axis=1).max(axis=1)
        counts = ~visits.anonymous & (since < start + timedelta(days=now))
        return sorted(
            zip(visits.leads[counts], (frame.loc[counts, "@at"] - start).dt.days, strict=True)
        )

    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[arg-type]
    for now in range(18):
        then = [event for event in shuffled if event[2] + event[3] < now]
        assert known_at(events, now) == known_at(then, now)
