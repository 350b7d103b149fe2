"""From one horizon to the other: how many of the wins come later.

The model gives the probability of being won within the sales-ready horizon. The probability within the longer, winnable horizon
follows from it by proportional subdistribution hazards: 1 - P(t | x) = (1 - F(t)) ** r(x) (Fine and Gray 1999, JASA 94, 496-509),
where F is the cumulative incidence of winning with losing as a competing event. So there is one coherent probability: it never
falls with the horizon, and needs one number from the history, the ratio of log(1 - F) at the two horizons.
"""

import numpy as np

from winnable.definition.facts import BoolArray, FloatArray


def cumulative_incidence(days: FloatArray, won: BoolArray, lost: BoolArray, until: FloatArray) -> FloatArray:
    """The share won by each of the days `until`, by Aalen and Johansen's estimator (1978, Scand. J. Statist. 5, 141-150).

    `days` (n,) is the time from creation to the end of each lead or of its observation; a lead neither won nor lost is censored.
    """
    order = np.argsort(days, kind="stable")
    days, won, lost = days[order], won[order], lost[order]
    times, first = np.unique(days, return_index=True)
    at_risk = len(days) - first
    wins, losses = np.add.reduceat(won.astype(float), first), np.add.reduceat(lost.astype(float), first)
    open_after = np.cumprod(1 - (wins + losses) / at_risk)
    open_before = np.append(1.0, open_after[:-1])
    share = np.cumsum(open_before * wins / at_risk)
    return np.append(0.0, share)[np.searchsorted(times, until, side="right")]


def later_wins(days: FloatArray, won: BoolArray, lost: BoolArray, horizon: float, winnable: float) -> float:
    """The exponent that turns 1 - P(horizon) into 1 - P(winnable); 1.0, no later wins, where the history cannot tell.

    What happens beyond the longest observation is not extrapolated.
    """
    if not won.any():
        return 1.0
    short, long = np.clip(cumulative_incidence(days, won, lost, np.array([horizon, winnable])), 0, 1 - 1e-9)
    return float(max(np.log1p(-long) / np.log1p(-short), 1.0)) if short > 0 else 1.0


def stretch(probability: FloatArray, exponent: float) -> FloatArray:
    """The probability at the winnable horizon from that at the sales-ready one, same shape."""
    return -np.expm1(exponent * np.log1p(-probability))
