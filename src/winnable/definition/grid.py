"""The grid: how well a lead fits (A to D) beside how engaged it is (1 to 4), and what the company
calls each of its cells.

Only what is written in the definition is here; what a lead's fit and engagement are is found in
`decide.grid`.
"""

from itertools import product
from typing import Annotated, Self

from pydantic import Field, model_validator

from winnable.definition.parts import DefinitionPart, Name

FIT = "ABCD"
ENGAGEMENT = "1234"
CELLS = tuple(letter + digit for letter, digit in product(FIT, ENGAGEMENT))
"""The cells, A1 to D4, the best first of each letter."""

NAMES = (*FIT, *ENGAGEMENT, *CELLS)
"""What may have words of its own, in the order of the page."""

OddsRatio = Annotated[float, Field(gt=0, le=1e6)]
Steps = tuple[OddsRatio, OddsRatio, OddsRatio]


class Grid(DefinitionPart):
    """Fit and engagement told apart: fit is who they are (A to D), engagement what they did (1 to
    4), each by how it multiplies the odds of the average lead. Leads have a grid where the
    definition has this table, even an empty one."""

    fit: Steps = (2.0, 1.0, 0.5)
    """A, B and C from these odds ratios on, D below: what fit alone makes of the average lead's
    odds."""
    engagement: Steps = (2.0, 1.0, 0.5)
    """1, 2 and 3 from these odds ratios on, 4 below: what engagement alone makes of the average
    lead's odds."""
    words: dict[Name, Name] = Field(default_factory=dict)
    """The company's own words for a letter, a number or a cell."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, steps in (("fit", self.fit), ("engagement", self.engagement)):
            if not steps[0] > steps[1] > steps[2]:
                written = ", ".join(f"{step:g}" for step in steps)
                raise ValueError(
                    f"{name}: the three odds ratios must decrease, got {written}; write the best"
                    " first, such as [2, 1, 0.5]"
                )
        for name in self.words:
            if name not in NAMES:
                raise ValueError(
                    f"words: {name!r} is no part of the grid; write a letter from A to D, a number"
                    " from 1 to 4, or a cell from A1 to D4"
                )
        return self

    def says(self, cell: str) -> str:
        """A cell in the company's own words: its own, else those of its letter and its number; ""
        where there are none."""
        if cell in self.words:
            return self.words[cell]
        return ", ".join(self.words[name] for name in cell if name in self.words)

    def word_rows(self) -> tuple[tuple[str, str], ...]:
        """What has words, with them, in the order of the page."""
        return tuple((name, self.words[name]) for name in NAMES if name in self.words)
