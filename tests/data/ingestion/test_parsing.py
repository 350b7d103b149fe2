"""Whole columns are parsed like single values, and a column decides what one value leaves open."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from winnable.core import values
from winnable.data.ingestion.parsing import (
    DayOrder,
    day_order,
    decimal_mark,
    parse_moments,
    parse_numbers,
)

ODD_NUMBERS = st.from_regex(
    r"[($€£+-]{0,2} ?[0-9]{0,4}([.,' ][0-9]{2,3}){0,3}([.,][0-9]{0,4})?(e[0-9])?( ?[%)€-])?",
    fullmatch=True,
)
ODD_DATES = st.from_regex(
    r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.]([0-9]{4}|[0-9]{2})(,? [0-9]{1,2}:[0-9]{2}(:[0-9]{2})?("
    r" ?[apAP][mM])?)?( ?Z|\+01)?",
    fullmatch=True,
)
ODD_ISO = st.from_regex(
    r"[0-2][0-9]{3}-[01][0-9]-[0-3][0-9](["
    r" T][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,9})?)?(Z|[+-][0-2][0-9]:?[0-6][0-9])?)?",
    fullmatch=True,
)


def column(*written: str | None) -> "pd.Series[str]":
    return pd.Series(list(written), dtype="str")


@given(
    st.lists(
        st.none()
        | ODD_NUMBERS
        | st.floats(allow_nan=False).map(str)
        | st.integers().map(str)
        | st.text(max_size=8)
    ),
    st.sampled_from(".,"),
)
@example(["9" * 400, "-0", "1,234", "1.234", "00,012"], ".")
@example(["9" * 400, "-0", "1,234", "1.234", "00.012"], ",")
def test_numbers_of_a_column_are_the_numbers_of_its_values(
    written: list[str | None], decimal: str
) -> None:
    expected = [
        np.nan if each is None or (read := values.number(each, decimal)) is None else read
        for each in written
    ]
    np.testing.assert_array_equal(
        parse_numbers(column(*written), decimal).to_numpy(), np.array(expected, dtype=float)
    )


@given(
    st.lists(st.none() | ODD_DATES | ODD_ISO | st.datetimes().map(str) | st.text(max_size=12)),
    st.booleans(),
)
@example(
    [
        "0000-01-01",
        "0001-01-01",
        "1/1/0000",
        "29.2.2023",
        "29/2/2024",
        "1-2/2024",
        "31/04/2024",
        "1/1/2024 12:00 AM",
    ],
    True,
)
@example(
    [
        "12 Mar 2024",
        "1710201600250",
        "2024-03-12 10:00 EST",
        "2024-01-01T00:00:00.1234567Z",
        "20240229",
    ],
    False,
)
def test_moments_of_a_column_are_the_moments_of_its_values(
    written: list[str | None], day_first: bool
) -> None:
    read = parse_moments(column(*written), day_first)
    assert read.dtype == "datetime64[us, UTC]"
    expected = [None if each is None else values.moment(each, day_first) for each in written]
    assert [None if pd.isna(each) else each.to_pydatetime() for each in read] == expected


def test_the_index_and_the_name_stay() -> None:
    odd = pd.Series(["1", None, "x"], index=[7, 5, 3], name="Revenue", dtype="str")
    for read in (parse_numbers(odd), parse_moments(odd)):
        assert list(read.index) == [7, 5, 3]
        assert read.name == "Revenue"


@pytest.mark.parametrize(
    ("written", "mark"),
    [
        (["1.5", "2.25"], "."),
        (["1,5", "2,25", "3"], ","),
        (["1,234", "5,678"], "."),
        (["1.234,50 €", "12,00 €"], ","),
        (["1,234.50", "1,5"], "."),
        ([], "."),
    ],
)
def test_the_decimal_mark_is_found_by_looking(written: list[str], mark: str) -> None:
    assert decimal_mark(column(*written)) == mark


def test_a_column_with_decimal_commas_is_read_with_them() -> None:
    assert parse_numbers(column("1.234,50 €", "7", None, "0,5")).tolist()[:2] == [1234.5, 7.0]


def test_one_value_with_one_reading_decides_for_the_column() -> None:
    read = parse_moments(column("3/4/2024", "25/4/2024", "2024-01-02"))
    assert [each.isoformat()[:10] for each in read] == ["2024-04-03", "2024-04-25", "2024-01-02"]


def test_the_order_of_days_and_months_is_counted() -> None:
    assert day_order(
        column("3/4/2024", "25/4/2024", "4/25/24", "5-5-2024", "3.4.2024", "2024-01-02", None)
    ) == DayOrder(1, 1, 1)
    assert day_order(column("3/4/2024", "4/25/2024")).day_first is False
    assert day_order(column("3/4/2024")).day_first is None
