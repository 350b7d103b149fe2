"""Attributes: which of a model's features and scorecard rules tell of the same thing, and what a
lead has of it.

Whatever tells of one attribute (`data.features.plan.Attribute`) is one reason. What moved a score
is in `explanations`, the words in `reason_words`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from winnable.core.columns import (
    ActivityAggregate,
    BoolArray,
    CategoricalColumn,
    FeatureTable,
    IntArray,
)
from winnable.core.text import word_key
from winnable.data.features.accounts import DAYS_KNOWN
from winnable.data.features.derived.derive import DerivedFeature
from winnable.data.features.plan import Attribute, FeaturePlan, activity_attribute
from winnable.data.features.returns import RETURNS
from winnable.definition.decide.grid import SIDES, side_of
from winnable.definition.decide.scorecard import Award, Points
from winnable.definition.rules import Rule
from winnable.definition.schema import Definition
from winnable.learning.model.scorer import RULES

_Feature = TypeVar("_Feature", ActivityAggregate, DerivedFeature)

HAS = "has it"
HAS_NOT = ""
"""What a lead has of an attribute that is no word: it did this, meets that rule, or did not. A word
that is not known is "has not", too."""


@dataclass(frozen=True)
class Group:
    """An attribute of several kinds of activity (at `place` among the attributes), its aggregate
    `times`, and those of its kinds that have attributes of their own, at `members`, by `counts`."""

    place: int
    times: str
    members: tuple[int, ...]
    counts: tuple[str, ...]


class Attributes:
    """The attributes of the contributions `names` (k,) of a model, and of the rules of its
    definition.

    `every` are all of them, `of_names` (k,) the places of the contributions among these, -1 for
    `RULES`; `of_rules` (r,) those of the rules, in the order of the scorecards, each a reason of
    its own where `apart`; `cards` (r,) is the scorecard of each rule.
    """

    def __init__(
        self, definition: Definition, plan: FeaturePlan, names: Sequence[str], *, apart: bool
    ) -> None:
        self._definition = definition
        self._plan = plan
        self._learned = frozenset((*plan.learned, *names))
        self.rules: tuple[Rule, ...] = tuple(
            rule for card in definition.scorecard for rule in card.rule
        )
        by_name = [None if name == RULES else plan.attribute_of(name) for name in names]
        by_rule = [
            Attribute("rule", rule.says) if apart else self.of_rule(rule) for rule in self.rules
        ]
        known = [attribute for attribute in by_name if attribute is not None]
        self.every: tuple[Attribute, ...] = tuple(dict.fromkeys([*known, *by_rule]))
        self.place: Mapping[Attribute, int] = {each: i for i, each in enumerate(self.every)}
        self.of_names: IntArray = np.array(
            [-1 if each is None else self.place[each] for each in by_name], dtype=np.int64
        )
        self.of_rules: IntArray = np.array([self.place[each] for each in by_rule], dtype=np.int64)
        self._first_rules = np.cumsum([0, *(len(card.rule) for card in definition.scorecard)])
        self.cards: IntArray = np.array(
            [i for i, card in enumerate(definition.scorecard) for _ in card.rule], dtype=np.int64
        )

    def of_award(self, award: Award) -> Attribute:
        """What the rule of an award tells of."""
        return self.every[int(self.of_rules[self._first_rules[award.card] + award.rule])]

    def of_rule(self, rule: Rule) -> Attribute:
        """What a rule tells of: the one thing that its conditions test, or itself. A rule on a
        column that no model learns, such as a name, tells of itself: a reason shows no such
        value."""
        tested = set()
        itself = Attribute("rule", rule.says)
        for condition in (leaf for each in rule.when for leaf in each.leaves()):
            for column in condition.columns:
                attribute = self._plan.attribute_of(column)
                is_hidden = attribute.about == "field" and attribute.name not in self._learned
                tested.add(itself if is_hidden else attribute)
            for activity in condition.asked_activities:
                tested.add(activity_attribute(self._definition.activities.kinds(activity)))
        return tested.pop() if len(tested) == 1 else itself

    @cached_property
    def sides(self) -> IntArray:
        """Which of `decide.grid.SIDES` each attribute tells of; -1 for the age of a lead and its
        returns, which are neither who they are nor what they did."""
        by_rule = {
            rule.says: side_of(rule, self._definition.activities) for rule in reversed(self.rules)
        }
        sides = {"field": "profile", "derived": "profile", "account": "profile"}
        found = []
        for attribute in self.every:
            side = sides.get(attribute.about)
            if attribute.about == "activity":
                side = self._side_of_activity(attribute)
            elif attribute.about == "rule":
                side = by_rule[attribute.name]
            found.append(-1 if side is None else SIDES.index(side))
        return np.array(found, dtype=np.int64)

    def _side_of_activity(self, attribute: Attribute) -> str:
        kinds = self.kinds.get(attribute, frozenset())
        for side in ("intent", "interest"):
            if kinds and kinds <= set(self._definition.activities.kinds(side)):
                return side
        return "behaviour"

    @cached_property
    def kinds(self) -> Mapping[Attribute, frozenset[str]]:
        """The kinds of activity that each attribute tells of, none if of any kind."""
        known = [aggregate.kinds for aggregate in self._plan.aggregates]
        tested = [name for rule in self.rules for name in rule.activities]
        known += [self._definition.activities.kinds(name) for name in tested]
        return {activity_attribute(kinds): frozenset(kinds) for kinds in known}

    @cached_property
    def aggregates(self) -> Mapping[Attribute, tuple[ActivityAggregate, ...]]:
        """The activity aggregates of each attribute, as they stand in the plan."""
        return _by_attribute(self._plan, self._plan.aggregates)

    @cached_property
    def derived(self) -> Mapping[Attribute, tuple[DerivedFeature, ...]]:
        """What is derived from the column of each attribute."""
        return _by_attribute(self._plan, self._plan.derived)

    def facts(self, attribute: Attribute, features: FeatureTable, row: int) -> dict[str, str]:
        """What is derived from the column of an attribute for the lead in this row, by the name of
        the feature: its word, or the word that a text mentions."""
        found = {}
        for each in self.derived.get(attribute, ()):
            column = features.columns.get(each.name)
            if isinstance(column, CategoricalColumn):
                if column.codes[row] >= 0:
                    found[each.name] = column.vocabulary[column.codes[row]]
            elif column is not None and column.values[row] > 0:
                found[each.name] = each.word
        return found

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The attributes of several kinds, those of the fewest kinds first."""
        found = []
        for attribute, own in self.aggregates.items():
            kinds = own[0].kinds
            if len(kinds) < 2 or attribute not in self.place:
                continue
            members = [
                (self.place[single], count)
                for single, count in ((activity_attribute([kind]), _times(kind)) for kind in kinds)
                if single in self.place and count in self._plan.aggregate_names
            ]
            times = ActivityAggregate("count", kinds).name
            if members and times in self._plan.aggregate_names:
                places, counts = zip(*members, strict=True)
                found.append((len(kinds), Group(self.place[attribute], times, places, counts)))
        return tuple(group for _, group in sorted(found, key=lambda pair: pair[0]))

    def states(
        self, attribute: Attribute, features: FeatureTable, points: Points
    ) -> tuple[IntArray, tuple[str, ...]]:
        """What each lead has of an attribute: the code (n,) of one of the states that are returned
        with it."""
        column = features.columns.get(attribute.name)
        if attribute.about == "field" and isinstance(column, CategoricalColumn):
            return column.codes + 1, (HAS_NOT, *map(word_key, column.vocabulary))
        if attribute.about == "derived":
            return self._derived_states(attribute, features)
        if attribute.about == "activity":
            has = self._did(attribute, features)
        elif attribute.about == "rule":
            has = self._met(attribute, points)
        elif attribute.about == "returns":
            has = features.numbers(RETURNS) > 0
        else:
            name = DAYS_KNOWN if attribute.about == "account" else attribute.name
            has = ~np.isnan(features.numbers(name))
        return has.astype(np.int64), (HAS_NOT, HAS)

    def every_state(
        self, features: FeatureTable, points: Points
    ) -> Iterator[tuple[Attribute, IntArray, tuple[str, ...]]]:
        """The states of all attributes, and of all rules as such."""
        of_rules = [Attribute("rule", rule.says) for rule in self.rules]
        for attribute in dict.fromkeys([*self.every, *of_rules]):
            codes, states = self.states(attribute, features, points)
            yield attribute, codes, states

    def _derived_states(
        self, attribute: Attribute, features: FeatureTable
    ) -> tuple[IntArray, tuple[str, ...]]:
        """As of `states`; each combination of facts is one."""
        coded = np.column_stack(
            [
                features.numbers(each.name) > 0
                if each.what == "mention"
                else features.words(each.name).codes
                for each in self.derived[attribute]
            ]
        )
        _, examples, kinds = np.unique(coded, axis=0, return_index=True, return_inverse=True)
        places: dict[str, int] = {HAS_NOT: 0}
        codes = [
            places.setdefault(", ".join(self.facts(attribute, features, row).values()), len(places))
            for row in examples.tolist()
        ]
        return np.array(codes, dtype=np.int64)[kinds.reshape(-1)], tuple(places)

    def _did(self, attribute: Attribute, features: FeatureTable) -> BoolArray:
        """Whether each lead did this (n,), by whatever aggregate tells it."""
        did = np.zeros(features.size, dtype=bool)
        for each in self.aggregates.get(attribute, ()):
            values = features.numbers(each.name)
            did |= ~np.isnan(values) if each.what == "days_since" else values > 0
        return did

    @staticmethod
    def _met(attribute: Attribute, points: Points) -> BoolArray:
        """Whether each lead met this rule (n,), of whichever scorecard."""
        met = np.zeros(points.size, dtype=bool)
        for award in points.awarded:
            if award.says == attribute.name:
                met |= award.held
        return met


def _by_attribute(
    plan: FeaturePlan, features: Sequence[_Feature]
) -> Mapping[Attribute, tuple[_Feature, ...]]:
    """The features of a plan by what they tell of, in their order."""
    found: dict[Attribute, list[_Feature]] = {}
    for each in features:
        found.setdefault(plan.attribute_of(each.name), []).append(each)
    return {attribute: tuple(own) for attribute, own in found.items()}


def _times(kind: str) -> str:
    return ActivityAggregate("count", (kind,)).name
