"""What won deals looked like as leads: attributes, sources and touchpoints, each with its evidence,
as rules with points.

Only leads with a known outcome are looked at, each person once, and only with what was known of
them at the time: fields as they stood when the lead came, touchpoints as they stood at one of its
moments, compared with leads of the same age. What is found in the earlier leads is to be confirmed
by the later ones. Proposals are for people to accept or not; they are written as TOML in
`proposal`.
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
from winnable.data.features.plan import FeaturePlan
from winnable.data.features.training_rows import TrainingRows
from winnable.definition.conditions import Condition
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    from winnable.data.dataset import Dataset
    from winnable.data.ingestion.crm import Crm

LEAST = 20
"""Leads on either side below which nothing is looked at."""
WORDS, KINDS = 40, 30
"""The most frequent words of a column, and kinds of activity, that are looked at."""
ENOUGH = 150
"""Wins, and other leads, from which a part can be held back to confirm what the others show."""
FALSE_DISCOVERIES, CONFIRMED = 0.10, 0.05
ADDS = 2.58
"""Standard deviations beyond which a rule adds something beside the others: 99 in 100, since of
those that only contrast with a stronger one (whatever is not the best source) some look as if they
did."""
NOTHING = 1.25
"""Odds that surely change by less than a quarter either way are no use to anyone."""
Verdict = Literal["speaks for", "speaks against", "no use", "cannot tell"]
STEP = 5
"""Points are proposed in steps of five, as people write them."""


@dataclass(frozen=True)
class Suggestion:
    """A rule and its evidence: `won` of `leads` of which it is true were won, `won_without` of
    `without` others.

    `effect` is how many times the odds of the others, drawn towards 1 by what chance does;
    `false_share` the share of false ones among all found as surely; `points` are what it adds
    beside the other rules.
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
        """How many times as often as all leads those with it are won."""
        usual = (self.won + self.won_without) / (self.leads + self.without)
        return self.won / self.leads / usual


@dataclass(frozen=True)
class Signal:
    """What one kind of activity tells, compared with leads of the same age that never did it, and
    the verdict."""

    kind: str
    leads: int
    effect: Effect
    verdict: Verdict


@dataclass(frozen=True)
class Suggestions:
    """Rules to propose, the weightiest first, and what every kind of activity tells; how it was
    found, and of how many looks.

    `left_out` are columns that seem to know the outcome, `untracked` those of which nobody can say
    since when they stand there. `base` is the log-odds of a new lead for which no rule holds;
    `double` the points that double the odds.
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
    def kept_out(self) -> tuple[str, ...]:
        """The columns that were not looked at."""
        return (*self.left_out, *self.untracked)


def suggest(data: Dataset, *, seed: int = 0) -> Suggestions:
    """What speaks for and against leads in this history. Proposes nothing where nothing can be
    shown."""
    definition, rows = data.definition, data.training_rows
    known = _ended(data, rows.take(rows.known))
    untracked = tuple(each.name for each in data.verdicts if each.verdict == "untracked")
    leaks = tuple(name for name in data.left_out if name not in untracked)
    double = definition.scorecard[0].points_to_double_the_odds if definition.scorecard else 20.0
    won = int(known.won[_one_each(known, None)].sum()) if len(known.won) else 0
    people = len(np.unique(known.person))
    nothing = Suggestions((), (), 0, people, won, False, leaks, untracked, 0.0, double)
    if min(won, people - won) < LEAST:
        return nothing
    plan = _plan(data, nothing.kept_out)
    arriving, living = known.take(_one_each(known, None)), known.take(_one_each(known, seed))
    features = data.features(FeaturePlan(plan.fields), arriving.leads, arriving.as_of)
    by_field = _look(data, plan, arriving, list(field_conditions(plan, features, data)))
    by_deed = _look(data, plan, living, list(_deed_conditions(data.crm)))
    looked = [look for look in (by_field, by_deed) if look.conditions]
    confirmable, variance = min(won, people - won) >= ENOUGH, _spread(looked)
    chosen = _chosen(looked, confirmable=confirmable)
    evidence = [
        each
        for i, j, share in chosen
        if (each := _evidence(looked[i], j, share, variance)).effect.sure
    ]
    features = data.features(plan, living.leads, living.as_of)
    board = _Board(definition, features, living.won == 1.0, by_deed.stratum, variance, double)
    rules, base = board.weighed(evidence)
    return replace(
        nothing,
        rules=tuple(board.joined(rules)),
        signals=_signals(by_deed, variance),
        looked_at=sum(len(look.conditions) for look in looked),
        confirmed=confirmable,
        base=base,
    )


# --- looking
# -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Look:
    """k conditions at n leads, each compared within its age: what holds (k, n), what was won (n,),
    and which leads come later."""

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

    A lead that is still open after its horizon was not won in time, which teaches a model but does
    not show what speaks for it.
    """
    outcome = data.outcomes[rows.leads]
    if not (outcome == 0.0).any():
        return rows
    return replace(rows, won=outcome).take(~np.isnan(outcome))


