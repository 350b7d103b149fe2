"""Parts of sentences that conditions are said with: limits, counts, days, and lists of words.

What a condition says as a whole is in `conditions`.
"""

from collections.abc import Sequence

import numpy as np


def range_in_words(limits: tuple[float, float] | None) -> str:
    """Limits of a number, both inclusive: "50 or more"."""
    low, high = limits or (-np.inf, np.inf)
    if low == high:
        return f"exactly {low:.15g}"
    if np.isinf(high):
        return f"{low:.15g} or more"
    if np.isinf(low):
        return f"{high:.15g} or less"
    return f"between {low:.15g} and {high:.15g}"


def times_in_words(low: float, high: float) -> str:
    """Limits of a count: "at least 2 times"."""
    if low == high:
        return "exactly once" if low == 1 else f"exactly {low:.15g} times"
    if np.isinf(high):
        return f"at least {low:.15g} times"
    if np.isinf(low):
        return f"at most {high:.15g} times"
    return f"between {low:.15g} and {high:.15g} times"


def days_in_words(days: float) -> str:
    """A period behind "the last": "day", "30 days"."""
    return "day" if days == 1 else f"{days:.15g} days"


def either(values: Sequence[str]) -> str:
    """Words of which any one will do."""
    return joined(values, "or")


def joined(values: Sequence[str], conjunction: str) -> str:
    """Words with commas between them, and the conjunction before the last."""
    if len(values) < 2:
        return "".join(values)
    return f"{', '.join(values[:-1])} {conjunction} {values[-1]}"
