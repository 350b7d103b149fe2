"""The model against the truth of the demo company: 10,000 of its leads, of whom a tenth come back,
whose colleagues follow each other, and some of whose losses have no date. The true probability of
every open lead is told by living on many times (`tests.demo.futures`)."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import winnable
from tests.demo.futures import GROUPS, Future, open_leads_of
from winnable.core.columns import ID, FloatArray
from winnable.demo.company import DemoFiles, write_demo
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.train import TrainingOptions, learn

SIZE = 10_000
SEED = 7


@dataclass(frozen=True)
class Answers:
    """The truth of the open leads, and the probabilities of a model that knows the accounts, and of
    one that does not."""

    truth: Future
    with_accounts: FloatArray
    without: FloatArray


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    truth = open_leads_of(SIZE, SEED, futures=60)
    files = write_demo(tmp_path_factory.mktemp("demo"), leads=SIZE, seed=SEED)
    bare = files.definition.with_name("bare.toml")
    bare.write_text(
        re.sub(r"^account = .*\n", "", files.definition.read_text(), flags=re.MULTILINE)
    )
    answered = [predicted(files, path, truth) for path in (files.definition, bare)]
    return Answers(truth, *answered)


def predicted(files: DemoFiles, definition: Path, truth: Future) -> FloatArray:
    """The probabilities of the open leads at the present, in the order of the truth."""
    data = winnable.read(
        str(files.leads), str(files.activities), str(files.history), definition=str(definition)
    )
    trained = learn(data, TrainingOptions(quick=True, evaluate=False))
    predictor = Predictor(trained.artifact)
    place = {lead: row for row, lead in enumerate(data.crm.leads[ID])}
    rows = np.array([place[lead] for lead in truth.ids])
    moment = np.full(len(rows), round(files.as_of.timestamp() * 1e6))
    return predictor.probability(data.features(predictor.plan, rows, moment))


@pytest.mark.timeout(3600)
def test_each_group_is_predicted_between_todays_truth_and_that_of_the_market_it_learned_from(
    answers: Answers,
) -> None:
    truth = answers.truth
    print()
    for name in (*GROUPS, None):
        mine = (truth.group == name) | (name is None)
        now = truth.probability[mine].mean()
        formerly = truth.formerly[mine].mean()
        mean = answers.with_accounts[mine].mean()
        allowance = truth.allowance(mine)
        print(
            f"{name or 'all':22} {mine.sum():5} leads: predicted {mean:.3f}, true {now:.3f},"
            f" in the market before {formerly:.3f}, chance {allowance:.0%}"
        )
        assert now * (1 - allowance) < mean < formerly * (1 + allowance), name


def test_the_log_loss_lies_between_the_truths_and_the_rates_and_accounts_lower_it(
    answers: Answers,
) -> None:
    truth = answers.truth
    known, unknown = (truth.log_loss(p) for p in (answers.with_accounts, answers.without))
    rate = truth.log_loss(np.full(len(truth.ids), truth.probability.mean()))
    least = truth.least_log_loss()
    print(f"\ntruth {least:.4f}, accounts {known:.4f}, without {unknown:.4f}, rate {rate:.4f}")
    assert least < known < unknown < rate
    assert (rate - known) / (rate - least) > 0.5
