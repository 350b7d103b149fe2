"""Leads as they really live: whichever dates are missing, and whoever came back, what is predicted
is what comes. The world is simulated, so the truth is known; the full size is in the benchmarks."""

import numpy as np
import pytest

import winnable
from tests.worlds import (
    ACCOUNT_DEFINITION,
    DEFINITION,
    World,
    colleagues_predicted_to_actual,
    predicted_to_actual,
    simulate,
    simulate_accounts,
)
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.train import TrainingOptions, learn

QUICK = TrainingOptions(quick=True, evaluate=False)


@pytest.fixture(scope="module")
def later() -> World:
    """Other leads of the same world, all of whose ends are known."""
    return simulate(8000, seed=99)


@pytest.mark.parametrize("dated", [1.0, 0.3, 0.0])
def test_which_losses_have_dates_changes_no_rate(dated: float, later: World) -> None:
    found = []
    for seed in (1, 2):  # one world of 4,000 leads is off by .1 now and then, by its own chance
        world = simulate(4000, seed=seed, dated_losses=dated, returns=False)
        data = winnable.read(world.leads, world.activities, definition=DEFINITION)
        predictor = Predictor(learn(data, QUICK).artifact)
        ratios = predicted_to_actual(predictor, later, (0, 14, 60), with_history=False)
        found.append([ratios["first", age][0] for age in (0, 14, 60)])
    assert np.mean(found, axis=0) == pytest.approx([1, 1, 1], abs=0.12), found


def test_who_comes_back_is_won_as_often_as_predicted(later: World) -> None:
    world = simulate(6000, seed=2)
    data = winnable.read(world.leads, world.activities, world.history, definition=DEFINITION)
    predictor = Predictor(learn(data, QUICK).artifact)
    assert predictor.plan.returns
    ratios = predicted_to_actual(predictor, later, (0, 14), with_history=True)
    for group in ("first", "after loss", "after win"):
        for age in (0, 14):
            assert ratios[group, age][0] == pytest.approx(1, abs=0.15), (group, age, ratios)


def test_colleagues_of_customers_are_won_as_often_as_predicted() -> None:
    world = simulate_accounts(8000, seed=2)
    data = winnable.read(world.leads, world.activities, definition=ACCOUNT_DEFINITION)
    predictor = Predictor(learn(data, QUICK).artifact)
    later = simulate_accounts(8000, seed=99)
    ratios = colleagues_predicted_to_actual(predictor, later)
    for is_colleague in (False, True):
        for age in (0, 14, 60):
            assert 0.9 < ratios[is_colleague, age] < 1.1, (is_colleague, age, ratios)
    untold = colleagues_predicted_to_actual(predictor, later, told=False)
    assert untold[None, -1] == pytest.approx(1, abs=0.1), untold
    assert untold[True, 0] < 0.8, "nobody told who is a colleague"


def test_what_accounts_do_drops_out_where_it_does_not_matter() -> None:
    """But for the account both models have the same columns: nothing is derived of its name."""
    world = simulate_accounts(4000, seed=2, matters=False)
    columns = ACCOUNT_DEFINITION.columns.model_copy(update={"ignore": ("company",)})
    definition = ACCOUNT_DEFINITION.model_copy(update={"columns": columns})
    data = winnable.read(world.leads, world.activities, definition=definition)
    candidate = learn(data, QUICK)
    assert candidate.report["accounts"]["kept"] is False
    assert candidate.artifact.spec.model.accounts is None
    bare = learn(
        winnable.read(world.leads.drop(columns="company"), world.activities, definition=DEFINITION),
        QUICK,
    )
    assert candidate.artifact.spec.model == bare.artifact.spec.model
