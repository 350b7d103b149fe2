"""Sheets of workbooks are read as what their cells are; which sheet is meant is found or asked."""

import datetime as dt
from pathlib import Path

import pytest

from tests.data.ingestion.sources.workbooks import XLS, ods, xlsx
from winnable.data.ingestion.sources.options import ReadOptions
from winnable.data.ingestion.sources.source import read_source
from winnable.errors import DataError

ROWS = [
    ["Lead ID", "Status", "Created", "Amount"],
    ["007", "Won", dt.datetime(2024, 3, 13, 9, 30), 1234.5],
    ["008", None, dt.datetime(2024, 3, 14, 10), 2],
]
LOG = [["Lead ID", "Kind"], ["007", "Call"], ["008", "Call"]]


def stored(folder: Path, content: bytes, name: str = "crm.xlsx") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def rows(source: str, kind: str = "leads", **options: str | int) -> list[list[str | None]]:
    data = read_source(source, kind, ReadOptions(**options)).data
    cells = data.astype(object).where(data.notna(), None).to_numpy().tolist()
    return [list(data.columns), *cells]


@pytest.mark.parametrize("write", [xlsx, ods])
@pytest.mark.parametrize("name", ["crm.xlsx", "crm.ods", "crm.xls", "crm.csv"])
def test_cells_are_what_they_are_whatever_the_name(tmp_path: Path, write, name: str) -> None:
    assert rows(stored(tmp_path, write({"Sheet1": ROWS}), name)) == [
        ["Lead ID", "Status", "Created", "Amount"],
        ["007", "Won", "2024-03-13 09:30:00", "1234.5"],
        ["008", None, "2024-03-14 10:00:00", "2"],
    ]


def test_old_excel(tmp_path: Path) -> None:
    assert rows(stored(tmp_path, XLS, "crm.xls")) == [
        ["Id", "Status", "Created"],
        ["1", "Won", "2024-03-01 09:30:00"],
        ["2", "Lost", "2024-03-02"],
    ]


def test_the_sheet_is_the_only_table_or_the_one_called_like_it_or_named(tmp_path: Path) -> None:
    alone = stored(tmp_path, xlsx({"Notes": [["Draft"]], "Data": LOG, "Old": ROWS}, ["Old"]))
    assert rows(alone) == LOG
    called = stored(tmp_path, xlsx({"Activities": LOG, "Leads": ROWS}), "two.xlsx")
    assert rows(called)[0] == ROWS[0]
    assert rows(called, "activities") == LOG
    unclear = stored(tmp_path, xlsx({"A": LOG, "B": ROWS}), "unclear.xlsx")
    with pytest.raises(DataError, match=r"several sheets .* 'A' \(3 rows\), 'B' \(3 rows\)"):
        rows(unclear)
    legend = stored(tmp_path, xlsx({"Legend": ROWS[:2], "All": ROWS}), "legend.xlsx")
    with pytest.raises(DataError, match=r"as in 'legend\.xlsx#All'"):
        rows(legend)
    assert rows(unclear, sheet="B")[0] == ROWS[0]
    assert rows(f"{unclear}#A") == LOG
    with pytest.raises(DataError, match="no sheet 'C'; its sheets: 'A', 'B'"):
        rows(unclear, sheet="C")


def test_titles_and_totals_of_a_sheet_are_no_leads(tmp_path: Path) -> None:
    titled = [
        ["Lead report"],
        ["As of", dt.datetime(2024, 7, 1)],
        [],
        *ROWS,
        ["Total", None, None, 9],
    ]
    source = stored(tmp_path, xlsx({"Report": titled}))
    table = read_source(source, "leads")
    assert table.data["Lead ID"].tolist() == ["007", "008"]
    assert table.notes == ("crm.xlsx: the header is row 4; 2 rows above it were skipped.",)
    assert list(table.broken) == [2]
    assert rows(source, header_row=4)[1][0] == "007"
    with pytest.raises(DataError, match="--header-row 99 is below"):
        rows(source, header_row=99)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (xlsx({"A": []}), "the sheet 'A' is empty"),
        (xlsx({"A": ROWS})[:-80], "a damaged Excel file"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "a damaged Excel file"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says):
        rows(stored(tmp_path, content))
