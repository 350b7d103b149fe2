"""Scorer: works from data alone, in a light process, from many threads, and whatever arrives."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from winnable.core.columns import CategoricalColumn, FeatureTable, FloatArray, NumericColumn
from winnable.learning.model.lead_model import LeadModel, TrainingData
from winnable.learning.model.scorer import RULES, Scorer
from winnable.learning.model.spec import ModelSpec

SIZE = 400


def history(seed: int = 0) -> tuple[FeatureTable, FloatArray, FloatArray]:
    chance = np.random.default_rng(seed)
    source, team = (
        chance.choice(["web", "fair", "list"], SIZE),
        chance.choice(["A", "B", "C", "D"], SIZE),
    )
    visits = chance.poisson(3, SIZE).astype(float)
    signal = 0.6 * visits - 2.5 + 2.0 * ((source == "web") & (team == "A"))
    won = (chance.random(SIZE) < 1 / (1 + np.exp(-signal))).astype(float)
    columns = {
        "source": CategoricalColumn.of(list(source)),
        "visits": NumericColumn(visits),
        "team": CategoricalColumn.of(list(team)),
    }
    return FeatureTable(SIZE, columns), won, np.log(0.2) + 0.2 * visits


@pytest.fixture(scope="module")
def model() -> LeadModel:
    features, won, rules = history()
    return LeadModel(threads=2).fit(TrainingData(features, won, rules))


@pytest.fixture
def scorer(model: LeadModel) -> Scorer:
    return Scorer(
        ModelSpec.from_json(json.loads(json.dumps(model.spec_.to_json()))), model.boosters_
    )


def test_everything_at_once_is_everything_apart(scorer: Scorer) -> None:
    features, _, rules = history(1)
    answer = scorer.answer(features, rules, reasons=True)
    assert answer.reasons is not None
    for at_once, apart in (
        (answer.logit, scorer.logit(features, rules)),
        (answer.probability, scorer.probability(features, rules)),
        ((answer.low, answer.high), scorer.interval(features, rules)),
        (answer.reasons.values, scorer.explain(features, rules).values),
    ):
        np.testing.assert_allclose(at_once, apart, rtol=0, atol=1e-12)
    assert answer.reasons.names == ("visits", "source", "team", RULES)


def test_columns_that_are_missing_unseen_or_of_another_kind_are_scored(scorer: Scorer) -> None:
    nothing = scorer.answer(FeatureTable(2, {}), np.zeros(2), reasons=True)
    strange = FeatureTable(
        2,
        {
            "visits": CategoricalColumn.of(["4", "often"]),
            "source": CategoricalColumn.of(["moon", None]),
            "team": NumericColumn(np.array([1.0, np.nan])),
        },
    )
    answer = scorer.answer(strange, np.zeros(2), reasons=True)
    for said in (nothing, answer):
        assert np.isfinite([said.low, said.probability, said.high]).all()
        assert said.reasons is not None
        np.testing.assert_allclose(
            said.reasons.base + said.reasons.values.sum(axis=1), said.logit, atol=1e-9
        )


def test_the_order_of_columns_does_not_matter(scorer: Scorer) -> None:
    features, _, rules = history(2)
    turned = FeatureTable(features.size, dict(reversed(features.columns.items())))
    np.testing.assert_array_equal(scorer.logit(turned, rules), scorer.logit(features, rules))


def test_no_leads_get_no_answers(scorer: Scorer) -> None:
    answer = scorer.answer(FeatureTable(0, {}), np.empty(0), reasons=True)
    assert answer.probability.shape == answer.low.shape == (0,)
    assert answer.reasons is not None
    assert answer.reasons.values.shape == (0, 4)


def test_threads_do_not_disturb_each_other(scorer: Scorer) -> None:
    features, _, rules = history(3)
    expected = scorer.logit(features, rules)
    singles = [features.take(np.array([i])) for i in range(SIZE)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda i: scorer.logit(singles[i], rules[i : i + 1])[0], list(range(SIZE)) * 5)
        )
    np.testing.assert_allclose(answers, np.tile(expected, 5), atol=1e-9)


def test_a_pair_of_words_that_matters_together_is_learned(scorer: Scorer) -> None:
    pairs = FeatureTable(
        4,
        {
            "source": CategoricalColumn.of(["web", "web", "fair", "fair"]),
            "team": CategoricalColumn.of(["A", "B", "A", "B"]),
        },
    )
    pairs = pairs.with_columns({"visits": NumericColumn(np.full(4, 3.0))})
    logit = scorer.logit(pairs, np.full(4, np.log(0.2) + 0.6))
    assert (logit[0] - logit[1]) - (logit[2] - logit[3]) > 0.5


def test_scoring_loads_no_heavy_library(model: LeadModel, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(
        json.dumps({"spec": model.spec_.to_json(), "boosters": model.boosters_})
    )
    program = f"""
import json, sys
import numpy as np
from winnable.core.columns import FeatureTable, CategoricalColumn
from winnable.learning.model.scorer import Scorer
from winnable.learning.model.spec import ModelSpec
data = json.loads(open({str(tmp_path / "spec.json")!r}).read())
scorer = Scorer(ModelSpec.from_json(data["spec"]), data["boosters"])
features = FeatureTable(1, {{"team": CategoricalColumn.of(["A"])}})
print(scorer.answer(features, np.zeros(1), reasons=True).probability[0])
heavy = {{"pandas", "sklearn", "scipy", "lightgbm", "catboost", "mlflow", "matplotlib"}}
heavy = sorted(heavy & set(sys.modules))
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout) < 1
