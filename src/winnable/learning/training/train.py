"""Training: from a CRM's history to a candidate model and its evaluation on a holdout.

The steps are always the same: training rows in time, features, scorecard, a model of the earlier
rows evaluated on the later ones (holdout), then the model of all rows. Where nothing can be learned
the candidate is the scorecard. How censored rows are weighted is decided in `targets`, what is
fitted and how it is blended in `model`, whether the candidate becomes champion in `registry`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from typing import Any

import numpy as np

from winnable.core.columns import FeatureTable, FloatArray, IntArray
from winnable.core.progress import Progress, named_step, no_progress
from winnable.core.statistics import sigmoid
from winnable.core.text import counted
from winnable.core.timestamps import DAY, NEVER
from winnable.data.dataset import Dataset
from winnable.data.features.accounts import ACCOUNT_COLUMNS
from winnable.data.features.plan import FeaturePlan
from winnable.data.features.training_rows import TrainingRows
from winnable.data.leakage.detect import ColumnVerdict
from winnable.definition.decide.gate import capacity_threshold
from winnable.definition.decide.scorecard import Points, score_points
from winnable.definition.schema import Definition
from winnable.learning.artifacts.artifact import Artifact
from winnable.learning.artifacts.card import ModelCard, Spec
from winnable.learning.artifacts.input_profile import InputProfile
from winnable.learning.model.experts.encoding import Encoding
from winnable.learning.model.lead_model import LeadModel, TrainingData
from winnable.learning.model.segments import describe_segments, with_segment
from winnable.learning.training.account_calibration import AccountCalibration, calibrate_accounts
from winnable.learning.training.metrics import (
    Difference,
    Metrics,
    bootstrap,
    difference,
    evaluate,
    split_forward,
    tells_enough,
)
from winnable.learning.training.segment_check import compare_segments
from winnable.learning.training.targets import Targets, build_targets
from winnable.learning.training.typical_lead import SeenInTraining, typical_lead

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a candidate: n rows with known outcomes, the probabilities (n,) of the
    candidate and the scorecard (`rules`), and the base rate `base` as the baseline.

    `how` says in words which leads they are, such as a holdout or out-of-fold predictions;
    `accounts` how well accounts were predicted on the same holdout; `interval` the ends of the
    candidate's intervals, each (n,), None for out-of-fold predictions.
    """

    rows: TrainingRows
    candidate: FloatArray
    rules: FloatArray
    base: float
    how: str
    accounts: AccountCalibration | None = None
    interval: tuple[FloatArray, FloatArray] | None = None

    @property
    def size(self) -> str:
        """On how many leads and wins the metrics rest, in words; rows are leads at several ages."""
        leads = len(np.unique(self.rows.leads))
        won = len(np.unique(self.rows.leads[self.rows.won == 1.0]))
        text = f"{counted(leads, 'lead')}, {won:,} of them won"
        return text if len(self.rows.won) == leads else f"{text} ({len(self.rows.won):,} rows)"

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95% confidence intervals of the model's metrics, from a bootstrap of people."""
        return bootstrap(self.rows.won, self.candidate, self.base, self.rows.person)

    def measured(self) -> dict[str, Metrics]:
        """The metrics of the model, the scorecard and the base rate on these leads."""
        answers = {
            "model": self.candidate,
            "rules": self.rules,
            "base rate": np.full(len(self.rules), self.base),
        }
        return {
            name: evaluate(self.rows.won, probability, self.base)
            for name, probability in answers.items()
        }

    @cached_property
    def gain(self) -> Difference:
        """By how much the candidate's log loss is lower than the base rate's."""
        constant = np.full(len(self.rules), self.base)
        return difference(self.rows.won, self.candidate, constant, self.rows.person)

    def doubt(self, name: str) -> str | None:
        """What is to be said of the candidate, called `name`, where it is not significantly better
        than the base rate; None where it is."""
        if self.gain.low > 0 and tells_enough(self.rows.won):
            return None
        if np.ptp(self.candidate) < 1e-9:
            return (
                "Nothing was found that tells won from lost leads, and every lead gets the base"
                f" rate, {self.base:.1%}. Do not rank leads by it; other columns may help."
            )
        return (
            f"It is not proven that {name} is better than the base rate, {self.base:.1%} for every"
            f" lead: log-loss difference {-self.gain.mean:+.4f}, 95% CI [{-self.gain.high:+.4f},"
            f" {-self.gain.low:+.4f}], on {self.how}. More leads or other columns will tell; until"
            " then rely on the base rate rather than on the order of the leads."
        )


