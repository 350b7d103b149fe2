"""The Python interface: the same in a notebook as on the command line, with frames in and frames
out.

`read` an export, `check` it, `train` on it or `load` what was trained, and ask the `Model` for
scores. Every function puts together what others do; the command of the same name calls it and
prints what it returns, so that both give the same numbers. What `winnable.__all__` does not name is
for the command line and may change between versions.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winnable.core.progress import Progress, no_progress
from winnable.data.outputs.place import Output, row_key
from winnable.definition.load import load_definition
from winnable.definition.schema import Definition
from winnable.errors import DataError, StoreError, explained

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from winnable.core.documents import Page
    from winnable.data.analysis.funnel import By, Cells, Funnel
    from winnable.data.analysis.suggest import Suggestions
    from winnable.data.autodetect.infer import Guesses
    from winnable.data.backup import Backup
    from winnable.data.dataset import Dataset
    from winnable.data.feedback.apply_labels import FeedbackEffect
    from winnable.data.feedback.privacy.erasure import Receipt
    from winnable.data.feedback.privacy.retention import Retained
    from winnable.data.feedback.store.audit import Action, Entry
    from winnable.data.feedback.store.csv_exchange import Imported
    from winnable.data.feedback.store.records import Conflict
    from winnable.data.ingestion.sources.options import ReadOptions
    from winnable.data.ingestion.sources.source import Source
    from winnable.definition.schema import Retention
    from winnable.learning.artifacts.artifact import Artifact
    from winnable.learning.monitoring.reassessment import Reassessment
    from winnable.learning.readiness.check import Check
    from winnable.learning.registry.promotion import Registration
    from winnable.learning.registry.records import Promotion, Version
    from winnable.learning.reporting.report import Report
    from winnable.learning.scoring.batch import Earlier
    from winnable.learning.training.backtest import Backtest
    from winnable.learning.training.train import Candidate, Tell

# Whatever takes long to import is imported where it is needed: `winnable describe` trains nothing.


@contextmanager
def _training_packages() -> Iterator[None]:
    """Around what only an installation with the extra `train` can do: says so where it is
    missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise explained(error) from None


# --- from an export to a model


def read(
    leads: Source,
    activities: Source | None = None,
    history: Source | None = None,
    *,
    definition: Definition | Path | str = "definition.toml",
    options: ReadOptions | None = None,
) -> Dataset:
    """Read a CRM to train on, by a definition or the file that holds one.

    Parameters
    ----------
    leads : str, Path or pandas.DataFrame
        One row per lead: a CSV, JSON, Excel, Parquet or Arrow file, a folder of them, a database
        URL with `#table`, or a frame.
    activities : str, Path or pandas.DataFrame, optional
        One row per activity: which lead did what, when.
    history : str, Path or pandas.DataFrame, optional
        One row per change of a field: which lead, which field, from what to what, when.
    definition : Definition, Path or str
        The definition, or its TOML file.
    options : ReadOptions, optional
        The encoding, the sheet or the row of the header, where they are not recognized.

    Returns
    -------
    Dataset
        The tables with the definition; rows that cannot be used are in `Dataset.rejects`.

    Raises
    ------
    DefinitionError
        If the definition cannot be used.
    DataError
        If a table cannot be read, or lacks a column that the definition names.

    Examples
    --------
    >>> import pandas as pd, winnable
    >>> definition = winnable.Definition.model_validate(
    ...     {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": {"status": "Stage"}}
    ... )
    >>> leads = pd.DataFrame({"Stage": ["Won", "Lost", "Open"], "Country": ["DE", "FR", "DE"]})
    >>> winnable.read(leads, definition=definition).outcomes
    array([ 1.,  0., nan])
    """
    from winnable.data.dataset import Dataset
    from winnable.data.ingestion.crm import read_crm

    loaded = _loaded(definition)
    return Dataset(loaded, read_crm(loaded, leads, activities, history, options=options))


