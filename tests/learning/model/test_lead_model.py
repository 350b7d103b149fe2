"""LeadModel: never fails, adds up, and is the same however it is run."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnable.core.columns import CategoricalColumn, FeatureTable, FloatArray, NumericColumn
from winnable.learning.model.lead_model import LeadModel, TrainingData, assign_folds
from winnable.learning.model.scorer import Scorer
from winnable.learning.model.spec import ModelSpec


def leads(size: int, seed: int = 0) -> tuple[FeatureTable, FloatArray, FloatArray]:
    """Leads with every kind of column, their outcomes, and the log-odds of a scorecard that knows a
    little."""
    chance = np.random.default_rng(seed)
    source = chance.choice(["web", "fair", "list", "friend"], size, p=[0.5, 0.2, 0.2, 0.1])
    visits = chance.poisson(3, size).astype(float)
    signal = 0.5 * visits - 3 + 1.5 * (source == "friend") - 1.0 * (source == "list")
    won = (chance.random(size) < 1 / (1 + np.exp(-signal))).astype(float)
    gaps = np.where(chance.random(size) < 0.2, np.nan, visits)
    features = FeatureTable(
        size,
        {
            "source": CategoricalColumn.of(list(source)),
            "visits": NumericColumn(gaps),
            "city": CategoricalColumn.of(
                [None if draw < 5 else f"city {draw}" for draw in chance.geometric(0.03, size)]
            ),
            "id": CategoricalColumn.of([f"L{i}" for i in range(size)]),
            "constant": CategoricalColumn.of(["same"] * size),
            "empty": NumericColumn(np.full(size, np.nan)),
            "employees": NumericColumn(chance.lognormal(3, 2, size)),
        },
    )
    return features, won, -2.0 + 0.3 * visits


@pytest.fixture(scope="module")
def learned() -> LeadModel:
    features, won, rules = leads(600)
    return LeadModel(threads=1).fit(TrainingData(features, won, rules))


def test_it_learns_more_than_the_rate(learned: LeadModel) -> None:
    features, won, rules = leads(2000, seed=1)
    p = learned.probability(features, rules)
    loss = -np.mean(won * np.log(p) + (1 - won) * np.log(1 - p))
    rate = won.mean()
    assert loss < 0.93 * -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    assert learned.spec_.mode in {"blend", "learned"}


def test_the_quick_fit_does_without_catboost_and_is_close(learned: LeadModel) -> None:
    features, won, rules = leads(600)
    quick = LeadModel(threads=1, quick=True).fit(TrainingData(features, won, rules))
    assert set(quick.spec_.experts) == {"lightgbm", "ridge", "rules"}
    others, seen, given = leads(2000, seed=1)
    p, full = quick.probability(others, given), learned.probability(others, given)
    losses = [-np.mean(seen * np.log(each) + (1 - seen) * np.log(1 - each)) for each in (p, full)]
    assert losses[0] == pytest.approx(losses[1], rel=0.03)


def test_reasons_add_up_to_the_score(learned: LeadModel) -> None:
    features, _, rules = leads(300, seed=2)
    reasons = learned.explain(features, rules)
    np.testing.assert_allclose(
        reasons.base + reasons.values.sum(axis=1), learned.logit(features, rules), atol=1e-9
    )
    assert reasons.values.shape == (300, len(reasons.names))
    assert np.abs(reasons.values[:, reasons.names.index("source")]).mean() > 0.1


def test_a_lead_alone_gets_the_numbers_it_gets_in_a_batch(learned: LeadModel) -> None:
    features, _, rules = leads(60, seed=3)
    together, reasons = learned.logit(features, rules), learned.explain(features, rules)
    low, high = learned.interval(features, rules)
    for i in range(60):
        row, rule = features.take(np.array([i])), rules[i : i + 1]
        np.testing.assert_allclose(learned.logit(row, rule)[0], together[i], atol=1e-9)
        np.testing.assert_allclose(
            learned.explain(row, rule).values[0], reasons.values[i], atol=1e-9
        )
        np.testing.assert_allclose(
            np.ravel(learned.interval(row, rule)), [low[i], high[i]], atol=1e-9
        )


def test_the_probability_lies_in_its_interval(learned: LeadModel) -> None:
    features, _, rules = leads(500, seed=4)
    low, high = learned.interval(features, rules)
    p = learned.probability(features, rules)
    assert (low <= p).all()
    assert (p <= high).all()
    assert (low > 0).all()
    assert (high < 1).all()


def test_the_same_data_give_the_same_model_byte_for_byte() -> None:
    features, won, rules = leads(120, seed=5)
    one, two = (
        LeadModel(seed=3, threads=threads).fit(TrainingData(features, won, rules))
        for threads in (1, 3)
    )
    assert json.dumps(one.spec_.to_json()) == json.dumps(two.spec_.to_json())
    assert one.boosters_ == two.boosters_
    np.testing.assert_array_equal(one.oof_, two.oof_)


def test_the_stored_state_is_all_that_scoring_needs(learned: LeadModel) -> None:
    features, _, rules = leads(50, seed=6)
    again = Scorer(
        ModelSpec.from_json(json.loads(json.dumps(learned.spec_.to_json()))), learned.boosters_
    )
    np.testing.assert_array_equal(again.logit(features, rules), learned.logit(features, rules))


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(0, 40),
    wins=st.sampled_from(["none", "all", "some"]),
    kinds=st.lists(
        st.sampled_from(["number", "empty", "constant", "infinite", "word", "no word", "id"]),
        max_size=4,
    ),
    seed=st.integers(0, 5),
)
def test_it_never_fails(size: int, wins: str, kinds: list[str], seed: int) -> None:
    chance = np.random.default_rng(seed)
    make = {
        "number": lambda: NumericColumn(chance.normal(size=size)),
        "empty": lambda: NumericColumn(np.full(size, np.nan)),
        "constant": lambda: NumericColumn(np.ones(size)),
        "infinite": lambda: NumericColumn(chance.choice([np.inf, -np.inf, np.nan, 1.0], size)),
        "word": lambda: CategoricalColumn.of(list(chance.choice(["a", "b", "c"], size))),
        "no word": lambda: CategoricalColumn.of([None] * size),
        "id": lambda: CategoricalColumn.of([str(i) for i in range(size)]),
    }
    features = FeatureTable(size, {f"{i} {kind}": make[kind]() for i, kind in enumerate(kinds)})
    won = {
        "none": np.zeros(size),
        "all": np.ones(size),
        "some": (chance.random(size) < 0.5).astype(float),
    }[wins]
    rules = np.full(size, -2.0)
    model = LeadModel(threads=1).fit(TrainingData(features, won, rules))
    low, high = model.interval(features, rules)
    p = model.probability(features, rules)
    assert p.shape == model.oof_.shape == (size,)
    assert np.isfinite(p).all()
    assert ((low <= p) & (p <= high)).all()
    if min(won.sum(), (1 - won).sum()) < 3:
        assert model.spec_.mode == "rules"


def test_without_history_the_answer_is_the_rules() -> None:
    model = LeadModel().fit(TrainingData(FeatureTable(0, {}), np.empty(0), np.empty(0)))
    features, _, rules = leads(20)
    np.testing.assert_allclose(model.logit(features, rules), rules, atol=1e-12)
    assert model.spec_.mode == "rules"


def test_groups_stay_on_one_side_and_folds_are_even() -> None:
    chance = np.random.default_rng(0)
    won, groups = (chance.random(1000) < 0.2).astype(float), chance.integers(0, 300, 1000)
    folds = assign_folds(won, groups, 5, seed=1)
    assert all(len(set(folds[groups == group])) == 1 for group in np.unique(groups))
    assert np.bincount(folds).min() > 130
    alone = assign_folds(won, None, 5, seed=1)
    assert np.ptp([won[alone == fold].sum() for fold in range(5)]) <= 1


def test_a_scorecard_that_knows_is_heard_while_leads_are_few() -> None:
    chance = np.random.default_rng(1)
    rules = chance.normal(-1.5, 1.5, 160)
    won = (chance.random(160) < 1 / (1 + np.exp(-rules))).astype(float)
    features = FeatureTable(160, {"noise": NumericColumn(chance.normal(size=160))})
    model = LeadModel(threads=1).fit(TrainingData(features, won, rules))
    assert model.spec_.mode == "blend"
    assert "%" in model.spec_.why
    assert np.corrcoef(model.logit(features, rules), rules)[0, 1] > 0.8


def test_time_lets_the_answer_follow_the_rate() -> None:
    chance = np.random.default_rng(2)
    size, order = 500, np.arange(500.0)
    won = (chance.random(size) < np.linspace(0.05, 0.45, size)).astype(float)
    features, rules = (
        FeatureTable(size, {"noise": NumericColumn(chance.normal(size=size))}),
        np.full(size, -2.0),
    )
    timeless, following = (
        LeadModel(threads=1).fit(TrainingData(features, won, rules, order=given))
        for given in (None, order)
    )
    assert abs(timeless.probability(features, rules).mean() - 0.25) < 0.04
    assert 0.27 < following.probability(features, rules).mean() < 0.45


def test_out_of_fold_answers_are_honest() -> None:
    chance = np.random.default_rng(3)
    features = FeatureTable(
        200, {f"noise {i}": NumericColumn(chance.normal(size=200)) for i in range(10)}
    )
    won = (chance.random(200) < 0.3).astype(float)
    model = LeadModel(threads=1).fit(TrainingData(features, won, np.full(200, -1.0)))
    assert abs(np.corrcoef(model.oof_, won)[0, 1]) < 0.2


def test_a_scorecard_that_tells_leads_apart_decides_until_the_history_knows_its_own_rate() -> None:
    chance = np.random.default_rng(4)
    rules = chance.normal(-2, 1, 200)
    won = np.zeros(200)
    won[chance.permutation(200)[:15]] = 1
    features = FeatureTable(200, {"size": NumericColumn(chance.normal(size=200))})
    with_card = LeadModel().fit(TrainingData(features, won, rules))
    assert with_card.spec_.mode == "rules"
    assert "at least 23 of each" in with_card.spec_.why
    assert np.corrcoef(with_card.logit(features, rules), rules)[0, 1] == pytest.approx(1)
    assert LeadModel().fit(TrainingData(features, won, np.full(200, -2.0))).spec_.mode != "rules"
