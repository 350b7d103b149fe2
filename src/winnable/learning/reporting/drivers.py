"""Drivers of conversion (global feature importance): how much each feature moves the scores, and
which way.

The contributions of the features add up to the score (`Scorer.explain`); here their absolute sizes
are averaged over many leads, with all aggregates of the same activity taken together. It describes
a model and proves no causal effect. Reasons for one lead's score are in `scoring.explanations`.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from winnable.core.columns import CategoricalColumn, FeatureTable, FloatArray
from winnable.data.features.plan import AGE
from winnable.learning.model.scorer import RULES
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.scoring.reason_words import groups_of, kinds_in_words

MIN_LEADS_PER_VALUE = 10
"""Leads that must have a value before its effect is named."""

MIN_RELATIVE_EFFECT = 0.25
"""Share of the strongest value's effect; a value with a weaker effect is not named."""

MIN_RANK_CORRELATION = 0.3
"""Between a number and its contribution, from which on its effect is called monotone."""


@dataclass(frozen=True)
class Driver:
    """One feature, or all aggregates of one activity. `weight` is the mean absolute contribution in
    log-odds, `direction` says in words which way it works."""

    name: str
    weight: float
    direction: str

    @property
    def odds(self) -> float:
        """The odds ratio: by how much it multiplies or divides the odds of a typical lead."""
        return float(np.exp(self.weight))


def drivers(predictor: Predictor, features: FeatureTable) -> tuple[Driver, ...]:
    """The drivers of the scores of these n leads, the strongest first; empty where the model is the
    scorecard alone."""
    if predictor.mode == "rules" or not features.size:
        return ()
    features, contributions = predictor.explain(features)
    by_name = dict(zip(contributions.names, contributions.values.T, strict=True))
    found = []
    for subject, names in _subjects(predictor, contributions.names).items():
        moved = np.sum([by_name[name] for name in names], axis=0)
        if moved.any():
            weight = float(np.abs(moved).mean())
            known = predictor.scorer.words.get(names[0], {})
            found.append(Driver(subject, weight, _direction(features, names, moved, known)))
    return tuple(sorted(found, key=lambda driver: (-driver.weight, driver.name)))


def _subjects(predictor: Predictor, names: tuple[str, ...]) -> Mapping[str, list[str]]:
    """The features by what they are about: activity aggregates by their activity."""
    groups = groups_of(predictor.definition.activities)
    aggregates = dict(zip(predictor.plan.aggregate_names, predictor.plan.aggregates, strict=True))
    own_names = {RULES: "Scorecard points", AGE: "Age of the lead"}
    subjects: dict[str, list[str]] = {}
    for name in names:
        if name in aggregates:
            subject = kinds_in_words(aggregates[name].kinds, groups)
        else:
            subject = own_names.get(name, name)
        subjects.setdefault(subject[0].upper() + subject[1:], []).append(name)
    return subjects


def _direction(
    features: FeatureTable, names: list[str], moved: FloatArray, known: Container[str]
) -> str:
    """Which way contributions (n,) go: by category, of which the `known` ones are named, or by how
    often or how much."""
    if names == [RULES]:
        return "the more points, the likelier" if moved.any() else ""
    column = features.columns.get(names[0])
    if isinstance(column, CategoricalColumn):
        return _by_category(column, moved, known)
    count = next((name for name in names if name.startswith("times ")), names[0])
    values = features.numbers(count)
    known = ~np.isnan(values)
    if known.sum() < MIN_LEADS_PER_VALUE or not np.ptp(values[known]) or not np.ptp(moved[known]):
        return ""
    more = "older" if names == [AGE] else "more"
    trend = float(spearmanr(values[known], moved[known]).statistic)
    if abs(trend) >= MIN_RANK_CORRELATION:
        return f"the {more}, the {'likelier' if trend > 0 else 'less likely'}"
    return f"likeliest {_best_range(values[known], moved[known])}"


def _best_range(values: FloatArray, moved: FloatArray) -> str:
    """The quartile of the values with the highest mean contribution."""
    edges = np.unique(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    where = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    means = [
        float(moved[where == i].mean()) if (where == i).any() else -np.inf
        for i in range(max(len(edges) - 1, 1))
    ]
    best = int(np.argmax(means))
    low = edges[best]
    high = edges[min(best + 1, len(edges) - 1)]
    return f"from {low:,.4g} to {high:,.4g}"


def _by_category(column: CategoricalColumn, moved: FloatArray, known: Container[str]) -> str:
    """The categories that raise scores most, and those that lower them most. A word that the model
    does not tell apart, as one person alone may have it, is never named."""
    categories = [*column.vocabulary, "not known"]
    codes = column.codes % len(categories)
    counts = np.bincount(codes, minlength=len(categories))
    means = np.bincount(codes, moved, minlength=len(categories)) / np.maximum(counts, 1)
    named = [word in known for word in column.vocabulary] + [True]
    frequent = [i for i in np.argsort(-means) if named[i] and counts[i] >= MIN_LEADS_PER_VALUE]
    clear = MIN_RELATIVE_EFFECT * max((abs(means[i]) for i in frequent), default=0.0)
    raising = [categories[i] for i in frequent if means[i] > clear][:2]
    lowering = [categories[i] for i in reversed(frequent) if means[i] < -clear][:2]
    effects = [_effect(raising, "raise"), _effect(lowering, "lower")]
    return "; ".join(effect for effect in effects if effect)


def _effect(categories: list[str], verb: str) -> str:
    if not categories:
        return ""
    ending = "" if len(categories) > 1 else "s"
    return f"{' and '.join(categories)} {verb}{ending} it"
