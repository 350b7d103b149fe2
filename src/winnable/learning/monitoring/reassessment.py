"""Reassessment (model monitoring): are the champion and the definition still right, and what is the
cost of not retraining?

The leads created after the model was trained, and whose horizon has passed, decide between keeping
it, updating its intercept, recalibrating it (intercept and slope) and retraining, by the closed
testing procedure of Vergouwe et al. 2017 (Statistics in Medicine 36, 4529-4539). What is different
about the leads is found by `drift`; it explains, and warns where outcomes are still open, but does
not decide. Nothing is changed here: `winnable train` makes the next model.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from scipy.stats import chi2

from winnable.core.columns import CREATED, FeatureTable, FloatArray
from winnable.core.progress import Progress, no_progress
from winnable.core.statistics import log_losses, logit_of, newton, sigmoid
from winnable.core.timestamps import DAY, microseconds
from winnable.data.dataset import Dataset
from winnable.data.features.training_rows import TrainingRows
from winnable.definition.decide.scorecard import Award, Points, score_points
from winnable.definition.schema import Definition
from winnable.errors import DataError
from winnable.learning.model.lead_model import assign_folds
from winnable.learning.monitoring.drift import (
    MIN_P_SHOWN,
    SIGNIFICANCE,
    Drift,
    Expected,
    drift,
    expected,
    rates_of,
)
from winnable.learning.readiness.data_quality import alarms
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.backtest import answer_of, came_between
from winnable.learning.training.curves import gains
from winnable.learning.training.metrics import (
    MIN_OUTCOMES,
    Difference,
    Metrics,
    difference,
    evaluate,
)
from winnable.learning.training.train import Tell, TrainingOptions, learn

UpdateDecision = Literal["keep", "move", "recalibrate", "retrain", "wait"]

UPDATES: tuple[UpdateDecision, ...] = ("keep", "move", "recalibrate", "retrain")

STAND_IN_WINS = 30
"""Wins, and losses, on which a stand-in for a model that is too young should be evaluated."""

MAX_REVISED_COLUMNS = 5
"""Columns whose effect may have changed on its own, those with the largest contributions."""

MIN_WINS_PER_PARAMETER = 10
"""Wins, and losses, that each parameter of the full revision needs."""

COMPARED_AGE_DAYS = 14
"""Age at which earlier and new leads are compared, so that they had time to do something."""

CROSS_FIT_FOLDS = 5

DEFAULT_WORKED_SHARE = 0.2
"""Of the leads that sales work where the definition names no capacity."""


@dataclass(frozen=True)
class UpdateChoice:
    """What the closed test chose, and the p-value of each lesser update.

    `p` has the likelihood-ratio test of each update against the full revision; `intercept` and
    `slope` are those of the recalibration.
    """

    decision: UpdateDecision
    p: dict[UpdateDecision, float]
    intercept: float
    slope: float


@dataclass(frozen=True)
class RuleSeen:
    """A rule of the scorecard that the outcomes significantly contradict: leads with its points are
    won less often than others, or more often if its points are negative."""

    rule: str
    points: float
    won_with: float
    won_without: float
    leads: int


@dataclass(frozen=True)
class DefinitionSeen:
    """The scorecard evaluated on the outcomes: its metrics, whether it needs recalibration, and the
    rules that are contradicted."""

    measured: Metrics
    choice: UpdateChoice
    contradicted: tuple[RuleSeen, ...]


@dataclass(frozen=True)
class PerformanceCheck:
    """The evaluation of a model on the latest outcomes, each person counted once.

    `losses` are the out-of-fold log losses of the updates; `cost` is the cost of not retraining:
    the log-loss difference to the chosen update, or to the full revision where the model is kept.
    `places` of the leads are worked by sales, among which the model as it is finds `found` wins and
    the update `could_find`.
    """

    choice: UpdateChoice
    measured: Metrics
    losses: dict[UpdateDecision, float]
    cost: Difference
    places: int
    found: float
    could_find: float
    definition: DefinitionSeen


@dataclass(frozen=True)
class Reassessment:
    """The monthly monitoring result.

    `model` names what was evaluated; `since` is the end of its training data: the leads created
    after are out of sample. `leads` counts those whose horizon has passed, `wins` the won ones;
    `performance` is None where they are too few. `ahead` is the performance that the model expects
    of those that are still open (censored), None if there are none. `alarms` says what makes models
    of these data wrong.
    """

    name: str
    model: str
    since: datetime
    present: datetime
    leads: int
    wins: int
    performance: PerformanceCheck | None
    drift: Drift
    ahead: Expected | None
    alarms: tuple[str, ...] = ()

    @property
    def decision(self) -> UpdateDecision:
        """What to do."""
        return "wait" if self.performance is None else self.performance.choice.decision

    @property
    def because(self) -> str:
        """Why."""
        if self.performance is None:
            return (
                f"{self.wins} wins among {self.leads} leads whose horizon has passed are too few"
                " for an evaluation"
            )
        return _because(self.performance.choice)


def reassess(
    data: Dataset,
    predictor: Predictor,
    *,
    since: datetime | None = None,
    seed: int = 0,
    tell: Tell = lambda _: None,
    progress: Progress = no_progress,
) -> Reassessment:
    """Reassess the champion on today's export, read by the model's own definition.

    With fewer than ten wins or fewer than ten losses out of sample it is too young to be evaluated;
    then a model trained in the same way on what was known earlier (at `since`, or as late as leaves
    30 wins) is evaluated in its place. `DataError` where leads have no creation dates.
    """
    present = data.present
    known_until = predictor.card.known_until
    if CREATED not in data.crm.leads or present is None:
        raise DataError(
            "a reassessment needs the creation date of each lead; name the column that holds it as"
            " columns.created"
        )
    rows = data.training_rows
    name = f"version {predictor.version}"
    start = since or known_until
    if since is None and (
        start is None
        or not _enough(one_each(came_between(data, rows, start, present)), MIN_OUTCOMES)
    ):
        start = _late_enough(data, rows, start or present) or start
    if start is not None and start != known_until:
        tell(
            f"{name} is too young to be evaluated; training a model in the same way on what was"
            f" known on {start:%Y-%m-%d}"
        )
        name = f"a model trained like {name} on what was known on {start:%Y-%m-%d}"
        options = TrainingOptions(seed, leave_out=data.left_out, evaluate=False)
        candidate = learn(data.as_of(start), options, progress=progress)
        predictor = Predictor(candidate.artifact)
    start = start or present
    new = came_between(data, rows, start, present)
    ripe = one_each(new)
    unripe = one_each(new, open_ones=True)
    tell(
        f"Evaluating on {len(ripe.won):,} leads created since {start:%Y-%m-%d} whose horizon has"
        " passed"
    )
    return Reassessment(
        name=data.definition.name,
        model=name,
        since=start,
        present=present,
        leads=len(ripe.won),
        wins=int(ripe.won.sum()),
        performance=_check_performance(data, predictor, ripe, start)
        if _enough(ripe, MIN_OUTCOMES)
        else None,
        drift=_compared(data, predictor, rows, new, start),
        ahead=expected(answer_of(predictor, data, unripe)) if len(unripe.won) else None,
        alarms=tuple(finding.text for finding in alarms(data)),
    )


def _check_performance(
    data: Dataset, predictor: Predictor, ripe: TrainingRows, since: datetime
) -> PerformanceCheck:
    definition = predictor.definition
    features = data.features(predictor.plan, ripe.leads, ripe.as_of)
    points = score_points(definition, features)
    logit = predictor.scorer.logit(features, points.logit)
    parts = _largest_contributions(predictor, features, points, ripe.won)
    choice = closed_test(ripe.won, logit, parts)
    answers = cross_fitted(ripe.won, logit, parts)
    update: UpdateDecision = "retrain" if choice.decision == "keep" else choice.decision
    places = _places(definition, ripe, since)
    return PerformanceCheck(
        choice=choice,
        measured=evaluate(ripe.won, answers["keep"], float(ripe.won.mean())),
        losses={
            name: float(log_losses(logit_of(probability), ripe.won).mean())
            for name, probability in answers.items()
        },
        cost=difference(ripe.won, answers[update], answers["keep"], ripe.person),
        places=places,
        found=float(gains(ripe.won, answers["keep"])[places]),
        could_find=float(gains(ripe.won, answers[update])[places]),
        definition=_definition_seen(points, ripe.won),
    )


# --- which leads


def one_each(rows: TrainingRows, *, open_ones: bool = False) -> TrainingRows:
    """One training row of each person, picked at random with a fixed seed.

    Of the rows whose outcome is known or, with `open_ones`, of people without such a row.
    """
    settled = np.isin(rows.person, rows.person[rows.known])
    pool = rows.take(~settled if open_ones else rows.known)
    order = np.random.default_rng(0).permutation(len(pool.won))
    _, first = np.unique(pool.person[order], return_index=True)
    return pool.take(np.sort(order[first]))


def _enough(rows: TrainingRows, least: int) -> bool:
    return bool(min(rows.won.sum(), (1 - rows.won).sum()) >= least)


def _late_enough(data: Dataset, rows: TrainingRows, latest: datetime) -> datetime | None:
    """The latest first of a month since which enough people came for an evaluation, 30 wins or half
    of all; else None."""
    known = one_each(rows)
    least = max(
        MIN_OUTCOMES, min(STAND_IN_WINS, int(min(known.won.sum(), (1 - known.won).sum())) // 2)
    )
    cut = datetime(latest.year, latest.month, 1, tzinfo=UTC)
    first = int(rows.as_of.min(initial=0))
    while microseconds(cut) > first:
        if _enough(one_each(came_between(data, rows, cut, latest)), least):
            return cut
        year, month = divmod(cut.year * 12 + cut.month - 2, 12)
        cut = datetime(year, month + 1, 1, tzinfo=UTC)
    return None


def _compared(
    data: Dataset, predictor: Predictor, rows: TrainingRows, new: TrainingRows, since: datetime
) -> Drift:
    """The drift between earlier and new leads, each person once and all at the same age, with
    scores and conversion rates."""
    age = COMPARED_AGE_DAYS if (rows.age == COMPARED_AGE_DAYS).any() else 0
    before = rows.take(~np.isin(rows.person, new.person) & (rows.as_of < microseconds(since)))
    old_features, old_scores = _scored(data, predictor, before, age)
    new_features, new_scores = _scored(data, predictor, new, age)
    rates = rates_of(_outcomes_on_arrival(before), _outcomes_on_arrival(new))
    return drift(old_features, new_features, (old_scores, new_scores), rates)


def _scored(
    data: Dataset, predictor: Predictor, rows: TrainingRows, age: int
) -> tuple[FeatureTable, FloatArray]:
    """The model's features and probabilities of each person at this age."""
    chosen = _first_each(rows.take(rows.age == age))
    features = data.features(predictor.plan, chosen.leads, chosen.as_of)
    logit = score_points(predictor.definition, features).logit
    scores = predictor.scorer.probability(features, logit)
    return features.select(predictor.plan.learned), scores


