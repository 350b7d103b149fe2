"""Reading a request and validating it: bytes in, leads out, each with its values, its activities,
or what is wrong with it.

What makes the whole body unusable (not JSON, not the shape that the schema says) is an
`HTTPProblem`. What is wrong with one lead is that lead's fault alone. Limits keep every later step
short: they bound the leads, the activities of a lead and the length of a text. Numbers and dates
are read here, as in a table: a text that is neither counts as missing, and the caller is warned of
it, as of words and numbers that training did not have.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, NoReturn

from pydantic_core import from_json
from starlette.types import Receive, Scope

from winnable.core.values import moment, text
from winnable.data.features.accounts import ACCOUNT_HISTORY, FACTS
from winnable.data.features.activities.properties import ACTIVITY_PARTS
from winnable.data.features.activities.touches import SourceOfRequest
from winnable.data.features.online import Activity
from winnable.data.features.plan import FeaturePlan, Field
from winnable.data.features.returns import STATUS_HISTORY, StatusChange
from winnable.definition.outcome import ANYTHING
from winnable.definition.schema import Definition
from winnable.learning.scoring.input_checks import Kind
from winnable.service.http.problems import ClientGone, HTTPProblem

ACTIVITIES = "activities"
MAX_BODY_BYTES = 10_000_000
BODY_TIMEOUT_SECONDS = 20.0
MAX_LEADS = 1000
MAX_ACTIVITIES_PER_LEAD = 5000
MAX_STATUS_CHANGES_PER_LEAD = 1000
MAX_COLUMNS_PER_LEAD = 2000
MAX_TEXT_CHARACTERS = 10_000
MAX_FACT = 1_000_000
MAX_COLUMN_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """A request's leads as they were sent, and the moment for which they are to be scored; None is
    now. `since` is the moment whose scores they are compared with, if that is asked for."""

    leads: list[Any]
    as_of: datetime | None
    since: datetime | None = None


NO_MOMENT = "expected a date and time with a time zone, such as 2026-06-30T12:00:00Z"
"""Said of what `read_moment` cannot read."""


@dataclass(frozen=True, slots=True)
class RequestLead:
    """One lead as the model takes it; `fault` says why it cannot be taken, then there is nothing
    else. `lead_id` is None where the lead has none, `closed` says that it was won or lost by the
    moment of scoring."""

    lead_id: str | None
    values: Mapping[str, object]
    activities: Sequence[Activity]
    fault: str | None = None
    closed: bool = False


Unexpected = tuple[str, Kind]
"""A column, and what is unexpected about a value of it."""


async def body_of(scope: Scope, receive: Receive, largest: int = MAX_BODY_BYTES) -> bytes:
    """The whole body of a request. `HTTPProblem` if it is too large or too slow."""
    for name, value in scope["headers"]:
        if name == b"content-length" and not _is_length_up_to(largest, value):
            raise _too_large(largest)
    message = await receive()
    if not message.get("more_body", False) and message["type"] == "http.request":
        return bytes(message["body"])
    parts = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            while True:
                if message["type"] == "http.disconnect":
                    raise ClientGone
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > largest:
                    raise _too_large(largest)
                if not message.get("more_body", False):
                    return b"".join(parts)
                message = await receive()
    except TimeoutError:
        raise HTTPProblem(
            408,
            f"The body did not arrive within {BODY_TIMEOUT_SECONDS:g} seconds.",
            {"connection": "close"},
        ) from None


def _is_length_up_to(largest: int, value: bytes) -> bool:
    """Whether a Content-Length is one, and not too large; Python reads no number of more than 4,300
    digits."""
    return value.isdigit() and len(value) < 20 and int(value) <= largest


def _too_large(largest: int) -> HTTPProblem:
    return HTTPProblem(
        413,
        f"The body is larger than {largest:,} bytes. Send several requests.",
        {"connection": "close"},
    )


def read_body(body: bytes) -> ScoreRequest:
    """The request in a body. `HTTPProblem` 400 if it is not JSON in UTF-8, 422 if it is not what
    the schema says."""
    data = _json(body)
    if type(data) is not dict:
        raise HTTPProblem(422, "The body is not an object with a list of leads.")
    for name in data:
        if name not in {"leads", "as_of", "since"}:
            raise HTTPProblem(422, "The body has a member besides leads, as_of and since.")
    leads = data.get("leads")
    if type(leads) is not list or not 1 <= len(leads) <= MAX_LEADS:
        raise HTTPProblem(422, f"leads: expected a list of 1 to {MAX_LEADS:,} leads.")
    return ScoreRequest(leads, _moment_of(data, "as_of"), _moment_of(data, "since"))


def _moment_of(data: Mapping[str, Any], name: str) -> datetime | None:
    """A moment of the request; None if it is not given."""
    written = data.get(name)
    if written is None:
        return None
    when = read_moment(written)
    if when is None:
        raise HTTPProblem(422, f"{name}: {NO_MOMENT}.")
    return when


def _json(body: bytes) -> Any:
    """The body's JSON, read quickly where it is plain, else strictly, which also says what is wrong
    with it."""
    try:
        data = from_json(body, allow_inf_nan=False)
    except ValueError:
        return read_json(body)
    leads = data.get("leads") if type(data) is dict else None
    if type(leads) is not list:
        return read_json(body)
    members = len(data) + sum(map(_members, leads))
    return data if _has_members(body, members) else read_json(body)


def _members(lead: Any) -> int:
    """The members of a lead and of what is told of it in lists and objects of their own."""
    if type(lead) is not dict:
        return 0
    members = len(lead)
    for name in (ACTIVITIES, STATUS_HISTORY):
        told = lead.get(name)
        if type(told) is list:
            members += sum([len(each) for each in told if type(each) is dict])
    accounts = lead.get(ACCOUNT_HISTORY)
    return members + (len(accounts) if type(accounts) is dict else 0)


def _has_members(body: bytes, members: int) -> bool:
    """Whether a body of JSON has no more than so many members: then none was lost for standing
    there twice. Every member has a colon of its own, after the quote that ends its name."""
    if body.count(b":") == members:
        return True
    return body.count(b'":') == members and _SPACE_BEFORE_COLON.search(body) is None


_SPACE_BEFORE_COLON = re.compile(rb'"[ \t\r\n]+:')


def read_json(body: bytes) -> Any:
    """What a body of JSON says, read strictly; `HTTPProblem` 400 if it is none, or has a member
    twice."""
    try:
        written = body.decode()
        data = _DECODER.decode(written)
        if "\\u" in written:
            # Half of a surrogate pair is no character: nothing that holds one could be written into
            # an answer.
            json.dumps(data, ensure_ascii=False).encode()
    except _Twice:
        raise HTTPProblem(400, "The body has a member twice in one object.") from None
    except UnicodeError:
        raise HTTPProblem(400, "The body is not text in UTF-8.") from None
    except (ValueError, RecursionError):
        raise HTTPProblem(400, "The body is not valid JSON.") from None
    return data


class _Twice(ValueError):
    """A member stands twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Twice
    return members


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


