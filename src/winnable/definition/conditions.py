"""Conditions on leads: predicates as data, which print themselves in plain English and are
evaluated for many leads at once.

A condition names a lead's `field` or an `activity` and says what must be true of it. It is never
code: whoever can read the definition file can read every condition in it, and a definition from
elsewhere cannot run anything. Text is tested once per distinct value, not once per lead. What a
condition is used for (points, a profile, junk) is not known here.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from winnable.core.columns import (
    ActivityAggregate,
    BoolArray,
    CategoricalColumn,
    FeatureTable,
    FloatArray,
    IntArray,
)
from winnable.core.values import number


class DefinitionPart(BaseModel):
    """Any table of the definition file: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
    )


def _listed(value: object) -> object:
    """A single value as a list of one, and true and false as words, the way people write them."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return [str(item).lower() if isinstance(item, bool) else item for item in values]


Name = Annotated[str, Field(min_length=1)]
Listed = Annotated[
    tuple[Name, ...],
    BeforeValidator(_listed, json_schema_input_type=Name | list[Name | float | bool]),
]
Share = Annotated[float, Field(gt=0, lt=1)]
Days = Annotated[float, Field(gt=0, le=36_500)]


class Activities(DefinitionPart):
    """Which kinds of activity show intent to buy and which mere interest, and the columns of the
    activity table."""

    intent: Listed = ()
    """Kinds of activity that show intent to buy: a pricing page, a demo request."""
    interest: Listed = ()
    """Kinds of activity that show interest only: an e-book, a webinar, swag at a booth."""
    lead: Name | None = None
    """Column of the activity table with the lead's id; found by its name if not given."""
    at: Name | None = None
    """Column with the time of the activity; found by its name if not given."""
    kind: Name | None = None
    """Column with the kind of activity; found by its name if not given."""
    recorded: Name | None = None
    """Column with the time at which the activity was recorded, where that is later."""
    visitor: Name | None = None
    """Column with the key of an anonymous visitor (a cookie's id), by which rows without a lead
    belong to the lead that the visitor turns out to be; found by its name if not given."""
    properties: Listed | None = None
    """Further columns of the activity table that models may learn from: minutes, value, campaign;
    chosen by what stands in them if not given."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        listed_twice = sorted(set(self.intent) & set(self.interest))
        if listed_twice:
            raise ValueError(
                f"{_quoted(listed_twice)} is listed under intent and under interest;"
                " keep it in one of them"
            )
        return self

    def kinds(self, activity: str) -> tuple[str, ...]:
        """The kinds that a condition's `activity` means: for "intent" and "interest" all that are
        listed, for "any" every kind (an empty tuple)."""
        groups = {"intent": self.intent, "interest": self.interest, "any": ()}
        return groups.get(activity, (activity,))


class Condition(DefinitionPart):
    """One thing that must be true of a lead: of a `field`, or of the number of times that an
    `activity` happened."""

    field: Name | None = None
    """The lead's column that is tested."""
    activity: Name | None = None
    """A kind of activity, or "intent", "interest" or "any"; its count is tested."""
    any_of: Listed = ()
    """The field is one of these values; case is ignored."""
    matches: Listed = ()
    """The field contains one of these words or phrases as whole words."""
    at_least: float | None = None
    """The number is this or more."""
    at_most: float | None = None
    """The number is this or less."""
    between: tuple[float, float] | None = None
    """The number lies between these two, both inclusive."""
    is_missing: Literal[True] | None = None
    """The field is empty (of an activity: it never happened)."""
    is_present: Literal[True] | None = None
    """The field is not empty (of an activity: it happened)."""
    within_days: Days | None = None
    """Only activities in the last this many days count; of a date field: it lies within them."""

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if (self.field is None) == (self.activity is None):
            raise ValueError("a condition names either a field or an activity; give one of the two")
        if self.between is not None and self.between[0] > self.between[1]:
            low, high = self.between
            raise ValueError(
                f"between {low:g} and {high:g} can never be true; put the smaller number first"
            )
        if self.activity is not None and (self.any_of or self.matches):
            raise ValueError(
                "any_of and matches test a field; an activity is tested by its count: at_least,"
                " at_most or between"
            )
        if self.field is not None and not self._has_test():
            raise ValueError(
                f"nothing is tested of the field {self.field!r}; add any_of, matches, at_least,"
                " at_most, between, is_missing, is_present or within_days"
            )
        why = impossible([self])
        if why is not None:
            raise ValueError(why)
        return self

    def _has_test(self) -> bool:
        limits = (
            self.at_least,
            self.at_most,
            self.between,
            self.is_missing,
            self.is_present,
            self.within_days,
        )
        return bool(self.any_of or self.matches) or any(limit is not None for limit in limits)

    @cached_property
    def range(self) -> tuple[float, float] | None:
        """The lowest and the highest number that meet the condition, both inclusive; None if it
        does not test a number."""
        low = [] if self.at_least is None else [self.at_least]
        high = [] if self.at_most is None else [self.at_most]
        if self.between is not None:
            low.append(self.between[0])
            high.append(self.between[1])
        if self.activity is not None:
            if self.is_present or not (low or high or self.is_missing):
                low.append(1.0)
            if self.is_missing:
                high.append(0.0)
        elif self.within_days is not None:
            low.append(0.0)
            high.append(self.within_days)
        if not low and not high:
            return None
        return max(low, default=-np.inf), min(high, default=np.inf)

    @cached_property
    def _values(self) -> frozenset[str]:
        return frozenset(value.casefold() for value in self.any_of)

    @cached_property
    def _numbers(self) -> tuple[float, ...]:
        parsed = (number(value) for value in self.any_of)
        return tuple(value for value in parsed if value is not None)

    @cached_property
    def _word_by_number(self) -> dict[float, str]:
        parsed = ((number(value), value) for value in self.any_of)
        return {value: word for value, word in parsed if value is not None}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        phrases = (
            r"\s+".join(re.escape(word) for word in phrase.split()) for phrase in self.matches
        )
        return re.compile("|".join(rf"(?<!\w){phrase}(?!\w)" for phrase in phrases), re.IGNORECASE)

    def aggregate(self, activities: Activities) -> ActivityAggregate | None:
        """The activity aggregate that this condition tests; None for a condition on a field."""
        if self.activity is None:
            return None
        return ActivityAggregate("count", activities.kinds(self.activity), self.within_days)

    def age(self, activities: Activities) -> ActivityAggregate | str | None:
        """What tells the age in days, for points that decay: an activity aggregate, the name of a
        date field, or None."""
        if self.activity is not None and self.range is not None and self.range[0] > 0:
            return ActivityAggregate("days_since", activities.kinds(self.activity))
        return self.field if self.within_days is not None else None

    def holds(self, features: FeatureTable, activities: Activities) -> BoolArray:
        """For which leads it is true, shape (features.size,), bool. A missing value meets no
        condition except `is_missing`."""
        aggregate = self.aggregate(activities)
        if aggregate is not None:
            return self._of_numbers(features.numbers(aggregate.name))
        assert self.field is not None
        column = features.columns.get(self.field)
        if column is None:
            return np.full(features.size, self.is_missing is True)
        if isinstance(column, CategoricalColumn):
            return _by_code(
                [self._of_text(value) for value in column.vocabulary],
                column.codes,
                missing=self.is_missing is True,
            )
        held = self._of_numbers(column.values)
        if self.any_of:
            held &= np.isin(column.values, self._numbers)
        if self.matches:
            words = features.words(self.field)
            held &= _by_code(
                [self._pattern.search(value) is not None for value in words.vocabulary],
                words.codes,
                missing=False,
            )
        return held

    def holds_for(self, written: str | None) -> bool:
        """Whether it is true of one value of its field as it is written, None if that is missing. A
        number of `any_of` may be written in another way (1.0 for 1)."""
        if written is None:
            return self.is_missing is True
        parsed = number(written)
        word = None if parsed is None else self._word_by_number.get(parsed)
        return self._of_text(written if word is None else word)

    def _of_numbers(self, values: FloatArray) -> BoolArray:
        if self.is_missing and self.activity is None:
            return np.isnan(values)
        if self.range is None:
            return ~np.isnan(values)
        low, high = self.range
        return np.asarray((values >= low) & (values <= high))

    def _of_text(self, value: str) -> bool:
        if self.is_missing:
            return False
        if self.any_of and value.strip().casefold() not in self._values:
            return False
        if self.matches and self._pattern.search(value) is None:
            return False
        if self.range is None:
            return True
        parsed = number(value)
        return parsed is not None and self.range[0] <= parsed <= self.range[1]

    def __str__(self) -> str:
        """The condition in plain English, without a full stop: "Employees is 50 or more"."""
        if self.activity is not None:
            return self._activity_in_words()
        parts = []
        if self.is_missing:
            parts.append("is not known")
        if self.any_of:
            parts.append(f"is {_either(self.any_of)}")
        if self.matches:
            parts.append(f"contains {_either(self.matches)}")
        if self.within_days is not None:
            parts.append(f"lies in the last {_days(self.within_days)}")
        if self.at_least is not None or self.at_most is not None or self.between is not None:
            parts.append(f"is {_range_in_words(self.range)}")
        if self.is_present and not parts:
            parts.append("is known")
        return f"{self.field} {' and '.join(parts)}"

    def _activity_in_words(self) -> str:
        activity = self.activity or ""
        low, high = self.range or (1.0, np.inf)
        period = "" if self.within_days is None else f" in the last {_days(self.within_days)}"
        if high <= 0:
            return f"{_NONE_OF.get(activity, f'no {activity}')}{period}"
        some = _SOME_OF.get(activity, activity)
        if (low, high) == (1.0, np.inf):
            return f"{some}{period}"
        return f"{some} {_times_in_words(low, high)}{period}"


