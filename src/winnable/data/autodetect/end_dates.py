"""Further dates of the end of leads in an export: a date of losing with a column of its own, and
the last change where won or lost leads have no other date.

Each is proposed by its name and checked against the outcomes. The closing date itself is found with
the other roles, in `infer`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from winnable.core.columns import BoolArray
from winnable.data.ingestion.parsing import parse_moments

LOST_DATES = (
    "losttime",
    "lostdate",
    "datelost",
    "loston",
    "lostat",
    "closedlostdate",
    "closedlosttime",
    "disqualifiedon",
    "disqualifieddate",
    "rejectedon",
    "rejecteddate",
    "verlorenam",
)
"""Names of a column with the date of losing, without blanks and capitals."""

CHANGE_DATES = (
    "lastmodifieddate",
    "lastmodified",
    "lastmodifiedon",
    "lastmodifiedat",
    "lastmodifiedtime",
    "modifiedon",
    "modifieddate",
    "datemodified",
    "modifiedtime",
    "modifiedat",
    "updatedat",
    "updatedon",
    "updatetime",
    "lastupdate",
    "lastupdated",
    "lastupdatedon",
    "lastupdatedat",
    "writedate",
    "zuletztgeandertam",
    "geandertam",
)
"""Names of a column with the date of the last change."""

MIN_SHARE = 0.5
"""Of the leads that should have such a date, at least this share has."""

MAX_SHARE_OF_ONE_DAY = 0.2
"""Of the last changes that may be of one day; more are a bulk update, which ended nobody."""


def losing_date(
    names: Mapping[str, str], data: pd.DataFrame, lost: BoolArray, won: BoolArray
) -> tuple[str, str] | None:
    """The column with the date of losing and why it is one: lost leads have it, won ones mostly do
    not. `names` are the free columns by their bare names; `lost` and `won` have shape (leads,)."""
    for bare in LOST_DATES:
        column = names.get(bare)
        if column is None or not lost.any():
            continue
        dated = parse_moments(data[column]).notna().to_numpy()
        if dated[lost].mean() >= MIN_SHARE and (not won.any() or dated[won].mean() < MIN_SHARE):
            return column, f"its name, {int(dated[lost].sum()):,} of {int(lost.sum()):,} lost leads"
    return None


def last_change(
    names: Mapping[str, str], data: pd.DataFrame, undated: BoolArray
) -> tuple[str, str] | None:
    """The column with the date of the last change, where won or lost leads have no other date
    (`undated`, shape (leads,)), and why."""
    if not undated.any():
        return None
    for bare in CHANGE_DATES:
        column = names.get(bare)
        if column is None:
            continue
        moments = parse_moments(data[column])[undated]
        days = moments.dt.floor("D").value_counts(normalize=True)
        if moments.notna().mean() >= MIN_SHARE and days.max() <= MAX_SHARE_OF_ONE_DAY:
            count = int(np.count_nonzero(undated))
            return column, f"its name; {count:,} won or lost leads have no other date of their end"
    return None
