"""The contents of a training run: params, metrics, tags, figures, texts and child runs that MLflow
keeps of a candidate, so that it can be found and understood a year later.

They are put together here and measured elsewhere; how they are kept is the work of
`mlflow_registry`. Nothing of it names a person: the input example is made up of each column's most
frequent category and median.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import pandas as pd

from winnable.data.dataset import Dataset
from winnable.data.features.plan import FeaturePlan
from winnable.data.features.returns import STATUS_HISTORY
from winnable.data.ingestion.crm import Crm
from winnable.data.ingestion.parsing import parse_numbers
from winnable.learning.model.experts.encoding import Encoding
from winnable.learning.pyfunc import ACTIVITIES_COLUMN
from winnable.learning.readiness.data_quality import Finding, alarms
from winnable.learning.readiness.learning_curve import CurvePoint, learning_curve
from winnable.learning.readiness.readiness import Readiness, assess_readiness, learnable
from winnable.learning.registry.champion_challenger import PromotionDecision
from winnable.learning.registry.model_diff import ModelDiff
from winnable.learning.registry.records import ChildRun, TrainingRun
from winnable.learning.registry.stand_in import BASE_RATE, SCORECARD
from winnable.learning.reporting.plots import (
    backtest_plot,
    gain_plot,
    readiness_plot,
    reliability_plot,
)
from winnable.learning.reporting.report import Report, report_on
from winnable.learning.training.backtest import MODEL, Backtest
from winnable.learning.training.train import Candidate, Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


EXPERTS_IN_METRICS = {"catboost": "symmetric", "lightgbm": "leafwise", "per_segment": "apart"}
"""What MLflow's metrics call experts: by the names they had at first, so that a chart over all runs
of an experiment goes on."""

METRIC_NAMES = {SCORECARD: "rules", BASE_RATE: "base_rate"}
"""What MLflow's metrics call the baselines; every other competitor is the champion."""


@dataclass(frozen=True)
class RunFindings:
    """What a training found and what was decided about its model."""

    decision: PromotionDecision
    changes: ModelDiff | None
    readiness: Readiness
    curve: Sequence[CurvePoint]
    tested: Backtest | None
    report: Report
    alarms: tuple[Finding, ...]


def find(
    candidate: Candidate,
    data: Dataset,
    decision: PromotionDecision,
    changes: ModelDiff | None,
    tested: Backtest | None = None,
) -> RunFindings:
    """Assess the data once more (quality, sample size, learning curve) and write the report."""
    readiness = assess_readiness(data)
    curve = learning_curve(*learnable(data), quick=True)
    changed = () if changes is None else changes.lines
    wrong = alarms(data)
    report = report_on(
        candidate,
        data,
        readiness=readiness,
        curve=curve,
        changed=changed,
        tested=tested,
        alarms=tuple(finding.text for finding in wrong),
    )
    return RunFindings(decision, changes, readiness, curve, tested, report, wrong)


def build_run(
    candidate: Candidate, data: Dataset, found: RunFindings, began: float | None = None
) -> TrainingRun:
    """The run of a candidate and of what was found; `began` is when its training did, in seconds
    since 1970."""
    spec = candidate.artifact.spec
    evaluation = candidate.evaluation
    decision = found.decision
    readiness = found.readiness
    curve = found.curve
    tested = found.tested
    return TrainingRun(
        experiment=candidate.definition.name,
        name=_name(candidate),
        artifact=candidate.artifact,
        params=_params(candidate),
        metrics={
            **_metrics(evaluation),
            **_comparison(decision),
            **_weights(candidate),
            **_ready(readiness),
            **_tested(tested),
        },
        series={
            "curve_saved": tuple((point.leads, point.skill) for point in curve),
            **_by_period(tested),
        },
        tags={
            **_tags(candidate, data.crm, decision),
            "data_alarms": ", ".join(dict.fromkeys(finding.kind for finding in found.alarms)),
        },
        version_tags=_version_tags(candidate, decision),
        texts={
            "definition.json": _json(candidate.artifact.data["definition"]),
            "card.json": _json(spec.card.to_json()),
            "columns.json": _json([asdict(verdict) for verdict in candidate.verdicts]),
            "readiness.txt": "\n".join(readiness.messages),
            "data_alarms.txt": "\n".join(finding.text for finding in found.alarms),
            "contest.json": _json(
                None if decision.comparison is None else asdict(decision.comparison)
            ),
            "changes.txt": "\n".join(() if found.changes is None else found.changes.lines),
            "report.html": found.report.html(standing(decision)),
            "dependencies.txt": "\n".join(dependencies()),
            **({} if tested is None else {"backtest.csv": tested.table().to_csv(index=False)}),
        },
        figures={
            **_figures(evaluation, readiness, curve),
            **({} if tested is None else {"backtest.png": backtest_plot(tested)}),
        },
        parts=_parts(candidate),
        example=typical_lead(spec.plan, data.crm, Encoding(spec.model.encoding).codes),
        began=began,
    )