def _outcomes_on_arrival(rows: TrainingRows) -> FloatArray:
    """Whether each person was won within the horizon of their creation, where that is known."""
    return _first_each(rows.take((rows.age == 0) & rows.known)).won


def _first_each(rows: TrainingRows) -> TrainingRows:
    return rows.take(np.sort(np.unique(rows.person, return_index=True)[1]))


def _places(definition: Definition, ripe: TrainingRows, since: datetime) -> int:
    """How many of the evaluated leads sales would have worked: its capacity in that time, else a
    fifth."""
    capacity = definition.gate.capacity_per_week
    if capacity is None:
        places = round(DEFAULT_WORKED_SHARE * len(ripe.won))
    else:
        places = round(capacity * (int(ripe.as_of.max()) - microseconds(since)) / (7 * DAY))
    return min(len(ripe.won), max(1, places))


# --- the closed test


def _largest_contributions(
    predictor: Predictor, features: FeatureTable, points: Points, won: FloatArray
) -> FloatArray:
    """The contributions of the most important columns to the log-odds (n, k), as many as the number
    of outcomes allows."""
    added = predictor.scorer.explain(features, points.logit).values
    allowed = int(min(won.sum(), (1 - won).sum())) // MIN_WINS_PER_PARAMETER - 2
    most = max(0, min(MAX_REVISED_COLUMNS, allowed))
    spread = added.std(axis=0)
    chosen = [place for place in np.argsort(-spread)[:most] if spread[place] > 1e-6]
    return added[:, chosen]


