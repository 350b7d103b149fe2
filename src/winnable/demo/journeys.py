"""The simulation behind the demo data: what the company's leads did, and what became of them, day
by day.

Each person has a fit, which is constant, and an intent, which varies: it fades, and now and then a
project starts and raises it. The intent of the day produces activities and, with the fit, moves the
person from stage to stage; only from the last one can a deal be won. Who was won or lost may come
back, with a new intent, and begins again. Colleagues come from companies that have customers or
open leads, and a company's earlier outcomes make the next easier or harder. Causes come before
effects, so nothing about an outcome is known before it except through its causes. Intent itself is
recorded nowhere, which together with chance is why no model can be certain. Nothing is simulated
past the present.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from winnable.core.columns import FloatArray, IntArray
from winnable.demo.people import People

STAGES = ("New", "Marketing Qualified", "Accepted by Sales", "Qualified by Sales", "Opportunity")
WON = "Closed Won"
LOST = "Closed Lost"
JUNK = "Junk Lead"
STATUSES = (*STAGES, WON, LOST, JUNK)
_OPPORTUNITY, _WON, _LOST, _JUNK = (
    STATUSES.index(name) for name in ("Opportunity", WON, LOST, JUNK)
)

# Kind of activity; log of its average rate a day; what one unit of interest and of intent adds to
# that; what being a large company adds. The provider's topic surges depend on nothing.
KINDS: tuple[tuple[str, float, float, float, float], ...] = (
    ("E-mail opened", np.log(0.060), 0.6, 0.0, 0.0),
    ("Website session", np.log(0.050), 0.4, 0.5, 0.0),
    ("E-book", np.log(0.012), 0.7, 0.1, 0.0),
    ("Webinar", np.log(0.010), 0.7, 0.1, -0.3),
    ("Event booth", np.log(0.004), 0.5, 0.1, 1.2),
    ("Pricing page", np.log(0.025), 0.0, 1.3, -0.7),
    ("Demo request", np.log(0.008), 0.0, 1.4, 0.0),
    ("Call", np.log(0.010), 0.0, 0.4, 0.3),
    ("Topic surge", np.log(0.030), 0.0, 0.0, 0.0),
)
KIND_NAMES = tuple(row[0] for row in KINDS)
_CALL = KIND_NAMES.index("Call")

# For each stage: rate a day of moving on (from the last stage: of being won), and what fit and
# intent add to it (log).
_ON_RATE = np.array([0.017, 0.100, 0.070, 0.060, 0.0064])
_ON_FIT = np.array([0.50, 0.40, 0.45, 0.30, 0.55])
_ON_INTENT = np.array([0.60, 0.25, 0.45, 0.50, 0.70])
_BACK_RATE = np.array([0.0, 0.045, 0.030, 0.0, 0.0])
_LOST_RATE = np.array([0.009, 0.014, 0.025, 0.0275, 0.0275])
_MAX_AGE_DAYS = 540
_DAY = 86_400

# What a company's customers and its losses add to the fit of the others there.
_COLLEAGUE_WON = 1.4
_COLLEAGUE_LOST = -0.5
# How often a day those come back who were lost or won, after a while; to which status, with how
# much more intent than at first, and what having been a customer adds to the fit.
_RETURNS = ((_LOST, 0.0005, 0), (_WON, 0.0004, 1))
_RETURN_AFTER_DAYS = 30
_RETURN_INTENT = 0.7
_ONCE_WON = 0.5
# A colleague rather comes where somebody is a customer than where somebody is only talking.
_CUSTOMER_WEIGHT = 4.0


@dataclass(frozen=True)
class Journeys:
    """What happened to n people up to the present.

    `status` (n,) is the position in STATUSES that each has reached, `closed` (n,) the second of the
    outcome since 1970, -1 for the open; `opened` (n,) is the day since 1970 on which each came, or
    came back, `won` and `lost` (n,) how often each was; `target`, `intent` and `luck` (n,) are how
    the simulation left them. Moves and activities are listed in parallel arrays: whose (row), when
    (second since 1970), from and to which status, or which kind (position in KINDS).
    """

    status: IntArray
    closed: IntArray
    opened: IntArray
    won: IntArray
    lost: IntArray
    target: FloatArray
    intent: FloatArray
    luck: FloatArray
    move_row: IntArray
    move_at: IntArray
    move_from: IntArray
    move_to: IntArray
    act_row: IntArray
    act_at: IntArray
    act_kind: IntArray


STATES = ("status", "closed", "opened", "won", "lost", "target", "intent", "luck")
"""What of `Journeys` has shape (n,)."""
MOVES = ("move_row", "move_at", "move_from", "move_to")
ACTS = ("act_row", "act_at", "act_kind")


def live(
    people: People,
    created: IntArray,
    market: FloatArray,
    start: int,
    rng: np.random.Generator,
    before: Journeys | None = None,
    since: int = 0,
) -> tuple[People, Journeys]:
    """Simulate the days after `created` (n,), in seconds since 1970, up to the present: the people,
    colleagues placed with companies, and what happened.

    `market` holds for each day since `start` (second since 1970, midnight) what market conditions
    add to the log rate of winning; it ends on the day before the present. The first people may have
    been simulated up to the second `since` (midnight): they continue from how `before` left them,
    the others arrive later, and what is returned happened afterwards.
    """
    world = _World(people, created, _states(people, created, rng, before), rng)
    first = start // _DAY
    for day in range(max(first, since // _DAY), first + len(market)):
        world.spend(day, market[day - first])
    happened: dict[str, Any] = dict(zip(MOVES, _gather(world.moves, len(MOVES)), strict=True))
    happened |= zip(ACTS, _gather(world.acts, len(ACTS)), strict=True)
    return world.people, Journeys(**world.states, **happened)


def _states(
    people: People, created: IntArray, rng: np.random.Generator, before: Journeys | None
) -> dict[str, Any]:
    """How each of the people is at first, or was left."""
    size = len(people)
    none = np.zeros(size, dtype=np.int64)
    states: dict[str, Any] = {
        "status": none.copy(),
        "closed": none - 1,
        "opened": created // _DAY,
        "won": none.copy(),
        "lost": none.copy(),
        "target": people.intent.copy(),
        "intent": people.intent + rng.normal(0, 0.5, size),
        "luck": rng.normal(0, 0.5, size),
    }
    if before is not None:
        for name, values in states.items():
            values[: len(before.status)] = getattr(before, name)
    return states


class _World:
    """The people and how they are, while day after day goes by."""

    def __init__(
        self,
        people: People,
        created: IntArray,
        states: dict[str, Any],
        rng: np.random.Generator,
    ) -> None:
        self.people = people
        self.states = states
        self.moves: list[tuple[IntArray, ...]] = []
        self.acts: list[tuple[IntArray, ...]] = []
        self._arrives = created // _DAY
        self._rng = rng
        self._company = np.unique(people.fields["Company"].astype(str), return_inverse=True)[1]

    def spend(self, day: int, market: float) -> None:
        """One day since 1970: colleagues arrive, some come back, the open act and move on."""
        self._place_colleagues(day)
        effect = self._colleagues_effect()
        self._bring_back(day)
        status = self.states["status"]
        opened = self.states["opened"]
        rows = np.flatnonzero(
            (status <= _OPPORTUNITY) & (opened < day) & (day - opened <= _MAX_AGE_DAYS)
        )
        if not rows.size:
            return
        self._want(rows, day)
        fit = self.people.fit + self.states["luck"] + effect
        fit += _ONCE_WON * (self.states["won"] > 0)
        intent = self.states["intent"]
        today = _Day(rows, day, status[rows], intent[rows], fit[rows], market)
        acts = _act(self.people, today, self._rng)
        self._move(today, _step(self.people, today, self._rng))
        closed = self.states["closed"][acts[0]]
        open_then = (closed < 0) | (acts[1] < closed)
        self.acts.append(tuple(part[open_then] for part in acts))

    def _place_colleagues(self, day: int) -> None:
        rows = np.flatnonzero(self.people.colleague & (self._arrives == day))
        status = self.states["status"]
        real = ~self.people.junk & ~self.people.barred & (self._arrives < day)
        hosts = np.flatnonzero(real & (status <= _WON))
        if not (rows.size and hosts.size):
            return
        weight = np.where(status[hosts] == _WON, _CUSTOMER_WEIGHT, 1.0)
        chosen = self._rng.choice(hosts, rows.size, p=weight / weight.sum())
        self.people = self.people.placed_with(rows, chosen)
        self._company[rows] = self._company[chosen]

    def _colleagues_effect(self) -> FloatArray:
        """What the earlier outcomes of others at each one's company add to the fit, shape (n,)."""
        others = {}
        for name in ("won", "lost"):
            own = np.where(self.people.junk, 0, self.states[name])
            others[name] = np.bincount(self._company, own)[self._company] - own > 0
        effect = np.where(others["lost"], _COLLEAGUE_LOST, 0.0)
        return np.where(self.people.junk, 0.0, np.where(others["won"], _COLLEAGUE_WON, effect))

    def _bring_back(self, day: int) -> None:
        states = self.states
        for outcome, rate, to in _RETURNS:
            away = (states["status"] == outcome) & (
                states["closed"] < (day - _RETURN_AFTER_DAYS) * _DAY
            )
            rows = np.flatnonzero(away)
            rows = rows[self._rng.random(rows.size) < rate]
            at = day * _DAY + self._rng.integers(8 * 3600, 18 * 3600, rows.size)
            self.moves.append((rows, at, states["status"][rows], np.full(rows.size, to)))
            asked = np.full(rows.size, KIND_NAMES.index("Demo request"))
            self.acts.append((rows, at - self._rng.integers(60, 3600, rows.size), asked))
            states["status"][rows] = to
            states["closed"][rows] = -1
            states["opened"][rows] = day
            new = self.people.intent[rows] + self._rng.normal(_RETURN_INTENT, 0.8, rows.size)
            states["target"][rows] = states["intent"][rows] = new

    def _want(self, rows: IntArray, day: int) -> None:
        """The intent of the day; now and then a project starts."""
        target = self.states["target"]
        intent = self.states["intent"]
        age = day - self.states["opened"][rows]
        target[rows] += np.where(self._rng.random(rows.size) < 0.0015, 1.6, 0.0)
        resting = target[rows] - 0.9 * (1 - np.exp(-age / 60))
        intent[rows] += 0.04 * (resting - intent[rows]) + self._rng.normal(0, 0.14, rows.size)

    def _move(self, today: "_Day", reached: IntArray) -> None:
        changed = np.flatnonzero(reached != today.status)
        who = today.rows[changed]
        to = reached[changed]
        at = today.day * _DAY + self._rng.integers(8 * 3600, 18 * 3600, changed.size)
        self.moves.append((who, at, today.status[changed], to))
        self.states["status"][who] = to
        ended = to > _OPPORTUNITY
        self.states["closed"][who[ended]] = at[ended]
        self.states["won"][who] += to == _WON
        self.states["lost"][who] += to == _LOST


