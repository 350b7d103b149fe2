"""The simulation behind the demo data: what the company's leads did, and what became of them, day
by day.

Each person has a fit, which is constant, and an intent, which varies: it fades, and now and then a
project starts and raises it. The intent of the day produces activities and, with the fit, moves the
person from stage to stage; only from the last one can a deal be won. Causes come before effects, so
nothing about an outcome is known before it except through its causes. Intent itself is recorded
nowhere, which together with chance is why no model can be certain. Nothing is simulated past the
present.
"""

from dataclasses import dataclass

import numpy as np

from winnable.core.columns import BoolArray, FloatArray, IntArray
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
_LOST_RATE = np.array([0.008, 0.012, 0.022, 0.024, 0.024])
_MAX_AGE_DAYS = 540


@dataclass(frozen=True)
class Journeys:
    """What happened to n people up to the present.

    `status` (n,) is the position in STATUSES that each has reached, `closed` (n,) the second of the
    outcome since 1970, -1 for the open; `target`, `intent` and `luck` (n,) are how the simulation
    left them. Moves and activities are listed in parallel arrays: whose (row), when (second since
    1970), from and to which status, or which kind (position in KINDS).
    """

    status: IntArray
    closed: IntArray
    move_row: IntArray
    move_at: IntArray
    move_from: IntArray
    move_to: IntArray
    act_row: IntArray
    act_at: IntArray
    act_kind: IntArray
    target: FloatArray
    intent: FloatArray
    luck: FloatArray


def live(
    people: People,
    created: IntArray,
    market: FloatArray,
    start: int,
    rng: np.random.Generator,
    before: Journeys | None = None,
    since: int = 0,
) -> Journeys:
    """Simulate the days after `created` (n,), in seconds since 1970, up to the present.

    `market` holds for each day since `start` (second since 1970, midnight) what market conditions
    add to the log rate of winning; it ends on the day before the present. People that were
    simulated up to the second `since` (midnight) continue from how `before` left them; what is
    returned then happened afterwards.
    """
    size = len(people)
    first_day = created // 86_400
    if before is None:
        target = people.intent.copy()
        intent = target + rng.normal(0, 0.5, size)
        luck = rng.normal(0, 0.5, size)
        status = np.zeros(size, dtype=np.int64)
        closed = np.full(size, -1, dtype=np.int64)
    else:
        target = before.target.copy()
        intent = before.intent.copy()
        luck = before.luck
        status = before.status.copy()
        closed = before.closed.copy()
    moves: list[tuple[IntArray, ...]] = []
    acts: list[tuple[IntArray, ...]] = []
    for age in range(1, _MAX_AGE_DAYS + 1):
        day = first_day + age
        rows = np.flatnonzero(
            (status <= _OPPORTUNITY)
            & (day >= since // 86_400)
            & (day < start // 86_400 + len(market))
        )
        if not rows.size:
            continue
        target[rows] += np.where(rng.random(rows.size) < 0.0015, 1.6, 0.0)
        resting = target[rows] - 0.9 * (1 - np.exp(-age / 60))
        intent[rows] += 0.04 * (resting - intent[rows]) + rng.normal(0, 0.14, rows.size)
        market_effect = market[day[rows] - start // 86_400]
        today = _Day(
            rows,
            day[rows],
            status[rows],
            intent[rows],
            people.fit[rows] + luck[rows],
            market_effect,
        )
        acts.append(_act(people, today, rng))
        reached = _step(people, today, rng)
        changed = np.flatnonzero(reached != today.status)
        who = rows[changed]
        at = day[rows][changed] * 86_400 + rng.integers(8 * 3600, 18 * 3600, changed.size)
        moves.append((who, at, status[who], reached[changed]))
        status[who] = reached[changed]
        ended = status[who] > _OPPORTUNITY
        closed[who[ended]] = at[ended]
    act_row, act_at, act_kind = _gather(acts, 3)
    kept = (closed[act_row] < 0) | (act_at < closed[act_row])
    move_row, move_at, move_from, move_to = _gather(moves, 4)
    return Journeys(
        status,
        closed,
        move_row,
        move_at,
        move_from,
        move_to,
        act_row=act_row[kept],
        act_at=act_at[kept],
        act_kind=act_kind[kept],
        target=target,
        intent=intent,
        luck=luck,
    )


@dataclass(frozen=True)
class _Day:
    """The open leads on one day of their lives: rows, days since 1970 and what drives them, all
    arrays of shape (m,)."""

    rows: IntArray
    day: IntArray
    status: IntArray
    intent: FloatArray
    fit: FloatArray
    market: FloatArray

    @property
    def working(self) -> BoolArray:
        """On which of the days people work; 1970-01-01 was a Thursday."""
        return np.asarray((self.day + 3) % 7 < 5)


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
    counts = rng.poisson(np.exp(np.minimum(logs, 1.0)) * np.where(today.working, 1.2, 0.4)[:, None])
    place, kind = np.nonzero(counts)
    times = counts[place, kind]
    place, kind = np.repeat(place, times), np.repeat(kind, times)
    at = today.day[place] * 86_400 + rng.integers(6 * 3600, 21 * 3600, place.size)
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
