"""Segments: several scorecards make one model with the segment as a column; the card says whether
separate ones are better."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from winnable.core.columns import CategoricalColumn, FeatureTable, NumericColumn
from winnable.core.statistics import sigmoid
from winnable.data.dataset import Dataset
from winnable.data.features.training_rows import TrainingRows
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.decide.scorecard import Points
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.learning.model.experts.encoding import Encoded, Encoding
from winnable.learning.model.experts.linear import (
    codes_with_enough_leads,
    fit_linear,
    fit_per_segment,
    with_others,
)
from winnable.learning.model.experts.predict import expert_of
from winnable.learning.model.lead_model import LeadModel, TrainingData
from winnable.learning.model.scorer import Scorer
from winnable.learning.model.segments import SEGMENT
from winnable.learning.model.spec import ModelSpec
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.segment_check import compare_segments
from winnable.learning.training.train import learn


def two_cards() -> Definition:
    cards = [
        {
            "name": "Enterprise",
            "segment": [{"field": "Employees", "at_least": 1000}],
            "threshold": 10,
        },
        {"name": "Others", "threshold": 10},
    ]
    outcome = {"won": ["Won"], "lost": ["Lost"]}
    return definition_from(
        {"name": "Two", "outcome": outcome, "columns": {"status": "Status"}, "scorecard": cards},
        "two cards",
    )


def leads(definition: Definition, folder: Path, size: int = 360) -> Crm:
    chance = np.random.default_rng(0)
    employees = np.where(chance.random(size) < 0.5, 5000, 20)
    share = np.where(employees >= 1000, 0.75, 0.15)
    status = np.where(chance.random(size) < share, "Won", "Lost")
    city = chance.choice(["Aton", "Beham", "Cester"], size)
    path = folder / "leads.csv"
    pd.DataFrame({"Employees": employees, "City": city, "Status": status}).to_csv(path, index=False)
    return read_crm(definition, str(path))


def test_the_segment_is_learned_from_and_the_card_says_why_one_model_answers(
    tmp_path: Path,
) -> None:
    definition = two_cards()
    candidate = learn(Dataset(definition, leads(definition, tmp_path)))
    assert SEGMENT in [name for name, _ in candidate.artifact.spec.model.encoding["words"]]
    told = candidate.artifact.spec.card.segments
    assert told.startswith("one model with the segment as a column, no worse")
    assert told.endswith("% of the blend weights")
    predictor = Predictor(candidate.artifact)
    records = [{"Employees": "4000", "City": "Aton"}, {"Employees": "12", "City": "Aton"}]
    features = predictor.features(records, [[], []], [datetime(2026, 1, 1, tzinfo=UTC)] * 2)
    scores = predictor.score(features, ["a", "b"])
    assert scores.probability[0] > scores.probability[1] + 0.3
    assert any(reason.name in (SEGMENT, "Employees") for reason in scores.reasons[0])


def test_separate_models_are_called_better_where_columns_mean_the_opposite(tmp_path: Path) -> None:
    chance, size = np.random.default_rng(1), 1200
    sign, size_of_team = chance.choice([-1.0, 1.0], size), chance.normal(0, 1, size)
    won = (chance.random(size) < 1 / (1 + np.exp(-2 * sign * size_of_team))).astype(float)
    card = (sign > 0).astype(np.int64)
    points = Points(size, card, np.zeros(size), np.full(size, -1.0), np.full(size, -1.0), ())
    no_time = np.zeros(size, dtype=np.int64)
    rows = TrainingRows(
        np.arange(size), no_time, won, np.zeros(size), np.arange(size), False, None, won, no_time, 0
    )
    features = FeatureTable(
        size,
        {"team": NumericColumn(size_of_team), SEGMENT: CategoricalColumn(card, ("small", "large"))},
    )
    assert "one model per segment is significantly better" in compare_segments(
        features, points, rows, 0
    )
    alike = replace(points, card=np.zeros(size, dtype=np.int64))
    assert compare_segments(features, alike, rows, 0) is None


def test_models_per_segment_get_the_weight_where_columns_mean_the_opposite() -> None:
    chance, size = np.random.default_rng(1), 1200
    sign = chance.choice([-1.0, 1.0], size)
    columns = chance.normal(0, 1, (size, 3))
    won = (chance.random(size) < sigmoid(2 * sign * (columns @ [1.0, 0.7, -0.5]) + sign)).astype(
        float
    )
    numbers = {f"number {place}": NumericColumn(column) for place, column in enumerate(columns.T)}
    features = FeatureTable(
        size,
        {**numbers, SEGMENT: CategoricalColumn((sign > 0).astype(np.int64), ("small", "large"))},
    )
    rules, first, later = np.full(size, -1.0), np.arange(800), np.arange(800, size)
    model = LeadModel(threads=1).fit(TrainingData(features.take(first), won[first], rules[first]))
    weights = model.report_["weights"]
    assert weights["per_segment"] > 0.5 * sum(weights.values())
    told = model.explain(features.take(later), rules[later])
    np.testing.assert_allclose(
        told.base + told.values.sum(axis=1),
        model.logit(features.take(later), rules[later]),
        atol=1e-9,
    )
    once_more = Scorer(
        ModelSpec.from_json(json.loads(json.dumps(model.spec_.to_json()))), model.boosters_
    )
    np.testing.assert_array_equal(
        once_more.logit(features.take(later), rules[later]),
        model.logit(features.take(later), rules[later]),
    )
    alike = features.with_columns(
        {SEGMENT: CategoricalColumn(chance.integers(0, 2, size), ("small", "large"))}
    )
    together = (chance.random(size) < sigmoid(2 * (columns @ [1.0, 0.7, -0.5]))).astype(float)
    weights = LeadModel(threads=1).fit(TrainingData(alike, together, rules)).report_["weights"]
    assert weights["per_segment"] < 0.5 * weights["ridge"]


def test_a_segment_too_small_for_a_regression_of_its_own_is_answered_by_that_of_all() -> None:
    chance = np.random.default_rng(2)
    numbers, codes = chance.normal(0, 1, (300, 1)), np.r_[np.full(280, 2), np.full(20, 3)][:, None]
    leads = Encoded(numbers, codes, np.full(300, -1.0))
    won, weights = (chance.random(300) < sigmoid(numbers[:, 0])).astype(float), np.ones(300)
    assert codes_with_enough_leads(leads, won, weights, 0) == [2]
    encoding = Encoding({"numbers": ["size"], "words": [[SEGMENT, ["large", "small"]]]})
    ridge = fit_linear(leads, won, weights, encoding.level_counts)
    own = fit_per_segment(leads, won, weights, encoding.level_counts, column=0)
    apart = expert_of(with_others(own, ridge).part, "", encoding)
    of_all = expert_of(ridge.part, "", encoding)
    difference = apart.predict(leads).logit - of_all.predict(leads).logit
    assert not difference[280:].any()
    assert difference[:280].any()
