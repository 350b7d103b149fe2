"""A simulated company whose leads live as real ones do: they are won, lost, come back, and many
ends have no date, or they are colleagues, of whom one may be a customer. What every lead truly
becomes is known, so that a model can be held against it.

No test is here: `simulate` and `simulate_accounts` give the tables of a CRM, `predicted_to_actual`
and `colleagues_predicted_to_actual` compare a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import winnable
from winnable.core.columns import BoolArray, FloatArray, IntArray
from winnable.core.timestamps import DAY
from winnable.data.features.accounts import unknown_accounts
from winnable.data.features.training_rows import TrainingRows
from winnable.definition.schema import Definition
from winnable.learning.scoring.predictor import Predictor

ObjectArray = NDArray[np.object_]

START = pd.Timestamp("2023-01-01", tz="UTC")
DAYS = 1000
"""Leads arrive over so many days; the export is of the last one."""

RATES = {
    "first": (0.0045, 0.010),
    "after loss": (0.0080, 0.008),
    "after win": (0.0140, 0.006),
}
"""The daily rates of winning and of losing in an episode, before what is known of the lead."""

SOURCE_EFFECT = {"Referral": 0.6, "Website": 0.0, "List": -0.8}

DEFINITION = Definition.model_validate(
    {
        "outcome": {"won": ["Won"], "lost": ["Lost"], "horizon_days": 90},
        "columns": {
            "id": "id",
            "created": "created",
            "closed": "closed",
            "status": "status",
            "source": "source",
        },
    }
)


@dataclass(frozen=True)
class World:
    """The tables of a CRM, and of each episode: lead (position), group, and in days since `START`
    its begin and its end, and how it ended (won, lost, open)."""

    leads: pd.DataFrame
    activities: pd.DataFrame
    history: pd.DataFrame
    episodes: pd.DataFrame


def simulate(size: int, seed: int, *, dated_losses: float = 1.0, returns: bool = True) -> World:
    """A company of `size` leads, of whose losses the share `dated_losses` has a closing date."""
    rng = np.random.default_rng(seed)
    source = rng.choice(list(SOURCE_EFFECT), size)
    created = np.sort(rng.uniform(0, DAYS, size))
    effect = np.asarray([SOURCE_EFFECT[name] for name in source])
    episodes = _episodes(created, effect, returns, rng)
    last = episodes.drop_duplicates("lead", keep="last").set_index("lead")
    closed = np.where(last.outcome == "open", np.nan, last.end)
    closed = np.where((last.outcome == "lost") & (rng.random(size) >= dated_losses), np.nan, closed)
    words = {"won": "Won", "lost": "Lost", "open": "Working"}
    leads = pd.DataFrame(
        {
            "id": [f"L{row}" for row in range(size)],
            "status": last.outcome.map(words).to_numpy(),
            "created": _written(created),
            "closed": _written(closed),
            "source": source,
        }
    )
    return World(leads, _activities(episodes, rng), _history(episodes, words), episodes)


def _episodes(
    created: FloatArray, effect: FloatArray, returns: bool, rng: np.random.Generator
) -> pd.DataFrame:
    rows = []
    for lead, start in enumerate(created):
        group = "first"
        begin = float(start)
        while begin < DAYS:
            win, lose = RATES[group]
            win *= np.exp(effect[lead])
            end = begin + rng.exponential(1 / (win + lose))
            outcome = "won" if rng.random() < win / (win + lose) else "lost"
            if end > DAYS:
                rows.append((lead, group, begin, np.nan, "open"))
                break
            rows.append((lead, group, begin, end, outcome))
            if not returns or rng.random() > 0.35:
                break
            begin = end + rng.exponential(90)
            group = f"after {'win' if outcome == 'won' else 'loss'}"
    return pd.DataFrame(rows, columns=["lead", "group", "begin", "end", "outcome"])


def _activities(episodes: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Visits, every ten days while a lead is open."""
    until = episodes.end.fillna(DAYS).to_numpy()
    begin = episodes.begin.to_numpy()
    count = rng.poisson((until - begin) / 10)
    lead = np.repeat(episodes.lead.to_numpy(), count)
    at = np.repeat(begin, count) + rng.random(len(lead)) * np.repeat(until - begin, count)
    ids = [f"L{row}" for row in lead]
    return pd.DataFrame({"lead": ids, "type": "Visit", "at": _written(at)})


