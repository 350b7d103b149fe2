"""Tables are read from where companies keep them, however ugly, and what cannot be read is
explained in one sentence."""

import datetime as dt
import gzip
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sql
from hypothesis import given, settings
from hypothesis import strategies as st

from winnable.core.values import text
from winnable.data.ingestion.sources.source import read_source
from winnable.data.ingestion.sources.text_table import TextTable
from winnable.errors import DataError

ROWS = [("Müller", "Köln"), ("O'Neil, Ann", "a|b;c\td"), ('says "no"', "two\nlines")]


def written(separator: str = ",") -> str:
    """The rows as CSV, quoted where needed."""
    frame = pd.DataFrame(ROWS, columns=["Name", "City"])
    return frame.to_csv(index=False, sep=separator)


def read(path: Path, content: bytes | str) -> TextTable:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_source(str(path), "leads")


def rows_of(table: TextTable) -> list[tuple[str | None, ...]]:
    return [
        tuple(None if pd.isna(value) else value for value in row)
        for row in table.data.itertuples(index=False, name=None)
    ]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_encoding_separator_and_line_end(
    tmp_path: Path, encoding: str, separator: str, newline: str
) -> None:
    table = read(tmp_path / "leads.csv", written(separator).replace("\n", newline).encode(encoding))
    assert list(table.data.columns) == ["Name", "City"]
    assert rows_of(table) == [(name, city.replace("\n", newline)) for name, city in ROWS]
    assert table.data.dtypes.tolist() == ["str", "str"]


@pytest.mark.parametrize("name", ["leads.csv.gz", "leads.csv"])
def test_packed_files_are_known_by_their_content(tmp_path: Path, name: str) -> None:
    assert rows_of(read(tmp_path / name, gzip.compress(written().encode()))) == ROWS


def test_windows_1252_is_said(tmp_path: Path) -> None:
    assert "Windows-1252" in read(tmp_path / "leads.csv", written().encode("cp1252")).notes[0]


def test_a_wrong_byte_late_in_a_large_file_is_found(tmp_path: Path) -> None:
    table = read(tmp_path / "leads.csv", b"a,b\n" + b"1,2\n" * 1_000_000 + b"\xe9,3\n")
    assert table.data["a"].iloc[-1] == "é"


def test_the_first_line_may_name_the_separator(tmp_path: Path) -> None:
    assert rows_of(read(tmp_path / "leads.csv", "sep=|\r\na|b,c\r\n1|2,3\r\n")) == [("1", "2,3")]


def test_blanks_at_the_ends_and_words_for_nothing(tmp_path: Path) -> None:
    table = read(
        tmp_path / "leads.csv", "\ufeff Name ,City\t,  Score\n Ann ,Select, 7 \nn/a, Rome\u00a0,-\n"
    )
    assert list(table.data.columns) == ["Name", "City", "Score"]
    assert rows_of(table) == [("Ann", None, "7"), (None, "Rome", None)]


def test_cells_that_a_web_page_escaped_are_what_they_mean(tmp_path: Path) -> None:
    cells = ["M&uuml;ller &amp; Co", "Müller & Co", "&nbsp;", "R&D"]
    path = tmp_path / "leads.csv"
    path.write_text("Firma,Nr\n" + "".join(f'"{cell}",1\n' for cell in cells), encoding="utf-8")
    found = read_source(str(path), "leads").data["Firma"]
    assert [None if pd.isna(cell) else cell for cell in found] == [text(cell) for cell in cells]


def test_ragged_rows_are_set_aside_with_number_and_reason_and_the_others_keep_their_numbers(
    tmp_path: Path,
) -> None:
    table = read(tmp_path / "leads.csv", 'a,b,c\n1,2,3\n1,2\n4,"x\ny",6\n\n7,8,9,10\n11,12,13\n')
    assert table.data.index.tolist() == [0, 2, 4]
    assert table.broken == {
        1: "the row has 2 values, but the header has 3 columns",
        3: "the row has 4 values, but the header has 3 columns",
    }
    assert table.size == 5


def test_numbers_of_ragged_rows_stay_right_over_many_blocks(tmp_path: Path) -> None:
    lines = [f'{row},"{"x" * 400}\n"' if row % 9_973 else f"{row},a,b" for row in range(100_000)]
    table = read(tmp_path / "leads.csv", "row,text\n" + "\n".join(lines) + "\n")
    assert sorted(table.broken) == list(range(0, 100_000, 9_973))
    assert (table.data["row"].astype(int) == table.data.index).all()


