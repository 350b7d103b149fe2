"""Readiness: is there enough data to train on? The published minimum sample size (`sample_size`),
applied to one company's data.

How many parameters a model of its columns would have to estimate, and which AUC may be expected of
it, is estimated here, cautiously. Nothing is switched by it: the blend weights of scorecard and
models are decided in `model`, by their out-of-fold results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp

import numpy as np

from winnable.core.columns import (
    CLOSED,
    CREATED,
    BoolArray,
    Column,
    FeatureTable,
    FloatArray,
    IntArray,
    NumericColumn,
)
from winnable.core.text import counted
from winnable.core.timestamps import DAY, NEVER, microseconds, times_of
from winnable.data.dataset import Dataset
from winnable.data.leakage.strength import (
    FOLDS,
    auc_error,
    folds_of,
    groups_of,
    joint_auc,
    strength_of,
)
from winnable.learning.model.lead_model import rules_decide_below
from winnable.learning.readiness.sample_size import (
    Minimum,
    cox_snell,
    minimum_size,
    strength_factor,
)
from winnable.learning.training.targets import build_targets

PRIOR_AUC = 0.75
"""What such models reach; Riley's advice where nothing is known means an AUC of about 0.74."""

PRIOR_AUC_ERROR = 0.05
"""Standard error of `PRIOR_AUC`."""

MIN_ANTICIPATED_AUC = 0.60
MAX_ANTICIPATED_AUC = 0.90

MIN_CATEGORY_SHARE = 0.02
"""Of the leads that must share a category for it to count as a parameter of its own."""

WIN_RATE_DAYS = 182
"""Of the latest history from which the wins per week are counted."""

MIN_TELLING_AUC = 0.55
"""Measured AUC below which the columns hardly separate won from lost leads."""

MAX_ROWS = 10_000
"""Leads on which parameters and AUC are estimated; more would change them little."""

WEEKS_PER_YEAR = 52


@dataclass(frozen=True)
class Readiness:
    """Whether there is enough data, and what would make it so.

    `leads` and `wins` have a known outcome; `still_open` counts censored leads, which are trained
    on as far as they have been followed up. `share` is the share won (with one win and one loss
    added). `columns` are candidates, `parameters` what a model would have to estimate for them.
    `auc` is the cautiously anticipated one. `needed` is Riley's minimum for all columns,
    `needed_half` for the stronger half of them, `half_columns` columns. With fewer wins than
    `rules_below` the scorecard should be used. `wins_per_week` are the recent ones, None without
    dates. `messages` says it all in sentences.
    """

    leads: int
    wins: int
    still_open: int
    share: float
    columns: int
    parameters: int
    auc: float
    measured_auc: float | None
    needed: Minimum
    half_columns: int
    needed_half: Minimum
    rules_below: int
    wins_per_week: float | None

    @property
    def ready(self) -> bool:
        """Whether there is a column to learn from, and leads and wins reach the published
        minimum."""
        return (
            bool(self.columns) and self.leads >= self.needed.leads and self.wins >= self.needed_wins
        )

    @property
    def needed_wins(self) -> int:
        """The wins among the needed leads."""
        return ceil(self.needed.leads * self.share)

    @property
    def blend_from(self) -> int:
        """The wins that the stronger half of the columns needs."""
        return max(self.rules_below, ceil(self.needed_half.leads * self.share))

    @property
    def weeks_to_go(self) -> float | None:
        """Weeks until the needed wins are there at the current rate; 0 if they are, None if
        unknown."""
        if self.ready:
            return 0.0
        if not self.columns or self.wins == self.leads:
            return None
        lacking = max(self.needed_wins - self.wins, (self.needed.leads - self.leads) * self.share)
        return lacking / self.wins_per_week if self.wins_per_week else None

    @property
    def messages(self) -> tuple[str, ...]:
        """The answer in sentences."""
        if not self.columns:
            return (self._has(), _NO_COLUMN)
        if self.wins == self.leads:
            return (self._has(), _ALL_WON)
        return (self._has(), self._stages(), *self._when(), *self._helps())

    def _has(self) -> str:
        known = (
            f"You have {counted(self.wins, 'win')} among {counted(self.leads, 'lead')} with a known"
            " outcome"
        )
        if not self.still_open:
            return f"{known}."
        return (
            f"{known}; {counted(self.still_open, 'open lead')} (censored) also count, weighted by"
            " how long they have been followed up."
        )

    def _stages(self) -> str:
        scorecard = (
            f"With fewer than {self.rules_below:,} wins, use the scorecard: even the base rate is"
            " uncertain"
        )
        if self.half_columns == self.columns:
            return (
                f"{scorecard}; from {self.needed_wins:,} wins on, a model of all {self.columns}"
                " columns is reliable."
            )
        return (
            f"{scorecard}; from {self.blend_from:,} wins on, a model of the stronger half of the"
            f" columns is reliable, from {self.needed_wins:,} a model of all {self.columns}."
        )

    def _when(self) -> tuple[str, ...]:
        if self.ready:
            return ("That meets the published minimum sample size.",)
        weeks = self.weeks_to_go
        if weeks is None:
            return (_NO_RECENT_WIN if self.wins_per_week == 0 else _NO_DATES,)
        when = f"{weeks:.0f} weeks"
        if weeks >= 2 * WEEKS_PER_YEAR:
            when = f"{weeks / WEEKS_PER_YEAR:.0f} years"
        return (
            f"At the current rate ({self.wins_per_week:.1f} wins a week) you will get there in"
            f" {when}.",
        )

    def _tells(self) -> tuple[str, ...]:
        """Whether the columns separate won from lost leads, where that is in doubt."""
        auc = self.measured_auc
        if auc is None:
            return ()
        if auc < MIN_TELLING_AUC:
            return (
                "These columns hardly separate won from lost leads: other data would help more than"
                " more of the same.",
            )
        margin = 1.96 * auc_error(auc, self.wins, self.leads - self.wins)
        if auc - margin > 0.5:
            return ()
        return (
            "It is not proven that these columns separate won from lost leads at all (AUC"
            f" {auc:.2f}, 95% CI {auc - margin:.2f} to {min(auc + margin, 1.0):.2f}): a model may"
            " be no better than the base rate.",
        )

    def _helps(self) -> tuple[str, ...]:
        messages = [*self._tells()]
        if not self.ready and self.needed_half.leads < 0.8 * self.needed.leads:
            messages.append(
                f"What would help most: fewer columns. Keeping the {self.half_columns} strongest of"
                f" {self.columns} would need {ceil(self.needed_half.leads * self.share):,} wins."
            )
        return tuple(messages)


