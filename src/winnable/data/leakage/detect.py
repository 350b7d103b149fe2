"""Detect target leakage: a verdict on each column, with the evidence in words.

A column leaks if its value was entered when, or because, the lead was won or lost. No single
statistic shows that: a strong column may be legitimate and a weak one may leak. So the evidence for
and against (`winnable.data.leakage.evidence`) is added up in log-odds, starting from the prior that
one column in twenty leaks. From a probability of 50% a column is `suspect`, from 88% `quarantined`;
both are excluded from models. A column whose changes are recorded is examined as it was when the
lead was created, which is how models see it. If the CRM records changes, but none of this column,
it is unknown since when its value has been there: it is `untracked` and excluded as well, unless
the definition lists it as fixed or trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from winnable.data.features.point_in_time import untracked_columns
from winnable.data.leakage.evidence import ColumnEvidence, clues_of
from winnable.data.leakage.names import Clue
from winnable.data.leakage.strength import joint_auc
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    from winnable.core.columns import FloatArray
    from winnable.data.features.plan import FeaturePlan
    from winnable.data.ingestion.crm import Crm

Verdict = Literal["ok", "suspect", "quarantined", "untracked"]

PRIOR_LOG_ODDS = -3.0
"""Log-odds that a column leaks before any evidence: one in twenty."""
SUSPECT_LOG_ODDS = 0.0
QUARANTINED_LOG_ODDS = 2.0


LEAKAGE = "possible target leakage"
UNTRACKED = "untracked: no history of its changes"


@dataclass(frozen=True)
class ColumnVerdict:
    """The verdict on one column. `overruled`: the definition vouches for the column, so that it is
    `ok` despite the evidence."""

    name: str
    verdict: Verdict
    evidence: tuple[str, ...]
    overruled: bool = False

    @property
    def reason(self) -> str:
        """Why a column is excluded, in a few words."""
        return UNTRACKED if self.verdict == "untracked" else LEAKAGE


def assess_columns(
    definition: Definition, crm: Crm, plan: FeaturePlan, outcome: FloatArray
) -> tuple[ColumnVerdict, ...]:
    """A verdict on every column that a model could learn from, in the order of the export.

    `plan` is the feature plan with no column left out, `outcome` (number of leads,) how each lead
    ended; `Dataset.verdicts` has both at hand. Looks at a sample of at most 20,000 leads; the same
    data give the same verdicts. Never fails for lack of data: without won or lost leads, only names
    and dates are evidence.
    """
    seen = ColumnEvidence.of(definition, crm, plan, outcome)
    clues = {name: clues_of(seen, name) for name in seen.fields}
    log_odds = {
        name: PRIOR_LOG_ODDS + sum(clue.weight for clue in clues[name]) for name in seen.fields
    }
    passed = [name for name in seen.fields if log_odds[name] < SUSPECT_LOG_ODDS]
    untracked = untracked_columns(definition, crm)
    verdicts: list[ColumnVerdict] = []
    for name in seen.fields:
        verdict = _verdict(seen, name, log_odds[name], clues[name], passed)
        if verdict.verdict == "ok" and name in untracked:
            evidence = (untracked[name], *verdict.evidence)
            verdict = replace(verdict, verdict="untracked", evidence=evidence)
        verdicts.append(verdict)
    return tuple(verdicts)


def left_out(verdicts: Sequence[ColumnVerdict]) -> tuple[str, ...]:
    """The columns that are excluded from models."""
    return tuple(verdict.name for verdict in verdicts if verdict.verdict != "ok")


def _verdict(
    seen: ColumnEvidence, name: str, log_odds: float, clues: list[Clue], passed: list[str]
) -> ColumnVerdict:
    evidence = tuple(
        _sentence(clue.text) for clue in clues if clue.weight > -1 or clue.weight <= -2
    )
    if log_odds < SUSPECT_LOG_ODDS:
        return ColumnVerdict(name, "ok", evidence)
    verdict: Verdict = "quarantined" if log_odds >= QUARANTINED_LOG_ODDS else "suspect"
    found = ColumnVerdict(name, verdict, (*evidence, *_effect(seen, name, passed)))
    return _overruled(seen.definition, found)


def _effect(seen: ColumnEvidence, name: str, passed: list[str]) -> tuple[str, ...]:
    """How the column changes the AUC of a simple model of all columns that passed."""
    if name not in seen.strengths:
        return ()
    others = [seen.groups[other] for other in passed if seen.strengths[other].auc > 0.51]
    without = joint_auc(others, seen.won, seen.folds)
    with_it = joint_auc([*others, seen.groups[name]], seen.won, seen.folds)
    if with_it < without + 0.005:
        return (f"A simple model reaches an AUC of {without:.2f} without it, and no more with it.",)
    return (f"A simple model has an AUC of {with_it:.2f} with it and {without:.2f} without it.",)


def _overruled(definition: Definition, found: ColumnVerdict) -> ColumnVerdict:
    """The definition overrules the verdict: `fixed` clears a suspect column, `trusted` a
    quarantined one, too."""
    if found.name in definition.columns.trusted:
        key = "trusted"
    elif found.name in definition.columns.fixed and found.verdict == "suspect":
        key = "fixed"
    else:
        return found
    note = f"It was {found.verdict}, but the definition lists it under columns.{key}: it is used."
    return replace(found, verdict="ok", evidence=(*found.evidence, note), overruled=True)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
