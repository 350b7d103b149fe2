"""Timestamps as whole microseconds since 1970 in UTC, so that no comparison of times is rounded.

How a text becomes a timestamp is decided in `winnable.core.values`, for whole columns in
`winnable.data`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import AT, RECORDED, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

DAY = 86_400_000_000
"""Microseconds in a day."""

NEVER = np.iinfo(np.int64).min
"""A missing time: the smallest int64, which is also numpy's NaT."""

_EPOCH = datetime.fromtimestamp(0, UTC)


def microseconds(when: datetime) -> int:
    """A time as whole microseconds since 1970 in UTC, computed without going through floats."""
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def datetime_of(time: int) -> datetime:
    """The time in UTC that `microseconds` wrote as a number."""
    return _EPOCH + timedelta(microseconds=int(time))


def moment_text(moment: datetime) -> str:
    """A moment in UTC to the second, as tables have it: "2026-06-30T12:00:00Z"."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def times_of(moments: pd.Series) -> IntArray:
    """A column of times as microseconds since 1970, shape (n,); `NEVER` for missing."""
    times: IntArray = (
        moments.dt.tz_convert("UTC")
        .dt.tz_localize(None)
        .to_numpy(dtype="datetime64[us]")
        .astype(np.int64)
    )
    return times


def known_times(activities: pd.DataFrame) -> IntArray:
    """When each activity became known, in microseconds, shape (n,): when it happened or, where the
    table has that column, was recorded, whichever is later."""
    happened = times_of(activities[AT])
    if RECORDED not in activities:
        return happened
    return np.maximum(happened, times_of(activities[RECORDED]))


def last_before(owner: IntArray, at: IntArray, asked: IntArray, as_of: IntArray) -> IntArray:
    """For each of n questions (owner, time) the position of the owner's last entry strictly before
    the time, -1 where there is none. The entries, `owner` and `at` of shape (m,), are sorted by
    owner and time."""
    if not len(owner):
        return np.full(len(asked), -1)
    # Owner and time make one sortable key; only the order of times matters, so they are replaced by
    # their ranks.
    moments = np.unique(at)
    width = len(moments) + 1
    key = owner * width + np.searchsorted(moments, at)
    found = np.searchsorted(key, asked * width + np.searchsorted(moments, as_of)) - 1
    mine = (found >= 0) & (owner[found] == asked)
    return np.where(mine, found, -1)


def whole(times: FloatArray) -> IntArray:
    """Microseconds as integers, with `NEVER` for NaN."""
    missing = np.isnan(times)
    return np.where(missing, 0, times).astype(np.int64) + np.where(missing, NEVER, 0)


def days_between(since: IntArray, until: IntArray) -> FloatArray:
    """Days from `since` to `until`, NaN where `since` is missing."""
    missing = since == NEVER
    return np.where(missing, np.nan, (until - np.where(missing, 0, since)) / DAY)


def days_before(when: IntArray, as_of: IntArray) -> FloatArray:
    """Days from `when` to `as_of`, NaN where it is missing or not strictly before."""
    days = days_between(when, as_of)
    return np.where(days > 0, days, np.nan)
