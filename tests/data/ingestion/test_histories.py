"""Field histories of every layout become the same changes, dated by their own time; `init`, `check`
and `train` recognise them by the same names."""

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.data.autodetect.draft import draft
from winnable.data.autodetect.infer import guess
from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.schema import Definition
from winnable.errors import DataError

LEADS = pd.DataFrame(
    {
        "Deal ID": ["101", "102", "103"],
        "Deal Stage": ["Closed Won", "Closed Lost", "Demo"],
        "Amount": ["500", "700", "900"],
        "Rating": ["Hot", "Cold", "Hot"],
        "Created Date": ["2025-01-01", "2025-01-02", "2025-01-03"],
    }
)
CHANGES = [
    ("101", "2025-01-05", "Deal Stage", "Qualified", "Demo"),
    ("101", "2025-01-09", "Deal Stage", "Demo", "Closed Won"),
    ("102", "2025-01-06", "Deal Stage", "Qualified", "Closed Lost"),
    ("103", "2025-01-07", "Deal Stage", "Qualified", "Demo"),
]
CREATED = dict(zip(LEADS["Deal ID"], LEADS["Created Date"], strict=True))


def definition(**history: str) -> Definition:
    return Definition.model_validate(
        {
            "outcome": {"won": ["Closed Won"], "lost": ["Closed Lost"]},
            "columns": {"id": "Deal ID", "status": "Deal Stage", "created": "Created Date"},
            "history": history,
        }
    )


def read(history: pd.DataFrame, **named: str) -> Crm:
    return read_crm(definition(**named), LEADS, history=history)


def changes(crm: Crm, field: str = "Deal Stage") -> list[tuple[str, ...]]:
    assert crm.history is not None
    rows = crm.history[crm.history["@field"] == field]
    days = rows["@at"].dt.strftime("%Y-%m-%d")
    return list(zip(rows["@id"], days, rows["@new"], strict=True))


def tall(*names: str, field: str = "Deal Stage", **more: object) -> pd.DataFrame:
    """A change a row under these names: lead, time, field, old value, new value."""
    lead, at, field_name, old, new = names
    frame = pd.DataFrame(CHANGES, columns=[lead, at, field_name, old, new])
    return frame.assign(**{field_name: field, **more})


def attributes(*changes: tuple[str, str, str]) -> str:
    """Changes of one moment as a Dynamics audit keeps them."""
    named = ("logicalName", "oldValue", "newValue")
    return json.dumps(
        {"changedAttributes": [dict(zip(named, change, strict=True)) for change in changes]}
    )


FIELDS = ("Deal Stage", "DealStage", "dealstage", "deal_stage", "Deal Stage (crm.lead)")

