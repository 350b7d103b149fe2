"""What each group of derived features is worth: log loss on later leads with the group and without,
everything else equal.

On the demo company and on the real histories where they are at hand; those without dates are split
at random. A set has no row for a group of which it gives nothing to derive. The model is the quick
one, and of each lead one row: what counts is the difference. A group is used
(`winnable.data.features.derived.choose`) only where it makes nothing worse beyond chance.
"""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.test_leaks import bank, closed, maven, x_education
from winnable.core.columns import FeatureTable
from winnable.core.statistics import log_losses
from winnable.core.timestamps import DAY
from winnable.data.dataset import Dataset
from winnable.data.features.derived.choose import GROUPS
from winnable.data.ingestion.crm import read_crm
from winnable.definition.decide.scorecard import score_points
from winnable.definition.load import definition_from, load_definition
from winnable.demo.company import write_demo
from winnable.learning.model.lead_model import LeadModel, TrainingData

LATER = 0.3  # the share of the leads that is judged
DRAWS = 1000


def of_demo(data: Path, folder: Path) -> Dataset:
    files = write_demo(folder / "demo", leads=3000, seed=7)
    definition = load_definition(files.definition)
    tables = map(str, (files.leads, files.activities, files.history))
    return Dataset(definition, read_crm(definition, *tables))


def of_bpi(data: Path, folder: Path) -> Dataset:
    source = data / "bpi-2012"
    return dataset(
        pd.read_csv(gzip.open(source / "leads.csv.gz"), dtype=str),
        folder,
        {"id": "lead_id", "status": "status", "created": "created", "closed": "closed"},
    )


def of_olist(data: Path, folder: Path) -> Dataset:
    source = data / "olist-marketing-funnel"
    leads = pd.read_csv(source / "olist_marketing_qualified_leads_dataset.csv", dtype=str)
    won = pd.read_csv(source / "olist_closed_deals_dataset.csv", dtype=str)["mql_id"]
    leads = leads[leads["first_contact_date"] >= "2018"]
    leads = leads.assign(status=closed(leads["mql_id"].isin(won)))
    roles = {"id": "mql_id", "status": "status", "created": "first_contact_date"}
    return dataset(leads, folder, roles)


def of_maven(data: Path, folder: Path) -> Dataset:
    leads, _ = maven(data)
    roles = {"status": "status", "created": "engage_date", "closed": "close_date"}
    return dataset(leads.drop(columns=["close_value"]), folder, {**roles, "account": "account"})


def of_x_education(data: Path, folder: Path) -> Dataset:
    leads, late = x_education(data)
    return dataset(leads.drop(columns=list(late)), folder, {"status": "status"})


def of_bank(data: Path, folder: Path) -> Dataset:
    leads, late = bank(data)
    leads = leads.drop(columns=list(late)).sample(6000, random_state=1)
    return dataset(leads, folder, {"status": "status"})


SETS: dict[str, Callable[[Path, Path], Dataset]] = {
    "demo": of_demo,
    "BPI 2012": of_bpi,
    "Olist": of_olist,
    "Maven": of_maven,
    "X Education": of_x_education,
    "Bank": of_bank,
}


def dataset(leads: pd.DataFrame, folder: Path, roles: dict[str, str]) -> Dataset:
    path = folder / "leads.csv"
    leads.to_csv(path, index=False)
    outcome = {"won": ["Closed Won"], "lost": ["Closed Lost"]}
    definition = definition_from({"outcome": outcome, "columns": roles}, "the benchmark")
    return Dataset(definition, read_crm(definition, str(path)))


def split(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The training rows to learn from and those to judge, one of each lead, drawn at random."""
    rows = data.training_rows
    known = np.random.default_rng(0).permutation(np.flatnonzero(~np.isnan(rows.won)))
    one = known[np.unique(rows.leads[known], return_index=True)[1]]
    if rows.timed:
        one = one[np.argsort(rows.as_of[one], kind="stable")]
    else:
        one = np.random.default_rng(1).permutation(one)
    before, after = np.split(one, [round((1 - LATER) * len(one))])
    return before[~np.isin(rows.person[before], rows.person[after])], after


def losses(data: Dataset, features: FeatureTable) -> np.ndarray:
    """The log loss of each later lead by a model of these features."""
    rows = data.training_rows
    before, after = split(data)
    rules = score_points(data.definition, features).logit
    order = rows.as_of / DAY if rows.timed else None
    model = LeadModel(quick=True).fit(
        TrainingData(
            features.take(before),
            rows.won[before],
            rules[before],
            groups=rows.person[before],
            order=None if order is None else order[before],
        )
    )
    logit = model.logit(features.take(after), rules[after])
    return log_losses(logit, rows.won[after])


def on_and_off(name: str, data: Dataset) -> list[dict[str, object]]:
    plan = data.feature_plan(data.left_out)
    rows = data.training_rows
    bare = replace(plan, derived=())
    every = data.features(plan, rows.leads, rows.as_of)
    without = losses(data, every.select(bare.learned))
    found = []
    for group, kinds in GROUPS.items():
        added = [feature.name for feature in plan.derived if feature.what in kinds]
        if not added:
            continue
        less = losses(data, every.select([*bare.learned, *added])) - without
        draws = np.random.default_rng(0).integers(len(less), size=(DRAWS, len(less)))
        low, high = np.quantile(less[draws].mean(axis=1), [0.025, 0.975]) / without.mean()
        found.append(
            {
                "set": name,
                "group": group,
                "features": len(added),
                "without": without.mean(),
                "with": (without + less).mean(),
                "difference %": 100 * less.mean() / without.mean(),
                "low %": 100 * low,
                "high %": 100 * high,
            }
        )
    return found


@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore")
def test_no_group_of_derived_features_makes_a_set_worse_beyond_chance(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for name, read in SETS.items():
        found += on_and_off(name, read(shared_data, tmp_path))
    table = pd.DataFrame(found).set_index(["set", "group"])
    with capsys.disabled():
        print("\n", table.round(4).to_string())
    assert (table["low %"] <= 0.5).all()
