"""Whole columns of text into numbers and moments, value by value as `winnable.definition.values` reads them.

Added here is only what a column tells and a single value cannot: which mark is the decimal mark, and whether days or months
come first. Values in the plain form of their kind are read by Arrow and pandas, all others once for each different value.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from winnable.definition import values
from winnable.definition.facts import IntArray

_PLAIN_NUMBER = r"^-?[0-9]{1,300}(\.[0-9]{1,300})?$"
_PLAIN_MOMENT = (
    r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
    r"([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][01][0-9]:?[0-5][0-9])?)?$"
)
_DAY_AND_MONTH = r"^(?P<one>[0-9]{1,2})[/-](?P<two>[0-9]{1,2})[/-](?:[0-9]{4}|[0-9]{2})(?:$|[^0-9])"
_SAMPLE = 10_000


def parse_numbers(column: "pd.Series[str]", decimal: str | None = None) -> "pd.Series[float]":
    """The column as float64, NaN where nothing stands or what stands is no number; `decimal` is found by looking if not given."""
    mark = decimal or decimal_mark(column)
    distinct, codes = _distinct(column)
    numbers = np.full(len(distinct) + 1, np.nan)
    plain = _matches(distinct, _PLAIN_NUMBER) if mark == "." else np.zeros(len(distinct), dtype=bool)
    numbers[:-1][plain] = pc.cast(distinct.filter(pa.array(plain)), pa.float64()).to_numpy(zero_copy_only=False)
    numbers[:-1][~plain] = [_or_nan(values.number(value, mark)) for value in _words(distinct, ~plain)]
    return pd.Series(numbers[codes], index=column.index, name=column.name)


def parse_moments(column: "pd.Series[str]", day_first: bool | None = None) -> "pd.Series[pd.Timestamp]":
    """The column as datetime64[us, UTC], NaT where nothing stands or what stands is no date.

    Without `day_first` the column itself decides by the values that leave only one reading; where none does, months come first.
    """
    first = bool(day_order(column).day_first) if day_first is None else day_first
    distinct, codes = _distinct(column)
    moments = np.full(len(distinct) + 1, np.datetime64("NaT", "us"))
    plain = _matches(distinct, _PLAIN_MOMENT)
    read = pd.to_datetime(pd.Series(_words(distinct, plain), dtype="str"), format="ISO8601", utc=True, errors="coerce")
    moments[:-1][plain] = read.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    moments[:-1][~plain] = _naive(values.moment(value, first) for value in _words(distinct, ~plain))
    return pd.Series(pd.DatetimeIndex(moments[codes]).tz_localize("UTC"), index=column.index, name=column.name)


def decimal_mark(column: "pd.Series[str]") -> str:
    """"," where more of the different values can only be read with it than only with ".", else "."."""
    distinct, _ = _distinct(column)
    if not _matches(distinct, ",").any():
        return "."
    sample = distinct[:_SAMPLE].to_pylist()
    by_point = [values.number(value, ".") is not None for value in sample]
    by_comma = [values.number(value, ",") is not None for value in sample]
    only_comma = sum(comma and not point for comma, point in zip(by_comma, by_point, strict=True))
    only_point = sum(point and not comma for comma, point in zip(by_comma, by_point, strict=True))
    return "," if only_comma > only_point else "."


@dataclass(frozen=True)
class DayOrder:
    """How many different values of the form 3/12/2024 can only have the day first, only the month first, or be read either way."""

    only_day: int
    only_month: int
    either: int

    @property
    def day_first(self) -> bool | None:
        """What the values decide, by majority; None if none of them decides."""
        return None if self.only_day == self.only_month else self.only_day > self.only_month

    @property
    def undecided(self) -> bool:
        """Whether there are values that can be read either way and nothing in the column says which is meant."""
        return self.either > 0 and self.day_first is None


def day_order(column: "pd.Series[str]") -> DayOrder:
    """Count what the column's values of the form 3/12/2024 or 3-12-2024 say about their order."""
    distinct, _ = _distinct(column)
    parts = pc.extract_regex(distinct, _DAY_AND_MONTH).drop_null()
    if not len(parts):
        return DayOrder(0, 0, 0)
    one, two = (pc.cast(pc.struct_field(parts, name), pa.int64()).to_numpy() for name in ("one", "two"))
    only_day = int(((one > 12) & (two <= 12)).sum())
    only_month = int(((two > 12) & (one <= 12)).sum())
    return DayOrder(only_day, only_month, int(((one <= 12) & (two <= 12) & (one != two)).sum()))


def _distinct(column: "pd.Series[str]") -> tuple[pa.Array, IntArray]:
    """The different values, and for each row the position of its value, -1 where nothing stands."""
    encoded = pa.array(column.astype("str"), type=pa.large_string(), from_pandas=True)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    encoded = encoded.dictionary_encode()
    return encoded.dictionary, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _matches(distinct: pa.Array, pattern: str) -> NDArray[np.bool_]:
    return np.asarray(pc.match_substring_regex(distinct, pattern).to_numpy(zero_copy_only=False), dtype=bool)


def _words(distinct: pa.Array, wanted: NDArray[np.bool_]) -> list[str]:
    return list(distinct.filter(pa.array(wanted)).to_pylist())


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _naive(moments: Iterable[datetime | None]) -> NDArray[np.datetime64]:
    plain = [np.datetime64("NaT") if each is None else each.replace(tzinfo=None) for each in moments]
    return np.array(plain, dtype="datetime64[us]")
