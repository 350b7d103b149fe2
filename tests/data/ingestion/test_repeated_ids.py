"""A history or an activity log in place of the leads is refused, with what to do with it."""

import pandas as pd
import pytest

from winnable.data.autodetect.infer import guess
from winnable.data.ingestion.crm import read_crm
from winnable.definition.schema import Definition
from winnable.errors import DataError

STAGES = ("Discovery", "Demo", "Proposal", "Closed Won")
HISTORY = pd.DataFrame(
    {
        "Opportunity ID": [f"006{lead}" for lead in range(50) for _ in STAGES],
        "Stage": [stage for _ in range(50) for stage in STAGES],
        "Amount": [lead * 100 for lead in range(50) for _ in STAGES],
    }
)
OWN_IDS = HISTORY.assign(**{"History ID": range(len(HISTORY))})
LOG = pd.DataFrame(
    {
        "Task ID": range(100),
        "Lead ID": [row // 2 for row in range(100)],
        "Type": ["Call", "E-mail"] * 50,
    }
)
DEALS = pd.DataFrame(
    {
        "Deal ID": range(100),
        "Lead ID": [row // 2 for row in range(100)],
        "Stage": ["Closed Won", "Closed Lost"] * 50,
    }
)
CONTACTS = pd.DataFrame(
    {
        "id": [f"cont_{row:06d}x" for row in range(100)],
        "lead_id": [f"lead_{row // 4:06d}y" for row in range(100)],
        "Stage": ["Closed Won", "Closed Lost"] * 50,
    }
)
PEOPLE = CONTACTS.drop(columns="id").assign(email=[f"p{row}@x.example" for row in range(100)])
TWICE = HISTORY.iloc[3::4]
EXPORTED_TWICE = pd.concat([TWICE, TWICE.head(10)])


def definition(**columns: str) -> Definition:
    return Definition.model_validate(
        {
            "outcome": {"won": ["Closed Won"], "lost": ["Closed Lost"]},
            "columns": {"status": "Stage", **columns},
        }
    )


@pytest.mark.parametrize(
    ("table", "id_column", "mean"),
    [
        (HISTORY, "Opportunity ID", "4.0"),
        (OWN_IDS, "Opportunity ID", "4.0"),
        (LOG, "Lead ID", "2.0"),
    ],
)
def test_it_is_refused_by_init(tmp_path, table: pd.DataFrame, id_column: str, mean: str) -> None:
    path = tmp_path / "export.csv"
    table.to_csv(path, index=False)
    with pytest.raises(DataError, match=f"'{id_column}' stands {mean} times in the mean") as caught:
        guess(str(path))
    for word in ("a history or an activity log", "--history", "--activities", "columns"):
        assert word in str(caught.value)


def test_it_is_refused_by_whoever_trains_but_not_by_scoring() -> None:
    with pytest.raises(DataError, match=r"200 rows, 50 ids.*a history or an activity log"):
        read_crm(definition(), HISTORY)
    assert len(read_crm(definition(), HISTORY, for_training=False).leads) == 200


def test_where_the_definition_names_the_id_the_last_row_counts_and_that_is_said() -> None:
    crm = read_crm(definition(id="Opportunity ID"), HISTORY)
    assert len(crm.leads) == 50
    assert set(crm.leads["Stage"]) == {"Closed Won"}
    assert len(crm.rejects) == 150
    assert any("'Opportunity ID' stands 4.0 times in the mean" in note for note in crm.notes)


@pytest.mark.parametrize(
    "table",
    [TWICE, EXPORTED_TWICE, DEALS, CONTACTS, PEOPLE, HISTORY.drop(columns="Opportunity ID")],
)
def test_leads_are_leads(table: pd.DataFrame) -> None:
    crm = read_crm(definition(), table)
    assert len(crm.leads) == len(table)
    assert not any("in the mean" in note for note in crm.notes)
