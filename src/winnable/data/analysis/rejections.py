"""Evidence from sales' rejections: what leads have in common that were rejected as junk or as
unacceptable, to suggest conditions for the definition.

Such a rejection is evidence about the definition, not about winning. The leads are compared with
those that sales answered otherwise, each person once, by what was known at creation. Suggestions
are for people to accept or reject.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from winnable.core.columns import CREATED, ID
from winnable.core.timestamps import times_of
from winnable.data.analysis.association import Counts, benjamini_hochberg
from winnable.data.analysis.suggest import MAX_FALSE_DISCOVERY_RATE, field_conditions
from winnable.data.features.plan import FeaturePlan
from winnable.data.feedback.agreement import Share
from winnable.data.feedback.store.records import Label
from winnable.definition.conditions import Condition
from winnable.definition.schema import Feedback

if TYPE_CHECKING:
    from winnable.core.columns import BoolArray, IntArray
    from winnable.data.dataset import Dataset

Kind = Literal["unacceptable", "junk"]
MIN_REJECTIONS = 5
"""With fewer rejections of a kind, or fewer leads with an attribute, nothing is tested."""
MIN_REJECTED_SHARE = 0.5
"""A rule that refuses leads whatever their points must be right more often than not, by the lower
end of its 95% confidence interval."""


@dataclass(frozen=True)
class RejectionEvidence:
    """A condition whose leads sales rejects: the share `rejected` of those answered, the share
    `won` of all in the history, and the false discovery rate (q-value)."""

    kind: Kind
    condition: Condition
    rejected: Share
    won: Share
    false_share: float


def rejection_evidence(
    data: Dataset,
    opinions: Mapping[str, Sequence[Label]],
    excluded: Sequence[str],
) -> tuple[RejectionEvidence, ...]:
    """The conditions to propose for `[profile] unacceptable` and `[junk] rule`, the most frequent
    first; none without sufficient evidence. `opinions` (by lead) are the latest labels of each
    person; columns in `excluded` are excluded.
    """
    definition = data.definition
    crm = data.crm
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
        if MIN_REJECTIONS <= said.sum() <= len(said) - MIN_REJECTIONS:
            found += _look(data, answered, said, kind, excluded)
    return tuple(found)


def _means(feedback: Feedback, label: Label) -> Kind | None:
    """The list of the definition that a label is evidence for, if any."""
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
    excluded: Sequence[str],
) -> list[RejectionEvidence]:
    """Attributes whose leads are significantly more often rejected than not, and than leads
    without them."""
    definition = data.definition
    crm = data.crm
    known = data.feature_plan(excluded)
    plan = FeaturePlan(tuple(field for field in known.fields if field.learn))
    when = (
        times_of(crm.leads[CREATED])
        if CREATED in crm.leads
        else np.zeros(len(crm.leads), dtype=np.int64)
    )
    features = data.features(plan, np.arange(len(crm.leads)), when)
    tried = list(field_conditions(plan, features, data, least=MIN_REJECTIONS))
    held = np.array(
        [condition.holds(features, definition.activities) for condition in tried]
    ).reshape(len(tried), len(crm.leads))
    enough = held[:, answered].sum(axis=1) >= MIN_REJECTIONS
    tried = [condition for condition, keep in zip(tried, enough, strict=True) if keep]
    held = held[enough]
    if not tried:
        return []
    more, _ = Counts.of(held[:, answered], said, np.zeros(len(answered), dtype=np.int64)).p_values()
    false_share = benjamini_hochberg(more)
    fate = data.outcomes
    found = []
    for place, condition in enumerate(tried):
        here = held[place, answered]
        rejected = Share.of(int(said[here].sum()), int(here.sum()))
        if false_share[place] > MAX_FALSE_DISCOVERY_RATE or rejected.low <= MIN_REJECTED_SHARE:
            continue
        ended = held[place] & ~np.isnan(fate)
        won = Share.of(int(np.nansum(fate[ended])), int(ended.sum()))
        found.append(RejectionEvidence(kind, condition, rejected, won, float(false_share[place])))
    written = [case.when for case in (*definition.profile.unacceptable, *definition.junk.rule)]
    return sorted(
        (evidence for evidence in found if (evidence.condition,) not in written),
        key=lambda evidence: (-evidence.rejected.hits, str(evidence.condition)),
    )
