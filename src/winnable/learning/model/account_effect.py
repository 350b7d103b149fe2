"""The account effect: how much what the others of a lead's account did moves its log-odds.

It is learned apart from the experts, as a logistic regression on top of their answer (an offset),
and kept only if it lowers the log loss, beyond doubt, of accounts that it was not learned from, and
later times do not speak against it. A lead of whose account nothing is known gets the experts'
answer alone, which is right on average over all accounts: whether it is missing changes no rate.
The facts themselves are computed in `data.features.accounts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from winnable.core.columns import BoolArray, FeatureTable, FloatArray, IntArray
from winnable.core.statistics import log_losses, newton
from winnable.data.features.accounts import ACCOUNT_COLUMNS, DAYS_KNOWN

FOLDS = 5

MIN_STANDARD_ERRORS = 2.0
"""Standard errors by which the gain in cross-validation must exceed 0 for the effect to be kept."""

EARLIER_SHARE = 0.7
"""Of the rows, the earliest, whose effect is tried on the others."""

PRIOR_DEVIATION = 0.5
"""How many log-odds one standard deviation of a term is expected to move, before any evidence."""

FIXED = 1e8
"""A penalty that holds a coefficient where it is."""


@dataclass(frozen=True)
class AccountRows:
    """n training rows: their out-of-fold log-odds `logit`, features, outcomes and weights; the
    `account` of each, -1 where none is known, its `fold`, which holds accounts whole, and its time
    in days (`order`), None where leads have no order. All of shape (n,)."""

    logit: FloatArray
    features: FeatureTable
    won: FloatArray
    weights: FloatArray
    account: IntArray
    fold: IntArray
    order: FloatArray | None


@dataclass(frozen=True)
class AccountGain:
    """What the account effect gained: the log-loss reduction per lead of a known account, and its
    standard error over accounts, in cross-validation and, in `later`, on the latest rows by an
    effect of the earlier ones; and whether it was kept. `shift` (n,) is what it added to each row's
    log-odds out of fold, 0 where it was not kept."""

    gain: float
    error: float
    later: float | None
    kept: bool
    shift: FloatArray

    def to_json(self) -> dict[str, Any]:
        """What the report says of it."""
        return {"gain": self.gain, "error": self.error, "later": self.later, "kept": self.kept}


def fit_account_effect(rows: AccountRows) -> tuple[dict[str, Any] | None, AccountGain]:
    """The effect on top of the rows' log-odds, None if it was not kept.

    It is kept if it lowers the log loss of accounts that it was not learned from, unless it raises
    that of later times by more than a standard error: counts of the past grow with the history, so
    that what they seem to say may only be that times have changed. The later rows are too few to
    prove a gain by themselves.
    """
    terms = _terms(rows.features)
    known = is_known(rows.features) & (rows.account >= 0) & (rows.weights > 0)
    nothing = np.zeros(len(rows.logit))
    if not terms[known].any() or not 0 < rows.won[known].sum() < known.sum():
        return None, AccountGain(0.0, 0.0, None, False, nothing)
    shift = nothing.copy()
    less = nothing.copy()
    for fold in np.unique(rows.fold[known]):
        held_out = known & (rows.fold == fold)
        shift[held_out], less[held_out] = _tried(rows, terms, known & ~held_out, held_out)
    gain, error = _per_lead(rows, less, known)
    later = _later_gain(rows, terms, known)
    kept = gain > MIN_STANDARD_ERRORS * error
    if later is not None:
        kept &= later[0] > -later[1]
    found = AccountGain(
        gain, error, None if later is None else later[0], kept, shift if kept else nothing
    )
    if not kept:
        return None, found
    level, part = _fitted(rows, terms, known)
    return {"intercept": float(part[0] - level), "weights": part[1:].tolist()}, found


def _later_gain(
    rows: AccountRows, terms: FloatArray, known: BoolArray
) -> tuple[float, float] | None:
    """The gain on the latest rows by an effect of the earlier ones, and its standard error; None
    where either has one outcome only, or there is no order."""
    if rows.order is None:
        return None
    is_later = rows.order > np.quantile(rows.order[known], EARLIER_SHARE)
    earlier = known & ~is_later
    later = known & is_later
    if any(np.ptp(rows.won[side]) == 0 for side in (earlier, later) if side.any()):
        return None
    if not (earlier.any() and later.any()):
        return None
    less = np.zeros(len(rows.logit))
    less[later] = _tried(rows, terms, earlier, later)[1]
    return _per_lead(rows, less, later)


def _tried(
    rows: AccountRows, terms: FloatArray, inside: BoolArray, outside: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """What an effect of the rows `inside` adds to the log-odds of those `outside`, and by how much
    it lowers their weighted log losses."""
    level, part = _fitted(rows, terms, inside)
    added = part[0] - level + terms[outside] @ part[1:]
    logit = rows.logit[outside] + level
    won = rows.won[outside]
    less = rows.weights[outside] * (log_losses(logit, won) - log_losses(logit + added, won))
    return added, less


def _per_lead(rows: AccountRows, less: FloatArray, chosen: BoolArray) -> tuple[float, float]:
    """The mean of weighted reductions and its standard error over accounts."""
    of = np.unique(rows.account[chosen], return_inverse=True)[1]
    by_account = np.bincount(of, less[chosen])
    size = float(rows.weights[chosen].sum())
    error = float(np.sqrt(len(by_account)) * by_account.std())
    return float(by_account.sum()) / size, error / size


def _fitted(rows: AccountRows, terms: FloatArray, inside: BoolArray) -> tuple[float, FloatArray]:
    """The shift of the log-odds of these rows at which they add up to their wins, and intercept and
    coefficients of the effect."""
    logit = rows.logit[inside]
    won = rows.won[inside]
    weights = rows.weights[inside]
    level = _fit(logit, terms[inside][:, :0], won, weights)[0]
    return float(level), _fit(logit, terms[inside], won, weights)


def account_shift(part: Mapping[str, Any], features: FeatureTable) -> tuple[FloatArray, FloatArray]:
    """What each of `ACCOUNT_COLUMNS` adds to the log-odds, (n, columns), and what a known account
    adds as such, (n,); 0 where nothing is known of the account."""
    known = is_known(features)
    added = _terms(features) * np.asarray(part["weights"])
    by_column = added.reshape(features.size, len(ACCOUNT_COLUMNS), -1).sum(axis=2)
    return by_column, np.where(known, float(part["intercept"]), 0.0)


def is_known(features: FeatureTable) -> BoolArray:
    """Of which rows anything is known of the account, shape (n,)."""
    return ~np.isnan(features.numbers(DAYS_KNOWN))


def _terms(features: FeatureTable) -> FloatArray:
    """Two terms of each of `ACCOUNT_COLUMNS`, whether it is above 0 and its logarithm, (n, terms);
    0 where nothing is known."""
    columns = [np.nan_to_num(features.numbers(name)) for name in ACCOUNT_COLUMNS]
    terms = [term for values in columns for term in ((values > 0) * 1.0, np.log1p(values))]
    return np.column_stack(terms)


def _fit(logit: FloatArray, terms: FloatArray, won: FloatArray, weights: FloatArray) -> FloatArray:
    """The intercept and the coefficients of the terms (n, k), on top of the log-odds (n,)."""
    spread = np.sqrt(np.average((terms - terms.mean(axis=0)) ** 2, axis=0, weights=weights))
    columns = np.column_stack([logit, np.ones(len(logit)), terms])
    aim = np.zeros(columns.shape[1])
    aim[0] = 1.0
    penalty = np.concatenate([[FIXED, 1e-3], (spread / PRIOR_DEVIATION) ** 2 + 1e-6])
    return newton(columns, won, weights, penalty=penalty, aim=aim)[1:]
