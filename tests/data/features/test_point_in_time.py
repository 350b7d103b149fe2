"""The CRM as it was known at a moment agrees with a naive walk through every lead's own story, and
the future changes nothing."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnable.data.features.point_in_time import as_of, irreversible_columns
from winnable.data.ingestion.crm import Crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.errors import DataError

START = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = ("Won", "Lost")
ROLES = {
    "id": "Id",
    "status": "Status",
    "created": "Created",
    "closed": "Closed",
    "source": "Source",
    "fixed": ["Country"],
}


def definition(**columns: object) -> Definition:
    return definition_from(
        {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": {**ROLES, **columns}}, "test"
    )


def times(values: object) -> pd.Series:
    return pd.to_datetime(pd.Series(values), utc=True).astype("datetime64[us, UTC]")


def tables(
    leads: list[dict[str, object]],
    activities: list[dict[str, object]],
    history: list[dict[str, object]],
) -> Crm:
    """Tables as the input contract promises them."""
    frame = pd.DataFrame(
        leads, columns=["Id", "Status", "Source", "Title", "Country", "created", "closed"]
    )
    words = {
        name: frame[name].astype("str") for name in ("Id", "Status", "Source", "Title", "Country")
    }
    dates = {"@created": times(frame["created"]), "@closed": times(frame["closed"])}
    written = {
        "Created": dates["@created"].astype("str"),
        "Closed": dates["@closed"].astype("str").replace("NaT", None).astype("str"),
    }
    roles = {"@id": words["Id"], "@status": words["Status"], "@source": words["Source"]}
    done = pd.DataFrame(activities, columns=["@id", "@at", "@kind", "@recorded"])
    changes = pd.DataFrame(history, columns=["@id", "@at", "@field", "@old", "@new"])
    for table, names in ((done, ["@at", "@recorded"]), (changes, ["@at"])):
        for name in names:
            table[name] = times(table[name])
    changes = changes.astype(dict.fromkeys(("@id", "@field", "@old", "@new"), "str"))
    changes = changes.sort_values(["@id", "@field", "@at"], kind="stable")
    rejects = pd.DataFrame(columns=["table", "row", "id", "reason"])
    return Crm(
        pd.DataFrame({**words, **written, **roles, **dates}),
        done.astype({"@id": "str", "@kind": "str"}),
        changes,
        rejects,
        (),
    )


moments = st.integers(0, 24 * 40).map(lambda hours: START + timedelta(hours=hours))
statuses = st.sampled_from(["New", "Working", "Won", "Lost", None])
words = st.sampled_from([None, "Fair", "List", "Referral"])


@st.composite
def companies(draw: st.DrawFn) -> Crm:
    size = draw(st.integers(1, 4))
    leads, history = [], []
    for i in range(size):
        status = draw(statuses)
        created = draw(moments)
        closed = draw(st.none() | moments) if status in ENDS else None
        leads.append(
            {
                "Id": f"L{i}",
                "Status": status,
                "created": created,
                "closed": None if closed is None else max(created, closed),
            }
            | {name: draw(words) for name in ("Source", "Title", "Country")}
        )
        for field, values in (("Status", statuses), ("Source", words), ("Country", words)):
            whens = draw(st.lists(moments, max_size=3, unique=True))
            history += [
                {
                    "@id": f"L{i}",
                    "@at": when,
                    "@field": field,
                    "@old": draw(values),
                    "@new": draw(values),
                }
                for when in sorted(whens)
            ]
    activities = [
        {
            "@id": f"L{draw(st.integers(0, size - 1))}",
            "@at": draw(moments),
            "@kind": "Call",
            "@recorded": draw(moments),
        }
        for _ in range(draw(st.integers(0, 5)))
    ]
    return tables(leads, activities, history)


def plain(value: object) -> object:
    return None if pd.isna(value) else value  # type: ignore[call-overload]


def story(crm: Crm, lead: "pd.Series", moment: datetime) -> dict[str, object]:
    """The oracle: one lead of then, told by walking through its own changes in order of time."""
    assert crm.history is not None
    own = sorted(
        (c for c in crm.history.itertuples(index=False) if c[0] == lead["Id"]), key=lambda c: c[1]
    )

    def told(field: str) -> tuple[object, list[tuple[object, ...]], list[tuple[object, ...]]]:
        past = [c for c in own if c[2] == field and c[1] < moment]
        future = [c for c in own if c[2] == field and c[1] >= moment]
        value = past[-1][4] if past else future[0][3] if future else lead[field]
        return plain(value), past, future

    status, past, future = told("Status")
    closed = plain(lead["@closed"])
    if not future:
        status = plain(lead["Status"])
    if status in ENDS and future and past and (closed is None or closed >= moment):  # type: ignore[operator]
        closed = past[-1][1]
    elif status in ENDS and closed is not None and closed >= moment:  # type: ignore[operator]
        status = None
    return {
        "Status": status,
        "@status": status,
        "Source": told("Source")[0],
        "@source": told("Source")[0],
        "Title": plain(lead["Title"]),
        "Country": plain(lead["Country"]),
        "@closed": closed if status in ENDS else None,
        "open date": status not in ENDS,
    }


@settings(max_examples=200, deadline=None)
@given(companies(), moments)
def test_it_agrees_with_every_leads_own_story(company: Crm, moment: datetime) -> None:
    then = as_of(definition(), company, moment)
    there = company.leads[company.leads["@created"] < moment]
    assert then.leads["Id"].tolist() == there["Id"].tolist()
    assert (then.leads.dtypes == company.leads.dtypes).all()
    for (_, lead), (_, was) in zip(there.iterrows(), then.leads.iterrows(), strict=True):
        expected = story(company, lead, moment)
        still_open = expected.pop("open date")
        assert {name: plain(was[name]) for name in expected} == expected
        assert not (still_open and plain(was["Closed"]))
    assert then.activities is not None
    assert then.history is not None
    assert company.activities is not None
    assert company.history is not None
    kept = company.activities[(company.activities[["@at", "@recorded"]].max(axis=1) < moment)]
    assert then.activities.index.tolist() == kept.index[kept["@id"].isin(there["Id"])].tolist()
    changed = company.history[company.history["@at"] < moment]
    assert then.history.index.tolist() == changed.index[changed["@id"].isin(there["Id"])].tolist()


@settings(max_examples=50, deadline=None)
@given(companies(), moments, moments)
def test_looking_back_twice_is_looking_back_further(
    company: Crm, one: datetime, other: datetime
) -> None:
    """What was known in March does not depend on whether one asks in June or in April, as far as
    changes are recorded."""
    early, late = min(one, other), max(one, other)
    at_once, in_steps = (
        as_of(definition(), each, early) for each in (company, as_of(definition(), company, late))
    )
    columns = ["Id", "Source", "@source"]
    pd.testing.assert_frame_equal(at_once.leads[columns], in_steps.leads[columns])
    pd.testing.assert_frame_equal(at_once.activities, in_steps.activities)
    pd.testing.assert_frame_equal(at_once.history, in_steps.history)


def lead(**values: object) -> dict[str, object]:
    return {
        "Id": "A",
        "Status": "Won",
        "created": START,
        "closed": START + timedelta(days=10),
        **values,
    }


def test_a_lead_that_was_lost_came_back_and_won_was_lost_in_between() -> None:
    changes = [("New", "Lost", 3), ("Lost", "New", 6), ("New", "Won", 10)]
    history = [
        {
            "@id": "A",
            "@at": START + timedelta(days=day),
            "@field": "Status",
            "@old": old,
            "@new": new,
        }
        for old, new, day in changes
    ]
    crm = tables([lead()], [], history)
    seen = {}
    for day in (2, 5, 8, 11):
        was = as_of(definition(), crm, START + timedelta(days=day)).leads.iloc[0]
        seen[day] = (
            was["@status"],
            None if pd.isna(was["@closed"]) else (was["@closed"] - START).days,
        )
    assert seen == {2: ("New", None), 5: ("Lost", 3), 8: ("New", None), 11: ("Won", 10)}


def test_any_value_that_means_won_is_undone_with_its_date() -> None:
    roles = {"id": "Id", "status": "Closed", "created": "Created", "closed": "Closed"}
    agreed = definition_from({"outcome": {"won": ["*"]}, "columns": roles}, "test")
    crm = tables([lead(), lead(Id="B", closed=START + timedelta(days=30))], [], [])
    leads = crm.leads.assign(**{"@status": "*"}).astype({"@status": "str"})
    then = as_of(agreed, Crm(leads, None, None, crm.rejects, ()), START + timedelta(days=20)).leads
    assert then["@status"].fillna("").tolist() == ["*", ""]
    assert then["Closed"].notna().tolist() == [True, False]
    assert then["@closed"].notna().tolist() == [True, False]


def test_it_says_what_it_cannot_undo() -> None:
    crm = tables([lead(), lead(Id="B", closed=None)], [], [])
    notes = " ".join(irreversible_columns(definition(), crm))
    assert "today's values are used: Source, Title." in notes
    assert "1 won or lost leads have no closing date" in notes
    without = Crm(crm.leads.drop(columns="@closed"), None, None, crm.rejects, ())
    assert any(
        "every outcome counts as known" in each
        for each in irreversible_columns(definition(), without)
    )
    assert as_of(definition(), without, START + timedelta(days=1)).leads["@status"].tolist() == [
        "Won",
        "Won",
    ]


def test_without_a_creation_date_there_is_no_past() -> None:
    crm = tables([lead()], [], [])
    with pytest.raises(DataError, match="no lead has a creation date"):
        as_of(
            definition(),
            Crm(crm.leads.drop(columns="@created"), None, None, crm.rejects, ()),
            START,
        )


def test_nothing_of_the_present_is_changed() -> None:
    crm = tables([lead()], [], [])
    before = crm.leads.copy()
    as_of(definition(), crm, START + timedelta(days=1))
    pd.testing.assert_frame_equal(crm.leads, before)
    assert np.all(crm.leads["@status"] == "Won")