def _one_each(rows: TrainingRows, seed: int | None) -> IntArray:
    """One row of each person: the first of all, or with a seed any one of them by lot. In the order
    of rows."""
    order = (
        np.lexsort((rows.as_of, rows.age))
        if seed is None
        else np.random.default_rng(seed).permutation(len(rows.won))
    )
    first = np.unique(rows.person[order], return_index=True)[1]
    return np.sort(order[first])


def _plan(data: Dataset, leaks: Sequence[str]) -> FeaturePlan:
    """The fields that may be learned from, and for every kind of activity how often it was done
    ever and lately."""
    plan = data.feature_plan(leaks)
    fields = tuple(field for field in plan.fields if field.learn)
    measures = [
        measure
        for condition in _deed_conditions(data.crm)
        if (measure := condition.aggregate(data.definition.activities)) is not None
    ]
    return FeaturePlan(fields, tuple(dict.fromkeys(measures)), plan.created)


def _look(
    data: Dataset,
    plan: FeaturePlan,
    rows: TrainingRows,
    conditions: Sequence[Condition],
) -> _Look:
    """Try the conditions on the rows, and keep those that hold for some but not for all, each only
    once."""
    features = data.features(plan, rows.leads, rows.as_of)
    kept: dict[bytes, tuple[Condition, BoolArray]] = {}
    for condition in conditions:
        held = condition.holds(features, data.definition.activities)
        if LEAST <= int(held.sum()) <= len(held) - LEAST:
            # Of two that say the same, or the opposite, the one that comes first is kept.
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
    """The latest three tenths of the rows; where rows have no time, three tenths by lot."""
    order = (
        np.argsort(rows.as_of, kind="stable")
        if rows.timed
        else np.random.default_rng(1).permutation(len(rows.won))
    )
    later = np.zeros(len(rows.won), dtype=np.bool_)
    later[order[int(0.7 * len(order)) :]] = True
    return later


def field_conditions(
    plan: FeaturePlan, features: FeatureTable, data: Dataset, least: int = LEAST
) -> Iterator[Condition]:
    """Words that `least` of the leads have, cuts of numbers, and missing values where these are
    known to have been missing at the time of the `features`."""
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
                for code in np.argsort(times, kind="stable")[-WORDS:]
                if times[code] >= least
            ]
            folded = {word.casefold(): word for word in frequent}
            yield from (Condition(field=field.name, any_of=(word,)) for word in folded.values())
        if field.name in tracked or field.name in data.definition.columns.fixed:
            yield Condition(field=field.name, is_missing=True)


def _cuts(values: FloatArray) -> list[float]:
    """Numbers of two digits near the fifths of the known values, as people would choose them."""
    known = values[~np.isnan(values)]
    if not len(known):
        return []
    fifths = {float(f"{cut:.2g}") for cut in np.quantile(known, [0.2, 0.4, 0.6, 0.8, 0.9])}
    return sorted(cut for cut in fifths if cut > known.min())


def _deed_conditions(crm: Crm) -> Iterator[Condition]:
    if crm.activities is None:
        return
    for kind in crm.activities[KIND].value_counts().index[:KINDS]:
        if str(kind) in {"any", "intent", "interest"}:
            continue
        yield Condition(activity=str(kind), at_least=1)
        yield Condition(activity=str(kind), at_least=3)
        yield Condition(activity=str(kind), at_least=1, within_days=30)


# --- choosing
# ----------------------------------------------------------------------------------------------------------------


