"""Segments: where a definition has several scorecards, which of them a lead gets is one more thing that is known of it.

One model learns from all segments, with the segment as a column, so that what they have in common is learned from all leads.
Whether separate models would answer better is measured in `segment_check` and said in the model's card.
"""

from winnable.definition.facts import Facts, Words
from winnable.definition.model import Definition
from winnable.definition.scorecard import Points

SEGMENT = "Scorecard's segment"


def with_segment(definition: Definition, facts: Facts, points: Points) -> Facts:
    """The facts, and the name of each lead's scorecard where there are several to choose from."""
    if len(definition.scorecard) < 2:
        return facts
    return facts.with_columns({SEGMENT: Words(points.card, tuple(card.name for card in definition.scorecard))})