@dataclass(frozen=True)
class Candidate:
    """A trained model that is not registered yet.

    `evaluation` is None where there was no lead with a known outcome. `verdicts` say which columns
    were excluded for possible target leakage, and why.
    """

    artifact: Artifact
    definition: Definition
    evaluation: Evaluation | None
    verdicts: tuple[ColumnVerdict, ...]
    report: dict[str, Any]

    @property
    def mode(self) -> str:
        """The model type: "rules", "blend" or "learned"."""
        return self.artifact.spec.model.mode

    @property
    def why(self) -> str:
        """Why it is that type."""
        return self.artifact.spec.model.why


@dataclass(frozen=True)
class TrainingOptions:
    """How a candidate is trained: the same `seed` and data give the same model.

    Columns in `leave_out` are excluded whatever the leakage checks say. With `evaluate` false there
    is no holdout evaluation, which saves the time of one fit; `quick` is the quicker fit of
    `LeadModel`.
    """

    seed: int = 0
    threads: int = 2
    leave_out: tuple[str, ...] = ()
    evaluate: bool = True
    quick: bool = False


DEFAULT_OPTIONS = TrainingOptions()


def learn(
    data: Dataset,
    options: TrainingOptions = DEFAULT_OPTIONS,
    *,
    feedback: Mapping[str, Any] | None = None,
    tell: Tell = lambda _: None,
    progress: Progress = no_progress,
) -> Candidate:
    """Train a candidate on a CRM's history as it is at the dataset's `present`. Never fails for
    want of history: then the model is the scorecard.

    `feedback` is what the labels of sales changed in this history (`data.feedback.apply_labels`),
    for the card and the report.
    """
    definition = data.definition
    crm = data.crm
    effect = {} if feedback is None else {"feedback": dict(feedback)}
    rows = data.training_rows
    targets = build_targets(data, rows)
    rows, targets = rows.take(targets.usable), targets.take(targets.usable)
    excluded = tuple(dict.fromkeys((*data.left_out, *options.leave_out)))
    plan = data.feature_plan(excluded)
    tell(
        f"{len(crm.leads):,} leads give {len(targets.won):,} training rows,"
        f" {int(targets.won.sum()):,} of them won"
    )
    censored = int((~rows.known).sum())
    if censored:
        tell(
            f"{censored:,} of these are censored (their horizon is not over) and weighted by how"
            " much of it has been observed"
        )
    fit = _Fit.of(plan, data, rows, options, progress)
    evaluation, cross_fitted = (
        _evaluate_out_of_sample(fit, targets, data, tell) if options.evaluate else (None, None)
    )
    tell("Training on all of them")
    model = cross_fitted if cross_fitted is not None else fit.on(targets, "Training on all leads")
    card = replace(
        _card(data, targets, rows, evaluation),
        left_out=excluded,
        as_they_stand=tuple(
            name for name in data.assumed_static if name in {*plan.learned, *plan.derived_from}
        ),
        segments=describe_segments(
            compare_segments(fit.features, fit.points, rows, options.seed),
            model.report_["weights"],
        ),
        feedback=effect.get("feedback"),
        doubt=_doubt(model, evaluation),
        accounts=_accounts(model, evaluation),
    )
    encoding = Encoding(model.spec_.encoding)
    of_each_lead = np.unique(rows.leads, return_index=True)[1]
    names = [field.name for field in plan.fields if field.name in encoding.names]
    spec = Spec(
        definition=definition,
        plan=plan,
        model=model.spec_,
        win_time_curve=targets.win_time_curve,
        usual_bar=None if evaluation is None else _usual_bar(definition, evaluation),
        card=card,
        profile=InputProfile.of(fit.features.take(of_each_lead), names, encoding.codes),
        typical=typical_lead(data, plan, model, SeenInTraining(fit.features, fit.points, rows)),
    )
    artifact = Artifact.of(spec, model.boosters_)
    return Candidate(artifact, definition, evaluation, data.verdicts, {**model.report_, **effect})