def standing(decision: PromotionDecision) -> str:
    """Whether the model is champion or challenger, why, and what is not proven of it, in
    sentences."""
    alias = "champion" if decision.champion else "challenger"
    text = f"The model is {alias}: {decision.because}."
    return text if decision.doubt is None else f"{text} {decision.doubt}"


def _name(candidate: Candidate) -> str:
    """The run's name: the end of its data, whose definition it is, and how many leads it was
    trained on."""
    card = candidate.artifact.spec.card
    until = "undated" if card.known_until is None else f"{card.known_until:%Y-%m-%d}"
    return f"{until} {candidate.definition.name.partition(':')[0].strip()} {card.leads:,}"


def _params(candidate: Candidate) -> dict[str, str]:
    spec = candidate.artifact.spec
    card = candidate.artifact.spec.card.to_json()
    params = {
        name: card[name]
        for name in ("horizon_days", "leads", "wins", "rows", "known_until", "judged_on")
    }
    params["mode"] = candidate.mode
    params["columns"] = len(spec.plan.fields) + len(spec.plan.aggregates)
    params["left_out"] = ", ".join(card["left_out"])
    params["calibration"] = candidate.report.get("calibration")
    return {name: str(value) for name, value in params.items()}


def _tags(candidate: Candidate, crm: Crm, decision: PromotionDecision) -> dict[str, str]:
    return {
        "definition": f"{candidate.definition.name} {candidate.definition.version}",
        "definition_fingerprint": _digest(_json(candidate.artifact.data["definition"]).encode()),
        "data_fingerprint": fingerprint(crm),
        "model_fingerprint": candidate.artifact.fingerprint,
        "winnable_version": metadata.version("winnable"),
        "python": platform.python_version(),
        "promotion": standing(decision),
    }


def _version_tags(candidate: Candidate, decision: PromotionDecision) -> dict[str, str]:
    """What a list of versions shows of this one."""
    card = candidate.artifact.spec.card
    tags = {
        "name": _name(candidate),
        "mode": candidate.mode,
        "leads": str(card.leads),
        "wins": str(card.wins),
        "known_until": "" if card.known_until is None else card.known_until.isoformat(),
        "because": decision.because,
    }
    if card.doubt is not None:
        tags["doubt"] = card.doubt
    measured = card.measured.get("model", {})
    for name in ("log_loss", "skill", "auc"):
        if name in measured:
            tags[name] = f"{measured[name]:.6f}"
    for name, count in (("evaluated_rows", "leads"), ("evaluated_wins", "wins")):
        if count in measured:
            tags[name] = f"{measured[count]:.0f}"
    return tags


# --- metrics


def _metrics(evaluation: Evaluation | None) -> dict[str, float]:
    """The metrics of the model, the scorecard and the base rate, those of the model with their 95%
    confidence intervals."""
    if evaluation is None:
        return {}
    found: dict[str, float] = {}
    for name, metrics in evaluation.measured().items():
        found |= metrics.metrics("" if name == "model" else f"{name.replace(' ', '_')}_")
    for name, (low, high) in evaluation.intervals.items():
        found |= {f"{name}_low": low, f"{name}_high": high}
    return found


def _comparison(decision: PromotionDecision) -> dict[str, float]:
    """By how much the log loss is lower than that of the others on the same leads, with 95%
    confidence intervals."""
    if decision.comparison is None:
        return {}
    found = {
        "contest_log_loss": decision.comparison.log_loss,
        "contest_rows": float(decision.comparison.rows),
    }
    for competitor in decision.comparison.competitors:
        name = METRIC_NAMES.get(competitor.name, "champion")
        less = competitor.log_loss_reduction
        found |= {
            f"less_than_{name}": less.mean,
            f"less_than_{name}_low": less.low,
            f"less_than_{name}_high": less.high,
        }
    return found


