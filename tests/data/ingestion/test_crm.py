"""The input contract: roles, ids, status values and dates; what cannot be used is put aside with
its reason, never dropped."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sql

from winnable.data.ingestion.crm import Crm, latest_moment, read_crm
from winnable.data.ingestion.rejects import write_rejects
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.errors import DataError, StoreError

NOW = pd.Timestamp("2024-06-01", tz="UTC")
UTC_MICROSECONDS = "datetime64[us, UTC]"


def definition(columns: dict[str, Any] | None = None, **more: Any) -> Definition:
    roles = (
        {"id": "Id", "created": "Created", "closed": "Closed", "status": "Status"}
        if columns is None
        else columns
    )
    return definition_from(
        {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": roles, **more}, "a test"
    )


@pytest.fixture
def crm(tmp_path: Path) -> "Writer":
    return Writer(tmp_path)


class Writer:
    """Writes tables as CSV and reads them as a CRM."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str, text: str) -> str:
        path = self.folder / f"{name}.csv"
        path.write_text(text)
        return str(path)

    def read(
        self,
        leads: str,
        shared: Definition | None = None,
        *,
        for_training: bool = True,
        **events: str,
    ) -> Crm:
        tables = {name: self.file(name, text) for name, text in events.items()}
        source = self.file("leads", leads)
        return read_crm(
            shared or definition(), source, **tables, for_training=for_training, now=NOW
        )  # type: ignore[arg-type]


LEADS = """Id,Created,Closed,Status,City
a1,2024-01-01 10:00,2024-02-01,Won,Rome
a2,2024-01-02 10:00,,Open,Select
a3,2024-01-03 10:00,2024-01-03,Lost,Oslo
"""


def reasons(crm: Crm) -> dict[tuple[str, int], str]:
    return {(row.table, row.row): row.reason for row in crm.rejects.itertuples()}


def test_columns_stay_as_text_and_roles_are_typed(crm: Writer) -> None:
    read = crm.read(LEADS)
    assert read.leads.dtypes.astype(str).to_dict() == {
        **dict.fromkeys(["Id", "Created", "Closed", "Status", "City", "@id", "@status"], "str"),
        "@created": UTC_MICROSECONDS,
        "@closed": UTC_MICROSECONDS,
    }
    assert read.leads["City"].isna().tolist() == [False, True, False]
    assert read.rejects.empty
    assert read.rejects.columns.tolist() == ["table", "row", "id", "reason"]


def test_a_closing_date_without_a_time_of_day_is_not_before_creation_on_that_day(
    crm: Writer,
) -> None:
    assert crm.read(LEADS).leads["@closed"].tolist()[2] == pd.Timestamp(
        "2024-01-03 10:00", tz="UTC"
    )


def test_every_fault_of_a_lead_has_its_reason(crm: Writer) -> None:
    read = crm.read(
        "Id,Created,Closed,Status\n"
        "a0,2024-01-01,2024-02-01,Won\n"
        ",2024-01-01,2024-02-01,Won\n"
        "a2,2024-01-01\n"
        "a3,not yet,2024-02-01,Won\n"
        "a4,,2024-02-01,Won\n"
        "a5,2024-06-03,,Open\n"
        "a6,2024-01-05,2024-01-04,Lost\n"
        "a7,2024-01-05,2024-12-31,Won\n"
        "a8,2024-01-05,2024-01-06,Lost\n"
        "a8,2024-01-05,2024-01-07,Won\n"
        "a9,2024-06-01 20:00,,Open\n"
        "a0,2024-01-01,2024-02-01,Won\n"
    )
    assert reasons(read) == {
        ("leads", 0): "an identical row appears further down",
        ("leads", 1): "it has no id",
        ("leads", 2): "the row has 2 values, but the header has 4 columns",
        ("leads", 3): "the creation date cannot be read",
        ("leads", 4): "it has no creation date",
        ("leads", 5): "the creation date is in the future",
        ("leads", 6): "it was closed before it was created",
        ("leads", 7): "it is closed, but the closing date is in the future",
        ("leads", 8): "a later row has the same id",
    }
    assert read.leads.index.tolist() == [9, 10, 11]
    assert read.rejects["id"].tolist()[3:5] == ["a3", "a4"]
    assert len(read.leads) + len(read.rejects) == 12


