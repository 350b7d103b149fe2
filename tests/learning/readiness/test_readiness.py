"""A company is told truthfully how far it is from the published minimum."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.core.columns import CategoricalColumn, FeatureTable, NumericColumn
from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.learning.readiness.readiness import Readiness, assess_readiness, candidate_parameters
from winnable.learning.reporting.plots import readiness_plot

SHARED = {"outcome": {"won": ["Closed Won"], "lost": ["Closed Lost"]}}
ROLES = {"id": "Lead ID", "status": "Status", "created": "Created", "closed": "Closed on"}


def test_parameters_are_counted_once_for_columns_that_repeat_each_other() -> None:
    random = np.random.default_rng(0)
    number, other = random.normal(size=400), random.normal(size=400)
    words = CategoricalColumn(random.integers(0, 4, 400), ("a", "b", "c", "d"))
    columns = {
        "number": NumericColumn(number),
        "again": NumericColumn(2 * number + 1),
        "other": NumericColumn(other),
        "words": words,
    }
    columns["constant"], columns["rare"] = (
        NumericColumn(np.ones(400)),
        CategoricalColumn(np.arange(400), tuple(map(str, range(400)))),
    )
    features = FeatureTable(400, columns)
    assert candidate_parameters(features, ["number"]) == 1
    assert candidate_parameters(features, ["number", "again"]) == 1
    assert candidate_parameters(features, ["number", "other"]) == 2
    assert candidate_parameters(features, ["words"]) == 3
    assert candidate_parameters(features, ["constant", "rare"]) == 0


def company(size: int, seed: int = 0, noise: int = 4) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    fit, want = random.normal(size=size), random.choice(["now", "later", "never"], size)
    won = random.random(size) < 1 / (1 + np.exp(2.2 - fit - (want == "now")))
    created = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.linspace(0, 364, size), unit="D")
    closed = created + pd.to_timedelta(random.integers(1, 20, size), unit="D")
    status = np.where(won, "Closed Won", "Closed Lost")
    ids = [f"L{row}" for row in range(size)]
    leads = {
        "Lead ID": ids,
        "Created": created.strftime("%Y-%m-%d"),
        "Closed on": closed.strftime("%Y-%m-%d"),
        "Status": status,
    }
    return pd.DataFrame(
        {
            **leads,
            "Fit": fit,
            "Want": want,
            **{f"Noise {i}": random.normal(size=size) for i in range(noise)},
        }
    )


def read(
    leads: pd.DataFrame, folder: Path, roles: dict[str, str] = ROLES
) -> tuple[Definition, Crm]:
    shared = definition_from({**SHARED, "columns": roles}, "the test")
    leads.to_csv(folder / "leads.csv", index=False)
    return shared, read_crm(shared, str(folder / "leads.csv"))


def readiness(leads: pd.DataFrame, folder: Path, roles: dict[str, str] = ROLES) -> Readiness:
    shared, crm = read(leads, folder, roles)
    return assess_readiness(Dataset(shared, crm))


def test_a_small_company_is_not_ready_and_a_large_one_is(tmp_path: Path) -> None:
    small, large = readiness(company(200), tmp_path), readiness(company(5000), tmp_path)
    assert not small.ready
    assert large.ready
    assert (large.columns, large.parameters) == (7, 13)  # six of them for the weekday of arrival
    assert 0.68 < large.auc <= large.measured_auc < 0.80
    assert small.rules_below < small.blend_from <= small.needed_wins


def test_the_answer_in_words_agrees_with_its_numbers(tmp_path: Path) -> None:
    leads = company(300)
    found = readiness(leads, tmp_path)
    text = " ".join(found.messages)
    wins = int((leads["Status"] == "Closed Won").sum())
    assert f"With fewer than {found.rules_below} wins, use the scorecard" in text
    assert f"You have {wins} wins among 300 leads" in text
    assert (
        f"from {found.blend_from:,} wins on, a model of the stronger half of the columns is"
        f" reliable, from {found.needed_wins:,} a model of all {found.columns}." in text
    )
    weeks = (found.needed_wins - wins) / found.wins_per_week
    assert found.weeks_to_go == pytest.approx(weeks, rel=0.2)
    assert (
        f"you will get there in {found.weeks_to_go:.0f} weeks" in text or found.weeks_to_go >= 104
    )
    assert f"Keeping the {found.half_columns} strongest of {found.columns} would need" in text


def test_more_columns_need_more_leads(tmp_path: Path) -> None:
    assert (
        readiness(company(1000, noise=20), tmp_path).needed.leads
        > readiness(company(1000), tmp_path).needed.leads
    )


def test_leaky_columns_are_no_candidates(tmp_path: Path) -> None:
    leads = company(400)
    leaky = leads.assign(**{"Contract No": np.where(leads["Status"] == "Closed Won", "C1", "")})
    assert readiness(leaky, tmp_path).needed == readiness(leads, tmp_path).needed


def test_columns_that_say_nothing_are_called_so(tmp_path: Path) -> None:
    leads = company(1500).drop(columns=["Fit", "Want"])
    assert any(
        "hardly separate won from lost" in says for says in readiness(leads, tmp_path).messages
    )


def test_without_dates_nobody_knows_when(tmp_path: Path) -> None:
    leads = company(200).drop(columns=["Created", "Closed on"])
    found = readiness(leads, tmp_path, {"id": "Lead ID", "status": "Status"})
    assert found.weeks_to_go is None
    assert any("no dates" in says for says in found.messages)


@pytest.mark.parametrize("kept", ["none", "one", "won", "lost"])
def test_thin_data_are_told_all_the_same(tmp_path: Path, kept: str) -> None:
    leads = company(60)
    chosen = {
        "none": leads.head(0),
        "one": leads.head(1),
        "won": leads[leads["Status"] == "Closed Won"],
    }.get(kept, leads[leads["Status"] == "Closed Lost"])
    found = readiness(chosen, tmp_path)
    assert not found.ready
    assert found.needed_wins > found.wins
    assert found.messages


def test_the_plot_shows_where_the_company_stands(tmp_path: Path) -> None:
    found = readiness(company(300), tmp_path)
    figure = readiness_plot(found)
    assert f"{found.wins:,} wins of the {found.needed_wins:,}" in figure.axes[0].get_title(
        loc="left"
    )
    figure.savefig(tmp_path / "ready.png")
    assert (tmp_path / "ready.png").stat().st_size > 5000


def test_columns_that_may_tell_nothing_are_said_to(tmp_path: Path) -> None:
    weak = [company(260, seed=seed, noise=1) for seed in range(6)]
    for leads in weak:
        won = np.random.default_rng(len(leads)).random(len(leads)) < 0.3
        leads["Status"] = np.where(won, "Closed Won", "Closed Lost")
        leads["Fit"] += 0.25 * won
    doubts = ("hardly separate won from lost", "It is not proven that these columns separate")
    for leads in weak:
        messages = " ".join(readiness(leads, tmp_path).messages)
        assert any(doubt in messages for doubt in doubts)
    clear = " ".join(readiness(company(2000), tmp_path).messages)
    assert not any(doubt in clear for doubt in doubts)
