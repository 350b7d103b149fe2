"""JSON and JSON lines are read as tables, as APIs answer them; an error shows nobody's data."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from winnable.data.ingestion.sources.source import read_source
from winnable.data.ingestion.sources.text_table import TextTable
from winnable.errors import DataError

LEADS = [
    {"Lead ID": "007", "Status": "Won", "Size": 12, "Rate": 0.5, "Mail": "ann@example.com"},
    {"Lead ID": "008", "Status": None, "Size": 12345678901234567890, "Ok": True},
]


def read(folder: Path, text: str | bytes, name: str = "leads.csv") -> TextTable:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_source(str(path), "leads")


def check_leads(table: TextTable) -> None:
    rows = table.data.astype(object).where(table.data.notna(), None)
    assert rows.to_dict("records") == [
        {
            "Lead ID": "007",
            "Status": "Won",
            "Size": "12",
            "Rate": "0.5",
            "Mail": "ann@example.com",
            "Ok": None,
        },
        {
            "Lead ID": "008",
            "Status": None,
            "Size": "12345678901234567890",
            "Rate": None,
            "Mail": None,
            "Ok": "true",
        },
    ]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(LEADS),
        json.dumps(LEADS, indent=2),
        "\ufeff" + json.dumps(LEADS),
        "\n".join(map(json.dumps, LEADS)),
        "\r\n".join(map(json.dumps, LEADS)) + "\r\n\r\n",
        json.dumps({"totalSize": 2, "done": True, "records": LEADS}),
        json.dumps({"success": True, "data": LEADS, "additional_data": {"x": []}}),
        json.dumps({"results": LEADS, "paging": {"next": {"after": "1"}}}),
        json.dumps({"@odata.context": "x", "value": LEADS}),
        json.dumps({"d": {"results": LEADS}}),
        json.dumps({"meta": {}, "enquiries": LEADS}),
    ],
)
@pytest.mark.parametrize("name", ["leads.json", "leads.ndjson", "leads.csv", "leads"])
def test_every_layout_under_every_name(tmp_path: Path, text: str, name: str) -> None:
    check_leads(read(tmp_path, text, name))


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_packed_json(tmp_path: Path, packing: str) -> None:
    lines = "\n".join(map(json.dumps, LEADS)).encode()
    check_leads(read(tmp_path, pa.compress(lines, codec=packing, asbytes=True), "leads.jsonl.x"))


@pytest.mark.parametrize(
    ("around", "says"),
    [
        ({"paging": {"next": {"after": "1"}}}, "another page ('next')"),
        ({"total": 512, "paging": {"next": {"after": "1"}}}, "all 512, so 510 of them"),
        ({"totalSize": 4_512, "done": False}, "all 4,512, so 4,510 of them"),
        ({"done": False, "nextRecordsUrl": "/query/01g-2000"}, "another page ('nextRecordsUrl')"),
        ({"has_more": True}, "another page ('has_more')"),
        ({"has_more": True, "total": 2}, "another page ('has_more')"),
        ({"@odata.nextLink": "https://crm.example.com/?$skiptoken=1"}, "('@odata.nextLink')"),
        ({"additional_data": {"pagination": {"more_items_in_collection": True}}}, "another page"),
        ({"info": {"per_page": 200, "more_records": True, "page": 1}}, "('more_records')"),
        ({"next": 50, "total": 900}, "all 900, so 898 of them are missing"),
        ({"meta": {"current_page": 1, "total_pages": 7}}, "another page ('page 1 of 7')"),
        ({"links": {"next": "https://api.example.com/leads?page=2"}}, "another page ('next')"),
    ],
)
def test_a_page_of_an_answer_says_that_leads_are_missing(
    tmp_path: Path, around: dict[str, object], says: str
) -> None:
    table = read(tmp_path, json.dumps({**around, "records": LEADS}))
    check_leads(table)
    [note] = table.notes
    assert says in note
    assert "WARNING: this is not everything. The API's answer holds 2 records" in note
    assert "http" not in note


@pytest.mark.parametrize(
    "around",
    [
        {"totalSize": 2, "done": True},
        {"has_more": False},
        {"paging": {"next": None}},
        {"info": {"more_records": False, "page": 1, "count": 2}},
        {"additional_data": {"pagination": {"start": 0, "more_items_in_collection": False}}},
        {"meta": {"current_page": 1, "total_pages": 1, "total": 2}},
        {"links": {"self": "https://api.example.com/leads", "next": None}},
        {"success": True},
    ],
)
def test_a_whole_answer_is_read_without_a_word(tmp_path: Path, around: dict[str, object]) -> None:
    assert read(tmp_path, json.dumps({**around, "data": LEADS})).notes == ()


def test_pages_in_a_folder_are_whole_if_one_says_that_none_follows(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        answer = {"results": LEADS, "paging": {"next": {"after": "1"}} if number < 3 else None}
        (tmp_path / f"page{number}.json").write_text(json.dumps(answer))
    assert read_source(str(tmp_path), "leads").notes == ()
    (tmp_path / "page3.json").unlink()
    [note] = read_source(str(tmp_path), "leads").notes
    assert "holds 4 records and tells of another page" in note


PAGES = {
    "HubSpot": ("results", {"paging": {"next": {"after": "1"}}}, {}),
    "Pipedrive": (
        "data",
        {"success": True, "additional_data": {"pagination": {"more_items_in_collection": True}}},
        {"success": True, "additional_data": {"pagination": {"more_items_in_collection": False}}},
    ),
    "Close": ("data", {"has_more": True, "total_results": 3}, {"has_more": False}),
    "Salesforce": ("records", {"totalSize": 3, "done": False}, {"totalSize": 3, "done": True}),
    "Freshsales": ("contacts", {"meta": {"total_pages": 2}}, {"meta": {"total_pages": 2}}),
    "Dynamics": ("value", {"@odata.nextLink": "https://x"}, {"@odata.context": "x"}),
}


def pages_of(vendor: str) -> list[dict[str, object]]:
    key, more, last = PAGES[vendor]
    return [{key: LEADS[:1], **more}, {key: [], **more}, {key: LEADS[1:], **last}]


@pytest.mark.parametrize("vendor", PAGES)
@pytest.mark.parametrize("layout", ["lines", "array"])
def test_answers_in_one_file_are_the_rows_of_all_pages(
    tmp_path: Path, vendor: str, layout: str
) -> None:
    pages = pages_of(vendor)
    text = json.dumps(pages) if layout == "array" else "\n".join(map(json.dumps, pages))
    table = read(tmp_path, text)
    check_leads(table)
    of_three = vendor in ("Close", "Salesforce")
    assert [("3" in note, "missing" in note) for note in table.notes] == [(True, True)] * of_three


def test_answers_of_which_each_tells_of_another_say_that_leads_are_missing(tmp_path: Path) -> None:
    table = read(tmp_path, "\n".join(map(json.dumps, pages_of("HubSpot")[:2])) + '\n{"resul')
    assert len(table.data) == 1
    assert table.broken == {1: "the line is not valid JSON"}
    assert "another page ('next')" in table.notes[0]


def test_records_with_a_list_in_them_are_records(tmp_path: Path) -> None:
    leads = [{"lead_id": "1", "items": [{"a": 1}]}, {"lead_id": "2", "items": []}]
    for text in (json.dumps(leads), "\n".join(map(json.dumps, leads))):
        assert read(tmp_path, text).data["lead_id"].tolist() == ["1", "2"]


def test_what_odata_says_about_a_record_is_no_column(tmp_path: Path) -> None:
    record = {"@odata.etag": 'W/"1"', "leadid": "1", "subject": "Pump"}
    table = read(tmp_path, json.dumps({"@odata.context": "x", "value": [record]}))
    assert list(table.data.columns) == ["leadid", "subject"]


def test_what_is_nested_becomes_columns(tmp_path: Path) -> None:
    record = {
        "attributes": {"type": "Lead", "url": "/services/1"},
        "Id": "1",
        "Owner": {"attributes": {"type": "User", "url": "/services/2"}, "Name": "Ann"},
        "Tags": ["a", "b"],
        "None": [],
        "properties": {"amount": "5", "Id": "2"},
    }
    table = read(tmp_path, json.dumps({"records": [record]}))
    assert table.data.iloc[0].dropna().to_dict() == {
        "Id": "1",
        "Owner.Name": "Ann",
        "Tags": '["a", "b"]',
        "amount": "5",
        "properties.Id": "2",
    }


def test_a_broken_line_is_a_broken_row(tmp_path: Path) -> None:
    table = read(tmp_path, '{"a": 1}\n{"a": \n[3]\n{"a": 4}\n')
    assert table.data["a"].tolist() == ["1", "4"]
    assert table.data.index.tolist() == [0, 3]
    assert table.broken == {
        1: "the line is not valid JSON",
        2: "the record is not a JSON object",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps(LEADS * 2_000)[:-9], "not valid: .* in line 1, column .* export it again"),
        ("[1, 2, 3]", "the record is not a JSON object"),
        ("[]", "there are no records in it"),
        ("[" * 100_000, "not valid|too deeply nested"),
        ('[{"a": ' + "9" * 5_000 + "}]", "a number that is too long"),
        (json.dumps({"leads_of_ann": LEADS, "leads_of_bob": LEADS}), "several tables"),
    ],
)
def test_what_is_no_table_is_said_in_a_sentence_without_data(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(DataError, match=says) as caught:
        read(tmp_path, text, "leads.json")
    assert len(str(caught.value)) < 500
    assert "example.com" not in str(caught.value)
