"""Conditions on leads: predicates as data, which print themselves in plain English and are
evaluated for many leads at once.

A condition names a lead's `field` or an `activity` and says what must be true of it, or joins other
conditions (any, all, none of them). It is never code: whoever can read the definition file can read
every condition in it, and a definition from elsewhere cannot run anything. Text is tested once per
distinct value, not once per lead. What a condition is used for (points, a profile, junk) is not
known here, nor how activities are counted.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from winnable.core.columns import (
    ActivityAggregate,
    ActivityTest,
    BoolArray,
    CategoricalColumn,
    EarlierActivity,
    FeatureTable,
    FloatArray,
    IntArray,
)
from winnable.core.values import moment, number
from winnable.definition.parts import Activities, Days, DefinitionPart, Listed, Name
from winnable.definition.wording import (
    days_in_words,
    either,
    joined,
    range_in_words,
    times_in_words,
)

NO_ACTIVITIES = Activities()
MAX_DEPTH = 2
"""How deep conditions may stand in conditions: deeper ones nobody reads correctly."""


def has_conditions(value: object) -> bool:
    """Whether what is written in a list is conditions, not values of a column."""
    first = next(iter(value), None) if isinstance(value, (list, tuple)) else value
    return isinstance(first, (Mapping, Condition))


def form_of_list(value: object) -> str:
    """The tag of what is written in a list of values or conditions."""
    return "[conditions]" if has_conditions(value) else "[words]"


def all_of_one_form(value: object, what: str, example: str) -> object:
    """A list of values or of conditions; ValueError, which names the values `what` and shows an
    `example` of a condition, for one with both."""
    items = value if isinstance(value, (list, tuple)) else [value]
    conditions = sum(isinstance(item, (Mapping, Condition)) for item in items)
    if 0 < conditions < len(items):
        raise ValueError(
            f"lists {what} ({len(items) - conditions}) and conditions ({conditions}); write the"
            f" values as a condition too, such as {{ {example} }}"
        )
    return items


def _values_or_conditions(value: object) -> object:
    return all_of_one_form(value, "values", 'field = "Country", any_of = ["France"]')


ValuesOrConditions = Annotated[
    Annotated[tuple["Condition", ...], Tag("[conditions]")] | Annotated[Listed, Tag("[words]")],
    Discriminator(form_of_list),
    BeforeValidator(_values_or_conditions),
]


def _activity_or_table(value: object) -> object:
    """A kind of activity alone as a table."""
    return {"activity": value} if isinstance(value, str) else value


class Earlier(DefinitionPart):
    """The activity that must have come before another one; its kind alone is enough."""

    activity: Name
    """A kind of activity, or "intent", "interest", "hand_raise" or "any"."""
    within_days: Days | None = None
    """It came at most this many days before."""
    having: tuple["Condition", ...] = ()
    """All of these are true of its properties, such as minutes."""

    def __str__(self) -> str:
        when = "after" if self.within_days is None else f"within {self._days} after"
        return f"{when} {_some_of(self.activity, self.having)}"

    @property
    def _days(self) -> str:
        return "1 day" if self.within_days == 1 else f"{self.within_days:.15g} days"


EarlierOrActivity = Annotated[
    Earlier, BeforeValidator(_activity_or_table, json_schema_input_type=str | Earlier)
]


def _names_a_column(key: str, value: object) -> None:
    """Refuse a number or a date where a column is to be named: it would be taken for a column that
    no export has, and the condition would be true of no lead."""
    if isinstance(value, str) and number(value) is None and moment(value) is None:
        return
    if value is None or isinstance(value, (Mapping, list, tuple)):
        return
    instead = _WRITE_INSTEAD[key]
    raise ValueError(f"{key} names a column, got {str(value)!r}; {instead}")


_WRITE_INSTEAD = {
    "same_as": "for a value write any_of",
    "more_than": "for a number write at_least",
    "less_than": "for a number write at_most",
    "later_than": "how lately it was is said by within_days",
    "earlier_than": "how lately it was is said by within_days",
}


class Condition(DefinitionPart):
    """One thing that must be true of a lead: of a `field`, or of the number of times that an
    `activity` happened. Or other conditions, of which any, all or none must be true."""

    field: Name | None = None
    """The lead's column that is tested."""
    activity: Name | None = None
    """A kind of activity, or "intent", "interest", "hand_raise" or "any"; its count is tested."""
    having: tuple["Condition", ...] = ()
    """Only activities count of whose properties all of these are true: of minutes, of a page."""
    after: EarlierOrActivity | None = None
    """Only activities count that came after this other activity."""
    any_of_these: ValuesOrConditions = Field(default=(), alias="any_of")
    """The field is one of these values; case is ignored. Without a field or an activity: any one of
    these conditions is true."""
    none_of_these: ValuesOrConditions = Field(default=(), alias="none_of")
    """The field is known and none of these values; case is ignored. Without a field or an activity:
    none of these conditions is true."""
    all_of: tuple["Condition", ...] = ()
    """Without a field or an activity: all of these conditions are true."""
    matches: Listed = ()
    """The field contains one of these words or phrases as whole words."""
    at_least: float | None = None
    """The number is this or more."""
    at_most: float | None = None
    """The number is this or less."""
    between: tuple[float, float] | None = None
    """The number lies between these two, both inclusive."""
    same_as: Name | None = None
    """The field has the same value as this column; case is ignored."""
    more_than: Name | None = None
    """The number is larger than that of this column."""
    less_than: Name | None = None
    """The number is smaller than that of this column."""
    later_than: Name | None = None
    """The date is later than that of this column. A date after the moment of scoring counts as not
    known yet, on either side."""
    earlier_than: Name | None = None
    """The date is earlier than that of this column, both before the moment of scoring."""
    is_missing: Literal[True] | None = None
    """The field is empty (of an activity: it never happened)."""
    is_present: Literal[True] | None = None
    """The field is not empty (of an activity: it happened)."""
    within_days: Days | None = None
    """Only activities in the last this many days count; of a date field: it lies within them."""

    @field_validator(*_WRITE_INSTEAD, mode="before")
    @classmethod
    def _is_a_column(cls, value: object, info: ValidationInfo) -> object:
        _names_a_column(str(info.field_name), value)
        return value

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        why = self._not_one_thing() or self._wrong_between() or self._wrong_test()
        why = why or self._wrong_activity() or impossible([self])
        if why is not None:
            raise ValueError(why)
        return self

    def _not_one_thing(self) -> str | None:
        """Why it is not about one thing: a field, an activity, or other conditions."""
        listed = [
            key
            for key, items in (
                ("any_of", self.any_of_these),
                ("none_of", self.none_of_these),
                ("all_of", self.all_of),
            )
            if has_conditions(items)
        ]
        named = (self.field is not None) + (self.activity is not None)
        if named > 1 or (not named and not listed):
            return (
                "a condition names either a field or an activity, or lists conditions under any_of,"
                " all_of or none_of; give one of these"
            )
        if not listed:
            return None
        if named or len(listed) > 1 or len(self.model_fields_set) > 1:
            return (
                f"conditions under {listed[0]} stand alone; give what else must be true as a"
                " condition of its own beside it"
            )
        if self._depth() > MAX_DEPTH:
            return (
                "conditions stand in conditions that stand in conditions; one list within another"
                " is the most that people read correctly, so write it as several rules"
            )
        return None

    def _depth(self) -> int:
        return 1 + max((each._depth() for each in self.members), default=-1)

    def _wrong_between(self) -> str | None:
        if self.between is None or self.between[0] <= self.between[1]:
            return None
        low, high = self.between
        return f"between {low:g} and {high:g} can never be true; put the smaller number first"

    def _wrong_test(self) -> str | None:
        """Why a field cannot be tested like this."""
        if self.activity is not None and (
            self.any_of or self.none_of or self.matches or self._compared
        ):
            return (
                "any_of and matches test a field, and so do none_of and other columns; an activity"
                " is tested by its count: at_least, at_most or between"
            )
        if self.field is None:
            return None
        if self.having or self.after is not None:
            key = "having" if self.having else "after"
            return f"{key} says which activities count, but {self.field!r} is a field"
        if self.field in self._compared.values():
            return f"{self.field!r} is compared with itself; name another column"
        if not self._has_test():
            return (
                f"nothing is tested of the field {self.field!r}; add any_of, none_of, matches,"
                " at_least, at_most, between, same_as, more_than, less_than, later_than,"
                " earlier_than, is_missing, is_present or within_days"
            )
        return None

    def _has_test(self) -> bool:
        limits = (
            self.at_least,
            self.at_most,
            self.between,
            self.is_missing,
            self.is_present,
            self.within_days,
        )
        tested = self.any_of or self.none_of or self.matches or self._compared
        return bool(tested) or any(limit is not None for limit in limits)

    def _wrong_activity(self) -> str | None:
        """Why the properties of activities cannot be tested like this."""
        earlier = () if self.after is None else self.after.having
        for tested in (*self.having, *earlier):
            for leaf in tested.leaves():
                if leaf.field is None:
                    return (
                        f"having tests the properties of {self.activity}, so each of its conditions"
                        ' names one as its field, such as { field = "Minutes", at_least = 30 }'
                    )
                if leaf.dates:
                    return (
                        f"the property {leaf.field!r} of {self.activity} cannot be tested as a"
                        " date; within_days beside the activity says how long ago it may be"
                    )
        return impossible(self.having) or impossible(earlier)

    @cached_property
    def members(self) -> tuple["Condition", ...]:
        """The conditions that it joins; none of a condition on a field or an activity."""
        these = (*self.any_of_these, *self.none_of_these, *self.all_of)
        return tuple(each for each in these if isinstance(each, Condition))

    def leaves(self) -> Iterator["Condition"]:
        """The conditions on fields and activities in it: itself, or those of its members."""
        if not self.members:
            yield self
        for member in self.members:
            yield from member.leaves()

    @cached_property
    def is_of_activities(self) -> bool:
        """Whether it is about nothing but what leads did."""
        return all(leaf.activity is not None for leaf in self.leaves())

    @cached_property
    def any_of(self) -> tuple[str, ...]:
        """The values of which the field is one."""
        return tuple(each for each in self.any_of_these if isinstance(each, str))

    @cached_property
    def none_of(self) -> tuple[str, ...]:
        """The values of which the field is none."""
        return tuple(each for each in self.none_of_these if isinstance(each, str))

    @cached_property
    def _compared(self) -> dict[str, str]:
        """The columns that the field is compared with, by the key."""
        named = {
            "same_as": self.same_as,
            "more_than": self.more_than,
            "less_than": self.less_than,
            "later_than": self.later_than,
            "earlier_than": self.earlier_than,
        }
        return {key: name for key, name in named.items() if name is not None}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The lead's columns that a condition on a field reads; none of one on an activity."""
        return () if self.field is None else (self.field, *self._compared.values())

    @cached_property
    def dates(self) -> tuple[str, ...]:
        """Those of `columns` that are read as dates."""
        compared = [name for name in (self.later_than, self.earlier_than) if name is not None]
        is_date = self.field is not None and (self.within_days is not None or bool(compared))
        return (self.field or "", *compared) if is_date else ()

    @cached_property
    def asked_activities(self) -> tuple[str, ...]:
        """The activities that it names: the one that is counted, and the one before it."""
        named = [self.activity, None if self.after is None else self.after.activity]
        return tuple(name for name in named if name is not None)

    @cached_property
    def properties(self) -> tuple[str, ...]:
        """The properties of activities that it reads."""
        tested = (*self.having, *(() if self.after is None else self.after.having))
        read = [name for each in tested for leaf in each.leaves() for name in leaf.columns]
        return tuple(dict.fromkeys(read))

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
    def _refused(self) -> frozenset[str]:
        return frozenset(value.casefold() for value in self.none_of)

    @cached_property
    def _numbers(self) -> tuple[float, ...]:
        return _as_numbers(self.any_of)

    @cached_property
    def _refused_numbers(self) -> tuple[float, ...]:
        return _as_numbers(self.none_of)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        phrases = (
            r"\s+".join(re.escape(word) for word in phrase.split()) for phrase in self.matches
        )
        return re.compile("|".join(rf"(?<!\w){phrase}(?!\w)" for phrase in phrases), re.IGNORECASE)

    def aggregate(
        self, activities: Activities, what: Literal["count", "days_since"] = "count"
    ) -> ActivityAggregate | None:
        """The activity aggregate that this condition tests, or when it last happened; None for a
        condition on a field."""
        if self.activity is None:
            return None
        within_days = self.within_days if what == "count" else None
        kinds = activities.kinds(self.activity)
        tested = self.having or self.after is not None
        only = self._only(activities) if tested else None
        return ActivityAggregate(what, kinds, within_days, only=only)

    def _only(self, activities: Activities) -> ActivityTest:
        """Which activities count besides their kind."""
        after = None
        if self.after is not None:
            kinds = activities.kinds(self.after.activity)
            after = EarlierActivity(kinds, self.after.within_days, self.after.having)
        return ActivityTest(self.having, after, self._which_in_words(), self.properties)

    def ages(self, activities: Activities) -> Iterator[ActivityAggregate | str]:
        """What tells the age in days, for points that decay: activity aggregates, and names of date
        fields. Those of all its members, of which not all need be true."""
        if self.none_of_these and self.members:
            return
        for member in self.members:
            yield from member.ages(activities)
        if self.activity is not None and self.range is not None and self.range[0] > 0:
            aggregate = self.aggregate(activities, "days_since")
            assert aggregate is not None
            yield aggregate
        elif self.field is not None and self.within_days is not None:
            yield self.field

    def youngest(self, features: FeatureTable, activities: Activities) -> FloatArray:
        """How many days ago the latest of what makes it true was, shape (features.size,); NaN where
        nothing tells that. Of several conditions of which any is enough, those that are true."""
        days = np.full(features.size, np.nan)
        if self.members and not self.none_of_these:
            for member in self.members:
                age = member.youngest(features, activities)
                if self.any_of_these:
                    age = np.where(member.holds(features, activities), age, np.nan)
                days = np.fmin(days, age)
            return days
        for age_of in self.ages(activities):
            column = age_of.name if isinstance(age_of, ActivityAggregate) else age_of
            days = np.fmin(days, features.numbers(column))
        return days

    def holds(self, features: FeatureTable, activities: Activities = NO_ACTIVITIES) -> BoolArray:
        """For which leads it is true, shape (features.size,), bool. A missing value meets no
        condition except `is_missing`."""
        if self.members:
            return self.join_answers([each.holds(features, activities) for each in self.members])
        if self.activity is not None:
            return self._of_numbers(features.numbers(self._counted(activities)))
        assert self.field is not None
        column = features.columns.get(self.field)
        if column is None:
            return np.full(features.size, self.is_missing is True)
        if isinstance(column, CategoricalColumn):
            held = _by_code(
                [self._of_text(value) for value in column.vocabulary],
                column.codes,
                missing=self.is_missing is True,
            )
        else:
            held = self._of_number_column(column.values, features)
        return held & self._of_other_columns(features) if self._compared else held

    @cached_property
    def _last_counted(self) -> list[tuple[Activities, str]]:
        return []

    def _counted(self, activities: Activities) -> str:
        """The name of the column with the count; kept, since every lead asks for it."""
        for known, name in self._last_counted:
            if known is activities:
                return name
        aggregate = self.aggregate(activities)
        assert aggregate is not None
        self._last_counted[:] = [(activities, aggregate.name)]
        return aggregate.name

    def join_answers(self, answers: Sequence[BoolArray]) -> BoolArray:
        """The answers of its members (k of shape (n,)) as its own."""
        held = np.asarray(answers)
        if self.all_of:
            return np.asarray(held.all(axis=0))
        any_held = np.asarray(held.any(axis=0))
        return ~any_held if self.none_of_these else any_held

    def _of_number_column(self, values: FloatArray, features: FeatureTable) -> BoolArray:
        held = self._of_numbers(values)
        if self.any_of:
            held &= np.isin(values, self._numbers)
        if self.none_of:
            held &= ~np.isin(values, self._refused_numbers)
        if self.matches:
            words = features.words(self.field or "")
            held &= _by_code(
                [self._pattern.search(value) is not None for value in words.vocabulary],
                words.codes,
                missing=False,
            )
        return held

    def _of_other_columns(self, features: FeatureTable) -> BoolArray:
        """For which leads the field compares as it should with the other columns, where both are
        known."""
        assert self.field is not None
        held = np.ones(features.size, dtype=np.bool_)
        own = _numbers_of(features, self.field)
        for key, name in self._compared.items():
            other = _numbers_of(features, name)
            if key == "same_as":
                held &= (own == other) | _same_words(features, self.field, name)
            elif key in {"more_than", "earlier_than"}:  # a date is how many days ago it was
                held &= own > other
            else:
                held &= own < other
        return held

    def holds_of(self, value_of: Callable[[str], str | None]) -> bool:
        """Whether it is true of one lead, of which `value_of` answers a column's value as it is
        written, None if it is missing. For conditions on fields that are compared with no other."""
        if self.members:
            answers = [np.asarray([each.holds_of(value_of)]) for each in self.members]
            return bool(self.join_answers(answers)[0])
        return self.holds_for(value_of(self.field or ""))

    def holds_for(self, written: str | None) -> bool:
        """Whether it is true of one value of its field as it is written, None if that is missing. A
        number of `any_of` and `none_of` may be written in another way (1.0 for 1)."""
        return self.is_missing is True if written is None else self._of_text(written)

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
        if self.any_of and not _is_one_of(value, self._values, self._numbers):
            return False
        if self.none_of and _is_one_of(value, self._refused, self._refused_numbers):
            return False
        if self.matches and self._pattern.search(value) is None:
            return False
        if self.range is None:
            return True
        parsed = number(value)
        return parsed is not None and self.range[0] <= parsed <= self.range[1]

    def __str__(self) -> str:
        """The condition in plain English, without a full stop: "Employees is 50 or more"."""
        if self.members:
            return self._members_in_words()
        if self.activity is not None:
            return self._activity_in_words()
        parts = []
        if self.is_missing:
            parts.append("is not known")
        if self.any_of:
            parts.append(f"is {either(self.any_of)}")
        if self.none_of:
            one = len(self.none_of) == 1
            parts.append(
                f"is known and {'not' if one else 'neither'} {joined(self.none_of, 'nor')}"
            )
        if self.matches:
            parts.append(f"contains {either(self.matches)}")
        if self.within_days is not None:
            parts.append(f"lies in the last {days_in_words(self.within_days)}")
        if self.at_least is not None or self.at_most is not None or self.between is not None:
            parts.append(f"is {range_in_words(self.range)}")
        parts += [f"is {_COMPARED[key]} {name}" for key, name in self._compared.items()]
        if self.is_present and not parts:
            parts.append("is known")
        return f"{self.field} {' and '.join(parts)}"

    def _members_in_words(self) -> str:
        if len(self.members) == 1:
            only = str(self.members[0])
            return f"it is not true that {only}" if self.none_of_these else only
        told = [_as_part(each) for each in self.members]
        if self.none_of_these:
            return f"neither {joined(told, 'nor')}"
        return f"both {' and '.join(told)}" if self.all_of else f"either {either(told)}"

    def _which_in_words(self) -> str:
        """Which activities count, behind their kind: " (Minutes is 30 or more) after Webinar"."""
        having = f" ({in_words(self.having)})" if self.having else ""
        return having if self.after is None else f"{having} {self.after}"

    def _activity_in_words(self) -> str:
        activity = self.activity or ""
        low, high = self.range or (1.0, np.inf)
        period = (
            "" if self.within_days is None else f" in the last {days_in_words(self.within_days)}"
        )
        having = f" ({in_words(self.having)})" if self.having else ""
        if high <= 0:
            said = f"{_NONE_OF.get(activity, f'no {activity}')}{having}"
        else:
            said = f"{_SOME_OF.get(activity, activity)}{having}"
        if high > 0 and (low, high) != (1.0, np.inf):
            period = f" {times_in_words(low, high)}{period}"
        if self.after is None:
            return f"{said}{period}"
        return f"{said}{period}, {self.after}" if period else f"{said} {self.after}"


