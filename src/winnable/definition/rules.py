"""What a definition asks of leads: the customers it wants, the ones it does not, and points for
segments of leads.

Each table of the file is a model, key by key. A rule that can never be true, or that is written
twice, is refused here; giving points is done in `scorecard`.
"""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from winnable.definition.conditions import (
    Activities,
    Condition,
    Days,
    DefinitionPart,
    Name,
    Share,
    impossible,
    in_words,
)

Points = Annotated[float, Field(ge=-1e6, le=1e6)]


def _must_be_possible(conditions: Iterable[Condition]) -> None:
    if why := impossible(tuple(conditions)):
        raise ValueError(why)


def _one_condition(value: object) -> object:
    return (
        {"when": [value]}
        if isinstance(value, dict) and not {"when", "says"} & value.keys()
        else value
    )


class Case(DefinitionPart):
    """Conditions that together are one case, such as one kind of customer that is not wanted; a
    bare condition is a case."""

    says: str = ""
    """The case in a few words; its conditions in plain English if not given."""
    when: tuple[Condition, ...] = Field(min_length=1)
    """All of these must be true."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _must_be_possible(self.when)
        return self

    def __str__(self) -> str:
        return self.says or in_words(self.when)


CaseOrCondition = Annotated[
    Case, BeforeValidator(_one_condition, json_schema_input_type=Case | Condition)
]


class Profile(DefinitionPart):
    """Whom the company wants as a customer, whom it sells to there, and whom it does not want."""

    ideal: tuple[Condition, ...] = ()
    """The ideal customer: all of these are true."""
    personas: dict[Name, tuple[Condition, ...]] = Field(default_factory=dict)
    """Buyer personas by name: the first whose conditions are all true."""
    unacceptable: tuple[CaseOrCondition, ...] = ()
    """Customers that are not wanted: any one of these is enough."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _must_be_possible(self.ideal)
        for conditions in self.personas.values():
            _must_be_possible(conditions)
        for case in self.unacceptable:
            if self.ideal and set(case.when) <= set(self.ideal):
                raise ValueError(
                    f"{case} is asked of the ideal customer and refused as unacceptable; take one"
                    " of the two out"
                )
        return self


class Rule(DefinitionPart):
    """Points that are added (or deducted, if negative) where all conditions are true."""

    says: Name
    """The rule in a few words; it is shown as a reason."""
    when: tuple[Condition, ...] = Field(min_length=1)
    """All of these must be true."""
    points: Points
    """Points to add; negative points are deducted."""
    half_life_days: Days | None = None
    """The points halve with every so many days since it happened."""
    group: Name | None = None
    """For caps; if not given: intent, interest, behaviour or profile, by what is asked."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _must_be_possible(self.when)
        if self.half_life_days is not None and not any(
            condition.age(Activities()) for condition in self.when
        ):
            raise ValueError(
                "half_life_days needs something with a date: an activity, or a date field with"
                " within_days"
            )
        return self

    def __str__(self) -> str:
        fades = (
            "" if self.half_life_days is None else f", halving every {self.half_life_days:g} days"
        )
        counted = "" if self.group is None else f", counted as {self.group}"
        return f"{self.points:+g} where {in_words(self.when)}{fades}{counted}"


class Scorecard(DefinitionPart):
    """Points for one segment of leads, and what conversion both teams expect of them.

    log-odds = logit(conversion_at_threshold) + (points - threshold) * ln 2 /
    points_to_double_the_odds.
    """

    name: Name = "All leads"
    """The name of the card, usually its segment's."""
    segment: tuple[Condition, ...] = ()
    """The leads it is for: all of these are true; none given: every lead."""
    threshold: Points = 60
    """The points at which marketing hands over."""
    conversion_at_threshold: Share = 0.10
    """The share of leads with so many points that both teams expect to win."""
    points_to_double_the_odds: Annotated[float, Field(gt=0, le=1e6)] = 20
    """More points that double the odds."""
    at_most: Points | None = None
    """The card never gives more points than this."""
    at_least: Points | None = None
    """The card never gives fewer points than this."""
    caps: dict[Name, Annotated[float, Field(ge=0, le=1e6)]] = Field(default_factory=dict)
    """The most points that a group of rules gives together."""
    rule: tuple[Rule, ...] = ()
    """The rules, each with its points."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _must_be_possible(self.segment)
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(
                f"at_least ({self.at_least:g}) is more than at_most ({self.at_most:g}); exchange"
                " them"
            )
        asked: dict[frozenset[Condition], str] = {}
        for rule in self.rule:
            says = asked.setdefault(frozenset(rule.when), rule.says)
            if says is not rule.says:
                raise ValueError(
                    f"the rules {says!r} and {rule.says!r} ask for the same thing; make them one"
                    " rule"
                )
        return self