_SOME_OF = {
    "intent": "anything that shows intent",
    "interest": "anything that shows interest",
    "any": "any activity",
}
_NONE_OF = {
    "intent": "nothing that shows intent",
    "interest": "nothing that shows interest",
    "any": "no activity",
}


def all_hold(
    conditions: Iterable[Condition], features: FeatureTable, activities: Activities
) -> BoolArray:
    """For which leads every condition is true, shape (features.size,), bool; without conditions,
    every lead."""
    held: BoolArray | None = None
    for condition in conditions:
        met = condition.holds(features, activities)
        held = met if held is None else held & met
    return np.ones(features.size, dtype=np.bool_) if held is None else held


def in_words(conditions: Iterable[Condition]) -> str:
    """Conditions that must all be true, as one phrase."""
    return " and ".join(str(condition) for condition in conditions)


def impossible(conditions: Sequence[Condition]) -> str | None:
    """Why these conditions can never all be true of one lead; None if they can, as far as the
    conditions themselves tell."""
    for i, one in enumerate(conditions):
        for other in conditions[i:]:
            why = _contradiction(one, other)
            if why is not None:
                return why
    return None


def _contradiction(one: Condition, other: Condition) -> str | None:
    if one.field is not None:
        why = _clash(one, other) if other.field == one.field else None
        return None if why is None else f"{one.field} {why}"
    if (other.activity, other.within_days) != (one.activity, one.within_days):
        return None
    why = _no_number(one, other)
    return None if why is None else f"the number of {one.activity} {why}"


