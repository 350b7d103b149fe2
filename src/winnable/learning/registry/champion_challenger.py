"""The contest: whether a candidate replaces the champion, from the latest leads, whose outcome
neither could know.

The champion answers as it is. The candidate is represented by a model that learned by its
definition from what the champion could know at its time, so that neither has an advantage; that
newer data are worth something is left to the rule in `compare`, which says how old a champion may
become. The rules and the base rate answer beside them; all are compared by a paired bootstrap of
people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from winnable.core.columns import FloatArray
from winnable.core.progress import Progress, no_progress
from winnable.core.timestamps import microseconds
from winnable.core.values import moment
from winnable.data.dataset import Dataset
from winnable.data.features.offline import compute_features
from winnable.definition.review.diff import changes
from winnable.definition.schema import Definition
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.metrics import Difference, difference, evaluate
from winnable.learning.training.train import Candidate, Evaluation, evaluate_since

OLD = 28  # days after which a champion must be surely better than a candidate to stay
TIE = 0.002  # of the champion's log loss: a smaller difference is none, however sure it is
MUCH_LESS = 0.5  # of the champion's wins: a candidate of fewer is taken for a part of the data


@dataclass(frozen=True)
class Competitor:
    """An answer that the candidate was compared with. `less`: how much lower the candidate's log
    loss is than this one's."""

    name: str
    log_loss: float
    log_loss_reduction: Difference

    @property
    def surely_better(self) -> bool:
        """Whether this answer is better than the candidate, beyond chance and by more than nothing."""
        return self.log_loss_reduction.high < -TIE * self.log_loss

    @property
    def surely_worse(self) -> bool:
        """Whether it is worse."""
        return self.log_loss_reduction.low > TIE * self.log_loss


@dataclass(frozen=True)
class Contest:
    """The candidate against others on the same rows, `wins` of them won; `how` says in words which
    they are."""

    how: str
    rows: int
    wins: int
    log_loss: float
    rivals: tuple[Competitor, ...]


@dataclass(frozen=True)
class Comparison:
    """Whether a candidate becomes champion, and why; `contest` is None where there was nothing to
    compare on."""

    champion: bool
    because: str
    contest: Contest | None


def compare(
    candidate: Candidate,
    data: Dataset,
    incumbent: Predictor | None,
    progress: Progress = no_progress,
) -> Comparison:
    """The rule. A candidate becomes champion if it is surely better than the champion, or if it is
    not surely worse and the champion is old: its data end four weeks earlier, or it was trained by
    another definition.

    "Surely" is the 95 % interval of the difference in log loss, beyond a five-hundredth of the
    loss. Where there are too few later leads to compare on, neither is surely better. It stays
    challenger if the rules or the base rate are surely better than it, if it answers by the rules
    where the champion has learned, if it has seen less than half of the champion's wins, or if its
    data end earlier. A champion of another outcome or horizon answers a question that nobody asks
    any more, and is replaced.
    """
    if incumbent is None:
        return Comparison(True, "there was no champion before it", _against_rules(candidate))
    if candidate.artifact.fingerprint == incumbent.fingerprint:
        return Comparison(
            False,
            f"it is the same model as version {incumbent.version}, from the same data and"
            " definition",
            None,
        )
    if _question(candidate.definition) != _question(incumbent.definition):
        return Comparison(
            True,
            f"what counts as won has changed since version {incumbent.version}",
            _against_rules(candidate),
        )
    poorer = _poorer(candidate, incumbent)
    if poorer is not None:
        return Comparison(False, poorer, None)
    contest = _contest(candidate, data, incumbent, progress)
    return Comparison(*_outcome(contest, candidate, incumbent), contest)


def _outcome(
    contest: Contest | None, candidate: Candidate, incumbent: Predictor
) -> tuple[bool, str]:
    old, age = _age(candidate, incumbent)
    if contest is None:
        few = f"too few leads have ended since version {incumbent.version} to compare the two"
        return (True, f"{age}; {few}") if old else (False, f"{few}, and {age}")
    champion, *others = contest.rivals
    for rival in others:
        if rival.surely_better:
            return False, f"it is worse than {rival.name}: {_told(contest, rival)}"
    told = _told(contest, champion)
    if champion.surely_worse:
        return True, f"it is better: {told}"
    if champion.surely_better:
        return False, f"it is worse: {told}"
    return (
        old,
        (
            f"it is not worse for certain, and {age}: {told}"
            if old
            else f"it is not better for certain, and {age}: {told}"
        ),
    )


