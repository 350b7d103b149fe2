"""Properties of activities: which further columns of an activity log are features, such as minutes,
value, page and campaign, and why the others are not.

A property is taken as known when its activity was. So columns that copy what the lead is today, or
that are filled in when a lead ends, are left out. How a property is summed up is decided in
`aggregates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import ID, FloatArray, IntArray, is_nameless, is_of_loader
from winnable.core.identity import are_mostly_addresses
from winnable.data.leakage.names import LIKELY, name_clue, words_of
from winnable.definition.decide.junk import contact_columns

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.ingestion.crm import Crm
    from winnable.definition.schema import Definition

MIN_VALUES = 50
"""With fewer values a property teaches nothing."""
MAX_CATEGORIES = 200
"""A property of more words is free text, or names what it stands beside."""
MIN_CONSTANT_SHARE = 0.98
"""A column with one value in the activities of so large a share of leads tells of the lead."""
MIN_DATE_SHARE = 0.5

STEPS_PER_UNIT = 1_000_000
"""Values are summed as whole millionths, so that a sum does not depend on the order."""
MAX_VALUE = 1e11
"""A larger value is none: sums of it would not be exact."""

MISSING = np.iinfo(np.int64).min
"""What stands for a missing value among steps and codes, before all others."""

_LENGTHS = frozenset(("duration", "length", "minute", "second", "hour"))
"""How long an activity lasted is known at its end, unlike how long a lead took."""
ACTIVITY_PARTS = frozenset(("kind", "at", "recorded"))
"""What a request calls the parts of an activity that are no properties."""


@dataclass(frozen=True)
class Properties:
    """The columns of an activity log that are `used` as features, in their order, and why each of
    the others is not."""

    used: tuple[str, ...]
    unused: Mapping[str, str]


def properties_of(definition: Definition, crm: Crm) -> Properties:
    """Choose among the further columns of the activity log. Those that the definition lists are
    used, whatever their names and values."""
    if crm.activities is None:
        return Properties((), {})
    listed = definition.activities.properties
    columns = [str(name) for name in crm.activities.columns if not str(name).startswith("@")]
    unused: dict[str, str] = {}
    for name in columns:
        if listed is None:
            why = _why_personal(definition, crm.activities[name], name)
            why = why or _why_not(definition, crm.activities, name)
        else:
            why = None if name in listed else "it is not among [activities] properties"
        if why is not None:
            unused[name] = why
    return Properties(tuple(name for name in columns if name not in unused), unused)


def _why_not(definition: Definition, log: pd.DataFrame, name: str) -> str | None:
    """Why a column is no feature; None if it is one."""
    if is_nameless(name) or is_of_loader(name) or name in ACTIVITY_PARTS:
        return "it has no name of its own"
    filled = log[[ID, name]].dropna()
    different = int(filled[name].nunique())
    if len(filled) < MIN_VALUES:
        return f"fewer than {MIN_VALUES} activities have a value"
    if different < 2 and len(filled) == len(log):
        return "it has only one value"
    return _why_leaking(definition, filled, name) or _why_unreadable(filled[name], different)


def _why_personal(definition: Definition, values: pd.Series[str], name: str) -> str | None:
    """Why a column may tell who somebody is."""
    if name in definition.columns.ignore:
        return "columns.ignore names it"
    few = [str(value) for value in values.dropna().iloc[:MIN_VALUES]]
    if are_mostly_addresses(few) or name in contact_columns(definition.junk, [name]).every:
        return "it tells who somebody is"
    return None


def _why_leaking(definition: Definition, filled: pd.DataFrame, name: str) -> str | None:
    """Why a column may know more than its activity told at its time."""
    clue = name_clue(name)
    if clue is not None and clue.weight >= LIKELY and not words_of(name) & _LENGTHS:
        return f"possible target leakage: {clue.text}"
    outcomes = {*definition.outcome.won, *definition.outcome.lost}
    if outcomes and filled[name].isin(outcomes).any():
        return "possible target leakage: it has the words of won and lost leads"
    if _tells_of_leads(filled, name):
        return "it is the same in all activities of a lead, as a copy of the lead's own value is"
    return None


def _tells_of_leads(filled: pd.DataFrame, name: str) -> bool:
    """Whether a column has one value in the activities of each lead, and several among the
    leads."""
    by_lead = filled.groupby(ID, sort=False)[name].agg(["size", "nunique"])
    several = by_lead.loc[by_lead["size"] > 1, "nunique"]
    differs = filled[name].nunique() > 1
    return bool(len(several) > 0 and differs and (several == 1).mean() >= MIN_CONSTANT_SHARE)


def _why_unreadable(values: pd.Series[str], different: int) -> str | None:
    from winnable.data.ingestion.parsing import parse_moments, parse_numbers

    sample = values.sample(min(len(values), 5000), random_state=0)
    if parse_moments(sample).notna().mean() > MIN_DATE_SHARE:
        return "it is a date"
    is_number = parse_numbers(sample).notna().mean() > MIN_DATE_SHARE
    if is_number and different == len(values):
        return "each row has a number of its own, as a key has"
    if not is_number and different > MAX_CATEGORIES:
        return f"it has {different:,} different texts"
    return None


def in_steps(values: FloatArray) -> IntArray:
    """Values as whole steps of 1 / `STEPS_PER_UNIT`, `MISSING` for what is missing or too large;
    same shape."""
    usable = np.abs(values) <= MAX_VALUE
    steps = np.rint(np.where(usable, values, 0.0) * STEPS_PER_UNIT)
    return np.where(usable, steps, MISSING).astype(np.int64)