_NO_COLUMN = (
    "There is no column to learn from: a model could only give every lead the base rate. Export"
    " more of what is known of a lead early."
)
_ALL_WON = (
    "No lead is known not to be won, and nothing can be learned from wins alone. Name the statuses"
    " of lost leads under outcome.lost."
)
_NO_DATES = "When that will be cannot be estimated: the data have no dates."
_NO_RECENT_WIN = "When that will be cannot be estimated: there was no win recently."


def assess_readiness(data: Dataset) -> Readiness:
    """Assess the data by the columns that passed the leakage checks. Never fails for want of
    data."""
    outcome = data.outcomes
    wins = int((outcome == 1.0).sum())
    leads = int(_has_outcome(data).sum())
    share = (wins + 1) / (leads + 2)
    features, won = learnable(data)
    names = [name for name, column in features.columns.items() if is_informative(column)]
    groups = {name: groups_of(features.columns[name]) for name in names}
    measured, auc = _anticipated_auc(list(groups.values()), won)
    half = _stronger_half(groups, won)
    parameters, fewer = (max(1, candidate_parameters(features, kept)) for kept in (names, half))
    r2 = cox_snell(auc, share)
    factor = strength_factor(auc)
    return Readiness(
        leads=leads,
        wins=wins,
        still_open=_still_open(data),
        share=share,
        columns=len(names),
        parameters=parameters,
        auc=auc,
        measured_auc=measured,
        needed=minimum_size(parameters, share, r2, factor=factor),
        half_columns=len(half),
        needed_half=minimum_size(fewer, share, r2, factor=factor),
        rules_below=rules_decide_below(share),
        wins_per_week=_wins_per_week(data),
    )


def _has_outcome(data: Dataset) -> BoolArray:
    """Which leads have a known outcome. Where the definition calls nobody lost, a lead whose
    horizon has passed is known not to be won."""
    known = ~np.isnan(data.outcomes)
    rows = data.training_rows
    if not data.definition.outcome.lost and rows.horizon_days is not None:
        known[rows.leads[rows.known & (rows.age == 0)]] = True
    return known


def _still_open(data: Dataset) -> int:
    """How many censored leads, without an outcome, are trained on (`targets`)."""
    rows = data.training_rows
    usable = build_targets(data, rows).usable & np.isnan(rows.outcome)
    return len(np.unique(rows.leads[usable]))


