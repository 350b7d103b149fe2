"""The last marketing touch of a lead: what made the company flag the person, which is its source
where the CRM has none.

A touch is an activity of a kind that the definition lists as interest or intent, of any kind if it
lists none. It was before the lead was created or at that very moment, and counts from when it was
known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import numpy as np

from winnable.core.columns import AT, CREATED, ID, KIND, BoolArray, CategoricalColumn, IntArray
from winnable.core.timestamps import NEVER, known_times, last_before, microseconds, times_of
from winnable.core.values import text

if TYPE_CHECKING:
    import pandas as pd

    from winnable.definition.schema import Definition


def is_filled(definition: Definition, name: str) -> bool:
    """Whether a column is the source, and its missing values are to be the last touches."""
    columns = definition.columns
    return columns.missing_source == "last touch" and name == columns.source_name


def touch_kinds(definition: Definition) -> tuple[str, ...]:
    """The kinds of activity that are touches; none where all are."""
    return (*definition.activities.intent, *definition.activities.interest)


def last_touches(
    definition: Definition, leads: pd.DataFrame, activities: pd.DataFrame | None
) -> pd.Series[str]:
    """The kind of each lead's last touch, as it is known by now, by the index of `leads`; missing
    where there is none."""
    import pandas as pd

    found = touches_at(definition, leads, activities, np.arange(len(leads)), None)
    words = [*found.vocabulary, None]
    return pd.Series([words[code] for code in found.codes], index=leads.index, dtype="str")


def touches_at(
    definition: Definition,
    leads: pd.DataFrame,
    activities: pd.DataFrame | None,
    rows: IntArray,
    as_of: IntArray | None,
) -> CategoricalColumn:
    """The kind of the last touch of `leads.iloc[rows]` as it was known strictly before `as_of`
    (microseconds), both of shape (n,), or when the lead was created; by now if `as_of` is None. Of
    several touches at one moment, the last by name."""
    import pandas as pd

    nothing = CategoricalColumn(np.full(len(rows), -1, dtype=np.int64), ())
    if activities is None or CREATED not in leads:
        return nothing
    kinds = touch_kinds(definition)
    touches = activities.dropna(subset=[KIND])
    if kinds:
        touches = touches[touches[KIND].isin(kinds)]
    keys, ids = pd.factorize(leads[ID])
    touches = touches[touches[ID].isin(ids)].sort_values([AT, KIND], kind="stable")
    if not len(touches):
        return nothing
    owner = pd.Index(ids).get_indexer(pd.Index(touches[ID])).astype(np.int64)
    order = np.argsort(owner, kind="stable")
    log = _Touches(owner[order], times_of(touches[AT])[order], known_times(touches)[order])
    places = log.last(keys[rows].astype(np.int64), times_of(leads[CREATED])[rows], as_of)
    codes, vocabulary = pd.factorize(touches[KIND].iloc[order])
    return CategoricalColumn(
        np.append(codes, -1)[places].astype(np.int64), tuple(map(str, vocabulary))
    )


@dataclass(frozen=True)
class _Touches:
    """Touches sorted by owner and time: whose they are, when they were, and since when they have
    been known, all of shape (m,)."""

    owner: IntArray
    at: IntArray
    known: IntArray

    def last(self, owner: IntArray, created: IntArray, as_of: IntArray | None) -> IntArray:
        """The place of the last touch of each of n leads, -1 where there is none."""
        until = np.where(created == NEVER, NEVER, created + 1)
        place = last_before(self.owner, self.at, owner, until)
        while as_of is not None:
            unknown = (place >= 0) & ~self._is_known(place, created, as_of)
            if not unknown.any():
                break
            before = place - 1
            same = (before >= 0) & (self.owner[before] == owner)
            place = np.where(unknown, np.where(same, before, -1), place)
        return place

    def _is_known(self, place: IntArray, created: IntArray, as_of: IntArray) -> BoolArray:
        known = self.known[place]
        return np.asarray((known <= created) | (known < as_of))


def with_sources(
    definition: Definition, leads: pd.DataFrame, activities: pd.DataFrame | None
) -> pd.DataFrame:
    """The leads with the last touch as their source where the CRM has none; as they are where the
    definition does not ask for it. `SOURCE` stays the CRM's own."""
    name = definition.columns.source_name
    if name is None or not is_filled(definition, name):
        return leads
    touch = last_touches(definition, leads, activities)
    own = leads.get(name, touch)
    return leads.assign(**{name: own.where(own.notna(), touch)})


class Done(Protocol):
    """An activity of a request."""

    @property
    def kind(self) -> str:
        """What was done."""
        ...

    @property
    def at(self) -> datetime:
        """When."""
        ...

    @property
    def known(self) -> int:
        """Since when it has been known, in microseconds."""
        ...


@dataclass(frozen=True)
class SourceOfRequest:
    """The source of a lead of a request: its own column `name`, else its last touch before the time
    in the column `created`; `kinds` are those that are touches, all if there are none."""

    name: str
    created: str
    kinds: frozenset[str]

    @classmethod
    def of(cls, definition: Definition) -> SourceOfRequest | None:
        """As the definition has it; None where the CRM alone tells sources."""
        columns = definition.columns
        name = columns.source_name
        if columns.missing_source != "last touch" or name is None or columns.created is None:
            return None
        return cls(name, columns.created, frozenset(touch_kinds(definition)))

    def told(
        self, values: dict[str, object], activities: Sequence[Done], as_of: datetime
    ) -> dict[str, object]:
        """The values of a lead with its source, as it was known strictly before `as_of`, or when
        the lead was created."""
        created = values.get(self.created)
        if not isinstance(created, datetime) or text(values.get(self.name)) is not None:
            return values
        until = microseconds(created)
        now = microseconds(as_of)
        touches = [
            (each.at, each.kind)
            for each in activities
            if microseconds(each.at) <= until
            and (each.known <= until or each.known < now)
            and (not self.kinds or each.kind in self.kinds)
        ]
        return {**values, self.name: max(touches)[1]} if touches else values
