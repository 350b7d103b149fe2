"""A simulated company whose leads live as real ones do: they are won, lost, come back, and many
ends have no date. What every lead truly becomes is known, so that a model can be held against it.

No test is here: `simulate` gives the tables of a CRM, `predicted_to_actual` compares a model.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

import winnable
from winnable.core.columns import FloatArray
from winnable.core.timestamps import DAY
from winnable.definition.schema import Definition
from winnable.learning.scoring.predictor import Predictor

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
    predictor: Predictor, world: World, *, with_history: bool
) -> dict[tuple[str, int], float]:
    """The mean probability over the share won, by the group of the episode and its age in days."""
    told = winnable.read(world.leads, world.activities, world.history, definition=DEFINITION)
    rows = told.training_rows
    rows = rows.take(rows.known)
    data = (
        told
        if with_history
        else winnable.read(world.leads, world.activities, definition=DEFINITION)
    )
    probability = predictor.probability(data.features(predictor.plan, rows.leads, rows.as_of))
    start = (rows.as_of / DAY - rows.age) - START.value / (1000 * DAY)
    nearest = world.episodes.assign(key=world.episodes.begin.round(3))
    groups = dict(zip(zip(nearest.lead, nearest.key, strict=True), nearest.group, strict=True))
    begun = zip(rows.leads.tolist(), start.tolist(), strict=True)
    group = np.asarray([_group_of(groups, lead, day) for lead, day in begun])
    found = {}
    for name in RATES:
        for age in np.unique(rows.age):
            mine = (group == name) & (rows.age == age)
            if rows.won[mine].sum() >= 1:
                ratio = probability[mine].mean() / rows.won[mine].mean()
                found[name, int(age)] = float(ratio)
    return found


def _group_of(groups: dict[tuple[int, float], str], lead: int, day: float) -> str:
    """The group of the episode that began then; what is written has whole seconds."""
    for shift in (0.0, 0.001, -0.001):
        found = groups.get((lead, round(day + shift, 3)))
        if found is not None:
            return found
    raise LookupError(f"no episode of lead {lead} began on day {day}")
