"""Lead scoring by points: what a definition's scorecards give to leads, and the log-odds of being
won that both teams expect of that many points.

The same code scores one lead or a million: a rule is tested on a whole column at once. The result
keeps each lead's scorecard, what every rule gave and how far it had decayed, because the rules that
fired are the reasons that people are shown. Correcting the teams' expectation by real outcomes is
done in `recalibration`, the hand-over in `gate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Self

import numpy as np

from winnable.core.columns import BoolArray, FeatureTable, FloatArray, IntArray
from winnable.core.statistics import logit_of, sigmoid
from winnable.definition.conditions import all_hold
from winnable.definition.parts import Activities
from winnable.definition.rules import Rule, Scorecard
from winnable.definition.schema import Definition

MAX_ABS_LOG_ODDS = 20.0
"""The largest absolute log-odds that are expected of a lead, odds of 500 million to 1, so that a
probability never becomes 0 or 1."""


@dataclass(frozen=True)
class Award:
    """What one rule gave, before caps.

    `held` (n,) tells which leads met it; `decay` (n,) is the share of the points that was left,
    None where the rule does not decay. `card` and `rule` are positions in the definition.
    """

    card: int
    rule: int
    says: str
    group: str
    points: float
    held: BoolArray
    decay: FloatArray | None = None

    @property
    def given(self) -> FloatArray:
        """The points given to each lead, shape (n,); 0 where the rule was not met or the lead has
        another scorecard."""
        full = self.held.astype(np.float64) * self.points
        return full if self.decay is None else full * self.decay

    def take(self, rows: IntArray) -> Self:
        """The same rule for the leads in these rows."""
        decay = None if self.decay is None else self.decay[rows]
        return replace(self, held=self.held[rows], decay=decay)


@dataclass(frozen=True)
class Points:
    """The points of `size` leads and what is expected of them.

    `card` (n,) is the position of each lead's scorecard in the definition, -1 where no segment fits
    or there is no scorecard (then `points` is 0); `logit` (n,) are the log-odds that the definition
    expects; `anchor` (n,) the log-odds at the threshold of the lead's scorecard, around which
    `recalibrate` turns; `awarded` holds every rule of every scorecard that some lead has.
    """

    size: int
    card: IntArray
    points: FloatArray
    logit: FloatArray
    anchor: FloatArray
    awarded: tuple[Award, ...]

    def take(self, rows: IntArray) -> Self:
        """The points of the leads in these rows."""
        return replace(
            self,
            size=len(rows),
            card=self.card[rows],
            points=self.points[rows],
            logit=self.logit[rows],
            anchor=self.anchor[rows],
            awarded=tuple(award.take(rows) for award in self.awarded),
        )


def score_points(definition: Definition, features: FeatureTable) -> Points:
    """The points of all leads, each by the first scorecard whose segment fits it.

    The log-odds follow from two numbers that people can agree on, as in credit scoring (Siddiqi,
    Credit Risk Scorecards, 2006, "points to double the odds"):

        logit = logit(conversion_at_threshold)
                + (points - threshold) * ln 2 / points_to_double_the_odds

    Without a scorecard it is logit(outcome.expected_conversion). Never fails: a missing feature
    gives no points.
    """
    cards = definition.scorecard
    chosen = choose_cards(definition, features)
    points = np.zeros(features.size)
    anchor = np.full(features.size, logit_of(definition.outcome.expected_conversion))
    logit = anchor.copy()
    awarded: list[Award] = []
    for position, card in enumerate(cards):
        in_segment = chosen == position
        if not in_segment.any():
            continue
        awards = _awards(position, card, in_segment, features, definition.activities)
        total = _total(card, awards, features.size)
        at_threshold = logit_of(card.conversion_at_threshold)
        expected = at_threshold + (total - card.threshold) * log_odds_per_point(card)
        points = np.where(in_segment, total, points)
        anchor = np.where(in_segment, at_threshold, anchor)
        logit = np.where(in_segment, expected, logit)
        awarded += awards
    logit = np.clip(logit, -MAX_ABS_LOG_ODDS, MAX_ABS_LOG_ODDS)
    return Points(features.size, chosen, points, logit, anchor, tuple(awarded))


def log_odds_by_rule(definition: Definition, points: Points) -> FloatArray:
    """What each rule of each scorecard, in their order, adds to the log-odds of each lead, shape
    (size, rules).

    Where a cap or a limit of the scorecard takes points away, all rules that it concerns give up
    the same share of theirs. So the rules of a lead add up to what is expected of it above
    `log_odds_without_points`, unless a limit grants points that no rule gave, or the odds are
    beyond `MAX_ABS_LOG_ODDS`.
    """
    starts = np.cumsum([0, *(len(card.rule) for card in definition.scorecard)])
    shares = np.zeros((points.size, int(starts[-1])))
    groups: dict[int, list[str]] = {}
    for award in points.awarded:
        shares[:, starts[award.card] + award.rule] = award.given
        groups.setdefault(award.card, []).append(award.group)
    for position, names in groups.items():
        card = definition.scorecard[position]
        given = shares[:, starts[position] : starts[position + 1]]
        for group, cap in card.caps.items():
            inside = [i for i, name in enumerate(names) if name == group]
            if inside:
                total = given[:, inside].sum(axis=1)
                given[:, inside] *= _share_left(total, np.minimum(total, cap))[:, None]
        total = given.sum(axis=1)
        kept = np.where(points.card == position, points.points, total)
        given *= _share_left(total, kept)[:, None] * log_odds_per_point(card)
    return shares


def log_odds_without_points(definition: Definition) -> FloatArray:
    """What each scorecard expects of a lead to which no rule applies, shape (scorecards,)."""
    return np.array(
        [
            logit_of(card.conversion_at_threshold) - card.threshold * log_odds_per_point(card)
            for card in definition.scorecard
        ]
    )


def log_odds_per_point(card: Scorecard) -> float:
    """What one point of a scorecard adds to the log-odds."""
    return log(2) / card.points_to_double_the_odds


def _share_left(total: FloatArray, kept: FloatArray) -> FloatArray:
    """The share of each total (n,) that is kept: all where it stays, none where its sign
    changes."""
    share: FloatArray = (kept == total) * 1.0
    np.divide(kept, total, out=share, where=total * kept > 0)
    return share


def choose_cards(definition: Definition, features: FeatureTable) -> IntArray:
    """The position of the first scorecard whose segment fits each lead, shape (n,); -1 where none
    does."""
    chosen = np.full(features.size, -1, dtype=np.int64)
    for position, card in enumerate(definition.scorecard):
        fits = chosen < 0
        if card.segment:
            fits &= all_hold(card.segment, features, definition.activities)
        chosen[fits] = position
    return chosen


def group_of(rule: Rule, activities: Activities) -> str:
    """The group whose cap a rule counts towards: its own, else by its conditions: intent, interest,
    other behaviour, or profile."""
    if rule.group is not None:
        return rule.group
    tested = rule.activities
    if not tested:
        return "profile"
    if all(activity == "intent" or activity in activities.intent for activity in tested):
        return "intent"
    if all(activity == "interest" or activity in activities.interest for activity in tested):
        return "interest"
    return "behaviour"


def probability_of(logit: FloatArray) -> FloatArray:
    """The probabilities of expected log-odds, of the same shape, always above 0 and below 1."""
    return sigmoid(np.clip(logit, -MAX_ABS_LOG_ODDS, MAX_ABS_LOG_ODDS))


def _awards(
    position: int,
    card: Scorecard,
    in_segment: BoolArray,
    features: FeatureTable,
    activities: Activities,
) -> list[Award]:
    awards = []
    for i, rule in enumerate(card.rule):
        held = in_segment & all_hold(rule.when, features, activities)
        decays = rule.half_life_days is not None and bool(held.any())
        decay = _decay(rule, features, activities) if decays else None
        group = group_of(rule, activities)
        awards.append(Award(position, i, rule.says, group, rule.points, held, decay))
    return awards


def _decay(rule: Rule, features: FeatureTable, activities: Activities) -> FloatArray:
    """The share of the points that is left, shape (n,): 2 ** (-days / half-life), counted from the
    latest of what makes the rule's conditions true; 1 where that day is unknown."""
    assert rule.half_life_days is not None
    days = np.full(features.size, np.nan)
    for condition in rule.when:
        days = np.fmin(days, condition.youngest(features, activities))
    share: FloatArray = np.exp2(-np.fmax(days, 0.0) / rule.half_life_days)
    return share


def _total(card: Scorecard, awards: Sequence[Award], size: int) -> FloatArray:
    """The points of a scorecard, shape (size,), after the caps of its groups and its own limits."""
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
