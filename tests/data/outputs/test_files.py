"""Tables as files: the format follows the name, numbers are exact, and rows of a lead can be taken
out again."""

import json
from pathlib import Path

import pandas as pd
import pytest

from winnable.data.outputs.files import rows_of_leads, without_leads
from winnable.data.outputs.place import Output
from winnable.errors import DataError, StoreError

TABLE = pd.DataFrame(
    {
        "lead_id": ["L-1", "=L-2", "L-3"],
        "probability": [0.1 + 0.2, 1 / 3, None],
        "because": ["a\u2028b", "c, d", None],
        "as_of": ["2026-07-01T00:00:00Z"] * 3,
        "error": [None, None, "no date"],
    }
)


@pytest.mark.parametrize("name", ["s.parquet", "s.PQ"])
def test_parquet_has_types_and_every_bit(tmp_path: Path, name: str) -> None:
    Output(str(tmp_path / name)).write(TABLE, ())
    read = pd.read_parquet(tmp_path / name)
    assert read["probability"].equals(TABLE["probability"])
    assert str(read["as_of"].dtype) == "datetime64[us, UTC]"
    assert read["error"].isna().tolist() == [True, True, False]
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_parquet_column_without_a_value_is_text_all_the_same(tmp_path: Path) -> None:
    Output(str(tmp_path / "s.parquet")).write(TABLE.assign(error=None), ())
    assert pd.read_parquet(tmp_path / "s.parquet")["error"].dtype == "str"


@pytest.mark.parametrize("name", ["s.ndjson", "s.jsonl"])
def test_ndjson_is_a_lead_a_line_and_every_bit(tmp_path: Path, name: str) -> None:
    Output(str(tmp_path / name)).write(TABLE, ())
    rows = [json.loads(line) for line in (tmp_path / name).read_text().split("\n") if line]
    assert [row["lead_id"] for row in rows] == ["L-1", "=L-2", "L-3"]
    assert [row["probability"] for row in rows] == [0.1 + 0.2, 1 / 3, None]
    assert rows[0]["because"] == "a\u2028b"
    assert rows[0]["error"] is None


def test_csv_is_safe_in_a_spreadsheet(tmp_path: Path) -> None:
    Output(str(tmp_path / "s.csv")).write(TABLE, ())
    assert "'=L-2" in (tmp_path / "s.csv").read_text()


def test_a_table_is_written_without_row_numbers(tmp_path: Path) -> None:
    Output(str(tmp_path / "s.csv")).write(pd.DataFrame({"a": [1, 2]}), ())
    assert (tmp_path / "s.csv").read_bytes() == b"a\n1\n2\n"


def test_standard_output_is_csv(capsys: pytest.CaptureFixture[str]) -> None:
    Output("-").write(TABLE, ())
    assert capsys.readouterr().out.startswith("lead_id,probability,")


@pytest.mark.parametrize("name", ["s.parquet", "s.ndjson"])
def test_the_rows_of_a_lead_are_taken_out_and_the_others_stay_as_they_are(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    Output(str(path)).write(TABLE, ())
    assert rows_of_leads(path, {"=L-2", "L-9"}) == 1
    assert without_leads(path, {"=L-2", "L-9"}) == 1
    rest = tmp_path / f"rest-{name}"
    Output(str(rest)).write(TABLE.drop(index=1), ())
    read = pd.read_parquet if name.endswith("parquet") else lambda at: pd.read_json(at, lines=True)
    pd.testing.assert_frame_equal(read(path), read(rest))
    assert without_leads(path, {"=L-2"}) == 0


@pytest.mark.parametrize("name", ["s.parquet", "s.ndjson"])
def test_a_file_that_does_not_say_whose_rows_it_has_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Output(str(path)).write(TABLE[["probability"]], ())
    with pytest.raises(DataError, match=name):
        rows_of_leads(path, {"L-1"})
    path.write_bytes(b"\x00broken")
    with pytest.raises(DataError, match=name):
        without_leads(path, {"L-1"})


@pytest.mark.parametrize("name", ["s.json", "s.xlsx", "s.tsv"])
def test_a_format_that_is_not_written_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match=r"\.csv, \.parquet or \.ndjson"):
        Output(name).check((), ())


def test_a_folder_that_is_not_there_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no folder"):
        Output(str(tmp_path / "none" / "s.parquet")).check((), ())
