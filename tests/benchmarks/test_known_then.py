"""A real log of applications (BPI Challenge 2012): the probability of being won as a lead's story
unfolds, and no leak in it.

Rows are taken on the day a lead comes and 1, 7 and 14 days later. A naive count, lead by lead, must
agree with every feature; and the later the look, the more the answer must be worth, on leads that
came after all that was learned from.
"""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from winnable.core.columns import ActivityAggregate
from winnable.core.timestamps import DAY, times_of
from winnable.data.dataset import Dataset
from winnable.data.features.offline import compute_features
from winnable.data.features.plan import fit_feature_plan
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.learning.training.train import learn

AGES = (0, 1, 7, 14)
ORACLE_LEADS = 500
ONE_IN = 2  # leads that are learned from, so that the test ends within minutes


def definition() -> Definition:
    roles = {"id": "lead_id", "status": "status", "created": "created", "closed": "closed"}
    outcome = {
        "won": ["Closed Won"],
        "lost": ["Closed Lost"],
        "horizon_days": 30,
        "winnable_days": 60,
    }
    return definition_from(
        {"outcome": outcome, "columns": roles, "activities": {"kind": "type"}}, "BPI 2012"
    )


@pytest.fixture(scope="module")
def crm(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Crm:
    folder = tmp_path_factory.mktemp("bpi")
    leads = pd.read_csv(shared_data / "bpi-2012/leads.csv.gz", dtype=str).iloc[::ONE_IN]
    done = pd.read_csv(shared_data / "bpi-2012/activities.csv.gz", dtype=str)
    leads.to_csv(folder / "leads.csv", index=False)
    done[done["lead_id"].isin(leads["lead_id"])].to_csv(folder / "activities.csv", index=False)
    return read_crm(definition(), str(folder / "leads.csv"), str(folder / "activities.csv"))


def naive(
    measure: ActivityAggregate, story: list[tuple[pd.Timestamp, str]], when: pd.Timestamp
) -> float:
    """One measure by walking through all that a lead ever did."""

    def times(since: timedelta | None, until: timedelta) -> list[tuple[pd.Timestamp, str]]:
        return [
            each
            for each in story
            if (not measure.kinds or each[1] in measure.kinds)
            and each[0] < when
            and (since is None or each[0] >= when - since)
            and (until == timedelta(0) or each[0] < when - until)
        ]

    window = None if measure.within_days is None else timedelta(days=measure.within_days)
    recent = times(window, timedelta(0))
    if measure.what == "change" and window is not None:
        return len(recent) - len(times(2 * window, window))
    if measure.what == "days_since":
        return (when - max(at for at, _ in recent)) / timedelta(days=1) if recent else np.nan
    return len(recent) if measure.what == "count" else len({kind for _, kind in recent})


def test_a_naive_count_agrees_with_every_feature_of_a_sample(crm: Crm) -> None:
    assert crm.activities is not None
    plan = fit_feature_plan(definition(), crm)
    leads = np.random.default_rng(0).choice(len(crm.leads), ORACLE_LEADS, replace=False)
    created = times_of(crm.leads["@created"])[leads]
    rows, as_of = np.tile(leads, len(AGES)), np.concatenate([created + age * DAY for age in AGES])
    features = compute_features(plan, definition(), crm, rows, as_of)
    stories = {
        key: list(zip(each["@at"], each["@kind"], strict=True))
        for key, each in crm.activities.groupby("@id")
    }
    wrong = []
    answers = {measure: features.numbers(measure.name) for measure in plan.aggregates}
    for position, (lead, moment) in enumerate(zip(rows, as_of, strict=True)):
        story, when = (
            stories.get(crm.leads["@id"].iloc[lead], []),
            pd.Timestamp(int(moment), unit="us", tz="UTC"),
        )
        wrong += [
            (measure.name, lead, when)
            for measure, values in answers.items()
            if not np.isclose(
                values[position], naive(measure, story, when), rtol=0, atol=1e-9, equal_nan=True
            )
        ]
    assert not wrong, wrong[:3]


@pytest.mark.timeout(1800)
def test_the_later_the_look_the_better_the_answer(
    crm: Crm, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluation = learn(Dataset(definition(), crm)).evaluation
    assert evaluation is not None
    ages, leads = evaluation.rows.age, evaluation.rows.leads
    looked_at = np.isin(ages, AGES)
    often, times = np.unique(leads[looked_at], return_counts=True)
    stayed = np.isin(
        leads, often[times == len(AGES)]
    )  # open for two weeks: the same leads at every look
    skill, auc = {}, {}
    with capsys.disabled():
        print()
        for who, chosen in (("open then", looked_at), ("open for two weeks", stayed)):
            for age in AGES:
                rows = chosen & (ages == age)
                won, p = (
                    evaluation.rows.won[rows],
                    np.clip(evaluation.candidate[rows], 1e-6, 1 - 1e-6),
                )
                loss, base = log_loss(won, p), log_loss(won, np.full(len(won), won.mean()))
                skill[who, age], auc[who, age] = 1 - loss / base, roc_auc_score(won, p)
                told = (
                    f"{won.mean():.1%} won; log loss {loss:.4f}, their rate {base:.4f}, AUC"
                    f" {auc[who, age]:.3f}"
                )
                print(f"day {age:2}, {len(won):,} leads {who}: {told}")
    assert auc["open then", 14] > auc["open then", 0]
    assert skill["open then", 14] > skill["open then", 0]
    same = [auc["open for two weeks", age] for age in AGES]
    assert same == sorted(same)