def test_a_quotation_mark_that_is_not_closed_is_suspected(tmp_path: Path) -> None:
    table = read(tmp_path / "leads.csv", 'a,b,c\n1,2,3\n4,"5,6\n7,8,9\n7,8,9\n')
    assert "quotation mark" in table.broken[1]


def test_no_row_fits_the_header(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=(
            "none of its 2 rows fits the header: the row has 3 values, but the header has 2 columns"
        ),
    ):
        read(tmp_path / "leads.csv", "a,b\n1,2,3\n4,5,6\n")


def test_names_that_stand_twice_are_numbered_and_missing_ones_called_by_their_place(
    tmp_path: Path,
) -> None:
    table = read(tmp_path / "leads.csv", "Name,Name ,,Name\n1,2,3,4\n")
    assert list(table.data.columns) == ["Name", "Name (2)", "column 3", "Name (3)"]
    assert table.doubled == {"Name"}
    assert "'Name' more than once" in table.notes[0]


def test_a_numbered_name_never_meets_a_real_one(tmp_path: Path) -> None:
    assert list(
        read(tmp_path / "leads.csv", "Name (2),Name,Name,column 4,\n1,2,3,4,5\n").data.columns
    ) == [
        "Name (2)",
        "Name",
        "Name (3)",
        "column 4",
        "column 5",
    ]


@pytest.mark.parametrize("content", ["a,b", "a,b\n", "a,b\r\n\r\n"])
def test_a_header_alone_is_a_table_without_rows(tmp_path: Path, content: str) -> None:
    table = read(tmp_path / "leads.csv", content)
    assert list(table.data.columns) == ["a", "b"]
    assert table.size == 0


def test_one_column_is_a_table(tmp_path: Path) -> None:
    assert rows_of(read(tmp_path / "leads.csv", "Status\nWon\nLost\n")) == [("Won",), ("Lost",)]


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12).map(
    lambda cell: f"x{cell}x"
)


@settings(max_examples=60, deadline=None)
@given(
    cells=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8),
    separator=st.sampled_from(",;\t|"),
)
def test_what_a_csv_writer_wrote_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, ...]], separator: str
) -> None:
    frame = pd.DataFrame(cells, columns=["one", "two", "three"])
    path = tmp_path_factory.mktemp("csv") / "leads.csv"
    frame.to_csv(path, index=False, sep=separator, quoting=1)
    assert rows_of(read_source(str(path), "leads")) == cells


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"PK\x03\x04" + b"\0" * 100, "Excel"),
        (b"%PDF-1.7\n", "PDF"),
        (b"SQLite format 3\0", "sqlite:///path#table"),
        (b"PAR1\x15\x04", "Parquet"),
        (bytes(range(256)) * 40, "binary file"),
        (os.urandom(5000), "binary file|neither UTF-8"),
        (gzip.compress(b"a,b\n1,2\n" * 100, mtime=0)[:-20], "damaged or truncated"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        read(tmp_path / "leads.csv", content)
    assert "leads.csv" in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv: there is no such file or folder"):
        read_source(str(tmp_path / "nowhere.csv"), "leads")


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user without rights, where the tests run as root, who may read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_no_permission() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "leads.csv"
        path.write_text("a\n1\n")
        read_source(str(path), "leads")
        path.chmod(0)
        with without_rights(), pytest.raises(DataError, match="no permission"):
            read_source(str(path), "leads")


def parquet(path: Path) -> None:
    pq.write_table(
        pa.table(
            {
                "id": pa.array([1, 2, None]),
                "size": pa.array([3.0, 2.5, float("nan")]),
                "won": pa.array([True, False, None]),
                "day": pa.array([dt.date(2024, 3, 1), None, None]),
                "at": pa.array(
                    [dt.datetime(2024, 3, 1, 9, tzinfo=dt.UTC)] * 3,
                    pa.timestamp("ns", "Europe/Berlin"),
                ),
                "word": pa.array([" a ", "Select", "a"]).dictionary_encode(),
                "price": pa.array([Decimal("10.50"), None, None]),
                "tags": pa.array([["x", "y"], [], None]),
            }
        ),
        path,
    )


def test_parquet_is_text_as_if_it_had_been_a_csv(tmp_path: Path) -> None:
    parquet(tmp_path / "leads.parquet")
    assert rows_of(read_source(str(tmp_path / "leads.parquet"), "leads")) == [
        (
            "1",
            "3",
            "true",
            "2024-03-01",
            "2024-03-01 10:00:00.000000+0100",
            "a",
            "10.50",
            '["x", "y"]',
        ),
        ("2", "2.5", "false", None, "2024-03-01 10:00:00.000000+0100", None, None, "[]"),
        (None, None, None, None, "2024-03-01 10:00:00.000000+0100", "a", None, None),
    ]


def test_a_pandas_index_is_no_column(tmp_path: Path) -> None:
    pd.DataFrame({"a": ["1", "2", "3"]}).iloc[[0, 2]].to_parquet(tmp_path / "leads.parquet")
    assert list(read_source(str(tmp_path / "leads.parquet"), "leads").data.columns) == ["a"]


def test_what_is_no_parquet_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read(tmp_path / "leads.parquet", "a,b\n1,2\n")


def test_a_folder_of_csvs_is_one_table_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("id;City\n3;Rome\n")
    (tmp_path / "a.csv").write_text("id,Name\n1,Ann\n1\n2,Bob\n")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / ".hidden.csv").write_text("x\n1\n")
    table = read_source(str(tmp_path), "leads")
    assert rows_of(table) == [("1", "Ann", None), ("2", "Bob", None), ("3", None, "Rome")]
    assert table.data.index.tolist() == [0, 2, 3]
    assert list(table.broken) == [1]
    assert "'City', 'Name'" in table.notes[0]