def _told(contest: Contest, rival: Competitor) -> str:
    if (
        max(abs(rival.log_loss_reduction.low), abs(rival.log_loss_reduction.high))
        <= TIE * rival.log_loss
    ):
        return f"both have a log loss of {contest.log_loss:.4f} on {contest.how}"
    low, high = (
        f"{-end:+.4f}" for end in (rival.log_loss_reduction.high, rival.log_loss_reduction.low)
    )
    losses = f"log loss {contest.log_loss:.4f} against {rival.log_loss:.4f} of {rival.name}"
    return f"{losses} on {contest.how}, a difference between {low} and {high} for sure (95 %)"


def _age(candidate: Candidate, incumbent: Predictor) -> tuple[bool, str]:
    """Whether the champion is old, and in words how old. Without dates the later training is taken
    for the newer."""
    if changes(incumbent.definition, candidate.definition):
        return True, f"version {incumbent.version} was trained by another definition"
    new, old = _known_until(candidate), _known_until(incumbent)
    if new is None or old is None:
        return True, "it is the later training"
    days = (new - old).days
    return days >= OLD, f"the data of version {incumbent.version} end {days:,} days earlier"


def _poorer(candidate: Candidate, incumbent: Predictor) -> str | None:
    """What a candidate was trained on that is so much poorer that it cannot replace the champion;
    None if it is not."""
    card, version = candidate.artifact.spec["card"], incumbent.version
    new, old = _known_until(candidate), _known_until(incumbent)
    if candidate.mode == "rules" and incumbent.mode != "rules":
        return f"it answers by the rules only, and version {version} has learned more than them"
    if card["wins"] < MUCH_LESS * incumbent.card["wins"]:
        return (
            f"it has seen {card['wins']:,} wins, and version {version} {incumbent.card['wins']:,}"
        )
    if new is not None and old is not None and new < old:
        return f"its data end on {new:%Y-%m-%d}, before those of version {version}"
    return None


def _known_until(model: Candidate | Predictor) -> datetime | None:
    card = model.card if isinstance(model, Predictor) else model.artifact.spec["card"]
    return moment(str(card["known_until"] or ""))


def _question(definition: Definition) -> tuple[object, ...]:
    """What a probability is the probability of."""
    outcome = definition.outcome
    return outcome.won, outcome.lost, outcome.horizon_days


# --- on the same leads
# -------------------------------------------------------------------------------------------------------


def _against_rules(candidate: Candidate) -> Contest | None:
    """The candidate, as it was judged, against the rules and the base rate."""
    return None if candidate.judged is None else _compared(candidate.judged, {})


def _contest(
    candidate: Candidate, data: Dataset, incumbent: Predictor, progress: Progress
) -> Contest | None:
    """The candidate against the champion, the rules and the base rate on rows whose outcome the
    champion could not know."""
    since = _known_until(incumbent)
    judged = (
        None
        if since is None
        else evaluate_since(candidate, data, microseconds(since), progress=progress)
    )
    if judged is None:
        return None
    features = compute_features(
        incumbent.plan, incumbent.definition, data.crm, judged.rows.leads, judged.rows.as_of
    )
    answer = incumbent.score(features, [""] * features.size, reasons=False).probability
    return _compared(judged, {f"version {incumbent.version}": answer})


def _compared(judged: Evaluation, champion: Mapping[str, FloatArray]) -> Contest:
    rows = judged.rows
    answers = {
        **champion,
        "the rules": judged.rules,
        "the base rate": np.full(len(rows.won), judged.base),
    }
    rivals = tuple(
        Competitor(
            name,
            evaluate(rows.won, answer, judged.base).log_loss,
            difference(rows.won, judged.candidate, answer, rows.person),
        )
        for name, answer in answers.items()
    )
    loss = evaluate(rows.won, judged.candidate, judged.base).log_loss
    return Contest(judged.how, len(rows.won), int(rows.won.sum()), loss, rivals)