@_training_packages()
def check_store(store: Path | str) -> None:
    """Make a store's folder and see that it can be written, before any long work; `StoreError` if
    it cannot."""
    from winnable.learning.registry.mlflow_registry import check_writable

    check_writable(Path(store))


def apply_labels(data: Dataset, store: Path | str) -> FeedbackEffect:
    """The dataset with the labels of a store, and what they change; as it is where the store has
    none. `StoreError` if they cannot be read."""
    from winnable.data.feedback.apply_labels import load_and_apply_labels

    return load_and_apply_labels(data, Path(store))


@_training_packages()
def check(
    data: Dataset,
    *,
    curve: bool = False,
    store: Path | str | None = None,
    progress: Progress = no_progress,
) -> Check:
    """Check for target leakage, data quality, and whether there is enough history to train.

    Parameters
    ----------
    data : Dataset
        What `read` returned.
    curve : bool
        Also draw a learning curve from parts of the data, which takes up to a minute.
    store : Path or str, optional
        A store whose labels are applied first.
    progress : callable, optional
        Called with a name, steps done and steps in all.

    Returns
    -------
    Check
        `columns` holds a verdict with evidence per column, `quality` the findings, `readiness` the
        minimum sample size and how far it is, `curve` the points of the learning curve.

    Raises
    ------
    StoreError
        If the labels of the store cannot be read.

    Examples
    --------
    >>> import pandas as pd, winnable
    >>> definition = winnable.Definition.model_validate(
    ...     {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": {"status": "Stage"}}
    ... )
    >>> leads = pd.DataFrame({"Stage": ["Won", "Lost"] * 20, "Country": ["DE", "FR"] * 20})
    >>> winnable.check(winnable.read(leads, definition=definition)).readiness.ready
    False
    """
    from winnable.learning.readiness.check import check as check_data

    return check_data(_with_labels(data, store), curve=curve, progress=progress)


def alarms(data: Dataset) -> tuple[str, ...]:
    """What makes data look wrong, a sentence each: statuses that the definition does not know,
    recording that stopped, columns and sources that are gone, several rows a lead."""
    from winnable.learning.readiness import data_quality

    return tuple(finding.text for finding in data_quality.alarms(data))


@_training_packages()
def train(
    data: Dataset,
    *,
    store: Path | str | None = None,
    seed: int = 0,
    through_time: bool = False,
    tell: Tell = lambda _: None,
    progress: Progress = no_progress,
) -> Model:
    """Train on a history, as `winnable train` does.

    Training never fails for want of history: then the definition's scorecard answers.

    Parameters
    ----------
    data : Dataset
        What `read` returned.
    store : Path or str, optional
        Where labels are applied from and the model is registered; without it nothing is written.
    seed : int
        The same data, definition and seed give the same model.
    through_time : bool
        Also backtest quickly, for the run and the report; this takes some minutes.
    tell : callable, optional
        Called with a sentence at each step, such as `print`.
    progress : callable, optional
        Called with a name, steps done and steps in all.

    Returns
    -------
    Model
        The trained model, with `verdict_` if it was registered.

    Raises
    ------
    StoreError
        If the store cannot be written.

    Examples
    --------
    >>> import pandas as pd, winnable
    >>> definition = winnable.Definition.model_validate(
    ...     {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": {"status": "Stage"}}
    ... )
    >>> leads = pd.DataFrame({"Stage": ["Won", "Lost"] * 2, "Country": ["DE", "FR"] * 2})
    >>> winnable.train(winnable.read(leads, definition=definition)).mode
    'rules'
    """
    from winnable.learning.registry.mlflow_registry import Registry
    from winnable.learning.registry.promotion import register
    from winnable.learning.training.train import TrainingOptions, learn

    began = time.time()
    options = TrainingOptions(seed)
    feedback = None
    if store is not None:
        check_store(store)
        Registry(Path(store)).connect()
        labels = apply_labels(data, store)
        for line in labels.summary():
            tell(line)
        data = labels.data
        feedback = labels.to_json()
    tested = None
    if through_time:
        tested = backtest(data, seed=seed, quick=True, tell=tell, progress=progress)
    candidate = learn(data, options, feedback=feedback, tell=tell, progress=progress)
    found = _Found(data, candidate, tested)
    if store is None:
        return Model(candidate.artifact, found=found)
    verdict = register(candidate, data, Path(store), tested=tested, began=began, progress=progress)
    became = "became champion" if verdict.champion else "did not become champion"
    record_action(store, "trained", f"version {verdict.version}", became)
    return Model(candidate.artifact, str(verdict.version), verdict=verdict, found=found)


