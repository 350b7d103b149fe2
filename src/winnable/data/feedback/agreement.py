"""What opinions are worth: how far those who give them agree, and how often accepting and rejecting
was right.

An opinion is a noisy label. How noisy is estimated the way Dawid and Skene (1979, Applied
Statistics 28) do it: each person has rates of accepting leads that will be won and leads that will
be lost, the outcome is known for some leads and weighed by its chances for the others. People who
answered little are drawn towards all of them together. No outcome is made of an opinion here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from winnable.core.columns import FloatArray, IntArray
from winnable.core.statistics import wilson
from winnable.data.feedback.store.records import Label

DRAWN = 10.0  # opinions that the rates of all people count for, beside one person's own
STEPS, STILL = 200, 1e-9  # of the estimate: at most so many, until nothing moves by more
# Leads with an opinion and an outcome, won and lost each, below which opinions are worth nothing
# that one could name.
LEAST = 10


@dataclass(frozen=True)
class Share:
    """`hits` of `trials`, with Wilson's 95 % interval (Journal of the American Statistical
    Association 22, 1927)."""

    hits: int
    trials: int
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, trials: int) -> "Share":
        """The share; between 0 and 1 where there are no trials."""
        return cls(hits, trials, *wilson(hits, trials, 0.95))


@dataclass(frozen=True)
class Rater:
    """One person's estimated rates of accepting leads that are won and leads that are lost, from so
    many opinions."""

    by: str
    opinions: int
    accepts_won: float
    accepts_lost: float


@dataclass(frozen=True)
class Agreement:
    """What the opinions on n leads are worth.

    `alpha` is Krippendorff's, 1 where people agree and 0 where they agree no more than by chance,
    over the `several` leads that more than one person answered; None where there are none, or all
    say the same. `accepted_won` is the share won of accepted leads with an outcome, `rejected_won`
    that of the others; `raters` are those with the most opinions first.
    """

    leads: int
    several: int
    alpha: float | None
    accepted_won: Share
    rejected_won: Share
    raters: tuple[Rater, ...]

    @property
    def telling(self) -> bool:
        """Whether accepted leads are surely won more often than rejected ones."""
        return self.accepted_won.low > self.rejected_won.high

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON types. People are not named: a model's card travels further than
        the labels."""
        shares = {name: asdict(getattr(self, name)) for name in ("accepted_won", "rejected_won")}
        raters = [
            {name: value for name, value in asdict(rater).items() if name != "by"}
            for rater in self.raters
        ]
        return {
            "leads": self.leads,
            "several": self.several,
            "alpha": self.alpha,
            **shares,
            "raters": raters,
        }


def agreement(opinions: Mapping[str, Sequence[Label]], outcome: Mapping[str, float]) -> Agreement:
    """What the opinions (by lead, the last word of each person) are worth; `outcome` is 1 for leads
    won, 0 for lost ones, and has no entry for open ones."""
    ratings = [
        (lead, each.by, each.label == "accepted")
        for lead, said in opinions.items()
        for each in said
    ]
    several = [
        [each.label == "accepted" for each in said] for said in opinions.values() if len(said) > 1
    ]
    accepted = [outcome[lead] for lead, _, yes in ratings if yes and lead in outcome]
    rejected = [outcome[lead] for lead, _, yes in ratings if not yes and lead in outcome]
    return Agreement(
        leads=len(opinions),
        several=len(several),
        alpha=krippendorff_alpha(several),
        accepted_won=Share.of(int(sum(accepted)), len(accepted)),
        rejected_won=Share.of(int(sum(rejected)), len(rejected)),
        raters=_raters(ratings, outcome),
    )


def krippendorff_alpha(units: Iterable[Sequence[bool]]) -> float | None:
    """Krippendorff's alpha for yes and no (Content Analysis, 2004, ch. 11), any number of people a
    unit; None where it has no meaning, since nobody answered what another did, or all say the same.
    """
    disagreed, yes, no = 0.0, 0, 0
    for unit in units:
        if len(unit) < 2:
            continue
        agreed = sum(unit)
        yes, no = yes + agreed, no + len(unit) - agreed
        disagreed += 2 * agreed * (len(unit) - agreed) / (len(unit) - 1)
    if not yes or not no:
        return None
    return 1 - (yes + no - 1) * disagreed / (2 * yes * no)


def _raters(
    ratings: Sequence[tuple[str, str, bool]], outcome: Mapping[str, float]
) -> tuple[Rater, ...]:
    known = {lead: outcome[lead] for lead, _, _ in ratings if lead in outcome}
    if min(sum(known.values()), len(known) - sum(known.values())) < LEAST:
        return ()
    leads, of = np.unique([lead for lead, _, _ in ratings], return_inverse=True)
    people, by = np.unique([person for _, person, _ in ratings], return_inverse=True)
    yes = np.array([accepted for _, _, accepted in ratings], dtype=np.float64)
    fate = np.array([known.get(lead, np.nan) for lead in leads])
    rates = error_rates(of.astype(np.int64), by.astype(np.int64), yes, fate)[0]
    counts = np.bincount(by)
    told = [
        Rater(str(people[i]), int(counts[i]), float(rates[i, 1]), float(rates[i, 0]))
        for i in range(len(people))
    ]
    return tuple(sorted(told, key=lambda rater: (-rater.opinions, rater.by)))


def error_rates(
    lead: IntArray, by: IntArray, accepted: FloatArray, fate: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Rates of accepting (people, 2), for leads lost and won, and the chance of being won of each
    lead (leads,).

    The m opinions are `accepted` (m,) by person `by` on `lead`, both counted from 0; `fate`
    (leads,) is 1, 0, or NaN for open.
    """
    people, known = int(by.max()) + 1, ~np.isnan(fate)
    base = float(np.clip(fate[known].mean(), 0.01, 0.99))
    won = np.where(known, fate, base)
    rates = np.zeros((people, 2))
    for _ in range(STEPS):
        before = rates.copy()
        for side, weight in enumerate((1 - won[lead], won[lead])):
            all_of_them = (weight @ accepted + 1) / (weight.sum() + 2)
            yes = np.bincount(by, weight * accepted, people) + DRAWN * all_of_them
            rates[:, side] = yes / (np.bincount(by, weight, people) + DRAWN)
        said = np.where(accepted[:, None] > 0, rates[by], 1 - rates[by])
        evidence = np.bincount(lead, np.log(said[:, 1] / said[:, 0]), len(fate))
        odds = np.log(base / (1 - base)) + evidence
        won = np.where(known, fate, 1 / (1 + np.exp(-odds)))
        if np.abs(rates - before).max() < STILL:
            break
    return rates, won
