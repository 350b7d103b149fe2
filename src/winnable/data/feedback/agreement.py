"""Inter-rater agreement: how far the people who accept or reject leads agree, and how often they
were right.

An opinion is a noisy label. Its noise is estimated as by Dawid and Skene (1979, Applied Statistics
28): each person accepts leads that will be won and leads that will be lost at two rates; the
outcome is known for some leads and weighted by its probability for the others. Rates of people with
few opinions are shrunk towards those of all people. Opinions never become outcomes here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from winnable.core.columns import FloatArray, IntArray
from winnable.core.statistics import wilson
from winnable.data.feedback.store.records import Label

PRIOR_OPINIONS = 10.0
"""The rates of all people count as this many opinions beside a person's own."""
MAX_ITERATIONS = 200
TOLERANCE = 1e-9
"""The estimate has converged when no rate changes by more."""
MIN_LEADS_PER_OUTCOME = 10
"""With fewer won or fewer lost leads among those with an opinion, nothing is estimated."""


@dataclass(frozen=True)
class Share:
    """`hits` of `trials`, with Wilson's 95% confidence interval (Journal of the American
    Statistical Association 22, 1927)."""

    hits: int
    trials: int
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, trials: int) -> "Share":
        """The share; its interval is 0 to 1 without trials."""
        return cls(hits, trials, *wilson(hits, trials, 0.95))


@dataclass(frozen=True)
class Rater:
    """One person's estimated rates of accepting leads that are won and leads that are lost, and the
    number of opinions behind them."""

    by: str
    opinions: int
    accepts_won: float
    accepts_lost: float


@dataclass(frozen=True)
class Agreement:
    """Quality of the opinions on n leads.

    `alpha` is Krippendorff's, 1 for full agreement and 0 for agreement by chance, over the
    `several` leads with opinions of more than one person; None if there are none, or all opinions
    are the same. `accepted_won` is the share won of accepted leads with an outcome, `rejected_won`
    that of rejected ones; `raters` are sorted by their number of opinions.
    """

    leads: int
    several: int
    alpha: float | None
    accepted_won: Share
    rejected_won: Share
    raters: tuple[Rater, ...]

    @property
    def telling(self) -> bool:
        """Whether accepted leads are significantly more often won than rejected ones."""
        return self.accepted_won.low > self.rejected_won.high

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON types. People are not named, since a model card is shared more
        widely than labels."""
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
    """Quality of the opinions (by lead, the latest label of each person); `outcome` is 1 for won
    leads, 0 for lost ones, and has no entry for open ones."""
    ratings = [
        (lead, label.by, label.label == "accepted")
        for lead, labels in opinions.items()
        for label in labels
    ]
    several = [
        [label.label == "accepted" for label in labels]
        for labels in opinions.values()
        if len(labels) > 1
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
    """Krippendorff's alpha for yes and no (Content Analysis, 2004, ch. 11), any number of people
    per unit; None where it is undefined: no unit has two answers, or all answers are the same."""
    disagreement = 0.0
    yes = 0
    no = 0
    for unit in units:
        if len(unit) < 2:
            continue
        yes_here = sum(unit)
        no_here = len(unit) - yes_here
        yes += yes_here
        no += no_here
        disagreement += 2 * yes_here * no_here / (len(unit) - 1)
    if not yes or not no:
        return None
    return 1 - (yes + no - 1) * disagreement / (2 * yes * no)


def _raters(
    ratings: Sequence[tuple[str, str, bool]], outcome: Mapping[str, float]
) -> tuple[Rater, ...]:
    known = {lead: outcome[lead] for lead, _, _ in ratings if lead in outcome}
    if min(sum(known.values()), len(known) - sum(known.values())) < MIN_LEADS_PER_OUTCOME:
        return ()
    leads, of = np.unique([lead for lead, _, _ in ratings], return_inverse=True)
    people, by = np.unique([person for _, person, _ in ratings], return_inverse=True)
    yes = np.array([accepted for _, _, accepted in ratings], dtype=np.float64)
    fate = np.array([known.get(lead, np.nan) for lead in leads])
    rates = error_rates(of.astype(np.int64), by.astype(np.int64), yes, fate)[0]
    counts = np.bincount(by)
    raters = [
        Rater(str(people[i]), int(counts[i]), float(rates[i, 1]), float(rates[i, 0]))
        for i in range(len(people))
    ]
    return tuple(sorted(raters, key=lambda rater: (-rater.opinions, rater.by)))


def error_rates(
    lead: IntArray, by: IntArray, accepted: FloatArray, fate: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Rates of accepting (people, 2), for lost and won leads, and each lead's probability of being
    won (leads,), by expectation-maximization.

    The m opinions are `accepted` (m,) by person `by` on `lead`, both counted from 0; `fate`
    (leads,) is 1, 0, or NaN for open.
    """
    people = int(by.max()) + 1
    known = ~np.isnan(fate)
    base = float(np.clip(fate[known].mean(), 0.01, 0.99))
    won = np.where(known, fate, base)
    rates = np.zeros((people, 2))
    for _ in range(MAX_ITERATIONS):
        before = rates.copy()
        for side, weight in enumerate((1 - won[lead], won[lead])):
            overall = (weight @ accepted + 1) / (weight.sum() + 2)
            yes = np.bincount(by, weight * accepted, people) + PRIOR_OPINIONS * overall
            rates[:, side] = yes / (np.bincount(by, weight, people) + PRIOR_OPINIONS)
        likelihood = np.where(accepted[:, None] > 0, rates[by], 1 - rates[by])
        evidence = np.bincount(lead, np.log(likelihood[:, 1] / likelihood[:, 0]), len(fate))
        odds = np.log(base / (1 - base)) + evidence
        won = np.where(known, fate, 1 / (1 + np.exp(-odds)))
        if np.abs(rates - before).max() < TOLERANCE:
            break
    return rates, won
