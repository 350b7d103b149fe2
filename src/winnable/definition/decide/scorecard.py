"""Points: what a definition's scorecards give to leads, and the log-odds of being won that both
teams expect of so many points.

For one lead or a million, the same code: a rule is tested on a whole column at once. Which
segment's card a lead gets, what each rule gave, how points fade and where they are capped, all of
it is kept, because the rules that fired are the reasons that people are shown. Correcting the
teams' expectation by what really happened is done in `refit`, the hand-over in `gate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from winnable.core.columns import ActivityAggregate, BoolArray, FeatureTable, FloatArray, IntArray
from winnable.definition.conditions import Activities, all_hold
from winnable.definition.rules import Rule, Scorecard
from winnable.definition.schema import Definition

SUREST = 20.0
"""No expectation is surer than these log-odds, one in 500 million either way; so a probability
never becomes 0 or 1."""


@dataclass(frozen=True)
class Award:
    """What one rule gave, before caps: `held` says to whom, shape (n,); `faded` is what was left of
    the points, 1 for all."""

    card: int
    rule: int
    says: str
    group: str
    points: float
    held: BoolArray
    faded: FloatArray | None = None

    @property
    def given(self) -> FloatArray:
        """The points given to each lead, shape (n,); 0 where the rule was not met or the lead has
        another card."""
        full = self.held.astype(np.float64) * self.points
        return full if self.faded is None else full * self.faded


@dataclass(frozen=True)
class Points:
    """The points of `size` leads and what is expected of them.

    `card` (n,) is the position of each lead's scorecard in the definition, -1 where no segment fits
    or there is no card (then `points` is 0); `logit` (n,) are the log-odds that the definition
    expects; `anchor` (n,) the log-odds at the threshold of the lead's card, from which `refit`
    turns; `awarded` holds every rule of every card that some lead has.
    """

    size: int
    card: IntArray
    points: FloatArray
    logit: FloatArray
    anchor: FloatArray
    awarded: tuple[Award, ...]

    def reasons(self, row: int) -> tuple[tuple[str, float], ...]:
        """What gave or took points for the lead in this row, (says, points), the weightiest first."""
        given = [(award.says, float(award.given[row])) for award in self.awarded if award.held[row]]
        return tuple(sorted(given, key=lambda reason: -abs(reason[1])))

    def by_group(self, group: str) -> FloatArray:
        """The points of one group of rules, before caps, shape (n,): intent and interest are looked
        at apart this way."""
        return np.asarray(
            sum(
                (award.given for award in self.awarded if award.group == group), np.zeros(self.size)
            )
        )


def score_points(definition: Definition, features: FeatureTable) -> Points:
    """The points of all leads, each by the first scorecard whose segment fits it.

    The log-odds follow from two numbers that people can agree on, as in credit scoring (Siddiqi,
    Credit Risk Scorecards, 2006, "points to double the odds"):

        logit = logit(conversion_at_threshold) + (points - threshold) * ln 2 /
        points_to_double_the_odds

    Without a card it is logit(outcome.expected_conversion). Never fails: what the features do not
    tell gives no points.
    """
    cards = definition.scorecard
    chosen = choose_cards(definition, features)
    points = np.zeros(features.size)
    anchor = np.full(features.size, log_odds(definition.outcome.expected_conversion))
    logit = anchor.copy()
    awarded: list[Award] = []
    for position, card in enumerate(cards):
        mine = chosen == position
        if not mine.any():
            continue
        awards = _awards(position, card, mine, features, definition.activities)
        total = _total(card, awards, features.size)
        base = log_odds(card.conversion_at_threshold)
        expected = base + (total - card.threshold) * (log(2) / card.points_to_double_the_odds)
        points = np.where(mine, total, points)
        anchor = np.where(mine, base, anchor)
        logit = np.where(mine, expected, logit)
        awarded += awards
    return Points(
        features.size, chosen, points, np.clip(logit, -SUREST, SUREST), anchor, tuple(awarded)
    )


def choose_cards(definition: Definition, features: FeatureTable) -> IntArray:
    """The position of the first scorecard whose segment fits each lead, shape (n,); -1 where none
    does."""
    chosen = np.full(features.size, -1, dtype=np.int64)
    for position, card in enumerate(definition.scorecard):
        free = chosen < 0
        if card.segment:
            free &= all_hold(card.segment, features, definition.activities)
        chosen[free] = position
    return chosen


def group_of(rule: Rule, activities: Activities) -> str:
    """The group that a rule counts in: its own, else by what it asks: intent, interest, other
    behaviour, or profile."""
    if rule.group is not None:
        return rule.group
    asked = [condition.activity for condition in rule.when if condition.activity is not None]
    if not asked:
        return "profile"
    if all(activity == "intent" or activity in activities.intent for activity in asked):
        return "intent"
    return (
        "interest"
        if all(activity == "interest" or activity in activities.interest for activity in asked)
        else "behaviour"
    )


def log_odds(probability: float) -> float:
    """ln(p / (1 - p)) of a probability between 0 and 1, both excluded."""
    return log(probability / (1 - probability))


def probability_of(logit: FloatArray) -> FloatArray:
    """1 / (1 + exp(-logit)), of the same shape, always above 0 and below 1."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -SUREST, SUREST))))


def _awards(
    position: int, card: Scorecard, mine: BoolArray, features: FeatureTable, activities: Activities
) -> list[Award]:
    awards = []
    for i, rule in enumerate(card.rule):
        held = mine & all_hold(rule.when, features, activities)
        fades = rule.half_life_days is not None and bool(held.any())
        faded = _faded(rule, features, activities) if fades else None
        awards.append(
            Award(position, i, rule.says, group_of(rule, activities), rule.points, held, faded)
        )
    return awards


def _faded(rule: Rule, features: FeatureTable, activities: Activities) -> FloatArray:
    """What is left of the points: 2 ** (-days since the latest of what the rule asks / half-life),
    1 where the day is unknown."""
    assert rule.half_life_days is not None
    days = np.full(features.size, np.nan)
    for condition in rule.when:
        age = condition.age(activities)
        if age is not None:
            days = np.fmin(
                days, features.numbers(age.name if isinstance(age, ActivityAggregate) else age)
            )
    left: FloatArray = np.exp2(-np.fmax(days, 0.0) / rule.half_life_days)
    return left


def _total(card: Scorecard, awards: Sequence[Award], size: int) -> FloatArray:
    groups: dict[str | None, FloatArray] = {None: np.zeros(size)}
    for award in awards:
        group = award.group if award.group in card.caps else None
        sums = groups.setdefault(group, np.zeros(size))
        sums += award.given
    total = np.zeros(size)
    for group, sums in groups.items():
        total += sums if group is None else np.minimum(sums, card.caps[group])
    low = -np.inf if card.at_least is None else card.at_least
    high = np.inf if card.at_most is None else card.at_most
    return np.clip(total, low, high)
