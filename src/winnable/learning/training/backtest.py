"""Backtest: train and test repeatedly through time (walk-forward evaluation), each time on what was
known then.

At every cut the CRM is taken back to what it was (`data.features.point_in_time`), a model is
trained on it the way `winnable train` would have done that day, and it predicts the leads created
until the next cut, at every age at which they are scored. It is evaluated on outcomes whose whole
horizon has passed by today, against the baseline (base rate and scorecard of that day) and the
model of one cut before. Whether the champion should be replaced today is not decided here but in
`monitoring.reassessment`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import CREATED, FloatArray, IntArray
from winnable.core.progress import Progress, no_progress
from winnable.core.statistics import sigmoid
from winnable.core.timestamps import DAY, NEVER, microseconds, times_of
from winnable.data.dataset import Dataset
from winnable.data.features.training_rows import TrainingRows
from winnable.definition.decide.scorecard import score_points
from winnable.errors import DataError
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.curves import gains
from winnable.learning.training.metrics import (
    MIN_OUTCOMES,
    Difference,
    Metrics,
    bootstrap,
    difference,
    evaluate,
)
from winnable.learning.training.train import DEFAULT_OPTIONS, Tell, TrainingOptions, learn

if TYPE_CHECKING:
    import pandas as pd

MAX_PERIODS = 6

PERIOD_MONTHS = (1, 2, 3, 6, 12)
"""Lengths of a period that are tried where the number of periods is not given."""

MAX_CENSORED_SHARE = 0.5
"""Of a period's rows whose horizon may not have passed yet; with more, the others tell too
little."""

DEFAULT_WORKED_SHARE = 0.2
"""Of the leads that sales work where the definition names no capacity."""

MODEL = "model"
PREVIOUS = "previous model"
RULES = "rules"
BASE = "base rate"


@dataclass(frozen=True)
class Seen:
    """The known outcomes of n rows today, whether their horizon has passed or not, under censoring.

    `weight` (n,) is the inverse probability of being observed by now (IPCW), 0 where the row is
    censored; `won` (n,) is 1.0 or 0.0, and means nothing where the weight is 0.
    """

    weight: FloatArray
    won: FloatArray


@dataclass(frozen=True)
class Period:
    """The predictions of the model trained at `start` for the leads created from then until `end`,
    and their outcomes.

    `rows` are these leads at the ages at which they were scored, n rows; `answers` the
    probabilities (n,) of the model, of the previous model (not in the first period), the scorecard
    and the base rate. `seen` says which of the rows whose horizon has not passed have an outcome
    all the same. `places` is how many of the leads sales would have worked. `leads` and `wins`
    count the training data, `mode` is the model type.
    """

    start: datetime
    end: datetime
    rows: TrainingRows
    answers: Mapping[str, FloatArray]
    seen: Seen
    places: int
    leads: int
    wins: int
    mode: str

    @property
    def name(self) -> str:
        """The period in words."""
        return f"{self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}"

    @property
    def evaluated(self) -> int:
        """How many leads the evaluation is based on."""
        return len(np.unique(self.rows.leads[self.rows.known]))

    @property
    def won(self) -> int:
        """How many of them were won within the horizon of some age at which they were scored."""
        return len(np.unique(self.rows.leads[self.rows.won == 1.0]))

    def measured(self) -> dict[str, Metrics]:
        """The metrics of each model and baseline, on the rows whose whole horizon has passed."""
        mature = self.rows.known
        base = float(self.answers[BASE][0])
        return {
            name: evaluate(self.rows.won[mature], probability[mature], base)
            for name, probability in self.answers.items()
        }

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95% confidence intervals of the model's metrics, from a bootstrap of people."""
        mature = self.rows.known
        base = float(self.answers[BASE][0])
        return bootstrap(
            self.rows.won[mature], self.answers[MODEL][mature], base, self.rows.person[mature]
        )

    def brier(self) -> dict[str, float]:
        """The Brier score of each model and baseline over all rows, censored ones too.

        Observed outcomes stand in for censored ones by inverse probability of censoring weights
        (IPCW; Graf, Schmoor, Sauerbrei and Schumacher 1999, Statistics in Medicine 18, 2529-2545).
        Losing is a competing risk: an outcome, no censoring.
        """
        seen = self.seen
        return {
            name: float(seen.weight @ (probability - seen.won) ** 2 / len(seen.won))
            for name, probability in self.answers.items()
        }

    def lift(self) -> dict[str, float]:
        """The lift of each model and baseline among the leads that sales would have worked, on
        arrival."""
        new = self.rows.known & (self.rows.age == 0)
        won = self.rows.won[new]
        places = round(self.places * len(won) / max(int((self.rows.age == 0).sum()), 1))
        if not won.sum() or not 0 < places <= len(won):
            return {}
        by_chance = float(won.sum()) * places / len(won)
        return {
            name: float(gains(won, probability[new])[places]) / by_chance
            for name, probability in self.answers.items()
        }


