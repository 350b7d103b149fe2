"""What each source converts, shrunk towards the others, as the grade of its leads while the history
is too thin to tell them apart.

How much history is thin is known to whoever holds the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from winnable.core.columns import CategoricalColumn, FloatArray
from winnable.definition.decide.gate import grade
from winnable.definition.decide.recalibration import shrink
from winnable.definition.schema import Definition


@dataclass(frozen=True)
class SourceConversion:
    """The conversion of each source, by its name in lower case, and the `mean` of all leads, which
    is that of a source nobody has seen."""

    mean: float
    by_source: Mapping[str, float]

    @classmethod
    def of(cls, definition: Definition, sources: CategoricalColumn, won: FloatArray) -> Self:
        """What n leads of known outcome tell: their sources and whether each was won, shape
        (n,)."""
        known = sources.codes >= 0
        names = [name.casefold() for name in sources.vocabulary]
        folded = CategoricalColumn.of([names[code] for code in sources.codes[known].tolist()])
        size = len(folded.vocabulary)
        leads = np.bincount(folded.codes, minlength=size).astype(np.float64)
        wins = np.bincount(folded.codes, weights=won[known], minlength=size).astype(np.float64)
        drawn = shrink(wins, leads, definition.outcome.expected_conversion)
        found = zip(folded.vocabulary, drawn.conversion.tolist(), strict=True)
        return cls(drawn.mean, dict(found))

    def grades(self, definition: Definition, sources: CategoricalColumn) -> tuple[str, ...]:
        """The grade of each lead by its source, shape (n,)."""
        of_sources = [self.by_source.get(name.casefold(), self.mean) for name in sources.vocabulary]
        conversion = np.asarray([*of_sources, self.mean], dtype=np.float64)[sources.codes]
        return grade(definition, conversion, self.mean)

    def to_json(self) -> dict[str, Any]:
        """The conversions as plain JSON types."""
        return {"mean": self.mean, "by_source": dict(self.by_source)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The conversions that `to_json` wrote."""
        return cls(float(data["mean"]), dict(data["by_source"]))
