"""The Python interface: the same in a notebook as on the command line, with frames in and frames
out.

`read` an export, `check` it, `train` on it or `load` what was trained, and ask the `Model` for
scores. Every function puts together what others do, in the order of the command of the same name,
so that both give the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from winnable.data.dataset import Dataset
from winnable.data.feedback.apply_labels import load_and_apply_labels
from winnable.data.ingestion.crm import read_crm
from winnable.data.ingestion.sources.source import Source
from winnable.definition.load import load_definition
from winnable.definition.schema import Definition
from winnable.errors import StoreError
from winnable.learning.artifacts.artifact import DIGESTS, Artifact, read_artifact, write_artifact
from winnable.learning.artifacts.deployed import champion_of
from winnable.learning.readiness.check import Check
from winnable.learning.readiness.check import check as check_data
from winnable.learning.registry.mlflow_registry import Registry
from winnable.learning.registry.promotion import Registration, register
from winnable.learning.reporting.report import Report, report_on
from winnable.learning.scoring.batch import (
    ScoringJob,
    moments_of_scoring,
    read_to_score,
    score_table,
)
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.train import Candidate, Tell, TrainingOptions, learn


def read(
    leads: Source,
    activities: Source | None = None,
    history: Source | None = None,
    *,
    definition: Definition | Path | str = "definition.toml",
) -> Dataset:
    """Read a CRM to learn from: files, folders, database URLs or frames, by a definition or the
    file that holds it.

    Raises `DefinitionError` where the definition, `DataError` where a table cannot be used; single
    rows that cannot be used are in `Dataset.rejects`.
    """
    agreed = definition if isinstance(definition, Definition) else load_definition(Path(definition))
    return Dataset(agreed, read_crm(agreed, leads, activities, history))


def check(data: Dataset, *, curve: bool = False, store: Path | str | None = None) -> Check:
    """Which columns may know the outcome, and is there enough history? As `winnable check`; `curve`
    takes up to a minute more.

    With a `store` the labels in it are heard.
    """
    if store is not None:
        data = load_and_apply_labels(data, Path(store)).data
    return check_data(data, curve=curve)


def train(
    data: Dataset, *, store: Path | str | None = None, seed: int = 0, tell: Tell = lambda _: None
) -> Model:
    """Learn from a history, as `winnable train`; with a `store` the labels in it are heard and the
    model is registered.

    `tell` is given a sentence at each step, such as `print`. Never fails for want of history: then
    the rules answer. `StoreError` if the store cannot be written.
    """
    if store is None:
        candidate = learn(data, TrainingOptions(seed), tell=tell)
        return Model(candidate.artifact, found=(candidate, data))
    Registry(Path(store)).connect()
    labels = load_and_apply_labels(data, Path(store))
    candidate = learn(labels.data, TrainingOptions(seed), tell=tell, feedback=labels.to_json())
    verdict = register(candidate, labels.data, Path(store))
    return Model(
        candidate.artifact, str(verdict.version), verdict=verdict, found=(candidate, labels.data)
    )


def load(place: Path | str, version: int | None = None) -> Model:
    """The champion of a store, another of its versions, or a model that was written with
    `Model.save`.

    `StoreError` if there is none, `ArtifactError` if it is incomplete or altered.
    """
    folder = Path(place)
    if version is not None:
        return Model(Registry(folder).artifact(version), str(version))
    if (folder / DIGESTS).exists():
        return Model(read_artifact(folder))
    champion = champion_of(folder)
    if champion is None:
        raise StoreError(
            f"{folder}: there is no champion and no saved model here. Train with"
            f" store={str(folder)!r} first."
        )
    return Model(read_artifact(champion.folder), str(champion.version))


class Model:
    """A trained model: scores leads, says how good it is, can be kept.

    Learned: `card_`, what it was trained on and until when; `measured_`, a frame of measures (a row
    each for model, rules and base rate). `report_` is what training found, for people, and
    `verdict_` what became of it; None for a model that was loaded.
    """

    def __init__(
        self,
        artifact: Artifact,
        version: str = "",
        *,
        verdict: Registration | None = None,
        found: tuple[Candidate, Dataset] | None = None,
    ) -> None:
        self._artifact = artifact
        self._predictor = Predictor(artifact, version)
        self.version = self._predictor.version
        self.card_: Mapping[str, Any] = self._predictor.card
        measured = self.card_["measured"]
        answers = [name for name in ("model", "rules", "base rate") if name in measured]
        self.measured_ = pd.DataFrame(
            [measured[name] for name in answers], index=pd.Index(answers, dtype="str")
        )
        self.verdict_ = verdict
        self._found = found

    @cached_property
    def report_(self) -> Report | None:
        """What training found, as sections of sentences, plots and tables; `write` makes it a page,
        notebooks show it."""
        if self.verdict_ is not None:
            return self.verdict_.report
        return None if self._found is None else report_on(*self._found)

    @property
    def mode(self) -> str:
        """Who answers: "rules", "blend" or "learned"."""
        return self._predictor.mode

    @property
    def why(self) -> str:
        """Why it is that mode."""
        return self._predictor.why

    @property
    def definition(self) -> Definition:
        """The definition that it was trained by."""
        return self._predictor.definition

    def score(
        self,
        leads: Source,
        activities: Source | None = None,
        history: Source | None = None,
        *,
        as_of: datetime | str | None = None,
        reasons: bool = True,
    ) -> pd.DataFrame:
        """Scores for leads, a row a lead in their order: the columns of `winnable score`, and its
        numbers.

        `as_of` is a date or a column with a date for each lead; without it, just after the newest
        time in the tables. A lead that cannot be scored has the reason under "error" and empty
        numbers. Given a frame, the scores have its index.
        """
        data = read_to_score(self._predictor, leads, activities, history)
        moments = moments_of_scoring(
            data, as_of if isinstance(as_of, str) or as_of is None else as_of.isoformat()
        )
        scores = score_table(ScoringJob(self._predictor, data, moments, reasons))
        return scores.set_axis(leads.index) if isinstance(leads, pd.DataFrame) else scores

    def save(self, folder: Path | str) -> None:
        """Write the model as a folder of text files for `load`; an existing folder is a
        `StoreError`."""
        write_artifact(self._artifact, Path(folder))

    def __repr__(self) -> str:
        return f"<model {self.version} ({self.mode}): {self.why}>"