def test_a_later_row_that_cannot_be_used_does_not_replace_an_earlier_one_that_can(
    crm: Writer,
) -> None:
    read = crm.read(
        "Id,Created,Closed,Status\na,2024-01-01,2024-02-01,Won\na,2030-01-01,,Open\nb,2024-01-01,2024-02-01,Lost\n"
    )
    assert read.leads["@id"].tolist() == ["a", "b"]


def test_open_leads_have_no_closing_date_whatever_somebody_expects(crm: Writer) -> None:
    read = crm.read(
        "Id,Created,Closed,Status\na,2024-01-01,2025-01-01,Open\nb,2024-01-01,,Won\nc,2024-01-01,soon,Lost\nd,2024-01-01,2024-01-02,Won\n"
    )
    assert read.leads["@closed"].notna().tolist() == [False, False, False, True]
    assert read.rejects.empty
    said = " ".join(read.notes)
    assert "1 open lead with a closing date" in said
    assert "1 won or lost lead without a closing date" in said
    assert "1 won or lost lead with an unreadable closing date" in said


def test_without_an_id_column_the_row_number_is_the_id(crm: Writer) -> None:
    read = crm.read("Status\nWon\n\nLost\nWon,x\nLost\n", definition({"status": "Status"}))
    assert read.leads["@id"].tolist() == ["0", "1", "3"]
    assert read.leads.index.tolist() == [0, 1, 3]


def test_no_leads_at_all_is_no_error(crm: Writer) -> None:
    read = crm.read(
        "Id,Created,Closed,Status\n",
        activities="lead_id,at,kind\n",
        history="lead_id,at,field,old,new\n",
    )
    assert len(read.leads) == 0
    assert read.leads["@created"].dtype == UTC_MICROSECONDS
    assert latest_moment(read, NOW) is None


@pytest.mark.parametrize(
    "role", ["id", "created", "closed", "status", "person", "source", "consent"]
)
def test_a_column_that_is_not_there_is_an_error_with_the_nearest_and_all_names(
    crm: Writer, role: str
) -> None:
    roles = {
        "id": "Id",
        "created": "Created",
        "closed": "Closed",
        "status": "Status",
        role: "Citty",
    }
    with pytest.raises(
        DataError,
        match=(
            r"no column 'Citty'.*nearest is 'City'. Its columns: 'Id', 'Created', 'Closed',"
            r" 'Status', 'City'"
        ),
    ):
        crm.read(LEADS, definition(roles))


def test_other_columns_of_the_definition_are_only_missed_in_a_note(crm: Writer) -> None:
    shared = definition({"id": "Id", "status": "Status", "fixed": ["Cities"], "ignore": ["Memo"]})
    assert any(
        "'Cities', 'Memo'" in note and "nearest is 'City'" in note
        for note in crm.read(LEADS, shared).notes
    )


def test_a_role_that_two_columns_claim_and_a_reserved_name(crm: Writer) -> None:
    with pytest.raises(DataError, match=r"'Id' .id. appears more than once"):
        crm.read("Id,Id,Status\n1,2,Won\n", definition({"id": "Id", "status": "Status"}))
    with pytest.raises(DataError, match="'@id' is reserved by winnable"):
        crm.read("Id,@id,Status\n1,2,Won\n", definition({"id": "Id", "status": "Status"}))


def test_status_values_none_of_which_is_known(crm: Writer) -> None:
    with pytest.raises(
        DataError,
        match=r"expects 'Lost', 'Won'. The most frequent values are 'closed' \(2\), 'open' \(1\)",
    ):
        crm.read(
            "Id,Status\n1,closed\n2,closed\n3,open\n", definition({"id": "Id", "status": "Status"})
        )


def test_open_leads_alone_are_no_error_if_the_definition_knows_their_stage(crm: Writer) -> None:
    shared = definition({"status": "Status"}, stages={"MQL": {"status": ["Hot"]}})
    assert len(crm.read("Status\nHot\nHot\n", shared).leads) == 2


def test_a_status_that_differs_only_in_capitals_is_noted(crm: Writer) -> None:
    read = crm.read("Status\nwon\nwon\nLost\n", definition({"status": "Status"}))
    assert any("No lead has the status 'Won', but 2 leads 'won'" in note for note in read.notes)


