"""What speaks for and against a column knowing the outcome: clues of several kinds, each with its
weight and its words.

What its name means (`leak_names`), how strong it is beside columns with ordinary names
(`leak_strength`), at whom it is filled in, whether its values tell the end, whether open leads of
the same age have it too, when its dates lie, when its changes were made, whether it grows while a
lead lives. Weights are in log-odds; what they add up to is decided in `leakage`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import (
    AT,
    CLOSED,
    CREATED,
    FIELD,
    ID,
    STATUS,
    BoolArray,
    CategoricalColumn,
    FeatureTable,
    FloatArray,
    IntArray,
    NumericColumn,
)
from winnable.core.timestamps import DAY, NEVER, times_of
from winnable.data.features.offline import compute_features
from winnable.data.features.plan import FeaturePlan, Field
from winnable.data.leakage.names import Clue, name_clue, names_a_key, names_an_outcome
from winnable.data.leakage.strength import (
    Strength,
    decided_groups,
    fill_odds,
    folds_of,
    groups_of,
    strength_of,
)
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.ingestion.crm import Crm

MOST_LEADS = 20_000
"""More leads than this, won and lost, or open, do not make a verdict surer."""
LEAST = 20
"""Leads on either side below which a comparison says nothing."""
_FAR = 4_000_000_000 * 1_000_000
"""A moment (microseconds) that is later than any date in a CRM."""


# --- what is looked at
# -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColumnEvidence:
    """A sample of resolved leads (n rows) and of open ones (m rows), and every column as it stood
    at them.

    `closed`, `created` (n,) and `open_created` (m,) are microseconds, NEVER where unknown.
    `tracked` are the fields with recorded changes. `ordinary` is the cautious AUC of the best
    column whose name is above suspicion.
    """

    definition: Definition
    crm: Crm
    fields: dict[str, Field]
    tracked: frozenset[str]
    won: BoolArray
    features: FeatureTable
    created: IntArray
    closed: IntArray
    status: pd.Series
    open: FeatureTable
    open_created: IntArray
    groups: dict[str, IntArray]
    strengths: dict[str, Strength]
    folds: IntArray
    ordinary: float

    @classmethod
    def of(
        cls, definition: Definition, crm: Crm, plan: FeaturePlan, outcome: FloatArray
    ) -> ColumnEvidence:
        """The columns that a model could learn from, at no more than `MOST_LEADS` leads of each
        kind, always the same ones."""
        fields = {field.name: field for field in plan.fields if field.learn}
        resolved, still_open = (
            _sample(np.flatnonzero(~np.isnan(outcome))),
            _sample(np.flatnonzero(np.isnan(outcome))),
        )
        recorded = (
            set()
            if crm.history is None
            else set(crm.history[FIELD].unique()) - set(definition.columns.fixed)
        )
        tracked = frozenset(recorded & fields.keys())
        features = _as_models_see_it(definition, crm, fields, tracked, resolved)
        won = outcome[resolved] == 1.0
        folds = folds_of(won)
        both = won.any() and not won.all()
        groups = {name: groups_of(features.columns[name]) for name in fields}
        strengths = {name: strength_of(groups[name], won, folds) for name in fields} if both else {}
        innocent = [
            name for name in strengths if (clue := name_clue(name)) is None or clue.weight <= 0
        ]
        ordinary = max(
            (
                strengths[name].cautious_auc
                for name in innocent
                if not _one_sided(strengths[name], won)
            ),
            default=0.5,
        )
        return cls(
            definition=definition,
            crm=crm,
            fields=fields,
            tracked=tracked,
            won=won,
            features=features,
            created=_times(crm, CREATED, resolved),
            closed=_times(crm, CLOSED, resolved),
            status=crm.leads[STATUS].iloc[resolved],
            open=_as_it_stands(definition, crm, fields, still_open),
            open_created=_times(crm, CREATED, still_open),
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
    return (
        times_of(crm.leads[role].iloc[rows])
        if role in crm.leads
        else np.full(len(rows), NEVER, dtype=np.int64)
    )


def _as_it_stands(
    definition: Definition, crm: Crm, fields: dict[str, Field], rows: IntArray
) -> FeatureTable:
    """The columns as they stand in the export; dates as days before a far moment."""
    return compute_features(
        FeaturePlan(tuple(fields.values())), definition, crm, rows, np.full(len(rows), _FAR)
    )


def _as_models_see_it(
    definition: Definition,
    crm: Crm,
    fields: dict[str, Field],
    tracked: frozenset[str],
    rows: IntArray,
) -> FeatureTable:
    """The columns as they stand in the export, but those with recorded changes as they stood at
    creation."""
    features = _as_it_stands(
        definition,
        crm,
        {name: field for name, field in fields.items() if name not in tracked},
        rows,
    )
    created = _times(crm, CREATED, rows)
    then = compute_features(
        FeaturePlan(tuple(fields[name] for name in fields if name in tracked)),
        definition,
        crm,
        rows,
        created,
    )
    return features.with_columns(then.columns)


def _one_sided(strength: Strength, won: BoolArray) -> bool:
    return max(_fill_ratio(strength, won)) >= 8


def _fill_ratio(strength: Strength, won: BoolArray) -> tuple[float, float]:
    """How many times likelier the column is filled in for won than for lost leads, surely, and the
    other way round."""
    wins, losses = int(won.sum()), int((~won).sum())
    one = fill_odds(strength.filled_won, wins, strength.filled_lost, losses)
    return one, fill_odds(strength.filled_lost, losses, strength.filled_won, wins)


# --- the evidence
# ------------------------------------------------------------------------------------------------------------


def clues_of(seen: ColumnEvidence, name: str) -> list[Clue]:
    """All that speaks for or against a column, strongest first."""
    clues = [*_by_name(seen, name), *_by_dates(seen, name)]
    if name in seen.strengths:
        clues += [*_by_fill(seen, name), *_by_strength(seen, name), *_by_values(seen, name)]
    if name in seen.tracked:
        clues += _by_changes(seen, name)
    else:
        clues += [*_by_open_leads(seen, name), *_by_growth(seen, name)]
    return sorted(clues, key=lambda clue: -clue.weight)


def _by_name(seen: ColumnEvidence, name: str) -> list[Clue]:
    clue = name_clue(name)
    if clue is None or (names_a_key(name) and _is_key(seen.features.columns[name])):
        return []
    return [clue]


def _is_key(column: NumericColumn | CategoricalColumn) -> bool:
    """Whether every row has a value of its own: then it names the lead, from the start."""
    values = column.codes if isinstance(column, CategoricalColumn) else column.values
    known = (
        values[values >= 0] if isinstance(column, CategoricalColumn) else values[~np.isnan(values)]
    )
    return len(known) == len(values) > 0 and len(np.unique(known)) == len(values)


def _by_fill(seen: ColumnEvidence, name: str) -> list[Clue]:
    strength = seen.strengths[name]
    for ratio, label, filled in zip(
        _fill_ratio(strength, seen.won),
        ("won", "lost"),
        (strength.filled_won, strength.filled_lost),
        strict=True,
    ):
        weight = 6.0 if ratio >= 20 else 2.5 if ratio >= 8 else 1.0 if ratio >= 4 else 0.0
        if weight:
            total = strength.filled_won + strength.filled_lost
            says = (
                f"it is filled in for {total:,} leads with an outcome, and"
                f" {percent(filled / total)} of them were {label}"
            )
            return [Clue(weight, says)]
    return []


def _by_strength(seen: ColumnEvidence, name: str) -> list[Clue]:
    """The column's strength by itself, and beside the best with an ordinary name. Alone it convicts
    only beyond belief."""
    strength = seen.strengths[name]
    own, best = _distance(strength.cautious_auc), _distance(seen.ordinary)
    excess = float(np.clip(own - best, 0.0, 1.5))
    weight = 0.8 * min(own, 2.5) + excess + 2 * min(strength.decided, 0.5)
    weight = min(
        weight,
        6.0 if strength.cautious_auc >= 0.99 else 3.5 if strength.cautious_auc >= 0.97 else 2.8,
    )
    when = ", as it stood when the lead was created," if name in seen.tracked else ""
    says = (
        f"alone{when} it ranks {100 * strength.auc:.0f} of 100 pairs of a won and a lost lead"
        f" rightly (AUC {strength.auc:.2f})"
    )
    if strength.auc < 0.55:
        says = f"alone{when} it hardly tells won from lost leads (AUC {strength.auc:.2f})"
    if excess >= 0.1:
        says += f"; the best column with an ordinary name reaches {seen.ordinary:.2f}"
    clues = [Clue(weight, says)]
    if strength.decided >= 0.05:
        clues.append(Clue(0.0, _decided_in_words(seen, name, strength)))
    return clues


def _distance(auc: float) -> float:
    """How far apart won and lost leads lie, in standard deviations, for an AUC (two normal
    distributions)."""
    from scipy.stats import norm

    return float(np.sqrt(2) * norm.ppf(np.clip(auc, 0.5, 0.9999)))


def _decided_in_words(seen: ColumnEvidence, name: str, strength: Strength) -> str:
    column = seen.features.columns[name]
    inside = seen.groups[name] == strength.purest
    rate = percent(float(seen.won[inside].mean()))
    if strength.purest == 0:
        where = "nothing stands there"
    elif isinstance(column, CategoricalColumn):
        where = f"it says '{column.vocabulary[strength.purest - 1][:40]}'"
    elif seen.fields[name].kind == "moment":
        where = "its date lies in one of its ranges"
    else:
        low, high = np.nanmin(column.values[inside]), np.nanmax(column.values[inside])
        where = f"it is {low:g}" if low == high else f"it lies between {low:g} and {high:g}"
    return (
        f"{percent(strength.decided)} of the leads have a value that decides nearly everything: "
        f"where {where}, {rate} of {int(inside.sum()):,} were won"
    )


def _by_values(seen: ColumnEvidence, name: str) -> list[Clue]:
    """Whether the column repeats the status word by word, or has values that tell the end in words
    and in fact."""
    column = seen.features.columns[name]
    if not isinstance(column, CategoricalColumn) or not len(seen.status):
        return []
    known = column.codes >= 0
    words = np.asarray([*(word.casefold() for word in column.vocabulary), ""], dtype=object)[
        column.codes
    ]
    same = words == seen.status.fillna("-").str.casefold().to_numpy(dtype=object)
    if known.sum() >= LEAST and same[known].mean() >= 0.9:
        return [
            Clue(6.0, f"it repeats the status in {percent(float(same[known].mean()))} of the leads")
        ]
    telling = [
        code
        for code in _decided_groups(seen, name)
        if code > 0 and names_an_outcome(column.vocabulary[code - 1])
    ]
    if not telling:
        return []
    says = f"it has values that tell how leads ended: '{column.vocabulary[telling[0] - 1][:40]}'"
    return [
        Clue(
            2.0,
            f"{says}, with which {percent(float(seen.won[seen.groups[name] == telling[0]].mean()))}"
            " were won",
        )
    ]


def _decided_groups(seen: ColumnEvidence, name: str) -> IntArray:
    return np.flatnonzero(decided_groups(seen.groups[name], seen.won))


def _by_dates(seen: ColumnEvidence, name: str) -> list[Clue]:
    """Where its dates lie between creation and close."""
    column = seen.features.columns[name]
    if seen.fields[name].kind != "moment" or not isinstance(column, NumericColumn):
        return []
    when = _FAR / DAY - column.values
    clues = []
    ended = ~np.isnan(when) & (seen.closed != NEVER)
    after = when[ended] >= np.floor(seen.closed[ended] / DAY)
    if ended.sum() >= LEAST and after.mean() >= 0.5:
        clues.append(
            Clue(
                4.0,
                f"{percent(float(after.mean()))} of its dates lie on the day of closing or later",
            )
        )
    begun = ~np.isnan(when) & (seen.created != NEVER)
    later = when[begun] > seen.created[begun] / DAY + 1
    if begun.sum() >= LEAST and later.mean() >= 0.5:
        clues.append(
            Clue(1.5, f"{percent(float(later.mean()))} of its dates lie after the lead was created")
        )
    return clues


def _by_changes(seen: ColumnEvidence, name: str) -> list[Clue]:
    """When its recorded changes were made. Those made before the end are no fault: models see the
    value of the moment."""
    history = seen.crm.history
    if history is None:
        return []
    changes = history[history[FIELD] == name]
    closed = seen.crm.leads.set_index(ID)[CLOSED] if CLOSED in seen.crm.leads else None
    if closed is not None and closed.index.is_unique:
        ends = changes[ID].map(closed)
        ended = ends.notna()
        late = (changes[AT] >= ends - np.timedelta64(1, "h"))[ended]
        if ended.sum() >= LEAST and late.mean() >= 0.5:
            return [
                Clue(
                    3.5,
                    f"{percent(float(late.mean()))} of its changes were made when the lead was"
                    " closed, or later",
                )
            ]
    return [
        Clue(-2.5, "its changes are recorded, so that only what was known at each moment counts")
    ]


def _by_open_leads(seen: ColumnEvidence, name: str) -> list[Clue]:
    """Whether leads that are still open have it too, as often as closed ones of the same age."""
    column = seen.open.columns[name]
    open_filled, closed_filled = _filled(column), _filled(seen.features.columns[name])
    shares = _shares_at_equal_age(open_filled, seen.open_created, closed_filled, seen.created)
    if shares is None:
        return []
    at_open, at_closed = shares
    telling = name in seen.strengths and seen.strengths[name].cautious_auc >= 0.55
    if (
        at_closed < 0.05
        or at_open > 0.3 * at_closed
        or (not telling and at_open > 0.02 * at_closed)
    ):
        return []
    age = " of the same age" if (seen.open_created != NEVER).any() else ""
    says = (
        f"it is filled in for {percent(at_closed)} of closed leads and for {percent(at_open)} of"
        f" open ones{age}"
    )
    return [Clue(3.5 if at_open <= 0.1 * at_closed else 2.0, says)]


def _filled(column: NumericColumn | CategoricalColumn) -> BoolArray:
    return ~np.isnan(column.values) if isinstance(column, NumericColumn) else column.codes >= 0


def _shares_at_equal_age(
    open_filled: BoolArray,
    open_created: IntArray,
    closed_filled: BoolArray,
    closed_created: IntArray,
) -> tuple[float, float] | None:
    """The shares filled in of open and of closed leads, weighted to the same times of creation;
    None for too few leads."""
    if min(len(open_filled), len(closed_filled)) < LEAST:
        return None
    if (open_created == NEVER).any() or (closed_created == NEVER).any():
        return float(open_filled.mean()), float(closed_filled.mean())
    edges = np.quantile(open_created, [0.25, 0.5, 0.75])
    one, other = np.searchsorted(edges, open_created), np.searchsorted(edges, closed_created)
    weight = np.minimum(np.bincount(one, minlength=4), np.bincount(other, minlength=4)).astype(
        np.float64
    )
    if weight.sum() < LEAST:
        return None
    shares = [
        float(
            weight
            @ (
                np.bincount(each, filled, minlength=4)
                / np.maximum(np.bincount(each, minlength=4), 1)
            )
            / weight.sum()
        )
        for each, filled in ((one, open_filled), (other, closed_filled))
    ]
    return shares[0], shares[1]


def _by_growth(seen: ColumnEvidence, name: str) -> list[Clue]:
    """Whether a number grows with a lead's life: then at the end it tells how long that was."""
    column = seen.features.columns[name]
    if seen.fields[name].kind != "number" or not isinstance(column, NumericColumn):
        return []
    lived = ~seen.won & (seen.closed != NEVER) & (seen.created != NEVER) & ~np.isnan(column.values)
    if lived.sum() < 2 * LEAST:
        return []
    with_life = _rank_correlation(
        column.values[lived], (seen.closed - seen.created)[lived].astype(np.float64)
    )
    if with_life < 0.5:
        return []
    says = (
        f"the longer a lost lead lived, the larger it is (rank correlation {with_life:.2f}): it"
        " grew until the end"
    )
    return [Clue(2.5, says)]


def _rank_correlation(one: FloatArray, other: FloatArray) -> float:
    from scipy.stats import spearmanr

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


def percent(share: float) -> str:
    """A share in words, without decimals."""
    return f"{100 * share:.0f} %"
