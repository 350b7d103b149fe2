"""Reasons: what moves a score, in the words of people who sell.

The parts of a score are log-odds that add up to it (`Scorer.explain`); here the largest are chosen
and said with the lead's own value and direction. A score from rules names the rules that fired. No
number is computed here.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np

from winnable.core.columns import ActivityAggregate, CategoricalColumn, FeatureTable
from winnable.data.features.plan import AGE, FeaturePlan
from winnable.definition.conditions import Activities
from winnable.definition.decide.scorecard import Points
from winnable.learning.model.scorer import RULES, Contributions

SHOWN = 3  # reasons for and against each
WORTH_SAYING = 0.01  # log-odds; what moves a score by less is no reason


@dataclass(frozen=True)
class Reason:
    """One thing that moves a score: `says` is the sentence; `log_odds` above 0 raises the score,
    None where points speak."""

    name: str
    says: str
    log_odds: float | None


def groups_of(activities: Activities) -> dict[tuple[str, ...], str]:
    """What people call the groups of kinds that the definition makes, by their kinds."""
    intent, interest = activities.intent, activities.interest
    return {
        intent: "sign of intent",
        interest: "sign of interest",
        intent + interest: "sign of intent or interest",
    }


def model_reasons(
    plan: FeaturePlan,
    features: FeatureTable,
    parts: Contributions,
    groups: Mapping[tuple[str, ...], str],
    words: Mapping[str, Container[str]],
) -> tuple[tuple[Reason, ...], ...]:
    """For each lead the strongest parts of its score, those that raise it first.

    `groups` are called as `groups_of` names them. `words` are those that the model tells apart, by
    column: of any other it only knows that it is rare, and the reason says so.
    """
    measures = zip(plan.aggregate_names, plan.aggregates, strict=True)
    said = {name: (measure, kinds_in_words(measure.kinds, groups)) for name, measure in measures}
    raising, lowering = (
        np.argsort(side, axis=1, kind="stable")[:, :SHOWN] for side in (-parts.values, parts.values)
    )
    order = np.concatenate([raising, lowering], axis=1)
    sign = np.repeat([1, -1], [raising.shape[1], lowering.shape[1]])
    strength = np.take_along_axis(parts.values, order, axis=1)
    strength[strength * sign <= WORTH_SAYING] = 0
    return tuple(
        tuple(
            _reason(parts.names[i], said, features, words, row, value)
            for i, value in zip(*each, strict=True)
            if value
        )
        for row, each in enumerate(zip(order.tolist(), strength.tolist(), strict=True))
    )


def scorecard_reasons(points: Points) -> tuple[tuple[Reason, ...], ...]:
    """For each lead the rules that gave or took points, the largest first."""
    return tuple(
        tuple(_award(says, given) for says, given in points.reasons(row)[: 2 * SHOWN])
        for row in range(points.size)
    )


def _award(says: str, points: float) -> Reason:
    return Reason(says, f"{says}: {points:+.3g} points", None)


def _reason(
    name: str,
    said: Mapping[str, tuple[ActivityAggregate, str]],
    features: FeatureTable,
    words: Mapping[str, Container[str]],
    row: int,
    log_odds: float,
) -> Reason:
    measured = name in said
    what = (
        _measured(*said[name], float(features.numbers(name)[row]))
        if measured
        else _field(name, features, words.get(name), row)
    )
    return Reason(name, f"{what}: {'raises' if log_odds > 0 else 'lowers'}", log_odds)


def _field(name: str, features: FeatureTable, known: Container[str] | None, row: int) -> str:
    if name == AGE:
        return f"{features.numbers(name)[row]:.0f} days old"
    if name == RULES:
        return "The points of our definition"
    column = features.columns.get(name)
    if column is None:
        return name
    if isinstance(column, CategoricalColumn):
        if column.codes[row] < 0:
            return f"{name} is not known"
        word = column.vocabulary[column.codes[row]]
        return (
            f"{name} is {word}"
            if known is None or word in known
            else f"{name} is {word}, one of the rare ones"
        )
    value = column.values[row]
    return f"{name} is not known" if np.isnan(value) else f"{name} is {value:.15g}"


def _measured(measure: ActivityAggregate, kinds: str, value: float) -> str:
    within = "" if measure.within_days is None else f" in {measure.within_days:g} days"
    if measure.what == "days_since":
        return f"No {kinds} yet" if np.isnan(value) else f"Last {kinds} {value:.0f} days ago"
    if measure.what == "kinds":
        return f"{value:.0f} different kinds of activity{within}"
    if measure.what == "change":
        often = (
            "as often"
            if value == 0
            else f"{abs(value):.0f} times {'more' if value > 0 else 'less'}"
        )
        before = f"{'as' if value == 0 else 'than'} in the {measure.within_days:g} before"
        return f"{kinds[0].upper()}{kinds[1:]} {often}{within} {before}"
    return (
        f"No {kinds}{within or ' yet'}"
        if value == 0
        else f"{kinds[0].upper()}{kinds[1:]} {value:.0f} times{within}"
    )


def kinds_in_words(kinds: tuple[str, ...], groups: Mapping[tuple[str, ...], str]) -> str:
    """Kinds of activity as people call them; `groups` as `groups_of` names them."""
    if not kinds:
        return "activity"
    if kinds in groups:
        return groups[kinds]
    return (
        " or ".join(kinds)
        if len(kinds) <= 3
        else f"{', '.join(kinds[:2])} or {len(kinds) - 2} other kinds"
    )
