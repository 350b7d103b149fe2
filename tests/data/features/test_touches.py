"""The last marketing touch as a lead's source: the same of an export, at any time, and of a
request, from when it was known; what the CRM itself says comes first."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from winnable.core.timestamps import microseconds
from winnable.data.features.activities.touches import SourceOfRequest
from winnable.data.features.offline import words_at
from winnable.data.features.online import Activity
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition

CREATED = datetime(2026, 2, 1, 10, tzinfo=UTC)
LOG = [
    ("early", "Webinar", "2026-01-10T10:00:00Z", None),
    ("early", "E-book", "2026-01-20T10:00:00Z", None),
    ("early", "Call", "2026-01-30T10:00:00Z", None),
    ("at creation", "Webinar", "2026-02-01T10:00:00Z", None),
    ("twice at once", "E-book", "2026-01-20T10:00:00Z", None),
    ("twice at once", "Webinar", "2026-01-20T10:00:00Z", None),
    ("later", "Webinar", "2026-02-02T10:00:00Z", None),
    ("recorded later", "Webinar", "2026-01-20T10:00:00Z", "2026-02-02T10:00:00Z"),
    ("told by the CRM", "Webinar", "2026-01-20T10:00:00Z", None),
    ("told later", "Webinar", "2026-01-20T10:00:00Z", None),
]
EXPECTED = {
    "early": "E-book",
    "at creation": "Webinar",
    "twice at once": "Webinar",
    "later": None,
    "recorded later": "Webinar",
    "told by the CRM": "Referral",
    "told later": "Webinar",
    "silent": None,
}
LEADS = list(EXPECTED)


def definition(**columns: str) -> Definition:
    roles = {"id": "Id", "status": "Status", "created": "Created", **columns}
    kinds = {"intent": ["Webinar"], "interest": ["E-book"], "recorded": "Recorded"}
    outcome = {"won": ["Won"], "lost": ["Lost"]}
    return definition_from({"outcome": outcome, "columns": roles, "activities": kinds}, "test")


TOUCH = {"source": "Source", "missing_source": "last touch"}


def crm(agreed: Definition) -> Crm:
    leads = pd.DataFrame({"Id": LEADS, "Status": "Won", "Created": CREATED.isoformat()})
    own = {"told by the CRM": "Referral", "told later": "Fair"}
    leads["Source"] = leads["Id"].map(own)
    log = pd.DataFrame(LOG, columns=["Id", "Kind", "At", "Recorded"])
    changed = {"Id": "told later", "Field": "Source", "Old": None, "New": "Fair"}
    history = pd.DataFrame([{**changed, "At": "2026-04-01T10:00:00Z"}])
    return read_crm(agreed, leads, log, history)


def sources(agreed: Definition, tables: Crm, name: str, month: int) -> dict[str, str | None]:
    as_of = np.full(len(LEADS), microseconds(datetime(2026, month, 1, 10, tzinfo=UTC)))
    words = words_at(agreed, tables, name, np.arange(len(LEADS)), as_of)
    told = [words.vocabulary[code] if code >= 0 else None for code in words.codes]
    return dict(zip(tables.leads["@id"], told, strict=True))


def test_an_export_tells_the_last_touch_where_the_crm_has_no_source_yet() -> None:
    agreed = definition(**TOUCH)
    tables = crm(agreed)
    early = sources(agreed, tables, "Source", 2)
    assert early == {**EXPECTED, "recorded later": None, "at creation": "Webinar"}
    assert sources(agreed, tables, "Source", 3) == EXPECTED
    assert sources(agreed, tables, "Source", 5) == {**EXPECTED, "told later": "Fair"}


def test_a_definition_that_does_not_ask_for_it_has_the_sources_of_the_crm_alone() -> None:
    agreed = definition(source="Source")
    told = sources(agreed, crm(agreed), "Source", 3)
    assert {name for name, source in told.items() if source} == {"told by the CRM"}
    assert SourceOfRequest.of(agreed) is None


def test_without_a_column_of_its_own_the_touch_has_one() -> None:
    agreed = definition(missing_source="last touch")
    told = sources(agreed, crm(agreed), "Last marketing touch", 3)
    assert told == {**EXPECTED, "told by the CRM": "Webinar"}


@pytest.mark.parametrize("lead", LEADS)
def test_a_request_tells_the_same_as_an_export(lead: str) -> None:
    asked = SourceOfRequest.of(definition(**TOUCH))
    assert asked is not None
    done = [
        Activity(kind, datetime.fromisoformat(at), recorded and datetime.fromisoformat(recorded))
        for who, kind, at, recorded in LOG
        if who == lead
    ]
    own = {"Source": "Referral"} if lead == "told by the CRM" else {}
    values = asked.told({"Created": CREATED, **own}, done, datetime(2026, 3, 1, tzinfo=UTC))
    assert values.get("Source") == EXPECTED[lead]
    values = asked.told({"Created": CREATED, **own}, done, CREATED)
    assert values.get("Source") == (None if lead == "recorded later" else EXPECTED[lead])
