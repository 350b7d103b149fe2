"""The check before training: findings in the data, leakage and sample size. One answer for people
and for machines.

Puts together what `data_quality`, `data.leakage`, `readiness` and `learning_curve` find; decides
and measures nothing itself.
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
    """What was found: data quality issues, a leakage verdict on each column, whether there is
    enough data; `curve` is the learning curve, empty if not asked for."""

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
                    "name": column.name,
                    "verdict": column.verdict,
                    "evidence": list(column.evidence),
                    "overruled": column.overruled,
                }
                for column in self.columns
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
                "wins_per_week": ready.wins_per_week,
                "weeks_to_go": ready.weeks_to_go,
                "told": list(ready.messages),
            },
            "quality": [{"kind": finding.kind, "says": finding.text} for finding in self.quality],
            "learning_curve": [
                {"leads": point.leads, "wins": point.wins, "saved": round(point.skill, 4)}
                for point in self.curve
            ],
        }


def check(data: Dataset, *, curve: bool = False, progress: Progress = no_progress) -> Check:
    """Check everything; with `curve`, also train on parts of the data for the learning curve, which
    takes up to a minute more."""
    points = learning_curve(*learnable(data), progress=progress) if curve else ()
    return Check(inspect_quality(data), data.verdicts, assess_readiness(data), points)