def test_an_unreadable_date_column_shows_forms_and_no_values(crm: Writer) -> None:
    rows = "".join(f"{i},Ann{i}@x.de,,Won\n" for i in range(9)) + "9,2024-01-01,,Won\n"
    with pytest.raises(
        DataError,
        match=r"'Created' cannot be read as dates: 9 of 10 values failed.*like 'aaa9@a\.aa'",
    ) as caught:
        crm.read("Id,Created,Closed,Status\n" + rows)
    assert "Ann" not in str(caught.value)


def test_one_column_decides_for_its_sibling_whether_days_come_first(crm: Writer) -> None:
    read = crm.read(
        "Id,Created,Closed,Status\n1,01/02/2024,25/03/2024,Won\n2,05/02/2024,06/03/2024,Lost\n"
    )
    assert read.leads["@created"].dt.month.tolist() == [2, 2]
    assert not read.notes


def test_dates_that_may_be_read_either_way_are_noted(crm: Writer) -> None:
    read = crm.read(
        "Id,Created,Status\n1,01/02/2024,Won\n2,05/02/2024,Lost\n",
        definition({"id": "Id", "created": "Created", "status": "Status"}),
    )
    assert read.leads["@created"].dt.month.tolist() == [1, 5]
    assert any("'Created'" in note and "month first" in note for note in read.notes)


def test_forms_and_time_zones_may_be_mixed_in_a_column(crm: Writer) -> None:
    forms = [
        "2024-03-12 10:00+02:00",
        "12 Mar 2024 08:00",
        "12/03/2024 08:00",
        "25/03/2024 08:00",
        "1710230400000",
        "2024-03-12T03:00:00-05:00",
    ]
    rows = "".join(f"{place},{form},Won\n" for place, form in enumerate(forms))
    read = crm.read(
        "Id,Created,Status\n" + rows,
        definition({"id": "Id", "created": "Created", "status": "Status"}),
    )
    march = pd.Timestamp("2024-03-12 08:00", tz="UTC")
    assert read.leads["@created"].tolist() == [
        march,
        march,
        march,
        march + pd.Timedelta(days=13),
        march,
        march,
    ]
    assert any(
        "2 times with a time zone and 3 times without" in note and "UTC" in note
        for note in read.notes
    )


def test_times_that_all_name_their_zone_or_none_of_them_are_not_noted(crm: Writer) -> None:
    for zone in ("", "Z", "+02:00"):
        rows = "".join(f"{day},2024-03-1{day}T10:00{zone},Won\n" for day in range(3))
        read = crm.read(
            "Id,Created,Status\n" + rows,
            definition({"id": "Id", "created": "Created", "status": "Status"}),
        )
        assert not any("time zone" in note for note in read.notes)


EVENTS = {
    "activities": (
        "Lead ID,Timestamp,Type\na1,2024-01-05 9:00,Call\na1,2024-01-04 9:00,E-mail\na2,2024-01-04"
        " 9:00,Call\n"
    )
}


def test_activities_are_recognised_by_name_typed_and_sorted(crm: Writer) -> None:
    read = crm.read(LEADS, **EVENTS)
    assert read.activities is not None
    assert read.activities[["@id", "@kind"]].to_numpy().tolist() == [
        ["a1", "E-mail"],
        ["a1", "Call"],
        ["a2", "Call"],
    ]
    assert read.activities.dtypes.astype(str)[["@id", "@at", "@kind"]].tolist() == [
        "str",
        UTC_MICROSECONDS,
        "str",
    ]
    assert "Type" not in read.activities
    assert "@recorded" not in read.activities


@pytest.mark.parametrize(
    "header",
    [
        "Id,occurred_at,activity_type",
        "lead_id,Activity Date,Activity",
        "WhoId,Created Date,Event Name",
        "LeadId,date,KIND",
    ],
)
def test_names_that_crms_give_to_the_columns_of_activities(crm: Writer, header: str) -> None:
    read = crm.read(LEADS, activities=f"{header}\na1,2024-01-05,Call\n")
    assert read.activities is not None
    assert read.activities[["@id", "@kind"]].to_numpy().tolist() == [["a1", "Call"]]


