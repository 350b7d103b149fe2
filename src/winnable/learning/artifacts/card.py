"""The model card and the spec of an artifact, as typed data that are parsed once.

The card is what a person asks of a model first: on what it was trained, until when, and how good it
was on later leads (Mitchell et al. 2019, Model cards for model reporting). The spec is everything
else that scoring needs: definition, feature plan, what was learned, the win-time curve. Their JSON
is what stands in `spec.json` and what `GET /model` shows; every key is read and written here and
nowhere else. Files and digests belong to `artifact`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from winnable.data.features.plan import FeaturePlan
from winnable.definition.decide.source_conversion import SourceConversion
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.learning.artifacts.input_profile import NO_PROFILE, InputProfile
from winnable.learning.artifacts.typical_lead import TypicalLead
from winnable.learning.model.spec import ModelSpec
from winnable.learning.model.time_to_win import WinTimeCurve

_ALWAYS = (
    "horizon_days",
    "winnable_days",
    "leads",
    "wins",
    "rows",
    "base_rate",
    "judged_on",
    "measured",
    "winnable",
)
"""Keys that stand in every card under the names of their fields, in this order."""

_TRAINED = ("left_out", "as_they_stand", "segments")
"""Keys that stand only in the card of a model that was trained."""


@dataclass(frozen=True)
class ModelCard:
    """On what a model was trained, until when, and how good it was.

    `horizon_days` and `winnable_days` are None where the history has no dates. `leads`, `wins` and
    training `rows` are counts; `known_until` is the time of the export. `judged_on` says in words
    which leads the model was evaluated on, `measured` holds the metrics by answer ("model",
    "rules", "base rate"). `left_out` are columns that were excluded for possible target leakage,
    `as_they_stand` those without a recorded history, both None for a model without training;
    `segments` says whether separate models by segment would be better; `feedback` what labels
    changed; `doubt` says in sentences that the model is not proven to be better than the base rate,
    None where it is; `accounts` what the account effect gained and how accounts were calibrated,
    None where leads name none. `winnable` is the version that trained it, `others` are keys of
    another version.
    """

    horizon_days: float | None
    winnable_days: float | None
    leads: int
    wins: int
    rows: int
    known_until: datetime | None
    base_rate: float
    judged_on: str | None
    measured: Mapping[str, Mapping[str, Any]]
    winnable: str
    left_out: tuple[str, ...] | None = None
    as_they_stand: tuple[str, ...] | None = None
    segments: str | None = None
    feedback: Mapping[str, Any] | None = None
    doubt: str | None = None
    accounts: Mapping[str, Any] | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The card that `to_json` wrote."""
        known = {*_ALWAYS, *_TRAINED, "known_until", "feedback", "doubt", "accounts"}
        left_out = data.get("left_out")
        as_they_stand = data.get("as_they_stand")
        return cls(
            **{key: data[key] for key in _ALWAYS},
            known_until=_time(data["known_until"]),
            left_out=None if left_out is None else tuple(left_out),
            as_they_stand=None if as_they_stand is None else tuple(as_they_stand),
            segments=data.get("segments"),
            feedback=data.get("feedback"),
            doubt=data.get("doubt"),
            accounts=data.get("accounts"),
            others={key: value for key, value in data.items() if key not in known},
        )

    def to_json(self) -> dict[str, Any]:
        """The card as plain JSON types."""
        data = {key: getattr(self, key) for key in _ALWAYS}
        data["known_until"] = None if self.known_until is None else self.known_until.isoformat()
        if self.left_out is not None:
            data["left_out"] = list(self.left_out)
        if self.as_they_stand is not None:
            data["as_they_stand"] = list(self.as_they_stand)
        if self.as_they_stand is not None or self.segments is not None:
            data["segments"] = self.segments
        if self.feedback is not None:
            data["feedback"] = self.feedback
        if self.doubt is not None:
            data["doubt"] = self.doubt
        if self.accounts is not None:
            data["accounts"] = self.accounts
        return {**data, **self.others}


@dataclass(frozen=True)
class Spec:
    """Everything that scoring needs besides the trees of the boosters.

    `win_time_curve` is None where the history has no dates; `usual_bar` is the probability that the
    capacity of sales usually means, None where there is no capacity or nothing to tell it from.
    `profile` is what the columns looked like in training, `typical` the lead against which reasons
    are measured, None for a model that was not trained, or by a version that kept none. `sources`
    is what sources convert, where leads are graded by it.
    """

    definition: Definition
    plan: FeaturePlan
    model: ModelSpec
    win_time_curve: WinTimeCurve | None
    usual_bar: float | None
    card: ModelCard
    profile: InputProfile = NO_PROFILE
    typical: TypicalLead | None = None
    sources: SourceConversion | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The spec that `to_json` wrote; `KeyError` for a part that is missing, `DefinitionError`
        for a definition that this version cannot read."""
        curve = data["pace"]
        return cls(
            definition=definition_from(data["definition"], "the model's definition"),
            plan=FeaturePlan.from_json(data["plan"]),
            model=ModelSpec.from_json(data["model"]),
            win_time_curve=None if curve is None else WinTimeCurve.from_json(curve),
            usual_bar=data["usual_bar"],
            card=ModelCard.from_json(data["card"]),
            profile=InputProfile.from_json(data["profile"]) if "profile" in data else NO_PROFILE,
            typical=TypicalLead.from_json(data["typical"]) if "typical" in data else None,
            sources=SourceConversion.from_json(data["sources"]) if "sources" in data else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON types."""
        curve = self.win_time_curve
        data = {
            "definition": self.definition.model_dump(mode="json", exclude_defaults=True),
            "plan": self.plan.to_json(),
            "model": self.model.to_json(),
            "pace": None if curve is None else curve.to_json(),
            "usual_bar": self.usual_bar,
            "card": self.card.to_json(),
        }
        if self.profile != NO_PROFILE:
            data["profile"] = self.profile.to_json()
        if self.typical is not None:
            data["typical"] = self.typical.to_json()
        if self.sources is not None:
            data["sources"] = self.sources.to_json()
        return data


def _time(written: str | None) -> datetime | None:
    if not written:
        return None
    time = datetime.fromisoformat(written)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