def load(
    place: Path | str,
    version: int | None = None,
    *,
    rules: Definition | Path | str | None = None,
) -> Model:
    """Load the champion of a store, one of its versions, or a model that `Model.save` wrote.

    Parameters
    ----------
    place : Path or str
        A store, or the folder of a saved model.
    version : int, optional
        Another version of the store than its champion.
    rules : Definition, Path or str, optional
        A definition to score by while the store has no champion.

    Returns
    -------
    Model
        The model; what only its training knows (`report_`, `verdict_`) is None.

    Raises
    ------
    StoreError
        If there is no model and no definition.
    ArtifactError
        If the model is incomplete, altered or of another format.

    Examples
    --------
    >>> import winnable
    >>> winnable.load("no such store")
    Traceback (most recent call last):
    ...
    winnable.errors.StoreError: no such store: there is no champion here, ...
    """
    from winnable.learning.artifacts.artifact import DIGESTS, read_artifact
    from winnable.learning.artifacts.deployed import champion_of

    folder = Path(place)
    if version is not None:
        from winnable.learning.registry.mlflow_registry import Registry

        return Model(Registry(folder).artifact(version), str(version))
    if (folder / DIGESTS).exists():
        return Model(read_artifact(folder))
    champion = champion_of(folder)
    if champion is None and rules is not None:
        from winnable.learning.scoring.predictor import scorecard_artifact

        return Model(scorecard_artifact(_loaded(rules)), "rules")
    if champion is None:
        raise StoreError(
            f"{folder}: there is no champion here, no saved model and no definition to score by."
            " Train first or name a definition."
        )
    return Model(read_artifact(champion.folder), str(champion.version))


@dataclass(frozen=True)
class _Found:
    """What a training went by and came to."""

    data: Dataset
    candidate: Candidate
    tested: Backtest | None


