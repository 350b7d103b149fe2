"""Which columns know the outcome: a verdict on each, from several sides, with the evidence in
words.

A column leaks if its value was written when, or because, the lead was won or lost. No statistic of
one column shows that: a strong column may be honest and a weak one may leak. So what speaks for and
against (`leak_clues`) is added up in log-odds, starting from the suspicion that one column in
twenty deserves. From even odds a column is `suspect`, from 88 in 100 `quarantined`; both are kept
out of models. A column whose changes are recorded is looked at as it stood when the lead was
created, which is how models see it. Where the CRM records changes, but never one of a column,
nobody can say since when its value has stood there: it is `untracked` and kept out as well, unless
the definition calls it fixed or trusted.
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

PRIOR = -3.0
"""Log-odds that a column leaks before anything is known of it: one in twenty."""
SUSPECT, QUARANTINED = 0.0, 2.0


@dataclass(frozen=True)
class ColumnVerdict:
    """What is thought of one column. `overruled`: the definition vouches for it, so that it is `ok`
    against the evidence."""

    name: str
    verdict: Verdict
    evidence: tuple[str, ...]
    overruled: bool = False


def assess_columns(
    definition: Definition, crm: Crm, plan: FeaturePlan, outcome: FloatArray
) -> tuple[ColumnVerdict, ...]:
    """A verdict on every column that a model could learn from, in the order of the export.

    `plan` is the feature plan with no column left out, `outcome` (number of leads,) how each lead
    ended; `Dataset.verdicts` has both at hand.

    Looks at no more than 20,000 leads; the same data give the same verdicts. Never fails for want
    of data: with no won or no lost lead only names and dates can speak.
    """
    seen = ColumnEvidence.of(definition, crm, plan, outcome)
    judged = {name: clues_of(seen, name) for name in seen.fields}
    sums = {name: PRIOR + sum(clue.weight for clue in clues) for name, clues in judged.items()}
    honest = [name for name, total in sums.items() if total < SUSPECT]
    untracked = untracked_columns(definition, crm)
    verdicts = (_verdict(seen, name, sums[name], judged[name], honest) for name in seen.fields)
    return tuple(
        (
            replace(each, verdict="untracked", evidence=(untracked[each.name], *each.evidence))
            if each.verdict == "ok" and each.name in untracked
            else each
        )
        for each in verdicts
    )


def left_out(verdicts: Sequence[ColumnVerdict]) -> tuple[str, ...]:
    """The columns that no model may learn from."""
    return tuple(each.name for each in verdicts if each.verdict != "ok")


# --- the verdict
# -------------------------------------------------------------------------------------------------------------


def _verdict(
    seen: ColumnEvidence, name: str, total: float, clues: list[Clue], honest: list[str]
) -> ColumnVerdict:
    evidence = tuple(
        _sentence(clue.text) for clue in clues if clue.weight > -1 or clue.weight <= -2
    )
    if total < SUSPECT:
        return ColumnVerdict(name, "ok", evidence)
    found = ColumnVerdict(
        name,
        "quarantined" if total >= QUARANTINED else "suspect",
        (*evidence, *_effect(seen, name, honest)),
    )
    return _overruled(seen.definition, found)


def _effect(seen: ColumnEvidence, name: str, honest: list[str]) -> tuple[str, ...]:
    """What the column does to the measured skill of a model of all columns above suspicion."""
    if name not in seen.strengths:
        return ()
    others = [seen.groups[each] for each in honest if seen.strengths[each].auc > 0.51]
    without, with_it = (
        joint_auc(columns, seen.won, seen.folds)
        for columns in (others, [*others, seen.groups[name]])
    )
    if with_it < without + 0.005:
        return (f"A simple model reaches AUC {without:.2f} without it and no more with it.",)
    return (f"With it a simple model looks like AUC {with_it:.2f}; without it {without:.2f}.",)


def _overruled(definition: Definition, found: ColumnVerdict) -> ColumnVerdict:
    """The definition has the last word: `fixed` clears a suspect, `trusted` a quarantined column
    too."""
    if found.name in definition.columns.trusted:
        word = "trusted"
    elif found.name in definition.columns.fixed and found.verdict == "suspect":
        word = "fixed"
    else:
        return found
    note = f"It was {found.verdict}, but the definition lists it under columns.{word}: it is used."
    return replace(found, verdict="ok", evidence=(*found.evidence, note), overruled=True)


def _sentence(says: str) -> str:
    return f"{says[0].upper()}{says[1:]}."
