"""Reassessment: is the model in charge still right, and the definition, and what does it cost to do
nothing?

The leads that came after the model was learned, and whose horizon has passed, decide between
keeping it, moving its intercept, recalibrating it (intercept and slope) and learning anew, by the
closed testing procedure of Vergouwe et al. 2017 (Statistics in Medicine 36, 4529-4539). What is
different about the leads is found by `drift`; it explains, and warns where outcomes are still open,
but does not decide. Nothing is changed here: `winnable train` makes the next model.
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
from winnable.core.values import moment
from winnable.data.dataset import Dataset
from winnable.data.features.training_rows import TrainingRows
from winnable.definition.decide.scorecard import Award, Points, score_points
from winnable.definition.schema import Definition
from winnable.errors import DataError
from winnable.learning.model.lead_model import assign_folds
from winnable.learning.monitoring.drift import SURE, Drift, Expected, drift, expected, rates_of
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.backtest import answer_of, came_between
from winnable.learning.training.curves import gains
from winnable.learning.training.metrics import LEAST, Difference, Metrics, difference, evaluate
from winnable.learning.training.train import Tell, TrainingOptions, learn

UpdateDecision = Literal["keep", "move", "recalibrate", "retrain", "wait"]

UPDATES: tuple[UpdateDecision, ...] = ("keep", "move", "recalibrate", "retrain")
# Wins, and other leads, that are asked of the leads by which a stand-in for a young model is
# judged.
ENOUGH = 30
PARTS = 5  # columns whose effect may have changed by itself, the weightiest ones
WINS_A_PART = 10  # that each parameter of the revision takes at least
# Days after which leads of before and of late are compared, so that they had time to do something.
AGE_COMPARED = 14
FOLDS = 5


@dataclass(frozen=True)
class Choice:
    """What the closed test chose, and the chance of what was seen if each lesser update were
    enough.

    `p` has the test of each update against the full revision; `intercept` and `slope` are those of
    the recalibration.
    """

    decision: UpdateDecision
    p: dict[UpdateDecision, float]
    intercept: float
    slope: float


@dataclass(frozen=True)
class RuleSeen:
    """A rule of the scorecard whose leads were won the other way round than its points say, beyond
    doubt."""

    says: str
    points: float
    won_with: float
    won_without: float
    leads: int


@dataclass(frozen=True)
class DefinitionSeen:
    """The scorecard held against outcomes: its measures, whether its expectation must move, and the
    rules that point wrongly."""

    measured: Metrics
    choice: Choice
    contradicted: tuple[RuleSeen, ...]


@dataclass(frozen=True)
class Judgement:
    """What the latest outcomes say of a model, the leads counted once each.

    `losses` are the cross-fitted log losses of the updates; `cost` is what doing nothing loses
    against the chosen update, against the full revision where nothing is to be done. `places` of
    the leads are worked by sales, among which the model as it is finds `found` wins and the update
    `could_find`.
    """

    choice: Choice
    measured: Metrics
    losses: dict[UpdateDecision, float]
    cost: Difference
    places: int
    found: float
    could_find: float
    definition: DefinitionSeen


@dataclass(frozen=True)
class Reassessment:
    """All that is said once a month.

    `model` names who was judged; `since` is when it stopped learning: the leads that came after are
    new to it. `leads` counts those whose horizon has passed, `wins` the won ones; `judgement` is
    None where they are too few. `ahead` is what the model expects of those that are still open,
    None if there are none.
    """

    name: str
    model: str
    since: datetime
    present: datetime
    leads: int
    wins: int
    judgement: Judgement | None
    drift: Drift
    ahead: Expected | None

    @property
    def decision(self) -> UpdateDecision:
        """What to do."""
        return "wait" if self.judgement is None else self.judgement.choice.decision

    @property
    def because(self) -> str:
        """Why."""
        if self.judgement is None:
            return (
                f"{self.wins} wins among {self.leads} leads whose horizon has passed are too few to"
                " judge by"
            )
        return _because(self.judgement.choice)


def reassess(
    data: Dataset,
    predictor: Predictor,
    *,
    since: datetime | None = None,
    seed: int = 0,
    tell: Tell = lambda _: None,
    progress: Progress = no_progress,
) -> Reassessment:
    """Reassess the model in charge on today's export, read by the model's own definition.

    Where fewer than ten leads that it has never met were won, or fewer than ten were not, it is too
    young to be judged; then a model that is learned in the same way from what was known earlier (at
    `since`, or as late as leaves 30 wins) is judged in its place. `DataError` where leads have no
    dates of creation.
    """
    present, known_until = data.present, moment(str(predictor.card["known_until"] or ""))
    if CREATED not in data.crm.leads or present is None:
        raise DataError(
            "a reassessment needs to know when each lead came; name the column with the creation"
            " date"
        )
    rows = data.training_rows
    name, start = f"version {predictor.version}", since or known_until
    if since is None and (
        start is None or not _enough(one_each(came_between(data, rows, start, present)), LEAST)
    ):
        start = _late_enough(data, rows, start or present) or start
    if start is not None and start != known_until:
        tell(
            f"{name} is too young to be judged; learning in the same way from what was known on"
            f" {start:%Y-%m-%d}"
        )
        name = f"a model learned like {name} from what was known on {start:%Y-%m-%d}"
        options = TrainingOptions(seed, leave_out=data.left_out, judge=False)
        candidate = learn(data.as_of(start), options, progress=progress)
        predictor = Predictor(candidate.artifact)
    start = start or present
    new = came_between(data, rows, start, present)
    ripe, unripe = one_each(new), one_each(new, open_ones=True)
    tell(
        f"Judging on {len(ripe.won):,} leads that came since {start:%Y-%m-%d} and whose horizon has"
        " passed"
    )
    return Reassessment(
        name=data.definition.name,
        model=name,
        since=start,
        present=present,
        leads=len(ripe.won),
        wins=int(ripe.won.sum()),
        judgement=_judged(data, predictor, ripe, start) if _enough(ripe, LEAST) else None,
        drift=_compared(data, predictor, rows, new, start),
        ahead=expected(answer_of(predictor, data, unripe)) if len(unripe.won) else None,
    )


def _judged(data: Dataset, predictor: Predictor, ripe: TrainingRows, since: datetime) -> Judgement:
    definition = predictor.definition
    features = data.features(predictor.plan, ripe.leads, ripe.as_of)
    points = score_points(definition, features)
    logit, parts = (
        predictor.scorer.logit(features, points.logit),
        _weightiest(predictor, features, points, ripe.won),
    )
    choice = closed_test(ripe.won, logit, parts)
    answers = cross_fitted(ripe.won, logit, parts)
    update: UpdateDecision = "retrain" if choice.decision == "keep" else choice.decision
    places = _places(definition, ripe, since)
    return Judgement(
        choice=choice,
        measured=evaluate(ripe.won, answers["keep"], float(ripe.won.mean())),
        losses={
            each: float(log_losses(logit_of(answer), ripe.won).mean())
            for each, answer in answers.items()
        },
        cost=difference(ripe.won, answers[update], answers["keep"], ripe.person),
        places=places,
        found=float(gains(ripe.won, answers["keep"])[places]),
        could_find=float(gains(ripe.won, answers[update])[places]),
        definition=_definition_seen(points, ripe.won),
    )


# --- which leads
# -------------------------------------------------------------------------------------------------------------


def one_each(rows: TrainingRows, *, open_ones: bool = False) -> TrainingRows:
    """One row of each person, at random among the moments at which they were looked at, always the
    same ones.

    Of the rows whose outcome is known or, with `open_ones`, of people who have no such row.
    """
    settled = np.isin(rows.person, rows.person[rows.known])
    pool = rows.take(~settled if open_ones else rows.known)
    order = np.random.default_rng(0).permutation(len(pool.won))
    _, first = np.unique(pool.person[order], return_index=True)
    return pool.take(np.sort(order[first]))


def _enough(rows: TrainingRows, least: int) -> bool:
    return bool(min(rows.won.sum(), (1 - rows.won).sum()) >= least)


def _late_enough(data: Dataset, rows: TrainingRows, latest: datetime) -> datetime | None:
    """The latest beginning of a month from which on enough people came to judge by, 30 wins or half
    of all; else None."""
    known = one_each(rows)
    least = max(LEAST, min(ENOUGH, int(min(known.won.sum(), (1 - known.won).sum())) // 2))
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
    """Leads of before and of late, each person once and all at the same age, with scores; and how
    many were won."""
    age = AGE_COMPARED if (rows.age == AGE_COMPARED).any() else 0
    before = rows.take(~np.isin(rows.person, new.person) & (rows.as_of < microseconds(since)))
    groups = [_first_each(each.take(each.age == age)) for each in (before, new)]
    features = [data.features(predictor.plan, each.leads, each.as_of) for each in groups]
    scores = [
        predictor.scorer.probability(each, score_points(predictor.definition, each).logit)
        for each in features
    ]
    looked_at = [each.select(predictor.plan.learned) for each in features]
    arrived = [_first_each(each.take((each.age == 0) & each.known)).won for each in (before, new)]
    return drift(
        looked_at[0], looked_at[1], (scores[0], scores[1]), rates_of(arrived[0], arrived[1])
    )


def _first_each(rows: TrainingRows) -> TrainingRows:
    return rows.take(np.sort(np.unique(rows.person, return_index=True)[1]))


def _places(definition: Definition, ripe: TrainingRows, since: datetime) -> int:
    """How many of the judged leads sales would have worked: its capacity in the time in which they
    came, else a fifth."""
    capacity = definition.gate.capacity_per_week
    weeks = (int(ripe.as_of.max()) - microseconds(since)) / (7 * DAY)
    return min(
        len(ripe.won), max(1, round(0.2 * len(ripe.won) if capacity is None else capacity * weeks))
    )


# --- the closed test
# ---------------------------------------------------------------------------------------------------------


def _weightiest(
    predictor: Predictor, features: FeatureTable, points: Points, won: FloatArray
) -> FloatArray:
    """What the weightiest columns add to the log-odds (n, k), as many as the outcomes can bear."""
    added = predictor.scorer.explain(features, points.logit).values
    bears = int(min(won.sum(), (1 - won).sum())) // WINS_A_PART - 2
    spread = added.std(axis=0)
    chosen = [
        place for place in np.argsort(-spread)[: max(0, min(PARTS, bears))] if spread[place] > 1e-6
    ]
    return added[:, chosen]


def closed_test(won: FloatArray, logit: FloatArray, parts: FloatArray) -> Choice:
    """Choose the least update of a model that the full revision does not beat, as Vergouwe et al.
    2017 propose.

    `won` (n,) are outcomes, one a person, `logit` (n,) the model's log-odds, `parts` (n, k) what
    its weightiest columns add to them. The revision lets intercept, slope and the effect of each
    part be what they are among these leads. It is tested against the model as it is, then with a
    new intercept, then with intercept and slope, each by its likelihood ratio; the first that it
    does not beat at 5 % is chosen, which keeps the chance of changing a model that is right at 5 %.
    """
    loss = {
        each: float(log_losses(_updated(each, won, logit, parts)(logit, parts), won).sum())
        for each in UPDATES
    }
    freedom = {each: 2 - place + parts.shape[1] for place, each in enumerate(UPDATES[:3])}
    p = {
        each: float(chi2.sf(2 * (loss[each] - loss["retrain"]), free))
        for each, free in freedom.items()
        if free
    }
    decision: UpdateDecision = next(
        (each for each in freedom if p.get(each, 1.0) >= SURE), "retrain"
    )
    intercept, slope = _coefficients(
        won, np.column_stack([np.ones_like(logit), logit]), np.zeros(2)
    )
    return Choice(decision, p, float(intercept), float(slope))


def cross_fitted(
    won: FloatArray, logit: FloatArray, parts: FloatArray
) -> dict[UpdateDecision, FloatArray]:
    """What each update would have said of the leads (n,), learned from the others, five times; as
    probabilities."""
    answers = {each: np.empty_like(logit) for each in UPDATES}
    folds = assign_folds(won, None, FOLDS, 0)
    for fold in range(FOLDS):
        inside, outside = folds != fold, folds == fold
        for each, answer in answers.items():
            update = _updated(each, won[inside], logit[inside], parts[inside])
            answer[outside] = sigmoid(np.clip(update(logit[outside], parts[outside]), -12, 12))
    return answers


def _updated(
    update: UpdateDecision, won: FloatArray, logit: FloatArray, parts: FloatArray
) -> "Update":
    """The update learned from these leads."""
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


def _because(choice: Choice) -> str:
    told = {each: f"p = {p:.3f}" if p >= 0.001 else "p < 0.001" for each, p in choice.p.items()}
    if choice.decision == "keep":
        return (
            "a revision does not explain the latest outcomes better than the model as it is"
            f" ({told['keep']})"
        )
    if choice.decision == "move":
        return f"the level is off ({told['keep']}), and moving it is enough ({told['move']})"
    if choice.decision == "recalibrate":
        enough = (
            f", and mending both is enough ({told['recalibrate']})" if "recalibrate" in told else ""
        )
        return f"level and spread of the scores are off ({told['move']}){enough}"
    return f"no recalibration is enough to explain the latest outcomes ({told['recalibrate']})"


# --- the definition
# ----------------------------------------------------------------------------------------------------------


def _definition_seen(points: Points, won: FloatArray) -> DefinitionSeen:
    """The scorecard against the same outcomes; a rule is only named where chance is no explanation,
    all rules together."""
    answer = sigmoid(points.logit)
    choice = closed_test(won, points.logit, np.zeros((len(won), 0)))
    seen = [
        found
        for award in points.awarded
        if (found := _contradicted(award, points, won, len(points.awarded)))
    ]
    return DefinitionSeen(evaluate(won, answer, float(won.mean())), choice, tuple(seen))


def _contradicted(award: Award, points: Points, won: FloatArray, asked: int) -> RuleSeen | None:
    mine = points.card == award.card
    rates = rates_of(won[mine & ~award.held], won[award.held])
    if rates is None or rates.p >= SURE / asked or (rates.new - rates.old) * award.points >= 0:
        return None
    return RuleSeen(award.says, award.points, rates.new, rates.old, rates.new_leads)