class Model:
    """A trained model: scores leads, says how good it is, can be saved.

    `train` and `load` make it.

    Parameters
    ----------
    artifact : Artifact
        The model as data.
    version : str
        Its version in a store; the fingerprint of the artifact if not given.
    verdict : Registration, optional
        What became of it when it was registered.
    found : optional
        What its training found.

    Attributes
    ----------
    version : str
        Its version in the store.
    mode : {"rules", "blend", "learned"}
        The model type; `why` says why.
    definition : Definition
        The definition that it was trained by.
    card_ : mapping
        The model card: trained on what, until when, how good.
    measured_ : pandas.DataFrame
        Metrics on the evaluated leads; a row each for model, rules and base rate.
    report_ : Report or None
        What training found, with sentences, plots and tables.
    verdict_, candidate_, backtest_ : object or None
        How it compared with the champion, what was trained, and the backtest if there was one.

    Examples
    --------
    >>> import pandas as pd, winnable
    >>> definition = winnable.Definition.model_validate(
    ...     {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": {"status": "Stage"}}
    ... )
    >>> leads = pd.DataFrame({"Stage": ["Won", "Lost"] * 2, "Country": ["DE", "FR"] * 2})
    >>> model = winnable.train(winnable.read(leads, definition=definition))
    >>> list(model.score(pd.DataFrame({"Country": ["DE"]})))[:4]
    ['lead_id', 'probability', 'low', 'high']
    """

    def __init__(
        self,
        artifact: Artifact,
        version: str = "",
        *,
        verdict: Registration | None = None,
        found: _Found | None = None,
    ) -> None:
        import pandas as pd

        from winnable.learning.scoring.predictor import Predictor

        self._artifact = artifact
        self._predictor = Predictor(artifact, version)
        self.version = self._predictor.version
        self.card_: Mapping[str, Any] = self._predictor.card.to_json()
        measured = self.card_["measured"]
        answers = [name for name in ("model", "rules", "base rate") if name in measured]
        self.measured_ = pd.DataFrame(
            [measured[name] for name in answers], index=pd.Index(answers, dtype="str")
        )
        self.verdict_ = verdict
        self.candidate_ = None if found is None else found.candidate
        self.backtest_ = None if found is None else found.tested
        self._found = found

    @cached_property
    def report_(self) -> Report | None:
        """What training found, as sections of sentences, plots and tables; `write` makes it a page,
        notebooks show it."""
        if self.verdict_ is not None:
            return self.verdict_.report
        if self._found is None:
            return None
        from winnable.learning.reporting.report import report_on

        found = self._found
        return report_on(found.candidate, found.data, tested=found.tested)

    @property
    def mode(self) -> str:
        """The model type: "rules", "blend" or "learned"."""
        return self._predictor.mode

    @property
    def why(self) -> str:
        """Why it is that type."""
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
        options: ReadOptions | None = None,
    ) -> pd.DataFrame:
        """Score leads, one row per lead in their order.

        Parameters
        ----------
        leads, activities, history : str, Path or pandas.DataFrame
            As for `read`; a lead needs no outcome.
        as_of : datetime or str, optional
            A moment, or a column with a date for each lead; just after the newest record if not
            given.
        reasons : bool
            Whether to give reasons; without them scoring is three times as fast.
        options : ReadOptions, optional
            As for `winnable.read`.

        Returns
        -------
        pandas.DataFrame
            The columns of `winnable score`, with the index of a frame that was given. A lead that
            cannot be scored has the reason under `error` and empty numbers.

        Raises
        ------
        DataError
            If a table cannot be read.
        """
        import pandas as pd

        data = self.read(leads, activities, history, options=options)
        scores = score(self, data, as_of=as_of, reasons=reasons)
        return scores.set_axis(leads.index) if isinstance(leads, pd.DataFrame) else scores

    def read(
        self,
        leads: Source,
        activities: Source | None = None,
        history: Source | None = None,
        *,
        options: ReadOptions | None = None,
    ) -> Dataset:
        """Read leads to score, as the model's own export was read; every row stays, in order.

        Parameters
        ----------
        leads, activities, history : str, Path or pandas.DataFrame
            As for `winnable.read`.
        options : ReadOptions, optional
            As for `winnable.read`.

        Returns
        -------
        Dataset
            The tables.
        """
        from winnable.learning.scoring.batch import read_to_score

        return read_to_score(self._predictor, leads, activities, history, options)

    def save(self, folder: Path | str) -> None:
        """Write the model as a folder of text files for `load`.

        Parameters
        ----------
        folder : Path or str
            A folder that does not exist yet; else `StoreError`.
        """
        from winnable.learning.artifacts.artifact import write_artifact

        write_artifact(self._artifact, Path(folder))

    def __repr__(self) -> str:
        return f"<model {self.version} ({self.mode}): {self.why}>"