def _weights(candidate: Candidate) -> dict[str, float]:
    return {
        f"weight_{EXPERTS_IN_METRICS.get(name, name)}": float(share)
        for name, share in candidate.report.get("weights", {}).items()
    }


def _ready(readiness: Readiness) -> dict[str, float]:
    return {
        "needed_wins": float(readiness.needed_wins),
        "ready": float(readiness.ready),
        "anticipated_auc": readiness.auc,
    }


def _tested(tested: Backtest | None) -> dict[str, float]:
    """Over all periods of a backtest: the log loss of each model and baseline, and the model's
    skill."""
    if tested is None:
        return {}
    measured = tested.measured()
    losses = {
        f"backtest_log_loss_{name.replace(' ', '_')}": metrics.log_loss
        for name, metrics in measured.items()
    }
    return {**losses, "backtest_saved": measured[MODEL].skill}


def _by_period(tested: Backtest | None) -> dict[str, tuple[tuple[int, float], ...]]:
    """The model's skill in each period of a backtest, by the period's number."""
    if tested is None:
        return {}
    skill = (period.measured()[MODEL].skill for period in tested.periods)
    return {"backtest_saved_by_period": tuple(enumerate(skill, start=1))}


def _parts(candidate: Candidate) -> tuple[ChildRun, ...]:
    """Each expert, and each fold in which the blend weights were fitted: their out-of-fold log
    losses."""
    losses = candidate.report.get("log_loss", {})
    weights = candidate.report.get("weights", {})
    experts = [
        ChildRun(f"expert {name}", {}, {"log_loss": losses[name], "weight": weights[name]})
        for name in weights
        if name in losses
    ]
    folds = [
        ChildRun(
            f"fold {number}",
            {},
            {f"log_loss_{EXPERTS_IN_METRICS.get(name, name)}": loss for name, loss in fold.items()},
        )
        for number, fold in enumerate(candidate.report.get("folds", ()), start=1)
    ]
    return (*experts, *folds)


# --- files


def _figures(
    evaluation: Evaluation | None, readiness: Readiness, curve: Sequence[CurvePoint]
) -> dict[str, "Figure"]:
    figures = {"readiness.png": readiness_plot(readiness, curve)}
    if evaluation is not None:
        figures["reliability.png"] = reliability_plot(evaluation.rows.won, evaluation.candidate)
        figures["gain.png"] = gain_plot(evaluation.rows.won, evaluation.candidate, evaluation.rules)
    return figures


def dependencies() -> list[str]:
    """Every installed package with its version, as pip would take them."""
    installed = {
        (package.metadata["Name"], package.version)
        for package in metadata.distributions()
        if package.metadata["Name"]
    }
    return sorted((f"{name}=={version}" for name, version in installed), key=str.lower)


def _json(data: object) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False, default=str)


def fingerprint(crm: Crm) -> str:
    """Twelve hexadecimal digits that change with any value of any table."""
    digest = hashlib.sha256()
    for table in (crm.leads, crm.activities, crm.history):
        if table is not None:
            digest.update(json.dumps([str(name) for name in table.columns]).encode())
            digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:12]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def typical_lead(
    plan: FeaturePlan, crm: Crm, words: Mapping[str, Mapping[str, int]]
) -> pd.DataFrame:
    """One row as the model takes it (MLflow's input example), with every column of the export.

    Of each learned column's median or most frequent category, which are the first of the model's
    `words`, so that it describes no real person; the others, such as the id, are empty. A frame
    with any of them keeps its rows: MLflow leaves out columns that the example does not have.
    """
    row: dict[str, float | str | None] = {}
    for field in plan.fields:
        if field.kind == "number":
            values = crm.leads[field.name] if field.name in crm.leads else pd.Series(dtype="str")
            middle = parse_numbers(values, field.decimal).median()
            row[field.name] = 0.0 if pd.isna(middle) else float(middle)
        else:
            row[field.name] = next(iter(words.get(field.name, ())), None)
    for name in crm.leads.columns:
        if not str(name).startswith("@"):
            row.setdefault(str(name), None)
    if plan.created is not None:
        row.setdefault(ACTIVITIES_COLUMN, None)
    if plan.returns:
        row.setdefault(STATUS_HISTORY, None)
    return pd.DataFrame([row]).astype(
        {name: "str" for name, value in row.items() if not isinstance(value, float)}
    )
