"""Progress callbacks: how long work reports how far it has come.

Whatever takes more than a moment accepts a `Progress` and calls it after every step; it knows
nothing of progress bars or terminals. Parts of it get a `Step`, whose label the caller has already
set (`named_step`). Where nobody watches, `no_progress` is passed.
"""

from collections.abc import Callable

Step = Callable[[int, int], None]
"""Called with the number of steps done and their total. Called from one thread at a time."""

Progress = Callable[[str, int, int], None]
"""The same, with a label for the work first."""


def no_progress(what: str, done: int, total: int) -> None:
    """Report to nobody."""


def named_step(what: str, progress: Progress) -> Step:
    """A `Step` that reports under the label `what`."""
    return lambda done, total: progress(what, done, total)
