"""Every row of every table is used, or rejected once with a reason, whatever is wrong with it."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.schema import Definition
from winnable.errors import DataError

NOW = pd.Timestamp("2024-06-01", tz="UTC")
DEFINITION = Definition.model_validate(
    {
        "outcome": {"won": ["Won"], "lost": ["Lost"]},
        "columns": {"id": "Id", "created": "Created", "closed": "Closed", "status": "Status"},
    }
)
IDS = ("1", "2", "3", "4", "5", "6", "", "null", " 1 ")
DATES = (
    *("2024-01-03", "2024-01-09 08:30", "3/1/2024", "45300", "1704067200", "2023-12-31T10:00Z"),
    *("", "-", "soon", "2031-01-01", "99/99/2024"),
)
STATUSES = ("Won", "Lost", "New", "", "won", "W&#111;n")
FIELDS = ("Status", "Size", "", "status")
LINKS = (*IDS, "1; 2", "[1, 3]", "9", "1;9", "8/9")
RAGGED = st.sampled_from(("", "", "", "", "", ",one cell more"))


def lines(header: str, *cells: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A table some of whose rows have a cell too many; no two are the same."""
    row = st.tuples(st.tuples(*cells).map(",".join), RAGGED).map("".join)
    return st.lists(row, min_size=1, max_size=12).map(
        lambda rows: "\n".join([header, *dict.fromkeys(rows)])
    )


def one_of(words: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(words)


# The first leads and rows are sound, so that the tables can be read at all.
LEADS = lines("Id,Created,Closed,Status", one_of(IDS), *[one_of(DATES)] * 2, one_of(STATUSES))
ACTIVITIES = lines("Lead Id,At,Kind", one_of(LINKS), one_of(DATES), st.sampled_from(("Call", "")))
HISTORY = lines(
    "Lead Id,At,Field,Old,New",
    one_of(LINKS),
    one_of(DATES),
    one_of(FIELDS),
    *[one_of(STATUSES)] * 2,
)
SOUND = {
    "leads": "11,2024-01-01,2024-02-01,Won\n12,2024-01-02,2024-02-02,Lost",
    "activities": "11,2024-01-05,Call\n12,2024-01-06,Mail",
    "history": "11,2024-01-05,Status,New,Won\n12,2024-01-06,Status,New,Lost",
}


def rows_of(crm: Crm, table: str) -> tuple[list[int], list[int]]:
    """The numbers of the rows that are used, and of those that are rejected."""
    frame = getattr(crm, table)
    assert frame is not None
    rejected = crm.rejects[crm.rejects["table"] == table]
    assert rejected["reason"].str.len().gt(0).all()
    return sorted({*frame.index}), sorted(rejected["row"])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_rows_in_are_rows_used_and_rows_rejected(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder: Path = tmp_path_factory.mktemp("crm")
    paths = {}
    sizes = {}
    for name, strategy in (("leads", LEADS), ("activities", ACTIVITIES), ("history", HISTORY)):
        header, *rows = data.draw(strategy, label=name).split("\n")
        path = folder / f"{name}.csv"
        path.write_text("\n".join([header, SOUND[name], *rows]) + "\n", encoding="utf-8")
        paths[name] = str(path)
        sizes[name] = 2 + len(rows)
    try:
        crm = read_crm(DEFINITION, **paths, now=NOW)  # type: ignore[arg-type]
    except DataError:
        return  # refused as a whole, with a sentence
    for name, size in sizes.items():
        used, rejected = rows_of(crm, name)
        assert sorted([*used, *rejected]) == list(range(size)), name
    assert crm.leads["@id"].is_unique


@pytest.mark.parametrize("table", ["leads", "activities", "history"])
def test_the_number_of_rows_is_that_of_the_file(tmp_path: Path, table: str) -> None:
    """With every kind of fault once."""
    rows = {
        "leads": ["1,2024-01-01,,New", ",2024-01-01,,New", "2,soon,,New", "1,2024-01-02,,New"],
        "activities": ["11,soon,Call", ",2024-01-05,Call", "7,2024-01-05,Call", "11;12,45300,Call"],
        "history": ["11,,Status,,Won", ",45300,Status,,Won", "12,45300,,,Won", "9,45300,Status,,x"],
    }[table]
    headers = {"leads": "Id,Created,Closed,Status", "activities": "Lead Id,At,Kind"}
    headers["history"] = "Lead Id,At,Field,Old,New"
    paths = {}
    for name, header in headers.items():
        path = tmp_path / f"{name}.csv"
        more = [*rows, "x" + "," * 9] if name == table else []
        path.write_text("\n".join([header, SOUND[name], *more]) + "\n", encoding="utf-8")
        paths[name] = str(path)
    crm = read_crm(DEFINITION, **paths, now=NOW)  # type: ignore[arg-type]
    used, rejected = rows_of(crm, table)
    assert sorted([*used, *rejected]) == list(range(7))
    assert len(rejected) >= 4 - (table == "leads")