def evaluate_since(
    candidate: Candidate,
    data: Dataset,
    since: int,
    options: TrainingOptions = DEFAULT_OPTIONS,
    progress: Progress = no_progress,
) -> Evaluation | None:
    """Evaluate a model of the candidate's definition, trained on what was known at `since`
    (microseconds), on leads whose outcome was unknown then and is known now. None where the history
    has no dates, or where either side has too few outcomes.
    """
    spec = candidate.artifact.spec
    rows = data.training_rows_at(spec.card.known_until)
    if rows.horizon_days is None:
        return None
    then = rows.as_known_at(since)
    known_then = (rows.as_of < since) & (
        then.known | ((rows.ended != NEVER) & (rows.ended <= since))
    )
    later = np.flatnonzero(
        rows.known & ~known_then & ~np.isin(rows.person, rows.person[known_then])
    )
    targets = build_targets(data, then).without(rows.as_of >= since)
    if not tells_enough(rows.won[later]) or not tells_enough(targets.won[targets.usable]):
        return None
    fit = _Fit.of(spec.plan, data, rows, options, progress)
    answer = fit.on(targets, "Comparing with the champion").probability(
        fit.features.take(later), fit.rules[later]
    )
    day = np.datetime64(since, "us").astype("datetime64[D]")
    how = f"a holdout of leads whose outcome was unknown on {day}"
    return Evaluation(rows.take(later), answer, sigmoid(fit.rules[later]), targets.base_rate(), how)


@dataclass(frozen=True)
class _Fit:
    """Everything a model is fitted on, so that a part and the whole are fitted alike."""

    plan: FeaturePlan
    features: FeatureTable
    points: Points
    rows: TrainingRows
    options: TrainingOptions
    progress: Progress
    accounts: IntArray | None

    @property
    def rules(self) -> FloatArray:
        """The scorecard's log-odds of each row."""
        return self.points.logit

    @classmethod
    def of(
        cls,
        plan: FeaturePlan,
        data: Dataset,
        rows: TrainingRows,
        options: TrainingOptions,
        progress: Progress,
    ) -> "_Fit":
        """The point-in-time features of these rows, in the columns that may be used, and their
        scorecard points."""
        features = data.features(plan, rows.leads, rows.as_of)
        points = score_points(data.definition, features)
        return cls(
            plan,
            with_segment(
                data.definition, features.select([*plan.learned, *ACCOUNT_COLUMNS]), points
            ),
            points,
            rows,
            options,
            progress,
            None if data.accounts is None else data.accounts.account[rows.leads],
        )

    def probability_at(
        self, model: LeadModel, data: Dataset, leads: IntArray, as_of: IntArray
    ) -> FloatArray:
        """What a model answers for other rows, leads at times in microseconds, shape (n,)."""
        features = data.features(self.plan, leads, as_of)
        points = score_points(data.definition, features)
        return model.probability(with_segment(data.definition, features, points), points.logit)

    def on(self, targets: Targets, doing: str) -> LeadModel:
        """A model trained on these targets.

        The rows of one lead at several ages are correlated: all rows together weigh as much as
        there are leads, so that regularization and tests count leads, not rows.
        """
        where = np.flatnonzero(targets.usable)
        rows = self.rows.take(targets.usable)
        weights = targets.weights[where] * len(np.unique(rows.leads)) / max(len(where), 1)
        data = TrainingData(
            self.features.take(where),
            targets.won[where],
            self.rules[where],
            weights=weights,
            leads=rows.leads,
            groups=rows.person,
            order=rows.as_of / DAY if rows.timed else None,
            settled=targets.settled[where],
            accounts=None if self.accounts is None else self.accounts[where],
        )
        options = self.options
        model = LeadModel(seed=options.seed, threads=options.threads, quick=options.quick)
        return model.fit(data, progress=named_step(doing, self.progress))


