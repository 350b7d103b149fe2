"""Is the history enough to learn from? The published minimum for prediction models, applied to one company's data.

Riley et al. 2019, "Minimum sample size for developing a multivariable prediction model: PART II" (Statistics in Medicine 38),
made practical in Riley et al. 2020, "Calculating the sample size required for developing a clinical prediction model" (BMJ
368:m441): so many leads that the model is shrunk by no more than a tenth, flatters itself by no more than 0.05 of Nagelkerke's
R2, and knows the base rate. Nothing is switched by it: how much rules and models weigh is decided in `model`, by what they
achieve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, log
from typing import TYPE_CHECKING

import numpy as np

from winnable.definition.facts import BoolArray, Column, Facts, FloatArray, IntArray, Numbers
from winnable.definition.model import Definition
from winnable.history.crm import Crm, latest_moment
from winnable.history.features import facts_of
from winnable.history.leak_strength import FOLDS, auc_error, folds_of, groups_of, joint_auc, strength_of
from winnable.history.leakage import ColumnVerdict, left_out
from winnable.history.moments import DAY, NEVER, microseconds, times_of
from winnable.history.plan import learn_plan
from winnable.history.rejects import counted
from winnable.history.snapshots import Snapshots, outcomes, take_snapshots
from winnable.learning.calibration import sigmoid
from winnable.learning.encoding import Encoding, learn_encoding
from winnable.learning.experts import fit_linear
from winnable.learning.lessons import learn_lessons
from winnable.learning.model import LeadModel, rules_decide_below
from winnable.learning.opinions import expert_of
from winnable.learning.progress import Progress, titled, unseen

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHRINKAGE = 0.9
OPTIMISM = 0.05  # of Nagelkerke's R2
MARGIN, RELATIVE_MARGIN = 0.05, 0.25  # of the base rate: the narrower of 5 points and a quarter of it
USUAL_AUC, USUAL_ERROR = 0.75, 0.05  # what such models reach; Riley's advice where nothing is known means an AUC of about 0.74
LEAST_AUC, MOST_AUC = 0.60, 0.90
FREQUENT = 0.02  # of the leads that must share a word for it to count as a parameter of its own
PACE_DAYS = 182


# --- the published formulas --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Minimum:
    """The leads that each of Riley's three criteria asks for."""

    shrinkage: int
    optimism: int
    rate: int

    @property
    def leads(self) -> int:
        """The leads that meet all three."""
        return max(self.shrinkage, self.optimism, self.rate)


def minimum_size(parameters: int, share: float, r2: float, margin: float | None = None, factor: float = 1.0) -> Minimum:
    """The least number of leads for `parameters` candidate parameters, a share won of `share` and a Cox-Snell R2 of `r2`.

    Riley et al. 2020, figures 1 to 3. `margin` is that of the base rate, absolute (they use 0.05; by default the narrower of 0.05
    and a quarter of the share). `factor` multiplies the first criterion (see `strength_factor`).
    """
    margin = min(MARGIN, RELATIVE_MARGIN * share) if margin is None else margin
    less = r2 / (r2 + OPTIMISM * most_cox_snell(share))
    return Minimum(
        shrinkage=ceil(factor * _leads_for_shrinkage(parameters, r2, SHRINKAGE)),
        optimism=ceil(_leads_for_shrinkage(parameters, r2, less)),
        rate=ceil((1.96 / margin) ** 2 * share * (1 - share)),
    )


def _leads_for_shrinkage(parameters: int, r2: float, shrinkage: float) -> float:
    return parameters / ((shrinkage - 1) * log(1 - r2 / shrinkage))


def most_cox_snell(share: float) -> float:
    """The largest Cox-Snell R2 that is possible at this share won (Riley et al. 2020)."""
    return 1 - exp(2 * (share * log(share) + (1 - share) * log(1 - share)))


def cox_snell(auc: float, share: float) -> float:
    """The Cox-Snell R2 of a calibrated model with this AUC.

    Riley, Van Calster and Collins 2021, "A note on estimating the Cox-Snell R2 from a reported C statistic" (Statistics in
    Medicine 40): won and lost leads lie normally about means sqrt(2) z(AUC) apart. They simulate a million leads; here the
    expected likelihood ratio is integrated, which is where their simulation converges.
    """
    from scipy.stats import norm

    apart = float(np.sqrt(2) * norm.ppf(auc))
    x = np.linspace(-8, 8 + apart, 4001)
    step = x[1] - x[0]
    won, lost = share * norm.pdf(x - apart), (1 - share) * norm.pdf(x)
    p = np.clip(won / np.maximum(won + lost, 1e-300), 1e-12, 1 - 1e-12)
    ratio = 2 * step * float(won @ (np.log(p) - np.log(share)) + lost @ (np.log(1 - p) - np.log(1 - share)))
    return 1 - exp(-ratio)


