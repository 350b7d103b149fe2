"""The typical lead: what a model says of a typical open lead, against which the reasons for a score
are measured, and which values enough leads had for a reason to rest on.

Part of an artifact, as data. It is made in `training.typical_lead` and used in
`scoring.explanations`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from winnable.data.features.plan import Attribute

States = Mapping[Attribute, frozenset[str]]
"""By attribute, what enough leads had of it (`scoring.attributes.Attributes.states`)."""


@dataclass(frozen=True)
class TypicalLead:
    """The means over typical leads, in log-odds.

    `who` says in words which leads they are. `base` is the mean of the contributions' base, `parts`
    that of each contribution by its feature's name; `rules` that of each rule of the scorecards
    among the leads of its scorecard, `cards` that of all the points of each scorecard's leads (the
    last is of leads without a scorecard), `points` that of all leads. `slope` is how much of the
    points' log-odds arrives in the score. `enough` tells of what a reason may be given; leads with
    what is in `better` were clearly won more often than others, those with what is in `worse` less.
    """

    who: str
    base: float
    parts: Mapping[str, float]
    rules: tuple[float, ...]
    cards: tuple[float, ...]
    points: float
    slope: float
    enough: States
    better: States = field(default_factory=dict)
    worse: States = field(default_factory=dict)

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
            enough=_states_from(data["enough"]),
            better=_states_from(data["better"]),
            worse=_states_from(data["worse"]),
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
            "enough": _states_to_json(self.enough),
            "better": _states_to_json(self.better),
            "worse": _states_to_json(self.worse),
        }


def _states_from(data: list[Any]) -> States:
    return {Attribute(about, name): frozenset(states) for about, name, states in data}


def _states_to_json(states: States) -> list[Any]:
    return [[*attribute, sorted(own)] for attribute, own in sorted(states.items()) if own]
