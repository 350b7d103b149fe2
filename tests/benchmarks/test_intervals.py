"""Do the intervals hold what they promise? In a simulated world with activities, where each lead
gives rows at several ages and its true probability is known, the true share won of each tenth of
leads by score, at 0, 30 and 90 days, is held against the mean interval of these leads. Models of
100, 500 and 2,000 leads; the truth is another 6,000 leads."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import winnable
from tests.worlds import DEFINITION, SOURCE_EFFECT, START
from winnable.core.columns import BoolArray, FloatArray
from winnable.core.timestamps import DAY
from winnable.data.dataset import Dataset
from winnable.definition.decide.scorecard import score_points
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.train import TrainingOptions, learn

DAYS = 700
AGES = (0, 30, 90)
MODELS = {100: 20, 500: 12, 2000: 8}
TRUTH = 6000
LOSING = 0.010
PROMISED = 0.78


@dataclass(frozen=True)
class World:
    """The tables of a CRM; when its leads were created and ended, in days; and the probability that
    one that is open is won within the horizon, the same at every age."""

    leads: pd.DataFrame
    activities: pd.DataFrame
    created: FloatArray
    end: FloatArray
    probability: FloatArray

    @property
    def data(self) -> Dataset:
        return winnable.read(self.leads, self.activities, definition=DEFINITION)

    def open_at(self, age: int) -> BoolArray:
        return (self.end > self.created + age) & (self.created + age <= DAYS)


def simulate(size: int, seed: int) -> World:
    """Leads with an intent that nobody sees: it wins them, and makes them visit."""
    rng = np.random.default_rng(seed)
    intent = rng.normal(size=size)
    source = rng.choice(list(SOURCE_EFFECT), size)
    employees = rng.lognormal(3, 1, size)
    created = np.sort(rng.uniform(0, DAYS, size))
    drive = intent + np.array([SOURCE_EFFECT[name] for name in source])
    winning = 0.0025 * np.exp(drive + 0.4 * (np.log(employees) - 3))
    end = created + rng.exponential(1 / (winning + LOSING))
    won = rng.random(size) < winning / (winning + LOSING)
    until = np.minimum(end, DAYS)
    visits = rng.poisson((until - created) * 0.06 * np.exp(0.8 * intent))
    lead = np.repeat(np.arange(size), visits)
    at = np.repeat(created, visits) + rng.random(len(lead)) * np.repeat(until - created, visits)
    leads = pd.DataFrame(
        {
            "id": [f"L{row}" for row in range(size)],
            "status": np.where(end > DAYS, "Working", np.where(won, "Won", "Lost")),
            "created": written(created),
            "closed": written(np.where(end > DAYS, np.nan, end)),
            "source": source,
            "employees": employees.round(),
        }
    )
    activities = pd.DataFrame(
        {"lead": [f"L{row}" for row in lead], "type": "Visit", "at": written(at)}
    )
    horizon = DEFINITION.outcome.horizon_days
    share = winning / (winning + LOSING) * (1 - np.exp(-(winning + LOSING) * horizon))
    return World(leads, activities, created, end, share)


def written(days: FloatArray) -> list[str | None]:
    moments = START + pd.to_timedelta(days, unit="D")
    return [None if pd.isna(when) else f"{when:%Y-%m-%d %H:%M:%S}" for when in moments]


def held(predictor: Predictor, world: World, data: Dataset, age: int) -> tuple[FloatArray, float]:
    """Whether each tenth's true share lies in its mean interval, the best tenth last; and the mean
    width of all intervals."""
    chosen = world.open_at(age)
    moment = START.value // 1000 + np.rint((world.created + age) * DAY).astype(np.int64)
    features = data.features(predictor.plan, np.flatnonzero(chosen), moment[chosen])
    answer = predictor.scorer.answer(features, score_points(DEFINITION, features).logit)
    truth = world.probability[chosen]
    tenths = np.array_split(np.argsort(answer.probability, kind="stable"), 10)
    inside = [
        answer.low[tenth].mean() <= truth[tenth].mean() <= answer.high[tenth].mean()
        for tenth in tenths
    ]
    return np.array(inside, dtype=float), float((answer.high - answer.low).mean())


@pytest.mark.timeout(1800)
def test_the_true_share_of_leads_scored_alike_lies_inside_as_often_as_promised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    later = simulate(TRUTH, seed=9999)
    data = later.data
    options = TrainingOptions(quick=True, evaluate=False)
    lines = []
    short = []
    for size, models in MODELS.items():
        found = {age: ([], []) for age in AGES}
        for seed in range(models):
            predictor = Predictor(learn(simulate(size, seed).data, options).artifact)
            for age in AGES:
                inside, width = held(predictor, later, data, age)
                found[age][0].append(inside)
                found[age][1].append(width)
        for age in AGES:
            inside = np.array(found[age][0])
            best = inside[:, -1]
            lines.append(
                f"{size:5} leads, {age:2} days: held {inside.mean():.2f}, best tenth"
                f" {best.mean():.2f}, mean width {np.mean(found[age][1]):.3f}"
            )
            for name, of_models in (("tenths", inside.mean(axis=1)), ("best tenth", best)):
                chance = 2 * np.sqrt(PROMISED * (1 - PROMISED) / models)
                if of_models.mean() < PROMISED - chance:
                    short.append((size, age, name, float(of_models.mean())))
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert not short
