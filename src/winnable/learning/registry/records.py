"""What the model registry keeps, as plain values: training runs, the versions that came of them,
and which was champion when.

Nothing here knows how or where it is kept; that is the work of `mlflow_registry`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from winnable.learning.artifacts.artifact import Artifact

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ROLLED_BACK = "rolled back"


@dataclass(frozen=True)
class ChildRun:
    """A part of a training with metrics of its own, such as an expert or a fold: a nested run."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class TrainingRun:
    """What one training leaves behind: everything that MLflow keeps of it.

    `name` is the run's; `experiment` groups the trainings of one definition. `series` are metrics
    with a value at each of several steps. `texts` and `figures` are by file name. `version_tags`
    are what a list of versions shows. `example` is a table of a few leads as the model takes them.
    `began` is when the training did, in seconds since 1970; None: now.
    """

    experiment: str
    artifact: Artifact
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    texts: Mapping[str, str]
    figures: Mapping[str, "Figure"]
    example: "pd.DataFrame"
    name: str | None = None
    version_tags: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[ChildRun, ...] = ()
    series: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    began: float | None = None


@dataclass(frozen=True)
class Version:
    """A registered model: its number, when it was made (ISO 8601, UTC), its standing and what its
    training wrote about it.

    `standing` is "champion", "challenger" or "". `tags` are texts by name, see `promotion`.
    """

    version: int
    made: str
    standing: str
    run_id: str
    fingerprint: str
    tags: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types; `facts` is what scripts know the tags by."""
        data = asdict(self)
        data["facts"] = data.pop("tags")
        return data


@dataclass(frozen=True)
class Promotion:
    """One change of the champion: when (ISO 8601, UTC), by whom, from which version (None: there
    was none) to which, and why."""

    at: str
    by: str
    before: int | None
    version: int
    because: str
    kind: str = "promoted"

    def to_json(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote."""
        return cls(**json.loads(text))


def earlier_champion(history: Iterable[Promotion]) -> int | None:
    """The version that a rollback returns to: the champion before the present one, promotions that
    were rolled back not counted."""
    reigns: list[int] = []
    for change in history:
        if change.kind == ROLLED_BACK and change.version in reigns:
            del reigns[len(reigns) - reigns[::-1].index(change.version) :]
        elif not reigns or reigns[-1] != change.version:
            reigns.append(change.version)
    return reigns[-2] if len(reigns) > 1 else None
