"""Training: from a CRM's history to a candidate model and an honest comparison of it.

The way is always the same: rows in time, facts, rules, a model of what was known before the later rows judged on these, then the
model of all rows. Where nothing can be learned the candidate answers by the rules, and its comparison says what could be judged.
What a row teaches whose outcome is not known yet is decided in `lessons`, what is fitted and how it is blended in `model`,
whether the candidate becomes champion in `promotion`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Any

import numpy as np

from winnable.core.columns import Facts, FloatArray
from winnable.core.progress import Progress, titled, unseen
from winnable.core.timestamps import DAY, NEVER
from winnable.core.values import moment
from winnable.data.features.offline import facts_of
from winnable.data.features.plan import FeaturePlan, learn_plan
from winnable.data.features.point_in_time import believed_columns
from winnable.data.features.training_rows import Snapshots, outcomes, take_snapshots
from winnable.data.ingestion.crm import Crm, latest_moment
from winnable.data.leakage.detect import ColumnVerdict, assess_columns, left_out
from winnable.definition.decide.gate import bar_of_capacity
from winnable.definition.decide.scorecard import Points, score_points
from winnable.definition.schema import Definition
from winnable.learning.artifacts.artifact import FORMAT, Artefact
from winnable.learning.model.calibration import sigmoid
from winnable.learning.model.lead_model import LeadModel
from winnable.learning.model.segments import say_of_segments, with_segment
from winnable.learning.training.metrics import Measured, measure, split_forward, tells_enough
from winnable.learning.training.segment_check import compare_segments
from winnable.learning.training.targets import Lessons, learn_lessons

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Judged:
    """The leads on which a candidate was judged, n rows, and what each answer said of them.

    `how` says in words which leads they are. `base` is the constant that the base rate would answer.
    """

    rows: Snapshots
    candidate: FloatArray
    rules: FloatArray
    base: float
    how: str

    def measured(self) -> dict[str, Measured]:
        """The measures of the model, the rules and the base rate on these leads."""
        answers = {"model": self.candidate, "rules": self.rules, "base rate": np.full(len(self.rules), self.base)}
        return {name: measure(self.rows.won, answer, self.base) for name, answer in answers.items()}


@dataclass(frozen=True)
class Candidate:
    """A trained model that is not registered yet.

    `judged` is None where there was no lead with a known outcome. `verdicts` say which columns were kept out, and why.
    """

    artefact: Artefact
    definition: Definition
    judged: Judged | None
    verdicts: tuple[ColumnVerdict, ...]
    report: dict[str, Any]

    @property
    def mode(self) -> str:
        """Who answers: "rules", "blend" or "learned"."""
        return str(self.artefact.spec["model"]["mode"])

    @property
    def why(self) -> str:
        """Why it is that mode."""
        return str(self.artefact.spec["model"]["why"])


def learn(
    definition: Definition,
    crm: Crm,
    *,
    seed: int = 0,
    threads: int = 2,
    tell: Tell = lambda _: None,
    present: datetime | None = None,
    leave_out: Sequence[str] = (),
    judge: bool = True,
    quick: bool = False,
    feedback: Mapping[str, Any] | None = None,
    progress: Progress = unseen,
) -> Candidate:
    """Learn a candidate from a CRM's history. Never fails for want of history: then the rules answer.

    `present` is when the export was made; without it, the newest time in it. Columns in `leave_out` are kept out whatever the
    history says of them. With `judge` false nothing is held back to judge the candidate by, which saves the time of one fit;
    `quick` is the quicker fit of `LeadModel`. `feedback` is what sales changed in this history (`hearing`), for the card and the
    report.
    """
    heard = {} if feedback is None else {"feedback": dict(feedback)}
    if present is None:
        latest = latest_moment(crm)
        present = None if latest is None else latest.to_pydatetime()
    rows = take_snapshots(definition, crm, present)
    lessons = learn_lessons(definition, crm, rows)
    rows, lessons = rows.take(lessons.teach), lessons.take(lessons.teach)
    verdicts = assess_columns(definition, crm)
    kept_out = tuple(dict.fromkeys((*left_out(verdicts), *leave_out)))
    plan = learn_plan(definition, crm, kept_out)
    tell(f"{len(crm.leads):,} leads give {len(lessons.won):,} training rows, {int(lessons.won.sum()):,} of them won")
    if partly := int((~rows.known).sum()):
        tell(f"{partly:,} of these have been watched for a part of the horizon only, and count for as much as that shows")
    fit = _Fit.of(plan, definition, crm, rows, seed, threads, progress, quick)
    judged, cross_fitted = _judge(fit, lessons, definition, crm, tell) if judge else (None, None)
    tell("Learning from all of them")
    model = cross_fitted if cross_fitted is not None else fit.on(lessons, "Learning from all")
    artefact = Artefact(
        spec={
            "format": FORMAT,
            "definition": definition.model_dump(mode="json", exclude_defaults=True),
            "plan": plan.to_json(),
            "model": model.spec_,
            "pace": None if lessons.pace is None else lessons.pace.to_json(),
            "usual_bar": None if judged is None else _usual_bar(definition, judged),
            "card": {
                **_card(definition, crm, lessons, rows, present, judged),
                "left_out": list(kept_out),
                "as_they_stand": [name for name in believed_columns(definition, crm) if name in plan.learned],
                "segments": say_of_segments(compare_segments(fit.facts, fit.points, rows, seed), model.report_["weights"]),
                **heard,
            },
        },
        boosters=model.boosters_,
    )
    return Candidate(artefact, definition, judged, verdicts, {**model.report_, **heard})


def judge_since(
    candidate: Candidate, crm: Crm, since: int, *, seed: int = 0, threads: int = 2, progress: Progress = unseen
) -> Judged | None:
    """Judge what a candidate's definition teaches from what was known at `since` (microseconds), on leads whose outcome nobody
    knew then and everybody knows now. None where the history has no dates, or where either side tells too little to judge by.
    """
    definition, spec = candidate.definition, candidate.artefact.spec
    rows = take_snapshots(definition, crm, moment(str(spec["card"]["known_until"] or "")))
    if rows.horizon_days is None:
        return None
    then = rows.seen_at(since)
    told = (rows.as_of < since) & (then.known | ((rows.ended != NEVER) & (rows.ended <= since)))
    later = np.flatnonzero(rows.known & ~told & ~np.isin(rows.person, rows.person[told]))
    lessons = learn_lessons(definition, crm, then).without(rows.as_of >= since)
    if not tells_enough(rows.won[later]) or not tells_enough(lessons.won[lessons.teach]):
        return None
    fit = _Fit.of(FeaturePlan.from_json(spec["plan"]), definition, crm, rows, seed, threads, progress)
    answer = fit.on(lessons, "Comparing with the champion").probability(fit.facts.take(later), fit.rules[later])
    how = f"leads whose outcome was open on {np.datetime64(since, 'us').astype('datetime64[D]')}"
    return Judged(rows.take(later), answer, sigmoid(fit.rules[later]), lessons.base_rate(), how)


@dataclass(frozen=True)
class _Fit:
    """Everything a model is fitted on, so that a part and the whole are fitted alike."""

    facts: Facts
    points: Points
    rows: Snapshots
    seed: int
    threads: int
    quick: bool
    progress: Progress

    @property
    def rules(self) -> FloatArray:
        """What the rules say of each row, in log-odds."""
        return self.points.logit

    @classmethod
    def of(
        cls,
        plan: FeaturePlan,
        definition: Definition,
        crm: Crm,
        rows: Snapshots,
        seed: int,
        threads: int,
        progress: Progress,
        quick: bool = False,
    ) -> "_Fit":
        """What is known of these rows, in the columns that may be learned from, and what the rules say."""
        facts = facts_of(plan, definition, crm, rows.leads, rows.as_of)
        points = score_points(definition, facts)
        return cls(with_segment(definition, facts.select(plan.learned), points), points, rows, seed, threads, quick, progress)

    def on(self, lessons: Lessons, doing: str) -> LeadModel:
        """A model of what the rows teach.

        The rows of one lead at several ages resemble each other: all rows together weigh as much as there are leads, so that what
        is held against chance is held against the number of leads.
        """
        where, rows = np.flatnonzero(lessons.teach), self.rows.take(lessons.teach)
        weights = lessons.weights[where] * len(np.unique(rows.leads)) / max(len(where), 1)
        order = rows.as_of / DAY if rows.timed else None
        model = LeadModel(seed=self.seed, threads=self.threads, quick=self.quick)
        facts, won, rules = self.facts.take(where), lessons.won[where], self.rules[where]
        settled = lessons.settled[where]
        told = titled(doing, self.progress)
        return model.fit(facts, won, rules, weights=weights, groups=rows.person, order=order, settled=settled, progress=told)


def _judge(fit: _Fit, lessons: Lessons, definition: Definition, crm: Crm, tell: Tell) -> tuple[Judged | None, LeadModel | None]:
    """Judge on later leads where there is time, else on leads left out in turn.

    The model of all rows comes along in that case. What the judged one learns from is what was known at the cut: leads that were
    open then are open to it, however they ended.
    """
    known = np.flatnonzero(fit.rows.known)
    rows, rules = fit.rows.take(known), sigmoid(fit.rules[known])
    if not 0 < rows.won.sum() < len(known):
        return None, None
    split = split_forward(rows)
    if split is None:
        model = fit.on(lessons, "Learning from all")
        how = "leads left out in turn (cross-fitting)"
        return Judged(rows, model.oof_[fit.rows.known], rules, lessons.base_rate(), how), model
    then = lessons if rows.horizon_days is None else learn_lessons(definition, crm, fit.rows.seen_at(split.at))
    apart = np.isin(fit.rows.person, rows.person[split.later]) | (fit.rows.as_of >= split.at)
    then, later = then.without(apart), known[split.later]
    tell(f"Judging on the {len(later):,} rows from {split.cut} on, learned from {int(then.teach.sum()):,} earlier ones")
    answer = fit.on(then, "Learning from the earlier").probability(fit.facts.take(later), fit.rules[later])
    return Judged(rows.take(split.later), answer, rules[split.later], then.base_rate(), f"leads from {split.cut} on"), None


def _usual_bar(definition: Definition, judged: Judged) -> float | None:
    """The probability that the capacity of sales means.

    From the leads that came in the judged weeks, as they looked on arrival.
    """
    if not judged.rows.timed:
        return None
    new = judged.rows.age == 0
    weeks = float(np.ptp(judged.rows.as_of[new])) / (7 * DAY) if new.any() else 0.0
    return bar_of_capacity(definition, judged.candidate[new], weeks) if weeks >= 1 else None


def _card(
    definition: Definition, crm: Crm, lessons: Lessons, rows: Snapshots, present: Any, judged: Judged | None
) -> dict[str, Any]:
    """What a person asks of a model first: on what it was trained, until when, and how good it was."""
    measured = {} if judged is None else judged.measured()
    return {
        "horizon_days": rows.horizon_days,
        "winnable_days": definition.outcome.winnable_days if rows.horizon_days else None,
        "leads": len(crm.leads),
        "wins": int((outcomes(definition, crm) == 1.0).sum()),
        "rows": len(lessons.won),
        "known_until": None if present is None else present.isoformat(),
        "base_rate": lessons.base_rate() if 0 < lessons.won.sum() < len(lessons.won) else definition.outcome.expected_conversion,
        "judged_on": None if judged is None else judged.how,
        "measured": {name: each.metrics() for name, each in measured.items()},
        "winnable": metadata.version("winnable"),
    }
