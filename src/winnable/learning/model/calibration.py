"""Calibration: log-odds corrected until predicted and observed rates agree, by few parameters and
only where that is shown to help out of fold.

Two parameters (Platt scaling, Platt 1999: intercept and slope of the log-odds) below 1,000 rows,
three (Kull et al. 2017, beta calibration: a ln p - b ln(1 - p) + c) from there on. Isotonic and
Venn-Abers calibration are not offered: they did much harm on few rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from winnable.core.columns import BoolArray, FloatArray, IntArray
from winnable.core.statistics import log_losses, newton, sigmoid

MAX_LOG_ODDS = 12.0
"""Log-odds beyond this are cut: nothing learned here supports one in 160,000."""

CALIBRATION_PENALTY = 5.0
"""The penalty on a calibration's parameters, which is what about 20 leads weigh."""

DRIFT_PENALTY = 10.0
"""The penalty on a shift that follows a change of the rate: what about 40 leads weigh."""

MIN_ROWS_FOR_BETA = 1000
"""Rows from which on calibration has three parameters instead of two."""


def calibrate(logit: FloatArray, calibration: Mapping[str, Any]) -> FloatArray:
    """Calibrated log-odds, shape (n,); `calibration` is `{"intercept", "win", "loss"}`, where win =
    loss is the form of two."""
    inside = np.minimum(np.maximum(logit, -MAX_LOG_ODDS), MAX_LOG_ODDS)
    win = calibration["win"]
    loss = calibration["loss"]
    intercept = calibration["intercept"]
    if win == loss:
        return np.asarray(intercept + win * inside, dtype=np.float64)
    return np.asarray(
        intercept - win * np.logaddexp(0.0, -inside) + loss * np.logaddexp(0.0, inside),
        dtype=np.float64,
    )


def identity() -> dict[str, Any]:
    """The calibration that changes nothing."""
    return {"intercept": 0.0, "win": 1.0, "loss": 1.0, "kind": "none"}


def fit_calibration(
    logit: FloatArray, won: FloatArray, weights: FloatArray, folds: IntArray
) -> dict[str, Any]:
    """The calibration of out-of-fold log-odds, each array of shape (n,); `identity()` unless
    cross-validated log loss falls.

    The parameters are held at "change nothing" by a penalty of `CALIBRATION_PENALTY`.
    """
    kind = "beta" if len(won) >= MIN_ROWS_FOR_BETA else "platt"
    fitted = np.empty_like(logit)
    for fold in np.unique(folds):
        out = folds == fold
        part = _fit(kind, logit[~out], won[~out], weights[~out])
        fitted[out] = calibrate(logit[out], part)
    gain = weights * (
        log_losses(np.clip(logit, -MAX_LOG_ODDS, MAX_LOG_ODDS), won) - log_losses(fitted, won)
    )
    # One standard error of the gain: a calibration that may be chance is not worth its variance.
    if gain.sum() <= np.sqrt(len(gain)) * gain.std():
        return identity()
    return _fit(kind, logit, won, weights)


def settle_level(logit: FloatArray, won: FloatArray, weights: FloatArray) -> float:
    """Half of the shift of out-of-fold log-odds, each array of shape (n,), at which they would add
    up to the wins.

    Where wins are rare, predictions averaged in log-odds add up to too few of them. Half, because
    some of it may be chance, and held at 0 by `CALIBRATION_PENALTY`, or one lead that contradicts
    scores that are all but certain would move them all."""
    return 0.5 * _shift(logit, won, weights, CALIBRATION_PENALTY)


def follow_recent_rate(
    logit: FloatArray, won: FloatArray, weights: FloatArray, order: FloatArray, settled: BoolArray
) -> float:
    """The shift of log-odds (n,) that follows the rate of late, by `order` (n,), the leads' times
    in days.

    It is read from the `settled` (n,) alone, the leads whose outcome is final; the longer ago the
    last of them came, the less.

    A lead counts half as much as one that is 15% of the history younger. The shift is 0 unless the
    one known at four fifths of the history would have lowered the log loss of the last fifth beyond
    doubt (two standard errors). Half of it is followed: a rate that has moved may move on or
    return.
    """
    halving = 0.15 * float(np.ptp(order))
    if halving <= 0 or not settled.any():
        return 0.0
    present = float(order.max())
    logit, won, weights, order = (values[settled] for values in (logit, won, weights, order))

    def shift(until: float) -> float:
        known = order <= until
        recent = weights[known] * 0.5 ** ((until - order[known]) / halving)
        return _shift(logit[known], won[known], recent, DRIFT_PENALTY)

    until = float(np.quantile(order, 0.8))
    late = order > until
    gain = weights[late] * (
        log_losses(logit[late], won[late]) - log_losses(logit[late] + shift(until), won[late])
    )
    if len(gain) == 0 or gain.sum() <= 2 * np.sqrt(len(gain)) * gain.std():
        return 0.0
    return 0.5 * shift(present)


def _shift(logit: FloatArray, won: FloatArray, weights: FloatArray, penalty: float) -> float:
    """The shift at which log-odds add up to the wins, held at 0 by `penalty`.

    Newton's method in one dimension without a line search: `statistics.newton` stops earlier, and
    stored calibrations would change by more than rounding."""
    shift = 0.0
    for _ in range(25):
        p = sigmoid(logit + shift)
        slope = weights @ (p - won) + penalty * shift
        shift -= float(slope / (weights @ (p * (1 - p)) + penalty))
    return shift


def _fit(kind: str, logit: FloatArray, won: FloatArray, weights: FloatArray) -> dict[str, Any]:
    inside = np.clip(logit, -MAX_LOG_ODDS, MAX_LOG_ODDS)
    if kind == "platt":
        columns = np.column_stack([np.ones_like(inside), inside])
        aim = np.array([0.0, 1.0])
    else:
        columns = np.column_stack(
            [np.ones_like(inside), -np.logaddexp(0.0, -inside), np.logaddexp(0.0, inside)]
        )
        aim = np.array([0.0, 1.0, 1.0])
    beta = newton(columns, won, weights, penalty=np.full(len(aim), CALIBRATION_PENALTY), aim=aim)
    if (beta[1:] <= 0).any():
        return identity()
    win = float(beta[1])
    loss = float(beta[-1])
    return {"intercept": float(beta[0]), "win": win, "loss": loss, "kind": kind}
