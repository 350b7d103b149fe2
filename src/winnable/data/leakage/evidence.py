"""Evidence of target leakage: clues for and against a column, each with its weight and its wording.

What its name means (`names`), how strongly it predicts the outcome compared with columns with
ordinary names (`strength`), for which leads it is filled in, whether its values name the outcome,
whether open leads of the same age have it, too, when its dates are, when it was changed, and
whether it grows over a lead's lifetime. Weights are in log-odds; the verdict is given in `detect`.
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

MAX_SAMPLED_LEADS = 20_000
"""More resolved leads, or open leads, do not make a verdict more certain."""
MIN_LEADS_TO_COMPARE = 20
"""With fewer leads on either side, a comparison is not evidence."""
MAX_AUC_OF_NO_OUTCOME = 0.72
"""What tells how leads ended ranks them better than this; what was so before them seldom does."""
_FAR_FUTURE = 4_000_000_000 * 1_000_000
"""A time (microseconds since 1970) later than any date in a CRM."""


@dataclass(frozen=True)
class ColumnEvidence:
    """A sample of resolved leads (n rows) and of open leads (m rows), with their columns.

    `closed`, `created` (n,) and `open_created` (m,) are microseconds, NEVER where unknown.
    `tracked` are the fields with recorded changes. `ordinary` is the cautious AUC of the best
    column whose name is not suspicious.
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
        """The columns that a model could learn from, in a deterministic sample of at most
        `MAX_SAMPLED_LEADS` resolved and as many open leads."""
        fields = {
            field.name: field
            for field in plan.fields
            if field.learn or field.name in plan.derived_from
        }
        resolved = _sample(np.flatnonzero(~np.isnan(outcome)))
        still_open = _sample(np.flatnonzero(np.isnan(outcome)))
        recorded = (
            set()
            if crm.history is None
            else set(crm.history[FIELD].unique()) - set(definition.columns.fixed)
        )
        tracked = frozenset(recorded & fields.keys())
        features = _as_models_see_it(definition, crm, fields, tracked, resolved)
        won = outcome[resolved] == 1.0
        folds = folds_of(won)
        both_outcomes = won.any() and not won.all()
        groups = {name: groups_of(features.columns[name]) for name in fields}
        strengths = (
            {name: strength_of(groups[name], won, folds) for name in fields}
            if both_outcomes
            else {}
        )
        ordinary = max(
            (
                strength.cautious_auc
                for name, strength in strengths.items()
                if not _has_suspicious_name(name) and not _one_sided(strength, won)
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
    if len(rows) <= MAX_SAMPLED_LEADS:
        return rows
    return np.sort(np.random.default_rng(0).permutation(rows)[:MAX_SAMPLED_LEADS])


def _times(crm: Crm, role: str, rows: IntArray) -> IntArray:
    return (
        times_of(crm.leads[role].iloc[rows])
        if role in crm.leads
        else np.full(len(rows), NEVER, dtype=np.int64)
    )


def _as_it_stands(
    definition: Definition, crm: Crm, fields: dict[str, Field], rows: IntArray
) -> FeatureTable:
    """The columns as they are in the export; dates as days before a time in the far future."""
    return _as_they_are_read(definition, crm, fields, rows, np.full(len(rows), _FAR_FUTURE))


def _as_they_are_read(
    definition: Definition, crm: Crm, fields: dict[str, Field], rows: IntArray, as_of: IntArray
) -> FeatureTable:
    """The columns at a time each. Of one that no model learns as it stands, such as an address,
    only whether it is filled in: its values are nobody's to see."""
    features = compute_features(FeaturePlan(tuple(fields.values())), definition, crm, rows, as_of)
    hidden = {
        name: CategoricalColumn(np.minimum(column.codes, 0), ("filled in",))
        for name, column in features.columns.items()
        if isinstance(column, CategoricalColumn) and not fields[name].learn
    }
    return features.with_columns(hidden)


def _as_models_see_it(
    definition: Definition,
    crm: Crm,
    fields: dict[str, Field],
    tracked: frozenset[str],
    rows: IntArray,
) -> FeatureTable:
    """The columns as they are in the export, but those with recorded changes as they were at
    creation."""
    features = _as_it_stands(
        definition,
        crm,
        {name: field for name, field in fields.items() if name not in tracked},
        rows,
    )
    created = _times(crm, CREATED, rows)
    later = {name: field for name, field in fields.items() if name in tracked}
    then = _as_they_are_read(definition, crm, later, rows, created)
    return features.with_columns(then.columns)


def _has_suspicious_name(name: str) -> bool:
    clue = name_clue(name)
    return clue is not None and clue.weight > 0


def _one_sided(strength: Strength, won: BoolArray) -> bool:
    return max(_fill_ratio(strength, won)) >= 8


def _fill_ratio(strength: Strength, won: BoolArray) -> tuple[float, float]:
    """How many times more often the column is filled in for won than for lost leads, and the other
    way round (lower confidence bounds)."""
    wins = int(won.sum())
    losses = len(won) - wins
    won_to_lost = fill_odds(strength.filled_won, wins, strength.filled_lost, losses)
    lost_to_won = fill_odds(strength.filled_lost, losses, strength.filled_won, wins)
    return won_to_lost, lost_to_won


def clues_of(seen: ColumnEvidence, name: str) -> list[Clue]:
    """All evidence for or against leakage of a column, strongest first."""
    clues = _by_dates(seen, name)
    if name in seen.strengths:
        clues += [*_by_fill(seen, name), *_by_values(seen, name)]
    if name in seen.tracked:
        clues += _by_changes(seen, name)
    else:
        clues += [*_by_open_leads(seen, name), *_by_growth(seen, name)]
    only_its_name = not any(clue.weight > 0 for clue in clues)
    clues += _by_name(seen, name, only_its_name)
    if name in seen.strengths:
        clues += _by_strength(seen, name)
    return sorted(clues, key=lambda clue: -clue.weight)


def _by_name(seen: ColumnEvidence, name: str, only_its_name: bool) -> list[Clue]:
    """What the name says. Where nothing but the name says that a column tells how leads ended, its
    values have to agree: the result may be that of an earlier campaign, and what is converted a
    currency."""
    clue = name_clue(name)
    if clue is None or (names_a_key(name) and _is_key(seen.features.columns[name])):
        return []
    if clue.decides and only_its_name and _tells_no_outcome(seen, name):
        return [Clue(0.0, f"{clue.text}, but its values do not tell how leads ended")]
    return [clue]


def _tells_no_outcome(seen: ColumnEvidence, name: str) -> bool:
    """Whether the values show that a column is not the outcome, nor anything that is entered with
    it: it hardly ranks leads, and none of its values is of one outcome alone. Always false for
    dates, whose time tells, and where too few won or lost leads have a value to say so."""
    strength = seen.strengths.get(name)
    if strength is None:
        return False
    if min(strength.filled_won, strength.filled_lost) < MIN_LEADS_TO_COMPARE:
        return False
    if seen.fields[name].kind == "moment":
        return False
    is_weak = strength.auc + 1.5 * strength.error < MAX_AUC_OF_NO_OUTCOME
    return is_weak and not _has_pure_value(seen.groups[name], seen.won, seen.fields[name])


def _has_pure_value(groups: IntArray, won: BoolArray, field: Field) -> bool:
    """Whether all leads with some value, or none of them, were won, where chance would have given
    several of the others: five of one of many ranges of a number, three of a word."""
    size = np.bincount(groups)
    wins = np.bincount(groups, weights=won)
    share = won.mean()
    several = 5 if field.kind == "number" else 3
    never_won = (wins == 0) & (size * share >= several)
    always_won = (wins == size) & (size * (1 - share) >= several)
    return bool((never_won | always_won).any())


def _is_key(column: NumericColumn | CategoricalColumn) -> bool:
    """Whether every row has a unique value: then it identifies the lead from the start."""
    values = column.codes if isinstance(column, CategoricalColumn) else column.values
    return bool(_filled(column).all()) and len(np.unique(values)) == len(values) > 0


def _by_fill(seen: ColumnEvidence, name: str) -> list[Clue]:
    strength = seen.strengths[name]
    for ratio, label, filled in zip(
        _fill_ratio(strength, seen.won),
        ("won", "lost"),
        (strength.filled_won, strength.filled_lost),
        strict=True,
    ):
        if ratio >= 4:
            total = strength.filled_won + strength.filled_lost
            text = (
                f"it is filled in for {total:,} leads with an outcome, and"
                f" {percent(filled / total)} of them were {label}"
            )
            return [Clue(_fill_weight(ratio), text)]
    return []


def _fill_weight(ratio: float) -> float:
    if ratio >= 20:
        return 6.0
    return 2.5 if ratio >= 8 else 1.0


def _by_strength(seen: ColumnEvidence, name: str) -> list[Clue]:
    """The column's own strength, and relative to the best column with an ordinary name. On its own,
    only an implausible strength is enough for a verdict."""
    strength = seen.strengths[name]
    own = _effect_size(strength.cautious_auc)
    excess = float(np.clip(own - _effect_size(seen.ordinary), 0.0, 1.5))
    weight = 0.8 * min(own, 2.5) + excess + 2 * min(strength.decided, 0.5)
    when = ", as it was when the lead was created," if name in seen.tracked else ""
    text = (
        f"alone{when} it ranks {percent(strength.auc)} of the pairs of a won and a lost lead"
        f" correctly (AUC {strength.auc:.2f})"
    )
    if strength.auc < 0.55:
        text = f"alone{when} it hardly separates won from lost leads (AUC {strength.auc:.2f})"
    if excess >= 0.1:
        text += f"; the best column with an ordinary name reaches {seen.ordinary:.2f}"
    clues = [Clue(min(weight, _max_strength_weight(strength.cautious_auc)), text)]
    if strength.decided >= 0.05:
        clues.append(Clue(0.0, _decided_in_words(seen, name, strength)))
    return clues


def _max_strength_weight(cautious_auc: float) -> float:
    if cautious_auc >= 0.99:
        return 6.0
    return 3.5 if cautious_auc >= 0.97 else 2.8


def _effect_size(auc: float) -> float:
    """Cohen's d of an AUC: the distance between won and lost leads in standard deviations, if both
    are normally distributed."""
    from scipy.stats import norm

    return float(np.sqrt(2) * norm.ppf(np.clip(auc, 0.5, 0.9999)))


def _decided_in_words(seen: ColumnEvidence, name: str, strength: Strength) -> str:
    column = seen.features.columns[name]
    inside = seen.groups[name] == strength.purest
    rate = percent(float(seen.won[inside].mean()))
    if strength.purest == 0:
        where = "it is missing"
    elif isinstance(column, CategoricalColumn):
        where = f"it is '{column.vocabulary[strength.purest - 1][:40]}'"
    elif seen.fields[name].kind == "moment":
        where = "its date is in one particular range"
    else:
        low = np.nanmin(column.values[inside])
        high = np.nanmax(column.values[inside])
        where = f"it is {low:g}" if low == high else f"it is between {low:g} and {high:g}"
    return (
        f"{percent(strength.decided)} of the leads have a value that nearly determines the outcome:"
        f" where {where}, {rate} of {int(inside.sum()):,} were won"
    )


def _by_values(seen: ColumnEvidence, name: str) -> list[Clue]:
    """Whether the column repeats the status, or has values that name the outcome and nearly
    determine it."""
    column = seen.features.columns[name]
    if not isinstance(column, CategoricalColumn) or not len(seen.status):
        return []
    known = column.codes >= 0
    words = np.asarray([*(word.casefold() for word in column.vocabulary), ""], dtype=object)[
        column.codes
    ]
    same = words == seen.status.fillna("-").str.casefold().to_numpy(dtype=object)
    if known.sum() >= MIN_LEADS_TO_COMPARE and same[known].mean() >= 0.9:
        return [
            Clue(6.0, f"it repeats the status in {percent(float(same[known].mean()))} of the leads")
        ]
    outcome_codes = [
        code
        for code in _decided_groups(seen, name)
        if code > 0 and names_an_outcome(column.vocabulary[code - 1])
    ]
    if not outcome_codes:
        return []
    code = outcome_codes[0]
    rate = percent(float(seen.won[seen.groups[name] == code].mean()))
    value = column.vocabulary[code - 1][:40]
    return [Clue(2.0, f"it has values that name the outcome: with '{value}', {rate} were won")]


def _decided_groups(seen: ColumnEvidence, name: str) -> IntArray:
    return np.flatnonzero(decided_groups(seen.groups[name], seen.won))


def _by_dates(seen: ColumnEvidence, name: str) -> list[Clue]:
    """Where its dates are between creation and closing."""
    column = seen.features.columns[name]
    if seen.fields[name].kind != "moment" or not isinstance(column, NumericColumn):
        return []
    when = _FAR_FUTURE / DAY - column.values
    clues = []
    ended = ~np.isnan(when) & (seen.closed != NEVER)
    after = when[ended] >= np.floor(seen.closed[ended] / DAY)
    if ended.sum() >= MIN_LEADS_TO_COMPARE and after.mean() >= 0.5:
        clues.append(
            Clue(
                4.0,
                f"{percent(float(after.mean()))} of its dates are on the day of closing or later",
            )
        )
    begun = ~np.isnan(when) & (seen.created != NEVER)
    later = when[begun] > seen.created[begun] / DAY + 1
    if begun.sum() >= MIN_LEADS_TO_COMPARE and later.mean() >= 0.5:
        clues.append(
            Clue(1.5, f"{percent(float(later.mean()))} of its dates are after the lead was created")
        )
    return clues


def _by_changes(seen: ColumnEvidence, name: str) -> list[Clue]:
    """When its recorded changes were made. Changes before the outcome are legitimate: models see
    the value at prediction time."""
    history = seen.crm.history
    if history is None:
        return []
    changes = history[history[FIELD] == name]
    closed = seen.crm.leads.set_index(ID)[CLOSED] if CLOSED in seen.crm.leads else None
    if closed is not None and closed.index.is_unique:
        closed_at = changes[ID].map(closed)
        ended = closed_at.notna()
        late = (changes[AT] >= closed_at - np.timedelta64(1, "h"))[ended]
        if ended.sum() >= MIN_LEADS_TO_COMPARE and late.mean() >= 0.5:
            return [
                Clue(
                    3.5,
                    f"{percent(float(late.mean()))} of its changes were made when the lead was"
                    " closed, or later",
                )
            ]
    return [
        Clue(-2.5, "its changes are recorded, so that only the value at prediction time is used")
    ]


def _by_open_leads(seen: ColumnEvidence, name: str) -> list[Clue]:
    """Whether open leads have it as often as closed leads of the same age."""
    open_filled = _filled(seen.open.columns[name])
    closed_filled = _filled(seen.features.columns[name])
    shares = _shares_at_equal_age(open_filled, seen.open_created, closed_filled, seen.created)
    if shares is None:
        return []
    at_open, at_closed = shares
    predictive = name in seen.strengths and seen.strengths[name].cautious_auc >= 0.55
    if at_closed < 0.05 or at_open > (0.3 if predictive else 0.02) * at_closed:
        return []
    age = " of the same age" if (seen.open_created != NEVER).any() else ""
    text = (
        f"it is filled in for {percent(at_closed)} of closed leads, but {percent(at_open)} of open"
        f" leads{age}"
    )
    return [Clue(3.5 if at_open <= 0.1 * at_closed else 2.0, text)]


def _filled(column: NumericColumn | CategoricalColumn) -> BoolArray:
    return ~np.isnan(column.values) if isinstance(column, NumericColumn) else column.codes >= 0


def _shares_at_equal_age(
    open_filled: BoolArray,
    open_created: IntArray,
    closed_filled: BoolArray,
    closed_created: IntArray,
) -> tuple[float, float] | None:
    """The shares of open and of closed leads that are filled in, weighted to the same creation
    times; None for too few leads."""
    if min(len(open_filled), len(closed_filled)) < MIN_LEADS_TO_COMPARE:
        return None
    if (open_created == NEVER).any() or (closed_created == NEVER).any():
        return float(open_filled.mean()), float(closed_filled.mean())
    edges = np.quantile(open_created, [0.25, 0.5, 0.75])
    open_bins = np.searchsorted(edges, open_created)
    closed_bins = np.searchsorted(edges, closed_created)
    open_sizes = np.bincount(open_bins, minlength=4)
    closed_sizes = np.bincount(closed_bins, minlength=4)
    weight = np.minimum(open_sizes, closed_sizes).astype(np.float64)
    if weight.sum() < MIN_LEADS_TO_COMPARE:
        return None
    open_hits = np.bincount(open_bins, open_filled, minlength=4)
    open_rates = open_hits / np.maximum(open_sizes, 1)
    closed_hits = np.bincount(closed_bins, closed_filled, minlength=4)
    closed_rates = closed_hits / np.maximum(closed_sizes, 1)
    return (
        float(weight @ open_rates / weight.sum()),
        float(weight @ closed_rates / weight.sum()),
    )


def _by_growth(seen: ColumnEvidence, name: str) -> list[Clue]:
    """Whether a number grows over a lead's lifetime: then its final value reveals how long that
    was."""
    column = seen.features.columns[name]
    if seen.fields[name].kind != "number" or not isinstance(column, NumericColumn):
        return []
    lived = ~seen.won & (seen.closed != NEVER) & (seen.created != NEVER) & ~np.isnan(column.values)
    if lived.sum() < 2 * MIN_LEADS_TO_COMPARE:
        return []
    lifetime = (seen.closed - seen.created)[lived].astype(np.float64)
    correlation = _rank_correlation(column.values[lived], lifetime)
    if correlation < 0.5:
        return []
    text = (
        "the longer a lost lead was open, the larger it is (rank correlation"
        f" {correlation:.2f}): it grew until the outcome"
    )
    return [Clue(2.5, text)]


def _rank_correlation(one: FloatArray, other: FloatArray) -> float:
    from scipy.stats import spearmanr

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


def percent(share: float) -> str:
    """A share as a percentage without decimals."""
    return f"{100 * share:.0f}%"
