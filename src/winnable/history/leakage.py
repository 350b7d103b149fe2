"""Which columns know the outcome: a verdict on each, from several sides, with the evidence in words.

A column leaks if its value was written when, or because, the lead was won or lost. No statistic of one column shows that: a
strong column may be honest and a weak one may leak. So what speaks for and against is added up in log-odds, starting from the
suspicion that one column in twenty deserves: what its name means (`leak_names`), how strong it is beside columns with ordinary
names, at whom it is filled in, whether open leads of the same age have it too, when its dates lie, when its changes were made,
whether it grows while a lead lives. From even odds a column is `suspect`, from 88 in 100 `quarantined`; both are kept out of
models.
A column whose changes are recorded is looked at as it stood when the lead was created, which is how models see it. Where the CRM
records changes, but never one of a column, nobody can say since when its value has stood there: it is `untracked` and kept out as
well, unless the definition calls it fixed or trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from winnable.definition.facts import BoolArray, Facts, FloatArray, IntArray, Numbers, Words
from winnable.definition.model import Definition
from winnable.history.features import facts_of
from winnable.history.leak_names import Clue, name_clue, names_a_key, tells_the_end
from winnable.history.leak_strength import Strength, decided_groups, fill_odds, folds_of, groups_of, joint_auc, strength_of
from winnable.history.moments import DAY, NEVER, times_of
from winnable.history.past import untracked_columns
from winnable.history.plan import FeaturePlan, Field, learn_plan
from winnable.history.snapshots import outcomes

if TYPE_CHECKING:
    import pandas as pd

    from winnable.history.crm import Crm

Verdict = Literal["ok", "suspect", "quarantined", "untracked"]

PRIOR = -3.0
"""Log-odds that a column leaks before anything is known of it: one in twenty."""
SUSPECT, QUARANTINED = 0.0, 2.0
MOST_LEADS = 20_000
"""More leads than this, won and lost, or open, do not make a verdict surer."""
LEAST = 20
"""Leads on either side below which a comparison says nothing."""
_FAR = 4_000_000_000 * 1_000_000
"""A moment (microseconds) that is later than any date in a CRM."""


@dataclass(frozen=True)
class ColumnVerdict:
    """What is thought of one column. `overruled`: the definition vouches for it, so that it is `ok` against the evidence."""

    name: str
    verdict: Verdict
    evidence: tuple[str, ...]
    overruled: bool = False


def assess_columns(definition: Definition, crm: Crm) -> tuple[ColumnVerdict, ...]:
    """A verdict on every column that a model could learn from, in the order of the export.

    Looks at no more than 20,000 leads; the same data give the same verdicts. Never fails for want of data: with no won or no lost
    lead only names and dates can speak.
    """
    table = _Table.of(definition, crm)
    judged = {name: _clues(table, name) for name in table.fields}
    sums = {name: PRIOR + sum(clue.weight for clue in clues) for name, clues in judged.items()}
    honest = [name for name, total in sums.items() if total < SUSPECT]
    untracked = untracked_columns(definition, crm)
    verdicts = (_verdict(table, name, sums[name], judged[name], honest) for name in table.fields)
    return tuple(
        replace(each, verdict="untracked", evidence=(untracked[each.name], *each.evidence))
        if each.verdict == "ok" and each.name in untracked
        else each
        for each in verdicts
    )


def left_out(verdicts: Sequence[ColumnVerdict]) -> tuple[str, ...]:
    """The columns that no model may learn from."""
    return tuple(each.name for each in verdicts if each.verdict != "ok")


# --- what is looked at -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """A sample of resolved leads (n rows) and of open ones (m rows), and every column as it stood at them.

    `closed`, `created` (n,) and `open_created` (m,) are microseconds, NEVER where unknown. `tracked` are the fields with recorded
    changes. `ordinary` is the cautious AUC of the best column whose name is above suspicion.
    """

    definition: Definition
    crm: Crm
    fields: dict[str, Field]
    tracked: frozenset[str]
    won: BoolArray
    facts: Facts
    created: IntArray
    closed: IntArray
    status: pd.Series
    open: Facts
    open_created: IntArray
    groups: dict[str, IntArray]
    strengths: dict[str, Strength]
    folds: IntArray
    ordinary: float

    @classmethod
    def of(cls, definition: Definition, crm: Crm) -> _Table:
        plan = learn_plan(definition, crm)
        fields = {field.name: field for field in plan.fields if field.learn}
        outcome = outcomes(definition, crm)
        resolved, still_open = _sample(np.flatnonzero(~np.isnan(outcome))), _sample(np.flatnonzero(np.isnan(outcome)))
        recorded = set() if crm.history is None else set(crm.history["@field"].unique()) - set(definition.columns.fixed)
        tracked = frozenset(recorded & fields.keys())
        facts = _as_models_see_it(definition, crm, fields, tracked, resolved)
        won = outcome[resolved] == 1.0
        folds = folds_of(won)
        both = won.any() and not won.all()
        groups = {name: groups_of(facts.columns[name]) for name in fields}
        strengths = {name: strength_of(groups[name], won, folds) for name in fields} if both else {}
        innocent = [name for name in strengths if (clue := name_clue(name)) is None or clue.weight <= 0]
        ordinary = max((strengths[name].cautious_auc for name in innocent if not _one_sided(strengths[name], won)), default=0.5)
        return cls(
            definition=definition,
            crm=crm,
            fields=fields,
            tracked=tracked,
            won=won,
            facts=facts,
            created=_times(crm, "@created", resolved),
            closed=_times(crm, "@closed", resolved),
            status=crm.leads["@status"].iloc[resolved],
            open=_as_it_stands(definition, crm, fields, still_open),
            open_created=_times(crm, "@created", still_open),
            groups=groups,
            strengths=strengths,
            folds=folds,
            ordinary=ordinary,
        )


def _sample(rows: IntArray) -> IntArray:
    if len(rows) <= MOST_LEADS:
        return rows
    return np.sort(np.random.default_rng(0).permutation(rows)[:MOST_LEADS])


def _times(crm: Crm, role: str, rows: IntArray) -> IntArray:
    return times_of(crm.leads[role].iloc[rows]) if role in crm.leads else np.full(len(rows), NEVER, dtype=np.int64)


def _as_it_stands(definition: Definition, crm: Crm, fields: dict[str, Field], rows: IntArray) -> Facts:
    """The columns as they stand in the export; dates as days before a far moment."""
    return facts_of(FeaturePlan(tuple(fields.values())), definition, crm, rows, np.full(len(rows), _FAR))


def _as_models_see_it(
    definition: Definition, crm: Crm, fields: dict[str, Field], tracked: frozenset[str], rows: IntArray
) -> Facts:
    """The columns as they stand in the export, but those with recorded changes as they stood at creation."""
    facts = _as_it_stands(definition, crm, {name: field for name, field in fields.items() if name not in tracked}, rows)
    created = _times(crm, "@created", rows)
    then = facts_of(FeaturePlan(tuple(fields[name] for name in fields if name in tracked)), definition, crm, rows, created)
    return facts.with_columns(then.columns)


def _one_sided(strength: Strength, won: BoolArray) -> bool:
    return max(_fill_ratio(strength, won)) >= 8


def _fill_ratio(strength: Strength, won: BoolArray) -> tuple[float, float]:
    """How many times likelier the column is filled in for won than for lost leads, surely, and the other way round."""
    wins, losses = int(won.sum()), int((~won).sum())
    one = fill_odds(strength.filled_won, wins, strength.filled_lost, losses)
    return one, fill_odds(strength.filled_lost, losses, strength.filled_won, wins)


# --- the evidence ------------------------------------------------------------------------------------------------------------


def _clues(table: _Table, name: str) -> list[Clue]:
    """All that speaks for or against a column, strongest first."""
    clues = [*_by_name(table, name), *_by_dates(table, name)]
    if name in table.strengths:
        clues += [*_by_fill(table, name), *_by_strength(table, name), *_by_values(table, name)]
    if name in table.tracked:
        clues += _by_changes(table, name)
    else:
        clues += [*_by_open_leads(table, name), *_by_growth(table, name)]
    return sorted(clues, key=lambda clue: -clue.weight)


def _by_name(table: _Table, name: str) -> list[Clue]:
    clue = name_clue(name)
    if clue is None or (names_a_key(name) and _is_key(table.facts.columns[name])):
        return []
    return [clue]


def _is_key(column: Numbers | Words) -> bool:
    """Whether every row has a value of its own: then it names the lead, from the start."""
    values = column.codes if isinstance(column, Words) else column.values
    known = values[values >= 0] if isinstance(column, Words) else values[~np.isnan(values)]
    return len(known) == len(values) > 0 and len(np.unique(known)) == len(values)


def _by_fill(table: _Table, name: str) -> list[Clue]:
    strength = table.strengths[name]
    for ratio, label, filled in zip(
        _fill_ratio(strength, table.won), ("won", "lost"), (strength.filled_won, strength.filled_lost), strict=True
    ):
        weight = 6.0 if ratio >= 20 else 2.5 if ratio >= 8 else 1.0 if ratio >= 4 else 0.0
        if weight:
            total = strength.filled_won + strength.filled_lost
            says = f"it is filled in for {total:,} leads with an outcome, and {_percent(filled / total)} of them were {label}"
            return [Clue(weight, says)]
    return []


def _by_strength(table: _Table, name: str) -> list[Clue]:
    """The column's strength by itself, and beside the best with an ordinary name. Alone it convicts only beyond belief."""
    strength = table.strengths[name]
    own, best = _distance(strength.cautious_auc), _distance(table.ordinary)
    excess = float(np.clip(own - best, 0.0, 1.5))
    weight = 0.8 * min(own, 2.5) + excess + 2 * min(strength.decided, 0.5)
    weight = min(weight, 6.0 if strength.cautious_auc >= 0.99 else 3.5 if strength.cautious_auc >= 0.97 else 2.8)
    when = ", as it stood when the lead was created," if name in table.tracked else ""
    says = f"alone{when} it ranks {100 * strength.auc:.0f} of 100 pairs of a won and a lost lead rightly (AUC {strength.auc:.2f})"
    if strength.auc < 0.55:
        says = f"alone{when} it hardly tells won from lost leads (AUC {strength.auc:.2f})"
    if excess >= 0.1:
        says += f"; the best column with an ordinary name reaches {table.ordinary:.2f}"
    clues = [Clue(weight, says)]
    if strength.decided >= 0.05:
        clues.append(Clue(0.0, _decided_in_words(table, name, strength)))
    return clues


