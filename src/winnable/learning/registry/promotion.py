"""Promotion: a candidate is registered, and becomes champion by the champion/challenger rule or
because somebody asks for it; rollback returns to the champion before.

One process at a time changes the champion. Training and evaluating a candidate is the work of
`training`, the rule is in `champion_challenger`, what a run keeps is decided in `run_contents`.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from winnable.core.progress import Progress, no_progress
from winnable.data.dataset import Dataset
from winnable.errors import ArtifactError, StoreError
from winnable.learning.artifacts.artifact import Artifact
from winnable.learning.readiness.data_quality import Finding
from winnable.learning.registry.champion_challenger import Comparison, PromotionDecision, compare
from winnable.learning.registry.mlflow_registry import Registry
from winnable.learning.registry.model_diff import ModelDiff
from winnable.learning.registry.records import ROLLED_BACK, earlier_champion
from winnable.learning.registry.run_contents import RunFindings, build_run, find
from winnable.learning.registry.stand_in import stand_in
from winnable.learning.reporting.report import Report
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.backtest import Backtest
from winnable.learning.training.train import Candidate


@dataclass(frozen=True)
class Registration:
    """What became of a candidate: its version, whether it is champion, and why.

    `comparison`: how it compares with the champion, the scorecard and the base rate; `changes`:
    what is different since the champion before it. None where there was nothing to compare with.
    `report` is the model report, `alarms` what makes the data look wrong. Where a baseline answers
    instead of the model, `instead` says which, and `champion_version` is its version; `doubt` is a
    warning that the model is not proven to be better than a baseline.
    """

    version: int
    champion: bool
    because: str
    comparison: Comparison | None
    changes: ModelDiff | None
    report: Report
    alarms: tuple[Finding, ...] = ()
    instead: str | None = None
    champion_version: int | None = None
    doubt: str | None = None

    @property
    def summary(self) -> str:
        """All of it in a sentence, or two."""
        standing = "champion" if self.champion else "challenger"
        text = f"Version {self.version} is {standing}: {self.because}."
        if self.instead is not None:
            text += f" Version {self.champion_version}, {self.instead}, is champion in its place."
        return text


def register(
    candidate: Candidate,
    data: Dataset,
    store: Path,
    *,
    tested: Backtest | None = None,
    began: float | None = None,
    progress: Progress = no_progress,
) -> Registration:
    """Register a candidate in the store's MLflow and make it champion if it deserves to be; the
    rule is `champion_challenger.compare`.

    Each is compared with the champion that it replaces, also where several trainings end at once.
    `tested` is a backtest for the run and the report; `began` is when the training did, in seconds
    since 1970.
    """
    registry = Registry(store)
    with registry.lock():
        registry.reconcile()
    while True:
        champion = registry.champion()
        before = _readable(registry, champion)
        incumbent = None if before is None else Predictor(before, str(champion))
        decision = compare(candidate, data, incumbent, progress)
        changes = (
            None if before is None else ModelDiff.between(before, candidate.artifact, str(champion))
        )
        found = find(candidate, data, decision, changes, tested)
        record = build_run(candidate, data, found, began)
        with registry.lock():
            if registry.champion() != champion:
                continue  # another training was faster: compare with its model
            version = registry.register(record)
            champion_version = None
            if decision.champion:
                registry.promote(version, decision.because)
            if decision.instead is not None:
                champion_version = _promote_stand_in(registry, candidate, data, decision, found)
        return Registration(
            version,
            decision.champion,
            decision.because,
            decision.comparison,
            changes,
            found.report,
            found.alarms,
            decision.instead,
            champion_version,
            decision.doubt,
        )


def _promote_stand_in(
    registry: Registry,
    candidate: Candidate,
    data: Dataset,
    decision: PromotionDecision,
    found: RunFindings,
) -> int:
    """Register a baseline and make it champion in place of a model that is worse; returns its
    version."""
    assert decision.instead is not None, "a baseline answers"
    because = f"the model that was trained is worse than {decision.instead}"
    answering = stand_in(candidate, decision.instead)
    own = replace(found, decision=PromotionDecision(True, because, None), changes=None)
    version = registry.register(build_run(answering, data, own), challenger=False)
    registry.promote(version, because)
    return version


def promote(store: Path, version: int, because: str = "asked for") -> int | None:
    """Make a version the champion because somebody asks for it; returns the champion before.
    `StoreError` if there is no such version."""
    registry = Registry(store)
    with registry.lock():
        registry.reconcile()
        before = registry.champion()
        registry.promote(version, because)
    return before


def rollback(store: Path, because: str = "asked for") -> tuple[int | None, int]:
    """Make the champion before the present one champion again; returns both versions. `StoreError`
    if there was none."""
    registry = Registry(store)
    with registry.lock():
        registry.reconcile()
        before = registry.champion()
        version = earlier_champion(registry.history())
        if version is None:
            raise StoreError(
                f"{store}: there was no champion before the present one. `winnable models` lists"
                " the versions."
            )
        registry.promote(version, because, ROLLED_BACK)
    return before, version


def _readable(registry: Registry, version: int | None) -> Artifact | None:
    """The champion's artifact; one that can no longer be read is treated as none."""
    try:
        return None if version is None else registry.artifact(version)
    except ArtifactError:
        return None
