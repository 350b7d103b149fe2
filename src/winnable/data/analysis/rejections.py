"""Whom sales does not want: what leads rejected as junk or as no customer of ours have in common,
to propose for the definition.

Such a rejection is evidence about the definition, not about winning. Leads that sales answered
otherwise are what it is held against, each person once, by what was known when the lead came.
Proposals are for people to accept or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from winnable.core.columns import CREATED, ID
from winnable.core.timestamps import times_of
from winnable.data.analysis.association import Counts, benjamini_hochberg
from winnable.data.analysis.suggest import FALSE_DISCOVERIES, field_conditions
from winnable.data.features.plan import FeaturePlan
from winnable.data.feedback.agreement import Share
from winnable.data.feedback.store.records import Label
from winnable.definition.conditions import Condition
from winnable.definition.schema import Feedback

if TYPE_CHECKING:
    from winnable.core.columns import BoolArray, IntArray
    from winnable.data.dataset import Dataset

Kind = Literal["unacceptable", "junk"]
LEAST = 5
"""Rejections of a kind, and leads with an attribute, below which nothing is looked at."""
HALF = 0.5
"""A rule that refuses a lead whatever its points has to be right more often than not, surely."""


@dataclass(frozen=True)
class RejectionEvidence:
    """A condition whose leads sales does not want: `rejected` of the answered ones, and `won` of
    all in the history; the share of false discoveries among all found as surely."""

    kind: Kind
    condition: Condition
    rejected: Share
    won: Share
    false_share: float


def rejection_evidence(
    data: Dataset,
    opinions: Mapping[str, Sequence[Label]],
    kept_out: Sequence[str],
) -> tuple[RejectionEvidence, ...]:
    """The conditions to propose for `[profile] unacceptable` and `[junk] rule`, the most frequent
    first; none where nothing is sure. `opinions` (by lead) is the last word of each person; columns
    that are `kept_out` are not looked at.
    """
    definition, crm = data.definition, data.crm
    answered = np.flatnonzero(crm.leads[ID].isin(list(opinions)))
    answered = answered[np.sort(np.unique(data.persons[answered], return_index=True)[1])]
    ids = crm.leads[ID].iloc[answered]
    found = []
    for kind in ("junk", "unacceptable"):
        said = np.array(
            [
                any(_means(definition.feedback, label) == kind for label in opinions[lead])
                for lead in ids
            ],
            dtype=bool,
        )
        if LEAST <= said.sum() <= len(said) - LEAST:
            found += _look(data, answered, said, kind, kept_out)
    return tuple(found)


def _means(feedback: Feedback, label: Label) -> Kind | None:
    """What a label says of the definition, if anything."""
    if label.label == "junk" or (label.label == "rejected" and label.reason in feedback.junk):
        return "junk"
    return (
        "unacceptable"
        if label.label == "rejected" and label.reason in feedback.unacceptable
        else None
    )


def _look(
    data: Dataset,
    answered: IntArray,
    said: BoolArray,
    kind: Kind,
    kept_out: Sequence[str],
) -> list[RejectionEvidence]:
    """Attributes with which a lead is surely more often rejected so than not, and more often than
    without."""
    definition, crm = data.definition, data.crm
    known = data.feature_plan(kept_out)
    plan = FeaturePlan(tuple(field for field in known.fields if field.learn))
    when = (
        times_of(crm.leads[CREATED])
        if CREATED in crm.leads
        else np.zeros(len(crm.leads), dtype=np.int64)
    )
    features = data.features(plan, np.arange(len(crm.leads)), when)
    tried = list(field_conditions(plan, features, data, least=LEAST))
    held = np.array(
        [condition.holds(features, definition.activities) for condition in tried]
    ).reshape(len(tried), len(crm.leads))
    enough = held[:, answered].sum(axis=1) >= LEAST
    tried, held = [each for each, keep in zip(tried, enough, strict=True) if keep], held[enough]
    if not tried:
        return []
    more, _ = Counts.of(held[:, answered], said, np.zeros(len(answered), dtype=np.int64)).p_values()
    false_share = benjamini_hochberg(more)
    fate = data.outcomes
    found = []
    for place, condition in enumerate(tried):
        here = held[place, answered]
        rejected = Share.of(int(said[here].sum()), int(here.sum()))
        if false_share[place] > FALSE_DISCOVERIES or rejected.low <= HALF:
            continue
        ended = held[place] & ~np.isnan(fate)
        won = Share.of(int(np.nansum(fate[ended])), int(ended.sum()))
        found.append(RejectionEvidence(kind, condition, rejected, won, float(false_share[place])))
    written = [case.when for case in (*definition.profile.unacceptable, *definition.junk.rule)]
    return sorted(
        (each for each in found if (each.condition,) not in written),
        key=lambda each: (-each.rejected.hits, str(each.condition)),
    )