@dataclass(frozen=True)
class _Day:
    """The open leads on one day (since 1970): rows and what drives them, arrays of shape (m,)."""

    rows: IntArray
    day: int
    status: IntArray
    intent: FloatArray
    fit: FloatArray
    market: float

    @property
    def working(self) -> bool:
        """Whether people work on the day; 1970-01-01 was a Thursday."""
        return (self.day + 3) % 7 < 5


def _act(
    people: People, today: _Day, rng: np.random.Generator
) -> tuple[IntArray, IntArray, IntArray]:
    """The activities of one day: rows, moments and kinds."""
    _, base, by_interest, by_intent, by_size = (np.array(part) for part in zip(*KINDS, strict=True))
    large = people.enterprise[today.rows].astype(np.float64)
    interest = people.interest[today.rows]
    logs = (
        base
        + np.outer(interest, by_interest)
        + np.outer(today.intent, by_intent)
        + np.outer(large, by_size)
    )
    # Sales calls the leads that it works.
    logs[:, _CALL] += 1.6 * (today.status >= 2)
    counts = rng.poisson(np.exp(np.minimum(logs, 1.0)) * (1.2 if today.working else 0.4))
    place, kind = np.nonzero(counts)
    times = counts[place, kind]
    place, kind = np.repeat(place, times), np.repeat(kind, times)
    at = today.day * _DAY + rng.integers(6 * 3600, 21 * 3600, place.size)
    return today.rows[place], at, kind.astype(np.int64)


