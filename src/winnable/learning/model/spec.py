"""The learned part of a model as typed data: how columns are encoded, what each expert of the blend
(stacking) learned, their weights, the calibration and the interval.

It is parsed once, from the JSON of an artifact or of a `LeadModel`, and `Scorer` answers from it.
What an expert's own part holds is known to that expert alone (`experts.predict`). Nothing is
learned or computed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class ModelSpec:
    """What a model learned.

    `mode` is "rules", "blend" or "learned", and `why` says why. `weights` are those of the blend by
    the expert's name, `experts` their parts, `base` the log-odds from which the blend departs.
    `accounts` is the account effect, None if there is none. All mappings are plain JSON types.
    """

    mode: str
    why: str
    encoding: Mapping[str, Any]
    experts: Mapping[str, Mapping[str, Any]]
    base: float
    weights: Mapping[str, float]
    calibration: Mapping[str, Any]
    interval: Mapping[str, list[float]]
    accounts: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The spec that `to_json` wrote. The weights keep their order, in which the blend adds."""
        return cls(
            mode=data["mode"],
            why=data["why"],
            encoding=data["encoding"],
            experts=data["experts"],
            base=data["blend"]["base"],
            weights=data["blend"]["weights"],
            calibration=data["calibration"],
            interval=data["interval"],
            accounts=data.get("accounts"),
        )

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON types."""
        data: dict[str, Any] = {
            "mode": self.mode,
            "why": self.why,
            "encoding": self.encoding,
            "experts": self.experts,
            "blend": {"base": self.base, "weights": self.weights},
            "calibration": self.calibration,
            "interval": self.interval,
        }
        return data if self.accounts is None else {**data, "accounts": self.accounts}

    @property
    def weight_shares(self) -> dict[str, float]:
        """Each expert's share of the blend weights, 0 to 1; all 0 where no expert has any
        weight."""
        total = sum(self.weights.values()) or 1.0
        return {name: float(weight) / total for name, weight in self.weights.items()}
