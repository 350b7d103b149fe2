"""Which activities meet a test of their properties or of what came before them, and since when that
has been known.

One computation for the log of an export and for the activities of a request, so that both count the
same. How they are counted is written in `offline` and `online`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from winnable.core.columns import (
    ActivityTest,
    BoolArray,
    CategoricalColumn,
    EarlierActivity,
    FeatureTable,
    IntArray,
    PropertyTest,
)
from winnable.core.timestamps import DAY

NOT_MET = np.iinfo(np.int64).max
"""The time since which it is known of an activity that meets no test: after all others."""


@dataclass(frozen=True)
class ActivityLog:
    """n activities: whose they are (`owner`), when they were (`at`) and since when they have been
    `known`, in microseconds, all of shape (n,); their kinds and their properties."""

    owner: IntArray
    at: IntArray
    known: IntArray
    kinds: CategoricalColumn
    properties: FeatureTable


def known_since(test: ActivityTest, log: ActivityLog) -> IntArray:
    """Since when it has been known that each activity meets the test, shape (n,), microseconds;
    `NOT_MET` where it does not. What came before must have been known by then, too."""
    since = np.where(_all_hold(test.having, log), log.known, NOT_MET)
    if test.after is None:
        return since
    return np.maximum(since, _earlier_known_since(test.after, log))


def _all_hold(having: Sequence[PropertyTest], log: ActivityLog) -> BoolArray:
    held = np.ones(len(log.at), dtype=np.bool_)
    for condition in having:
        held &= condition.holds(log.properties)
    return held


def _earlier_known_since(earlier: EarlierActivity, log: ActivityLog) -> IntArray:
    """Since when an earlier activity of the same owner has been known for each activity, shape
    (n,), microseconds; `NOT_MET` where there is none."""
    counts = _all_hold(earlier.having, log)
    if earlier.kinds:
        wanted = np.array([kind in earlier.kinds for kind in (*log.kinds.vocabulary, "")])
        counts &= wanted[log.kinds.codes]
    moments = np.unique(log.at)
    width = len(moments) + 1
    first = np.flatnonzero(counts)
    keys = log.owner[first] * width + np.searchsorted(moments, log.at[first])
    first = first[np.argsort(keys, kind="stable")]
    keys.sort()
    begin = np.zeros(len(log.at), dtype=np.int64)
    if earlier.within_days is not None:
        begin = np.searchsorted(moments, log.at - int(earlier.within_days * DAY))
    low = np.searchsorted(keys, log.owner * width + begin)
    high = np.searchsorted(keys, log.owner * width + np.searchsorted(moments, log.at))
    padded = np.append(log.known[first], NOT_MET)
    bounds = np.column_stack([low, high]).reshape(-1)
    soonest = np.minimum.reduceat(padded, bounds)[::2] if len(bounds) else log.at
    return np.asarray(np.where(low < high, soonest, NOT_MET))
