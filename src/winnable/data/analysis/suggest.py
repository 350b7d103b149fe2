"""Suggest scorecard rules from past wins: attributes, sources and touchpoints that predict winning,
each with its evidence.

Candidates are tested for association with winning (exact p-values, false discovery rate, odds
ratios with 95% confidence intervals, lift). Only leads with a known outcome are used, each person
once, and only with what was known at the time: fields as of creation, activities as of one of the
lead's landmarks, compared with leads of the same age. Findings in the earlier leads must be
confirmed on the later ones. Suggestions are for people to accept or reject; they are written as
TOML in `to_toml`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING, Literal

import numpy as np

from winnable.core.columns import (
    FIELD,
    KIND,
    BoolArray,
    FeatureTable,
    FloatArray,
    IntArray,
    NumericColumn,
)
from winnable.data.analysis.association import (
    Counts,
    Effect,
    benjamini_hochberg,
    effect,
    joint_log_odds,
    prior_variance,
    two_sided,
)
from winnable.data.features.plan import FeaturePlan, Field
from winnable.data.features.training_rows import TrainingRows
from winnable.definition.conditions import Condition
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.dataset import Dataset
    from winnable.data.ingestion.crm import Crm

MIN_LEADS_PER_SIDE = 20
"""A condition is only tested if at least this many leads meet it and as many do not."""
MAX_VALUES_PER_COLUMN = 40
"""The most frequent values of a column that are tested."""
MAX_ACTIVITY_KINDS = 30
"""The most frequent kinds of activity that are tested."""
MAX_KINDS_PER_PROPERTY = 5
"""The most kinds of activity of which a number, such as minutes, is tested."""
MIN_WINS_TO_CONFIRM = 150
"""With this many wins, and as many other leads, a part is held out to confirm the findings."""
MAX_FALSE_DISCOVERY_RATE = 0.10
MAX_CONFIRMATION_P_VALUE = 0.05
MIN_Z_SCORE = 2.58
"""A rule must add something beside the others at 99% confidence, since some rules that merely
contrast with a stronger one (any source but the best) seem to."""
NEGLIGIBLE_ODDS_RATIO = 1.25
"""A 95% confidence interval within a quarter of an odds ratio of 1 is of no practical use."""
Verdict = Literal["speaks for", "speaks against", "no use", "cannot tell"]
STEP = 5
"""Points are suggested in steps of five, as people write them."""


@dataclass(frozen=True)
class Suggestion:
    """A rule and its evidence: `won` of the `leads` that meet it were won, and `won_without` of the
    `without` others.

    `effect` is the odds ratio against the others, shrunk towards 1; `false_share` the false
    discovery rate (q-value); `points` is what the rule adds beside the other rules.
    """

    condition: Condition
    points: int
    leads: int
    won: int
    without: int
    won_without: int
    effect: Effect
    false_share: float

    @property
    def lift(self) -> float:
        """The lift: the conversion of leads that meet the rule, relative to all leads."""
        base_rate = (self.won + self.won_without) / (self.leads + self.without)
        return self.won / self.leads / base_rate


@dataclass(frozen=True)
class Signal:
    """The effect of one kind of activity, compared with leads of the same age without it, and the
    verdict."""

    kind: str
    leads: int
    effect: Effect
    verdict: Verdict


@dataclass(frozen=True)
class Suggestions:
    """Suggested rules, those with the most points first, the effect of every kind of activity, and
    how many conditions were tested.

    `left_out` are columns with possible leakage, `untracked` those whose changes are not
    recorded. `base` is the log-odds of a new lead that meets no rule; `double` the points that
    double the odds.
    """

    rules: tuple[Suggestion, ...]
    signals: tuple[Signal, ...]
    looked_at: int
    leads: int
    won: int
    confirmed: bool
    left_out: tuple[str, ...]
    untracked: tuple[str, ...]
    base: float
    double: float

    @property
    def conversion(self) -> float:
        """The share of all leads that were won."""
        return self.won / self.leads if self.leads else 0.0

    @property
    def excluded(self) -> tuple[str, ...]:
        """The columns that were excluded."""
        return (*self.left_out, *self.untracked)


def suggest(data: Dataset, *, seed: int = 0) -> Suggestions:
    """Suggest rules from this history; none where there is no sufficient evidence."""
    definition = data.definition
    rows = data.training_rows
    known = _ended(data, rows.take(rows.known))
    untracked = tuple(verdict.name for verdict in data.verdicts if verdict.verdict == "untracked")
    leaks = tuple(name for name in data.left_out if name not in untracked)
    double = definition.scorecard[0].points_to_double_the_odds if definition.scorecard else 20.0
    won = int(known.won[_one_each(known, None)].sum()) if len(known.won) else 0
    people = len(np.unique(known.person))
    nothing = Suggestions((), (), 0, people, won, False, leaks, untracked, 0.0, double)
    if min(won, people - won) < MIN_LEADS_PER_SIDE:
        return nothing
    plan = _plan(data, nothing.excluded)
    arriving = known.take(_one_each(known, None))
    living = known.take(_one_each(known, seed))
    features = data.features(FeaturePlan(plan.fields), arriving.leads, arriving.as_of)
    by_field = _look(data, plan, arriving, list(field_conditions(plan, features, data)))
    by_activity = _look(data, plan, living, list(_activity_conditions(data.crm, plan.properties)))
    looked = [look for look in (by_field, by_activity) if look.conditions]
    confirmable = min(won, people - won) >= MIN_WINS_TO_CONFIRM
    variance = _spread(looked)
    chosen = _chosen(looked, confirmable=confirmable)
    suggestions = [_evidence(looked[i], j, share, variance) for i, j, share in chosen]
    evidence = [suggestion for suggestion in suggestions if suggestion.effect.sure]
    features = data.features(plan, living.leads, living.as_of)
    board = _Board(definition, features, living.won == 1.0, by_activity.stratum, variance, double)
    rules, base = board.weighed(evidence)
    return replace(
        nothing,
        rules=tuple(board.joined(rules)),
        signals=_signals(by_activity, variance),
        looked_at=sum(len(look.conditions) for look in looked),
        confirmed=confirmable,
        base=base,
    )


@dataclass(frozen=True)
class _Look:
    """k conditions on n leads, compared within strata of equal age: which leads meet them (k, n),
    which were won (n,), and which are later."""

    conditions: tuple[Condition, ...]
    held: BoolArray
    won: BoolArray
    stratum: IntArray
    later: BoolArray

    def counts(self, rows: BoolArray | None = None) -> Counts:
        if rows is None:
            return Counts.of(self.held, self.won, self.stratum)
        return Counts.of(self.held[:, rows], self.won[rows], self.stratum[rows])


def _ended(data: Dataset, rows: TrainingRows) -> TrainingRows:
    """The rows of leads that were won or lost, by how they ended; all rows as they are where no
    status says lost.

    A lead that is still open after its horizon was not won in time, which is a valid target for a
    model, but no evidence of what makes leads win.
    """
    outcome = data.outcomes[rows.leads]
    if not (outcome == 0.0).any():
        return rows
    return replace(rows, won=outcome).take(~np.isnan(outcome))


def _one_each(rows: TrainingRows, seed: int | None) -> IntArray:
    """One row of each person: the first one, or with a seed a random one. In the order of rows."""
    order = (
        np.lexsort((rows.as_of, rows.age))
        if seed is None
        else np.random.default_rng(seed).permutation(len(rows.won))
    )
    first = np.unique(rows.person[order], return_index=True)[1]
    return np.sort(order[first])


def _plan(data: Dataset, leaks: Sequence[str]) -> FeaturePlan:
    """The fields that models may use, and for every kind of activity its count, ever and
    recently."""
    plan = data.feature_plan(leaks)
    fields = tuple(field for field in plan.fields if field.learn)
    properties = tuple(field for field in plan.properties if field.learn)
    aggregates = [
        condition.aggregate(data.definition.activities)
        for condition in _activity_conditions(data.crm, properties)
    ]
    needed = dict.fromkeys(aggregate for aggregate in aggregates if aggregate is not None)
    return FeaturePlan(fields, tuple(needed), plan.created, properties=properties)


def _look(
    data: Dataset,
    plan: FeaturePlan,
    rows: TrainingRows,
    conditions: Sequence[Condition],
) -> _Look:
    """Evaluate the conditions on the rows, and keep those that some but not all rows meet, without
    equivalent ones."""
    features = data.features(plan, rows.leads, rows.as_of)
    kept: dict[bytes, tuple[Condition, BoolArray]] = {}
    for condition in conditions:
        held = condition.holds(features, data.definition.activities)
        if MIN_LEADS_PER_SIDE <= int(held.sum()) <= len(held) - MIN_LEADS_PER_SIDE:
            # Of two equivalent or opposite conditions, the first is kept.
            kept.setdefault(
                min(np.packbits(held).tobytes(), np.packbits(~held).tobytes()), (condition, held)
            )
    held = np.asarray([held for _, held in kept.values()], dtype=np.bool_).reshape(
        len(kept), len(rows.won)
    )
    stratum = np.unique(rows.age, return_inverse=True)[1].astype(np.int64)
    return _Look(
        tuple(condition for condition, _ in kept.values()),
        held,
        rows.won == 1.0,
        stratum,
        _later(rows),
    )


def _later(rows: TrainingRows) -> BoolArray:
    """The latest 30% of the rows, to confirm on; a random 30% if rows have no time."""
    order = (
        np.argsort(rows.as_of, kind="stable")
        if rows.timed
        else np.random.default_rng(1).permutation(len(rows.won))
    )
    later = np.zeros(len(rows.won), dtype=np.bool_)
    later[order[int(0.7 * len(order)) :]] = True
    return later


def field_conditions(
    plan: FeaturePlan, features: FeatureTable, data: Dataset, least: int = MIN_LEADS_PER_SIDE
) -> Iterator[Condition]:
    """Values that at least `least` leads have, thresholds of numbers, and missing values where
    these are known to have been missing at the time of the `features`."""
    history = data.crm.history
    tracked = set() if history is None else set(history[FIELD].unique())
    for field in plan.fields:
        column = features.columns[field.name]
        if isinstance(column, NumericColumn):
            if field.kind == "number":
                yield from (
                    Condition(field=field.name, at_least=cut) for cut in _cuts(column.values)
                )
        else:
            times = np.bincount(column.codes[column.codes >= 0], minlength=len(column.vocabulary))
            frequent = [
                column.vocabulary[code]
                for code in np.argsort(times, kind="stable")[-MAX_VALUES_PER_COLUMN:]
                if times[code] >= least
            ]
            folded = {word.casefold(): word for word in frequent}
            yield from (Condition(field=field.name, any_of=(word,)) for word in folded.values())
        if field.name in tracked or field.name in data.definition.columns.fixed:
            yield Condition(field=field.name, is_missing=True)


def _cuts(values: FloatArray) -> list[float]:
    """Thresholds near the quintiles of the known values, rounded to two digits as people would."""
    known = values[~np.isnan(values)]
    if not len(known):
        return []
    fifths = {float(f"{cut:.2g}") for cut in np.quantile(known, [0.2, 0.4, 0.6, 0.8, 0.9])}
    return sorted(cut for cut in fifths if cut > known.min())


def _activity_conditions(crm: Crm, properties: Sequence[Field]) -> Iterator[Condition]:
    """How often and how lately each kind of activity was done, and whether a number that it has,
    such as minutes, was ever as large as that of half of them."""
    if crm.activities is None:
        return
    for field in properties:
        if field.kind == "number":
            yield from _property_conditions(crm.activities, field)
    for kind in crm.activities[KIND].value_counts().index[:MAX_ACTIVITY_KINDS]:
        if str(kind) in {"any", "intent", "interest", "hand_raise"}:
            continue
        yield Condition(activity=str(kind), at_least=1)
        yield Condition(activity=str(kind), at_least=3)
        yield Condition(activity=str(kind), at_least=1, within_days=30)


def _property_conditions(log: pd.DataFrame, field: Field) -> Iterator[Condition]:
    from winnable.data.ingestion.parsing import parse_numbers

    values = parse_numbers(log[field.name], field.decimal).groupby(log[KIND])
    frequent = values.count().sort_values(ascending=False, kind="stable")
    for kind in frequent.index[:MAX_KINDS_PER_PROPERTY]:
        if frequent[kind] >= MIN_LEADS_PER_SIDE:
            half = float(f"{values.get_group(kind).median():.2g}")
            long = Condition(field=field.name, at_least=half)
            yield Condition(activity=str(kind), having=(long,))


def _chosen(looked: Sequence[_Look], *, confirmable: bool) -> list[tuple[int, int, float]]:
    """The significant conditions as (look, condition, false discovery rate), only the best of each
    number or kind of activity."""
    seen = [look.counts(~look.later) if confirmable else look.counts() for look in looked]
    tails = [counts.p_values() for counts in seen]
    p = np.concatenate([two_sided(*tail) for tail in tails]) if tails else np.zeros(0)
    share = benjamini_hochberg(p)
    places = [(i, j) for i, look in enumerate(looked) for j in range(len(look.conditions))]
    standing: dict[object, tuple[float, tuple[int, int, float]]] = {}
    for place in np.argsort(p, kind="stable"):
        i, j = places[place]
        if share[place] > (MAX_FALSE_DISCOVERY_RATE if confirmable else MAX_CONFIRMATION_P_VALUE):
            break
        more = tails[i][0][j]
        fewer = tails[i][1][j]
        if confirmable and not _confirmed(looked[i], j, upwards=more < fewer):
            continue
        standing.setdefault(
            _subject(looked[i].conditions[j]), (float(p[place]), (i, j, float(share[place])))
        )
    return [found for _, found in standing.values()]


def _subject(condition: Condition) -> object:
    """What a condition is about: thresholds of one number, and counts of one kind of activity, are
    nearly equivalent; values of one column are not."""
    if condition.activity:
        return condition.activity
    return condition if condition.any_of or condition.is_missing else condition.field


def _confirmed(look: _Look, position: int, *, upwards: bool) -> bool:
    one = replace(look, conditions=(look.conditions[position],), held=look.held[[position]])
    more, fewer = one.counts(look.later).p_values()
    return bool((more if upwards else fewer)[0] <= MAX_CONFIRMATION_P_VALUE)


@dataclass(frozen=True)
class _Board:
    """Where rules are fitted jointly: the features of n leads, their outcomes, and their strata."""

    definition: Definition
    features: FeatureTable
    won: BoolArray
    stratum: IntArray
    variance: float
    double: float

    def weighed(self, rules: Sequence[Suggestion]) -> tuple[list[Suggestion], float]:
        """The rules with the points that each adds beside the others, and the base log-odds of a
        new lead.

        A rule that does not significantly add anything, adds too little for a step, or adds the
        opposite of its own effect, is left out, the least significant first.
        """
        left = list(rules)
        while True:
            held = np.asarray([self._held(rule) for rule in left], dtype=np.float64).reshape(
                len(left), len(self.won)
            )
            added, deviation, base = joint_log_odds(
                held.T, self.won.astype(np.float64), self.stratum, self.variance
            )
            points = np.round(added * self.double / log(2) / STEP).astype(int) * STEP
            z_scores = [
                added[i] / deviation[i] * np.sign(log(rule.effect.odds_ratio))
                for i, rule in enumerate(left)
            ]
            wrong = [i for i in range(len(left)) if z_scores[i] < MIN_Z_SCORE or not points[i]]
            if not wrong:
                kept = [replace(rule, points=int(points[i])) for i, rule in enumerate(left)]
                kept.sort(key=lambda rule: (-abs(rule.points), str(rule.condition)))
                return kept, float(base[0])
            del left[min(wrong, key=lambda i: z_scores[i])]

    def joined(self, rules: Sequence[Suggestion]) -> list[Suggestion]:
        """Values of one column with equal points as one rule, with their joint evidence."""
        together: dict[object, list[Suggestion]] = {}
        for rule in rules:
            words = rule.condition.any_of
            together.setdefault(
                (rule.condition.field, rule.points) if words else rule.condition, []
            ).append(rule)
        return [group[0] if len(group) == 1 else self._union(group) for group in together.values()]

    def _union(self, rules: Sequence[Suggestion]) -> Suggestion:
        words = tuple(word for rule in rules for word in rule.condition.any_of)
        condition = Condition(field=rules[0].condition.field, any_of=words)
        leads = sum(rule.leads for rule in rules)
        won = sum(rule.won for rule in rules)
        every = rules[0].leads + rules[0].without
        wins = rules[0].won + rules[0].won_without
        table = (
            np.asarray([[leads]], float),
            np.asarray([[won]], float),
            np.asarray([wins], float),
            np.asarray([every], float),
        )
        share = max(rule.false_share for rule in rules)
        odds = effect(Counts(*table), 0, self.variance)
        return Suggestion(
            condition, rules[0].points, leads, won, every - leads, wins - won, odds, share
        )

    def _held(self, rule: Suggestion) -> BoolArray:
        return rule.condition.holds(self.features, self.definition.activities)


def _spread(looked: Sequence[_Look]) -> float:
    """The prior variance of the log-odds ratios of all tested conditions, at least 0.01."""
    if not looked:
        return 0.01
    pairs = [look.counts().log_odds_ratios() for look in looked]
    estimates = np.concatenate([estimate for estimate, _ in pairs])
    errors = np.concatenate([error for _, error in pairs])
    return max(prior_variance(estimates, errors), 0.01)


def _evidence(look: _Look, position: int, share: float, variance: float) -> Suggestion:
    held = look.held[position]
    won = look.won
    one = replace(look, conditions=(look.conditions[position],), held=look.held[[position]])
    return Suggestion(
        look.conditions[position],
        points=0,
        leads=int(held.sum()),
        won=int((held & won).sum()),
        without=int((~held).sum()),
        won_without=int((~held & won).sum()),
        effect=effect(one.counts(), 0, variance),
        false_share=share,
    )


def _signals(look: _Look, variance: float) -> tuple[Signal, ...]:
    """The effect of each kind of activity, compared with leads of the same age without it."""
    signals = []
    ever = [i for i, c in enumerate(look.conditions) if c.at_least == 1 and c.within_days is None]
    counts = replace(
        look, conditions=tuple(look.conditions[i] for i in ever), held=look.held[ever]
    ).counts()
    for place, i in enumerate(ever):
        estimate = effect(counts, place, variance)
        verdict: Verdict = "cannot tell"
        if estimate.low > 1 / NEGLIGIBLE_ODDS_RATIO and estimate.high < NEGLIGIBLE_ODDS_RATIO:
            verdict = "no use"
        elif estimate.sure:
            verdict = "speaks for" if estimate.odds_ratio > 1 else "speaks against"
        kind = str(look.conditions[i].activity)
        signals.append(Signal(kind, int(look.held[i].sum()), estimate, verdict))
    return tuple(sorted(signals, key=lambda signal: -signal.effect.odds_ratio))