LAYOUTS = {
    "Salesforce field history report": tall(
        "Deal ID", "Edit Date", "Field / Event", "Old Value", "New Value"
    ).assign(**{"Created Date": [CREATED[row[0]] for row in CHANGES]}),
    "Salesforce history object": tall(
        "OpportunityId", "CreatedDate", "Field", "OldValue", "NewValue", field="DealStage"
    ),
    "HubSpot property history": tall(
        "Object ID", "Timestamp", "Property", "Old", "Value", field="dealstage", Source="CRM_UI"
    ).drop(columns="Old"),
    "HubSpot by dlt": tall(
        "object_id", "timestamp", "property_name", "old", "value", field="deal_stage"
    ).assign(_dlt_id="x", _dlt_load_id="1", source_type="CRM"),
    "HubSpot by Airbyte": tall(
        "dealId", "timestamp", "property", "old", "value", field="dealstage"
    ).assign(_airbyte_raw_id="x", _airbyte_extracted_at="2026-01-01"),
    "HubSpot by Fivetran": tall("deal_id", "timestamp", "name", "old", "value").drop(columns="old"),
    "Dynamics audit": tall(
        "Record", "Changed Date", "Changed Field", "Old Value", "New Value", Event="Update"
    ),
    "Dynamics audit by columns": tall(
        "objectid", "createdon", "attributemask", "oldvalue", "newvalue", field="dealstage"
    ).assign(auditid="a"),
    "Odoo tracking values": tall(
        "mail_message_id/res_id",
        "mail_message_id/date",
        "field_id",
        "old_value_char",
        "new_value_char",
        field="Deal Stage (crm.lead)",
    ).assign(old_value_integer="", new_value_integer="", id="7"),
    "Odoo tracking values with keys": tall(
        "Message/Related Document ID", "Message/Date", "Field", "old_value_char", "new_value_char"
    ).assign(old_value_integer="3", new_value_integer="4", ID=["101", "102", "103", "104"]),
    "HubSpot by dlt, prefixed": tall(
        "property_object_id", "property_timestamp", "property_name", "old", "property_value"
    ).drop(columns="old"),
    "Dynamics audit of the Web API": pd.DataFrame(
        {
            "_objectid_value": [row[0] for row in CHANGES],
            "createdon": [row[1] for row in CHANGES],
            "action": "2",
            "changedata": [attributes(("Deal Stage", row[3], row[4])) for row in CHANGES],
        }
    ),
    "HubSpot properties with history": pd.DataFrame(
        {
            "id": ["101", "102", "103"],
            "propertiesWithHistory.dealstage": [
                json.dumps(
                    [
                        {"value": row[4], "timestamp": row[1], "sourceType": "CRM_UI"}
                        for row in reversed(CHANGES)
                        if row[0] == lead
                    ]
                )
                for lead in ("101", "102", "103")
            ],
        }
    ),
    "German": tall("Vorgangs-ID", "Geändert am", "Feld", "Alter Wert", "Neuer Wert"),
    "Salesforce stage history report": tall(
        "Opportunity ID", "Last Modified", "x", "From Stage", "To Stage"
    )
    .drop(columns="x")
    .assign(**{"Created Date": [CREATED[row[0]] for row in CHANGES]}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_by_init_and_by_training(layout: str, tmp_path: Path) -> None:
    expected = [(row[0], row[1], row[4]) for row in CHANGES]
    assert changes(read(LAYOUTS[layout])) == expected
    LEADS.to_csv(tmp_path / "leads.csv", index=False)
    history = LAYOUTS[layout]
    written = history.replace(dict.fromkeys(FIELDS, "Rating")).replace(
        "Deal Stage", "Rating", regex=True
    )
    written.columns = [name.replace(".dealstage", ".rating") for name in written.columns]
    written.to_csv(tmp_path / "history.csv", index=False)
    found = guess(str(tmp_path / "leads.csv"), None, str(tmp_path / "history.csv"))
    # What the history records is not too late to learn from; steps of stages record nothing else.
    assert ("Rating" in found.ignore) == ("To Stage" in history.columns)


def test_with_the_field_named_the_time_is_the_historys_own() -> None:
    history = LAYOUTS["Salesforce field history report"]
    crm = read(history, field="Field / Event")
    assert changes(crm)[0] == ("101", "2025-01-05", "Demo")
    renamed = history.rename(columns={"Edit Date": "Modified On"})[
        ["Deal ID", "Created Date", "Field / Event", "Old Value", "New Value", "Modified On"]
    ]
    assert changes(read(renamed, field="Field / Event"))[0] == ("101", "2025-01-05", "Demo")


@pytest.mark.parametrize("newest_first", [False, True])
def test_states_become_changes_dated_by_the_row(newest_first: bool) -> None:
    states = pd.DataFrame(
        [
            ("101", "Qualified", "400", "2025-01-01", "2025-01-01"),
            ("101", "Demo", "400", "2025-01-01", "2025-01-05"),
            ("101", "Demo", "500", "2025-01-01", "2025-01-07"),
            ("101", "Closed Won", "500", "2025-01-01", "2025-01-09"),
            ("102", "Closed Lost", "", "2025-01-02", "2025-01-06"),
            ("102", "Closed Lost", "700", "2025-01-02", ""),
        ],
        columns=["opportunity_id", "deal_stage", "amount", "created_date", "last_modified_date"],
    )
    states["history_id"] = np.arange(len(states)).astype(str)
    crm = read(states.iloc[::-1].reset_index(drop=True) if newest_first else states)
    assert changes(crm) == [
        ("101", "2025-01-01", "Qualified"),
        ("101", "2025-01-05", "Demo"),
        ("101", "2025-01-09", "Closed Won"),
        ("102", "2025-01-06", "Closed Lost"),
    ]
    assert changes(crm, "Amount") == [("101", "2025-01-01", "400"), ("101", "2025-01-07", "500")]
    assert crm.history is not None
    assert crm.history.loc[crm.history["@new"] == "Closed Won", "@old"].tolist() == ["Demo"]
    assert crm.rejects["reason"].tolist() == ["it has no timestamp"]
    assert any("not used: 'history_id'" in note for note in crm.notes)


def test_dates_of_entering_stages_become_changes() -> None:
    entered = pd.DataFrame(
        {
            "Record ID": ["101", "102"],
            'Date entered "Qualified (Sales Pipeline)"': ["2025-01-02", "2025-01-03"],
            'Date entered "Demo (Sales Pipeline)"': ["2025-01-05", ""],
            'Date entered "Closed Won (Sales Pipeline)"': ["2025-01-09", ""],
            "hs_date_entered_closed_lost": ["", "2025-01-06"],
        }
    )
    assert changes(read(entered)) == [
        ("101", "2025-01-02", "Qualified"),
        ("101", "2025-01-05", "Demo"),
        ("101", "2025-01-09", "Closed Won"),
        ("102", "2025-01-03", "Qualified"),
        ("102", "2025-01-06", "Closed Lost"),
    ]


def test_a_field_with_an_unknown_name_is_the_status_if_its_values_are() -> None:
    history = tall("Deal ID", "At", "Field", "Old Value", "New Value", field="hs_pipeline_stage")
    assert changes(read(history))[0] == ("101", "2025-01-05", "Demo")


def test_values_by_types_are_one_value() -> None:
    history = pd.DataFrame(
        {
            "res_id": ["101", "101"],
            "date": ["2025-01-05", "2025-01-06"],
            "field": ["Deal Stage", "Amount"],
            "old_value_char": ["Qualified", ""],
            "new_value_char": ["Demo", ""],
            "old_value_float": ["", "400"],
            "new_value_float": ["", "500"],
        }
    )
    crm = read(history)
    assert changes(crm) == [("101", "2025-01-05", "Demo")]
    assert changes(crm, "Amount") == [("101", "2025-01-06", "500")]


def test_a_table_without_changes_is_refused_with_its_columns() -> None:
    with pytest.raises(DataError, match="no column is recognized as"):
        read(pd.DataFrame({"Deal ID": ["101"], "Note": ["x"]}))


STAGE_DATES = {
    "HubSpot labels": (
        "Date entered 'Qualified (Sales Pipeline)'",
        'Date entered "Demo (Sales Pipeline)"',
        "Date entered 'Closed Won (Sales Pipeline)'",
        "Date entered 'Closed Lost (Sales Pipeline)'",
    ),
    "HubSpot names": (
        "hs_v2_date_entered_qualified",
        "hs_v2_date_entered_demo",
        "hs_v2_date_entered_closedwon",
        "hs_date_entered_closedlost",
    ),
    "HubSpot contacts": (
        "Became a Qualified Date",
        "Became a Demo Date",
        "Became a Closed Won Date",
        "Became a Closed Lost Date",
    ),
    "a company's own": ("Qualified date", "Demo reached at", "Closed Won on", "Date Closed Lost"),
}


def with_stage_dates(layout: str) -> pd.DataFrame:
    """Leads whose dates of stages are those of CHANGES, one of them without Demo."""
    dates = [
        ("2025-01-02", "2025-01-05", "2025-01-09", ""),
        ("2025-01-03", "", "", "2025-01-06"),
        ("2025-01-04", "2025-01-07", "", ""),
        ("2025-01-04", "", "", ""),
    ]
    leads = pd.concat([LEADS, LEADS[2:].assign(**{"Deal ID": "104", "Deal Stage": "Qualified"})])
    leads = leads.reset_index(drop=True)
    return pd.concat([leads, pd.DataFrame(dates, columns=list(STAGE_DATES[layout]))], axis=1)


@pytest.mark.parametrize("layout", STAGE_DATES)
@pytest.mark.parametrize("for_training", [True, False])
def test_dates_of_stages_in_the_leads_are_their_history_and_no_features(
    layout: str, for_training: bool
) -> None:
    crm = read_crm(definition(), with_stage_dates(layout), for_training=for_training)
    assert changes(crm) == [
        ("101", "2025-01-02", "Qualified"),
        ("101", "2025-01-05", "Demo"),
        ("101", "2025-01-09", "Closed Won"),
        ("102", "2025-01-03", "Qualified"),
        ("102", "2025-01-06", "Closed Lost"),
        ("103", "2025-01-04", "Qualified"),
        ("103", "2025-01-07", "Demo"),
        ("104", "2025-01-04", "Qualified"),
    ]
    assert not set(STAGE_DATES[layout]) & set(crm.leads.columns)
    (note,) = (note for note in crm.notes if "no features" in note)
    assert "are read as changes of 'Deal Stage', each from its date on" in note


def test_dates_of_stages_tell_when_a_lead_ended_and_what_it_was_before() -> None:
    data = Dataset(definition(), read_crm(definition(), with_stage_dates("HubSpot labels")))
    before = data.as_of(datetime(2025, 1, 8, tzinfo=UTC))
    assert before.crm.leads["@status"].tolist() == ["Demo", "Closed Lost", "Demo", "Qualified"]
    assert len(changes(before.crm)) == 7
    features = {field.name for field in data.feature_plan().fields}
    assert features.isdisjoint(STAGE_DATES["HubSpot labels"])
    assert data.episodes is not None
    ends = pd.to_datetime(data.episodes.end[data.episodes.last][:2], unit="us")
    assert ends.strftime("%Y-%m-%d").tolist() == ["2025-01-09", "2025-01-06"]


def test_a_history_that_records_the_status_replaces_the_dates_in_the_leads() -> None:
    leads = with_stage_dates("HubSpot labels")
    history = LAYOUTS["Salesforce history object"]
    crm = read_crm(definition(), leads, history=history)
    assert changes(crm) == [(row[0], row[1], row[4]) for row in CHANGES]
    of_another = history.assign(Field="Amount")
    both = read_crm(definition(), leads, history=of_another)
    assert len(changes(both)) == 8
    assert len(changes(both, "Amount")) == len(CHANGES)


def test_times_in_stages_and_dates_of_other_columns_stages_are_no_features_either() -> None:
    leads = LEADS.assign(
        **{
            "Date exited 'Demo (Sales Pipeline)'": ["2025-01-09", "", ""],
            "Cumulative time in 'Demo (Sales Pipeline)'": ["4", "", ""],
            "hs_v2_date_entered_subscriber": ["2025-01-01", "2025-01-01", ""],
        }
    )
    crm = read_crm(definition(), leads)
    assert crm.history is None
    assert not any("Demo" in name or "entered" in name for name in crm.leads.columns)
    assert any("they are not stages of 'Deal Stage'" in note for note in crm.notes)


def test_dates_of_stages_that_the_definition_lists_are_as_it_says() -> None:
    columns = STAGE_DATES["HubSpot labels"]
    ignoring = definition()
    ignoring = ignoring.model_copy(
        update={"columns": ignoring.columns.model_copy(update={"ignore": columns})}
    )
    crm = read_crm(ignoring, with_stage_dates("HubSpot labels"))
    assert crm.history is None
    assert set(columns) <= set(crm.leads.columns)


def test_init_says_that_dates_of_stages_are_the_history(tmp_path: Path) -> None:
    with_stage_dates("HubSpot contacts").to_csv(tmp_path / "leads.csv", index=False)
    found = guess(str(tmp_path / "leads.csv"))
    taken = found.roles["closed"].column
    assert set(found.stages) == {*STAGE_DATES["HubSpot contacts"]} - {taken}
    assert set(found.stages).isdisjoint(found.ignore)
    assert "# Not columns but the history of the status" in draft(found)


def test_several_changes_of_one_moment_are_several_changes() -> None:
    both = attributes(("Deal Stage", "Demo", "Closed Won"), ("Amount", "400", "500"))
    cells = [both, both.replace("500", "600"), "{}"]
    audit = pd.DataFrame(
        {
            "objectid": ["101", "102", "103"],
            "createdon": "2025-01-09",
            "ChangeData": cells,
            "field": "",
        }
    )
    crm = read(audit)
    assert [row[0] for row in changes(crm)] == ["101", "102"]
    assert [row[2] for row in changes(crm, "Amount")] == ["500", "600"]
    assert crm.rejects["reason"].tolist() == ["it names no field"]


@pytest.mark.parametrize("own", ["id", "ID", "Id"])
def test_the_id_of_a_row_is_not_that_of_its_lead_though_the_leads_call_theirs_so(own: str) -> None:
    leads = LEADS.rename(columns={"Deal ID": "id"}).assign(id=["1", "2", "3"])
    of_leads = {"101": "1", "102": "2", "103": "3"}
    history = pd.DataFrame(
        {
            own: ["3", "2", "1", "4"],
            "Field": "Deal Stage",
            "Old Value Char": [row[3] for row in CHANGES],
            "New Value Char": [row[4] for row in CHANGES],
            "Message/Date": [row[1] for row in CHANGES],
            "Message/Related Document ID": [of_leads[row[0]] for row in CHANGES],
        }
    )
    agreed = definition()
    columns = agreed.columns.model_copy(update={"id": "id"})
    crm = read_crm(agreed.model_copy(update={"columns": columns}), leads, history=history)
    assert changes(crm) == [(of_leads[row[0]], row[1], row[4]) for row in CHANGES]
    assert not len(crm.rejects)


def test_a_column_with_the_key_of_a_stage_is_the_field_with_its_name() -> None:
    leads = LEADS.rename(columns={"Deal Stage": "stage_id"})
    agreed = definition()
    columns = agreed.columns.model_copy(update={"status": "stage_id"})
    history = tall("res_id", "date", "field", "old_value_char", "new_value_char", field="Stage")
    history["new_value_char"] = ["Demo", "Won?", "New", "New"]  # its values alone do not tell
    crm = read_crm(agreed.model_copy(update={"columns": columns}), leads, history=history)
    assert len(changes(crm, "stage_id")) == len(CHANGES)


def test_a_zero_beside_another_type_is_no_value() -> None:
    history = pd.DataFrame(
        {
            "res_id": ["101", "102"],
            "date": ["2025-01-05", "2025-01-06"],
            "field": ["Amount", "Amount"],
            "new_value_integer": ["0", "0"],
            "new_value_char": ["", ""],
            "new_value_float": ["500.0", "0.0"],
        }
    )
    assert [row[2] for row in changes(read(history), "Amount")] == ["500.0", "0"]


LOADED = {
    "dlt": ("", "_dlt_load_id", "_dlt_id"),
    "Airbyte": ("properties_", "_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta"),
    "Fivetran": ("property_", "_fivetran_synced", "_fivetran_deleted"),
}


@pytest.mark.parametrize("loader", LOADED)
def test_leads_and_histories_of_loaders_belong_together(loader: str, tmp_path: Path) -> None:
    before, *own = LOADED[loader]
    rows = 60
    stages = np.resize(["Closed Won", "Closed Lost", "Demo"], rows)
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(rows), unit="D")
    of_load = {name: [f"2026-01-01 {row % 7}" for row in range(rows)] for name in own}
    leads = pd.DataFrame(
        {
            "id": np.arange(rows) + 1001,
            f"{before}createdate": days.strftime("%Y-%m-%dT%H:%M:%SZ"),
            f"{before}dealstage": stages,
            f"{before}pipeline_size": np.arange(rows) % 9,
            **of_load,
        }
    )
    history = pd.DataFrame(
        {
            "deal_id": leads["id"],
            "property_name": "dealstage",
            "property_value": stages,
            "timestamp": (days + pd.Timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **of_load,
        }
    )
    leads.to_csv(tmp_path / "leads.csv", index=False)
    history.to_csv(tmp_path / "history.csv", index=False)
    found = guess(str(tmp_path / "leads.csv"), None, str(tmp_path / "history.csv"))
    assert set(own) <= {*found.ignore}
    agreed = Definition.model_validate(tomllib.loads(draft(found)))
    data = Dataset(agreed, read_crm(agreed, leads, history=history))
    assert len(changes(data.crm, f"{before}dealstage")) == rows
    assert data.episodes is not None
    assert data.episodes.counted()["status history"] == np.isin(stages, stages[:2]).sum()
    # Nor is what a loader writes learned where a definition forgets it.
    forgetful = Definition.model_validate(
        {
            "outcome": {"won": ["Closed Won"], "lost": ["Closed Lost"]},
            "columns": {"id": "id", "status": f"{before}dealstage"},
        }
    )
    learned = Dataset(forgetful, read_crm(forgetful, leads)).feature_plan().learned
    assert not {*own} & {*learned}


def test_the_id_is_the_one_that_the_history_refers_to(tmp_path: Path) -> None:
    rows = 40
    keys = [f"{row:08x}-1111-4222-8333-{row:012x}" for row in range(rows)]
    stages = np.resize(["Won", "Lost", "Open"], rows)
    leads = pd.DataFrame(
        {
            "Lead": [f"Enquiry of {row}" for row in range(rows)],
            "(Do Not Modify) Lead": keys,
            "Created On": "2025-01-01",
            "Lead Source": np.resize(["Web", "Fair"], rows),
            "Topic": "Machines",
            "Status": stages,
        }
    )
    audit = pd.DataFrame(
        {
            "Record": keys,
            "Changed Date": "2025-02-01",
            "Changed Field": "Status",
            "Old Value": "",
            "New Value": stages,
        }
    )
    leads.to_csv(tmp_path / "leads.csv", index=False)
    audit.to_csv(tmp_path / "history.csv", index=False)
    found = guess(str(tmp_path / "leads.csv"), None, str(tmp_path / "history.csv"))
    assert found.roles["id"].column == "(Do Not Modify) Lead"
