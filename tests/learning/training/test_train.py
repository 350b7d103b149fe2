"""Training: what is learned from a history, on which leads it is evaluation, and when a candidate
becomes champion."""

from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import DemoStore
from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import load_definition
from winnable.definition.schema import Definition
from winnable.learning.registry.promotion import register
from winnable.learning.registry.run_contents import fingerprint
from winnable.learning.training.train import Candidate, TrainingOptions, learn


@pytest.fixture(scope="module")
def definition(demo_store: DemoStore) -> Definition:
    return load_definition(demo_store.files.definition)


@pytest.fixture(scope="module")
def crm(demo_store: DemoStore, definition: Definition) -> Crm:
    files = demo_store.files
    return read_crm(definition, str(files.leads), str(files.activities), str(files.history))


@pytest.fixture(scope="module")
def candidate(demo_store: DemoStore) -> Candidate:
    return demo_store.candidate


def test_long_work_tells_how_far_it_has_come(demo_store: DemoStore) -> None:
    assert demo_store.candidate.mode != "rules"
    steps = demo_store.progress["Training on all leads"]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0.0, 1.0)
    assert len(steps) > 10


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
    return read_crm(
        definition, *(str(folder / f"{name}.csv") for name in ("leads", "activities", "history"))
    )


def test_it_is_judged_on_later_leads_of_people_it_has_not_seen(candidate: Candidate) -> None:
    evaluation = candidate.evaluation
    assert evaluation is not None
    assert evaluation.how.startswith("a holdout of leads created since 2025-")
    assert set(evaluation.measured()) == {"model", "rules", "base rate"}
    assert evaluation.measured()["base rate"].skill == pytest.approx(0)
    assert len(evaluation.candidate) == len(evaluation.rows.won)


def test_the_column_that_sales_fills_in_after_the_close_is_no_help(candidate: Candidate) -> None:
    assert {each.name for each in candidate.verdicts if each.verdict != "ok"} == {"Decision Reason"}
    assert candidate.artifact.spec.card.left_out == ("Decision Reason",)
    evaluation = candidate.evaluation
    assert evaluation is not None
    auc = evaluation.measured()["model"].auc
    assert auc is not None
    assert auc < 0.93


def test_the_same_history_gives_the_same_bytes_with_any_number_of_threads(
    candidate: Candidate, definition: Definition, crm: Crm
) -> None:
    again = learn(Dataset(definition, crm), TrainingOptions(threads=1))
    assert again.artifact.fingerprint == candidate.artifact.fingerprint


def test_the_artifact_tells_until_when_it_knows(candidate: Candidate) -> None:
    card = candidate.artifact.data["card"]
    assert card["known_until"].startswith("2026-06-29")
    assert card["horizon_days"] == 90
    assert card["measured"]["model"]["log_loss"] > 0


@pytest.fixture(scope="module")
def old(
    demo_store: DemoStore, definition: Definition, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Candidate, Dataset]:
    """What was learned from the export of ten months before, and that export."""
    before = earlier(demo_store, definition, "2025-09-01", tmp_path_factory.mktemp("old"))
    data = Dataset(definition, before)
    return learn(data), data


def test_a_newer_model_meets_the_champion_on_leads_that_neither_has_seen(
    definition: Definition,
    candidate: Candidate,
    crm: Crm,
    old: tuple[Candidate, Dataset],
    tmp_path: Path,
) -> None:
    store = tmp_path / "store"
    assert register(*old, store).champion
    second = register(candidate, Dataset(definition, crm), store)
    comparison, changes = second.comparison, second.changes
    assert comparison is not None
    assert changes is not None
    assert [competitor.name for competitor in comparison.competitors] == [
        "version 1",
        "the scorecard",
        "the base rate",
    ]
    assert comparison.how.startswith("a holdout of leads whose outcome was unknown on 2025-")
    # The same way of learning from the same knowledge is no better and no worse; the champion's
    # data are old.
    assert comparison.competitors[0].log_loss_reduction.mean == pytest.approx(0, abs=0.02)
    assert second.champion == (
        not any(competitor.surely_better for competitor in comparison.competitors)
    )
    assert changes.leads.now == len(crm.leads)
    assert changes.days is not None
    assert changes.days > 270
    assert any("days later" in says for says in changes.lines)


def test_the_fingerprint_of_the_data_changes_with_any_value(crm: Crm) -> None:
    leads = crm.leads.copy()
    leads.iloc[5, leads.columns.get_loc("Title")] = "Astronaut"
    assert fingerprint(crm) == fingerprint(crm)
    assert fingerprint(
        Crm(leads, crm.activities, crm.history, crm.rejects, crm.notes)
    ) != fingerprint(crm)