def _distance(auc: float) -> float:
    """How far apart won and lost leads lie, in standard deviations, for an AUC (two normal distributions)."""
    from scipy.stats import norm

    return float(np.sqrt(2) * norm.ppf(np.clip(auc, 0.5, 0.9999)))


def _decided_in_words(table: _Table, name: str, strength: Strength) -> str:
    column = table.facts.columns[name]
    inside = table.groups[name] == strength.purest
    rate = _percent(float(table.won[inside].mean()))
    if strength.purest == 0:
        where = "nothing stands there"
    elif isinstance(column, Words):
        where = f"it says '{column.vocabulary[strength.purest - 1][:40]}'"
    elif table.fields[name].kind == "moment":
        where = "its date lies in one of its ranges"
    else:
        low, high = np.nanmin(column.values[inside]), np.nanmax(column.values[inside])
        where = f"it is {low:g}" if low == high else f"it lies between {low:g} and {high:g}"
    return (
        f"{_percent(strength.decided)} of the leads have a value that decides nearly everything: "
        f"where {where}, {rate} of {int(inside.sum()):,} were won"
    )


def _by_values(table: _Table, name: str) -> list[Clue]:
    """Whether the column repeats the status word by word, or has values that tell the end in words and in fact."""
    column = table.facts.columns[name]
    if not isinstance(column, Words) or not len(table.status):
        return []
    known = column.codes >= 0
    words = np.asarray([*(word.casefold() for word in column.vocabulary), ""], dtype=object)[column.codes]
    same = words == table.status.fillna("-").str.casefold().to_numpy(dtype=object)
    if known.sum() >= LEAST and same[known].mean() >= 0.9:
        return [Clue(6.0, f"it repeats the status in {_percent(float(same[known].mean()))} of the leads")]
    telling = [code for code in _decided_groups(table, name) if code > 0 and tells_the_end(column.vocabulary[code - 1])]
    if not telling:
        return []
    says = f"it has values that tell how leads ended: '{column.vocabulary[telling[0] - 1][:40]}'"
    return [Clue(2.0, f"{says}, with which {_percent(float(table.won[table.groups[name] == telling[0]].mean()))} were won")]


