"""The date columns of one table, read together: one export writes its dates one way, so that one
column may decide for another.

How a single column is parsed is not decided here but in `winnable.data.ingestion.parsing`.
"""

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from winnable.core.text import counted
from winnable.core.timestamps import DAY, times_of
from winnable.data.ingestion.parsing import day_order, parse_moments
from winnable.data.ingestion.rejects import Findings
from winnable.errors import DataError

UNREADABLE_SHARE = 0.5
"""A column of which more than this share cannot be read is no date column: an error, not rows to be
rejected one by one."""

_WITH_ZONE = r":\d\d(?:\.\d+)? ?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$"
_WITH_TIME = r":|[0-9][hTt][0-9]|^[0-9]{10,}"


def read_dates(
    columns: "Mapping[str, pd.Series[str]]",
    table: str,
    findings: Findings,
    *,
    strict: bool,
    usual: bool | None = None,
) -> "dict[str, pd.Series[pd.Timestamp]]":
    """Each column as datetime64[us, UTC]; NaT where nothing stands or what stands is no date.

    `usual` says whether days come first where no column of the table decides it. Says in a note
    where it had to guess. Raises DataError if `strict` and a column is unreadable as a whole; the
    message shows the form of the values, never the values.
    """
    orders = {role: day_order(column) for role, column in columns.items()}
    siblings = next(
        (order.day_first for order in orders.values() if order.day_first is not None), usual
    )
    moments = {}
    for role, column in columns.items():
        order = orders[role]
        first = order.day_first if order.day_first is not None else siblings
        moments[role] = parse_moments(column, bool(first))
        if order.either and first is None:
            findings.note(
                f"{table}: in '{column.name}' nothing tells whether 3/4/2024 is the 3rd of April or"
                " the 4th of March; it was read as month first. Dates as 2024-03-04 leave no"
                " doubt."
            )
        elif order.only_day and order.only_month:
            findings.note(
                f"{table}: '{column.name}' mixes dates with the day first ({order.only_day} values)"
                f" and the month first ({order.only_month}); where both are possible, the"
                f" {'day' if first else 'month'} was read first."
            )
        _note_mixed_zones(column, table, findings)
        if strict:
            _refuse_unreadable(column, moments[role], table)
    return moments


def ends_of_days(
    column: "pd.Series[str]", moments: "pd.Series[pd.Timestamp]"
) -> "pd.Series[pd.Timestamp]":
    """By when what is dated so had surely happened: a date without a time of day, as the last
    microsecond of that day.

    Where all times of a column are midnights, they are such dates as well, however they are
    written.
    """
    since_midnight = times_of(moments) % DAY
    days = moments.notna() & (since_midnight == 0)
    if days.any() and (since_midnight[moments.notna()] != 0).any():
        days &= ~column.where(days).str.contains(_WITH_TIME, regex=True, na=False)
    return moments.where(~days, moments + np.timedelta64(DAY - 1, "us"))


def _note_mixed_zones(column: "pd.Series[str]", table: str, findings: Findings) -> None:
    """Say so where some times of a column name their zone and others do not: one of the two may be
    off by hours."""
    zoned = column.str.contains(_WITH_ZONE, regex=True, na=False)
    bare = column.str.contains(":", regex=False, na=False) & ~zoned if zoned.any() else zoned
    if bare.any():
        findings.note(
            f"{table}: in '{column.name}' {counted(int(zoned.sum()), 'time')} with a time zone and "
            f"{counted(int(bare.sum()), 'time')} without; those without were taken as UTC."
        )


def _refuse_unreadable(
    column: "pd.Series[str]", moments: "pd.Series[pd.Timestamp]", table: str
) -> None:
    present = int(column.notna().sum())
    failed = column[column.notna() & moments.isna()]
    if len(failed) > UNREADABLE_SHARE * present:
        forms = Counter(shape(value) for value in failed.iloc[:10_000])
        shown = ", ".join(f"'{form}'" for form, _ in forms.most_common(3))
        raise DataError(
            f"{table}: the column '{column.name}' cannot be read as dates: {len(failed)} of"
            f" {present} values failed. They look like {shown} (9 for a digit, a for a letter);"
            " dates such as 2024-03-31, 31/03/2024 or 31 Mar 2024 were expected."
        )


def shape(value: str) -> str:
    """The form of a value without its content: every digit a 9, every letter an a; cut at 30
    characters."""
    plain = re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", value))
    return plain if len(plain) <= 30 else f"{plain[:30]}..."