def strength_factor(auc: float) -> float:
    """How many times more leads strong models need than the first criterion says: 1 up to an AUC of 0.80, 1.5 at 0.85, 2 at 0.90.

    Pavlou et al. 2024, "An evaluation of sample size requirements for developing risk prediction models with binary outcomes"
    (BMC Medical Research Methodology 24:146), between their points on a straight line.
    """
    return 1 + 10 * max(0.0, auc - 0.80)


# --- this company's data -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Readiness:
    """Whether the history is enough, and what would make it so.

    leads, wins: with a known outcome. still_open: leads that teach besides, as far as they have been watched. share: of the leads
    won (with one win and one loss added). columns, parameters: candidates, and what a model would have to estimate for them. auc:
    the cautiously anticipated one. needed: Riley's minimum for all of them; needed_half: for the stronger half of the columns,
    `half_columns` of them. rules_below: wins below which the rules should decide. pace: wins a week lately, None without dates.
    `told` says it all in sentences.
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
    pace: float | None

    @property
    def ready(self) -> bool:
        """Whether leads and wins reach the published minimum."""
        return self.leads >= self.needed.leads and self.wins >= self.needed_wins

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
        """Weeks until the needed wins are there at the present pace; 0 if they are, None if nobody knows."""
        if self.ready:
            return 0.0
        lacking = max(self.needed_wins - self.wins, (self.needed.leads - self.leads) * self.share)
        return lacking / self.pace if self.pace else None

    @property
    def told(self) -> tuple[str, ...]:
        """The answer in sentences."""
        return (self._has(), self._stages(), *self._when(), *self._helps())

    def _has(self) -> str:
        known = f"You have {counted(self.wins, 'win')} among {counted(self.leads, 'lead')} with a known outcome"
        if not self.still_open:
            return f"{known}."
        return f"{known}; {counted(self.still_open, 'open lead')} teach besides, for as much as their time so far tells."

    def _stages(self) -> str:
        half = f"the stronger half of the columns can be relied on from {self.blend_from:,}, all {self.columns} of them"
        relied = f"all {self.columns} columns can be relied on" if self.half_columns == self.columns else half
        rate = f"Lean on the rules below {self.rules_below:,} wins, where not even the share won is known well"
        return f"{rate}; {relied} from {self.needed_wins:,}."

    def _when(self) -> tuple[str, ...]:
        if self.ready:
            return ("That is enough by the published minimum.",)
        weeks = self.weeks_to_go
        if weeks is None:
            return ("When that will be, nobody can say: no win has a date of late." if self.pace == 0 else _NO_PACE,)
        when = f"{weeks:.0f} weeks" if weeks < 104 else f"{weeks / 52:.0f} years"
        return (f"At the present pace ({self.pace:.1f} wins a week) you get there in {when}.",)

    def _helps(self) -> tuple[str, ...]:
        told = []
        if self.measured_auc is not None and self.measured_auc < 0.55:
            told.append("These columns hardly tell won from lost leads: other data would help more than more of the same.")
        if not self.ready and self.needed_half.leads < 0.8 * self.needed.leads:
            told.append(
                f"What would help most: {self.columns} columns are candidates; keeping the {self.half_columns} strongest would "
                f"need {ceil(self.needed_half.leads * self.share):,} wins."
            )
        return tuple(told)


_NO_PACE = "When that will be, nobody can say: the data have no dates."


def assess_readiness(definition: Definition, crm: Crm, verdicts: Sequence[ColumnVerdict]) -> Readiness:
    """Judge the history by the columns that may be learned from. Never fails for want of data."""
    outcome = outcomes(definition, crm)
    wins, leads = int((outcome == 1.0).sum()), int((~np.isnan(outcome)).sum())
    share = (wins + 1) / (leads + 2)
    rows = _rows(definition, crm)
    facts, won = _one_each(definition, crm, verdicts, rows, 10_000)
    names = [name for name, column in facts.columns.items() if tells(column)]
    groups = {name: groups_of(facts.columns[name]) for name in names}
    measured, auc = _anticipated_auc(list(groups.values()), won)
    half = _stronger_half(groups, won)
    parameters, fewer = (max(1, candidate_parameters(facts, kept)) for kept in (names, half))
    r2, factor = cox_snell(auc, share), strength_factor(auc)
    return Readiness(
        leads=leads,
        wins=wins,
        still_open=_still_open(definition, crm, rows),
        share=share,
        columns=len(names),
        parameters=parameters,
        auc=auc,
        measured_auc=measured,
        needed=minimum_size(parameters, share, r2, factor=factor),
        half_columns=len(half),
        needed_half=minimum_size(fewer, share, r2, factor=factor),
        rules_below=rules_decide_below(share),
        pace=_pace(definition, crm),
    )


def _rows(definition: Definition, crm: Crm) -> Snapshots:
    """The training rows of today."""
    return take_snapshots(definition, crm, latest_moment(crm))


def _still_open(definition: Definition, crm: Crm, rows: Snapshots) -> int:
    """How many leads without an outcome training learns from (`lessons`)."""
    teach = learn_lessons(definition, crm, rows).teach & np.isnan(rows.outcome)
    return len(np.unique(rows.leads[teach]))


def learnable(definition: Definition, crm: Crm, verdicts: Sequence[ColumnVerdict], most: int = 10_000) -> tuple[Facts, BoolArray]:
    """One training row a lead, at a random moment of its life, for no more than `most` leads: facts, and whether it was won."""
    return _one_each(definition, crm, verdicts, _rows(definition, crm), most)


def _one_each(
    definition: Definition, crm: Crm, verdicts: Sequence[ColumnVerdict], rows: Snapshots, most: int
) -> tuple[Facts, BoolArray]:
    known = np.random.default_rng(0).permutation(np.flatnonzero(rows.known))
    _, first = np.unique(rows.leads[known], return_index=True)
    chosen = rows.take(np.sort(known[np.sort(first)[:most]]))
    plan = learn_plan(definition, crm, leave_out=left_out(verdicts))
    facts = facts_of(plan, definition, crm, chosen.leads, chosen.as_of)
    return facts.select(plan.learned), chosen.won == 1.0


def candidate_parameters(facts: Facts, names: Sequence[str]) -> int:
    """How many things a model of these columns would have to estimate.

    A number costs one, and one more if it is often missing; a column of words one for each frequent word beyond the first (rare
    ones are held at the average by the models here). Columns that repeat each other count once: the sum is the effective rank of
    Roy and Vetterli 2007, "The effective rank: a measure of effective dimensionality" (EUSIPCO), the exponential of the entropy
    of the directions' shares of the variation, because models that hold their coefficients spend little on faint directions.
    """
    columns = [column for name in names for column in _design(facts.columns[name])]
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


def tells(column: Column) -> bool:
    """Whether a column has at least two values, "nothing" among them, that occur often enough to learn from."""
    return bool(_design(column))


def _design(column: Column) -> list[FloatArray]:
    """The column as a regression would take it: each an array (n,)."""
    if isinstance(column, Numbers):
        missing = np.isnan(column.values)
        known = column.values[~missing]
        filled = np.where(missing, known.mean() if len(known) else 0.0, column.values)
        often = FREQUENT <= missing.mean() <= 1 - FREQUENT if len(missing) else False
        return [filled] * bool(len(known) and np.ptp(known) > 0) + [missing.astype(np.float64)] * bool(often)
    counts = np.bincount(column.codes + 1)
    frequent = np.flatnonzero(counts >= max(2.0, FREQUENT * len(column.codes)))
    rare = counts.sum() > counts[frequent].sum()
    return [(column.codes + 1 == code).astype(np.float64) for code in (frequent if rare else frequent[1:])]


def _stronger_half(groups: Mapping[str, IntArray], won: BoolArray) -> list[str]:
    """The columns that tell most by themselves, half of them and rounded up."""
    strengths = dict.fromkeys(groups, 0.5)
    if won.any() and not won.all():
        folds = folds_of(won)
        strengths = {name: strength_of(each, won, folds).auc for name, each in groups.items()}
    return sorted(groups, key=lambda name: -strengths[name])[: (len(groups) + 1) // 2]


def _anticipated_auc(columns: list[IntArray], won: BoolArray) -> tuple[float | None, float]:
    """The cross-fitted AUC of a simple model, and a cautious one to count with.

    The measured AUC is weighed against what is usual by their standard errors; one standard error of the result is taken off.
    """
    known, precision, measured = USUAL_AUC, USUAL_ERROR**-2, None
    if columns and min(won.sum(), (~won).sum()) >= 2 * FOLDS:
        measured = joint_auc(columns, won, folds_of(won))
        weight = auc_error(measured, int(won.sum()), int((~won).sum())) ** -2
        known, precision = (precision * known + weight * measured) / (precision + weight), precision + weight
    return measured, float(np.clip(known - precision**-0.5, LEAST_AUC, MOST_AUC))


def _pace(definition: Definition, crm: Crm) -> float | None:
    """Wins a week in the last half-year of the export, by the day of closing or, where there is none, of creation."""
    latest = latest_moment(crm)
    role = next((role for role in ("@closed", "@created") if role in crm.leads), None)
    if latest is None or role is None:
        return None
    when = times_of(crm.leads[role])[outcomes(definition, crm) == 1.0]
    first = times_of(crm.leads["@created"]).min() if "@created" in crm.leads and len(crm.leads) else NEVER
    now = microseconds(latest.to_pydatetime())
    days = PACE_DAYS if first == NEVER else min(PACE_DAYS, max(7.0, (now - first) / DAY))
    return float(((when != NEVER) & (when > now - days * DAY)).sum() / (days / 7))


# --- a check on the data themselves ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lesson:
    """What a model learned from so many leads and wins saves of the base rate's log loss on leads that it has not seen."""

    leads: int
    wins: int
    saved: float