class EndedLeads:
    """Tells which leads of requests are closed already, as a batch tells it of a table's."""

    def __init__(self, definition: Definition, day_first: bool) -> None:
        roles = definition.columns
        outcome = definition.outcome
        self._day_first = day_first
        self._any_status = outcome.won == (ANYTHING,)
        self._final = frozenset((*outcome.won, *outcome.lost))
        self._lost = frozenset(outcome.lost)
        self._closed = roles.closed
        self._closed_lost = roles.closed_lost
        self._outcome = outcome
        self.status = None if outcome.won_if else roles.status
        """The column without which no lead is closed; None where conditions tell it."""

    def has(self, given: Mapping[str, object], as_of: datetime) -> bool:
        """Whether a lead was won or lost by then, or at a time that it does not say."""
        if self.status is not None:
            status = _scalar_text(given.get(self.status))
        else:
            status = self._outcome.status_of(lambda field: _scalar_text(given.get(field)))
        if status is None or not (self._any_status or status in self._final):
            return False
        written = None
        if self._closed_lost is not None and status in self._lost:
            written = _scalar_text(given.get(self._closed_lost))
        if written is None and self._closed is not None:
            written = _scalar_text(given.get(self._closed))
        closed = None if written is None else moment(written, self._day_first)
        return closed is None or closed <= as_of


