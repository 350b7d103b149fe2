"""Promotion: what MLflow keeps of a candidate, and whether it becomes the champion.

The rule is stated in `_deserves` and its outcome is told in words. Fitting and judging a candidate is `training`'s work.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pandas as pd

from winnable.definition.values import moment
from winnable.errors import ArtefactError, StoreError
from winnable.history.crm import Crm
from winnable.history.features import facts_of
from winnable.history.moments import microseconds
from winnable.history.parsing import parse_numbers
from winnable.history.plan import FeaturePlan
from winnable.learning.evaluation import LEAST, measure
from winnable.learning.ledger import ROLLED_BACK, Record, earlier_champion
from winnable.learning.plots import gain_plot, reliability_plot
from winnable.learning.predictor import Predictor
from winnable.learning.pyfunc import ACTIVITIES
from winnable.learning.registry import Registry
from winnable.learning.training import Candidate


@dataclass(frozen=True)
class Verdict:
    """What became of a candidate: its version, whether it is champion, and why."""

    version: int
    champion: bool
    because: str


def register(candidate: Candidate, crm: Crm, store: Path) -> Verdict:
    """Record a candidate in the store's MLflow and make it champion if it deserves to be; the rule is `_deserves`.

    Another training of this store waits until this one is through, so that each is compared with the champion that it replaces.
    """
    registry = Registry(store)
    with registry.alone():
        registry.settle()
        incumbent = _incumbent(registry)
        deserves, because = _deserves(candidate, crm, incumbent)
        version = registry.register(_record(candidate, crm, because))
        if deserves:
            registry.promote(version, because)
    return Verdict(version, deserves, because)


def promote(store: Path, version: int, because: str = "asked for") -> int | None:
    """Put a version in charge because somebody asks for it; returns the version that was. `StoreError` if there is none such."""
    registry = Registry(store)
    with registry.alone():
        registry.settle()
        before = registry.champion()
        registry.promote(version, because)
    return before


def rollback(store: Path, because: str = "asked for") -> tuple[int | None, int]:
    """Put the champion before the present one in charge again; returns both versions. `StoreError` if there was none."""
    registry = Registry(store)
    with registry.alone():
        registry.settle()
        before = registry.champion()
        version = earlier_champion(registry.history())
        if version is None:
            raise StoreError(f"{store}: there was no champion before the present one. `winnable models` lists what is there.")
        registry.promote(version, because, ROLLED_BACK)
    return before, version


def _incumbent(registry: Registry) -> Predictor | None:
    """The champion, ready to be compared with; one that cannot be read any more defends nothing."""
    version = registry.champion()
    if version is None:
        return None
    try:
        return Predictor(registry.artefact(version), str(version))
    except ArtefactError:
        return None


def _deserves(candidate: Candidate, crm: Crm, incumbent: Predictor | None) -> tuple[bool, str]:
    """Whether a candidate replaces the champion: if it is not worse on leads that neither has seen, or if there are none to tell.

    Leads that the champion may have learned from are not used: they would flatter it.
    """
    if incumbent is None:
        return True, "there was no champion before it"
    if candidate.artefact.fingerprint == incumbent.fingerprint:
        return False, f"it is the same model as version {incumbent.version}, from the same data and definition"
    judged, until = candidate.judged, moment(str(incumbent.card["known_until"] or ""))
    unseen = None
    if judged is not None and judged.rows.timed and until is not None:
        unseen = judged.rows.as_of >= microseconds(until)
    if judged is None or unseen is None or min(judged.rows.won[unseen].sum(), (1 - judged.rows.won[unseen]).sum()) < LEAST:
        return _deserves_unseen(candidate, incumbent)
    rows = judged.rows.take(unseen)
    facts = facts_of(incumbent.plan, incumbent.definition, crm, rows.leads, rows.as_of)
    old = measure(rows.won, incumbent.score(facts, [""] * facts.size, reasons=False).probability, judged.base).log_loss
    new = measure(rows.won, judged.candidate[unseen], judged.base).log_loss
    compared = f"log loss {new:.4f} against {old:.4f} of version {incumbent.version} on {len(rows.won):,} later leads"
    return (True, f"it is at least as good: {compared}") if new <= old else (False, f"it is worse: {compared}")


def _deserves_unseen(candidate: Candidate, incumbent: Predictor) -> tuple[bool, str]:
    """The rule where too few leads are later than the champion's to compare the two: newer or as new, and not from much less."""
    card, version = candidate.artefact.spec["card"], incumbent.version
    new, old = (moment(str(each["known_until"] or "")) for each in (card, incumbent.card))
    if candidate.mode == "rules" and incumbent.mode != "rules":
        return False, f"it answers by the rules only, and version {version} has learned more than them"
    if card["wins"] < 0.5 * incumbent.card["wins"]:
        return False, f"it has seen {card['wins']:,} wins, and version {version} {incumbent.card['wins']:,}"
    if new is not None and old is not None and new < old:
        return False, f"its data end on {new:%Y-%m-%d}, before those of version {version}"
    newer = "it has the newer data" if new is not None and old is not None and new > old else "it is the later training"
    return True, f"{newer}; too few leads are later than those of version {version} to compare the two"