def _step(people: People, today: _Day, rng: np.random.Generator) -> IntArray:
    """The status of each at the end of the day: the next, back at marketing, lost, junk or
    unchanged; nothing moves at weekends."""
    status = today.status
    fit = today.fit
    intent = today.intent
    made_up = people.junk[today.rows]
    slower = np.where(people.enterprise[today.rows] & (status >= 2), 0.65, 1.0)
    pull = (
        _ON_FIT[status] * fit
        + _ON_INTENT[status] * intent
        + np.where(status == _OPPORTUNITY, today.market, 0.0)
    )
    stuck = made_up | (people.barred[today.rows] & (status >= 2))
    on = np.where(stuck, 0.0, _ON_RATE[status] * slower * np.exp(np.clip(pull, -4, 2.5)))
    back = np.where(made_up, 0.0, _BACK_RATE[status] * np.exp(np.clip(-0.4 * fit, -2, 2)))
    lost = _LOST_RATE[status] * np.exp(np.clip(-0.2 * fit - 0.25 * intent, -2, 2))
    junk = np.where(made_up, 0.12, 0.0)
    total = on + back + lost + junk
    # Five working days do the work of seven.
    happens = (rng.random(today.rows.size) < 1 - np.exp(-1.4 * total)) & today.working
    which = rng.random(today.rows.size) * total
    to = np.select(
        [which < on, which < on + back, which < on + back + lost], [status + 1, 0, _LOST], _JUNK
    )
    return np.where(happens, to, status).astype(np.int64)


def _gather(parts: list[tuple[IntArray, ...]], width: int) -> tuple[IntArray, ...]:
    empty = np.zeros(0, dtype=np.int64)
    return tuple(
        np.concatenate([empty, *(part[place] for part in parts)]) for place in range(width)
    )
