"""Accounts: the probability that any of an account's open leads is won, the table of accounts, and
the same score in a batch and over a request that tells what is known of the account."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import winnable
from tests.cli.test_commands import winnable as command
from tests.worlds import ACCOUNT_DEFINITION, World, simulate_accounts
from winnable.core.text import percent
from winnable.core.timestamps import microseconds
from winnable.data.features.accounts import ACCOUNT_HISTORY, FACTS, account_keys
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import DataError
from winnable.learning.reporting.model_sections import ACCOUNTS, accounts
from winnable.learning.scoring.accounts import account_table, calibration_text, probability_of_any
from winnable.learning.scoring.batch import (
    WITHOUT_PAST,
    ScoringJob,
    moments_of_scoring,
    read_to_score,
    score_table,
)
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.scoring.publish import score_and_publish
from winnable.learning.training.train import Candidate, TrainingOptions, learn
from winnable.service.http.request import ScoreRequest
from winnable.service.scoring.loaded_model import LoadedModel
from winnable.service.web.account_page import account_detail


@pytest.fixture(scope="module")
def world() -> World:
    return simulate_accounts(5000, seed=2)


@pytest.fixture(scope="module")
def candidate(world: World) -> Candidate:
    data = winnable.read(world.leads, world.activities, definition=ACCOUNT_DEFINITION)
    return learn(data, TrainingOptions(quick=True))


def test_an_account_of_one_lead_has_its_probability_and_more_leads_add_to_the_best() -> None:
    probability = np.array([0.2, 0.5, 0.1, 0.3])
    account = np.array([7, 3, 3, 3])
    names, independent = probability_of_any(probability, account, 1.0)
    assert names.tolist() == [3, 7]
    assert independent == pytest.approx([1 - 0.5 * 0.9 * 0.7, 0.2])
    assert probability_of_any(probability, account, 0.0)[1] == pytest.approx([0.5, 0.2])
    between = probability_of_any(probability, account, 0.4)[1]
    assert 0.5 < between[0] < independent[0]


def test_probabilities_of_accounts_hold_on_the_holdout(candidate: Candidate) -> None:
    known = candidate.artifact.spec.card.accounts
    assert known is not None
    bands = {band["open_leads"]: band for band in known["calibration"]["bands"]}
    assert set(bands) == {"1", "2", "3 or more"}
    for band in bands.values():
        assert band["predicted"] == pytest.approx(band["observed"], rel=0.2), bands
    section = accounts(candidate)
    assert section is not None
    assert section.title == ACCOUNTS
    assert len(section.tables[0].rows) == 3


def test_the_table_of_accounts_agrees_with_the_scores_of_their_leads(
    world: World, candidate: Candidate
) -> None:
    predictor = Predictor(candidate.artifact)
    data = read_to_score(predictor, world.leads, world.activities)
    assert WITHOUT_PAST not in data.notes
    scores = score_table(ScoringJob(predictor, data, moments_of_scoring(data, None), reasons=False))
    table = account_table(data, scores, predictor.card)
    still_open = world.leads[world.leads.status == "Working"]
    assert table.open_leads.sum() == len(still_open)
    assert table.probability.is_monotonic_decreasing
    assert (table.probability >= table.best_probability - 1e-12).all()
    alone = table[table.open_leads == 1]
    assert alone.probability.to_numpy() == pytest.approx(alone.best_probability.to_numpy())
    assert (table.won_leads + table.lost_leads).sum() > 0


def test_the_page_of_an_account_says_what_the_table_says(
    world: World, candidate: Candidate, tmp_path: Path
) -> None:
    predictor = Predictor(candidate.artifact)
    data = read_to_score(predictor, world.leads, world.activities)
    job = ScoringJob(predictor, data, moments_of_scoring(data, None), reasons=False)
    scores = score_and_publish(job, tmp_path, tmp_path / "scores.csv")
    table = account_table(data, scores, predictor.card).set_index("best_lead_id")
    feedback = FeedbackStore.open(tmp_path)
    kept = {score.lead_id: score.account for score in feedback.scores()}
    keys = dict(zip(world.leads.id, account_keys(data.crm), strict=True))
    assert kept == {lead_id: keys[lead_id] for lead_id in kept}
    several = table[table.open_leads > 1].head(20)
    assert len(several) == 20
    for lead_id, row in several.iterrows():
        key = keys[lead_id]
        found = feedback.account(key)
        assert found is not None
        detail = account_detail(found, key, predictor.definition, predictor.card, "Kim")
        assert len(found.open_probabilities) == row.open_leads
        assert detail.probability == percent(row.probability)
        assert detail.calibration.startswith("Calibrated on past accounts")
    feedback.close()


def test_what_was_not_measured_is_not_called_calibrated(candidate: Candidate) -> None:
    card = candidate.artifact.spec.card
    assert card.accounts is not None
    few = {"open_leads": "2", "accounts": 29, "predicted": 0.3, "observed": 0.2}
    enough = {"open_leads": "3 or more", "accounts": 1, "predicted": 0.6, "observed": 0.5}
    alone = {"open_leads": "1", "accounts": 500, "predicted": 0.1, "observed": 0.1}

    def says(*bands: dict[str, object]) -> str:
        calibration = {"independence": 1.0, "bands": bands}
        return calibration_text(replace(card, accounts={"calibration": calibration}))

    assert says(alone, few).startswith("Not calibrated")
    assert calibration_text(replace(card, accounts=None)).startswith("Not calibrated")
    assert says(alone, few, enough) == (
        "Calibrated on past accounts with several open leads, 30 in all: the model said 31% on"
        " average, and 21% had a win."
    )


def test_a_request_that_tells_of_the_account_scores_as_the_batch(
    world: World, candidate: Candidate
) -> None:
    predictor = Predictor(candidate.artifact)
    assert predictor.scorer.spec.accounts is not None
    data = read_to_score(predictor, world.leads)
    rows = np.flatnonzero((world.leads.status == "Working").to_numpy())[:40]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    times = np.full(len(rows), microseconds(now))
    batch = predictor.probability(data.features(predictor.plan, rows, times))
    assert data.accounts is not None
    facts = data.accounts.at(rows, times)
    given = world.leads.iloc[rows].drop(columns=["closed", "status"]).to_dict("records")
    told = [
        lead | {ACCOUNT_HISTORY: {name: float(facts[name][row]) for name in FACTS}}
        for row, lead in enumerate(given)
    ]
    model = LoadedModel(predictor)

    def online(leads: list[dict[str, object]]) -> np.ndarray:
        parsed = model.read(ScoreRequest(leads, now), b"", now)
        assert not parsed.warnings
        return model.score([parsed], reasons=True)[0].scores.probability

    assert online(told) == pytest.approx(batch, abs=1e-9)
    untold = online(given)
    assert np.abs(untold - batch).max() > 0.05
    alone = [lead | {ACCOUNT_HISTORY: dict.fromkeys(FACTS, 0)} for lead in given]
    assert (online(alone) < untold).all(), "nobody else is not the same as not known"


@pytest.mark.parametrize(
    "facts", [[], {"won": 1}, dict.fromkeys(FACTS, -1), dict.fromkeys(FACTS, "1")]
)
def test_half_of_what_is_known_of_an_account_is_refused(
    candidate: Candidate, facts: object
) -> None:
    model = LoadedModel(Predictor(candidate.artifact))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    lead = model.read(ScoreRequest([{"id": "A", ACCOUNT_HISTORY: facts}], now), b"", now).leads[0]
    assert lead.fault is not None
    assert lead.fault.startswith(ACCOUNT_HISTORY)


def test_an_export_of_open_leads_alone_is_scored_without_their_past_and_says_so(
    world: World, candidate: Candidate
) -> None:
    predictor = Predictor(candidate.artifact)
    data = read_to_score(predictor, world.leads[world.leads.status == "Working"])
    assert WITHOUT_PAST in data.notes


def test_without_a_column_of_accounts_there_is_no_table(candidate: Candidate) -> None:
    predictor = Predictor(candidate.artifact)
    leads = pd.DataFrame({"id": ["A"], "created": ["2025-01-01"], "status": ["Working"]})
    data = read_to_score(predictor, leads)
    with pytest.raises(DataError, match="account"):
        account_table(data, pd.DataFrame(), predictor.card)


def test_score_by_account_writes_and_prints_the_accounts(tmp_path: Path) -> None:
    world = simulate_accounts(400, seed=5)
    world.leads.to_csv(tmp_path / "leads.csv", index=False)
    (tmp_path / "definition.toml").write_text(
        '[outcome]\nwon = ["Won"]\nlost = ["Lost"]\n[columns]\nid = "id"\naccount = "company"\n'
        'created = "created"\nclosed = "closed"\nstatus = "status"\n'
    )
    asked = ("--by", "account", "--definition", "definition.toml", "--output", "a.csv")
    done = command("score", "leads.csv", *asked, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "a.csv")
    assert f"{len(table)} accounts with open leads, written to a.csv" in done.stdout
    assert str(table.account[0]) in done.stdout
    assert table.open_leads.sum() == (world.leads.status == "Working").sum()
