"""Point-in-time reconstruction of the CRM: the export as it would have been at an earlier time, as
far as today's export can tell.

Leads that were created later are dropped, leads that ended later are open again, activities and
changes that were recorded later are dropped, and fields with recorded changes have their values of
that time. Values that were overwritten without a record cannot be restored; `irreversible_columns`
names them. `winnable.data.features.training_rows` works on any such `Crm`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import (
    AT,
    CLOSED,
    CREATED,
    FIELD,
    ID,
    IDENTIFIED,
    NEW,
    OLD,
    STATUS,
    BoolArray,
    IntArray,
)
from winnable.core.timestamps import NEVER, known_times, microseconds, times_of
from winnable.data.features.offline import change_around, words_at
from winnable.definition.outcome import ANYTHING
from winnable.definition.schema import Definition
from winnable.errors import DataError

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from winnable.data.features.episodes import Episodes
    from winnable.data.ingestion.crm import Crm

TEXT_ROLES = ("person", "account", "status", "source", "consent")


def as_of(
    definition: Definition, crm: Crm, moment: datetime, episodes: Episodes | None = None
) -> Crm:
    """What was known strictly before `moment`, which must have a time zone; rejects and notes are
    those of today's export.

    A lead that ended at or after the moment has the status of its history, if recorded, and no
    closing date. A lead that had ended before and was reopened later is closed as of the change
    that ended it. `episodes` tell when leads ended whose end has no date (`build_episodes`);
    without them these count as ended at every time. Raises DataError if leads have no creation
    date.
    """
    if CREATED not in crm.leads:
        raise DataError(
            "no lead has a creation date, so it is unknown what was known when; set"
            " columns.created."
        )
    at = microseconds(moment)
    history = None if crm.history is None else crm.history[times_of(crm.history[AT]) < at]
    activities = crm.activities
    if activities is not None:
        activities = activities[known_times(activities) < at]
    created = times_of(crm.leads[CREATED])
    there = np.flatnonzero((created != NEVER) & (created < at))
    closed = times_of(crm.leads[CLOSED]) if CLOSED in crm.leads else np.full(len(created), NEVER)
    if episodes is not None:
        last = episodes.last
        closed = np.where(closed == NEVER, episodes.end[last], closed)
    fields = _fields_as_of(definition, crm, there, at)
    leads = _outcomes_as_of(definition, crm, fields, there, closed[there], at)
    ids = set(leads[ID])
    kept = [
        table if table is None else table[table[ID].isin(ids)] for table in (activities, history)
    ]
    return replace(
        crm,
        leads=leads,
        activities=kept[0],
        history=kept[1],
        seen=(),
        visitors=_visitors_as_of(crm.visitors, moment),
    )


def _visitors_as_of(visitors: pd.DataFrame | None, moment: datetime) -> pd.DataFrame | None:
    """The visitors who had come before a moment, those identified since as not known yet."""
    if visitors is None:
        return None
    there = visitors[visitors[AT] < moment]
    return there.assign(**{IDENTIFIED: there[IDENTIFIED].where(there[IDENTIFIED] < moment)})


def recorded_columns(definition: Definition, crm: Crm) -> frozenset[str]:
    """The columns of the leads with a change in the field history, other than those for identity
    and outcome."""
    recorded = (
        set() if crm.history is None else set(crm.history[FIELD].dropna()) & set(crm.leads.columns)
    )
    return frozenset(str(name) for name in recorded - _identity_and_outcome_columns(definition))


def current_value_columns(definition: Definition, crm: Crm) -> tuple[str, ...]:
    """The columns that have today's value at every time: no change is recorded and the definition
    does not list them as fixed.

    If the CRM records changes of other columns, models do not use these (`untracked_columns`). If
    it records none, or only those of the status, today's values are all there is.
    """
    columns = definition.columns
    settled = {
        *columns.fixed,
        *columns.ignore,
        *_identity_and_outcome_columns(definition),
        *recorded_columns(definition, crm),
    }
    return tuple(
        str(name)
        for name in crm.leads.columns
        if not str(name).startswith("@") and name not in settled
    )


def columns_assumed_static(definition: Definition, crm: Crm) -> tuple[str, ...]:
    """The columns of `current_value_columns` that models use nevertheless, because the CRM records
    no changes of any column."""
    return () if recorded_columns(definition, crm) else current_value_columns(definition, crm)


def untracked_columns(definition: Definition, crm: Crm) -> dict[str, str]:
    """The columns whose values may be newer than the time they are used for, each with the reason
    in words.

    These are columns without a recorded change in a CRM that records changes of others. The
    definition may list one as fixed or trusted; a lead's source is known at creation.
    """
    recorded = sorted(recorded_columns(definition, crm))
    if not recorded:
        return {}
    others = ", ".join(recorded[:3]) + (" and others" if len(recorded) > 3 else "")
    reason = (
        f"The field history has changes of {others}, but none of this column: it is unknown since"
        " when it has had its value."
    )
    vouched = {definition.columns.source_name, *definition.columns.trusted}
    return {name: reason for name in current_value_columns(definition, crm) if name not in vouched}


def _identity_and_outcome_columns(definition: Definition) -> set[str | None]:
    """The columns for identity and outcome, whose past follows from dates and status."""
    columns = definition.columns
    told = (*definition.outcome_columns, *columns.dates_of_the_end)
    return {columns.id, columns.person, columns.created, *told}


def irreversible_columns(definition: Definition, crm: Crm) -> tuple[str, ...]:
    """In sentences, what `as_of` has to use as of today, whatever the time."""
    recorded = set() if crm.history is None else set(crm.history[FIELD].dropna())
    today = current_value_columns(definition, crm)
    notes = []
    if today:
        named = ", ".join(today[:8]) + (f" and {len(today) - 8} more" if len(today) > 8 else "")
        notes.append(
            f"No changes of these columns are recorded, so today's values are used: {named}."
        )
    ended = crm.leads[STATUS].isin([*definition.outcome.won, *definition.outcome.lost])
    tracked = definition.columns.status in recorded
    if CLOSED not in crm.leads:
        if not tracked:
            notes.append(
                "Leads have no closing date and no recorded status changes, so every outcome counts"
                " as known from the start."
            )
    elif undated := int((ended & crm.leads[CLOSED].isna()).sum()):
        unless = " unless recorded changes say it" if tracked else ""
        notes.append(
            f"{undated:,} won or lost leads have no closing date; when they ended is estimated"
            f"{unless}."
        )
    return tuple(notes)


def _fields_as_of(definition: Definition, crm: Crm, there: IntArray, at: int) -> pd.DataFrame:
    """The leads `there` with the recorded fields as of then; the status is handled in
    `_outcomes_as_of`."""
    import pandas as pd

    leads = crm.leads.iloc[there].copy()
    if crm.history is None:
        return leads
    moments = np.full(len(there), at)
    status = definition.columns.status
    role_of = {getattr(definition.columns, role): f"@{role}" for role in TEXT_ROLES}
    for name in crm.history[FIELD].dropna().unique():
        if (
            name not in leads
            or str(name).startswith("@")
            or name in definition.columns.fixed
            or name == status
        ):
            continue
        words = words_at(definition, crm, name, there, moments)
        values = np.array([*words.vocabulary, None], dtype=object)[words.codes]
        leads[name] = pd.array(values, dtype="str")
        if role_of.get(name) in leads:
            leads[role_of[name]] = leads[name]
    return leads


def _outcomes_as_of(
    definition: Definition,
    crm: Crm,
    leads: pd.DataFrame,
    there: IntArray,
    closed: IntArray,
    at: int,
) -> pd.DataFrame:
    """The leads with the status of then; those that had not ended lose their closing date, also in
    the export's own column."""
    import pandas as pd

    roles = definition.columns
    outcome = definition.outcome
    written = roles.status if roles.status in leads else STATUS
    status = leads[written].astype(object).to_numpy(copy=True)
    reopened_later = np.zeros(len(leads), dtype=bool)
    changes = crm.changes_of(roles.status)
    if changes is not None:
        before, after = change_around(crm, changes, there, np.full(len(there), at))
        # Where no change follows, today's status is at least as new as the last recorded one.
        old, new = (changes[side].astype(object).to_numpy() for side in (OLD, NEW))
        recorded = after >= 0
        status[recorded] = np.where(before >= 0, new[before], old[after])[recorded]
        reopened_later = recorded & (before >= 0) & _ended(status, definition)
        since = times_of(changes[AT])[before]
        closed = np.where(reopened_later & ((closed == NEVER) | (closed >= at)), since, closed)
    reopened = (closed >= at) & _ended(status, definition) & ~reopened_later
    status[reopened] = None
    still_open = ~_ended(status, definition)
    leads[STATUS] = pd.array(status, dtype="str")
    if roles.status in leads:
        leads[roles.status] = leads[STATUS]
    for name in set(outcome.fields) & set(leads.columns):
        leads[name] = leads[name].mask(pd.Series(still_open, index=leads.index))
    if outcome.won == (ANYTHING,):
        leads[STATUS] = leads[STATUS].mask(leads[STATUS].notna(), ANYTHING)
    if CLOSED in leads or (closed != NEVER).any():
        moments = np.where(still_open | (closed == NEVER), NEVER, closed).astype("datetime64[us]")
        leads[CLOSED] = pd.Series(moments, index=leads.index).dt.tz_localize("UTC")
        for name in roles.dates_of_the_end & set(leads.columns):
            leads[name] = leads[name].mask(pd.Series(still_open, index=leads.index))
    return leads


def _ended(status: object, definition: Definition) -> BoolArray:
    """Which of the statuses mean won or lost."""
    import pandas as pd

    known = pd.Series(status, dtype="str")
    if definition.outcome.won == (ANYTHING,):
        return known.notna().to_numpy()
    return known.isin([*definition.outcome.won, *definition.outcome.lost]).to_numpy()
