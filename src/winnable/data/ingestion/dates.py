"""Parse all date columns of one table together: an export writes its dates in one format, so an
unambiguous column decides for an ambiguous one.

A single column is parsed in `winnable.data.ingestion.parsing`.
"""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from winnable.core.text import counted, shortened
from winnable.core.timestamps import DAY, times_of
from winnable.data.ingestion.parsing import DayOrder, day_order, parse_moments
from winnable.data.ingestion.rejects import Findings
from winnable.errors import DataError

MAX_UNREADABLE_SHARE = 0.5
"""A column with a larger share of unreadable values is not a date column: that is an error, rather
than rows to reject one by one."""

_WITH_ZONE = r":\d\d(?:\.\d+)? ?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$"
_WITH_TIME = r":|[0-9][hTt][0-9]|^[0-9]{10,}|^[0-9]{5}[.,][0-9]"


def read_dates(
    columns: "Mapping[str, pd.Series[str]]",
    table: str,
    findings: Findings,
    *,
    strict: bool,
    usual: bool | None = None,
) -> "dict[str, pd.Series[pd.Timestamp]]":
    """Each column as datetime64[us, UTC]; NaT where a value is missing or not a date.

    `usual` tells whether the day comes first where no column of the table decides it; a guess is
    recorded as a note. Raises DataError if `strict` and a column is mostly unreadable; the message
    shows the format of the values, never the values themselves.
    """
    orders = {role: day_order(column) for role, column in columns.items()}
    decided = _first_by_values(orders)
    if decided is None:
        decided = usual
    in_sequence = _first_by_sequence(columns) if decided is None else None
    moments = {}
    for role, column in columns.items():
        order = orders[role]
        first = order.day_first
        if first is None:
            first = decided if decided is not None else in_sequence
        moments[role] = parse_moments(column, bool(first))
        if order.either and order.day_first is None and decided is None:
            read = "day first, as leads would else be closed before they are created"
            findings.note(
                f"{table}: in '{column.name}' it is ambiguous whether 3/4/2024 is 3 April or"
                f" 4 March; it was read as {read if in_sequence else 'month first'}. Dates such as"
                " 2024-03-04 are unambiguous."
            )
        elif order.only_day and order.only_month:
            findings.note(
                f"{table}: '{column.name}' mixes day-first dates ({order.only_day} values) and"
                f" month-first dates ({order.only_month}); ambiguous dates were read as"
                f" {'day' if first else 'month'} first."
            )
        _note_mixed_zones(column, table, findings)
        if strict:
            _refuse_unreadable(column, moments[role], table)
    return moments


def day_first_of_table(columns: "Mapping[str, pd.Series[str]]") -> dict[str, bool]:
    """For each column of one table whether the day comes first: as its own unambiguous values say,
    else as those of the others, else so that leads are closed after they are created ("created",
    "closed"), else so that of two columns the same one comes first in most leads, else month
    first."""
    orders = {name: day_order(column) for name, column in columns.items()}
    usual = _first_by_values(orders)
    if usual is None:
        usual = _first_by_sequence(columns)
    if usual is None and any(order.either for order in orders.values()):
        usual = _first_by_agreement(columns)
    return {
        name: bool(usual if order.day_first is None else order.day_first)
        for name, order in orders.items()
    }


def _first_by_values(orders: Mapping[str, DayOrder]) -> bool | None:
    """Whether days come first in a table, by the first column that shows it."""
    found = (order.day_first for order in orders.values())
    return next((first for first in found if first is not None), None)


def _first_by_sequence(columns: "Mapping[str, pd.Series[str]]") -> bool | None:
    """Whether days come first because fewer leads are closed before they are created then; None
    where it makes no difference."""
    created = columns.get("created")
    ends = [columns[role] for role in ("closed", "closed_lost", "changed") if role in columns]
    if created is None or not ends:
        return None
    by_day = sum(_reversed(created, closed, True) for closed in ends)
    by_month = sum(_reversed(created, closed, False) for closed in ends)
    return None if by_day == by_month else by_day < by_month


def _first_by_agreement(columns: "Mapping[str, pd.Series[str]]") -> bool | None:
    """Whether days come first because the dates of leads follow each other in one order more often
    then, whatever the columns mean; None where it makes no difference."""
    by_day, by_month = (_against_the_order(columns, first) for first in (True, False))
    return None if by_day == by_month else by_day < by_month


def _against_the_order(columns: "Mapping[str, pd.Series[str]]", day_first: bool) -> int:
    """In how many leads two dates stand in the rarer order of their columns, over all pairs."""
    days = [
        parse_moments(column, day_first).to_numpy(dtype="datetime64[D]")
        for column in columns.values()
    ]
    return sum(
        min(int((one < other).sum()), int((other < one).sum()))
        for one, other in combinations(days, 2)
    )


def _reversed(created: "pd.Series[str]", closed: "pd.Series[str]", day_first: bool) -> int:
    """How many leads are closed days before they are created if dates are read this way."""
    before = parse_moments(closed, day_first).dt.floor("D")
    return int((before < parse_moments(created, day_first).dt.floor("D")).sum())


def ends_of_days(
    column: "pd.Series[str]", moments: "pd.Series[pd.Timestamp]"
) -> "pd.Series[pd.Timestamp]":
    """The latest time each value can mean: a date without a time of day becomes the last
    microsecond of that day.

    If all times of a column are midnights, they count as dates without a time of day, too.
    """
    since_midnight = times_of(moments) % DAY
    days = moments.notna() & (since_midnight == 0)
    if days.any() and (since_midnight[moments.notna()] != 0).any():
        days &= ~column.where(days).str.contains(_WITH_TIME, regex=True, na=False)
    return moments.where(~days, moments + np.timedelta64(DAY - 1, "us"))


def _note_mixed_zones(column: "pd.Series[str]", table: str, findings: Findings) -> None:
    """Add a note if only some times of a column have a time zone: the others may be off by
    hours."""
    zoned = column.str.contains(_WITH_ZONE, regex=True, na=False)
    if not zoned.any():
        return
    bare = column.str.contains(":", regex=False, na=False) & ~zoned
    if bare.any():
        findings.note(
            f"{table}: '{column.name}' has {counted(int(zoned.sum()), 'time')} with a time zone and"
            f" {counted(int(bare.sum()), 'time')} without; those without were read as UTC."
        )


def _refuse_unreadable(
    column: "pd.Series[str]", moments: "pd.Series[pd.Timestamp]", table: str
) -> None:
    present = int(column.notna().sum())
    failed = column[column.notna() & moments.isna()]
    if len(failed) > MAX_UNREADABLE_SHARE * present:
        forms = Counter(shape(value) for value in failed.iloc[:10_000])
        shown = ", ".join(f"'{form}'" for form, _ in forms.most_common(3))
        raise DataError(
            f"{table}: the column '{column.name}' cannot be read as dates: {len(failed)} of"
            f" {present} values failed. They look like {shown} (9 for a digit, a for a letter);"
            " dates such as 2024-03-31, 31/03/2024 or 31 Mar 2024 were expected."
        )


def shape(value: str) -> str:
    """The format of a value without its content: every digit becomes 9, every letter a; cut at 30
    characters."""
    plain = re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", value))
    return plain if len(plain) <= 30 else f"{plain[:30]}..."


def anonymous(value: str) -> str:
    """A value for a message, cut where it is long; only its format where it may tell who somebody
    is: an e-mail address, or five digits and more."""
    return shape(value) if re.search(r"@|[0-9]{5}", value) else shortened(value)
