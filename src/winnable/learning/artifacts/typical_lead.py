"""The typical lead: what a model says of a typical open lead, against which the reasons for a score
are measured, and which values enough leads had for a reason to rest on.

Part of an artifact, as data. It is made in `training.typical_lead` and used in
`scoring.explanations`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from winnable.data.features.plan import Attribute

States = Mapping[Attribute, frozenset[str]]
"""By attribute, what enough leads had of it (`scoring.explanations.states`)."""


@dataclass(frozen=True)
class TypicalLead:
    """The means over typical leads, in log-odds.

    `who` says in words which leads they are. `base` is the mean of the contributions' base, `parts`
    that of each contribution by its feature's name; `rules` that of each rule of the scorecards
    among the leads of its scorecard, `cards` that of all the points of each scorecard's leads (the
    last is of leads without a scorecard), `points` that of all leads. `slope` is how much of the
    points' log-odds arrives in the score. `enough` tells of what a reason may be given.
    """

    who: str
    base: float
    parts: Mapping[str, float]
    rules: tuple[float, ...]
    cards: tuple[float, ...]
    points: float
    slope: float
    enough: States

    @property
    def logit(self) -> float:
        """The log-odds of the typical lead."""
        return self.base + sum(self.parts.values())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The typical lead that `to_json` wrote."""
        return cls(
            who=data["who"],
            base=float(data["base"]),
            parts=dict(data["parts"]),
            rules=tuple(data["rules"]),
            cards=tuple(data["cards"]),
            points=float(data["points"]),
            slope=float(data["slope"]),
            enough={
                Attribute(about, name): frozenset(states) for about, name, states in data["enough"]
            },
        )

    def to_json(self) -> dict[str, Any]:
        """The typical lead as plain JSON types."""
        return {
            "who": self.who,
            "base": self.base,
            "parts": dict(self.parts),
            "rules": list(self.rules),
            "cards": list(self.cards),
            "points": self.points,
            "slope": self.slope,
            "enough": [
                [*attribute, sorted(states)] for attribute, states in sorted(self.enough.items())
            ],
        }