def learnable(data: Dataset, most: int = MAX_ROWS) -> tuple[FeatureTable, BoolArray]:
    """One training row a lead, at a random moment of its life, for no more than `most` leads:
    features, and whether it was won."""
    rows = data.training_rows
    known = np.random.default_rng(0).permutation(np.flatnonzero(rows.known))
    _, first = np.unique(rows.leads[known], return_index=True)
    chosen = rows.take(np.sort(known[np.sort(first)[:most]]))
    plan = data.feature_plan(data.left_out)
    features = data.features(plan, chosen.leads, chosen.as_of)
    return features.select(plan.learned), chosen.won == 1.0


def candidate_parameters(features: FeatureTable, names: Sequence[str]) -> int:
    """How many parameters a model of these columns would have to estimate.

    A number costs one, and one more if it is often missing; a categorical column one for each
    frequent category beyond the first (rare ones are shrunk to the average by the models here).
    Columns that repeat each other count once: the sum is the effective rank of Roy and Vetterli
    2007, "The effective rank: a measure of effective dimensionality" (EUSIPCO), the exponential of
    the entropy of the directions' shares of the variation, because models that hold their
    coefficients spend little on faint directions.
    """
    columns = [column for name in names for column in _design(features.columns[name])]
    if not columns:
        return 0
    design = np.column_stack(columns)
    spread = design.std(axis=0)
    design = (design - design.mean(axis=0))[:, spread > 1e-9] / spread[spread > 1e-9]
    if not design.size:
        return 0
    strengths = np.maximum(np.linalg.eigvalsh(design.T @ design), 1e-12)
    shares = strengths / strengths.sum()
    return ceil(exp(-float(shares @ np.log(shares))) - 1e-6)


def is_informative(column: Column) -> bool:
    """Whether a column has at least two values, "nothing" among them, that occur often enough to
    learn from."""
    return bool(_design(column))


def _design(column: Column) -> list[FloatArray]:
    """The column as a regression would take it: each an array (n,)."""
    if isinstance(column, NumericColumn):
        missing = np.isnan(column.values)
        known = column.values[~missing]
        filled = np.where(missing, known.mean() if len(known) else 0.0, column.values)
        columns = []
        if len(known) and np.ptp(known) > 0:
            columns.append(filled)
        if len(missing) and MIN_CATEGORY_SHARE <= missing.mean() <= 1 - MIN_CATEGORY_SHARE:
            columns.append(missing.astype(np.float64))
        return columns
    counts = np.bincount(column.codes + 1)
    frequent = np.flatnonzero(counts >= max(2.0, MIN_CATEGORY_SHARE * len(column.codes)))
    rare = counts.sum() > counts[frequent].sum()
    return [
        (column.codes + 1 == code).astype(np.float64)
        for code in (frequent if rare else frequent[1:])
    ]


def _stronger_half(groups: Mapping[str, IntArray], won: BoolArray) -> list[str]:
    """The half of the columns with the highest univariate AUC, rounded up."""
    strengths = dict.fromkeys(groups, 0.5)
    if won.any() and not won.all():
        folds = folds_of(won)
        strengths = {name: strength_of(each, won, folds).auc for name, each in groups.items()}
    return sorted(groups, key=lambda name: -strengths[name])[: (len(groups) + 1) // 2]


def _anticipated_auc(columns: list[IntArray], won: BoolArray) -> tuple[float | None, float]:
    """The cross-fitted AUC of a simple model, and a cautious one to count with.

    The measured AUC is weighed against what is usual by their standard errors; one standard error
    of the result is taken off.
    """
    known = PRIOR_AUC
    precision = PRIOR_AUC_ERROR**-2
    measured = None
    if columns and min(won.sum(), (~won).sum()) >= 2 * FOLDS:
        measured = joint_auc(columns, won, folds_of(won))
        weight = auc_error(measured, int(won.sum()), int((~won).sum())) ** -2
        known, precision = (
            (precision * known + weight * measured) / (precision + weight),
            precision + weight,
        )
    return measured, float(
        np.clip(known - precision**-0.5, MIN_ANTICIPATED_AUC, MAX_ANTICIPATED_AUC)
    )


def _wins_per_week(data: Dataset) -> float | None:
    """Wins per week in the last half-year of the export, by the day of closing or, where there is
    none, of creation."""
    crm = data.crm
    present = data.present
    role = next((role for role in (CLOSED, CREATED) if role in crm.leads), None)
    if present is None or role is None:
        return None
    when = times_of(crm.leads[role])[data.outcomes == 1.0]
    first = times_of(crm.leads[CREATED]).min() if CREATED in crm.leads and len(crm.leads) else NEVER
    now = microseconds(present)
    days = WIN_RATE_DAYS if first == NEVER else min(WIN_RATE_DAYS, max(7.0, (now - first) / DAY))
    return float(((when != NEVER) & (when > now - days * DAY)).sum() / (days / 7))
