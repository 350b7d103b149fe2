"""Segments: several scorecards make one model with the segment as a column; the card says whether separate ones are better."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from winnable.definition.facts import Facts, Numbers, Words
from winnable.definition.load import definition_from
from winnable.definition.model import Definition
from winnable.definition.scorecard import Points
from winnable.history.crm import Crm, read_crm
from winnable.history.snapshots import Snapshots
from winnable.learning.predictor import Predictor
from winnable.learning.segment_check import compare_segments
from winnable.learning.segments import SEGMENT
from winnable.learning.training import learn


def two_cards() -> Definition:
    cards = [
        {"name": "Enterprise", "segment": [{"field": "Employees", "at_least": 1000}], "threshold": 10},
        {"name": "Others", "threshold": 10},
    ]
    outcome = {"won": ["Won"], "lost": ["Lost"]}
    return definition_from({"name": "Two", "outcome": outcome, "columns": {"status": "Status"}, "scorecard": cards}, "two cards")


def leads(definition: Definition, folder: Path, size: int = 360) -> Crm:
    chance = np.random.default_rng(0)
    employees = np.where(chance.random(size) < 0.5, 5000, 20)
    share = np.where(employees >= 1000, 0.75, 0.15)
    status = np.where(chance.random(size) < share, "Won", "Lost")
    city = chance.choice(["Aton", "Beham", "Cester"], size)
    path = folder / "leads.csv"
    pd.DataFrame({"Employees": employees, "City": city, "Status": status}).to_csv(path, index=False)
    return read_crm(definition, str(path))


def test_the_segment_is_learned_from_and_the_card_says_why_one_model_answers(tmp_path: Path) -> None:
    definition = two_cards()
    candidate = learn(definition, leads(definition, tmp_path))
    assert SEGMENT in [name for name, _ in candidate.artefact.spec["model"]["encoding"]["words"]]
    assert candidate.artefact.spec["card"]["segments"].startswith("one model with the segment as a column, no worse")
    predictor = Predictor(candidate.artefact)
    records = [{"Employees": "4000", "City": "Aton"}, {"Employees": "12", "City": "Aton"}]
    facts = predictor.facts(records, [[], []], [datetime(2026, 1, 1, tzinfo=UTC)] * 2)
    scores = predictor.score(facts, ["a", "b"])
    assert scores.probability[0] > scores.probability[1] + 0.3
    assert any(f"{SEGMENT} is Enterprise: raises" == reason.says for reason in scores.reasons[0])


def test_separate_models_are_called_better_where_columns_mean_the_opposite(tmp_path: Path) -> None:
    chance, size = np.random.default_rng(1), 1200
    sign, size_of_team = chance.choice([-1.0, 1.0], size), chance.normal(0, 1, size)
    won = (chance.random(size) < 1 / (1 + np.exp(-2 * sign * size_of_team))).astype(float)
    card = (sign > 0).astype(np.int64)
    points = Points(size, card, np.zeros(size), np.full(size, -1.0), np.full(size, -1.0), ())
    no_time = np.zeros(size, dtype=np.int64)
    rows = Snapshots(np.arange(size), no_time, won, np.zeros(size), np.arange(size), False, None, won, no_time, 0)
    facts = Facts(size, {"team": Numbers(size_of_team), SEGMENT: Words(card, ("small", "large"))})
    assert "separate ones may be better" in compare_segments(facts, points, rows, 0)
    alike = replace(points, card=np.zeros(size, dtype=np.int64))
    assert compare_segments(facts, alike, rows, 0) is None
