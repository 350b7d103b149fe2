"""Leads as they really live, at full size: 20,000 of a simulated world in which they come back
after losses and after wins, and in which losses have dates, some or none. The truth is another
100,000 leads of that world."""

from math import sqrt

import pytest

import winnable
from tests.worlds import DEFINITION, RATES, World, predicted_to_actual, simulate
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.train import TrainingOptions, learn

QUICK = TrainingOptions(quick=True, evaluate=False)
AGES = (0, 14, 60, 200)
LEADS = 20_000
TRUTH = 100_000


@pytest.fixture(scope="module")
def later() -> World:
    return simulate(TRUTH, seed=99)


@pytest.mark.parametrize(
    ("history", "dated"), [(True, 1.0), (True, 0.0), (False, 1.0), (False, 0.3), (False, 0.0)]
)
def test_predicted_to_actual(history: bool, dated: float, later: World) -> None:
    world = simulate(LEADS, seed=1, dated_losses=dated, returns=history)
    table = world.history if history else None
    data = winnable.read(world.leads, world.activities, table, definition=DEFINITION)
    predictor = Predictor(learn(data, QUICK).artifact)
    found = predicted_to_actual(predictor, later, AGES, with_history=history)
    print(f"\nstatus history {history}, {dated:.0%} of losses with a closing date")
    for group in RATES if history else ["first"]:
        told = [f"{age} days {found[group, age][0]:.2f} ({found[group, age][1]:,})" for age in AGES]
        print(f"  {group:10}", *told)
    for group in RATES if history else ["first"]:
        for age in AGES:
            ratio, wins = found[group, age]
            # Two standard errors are the worlds' own chance: a fifth as many are learned from.
            noise = 2 * sqrt((1 + TRUTH / LEADS) / wins)
            assert ratio == pytest.approx(1, abs=0.1 + noise), (group, age)
