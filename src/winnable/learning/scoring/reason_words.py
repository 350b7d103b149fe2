"""Words for reasons: what is known of one attribute of a lead, as people who sell would say it.

How strong a reason is, and which are shown, is decided in `explanations`.
"""

from collections.abc import Mapping, Sequence
from math import inf, isnan

from winnable.core.columns import ActivityAggregate, CategoricalColumn, FeatureTable
from winnable.core.text import counted
from winnable.data.features.accounts import (
    ACCOUNT_COLUMNS,
    ACTIVE_90,
    DAYS_KNOWN,
    INTENT_90,
    LOST,
    WON,
)
from winnable.data.features.plan import AGE, Attribute, activity_attribute
from winnable.data.features.returns import DAYS_SINCE_OUTCOME, OUTCOME_BEFORE, RETURNS
from winnable.definition.decide.scorecard import Points
from winnable.definition.parts import Activities
from winnable.definition.schema import Definition
from winnable.learning.scoring.attributes import Attributes
from winnable.learning.scoring.changes import Value

MAX_KINDS_IN_WORDS = 3
"""Kinds of activity that a reason names; of more it names two and counts the others."""

MAX_ACCOUNT_FACTS = 2
"""Facts about the others of an account that a reason names."""

_DAYS_OF = {"age": AGE, "account": DAYS_KNOWN, "returns": DAYS_SINCE_OUTCOME}
"""The feature that tells how old what is known of an attribute is."""

_TOLD_OF_ACCOUNTS = {
    WON: ("earlier win of the account", "earlier wins of the account"),
    LOST: ("earlier loss of the account", "earlier losses of the account"),
    INTENT_90: (
        "sign of intent by another of the account in 90 days",
        "signs of intent by others of the account in 90 days",
    ),
    ACTIVE_90: (
        "other person of the account active in 90 days",
        "other people of the account active in 90 days",
    ),
}
"""In the order in which they are named: of one, and of several."""


def groups_of(activities: Activities) -> dict[tuple[str, ...], str]:
    """What people call the groups of kinds that the definition makes, by their kinds."""
    intent = activities.intent
    interest = activities.interest
    return {
        intent + interest: "sign of intent or interest",
        interest: "sign of interest",
        intent: "sign of intent",
    }


def kinds_in_words(kinds: tuple[str, ...], groups: Mapping[tuple[str, ...], str]) -> str:
    """Kinds of activity as people call them; `groups` as `groups_of` names them."""
    if not kinds:
        return "activity"
    if kinds in groups:
        return groups[kinds]
    if len(kinds) <= MAX_KINDS_IN_WORDS:
        return " or ".join(kinds)
    return f"{', '.join(kinds[:2])} or {len(kinds) - 2} other kinds"


