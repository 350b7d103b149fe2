"""Conversion by the values of a column: which sources and kinds of customers convert significantly
better than usual, or worse than half the usual odds.

For proposals that people accept or not; rules with points are suggested in `suggest`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from winnable.core.statistics import wilson

if TYPE_CHECKING:
    import pandas as pd

MIN_LEADS_OF_VALUE = 30
"""Leads that a source or a kind of customer needs before it is proposed to refuse or want it."""

SURE = 0.99
"""The level of the confidence interval by which it is proposed; many values are looked at."""

MAX_TOLD_VALUES = 8
"""Values whose counts are told."""


@dataclass(frozen=True)
class ConversionByValue:
    """How many leads of each value of a column were won, of how many with an outcome, and the usual
    share."""

    counts: Mapping[str, tuple[int, int]]
    usual: float

    @classmethod
    def of(cls, values: pd.Series[str], won: pd.Series[bool]) -> Self:
        """Of the values of a column, and which of the leads with an outcome were won, by index."""
        by_value = won.groupby(values.reindex(won.index))
        counts = {str(name): (int(of.sum()), len(of)) for name, of in by_value}
        return cls(counts, float(won.mean()) if len(won) else 0.0)

    def good(self) -> list[str]:
        """The values that convert significantly better than usual."""
        return [
            name
            for name, (won, leads) in self.counts.items()
            if leads >= MIN_LEADS_OF_VALUE and wilson(won, leads, SURE)[0] > self.usual
        ]

    def poor(self) -> list[str]:
        """The values that convert significantly worse than half the usual odds."""
        half = self.usual / (2 - self.usual)
        return [
            name
            for name, (won, leads) in self.counts.items()
            if leads >= MIN_LEADS_OF_VALUE and wilson(won, leads, SURE)[1] < half
        ]

    def above_usual(self, names: Sequence[str]) -> str:
        """Why these are good."""
        return f"significantly above the usual {100 * self.usual:.3g}% won; {self._told(names)}"

    def below_half_the_odds(self, names: Sequence[str]) -> str:
        """Why these are poor."""
        usual = f"{100 * self.usual:.3g}% won"
        return f"significantly below half the usual odds ({usual}); {self._told(names)}"

    def _told(self, names: Sequence[str]) -> str:
        parts = []
        for name in names[:MAX_TOLD_VALUES]:
            won, leads = self.counts[name]
            parts.append(f"{name}: {won:,} of {leads:,} won")
        return "; ".join(parts)
