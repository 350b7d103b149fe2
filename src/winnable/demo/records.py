"""The clean CRM records of the demo data: leads, field history and activities, before `blemishes`
makes them look typed.

Some people are in it twice: entered a second time within days under another id, or back as a new
enquiry months after they were lost. Others come back in their own record: the field history tells
of their earlier ends, the row of the present one alone. Unknown fields are filled in over time,
whatever the outcome will be; only `Decision Reason` is written once the outcome is known. It is a
deliberate leak: it says who was won, and nobody has it while it would be useful.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from winnable.core.columns import BoolArray, FloatArray, IntArray
from winnable.demo.journeys import KIND_NAMES, LOST, MOVES, STATES, STATUSES, WON, Journeys, live
from winnable.demo.people import TITLES, People, TextArray, draw_people

PRESENT = datetime(2026, 6, 30, tzinfo=UTC)
"""The company's present: nothing in its CRM is newer."""
START = datetime(2024, 7, 1, tzinfo=UTC)
"""The day its CRM was switched on."""

MONTHS = 24
"""The length of its history by default, in months."""

_DAY = 86_400
_SPAN = int((PRESENT - START).total_seconds())
_PRESENT = int(PRESENT.timestamp())
_MARKET_DECLINE = 1.0
"""What the two years take from the log rate of winning, as the market slowly fills up."""
_RECYCLED_SHARE = 0.025
_DUPLICATE_SHARE = 0.015

_FIRST_TOUCH = {
    "Referral": "Call",
    "Partner": "Call",
    "Cold call": "Call",
    "Website": "Website session",
    "Paid search": "Website session",
    "Webinar": "Webinar",
    "Content download": "E-book",
    "Trade show": "Event booth",
}
_REASONS = {
    WON: ("Best fit", "Reference customer", "Integration", "Price"),
    LOST: ("Price", "No budget", "Competitor", "No decision", "Timing"),
}


@dataclass(frozen=True)
class FieldChange:
    """One line of the field history: in the record of that row, at that second since 1970."""

    row: int
    at: int
    field: str
    old: str
    new: str


@dataclass(frozen=True)
class Records:
    """n records in the order of their creation: `created` and `closed` (n,) in seconds since 1970,
    -1 for open ones; `dated` (n,) says whose closing date somebody has filled in.

    Activities are in parallel arrays: row, time, time of recording, kind (position in KIND_NAMES).
    """

    fields: dict[str, TextArray]
    created: IntArray
    closed: IntArray
    dated: BoolArray
    status: IntArray
    changes: list[FieldChange]
    act_row: IntArray
    act_at: IntArray
    act_recorded: IntArray
    act_kind: IntArray


def keep_records(size: int, seed: int, months: int = MONTHS) -> Records:
    """The CRM of a company that got `size` leads in two years, that many months after it was
    switched on (at least 24).

    The same size and seed give the same records. Later months add to them: every record of the
    first two years is there, first and in its place, updated by what has happened since.
    """
    people, created, journeys = everyone(size, seed)
    present = int(present_after(months).timestamp())
    logs = [_logged(people, created, journeys, np.random.default_rng([6, seed]))]
    first = len(people)
    if months > MONTHS:
        rng = np.random.default_rng([8, seed, months])
        more = round(size * (present - _PRESENT) / _SPAN)
        arrived = _arrivals(more, rng, _PRESENT, present)
        people = people.join(draw_people(np.ones(more), rng))
        created = np.concatenate([created, arrived])
        people, since = _live(people, created, rng, present, journeys)
        journeys = _continued(journeys, since)
        newcomers = people.take(np.arange(first, len(people)))
        acts = [(row + first, at, kind) for row, at, kind in _beforehand(newcomers, arrived, rng)]
        acts.append((since.act_row, since.act_at, since.act_kind))
        logs.append(_delayed([*acts, *_afterwards(journeys, rng, _PRESENT)], rng))
    parts = [
        _filled_in(people, created, journeys, rows, np.random.default_rng([key, seed]), present)
        for key, rows in ((5, np.arange(first)), (11, np.arange(first, len(people))))
    ]
    return Records(
        {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]},
        created,
        journeys.closed,
        _dated(journeys, np.random.default_rng([10, seed])),
        journeys.status,
        _in_time([*parts[0][1], *parts[1][1]]),
        *_kept(logs, present),
    )


def everyone(size: int, seed: int) -> tuple[People, IntArray, Journeys]:
    """The people of the first two years in the order of creation, when that was, and what happened
    to them: with what is recorded nowhere, such as their intent, so that the truth can be told."""
    return _in_order(*_everyone(size, seed))