def learning_curve(
    facts: Facts,
    won: BoolArray,
    *,
    steps: int = 4,
    most: int = 2000,
    seed: int = 0,
    quick: bool = False,
    progress: Progress = unseen,
) -> tuple[Lesson, ...]:
    """Learn from an eighth, a quarter, half and all of at most `most` leads, and judge each model on the same fifth left out.

    Empty where there are too few outcomes to judge by. The rules are taken as the base rate alone. `quick`: by the ridge alone,
    which takes a second where the whole model may take a minute.
    """
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(won))[: ceil(1.25 * most)]
    judged, rest = order[: len(order) // 5], order[len(order) // 5 :]
    if min(won[judged].sum(), (~won[judged]).sum()) < 5:
        return ()
    lessons = []
    for step in range(steps - 1, -1, -1):
        rows = rest[: len(rest) // 2**step]
        outcome, rules = won[rows].astype(np.float64), np.zeros(len(rows))
        if quick:
            answer = _by_ridge(facts.take(rows), outcome, facts.take(judged))
        else:
            told = titled(f"Learning from {len(rows):,} leads", progress)
            model = LeadModel(seed=seed, threads=1).fit(facts.take(rows), outcome, rules, progress=told)
            answer = model.probability(facts.take(judged), np.zeros(len(judged)))
        rate = (won[rest].sum() + 1) / (len(rest) + 2)
        saved = 1 - _loss(answer, won[judged]) / _loss(np.full(1, rate), won[judged])
        lessons.append(Lesson(len(rows), int(outcome.sum()), saved))
    return tuple(lessons)


def _by_ridge(facts: Facts, won: FloatArray, judged: Facts) -> FloatArray:
    """What a ridge of these leads says of the judged ones; the rate where only wins or only losses teach it."""
    if np.ptp(won) == 0:
        return np.full(judged.size, (won.sum() + 1) / (len(won) + 2))
    encoding = Encoding(learn_encoding(facts))
    leads = encoding.encode(facts, np.zeros(facts.size))
    part = fit_linear(leads, won, np.ones(len(won)), encoding.level_counts).part
    return sigmoid(expert_of(part, "", encoding).opinion(encoding.encode(judged, np.zeros(judged.size))).logit)


def _loss(probability: FloatArray, won: BoolArray) -> float:
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(won, np.log(p), np.log(1 - p))))