def test_columns_of_activities_that_the_definition_names(crm: Writer) -> None:
    shared = definition(
        activities={"lead": "wer", "at": "wann", "kind": "was", "recorded": "erfasst"}
    )
    read = crm.read(
        LEADS,
        shared,
        activities="wer,wann,was,erfasst,at\na1,05.01.2024 9:00,Anruf,06.01.2024 10:00,x\n",
    )
    assert read.activities is not None
    assert read.activities["@recorded"].tolist() == [pd.Timestamp("2024-01-06 10:00", tz="UTC")]
    assert read.activities["@at"].tolist() == [pd.Timestamp("2024-01-05 9:00", tz="UTC")]


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (
            "foo,at,kind",
            (
                "the lead's id; name it in the definition as activities.lead. Its columns: 'foo',"
                " 'at', 'kind'"
            ),
        ),
        ("lead,foo,kind", "the time"),
        ("lead,at,foo", "the kind"),
    ],
)
def test_a_column_that_is_not_recognised_is_named(crm: Writer, header: str, says: str) -> None:
    with pytest.raises(DataError, match=f"no column is recognized as {says}"):
        crm.read(LEADS, activities=f"{header}\nx9,2024-01-05,Call\n")


def test_the_only_column_with_dates_is_the_time_whatever_its_name(crm: Writer) -> None:
    rows = "".join(f"a1,2024-01-{day:02},Call\n" for day in range(5, 15))
    read = crm.read(LEADS, activities=f"lead,foo,TaskSubtype\n{rows}")
    assert read.activities is not None
    assert read.activities["@at"].dt.day.tolist() == list(range(5, 15))


def test_a_column_that_refers_to_leads_is_found_whatever_its_name(crm: Writer) -> None:
    read = crm.read(LEADS, activities="foo,at,kind\na1,2024-01-05,Call\n")
    assert read.activities is not None
    assert read.activities["@id"].tolist() == ["a1"]


def test_every_fault_of_an_activity_has_its_reason(crm: Writer) -> None:
    read = crm.read(
        LEADS,
        activities=(
            "lead,at,kind\na1,2024-01-05,Call\n,2024-01-05,Call\na1,,Call\na1,later,Call\na1,2025-01-01,Call\nzz,2024-01-05,Call\na1,1\na2,2023-12-01,\na1,2024-06-01"
            " 12:00,Call\n"
        ),
    )
    assert reasons(read) == {
        ("activities", 1): "it has no lead id",
        ("activities", 2): "it has no timestamp",
        ("activities", 3): "its timestamp cannot be read",
        ("activities", 4): "its timestamp is in the future",
        ("activities", 5): "no usable lead has this id",
        ("activities", 6): "the row has 2 values, but the header has 3 columns",
    }
    assert read.activities is not None
    assert read.activities.index.tolist() == [0, 8, 7]
    said = " ".join(read.notes)
    assert "1 row from before the lead was created" in said
    assert "1 row without a kind" in said


def test_what_was_recorded_in_the_future_is_rejected_and_what_is_older_than_its_lead_is_told(
    crm: Writer,
) -> None:
    read = crm.read(
        LEADS,
        activities=(
            "lead,at,kind,recorded\na1,2024-01-05,Call,2024-01-06\na1,2024-01-05,Call,2031-01-06\n"
        ),
        history=(
            "lead,at,field,old,new\na1,2019-01-05,City,Rome,Oslo\na1,2024-01-09,City,Oslo,Bonn\n"
        ),
    )
    assert reasons(read) == {("activities", 1): "its recording time is in the future"}
    assert "history: 1 row from before the lead was created; kept as earlier values." in read.notes


def test_activities_of_which_none_belongs_to_a_lead(crm: Writer) -> None:
    with pytest.raises(
        DataError,
        match=(
            "none of the 1 row belongs to a lead: 'lead' has values like '99-aa', the leads' ids"
            " look like 'a9'"
        ),
    ):
        crm.read(LEADS, activities="lead,at,kind\n17-xy,2024-01-05,Call\n")


def test_activities_need_an_id_column(crm: Writer) -> None:
    with pytest.raises(DataError, match="names no id column"):
        crm.read(LEADS, definition({"status": "Status"}), **EVENTS)


