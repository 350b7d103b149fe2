"""What drives conversion: how much each thing that is known of leads moves their scores, and which
way.

The parts of every score add up to it (`Scorer.explain`); here their sizes are averaged over many
leads, with all questions to the activity log that ask for the same activity taken together. It
describes a model and proves no cause. Reasons for one lead are found in `reasons`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from winnable.core.columns import CategoricalColumn, FeatureTable, FloatArray
from winnable.data.features.plan import AGE
from winnable.learning.model.scorer import RULES
from winnable.learning.scoring.explanations import groups_of, kinds_in_words
from winnable.learning.scoring.predictor import Predictor

LEAST = 10  # leads that must share a word before anything is said of it
WORTH_SAYING = 0.25  # of what the strongest word does; a weaker one is not named
CLEAR = 0.3  # of rank correlation, beyond which more of a thing is said to raise or to lower scores


@dataclass(frozen=True)
class Driver:
    """One thing that moves scores. `weight` is the mean size of its part in log-odds, `direction`
    says in words which way."""

    name: str
    weight: float
    direction: str

    @property
    def odds(self) -> float:
        """By how much it multiplies or divides the odds of a typical lead."""
        return float(np.exp(self.weight))


def drivers(predictor: Predictor, features: FeatureTable) -> tuple[Driver, ...]:
    """What moves the scores of these n leads, the strongest first; empty where the rules answer."""
    if predictor.mode == "rules" or not features.size:
        return ()
    features, parts = predictor.explain(features)
    by_name = dict(zip(parts.names, parts.values.T, strict=True))
    found = [
        Driver(subject, float(np.abs(moved).mean()), _direction(features, names, moved))
        for subject, names in _subjects(predictor, parts.names).items()
        if (moved := np.sum([by_name[name] for name in names], axis=0)).any()
    ]
    return tuple(sorted(found, key=lambda driver: (-driver.weight, driver.name)))


def _subjects(predictor: Predictor, names: tuple[str, ...]) -> Mapping[str, list[str]]:
    """The columns by what they are about, in words."""
    groups = groups_of(predictor.definition.activities)
    measures = dict(zip(predictor.plan.aggregate_names, predictor.plan.aggregates, strict=True))
    own = {RULES: "Points of our definition", AGE: "Age of the lead"}
    subjects: dict[str, list[str]] = {}
    for name in names:
        said = (
            kinds_in_words(measures[name].kinds, groups)
            if name in measures
            else own.get(name, name)
        )
        subjects.setdefault(said[0].upper() + said[1:], []).append(name)
    return subjects


def _direction(features: FeatureTable, names: list[str], moved: FloatArray) -> str:
    """Which way it moves scores (n,): by its words, or by how often or how much."""
    if names == [RULES]:
        return "the more points, the likelier" if moved.any() else ""
    column = features.columns.get(names[0])
    if isinstance(column, CategoricalColumn):
        return _of_words(column, moved)
    counted = next((name for name in names if name.startswith("times ")), names[0])
    values = features.numbers(counted)
    known = ~np.isnan(values)
    if known.sum() < LEAST or np.ptp(values[known]) == 0 or np.ptp(moved[known]) == 0:
        return ""
    more = "older" if names == [AGE] else "more"
    trend = float(spearmanr(values[known], moved[known]).statistic)
    if abs(trend) >= CLEAR:
        return f"the {more}, the {'likelier' if trend > 0 else 'less likely'}"
    return f"likeliest {_best_range(values[known], moved[known])}"


def _best_range(values: FloatArray, moved: FloatArray) -> str:
    """The quarter of the values at which scores are raised most."""
    edges = np.unique(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    where = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    means = [
        float(moved[where == i].mean()) if (where == i).any() else -np.inf
        for i in range(max(len(edges) - 1, 1))
    ]
    best = int(np.argmax(means))
    low, high = edges[best], edges[min(best + 1, len(edges) - 1)]
    return f"from {low:,.4g} to {high:,.4g}"


def _of_words(column: CategoricalColumn, moved: FloatArray) -> str:
    """The words that raise scores most, and those that lower them."""
    words = [*column.vocabulary, "not known"]
    counts = np.bincount(column.codes % len(words), minlength=len(words))
    means = np.bincount(column.codes % len(words), moved, minlength=len(words)) / np.maximum(
        counts, 1
    )
    often = [i for i in np.argsort(-means) if counts[i] >= LEAST]
    clear = WORTH_SAYING * max((abs(means[i]) for i in often), default=0.0)
    raises = [words[i] for i in often if means[i] > clear][:2]
    lowers = [words[i] for i in reversed(often) if means[i] < -clear][:2]
    return "; ".join(
        f"{' and '.join(which)} {does if len(which) > 1 else f'{does}s'} it"
        for which, does in ((raises, "raise"), (lowers, "lower"))
        if which
    )
