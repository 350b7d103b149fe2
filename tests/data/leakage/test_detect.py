"""Columns that know the outcome are kept out, each cause shown on a company with known causes;
honest columns stay."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.data.leakage.detect import ColumnVerdict, left_out
from winnable.data.leakage.names import name_clue, words_of
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition

SIZE = 800
DAY = pd.Timedelta(days=1)


def definition(dated: bool = True, **columns: object) -> Definition:
    roles = {
        "id": "Lead ID",
        "status": "Status",
        **({"created": "Created", "closed": "Closed on"} if dated else {}),
        **columns,
    }
    outcome = {"won": ["Closed Won"], "lost": ["Closed Lost"]}
    return definition_from(
        {"outcome": outcome, "stages": {"MIL": {"status": ["Working"]}}, "columns": roles},
        "the test",
    )


@pytest.fixture(scope="module")
def company() -> pd.DataFrame:
    """Leads of two years: a fifth open, a quarter of the others won; country, occupation and time
    on site tell some of it."""
    random = np.random.default_rng(0)
    country, employees = (
        random.choice(["DE", "FR", "US"], SIZE),
        np.round(random.lognormal(4, 1.2, SIZE)),
    )
    occupation = random.choice(["Student", "Employed", "Unemployed"], SIZE)
    seconds = np.round(random.gamma(1.5, 300, SIZE))
    logit = -2.3 + 0.8 * (country == "DE") + 1.6 * (occupation == "Employed") + 0.002 * seconds
    won = random.random(SIZE) < 1 / (1 + np.exp(-logit))
    created = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        np.sort(random.integers(0, 700, SIZE)), unit="D"
    )
    closed = created + pd.to_timedelta(random.integers(3, 60, SIZE), unit="D")
    open_ = random.random(SIZE) < 0.2
    return pd.DataFrame(
        {
            "Lead ID": [f"L{row}" for row in range(SIZE)],
            "Created": created.strftime("%Y-%m-%d"),
            "Closed on": np.where(open_, "", closed.strftime("%Y-%m-%d")),
            "Status": np.where(open_, "Working", np.where(won, "Closed Won", "Closed Lost")),
            "Country": country,
            "Employees": employees,
            "What is your occupation": occupation,
            "Time on site": seconds,
        }
    )


def read(
    leads: pd.DataFrame, shared: Definition, folder: Path, history: pd.DataFrame | None = None
) -> Crm:
    leads.to_csv(folder / "leads.csv", index=False)
    if history is None:
        return read_crm(shared, str(folder / "leads.csv"))
    history.to_csv(folder / "history.csv", index=False)
    return read_crm(shared, str(folder / "leads.csv"), history=str(folder / "history.csv"))


Verdicts = dict[str, ColumnVerdict]


def verdicts(
    leads: pd.DataFrame, shared: Definition, folder: Path, history: pd.DataFrame | None = None
) -> Verdicts:
    return {
        each.name: each for each in Dataset(shared, read(leads, shared, folder, history)).verdicts
    }


def parts(company: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    return (
        (company["Status"] == "Closed Won").to_numpy(),
        (company["Status"] == "Working").to_numpy(),
        np.random.default_rng(1),
    )


@pytest.mark.parametrize("dated", [True, False])
def test_nothing_is_said_against_honest_columns(
    company: pd.DataFrame, tmp_path: Path, dated: bool
) -> None:
    leads = company if dated else company.drop(columns=["Created", "Closed on"])
    assert left_out(tuple(verdicts(leads, definition(dated), tmp_path).values())) == ()


def test_a_strong_honest_column_is_kept(company: pd.DataFrame, tmp_path: Path) -> None:
    won, _, random = parts(company)
    strong = np.round(random.normal(size=SIZE) + 2.0 * won, 3)
    found = verdicts(company.assign(**{"Pricing tier": strong}), definition(), tmp_path)
    assert found["Pricing tier"].verdict == "ok"
    assert "AUC 0.9" in " ".join(found["Pricing tier"].evidence)


def written_for_the_won(
    won: np.ndarray, still_open: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    return np.where(
        won & (random.random(SIZE) < 0.9), [f"K{row:05d}" for row in random.permutation(SIZE)], ""
    )


def written_for_the_lost(
    won: np.ndarray, still_open: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    return np.where(
        ~won & ~still_open & (random.random(SIZE) < 0.6), random.choice(["a", "b", "c"], SIZE), ""
    )


def written_at_the_close(
    won: np.ndarray, still_open: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    words = np.where(
        won,
        random.choice(["fit", "price", "trust"], SIZE),
        random.choice(["price", "time", "trust"], SIZE),
    )
    return np.where(still_open, "", words)


def a_near_copy(won: np.ndarray, still_open: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.where(won ^ (random.random(SIZE) < 0.004), "7", "3")


@pytest.mark.parametrize(
    "leak", [written_for_the_won, written_for_the_lost, written_at_the_close, a_near_copy]
)
def test_a_column_that_was_written_because_of_the_outcome_is_kept_out(
    company: pd.DataFrame, tmp_path: Path, leak
) -> None:
    found = verdicts(company.assign(**{"Field 17": leak(*parts(company))}), definition(), tmp_path)
    assert [name for name, each in found.items() if each.verdict != "ok"] == ["Field 17"]


@pytest.mark.parametrize("leak", [written_for_the_won, written_for_the_lost, a_near_copy])
def test_so_it_is_in_an_export_without_dates_and_open_leads(
    company: pd.DataFrame, tmp_path: Path, leak
) -> None:
    leads = company.assign(**{"Field 17": leak(*parts(company))}).drop(
        columns=["Created", "Closed on"]
    )
    found = verdicts(leads[leads["Status"] != "Working"], definition(dated=False), tmp_path)
    assert [name for name, each in found.items() if each.verdict != "ok"] == ["Field 17"]


def test_dates_that_lie_at_the_close_or_later_are_kept_out(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    closed = pd.to_datetime(company["Closed on"], errors="coerce")
    late = (closed + DAY * 2).dt.strftime("%Y-%m-%d").fillna("")
    early = (pd.to_datetime(company["Created"]) - DAY * 30).dt.strftime("%Y-%m-%d")
    found = verdicts(company.assign(**{"Date A": late, "Date B": early}), definition(), tmp_path)
    assert found["Date A"].verdict != "ok"
    assert "are on the day of closing or later" in " ".join(found["Date A"].evidence)
    assert found["Date B"].verdict == "ok"


def test_a_total_that_grows_until_the_end_is_kept_out(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    _, _, random = parts(company)
    end = pd.to_datetime(company["Closed on"], errors="coerce").fillna(pd.Timestamp("2026-01-01"))
    lived = (end - pd.to_datetime(company["Created"])).dt.days
    found = verdicts(
        company.assign(**{"Number of calls": random.poisson(lived / 3)}), definition(), tmp_path
    )
    assert found["Number of calls"].verdict != "ok"
    assert "it grew until the outcome" in " ".join(found["Number of calls"].evidence)


def test_what_counts_of_recorded_changes_is_when_they_were_made(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    won, still_open, random = parts(company)
    early = np.where(random.random(SIZE) < np.where(won, 0.8, 0.4), "500", "")
    columns = {"Field 17": written_at_the_close(won, still_open, random), "Field 18": early}
    leads = company.assign(**columns)
    closed = leads[leads["Closed on"] != ""]
    at_close = closed[["Lead ID", "Closed on", "Field 17"]].set_axis(
        ["Lead ID", "At", "New"], axis=1
    )
    at_close = at_close.assign(Field="Field 17", Old="")
    told = leads[early != ""]
    at = (pd.to_datetime(told["Created"]) + DAY).dt.strftime("%Y-%m-%d")
    before = pd.DataFrame(
        {"Lead ID": told["Lead ID"], "At": at, "Field": "Field 18", "Old": "", "New": "500"}
    )
    shared = definition()
    assert verdicts(leads, shared, tmp_path)["Field 18"].verdict == "ok"
    honest = definition(fixed=["Country", "Employees", "What is your occupation", "Time on site"])
    found = verdicts(leads, honest, tmp_path, pd.concat([at_close, before]))
    assert all(found[name].verdict == "ok" for name in honest.columns.fixed)
    assert found["Field 17"].verdict != "ok"
    assert "of its changes were made when the lead was closed" in " ".join(
        found["Field 17"].evidence
    )
    assert found["Field 18"].verdict == "ok"
    assert any("changes are recorded" in says for says in found["Field 18"].evidence)


def test_where_changes_are_recorded_a_column_without_any_is_kept_out_unless_it_is_vouched_for(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    """The definition may list it as fixed or trusted; a lead's source is known at creation."""
    leads = company.assign(Source="Fair")
    change = {
        "Lead ID": ["L3"],
        "At": ["2025-06-01"],
        "Field": ["Employees"],
        "Old": ["7"],
        "New": ["9"],
    }
    shared = definition(fixed=["Country"], trusted=["Time on site"], source="Source")
    found = verdicts(leads, shared, tmp_path, pd.DataFrame(change))
    assert [name for name, each in found.items() if each.verdict == "untracked"] == [
        "What is your occupation"
    ]
    assert (
        found["What is your occupation"].evidence[0]
        == "The field history has changes of Employees, but none of this column: it is unknown"
        " since when it has had its value."
    )
    # A history of the status alone says nothing of other columns.
    of_status = pd.DataFrame({**change, "Field": ["Status"]})
    assert all(
        each.verdict == "ok" for each in verdicts(leads, shared, tmp_path, of_status).values()
    )


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("Call length (s)", 1.0),
        ("Talk time", 0.8),
        ("Deal velocity", 0.5),
        ("Page value", 1.2),
        ("Calls made", 1.6),
        ("Lead grade", 0.3),
    ],
)
def test_a_name_and_a_strength_that_fit_together_are_enough(
    company: pd.DataFrame, tmp_path: Path, name: str, strength: float
) -> None:
    won, _, random = parts(company)
    leads = company.assign(**{name: np.round(np.exp(random.normal(size=SIZE) + strength * won), 3)})
    found = verdicts(leads[leads["Status"] != "Working"], definition(dated=False), tmp_path)
    assert found[name].verdict == "suspect"
    weak = leads.assign(**{"Days on market": leads[name]}).drop(columns=name)
    assert (
        verdicts(weak[weak["Status"] != "Working"], definition(dated=False), tmp_path)[
            "Days on market"
        ].verdict
        == "ok"
    )


