"""What becomes of the demo company's open leads, told by living on many times from its present: the
true probability of each, which no export holds, to hold a model against.

The demo's market declines, and a model learns from what was. So there are two truths: as the market
goes on, and as it would be in the market of the middle of the history. No test is here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from winnable.core.columns import BoolArray, FloatArray, IntArray
from winnable.core.timestamps import DAY
from winnable.demo.journeys import STAGES, STATUSES, WON, Journeys, live
from winnable.demo.people import People
from winnable.demo.records import PRESENT, START, everyone, market

GROUPS = ("first time", "colleague of a customer", "after loss", "after win")
SECONDS = DAY // 1_000_000


@dataclass(frozen=True)
class Future:
    """The m leads that are open at the present: ids, group (one of `GROUPS`), the probability of
    being won within the horizon, and that in the market of the middle of the history; all (m,)."""

    ids: NDArray[np.object_]
    group: NDArray[np.object_]
    probability: FloatArray
    formerly: FloatArray

    def log_loss(self, probability: FloatArray) -> float:
        """The log loss that these probabilities (m,) have on average over the futures."""
        truth = self.probability
        return float(-(truth * np.log(probability) + (1 - truth) * np.log1p(-probability)).mean())

    def least_log_loss(self) -> float:
        """The log loss of the truth: nobody can have a lower one."""
        return self.log_loss(np.clip(self.probability, 1e-12, 1 - 1e-12))

    def allowance(self, mine: BoolArray) -> float:
        """What chance may add to the mean of these leads, as a share of it: two standard errors of
        the mean of the true probabilities."""
        truth = self.probability[mine]
        return float(2 * truth.std() / np.sqrt(mine.sum()) / truth.mean())


def open_leads_of(size: int, seed: int, *, futures: int, days: int = 90) -> Future:
    """The open leads of the demo company of that size and seed."""
    people, created, journeys = everyone(size, seed)
    present = int(PRESENT.timestamp())
    start = int(START.timestamp())
    going_on = market(present + days * SECONDS)
    formerly = np.full(len(going_on), going_on[: -days or None].mean())
    is_open = journeys.status < len(STAGES)
    shares = []
    for conditions in (going_on, formerly):
        won = np.zeros(len(people))
        for number in range(futures):
            rng = np.random.default_rng([seed, number])
            _, since = live(people, created, conditions, start, rng, journeys, present)
            won += since.won > journeys.won
        shares.append(won[is_open] / futures)
    ids = np.array([f"L-{100_001 + row}" for row in np.flatnonzero(is_open)], dtype=object)
    return Future(ids, _groups(people, journeys)[is_open], shares[0], shares[1])


def _groups(people: People, journeys: Journeys) -> NDArray[np.object_]:
    group = np.full(len(people), "first time", dtype=object)
    group[_has_customers(people, journeys)] = "colleague of a customer"
    for at, row in zip(journeys.move_from, journeys.move_row, strict=True):
        if at >= len(STAGES):
            group[row] = "after win" if STATUSES[at] == WON else "after loss"
    return group


def _has_customers(people: People, journeys: Journeys) -> BoolArray:
    """Whose company has another lead that was won once, shape (n,)."""
    company: IntArray = np.unique(people.fields["Company"].astype(str), return_inverse=True)[1]
    own = np.where(people.junk, 0, journeys.won)
    return np.asarray(np.bincount(company, own)[company] - own > 0)
