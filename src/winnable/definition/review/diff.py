"""Two versions of a definition: what changed between them, and how many leads each would have
handed over.

Changes are told in the words of the file and of its plain English, so that both teams can read
them. The comparison on leads uses the scorecards' own probabilities: it is the definitions that are
compared, not models learned with them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from pydantic import BaseModel

from winnable.core.columns import FeatureTable, FloatArray
from winnable.definition.conditions import Condition, in_words
from winnable.definition.decide.gate import decide
from winnable.definition.decide.scorecard import probability_of, score_points
from winnable.definition.rules import Case, Rule, Scorecard
from winnable.definition.schema import Definition


@dataclass(frozen=True)
class Change:
    """One thing that differs: where it stands, and what stood and stands there (None: nothing)."""

    where: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class HandOverChange:
    """What a version does with a number of leads: how many it passes, and of how many of these the
    outcome is known and won."""

    version: str
    leads: int
    passed: int
    known: int
    won: int


def changes(old: Definition, new: Definition) -> tuple[Change, ...]:
    """Everything that differs, in the order of the file; rules and scorecards are recognised by
    their names, not their places."""
    before, after = dict(_leaves(old, "")), dict(_leaves(new, ""))
    places = dict.fromkeys([*after, *before])
    return tuple(
        Change(place, before.get(place), after.get(place))
        for place in places
        if before.get(place) != after.get(place)
    )


def handed_over(
    definition: Definition, features: FeatureTable, lead_ids: Sequence[str], won: FloatArray
) -> HandOverChange:
    """How many of these leads the definition passes by its own scorecards; `won` (n,) is 1, 0, or
    NaN where not known yet."""
    points = score_points(definition, features)
    decisions = decide(definition, features, lead_ids, points, probability_of(points.logit), None)
    outcomes = [
        outcome
        for outcome, decision in zip(won.tolist(), decisions, strict=True)
        if decision.action == "pass"
    ]
    known = [outcome for outcome in outcomes if not isnan(outcome)]
    return HandOverChange(
        definition.version, features.size, len(outcomes), len(known), int(sum(known))
    )


def _leaves(part: BaseModel, place: str) -> Iterator[tuple[str, str]]:
    for name, value in part:
        yield from _leaves_of(value, f"{place}, {name}" if place else name)


def _leaves_of(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, BaseModel):
        yield from _leaves(value, place)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves_of(each, f"{place}, {key}")
    elif isinstance(value, tuple) and value and isinstance(value[0], (Scorecard, Rule, Case)):
        seen: Counter[str] = Counter()
        for each in value:
            called = (
                each.name
                if isinstance(each, Scorecard)
                else str(each)
                if isinstance(each, Case)
                else each.says
            )
            seen[called] += 1
            here = f"{place} {called!r}" + (f" ({seen[called]})" if seen[called] > 1 else "")
            if isinstance(each, Scorecard):
                yield from (
                    (where, what) for where, what in _leaves(each, here) if where != f"{here}, name"
                )
            else:
                yield here, str(each) if isinstance(each, Rule) else in_words(each.when)
    elif isinstance(value, tuple):
        if value:
            conditions = [each for each in value if isinstance(each, Condition)]
            yield (
                place,
                in_words(conditions) if conditions else ", ".join(str(each) for each in value),
            )
    elif value is not None and value != "":
        yield place, f"{value:.15g}" if isinstance(value, float) else str(value)
