"""The check before training: can these data be trusted, and is there enough of them? One answer for
people and for machines.

Puts together what `history.quality`, `history.leakage` and `readiness` find; decides and measures
nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from winnable.core.progress import Progress, no_progress
from winnable.data.dataset import Dataset
from winnable.data.leakage.detect import ColumnVerdict
from winnable.learning.readiness.data_quality import Finding, inspect_quality
from winnable.learning.readiness.learning_curve import CurvePoint, learning_curve
from winnable.learning.readiness.readiness import Readiness, assess_readiness, learnable


@dataclass(frozen=True)
class Check:
    """What was found: oddities, a verdict on each column, whether the history is enough; `curve` is
    empty if not asked for."""

    quality: tuple[Finding, ...]
    columns: tuple[ColumnVerdict, ...]
    readiness: Readiness
    curve: tuple[CurvePoint, ...]

    def to_json(self) -> dict[str, Any]:
        """The answer as plain JSON types."""
        ready = self.readiness
        return {
            "ready": ready.ready,
            "columns": [
                {
                    "name": each.name,
                    "verdict": each.verdict,
                    "evidence": list(each.evidence),
                    "overruled": each.overruled,
                }
                for each in self.columns
            ],
            "readiness": {
                "ready": ready.ready,
                "leads": ready.leads,
                "wins": ready.wins,
                "open_leads_that_teach": ready.still_open,
                "needed_wins": ready.needed_wins,
                "needed_leads": ready.needed.leads,
                "rules_below_wins": ready.rules_below,
                "blend_from_wins": ready.blend_from,
                "columns": ready.columns,
                "parameters": ready.parameters,
                "anticipated_auc": round(ready.auc, 4),
                "wins_per_week": ready.pace,
                "weeks_to_go": ready.weeks_to_go,
                "told": list(ready.told),
            },
            "quality": [{"kind": finding.kind, "says": finding.says} for finding in self.quality],
            "learning_curve": [
                {"leads": each.leads, "wins": each.wins, "saved": round(each.saved, 4)}
                for each in self.curve
            ],
        }


def check(data: Dataset, *, curve: bool = False, progress: Progress = no_progress) -> Check:
    """Look at everything; with `curve`, also learn from parts of the data, which takes up to a
    minute more."""
    points = learning_curve(*learnable(data), progress=progress) if curve else ()
    return Check(inspect_quality(data), data.verdicts, assess_readiness(data), points)
