"""Evaluation curves as tables that can be plotted: calibration (reliability), lift and gain, net
benefit (decision curve).

Each function takes outcomes `won` (n,) of 0 and 1, n > 0, and probabilities (n,), and returns a
table with a row a point. Ties are counted as their mean, since their order is arbitrary. No model
is fitted, nothing is drawn here.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import beta

from winnable.core.columns import FloatArray

RELIABILITY_BINS = 10
LIFT_BINS = 10
DECISION_CURVE_THRESHOLDS = 50


def reliability_table(
    won: FloatArray, probability: FloatArray, *, bins: int = RELIABILITY_BINS, coverage: float = 0.8
) -> pd.DataFrame:
    """The calibration (reliability) table: predicted and observed shares in up to `bins` groups of
    leads with similar probabilities and equal size.

    Columns: leads, wins, predicted (the mean probability), observed, and low and high, the Beta
    confidence interval of the observed share by Jeffreys' prior (Brown, Cai and DasGupta 2001).
    """
    groups = [
        group
        for group in np.array_split(np.argsort(probability, kind="stable"), bins)
        if len(group)
    ]
    leads = np.array([len(group) for group in groups])
    wins = np.array([won[group].sum() for group in groups])
    low, high = beta.ppf(
        [[(1 - coverage) / 2], [(1 + coverage) / 2]], wins + 0.5, leads - wins + 0.5
    )
    predicted = [probability[group].mean() for group in groups]
    columns = {
        "leads": leads,
        "wins": wins,
        "predicted": predicted,
        "observed": wins / leads,
        "low": low,
        "high": high,
    }
    return pd.DataFrame(columns)


def gains(won: FloatArray, probability: FloatArray) -> FloatArray:
    """Cumulative gain: the wins among the top 0, 1, ... n leads, (n + 1,)."""
    _, members, size = np.unique(-probability, return_inverse=True, return_counts=True)
    mean = np.bincount(members, won) / size
    return np.append(0.0, np.cumsum(mean[np.sort(members)]))


def lift_table(won: FloatArray, probability: FloatArray, *, parts: int = LIFT_BINS) -> pd.DataFrame:
    """The lift and gain table: what is won if only the top-scored leads are worked, a tenth more in
    each row.

    Columns: worked (share of the leads), leads, wins, rate (won of those worked), lift (times the
    rate of all), gain (share of all wins).
    """
    leads = np.unique(np.ceil(np.linspace(0, 1, parts + 1)[1:] * len(won)).astype(int))
    wins = gains(won, probability)[leads]
    rate = wins / leads
    share = max(float(won.mean()), 1e-12)
    columns = {"worked": leads / len(won), "leads": leads, "wins": wins, "rate": rate}
    return pd.DataFrame(
        {**columns, "lift": rate / share, "gain": wins / max(float(won.sum()), 1e-12)}
    )


def net_benefit(
    won: FloatArray, answers: Mapping[str, FloatArray], thresholds: FloatArray | None = None
) -> pd.DataFrame:
    """The decision curve: net benefit per lead of handing over those above a threshold (Vickers and
    Elkin 2006), a row a threshold.

    Wins among the leads handed over, less the others weighed by the odds of the threshold: who
    hands over from 10% on says that a win is worth nine leads worked in vain. A column for each
    answer, one for handing over `all` and one for `none`. By default the thresholds reach from 0 to
    what the top 1% of the leads get.
    """
    if thresholds is None:
        top = min(0.99, max(float(np.quantile(answer, 0.99)) for answer in answers.values()))
        thresholds = np.linspace(0, top, DECISION_CURVE_THRESHOLDS + 1)[1:]
    odds = thresholds / (1 - thresholds)
    rate = float(won.mean())
    columns = {name: _benefit(won, answer, thresholds, odds) for name, answer in answers.items()}
    table = pd.DataFrame(
        {**columns, "all": rate - (1 - rate) * odds, "none": np.zeros(len(thresholds))}
    )
    return table.set_index(pd.Index(thresholds, name="threshold"))


def _benefit(
    won: FloatArray, probability: FloatArray, thresholds: FloatArray, odds: FloatArray
) -> FloatArray:
    order = np.argsort(probability, kind="stable")
    below = np.searchsorted(probability[order], thresholds, side="left")
    above = np.append(0.0, np.cumsum(won[order][::-1]))[::-1]
    wins = above[below]
    return np.asarray((wins - (len(won) - below - wins) * odds) / len(won), dtype=np.float64)


def interval_coverage(
    won: FloatArray, probability: FloatArray, interval: tuple[FloatArray, FloatArray]
) -> tuple[int, int, bool]:
    """In how many groups of leads with similar probabilities the observed share won lies in the
    mean interval of its leads, of how many groups, and whether it does in the highest; at most
    `RELIABILITY_BINS` groups of equal size, n > 0.
    """
    low, high = interval
    ranked = np.argsort(probability, kind="stable")
    groups = [group for group in np.array_split(ranked, RELIABILITY_BINS) if len(group)]
    inside = [low[group].mean() <= won[group].mean() <= high[group].mean() for group in groups]
    return int(sum(inside)), len(groups), bool(inside[-1])
