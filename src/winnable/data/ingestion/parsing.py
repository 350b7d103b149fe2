"""Parse whole text columns into numbers and timestamps, with the same results as
`winnable.core.values` gives value by value.

This module adds only what takes a whole column to decide: which character is the decimal mark, and
whether days or months come first. Values in common formats are parsed at once by Arrow and numpy,
the others one by one, each distinct value once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from winnable.core import values
from winnable.core.columns import BoolArray, IntArray

Moments = np.ndarray[tuple[int], np.dtype[np.datetime64]]

_SAMPLE_SIZE = 10_000
_USUAL_NUMBER = {
    ".": r"^[$€£]? ?-?(?:[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,15})(?:\.[0-9]{1,15})?$",
    ",": r"^[$€£]? ?-?(?:[0-9]{1,3}(?:\.[0-9]{3}){1,4}|[0-9]{1,15})(?:,[0-9]{1,15})?$",
}
_ISO_MOMENT = (
    r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
    r"(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][01][0-9]:?[0-5][0-9])?)?$"
)
_DAY_AND_MONTH = (
    r"^(?P<one>[0-9]{1,2})(?P<mark>[-/.])(?P<two>[0-9]{1,2})(?P<again>[-/.])"
    r"(?P<year>[0-9]{4}|[0-9]{2})"
)
_USUAL_MOMENT = (
    _DAY_AND_MONTH + r"(?:,? (?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?"
    r"(?: ?(?P<half>[AaPp])[Mm])?)?$"
)


def parse_numbers(column: "pd.Series[str]", decimal: str | None = None) -> "pd.Series[float]":
    """The column as float64, NaN where a value is missing or not a number; the `decimal` mark is
    inferred if not given."""
    mark = decimal or decimal_mark(column)
    distinct, codes = _distinct(column)
    numbers = np.full(len(distinct) + 1, np.nan)
    usual = _matches(distinct, _USUAL_NUMBER[mark])
    bare = pc.replace_substring_regex(
        distinct.filter(pa.array(usual)), "[$€£ ,]" if mark == "." else "[$€£ .]", ""
    )
    numbers[:-1][usual] = pc.cast(pc.replace_substring(bare, ",", "."), pa.float64()).to_numpy(
        zero_copy_only=False
    )
    rest = (values.number(value, mark) for value in _words(distinct, ~usual))
    numbers[:-1][~usual] = [np.nan if value is None else value for value in rest]
    return pd.Series(numbers[codes], index=column.index, name=column.name)


def decimal_mark(column: "pd.Series[str]") -> str:
    """The decimal mark: "," if more distinct values parse only with it than only with ".", else
    "."."""
    return "," if DecimalVotes.of(column).mark == "," else "."


@dataclass(frozen=True)
class DecimalVotes:
    """How many distinct values of a column are numbers only with "." or only with "," as decimal
    mark, and how many with both but not the same number, such as 1.250. `grouped` is whether those
    show that their marks stand between thousands."""

    point: int
    comma: int
    either: int
    grouped: str | None = None

    @classmethod
    def of(cls, column: "pd.Series[str]") -> "DecimalVotes":
        """The votes of a column."""
        distinct, _ = _distinct(column)
        marked = distinct.filter(pc.match_substring_regex(distinct, "[0-9].*[.,]|[.,].*[0-9]"))
        sample = marked[:_SAMPLE_SIZE].to_pylist()
        read = [(values.number(value, "."), values.number(value, ",")) for value in sample]
        unclear = [
            value
            for value, (by_point, by_comma) in zip(sample, read, strict=True)
            if None not in (by_point, by_comma) and by_point != by_comma
        ]
        return cls(
            sum(by_point is not None and by_comma is None for by_point, by_comma in read),
            sum(by_comma is not None and by_point is None for by_point, by_comma in read),
            len(unclear),
            _mark_of_thousands(unclear, distinct),
        )

    @property
    def mark(self) -> str | None:
        """The decimal mark that the column shows by itself; None if it shows none."""
        if self.point == self.comma:
            return None
        return "," if self.comma > self.point else "."


def _mark_of_thousands(unclear: list[str], distinct: pa.Array) -> str | None:
    """The mark in values such as 1.250 and 10.400 if it stands between thousands for certain.

    A program that drops zeros at the end would not write 1.250 for 1.25, and one that keeps three
    digits would not write 12 beside it.
    """
    marks = {"," if "," in value else "." for value in unclear}
    whole = pc.any(pc.match_substring_regex(distinct, r"^[0-9]{1,3}$")).as_py()
    ends_in_zero = any(value.rstrip(values.BLANKS).endswith("0") for value in unclear)
    return marks.pop() if len(marks) == 1 and whole and ends_in_zero else None


def decimal_marks(columns: "Mapping[str, pd.Series[str]]") -> dict[str, str]:
    """The decimal mark of each column of one table: its own where its values show one, else that
    of the table's other columns, as an export writes all its numbers in one way."""
    votes = {name: DecimalVotes.of(column) for name, column in columns.items()}
    by_comma = sum(vote.mark == "," for vote in votes.values())
    by_point = sum(vote.mark == "." for vote in votes.values())
    usual = None
    if by_comma != by_point:
        usual = "," if by_comma > by_point else "."
    return {name: _decided(vote, usual) for name, vote in votes.items()}


def _decided(votes: DecimalVotes, usual: str | None) -> str:
    if votes.mark is not None:
        return votes.mark
    if usual is not None and votes.either:
        return usual
    return "," if votes.grouped == "." else "."


