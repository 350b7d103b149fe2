"""A first model that is worse than the base rate on its holdout does not answer: the rate does,
until a model is better."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import winnable
from winnable.definition.load import definition_from
from winnable.learning.registry.mlflow_registry import Registry

DEFINITION = definition_from(
    {
        "outcome": {"won": ["Won"], "lost": ["Lost"], "horizon_days": 30},
        "columns": {
            "id": "Id",
            "status": "Status",
            "created": "Created",
            "closed": "Closed",
            "fixed": ["Source"],
        },
    },
    "test",
)
SIZE = 600


def history(*, turns: bool) -> pd.DataFrame:
    """Leads of two years whose source tells who is won; with `turns`, the opposite in the end."""
    chance = np.random.default_rng(3)
    created = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(SIZE) * 730 / SIZE, unit="D")
    source = chance.choice(["Referral", "List"], SIZE)
    good = np.where(np.arange(SIZE) > 0.72 * SIZE, "List", "Referral") if turns else "Referral"
    won = chance.random(SIZE) < np.where(source == good, 0.7, 0.05)
    return pd.DataFrame(
        {
            "Id": [f"L{row}" for row in range(SIZE)],
            "Created": created.strftime("%Y-%m-%d"),
            "Closed": (created + pd.to_timedelta(5, unit="D")).strftime("%Y-%m-%d"),
            "Status": np.where(won, "Won", "Lost"),
            "Source": source,
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, winnable.Model]:
    store = tmp_path_factory.mktemp("stand in") / "store"
    data = winnable.read(history(turns=True), definition=DEFINITION)
    return store, winnable.train(data, store=store)


def test_the_rate_answers_in_place_of_a_worse_model(trained: tuple[Path, winnable.Model]) -> None:
    store, model = trained
    verdict = model.verdict_
    assert verdict is not None
    assert not verdict.champion
    assert verdict.instead == "the base rate"
    assert "Version 1 is challenger: it is worse than the base rate" in verdict.summary
    assert "Version 2, the base rate, is champion in its place" in verdict.summary
    champion = winnable.load(store)
    assert champion.version == "2"
    leads = history(turns=True).assign(Status="Open", Closed=None)
    scores = champion.score(leads.head(20), as_of="2026-02-01")
    assert scores["probability"].nunique() == 1
    assert scores["probability"].iloc[0] == pytest.approx(champion.card_["base_rate"], abs=1e-9)
    standing = {version.version: version.standing for version in Registry(store).versions()}
    assert standing == {1: "challenger", 2: "champion"}


def test_the_next_model_that_is_better_replaces_it(trained: tuple[Path, winnable.Model]) -> None:
    store, _ = trained
    data = winnable.read(history(turns=False), definition=DEFINITION)
    model = winnable.train(data, store=store)
    assert model.verdict_ is not None
    assert model.verdict_.champion
    assert model.verdict_.because == "version 2 only stood in for a model"
    assert winnable.load(store).version == "3"
