"""Time to win: how wins come with a lead's age (survival analysis with losses as competing risks),
and what that makes of leads that are censored, because their horizon has not passed yet.

A `WinTimeCurve` holds the cumulative incidence of wins, learned from the whole lives of all leads,
the open ones included. Two things follow from it. Leads that have been observed for a part of the
horizon only can teach a model of the whole horizon (`censoring_weights`). And one probability gives
those for every other horizon (`WinTimeCurve.rescale_horizon`), so that there is never a second one
that contradicts it. No model is fitted here.

Why open leads are treated so, and not in one of the usual ways: log loss on the leads of the next
weeks, whole outcome, 90 days. Olist cut at the end of February, March and April 2018; Maven at four
cuts of 2017; six cuts of simulated histories.

                                             Olist              Maven, mean  simulated, mean
    weights by what has been observed        .356  .357  .279   .663         .350
    open leads counted as lost               .368  .367  .268   .786         .353
    only leads whose horizon has passed        -     -   .276   .796         .356
    inverse probability of censoring           -     -   .700   .650          -
    person-period trees, win and loss        .370  .361  .289   .703         .362
    hazardous.SurvivalBoost 0.2             2.080 1.686  .570   .708          -

A dash is where a way has nothing to learn from, or was not run. In May 2018 Olist's rate fell from
12.6% to 8.4%, and no way that was tried saw it coming. At the cut, the leads that had been observed
to the end stood at 11.3%, all together at 13.3% (Aalen and Johansen), and leads of equal age were
won more often from month to month (by 17%, standard error 4%). The model ranks as well as the
others (AUC 0.71), and at the right level it would have .268, like open leads counted as lost, which
always expect too little. Even the same model taught with the outcomes of May itself, left out in
turn, has .270 there: what was known at the cut could not have shown it. What was tried for that
month and left alone, being worse elsewhere (Maven with other cuts and columns than above):

    weights by what has been observed        .356  .357  .278   .607         .351
    without the root that tempers them       .356  .357  .279   .605         .351
    tempered four times as much              .357  .358  .276   .621         .352
    level read from the settled leads alone  .356  .360  .273   .635         .352
    open leads as soft labels, one EM step   .358  .416  .298   .610         .351
    a trend of the rate over cohorts         promises 1.4, 1.2 and 2.2 times what came

Weights by the inverse probability of censoring were better on Maven, but need a history longer than
the horizon and lean on its few oldest leads. Trees over person-periods would be a second model
beside the blend; weights let every expert learn from open leads and leave one probability.
`tests/benchmarks/test_open_leads.py` holds the comparison.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from winnable.core.columns import BoolArray, FloatArray

MIN_LEADS_AT_RISK = 10
"""Leads that must still be under observation at an age for the wins at that age to be counted
on."""

MIN_OBSERVED_SHARE = 0.05
"""The share of a horizon's wins that must have had the time to come; rows that have been observed
for less teach nothing."""


@dataclass(frozen=True)
class WinTimeCurve:
    """The share of leads won and the share still open by age: three arrays of shape (k,), ages in
    days from 0 on.

    `observed` is the age up to which the history has been observed. Beyond it wins and losses go on
    as they did over the last doubling of age, as many in every further doubling: the rate falls
    with age, as it does where it can be observed."""

    ages: FloatArray
    won: FloatArray
    open: FloatArray
    observed: float

    def within(self, age: FloatArray, days: FloatArray | float) -> FloatArray:
        """The probability that a lead that is open at `age` is won in the next `days`, by age
        alone; shape of the two."""
        return self._from(self._representative(age), days)

    def rescale_horizon(
        self, probability: FloatArray, age: FloatArray, horizon: float, days: float
    ) -> FloatArray:
        """The probability of being won within `days` of leads of an `age`, each (n,), from that
        within the `horizon`.

        By proportional subdistribution hazards, 1 - P(t | x) = (1 - F(t)) ** r(x) (Fine and Gray
        1999, JASA 94, 496-509), so that it never falls with the days. Where nothing is known to be
        won within the horizon, nothing is claimed for any other.
        """
        known = self.within(age, horizon)
        asked = self.within(age, days)
        exponent = np.divide(
            np.log1p(-asked), np.log1p(-known), out=np.ones_like(known), where=known > 0
        )
        return np.asarray(
            -np.expm1(exponent * np.log1p(-np.minimum(probability, 1 - 1e-12))), dtype=np.float64
        )

    def observed_share(
        self, age: FloatArray, days: FloatArray, horizon: float
    ) -> tuple[FloatArray, FloatArray]:
        """Of leads observed from an `age` for `days` of the `horizon`: the share of the horizon's
        wins that have come by then, and the chance of those still open to be won in the rest of it;
        all (n,)."""
        start = self._representative(age)
        by_then = self._from(start, days)
        in_all = self._from(start, horizon)
        seen = np.divide(by_then, in_all, out=np.zeros_like(in_all), where=in_all > 0)
        return np.minimum(seen, 1.0), self._from(start + days, horizon - days)

    def open_at(self, age: float) -> float:
        """The share of leads that are still open at an age."""
        return float(np.interp(age, self.ages, self.open))

    def _representative(self, age: FloatArray) -> FloatArray:
        """The age that represents leads of an `age`: of old ones too few are left to distinguish
        them."""
        return np.minimum(age, self.observed / 2)

    def _from(self, start: FloatArray, days: FloatArray | float) -> FloatArray:
        gained = np.interp(start + days, self.ages, self.won) - np.interp(
            start, self.ages, self.won
        )
        return np.clip(
            gained / np.maximum(np.interp(start, self.ages, self.open), 1e-9), 0.0, 1 - 1e-9
        )

    def to_json(self) -> dict[str, Sequence[float] | float]:
        """The curve as plain JSON types."""
        return {
            "ages": self.ages.tolist(),
            "won": self.won.tolist(),
            "open": self.open.tolist(),
            "observed": self.observed,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """The curve that `to_json` wrote."""
        ages, won, still_open = (
            np.asarray(data[name], dtype=np.float64) for name in ("ages", "won", "open")
        )
        return cls(ages, won, still_open, float(str(data["observed"])))


def fit_win_time_curve(
    days: FloatArray, won: BoolArray, lost: BoolArray, until: float
) -> WinTimeCurve:
    """The win-time curve of n leads up to the age `until`, by Aalen and Johansen's estimator (1978,
    Scand. J. Statist. 5, 141-150).

    `days` (n,) is the time from creation to the end of each lead or of its observation; a lead
    neither won nor lost is censored.
    """
    ages = np.unique(np.r_[0.0, np.geomspace(0.02, max(until, 1.0), 160)])
    if not len(days):
        return WinTimeCurve(ages, np.zeros_like(ages), np.ones_like(ages), 0.0)
    order = np.argsort(days, kind="stable")
    days, won, lost = days[order], won[order], lost[order]
    observed = float(days[-min(MIN_LEADS_AT_RISK, len(days))])
    times, first = np.unique(days, return_index=True)
    at_risk = len(days) - first
    wins = np.add.reduceat(won.astype(float), first)
    losses = np.add.reduceat(lost.astype(float), first)
    open_after = np.cumprod(1 - (wins + losses) / at_risk)
    share = np.cumsum(np.append(1.0, open_after[:-1]) * wins / at_risk)
    place = np.searchsorted(times, np.minimum(ages, observed), side="right")
    curve = WinTimeCurve(
        ages, np.append(0.0, share)[place], np.append(1.0, open_after)[place], observed
    )
    return curve if observed >= until or observed <= 0 else _extrapolated(curve)


def _extrapolated(curve: WinTimeCurve) -> WinTimeCurve:
    """A curve beyond its observation."""
    half = curve.observed / 2
    end = curve.observed
    won, still_open = (
        np.interp([half, end], curve.ages, share) for share in (curve.won, curve.open)
    )
    won_rate = (won[1] - won[0]) / max(float(still_open.mean()), 1e-9) / np.log(2)
    end_rate = (still_open[0] - still_open[1]) / max(float(still_open.mean()), 1e-9) / np.log(2)
    later = curve.ages > end
    left = still_open[1] * (curve.ages[later] / end) ** -end_rate
    ended = won_rate / end_rate * (still_open[1] - left) if end_rate > 0 else 0.0
    shares_won = curve.won.copy()
    shares_open = curve.open.copy()
    shares_won[later] = won[1] + ended
    shares_open[later] = left
    return WinTimeCurve(curve.ages, shares_won, shares_open, curve.observed)


def censoring_weights(
    curve: WinTimeCurve, age: FloatArray, observed: FloatArray, ended: FloatArray, horizon: float
) -> FloatArray:
    """How much each row (lead at an age) teaches about its horizon, of which only `observed` days
    have passed; all (n,).

    `ended` says how the observation ended: 1.0 won, 0.0 lost, NaN still open. A won row counts as
    won, any other as not won. What is not won counts less the fewer of the wins have had time to
    come, because fewer wins stand beside it: a loss by the share of the horizon's wins that come
    within the observed time, an open lead by that times the chance that it is not won later. Then
    the odds of winning among the rows of any observed time are those of the whole horizon, as when
    cases and controls are sampled separately (King and Zeng 2001, Political Analysis 9, 137-163),
    provided that among leads of one age the wins of all come along one curve. Besides, all rows
    count less the shorter their observed time: the curve is that of past leads, and a sales team
    that has become quicker would be taken for one that wins more. A horizon that has passed gives
    1.

    Every learner takes weights, so that all experts, the blend and the calibration learn from open
    leads as well.
    """
    seen, won_later = curve.observed_share(age, observed, horizon)
    lost_or_open = np.where(ended == 0, seen, seen * (1 - won_later))
    weights = np.sqrt(seen) * np.where(ended == 1, 1.0, lost_or_open)
    enough = np.where(seen < MIN_OBSERVED_SHARE, 0.0, weights)
    return np.where(observed >= horizon, 1.0, enough)