def _scalar_text(value: object) -> str | None:
    return None if isinstance(value, list | dict) else text(value)


class LeadReader:
    """Reads the leads of requests for one model: `plan` says how its columns read, `known` which
    columns it has ever heard of; `ended` looks for leads that are closed, `source` for their last
    touch."""

    def __init__(
        self,
        plan: FeaturePlan,
        id_column: str | None,
        known: frozenset[str] = frozenset(),
        ended: EndedLeads | None = None,
        source: SourceOfRequest | None = None,
    ) -> None:
        self._id = id_column
        self._source = source
        told = {
            ACTIVITIES: True,
            ACCOUNT_HISTORY: plan.accounts is not None,
            STATUS_HISTORY: plan.returns,
        }
        self._known = known | {name for name, is_used in told.items() if is_used}
        self._alike = {_spelling(name): name for name in known}
        self._properties = {_spelling(field.name): field.name for field in plan.properties}
        self._has_accounts = plan.accounts is not None
        self._has_returns = plan.returns
        self._ended = ended
        self._status = None if ended is None else ended.status
        created = () if plan.created is None else (plan.created,)
        self._created = None if plan.created is None else plan.created.name
        self._typed = tuple(field for field in (*plan.fields, *created) if field.kind != "words")
        self._numbers = tuple(field.name for field in self._typed if field.kind == "number")
        self._others = tuple(field for field in self._typed if field.kind != "number")
        words = [field.name for field in plan.fields if field.kind == "words"]
        self._words = (
            (*words, id_column)
            if id_column is not None and id_column not in words
            else tuple(words)
        )

    def lead(
        self, given: Any, index: int, as_of: datetime, unexpected: list[Unexpected] | None = None
    ) -> RequestLead:
        """A lead of a request; its id is the request's index where the model's definition names no
        column for it. What cannot be read as a number or a date is added to `unexpected`."""
        try:
            if type(given) is not dict:
                raise _Fault("expected an object of columns and values")
            if len(given) > MAX_COLUMNS_PER_LEAD:
                raise _Fault(f"more than {MAX_COLUMNS_PER_LEAD:,} columns")
            self._check_words(given)
            found: list[Unexpected] = [] if unexpected is None else unexpected
            values = self._typed_values(given, found)
            created = None if self._created is None else values.get(self._created)
            if isinstance(created, datetime) and created > as_of:
                raise _Fault("the lead was created after the moment of scoring")
            lead_id = str(index) if self._id is None else text(given.get(self._id))
            activities = _activities(given.get(ACTIVITIES), self._properties)
            if self._source is not None:
                values = self._source.told(values, activities, as_of)
            if self._has_accounts:
                _check_account_history(given.get(ACCOUNT_HISTORY))
            if self._has_returns and given.get(STATUS_HISTORY) is not None:
                values = {**values, STATUS_HISTORY: _status_history(given[STATUS_HISTORY])}
            closed = (
                self._ended is not None
                and (self._status is None or given.get(self._status) is not None)
                and self._ended.has(given, as_of)
            )
            return RequestLead(lead_id, values, activities, None, closed)
        except _Fault as fault:
            return RequestLead(None, {}, (), str(fault))

    def warnings(self, leads: Sequence[Any]) -> list[str]:
        """One for each column, and each property of activities, that the model does not know."""
        columns = [lead.keys() for lead in leads if type(lead) is dict]
        found = self._unknown_properties(leads)
        if not found and all(names <= self._known for names in columns):
            return []
        unknown = sorted(found | {name for names in columns for name in names - self._known})
        warnings = [
            f"{name[:100]}: the model does not know this column; it was ignored{self._hint(name)}"
            for name in unknown[:MAX_COLUMN_WARNINGS]
        ]
        if len(unknown) > MAX_COLUMN_WARNINGS:
            warnings.append(f"and {len(unknown) - MAX_COLUMN_WARNINGS:,} more unknown columns")
        return warnings

    def _unknown_properties(self, leads: Sequence[Any]) -> set[str]:
        done = (lead.get(ACTIVITIES) for lead in leads if type(lead) is dict)
        told = (activity for each in done if type(each) is list for activity in each)
        return {
            f"{ACTIVITIES}.{key}"
            for activity in told
            if type(activity) is dict and len(activity) > 2
            for key in activity.keys() - ACTIVITY_PARTS
            if _spelling(key) not in self._properties
        }

    def _hint(self, name: str) -> str:
        """Which column may be meant by one that the model does not know."""
        alike = self._alike.get(_spelling(name))
        return "" if alike is None else f". The model knows '{alike}'"

    def _check_words(self, given: Mapping[str, Any]) -> None:
        values = list(map(given.get, self._words))
        if (
            _TEXTS.issuperset(map(type, values))
            and sum(map(len, filter(None, values))) <= MAX_TEXT_CHARACTERS
        ):
            return
        for name in self._words:
            value = given.get(name)
            if type(value) is str:
                if len(value) > MAX_TEXT_CHARACTERS:
                    raise _Fault(f"{name}: longer than {MAX_TEXT_CHARACTERS:,} characters")
            elif value is not None:
                _check_scalar(name, value)

    def _typed_values(
        self, given: dict[str, Any], unexpected: list[Unexpected]
    ) -> dict[str, object]:
        values: dict[str, object] = given
        numbers_are_plain = _plain_numbers(list(map(given.get, self._numbers)))
        for field in self._others if numbers_are_plain else self._typed:
            value = given.get(field.name)
            if value is None:
                continue
            read = _number(field, value) if field.kind == "number" else _date(field, value)
            if read is None and text(value) is not None:
                if field.name == self._created:
                    raise _Fault(f"{field.name}: expected a date")
                unexpected.append(
                    (field.name, "not a number" if field.kind == "number" else "not a date")
                )
            elif type(value) is str and field.kind == "number" and field.is_range(value):
                unexpected.append((field.name, "range"))
            if values is given:
                values = dict(given)
            values[field.name] = read
        return values


