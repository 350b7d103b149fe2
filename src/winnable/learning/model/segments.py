"""Segments: where a definition has several scorecards, which of them a lead gets is one more thing
that is known of it.

One model learns from all segments, with the segment as a column, so that what they have in common
is learned from all leads (partial pooling). Where a segment has leads enough, regressions of their
own stand beside the other experts, with as much blend weight as they prove to be worth out of fold.
`segment_check` measures whether they are better, and the model card reports both.
"""

from collections.abc import Mapping

from winnable.core.columns import CategoricalColumn, FeatureTable
from winnable.definition.decide.scorecard import Points
from winnable.definition.schema import Definition

SEGMENT = "Scorecard's segment"


def with_segment(definition: Definition, features: FeatureTable, points: Points) -> FeatureTable:
    """The features, and the name of each lead's scorecard if there are several to choose from."""
    if len(definition.scorecard) < 2:
        return features
    names = tuple(scorecard.name for scorecard in definition.scorecard)
    return features.with_columns({SEGMENT: CategoricalColumn(points.card, names)})


def describe_segments(comparison: str | None, weights: Mapping[str, float]) -> str | None:
    """The model card's sentence on segments: the result of the `comparison`, and the share of the
    blend `weights` that regressions of their own have."""
    if comparison is None or "per_segment" not in weights:
        return comparison
    share = weights["per_segment"] / max(sum(weights.values()), 1e-9)
    return f"{comparison}; models per segment have {100 * share:.0f}% of the blend weights"