def parse_moments(
    column: "pd.Series[str]", day_first: bool | None = None
) -> "pd.Series[pd.Timestamp]":
    """The column as datetime64[us, UTC], NaT where a value is missing or not a date.

    Without `day_first` the column's unambiguous values decide; if there are none, months come
    first.
    """
    first = bool(day_order(column).day_first) if day_first is None else day_first
    distinct, codes = _distinct(column)
    moments = np.full(len(distinct) + 1, np.datetime64("NaT", "us"))
    iso = _matches(distinct, _ISO_MOMENT)
    moments[:-1][iso] = _iso_moments(_words(distinct, iso))
    usual, usual_moments = _day_and_month_moments(distinct, first)
    moments[:-1][usual] = usual_moments
    others = ~iso & ~usual
    moments[:-1][others] = _plain_moments(
        values.moment(value, first) for value in _words(distinct, others)
    )
    return pd.Series(
        pd.DatetimeIndex(moments[codes]).tz_localize("UTC"), index=column.index, name=column.name
    )


@dataclass(frozen=True)
class DayOrder:
    """How many values like 3/12/2024 can only be day-first, can only be month-first, or are
    ambiguous."""

    only_day: int
    only_month: int
    either: int

    @property
    def day_first(self) -> bool | None:
        """The order of the majority of the unambiguous values; None without a majority."""
        return None if self.only_day == self.only_month else self.only_day > self.only_month


def day_order(column: "pd.Series[str]") -> DayOrder:
    """Count the possible orders of the column's values such as 3/12/2024 or 3-12-2024; dates with
    "." are always day-first and do not count."""
    parts = pc.extract_regex(_arrow(column), rf"{_DAY_AND_MONTH}(?:$|[^0-9])").drop_null()
    one = _whole(parts, "one")
    two = _whole(parts, "two")
    slashed = _bools(pc.not_equal(pc.struct_field(parts, "mark"), "."))
    only_day = slashed & (one > 12) & (two <= 12)
    only_month = slashed & (two > 12) & (one <= 12)
    either = slashed & (one <= 12) & (two <= 12) & (one != two)
    return DayOrder(int(only_day.sum()), int(only_month.sum()), int(either.sum()))


def _iso_moments(written: list[str]) -> Moments:
    read = pd.to_datetime(
        pd.Series(written, dtype="str"), format="ISO8601", utc=True, errors="coerce"
    )
    return np.asarray(read.dt.tz_localize(None), dtype="datetime64[us]")


def _day_and_month_moments(distinct: pa.Array, day_first: bool) -> tuple[BoolArray, Moments]:
    """Which values look like 31/3/2024 2:30 PM, and those as timestamps; parsed as by
    `values.moment`, but without time zones."""
    fits = _matches(distinct, _USUAL_MOMENT)
    parts = pc.extract_regex(distinct.filter(pa.array(fits)), _USUAL_MOMENT)
    one, two, year, hour, minute, second = (
        _whole(parts, name) for name in ("one", "two", "year", "hour", "minute", "second")
    )
    mark = pc.struct_field(parts, "mark")
    half = pc.utf8_lower(pc.struct_field(parts, "half"))
    two_digits = _bools(pc.equal(pc.utf8_length(pc.struct_field(parts, "year")), 2))
    year = np.where(two_digits, year + np.where(year < 69, 2000, 1900), year)
    day_leads = (one > 12) | ((two <= 12) & (day_first | _bools(pc.equal(mark, "."))))
    day = np.where(day_leads, one, two)
    month = np.where(day_leads, two, one)
    possible = (
        _bools(pc.equal(mark, pc.struct_field(parts, "again")))
        & (year >= 1)
        & (month >= 1)
        & (month <= 12)
    )
    possible &= (day >= 1) & (minute < 60) & (second < 60)
    by_half = _bools(pc.not_equal(half, ""))
    possible &= np.where(by_half, (hour >= 1) & (hour <= 12), hour < 24)
    hour = np.where(by_half, hour % 12 + 12 * _bools(pc.equal(half, "p")), hour)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    possible &= days.astype("datetime64[M]") == months
    moments = days.astype("datetime64[us]") + ((hour * 60 + minute) * 60 + second).astype(
        "timedelta64[s]"
    )
    return fits, np.where(possible, moments, np.datetime64("NaT", "us"))


def _whole(parts: pa.Array, name: str) -> IntArray:
    """A group of digits as integers, 0 where the group is absent."""
    digits = pc.struct_field(parts, name)
    filled = pc.if_else(pc.equal(digits, ""), "0", digits)
    return np.asarray(pc.cast(filled, pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def _matches(distinct: pa.Array, pattern: str) -> BoolArray:
    return _bools(pc.match_substring_regex(distinct, pattern))


def _bools(answers: pa.Array) -> BoolArray:
    return np.asarray(answers.to_numpy(zero_copy_only=False), dtype=bool)


def _plain_moments(moments: Iterable[datetime | None]) -> Moments:
    plain: list[Any] = [
        None if moment is None else moment.replace(tzinfo=None) for moment in moments
    ]
    return np.array(plain, dtype="datetime64[us]")


def _distinct(column: "pd.Series[str]") -> tuple[pa.Array, IntArray]:
    """The distinct values, and for each row the position of its value, -1 where it is missing."""
    encoded = _arrow(column).dictionary_encode()
    return encoded.dictionary, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(
        np.int64
    )


def _arrow(column: "pd.Series[str]") -> pa.Array:
    written = pa.array(column.astype("str"), type=pa.large_string(), from_pandas=True)
    return written.combine_chunks() if isinstance(written, pa.ChunkedArray) else written


def _words(distinct: pa.Array, wanted: BoolArray) -> list[str]:
    return list(distinct.filter(pa.array(wanted)).to_pylist())
