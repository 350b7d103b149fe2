"""Boosting: what LightGBM and CatBoost learned is said again, from data alone, by our own
evaluation."""

import json

import catboost
import lightgbm
import numpy as np
import pytest

from winnable.core.columns import FloatArray
from winnable.learning.model.experts.boosting import (
    _mean_of,
    average_catboost,
    fit_catboost,
    fit_lightgbm,
    indicators_of,
)
from winnable.learning.model.experts.catboost_trees import (
    LARGEST,
    CatBoostTrees,
    borders_of,
    float_features,
)
from winnable.learning.model.experts.encoding import Encoded
from winnable.learning.model.experts.lightgbm_trees import LightGBMTrees
from winnable.learning.model.experts.predict import LightGBMExpert

COUNTS = (9, 6, 4, 60)


def leads(size: int, seed: int) -> tuple[Encoded, FloatArray]:
    """Leads whose outcome depends on a number, a pair of words and a word with many values."""
    chance = np.random.default_rng(seed)
    codes = np.column_stack(
        [chance.integers(0, 9, size), chance.integers(2, 6, size), 2 + chance.integers(0, 2, size)]
    )
    codes = np.column_stack([codes, 1 + np.minimum(chance.geometric(0.08, size), 58)])
    numbers = np.column_stack(
        [
            chance.normal(size=size),
            np.where(chance.random(size) < 0.3, np.nan, chance.poisson(4, size)),
        ]
    )
    signal = numbers[:, 0] + 1.5 * ((codes[:, 0] + codes[:, 1]) % 2) - 0.6 * (codes[:, 3] % 3) - 0.8
    won = (chance.random(size) < 1 / (1 + np.exp(-signal))).astype(float)
    return Encoded(numbers, codes, chance.normal(-2, 0.5, size)), won


@pytest.mark.parametrize("size", [150, 900])
def test_catboost_trees_predict_what_catboost_predicts(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[catboost.CatBoostClassifier] = []
    save = catboost.CatBoostClassifier.save_model
    model = catboost.CatBoostClassifier
    monkeypatch.setattr(
        model, "save_model", lambda self, *a, **k: trained.append(self) or save(self, *a, **k)
    )
    known, won = leads(size, 0)
    weights = np.random.default_rng(1).random(size) + 0.5
    pairs = indicators_of(known)
    fitted = fit_catboost(known, won, weights, COUNTS, seed=1, pairs=pairs)
    fresh, _ = leads(3000, 2)
    rated = [j for j in range(4) if j not in {column for column, _ in pairs}]
    names = np.array([str(code).encode() for code in range(60)], dtype=object)
    pool = catboost.Pool(
        catboost.FeaturesData(
            float_features(fresh, pairs).astype(np.float32), names[fresh.codes[:, rated]]
        )
    )
    theirs = trained[0].predict(pool, prediction_type="RawFormulaVal")
    ours, _, _ = CatBoostTrees(fitted.booster or "", COUNTS, 2).logit(fresh)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_average_of_catboost_models_is_their_mean() -> None:
    known, won = leads(300, 3)
    pairs, ones = indicators_of(known), np.ones(200)
    models = [
        fit_catboost(known.take(rows), won[rows], ones, COUNTS, seed=0, pairs=pairs)
        for rows in np.split(_cuts(300), 3)
    ]
    fresh, _ = leads(500, 4)
    apart = np.mean(
        [CatBoostTrees(model.booster or "", COUNTS, 2).logit(fresh)[0] for model in models], axis=0
    )
    average = CatBoostTrees(average_catboost(models).booster or "", COUNTS, 2)
    together, variance, _ = average.logit(fresh)
    np.testing.assert_allclose(together, apart, atol=1e-9)
    assert (variance > 0).mean() > 0.99


def _cuts(size: int) -> np.ndarray:
    """Three times two thirds of the rows."""
    rows = np.arange(size)
    return np.concatenate([rows[rows % 3 != fold] for fold in range(3)])


def test_reasons_of_trees_add_up() -> None:
    known, won = leads(300, 5)
    fresh, _ = leads(100, 6)
    pairs = indicators_of(known)
    learned = fit_catboost(known, won, np.ones(300), COUNTS, seed=0, pairs=pairs)
    catboost_trees = CatBoostTrees(learned.booster or "", COUNTS, 2)
    logit, _, parts = catboost_trees.logit(fresh, reasons=True)
    assert parts is not None
    np.testing.assert_allclose(catboost_trees.base + parts.sum(axis=1), logit, atol=1e-5)
    assert np.abs(parts[:, 0]).mean() > 3 * np.abs(parts[:, 1]).mean()
    fitted = fit_lightgbm(known, won, np.ones(300), COUNTS, seed=0)
    lightgbm_expert = LightGBMExpert(fitted.part, fitted.booster or "", COUNTS, 2)
    prediction = lightgbm_expert.predict(fresh, reasons=True)
    assert prediction.parts is not None
    np.testing.assert_allclose(
        lightgbm_expert.base + prediction.parts.sum(axis=1), prediction.logit, atol=1e-5
    )


def test_lightgbm_trees_predict_what_lightgbm_predicts() -> None:
    known, won = leads(400, 7)
    fitted = fit_lightgbm(known, won, np.ones(400), COUNTS, seed=0)
    expert = LightGBMExpert(fitted.part, fitted.booster or "", COUNTS, 2)
    fresh, _ = leads(300, 8)
    starts = np.cumsum([0, *COUNTS])[:-1]
    rates, counts = (
        np.concatenate(fitted.part[key])[starts + fresh.codes] for key in ("rates", "counts")
    )
    theirs = lightgbm.Booster(model_str=fitted.booster).predict(
        np.hstack([fresh.numbers, rates, counts, fresh.rules[:, None]]), raw_score=True
    )
    np.testing.assert_allclose(expert.predict(fresh).logit, theirs, atol=1e-9)


def test_catboost_trees_are_plain_data() -> None:
    known, won = leads(120, 9)
    data = json.loads(
        fit_catboost(known, won, np.ones(120), COUNTS, seed=0, pairs=indicators_of(known)).booster
        or ""
    )
    assert all(isinstance(value, int | float | list) for value in data.values())


def test_borders_in_single_precision_part_the_same_numbers() -> None:
    chance = np.random.default_rng(10)
    numbers = np.concatenate([chance.normal(size=500), [0.0, LARGEST, -LARGEST, np.nan]]).astype(
        np.float32
    )
    borders = [*numbers[:100].tolist(), *chance.normal(size=100), 0.1, -LARGEST, LARGEST]
    parted = numbers[:, None] > borders_of(borders)
    np.testing.assert_array_equal(parted, numbers.astype(np.float64)[:, None] > np.array(borders))


def test_a_tree_that_never_splits_adds_its_value() -> None:
    known, won = leads(60, 11)
    parameters = {"objective": "binary", "min_data_in_leaf": 40, "verbose": -1, "num_threads": 1}
    features = np.hstack([known.numbers, known.rules[:, None]])
    booster = lightgbm.train(parameters, lightgbm.Dataset(features, won), num_boost_round=2)
    text = _mean_of([booster.model_to_string()])
    trees = LightGBMTrees(text, np.arange(3))
    logit, parts = trees.logit(features, reasons=True)
    assert parts is not None
    np.testing.assert_allclose(trees.base + parts.sum(axis=1), logit, atol=1e-9)
    np.testing.assert_allclose(
        logit, lightgbm.Booster(model_str=text).predict(features, raw_score=True), atol=1e-9
    )