def closed_test(won: FloatArray, logit: FloatArray, parts: FloatArray) -> UpdateChoice:
    """Choose the smallest update of a model that the full revision does not beat, as Vergouwe et
    al. 2017 propose.

    `won` (n,) are outcomes, one a person, `logit` (n,) the model's log-odds, `parts` (n, k) what
    its most important columns contribute to them. The full revision fits intercept, slope and the
    effect of each part to these leads. It is tested against the model as it is, then with a new
    intercept, then with intercept and slope, each by a likelihood-ratio test; the first that it
    does not beat at the 5% level is chosen, which keeps the probability of changing a correct model
    at 5%.
    """
    loss = {
        update: float(log_losses(_updated(update, won, logit, parts)(logit, parts), won).sum())
        for update in UPDATES
    }
    p: dict[UpdateDecision, float] = {}
    decision: UpdateDecision = "retrain"
    for place, update in enumerate(UPDATES[:3]):
        freedom = 2 - place + parts.shape[1]
        if freedom:
            p[update] = float(chi2.sf(2 * (loss[update] - loss["retrain"]), freedom))
        if decision == "retrain" and p.get(update, 1.0) >= SIGNIFICANCE:
            decision = update
    columns = np.column_stack([np.ones_like(logit), logit])
    intercept, slope = _coefficients(won, columns, np.zeros(2))
    return UpdateChoice(decision, p, float(intercept), float(slope))


