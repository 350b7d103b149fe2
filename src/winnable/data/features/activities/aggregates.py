"""Which activity aggregates a model gets: counts, recencies and changes, of all activities, of
intent and of interest, and of each frequent kind; sums and last values of properties; and what
rules need.

How they are computed is written in `offline` and `online`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from winnable.core.columns import KIND, ActivityAggregate

if TYPE_CHECKING:
    from winnable.data.ingestion.crm import Crm
    from winnable.definition.schema import Definition

MAX_AGGREGATED_KINDS = 20
"""The most frequent kinds of activity that get aggregates of their own; the rest only count as "any
activity"."""
MAX_MEASURED_KINDS = 5
"""The most pairs of a kind and a property of numbers that are summed up, the most frequent ones."""
MAX_WORD_PROPERTIES = 5
"""The most properties of words of which the last value is a feature."""
MIN_MEASURED_ACTIVITIES = 50
"""A property is summed up for the kinds with at least so many values of it."""


def aggregates_of(
    definition: Definition, crm: Crm, numbers: Sequence[str], words: Sequence[str]
) -> tuple[ActivityAggregate, ...]:
    """General aggregates of all activities, the same for intent and interest, a count and a recency
    per frequent kind, sums and last values of the properties that are `numbers`, last values of
    those that are `words`, and those that rules need."""
    asked = definition.aggregates()
    if crm.activities is None:
        return asked
    general = [
        ActivityAggregate("count"),
        *_by_window(()),
        ActivityAggregate("change", (), 7),
        ActivityAggregate("days_since"),
        ActivityAggregate("kinds"),
    ]
    named = [
        tuple(kinds)
        for kinds in (definition.activities.intent, definition.activities.interest)
        if kinds
    ]
    frequent = [
        (str(kind),) for kind in crm.activities[KIND].value_counts().index[:MAX_AGGREGATED_KINDS]
    ]
    by_kind = [
        ActivityAggregate(what, kinds)
        for kinds in (*named, *frequent)
        for what in ("count", "days_since")
    ]
    recent = [aggregate for kinds in named for aggregate in _by_window(kinds)]
    of_properties = _of_properties(crm, numbers, words)
    return tuple(dict.fromkeys((*general, *by_kind, *recent, *of_properties, *asked)))


def _by_window(kinds: tuple[str, ...]) -> list[ActivityAggregate]:
    """Counts in recent windows, and the change against the window before."""
    return [
        *(ActivityAggregate("count", kinds, days) for days in (7, 30, 90)),
        ActivityAggregate("change", kinds, 30),
    ]


def _of_properties(
    crm: Crm, numbers: Sequence[str], words: Sequence[str]
) -> list[ActivityAggregate]:
    """The sum and the last value of each property of numbers by kind, and the last value of each
    property of words, of as many as there is room for."""
    assert crm.activities is not None
    pairs = [
        (int(times), name, str(kind))
        for name in numbers
        for kind, times in crm.activities.loc[crm.activities[name].notna(), KIND]
        .value_counts()
        .items()
        if times >= MIN_MEASURED_ACTIVITIES
    ]
    pairs.sort(key=lambda pair: -pair[0])
    return [
        *(
            ActivityAggregate(what, (kind,), column=name)
            for _, name, kind in pairs[:MAX_MEASURED_KINDS]
            for what in ("sum", "last")
        ),
        *(ActivityAggregate("last", column=name) for name in words[:MAX_WORD_PROPERTIES]),
    ]