@dataclass(frozen=True)
class Backtest:
    """All periods, in order of time, and what must be known to read them."""

    periods: tuple[Period, ...]
    horizon_days: float | None
    notes: tuple[str, ...]

    def measured(self) -> dict[str, Metrics]:
        """The metrics over the periods that all models have; the baseline of the skill is the base
        rate as it was known at the time."""
        rows, answers, _ = self._joined()
        measured = {
            name: evaluate(rows, probability, float(rows.mean()))
            for name, probability in answers.items()
        }
        constant = measured[BASE].log_loss
        return {
            name: replace(metrics, skill=1 - metrics.log_loss / constant)
            for name, metrics in measured.items()
        }

    @property
    def others(self) -> tuple[str, ...]:
        """What the model can be compared with."""
        return tuple(name for name in self._joined()[1] if name != MODEL)

    def compared(self, other: str) -> Difference:
        """By how much the model's log loss is lower than another's, with its 95% confidence
        interval."""
        won, answers, person = self._joined()
        return difference(won, answers[MODEL], answers[other], person)

    def table(self) -> pd.DataFrame:
        """A row for each period and model or baseline, with all metrics, and 95% confidence
        intervals of the model's."""
        import pandas as pd

        rows = []
        for period in self.periods:
            brier = period.brier()
            lift = period.lift()
            for name, metrics in period.measured().items():
                intervals = period.intervals if name == MODEL else {}
                ends = {
                    f"{key}_{end}": pair[i]
                    for key, pair in intervals.items()
                    for i, end in enumerate(("low", "high"))
                }
                rows.append(
                    {
                        "start": f"{period.start:%Y-%m-%d}",
                        "end": f"{period.end:%Y-%m-%d}",
                        "answer": name,
                        "learned_from": period.leads,
                        "wins_learned": period.wins,
                        "mode": period.mode,
                        **metrics.metrics(),
                        **ends,
                        "mature": float(period.rows.known.mean()),
                        "brier_ipcw": brier[name],
                        "lift": lift.get(name),
                    }
                )
        return pd.DataFrame(rows)

    def _joined(self) -> tuple[FloatArray, dict[str, FloatArray], IntArray]:
        """Outcomes, predictions and persons of all rows whose horizon has passed, of the periods
        with a previous model if any has one."""
        chosen = [period for period in self.periods if PREVIOUS in period.answers] or list(
            self.periods
        )
        mature = [period.rows.known for period in chosen]
        joined = {
            name: np.concatenate(
                [period.answers[name][known] for period, known in zip(chosen, mature, strict=True)]
            )
            for name in chosen[0].answers
        }
        rows = [period.rows.take(known) for period, known in zip(chosen, mature, strict=True)]
        return (
            np.concatenate([part.won for part in rows]),
            joined,
            np.concatenate([part.person for part in rows]),
        )


def backtest(
    data: Dataset,
    options: TrainingOptions = DEFAULT_OPTIONS,
    *,
    periods: int | Sequence[datetime] | None = None,
    tell: Tell = lambda _: None,
    progress: Progress = no_progress,
) -> Backtest:
    """Train at each of several cuts and evaluate on the leads created until the next.

    Without `periods` they are months, or as many months as it takes for a period to see ten wins,
    and the latest six of them; else so many of equal length, or from each of the given moments to
    the next. With `options.quick` the models are fitted without CatBoost, in less time.
    No model has a holdout of its own, since the next period is one. `DataError` where leads have no
    creation date or the history is too short for one period.
    """
    present = data.present
    if CREATED not in data.crm.leads or present is None:
        raise DataError(
            "a backtest needs the creation date of each lead; name the column that holds it as"
            " columns.created"
        )
    rows = data.training_rows
    options = replace(options, leave_out=(*data.left_out, *options.leave_out), evaluate=False)
    cuts = (
        _cuts(rows, present, periods)
        if periods is None or isinstance(periods, int)
        else list(periods)
    )
    done: list[Period] = []
    previous: Predictor | None = None
    for number, (start, end) in enumerate(pairwise(cuts), start=1):
        tell(f"{number} of {len(cuts) - 1}: training on what was known on {start:%Y-%m-%d}")
        progress("Backtesting", number - 1, len(cuts) - 1)
        candidate = learn(data.as_of(start), options)
        predictor = Predictor(candidate.artifact)
        chosen = came_between(data, rows, start, end)
        if chosen.known.any():
            done.append(_period(data, chosen, (start, end, present), predictor, previous))
        previous = predictor
        progress("Backtesting", number, len(cuts) - 1)
    return Backtest(tuple(done), rows.horizon_days, data.irreversible)


def _period(
    data: Dataset,
    rows: TrainingRows,
    moments: tuple[datetime, datetime, datetime],
    predictor: Predictor,
    previous: Predictor | None,
) -> Period:
    definition = data.definition
    (start, end, present) = moments
    answers = {MODEL: answer_of(predictor, data, rows)}
    if previous is not None:
        answers[PREVIOUS] = answer_of(previous, data, rows)
    features = data.features(predictor.plan, rows.leads, rows.as_of)
    answers[RULES] = sigmoid(score_points(definition, features).logit)
    card = predictor.card
    answers[BASE] = np.full(len(rows.won), card.base_rate)
    arrived = int((rows.age == 0).sum())
    capacity = definition.gate.capacity_per_week
    weeks = (end - start).total_seconds() / (7 * 86_400)
    places = (
        round(DEFAULT_WORKED_SHARE * arrived)
        if capacity is None
        else min(arrived, round(capacity * weeks))
    )
    seen = seen_by(data, rows, present)
    return Period(start, end, rows, answers, seen, places, card.leads, card.wins, predictor.mode)