def _clash(one: Condition, other: Condition) -> str | None:
    needs_value = any(
        c.any_of or c.matches or c.range is not None or c.is_present for c in (one, other)
    )
    if (one.is_missing or other.is_missing) and needs_value:
        return "cannot be missing and have a value at once; remove one of the two"
    allowed, also_allowed = (
        {value.casefold() for value in condition.any_of} for condition in (one, other)
    )
    if allowed and also_allowed and not allowed & also_allowed:
        return (
            f"cannot be {_either(one.any_of)} and {_either(other.any_of)} at once; put all the"
            " values in one list"
        )
    return _no_number(one, other)


def _no_number(one: Condition, other: Condition) -> str | None:
    if one.range is None or other.range is None:
        return None
    low = max(one.range[0], other.range[0])
    high = min(one.range[1], other.range[1])
    if low <= high:
        return None
    return f"cannot be at least {low:g} and at most {high:g} at once; correct one of the two"


def _by_code(answers: Sequence[bool], codes: IntArray, *, missing: bool) -> BoolArray:
    # Code -1 (missing) picks the last entry, so that one look-up answers for every row.
    return np.asarray([*answers, missing], dtype=np.bool_)[codes]


def _range_in_words(limits: tuple[float, float] | None) -> str:
    low, high = limits or (-np.inf, np.inf)
    if low == high:
        return f"exactly {low:.15g}"
    if np.isinf(high):
        return f"{low:.15g} or more"
    if np.isinf(low):
        return f"{high:.15g} or less"
    return f"between {low:.15g} and {high:.15g}"


def _times_in_words(low: float, high: float) -> str:
    if low == high:
        return "exactly once" if low == 1 else f"exactly {low:.15g} times"
    if np.isinf(high):
        return f"at least {low:.15g} times"
    if np.isinf(low):
        return f"at most {high:.15g} times"
    return f"between {low:.15g} and {high:.15g} times"


def _days(days: float) -> str:
    return "day" if days == 1 else f"{days:.15g} days"


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(repr(value) for value in values)


def _either(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"
