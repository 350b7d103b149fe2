"""When a lead counts as won or lost: by values of its status column, or by conditions on several
columns.

Everything but reading knows statuses only. Where conditions tell the outcome, reading derives one
status of each lead from them: of a table in `winnable.data.ingestion.leads`, of a lead in a request
by `Outcome.status_of`.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from winnable.definition.conditions import (
    Condition,
    all_of_one_form,
    form_of_list,
    impossible,
)
from winnable.definition.parts import Days, DefinitionPart, Listed, Share

ANYTHING = "*"
"""Alone under `won`: a lead is won when its status column holds anything at all, such as the date
of winning."""

WON_AND_LOST = "won and lost"
"""The status of a lead that meets the conditions of both; nobody knows which it is."""

STATUS_BY_CONDITIONS = ("open", "won", "lost", WON_AND_LOST)
"""The status of a lead by what conditions hold for it: 1 for those of won, plus 2 for those of
lost."""


def _words_or_conditions(value: object) -> object:
    example = 'field = "Status", any_of = ["Closed Won"]'
    return all_of_one_form(value, "values of the status column", example)


WordsOrConditions = Annotated[
    Annotated[tuple[Condition, ...], Tag("[conditions]")] | Annotated[Listed, Tag("[words]")],
    Discriminator(form_of_list),
    BeforeValidator(_words_or_conditions),
]


class Outcome(DefinitionPart):
    """When a lead counts as won or lost, and within how many days (the horizons)."""

    won_means: Annotated[WordsOrConditions, Field(min_length=1, alias="won")]
    """Values of the status column that mean Closed Won; "*" alone: any value at all, for a column
    such as the date of winning. Or conditions on columns, all of which must hold."""
    lost_means: Annotated[WordsOrConditions, Field(alias="lost")] = ()
    """Values of the status column that mean Closed Lost, or conditions, all of which must hold;
    every other lead: still open."""
    horizon_days: Days = 90
    """The short horizon. Sales-ready: likely to be won within this many days."""
    winnable_days: Days = 365
    """The long horizon. Winnable: likely to be won within this many days."""
    expected_conversion: Share = 0.10
    """The share of leads that both teams expect to win before there is any history."""

    @cached_property
    def won(self) -> tuple[str, ...]:
        """The statuses that mean won; "won" where conditions tell it."""
        return ("won",) if _conditions(self.won_means) else _words(self.won_means)

    @cached_property
    def lost(self) -> tuple[str, ...]:
        """The statuses that mean lost; "lost" where conditions tell it."""
        return ("lost",) if _conditions(self.lost_means) else _words(self.lost_means)

    @cached_property
    def won_if(self) -> tuple[Condition, ...]:
        """The conditions of won; none where the status column tells it."""
        return _conditions(self.won_means)

    @cached_property
    def lost_if(self) -> tuple[Condition, ...]:
        """The conditions of lost; none where the status column tells it, or nobody is called
        lost."""
        return _conditions(self.lost_means)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The columns that the conditions test, each once; none where the status column tells the
        outcome."""
        leaves = (leaf for each in (*self.won_if, *self.lost_if) for leaf in each.leaves())
        return tuple(dict.fromkeys(column for leaf in leaves for column in leaf.columns))

    def status_of(self, value_of: Callable[[str], str | None]) -> str:
        """The status of one lead by the conditions: "won", "lost", "won and lost" or "open".
        `value_of` answers a column's value as text, None if it is missing."""
        won, lost = (
            bool(conditions) and all(condition.holds_of(value_of) for condition in conditions)
            for conditions in (self.won_if, self.lost_if)
        )
        return STATUS_BY_CONDITIONS[won + 2 * lost]

    @model_validator(mode="after")
    def _can_be_asked_of_any_lead(self) -> Self:
        if bool(self.won_if) != bool(self.lost_if) and self.lost_means:
            words = "lost" if self.won_if else "won"
            raise ValueError(
                f"won and lost must both list values of the status column or both conditions, but"
                f" {words} lists values; write them as a condition on their column"
            )
        for key, conditions in (("won", self.won_if), ("lost", self.lost_if)):
            why = _not_for_an_outcome(conditions) or impossible(conditions)
            if why is not None:
                raise ValueError(f"{key}: {why}")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        listed_twice = [] if self.won_if else sorted(set(self.won) & set(self.lost))
        if listed_twice:
            raise ValueError(
                f"the status {listed_twice[0]!r} is listed under won and under lost; keep it in"
                " one of them"
            )
        if ANYTHING in self.won and (len(self.won) > 1 or self.lost):
            raise ValueError(
                f"{ANYTHING!r} under won means any value at all, so no other can be listed beside"
                " it or under lost"
            )
        if self.winnable_days < self.horizon_days:
            raise ValueError(
                f"winnable_days ({self.winnable_days:g}) is shorter than horizon_days"
                f" ({self.horizon_days:g}); winnable is the longer view"
            )
        return self


def _conditions(means: tuple[object, ...]) -> tuple[Condition, ...]:
    return tuple(item for item in means if isinstance(item, Condition))


def _words(means: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(item for item in means if isinstance(item, str))


def _not_for_an_outcome(conditions: tuple[Condition, ...]) -> str | None:
    """Why these conditions cannot tell an outcome; None if they can."""
    for condition in (leaf for each in conditions for leaf in each.leaves()):
        if len(condition.columns) > 1:
            return (
                f"{condition.field!r} is compared with another column, which cannot tell the"
                " outcome; test its own values"
            )
        if condition.activity is not None:
            return (
                f"the condition on the activity {condition.activity!r} cannot tell the outcome,"
                " which is read from the leads alone; test a field"
            )
        if condition.within_days is not None:
            return (
                f"within_days would let the outcome of a lead change as time passes; test"
                f" {condition.field!r} with is_present or any_of"
            )
    if conditions and all(condition.holds_of(lambda _: None) for condition in conditions):
        return (
            "a new lead, of which nothing is known yet, would meet every condition; add one that"
            " asks for a value"
        )
    return None
