"""A first definition is guessed from exports as vendors make them, and from the public histories; it loads, with its reasons."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.definition.load import definition_from
from winnable.definition.model import Definition
from winnable.errors import DataError, StoreError
from winnable.history.crm import read_crm
from winnable.history.draft import draft, write_draft
from winnable.history.guessing import guess

ROWS = 240
RNG = np.random.default_rng(5)
DAYS = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(ROWS), unit="D")
DATES, CLOSED = DAYS.strftime("%Y-%m-%d"), (DAYS + pd.Timedelta(days=20)).strftime("%Y-%m-%d")
MAILS = [f"person{i}@company{i % 50}.example" for i in range(ROWS)]
SOURCES = np.resize(["Web", "Trade Show", "Referral"], ROWS)


def written(folder: Path, columns: dict[str, object], rows: int = ROWS) -> str:
    pd.DataFrame(columns, index=range(ROWS)).head(rows).to_csv(folder / "leads.csv", index=False)
    return str(folder / "leads.csv")


def defined(source: str, *more: str) -> Definition:
    return definition_from(tomllib.loads(draft(guess(source, *more))), "test")


def cycled(*values: str) -> np.ndarray:
    return np.resize(values, ROWS)


def closed_where(status: np.ndarray, *ended: str) -> list[str]:
    return [day if value in ended else "" for day, value in zip(CLOSED, status, strict=True)]


SALES = cycled(
    "Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted", "Closed - Not Converted"
)
DEALS = cycled("Qualification", "Proposal/Price Quote", "Closed Won", "Closed Lost", "Closed Lost")
LIFE = cycled("Subscriber", "Lead", "Marketing Qualified Lead", "Sales Qualified Lead", "Customer")
QUALIFIED = cycled("Open", "Qualified", "Disqualified")
ENDED = cycled("Open", "Won", "Lost")
ZOHO = cycled("Not Contacted", "Contacted", "Junk Lead", "Lost Lead", "Pre-Qualified")
ODOO = cycled("New", "Qualified", "Proposition", "Won")

EXPORTS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "Salesforce lead report": (
        {
            "Lead Owner": "Kim",
            "First Name": "Ann",
            "Last Name": "Lee",
            "Title": "CEO",
            "Company / Account": cycled("Acme", "Brill"),
            "Email": MAILS,
            "Lead Source": SOURCES,
            "Lead Status": SALES,
            "Create Date": DATES,
            "Converted Date": closed_where(SALES, "Closed - Converted"),
            "Last Activity": CLOSED,
            "Lead ID": [f"00Q{i}" for i in range(ROWS)],
        },
        {
            "vendor": "Salesforce leads",
            "status": "Lead Status",
            "won": ("Closed - Converted",),
            "lost": ("Closed - Not Converted",),
            "id": "Lead ID",
            "person": "Email",
            "created": "Create Date",
            "closed": "Converted Date",
            "source": "Lead Source",
            "ignore": ("Last Activity", "First Name", "Lead Owner"),
        },
    ),
    "Salesforce lead object": (
        {
            "Id": [f"00Q{i}" for i in range(ROWS)],
            "LastName": "Lee",
            "Company": cycled("Acme", "Brill"),
            "Email": MAILS,
            "LeadSource": SOURCES,
            "Status": SALES,
            "IsConverted": np.where(SALES == "Closed - Converted", "true", "false"),
            "CreatedDate": [f"{day}T10:00:00.000+0000" for day in DATES],
            "HasOptedOutOfEmail": cycled("false", "false", "true"),
            "SystemModstamp": CLOSED,
        },
        {
            "vendor": "Salesforce leads",
            "status": "Status",
            "won": ("Closed - Converted",),
            "id": "Id",
            "created": "CreatedDate",
            "source": "LeadSource",
            "consent": "HasOptedOutOfEmail",
            "ignore": ("IsConverted", "SystemModstamp"),
        },
    ),
    "Salesforce opportunity report": (
        {
            "Opportunity Name": [f"Deal {i}" for i in range(ROWS)],
            "Account Name": cycled("Acme", "Brill"),
            "Stage": DEALS,
            "Close Date": CLOSED,
            "Created Date": DATES,
            "Amount": np.arange(ROWS) * 10,
            "Probability (%)": cycled("10", "75", "100", "0", "0"),
            "Lead Source": SOURCES,
            "Type": cycled("New", "Existing"),
            "Age": 20,
            "Opportunity ID": [f"006{i}" for i in range(ROWS)],
        },
        {
            "vendor": "Salesforce opportunities",
            "status": "Stage",
            "won": ("Closed Won",),
            "lost": ("Closed Lost",),
            "id": "Opportunity ID",
            "created": "Created Date",
            "closed": "Close Date",
            "source": "Lead Source",
            "ignore": ("Probability (%)", "Amount", "Age"),
        },
    ),
    "HubSpot contacts": (
        {
            "Record ID": np.arange(ROWS) + 1001,
            "First Name": "Ann",
            "Last Name": "Lee",
            "Email": MAILS,
            "Lifecycle Stage": LIFE,
            "Lead Status": cycled("New", "Open"),
            "Create Date": [f"{day} 09:30" for day in DATES],
            "Original Source": SOURCES,
            "Became a Customer Date": closed_where(LIFE, "Customer"),
            "Last Activity Date": CLOSED,
            "Number of Pageviews": np.arange(ROWS),
        },
        {
            "vendor": "HubSpot contacts",
            "status": "Lifecycle Stage",
            "won": ("Customer",),
            "lost": (),
            "id": "Record ID",
            "person": "Email",
            "created": "Create Date",
            "closed": "Became a Customer Date",
            "source": "Original Source",
            "ignore": ("Lead Status", "Last Activity Date", "Number of Pageviews"),
        },
    ),
    "HubSpot deals": (
        {
            "Record ID": np.arange(ROWS) + 1001,
            "Deal Name": [f"Deal {i}" for i in range(ROWS)],
            "Deal Stage": DEALS,
            "Pipeline": "Sales",
            "Close Date": CLOSED,
            "Create Date": DATES,
            "Amount": 10,
            "Deal Type": cycled("newbusiness", "existingbusiness"),
            "Original Traffic Source": SOURCES,
            "Closed Lost Reason": closed_where(DEALS, "Closed Lost"),
        },
        {
            "vendor": "HubSpot deals",
            "status": "Deal Stage",
            "won": ("Closed Won",),
            "lost": ("Closed Lost",),
            "id": "Record ID",
            "created": "Create Date",
            "closed": "Close Date",
            "source": "Original Traffic Source",
            "ignore": ("Closed Lost Reason", "Amount"),
        },
    ),
    "Dynamics 365 leads": (
        {
            "(Do Not Modify) Lead": [f"a-{i}" for i in range(ROWS)],
            "(Do Not Modify) Row Checksum": [f"x{i}" for i in range(ROWS)],
            "(Do Not Modify) Modified On": CLOSED,
            "Name": "Ann Lee",
            "Topic": "Pumps",
            "Status": QUALIFIED,
            "Status Reason": cycled("New", "Qualified", "Lost"),
            "Created On": DATES,
            "Lead Source": SOURCES,
            "Email": MAILS,
            "Rating": cycled("Hot", "Cold"),
            "Company Name": cycled("Acme", "Brill"),
        },
        {
            "vendor": "Dynamics 365 leads",
            "status": "Status",
            "won": ("Qualified",),
            "lost": ("Disqualified",),
            "id": "(Do Not Modify) Lead",
            "created": "Created On",
            "source": "Lead Source",
            "person": "Email",
            "ignore": ("Status Reason", "Rating", "(Do Not Modify) Modified On", "(Do Not Modify) Row Checksum"),
        },
    ),
    "Dynamics 365 opportunities": (
        {
            "(Do Not Modify) Opportunity": [f"a-{i}" for i in range(ROWS)],
            "Topic": "Pumps",
            "Potential Customer": cycled("Acme", "Brill"),
            "Status": ENDED,
            "Created On": DATES,
            "Actual Close Date": closed_where(ENDED, "Won", "Lost"),
            "Est. Close Date": CLOSED,
            "Est. Revenue": 100,
            "Probability": 50,
            "Actual Revenue": 7,
        },
        {
            "vendor": "Dynamics 365 opportunities",
            "status": "Status",
            "won": ("Won",),
            "lost": ("Lost",),
            "created": "Created On",
            "id": "(Do Not Modify) Opportunity",
            "closed": "Actual Close Date",
            "ignore": ("Est. Close Date", "Probability", "Actual Revenue", "Est. Revenue"),
        },
    ),
    "Zoho leads": (
        {
            "Record Id": [f"zcrm_{i}" for i in range(ROWS)],
            "Lead Owner": "Kim",
            "Company": cycled("Acme", "Brill"),
            "Last Name": "Lee",
            "Email": MAILS,
            "Lead Source": SOURCES,
            "Lead Status": ZOHO,
            "Created Time": [f"{day} 10:00:00" for day in DATES],
            "Is Converted": np.where(ZOHO == "Pre-Qualified", "true", "false"),
            "Converted Date Time": closed_where(ZOHO, "Pre-Qualified"),
            "Email Opt Out": "false",
            "Modified Time": CLOSED,
            "No. of Employees": np.arange(ROWS) % 90,
        },
        {
            "vendor": "Zoho leads",
            "status": "Is Converted",
            "won": ("true",),
            "lost": ("false",),
            "id": "Record Id",
            "created": "Created Time",
            "closed": "Converted Date Time",
            "source": "Lead Source",
            "consent": "Email Opt Out",
            "ignore": ("Lead Status", "Modified Time"),
        },
    ),
    "Zoho deals": (
        {
            "Record Id": [f"zcrm_{i}" for i in range(ROWS)],
            "Deal Name": [f"Deal {i}" for i in range(ROWS)],
            "Stage": DEALS,
            "Closing Date": CLOSED,
            "Created Time": DATES,
            "Lead Source": SOURCES,
            "Probability (%)": 20,
            "Reason For Loss": "",
            "Overall Sales Duration": 20,
        },
        {
            "vendor": "Zoho deals",
            "status": "Stage",
            "won": ("Closed Won",),
            "lost": ("Closed Lost",),
            "id": "Record Id",
            "created": "Created Time",
            "closed": "Closing Date",
            "source": "Lead Source",
            "ignore": ("Probability (%)", "Overall Sales Duration", "Reason For Loss"),
        },
    ),
    "Odoo by labels": (
        {
            "ID": np.arange(ROWS),
            "Opportunity": [f"Deal {i}" for i in range(ROWS)],
            "Email": MAILS,
            "Stage": ODOO,
            "Sales Team": "Europe",
            "Salesperson": cycled("Kim", "Lou"),
            "Created on": DATES,
            "Closed Date": closed_where(ODOO, "Won"),
            "Probability": 30.5,
            "Expected Closing": CLOSED,
            "Source": SOURCES,
            "Lost Reason": "",
        },
        {
            "vendor": "Odoo leads",
            "status": "Stage",
            "won": ("Won",),
            "lost": (),
            "id": "ID",
            "person": "Email",
            "created": "Created on",
            "closed": "Closed Date",
            "source": "Source",
            "ignore": ("Probability", "Expected Closing", "Salesperson", "Lost Reason"),
        },
    ),
    "Odoo by technical names": (
        {
            "id": np.arange(ROWS),
            "name": [f"Deal {i}" for i in range(ROWS)],
            "email_from": MAILS,
            "stage_id": ODOO,
            "won_status": np.where(ODOO == "Won", "won", np.where(ODOO == "New", "lost", "pending")),
            "create_date": DATES,
            "date_closed": closed_where(ODOO, "Won", "New"),
            "source_id": SOURCES,
            "day_close": 20,
            "probability": 3,
        },
        {
            "vendor": "Odoo leads",
            "status": "won_status",
            "won": ("won",),
            "lost": ("lost",),
            "id": "id",
            "person": "email_from",
            "created": "create_date",
            "closed": "date_closed",
            "source": "source_id",
            "ignore": ("day_close", "probability", "stage_id"),
        },
    ),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_a_vendors_export_is_recognised_and_can_be_read(name: str, tmp_path: Path) -> None:
    columns, expected = EXPORTS[name]
    source = written(tmp_path, columns)
    guesses = guess(source)
    agreed = defined(source)
    assert guesses.vendor is not None
    assert guesses.vendor.name == expected["vendor"]
    for role in ("status", "id", "person", "created", "closed", "source", "consent"):
        if role in expected:
            assert getattr(agreed.columns, role) == expected[role], role
    assert set(agreed.outcome.won) == set(expected["won"])
    assert set(agreed.outcome.lost) == set(expected.get("lost", agreed.outcome.lost))
    assert set(expected["ignore"]) <= set(agreed.columns.ignore)
    crm = read_crm(agreed, source)
    assert len(crm.leads) == ROWS
    assert crm.leads["@status"].isin(agreed.outcome.won).any()


@pytest.mark.parametrize("name", [name for name in EXPORTS if name != "Zoho leads"])
def test_the_header_alone_gives_the_vendors_own_statuses(name: str, tmp_path: Path) -> None:
    columns, expected = EXPORTS[name]
    agreed = defined(written(tmp_path, columns, rows=0))
    assert agreed.outcome.won
    assert agreed.columns.status == expected["status"]


def test_open_statuses_become_stages(tmp_path: Path) -> None:
    agreed = defined(written(tmp_path, EXPORTS["HubSpot contacts"][0]))
    assert {name: stage.status for name, stage in agreed.stages.items()} == {
        "MAL": ("Subscriber",),
        "MIL": ("Lead",),
        "MQL": ("Marketing Qualified Lead",),
        "SQL": ("Sales Qualified Lead",),
    }


def test_a_refusal_to_be_contacted_is_no_consent(tmp_path: Path) -> None:
    agreed = defined(written(tmp_path, EXPORTS["Salesforce lead object"][0]))
    assert agreed.gate.consent == ("false",)


@pytest.mark.parametrize(
    ("statuses", "won", "lost"),
    [
        (("Gewonnen", "Abgesagt", "In Verhandlung"), {"Gewonnen"}, {"Abgesagt"}),
        (("Converted", "Not Converted", "Unqualified"), {"Converted"}, {"Not Converted", "Unqualified"}),
        (("Customer", "Lost customer", "New"), {"Customer"}, {"Lost customer"}),
        (("Qualified", "Disqualified", "New"), {"Qualified"}, {"Disqualified"}),
        (("closed_won", "closed_lost", "open"), {"closed_won"}, {"closed_lost"}),
        (("Sold", "Junk Lead", "No longer interested"), {"Sold"}, {"Junk Lead", "No longer interested"}),
    ],
)
def test_words_of_statuses(statuses: tuple[str, ...], won: set[str], lost: set[str], tmp_path: Path) -> None:
    agreed = defined(written(tmp_path, {"key": np.arange(ROWS), "status": cycled(*statuses)}))
    assert set(agreed.outcome.won) == won
    assert set(agreed.outcome.lost) == lost


def test_a_column_that_only_won_leads_have_is_not_learned_from(tmp_path: Path) -> None:
    status = cycled("Won", "Lost", "New", "New")
    columns = {
        "key": np.arange(ROWS),
        "status": status,
        "Contact role": np.where(status == "Won", "Buyer", ""),
        "Branch": cycled("A", "B"),
    }
    agreed = defined(written(tmp_path, columns))
    assert "Contact role" in agreed.columns.ignore
    assert "Branch" not in agreed.columns.ignore


def test_a_column_that_open_leads_often_lack_is_not_learned_from(tmp_path: Path) -> None:
    status = cycled("Won", "Lost", "New", "New")
    lacking = (status == "New") & (np.arange(ROWS) % 8 > 2)
    columns = {"key": np.arange(ROWS), "status": status, "account": np.where(lacking, "", "Acme"), "Branch": cycled("A", "B")}
    assert "open ones" in guess(written(tmp_path, columns)).ignore["account"]


def test_fields_with_a_history_are_neither_fixed_nor_ignored(tmp_path: Path) -> None:
    source = written(
        tmp_path, {"id": np.arange(ROWS), "status": cycled("Won", "Lost"), "Rating": cycled("A", "B"), "Country": "DE"}
    )
    (tmp_path / "history.csv").write_text("id,at,field,old,new\n1,2024-01-01,Rating,,A\n1,2024-01-01,Country,,DE\n")
    without, with_history = guess(source), guess(source, None, str(tmp_path / "history.csv"))
    assert ("Rating" in without.ignore, "Country" in without.fixed) == (True, True)
    assert ("Rating" in with_history.ignore, "Country" in with_history.fixed) == (False, False)


def test_kinds_of_activity_are_sorted_by_their_names(tmp_path: Path) -> None:
    source = written(tmp_path, {"Lead ID": np.arange(ROWS), "Status": cycled("Won", "Lost")})
    kinds = ["Pricing page", "Demo request", "E-book", "Webinar", "Event booth", "Email Opened", "Unsubscribed", "W_Nabellen"]
    (tmp_path / "log.csv").write_text(
        "Lead ID,At,Type\n" + "".join(f"{i},2024-01-01,{kind}\n" for i, kind in enumerate(kinds))
    )
    agreed = defined(source, str(tmp_path / "log.csv"))
    assert set(agreed.activities.intent) == {"Pricing page", "Demo request"}
    assert set(agreed.activities.interest) == {"E-book", "Webinar", "Event booth", "Email Opened"}


def test_where_nothing_tells_who_was_won_the_error_says_what_to_write(tmp_path: Path) -> None:
    source = written(
        tmp_path, {"key": np.arange(ROWS), "city": cycled("Bonn", "Lyon"), "phase of moon": cycled("new", "full")}
    )
    with pytest.raises(DataError, match="no column tells which leads were won; nearest are") as error:
        guess(source)
    for words in ("'city' (Bonn, Lyon)", 'won = ["..."]', "join it to the leads on 'key'", "won_date"):
        assert words in str(error.value)


def test_words_of_an_export_cannot_break_out_of_the_file(tmp_path: Path) -> None:
    name = 'Ev"il\\ \x7f ]\n[gate]\nprobability = 0.9 #'
    source = written(
        tmp_path, {"key": np.arange(ROWS), "status": cycled("Won", "Lost"), name: cycled("a", "b"), "Notes\r\nx": "y"}
    )
    agreed = defined(source)
    assert agreed.gate.probability is None
    assert any(column.startswith("Notes") for column in agreed.columns.ignore)


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "definition.toml"
    write_draft("first", target)
    with pytest.raises(StoreError, match="--force"):
        write_draft("second", target)
    assert target.read_text() == "first"
    write_draft("second", target, force=True)
    assert target.read_text() == "second"
    with pytest.raises(StoreError, match="cannot be written there"):
        write_draft("third", tmp_path / "no such folder" / "definition.toml")


def olist(folder: Path, joined: Path) -> str:
    """The two tables joined as the error tells people to."""
    leads = pd.read_csv(folder / "olist_marketing_qualified_leads_dataset.csv")
    deals = pd.read_csv(folder / "olist_closed_deals_dataset.csv")
    leads.merge(deals, how="left", on="mql_id").to_csv(joined, index=False)
    return str(joined)


def test_public_histories_need_no_edit(shared_data: Path, tmp_path: Path) -> None:
    maven = defined(str(shared_data / "maven-crm" / "sales_pipeline.csv"))
    assert (maven.outcome.won, maven.outcome.lost, maven.columns.created) == (("Won",), ("Lost",), "engage_date")
    assert {"close_value", "account"} <= set(maven.columns.ignore)
    education = defined(str(shared_data / "x-education" / "Leads.csv"))
    assert (education.columns.status, education.outcome.won, education.outcome.lost) == ("Converted", ("1",), ("0",))
    assert {"Tags", "Lead Quality", "Last Activity", "Asymmetrique Profile Score"} <= set(education.columns.ignore)
    bank = defined(str(shared_data / "bank-marketing" / "bank-additional-full.csv"))
    assert (bank.columns.status, bank.outcome.won, bank.outcome.lost) == ("y", ("yes",), ("no",))
    assert "duration" in bank.columns.ignore
    loans = defined(str(shared_data / "bpi-2012" / "leads.csv.gz"), str(shared_data / "bpi-2012" / "activities.csv.gz"))
    assert (loans.columns.id, loans.columns.created, loans.columns.closed) == ("lead_id", "created", "closed")
    with pytest.raises(DataError, match="'origin'"):
        guess(str(shared_data / "olist-marketing-funnel" / "olist_marketing_qualified_leads_dataset.csv"))
    source = olist(shared_data / "olist-marketing-funnel", tmp_path / "olist.csv")
    sellers = defined(source)
    assert (sellers.outcome.won, sellers.columns.status, sellers.columns.closed) == (("*",), "won_date", "won_date")
    assert {"seller_id", "sdr_id", "lead_type", "business_segment"} <= set(sellers.columns.ignore)
    assert (read_crm(sellers, source).leads["@status"] == "*").sum() == 841  # one was won before its first contact