def score(
    model: Model,
    data: Dataset,
    *,
    as_of: datetime | str | None = None,
    reasons: bool = True,
    inbox: Inbox | None = None,
    kept: KeptScores | None = None,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """The table of `Model.score` for leads that `Model.read` has read.

    With an `inbox` the scores of open leads are kept for sales, too. Compared with `kept` scores,
    it says why each lead's score is another: `DataError` where leads have no ids.
    """
    from winnable.learning.scoring.batch import ScoringJob, moments_of_scoring, score_table

    moment = as_of if isinstance(as_of, str) or as_of is None else as_of.isoformat()
    job = ScoringJob(model._predictor, data, moments_of_scoring(data, moment), reasons)
    with _earlier_scores(model, kept) as earlier:
        job = replace(job, earlier=earlier)
        if inbox is None:
            return score_table(job, progress=progress)
        from winnable.learning.scoring.publish import score_and_publish

        return score_and_publish(job, inbox.store, inbox.output.kept_at, progress=progress)


@contextmanager
def _earlier_scores(model: Model, kept: KeptScores | None) -> Iterator[Earlier | None]:
    """Looks up the scores that are compared with, while the block lasts."""
    if kept is None:
        yield None
        return
    if model.definition.columns.id is None:
        raise DataError(
            "scores can be compared for leads with an id only; name its column under columns.id of"
            " the definition and train again."
        )
    from winnable.data.feedback.store.store import FeedbackStore

    since = kept.since
    store = FeedbackStore.open(kept.store)
    try:
        yield lambda leads: store.earlier_scores([(lead, since, at) for lead, at in leads])
    finally:
        store.close()


def score_accounts(
    model: Model,
    data: Dataset,
    *,
    as_of: datetime | str | None = None,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """The accounts with open leads among those that `Model.read` has read, the most probable first.

    The probability is that at least one of an account's open leads is won within the horizon.
    `DataError` where the leads name no account.
    """
    from winnable.learning.scoring.accounts import account_table

    scores = score(model, data, as_of=as_of, reasons=False, progress=progress)
    return account_table(data, scores, model._predictor.card)


@dataclass(frozen=True)
class Inbox:
    """The inbox of sales in a `store`; `output` is where the table will be written, if it is kept,
    so that it can be cleared, too, when a person is to be forgotten."""

    store: Path
    output: Output


@dataclass(frozen=True)
class KeptScores:
    """The scores that a `store` keeps, of each lead the last one as of `since` or before, or else
    its first one after that."""

    store: Path
    since: datetime


# --- looking back


def funnel(data: Dataset, by: By = "source", store: Path | str = "models") -> Funnel:
    """How many leads get from stage to stage, and what each source, month or cell of the grid
    converts; the cells are those of the scores that the store keeps. `DataError` where it has none.
    """
    from winnable.data.analysis.funnel import funnel as funnel_of

    return funnel_of(data, by, _cells(store) if by == "grid" else None)


def _cells(store: Path | str) -> Cells:
    from winnable.data.feedback.store.database import has_database
    from winnable.data.feedback.store.outcomes import first_cells
    from winnable.data.feedback.store.store import FeedbackStore

    cells: Cells = {}
    if has_database(Path(store)):  # else opening it would make one
        feedback = FeedbackStore.open(Path(store))
        try:
            cells = first_cells(feedback)
        finally:
            feedback.close()
    if not cells:
        raise DataError(
            f"{store}: no score with a cell of the grid is kept here. Add a table [grid] to the"
            " definition, and score with --inbox or through the service, with reasons."
        )
    return cells


@_training_packages()
def backtest(
    data: Dataset,
    *,
    periods: int | Sequence[datetime] | None = None,
    seed: int = 0,
    quick: bool = False,
    tell: Tell = lambda _: None,
    progress: Progress = no_progress,
) -> Backtest:
    """Train and test again and again through time, each time with what was known then."""
    from winnable.learning.training.backtest import backtest as test_through_time
    from winnable.learning.training.train import TrainingOptions

    options = TrainingOptions(seed, quick=quick)
    return test_through_time(data, options, periods=periods, tell=tell, progress=progress)


def funnel_table(found: Funnel) -> pd.DataFrame:
    """A funnel as one flat table."""
    from winnable.data.analysis import funnel as analysis

    return analysis.funnel_table(found)


@_training_packages()
def draw(found: Check | Funnel | Backtest, path: Path) -> None:
    """Draw what was found into a .png, .svg or .pdf file."""
    from winnable.data.analysis.funnel_plot import funnel_plot
    from winnable.learning.readiness.check import Check
    from winnable.learning.reporting.plots import backtest_plot, readiness_plot, save_plot
    from winnable.learning.training.backtest import Backtest

    if isinstance(found, Check):
        figure = readiness_plot(found.readiness, found.curve)
    elif isinstance(found, Backtest):
        figure = backtest_plot(found)
    else:
        figure = funnel_plot(found)
    save_plot(figure, path)


@_training_packages()
def reassess(
    model: Model,
    data: Dataset,
    *,
    since: datetime | None = None,
    tell: Tell = lambda _: None,
    progress: Progress = no_progress,
) -> Reassessment:
    """Whether a model is still right for this dataset, which was read by the model's definition."""
    from winnable.learning.monitoring.reassessment import reassess as reassess_model

    return reassess_model(data, model._predictor, since=since, tell=tell, progress=progress)


def reassessment_summary(found: Reassessment) -> str:
    """A reassessment in a few lines."""
    from winnable.learning.monitoring.monthly_report import summary

    return "\n".join(summary(found))


def reassessment_page(found: Reassessment) -> Page:
    """A reassessment as the monthly page."""
    from winnable.learning.monitoring.monthly_report import page

    return page(found)


# --- the definition


def draft(
    leads: str,
    activities: str | None = None,
    history: str | None = None,
    *,
    output: Path,
    force: bool = False,
    options: ReadOptions | None = None,
) -> Guesses:
    """Guess a first definition from the columns of an export and write it; `StoreError` where there
    is a file already, unless `force`."""
    from winnable.data.autodetect.draft import draft as written
    from winnable.data.autodetect.draft import write_draft
    from winnable.data.autodetect.infer import guess

    guesses = guess(leads, activities, history, options)
    write_draft(written(guesses), output, force=force)
    return guesses


def describe(
    definition: Definition | Path | str,
    leads: Source | None = None,
    activities: Source | None = None,
    history: Source | None = None,
    *,
    against: Definition | Path | str | None = None,
    options: ReadOptions | None = None,
) -> Page:
    """The definition as a page, beside an export if one is given; with `against`, an older version,
    what changed since."""
    from winnable.definition.review.summary import describe as page_of
    from winnable.definition.review.summary import describe_changes

    new = _loaded(definition)
    old = None if against is None else _loaded(against)
    if leads is None:
        return page_of(new) if old is None else describe_changes(old, new)
    from winnable.data.analysis.definition_replay import page_beside_leads

    return page_beside_leads(new, old, leads, activities, history, options)


def definition_schema() -> dict[str, Any]:
    """The JSON schema of definition files."""
    from winnable.definition.review.summary import schema

    return schema()


@dataclass(frozen=True)
class Proposal:
    """Suggested rules with their evidence, the same as TOML ("" where there are none), and what the
    rejections by sales propose, as lines of TOML."""

    found: Suggestions
    toml: str
    rejections: tuple[str, ...]


def suggest(labels: FeedbackEffect) -> Proposal:
    """Rules with points from what won deals looked like as leads, for a dataset whose labels
    `apply_labels` has applied."""
    from winnable.data.analysis.rejections import rejection_evidence
    from winnable.data.analysis.suggest import suggest as suggestions_of
    from winnable.data.analysis.to_toml import proposal, rejection_lines

    found = suggestions_of(labels.data)
    rejected = rejection_evidence(labels.data, labels.merged.opinions, found.excluded)
    return Proposal(
        found, proposal(labels.data.definition, found), tuple(rejection_lines(rejected))
    )


def write_proposal(proposal: Proposal, path: Path) -> None:
    """Write suggested rules as TOML, whole or not at all; `StoreError` if it cannot be written."""
    from winnable.data.analysis import to_toml

    to_toml.write_proposal(proposal.toml, path)


# --- what a store holds


@_training_packages()
def versions(store: Path | str) -> Sequence[Version]:
    """The trained versions of a store."""
    from winnable.learning.registry.mlflow_registry import Registry

    return Registry(Path(store)).versions()


@_training_packages()
def promotions(store: Path | str) -> Sequence[Promotion]:
    """Who was champion when, and why."""
    from winnable.learning.registry.mlflow_registry import Registry

    return Registry(Path(store)).history()


@_training_packages()
def promote(store: Path | str, version: int, because: str = "asked for") -> int | None:
    """Make a version the champion; returns the version that was."""
    from winnable.learning.registry import promotion

    before = promotion.promote(Path(store), version, because)
    record_action(store, "promoted", f"version {version}", because)
    return before


@_training_packages()
def rollback(store: Path | str, because: str = "asked for") -> tuple[int | None, int]:
    """Make the champion before the present one the champion again; returns both versions."""
    from winnable.learning.registry import promotion

    before, version = promotion.rollback(Path(store), because)
    record_action(store, "rolled back", f"version {version}", because)
    return before, version


def export_labels(store: Path | str, output: Path) -> int:
    """Write every label of a store as CSV; returns how many there are."""
    from winnable.data.feedback.store import csv_exchange
    from winnable.data.feedback.store.store import FeedbackStore

    written = csv_exchange.export_labels(FeedbackStore.open(Path(store)), output)
    record_action(store, "exported labels", str(output), f"{written} labels")
    return written


def record_action(
    store: Path | str, action: Action, subject: str | None = None, detail: str | None = None
) -> None:
    """Add to a store's audit trail what the user of this machine has done. `StoreError` if that
    fails."""
    from winnable.data.feedback.store.audit import Actor
    from winnable.data.feedback.store.store import FeedbackStore

    try:
        feedback = FeedbackStore.open(Path(store))
        feedback.record(Actor.of_command(), action, subject, detail)
        feedback.close()
    except StoreError as error:
        raise StoreError(f"{action}, but the audit trail does not say so: {error}") from None


def audit_trail(store: Path | str, since: datetime | None = None) -> list[Entry]:
    """Who did what to a store, oldest first."""
    from winnable.data.feedback.store.store import FeedbackStore

    return FeedbackStore.open(Path(store)).audit_trail(since)


def write_audit_trail(entries: Sequence[Entry], output: Path) -> None:
    """Write the entries of an audit trail as CSV."""
    from winnable.data.feedback.store import audit

    audit.write_audit_trail(entries, output)


def remember_output(store: Path | str, output: Path | str) -> None:
    """Note what will hold scores of leads (`Output.kept_at`), so that a file is cleared, too, when
    a person is to be forgotten, and a table of a database is named."""
    from winnable.data.feedback.store.store import FeedbackStore

    feedback = FeedbackStore.open(Path(store))
    feedback.exported(output)
    feedback.close()


def import_labels(store: Path | str, labels: Path) -> Imported:
    """Take in labels from a CSV file. The champion's definition, if there is one, says which of
    their leads come back, and when."""
    from winnable.data.feedback.store import csv_exchange
    from winnable.data.feedback.store.store import FeedbackStore

    feedback = FeedbackStore.open(Path(store))
    definition = None
    with suppress(StoreError):  # without a champion that is found with the next scores
        definition = load(store).definition
    return csv_exchange.import_labels(feedback, labels, definition)


def erase(store: Path | str, *, lead_id: str | None = None, person: str | None = None) -> Receipt:
    """Forget a person: their leads, scores and labels, in the exports as well."""
    from winnable.data.feedback.privacy import erasure
    from winnable.data.feedback.store.store import FeedbackStore

    return erasure.erase(FeedbackStore.open(Path(store)), lead_id=lead_id, person=person)


def disclose(store: Path | str, who: str, output: Path | None = None) -> str:
    """All that a store keeps of a person, by e-mail address or the id of a lead, as JSON; written
    to a file if one is given."""
    from winnable.data.feedback.privacy import disclosure
    from winnable.data.feedback.store.store import FeedbackStore

    feedback = FeedbackStore.open(Path(store))
    disclosed = disclosure.disclose(feedback, who)
    if output is not None:
        disclosure.write_disclosure(feedback, disclosed, output)
    return disclosure.as_json(disclosed)


def retain(
    store: Path | str, definition: Definition | Path | str | None = None, *, dry_run: bool = False
) -> tuple[Retention, Retained]:
    """Apply how long scores and leads are kept, by a definition or the champion's: the rule, and
    what it did or, with `dry_run`, would do."""
    from winnable.data.feedback.privacy import retention
    from winnable.data.feedback.store.store import FeedbackStore

    rules = load(store).definition if definition is None else _loaded(definition)
    feedback = FeedbackStore.open(Path(store))
    return rules.retention, retention.retain(feedback, rules.retention, dry_run=dry_run)


def back_up(store: Path | str, file: Path) -> Backup:
    """Write a backup of a store to one file, while a service may answer from it."""
    from winnable.data import backup

    made = backup.back_up(Path(store), file)
    record_action(store, "backed up", str(file), f"{made.files} files")
    return made


def restore(file: Path, store: Path | str) -> Backup:
    """Put the store of a backup in a place where nothing is."""
    from winnable.data import backup

    found = backup.restore(file, Path(store))
    record_action(store, "restored", str(file), f"{found.files} files")
    return found


def conflicts(store: Path | str) -> Sequence[Conflict]:
    """The leads on which people disagree."""
    from winnable.data.feedback.store.store import FeedbackStore

    return FeedbackStore.open(Path(store)).conflicts()


@_training_packages()
def write_report(model: Model, page: Path) -> None:
    """Write the report of a model that was just trained as one HTML page, with what became of the
    model."""
    if model.report_ is None:
        raise StoreError(f"{page}: a model that was loaded has no report; its training wrote one.")
    model.report_.write(page, "" if model.verdict_ is None else model.verdict_.summary)


def write_rejects(data: Dataset, path: Path) -> None:
    """Write the rows that could not be used as CSV."""
    from winnable.data.ingestion import rejects

    rejects.write_rejects(data.rejects, path)


def place_of_scores(
    output: str,
    inputs: Sequence[str | None],
    *,
    accounts: bool = False,
    keep_history: bool = False,
) -> tuple[Output, tuple[str, ...]]:
    """Where a table of scores, or of accounts, is to be written, and what tells its rows apart
    there, in a database with `keep_history` also the moment.

    `StoreError`, before any long work, if it cannot be written or is one of the inputs.
    """
    place = Output(output)
    keys = row_key(accounts=accounts, keep_history=keep_history)
    place.check(inputs, keys)
    return place, keys


def save_table(
    table: pd.DataFrame, output: Output | Path | str, keys: Sequence[str] = ()
) -> tuple[str, ...]:
    """Write a table as CSV, Parquet or NDJSON, or into a table of a database, whole or not at all.

    In a database its rows take the place of those with the same `keys`, without keys of all.
    Returns what of it could not be written, in sentences. `StoreError` if nothing can be written.
    """
    place = output if isinstance(output, Output) else Output(str(output))
    return place.write(table, keys)


def _loaded(definition: Definition | Path | str) -> Definition:
    return definition if isinstance(definition, Definition) else load_definition(Path(definition))


def _with_labels(data: Dataset, store: Path | str | None) -> Dataset:
    return data if store is None else apply_labels(data, store).data