def answer_of(predictor: Predictor, data: Dataset, rows: TrainingRows) -> FloatArray:
    """A model's point-in-time predictions for each row: probabilities (n,)."""
    features = data.features(predictor.plan, rows.leads, rows.as_of)
    return predictor.probability(features)


def seen_by(data: Dataset, rows: TrainingRows, present: datetime) -> Seen:
    """The outcomes that are known today, and their inverse probability of censoring weights.

    The only censoring is administrative: the follow-up until today is known for every row, and its
    distribution needs no model. A row that ended after t days is observed where at least t days
    have passed since.
    """
    if rows.horizon_days is None:
        return Seen(rows.known / max(float(rows.known.mean()), 1e-9), np.nan_to_num(rows.won))
    horizon = int(rows.horizon_days * DAY)
    followed = microseconds(present) - rows.as_of
    ended = ~np.isnan(rows.outcome) & (rows.ended != NEVER)
    until = np.where(ended, rows.ended - rows.as_of, horizon + 1)
    needed = np.minimum(until, horizon)
    ordered = np.sort(followed)
    share = 1 - np.searchsorted(ordered, needed, side="left") / len(ordered)
    weight = np.where(needed <= followed, 1 / np.maximum(share, 1 / len(ordered)), 0.0)
    return Seen(weight, ((rows.outcome == 1.0) & (until <= horizon)).astype(np.float64))


def came_between(data: Dataset, rows: TrainingRows, start: datetime, end: datetime) -> TrainingRows:
    """The rows of people first created from `start` until before `end`, at the ages in that
    time."""
    created = times_of(data.crm.leads[CREATED])[rows.leads]
    first = np.full(int(rows.person.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, rows.person, created)
    begin = microseconds(start)
    stop = microseconds(end)
    return rows.take((first[rows.person] >= begin) & (rows.as_of >= begin) & (rows.as_of < stop))


def _cuts(rows: TrainingRows, present: datetime, periods: int | None) -> list[datetime]:
    """The moments between periods, one more than there are of them."""
    horizon = int((rows.horizon_days or 0) * DAY)
    new = rows.take((rows.age == 0) & rows.known)
    both = [np.sort(new.as_of[new.won == outcome]) for outcome in (1.0, 0.0)]
    if min(map(len, both)) <= MIN_OUTCOMES:
        raise DataError(
            f"a backtest needs more than {MIN_OUTCOMES} won and {MIN_OUTCOMES} other leads whose"
            f" whole horizon has passed; here are {len(both[0])} and {len(both[1])}. Try again"
            " later, or add older data."
        )
    first = max(int(each[MIN_OUTCOMES - 1]) for each in both) + horizon + 1
    last = microseconds(present) - horizon
    if first >= last:
        raise DataError(
            "the history is too short for a backtest: there is enough to train on from"
            f" {_at(first):%Y-%m-%d}, and leads created after {_at(last):%Y-%m-%d} have no outcome"
            " yet."
        )
    if periods is not None:
        return [_at(int(each)) for each in np.linspace(first, last, periods + 1)]
    options = [list(_of_months(rows, first, present, months)) for months in PERIOD_MONTHS]
    options = [cuts for cuts in options if len(cuts) > 1]
    if not options:
        return [_at(first), _at(last)]
    wins = [np.histogram(both[0], [microseconds(cut) for cut in cuts])[0] for cuts in options]
    enough = [
        cuts for cuts, each in zip(options, wins, strict=True) if np.median(each) >= MIN_OUTCOMES
    ]
    return (enough or options[-1:])[0][-MAX_PERIODS - 1 :]


def _of_months(
    rows: TrainingRows, first: int, present: datetime, months: int
) -> Iterator[datetime]:
    """Cuts at the beginning of months, back from the last period of which enough is known."""
    horizon = int((rows.horizon_days or 0) * DAY)
    cuts = [datetime(present.year, present.month, 1, tzinfo=UTC)]
    while microseconds(cuts[0]) > first:
        year, month = divmod(cuts[0].year * 12 + cuts[0].month - 1 - months, 12)
        cuts.insert(0, datetime(year, month + 1, 1, tzinfo=UTC))
    known = [each for each in cuts if microseconds(each) >= first]
    for start, end in pairwise(known):
        yield start
        inside = (rows.as_of >= microseconds(start)) & (rows.as_of < microseconds(end))
        ripe = rows.as_of[inside] + horizon <= microseconds(present)
        if inside.any() and ripe.mean() < 1 - MAX_CENSORED_SHARE:
            return
    yield from known[-1:]


def _at(moment: int) -> datetime:
    """Microseconds since 1970 as a moment, to the second."""
    return datetime.fromtimestamp(moment // 1_000_000, UTC)
