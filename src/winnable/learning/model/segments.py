"""Segments: where a definition has several scorecards, which of them a lead gets is one more thing
that is known of it.

One model learns from all segments, with the segment as a column, so that what they have in common
is learned from all leads. Where a segment has leads enough, regressions of their own stand beside
the other experts and have as much of the say as they show to be worth on leads left out.
`segment_check` measures whether they are better, and the model's card says both.
"""

from collections.abc import Mapping

from winnable.core.columns import CategoricalColumn, FeatureTable
from winnable.definition.decide.scorecard import Points
from winnable.definition.schema import Definition

SEGMENT = "Scorecard's segment"


def with_segment(definition: Definition, features: FeatureTable, points: Points) -> FeatureTable:
    """The features, and the name of each lead's scorecard where there are several to choose from."""
    if len(definition.scorecard) < 2:
        return features
    return features.with_columns(
        {SEGMENT: CategoricalColumn(points.card, tuple(card.name for card in definition.scorecard))}
    )


def say_of_segments(told: str | None, weights: Mapping[str, float]) -> str | None:
    """What the card says: what the comparison `told`, and what share of the blend's `weights`
    separate regressions have."""
    if told is None or "apart" not in weights:
        return told
    share = weights["apart"] / max(sum(weights.values()), 1e-9)
    return f"{told}; separate ones have {100 * share:.0f} % of the say"