def _evaluate_out_of_sample(
    fit: _Fit, targets: Targets, data: Dataset, tell: Tell
) -> tuple[Evaluation | None, LeadModel | None]:
    """Evaluate on a holdout of later leads where there is time, else on out-of-fold predictions.

    In the latter case the model of all rows comes along. The evaluated model is trained on what was
    known at the cut: leads that were open then are censored for it, however they ended.
    """
    known = np.flatnonzero(fit.rows.known)
    rows = fit.rows.take(known)
    rules = sigmoid(fit.rules[known])
    if not 0 < rows.won.sum() < len(known):
        return None, None
    split = split_forward(rows)
    if split is None:
        model = fit.on(targets, "Training on all leads")
        how = "out-of-fold predictions (cross-validation)"
        return Evaluation(rows, model.oof_[fit.rows.known], rules, targets.base_rate(), how), model
    then = (
        targets
        if rows.horizon_days is None
        else build_targets(data, fit.rows.as_known_at(split.at))
    )
    apart = np.isin(fit.rows.person, rows.person[split.later]) | (fit.rows.as_of >= split.at)
    then, later = then.without(apart), known[split.later]
    tell(
        f"Evaluating on a holdout of {len(later):,} rows since {split.cut}, trained on"
        f" {int(then.usable.sum()):,} earlier ones"
    )
    model = fit.on(then, "Training on the earlier leads")
    answer = model.answer(fit.features.take(later), fit.rules[later])
    accounts = calibrate_accounts(
        data, split.at, lambda leads, as_of: fit.probability_at(model, data, leads, as_of)
    )
    return (
        Evaluation(
            rows.take(split.later),
            answer.probability,
            rules[split.later],
            then.base_rate(),
            f"a holdout of leads created since {split.cut} or still open then",
            accounts,
            (answer.low, answer.high),
        ),
        None,
    )


def _usual_bar(definition: Definition, evaluation: Evaluation) -> float | None:
    """The probability that the capacity of sales means.

    From the leads created in the weeks of the holdout, as they looked on arrival.
    """
    if not evaluation.rows.timed:
        return None
    new = evaluation.rows.age == 0
    weeks = float(np.ptp(evaluation.rows.as_of[new])) / (7 * DAY) if new.any() else 0.0
    return capacity_threshold(definition, evaluation.candidate[new], weeks) if weeks >= 1 else None


def _doubt(model: LeadModel, evaluation: Evaluation | None) -> str | None:
    """What the card says where it is not proven that the model is better than the base rate."""
    if evaluation is None:
        return None
    return evaluation.doubt("the scorecard" if model.spec_.mode == "rules" else "the model")


def _accounts(model: LeadModel, evaluation: Evaluation | None) -> dict[str, Any] | None:
    """What the card says of accounts; None where the leads name none."""
    effect = model.report_.get("accounts")
    calibration = None if evaluation is None else evaluation.accounts
    if effect is None and calibration is None:
        return None
    return {
        "effect": effect,
        "calibration": None if calibration is None else calibration.to_json(),
    }


def _card(
    data: Dataset, targets: Targets, rows: TrainingRows, evaluation: Evaluation | None
) -> ModelCard:
    """The model card: on what the model was trained, until when, and how good it was."""
    outcome = data.definition.outcome
    measured = {} if evaluation is None else evaluation.measured()
    return ModelCard(
        horizon_days=rows.horizon_days,
        winnable_days=outcome.winnable_days if rows.horizon_days else None,
        leads=len(data.crm.leads),
        wins=int((data.outcomes == 1.0).sum()),
        rows=len(targets.won),
        known_until=data.present,
        base_rate=(
            targets.base_rate()
            if 0 < targets.won.sum() < len(targets.won)
            else outcome.expected_conversion
        ),
        judged_on=None if evaluation is None else evaluation.how,
        measured={name: metrics.metrics() for name, metrics in measured.items()},
        winnable=metadata.version("winnable"),
    )
