"""Training: from a CRM's history to a candidate model and an honest comparison of it.

The way is always the same: rows in time, facts, rules, a model of the earlier rows judged on the later ones, then the model of
all rows. Where nothing can be learned the candidate answers by the rules, and its comparison says what could be judged. What is
fitted and how it is blended is decided in `model`; whether the candidate becomes champion, in `promotion`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Any

import numpy as np

from winnable.definition.facts import BoolArray, Facts, FloatArray
from winnable.definition.gate import bar_of_capacity
from winnable.definition.model import Definition
from winnable.definition.scorecard import score_points
from winnable.history.crm import Crm, latest_moment
from winnable.history.features import facts_of
from winnable.history.leakage import ColumnVerdict, assess_columns, left_out
from winnable.history.moments import DAY, microseconds, times_of
from winnable.history.plan import learn_plan
from winnable.history.snapshots import Snapshots, outcomes, take_snapshots
from winnable.learning.artefact import FORMAT, Artefact
from winnable.learning.calibration import sigmoid
from winnable.learning.evaluation import Measured, base_rate, measure, split_forward
from winnable.learning.horizons import later_wins
from winnable.learning.model import LeadModel
from winnable.learning.segment_check import compare_segments
from winnable.learning.segments import with_segment

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
) -> Candidate:
    """Learn a candidate from a CRM's history. Never fails for want of history: then the rules answer.

    `present` is when the export was made; without it, the newest time in it. Columns in `leave_out` are kept out whatever the
    history says of them. With `judge` false nothing is held back to judge the candidate by, which saves the time of one fit.
    """
    if present is None:
        latest = latest_moment(crm)
        present = None if latest is None else latest.to_pydatetime()
    rows = take_snapshots(definition, crm, present)
    known = rows.take(rows.known)
    verdicts = assess_columns(definition, crm)
    kept_out = tuple(dict.fromkeys((*left_out(verdicts), *leave_out)))
    plan = learn_plan(definition, crm, kept_out)
    tell(f"{len(crm.leads):,} leads give {len(known.won):,} training rows, {int(known.won.sum()):,} of them won")
    facts = facts_of(plan, definition, crm, known.leads, known.as_of)
    points = score_points(definition, facts)
    fit = _Fit(with_segment(definition, facts.select(plan.learned), points), points.logit, known, seed, threads)
    judged, cross_fitted = _judge(fit, known, tell) if judge else (None, None)
    tell("Learning from all of them")
    model = cross_fitted if cross_fitted is not None else fit.on(np.ones(len(known.won), dtype=bool))
    artefact = Artefact(
        spec={
            "format": FORMAT,
            "definition": definition.model_dump(mode="json", exclude_defaults=True),
            "plan": plan.to_json(),
            "model": model.spec_,
            "later_wins": _later_wins(definition, crm, rows, present),
            "usual_bar": None if judged is None else _usual_bar(definition, judged),
            "card": {
                **_card(definition, crm, known, present, judged),
                "left_out": list(kept_out),
                "segments": compare_segments(fit.facts, points, known, seed),
            },
        },
        boosters=model.boosters_,
    )
    return Candidate(artefact, definition, judged, verdicts, model.report_)


@dataclass(frozen=True)
class _Fit:
    """Everything a model is fitted on, so that a part and the whole are fitted alike."""

    facts: Facts
    rules: FloatArray
    rows: Snapshots
    seed: int
    threads: int

    def on(self, chosen: BoolArray) -> LeadModel:
        """A model of the chosen rows (mask).

        The rows of one lead at several ages resemble each other: all rows together weigh as much as there are leads, so that what
        is held against chance is held against the number of leads.
        """
        where, rows = np.flatnonzero(chosen), self.rows.take(chosen)
        weights = np.full(len(where), len(np.unique(rows.leads)) / max(len(where), 1))
        order = rows.as_of / DAY if rows.timed else None
        model = LeadModel(seed=self.seed, threads=self.threads)
        return model.fit(self.facts.take(where), rows.won, self.rules[where], weights=weights, groups=rows.person, order=order)


def _judge(fit: _Fit, known: Snapshots, tell: Tell) -> tuple[Judged | None, LeadModel | None]:
    """Judge on later leads where there is time, else on leads left out in turn.

    The model of all rows comes along in that case.
    """
    if not 0 < known.won.sum() < len(known.won):
        return None, None
    split = split_forward(known)
    if split is not None:
        later = np.flatnonzero(split.later)
        tell(f"Judging on the {len(later):,} rows from {split.cut} on, learned from {int(split.earlier.sum()):,} earlier ones")
        answer = fit.on(split.earlier).probability(fit.facts.take(later), fit.rules[later])
        base = base_rate(known.won[split.earlier])
        return Judged(known.take(later), answer, sigmoid(fit.rules[later]), base, f"leads from {split.cut} on"), None
    model = fit.on(np.ones(len(known.won), dtype=bool))
    how = "leads left out in turn (cross-fitting)"
    return Judged(known, model.oof_, sigmoid(fit.rules), base_rate(known.won), how), model


def _later_wins(definition: Definition, crm: Crm, rows: Snapshots, present: Any) -> float | None:
    """The exponent for the winnable horizon, from the whole lives of the leads; None where no horizon can be promised."""
    if rows.horizon_days is None:
        return None
    created, closed = times_of(crm.leads["@created"]), times_of(crm.leads["@closed"])
    outcome, ended = outcomes(definition, crm), ~crm.leads["@closed"].isna().to_numpy()
    until = np.where(ended, closed, microseconds(present))
    days = (until - created) / DAY
    usable = ~crm.leads["@created"].isna().to_numpy() & (days >= 0) & ~((outcome == 1.0) & ~ended)
    won, lost = ended & (outcome == 1.0), ended & (outcome == 0.0)
    return later_wins(days[usable], won[usable], lost[usable], definition.outcome.horizon_days, definition.outcome.winnable_days)


def _usual_bar(definition: Definition, judged: Judged) -> float | None:
    """The probability that the capacity of sales means.

    From the leads that came in the judged weeks, as they looked on arrival.
    """
    if not judged.rows.timed:
        return None
    new = judged.rows.age == 0
    weeks = float(np.ptp(judged.rows.as_of[new])) / (7 * DAY) if new.any() else 0.0
    return bar_of_capacity(definition, judged.candidate[new], weeks) if weeks >= 1 else None


def _card(definition: Definition, crm: Crm, known: Snapshots, present: Any, judged: Judged | None) -> dict[str, Any]:
    """What a person asks of a model first: on what it was trained, until when, and how good it was."""
    measured = {} if judged is None else judged.measured()
    return {
        "horizon_days": known.horizon_days,
        "winnable_days": definition.outcome.winnable_days if known.horizon_days else None,
        "leads": len(crm.leads),
        "wins": int((outcomes(definition, crm) == 1.0).sum()),
        "rows": len(known.won),
        "known_until": None if present is None else present.isoformat(),
        "base_rate": base_rate(known.won) if 0 < known.won.sum() < len(known.won) else definition.outcome.expected_conversion,
        "judged_on": None if judged is None else judged.how,
        "measured": {name: each.metrics() for name, each in measured.items()},
        "winnable": metadata.version("winnable"),
    }