def _record(candidate: Candidate, crm: Crm, because: str) -> Record:
    spec, judged = candidate.artefact.spec, candidate.judged
    measured = {} if judged is None else judged.measured()
    metrics = {
        k: v
        for name, each in measured.items()
        for k, v in each.metrics("" if name == "model" else f"{name.replace(' ', '_')}_").items()
    }
    shares = candidate.report.get("weights", {})
    return Record(
        experiment=candidate.definition.name,
        artefact=candidate.artefact,
        params={
            "mode": candidate.mode,
            "horizon_days": str(spec["card"]["horizon_days"]),
            "leads": str(spec["card"]["leads"]),
            "rows": str(spec["card"]["rows"]),
            "columns": str(len(spec["plan"]["fields"]) + len(spec["plan"]["measures"])),
            "calibration": str(candidate.report.get("calibration")),
            "judged_on": str(spec["card"]["judged_on"]),
        },
        metrics={**metrics, **{f"weight_{name}": float(share) for name, share in shares.items()}},
        tags={
            "definition": f"{candidate.definition.name} {candidate.definition.version}",
            "data_fingerprint": fingerprint(crm),
            "model_fingerprint": candidate.artefact.fingerprint,
            "winnable_version": metadata.version("winnable"),
            "promotion": because,
        },
        texts={
            "definition.json": json.dumps(spec["definition"], indent=1, ensure_ascii=False),
            "card.json": json.dumps(spec["card"], indent=1, ensure_ascii=False),
        },
        figures={}
        if judged is None
        else {
            "reliability.png": reliability_plot(judged.rows.won, judged.candidate),
            "gain.png": gain_plot(judged.rows.won, judged.candidate, judged.rules),
        },
        example=_typical_lead(FeaturePlan.from_json(spec["plan"]), crm),
        name=_name(candidate),
        facts=_facts(candidate, because),
    )


def _name(candidate: Candidate) -> str:
    """The run's name: until when it knows, whose definition it is, and how many leads it learned from."""
    card = candidate.artefact.spec["card"]
    until = str(card["known_until"] or "undated")[:10]
    return f"{until} {candidate.definition.name.partition(':')[0].strip()} {card['leads']:,}"


def _facts(candidate: Candidate, because: str) -> dict[str, str]:
    """What a list of versions shows of this one."""
    card = candidate.artefact.spec["card"]
    facts = {"name": _name(candidate), "mode": candidate.mode, "leads": str(card["leads"]), "wins": str(card["wins"])}
    facts |= {"known_until": str(card["known_until"] or ""), "because": because}
    measured = card["measured"].get("model", {})
    return facts | {name: f"{measured[name]:.6f}" for name in ("log_loss", "skill", "auc") if name in measured}


def fingerprint(crm: Crm) -> str:
    """Twelve hexadecimal digits that change with any value of any table."""
    digest = hashlib.sha256()
    for table in (crm.leads, crm.activities, crm.history):
        if table is not None:
            digest.update(json.dumps([str(name) for name in table.columns]).encode())
            digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:12]


def _typical_lead(plan: FeaturePlan, crm: Crm) -> pd.DataFrame:
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
    return pd.DataFrame([row]).astype({name: "str" for name, value in row.items() if not isinstance(value, float)})
