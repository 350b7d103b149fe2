"""Which further columns of an activity log are features, and how a request tells them."""

from datetime import UTC, datetime

import pandas as pd

from winnable.core.columns import ActivityAggregate
from winnable.data.features.activities.properties import properties_of
from winnable.data.features.plan import FeaturePlan, Field, fit_feature_plan
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.service.http.request import LeadReader

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)


def definition(**activities: object) -> Definition:
    roles = {"id": "Id", "status": "Status", "created": "Created"}
    outcome = {"won": ["Won"], "lost": ["Lost"]}
    return definition_from({"outcome": outcome, "columns": roles, "activities": activities}, "test")


def crm() -> Crm:
    """Sixty leads with four activities each."""
    leads = pd.DataFrame(
        {
            "Id": [f"L{i}" for i in range(60)],
            "Status": ["Won", "Lost", "Open"] * 20,
            "Created": "2026-01-01",
        }
    )
    rows = range(240)
    log = pd.DataFrame(
        {
            "Lead Id": [f"L{row % 60}" for row in rows],
            "At": [f"2026-01-{2 + row // 60:02d}T10:00:00Z" for row in rows],
            "Kind": [("Webinar", "Call")[row // 60 % 2] for row in rows],
            "Minutes": [f"{10 + row % 7}.5" for row in rows],
            "Campaign": [("Spring", "Summer", "Fair")[(row + row // 60) % 3] for row in rows],
            "Call outcome": [("Good", "Bad")[row // 60 % 2] for row in rows],
            "Region": [("North", "South")[row % 2] for row in rows],
            "Rating": [("Won", "Open")[row // 60 % 2] for row in rows],
            "Seen": [f"2026-01-{1 + row % 20:02d}" for row in rows],
            "Subject": [f"About thing {row}" for row in rows],
        }
    )
    return read_crm(definition(), leads, log)


def test_properties_are_used_and_copies_of_leads_outcomes_dates_and_free_text_are_not() -> None:
    found = properties_of(definition(), crm())
    assert found.used == ("Minutes", "Campaign")
    assert set(found.unused) == {"Call outcome", "Region", "Rating", "Seen", "Subject"}
    assert "leakage" in found.unused["Call outcome"]
    assert "same in all activities" in found.unused["Region"]


def test_no_property_tells_who_somebody_is() -> None:
    told = crm()
    size = len(told.activities)
    told.activities["Email"] = [f"kim{row % 3}@firm.de" for row in range(size)]
    told.activities["sent by"] = [f"kim{row % 3}@firm.de" for row in range(size)]
    unused = properties_of(definition(), told).unused
    assert unused["Email"] == unused["sent by"] == "it tells who somebody is"


def test_the_definition_decides_which_properties_are_used() -> None:
    assert properties_of(definition(properties=["Call outcome"]), crm()).used == ("Call outcome",)
    assert properties_of(definition(properties=[]), crm()).used == ()


def test_the_plan_sums_numbers_by_kind_keeps_last_words_and_survives_json() -> None:
    plan = fit_feature_plan(definition(), crm())
    assert {"Minutes of Webinar, sum", "Minutes of Call, last"} <= set(plan.learned)
    assert "Campaign of any activity, last" in plan.learned
    assert FeaturePlan.from_json(plan.to_json()) == plan


def test_a_plan_that_was_stored_before_properties_still_loads() -> None:
    plan = FeaturePlan((), (ActivityAggregate("count", ("Call",), 7),))
    stored = plan.to_json()
    del stored["properties"]
    for measure in stored["measures"]:
        del measure["column"]
    assert FeaturePlan.from_json(stored) == plan


def test_a_request_tells_properties_in_any_spelling_and_is_warned_of_unknown_ones() -> None:
    asked = (ActivityAggregate("sum", ("Webinar",), column="Minutes"),)
    plan = FeaturePlan((), asked, properties=(Field("Minutes", "number"),))
    reader = LeadReader(plan, None)
    webinar = {"kind": "Webinar", "at": "2026-01-02T10:00:00Z"}
    told = {"activities": [{**webinar, "minutes": 30, "colour": "red"}]}
    assert reader.lead(told, 0, AS_OF).activities[0].values == {"Minutes": 30}
    assert "activities.colour" in reader.warnings([told])[0]
    faulty = reader.lead({"activities": [{**webinar, "minutes": [30]}]}, 0, AS_OF)
    assert "activities.0.minutes" in repr(faulty)
