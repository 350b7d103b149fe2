"""How leads fit: which of the three customer profiles each has, whether it asked for sales itself,
and whether its source is wanted.

What follows for the hand-over, and in which words, is decided in `gate`.
"""

from functools import lru_cache

import numpy as np

from winnable.core.columns import BoolArray, FeatureTable
from winnable.definition.conditions import Condition, all_hold
from winnable.definition.schema import Definition


def is_ideal(definition: Definition, features: FeatureTable) -> BoolArray:
    """Which leads fit the ideal customer, shape (features.size,); none where nobody said what that
    is."""
    if not definition.profile.ideal:
        return np.zeros(features.size, dtype=np.bool_)
    return all_hold(definition.profile.ideal, features, definition.activities)


def is_acceptable(definition: Definition, features: FeatureTable) -> BoolArray:
    """Which leads are acceptable customers and not ideal ones, shape (features.size,)."""
    held = np.zeros(features.size, dtype=np.bool_)
    for case in definition.profile.acceptable:
        held |= all_hold(case.when, features, definition.activities)
    return held & ~is_ideal(definition, features) if held.any() else held


def has_raised_hand(definition: Definition, features: FeatureTable) -> BoolArray | None:
    """Which leads asked for sales themselves, shape (features.size,); None where the definition
    does not say how."""
    aggregate = definition.hand_raises()
    if aggregate is None:
        return None
    return np.asarray(features.numbers(aggregate.name) >= 1)


def is_known(column: str, features: FeatureTable) -> BoolArray:
    """For which leads a column has any value, shape (features.size,)."""
    return _test_of(column, ()).holds(features)


def is_one_of(column: str, values: tuple[str, ...], features: FeatureTable) -> BoolArray:
    """For which leads a column has one of these values, shape (features.size,)."""
    if not values:
        return np.zeros(features.size, dtype=np.bool_)
    return _test_of(column, values).holds(features)


@lru_cache(maxsize=1024)
def _test_of(column: str, values: tuple[str, ...]) -> Condition:
    """The condition that a column has one of these values; without values, that it has any."""
    if values:
        return Condition(field=column, any_of=values)
    return Condition(field=column, is_present=True)
