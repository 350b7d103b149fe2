"""Exports as companies have them, with what does not belong in a table: each is read right without
an edit, or it is said what to do."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.autodetect.exports import CLOSED, DATES, MAILS, ROWS, SOURCES, closed_where, cycled
from tests.data.ingestion.sources.workbooks import xlsx
from winnable.data.autodetect.draft import draft
from winnable.data.autodetect.infer import Guesses, guess
from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import load_definition
from winnable.errors import DataError

ENDED = cycled("Open", "Won", "Lost")
SIZES = (np.arange(ROWS) * 37 % 1_500 + 10).tolist()


def written(folder: Path, columns: Mapping[str, object], encoding: str = "utf-8") -> Path:
    path = folder / "leads.csv"
    pd.DataFrame(columns, index=range(ROWS)).to_csv(path, index=False, sep=";", encoding=encoding)
    return path


def learned(path: Path) -> tuple[Guesses, Crm, set[str], dict[str, str]]:
    """What `init` found, the table as its draft reads it, and the columns of the features with
    their kinds."""
    guesses = guess(str(path))
    (path.parent / "definition.toml").write_text(draft(guesses), encoding="utf-8")
    definition = load_definition(path.parent / "definition.toml")
    crm = read_crm(definition, str(path))
    plan = Dataset(definition, crm).feature_plan()
    fields = {field.name: field.kind for field in plan.fields if field.learn}
    return guesses, crm, set(fields), fields


def test_a_german_export_with_a_word_for_no_value_is_one_of_numbers(tmp_path: Path) -> None:
    status = cycled("Kontaktiert", "Konvertiert", "Disqualifiziert")
    guesses, crm, features, kinds = learned(
        written(
            tmp_path,
            {
                "Datensatz-ID": [f"zcrm_{559000 + i}" for i in range(ROWS)],
                "Lead-Status": status,
                "Lead-Quelle": SOURCES,
                "Jahresumsatz": [
                    f"{size},50" if i % 2 else f"1.{size % 1_000:03}"
                    for i, size in enumerate(SIZES)
                ],
                "Anzahl der Mitarbeiter": [
                    "#NV" if i % 8 == 0 else "unbekannt" if i % 40 == 1 else str(size)
                    for i, size in enumerate(SIZES)
                ],
                "Erstellungszeit": DATES,
                "Konvertierungszeit": closed_where(status, "Konvertiert", "Disqualifiziert"),
            },
            "cp1252",
        )
    )
    assert guesses.roles["closed"].column == "Konvertierungszeit"
    assert "Konvertierungszeit" not in features
    assert "Anzahl der Mitarbeiter" not in guesses.ignore
    assert kinds["Anzahl der Mitarbeiter"] == kinds["Jahresumsatz"] == "number"
    assert int(crm.leads["Anzahl der Mitarbeiter"].isna().sum()) == ROWS // 8


def test_of_two_columns_of_one_name_none_plays_a_role(tmp_path: Path) -> None:
    ends = [day or "0000-00-00 00:00:00" for day in closed_where(ENDED, "Won", "Lost")]
    path = written(
        tmp_path,
        {
            "ID": range(1, ROWS + 1),
            "Stage": np.where(ENDED == "Open", "New", np.char.add("Deal ", np.char.lower(ENDED))),
            "Created": DATES,
            "End date": ends,
            "Source": SOURCES,
            "Other source": cycled("Web", "Fair"),
            "": cycled("a", "b"),
        },
    )
    path.write_text(path.read_text().replace("Other source", "Source"))
    guesses, crm, features, _ = learned(path)
    assert "source" not in guesses.roles
    assert guesses.roles["closed"].reason.endswith(f"{ROWS * 2 // 3} of {ROWS} leads have a date")
    assert int(crm.leads["End date"].isna().sum()) == ROWS // 3
    assert not {name for name in features if name.startswith("column ")}


def test_where_the_status_stands_twice_it_is_said_to_rename_one(tmp_path: Path) -> None:
    columns = {"Number": range(ROWS), "Stage": ENDED, "Other": SOURCES, "Created on": DATES}
    path = written(tmp_path, columns)
    path.write_text(path.read_text().replace("Other", "Stage"))
    with pytest.raises(DataError, match=r"same name \('Stage'\) none was looked at: give each"):
        guess(str(path))


def test_an_address_is_the_id_where_there_is_no_other(tmp_path: Path) -> None:
    dates = [*DATES[:-3], "0000-00-00", "1900-01-00", "2199-12-31"]
    born = pd.date_range("1955-01-01", periods=ROWS, freq="37D").strftime("%Y-%m-%d")
    guesses, crm, _, _ = learned(
        written(
            tmp_path,
            {
                "Email": MAILS,
                "Signup date": dates,
                "Close date": closed_where(ENDED, "Won", "Lost"),
                "Status": ENDED,
                "Birth date": born,
            },
        )
    )
    assert guesses.roles["id"].column == guesses.roles["person"].column == "Email"
    assert guesses.roles["created"].column == "Signup date"
    assert sorted(crm.rejects["row"]) == [ROWS - 3, ROWS - 2, ROWS - 1]
    assert len(crm.leads) + len(crm.rejects) == ROWS


def answer(folder: Path, records: Sequence[object], **around: object) -> Path:
    path = folder / "leads.json"
    path.write_text(json.dumps({**around, "data": records}))
    return path


def test_deals_of_close_are_leads_though_a_company_has_several(tmp_path: Path) -> None:
    records = [
        {
            "id": f"oppo_{i:05}",
            "lead_id": f"lead_{i % 100:05}",
            "status_type": ENDED[i].lower().replace("open", "active"),
            "date_created": DATES[i],
            "date_won": CLOSED[i] if ENDED[i] == "Won" else None,
            "date_lost": CLOSED[i] if ENDED[i] == "Lost" else None,
            "custom.source": str(SOURCES[i]),
        }
        for i in range(ROWS)
    ]
    guesses, crm, features, _ = learned(answer(tmp_path, records, has_more=True))
    assert guesses.roles["id"].column == "id"
    assert guesses.outcome.columns == ("status_type",)
    assert len(crm.leads) == ROWS
    assert not features & {"date_won", "date_lost", "status_type"}
    assert any("WARNING: this is not everything" in note for note in guesses.notes)


def test_the_web_api_of_dynamics_is_read_by_its_words(tmp_path: Path) -> None:
    words = "@OData.Community.Display.V1.FormattedValue"
    records = [
        {
            "@odata.etag": f'W/"{i}"',
            "opportunityid": f"{i:08x}-0000-4000-8000-000000000000",
            "createdon": f"{DATES[i]}T08:00:00Z",
            "actualclosedate": None if ENDED[i] == "Open" else CLOSED[i],
            "statecode": ["Open", "Won", "Lost"].index(ENDED[i]),
            f"statecode{words}": ENDED[i],
            "numberofemployees": SIZES[i],
        }
        for i in range(ROWS)
    ]
    guesses, _, features, _ = learned(answer(tmp_path, records))
    assert guesses.outcome.columns == (f"statecode{words}",)
    assert guesses.roles["closed"].column == "actualclosedate"
    assert features == {"numberofemployees"}


def test_a_workbook_with_titles_a_total_and_errors_of_formulas(tmp_path: Path) -> None:
    rows: list[list[object]] = [["Pipeline report"], ["As of 2025-07-05"], []]
    rows.append(["Opportunity No", "Created On", "Closed On", "Result", "Headcount"])
    closed = closed_where(ENDED, "Won", "Lost")
    rows += [
        [f"OP-{i:05}", DATES[i], closed[i], ENDED[i], "#N/A" if i % 10 == 0 else SIZES[i]]
        for i in range(ROWS)
    ]
    rows.append(["Total", "", "", "", sum(SIZES)])
    path = tmp_path / "leads.xlsx"
    path.write_bytes(xlsx({"Report": rows}))
    guesses, crm, _, kinds = learned(path)
    assert guesses.roles["id"].column == "Opportunity No"
    assert len(crm.leads) == ROWS
    assert kinds["Headcount"] == "number"
    assert crm.rejects["reason"].tolist() == ["the row is a total or a footer below the table"]


def test_deals_of_pipedrive_have_a_date_of_winning_and_one_of_losing(tmp_path: Path) -> None:
    guesses, _, features, _ = learned(
        written(
            tmp_path,
            {
                "Deal - ID": range(1, ROWS + 1),
                "Deal - Status": ENDED,
                "Deal - Value": [f"{size:,}.00" for size in SIZES],
                "Deal - Deal created": DATES,
                "Deal - Won time": closed_where(ENDED, "Won"),
                "Deal - Lost time": closed_where(ENDED, "Lost"),
                "Deal - Lost reason": np.where(ENDED == "Lost", "Price", ""),
                "Deal - Probability": cycled("50%", ""),
            },
        )
    )
    assert guesses.roles["closed"].column == "Deal - Won time"
    assert guesses.roles["closed_lost"].column == "Deal - Lost time"
    assert features == {"Deal - Value"}
    assert not [other for other in guesses.outcome.others if "Probability" in other]
