"""Explanations: the reasons for a score, in the words of people who sell.

The feature contributions of a score are log-odds that add up to it (`Scorer.explain`, an additive
attribution as SHAP values are); here the largest are chosen and put into words with the lead's own
value and direction. A score from rules names the rules that fired. No number is computed here.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np

from winnable.core.columns import ActivityAggregate, CategoricalColumn, FeatureTable
from winnable.data.features.accounts import ACCOUNT_COLUMNS, DAYS_KNOWN
from winnable.data.features.plan import AGE, FeaturePlan
from winnable.data.features.returns import OUTCOME_BEFORE, RETURN_COLUMNS, RETURNS
from winnable.definition.conditions import Activities
from winnable.definition.decide.scorecard import Points
from winnable.learning.model.scorer import RULES, Contributions

REASONS_PER_DIRECTION = 3
"""Reasons for a lead that are shown at most, and as many against it."""

MIN_LOG_ODDS = 0.01
"""What moves a score by less is no reason."""

MAX_KINDS_IN_WORDS = 3
"""Kinds of activity that a reason names; of more it names two and counts the others."""


@dataclass(frozen=True)
class Reason:
    """One thing that moves a score: `text` is the sentence; `log_odds` above 0 raises the score,
    None for points of a scorecard."""

    name: str
    text: str
    log_odds: float | None


def groups_of(activities: Activities) -> dict[tuple[str, ...], str]:
    """What people call the groups of kinds that the definition makes, by their kinds."""
    intent = activities.intent
    interest = activities.interest
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

    `groups` are called as `groups_of` names them. `words` are those that the model distinguishes,
    by column: of any other it only knows that it is rare, and the reason says so.
    """
    named = zip(plan.aggregate_names, plan.aggregates, strict=True)
    aggregates = {
        name: (aggregate, kinds_in_words(aggregate.kinds, groups))
        for name, aggregate in named
        if aggregate.column is None  # a property is shown as a column is
    }
    raising, lowering = (
        np.argsort(side, axis=1, kind="stable")[:, :REASONS_PER_DIRECTION]
        for side in (-parts.values, parts.values)
    )
    order = np.concatenate([raising, lowering], axis=1)
    sign = np.repeat([1, -1], [raising.shape[1], lowering.shape[1]])
    strength = np.take_along_axis(parts.values, order, axis=1)
    strength[strength * sign <= MIN_LOG_ODDS] = 0
    return tuple(
        tuple(
            _reason(parts.names[column], aggregates, features, words, row, value)
            for column, value in zip(columns, values, strict=True)
            if value
        )
        for row, (columns, values) in enumerate(zip(order.tolist(), strength.tolist(), strict=True))
    )


def scorecard_reasons(points: Points) -> tuple[tuple[Reason, ...], ...]:
    """For each lead the rules that gave or took points, the largest first."""
    return tuple(
        tuple(
            Reason(rule, f"{rule}: {given:+.3g} points", None)
            for rule, given in points.reasons(row)[: 2 * REASONS_PER_DIRECTION]
        )
        for row in range(points.size)
    )


def _reason(
    name: str,
    aggregates: Mapping[str, tuple[ActivityAggregate, str]],
    features: FeatureTable,
    words: Mapping[str, Container[str]],
    row: int,
    log_odds: float,
) -> Reason:
    if name in aggregates:
        aggregate, kinds = aggregates[name]
        what = _aggregate_in_words(aggregate, kinds, float(features.numbers(name)[row]))
    else:
        what = _field_in_words(name, features, words.get(name), row)
    return Reason(name, f"{what}: {'raises' if log_odds > 0 else 'lowers'}", log_odds)


def _field_in_words(
    name: str, features: FeatureTable, known: Container[str] | None, row: int
) -> str:
    if name in ACCOUNT_COLUMNS:
        return _account_in_words(name, float(features.numbers(name)[row]))
    if name in (AGE, RULES, *RETURN_COLUMNS):
        return _derived_in_words(name, features, row)
    column = features.columns.get(name)
    if column is None:
        return name
    if isinstance(column, CategoricalColumn):
        if column.codes[row] < 0:
            return f"{name} is not known"
        word = column.vocabulary[column.codes[row]]
        rare = known is not None and word not in known
        return f"{name} is {word}, one of the rare ones" if rare else f"{name} is {word}"
    value = column.values[row]
    return f"{name} is not known" if np.isnan(value) else f"{name} is {value:.15g}"


def _account_in_words(name: str, value: float) -> str:
    """What is known of the lead's account."""
    if name == DAYS_KNOWN:
        if not value:
            return "Nobody else of the account is known"
        return f"Others of the account are known for {value:.0f} days"
    return f"{f'{value:.0f}' if value else 'No'} {name}"


def _derived_in_words(name: str, features: FeatureTable, row: int) -> str:
    """A feature that is no column of the CRM."""
    if name == RULES:
        return "The points of our definition"
    if name == AGE:
        return f"{features.numbers(name)[row]:.0f} days old"
    if name == OUTCOME_BEFORE:
        before = features.words(name)
        code = before.codes[row]
        return "Never won or lost before" if code < 0 else f"Was {before.vocabulary[code]} before"
    value = float(features.numbers(name)[row])
    if name == RETURNS:
        times = "once" if value == 1 else f"{value:.0f} times"
        return f"Has returned {times}" if value else "Has not returned before"
    return "Never won or lost before" if np.isnan(value) else f"Won or lost {value:.0f} days ago"


def _aggregate_in_words(aggregate: ActivityAggregate, kinds: str, value: float) -> str:
    capitalized = f"{kinds[0].upper()}{kinds[1:]}"
    within = "" if aggregate.within_days is None else f" in {aggregate.within_days:g} days"
    if aggregate.what == "days_since":
        return f"No {kinds} yet" if np.isnan(value) else f"Last {kinds} {value:.0f} days ago"
    if aggregate.what == "kinds":
        return f"{value:.0f} different kinds of activity{within}"
    if aggregate.what == "change":
        before = f"in the {aggregate.within_days:g} before"
        if value == 0:
            return f"{capitalized} as often{within} as {before}"
        more = "more" if value > 0 else "less"
        return f"{capitalized} {abs(value):.0f} times {more}{within} than {before}"
    if value == 0:
        return f"No {kinds}{within or ' yet'}"
    return f"{capitalized} {value:.0f} times{within}"


def kinds_in_words(kinds: tuple[str, ...], groups: Mapping[tuple[str, ...], str]) -> str:
    """Kinds of activity as people call them; `groups` as `groups_of` names them."""
    if not kinds:
        return "activity"
    if kinds in groups:
        return groups[kinds]
    if len(kinds) <= MAX_KINDS_IN_WORDS:
        return " or ".join(kinds)
    return f"{', '.join(kinds[:2])} or {len(kinds) - 2} other kinds"