def _history(episodes: pd.DataFrame, words: dict[str, str]) -> pd.DataFrame:
    """The changes of the status: every end and every return."""
    ended = episodes[episodes.outcome != "open"]
    ends = pd.DataFrame(
        {"lead": ended.lead, "at": ended.end, "old": "Working", "new": ended.outcome.map(words)}
    )
    again = episodes[episodes.group != "first"]
    before = np.where(again.group == "after win", "Won", "Lost")
    begun = pd.DataFrame({"lead": again.lead, "at": again.begin, "old": before, "new": "Working"})
    changes = pd.concat([ends, begun]).sort_values("at")
    return pd.DataFrame(
        {
            "lead": [f"L{row}" for row in changes["lead"]],
            "at": _written(changes["at"].to_numpy()),
            "field": "status",
            "old": changes["old"].to_numpy(),
            "new": changes["new"].to_numpy(),
        }
    )


def _written(days: FloatArray) -> list[str | None]:
    moments = START + pd.to_timedelta(days, unit="D")
    return [None if pd.isna(when) else f"{when:%Y-%m-%d %H:%M:%S}" for when in moments]


def predicted_to_actual(
    predictor: Predictor, world: World, ages: Sequence[int], *, with_history: bool
) -> dict[tuple[str, int], tuple[float, int]]:
    """The mean probability over the share won within the horizon, and how many were won, by the
    group of the episode and its age in days. Who is won is asked of the world, not of its tables;
    those whose horizon ends after the world does are left out."""
    history = world.history if with_history else None
    data = winnable.read(world.leads, world.activities, history, definition=DEFINITION)
    episodes = world.episodes
    found = {}
    for age in ages:
        moment = episodes.begin + age
        horizon_ends = moment + DEFINITION.outcome.horizon_days
        is_open = ~(episodes.end <= moment) & (horizon_ends <= DAYS)
        as_of = START.value // 1000 + np.rint(moment * DAY).astype(np.int64)
        leads = episodes.lead.to_numpy(dtype=np.int64)[is_open]
        features = data.features(predictor.plan, leads, as_of.to_numpy()[is_open])
        probability = predictor.probability(features)
        won = ((episodes.outcome == "won") & (episodes.end <= horizon_ends))[is_open].to_numpy()
        group = episodes.group[is_open].to_numpy()
        for name in RATES:
            mine = group == name
            if won[mine].any():
                ratio = float(probability[mine].mean() / won[mine].mean())
                found[name, age] = (ratio, int(won[mine].sum()))
    return found


COLLEAGUE_RATES = {False: (0.0035, 0.010), True: (0.0140, 0.008)}
"""The daily rates of winning and of losing, by whether somebody else of the account was won."""

ACCOUNT_DEFINITION = Definition.model_validate(
    DEFINITION.model_dump(exclude_defaults=True)
    | {"columns": DEFINITION.columns.model_dump(exclude_defaults=True) | {"account": "company"}}
)