def test_history_is_recognised_typed_and_sorted(crm: Writer) -> None:
    read = crm.read(
        LEADS,
        history=(
            "LeadId,CreatedDate,Field,OldValue,NewValue\na1,2024-01-09,Status,Open,Won\na1,2024-01-05,Status,Select,Open\na1,2024-01-06,City,,Rome\n"
            "zz,2024-01-06,City,,Rome\na2,2024-01-06,,x,y\na2,2024-08-01,City,,Rome\n"
        ),
    )
    assert read.history is not None
    assert read.history[["@field", "@new"]].to_numpy().tolist() == [
        ["City", "Rome"],
        ["Status", "Open"],
        ["Status", "Won"],
    ]
    assert read.history["@old"].isna().tolist() == [True, True, False]
    assert reasons(read) == {
        ("history", 3): "no usable lead has this id",
        ("history", 4): "it names no field",
        ("history", 5): "its timestamp is in the future",
    }


def test_old_values_that_are_not_kept_are_those_that_were_new_before(crm: Writer) -> None:
    read = crm.read(
        LEADS,
        history="lead,at,property,value\na1,2024-01-09,City,Rome\na1,2024-01-05,City,Oslo\na2,2024-01-07,City,Bonn\n",
    )
    assert read.history is not None
    assert read.history["@old"].fillna("-").tolist() == ["-", "Oslo", "-"]
    assert any("no old values" in note for note in read.notes)


def test_what_a_date_without_a_time_of_day_tells_is_known_from_the_end_of_that_day_on(
    crm: Writer,
) -> None:
    mixed = (
        "lead,at,kind,recorded\na1,2024-01-01,Call,\na1,2024-01-01 12:00,Call,\na1,2024-01-02"
        " 00:00,Call,2024-01-03\n"
    )
    read = crm.read(
        LEADS,
        activities=mixed,
        history="lead,at,field,old,new\na1,2024-01-05T00:00:00Z,City,Rome,Oslo\n",
    )
    assert read.activities is not None
    assert read.history is not None
    last = pd.Timedelta(days=1) - pd.Timedelta(microseconds=1)
    known = dict(zip(read.activities.index, read.activities["@recorded"], strict=True))
    assert known[0] == pd.Timestamp("2024-01-01", tz="UTC") + last
    assert known[1] == pd.Timestamp("2024-01-01 12:00", tz="UTC")
    assert known[2] == pd.Timestamp("2024-01-03", tz="UTC") + last
    assert read.history["@at"].tolist() == [pd.Timestamp("2024-01-05", tz="UTC") + last]
    assert (
        "activities: 1 date without a time of day; treated as known from the end of that day."
        in read.notes
    )
    assert not any(
        "before the lead was created" in note for note in read.notes
    )  # a1 came at 10:00 on the 1st
    assert any("2 rows without a readable recording time" in note for note in read.notes)


@pytest.mark.parametrize("newest_first", [False, True])
def test_of_two_changes_in_one_second_the_last_is_that_of_the_source_whichever_end_it_starts_from(
    crm: Writer, newest_first: bool
) -> None:
    rows = [
        "a1,2024-01-05 9:00,City,Rome,Oslo",
        "a1,2024-01-06 9:00,City,Oslo,Bonn",
        "a1,2024-01-06 9:00,City,Bonn,Kiel",
    ]
    rows = rows[::-1] if newest_first else rows
    read = crm.read(LEADS, history="\n".join(["lead,at,field,old,new", *rows]) + "\n")
    assert read.history is not None
    assert read.history["@new"].tolist() == ["Oslo", "Bonn", "Kiel"]


def test_changes_that_were_entered_late_count_from_then_and_never_undo_what_was_known(
    crm: Writer,
) -> None:
    history = """lead,at,recorded,field,old,new
a1,2024-01-03 9:00,2024-03-01 9:00,City,Rome,Oslo
a2,2024-01-03 9:00,2024-03-01 9:00,City,Rome,Oslo
a2,2024-02-03 9:00,2024-02-03 9:00,City,Oslo,Bonn
"""
    read = crm.read(LEADS, history=history)
    assert read.history is not None
    told = read.history[["@id", "@at", "@new"]].to_numpy().tolist()
    assert told == [
        ["a1", pd.Timestamp("2024-03-01 9:00", tz="UTC"), "Oslo"],
        ["a2", pd.Timestamp("2024-02-03 9:00", tz="UTC"), "Bonn"],
    ]
    assert (
        "history: 1 change recorded after a later change of the same field; left out." in read.notes
    )


