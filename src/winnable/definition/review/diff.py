"""The diff of two versions of a definition: what changed, and how many leads each version would
have handed over.

Changes are described in the keys of the file and in plain English, so that both teams can read
them. The comparison on leads uses the scorecards' own probabilities: definitions are compared, not
models that were trained with them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from pydantic import BaseModel

from winnable.core.columns import STATUS, FeatureTable, FloatArray
from winnable.definition.conditions import Condition, in_words
from winnable.definition.decide.gate import decide
from winnable.definition.decide.scorecard import probability_of, score_points
from winnable.definition.returns import ReturnRule
from winnable.definition.rules import Case, Rule, Scorecard
from winnable.definition.schema import Definition


@dataclass(frozen=True)
class Change:
    """One difference: where it is, and the text before and after (None: nothing)."""

    where: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class HandOverChange:
    """What a version does with some leads: how many it hands over, and how many of these have a
    known outcome and were won."""

    version: str
    leads: int
    passed: int
    known: int
    won: int


def changes(old: Definition, new: Definition) -> tuple[Change, ...]:
    """Everything that differs, in the order of the file; rules and scorecards are matched by name,
    not by position."""
    before = dict(_leaves(old, ""))
    after = dict(_leaves(new, ""))
    places = dict.fromkeys([*after, *before])
    return tuple(
        Change(place, before.get(place), after.get(place))
        for place in places
        if before.get(place) != after.get(place)
    )


def handed_over(
    definition: Definition, features: FeatureTable, lead_ids: Sequence[str], won: FloatArray
) -> HandOverChange:
    """How many of these leads the definition hands over by its own scorecards; `won` (n,) is 1, 0,
    or NaN where the outcome is not known yet."""
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
    """Every value of a table that is not a table itself, as (place, text)."""
    for field, described in type(part).model_fields.items():
        name = described.alias or field
        value = getattr(part, field)
        yield from _leaves_of(value, f"{place}, {name}" if place else name)


def _leaves_of(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, ReturnRule):
        yield place, str(value)
    elif isinstance(value, BaseModel):
        yield from _leaves(value, place)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves_of(item, f"{place}, {key}")
    elif isinstance(value, tuple):
        yield from _leaves_of_list(value, place)
    elif isinstance(value, float):
        yield place, f"{value:.15g}"
    elif value is not None and value not in {"", STATUS}:
        yield place, str(value)


def _leaves_of_list(items: tuple[object, ...], place: str) -> Iterator[tuple[str, str]]:
    if not items:
        return
    if isinstance(items[0], (Scorecard, Rule, Case)):
        yield from _leaves_of_named(items, place)
        return
    conditions = [item for item in items if isinstance(item, Condition)]
    texts = [f"{item:.15g}" if isinstance(item, float) else str(item) for item in items]
    told = [f'"{text}"' if "," in text else text for text in texts]
    yield place, in_words(conditions) if conditions else ", ".join(told)


def _leaves_of_named(items: tuple[object, ...], place: str) -> Iterator[tuple[str, str]]:
    """Scorecards, rules and cases under their names; a name that is repeated gets a number."""
    count_by_name: Counter[str] = Counter()
    for item in items:
        name = _name_of(item)
        count_by_name[name] += 1
        number = f" ({count_by_name[name]})" if count_by_name[name] > 1 else ""
        here = f"{place} {name!r}{number}"
        if isinstance(item, Scorecard):
            yield from (leaf for leaf in _leaves(item, here) if leaf[0] != f"{here}, name")
        elif isinstance(item, Case):
            yield here, in_words(item.when)
        else:
            yield here, str(item)


def _name_of(item: object) -> str:
    if isinstance(item, Scorecard):
        return item.name
    return item.says if isinstance(item, Rule) else str(item)
