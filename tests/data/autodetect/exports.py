"""Exports as vendors make them, 240 rows each, and what is to be recognised in them."""

import numpy as np
import pandas as pd

ROWS = 240
RNG = np.random.default_rng(5)
DAYS = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(ROWS), unit="D")
DATES, CLOSED = DAYS.strftime("%Y-%m-%d"), (DAYS + pd.Timedelta(days=20)).strftime("%Y-%m-%d")
MAILS = [f"person{i}@company{i % 50}.example" for i in range(ROWS)]
SOURCES = np.resize(["Web", "Trade Show", "Referral"], ROWS)


def cycled(*values: str) -> np.ndarray:
    return np.resize(values, ROWS)


def closed_where(status: np.ndarray, *ended: str) -> list[str]:
    return [day if value in ended else "" for day, value in zip(CLOSED, status, strict=True)]


SALES = cycled(
    "Open - Not Contacted",
    "Working - Contacted",
    "Closed - Converted",
    "Closed - Not Converted",
    "Closed - Not Converted",
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
            "ignore": (
                "Status Reason",
                "Rating",
                "(Do Not Modify) Modified On",
                "(Do Not Modify) Row Checksum",
            ),
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
            "won_status": np.where(
                ODOO == "Won", "won", np.where(ODOO == "New", "lost", "pending")
            ),
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