UGLY = (
    "Id,Created,Closed,Status\na,2024-01-01,2024-02-01,Won\na,never,,Open\n"
    ",2024-01-01,2023-01-01,Odd\nb\nc,2030-01-01,,\n"
)


def test_for_scoring_every_row_stays_in_order(crm: Writer) -> None:
    read = crm.read(UGLY, for_training=False)
    assert read.leads.index.tolist() == [0, 1, 2, 3, 4]
    assert read.leads["@id"].fillna("").tolist() == ["a", "a", "", "", "c"]
    assert read.leads["@created"].isna().tolist() == [False, True, False, True, False]
    assert read.leads["Status"].isna().tolist() == [False, False, False, True, True]
    assert reasons(read) == {
        ("leads", 1): "the creation date cannot be read",
        ("leads", 3): "the row has 1 value, but the header has 4 columns",
    }
    assert any("with a duplicate id" in note for note in read.notes)


def test_for_scoring_only_the_id_column_must_be_there(crm: Writer) -> None:
    read = crm.read("Id\na\nb\n", for_training=False)
    assert set(read.leads.columns) == {"Id", "@id"}
    assert any("'Created', 'Closed', 'Status'" in note for note in read.notes)
    with pytest.raises(DataError, match="no column 'Id'"):
        crm.read("Status\nOpen\n", for_training=False)


def test_for_scoring_a_whole_column_of_unreadable_dates_is_reported_row_by_row(crm: Writer) -> None:
    read = crm.read("Id,Created\na,x\nb,y\n", for_training=False)
    assert len(read.leads) == len(read.rejects) == 2


def test_for_scoring_activities_of_other_leads_are_left_out_without_rejecting_them(
    crm: Writer,
) -> None:
    read = crm.read(
        "Id\na1\n",
        activities="lead,at,kind\na1,2024-01-05,Call\nzz,2024-01-05,Call\n",
        for_training=False,
    )
    assert read.activities is not None
    assert read.activities["@id"].tolist() == ["a1"]
    assert read.rejects.empty


def test_the_latest_moment_does_not_lie_in_the_future(crm: Writer) -> None:
    read = crm.read(
        LEADS,
        activities="lead,at,kind\na1,2024-05-05,Call\na1,2024-06-01 20:00,Call\n",
        history="lead,at,field,new\na1,2024-05-06 10:00,City,Rome\n",
    )
    assert latest_moment(read, NOW) == pd.Timestamp("2024-05-06 10:00", tz="UTC")


def test_the_three_tables_may_lie_in_one_database(sqlite: tuple[str, sql.Engine]) -> None:
    url, engine = sqlite
    pd.DataFrame(
        {
            "Id": [1, 2],
            "Created": ["2024-01-01"] * 2,
            "Closed": ["2024-02-01", None],
            "Status": ["Won", "Open"],
        }
    ).to_sql("leads", engine)
    pd.DataFrame(
        {
            "lead_id": [1, 2],
            "at": pd.to_datetime(["2024-01-02", "2024-01-03"]),
            "kind": ["Call"] * 2,
        }
    ).to_sql("activities", engine)
    pd.DataFrame(
        {"lead_id": [1], "at": ["2024-01-02"], "field": ["Status"], "old": [None], "new": ["Won"]}
    ).to_sql("history", engine)
    read = read_crm(definition(), url, url, url, now=NOW)
    assert read.activities is not None
    assert read.history is not None
    assert (len(read.leads), len(read.activities)) == (2, 2)
    assert read.history["@new"].tolist() == ["Won"]


def test_rejects_are_written_whole_or_not_at_all(crm: Writer, tmp_path: Path) -> None:
    read = crm.read(UGLY, for_training=False)
    path = tmp_path / "out" / "rejects.csv"
    with pytest.raises(StoreError, match=r"rejects\.csv: cannot be written .*rejected rows"):
        write_rejects(read.rejects, path)
    path.parent.mkdir()
    write_rejects(read.rejects, path)
    assert path.read_text().splitlines()[:2] == [
        "table,row,id,reason",
        "leads,1,a,the creation date cannot be read",
    ]
    assert [each.name for each in path.parent.iterdir()] == ["rejects.csv"]
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError):
        write_rejects(read.rejects, path)
    assert [each.name for each in path.parent.iterdir()] == ["rejects.csv"]