def simulate_accounts(size: int, seed: int, *, matters: bool = True) -> World:
    """A company to which accounts send one lead or several. Whoever has a colleague who was won is
    won more often from then on, unless `matters` is false."""
    rng = np.random.default_rng(seed)
    of = rng.integers(0, size // 3, size)
    created = rng.uniform(0, DAYS, size)
    source = rng.choice(list(SOURCE_EFFECT), size)
    effect = np.asarray([SOURCE_EFFECT[name] for name in source])
    lives = _Lives(created, effect, np.full(size, np.nan), np.full(size, "open", dtype=object))
    for members in np.split(np.argsort(of, kind="stable"), np.cumsum(np.bincount(of))[:-1]):
        _live_in_account(members, lives, rng, matters=matters)
    group = [f"Firm {number}" for number in of]
    episodes = pd.DataFrame(
        {
            "lead": np.arange(size),
            "group": group,
            "begin": created,
            "end": lives.end,
            "outcome": lives.outcome,
        }
    )
    words = {"won": "Won", "lost": "Lost", "open": "Working"}
    leads = pd.DataFrame(
        {
            "id": [f"L{row}" for row in range(size)],
            "company": [f"{name} {rng.choice(['Inc.', 'GmbH', ''])}" for name in group],
            "status": episodes.outcome.map(words),
            "created": _written(created),
            "closed": _written(lives.end),
            "source": source,
        }
    )
    history = _history(episodes.assign(group="first"), words)
    return World(leads, _activities(episodes, rng), history, episodes)


@dataclass(frozen=True)
class _Lives:
    """When leads were created and how they ended, filled in as they live, each (n,)."""

    created: FloatArray
    effect: FloatArray
    end: FloatArray
    outcome: ObjectArray


def _live_in_account(
    members: IntArray, lives: _Lives, rng: np.random.Generator, *, matters: bool
) -> None:
    """Let the leads of an account live, event by event: each rate holds until the next event."""
    arriving = sorted(members.tolist(), key=lambda lead: lives.created[lead])
    present: list[int] = []
    day = 0.0
    while arriving or present:
        won_before = matters and any(lives.outcome[lead] == "won" for lead in members)
        win, lose = COLLEAGUE_RATES[bool(won_before)]
        rates = np.asarray([[win * np.exp(lives.effect[lead]), lose] for lead in present])
        wait = rng.exponential(1 / rates.sum()) if present else np.inf
        if arriving and lives.created[arriving[0]] <= day + wait:
            day = lives.created[arriving[0]]
            present.append(arriving.pop(0))
            continue
        day += wait
        if day > DAYS:
            return
        which = int(rng.choice(rates.size, p=rates.ravel() / rates.sum()))
        lead = present.pop(which // 2)
        lives.end[lead] = day
        lives.outcome[lead] = "lost" if which % 2 else "won"


def colleagues_predicted_to_actual(
    predictor: Predictor, world: World, *, told: bool = True
) -> dict[tuple[bool | None, int], float]:
    """The mean probability over the share won in the latter half of the world's time, by whether a
    colleague was won before, and age; -1 for all ages, None for both groups. With `told` false
    nothing is known of the accounts, as in a request that does not tell it."""
    data = winnable.read(world.leads, world.activities, definition=ACCOUNT_DEFINITION)
    rows = data.training_rows
    rows = rows.take(rows.known & (rows.as_of / DAY > START.value / (1000 * DAY) + DAYS / 2))
    features = data.features(predictor.plan, rows.leads, rows.as_of)
    if not told:
        features = features.with_columns(unknown_accounts(features.size))
    probability = predictor.probability(features)
    after = _colleague_was_won(world, rows)
    found: dict[tuple[bool | None, int], float] = {}
    for is_after in (False, True, None):
        for age in (-1, *np.unique(rows.age).tolist()):
            mine = ((after == is_after) | (is_after is None)) & ((rows.age == age) | (age == -1))
            if rows.won[mine].sum() >= 1:
                ratio = probability[mine].mean() / rows.won[mine].mean()
                found[is_after, int(age)] = float(ratio)
    return found


def _colleague_was_won(world: World, rows: TrainingRows) -> BoolArray:
    """Whether another lead of the account was won before each row's time, shape (n,)."""
    day = rows.as_of / DAY - START.value / (1000 * DAY)
    wins = world.episodes[world.episodes.outcome == "won"]
    of_account = dict(list(wins.groupby("group")))
    group = world.episodes.group.to_list()
    after = np.zeros(len(day), dtype=np.bool_)
    for row, (lead, when) in enumerate(zip(rows.leads.tolist(), day.tolist(), strict=True)):
        theirs = of_account.get(group[lead])
        if theirs is not None:
            after[row] = bool(((theirs.end < when) & (theirs.lead != lead)).any())
    return after
