"""Further dates of the end of leads in an export: a date of losing with a column of its own, and
the last change where won or lost leads have no other date.

Each is proposed by its name and checked against the outcomes. The closing date itself is found with
the other roles, in `infer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from winnable.core.columns import BoolArray
from winnable.core.text import counted
from winnable.data.autodetect.glossary import Concept, concepts
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

MIN_ENDED = 20
"""With fewer leads that ended without an outcome it may be carelessness with a date."""

MAX_SHARE_AHEAD = 0.05
"""Of the closing dates of open leads that may lie ahead; of expected dates more do."""

MIN_SHARE_UNDATED = 0.01
"""Of all leads: so many are open and have no closing date where the CRM does not demand one, as
Salesforce does of every opportunity."""

MAX_WORDS_SHOWN = 3

MIN_SHARE = 0.5
"""Of the leads that should have such a date, at least this share has."""

MAX_SHARE_OF_ONE_DAY = 0.2
"""Of the last changes that may be of one day; more are a bulk update, which ended nobody."""


def losing_date(
    names: Mapping[str, str], data: pd.DataFrame, lost: BoolArray, won: BoolArray
) -> tuple[str, str] | None:
    """The column with the date of losing and why it is one: lost leads have it, won ones mostly do
    not. `names` are the free columns by their bare names; `lost` and `won` have shape (leads,)."""
    for column in _called(LOST_DATES, "lost", names):
        if not lost.any():
            continue
        dated = parse_moments(data[column]).notna().to_numpy()
        if dated[lost].mean() >= MIN_SHARE and (not won.any() or dated[won].mean() < MIN_SHARE):
            return column, f"its name, {int(dated[lost].sum()):,} of {int(lost.sum()):,} lost leads"
    return None


def _called(usual: tuple[str, ...], concept: Concept, names: Mapping[str, str]) -> Iterator[str]:
    """The columns of these names, then those whose names mean the same in another language."""
    others = {"expected", "birth", "created", "closed", "won", "lost"} - {concept}
    by_name = [names[bare] for bare in usual if bare in names]
    by_meaning = [
        name for name in names.values() if concept in concepts(name) and not concepts(name) & others
    ]
    yield from dict.fromkeys([*by_name, *by_meaning])


def last_change(
    names: Mapping[str, str], data: pd.DataFrame, undated: BoolArray
) -> tuple[str, str] | None:
    """The column with the date of the last change, where won or lost leads have no other date
    (`undated`, shape (leads,)), and why."""
    if not undated.any():
        return None
    for column in _called(CHANGE_DATES, "changed", names):
        moments = parse_moments(data[column])[undated]
        days = moments.dt.floor("D").value_counts(normalize=True)
        if moments.notna().mean() >= MIN_SHARE and days.max() <= MAX_SHARE_OF_ONE_DAY:
            count = int(np.count_nonzero(undated))
            return column, f"its name; {count:,} won or lost leads have no other date of their end"
    return None


def ended_without_outcome(
    status: pd.Series[str],
    created: pd.Series[pd.Timestamp],
    closed: pd.Series[pd.Timestamp],
    decided: BoolArray,
) -> str | None:
    """The sentence on leads that are neither won nor lost, though they have a closing date that has
    passed, and none lies ahead as expected ones would; None where there are few or none.

    `decided` has shape (leads,): who is won or lost.
    """
    dated = closed.notna().to_numpy() & ~decided
    latest = max(created.max(), closed[decided].max()) if decided.any() else created.max()
    undated = closed.isna().to_numpy() & ~decided
    if dated.sum() < MIN_ENDED or undated.mean() < MIN_SHARE_UNDATED:
        return None
    if (closed[dated] > latest).mean() > MAX_SHARE_AHEAD:
        return None
    words = status[dated].fillna("no status").value_counts()
    most = [f"'{word}' ({count:,})" for word, count in words.head(MAX_WORDS_SHOWN).items()]
    return (
        f"{counted(int(dated.sum()), 'lead')} count as open, although they have a closing date that"
        f" has passed, and hardly any open lead has one ahead: {', '.join(most)}. If they ended,"
        " say by which words or columns in [outcome]"
    )