def real(won: list[str], lost: list[str], **roles: str) -> Definition:
    return definition_from({"outcome": {"won": won, "lost": lost}, "columns": roles}, "a test")


def test_the_loan_applications_of_bpi_2012(shared_data: Path) -> None:
    shared = real(
        ["Closed Won"],
        ["Closed Lost"],
        id="lead_id",
        created="created",
        closed="closed",
        status="status",
    )
    folder = shared_data / "bpi-2012"
    read = read_crm(shared, str(folder / "leads.csv.gz"), str(folder / "activities.csv.gz"))
    assert read.leads["@status"].value_counts().to_dict() == {
        "Closed Lost": 10442,
        "Closed Won": 2246,
        "Open": 399,
    }
    assert read.leads["@closed"].notna().sum() == 10442 + 2246
    assert read.activities is not None
    assert len(read.activities) == 262_200
    assert read.activities.equals(read.activities.sort_values(["@id", "@at"], kind="stable"))
    assert read.rejects.empty
    assert latest_moment(read) == read.activities["@at"].max()


def test_the_pipeline_of_maven(shared_data: Path) -> None:
    shared = real(
        ["Won"],
        ["Lost"],
        id="opportunity_id",
        created="engage_date",
        closed="close_date",
        status="deal_stage",
    )
    read = read_crm(shared, str(shared_data / "maven-crm/sales_pipeline.csv"))
    assert len(read.leads) == 8_300
    assert read.rejects["reason"].value_counts().to_dict() == {"it has no creation date": 500}


def test_the_phone_campaign_of_a_bank(shared_data: Path) -> None:
    read = read_crm(
        real(["yes"], ["no"], status="y"),
        str(shared_data / "bank-marketing/bank-additional-full.csv"),
    )
    assert len(read.leads) == 41_188
    assert (read.leads["@status"] == "yes").sum() == 4_640
    assert latest_moment(read) is None


def test_the_leads_of_x_education(shared_data: Path) -> None:
    read = read_crm(
        real(["1"], ["0"], id="Prospect ID", status="Converted"),
        str(shared_data / "x-education/Leads.csv"),
    )
    assert len(read.leads) == 9_240
    assert (read.leads["@status"] == "1").sum() == 3_561


def test_the_sellers_of_olist(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "olist-marketing-funnel"
    contacts = pd.read_csv(folder / "olist_marketing_qualified_leads_dataset.csv", dtype="str")
    deals = pd.read_csv(folder / "olist_closed_deals_dataset.csv", dtype="str")[
        ["mql_id", "won_date"]
    ]
    leads = contacts.merge(deals, how="left")
    leads.assign(status=leads["won_date"].notna().map({True: "Won", False: "Open"})).to_csv(
        tmp_path / "leads.csv", index=False
    )
    shared = real(
        ["Won"],
        ["Lost"],
        id="mql_id",
        created="first_contact_date",
        closed="won_date",
        status="status",
        source="origin",
    )
    read = read_crm(shared, str(tmp_path / "leads.csv"))
    assert len(read.leads) + len(read.rejects) == 8_000
    assert (read.leads["@status"] == "Won").sum() >= 840
    assert (
        read.leads["@closed"].dropna() >= read.leads["@created"][read.leads["@closed"].notna()]
    ).all()


def test_the_changes_of_one_field_are_handed_out_and_none_where_none_are_recorded(
    crm: Writer,
) -> None:
    read = crm.read(
        LEADS,
        history="Id,At,Field,Old,New\n"
        "a2,2024-03-01,Status,New,Open\n"
        "a2,2024-02-01,City,Rome,Oslo\n"
        "a1,2024-02-01,Status,Open,Won\n",
    )
    changes = read.changes_of("Status")
    assert changes is not None
    assert changes[["@id", "@new"]].to_numpy().tolist() == [["a1", "Won"], ["a2", "Open"]]
    assert read.changes_of("Owner") is None
    assert crm.read(LEADS).changes_of("Status") is None
