"""What every table of the definition is made of: a frozen model that knows its keys, the kinds of
values that people write in it, and the kinds of activity that the company names.

Nothing is asked of leads here; that is done in `conditions`.
"""

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


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
    hand_raise: Listed = ()
    """Kinds of activity by which people ask for sales themselves: a demo request, a call back. They
    are kinds of intent, too."""
    hand_raise_days: Days = 90
    """For how many days after one of these people count as asking for sales."""
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
                f"{', '.join(map(repr, listed_twice))} is listed under intent and under interest;"
                " keep it in one of them"
            )
        unlisted = [kind for kind in self.hand_raise if kind not in self.intent]
        if unlisted:
            raise ValueError(
                f"{unlisted[0]!r} is listed under hand_raise, but not under intent; who asks for"
                " sales shows intent, so list it there, too"
            )
        return self

    def kinds(self, activity: str) -> tuple[str, ...]:
        """The kinds that a condition's `activity` means: for "intent", "interest" and "hand_raise"
        all that are listed, for "any" every kind (an empty tuple)."""
        groups = {
            "intent": self.intent,
            "interest": self.interest,
            "hand_raise": self.hand_raise,
            "any": (),
        }
        return groups.get(activity, (activity,))