def _spelling(name: str) -> str:
    """The letters and digits of a column's name, which stay where exports spell it another way."""
    return "".join(filter(str.isalnum, name.casefold()))


_TEXTS = frozenset({str, type(None)})
_NUMBERS = frozenset({float, int, type(None)})


def _plain_numbers(values: list[Any]) -> bool:
    """Whether all of them are numbers that can be counted with, or nothing; if in doubt, each is
    looked at."""
    try:
        return _NUMBERS.issuperset(map(type, values)) and isfinite(sum(filter(None, values), 0.0))
    except OverflowError:
        return False


class _Fault(Exception):
    """Why one lead cannot be scored, without its values."""


def _check_scalar(name: str, value: object) -> None:
    if isinstance(value, list | dict):
        raise _Fault(
            f"{name}: expected text, a number, true, false or null, got a list or an object"
        )
    if isinstance(value, float) and not isfinite(value):
        raise _Fault(f"{name}: the number is too large")


def _number(field: Field, value: object) -> float | None:
    _check_scalar(field.name, value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise _Fault(f"{field.name}: the number is too large") from None
    written = text(value)
    return None if written is None else field.number(written)


def _date(field: Field, value: object) -> datetime | None:
    _check_scalar(field.name, value)
    written = text(value)
    return None if written is None else moment(written, field.day_first)


def _check_account_history(given: Any) -> None:
    """Either nothing is told of an account or all of it: what is left out is not zero."""
    if given is None:
        return
    if type(given) is not dict or given.keys() != FACTS.keys():
        raise _Fault(f"{ACCOUNT_HISTORY}: expected an object with {', '.join(FACTS)}")
    for name, value in given.items():
        if type(value) not in (int, float) or not 0 <= value <= MAX_FACT:
            raise _Fault(f"{ACCOUNT_HISTORY}.{name}: expected a number of 0 to {MAX_FACT:,}")


def _status_history(given: Any) -> list[StatusChange]:
    if type(given) is not list:
        raise _Fault(f"{STATUS_HISTORY}: expected a list")
    if len(given) > MAX_STATUS_CHANGES_PER_LEAD:
        raise _Fault(f"{STATUS_HISTORY}: more than {MAX_STATUS_CHANGES_PER_LEAD:,}")
    return [
        _status_change(change, f"{STATUS_HISTORY}.{place}") for place, change in enumerate(given)
    ]


def _status_change(given: Any, place: str) -> StatusChange:
    if type(given) is not dict or not {"at", "new"} <= given.keys() <= {"at", "old", "new"}:
        raise _Fault(f"{place}: expected an object with at, new and, if known, old")
    at = read_moment(given["at"])
    if at is None:
        raise _Fault(f"{place}.at: {NO_MOMENT}")
    new = _short_text(given["new"])
    if new is None:
        raise _Fault(
            f"{place}.new: expected the status from then on, as a text; leave out a change to none"
        )
    old = given.get("old")
    if old is not None and type(old) is not str:
        raise _Fault(f"{place}.old: expected the status until then, as a text or null")
    return StatusChange(at, new, _short_text(old))


def _short_text(given: Any) -> str | None:
    """A text without blanks at its ends; None if it is none, says nothing or is too long."""
    return text(given) if type(given) is str and len(given) <= MAX_TEXT_CHARACTERS else None


def _activities(given: Any, properties: Mapping[str, str]) -> Sequence[Activity]:
    if given is None:
        return ()
    if type(given) is not list:
        raise _Fault(f"{ACTIVITIES}: expected a list")
    if len(given) > MAX_ACTIVITIES_PER_LEAD:
        raise _Fault(f"{ACTIVITIES}: more than {MAX_ACTIVITIES_PER_LEAD:,}")
    return [_activity(activity, place, properties) for place, activity in enumerate(given)]


def _activity(given: Any, place: int, properties: Mapping[str, str]) -> Activity:
    if type(given) is not dict:
        raise _Fault(f"{ACTIVITIES}.{place}: expected an object with kind and at")
    known = _short_text(given.get("kind"))
    at = read_moment(given.get("at"))
    recorded = given.get("recorded")
    if known is None:
        raise _Fault(f"{ACTIVITIES}.{place}.kind: expected a text")
    if at is None:
        raise _Fault(f"{ACTIVITIES}.{place}.at: {NO_MOMENT}")
    values = None
    if properties and len(given) > 2:
        values = _property_values(given, place, properties)
    if recorded is None:
        return Activity(known, at, None, values)
    entered = read_moment(recorded)
    if entered is None:
        raise _Fault(
            f"{ACTIVITIES}.{place}.recorded: expected a date and time with a time zone, or null"
        )
    return Activity(known, at, entered, values)


def _property_values(
    given: Mapping[str, Any], place: int, properties: Mapping[str, str]
) -> dict[str, object]:
    """The properties of an activity by the names of the training; `properties` are these by how
    they are spelled."""
    values: dict[str, object] = {}
    for key, value in given.items():
        name = None if key in ACTIVITY_PARTS else properties.get(_spelling(key))
        if name is None or value is None or (name in given and name != key):
            continue
        path = f"{ACTIVITIES}.{place}.{key[:100]}"
        if type(value) is not str:
            _check_scalar(path, value)
        elif len(value) > MAX_TEXT_CHARACTERS:
            raise _Fault(f"{path}: longer than {MAX_TEXT_CHARACTERS:,} characters")
        values[name] = value
    return values


def read_moment(value: object) -> datetime | None:
    """A moment by ISO 8601 with its offset from UTC; None for anything else."""
    if type(value) is not str or not 16 <= len(value) <= 40:
        return None
    try:
        when = datetime.fromisoformat(value)
        return None if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