def _chosen(looked: Sequence[_Look], *, confirmable: bool) -> list[tuple[int, int, float]]:
    """Which conditions stand: (look, condition, share of false ones), the best of each number or
    kind of activity only."""
    seen = [look.counts(~look.later) if confirmable else look.counts() for look in looked]
    tails = [counts.p_values() for counts in seen]
    p = np.concatenate([two_sided(*each) for each in tails]) if tails else np.zeros(0)
    share = benjamini_hochberg(p)
    places = [(i, j) for i, look in enumerate(looked) for j in range(len(look.conditions))]
    standing: dict[object, tuple[float, tuple[int, int, float]]] = {}
    for place in np.argsort(p, kind="stable"):
        i, j = places[place]
        if share[place] > (FALSE_DISCOVERIES if confirmable else CONFIRMED):
            break
        more, fewer = tails[i][0][j], tails[i][1][j]
        if confirmable and not _confirmed(looked[i], j, upwards=more < fewer):
            continue
        standing.setdefault(
            _subject(looked[i].conditions[j]), (float(p[place]), (i, j, float(share[place])))
        )
    return [found for _, found in standing.values()]


def _subject(condition: Condition) -> object:
    """Cuts of one number, and counts of one kind of activity, say nearly the same; words of one
    column do not."""
    return condition.activity or (
        condition if condition.any_of or condition.is_missing else condition.field
    )


def _confirmed(look: _Look, position: int, *, upwards: bool) -> bool:
    one = replace(look, conditions=(look.conditions[position],), held=look.held[[position]])
    more, fewer = one.counts(look.later).p_values()
    return bool((more if upwards else fewer)[0] <= CONFIRMED)


# --- points
# ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Board:
    """Where rules are weighed against each other: what is known of n leads, how they ended, and
    their strata."""

    definition: Definition
    features: FeatureTable
    won: BoolArray
    stratum: IntArray
    variance: float
    double: float

    def weighed(self, rules: Sequence[Suggestion]) -> tuple[list[Suggestion], float]:
        """The rules with the points that each adds beside the others, and the base log-odds of a
        new lead.

        A rule that does not surely add anything of its own, or too little for a step, or the
        opposite of what it shows by itself, is left out, the least sure first.
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
            sure = [
                added[i] / deviation[i] * np.sign(log(rule.effect.odds_ratio))
                for i, rule in enumerate(left)
            ]
            wrong = [i for i in range(len(left)) if sure[i] < ADDS or not points[i]]
            if not wrong:
                told = [replace(rule, points=int(points[i])) for i, rule in enumerate(left)]
                return sorted(
                    told, key=lambda rule: (-abs(rule.points), str(rule.condition))
                ), float(base[0])
            del left[min(wrong, key=lambda i: sure[i])]

    def joined(self, rules: Sequence[Suggestion]) -> list[Suggestion]:
        """Words of one column with equal points as one rule, with the evidence of all of them."""
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
        leads, won = sum(rule.leads for rule in rules), sum(rule.won for rule in rules)
        every, wins = rules[0].leads + rules[0].without, rules[0].won + rules[0].won_without
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
    """How far the odds of all conditions that were looked at spread, as a variance of their
    logarithms."""
    both = [look.counts().log_odds_ratios() for look in looked]
    return (
        max(prior_variance(*(np.concatenate(each) for each in zip(*both, strict=True))), 0.01)
        if both
        else 0.01
    )


def _evidence(look: _Look, position: int, share: float, variance: float) -> Suggestion:
    held, won = look.held[position], look.won
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
    """What each kind of activity tells of the leads that did it ever, compared with leads of the
    same age."""
    told = []
    ever = [i for i, c in enumerate(look.conditions) if c.at_least == 1 and c.within_days is None]
    counts = replace(
        look, conditions=tuple(look.conditions[i] for i in ever), held=look.held[ever]
    ).counts()
    for place, i in enumerate(ever):
        seen = effect(counts, place, variance)
        verdict: Verdict = "cannot tell"
        if seen.low > 1 / NOTHING and seen.high < NOTHING:
            verdict = "no use"
        elif seen.sure:
            verdict = "speaks for" if seen.odds_ratio > 1 else "speaks against"
        told.append(
            Signal(str(look.conditions[i].activity), int(look.held[i].sum()), seen, verdict)
        )
    return tuple(sorted(told, key=lambda signal: -signal.effect.odds_ratio))
