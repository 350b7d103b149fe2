"""Scores of accounts: the probability that at least one of an account's open leads is won within
the horizon.

Leads of one account are not independent: often one is bought through, or all fail together. How far
they are is measured on history (`training.account_calibration`) and stands in the model card; here
it is applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import ACCOUNT, ID, FloatArray, IntArray
from winnable.core.text import counted, percent
from winnable.data.features.accounts import account_keys
from winnable.errors import DataError
from winnable.learning.artifacts.card import ModelCard

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.dataset import Dataset

MIN_SHARED_ACCOUNTS = 30
"""Accounts with several open leads, counted at each moment, below which nothing is learned."""

ACCOUNT_TABLE = (
    "account",
    "open_leads",
    "probability",
    "best_lead_id",
    "best_probability",
    "won_leads",
    "lost_leads",
)


def probability_of_any(
    probability: FloatArray, account: IntArray, independence: float
) -> tuple[IntArray, FloatArray]:
    """The accounts that occur in `account` (n,), sorted, and for each the probability that any of
    its leads is won, from that of each lead (n,).

    With `independence` 1 the leads are independent, with 0 the others add nothing to the best; an
    account of one lead has its lead's probability.
    """
    names, place = np.unique(account, return_inverse=True)
    survival = np.log1p(-np.clip(probability, 0.0, 1 - 1e-12))
    best = np.zeros(len(names))
    np.minimum.at(best, place, survival)
    others = np.bincount(place, survival, minlength=len(names)) - best
    return names.astype(np.int64), -np.expm1(best + independence * others)


def independence_of(card: ModelCard) -> float:
    """How independent the leads of one account are by a model card; where that could not be
    measured, as if they were."""
    calibration = None if card.accounts is None else card.accounts["calibration"]
    return 1.0 if calibration is None else float(calibration["independence"])


def calibration_text(card: ModelCard) -> str:
    """In a sentence how the probabilities of accounts were calibrated, or that they were not."""
    calibration = None if card.accounts is None else card.accounts["calibration"]
    bands = [] if calibration is None else calibration["bands"]
    several = [band for band in bands if band["open_leads"] != "1"]
    seen = sum(band["accounts"] for band in several)
    if seen < MIN_SHARED_ACCOUNTS:
        return (
            "Not calibrated: the model has seen too few accounts with several open leads, so the"
            " leads of one account count as independent of each other."
        )
    predicted, observed = (
        sum(band["accounts"] * band[name] for band in several) / seen
        for name in ("predicted", "observed")
    )
    return (
        f"Calibrated on past accounts with several open leads, {seen:,} in all: the model said"
        f" {percent(predicted)} on average, and {percent(observed)} had a win."
    )


def account_table(data: Dataset, scores: pd.DataFrame, card: ModelCard) -> pd.DataFrame:
    """The accounts with open leads, the most probable first, from the table of their leads' scores
    (`batch.score_table`). `DataError` where the leads name no account."""
    import pandas as pd

    if ACCOUNT not in data.crm.leads:
        raise DataError(
            "The definition names no column of accounts, or the export lacks it; name one under"
            " [columns] as account = ..."
        )
    leads = data.crm.leads
    keys = pd.Series(account_keys(data.crm), index=leads.index, dtype="str")
    outcomes = data.definition.outcome
    is_open = scores["error"].isna() & (scores["decision"] != "closed")
    is_open = is_open.reindex(leads.index, fill_value=False) & keys.notna()
    if not is_open.any():
        return pd.DataFrame(columns=list(ACCOUNT_TABLE))
    probability = scores["probability"].reindex(leads.index)[is_open].astype("float64")
    codes, names = pd.factorize(keys[is_open], sort=True)
    _, of_any = probability_of_any(
        np.asarray(probability, dtype=np.float64), codes.astype(np.int64), independence_of(card)
    )
    best = probability.groupby(codes).idxmax()
    status = leads["@status"] if "@status" in leads else pd.Series("", index=leads.index)
    ended = [
        keys[status.isin(values)].value_counts().reindex(names, fill_value=0).to_numpy()
        for values in (outcomes.won, outcomes.lost)
    ]
    written = leads[ACCOUNT].where(leads[ACCOUNT].notna(), keys)
    shown = written[is_open].groupby(codes).agg(lambda words: words.mode().iloc[0])
    table = pd.DataFrame(
        {
            "account": shown.to_numpy(),
            "open_leads": np.bincount(codes),
            "probability": of_any,
            "best_lead_id": leads[ID].loc[best].to_numpy(),
            "best_probability": probability.loc[best].to_numpy(),
            "won_leads": ended[0],
            "lost_leads": ended[1],
        }
    )
    return table.sort_values(["probability", "account"], ascending=[False, True], ignore_index=True)


def without_account(data: Dataset) -> str | None:
    """In a sentence how many leads belong to no account; None if there are none."""
    missing = sum(key is None for key in account_keys(data.crm))
    return f"{counted(missing, 'lead')} of no known account." if missing else None
