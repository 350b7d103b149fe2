"""Training: from a CRM's history to a candidate model and an honest comparison of it.

The way is always the same: rows in time, features, rules, a model of what was known before the
later rows judged on these, then the model of all rows. Where nothing can be learned the candidate
answers by the rules, and its comparison says what could be judged. What a row teaches whose outcome
is not known yet is decided in `targets`, what is fitted and how it is blended in `model`, whether
the candidate becomes champion in `promotion`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from winnable.core.columns import FeatureTable, FloatArray
from winnable.core.progress import Progress, named_step, no_progress
from winnable.core.statistics import sigmoid
from winnable.core.timestamps import DAY, NEVER
from winnable.core.values import moment
from winnable.data.dataset import Dataset
from winnable.data.features.plan import FeaturePlan
from winnable.data.features.training_rows import TrainingRows
from winnable.data.leakage.detect import ColumnVerdict
from winnable.definition.decide.gate import capacity_threshold
from winnable.definition.decide.scorecard import Points, score_points
from winnable.definition.schema import Definition
from winnable.learning.artifacts.artifact import FORMAT, Artifact
from winnable.learning.model.lead_model import LeadModel
from winnable.learning.model.segments import say_of_segments, with_segment
from winnable.learning.training.metrics import Metrics, evaluate, split_forward, tells_enough
from winnable.learning.training.segment_check import compare_segments
from winnable.learning.training.targets import Targets, build_targets

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Evaluation:
    """The leads on which a candidate was judged, n rows, and what each answer said of them.

    `how` says in words which leads they are. `base` is the constant that the base rate would
    answer.
    """

    rows: TrainingRows
    candidate: FloatArray
    rules: FloatArray
    base: float
    how: str

    def measured(self) -> dict[str, Metrics]:
        """The measures of the model, the rules and the base rate on these leads."""
        answers = {
            "model": self.candidate,
            "rules": self.rules,
            "base rate": np.full(len(self.rules), self.base),
        }
        return {
            name: evaluate(self.rows.won, answer, self.base) for name, answer in answers.items()
        }


@dataclass(frozen=True)
class Candidate:
    """A trained model that is not registered yet.

    `judged` is None where there was no lead with a known outcome. `verdicts` say which columns were
    kept out, and why.
    """

    artifact: Artifact
    definition: Definition
    judged: Evaluation | None
    verdicts: tuple[ColumnVerdict, ...]
    report: dict[str, Any]

    @property
    def mode(self) -> str:
        """Who answers: "rules", "blend" or "learned"."""
        return str(self.artifact.spec["model"]["mode"])

    @property
    def why(self) -> str:
        """Why it is that mode."""
        return str(self.artifact.spec["model"]["why"])


@dataclass(frozen=True)
class TrainingOptions:
    """How a candidate is learned: the same `seed` and data give the same model.

    Columns in `leave_out` are excluded whatever the history says of them. With `judge` false nothing
    is held back to evaluate the candidate on, which saves the time of one fit; `quick` is the
    quicker fit of `LeadModel`.
    """

    seed: int = 0
    threads: int = 2
    leave_out: tuple[str, ...] = ()
    judge: bool = True
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
    """Learn a candidate from a CRM's history as it is at the dataset's `present`. Never fails for
    want of history: then the rules answer.

    `feedback` is what labels by sales changed in this history (`apply_labels`), for the card and
    the report.
    """
    definition, crm = data.definition, data.crm
    heard = {} if feedback is None else {"feedback": dict(feedback)}
    rows = data.training_rows
    targets = build_targets(data, rows)
    rows, targets = rows.take(targets.usable), targets.take(targets.usable)
    kept_out = tuple(dict.fromkeys((*data.left_out, *options.leave_out)))
    plan = data.feature_plan(kept_out)
    tell(
        f"{len(crm.leads):,} leads give {len(targets.won):,} training rows,"
        f" {int(targets.won.sum()):,} of them won"
    )
    if partly := int((~rows.known).sum()):
        tell(
            f"{partly:,} of these have been watched for a part of the horizon only, and count for"
            " as much as that shows"
        )
    fit = _Fit.of(plan, data, rows, options, progress)
    judged, cross_fitted = _judge(fit, targets, data, tell) if options.judge else (None, None)
    tell("Learning from all of them")
    model = cross_fitted if cross_fitted is not None else fit.on(targets, "Learning from all")
    artifact = Artifact(
        spec={
            "format": FORMAT,
            "definition": definition.model_dump(mode="json", exclude_defaults=True),
            "plan": plan.to_json(),
            "model": model.spec_,
            "pace": None if targets.pace is None else targets.pace.to_json(),
            "usual_bar": None if judged is None else _usual_bar(definition, judged),
            "card": {
                **_card(data, targets, rows, judged),
                "left_out": list(kept_out),
                "as_they_stand": [name for name in data.assumed_static if name in plan.learned],
                "segments": say_of_segments(
                    compare_segments(fit.features, fit.points, rows, options.seed),
                    model.report_["weights"],
                ),
                **heard,
            },
        },
        boosters=model.boosters_,
    )
    return Candidate(artifact, definition, judged, data.verdicts, {**model.report_, **heard})


def evaluate_since(
    candidate: Candidate,
    data: Dataset,
    since: int,
    options: TrainingOptions = DEFAULT_OPTIONS,
    progress: Progress = no_progress,
) -> Evaluation | None:
    """Judge what a candidate's definition teaches from what was known at `since` (microseconds), on
    leads whose outcome nobody knew then and everybody knows now. None where the history has no
    dates, or where either side tells too little to judge by.
    """
    spec = candidate.artifact.spec
    rows = data.training_rows_at(moment(str(spec["card"]["known_until"] or "")))
    if rows.horizon_days is None:
        return None
    then = rows.as_known_at(since)
    told = (rows.as_of < since) & (then.known | ((rows.ended != NEVER) & (rows.ended <= since)))
    later = np.flatnonzero(rows.known & ~told & ~np.isin(rows.person, rows.person[told]))
    targets = build_targets(data, then).without(rows.as_of >= since)
    if not tells_enough(rows.won[later]) or not tells_enough(targets.won[targets.usable]):
        return None
    fit = _Fit.of(FeaturePlan.from_json(spec["plan"]), data, rows, options, progress)
    answer = fit.on(targets, "Comparing with the champion").probability(
        fit.features.take(later), fit.rules[later]
    )
    how = f"leads whose outcome was open on {np.datetime64(since, 'us').astype('datetime64[D]')}"
    return Evaluation(rows.take(later), answer, sigmoid(fit.rules[later]), targets.base_rate(), how)


@dataclass(frozen=True)
class _Fit:
    """Everything a model is fitted on, so that a part and the whole are fitted alike."""

    features: FeatureTable
    points: Points
    rows: TrainingRows
    options: TrainingOptions
    progress: Progress

    @property
    def rules(self) -> FloatArray:
        """What the rules say of each row, in log-odds."""
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
        """What is known of these rows, in the columns that may be learned from, and what the rules
        say."""
        features = data.features(plan, rows.leads, rows.as_of)
        points = score_points(data.definition, features)
        return cls(
            with_segment(data.definition, features.select(plan.learned), points),
            points,
            rows,
            options,
            progress,
        )

    def on(self, targets: Targets, doing: str) -> LeadModel:
        """A model of what the rows teach.

        The rows of one lead at several ages resemble each other: all rows together weigh as much as
        there are leads, so that what is held against chance is held against the number of leads.
        """
        where, rows = np.flatnonzero(targets.usable), self.rows.take(targets.usable)
        weights = targets.weights[where] * len(np.unique(rows.leads)) / max(len(where), 1)
        order = rows.as_of / DAY if rows.timed else None
        options = self.options
        model = LeadModel(seed=options.seed, threads=options.threads, quick=options.quick)
        features, won, rules = self.features.take(where), targets.won[where], self.rules[where]
        settled = targets.settled[where]
        told = named_step(doing, self.progress)
        return model.fit(
            features,
            won,
            rules,
            weights=weights,
            groups=rows.person,
            order=order,
            settled=settled,
            progress=told,
        )


def _judge(
    fit: _Fit, targets: Targets, data: Dataset, tell: Tell
) -> tuple[Evaluation | None, LeadModel | None]:
    """Judge on later leads where there is time, else on leads left out in turn.

    The model of all rows comes along in that case. What the judged one learns from is what was
    known at the cut: leads that were open then are open to it, however they ended.
    """
    known = np.flatnonzero(fit.rows.known)
    rows, rules = fit.rows.take(known), sigmoid(fit.rules[known])
    if not 0 < rows.won.sum() < len(known):
        return None, None
    split = split_forward(rows)
    if split is None:
        model = fit.on(targets, "Learning from all")
        how = "leads left out in turn (cross-fitting)"
        return Evaluation(rows, model.oof_[fit.rows.known], rules, targets.base_rate(), how), model
    then = (
        targets
        if rows.horizon_days is None
        else build_targets(data, fit.rows.as_known_at(split.at))
    )
    apart = np.isin(fit.rows.person, rows.person[split.later]) | (fit.rows.as_of >= split.at)
    then, later = then.without(apart), known[split.later]
    tell(
        f"Judging on the {len(later):,} rows from {split.cut} on, learned from"
        f" {int(then.usable.sum()):,} earlier ones"
    )
    answer = fit.on(then, "Learning from the earlier").probability(
        fit.features.take(later), fit.rules[later]
    )
    return (
        Evaluation(
            rows.take(split.later),
            answer,
            rules[split.later],
            then.base_rate(),
            f"leads from {split.cut} on",
        ),
        None,
    )


def _usual_bar(definition: Definition, judged: Evaluation) -> float | None:
    """The probability that the capacity of sales means.

    From the leads that came in the judged weeks, as they looked on arrival.
    """
    if not judged.rows.timed:
        return None
    new = judged.rows.age == 0
    weeks = float(np.ptp(judged.rows.as_of[new])) / (7 * DAY) if new.any() else 0.0
    return capacity_threshold(definition, judged.candidate[new], weeks) if weeks >= 1 else None


def _card(
    data: Dataset, targets: Targets, rows: TrainingRows, judged: Evaluation | None
) -> dict[str, Any]:
    """What a person asks of a model first: on what it was trained, until when, and how good it was."""
    outcome, measured = data.definition.outcome, {} if judged is None else judged.measured()
    return {
        "horizon_days": rows.horizon_days,
        "winnable_days": outcome.winnable_days if rows.horizon_days else None,
        "leads": len(data.crm.leads),
        "wins": int((data.outcomes == 1.0).sum()),
        "rows": len(targets.won),
        "known_until": None if data.present is None else data.present.isoformat(),
        "base_rate": (
            targets.base_rate()
            if 0 < targets.won.sum() < len(targets.won)
            else outcome.expected_conversion
        ),
        "judged_on": None if judged is None else judged.how,
        "measured": {name: each.metrics() for name, each in measured.items()},
        "winnable": metadata.version("winnable"),
    }
