"""The learning curve rises where there is something to learn, and says nothing where too little
could be evaluation."""

import numpy as np

from winnable.core.columns import FeatureTable, NumericColumn
from winnable.learning.readiness.learning_curve import learning_curve


def test_the_learning_curve_rises_where_there_is_something_to_learn() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(900, 2))
    won = random.random(900) < 1 / (1 + np.exp(1.5 - 1.5 * x[:, 0]))
    curve = learning_curve(
        FeatureTable(900, {"one": NumericColumn(x[:, 0]), "two": NumericColumn(x[:, 1])}),
        won,
        steps=3,
    )
    assert [point.leads for point in curve] == [180, 360, 720]
    assert curve[-1].skill > max(0.05, curve[0].skill)
    assert learning_curve(FeatureTable(20, {"one": NumericColumn(x[:20, 0])}), won[:20]) == ()
