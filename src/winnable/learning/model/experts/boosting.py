"""Boosting: the two experts made of gradient boosted trees, fitted on encoded leads and turned into
data.

`fit_lightgbm` is LightGBM made for few leads: small trees, strong shrinkage, win rates (target
encoding) and frequencies instead of raw words, the mean of several orders of the leads.
`fit_catboost` is CatBoost with its own ordered rates of words and combinations of words. Neither
library is imported before it is needed; scoring needs neither."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from winnable.core.columns import FloatArray, IntArray
from winnable.learning.model.experts.catboost_export import data_of, merged
from winnable.learning.model.experts.catboost_trees import LARGEST, float_features
from winnable.learning.model.experts.encoding import Encoded
from winnable.learning.model.experts.linear import Fitted, fit_scorecard

LIGHTGBM_ORDERS = 4
"""Random orders of the leads whose ordered rates LightGBM is fitted on, and averaged over."""

LIGHTGBM_FEWER_ORDERS = 10_000
"""Rows from which on it gets half as many."""

LIGHTGBM_MANY_ROWS = 20_000
"""Rows from which on LightGBM gets one order, larger trees and more rounds."""

CATBOOST_FEW_LEADS = 800
"""Leads below which CatBoost gets fewer and smaller trees."""

CATBOOST_MANY_LEADS = 1_000
"""Leads from which on CatBoost gets more and better trees."""

CATBOOST_BORDERS = 128
"""Thresholds of a number that CatBoost tries: half of its default, which made nothing better; with
64 thousands of leads lost half a percent of log loss where few numbers tell much."""

CATBOOST_SHARE_OF_COLUMNS = 0.5
"""The columns that CatBoost tries at each split."""

CATBOOST_MAX_ROWS = 100_000
"""More leads than this CatBoost does not get: its time grows with them, and LightGBM, which gets
all, has caught up by then."""


def fit_lightgbm(
    leads: Encoded,
    won: FloatArray,
    weights: FloatArray,
    level_counts: tuple[int, ...],
    *,
    seed: int,
) -> Fitted:
    """LightGBM on numbers and, for words, ordered win rates and frequencies."""
    import lightgbm

    chance = np.random.default_rng(seed)
    size = leads.size
    many = size >= LIGHTGBM_MANY_ROWS
    orders = LIGHTGBM_ORDERS if size < LIGHTGBM_FEWER_ORDERS else LIGHTGBM_ORDERS // 2
    texts = []
    for _ in range(1 if many else orders):
        rates, counts, encoded = _ordered_rates(
            leads.codes, won, weights, level_counts, chance.permutation(size)
        )
        frequency = [counts[j][leads.codes[:, j]][:, None] for j in range(len(level_counts))]
        features = np.hstack([leads.numbers, encoded, *frequency, leads.rules[:, None]])
        parameters = {
            "objective": "binary",
            "num_leaves": 31 if many else 8,
            "learning_rate": 0.05,
            "lambda_l2": 10.0,
            "min_data_in_leaf": 5,
            "feature_fraction": 0.4,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "verbose": -1,
            "seed": int(chance.integers(2**31)),
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
        }
        data = lightgbm.Dataset(features, won, weight=weights, params={"verbose": -1})
        rounds = int(np.clip(2 * np.sqrt(size), 20, 400 if many else 200))
        texts.append(lightgbm.train(parameters, data, num_boost_round=rounds).model_to_string())
    part = {
        "kind": "lightgbm",
        "rates": [by_code.tolist() for by_code in rates],
        "counts": [by_code.tolist() for by_code in counts],
    }
    return Fitted(part, _mean_of(texts))


def _mean_of(texts: Sequence[str]) -> str:
    """Several LightGBM models as the text of one whose raw score is their mean."""
    head = texts[0].split("\nTree=0", 1)[0]
    blocks: list[str] = []
    for text in texts:
        trees = text.split("\nend of trees", 1)[0].split("\nTree=")[1:]
        blocks += [block.split("\n", 1)[1].rstrip("\n") for block in trees]
    lines = [line for line in head.splitlines() if not line.startswith("tree_sizes=")]
    trees = [f"Tree={i}\n{_scaled(block, 1 / len(texts))}\n\n" for i, block in enumerate(blocks)]
    return "\n".join([*lines, "", *trees, "end of trees", ""])


def _scaled(block: str, factor: float) -> str:
    lines = block.splitlines()
    for i, line in enumerate(lines):
        if line.startswith("leaf_value="):
            lines[i] = "leaf_value=" + " ".join(
                repr(float(value) * factor) for value in line.removeprefix("leaf_value=").split()
            )
    return "\n".join(lines)


def _ordered_rates(
    codes: IntArray,
    won: FloatArray,
    weights: FloatArray,
    level_counts: tuple[int, ...],
    order: IntArray,
) -> tuple[list[FloatArray], list[FloatArray], FloatArray]:
    """Smoothed win rates and log frequencies by code, and the training rows' ordered rates (n, c).

    A row's ordered rate counts only the rows before it in `order` (Prokhorenkova et al. 2018), so
    that it never holds its own outcome (target leakage).
    """
    strength = 3.0
    rate = float((weights @ won + 1) / (weights.sum() + 2))
    rates = []
    counts = []
    encoded = np.empty(codes.shape)
    for j, size in enumerate(level_counts):
        ordered = codes[order, j]
        by_code = np.argsort(ordered, kind="stable")
        gain = (weights * won)[order][by_code]
        mass = weights[order][by_code]
        starts = np.r_[0, np.cumsum(np.bincount(ordered, minlength=size))]
        before_gain = np.r_[0.0, np.cumsum(gain)]
        before_mass = np.r_[0.0, np.cumsum(mass)]
        first = starts[ordered[by_code]]
        wins = before_gain[:-1] - before_gain[first]
        seen = before_mass[:-1] - before_mass[first]
        encoded[order[by_code], j] = (wins + strength * rate) / (seen + strength)
        total_gain = np.diff(before_gain[starts])
        total = np.diff(before_mass[starts])
        rates.append((total_gain + strength * rate) / (total + strength))
        counts.append(np.log1p(total))
    return rates, counts, encoded


def indicators_of(leads: Encoded) -> list[tuple[int, int]]:
    """(column of words, code) of the columns with just two different codes: a question of yes or no
    needs no rate."""
    present = [np.unique(column) for column in leads.codes.T]
    return [(j, int(codes[1])) for j, codes in enumerate(present) if len(codes) == 2]


@contextmanager
def side_by_side() -> Iterator[None]:
    """Lets threads that are begun within it fit CatBoost models at once.

    Each fit of CatBoost (1.2) sets the logger of the whole process and takes it away at its end,
    from under the other threads, unless a thread that outlives them has set it before.
    """
    from catboost.core import log_fixup

    with log_fixup():
        yield


def fit_catboost(
    leads: Encoded,
    won: FloatArray,
    weights: FloatArray,
    level_counts: tuple[int, ...],
    *,
    seed: int,
    pairs: Sequence[tuple[int, int]],
) -> Fitted:
    """CatBoost on numbers, the indicators `pairs` and the other words as categories.

    The booster is the JSON of `catboost_trees.CatBoostTrees`. Models that are to be averaged must
    have the same `pairs`."""
    from catboost import CatBoostClassifier, FeaturesData, Pool

    if not _varies(leads):
        return fit_scorecard(leads, won, weights)
    if leads.size > CATBOOST_MAX_ROWS:
        rows = np.linspace(0, leads.size - 1, CATBOOST_MAX_ROWS).astype(np.int64)
        leads, won, weights = leads.take(rows), won[rows], weights[rows]
    rated = np.setdiff1d(np.arange(len(level_counts)), [column for column, _ in pairs])
    names = np.array(
        [str(code).encode() for code in range(max(level_counts, default=2))], dtype=object
    )
    categories = names[leads.codes[:, rated]] if len(rated) else None
    features = FeaturesData(
        num_feature_data=float_features(leads, pairs).astype(np.float32),
        cat_feature_data=categories,
    )
    model = CatBoostClassifier(
        **_catboost_size(min(float(weights.sum()), leads.size)),
        border_count=CATBOOST_BORDERS,
        rsm=CATBOOST_SHARE_OF_COLUMNS,
        # Columns with two codes are indicators already; CatBoost would make more of those in a
        # fold, under hashed names.
        one_hot_max_size=1,
        max_ctr_complexity=2,
        verbose=0,
        thread_count=1,
        allow_writing_files=False,
        random_seed=seed,
    )
    model.fit(Pool(features, label=won, weight=weights))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        exported = json.loads(path.read_text())
    data = data_of(exported, leads, won, pairs=pairs, rated=rated, level_counts=level_counts)
    return Fitted({"kind": "catboost"}, json.dumps(data))


def _catboost_size(leads: float) -> dict[str, Any]:
    """How many and how large the trees are, and how fast they learn, for so many leads.

    CatBoost's own learning rate goes by rows; where one lead gives many, which have its outcome in
    common, it learned each by heart. What is learned in all, the rate times the number of trees,
    grows with the leads as by CatBoost's own rule. Ten Newton steps for the values of the leaves
    are worth their time for few leads, a higher rate is as good for more.
    """
    if leads < CATBOOST_FEW_LEADS:
        size = {"iterations": 200, "depth": 4, "leaf_estimation_iterations": 10}
        learned = 3.4
    elif leads < CATBOOST_MANY_LEADS:
        size = {"iterations": 150, "depth": 6, "leaf_estimation_iterations": 1}
        learned = 4.2
    else:
        size = {"iterations": 300, "depth": 6, "leaf_estimation_iterations": 3}
        learned = 4.2
    return {**size, "learning_rate": learned * (leads / 100) ** 0.4 / size["iterations"]}


def _varies(leads: Encoded) -> bool:
    """Whether any two leads differ in anything; if not, CatBoost refuses to learn."""
    table = np.hstack(
        [np.nan_to_num(leads.numbers, nan=LARGEST), leads.codes, leads.rules[:, None]]
    )
    return bool((table != table[:1]).any())


def average_catboost(models: Sequence[Fitted]) -> Fitted:
    """The mean of several CatBoost models. One that had nothing to learn from has no trees and is
    left out."""
    texts = [model.booster for model in models if model.booster is not None]
    if not texts:
        return models[0]
    return Fitted({"kind": "catboost"}, json.dumps(merged([json.loads(text) for text in texts])))
