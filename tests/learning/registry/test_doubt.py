"""A model that is not proven to be better than the base rate is served, and says so wherever it is
shown."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import winnable
from winnable.definition.load import definition_from
from winnable.learning.registry.mlflow_registry import Registry

DEFINITION = definition_from(
    {
        "outcome": {"won": ["Won"], "lost": ["Lost"]},
        "columns": {"id": "Id", "status": "Status"},
    },
    "test",
)
SIZE = 160


def history(*, tells: bool) -> pd.DataFrame:
    """Leads of whom the source tells who is won, or nothing does."""
    random = np.random.default_rng(1)
    source = random.choice(["Referral", "List", "Fair"], SIZE)
    rate = np.where(source == "Referral", 0.8, 0.1) if tells else np.full(SIZE, 0.3)
    return pd.DataFrame(
        {
            "Id": [f"L{row}" for row in range(SIZE)],
            "Status": np.where(random.random(SIZE) < rate, "Won", "Lost"),
            "Source": source,
            "Size": random.normal(size=SIZE).round(2),
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, winnable.Model]:
    store = tmp_path_factory.mktemp("doubt") / "store"
    data = winnable.read(history(tells=False), definition=DEFINITION)
    return store, winnable.train(data, store=store)


def test_it_is_champion_and_says_in_its_card_that_nothing_is_proven(
    trained: tuple[Path, winnable.Model],
) -> None:
    store, model = trained
    assert model.verdict_ is not None
    assert model.verdict_.champion
    assert model.verdict_.doubt
    doubt = winnable.load(store).card_["doubt"]
    assert doubt.startswith(("It is not proven that the model is better than", "Nothing was found"))
    assert "base rate" in doubt


def test_the_report_and_the_list_of_versions_say_it(trained: tuple[Path, winnable.Model]) -> None:
    store, model = trained
    assert model.verdict_ is not None
    assert model.verdict_.doubt is not None
    page = next(store.rglob("report.html")).read_text()
    standing = page.partition('class="standing"')[2].partition("</p>")[0]
    assert model.verdict_.doubt.split(":")[0] in standing
    (version,) = Registry(store).versions()
    assert version.tags["doubt"] == model.card_["doubt"]


def test_its_probabilities_stay_near_the_base_rate(trained: tuple[Path, winnable.Model]) -> None:
    _, model = trained
    scores = model.score(history(tells=False).assign(Status="Open"))["probability"]
    assert (scores - model.card_["base_rate"]).abs().mean() < 0.06


def test_a_model_that_is_better_says_nothing_of_the_kind() -> None:
    model = winnable.train(winnable.read(history(tells=True), definition=DEFINITION))
    assert "doubt" not in model.card_
