"""Training: what is learned from a history, on which leads it is judged, and when a candidate becomes champion."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import DemoStore
from winnable.definition.load import load_definition
from winnable.definition.model import Definition
from winnable.history.crm import Crm, read_crm
from winnable.learning.artefact import Artefact
from winnable.learning.promotion import fingerprint, register
from winnable.learning.training import Candidate, learn


@pytest.fixture(scope="module")
def definition(demo_store: DemoStore) -> Definition:
    return load_definition(demo_store.files.definition)


@pytest.fixture(scope="module")
def crm(demo_store: DemoStore, definition: Definition) -> Crm:
    files = demo_store.files
    return read_crm(definition, str(files.leads), str(files.activities), str(files.history))


@pytest.fixture(scope="module")
def candidate(definition: Definition, crm: Crm) -> Candidate:
    return learn(definition, crm)


def earlier(demo_store: DemoStore, definition: Definition, until: str, folder: Path) -> Crm:
    """The same CRM as it was exported at an earlier day."""
    files = demo_store.files
    leads = pd.read_csv(files.leads, dtype=str, keep_default_na=False)
    leads = leads[pd.to_datetime(leads["Created Date"], format="mixed", utc=True) < until]
    still_open = leads["Close Date"].ge(until)
    leads.loc[still_open, ["Close Date", "Lead Status", "Decision Reason"]] = ["", "New", ""]
    leads.to_csv(folder / "leads.csv", index=False)
    for name, path in (("activities", files.activities), ("history", files.history)):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table[table["At"] < until].to_csv(folder / f"{name}.csv", index=False)
    return read_crm(definition, *(str(folder / f"{name}.csv") for name in ("leads", "activities", "history")))


def test_it_is_judged_on_later_leads_of_people_it_has_not_seen(candidate: Candidate) -> None:
    judged = candidate.judged
    assert judged is not None
    assert judged.how.startswith("leads from 2025-")
    assert set(judged.measured()) == {"model", "rules", "base rate"}
    assert judged.measured()["base rate"].skill == pytest.approx(0)
    assert len(judged.candidate) == len(judged.rows.won)


def test_the_column_that_sales_fills_in_after_the_close_is_no_help(candidate: Candidate) -> None:
    assert {each.name for each in candidate.verdicts if each.verdict != "ok"} == {"Decision Reason"}
    assert candidate.artefact.spec["card"]["left_out"] == ["Decision Reason"]
    judged = candidate.judged
    assert judged is not None
    auc = judged.measured()["model"].auc
    assert auc is not None
    assert auc < 0.93


def test_the_same_history_gives_the_same_bytes_with_any_number_of_threads(
    candidate: Candidate, definition: Definition, crm: Crm
) -> None:
    again = learn(definition, crm, threads=1)
    assert again.artefact.fingerprint == candidate.artefact.fingerprint


def test_the_artefact_tells_until_when_it_knows(candidate: Candidate) -> None:
    card = candidate.artefact.spec["card"]
    assert card["known_until"].startswith("2026-06-29")
    assert card["horizon_days"] == 90
    assert card["measured"]["model"]["log_loss"] > 0


def test_a_newer_model_is_compared_with_the_champion_on_leads_that_neither_has_seen(
    demo_store: DemoStore, definition: Definition, candidate: Candidate, crm: Crm, tmp_path: Path
) -> None:
    before = earlier(demo_store, definition, "2025-09-01", tmp_path)
    store = tmp_path / "store"
    first = register(learn(definition, before), before, store)
    assert first.champion
    second = register(candidate, crm, store)
    assert "of version 1 on" in second.because
    new, old = (float(word) for word in second.because.split() if word.startswith("0."))
    assert second.champion == (new <= old)


def test_a_candidate_that_is_worse_stays_challenger(
    demo_store: DemoStore, definition: Definition, candidate: Candidate, crm: Crm, tmp_path: Path
) -> None:
    before = earlier(demo_store, definition, "2025-09-01", tmp_path)
    store = tmp_path / "store"
    register(learn(definition, before), before, store)
    judged = candidate.judged
    assert judged is not None
    spec = {**candidate.artefact.spec, "usual_bar": 0.123}
    spoilt = Candidate(
        Artefact(spec, candidate.artefact.boosters),
        definition,
        replace(judged, candidate=np.full_like(judged.candidate, 0.5)),
        candidate.verdicts,
        candidate.report,
    )
    verdict = register(spoilt, crm, store)
    assert not verdict.champion
    assert verdict.because.startswith("it is worse")


def test_the_fingerprint_of_the_data_changes_with_any_value(crm: Crm) -> None:
    leads = crm.leads.copy()
    leads.iloc[5, leads.columns.get_loc("Title")] = "Astronaut"
    assert fingerprint(crm) == fingerprint(crm)
    assert fingerprint(Crm(leads, crm.activities, crm.history, crm.rejects, crm.notes)) != fingerprint(crm)