def test_a_folder_of_parquet_with_changing_types_is_one_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2]}), tmp_path / "part-0.parquet")
    pq.write_table(pa.table({"id": [3.0, None]}), tmp_path / "part-1.parquet")
    assert rows_of(read_source(str(tmp_path), "leads")) == [("1",), ("2",), ("3",), (None,)]


def test_a_folder_without_tables_and_one_with_two_kinds(tmp_path: Path) -> None:
    (tmp_path / "notes.docx").write_text("")
    with pytest.raises(
        DataError,
        match=(
            r"no CSV, JSON, Excel, Parquet or Arrow file directly in this folder"
            r" \(it has: notes.docx\)"
        ),
    ):
        read_source(str(tmp_path), "leads")
    (tmp_path / "a.csv").write_text("a\n1\n")
    parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="both CSV and Parquet"):
        read_source(str(tmp_path), "leads")


def fill(engine: sql.Engine, name: str = "leads", schema: str | None = None) -> None:
    table = sql.Table(
        name,
        sql.MetaData(),
        sql.Column("Lead ID", sql.Integer, primary_key=True),
        sql.Column("created", sql.DateTime(timezone=True)),
        sql.Column("won", sql.Boolean),
        sql.Column("size", sql.Float),
        sql.Column("price", sql.Numeric(10, 2)),
        sql.Column("city", sql.Text),
        schema=schema,
    )
    with engine.begin() as connection:
        table.drop(connection, checkfirst=True)
        table.create(connection)
        made = dt.datetime(2024, 3, 1, 9, 30, tzinfo=dt.UTC)
        connection.execute(
            table.insert(),
            [
                {
                    "Lead ID": 2,
                    "created": made,
                    "won": True,
                    "size": 3.0,
                    "price": Decimal("10.50"),
                    "city": " Köln ",
                },
                {
                    "Lead ID": 1,
                    "created": None,
                    "won": False,
                    "size": 2.5,
                    "price": None,
                    "city": "Select",
                },
            ],
        )


def check_filled(table: TextTable) -> None:
    assert list(table.data.columns) == ["Lead ID", "created", "won", "size", "price", "city"]
    first, second = rows_of(table)
    assert first == ("1", None, "false", "2.5", None, None)
    assert (second[0], *second[2:]) == ("2", "true", "3", "10.50", "Köln")
    assert pd.to_datetime(second[1], utc=True) == pd.Timestamp("2024-03-01 09:30", tz="UTC")


@pytest.mark.parametrize("named", ["#leads", ""])
def test_sqlite(sqlite: tuple[str, sql.Engine], named: str) -> None:
    url, engine = sqlite
    fill(engine)
    check_filled(read_source(url + named, "leads"))


@pytest.mark.parametrize("named", ["#leads", ""])
def test_postgresql(empty_postgres: str, named: str) -> None:
    url = empty_postgres.replace("postgresql://", "postgresql+psycopg://")
    fill(engine := sql.create_engine(url))
    engine.dispose()
    check_filled(read_source(empty_postgres + named, "leads"))


