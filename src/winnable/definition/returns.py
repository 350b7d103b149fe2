"""Returns: after which answer a lead may come back to sales, how long after it, and on which
conditions.

A lead that was rejected, won or lost is not gone for ever: the need, the budget or the right time
may come. The rules are data in the definition, with the conditions that scorecards use; an activity
counts only since the answer. Whether they hold of a lead is found in
`winnable.data.feedback.store.returns`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from winnable.definition.conditions import Condition, impossible, in_words
from winnable.definition.parts import DefinitionPart, Name
from winnable.definition.wording import either

DEFAULT_DAYS = 90.0
"""After so many days a lead may come back where the definition has no rule for the answer: about
the time in which budgets and plans are made anew."""

NEVER = "never"


class ReturnRule(DefinitionPart):
    """When a lead may come back: "never", or after how many days, on which conditions, or both."""

    never: bool = False
    """It never comes back, whatever happens."""
    after_days: Annotated[float, Field(ge=0, le=36_500)] = 0
    """Not before so many days after the answer."""
    when: tuple[Condition, ...] = ()
    """All of these must be true of it then; an activity counts only since the answer."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.never and (self.after_days or self.when):
            raise ValueError("never leaves no room for after_days and when; give one or the other")
        if not self.never and not self.after_days and not self.when:
            raise ValueError(
                'it says neither after how many days nor on which conditions; write "never",'
                ' or such as { after_days = 90, when = [{ activity = "any" }] }'
            )
        leaves = [leaf for condition in self.when for leaf in condition.leaves()]
        untold = next((name for leaf in leaves for name in leaf.properties), None)
        if untold is not None:
            raise ValueError(
                f"the property {untold!r} of activities is not stored with a score, so a return"
                " cannot ask for it; leave having out"
            )
        why = impossible(self.when)
        if why is not None:
            raise ValueError(why)
        return self

    def due(self, answered: datetime) -> datetime:
        """The earliest time of a return after an answer of this time."""
        return answered + timedelta(days=self.after_days)

    def __str__(self) -> str:
        """The rule in plain English: "after 90 days, with anything that shows intent since"."""
        if self.never:
            return NEVER
        days = f"{self.after_days:.15g} {'day' if self.after_days == 1 else 'days'}"
        after = [f"after {days}"] if self.after_days else []
        return ", ".join((*after, *self.conditions_in_words()))

    def still_needed(self, answered: datetime, now: datetime) -> str:
        """What it still takes after an answer of this time: "after 12 Mar 2026, with Demo request
        since"; "" if the time has come and there are no conditions, or it never comes back."""
        if self.never:
            return ""
        due = self.due(answered)
        if due > now:
            return ", ".join((f"after {_day(due)}", *self.conditions_in_words()))
        return ", ".join(self.conditions_in_words(f"since {_day(answered)}"))

    def conditions_in_words(self, since: str = "since") -> Iterator[str]:
        """What must be true besides the days: what was done, then what is known of the lead.
        `since` is the word, or the words with a date, behind what was done."""
        of_activities = [each for each in self.when if each.is_of_activities]
        done = [each for each in of_activities if not each.none_of_these]
        known = [each for each in self.when if not each.is_of_activities]
        undone = [
            str(each) for none in of_activities if none.none_of_these for each in none.members
        ]
        if done:
            yield f"with {in_words(done)} {since}"
        if undone:
            yield f"without {either(undone)} {since}"
        if known:
            yield f"if {in_words(known)}"


def _day(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y}"


def _never_or_rule(value: object) -> object:
    """The word "never" as a rule."""
    if isinstance(value, (dict, ReturnRule)):
        return value
    if isinstance(value, str) and value.strip().casefold() == NEVER:
        return {"never": True}
    raise ValueError(f'expected "never", or a table such as {{ after_days = 90 }}, got {value!r}')


NeverOrRule = Annotated[
    ReturnRule, BeforeValidator(_never_or_rule, json_schema_input_type=str | ReturnRule)
]


class Returns(DefinitionPart):
    """When leads may come back to sales that were answered. Where nothing is written: after 90
    days, with a sign of intent since (any activity, if [activities] lists no intent); never where
    the reason means junk or a customer that is not wanted."""

    rejected: dict[Name, NeverOrRule] = Field(default_factory=dict)
    """For a lead that was rejected, by the reason."""
    lost: NeverOrRule | None = None
    """For a lead that was lost."""
    won: NeverOrRule | None = None
    """For a lead that was won: a new need of a customer."""

    def rules(self) -> Iterator[ReturnRule]:
        """Every rule that is written."""
        yield from self.rejected.values()
        yield from (rule for rule in (self.lost, self.won) if rule is not None)
