"""Rules of a definition: ideal customer profile and personas, customers that are not wanted, and
scorecards with points for each segment.

Each table of the file is a model, key by key. A rule that can never be true, or that is written
twice, is refused here; giving points is done in `decide.scorecard`.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from winnable.definition.conditions import NO_ACTIVITIES, Condition, impossible, in_words
from winnable.definition.parts import Days, DefinitionPart, Name, Share

Points = Annotated[float, Field(ge=-1e6, le=1e6)]


def _must_be_possible(conditions: Iterable[Condition]) -> None:
    why = impossible(tuple(conditions))
    if why is not None:
        raise ValueError(why)


def _one_condition(value: object) -> object:
    """A bare condition as a case of its own."""
    if isinstance(value, dict) and not {"when", "says"} & value.keys():
        return {"when": [value]}
    return value


class Case(DefinitionPart):
    """Conditions that together make one case, such as one kind of customer that is not wanted; a
    bare condition is a case, too."""

    says: str = ""
    """A short name for the case; its conditions in plain English if not given."""
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
    """The three customer profiles, ideal, acceptable and not wanted, and the buyer personas."""

    ideal: tuple[Condition, ...] = ()
    """The ideal customer profile (ICP): all of these are true."""
    personas: dict[Name, tuple[Condition, ...]] = Field(default_factory=dict)
    """Buyer personas by name; a lead is the first whose conditions are all true."""
    acceptable: tuple[CaseOrCondition, ...] = ()
    """Customers that are acceptable, but not ideal: any one of these is enough. Where the gate asks
    for ideal ones, they are nurtured until they ask for sales themselves ([activities]
    hand_raise)."""
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
                    f"{case} is required of the ideal customer and refused as unacceptable; remove"
                    " one of the two"
                )
            if any(set(case.when) == set(other.when) for other in self.acceptable):
                raise ValueError(
                    f"{case} is listed as acceptable and as unacceptable; remove one of the two"
                )
        return self


class Rule(DefinitionPart):
    """Points that are added (or deducted, if negative) where all conditions are true."""

    says: Name
    """A short name for the rule; it is shown as a reason for the score."""
    when: tuple[Condition, ...] = Field(min_length=1)
    """All of these must be true."""
    points: Points
    """Points to add; negative points are deducted."""
    half_life_days: Days | None = None
    """Points decay: they halve every this many days since it happened."""
    group: Name | None = None
    """The group whose cap it counts towards; if not given: intent, interest, behaviour or profile,
    depending on its conditions."""

    @cached_property
    def activities(self) -> tuple[str, ...]:
        """The activities that its conditions count."""
        leaves = (leaf for condition in self.when for leaf in condition.leaves())
        return tuple(leaf.activity for leaf in leaves if leaf.activity is not None)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _must_be_possible(self.when)
        if self.half_life_days is not None and not any(
            True for condition in self.when for _ in condition.ages(NO_ACTIVITIES)
        ):
            raise ValueError(
                "half_life_days needs something with a date: an activity, or a date field with"
                " within_days"
            )
        return self

    def __str__(self) -> str:
        text = f"{self.points:+g} where {in_words(self.when)}"
        if self.half_life_days is not None:
            text += f", halving every {self.half_life_days:g} days"
        if self.group is not None:
            text += f", counted as {self.group}"
        return text


class Scorecard(DefinitionPart):
    """Points for one segment of leads, and the conversion that both teams expect of them.

    log-odds = logit(conversion_at_threshold) + (points - threshold) * ln 2 /
    points_to_double_the_odds.
    """

    name: Name = "All leads"
    """The name of the scorecard, usually that of its segment."""
    segment: tuple[Condition, ...] = ()
    """The leads it is for: all of these are true; if none is given, every lead."""
    threshold: Points = 60
    """The points at which marketing hands a lead over to sales."""
    conversion_at_threshold: Share = 0.10
    """The share of leads at the threshold that both teams expect to win."""
    points_to_double_the_odds: Annotated[float, Field(gt=0, le=1e6)] = 20
    """How many more points double the odds of winning."""
    at_most: Points | None = None
    """The scorecard never gives more points than this."""
    at_least: Points | None = None
    """The scorecard never gives fewer points than this."""
    caps: dict[Name, Annotated[float, Field(ge=0, le=1e6)]] = Field(default_factory=dict)
    """The most points that the rules of a group may give together."""
    rule: tuple[Rule, ...] = ()
    """The rules, each with its points."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _must_be_possible(self.segment)
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(
                f"at_least ({self.at_least:g}) is more than at_most ({self.at_most:g}); swap them"
            )
        rules_by_conditions: dict[frozenset[Condition], Rule] = {}
        for rule in self.rule:
            first = rules_by_conditions.setdefault(frozenset(rule.when), rule)
            if first is not rule:
                raise ValueError(
                    f"the rules {first.says!r} and {rule.says!r} have the same conditions; make"
                    " them one rule"
                )
        return self
