"""Champion/challenger: whether a candidate replaces the champion, by their log loss on the latest
leads, whose outcome neither could know.

A first model has no champion to beat, but the base rate and the scorecard: where it is
significantly worse than one of them where it was evaluated, that one answers instead (`stand_in`).

The champion predicts as it is. The candidate is represented by a model trained by its definition on
what the champion could know at its time, so that neither has an advantage; that newer data are
worth something is left to the rule in `compare`, which says how old a champion may become. The
scorecard and the base rate are the baseline beside them; all are compared by a paired bootstrap of
people (95% confidence intervals).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from winnable.core.columns import FloatArray
from winnable.core.progress import Progress, no_progress
from winnable.core.timestamps import microseconds
from winnable.data.dataset import Dataset
from winnable.definition.review.diff import changes
from winnable.definition.schema import Definition
from winnable.learning.registry.stand_in import BASE_RATE, SCORECARD, is_stand_in
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.metrics import Difference, difference, evaluate
from winnable.learning.training.train import Candidate, Evaluation, evaluate_since

OLD_CHAMPION_DAYS = 28
"""Age of its data from which a champion must be significantly better than a candidate to stay."""

TIE_LOG_LOSS_SHARE = 0.002
"""Of the other's log loss: a smaller difference counts as none, however significant it is."""

MIN_WINS_SHARE = 0.5
"""Of the champion's wins: a candidate trained on fewer is taken for one of a part of the data."""


@dataclass(frozen=True)
class Competitor:
    """A model or baseline that the candidate was compared with. `log_loss_reduction`: by how much
    the candidate's log loss is lower than this one's."""

    name: str
    log_loss: float
    log_loss_reduction: Difference

    @property
    def surely_better(self) -> bool:
        """Whether this one is significantly better than the candidate, by more than a tie."""
        return self.log_loss_reduction.high < -TIE_LOG_LOSS_SHARE * self.log_loss

    @property
    def surely_worse(self) -> bool:
        """Whether this one is significantly worse than the candidate, by more than a tie."""
        return self.log_loss_reduction.low > TIE_LOG_LOSS_SHARE * self.log_loss

    @property
    def tied(self) -> bool:
        """Whether the whole confidence interval lies within a tie."""
        ends = self.log_loss_reduction.low, self.log_loss_reduction.high
        return max(abs(end) for end in ends) <= TIE_LOG_LOSS_SHARE * self.log_loss


@dataclass(frozen=True)
class Comparison:
    """The candidate against others on the same rows, `wins` of them won; `how` says in words which
    leads they are."""

    how: str
    rows: int
    wins: int
    log_loss: float
    competitors: tuple[Competitor, ...]


@dataclass(frozen=True)
class PromotionDecision:
    """Whether a candidate becomes champion, and why; `comparison` is None where there was nothing
    to compare on. `instead` is the baseline that answers in its place, where there is no champion
    that could; `doubt` says that the candidate is not proven to be better than a baseline."""

    champion: bool
    because: str
    comparison: Comparison | None
    instead: str | None = None
    doubt: str | None = None


def compare(
    candidate: Candidate,
    data: Dataset,
    incumbent: Predictor | None,
    progress: Progress = no_progress,
) -> PromotionDecision:
    """The decision by the promotion rule, with what the candidate's card doubts.

    A candidate becomes champion if it is significantly better than the
    champion, or if it is not significantly worse and the champion is old: its data end four weeks
    earlier, or it was trained by another definition.

    Significance is evaluation by the 95% confidence interval of the log-loss difference, beyond a
    five-hundredth of the loss. Where there are too few later leads to compare on, neither is
    significantly better. A candidate stays challenger if the scorecard or the base rate is
    significantly better, if it is the scorecard alone where the champion is a trained model, if it
    has seen less than half of the champion's wins, or if its data end earlier. A champion of
    another outcome or horizon predicts something that is no longer asked for, and is replaced. A
    model that replaces nobody must not be worse than the base rate and the scorecard on its
    holdout; else that baseline answers.
    """
    decision = _decide(candidate, data, incumbent, progress)
    if decision.doubt is not None or decision.instead is not None:
        return decision
    return replace(decision, doubt=candidate.artifact.spec.card.doubt)


