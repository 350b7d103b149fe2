"""Features: the rendering for many rows, the one for a request, and a naive oracle agree on what
was known when."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnable.core.columns import ActivityAggregate, FeatureTable
from winnable.core.timestamps import microseconds
from winnable.data.dataset import Dataset
from winnable.data.features.offline import aggregate_expression, compute_features
from winnable.data.features.online import Activity, features_of_records
from winnable.data.features.plan import AGE, FeaturePlan, Field, fit_feature_plan
from winnable.data.ingestion.crm import Crm
from winnable.data.leakage.detect import left_out
from winnable.data.leakage.names import name_clue
from winnable.definition.conditions import Condition
from winnable.definition.load import definition_from
from winnable.definition.parts import Activities
from winnable.definition.schema import Definition

START = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = ("Pricing page", "E-book", "Webinar")
MEASURES = tuple(
    ActivityAggregate(what, kinds, days)
    for what in ("count", "days_since", "kinds")
    for kinds in ((), KINDS[:2])
    for days in (None, 7)
) + tuple(ActivityAggregate("change", kinds, days) for kinds in ((), KINDS[:2]) for days in (7, 20))
PROPERTIES = (Field("Minutes", "number", loose=True), Field("Campaign", "words"))
PROPERTY_MEASURES = tuple(
    ActivityAggregate(what, kinds, column=column)
    for kinds in ((), KINDS[:1], KINDS[:2])
    for what, column in (("sum", "Minutes"), ("last", "Minutes"), ("last", "Campaign"))
)
LONG = Condition(field="Minutes", at_least=0.5)
SPRING = Condition(none_of=[Condition(field="Campaign", any_of=("Summer",))])
TESTED = (
    Condition(activity="Webinar", having=(LONG,)),
    Condition(activity="any", having=(LONG, SPRING), within_days=20),
    Condition(activity="Pricing page", after="Webinar"),
    Condition(
        activity="intent", after={"activity": "E-book", "within_days": 9, "having": [SPRING]}
    ),
    Condition(activity="any", after={"activity": "any", "within_days": 3}, within_days=20),
)
TESTED_MEASURES = tuple(
    condition.aggregate(Activities(intent=KINDS[:2]), what)
    for condition in TESTED
    for what in ("count", "days_since")
)
FIELDS = (Field("Employees", "number"), Field("Title", "words"), Field("Last visit", "moment"))
PLAN = FeaturePlan(
    FIELDS,
    MEASURES + PROPERTY_MEASURES + TESTED_MEASURES,
    Field("Created", "moment", learn=False),
    properties=PROPERTIES,
)


def definition(**columns: object) -> Definition:
    roles = {"id": "Id", "status": "Status", "created": "Created", "closed": "Closed", **columns}
    return definition_from(
        {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": roles}, "test"
    )


def crm(
    leads: list[dict[str, object]],
    activities: list[dict[str, object]],
    history: list[dict[str, object]],
) -> Crm:
    """Tables as the input contract promises them."""
    table = pd.DataFrame(leads)
    words = {
        name: table[name].astype("str")
        for name in ("Id", "Employees", "Title", "Last visit", "Created")
    }
    created = pd.to_datetime(table["Created"], utc=True).astype("datetime64[us, UTC]")
    done = pd.DataFrame(
        activities, columns=["@id", "@at", "@kind", "@recorded", "Minutes", "Campaign"]
    )
    for name in ("@at", "@recorded"):
        done[name] = pd.to_datetime(done[name], utc=True).astype("datetime64[us, UTC]")
    changes = pd.DataFrame(history, columns=["@id", "@at", "@field", "@old", "@new"])
    changes["@at"] = pd.to_datetime(changes["@at"], utc=True).astype("datetime64[us, UTC]")
    for frame, names in (
        (done, ["@id", "@kind", "Minutes", "Campaign"]),
        (changes, ["@id", "@field", "@old", "@new"]),
    ):
        frame[names] = frame[names].astype("str")
    return Crm(
        leads=pd.DataFrame({**words, "@id": words["Id"], "@created": created}).assign(
            **{"@status": "Won"}
        ),
        activities=done.sort_values(["@id", "@at"], kind="stable"),
        history=changes.sort_values(["@id", "@field", "@at"], kind="stable"),
        rejects=pd.DataFrame(columns=["table", "row", "id", "reason"]),
        notes=(),
    )


moments = st.integers(0, 60 * 24).map(lambda hours: START + timedelta(hours=hours))
numbers = st.sampled_from([None, "7", "1,200", "3.5", "unclear"])
words = st.sampled_from([None, "VP", "Head of IT", "Clerk"])
minutes = st.sampled_from([None, "0.1", "0.7", "-3", "1,200.25", "10-20", "unclear", "1e300"])
campaigns = st.sampled_from([None, "Spring", "Summer", "spring"])
dates = st.sampled_from([None, "2026-01-10", "2026-02-20T10:00:00Z"])
values = {"Employees": numbers, "Title": words}


@st.composite
def companies(draw: st.DrawFn) -> tuple[Crm, list[int], list[datetime]]:
    size = draw(st.integers(1, 4))
    leads = [
        {
            "Id": f"L{i}",
            "Employees": draw(numbers),
            "Title": draw(words),
            "Last visit": draw(dates),
            "Created": draw(moments).isoformat(),
        }
        for i in range(size)
    ]
    who = st.integers(0, size - 1).map(lambda i: f"L{i}")
    activities = [
        {
            "@id": draw(who),
            "@at": (at := draw(moments)),
            "@kind": draw(st.sampled_from(KINDS)),
            "@recorded": draw(st.none() | moments) or at,
            "Minutes": draw(minutes),
            "Campaign": draw(campaigns),
        }
        for _ in range(draw(st.integers(0, 8)))
    ]
    history = []
    for _ in range(draw(st.integers(0, 6))):
        field = draw(st.sampled_from(["Employees", "Title"]))
        change = {
            "@id": draw(who),
            "@at": draw(moments),
            "@field": field,
            "@old": draw(values[field]),
            "@new": draw(values[field]),
        }
        if all(
            (change["@id"], change["@field"], change["@at"]) != (c["@id"], c["@field"], c["@at"])
            for c in history
        ):
            history.append(change)
    rows = [draw(st.integers(0, size - 1)) for _ in range(draw(st.integers(1, 5)))]
    return crm(leads, activities, history), rows, [draw(moments) for _ in rows]


def known_value(tables: Crm, lead: str, field: str, as_of: datetime) -> object:
    """The oracle for fields: walks through a lead's changes in order of time and stops at the
    moment of asking."""
    assert tables.history is not None
    value = tables.leads.loc[tables.leads["@id"] == lead, field].iloc[0]
    changes = [c for c in tables.history.itertuples(index=False) if c[0] == lead and c[2] == field]
    past = [c for c in changes if c[1] < as_of]
    future = [c for c in changes if c[1] >= as_of]
    if past:
        return max(past, key=lambda c: c[1])[4]
    return min(future, key=lambda c: c[1])[3] if future else value


def values_of(activity: tuple[object, ...]) -> dict[str, object]:
    """The properties of a row of the log, as a request would tell them."""
    named = {"Minutes": activity[4], "Campaign": activity[5]}
    return {name: None if pd.isna(value) else value for name, value in named.items()}


def plainly(tables: Crm, lead: int, as_of: datetime) -> FeatureTable:
    """One lead as a request would describe it, with the values that the oracle says were known."""
    assert tables.activities is not None
    row = tables.leads.iloc[lead]
    record = {name: known_value(tables, row["@id"], name, as_of) for name in ("Employees", "Title")}
    record |= {name: row[name] for name in ("Last visit", "Created")}
    record = {name: None if pd.isna(value) else value for name, value in record.items()}
    done = [
        Activity(each[2], each[1].to_pydatetime(), each[3].to_pydatetime(), values_of(each))
        for each in tables.activities.itertuples(index=False)
        if each[0] == row["@id"]
    ]
    return features_of_records(PLAN, definition(), [record], [done], [as_of])


@settings(max_examples=50, deadline=None)
@given(companies())
def test_many_rows_and_one_lead_are_rendered_alike(
    company: tuple[Crm, list[int], list[datetime]],
) -> None:
    tables, rows, as_of = company
    together = compute_features(
        PLAN, definition(), tables, np.array(rows), np.array([microseconds(when) for when in as_of])
    )
    for position, (lead, when) in enumerate(zip(rows, as_of, strict=True)):
        alone = plainly(tables, lead, when)
        assert set(alone.columns) == set(together.columns)
        row = together.take(np.array([position]))
        for name in together.columns:
            one, many = alone.words(name), row.words(name)
            assert [one.vocabulary[c] if c >= 0 else None for c in one.codes] == [
                many.vocabulary[c] if c >= 0 else None for c in many.codes
            ], name


@settings(max_examples=50, deadline=None)
@given(companies(), st.lists(st.sampled_from(["Employees", "Title", "Last visit"]), unique=True))
def test_a_value_counts_only_if_a_change_tells_its_time_or_the_definition_calls_it_fixed(
    company: tuple[Crm, list[int], list[datetime]], fixed: list[str]
) -> None:
    """The oracle asks every lead's own changes. Where the export has none at all, what stands in it
    is all that there is."""
    tables, agreed = company[0], definition(fixed=fixed)
    assert tables.history is not None
    told = {change[2] for change in tables.history.itertuples(index=False)}
    learned = fit_feature_plan(agreed, tables, left_out(Dataset(agreed, tables).verdicts)).learned
    for field in ("Employees", "Title", "Last visit"):
        assert not told or field in told or field in fixed or field not in learned
        if told and field not in told and field in fixed and name_clue(field) is None:
            assert field in learned


@settings(max_examples=50, deadline=None)
@given(companies())
def test_measures_are_what_a_naive_count_says(
    company: tuple[Crm, list[int], list[datetime]],
) -> None:
    tables, rows, as_of = company
    assert tables.activities is not None
    features = compute_features(
        PLAN, definition(), tables, np.array(rows), np.array([microseconds(when) for when in as_of])
    )
    for position, (lead, when) in enumerate(zip(rows, as_of, strict=True)):
        done = tables.activities[tables.activities["@id"] == f"L{lead}"]
        done = done[(done["@at"] < when) & (done["@recorded"] < when)]
        for measure in MEASURES:
            counted = done[done["@kind"].isin(measure.kinds)] if measure.kinds else done
            since = when - timedelta(days=measure.within_days or 0)
            if measure.what == "change":
                before = counted[
                    (counted["@at"] < since) & (counted["@at"] >= since - (when - since))
                ]
                expected = (counted["@at"] >= since).sum() - len(before)
                assert features.numbers(measure.name)[position] == expected, measure.name
                continue
            if measure.within_days is not None:
                counted = counted[counted["@at"] >= when - timedelta(days=measure.within_days)]
            if measure.what == "days_since":
                expected = (
                    (when - counted["@at"].max()) / timedelta(days=1) if len(counted) else np.nan
                )
            else:
                expected = len(counted) if measure.what == "count" else counted["@kind"].nunique()
            assert features.numbers(measure.name)[position] == pytest.approx(
                expected, nan_ok=True
            ), measure.name


@settings(max_examples=50, deadline=None)
@given(companies())
def test_properties_are_what_walking_through_the_activities_says(
    company: tuple[Crm, list[int], list[datetime]],
) -> None:
    """Of several activities at one moment the last is that of the last kind and value."""
    tables, rows, as_of = company
    assert tables.activities is not None
    number = {"0.1": 0.1, "0.7": 0.7, "-3": -3.0, "1,200.25": 1200.25, "10-20": 14.142136}
    features = compute_features(
        PLAN, definition(), tables, np.array(rows), np.array([microseconds(when) for when in as_of])
    )
    log = list(tables.activities.itertuples(index=False))
    for position, (lead, when) in enumerate(zip(rows, as_of, strict=True)):
        past = [
            (each[1], each[2], number.get(each[4], -np.inf), each[5])
            for each in log
            if each[0] == f"L{lead}" and each[1] < when and each[3] < when
        ]
        past.sort(key=lambda each: (*each[:3], "" if pd.isna(each[3]) else each[3]))
        for measure in PROPERTY_MEASURES:
            mine = [each for each in past if not measure.kinds or each[1] in measure.kinds]
            minutes_of_mine = [each[2] for each in mine if each[2] != -np.inf]
            if measure.column == "Campaign":
                named = [each[3] for each in mine if not pd.isna(each[3])]
                column = features.words(measure.name)
                code = column.codes[position]
                assert (column.vocabulary[code] if code >= 0 else None) == (
                    named[-1] if named else None
                )
            elif measure.what == "sum":
                total = features.numbers(measure.name)[position]
                assert total == pytest.approx(sum(minutes_of_mine), abs=1e-9)
            else:
                last = minutes_of_mine[-1] if minutes_of_mine else np.nan
                assert features.numbers(measure.name)[position] == pytest.approx(last, nan_ok=True)


@settings(max_examples=100, deadline=None)
@given(companies())
def test_activities_meet_tests_of_properties_and_order_as_a_naive_walk_says(
    company: tuple[Crm, list[int], list[datetime]],
) -> None:
    """Only what was known by then counts as having come before, too."""
    tables, rows, as_of = company
    features = compute_features(
        PLAN, definition(), tables, np.array(rows), np.array([microseconds(when) for when in as_of])
    )
    log = list(tables.activities.itertuples(index=False))
    number = {
        "0.1": 0.1,
        "0.7": 0.7,
        "-3": -3.0,
        "1,200.25": 1200.25,
        "10-20": 14.1,
        "1e300": 1e300,
    }

    def long(each: tuple[object, ...]) -> bool:
        return number.get(each[4], 0.0) >= 0.5

    def spring(each: tuple[object, ...]) -> bool:
        return each[5] != "Summer"

    for position, (lead, when) in enumerate(zip(rows, as_of, strict=True)):
        past = [each for each in log if each[0] == f"L{lead}" and each[1] < when and each[3] < when]

        def later_than_some(each: tuple[object, ...], days: int, *earlier: object) -> bool:
            return any(
                timedelta(0) < each[1] - first[1] <= timedelta(days=days)
                for first in past  # noqa: B023
                if first in earlier
            )

        recent = [each for each in past if each[1] >= when - timedelta(days=20)]
        webinars = [each for each in past if each[2] == "Webinar"]
        books = [each for each in past if each[2] == "E-book" and spring(each)]
        counted = [
            [each for each in webinars if long(each)],
            [each for each in recent if long(each) and spring(each)],
            [e for e in past if e[2] == "Pricing page" and later_than_some(e, 999, *webinars)],
            [e for e in past if e[2] in KINDS[:2] and later_than_some(e, 9, *books)],
            [each for each in recent if later_than_some(each, 3, *past)],
        ]
        for place, found in enumerate(counted):
            name = TESTED_MEASURES[2 * place].name
            assert features.numbers(name)[position] == len(found), name


def test_a_plan_with_tests_of_activities_survives_json() -> None:
    assert FeaturePlan.from_json(json.loads(json.dumps(PLAN.to_json()))) == PLAN


def test_nothing_of_the_very_moment_or_later_counts() -> None:
    at = START + timedelta(days=5)
    lead = {
        "Id": "L0",
        "Employees": "7",
        "Title": "VP",
        "Last visit": None,
        "Created": START.isoformat(),
    }
    did = [{"@id": "L0", "@at": at, "@kind": "E-book", "@recorded": at}]
    changed = [{"@id": "L0", "@at": at, "@field": "Title", "@old": "Clerk", "@new": "VP"}]
    tables = crm([lead], did, changed)
    rows = np.zeros(2, dtype=np.int64)
    features = compute_features(
        PLAN, definition(), tables, rows, np.array([microseconds(at), microseconds(at) + 1])
    )
    assert features.numbers("times any activity").tolist() == [0, 1]
    titles = features.words("Title")
    assert [titles.vocabulary[code] for code in titles.codes] == ["Clerk", "VP"]


def test_an_activity_recorded_late_counts_from_when_it_was_recorded() -> None:
    lead = {
        "Id": "L0",
        "Employees": "7",
        "Title": "VP",
        "Last visit": None,
        "Created": START.isoformat(),
    }
    did = [
        {
            "@id": "L0",
            "@at": START + timedelta(days=1),
            "@kind": "E-book",
            "@recorded": START + timedelta(days=10),
        }
    ]
    tables = crm([lead], did, [])
    as_of = [microseconds(START + timedelta(days=days)) for days in (5, 11)]
    features = compute_features(
        PLAN, definition(), tables, np.zeros(2, dtype=np.int64), np.array(as_of)
    )
    assert features.numbers("times any activity").tolist() == [0, 1]
    assert features.numbers("days since any activity")[1] == 10


def test_a_field_called_fixed_keeps_its_value_whatever_the_history_says() -> None:
    lead = {
        "Id": "L0",
        "Employees": "7",
        "Title": "VP",
        "Last visit": None,
        "Created": START.isoformat(),
    }
    changed = [
        {
            "@id": "L0",
            "@at": START + timedelta(days=9),
            "@field": "Title",
            "@old": "Clerk",
            "@new": "VP",
        }
    ]
    as_of = np.array([microseconds(START + timedelta(days=1))])
    for fixed, expected in (((), "Clerk"), (("Title",), "VP")):
        titles = compute_features(
            PLAN, definition(fixed=list(fixed)), crm([lead], [], changed), np.array([0]), as_of
        ).words("Title")
        assert titles.vocabulary[titles.codes[0]] == expected


def test_the_plan_reads_columns_by_what_stands_in_them_and_survives_json() -> None:
    leads = [
        {
            "Id": f"L{i}",
            "Employees": f"{i},000",
            "Title": "VP",
            "Last visit": f"{i + 1}.3.2026",
            "Created": START.isoformat(),
        }
        for i in range(20)
    ]
    tables = crm(leads, [{"@id": "L1", "@at": START, "@kind": "E-book", "@recorded": START}], [])
    plan = fit_feature_plan(definition(ignore=["Notes"]), tables)
    assert {field.name: field.kind for field in plan.fields} == {
        "Employees": "number",
        "Title": "words",
        "Last visit": "moment",
    }
    assert AGE in plan.learned
    assert "times E-book" in plan.learned
    assert FeaturePlan.from_json(plan.to_json()) == plan


def test_what_ends_a_lead_is_never_learned() -> None:
    leads = [
        {
            "Id": f"L{i}",
            "Employees": "1",
            "Title": "VP",
            "Last visit": None,
            "Created": START.isoformat(),
        }
        for i in range(3)
    ]
    tables = crm(leads, [], [])
    tables.leads["Status"] = pd.Series(["Won", "Lost", "Open"], dtype="str")
    tables.leads["Closed"] = pd.Series(["2026-02-01", "2026-02-01", None], dtype="str")
    plan = fit_feature_plan(definition(ignore=["Title"]), tables)
    assert not {"Id", "Status", "Closed", "Created", "Title"} & set(plan.learned)


def test_the_question_to_the_activity_log_can_be_put_to_spark() -> None:
    import ibis

    rows = ibis.table({"row": "int64", "lead": "int64", "as_of": "int64"}, name="snapshots")
    events = ibis.table(
        {
            "lead": "int64",
            "at": "int64",
            "known": "int64",
            "kind": "string",
            "p0": "int64",
            "p1": "int64",
            "position": "int64",
            **{f"t{place}": "int64" for place in range(len(PLAN.tests))},
        },
        name="events",
    )
    asked = aggregate_expression(PLAN.aggregates, rows, events, ("Minutes", "Campaign"), PLAN.tests)
    query = str(ibis.to_sql(asked, dialect="pyspark"))
    assert f"AS `m{len(PLAN.aggregates) - 1}`" in query
    # A join by anything but equality would not scale there.
    assert query.count("JOIN") == 1
    assert (
        query.split("JOIN `events` AS")[1].split("ON")[1].split(")", maxsplit=1)[0].count("=") == 1
    )
