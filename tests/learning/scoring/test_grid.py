"""The grid of a trained model: sub-scores that multiply to what the score makes of a typical lead,
the same in a batch and in a request, and nothing where no grid is asked for."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.conftest import DemoStore
from tests.learning.scoring.test_batch import told
from winnable.core.timestamps import datetime_of
from winnable.data.dataset import Dataset
from winnable.definition.decide.grid import SIDES
from winnable.definition.grid import Grid
from winnable.learning.artifacts.artifact import Artifact
from winnable.learning.scoring.attributes import Attributes
from winnable.learning.scoring.batch import (
    COLUMNS,
    GRID_COLUMNS,
    ScoringJob,
    moments_of_scoring,
    read_to_score,
    score_table,
)
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.scoring.score_record import to_response
from winnable.service.http.request import ScoreRequest
from winnable.service.scoring.loaded_model import LoadedModel


def with_grid(artifact: Artifact, **grid: Any) -> Artifact:
    """The same model with a definition that asks for a grid."""
    definition = artifact.spec.definition.model_copy(update={"grid": Grid(**grid)})
    return Artifact.of(replace(artifact.spec, definition=definition), artifact.boosters)


@pytest.fixture(scope="module")
def predictor(demo_store: DemoStore) -> Predictor:
    return Predictor(with_grid(demo_store.candidate.artifact, words={"A1": "Call today"}))


@pytest.fixture(scope="module")
def data(demo_store: DemoStore, predictor: Predictor) -> Dataset:
    files = demo_store.files
    return read_to_score(predictor, str(files.leads), str(files.activities), str(files.history))


def test_who_they_are_and_what_they_did_are_told_apart(predictor: Predictor) -> None:
    attributes = Attributes(
        predictor.definition, predictor.plan, predictor.learned_columns, apart=False
    )
    sides = {
        attribute: None if side < 0 else SIDES[side]
        for attribute, side in zip(attributes.every, attributes.sides.tolist(), strict=True)
    }
    by_name = {attribute.name: side for attribute, side in sides.items()}
    assert by_name["Title"] == by_name["Employees"] == "profile"
    assert by_name["Pricing page"] == by_name["Demo request"] == "intent"
    assert by_name["any activity"] == "behaviour"
    interest = predictor.definition.activities.interest
    assert {by_name[kind] for kind in interest if kind in by_name} == {"interest"}
    for attribute, side in sides.items():
        assert (side is None) == (attribute.about in {"age", "returns"}), attribute
        assert (side == "profile") <= (attribute.about in {"field", "derived", "account"})


def test_fit_times_engagement_is_what_the_score_makes_of_a_typical_lead(
    predictor: Predictor, data: Dataset
) -> None:
    as_of = moments_of_scoring(data, "2026-06-30")
    features = data.features(predictor.plan, np.arange(len(data.crm.leads)), as_of)
    scores = predictor.score(features, [""] * features.size)
    assert scores.grid is not None
    assert scores.log_odds is not None
    neither = [attribute.about in {"age", "returns"} for attribute in predictor.attributes]
    expected = np.exp(scores.log_odds[:, ~np.array(neither)].sum(axis=1))
    places = [place for place in scores.grid if place is not None]
    product = [place.fit * place.engagement for place in places]
    np.testing.assert_allclose(product, expected, rtol=1e-9)
    parts = [place.interest * place.intent * place.behaviour for place in places]
    np.testing.assert_allclose(parts, [place.engagement for place in places], rtol=1e-9)
    assert {place.points for place in places} == {None}


def test_both_sides_tell_winners_from_others(predictor: Predictor, demo_store: DemoStore) -> None:
    """Each alone, on the leads of the training."""
    rows = demo_store.data.training_rows
    features = demo_store.data.features(predictor.plan, rows.leads, rows.as_of)
    scores = predictor.score(features, [""] * features.size)
    assert scores.grid is not None
    cells = np.array([place.cell for place in scores.grid if place is not None])
    won = rows.won == 1.0
    known = ~np.isnan(rows.won)
    letters = np.array([cell[0] for cell in cells])
    digits = np.array([cell[1] for cell in cells])
    for side, good, bad in ((letters, "AB", "CD"), (digits, "12", "34")):
        better = won[known & np.isin(side, list(good))].mean()
        worse = won[known & np.isin(side, list(bad))].mean()
        assert better > worse
    assert len(set(letters)) >= 3
    assert len(set(digits)) >= 3


def test_a_lead_alone_has_the_same_place_as_in_a_batch(predictor: Predictor, data: Dataset) -> None:
    as_of = moments_of_scoring(data, "2026-06-30")
    table = score_table(ScoringJob(predictor, data, as_of))
    moment = datetime_of(as_of[0])
    model = LoadedModel(predictor)
    scored = np.flatnonzero(table["error"].isna().to_numpy())[::5].tolist()
    assert len(scored) > 50
    for row in scored:
        request = ScoreRequest([told(data, predictor, row, moment)], moment)
        scores = model.score([model.read(request, b"", moment)], reasons=True)[0].scores
        assert scores.grid is not None
        place = scores.grid[0]
        assert place is not None
        assert place.cell == table["cell"].iloc[row]
        for name in GRID_COLUMNS[2:]:
            assert getattr(place, name) == pytest.approx(table[name].iloc[row], rel=0, abs=1e-9)


def test_the_table_has_the_columns_of_the_grid_before_the_errors(
    predictor: Predictor, data: Dataset, demo_store: DemoStore
) -> None:
    job = ScoringJob(predictor, data, moments_of_scoring(data, "2026-06-30"))
    table = score_table(job)
    assert list(table) == [*COLUMNS[:-1], *GRID_COLUMNS, "error"]
    called = table[table["cell"].notna()]
    assert (called["cell_says"] == np.where(called["cell"] == "A1", "Call today", "")).all()
    without = score_table(replace(job, reasons=False))
    assert list(without) == list(table)
    assert without["cell"].isna().all()
    plain = ScoringJob(Predictor(demo_store.candidate.artifact), data, job.as_of)
    assert list(score_table(plain)) == COLUMNS


def test_a_response_has_a_place_only_where_a_grid_is_asked_for_and_reasons_are_given(
    predictor: Predictor, data: Dataset, demo_store: DemoStore
) -> None:
    as_of = moments_of_scoring(data, "2026-06-30")
    features = data.features(predictor.plan, np.arange(3), as_of[:3])
    ids = [""] * 3
    given = to_response(predictor.score(features, ids), 0, "L-1", "s")
    assert set(given["grid"]) == {"cell", "says", "points", *GRID_COLUMNS[2:]}
    assert "grid" not in to_response(predictor.score(features, ids, reasons=False), 0, "L-1", "s")
    plain = Predictor(demo_store.candidate.artifact).score(features, ids)
    assert "grid" not in to_response(plain, 0, "L-1", "s")


def test_a_model_that_does_not_know_typical_leads_gives_no_place(demo_store: DemoStore) -> None:
    artifact = with_grid(demo_store.candidate.artifact)
    old = Predictor(Artifact.of(replace(artifact.spec, typical=None), artifact.boosters))
    rows = demo_store.data.training_rows
    features = demo_store.data.features(old.plan, rows.leads[:5], rows.as_of[:5])
    assert old.score(features, [""] * 5).grid is None