def cross_fitted(
    won: FloatArray, logit: FloatArray, parts: FloatArray
) -> dict[UpdateDecision, FloatArray]:
    """The out-of-fold probabilities (n,) of each update, fitted in five-fold cross-validation."""
    answers = {update: np.empty_like(logit) for update in UPDATES}
    folds = assign_folds(won, None, CROSS_FIT_FOLDS, 0)
    for fold in range(CROSS_FIT_FOLDS):
        inside = folds != fold
        outside = folds == fold
        for name, probability in answers.items():
            update = _updated(name, won[inside], logit[inside], parts[inside])
            updated = update(logit[outside], parts[outside])
            probability[outside] = sigmoid(np.clip(updated, -12, 12))
    return answers


def _updated(
    update: UpdateDecision, won: FloatArray, logit: FloatArray, parts: FloatArray
) -> "Update":
    """The update fitted to these leads."""
    columns = np.column_stack([np.ones_like(logit), logit, parts])
    held = {
        "keep": (1e9, 1e9),
        "move": (0.0, 1e9),
        "recalibrate": (0.0, 0.0),
        "retrain": (0.0, 0.0),
    }[update]
    others = np.full(parts.shape[1], 0.0 if update == "retrain" else 1e9)
    return Update(_coefficients(won, columns, np.concatenate([held, others])))


@dataclass(frozen=True)
class Update:
    """New log-odds from old: `beta` (2 + k,) is the intercept, the slope, and what is added to the
    effect of each part."""

    beta: FloatArray

    def __call__(self, logit: FloatArray, parts: FloatArray) -> FloatArray:
        """The updated log-odds (n,)."""
        return np.asarray(np.column_stack([np.ones_like(logit), logit, parts]) @ self.beta)


def _coefficients(won: FloatArray, columns: FloatArray, held: FloatArray) -> FloatArray:
    """Logistic regression by maximum likelihood; `held` keeps a coefficient where a model that
    needs no update has it."""
    aim = np.zeros(columns.shape[1])
    aim[1] = 1.0
    return newton(columns, won, np.ones(len(won)), penalty=held + 1e-6, aim=aim)


def _because(choice: UpdateChoice) -> str:
    p = {update: _p_in_words(value) for update, value in choice.p.items()}
    if choice.decision == "keep":
        return f"retraining does not explain the latest outcomes significantly better ({p['keep']})"
    if choice.decision == "move":
        return (
            f"calibration in the large is off ({p['keep']}), and a new intercept is enough"
            f" ({p['move']})"
        )
    if choice.decision == "recalibrate":
        enough = ""
        if "recalibrate" in p:
            enough = f", and recalibrating both is enough ({p['recalibrate']})"
        return f"calibration intercept and slope are off ({p['move']}){enough}"
    return f"no recalibration is enough to explain the latest outcomes ({p['recalibrate']})"


def _p_in_words(p: float) -> str:
    return f"p = {p:.3f}" if p >= MIN_P_SHOWN else f"p < {MIN_P_SHOWN}"


# --- the definition


def _definition_seen(points: Points, won: FloatArray) -> DefinitionSeen:
    """The scorecard on the same outcomes; a rule is only named where it is contradicted
    significantly, over all rules together."""
    probability = sigmoid(points.logit)
    choice = closed_test(won, points.logit, np.zeros((len(won), 0)))
    seen = [_contradicted(award, points, won, len(points.awarded)) for award in points.awarded]
    return DefinitionSeen(
        evaluate(won, probability, float(won.mean())),
        choice,
        tuple(rule for rule in seen if rule is not None),
    )


def _contradicted(award: Award, points: Points, won: FloatArray, asked: int) -> RuleSeen | None:
    mine = points.card == award.card
    rates = rates_of(won[mine & ~award.held], won[award.held])
    if (
        rates is None
        or rates.p >= SIGNIFICANCE / asked
        or (rates.new - rates.old) * award.points >= 0
    ):
        return None
    return RuleSeen(award.says, award.points, rates.new, rates.old, rates.new_leads)
