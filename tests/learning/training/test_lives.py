"""Leads as they really live: whichever dates are missing, and whoever came back, what is predicted
is what comes. The world is simulated, so the truth is known; the full size is in the benchmarks."""

import pytest

import winnable
from tests.worlds import DEFINITION, World, predicted_to_actual, simulate
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.train import TrainingOptions, learn

QUICK = TrainingOptions(quick=True, evaluate=False)


@pytest.fixture(scope="module")
def later() -> World:
    """Other leads of the same world, all of whose ends are known."""
    return simulate(8000, seed=99)


@pytest.mark.parametrize("dated", [1.0, 0.3, 0.0])
def test_which_losses_have_dates_changes_no_rate(dated: float, later: World) -> None:
    world = simulate(4000, seed=1, dated_losses=dated, returns=False)
    data = winnable.read(world.leads, world.activities, definition=DEFINITION)
    predictor = Predictor(learn(data, QUICK).artifact)
    ratios = predicted_to_actual(predictor, later, with_history=False)
    for age in (0, 14, 60):
        assert ratios["first", age] == pytest.approx(1, abs=0.12), (age, ratios)


def test_who_comes_back_is_won_as_often_as_predicted(later: World) -> None:
    world = simulate(6000, seed=2)
    data = winnable.read(world.leads, world.activities, world.history, definition=DEFINITION)
    predictor = Predictor(learn(data, QUICK).artifact)
    assert predictor.plan.returns
    ratios = predicted_to_actual(predictor, later, with_history=True)
    for group in ("first", "after loss", "after win"):
        for age in (0, 14):
            assert ratios[group, age] == pytest.approx(1, abs=0.15), (group, age, ratios)
