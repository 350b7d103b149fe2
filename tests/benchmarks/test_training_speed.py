"""How much processor time a training takes, beside one fit of CatBoost on the same rows.

Folds, experts and, where leads have dates, a second fit for the evaluation make a training more
than one fit. Processor time of this process, which other work on the machine does not lengthen."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier

import winnable
from winnable.core.columns import CategoricalColumn
from winnable.data.dataset import Dataset
from winnable.demo.company import write_demo
from winnable.learning.model.classifier import LeadClassifier
from winnable.learning.training.targets import build_targets
from winnable.learning.training.train import TrainingOptions, learn

MAX_FITS_OF_FLAT_TABLES = 1.5
MAX_FITS_WITH_EVALUATION = 3.0


def seconds_of(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def one_fit(table: pd.DataFrame, won: np.ndarray) -> float:
    """The processor time of CatBoost with 400 iterations and else its defaults."""
    words = [name for name, column in table.items() if column.dtype.kind not in "fiu"]
    model = CatBoostClassifier(
        iterations=400, thread_count=1, cat_features=words, verbose=0, allow_writing_files=False
    )
    return seconds_of(lambda: model.fit(table, won))


def flat_table(leads: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Leads with 30 numbers and 10 words, of which a few tell who is won."""
    chance = np.random.default_rng(3)
    numbers = chance.normal(size=(leads, 30))
    words = chance.integers(0, 20, size=(leads, 10))
    drive = numbers[:, 0] + np.abs(numbers[:, 1]) + 1.5 * (words[:, 0] < 5) - 2
    won = (chance.random(leads) < 1 / (1 + np.exp(-drive))).astype(float)
    table = pd.DataFrame(numbers, columns=[f"number {j}" for j in range(30)])
    for j in range(words.shape[1]):
        table[f"word {j}"] = [f"word {code}" for code in words[:, j]]
    return table, won


def rows_of(data: Dataset) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows that a training of this history learns from, and their outcomes."""
    rows = data.training_rows
    targets = build_targets(data, rows)
    rows, targets = rows.take(targets.usable), targets.take(targets.usable)
    plan = data.feature_plan(tuple(data.left_out))
    features = data.features(plan, rows.leads, rows.as_of).select(plan.learned)
    table = {}
    for name, column in features.columns.items():
        if isinstance(column, CategoricalColumn):
            table[name] = np.array([*column.vocabulary, "missing"], dtype=object)[column.codes]
        else:
            table[name] = features.numbers(name)
    return pd.DataFrame(table), targets.won


def test_five_thousand_leads_take_one_and_a_half_fits_of_catboost_at_most() -> None:
    table, won = flat_table(5000)
    one = one_fit(table, won)
    ours = seconds_of(lambda: LeadClassifier().fit(table, won))
    print(f"\n5,000 leads of 40 columns: {ours:.1f} s, {ours / one:.2f} fits of CatBoost")
    assert ours <= MAX_FITS_OF_FLAT_TABLES * one


@pytest.mark.parametrize("leads", [3000, 20_000])
def test_a_history_with_its_evaluation_takes_three_fits_of_catboost_at_most(
    leads: int, tmp_path: Path
) -> None:
    files = write_demo(tmp_path, leads=leads, seed=7)
    data = winnable.read(
        str(files.leads), str(files.activities), str(files.history), definition=files.definition
    )
    table, won = rows_of(data)
    one = one_fit(table, won)
    ours = seconds_of(lambda: learn(data, TrainingOptions(threads=1)))
    print(
        f"\n{leads:,} leads, {len(won):,} rows of {table.shape[1]} columns: {ours:.0f} s,"
        f" {ours / one:.2f} fits of CatBoost"
    )
    assert ours <= MAX_FITS_WITH_EVALUATION * one
