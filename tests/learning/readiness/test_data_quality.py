"""What is odd about data is found where it was put, and nothing is found where nothing is odd."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.learning.readiness.data_quality import Finding, alarms, inspect_quality

SIZE = 600


@pytest.fixture(scope="module")
def company() -> pd.DataFrame:
    """Leads of twelve months, 50 in each; three quarters closed within a month and a half, those of
    the last months open."""
    random = np.random.default_rng(0)
    created = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(SIZE) * 366 / SIZE, unit="D")
    closed = created + pd.to_timedelta(random.integers(5, 45, SIZE), unit="D")
    open_ = closed > pd.Timestamp("2024-12-31")
    won = random.random(SIZE) < 0.3
    return pd.DataFrame(
        {
            "Lead ID": [f"L{row}" for row in range(SIZE)],
            "Email": [f"anna.{row}@company{row % 97}.example" for row in range(SIZE)],
            "Full name": random.choice(["Anna Berg", "Olaf Lund", "Eva Roth"], SIZE),
            "Created": created.strftime("%Y-%m-%d"),
            "Closed on": np.where(open_, "", closed.strftime("%Y-%m-%d")),
            "Status": np.where(open_, "Working", np.where(won, "Closed Won", "Closed Lost")),
            "Country": random.choice(["DE", "FR"], SIZE),
        }
    )


def shared(**stages: object) -> Definition:
    return definition_from(
        {
            "outcome": {"won": ["Closed Won"], "lost": ["Closed Lost"]},
            "columns": {
                "id": "Lead ID",
                "person": "Email",
                "created": "Created",
                "closed": "Closed on",
                "status": "Status",
            }
            | {"fixed": ["Country"]},
            "stages": stages,
        },
        "the test",
    )


def found(leads: pd.DataFrame, folder: Path, agreed: Definition | None = None) -> dict[str, str]:
    leads.to_csv(folder / "leads.csv", index=False)
    agreed = agreed or shared()
    findings: tuple[Finding, ...] = inspect_quality(
        Dataset(agreed, read_crm(agreed, str(folder / "leads.csv")))
    )
    return {finding.kind: finding.text for finding in findings}


def test_a_company_in_order_has_only_its_latest_months_open(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    assert list(found(company, tmp_path)) == ["open", "returns"]
    early = company[pd.to_datetime(company["Created"]) < "2024-11-01"]
    assert list(found(early, tmp_path)) == ["returns"], "no history tells who came back"


def test_ends_that_are_not_dated_by_a_closing_date_are_counted(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    lost = company["Status"] == "Closed Lost"
    leads = company.assign(**{"Closed on": company["Closed on"].mask(lost, "")})
    told = found(leads, tmp_path)["ends"]
    assert f" {int(lost.sum()):,} have no date: when they ended is estimated" in told


def test_a_last_change_after_the_end_is_said_to_date_no_end(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    lost = company["Status"] == "Closed Lost"
    modified = pd.to_datetime(company["Closed on"]) + pd.Timedelta(days=30)
    leads = company.assign(
        **{"Closed on": company["Closed on"].mask(lost, ""), "Modified": modified.astype(str)}
    )
    columns = shared().columns.model_copy(update={"changed": "Modified"})
    told = found(leads, tmp_path, shared().model_copy(update={"columns": columns}))
    assert "The last change (Modified) does not tell it: " in told["ends"]


def test_junk_and_duplicates_are_counted(company: pd.DataFrame, tmp_path: Path) -> None:
    leads = company.copy()
    leads.loc[:11, "Full name"] = "Mickey Mouse"
    leads.loc[20:23, "Email"] = "ben.ode@company.example"
    told = found(leads, tmp_path)
    assert "Looks like junk: 12 leads (2.0%; the name is made up: 12)" in told["junk"]
    assert "Duplicates: 1 person with 3 surplus records" in told["duplicates"]


def test_rows_that_cannot_be_used_are_counted(company: pd.DataFrame, tmp_path: Path) -> None:
    leads = company.copy()
    leads.loc[:5, "Created"] = ""
    assert (
        found(leads, tmp_path)["rejects"]
        == "Rejected: 6 leads (1.0%): it has no creation date (6)."
    )


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (np.full(SIZE, ""), "without any value: 'Field'"),
        (np.full(SIZE, "x"), "with only one value: 'Field'"),
        (
            np.where(np.arange(SIZE) > 400, "x", ""),
            "with no value in the first half of the data (new): 'Field'",
        ),
        (np.where(np.arange(SIZE) < 300, "x", ""), "no longer filled in: 'Field'"),
    ],
)
def test_columns_that_are_empty_constant_new_or_gone_are_named(
    company: pd.DataFrame, tmp_path: Path, column: np.ndarray, says: str
) -> None:
    assert says in found(company.assign(Field=column), tmp_path)["columns"]


@pytest.mark.parametrize(
    ("name", "values", "smallest"),
    [
        ("Employees", lambda random: 5 + random.integers(0, 60, SIZE), 5),
        ("Amount", lambda random: np.round(100 * np.exp(random.exponential(1, SIZE)), 2), 100),
        ("Visits", lambda random: random.poisson(3, SIZE), None),
        ("Pages a visit", lambda random: 1 + random.integers(0, 9, SIZE) / 4, None),
        ("Share", lambda random: np.round(random.random(SIZE), 3), None),
        ("Balance", lambda random: random.normal(0, 1000, SIZE).round(), None),
    ],
)
def test_zeros_that_stand_apart_from_all_other_numbers_are_named(
    name: str,
    values: Callable[[np.random.Generator], np.ndarray],
    smallest: float | None,
    company: pd.DataFrame,
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(1)
    numbers = np.where(random.random(SIZE) < 0.2, 0, values(random))
    leads = company.assign(**{name: numbers})
    says = f"'{name}' is 0 in {(numbers == 0).sum()} leads, and never between 0 and "
    told = [text for text in found(leads, tmp_path).values() if says in text]
    if smallest is None:
        assert not told
    else:
        assert float(told[0].split(says)[1].split(". ")[0]) == pytest.approx(smallest, rel=0.02)


def test_columns_without_a_past_are_named(company: pd.DataFrame, tmp_path: Path) -> None:
    told = found(company.assign(Field=np.where(np.arange(SIZE) % 2, "a", "b")), tmp_path)[
        "untracked"
    ]
    assert told.startswith(
        "No field history: for 1 column today's value is used at every point in time: 'Field'."
    )


def test_a_status_that_sounds_final_but_means_nothing_is_named(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    leads = company.copy()
    leads.loc[:29, "Status"] = "Disqualified"
    assert "'Disqualified': 30" in found(leads, tmp_path)["status"]
    assert "Working" not in found(leads, tmp_path)["status"]


def test_a_definition_that_names_its_open_stages_must_name_them_all(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    leads = company.copy()
    leads.loc[:29, "Status"] = "Nurturing"
    told = found(leads, tmp_path, shared(MIL={"status": ["Working"]}))
    assert "'Nurturing': 30" in told["status"]
    assert "status" not in found(company, tmp_path, shared(MIL={"status": ["Working"]}))


def test_a_month_that_is_missing_is_named(company: pd.DataFrame, tmp_path: Path) -> None:
    leads = company[~company["Created"].str.startswith("2024-05")]
    assert "No lead was created in 2024-05 (usually 5" in found(leads, tmp_path)["months"]


def test_an_outcome_that_stops_being_recorded_is_named(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    leads = company.copy()
    gone = (leads["Status"] == "Closed Lost") & (leads["Closed on"] >= "2024-09-01")
    leads.loc[gone, ["Status", "Closed on"]] = ["Working", ""]
    told = found(leads, tmp_path)["label cliff"]
    assert "Since 2024-09" in told
    assert "recorded as lost" in told


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_outcomes_that_are_all_of_the_last_month_are_no_cliff(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    leads = company.assign(
        **{"Closed on": company["Closed on"].where(company["Closed on"] == "", "2024-12-31")}
    )
    assert "label cliff" not in found(leads, tmp_path)


def test_an_export_without_leads_has_nothing_odd_but_that(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    assert found(company.head(0), tmp_path) == {"rejects": "There are no usable leads."}


# --- alarms: what every training repeats


def alarms_of(leads: pd.DataFrame, agreed: Definition | None = None) -> dict[str, str]:
    agreed = agreed or shared()
    return {
        finding.kind: finding.text for finding in alarms(Dataset(agreed, read_crm(agreed, leads)))
    }


def test_a_company_in_order_raises_no_alarm(company: pd.DataFrame) -> None:
    assert alarms_of(company) == {}


def test_a_status_that_got_a_new_name_raises_alarms(company: pd.DataFrame) -> None:
    late = company["Created"] >= "2024-07-01"
    renamed = company["Status"].mask(late & (company["Status"] == "Closed Won"), "Deal signed: won")
    raised = alarms_of(company.assign(Status=renamed))
    assert set(raised) == {"status", "label cliff", "ended as open"}
    assert "'Deal signed: won'" in raised["ended as open"]
    assert "'Deal signed: won'" in raised["status"]


def test_a_column_that_is_gone_raises_an_alarm(company: pd.DataFrame) -> None:
    gone = company["Country"].mask(company["Created"] >= "2024-08-01")
    raised = alarms_of(company.assign(Country=gone))
    assert raised == {"columns": "1 column no longer filled in: 'Country'."}


def test_sources_that_fell_silent_or_are_new_raise_alarms(company: pd.DataFrame) -> None:
    late = company["Created"] >= "2024-11-15"
    source = pd.Series(np.where(np.arange(SIZE) % 3 == 0, "Web", "Fair"))
    written = shared().model_dump(mode="json", exclude_defaults=True)
    agreed = definition_from({**written, "columns": {**written["columns"], "source": "From"}}, "")
    assert alarms_of(company.assign(From=source), agreed) == {}
    silent = alarms_of(company.assign(From=source.mask(late, "Fair")), agreed)
    assert "no lead has come from 'Web'" in silent["sources"]
    new = alarms_of(company.assign(From=source.mask(late & (source == "Web"), "Call")), agreed)
    assert "no lead had come from 'Call'" in new["sources"]
    web = pd.Series(np.where(np.arange(SIZE) % 5 == 0, "Web", "Fair"))
    flood = web.mask(late & (np.arange(SIZE) % 5 < 3), "Web")
    assert alarms_of(company.assign(From=web), agreed) == {}
    more = alarms_of(company.assign(From=flood), agreed)
    assert "of the leads have come from 'Web', 21% before" in more["sources"]


def test_sources_that_no_touch_tells_are_counted_and_a_missing_log_is_an_alarm(
    company: pd.DataFrame,
) -> None:
    written = shared().model_dump(mode="json", exclude_defaults=True)
    columns = {**written["columns"], "missing_source": "last touch"}
    gate = {"refused_sources": ["Webinar"]}
    agreed = definition_from({**written, "columns": columns, "gate": gate}, "")
    assert "no activities are given" in alarms_of(company, agreed)["sources"]
    did = {"Lead ID": ["L3", "L9"], "Kind": "Webinar", "At": ["2023-12-30", "2024-12-31"]}
    data = Dataset(agreed, read_crm(agreed, company, pd.DataFrame(did)))
    assert "sources" not in {finding.kind for finding in alarms(data)}
    says = [finding.text for finding in inspect_quality(data) if finding.kind == "sources"]
    assert says == [
        "599 leads of 600 with neither a source nor a touch before creation: where they came from"
        " is not known."
    ]
    assert not any("Last marketing touch" in note for note in data.crm.notes)


def test_several_rows_a_lead_are_told_to_be_a_history(company: pd.DataFrame) -> None:
    """Where the definition names the id; otherwise reading refuses them."""
    rows = pd.concat([company, company, company]).reset_index(drop=True)
    raised = alarms_of(rows, shared())
    assert raised["rows"].startswith("'Lead ID' stands 3.0 times in the mean (1,800 rows, 600 ids)")
    assert "--history" in raised["rows"]


@pytest.mark.parametrize(("copies", "is_told"), [(100, False), (400, True)])
def test_check_and_reading_take_the_same_tables_for_histories(
    company: pd.DataFrame, copies: int, is_told: bool
) -> None:
    rows = pd.concat([company, company.head(copies)]).reset_index(drop=True)
    noted = any("in the mean" in note for note in read_crm(shared(), rows).notes)
    assert (noted, "rows" in alarms_of(rows, shared())) == (is_told, is_told)


def test_nothing_to_learn_from_is_said_of_the_data() -> None:
    plain = definition_from(
        {
            "outcome": {"won": ["Won"], "lost": ["Lost"]},
            "columns": {"id": "Id", "status": "Status"},
        },
        "",
    )
    leads = pd.DataFrame({"Id": [f"L{row}" for row in range(60)], "Status": ["Won", "Lost"] * 30})
    assert "no column to learn from" in alarms_of(leads, plain)["nothing to learn"]
    won = leads.assign(Status=["Won", "Open"] * 30, Country=["DE", "FR", "IT"] * 20)
    assert "Nothing tells who was not won" in alarms_of(won, plain)["nothing to learn"]
