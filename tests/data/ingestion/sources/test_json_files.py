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