_COMPARED = {
    "same_as": "the same as",
    "more_than": "more than",
    "less_than": "less than",
    "later_than": "later than",
    "earlier_than": "earlier than",
}


_SOME_OF = {
    "intent": "anything that shows intent",
    "interest": "anything that shows interest",
    "hand_raise": "anything that asks for sales",
    "any": "any activity",
}
_NONE_OF = {
    "intent": "nothing that shows intent",
    "interest": "nothing that shows interest",
    "hand_raise": "nothing that asks for sales",
    "any": "no activity",
}


def _some_of(activity: str, having: Sequence[Condition]) -> str:
    of = f" ({in_words(having)})" if having else ""
    return f"{_SOME_OF.get(activity, activity)}{of}"


Earlier.model_rebuild()
Condition.model_rebuild()


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
    """Conditions that must all be true, as one phrase; joined ones in brackets, where they stand
    beside others."""
    told = tuple(conditions)
    return " and ".join(map(_as_part, told)) if len(told) > 1 else "".join(map(str, told))


def _as_part(condition: Condition) -> str:
    """A condition in words beside others; in brackets where it joins several itself."""
    is_several = len(condition.members) > 1 or (condition.members and condition.none_of_these)
    return f"({condition})" if is_several else str(condition)


def impossible(conditions: Sequence[Condition]) -> str | None:
    """Why these conditions can never all be true of one lead; None if they can, as far as the
    conditions themselves tell."""
    required = [each for condition in conditions for each in _required(condition)]
    for i, one in enumerate(required):
        for other in required[i:]:
            why = _contradiction(one, other)
            if why is not None:
                return why
    return None


