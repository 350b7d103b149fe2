"""The record of a training: everything that MLflow keeps of a candidate, so that a run can be found
and understood a year later.

What is kept is put together here and measured elsewhere; how it is kept is `registry`'s work.
Nothing of it names a person: the example is made up of each column's most frequent word and middle
number.
"""

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import pandas as pd

from winnable.data.dataset import Dataset
from winnable.data.features.plan import FeaturePlan
from winnable.data.ingestion.crm import Crm
from winnable.data.ingestion.parsing import parse_numbers
from winnable.learning.pyfunc import ACTIVITIES
from winnable.learning.readiness.learning_curve import CurvePoint, learning_curve
from winnable.learning.readiness.readiness import Readiness, assess_readiness, learnable
from winnable.learning.registry.champion_challenger import Comparison
from winnable.learning.registry.model_diff import ModelDiff
from winnable.learning.registry.records import ChildRun, TrainingRun
from winnable.learning.reporting.plots import (
    backtest_plot,
    gain_plot,
    readiness_plot,
    reliability_plot,
)
from winnable.learning.reporting.report import Report, report_on
from winnable.learning.training.backtest import MODEL, Backtest
from winnable.learning.training.metrics import bootstrap
from winnable.learning.training.train import Candidate, Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RunFindings:
    """What a training found and what was decided about its model: everything there is to tell."""

    decision: Comparison
    changes: ModelDiff | None
    readiness: Readiness
    curve: Sequence[CurvePoint]
    tested: Backtest | None
    report: Report


def find(
    candidate: Candidate,
    data: Dataset,
    decision: Comparison,
    changes: ModelDiff | None,
    tested: Backtest | None = None,
) -> RunFindings:
    """Look once more at the data: is there enough of them, would more help, what is to be told."""
    readiness = assess_readiness(data)
    curve = learning_curve(*learnable(data), quick=True)
    changed = () if changes is None else changes.told
    report = report_on(
        candidate, data, readiness=readiness, curve=curve, changed=changed, tested=tested
    )
    return RunFindings(decision, changes, readiness, curve, tested, report)


def build_run(
    candidate: Candidate, data: Dataset, found: RunFindings, began: float | None = None
) -> TrainingRun:
    """What is kept of a candidate and of what was found; `began` is when its training did, in
    seconds since 1970."""
    spec, card, judged = candidate.artifact.spec, candidate.artifact.spec["card"], candidate.judged
    decision, readiness, curve, tested = found.decision, found.readiness, found.curve, found.tested
    return TrainingRun(
        experiment=candidate.definition.name,
        name=_name(candidate),
        artifact=candidate.artifact,
        params=_params(candidate),
        metrics={
            **_measures(judged),
            **_contest(decision),
            **_weights(candidate),
            **_ready(readiness),
            **_tested(tested),
        },
        series={
            "curve_saved": tuple((lesson.leads, lesson.saved) for lesson in curve),
            **_by_period(tested),
        },
        tags=_tags(candidate, data.crm, decision),
        version_tags=_version_tags(candidate, decision),
        texts={
            "definition.json": _json(spec["definition"]),
            "card.json": _json(card),
            "columns.json": _json([asdict(each) for each in candidate.verdicts]),
            "readiness.txt": "\n".join(readiness.told),
            "contest.json": _json(None if decision.contest is None else asdict(decision.contest)),
            "changes.txt": "\n".join(() if found.changes is None else found.changes.told),
            "report.html": found.report.html(standing(decision)),
            "dependencies.txt": "\n".join(dependencies()),
            **({} if tested is None else {"backtest.csv": tested.table().to_csv(index=False)}),
        },
        figures={
            **_figures(judged, readiness, curve),
            **({} if tested is None else {"backtest.png": backtest_plot(tested)}),
        },
        parts=_parts(candidate),
        example=typical_lead(FeaturePlan.from_json(spec["plan"]), data.crm),
        began=began,
    )


def standing(decision: Comparison) -> str:
    """In a sentence what becomes of the model."""
    return f"The model is {'champion' if decision.champion else 'challenger'}: {decision.because}."


def _name(candidate: Candidate) -> str:
    """The run's name: until when it knows, whose definition it is, and how many leads it learned
    from."""
    card = candidate.artifact.spec["card"]
    until = str(card["known_until"] or "undated")[:10]
    return f"{until} {candidate.definition.name.partition(':')[0].strip()} {card['leads']:,}"


def _params(candidate: Candidate) -> dict[str, str]:
    spec, card = candidate.artifact.spec, candidate.artifact.spec["card"]
    params = {
        name: card[name]
        for name in ("horizon_days", "leads", "wins", "rows", "known_until", "judged_on")
    }
    columns = len(spec["plan"]["fields"]) + len(spec["plan"]["measures"])
    params |= {"mode": candidate.mode, "columns": columns, "left_out": ", ".join(card["left_out"])}
    return {
        name: str(value)
        for name, value in {**params, "calibration": candidate.report.get("calibration")}.items()
    }


def _tags(candidate: Candidate, crm: Crm, decision: Comparison) -> dict[str, str]:
    return {
        "definition": f"{candidate.definition.name} {candidate.definition.version}",
        "definition_fingerprint": _digest(_json(candidate.artifact.spec["definition"]).encode()),
        "data_fingerprint": fingerprint(crm),
        "model_fingerprint": candidate.artifact.fingerprint,
        "winnable_version": metadata.version("winnable"),
        "python": platform.python_version(),
        "promotion": standing(decision),
    }


