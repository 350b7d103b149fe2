"""Nameplates: what people read of a lead, from whatever columns an export has."""

import pytest

from winnable.data.feedback.lead_names import LeadDisplay, LeadDisplayColumns
from winnable.definition.load import definition_from

LEAD = {
    "First Name": "Ines",
    "Last Name": "Petrov",
    "Company": "Acme",
    "Owner Name": "Kim",
    "Lead Source": "Web",
}
ACCOUNT = {"Name": "Ines Petrov", "Account Name": "Acme Inc.", "Rep": "Lee"}


@pytest.mark.parametrize(
    ("columns", "lead", "plate"),
    [
        (
            {"person": "Email", "source": "Lead Source"},
            {**LEAD, "Email": "I@x.org"},
            LeadDisplay("Ines Petrov, Acme", "Kim", "Web", "i@x.org"),
        ),
        ({}, ACCOUNT, LeadDisplay("Ines Petrov, Acme Inc.", None, None, "ines petrov @ acme")),
        (
            {"owner": "Rep"},
            {**ACCOUNT, "Owner": "Kim"},
            LeadDisplay("Ines Petrov, Acme Inc.", "Lee", None, "ines petrov @ acme"),
        ),
        ({"person": "Email"}, {"Size": 3}, LeadDisplay(None, None, None, None)),
        (
            {"account": "Account Name"},
            ACCOUNT,
            LeadDisplay(
                *("Ines Petrov, Acme Inc.", None, None, "ines petrov @ acme", "acme", "Acme Inc.")
            ),
        ),
        (
            {"account": "Website"},
            {"Website": None, "Email": "ines@acme.com"},
            LeadDisplay(None, None, None, None, "acme.com", "acme.com"),
        ),
        (
            {"account": "Firm"},
            {"Firm": "n/a", "Email": "ines@acme.com"},
            LeadDisplay(None, None, None, None, "acme.com", "acme.com"),
        ),
        (
            {"account": "Email"},
            {"Email": "ines@acme.com"},
            LeadDisplay(None, None, None, None, "acme.com", "acme.com"),
        ),
        (
            {"account": "Website"},
            {"Website": "", "Email": "ines@gmail.com"},
            LeadDisplay(None, None, None, None),
        ),
    ],
)
def test_a_lead_is_named_by_the_columns_that_are_there(
    columns: dict[str, str], lead: dict[str, object], plate: LeadDisplay
) -> None:
    definition = definition_from(
        {"outcome": {"won": ["Won"]}, "columns": {"status": "Status", **columns}}, "test"
    )
    assert LeadDisplayColumns.among(definition, lead).of(lead) == plate
