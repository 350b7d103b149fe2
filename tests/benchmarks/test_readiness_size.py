"""At the advertised number of wins a model may be relied on: its probabilities are not too extreme
on leads it has not seen."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import read_crm
from winnable.definition.load import definition_from
from winnable.learning.model.lead_model import LeadModel, TrainingData
from winnable.learning.readiness.readiness import assess_readiness, learnable
from winnable.learning.training.metrics import evaluate

RESAMPLES = 10


def x_education(data: Path) -> pd.DataFrame:
    leads = pd.read_csv(data / "x-education/Leads.csv", dtype=str)
    return leads.assign(status=np.where(leads["Converted"] == "1", "won", "lost")).drop(
        columns=["Converted", "Prospect ID", "Lead Number"]
    )


def bank(data: Path) -> pd.DataFrame:
    leads = pd.read_csv(data / "bank-marketing/bank-additional-full.csv", sep=";", dtype=str)
    return leads.assign(status=np.where(leads["y"] == "yes", "won", "lost")).drop(columns="y")


def olist(data: Path) -> pd.DataFrame:
    leads = pd.read_csv(
        data / "olist-marketing-funnel/olist_marketing_qualified_leads_dataset.csv", dtype=str
    )
    deals = pd.read_csv(data / "olist-marketing-funnel/olist_closed_deals_dataset.csv", dtype=str)
    leads = leads[leads["first_contact_date"] >= "2018"]
    status = np.where(leads["mql_id"].isin(deals["mql_id"]), "won", "lost")
    return leads.assign(status=status).drop(columns=["mql_id", "first_contact_date"])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("real", [x_education, bank, olist])
def test_the_calibration_slope_is_at_least_nine_tenths_in_four_of_five_resamples(
    real, shared_data: Path, tmp_path: Path
) -> None:
    """How much slopes scatter because few leads are left to judge them by is taken off: on Olist's
    set that is nearly all of it.

    The fourth real set, Maven's, has nothing to learn in it: there is no slope to judge.
    """
    real(shared_data).to_csv(tmp_path / "leads.csv", index=False)
    shared = definition_from(
        {"outcome": {"won": ["won"], "lost": ["lost"]}, "columns": {"status": "status"}},
        "the benchmark",
    )
    crm = read_crm(shared, str(tmp_path / "leads.csv"))
    data = Dataset(shared, crm)
    needed = assess_readiness(data).needed.leads
    features, won = learnable(data, most=50_000)
    slopes, errors = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    for seed in range(RESAMPLES):
        order = np.random.default_rng(seed).permutation(len(won))
        rows, others = order[:needed], order[needed:]
        outcome, rules = won.astype(np.float64), np.zeros(len(won))
        model = LeadModel(seed=seed, threads=1).fit(
            TrainingData(features.take(rows), outcome[rows], rules[rows])
        )
        answer = model.probability(features.take(others), rules[others])
        slopes[seed] = evaluate(outcome[others], answer, float(won.mean())).slope or 0.0
        errors[seed] = judging_error(answer)
    spread = np.sqrt(max(slopes.var(ddof=1) - (errors**2).mean(), 1e-4))
    share = float(norm.cdf((slopes.mean() - 0.9) / spread))
    print(
        f"\n{real.__name__}: {needed:,} leads, {needed * won.mean():.0f} wins, judged on"
        f" {len(won) - needed:,} others"
    )
    print(
        f"  slopes {np.sort(slopes).round(2)}, each known within {errors.mean():.2f}; at least 0.9"
        f" in {share:.0%} net of that"
    )
    assert share >= 0.8


def judging_error(probability: np.ndarray) -> float:
    """The standard error of a calibration slope near 1 that these probabilities can be judged with
    (Fisher information)."""
    logit, weight = np.log(probability / (1 - probability)), probability * (1 - probability)
    return float((weight @ (logit - (weight @ logit) / weight.sum()) ** 2) ** -0.5)
