"""Activities find their leads by Salesforce keys of either length, and several leads in a cell are
several links."""

import pandas as pd
import pytest

from winnable.data.ingestion.crm import read_crm
from winnable.data.ingestion.lead_keys import LeadKeys, short_key
from winnable.definition.schema import Definition

DEFINITION = Definition.model_validate(
    {
        "outcome": {"won": ["Won"], "lost": ["Lost"]},
        "columns": {"id": "Id", "status": "Status"},
    }
)


def found(leads: list[str], written: list[str | None]) -> list[int]:
    return [int(count) for count in LeadKeys(leads).find(pd.Series(written, dtype="str")).counts]


def test_salesforce_keys_of_both_lengths_are_one_key() -> None:
    assert short_key("0016000000CxxxxAAA") is None
    assert short_key("001A0000006Vm9uIAC") == "001A0000006Vm9u"
    assert found(["001A0000006Vm9u"], ["001A0000006Vm9uIAC", "001A0000006Vm9u"]) == [1, 1]
    assert found(["001A0000006Vm9uIAC"], ["001A0000006Vm9u", "001a0000006vm9u"]) == [1, 0]


def test_a_word_of_eighteen_letters_is_no_key() -> None:
    assert found(["counterproductive12"[:15]], ["counterproductive12"[:18]]) == [0]


@pytest.mark.parametrize(
    ("cell", "links"),
    [
        *[("1; 2", 2), ("1,2,3", 3), ("1|1", 1), ("1; 9", 1), ("9; 8", 0), ("12", 0), (None, 0)],
        *[("[1, 2]", 2), ('["1","3"]', 2), ("['1', '2', '3']", 3), ("{1,2}", 2), ("[1]", 1)],
        *[("1 2", 2), ("1 / 3", 2), ("1 & 2", 2), ("2 calls", 0), ("1/9", 0), ("[]", 0)],
    ],
)
def test_several_leads_in_a_cell(cell: str | None, links: int) -> None:
    assert found(["1", "2", "3"], [cell]) == [links]


def test_a_lead_whose_id_holds_a_separator_is_itself() -> None:
    assert found(["1;2", "1", "2"], ["1;2"]) == [1]


def test_activities_of_several_leads_belong_to_each() -> None:
    leads = pd.DataFrame({"Id": ["1", "2", "3"], "Status": ["Won", "Lost", "New"]})
    log = pd.DataFrame(
        {
            "Lead": ["1; 2", "3", "2", "7", "1;3"],
            "At": ["2024-01-03", "2024-01-02", "2024-01-01", "2024-01-01", "no date"],
            "Kind": ["Meeting", "Call", "Mail", "Mail", "Call"],
        }
    )
    crm = read_crm(DEFINITION, leads, log)
    assert crm.activities is not None
    assert crm.activities[["@id", "@kind"]].to_numpy().tolist() == [
        ["1", "Meeting"],
        ["2", "Mail"],
        ["2", "Meeting"],
        ["3", "Call"],
    ]
    # Each row of the source is either used or rejected, and rejected once.
    assert crm.rejects["row"].to_list() == [3, 4]
    assert crm.rejects["reason"].to_list() == [
        "no usable lead has this id",
        "its timestamp cannot be read",
    ]