def market(until: int) -> FloatArray:
    """What the market adds to the log rate of winning, for each day since `START` up to the second
    `until`."""
    days = (until - int(START.timestamp())) // _DAY
    return -_MARKET_DECLINE * np.arange(days) / (_SPAN // _DAY)


def _dated(journeys: Journeys, rng: np.random.Generator) -> BoolArray:
    """Whose closing date is filled in. For losses nobody asked for it in the first year, and some
    still forget it."""
    forgotten = np.where(journeys.closed < int(START.timestamp()) + _SPAN // 2, 0.4, 0.1)
    is_lost = journeys.status == STATUSES.index(LOST)
    return np.asarray(~is_lost | (rng.random(len(is_lost)) >= forgotten))


def present_after(months: int) -> datetime:
    """The present of a company that was switched on so many months ago, of 24 months or more."""
    years, month = divmod(START.month - 1 + months, 12)
    return PRESENT if months == MONTHS else datetime(START.year + years, month + 1, 1, tzinfo=UTC)


def _in_order(
    people: People, created: IntArray, journeys: Journeys
) -> tuple[People, IntArray, Journeys]:
    """The same in the order of creation."""
    order = np.argsort(created, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    states = {name: getattr(journeys, name)[order] for name in STATES}
    rows = {name: place[getattr(journeys, name)] for name in ("move_row", "act_row")}
    return people.take(order), created[order], replace(journeys, **states, **rows)


def _continued(before: Journeys, since: Journeys) -> Journeys:
    """The later state, with the moves of both."""
    return replace(
        since,
        **{name: np.concatenate([getattr(before, name), getattr(since, name)]) for name in MOVES},
    )


def _everyone(size: int, seed: int) -> tuple[People, IntArray, Journeys]:
    """First the new people, then those who come back, then those who were entered twice."""
    again = max(2, round(_RECYCLED_SHARE * size))
    twice = max(2, round(_DUPLICATE_SHARE * size))
    rng = np.random.default_rng([1, seed])
    created = _arrivals(size - again - twice, rng)
    people = draw_people((created - int(START.timestamp())) / _SPAN, rng)
    people, journeys = _live(people, created, np.random.default_rng([2, seed]))

    rng = np.random.default_rng([3, seed])
    lost = np.flatnonzero(
        (journeys.status == STATUSES.index(LOST)) & (journeys.closed < _PRESENT - 90 * _DAY)
    )
    back = np.sort(rng.permutation(lost)[:again])
    since = journeys.closed[back]
    returned = since + ((_PRESENT - since) * rng.uniform(0.15, 0.85, len(back))).astype(np.int64)
    recycled = replace(
        people.take(back),
        colleague=np.zeros(len(back), dtype=np.bool_),
        intent=people.intent[back] + rng.normal(0.6, 0.8, len(back)),
    )
    recycled.fields["Lead Source"][:] = "Website"

    real = np.flatnonzero(~people.junk & (created < _PRESENT - 10 * _DAY))
    double = np.sort(rng.permutation(real)[: size - len(people) - len(back)])
    entered = created[double] + rng.integers(600, 9 * _DAY, len(double))
    # The work goes on in the first record; in the second nothing much happens.
    copies = replace(
        people.take(double),
        colleague=np.zeros(len(double), dtype=np.bool_),
        intent=np.full(len(double), -2.5),
        fit=np.full(len(double), -2.0),
    )
    copies.fields["Email"] = np.array(
        [address.title() for address in copies.fields["Email"]], dtype=np.object_
    )

    rng = np.random.default_rng([4, seed])
    for more, when in ((recycled, returned), (copies, entered)):
        lived, lives = _live(more, when, rng)
        journeys = _join(journeys, lives, len(people))
        people, created = people.join(lived), np.concatenate([created, when])
    return people, created, journeys


def _live(
    people: People,
    created: IntArray,
    rng: np.random.Generator,
    present: int = _PRESENT,
    before: Journeys | None = None,
) -> tuple[People, Journeys]:
    """The simulation up to the present; people that were simulated up to the end of the two years
    continue from there."""
    start = int(START.timestamp())
    since = start if before is None else _PRESENT
    return live(people, created, market(present), start, rng, before, since)


def _join(one: Journeys, other: Journeys, offset: int) -> Journeys:
    moved = replace(other, move_row=other.move_row + offset, act_row=other.act_row + offset)
    return Journeys(
        *(np.concatenate([value, getattr(moved, name)]) for name, value in vars(one).items())
    )


def _arrivals(
    size: int, rng: np.random.Generator, since: int = int(START.timestamp()), until: int = _PRESENT
) -> IntArray:
    """Times of arrival in order: growing year by year, few in summer, at Christmas and at
    weekends, many after the fairs."""
    day = np.arange((until - since) // _DAY)
    first = since // _DAY
    month = (np.datetime64("1970-01-01") + (first + day)).astype("datetime64[M]").astype(
        np.int64
    ) % 12 + 1
    season = np.select([np.isin(month, (7, 8, 12)), np.isin(month, (3, 10))], [0.7, 1.3], 1.0)
    weight = (0.8 + 0.4 * day / len(day)) * season * np.where((first + day + 3) % 7 < 5, 1.0, 0.25)
    days = rng.choice(day, size=size, p=weight / weight.sum())
    return np.sort((first + days) * _DAY + rng.integers(7 * 3600, 20 * 3600, size))


def _filled_in(
    everybody: People,
    all_created: IntArray,
    journeys: Journeys,
    rows: IntArray,
    rng: np.random.Generator,
    present: int,
) -> tuple[dict[str, TextArray], list[FieldChange]]:
    """The fields of these rows, which follow each other, as they are at the present, and every
    change that led there, in the order of time."""
    people = everybody.take(rows)
    created = all_created[rows]
    fields = {name: values.copy() for name, values in people.fields.items()}
    theirs = np.isin(journeys.move_row, rows)
    offset = len(all_created) if not len(rows) else int(rows[0])
    moves = [getattr(journeys, name)[theirs] for name in MOVES]
    moves[0] = moves[0] - offset
    changes = [
        FieldChange(int(row), int(at), "Lead Status", STATUSES[old], STATUSES[new])
        for row, at, old, new in zip(*moves, strict=True)
    ]
    until = np.full(len(people), present)
    ends = moves[3] >= STATUSES.index(WON)
    np.minimum.at(until, moves[0][ends], moves[1][ends])
    known_since = {}
    for name, answers in (
        ("Budget", people.budget),
        ("Timeline", people.timeline),
        ("Title", people.title),
    ):
        at = created + (rng.exponential(25 * _DAY, len(people)) + 3600).astype(np.int64)
        due = (rng.random(len(people)) < 0.5) & (at < until) & (fields[name] == "") & ~people.junk
        changes += _write(fields[name], name, due, at, answers)
        known_since[name] = np.where(due, at, created)
    # Plans are put off and people move up, before and after any outcome alike.
    at = known_since["Timeline"] + (rng.exponential(120 * _DAY, len(people)) + 30 * _DAY).astype(
        np.int64
    )
    put_off = (
        (rng.random(len(people)) < 0.1) & (at < present) & (fields["Timeline"] != "") & ~people.junk
    )
    changes += _write(
        fields["Timeline"],
        "Timeline",
        put_off,
        at,
        np.full(len(people), "Next year", dtype=np.object_),
    )
    at = known_since["Title"] + (rng.exponential(200 * _DAY, len(people)) + 30 * _DAY).astype(
        np.int64
    )
    promoted = (
        (rng.random(len(people)) < 0.06) & (at < present) & (fields["Title"] != "") & ~people.junk
    )
    better = np.array([name for name, _, worth in TITLES if worth > 0.5], dtype=np.object_)
    changes += _write(
        fields["Title"], "Title", promoted, at, better[rng.integers(len(better), size=len(people))]
    )

    fields["Decision Reason"] = np.full(len(people), "", dtype=np.object_)
    changes += _reasons(fields["Decision Reason"], moves, rng, present)
    return fields, [replace(change, row=change.row + offset) for change in _in_time(changes)]


def _reasons(
    values: TextArray, moves: list[IntArray], rng: np.random.Generator, present: int
) -> list[FieldChange]:
    """Write why each was won or lost, some days later, and take it back where one returns; the
    changes that this makes."""
    draws = rng.random((len(moves[0]), 3))
    due = []
    returned_at: dict[int, list[int]] = {}
    for row, at, old, _ in zip(*moves, strict=True):
        if STATUSES[old] in _REASONS:
            returned_at.setdefault(int(row), []).append(int(at))
    for (row, at, _, new), (given, later, which) in zip(
        zip(*moves, strict=True), draws, strict=True
    ):
        reasons = _REASONS.get(STATUSES[new])
        written = int(at) + 60 + int(later * 3 * _DAY)
        if reasons and given < 0.85 and written < present:
            due.append((written, int(row), reasons[int(which * len(reasons))]))
            back = [moment for moment in returned_at.get(int(row), []) if moment > written]
            due += [(moment, int(row), "") for moment in back[:1]]
    changes = []
    for at, row, reason in sorted(due):
        changes.append(FieldChange(row, at, "Decision Reason", values[row], reason))
        values[row] = reason
    return changes


def _in_time(changes: list[FieldChange]) -> list[FieldChange]:
    return sorted(changes, key=lambda change: (change.at, change.row, change.field))


def _write(
    values: TextArray, name: str, due: BoolArray, at: IntArray, new: TextArray
) -> list[FieldChange]:
    """Write new values into the due rows of a column; the changes that this makes."""
    rows = np.flatnonzero(due & (values != new))
    changes = [FieldChange(int(row), int(at[row]), name, values[row], new[row]) for row in rows]
    values[rows] = new[rows]
    return changes


Log = tuple[IntArray, IntArray, IntArray, IntArray]
"""Activities: row, time, time of recording, kind (position in KIND_NAMES)."""


def _logged(people: People, created: IntArray, journeys: Journeys, rng: np.random.Generator) -> Log:
    """All activities that these journeys leave in the log, in no order, those that will only be
    recorded later among them."""
    lived = (journeys.act_row, journeys.act_at, journeys.act_kind)
    return _delayed([lived, *_beforehand(people, created, rng), *_afterwards(journeys, rng)], rng)


def _delayed(parts: list[tuple[IntArray, IntArray, IntArray]], rng: np.random.Generator) -> Log:
    """Activities (row, time, kind) with when each was recorded."""
    row, at, kind = (np.concatenate(part) for part in zip(*parts, strict=True))
    names = np.array(KIND_NAMES)[kind]
    delay: FloatArray = np.select(
        [names == "Call", names == "Event booth", names == "Topic surge"],
        [
            # Typed in later.
            np.where(rng.random(len(at)) < 0.3, rng.uniform(0, 2, len(at)), 0),
            # The badges come back from the fair.
            rng.uniform(2, 10, len(at)),
            # The provider delivers once a week.
            rng.uniform(0, 7, len(at)),
        ],
        0.0,
    )
    return row, at, at + (delay * _DAY).astype(np.int64), kind


def _kept(logs: list[Log], present: int) -> Log:
    """All activities in the order of time; those not recorded yet are not there yet."""
    row, at, recorded, kind = (np.concatenate(part) for part in zip(*logs, strict=True))
    kept = np.flatnonzero(recorded < present)
    kept = kept[np.lexsort((kind[kept], row[kept], at[kept]))]
    return row[kept], at[kept], recorded[kept], kind[kept]


def _beforehand(
    people: People, created: IntArray, rng: np.random.Generator
) -> list[tuple[IntArray, IntArray, IntArray]]:
    """What happened before a record was made: (row, time, kind) each."""
    source = people.fields["Lead Source"]
    touch = np.array(
        [KIND_NAMES.index(_FIRST_TOUCH[name]) if name in _FIRST_TOUCH else -1 for name in source]
    )
    keen = (source == "Website") & (rng.random(len(people)) < 1 / (1 + np.exp(1 - people.intent)))
    touch[keen] = KIND_NAMES.index("Demo request")
    touched = np.flatnonzero(touch >= 0)
    first = (touched, created[touched] - rng.integers(60, 1200, len(touched)), touch[touched])

    visits = np.repeat(np.arange(len(people)), rng.poisson(0.5 * (source == "Website") + 0.2))
    web = np.full(len(visits), KIND_NAMES.index("Website session"))
    return [first, (visits, created[visits] - rng.integers(3600, 30 * _DAY, len(visits)), web)]


def _afterwards(
    journeys: Journeys, rng: np.random.Generator, since: int = 0
) -> list[tuple[IntArray, IntArray, IntArray]]:
    """What happened after a record was closed, at the second `since` or later: (row, time, kind)
    each."""
    after = []
    for outcome, kind, mean, days in ((WON, "Call", 0.6, 20), (LOST, "E-mail opened", 0.4, 60)):
        ended = (journeys.move_to == STATUSES.index(outcome)) & (journeys.move_at >= since)
        ends = np.repeat(np.arange(len(ended)), rng.poisson(mean * ended))
        rows = journeys.move_row[ends]
        at = journeys.move_at[ends] + rng.integers(3600, days * _DAY, len(ends))
        after.append((rows, at, np.full(len(rows), KIND_NAMES.index(kind))))
    return after
