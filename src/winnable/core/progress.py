"""How far long work has come: the one way in which it tells.

Whatever takes more than a moment accepts a `Progress` and calls it after every step; it knows
nothing of bars or terminals. What the whole is called is known to whoever starts it: `named_step`.
Where nobody looks, `no_progress` is called.
"""

from collections.abc import Callable

Step = Callable[[int, int], None]
"""How many steps of some work are done, and of how many. Called from one thread at a time."""

Progress = Callable[[str, int, int], None]
"""The same, after the words that people know the work by."""


def no_progress(what: str, done: int, total: int) -> None:
    """Tell nobody."""


def named_step(what: str, progress: Progress) -> Step:
    """A step of the work of that name."""
    return lambda done, total: progress(what, done, total)