def _decided_groups(table: _Table, name: str) -> IntArray:
    return np.flatnonzero(decided_groups(table.groups[name], table.won))


def _by_dates(table: _Table, name: str) -> list[Clue]:
    """Where its dates lie between creation and close."""
    column = table.facts.columns[name]
    if table.fields[name].kind != "moment" or not isinstance(column, Numbers):
        return []
    when = _FAR / DAY - column.values
    clues = []
    ended = ~np.isnan(when) & (table.closed != NEVER)
    after = when[ended] >= np.floor(table.closed[ended] / DAY)
    if ended.sum() >= LEAST and after.mean() >= 0.5:
        clues.append(Clue(4.0, f"{_percent(float(after.mean()))} of its dates lie on the day of closing or later"))
    begun = ~np.isnan(when) & (table.created != NEVER)
    later = when[begun] > table.created[begun] / DAY + 1
    if begun.sum() >= LEAST and later.mean() >= 0.5:
        clues.append(Clue(1.5, f"{_percent(float(later.mean()))} of its dates lie after the lead was created"))
    return clues


def _by_changes(table: _Table, name: str) -> list[Clue]:
    """When its recorded changes were made. Those made before the end are no fault: models see the value of the moment."""
    history = table.crm.history
    if history is None:
        return []
    changes = history[history["@field"] == name]
    closed = table.crm.leads.set_index("@id")["@closed"] if "@closed" in table.crm.leads else None
    if closed is not None and closed.index.is_unique:
        ends = changes["@id"].map(closed)
        ended = ends.notna()
        late = (changes["@at"] >= ends - np.timedelta64(1, "h"))[ended]
        if ended.sum() >= LEAST and late.mean() >= 0.5:
            return [Clue(3.5, f"{_percent(float(late.mean()))} of its changes were made when the lead was closed, or later")]
    return [Clue(-2.5, "its changes are recorded, so that only what was known at each moment counts")]


