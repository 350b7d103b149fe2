"""Moments as numbers: whole microseconds since 1970, in UTC, so that no comparison of times is
rounded.

How a text becomes a moment is decided in `winnable.core.values` and
`winnable.data.ingestion.parsing`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import AT, RECORDED, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

DAY = 86_400_000_000  # microseconds
NEVER = np.iinfo(np.int64).min  # how numpy writes a missing time

_EPOCH = datetime.fromtimestamp(0, UTC)


def microseconds(when: datetime) -> int:
    """A moment as whole microseconds since 1970 in UTC, computed without rounding through floats."""
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def times_of(moments: pd.Series) -> IntArray:
    """Moments as microseconds since 1970, shape (n,); a missing one is the smallest int64."""
    times: IntArray = (
        moments.dt.tz_convert("UTC")
        .dt.tz_localize(None)
        .to_numpy(dtype="datetime64[us]")
        .astype(np.int64)
    )
    return times


def known_times(activities: pd.DataFrame) -> IntArray:
    """When each activity was known, microseconds, shape (n,): it had happened and, where the table
    tells when, was recorded."""
    happened = times_of(activities[AT])
    return (
        np.maximum(happened, times_of(activities[RECORDED])) if RECORDED in activities else happened
    )


def whole(times: FloatArray) -> IntArray:
    """Microseconds as integers; a missing time is the smallest int64."""
    return np.where(np.isnan(times), 0, times).astype(np.int64) + np.where(
        np.isnan(times), NEVER, 0
    )


def days_between(since: IntArray, until: IntArray) -> FloatArray:
    """Days from `since` to `until`, NaN where `since` is missing."""
    return np.where(since == NEVER, np.nan, (until - np.where(since == NEVER, 0, since)) / DAY)


def days_before(when: IntArray, as_of: IntArray) -> FloatArray:
    """Days from `when` to `as_of`, NaN where it is missing or not strictly before."""
    days = days_between(when, as_of)
    return np.where(days > 0, days, np.nan)