def _decide(
    candidate: Candidate, data: Dataset, incumbent: Predictor | None, progress: Progress
) -> PromotionDecision:
    if incumbent is None:
        return _first(candidate, "there was no champion before it")
    if candidate.artifact.fingerprint == incumbent.fingerprint:
        return PromotionDecision(
            False,
            f"it is the same model as version {incumbent.version}, from the same data and"
            " definition",
            None,
        )
    if _question(candidate.definition) != _question(incumbent.definition):
        return _first(
            candidate, f"what counts as won has changed since version {incumbent.version}"
        )
    if is_stand_in(incumbent.card):
        decision = _first(candidate, f"version {incumbent.version} only stood in for a model")
        return replace(decision, instead=None)
    poorer = _poorer(candidate, incumbent)
    if poorer is not None:
        return PromotionDecision(False, poorer, None)
    comparison = _comparison(candidate, data, incumbent, progress)
    return PromotionDecision(*_outcome(comparison, candidate, incumbent), comparison)


def _first(candidate: Candidate, because: str) -> PromotionDecision:
    """The decision on a model that replaces nobody.

    It has to be not significantly worse than the base rate and the scorecard on its holdout; worse
    by the estimate alone is a warning. With few wins the estimate is mostly chance, and a blend
    that is held back already loses little: where the estimate decided, 50 leads of the bank set
    (three draws) were answered 7.7% worse than by the best reference, by the model 0.5% better.
    """
    comparison = _against_baselines(candidate)
    if comparison is None or candidate.mode == "rules":
        return PromotionDecision(True, because, comparison)
    rates = (BASE_RATE,) if _is_constant(candidate) else (BASE_RATE, SCORECARD)
    best = min(
        (competitor for competitor in comparison.competitors if competitor.name in rates),
        key=lambda competitor: competitor.log_loss,
    )
    if comparison.log_loss <= (1 + TIE_LOG_LOSS_SHARE) * best.log_loss:
        return PromotionDecision(True, because, comparison)
    evidence = (
        f"worse than {best.name} ({comparison.rows:,} rows, {comparison.wins:,} won):"
        f" {_evidence(comparison, best)}"
    )
    if best.surely_better:
        return PromotionDecision(False, f"it is {evidence}", comparison, best.name)
    doubt = f"The model may be {evidence}. More leads will tell; until then trust it little."
    return PromotionDecision(True, because, comparison, doubt=doubt)


def _is_constant(candidate: Candidate) -> bool:
    """Whether the scorecard gives every lead the same, and so is no more than a rate."""
    return candidate.evaluation is None or float(np.ptp(candidate.evaluation.rules)) < 1e-9


def _outcome(
    comparison: Comparison | None, candidate: Candidate, incumbent: Predictor
) -> tuple[bool, str]:
    old, age = _age(candidate, incumbent)
    if comparison is None:
        few = f"too few outcomes since version {incumbent.version} to compare the two"
        return (True, f"{age}; {few}") if old else (False, f"{few}, and {age}")
    champion, *baselines = comparison.competitors
    for baseline in baselines:
        if baseline.surely_better:
            return False, (
                f"it is significantly worse than {baseline.name}: {_evidence(comparison, baseline)}"
            )
    evidence = _evidence(comparison, champion)
    if champion.surely_worse:
        return True, f"it is significantly better: {evidence}"
    if champion.surely_better:
        return False, f"it is significantly worse: {evidence}"
    if old:
        return True, f"it is not significantly worse, and {age}: {evidence}"
    return False, f"it is not significantly better, and {age}: {evidence}"