def _by_open_leads(table: _Table, name: str) -> list[Clue]:
    """Whether leads that are still open have it too, as often as closed ones of the same age."""
    column = table.open.columns[name]
    open_filled, closed_filled = _filled(column), _filled(table.facts.columns[name])
    shares = _shares_at_equal_age(open_filled, table.open_created, closed_filled, table.created)
    if shares is None:
        return []
    at_open, at_closed = shares
    telling = name in table.strengths and table.strengths[name].cautious_auc >= 0.55
    if at_closed < 0.05 or at_open > 0.3 * at_closed or (not telling and at_open > 0.02 * at_closed):
        return []
    age = " of the same age" if (table.open_created != NEVER).any() else ""
    says = f"it is filled in for {_percent(at_closed)} of closed leads and for {_percent(at_open)} of open ones{age}"
    return [Clue(3.5 if at_open <= 0.1 * at_closed else 2.0, says)]


def _filled(column: Numbers | Words) -> BoolArray:
    return ~np.isnan(column.values) if isinstance(column, Numbers) else column.codes >= 0


def _shares_at_equal_age(
    open_filled: BoolArray, open_created: IntArray, closed_filled: BoolArray, closed_created: IntArray
) -> tuple[float, float] | None:
    """The shares filled in of open and of closed leads, weighted to the same times of creation; None for too few leads."""
    if min(len(open_filled), len(closed_filled)) < LEAST:
        return None
    if (open_created == NEVER).any() or (closed_created == NEVER).any():
        return float(open_filled.mean()), float(closed_filled.mean())
    edges = np.quantile(open_created, [0.25, 0.5, 0.75])
    one, other = np.searchsorted(edges, open_created), np.searchsorted(edges, closed_created)
    weight = np.minimum(np.bincount(one, minlength=4), np.bincount(other, minlength=4)).astype(np.float64)
    if weight.sum() < LEAST:
        return None
    shares = [
        float(weight @ (np.bincount(each, filled, minlength=4) / np.maximum(np.bincount(each, minlength=4), 1)) / weight.sum())
        for each, filled in ((one, open_filled), (other, closed_filled))
    ]
    return shares[0], shares[1]


def _by_growth(table: _Table, name: str) -> list[Clue]:
    """Whether a number grows with a lead's life: then at the end it tells how long that was."""
    column = table.facts.columns[name]
    if table.fields[name].kind != "number" or not isinstance(column, Numbers):
        return []
    lived = ~table.won & (table.closed != NEVER) & (table.created != NEVER) & ~np.isnan(column.values)
    if lived.sum() < 2 * LEAST:
        return []
    with_life = _rank_correlation(column.values[lived], (table.closed - table.created)[lived].astype(np.float64))
    if with_life < 0.5:
        return []
    says = f"the longer a lost lead lived, the larger it is (rank correlation {with_life:.2f}): it grew until the end"
    return [Clue(2.5, says)]


def _rank_correlation(one: FloatArray, other: FloatArray) -> float:
    from scipy.stats import spearmanr

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


# --- the verdict -------------------------------------------------------------------------------------------------------------


def _verdict(table: _Table, name: str, total: float, clues: list[Clue], honest: list[str]) -> ColumnVerdict:
    evidence = tuple(_sentence(clue.says) for clue in clues if clue.weight > -1 or clue.weight <= -2)
    if total < SUSPECT:
        return ColumnVerdict(name, "ok", evidence)
    found = ColumnVerdict(name, "quarantined" if total >= QUARANTINED else "suspect", (*evidence, *_effect(table, name, honest)))
    return _overruled(table.definition, found)


def _effect(table: _Table, name: str, honest: list[str]) -> tuple[str, ...]:
    """What the column does to the measured skill of a model of all columns above suspicion."""
    if name not in table.strengths:
        return ()
    others = [table.groups[each] for each in honest if table.strengths[each].auc > 0.51]
    without, with_it = (joint_auc(columns, table.won, table.folds) for columns in (others, [*others, table.groups[name]]))
    if with_it < without + 0.005:
        return (f"A simple model reaches AUC {without:.2f} without it and no more with it.",)
    return (f"With it a simple model looks like AUC {with_it:.2f}; without it {without:.2f}.",)


def _overruled(definition: Definition, found: ColumnVerdict) -> ColumnVerdict:
    """The definition has the last word: `fixed` clears a suspect, `trusted` a quarantined column too."""
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


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