def readiness_plot(readiness: Readiness, curve: Sequence[Lesson] = ()) -> Figure:
    """Where the company stands on the way to enough wins, and what models learned from fewer leads could do."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2 if curve else 1.9), layout="constrained")
    way = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2)) if curve else [figure.subplots()]
    edges, end = [1, readiness.rules_below, readiness.needed_wins], 2 * max(readiness.needed_wins, readiness.wins, 10)
    shades = ("#d9d9d9", "#9fbfdd", "#1f4e79")
    for low, high, shade, label in zip(edges, [*edges[1:], end], shades, ("lean on the rules", "blend", "model"), strict=True):
        way[0].barh(0, max(0, high - low), left=low, color=shade, height=0.6)
        if high > 1.5 * low:
            way[0].text(np.sqrt(low * high), 0, label, ha="center", va="center", color="white" if label == "model" else "black")
    way[0].axvline(readiness.blend_from, color="white", linewidth=1, linestyle=":")
    way[0].axvline(max(readiness.wins, 1), color="#c0392b", linewidth=2)
    way[0].set(xscale="log", xlim=(1, end), yticks=[])
    way[0].set_title(f"{readiness.wins:,} wins of the {readiness.needed_wins:,} that all columns need", fontsize=10, loc="left")
    if curve:
        way[1].plot([lesson.wins for lesson in curve], [100 * lesson.saved for lesson in curve], "o-", color="#1f4e79")
        way[1].axhline(0, color="#9a9a9a", linewidth=0.8)
        way[1].set_ylabel("log loss saved, per cent")
        way[1].set_title("Still rising on the right: more wins would still help", fontsize=10, loc="left")
    way[-1].xaxis.set_major_formatter("{x:,.0f}")
    way[-1].set_xlabel("Wins with a known outcome")
    for axes in way:
        axes.spines[["top", "right"]].set_visible(False)
    return figure