def _version_tags(candidate: Candidate, decision: Comparison) -> dict[str, str]:
    """What a list of versions shows of this one."""
    card = candidate.artifact.spec["card"]
    tags = {
        "name": _name(candidate),
        "mode": candidate.mode,
        "leads": str(card["leads"]),
        "wins": str(card["wins"]),
    }
    tags |= {"known_until": str(card["known_until"] or ""), "because": decision.because}
    measured = card["measured"].get("model", {})
    return tags | {
        name: f"{measured[name]:.6f}" for name in ("log_loss", "skill", "auc") if name in measured
    }


# --- numbers
# -----------------------------------------------------------------------------------------------------------------


def _measures(judged: Evaluation | None) -> dict[str, float]:
    """The measures of the model, the rules and the base rate, those of the model with their 95 %
    intervals."""
    if judged is None:
        return {}
    found: dict[str, float] = {}
    for name, each in judged.measured().items():
        found |= each.metrics("" if name == "model" else f"{name.replace(' ', '_')}_")
    for name, (low, high) in bootstrap(
        judged.rows.won, judged.candidate, judged.base, judged.rows.person
    ).items():
        found |= {f"{name}_low": low, f"{name}_high": high}
    return found


def _contest(decision: Comparison) -> dict[str, float]:
    """How much lower the log loss is than that of the others on the same leads, with 95 %
    intervals."""
    if decision.contest is None:
        return {}
    found = {
        "contest_log_loss": decision.contest.log_loss,
        "contest_rows": float(decision.contest.rows),
    }
    for rival in decision.contest.rivals:
        name = (
            "champion"
            if rival.name.startswith("version ")
            else rival.name.removeprefix("the ").replace(" ", "_")
        )
        less = {
            "": rival.log_loss_reduction.mean,
            "_low": rival.log_loss_reduction.low,
            "_high": rival.log_loss_reduction.high,
        }
        found |= {f"less_than_{name}{end}": value for end, value in less.items()}
    return found


def _weights(candidate: Candidate) -> dict[str, float]:
    return {
        f"weight_{name}": float(share)
        for name, share in candidate.report.get("weights", {}).items()
    }


def _ready(readiness: Readiness) -> dict[str, float]:
    return {
        "needed_wins": float(readiness.needed_wins),
        "ready": float(readiness.ready),
        "anticipated_auc": readiness.auc,
    }


def _tested(tested: Backtest | None) -> dict[str, float]:
    """Over all periods of a backtest: what each answer's log loss was, and what the model saved."""
    if tested is None:
        return {}
    measured = tested.measured()
    losses = {
        f"backtest_log_loss_{name.replace(' ', '_')}": each.log_loss
        for name, each in measured.items()
    }
    return {**losses, "backtest_saved": measured[MODEL].skill}


def _by_period(tested: Backtest | None) -> dict[str, tuple[tuple[int, float], ...]]:
    """What the model saved in each period of a backtest, by the period's number."""
    if tested is None:
        return {}
    saved = (period.measured()[MODEL].skill for period in tested.periods)
    return {"backtest_saved_by_period": tuple(enumerate(saved, start=1))}


def _parts(candidate: Candidate) -> tuple[ChildRun, ...]:
    """Each expert, and each fold on which the experts were weighed: out-of-fold log losses of leads
    that they had not seen."""
    losses, weights = candidate.report.get("log_loss", {}), candidate.report.get("weights", {})
    experts = [
        ChildRun(f"expert {name}", {}, {"log_loss": losses[name], "weight": weights[name]})
        for name in weights
        if name in losses
    ]
    folds = [
        ChildRun(f"fold {number}", {}, {f"log_loss_{name}": loss for name, loss in each.items()})
        for number, each in enumerate(candidate.report.get("folds", ()), start=1)
    ]
    return (*experts, *folds)


# --- files
# -------------------------------------------------------------------------------------------------------------------


def _figures(
    judged: Evaluation | None, readiness: Readiness, curve: Sequence[CurvePoint]
) -> dict[str, "Figure"]:
    figures = {"readiness.png": readiness_plot(readiness, curve)}
    if judged is not None:
        figures["reliability.png"] = reliability_plot(judged.rows.won, judged.candidate)
        figures["gain.png"] = gain_plot(judged.rows.won, judged.candidate, judged.rules)
    return figures


def dependencies() -> list[str]:
    """Every installed package with its version, as pip would take them."""
    installed = {
        (each.metadata["Name"], each.version)
        for each in metadata.distributions()
        if each.metadata["Name"]
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


def typical_lead(plan: FeaturePlan, crm: Crm) -> pd.DataFrame:
    """One row as the model takes it.

    Of each column's middle number or most frequent word, so that it describes no real person.
    """
    row: dict[str, float | str | None] = {}
    for field in plan.fields:
        values = crm.leads[field.name] if field.name in crm.leads else pd.Series([], dtype="str")
        if field.kind == "number":
            middle = parse_numbers(values, field.decimal).median()
            row[field.name] = 0.0 if pd.isna(middle) else float(middle)
        else:
            told = field.learn and field.kind == "words" and values.notna().any()
            row[field.name] = str(values.value_counts().index[0]) if told else None
    if plan.created is not None:
        row |= {plan.created.name: None, ACTIVITIES: None}
    return pd.DataFrame([row]).astype(
        {name: "str" for name, value in row.items() if not isinstance(value, float)}
    )