class ReasonWords:
    """Says what a lead has of each attribute of a model."""

    def __init__(self, definition: Definition, attributes: Attributes) -> None:
        groups = groups_of(definition.activities)
        self._attributes = attributes
        self._kinds = {
            attribute: kinds_in_words(own[0].kinds, groups)
            for attribute, own in attributes.aggregates.items()
        }
        self._counts = {
            attribute: _longest(own, "count") for attribute, own in attributes.aggregates.items()
        }
        self._since = {
            attribute: _longest(own, "days_since")
            for attribute, own in attributes.aggregates.items()
        }

    def name(self, attribute: Attribute) -> str:
        """What an attribute is called."""
        own = self._attributes.aggregates.get(attribute, ())
        return self._kinds[attribute] if own and len(own[0].kinds) > 1 else attribute.name

    def value(self, attribute: Attribute, features: FeatureTable, row: int) -> Value:
        """What the lead in this row has of an attribute, for machines: the word or number of a
        column, how often it did this; None where it is not known or no single value."""
        if attribute.about == "activity":
            aggregate = self._counts.get(attribute)
            return None if aggregate is None else _number(aggregate.name, features, row)
        if attribute.about == "derived":
            facts = self._attributes.facts(attribute, features, row)
            return ", ".join(facts.values()) or None
        if attribute.about in ("account", "rule"):
            return None
        name = {"age": AGE, "returns": RETURNS}.get(attribute.about, attribute.name)
        column = features.columns.get(name)
        if isinstance(column, CategoricalColumn):
            code = column.codes[row]
            return None if code < 0 else column.vocabulary[code]
        return _number(name, features, row)

    def depends_on(self, attribute: Attribute) -> tuple[str, ...] | None:
        """The features from which alone the words and the value of an attribute are made; None if
        they are not made of features alone."""
        if attribute.about == "activity":
            own = (self._counts.get(attribute), self._since.get(attribute))
            names = tuple(each.name for each in own if each is not None)
            # How old a lead is tells only in how many days it was active at all.
            return (*names, AGE, RETURNS) if attribute == activity_attribute(()) else names
        if attribute.about == "derived":
            return tuple(each.name for each in self._attributes.derived[attribute])
        if attribute.about == "account":
            return ACCOUNT_COLUMNS
        if attribute.about == "returns":
            return (RETURNS, OUTCOME_BEFORE, DAYS_SINCE_OUTCOME)
        if attribute.about == "rule":
            return None
        return (AGE,) if attribute.about == "age" else (attribute.name,)

    def says(self, attribute: Attribute, features: FeatureTable, points: Points, row: int) -> str:
        """The same in words."""
        if attribute.about == "activity":
            return self._activity(attribute, features, row)
        if attribute.about == "returns":
            return _returns(features, row)
        if attribute.about == "account":
            return _account(features, row)
        if attribute.about == "derived":
            return self._derived(attribute, features, row)
        if attribute.about == "rule":
            of_rule = [award for award in points.awarded if award.says == attribute.name]
            is_met = any(award.held[row] for award in of_rule)
            return attribute.name if is_met else f"Not met: {attribute.name}"
        return self._single(attribute, features, row)

    def days(self, attribute: Attribute, features: FeatureTable, row: int) -> float | None:
        """How many days old what the lead has of an attribute is, where that grows old."""
        if attribute.about == "activity":
            since = self._since.get(attribute)
            return None if since is None else _number(since.name, features, row)
        name = _DAYS_OF.get(attribute.about)
        return None if name is None else _number(name, features, row)

    def _single(self, attribute: Attribute, features: FeatureTable, row: int) -> str:
        """What is told by one value."""
        value = self.value(attribute, features, row)
        if attribute.about == "age":
            return (
                "Age not known" if value is None else f"{counted(round(float(value)), 'day')} old"
            )
        if value is None:
            return f"{attribute.name} is not known"
        return f"{attribute.name} is {value if isinstance(value, str) else f'{value:.15g}'}"

    def _derived(self, attribute: Attribute, features: FeatureTable, row: int) -> str:
        """What is derived from a column; never the address, number or text itself."""
        facts = self._attributes.facts(attribute, features, row)
        mentioned = [
            each.word
            for each in self._attributes.derived[attribute]
            if each.what == "mention" and each.name in facts
        ]
        told = [f"{attribute.name} mentions {', '.join(mentioned)}"] if mentioned else []
        told += [f"{name} is {word}" for name, word in facts.items() if word not in mentioned]
        return ", ".join(told) or f"{attribute.name} tells nothing usual"

    def _activity(self, attribute: Attribute, features: FeatureTable, row: int) -> str:
        """How often and how lately, as far as the plan has it."""
        kinds = self._kinds.get(attribute, attribute.name)
        named = f"{kinds[0].upper()}{kinds[1:]}"
        count = self._counts.get(attribute)
        since = self._since.get(attribute)
        times = None if count is None else _number(count.name, features, row)
        days = None if since is None else _number(since.name, features, row)
        age = _number(AGE, features, row) if attribute == activity_attribute(()) else None
        within = "" if count is None else _within(count)
        if not times and days is None:
            old = "" if age is None else f", {counted(round(age), 'day')} old"
            return f"No {kinds}{within or ' yet'}{old}"
        # What a lead did before it returned counts, but its age begins with the return.
        if not within and age is not None and not _number(RETURNS, features, row):
            within = f" in {counted(max(1, round(age)), 'day')}"
        last = "" if days is None else f", {'last ' if within or times != 1 else ''}{_ago(days)}"
        return f"{named}{f' {_times(times)}{within}' if times else ''}{last}"


def _longest(own: Sequence[ActivityAggregate], what: str) -> ActivityAggregate | None:
    """The aggregate that tells this of the longest time."""
    found = [each for each in own if each.what == what and each.only is None]
    return max(found, key=lambda each: each.within_days or inf, default=None)


def _within(aggregate: ActivityAggregate) -> str:
    return "" if aggregate.within_days is None else f" in {aggregate.within_days:g} days"


def _times(times: float) -> str:
    return "once" if times == 1 else f"{times:.0f} times"


def _ago(days: float) -> str:
    whole = round(days)
    return f"{counted(whole, 'day')} ago" if whole else "today"


def _number(name: str, features: FeatureTable, row: int) -> float | None:
    column = features.columns.get(name)
    if column is None or isinstance(column, CategoricalColumn):
        return None
    value = float(column.values[row])
    return None if isnan(value) else value


def _account(features: FeatureTable, row: int) -> str:
    """What the others of the lead's account did, the weightiest first."""
    facts = {name: _number(name, features, row) for name in ACCOUNT_COLUMNS}
    if facts[DAYS_KNOWN] is None:
        return "Nothing is known of the account"
    if not facts[DAYS_KNOWN]:
        return "Nobody else of the account is known"
    told = [
        f"{number:.0f} {one if number == 1 else several}"
        for number, one, several in (
            (facts[name], *words) for name, words in _TOLD_OF_ACCOUNTS.items()
        )
        if number
    ]
    known = f"Others of the account are known for {facts[DAYS_KNOWN]:.0f} days"
    return ", ".join(told[:MAX_ACCOUNT_FACTS]) or f"{known}, none active in 90"


def _returns(features: FeatureTable, row: int) -> str:
    """How often the lead came back, and how it ended before."""
    times = _number(RETURNS, features, row)
    if not times:
        return "Has not returned before"
    before = features.words(OUTCOME_BEFORE)
    code = before.codes[row]
    days = _number(DAYS_SINCE_OUTCOME, features, row)
    ended = "" if code < 0 else f", was {before.vocabulary[code]}"
    when = "" if days is None or not ended else f" {_ago(days)}"
    return f"Has returned {_times(times)}{ended}{when}"