def _evidence(comparison: Comparison, competitor: Competitor) -> str:
    if competitor.tied:
        return f"both have a log loss of {comparison.log_loss:.4f} on {comparison.how}"
    low = -competitor.log_loss_reduction.high
    high = -competitor.log_loss_reduction.low
    return (
        f"log loss {comparison.log_loss:.4f} against {competitor.log_loss:.4f} of"
        f" {competitor.name} on {comparison.how}; log-loss difference 95% CI [{low:+.4f},"
        f" {high:+.4f}]"
    )


def _age(candidate: Candidate, incumbent: Predictor) -> tuple[bool, str]:
    """Whether the champion is old, and in words how old. Without dates the later training is taken
    for the newer."""
    if changes(incumbent.definition, candidate.definition):
        return True, f"version {incumbent.version} was trained by another definition"
    new = _known_until(candidate)
    old = _known_until(incumbent)
    if new is None or old is None:
        return True, "it is the later training"
    days = (new - old).days
    text = f"the data of version {incumbent.version} end {days:,} days earlier"
    return days >= OLD_CHAMPION_DAYS, text


def _poorer(candidate: Candidate, incumbent: Predictor) -> str | None:
    """Why a candidate was trained on so much less that it cannot replace the champion; None if it
    was not."""
    card = candidate.artifact.spec.card
    version = incumbent.version
    new = _known_until(candidate)
    old = _known_until(incumbent)
    if candidate.mode == "rules" and incumbent.mode != "rules":
        return f"it is the scorecard only, and version {version} is a trained model"
    if card.wins < MIN_WINS_SHARE * incumbent.card.wins:
        return f"it was trained on {card.wins:,} wins, version {version} on {incumbent.card.wins:,}"
    if new is not None and old is not None and new < old:
        return f"its data end on {new:%Y-%m-%d}, before those of version {version}"
    return None


def _known_until(model: Candidate | Predictor) -> datetime | None:
    card = model.card if isinstance(model, Predictor) else model.artifact.spec.card
    return card.known_until


def _question(definition: Definition) -> tuple[object, ...]:
    """What a probability is the probability of."""
    outcome = definition.outcome
    return outcome.won_means, outcome.lost_means, outcome.horizon_days


# --- on the same leads


def _against_baselines(candidate: Candidate) -> Comparison | None:
    """The candidate, as it was evaluated, against the scorecard and the base rate."""
    return None if candidate.evaluation is None else _compared(candidate.evaluation, {})


def _comparison(
    candidate: Candidate, data: Dataset, incumbent: Predictor, progress: Progress
) -> Comparison | None:
    """The candidate against the champion, the scorecard and the base rate on rows whose outcome the
    champion could not know."""
    since = _known_until(incumbent)
    evaluation = (
        None
        if since is None
        else evaluate_since(candidate, data, microseconds(since), progress=progress)
    )
    if evaluation is None:
        return None
    theirs = Dataset(incumbent.definition, data.crm, data.exported_at)
    features = theirs.features(incumbent.plan, evaluation.rows.leads, evaluation.rows.as_of)
    answer = incumbent.score(features, [""] * features.size, reasons=False).probability
    return _compared(evaluation, {f"version {incumbent.version}": answer})


def _compared(evaluation: Evaluation, champion: Mapping[str, FloatArray]) -> Comparison:
    rows = evaluation.rows
    answers = {
        **champion,
        SCORECARD: evaluation.rules,
        BASE_RATE: np.full(len(rows.won), evaluation.base),
    }
    competitors = tuple(
        Competitor(
            name,
            evaluate(rows.won, answer, evaluation.base).log_loss,
            evaluation.gain
            if name == BASE_RATE
            else difference(rows.won, evaluation.candidate, answer, rows.person),
        )
        for name, answer in answers.items()
    )
    loss = evaluate(rows.won, evaluation.candidate, evaluation.base).log_loss
    return Comparison(evaluation.how, len(rows.won), int(rows.won.sum()), loss, competitors)
