"""Fit, interest and intent apart: what who they are and what they did makes of the odds of the
average lead, and the cell of the grid, A1 to D4, that follows.

Three sub-scores and other behaviour multiply the odds. While the scorecard answers they are its
points by group, else parts of the model's score (`learning.scoring.explanations` brings both here).
The average lead of a scorecard is the one that is won as often as the definition expects of any
lead; its points count for fit and engagement in proportion to what the rules of each can give.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from winnable.core.columns import FloatArray, IntArray
from winnable.core.statistics import logit_of
from winnable.definition.decide.gate import ROUNDING
from winnable.definition.decide.scorecard import (
    MAX_ABS_LOG_ODDS,
    group_of,
    log_odds_per_point,
)
from winnable.definition.grid import ENGAGEMENT, FIT, Grid
from winnable.definition.parts import Activities
from winnable.definition.rules import Rule, Scorecard
from winnable.definition.schema import Definition

SIDES = ("profile", "interest", "intent", "behaviour")
"""What a rule or a part of a score tells of: who they are, and three sorts of what they did."""


@dataclass(frozen=True)
class GridPlace:
    """A lead's place in the grid: its cell and what the company calls it. `fit`, `interest`,
    `intent` and `behaviour` are odds ratios against the average lead, the last three of which make
    up `engagement`, none of them beyond `MAX_ABS_LOG_ODDS`; `points` are those of the four where
    the scorecard answers, else None."""

    cell: str
    says: str
    fit: float
    engagement: float
    interest: float
    intent: float
    behaviour: float
    points: dict[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """The place as plain JSON types."""
        return {
            "cell": self.cell,
            "says": self.says,
            "fit": self.fit,
            "engagement": self.engagement,
            "interest": self.interest,
            "intent": self.intent,
            "behaviour": self.behaviour,
            "points": self.points,
        }


@dataclass(frozen=True)
class SubScores:
    """What each of `SIDES` adds to the log-odds of n leads above those of the average lead,
    `log_odds` (n, 4); `points` (n, 4) are a scorecard's own, None of a learned model."""

    log_odds: FloatArray
    points: FloatArray | None = None

    def take(self, rows: IntArray) -> Self:
        """The sub-scores of the leads in these rows."""
        points = None if self.points is None else self.points[rows]
        return replace(self, log_odds=self.log_odds[rows], points=points)


def side_of(rule: Rule, activities: Activities) -> str:
    """Which of `SIDES` a rule tells of: its own group where it is one of these, else by its
    conditions."""
    group = group_of(rule, activities)
    return (
        group if group in SIDES else group_of(rule.model_copy(update={"group": None}), activities)
    )


def sides_of_points(definition: Definition, by_rule: FloatArray, card: IntArray) -> SubScores:
    """The sub-scores of leads whose scorecards are `card` (n,), by what each rule adds to their
    log-odds, `by_rule` (n, rules), as `log_odds_by_rule` finds it. A lead without a scorecard is
    average."""
    rules = [rule for each in definition.scorecard for rule in each.rule]
    sides = [SIDES.index(side_of(rule, definition.activities)) for rule in rules]
    log_odds = by_rule @ np.eye(len(SIDES))[np.array(sides, dtype=np.int64)]
    # A lead without a scorecard has card -1, which picks the last row.
    per_point = np.array([*map(log_odds_per_point, definition.scorecard), 1.0])[card][:, None]
    average = np.array(
        [*(_average_points(definition, each) for each in definition.scorecard), np.zeros(4)]
    )
    return SubScores(log_odds - average[card] * per_point, log_odds / per_point)


def places(grid: Grid, scores: SubScores) -> tuple[GridPlace | None, ...]:
    """The place of each lead; None where nothing is known of its score."""
    fit = scores.log_odds[:, 0]
    engagement = scores.log_odds[:, 1:].sum(axis=1)
    letters = _codes(grid.fit, fit)
    digits = _codes(grid.engagement, engagement)
    ratios: list[list[float]] = _odds_ratios(scores.log_odds).tolist()
    engaged: list[float] = _odds_ratios(engagement).tolist()
    points = None if scores.points is None else np.round(scores.points, 6).tolist()
    found: list[GridPlace | None] = []
    for row, unknown in enumerate(np.isnan(fit + engagement).tolist()):
        if unknown:
            found.append(None)
            continue
        cell = FIT[letters[row]] + ENGAGEMENT[digits[row]]
        given = None if points is None else dict(zip(SIDES, points[row], strict=True))
        own, interest, intent, behaviour = ratios[row]
        found.append(
            GridPlace(
                cell, grid.says(cell), own, engaged[row], interest, intent, behaviour, points=given
            )
        )
    return tuple(found)


def offered_points(definition: Definition, card: Scorecard) -> FloatArray:
    """The most points that the rules of each of `SIDES` can give, after the caps, shape (4,)."""
    offered = np.zeros(len(SIDES))
    groups: dict[str, FloatArray] = {}
    for rule in card.rule:
        own = groups.setdefault(group_of(rule, definition.activities), np.zeros(len(SIDES)))
        own[SIDES.index(side_of(rule, definition.activities))] += max(rule.points, 0.0)
    for group, own in groups.items():
        total = float(own.sum())
        cap = card.caps.get(group, total)
        offered += own * (min(1.0, cap / total) if total else 0.0)
    return offered


def _average_points(definition: Definition, card: Scorecard) -> FloatArray:
    """What the average lead of a scorecard has of each of `SIDES`, shape (4,)."""
    expected = logit_of(definition.outcome.expected_conversion)
    doublings = (expected - logit_of(card.conversion_at_threshold)) / log_odds_per_point(card)
    offered = offered_points(definition, card)
    total = offered.sum()
    return np.asarray(offered * ((card.threshold + doublings) / total if total else 0.0))


def _odds_ratios(log_odds: FloatArray) -> FloatArray:
    """Within the bounds that the probability has, too, so that every one is a finite number."""
    return np.asarray(np.exp(np.clip(log_odds, -MAX_ABS_LOG_ODDS, MAX_ABS_LOG_ODDS)))


def _codes(steps: Sequence[float], log_odds: FloatArray) -> list[int]:
    """0 from the first of the odds ratios on, 3 below the last."""
    cuts = np.log(np.array(steps)[::-1]) - ROUNDING
    codes: list[int] = (len(steps) - np.searchsorted(cuts, log_odds, side="right")).tolist()
    return codes