@pytest.mark.parametrize("name", ["Outcome", "Campaign result", "Conversion", "Contact outcome"])
def test_the_result_of_an_earlier_campaign_is_kept_under_any_name(
    company: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    """It tells more of leads that will be won, as the outcome does, but it never settles it."""
    won, _, random = parts(company)
    good = random.random(SIZE) < np.where(won, 0.2, 0.05)
    words = np.where(good, "success", random.choice(["failure", "not asked", "not asked"], SIZE))
    found = verdicts(company.assign(**{name: words}), definition(), tmp_path)[name]
    assert found.verdict == "ok"
    assert any("its values do not tell how leads ended" in text for text in found.evidence)


@pytest.mark.parametrize("name", ["Amount (converted)", "price_converted", "Order value"])
def test_an_amount_that_won_and_lost_leads_have_alike_is_kept(
    company: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    won, _, random = parts(company)
    amount = np.round(np.exp(random.normal(size=SIZE) + 0.3 * won), 2)
    assert verdicts(company.assign(**{name: amount}), definition(), tmp_path)[name].verdict == "ok"


@pytest.mark.parametrize("name", ["Outcome", "Disqualified", "Order value", "Converted"])
@pytest.mark.parametrize("share", [0.15, 0.5])
def test_a_name_of_the_end_is_believed_where_a_value_settles_it(
    company: pd.DataFrame, tmp_path: Path, name: str, share: float
) -> None:
    """However few of the lost leads have it."""
    won, still_open, random = parts(company)
    ended = ~won & ~still_open & (random.random(SIZE) < share)
    values = np.where(ended, "1", "0")
    found = verdicts(company.assign(**{name: values}), definition(), tmp_path)
    assert found[name].verdict != "ok"


def test_values_that_tell_the_end_count_where_the_name_says_nothing(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    won, _, random = parts(company)
    ended = np.where(won, "Signed at the fair", random.choice(["Asked again", "Wrote back"], SIZE))
    words = np.where(
        random.random(SIZE) < 0.5, ended, random.choice(["Asked again", "Wrote back"], SIZE)
    )
    leads = company.assign(**{"Field 17": words})
    closed = leads[leads["Status"] != "Working"]
    found = verdicts(closed, definition(dated=False), tmp_path)["Field 17"]
    assert found.verdict != "ok"
    assert any("with 'Signed at the fair', 100% were won" in text for text in found.evidence)
    plain = closed.assign(
        **{"Field 17": closed["Field 17"].replace("Signed at the fair", "Met at the fair")}
    )
    assert verdicts(plain, definition(dated=False), tmp_path)["Field 17"].verdict == "ok"


def test_the_evidence_tells_the_effect_on_the_skill(company: pd.DataFrame, tmp_path: Path) -> None:
    leads = company.assign(Tags=written_for_the_won(*parts(company)))
    said = " ".join(verdicts(leads, definition(), tmp_path)["Tags"].evidence)
    assert "A simple model has an AUC of 0.9" in said
    assert "label that people add" in said


def test_fixed_clears_a_suspect_and_trusted_a_quarantined_column(
    company: pd.DataFrame, tmp_path: Path
) -> None:
    won, still_open, random = parts(company)
    columns = {
        "Field 17": written_for_the_won(won, still_open, random),
        "Lead grade": random.choice(list("AB"), SIZE),
    }
    leads = company.assign(**columns)
    plain = verdicts(leads, definition(), tmp_path)
    assert (plain["Field 17"].verdict, plain["Lead grade"].verdict) == ("quarantined", "suspect")
    fixed = verdicts(leads, definition(fixed=["Field 17", "Lead grade"]), tmp_path)
    assert fixed["Field 17"].verdict == "quarantined"
    assert (fixed["Lead grade"].verdict, fixed["Lead grade"].overruled) == ("ok", True)
    assert "columns.fixed" in fixed["Lead grade"].evidence[-1]
    trusted = verdicts(leads, definition(trusted=["Field 17"]), tmp_path)
    assert (trusted["Field 17"].verdict, trusted["Field 17"].overruled) == ("ok", True)
    assert "Lead grade" not in verdicts(leads, definition(ignore=["Lead grade"]), tmp_path)


@pytest.mark.parametrize("kept", ["none", "one", "open", "won", "lost", "one won", "empty columns"])
def test_thin_data_give_verdicts_all_the_same(
    company: pd.DataFrame, tmp_path: Path, kept: str
) -> None:
    status = company["Status"]
    chosen = {
        "none": company.head(0),
        "one": company.head(1),
        "open": company[status == "Working"],
        "won": company[status == "Closed Won"],
        "lost": company[status == "Closed Lost"],
        "one won": pd.concat(
            [company[status == "Closed Won"].head(1), company[status == "Closed Lost"].head(30)]
        ),
        "empty columns": company.assign(Country="", Employees="", **{"Time on site": "n/a"}),
    }[kept]
    found = verdicts(chosen.assign(**{"Lost reason": ""}), definition(), tmp_path)
    assert [name for name, each in found.items() if each.verdict != "ok"] == ["Lost reason"]


def test_the_same_data_give_the_same_verdicts(company: pd.DataFrame, tmp_path: Path) -> None:
    crm = read(company.assign(Tags=written_for_the_won(*parts(company))), definition(), tmp_path)
    assert Dataset(definition(), crm).verdicts == Dataset(definition(), crm).verdicts


LATE = [
    "IsWon",
    "IsClosed",
    "CloseDate",
    "StageName",
    "Probability",
    "ForecastCategoryName",
    "ExpectedRevenue",
    "LastActivityDate",
    "SystemModstamp",
    "ConvertedOpportunityId",
    "closedate",
    "dealstage",
    "hs_lastmodifieddate",
    "notes_last_contacted",
    "closed_lost_reason",
    "hs_is_closed_won",
    "hs_date_entered_closedwon",
    "days_to_close",
    "lifecyclestage",
    "statuscode",
    "actualclosedate",
    "actualvalue",
    "closeprobability",
    "modifiedon",
    "leadqualitycode",
    "Reason_For_Loss__s",
    "Sales_Cycle_Duration",
    "Modified_Time",
    "Last_Activity_Time",
    "Lead_Conversion_Time",
    "date_closed",
    "lost_reason_id",
    "day_close",
    "write_date",
    "date_last_stage_update",
    "Contract number",
    "Invoice No",
    "Reservation status",
    "Cancelled on",
]
EARLY = [
    "Country",
    "Industry",
    "utm_campaign",
    "Job title",
    "Marital status",
    "Employment status",
    "Previous cancellations",
    "Window",
    "Winery",
    "Closest store",
    "First Name",
    "Last Name",
    "Get updates on our content",
    "Do Not Call",
    "Credit score",
    "Annual Revenue",
    "Created Date",
    "Lead Source",
    "State code",
    "poutcome",
    "close_friends",
    "Contract type",
    "Landing page",
]


@pytest.mark.parametrize("name", LATE)
def test_names_of_what_is_written_late_are_known_in_every_crm(name: str) -> None:
    clue = name_clue(name)
    assert clue is not None
    assert clue.weight >= 3


@pytest.mark.parametrize("name", EARLY)
def test_names_of_what_is_known_early_raise_no_suspicion(name: str) -> None:
    clue = name_clue(name)
    assert clue is None or clue.weight <= 0


def test_names_are_read_word_by_word() -> None:
    assert words_of("hs_lastmodifieddate") >= {"hs", "last", "modified", "date"}
    assert words_of("ConvertedOpportunityId") >= {"converted", "opportunity", "id"}
    assert "win" not in words_of("Window") | words_of("Winery")