def _required(condition: Condition) -> Iterator[Condition]:
    """The conditions that must be true where this one is: itself, or each that all_of lists."""
    if not condition.all_of:
        yield condition
    for member in condition.all_of:
        yield from _required(member)


def _contradiction(one: Condition, other: Condition) -> str | None:
    if one.members or other.members:
        return None
    if one.field is not None:
        why = _clash(one, other) if other.field == one.field else None
        return None if why is None else f"{one.field} {why}"
    counted, also_counted = (
        (condition.activity, condition.within_days, condition.having, condition.after)
        for condition in (one, other)
    )
    if counted != also_counted:
        return None
    why = _no_number(one, other)
    return None if why is None else f"the number of {one.activity} {why}"


def _clash(one: Condition, other: Condition) -> str | None:
    needs_value = any(
        c.any_of or c.none_of or c.matches or c.range is not None or c.is_present or c._compared
        for c in (one, other)
    )
    if (one.is_missing or other.is_missing) and needs_value:
        return "cannot be missing and have a value at once; remove one of the two"
    allowed, also_allowed = (
        {value.casefold() for value in condition.any_of} for condition in (one, other)
    )
    if allowed and also_allowed and not allowed & also_allowed:
        return (
            f"cannot be {either(one.any_of)} and {either(other.any_of)} at once; put all the"
            " values in one list"
        )
    refused = {value.casefold() for value in (*one.none_of, *other.none_of)}
    wanted = allowed & also_allowed if allowed and also_allowed else allowed | also_allowed
    if wanted and wanted <= refused:
        return (
            f"cannot be {either(sorted(wanted))} and not at once; take it out of any_of or none_of"
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


def _is_one_of(value: str, words: Collection[str], numbers: Collection[float]) -> bool:
    """Whether a value is one of these words, or one of these numbers in whatever way it is
    written: where a column is read as words, 1.0 is 1, too."""
    return value.strip().casefold() in words or (bool(numbers) and number(value) in numbers)


def _as_numbers(values: Sequence[str]) -> tuple[float, ...]:
    parsed = (number(value) for value in values)
    return tuple(value for value in parsed if value is not None)


def _numbers_of(features: FeatureTable, name: str) -> FloatArray:
    """A column as numbers, those in words too, shape (features.size,); NaN for what is none."""
    column = features.columns.get(name)
    if not isinstance(column, CategoricalColumn):
        return features.numbers(name)
    parsed = [number(value) for value in column.vocabulary]
    values = [np.nan if value is None else value for value in parsed]
    return np.asarray([*values, np.nan], dtype=np.float64)[column.codes]


def _same_words(features: FeatureTable, name: str, other: str) -> BoolArray:
    """For which leads two columns have the same word, shape (features.size,)."""
    known: dict[str, int] = {}
    keys = []
    for column in (features.words(name), features.words(other)):
        codes = [
            known.setdefault(value.strip().casefold(), len(known)) for value in column.vocabulary
        ]
        keys.append(np.asarray([*codes, -1], dtype=np.int64)[column.codes])
    return np.asarray((keys[0] == keys[1]) & (keys[0] >= 0))


def _by_code(answers: Sequence[bool], codes: IntArray, *, missing: bool) -> BoolArray:
    # Code -1 (missing) picks the last entry, so that one look-up answers for every row.
    return np.asarray([*answers, missing], dtype=np.bool_)[codes]
