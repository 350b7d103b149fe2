"""What a column of an export contains, whatever its name: dates, numbers, keys, e-mail addresses or
a choice of words.

What follows for the roles is decided in `roles`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from winnable.data.ingestion.dates import day_first_of_table
from winnable.data.ingestion.parsing import parse_moments, parse_numbers

MAX_CATEGORIES = 50
"""More different values than this are not statuses or sources; nearly one for each lead, they are
names or free text."""

MIN_DATE_SHARE = 0.9
"""The share of values that are dates in a column of dates."""

DATE_SAMPLE_ROWS = 5_000
"""Rows that are looked at to tell whether a column holds dates."""

MAX_DAYS_APART = 3_650
"""A date that lies further before the others is one of birth or founding, not of a sale."""

_PLAIN_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_UUID = r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"
_RECORD_KEY = r"[0-9a-zA-Z]{15}(?:[0-9A-Z]{3})?"
_NUMBERED = r"[A-Za-zÀ-ÿ#]{1,12}[-_/#]{0,2}[0-9][0-9/_-]{0,30}"
_KEY = rf"(?:{_UUID}|{_RECORD_KEY}|{_NUMBERED})"
"""A key: a UUID, a Salesforce key, or letters and a running number, as L-2024-0017."""
_MAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"


@dataclass(frozen=True)
class Guess:
    """A column and the reason why it was chosen."""

    column: str
    reason: str


@dataclass(frozen=True)
class DateColumns:
    """The date columns of an export, each parsed once, all in the same order of day and month."""

    data: pd.DataFrame

    @cached_property
    def days(self) -> dict[str, np.ndarray[tuple[int], np.dtype[np.datetime64]]]:
        """The days of each date column, shape (leads,); NaT where there is none."""
        written = {
            str(name): self.data[name]
            for name in self.data.columns
            if dates_share(self.data[name]) >= MIN_DATE_SHARE
        }
        first = day_first_of_table(written)
        return {
            name: parse_moments(column, first[name]).to_numpy(dtype="datetime64[D]")
            for name, column in written.items()
        }

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns that look like dates of a sale: not like numbers, and not decades before the
        others, as dates of birth."""
        written = [name for name in self.days if looks_like_dates(self.data[name])]
        typical = {
            name: np.median(self.days[name][~np.isnat(self.days[name])].astype(np.int64))
            for name in written
        }
        latest = max(typical.values(), default=0)
        return tuple(name for name in written if latest - typical[name] <= MAX_DAYS_APART)

    def is_date(self, name: str) -> bool:
        """Whether nearly all values of a column are dates."""
        return name in self.days

    def share_before(self, name: str, other: str) -> float:
        """Of the leads with both dates, the share in which one lies days before the other."""
        both = ~np.isnat(self.days[name]) & ~np.isnat(self.days[other])
        if not both.any():
            return 0.0
        return float((self.days[name][both] < self.days[other][both]).mean())

    def share_first(self, name: str) -> float:
        """Of the leads with another date, the share in which no other lies before this; 1 without
        other dates."""
        others = [self.days[other] for other in self.names if other != name]
        if not others:
            return 1.0
        earliest = np.fmin.reduce(others)
        both = ~np.isnat(earliest) & ~np.isnat(self.days[name])
        return float((self.days[name][both] <= earliest[both]).mean()) if both.any() else 1.0


def dates_share(column: pd.Series[str]) -> float:
    """The share of the values of a column that are dates, by a sample of its rows."""
    known = column.dropna()
    sample = known
    if len(known) > DATE_SAMPLE_ROWS:
        sample = known.sample(DATE_SAMPLE_ROWS, random_state=0)
    return float(parse_moments(sample).notna().mean()) if len(sample) else 0.0


def looks_like_dates(column: pd.Series[str]) -> bool:
    """Whether dates are written as dates: plain numbers may as well be keys or amounts."""
    return not column.dropna().head(DATE_SAMPLE_ROWS).str.fullmatch(_PLAIN_NUMBER).mean() > 0.5


def numbers_share(column: pd.Series[str]) -> float:
    """The share of the values of a column that are numbers."""
    known = column.dropna()
    return float(parse_numbers(known).notna().mean()) if len(known) else 0.0


def is_choice(column: pd.Series[str]) -> bool:
    """Whether a column holds a choice of values, as a source or an owner does."""
    return 2 <= column.nunique() <= max(MAX_CATEGORIES, len(column) // 20)


def is_mail(column: pd.Series[str]) -> bool:
    """Whether a column holds e-mail addresses."""
    known = column.dropna()
    return bool(len(known)) and float(known.str.fullmatch(_MAIL).mean()) >= 0.8


def is_key(column: pd.Series[str]) -> bool:
    """Whether every row has a key of its own: a UUID, letters with a number, or a running
    number."""
    if column.isna().any() or column.nunique() < len(column):
        return False
    with_digit = column.str.contains(r"[0-9]", regex=True)
    if with_digit.all() and column.str.fullmatch(_KEY).all():
        return True
    if not column.str.fullmatch(r"[0-9]{1,15}").all():
        return False
    numbers = column.astype("int64").to_numpy()
    steps = np.diff(np.sort(numbers))
    # Running numbers leave few gaps; amounts and telephone numbers leave large ones.
    return bool(np.median(steps) <= 10 and steps.max() <= 1_000)
