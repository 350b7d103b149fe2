"""The last marketing touch of a lead: what made the company flag the person, which is its source
where the CRM has none.

A touch is an activity of a kind that the definition lists as interest or intent, of any kind if it
lists none. It counts if it was known when the lead was created, so that a source never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from winnable.core.columns import AT, CREATED, ID, KIND, RECORDED
from winnable.core.timestamps import microseconds
from winnable.core.values import text

if TYPE_CHECKING:
    import pandas as pd

    from winnable.definition.schema import Definition

TOUCH = "@touch"
"""The reserved column with the last touch of each lead."""


def last_touches(
    definition: Definition, leads: pd.DataFrame, activities: pd.DataFrame | None
) -> pd.Series[str]:
    """The kind of each lead's last touch, by the index of `leads`; missing where there is none. Of
    several at one moment, the last by name."""
    import pandas as pd

    if activities is None or CREATED not in leads:
        return pd.Series(pd.array([pd.NA] * len(leads), dtype="str"), index=leads.index)
    kinds = touch_kinds(definition)
    touches = activities.dropna(subset=[KIND])
    if kinds:
        touches = touches[touches[KIND].isin(kinds)]
    created = touches[ID].map(leads.drop_duplicates(ID).set_index(ID)[CREATED])
    early = touches[AT] <= created
    if RECORDED in touches:
        early &= ~(touches[RECORDED] > created)
    last = touches[early].sort_values([AT, KIND], kind="stable").drop_duplicates(ID, keep="last")
    return leads[ID].map(last.set_index(ID)[KIND]).astype("str")


def touch_kinds(definition: Definition) -> tuple[str, ...]:
    """The kinds of activity that are touches; none where all are."""
    return (*definition.activities.intent, *definition.activities.interest)


def with_sources(
    definition: Definition, leads: pd.DataFrame, activities: pd.DataFrame | None
) -> pd.DataFrame:
    """The leads with their last touches in `TOUCH`, and as their source where the CRM has none; as
    they are where the definition does not ask for it."""
    name = definition.columns.source_name
    if definition.columns.missing_source != "last touch" or name is None:
        return leads
    touch = last_touches(definition, leads, activities)
    own = leads.get(name, touch)
    return leads.assign(**{name: own.where(own.notna(), touch), TOUCH: touch})


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

    def told(self, values: dict[str, object], activities: Sequence[Done]) -> dict[str, object]:
        """The values of a lead with its source."""
        created = values.get(self.created)
        if not isinstance(created, datetime) or text(values.get(self.name)) is not None:
            return values
        until = microseconds(created)
        touches = [
            (each.at, each.kind)
            for each in activities
            if each.known <= until and (not self.kinds or each.kind in self.kinds)
        ]
        return {**values, self.name: max(touches)[1]} if touches else values