def test_a_table_in_a_schema_and_a_view(postgres: str) -> None:
    engine = sql.create_engine(postgres.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(sql.text("create schema if not exists sales"))
    fill(engine, "Old Leads", "sales")
    with engine.begin() as connection:
        connection.execute(
            sql.text('create or replace view wins as select * from sales."Old Leads" where won')
        )
    engine.dispose()
    check_filled(read_source(f"{postgres}#sales.Old Leads", "leads"))
    assert read_source(f"{postgres}#wins", "leads").data["Lead ID"].tolist() == ["2"]


def test_more_rows_than_a_batch(sqlite: tuple[str, sql.Engine]) -> None:
    url, engine = sqlite
    pd.DataFrame({"id": range(120_001)}).to_sql("leads", engine, index=False)
    assert read_source(url, "leads").data["id"].astype(int).tolist() == list(range(120_001))


def test_an_empty_table_of_a_database(sqlite: tuple[str, sql.Engine]) -> None:
    url, engine = sqlite
    pd.DataFrame({"id": pd.array([], dtype="int64")}).to_sql("leads", engine, index=False)
    table = read_source(url, "leads")
    assert list(table.data.columns) == ["id"]
    assert table.size == 0


def test_no_such_table_lists_those_there_are(sqlite: tuple[str, sql.Engine], postgres: str) -> None:
    url, engine = sqlite
    fill(engine, "customers")
    with pytest.raises(DataError, match="no table 'leads'; its tables are: customers"):
        read_source(url, "leads")
    with pytest.raises(DataError, match="no table 'Deals'"):
        read_source(f"{postgres}#Deals", "leads")


def test_no_such_sqlite_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such SQLite file"):
        read_source(f"sqlite:///{tmp_path}/crm.db#leads", "leads")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_sqlite_database(tmp_path: Path) -> None:
    (tmp_path / "crm.db").write_bytes(b"not a database, " * 100)
    with pytest.raises(DataError, match="not a database"):
        read_source(f"sqlite:///{tmp_path}/crm.db#leads", "leads")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://ann:s3cr3t@127.0.0.1:1/crm#leads", "cannot be read"),
        ("postgresql://ann@127.0.0.1:1/crm?password=s3cr3t#leads", "cannot be read"),
        ("postgresql://ann:s3cr3t%2F@127.0.0.1:1/crm", "cannot be read"),
        ("postgresql://ann:s3cr3t@127.0.0.1:port/crm#leads", "URL cannot be parsed"),
        ("postgresql://ann:s3#cr3t@127.0.0.1/crm", "%23"),
        ("oracle+none://ann:s3cr3t@host/crm#leads", "databases of this kind are not supported"),
        ("mysql+mysqldb://ann:s3cr3t@host/crm#leads", "driver 'MySQLdb'"),
    ],
)
def test_no_error_shows_a_password(url: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        read_source(url, "leads")
    seen = io.StringIO()
    seen.write(str(caught.value))
    chain: BaseException | None = caught.value
    while chain is not None and not chain.__suppress_context__:
        chain = chain.__cause__ or chain.__context__
        seen.write(str(chain))
    assert "s3cr3t" not in seen.getvalue()
    assert "cr3t" not in seen.getvalue()


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("bank-marketing/bank-additional-full.csv", 41_188, 21),
        ("bpi-2012/leads.csv.gz", 13_087, 5),
        ("bpi-2012/activities.csv.gz", 262_200, 5),
        ("x-education/Leads.csv", 9_240, 37),
        ("olist-marketing-funnel/olist_marketing_qualified_leads_dataset.csv", 8_000, 4),
        ("olist-marketing-funnel/olist_closed_deals_dataset.csv", 842, 14),
        ("maven-crm/sales_pipeline.csv", 8_800, 8),
    ],
)
def test_real_exports_are_read_whole(shared_data: Path, name: str, rows: int, columns: int) -> None:
    table = read_source(str(shared_data / name), "leads")
    assert table.data.shape == (rows, columns)
    assert not table.broken


def test_select_means_that_nobody_chose(shared_data: Path) -> None:
    table = read_source(str(shared_data / "x-education/Leads.csv"), "leads")
    assert table.data["Specialization"].isna().sum() == 1942 + 1438
