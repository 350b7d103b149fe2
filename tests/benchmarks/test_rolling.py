"""A rate that moves: a bank's calls in the order in which they were made, of which 6, then 30, then
50 in 100 ended in a sale.

The model is trained again as time goes on and always asked about the calls that come next. Whoever
learns once is far off; the constant that knows the rate of the later calls beforehand is the bar.

On all 41,188 calls, which take a quarter of an hour, log loss was 0.5195 when trained again and
again, 0.6853 when trained once, and 0.6178 for the constant.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.test_quality import bank, features_of
from winnable.learning.model.lead_model import LeadModel, TrainingData

ONE_IN = 8  # calls that are looked at, so that the test ends within minutes
LATER, STEPS = (
    0.2,
    10,
)  # the share of the calls that is asked about, and how often the model is trained again meanwhile
DAYS = 900.0  # May 2008 to November 2010


@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")
def test_trained_again_as_time_goes_on_it_beats_the_rate_of_the_future(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = bank(shared_data).iloc[::ONE_IN].reset_index(drop=True)
    won, features, day = (
        calls.pop("won").to_numpy(dtype=float),
        features_of(calls),
        np.arange(len(calls)) * DAYS / len(calls),
    )
    rules, p = np.full(len(calls), -2.2), np.full(len(calls), np.nan)
    steps = np.linspace((1 - LATER) * len(calls), len(calls), STEPS + 1).astype(int)
    for start, stop in pairwise(steps):
        before, now = np.arange(start), np.arange(start, stop)
        model = LeadModel().fit(
            TrainingData(features.take(before), won[before], rules[before], order=day[before])
        )
        p[now] = model.probability(features.take(now), rules[now])
        if start == steps[0]:
            later = np.arange(start, len(calls))
            once = model.probability(features.take(later), rules[later])
    rolling, truth = np.clip(p[later], 1e-4, 1 - 1e-4), won[later]
    loss, loss_once = (
        float(-np.log(np.where(truth == 1, q, 1 - q)).mean())
        for q in (rolling, np.clip(once, 1e-4, 1 - 1e-4))
    )
    rate = truth.mean()
    constant = float(-(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)))
    by_step = (
        pd.DataFrame({"asked": rolling, "won": truth})
        .groupby(np.searchsorted(steps[1:], later, side="right"))
        .mean()
    )
    with capsys.disabled():
        print(
            f"\nrolling {loss:.4f}, trained once {loss_once:.4f}, the rate of the later calls"
            f" {constant:.4f}"
        )
        print(by_step.round(3).T.to_string())
    assert loss < constant
    assert loss < loss_once
