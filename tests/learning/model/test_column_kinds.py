"""Every kind of column that an export holds goes the whole way: learned from or left out, and
scored whatever becomes of it."""

import numpy as np
import pandas as pd
import pytest

from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.learning.scoring.batch import ScoringJob, moments_of_scoring, score_table
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.train import Candidate, learn

SIZE = 240
NEW = 60
WORDS = ("asks", "for", "a", "price", "list", "again", "soon", "and", "more")


def table() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    opted = chance.random(SIZE) < 0.5
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(chance.integers(0, 700, SIZE), "D")
    return pd.DataFrame(
        {
            "many values": [f"agency {draw}" for draw in chance.geometric(0.02, SIZE)],
            "free text": [" ".join(chance.choice(WORDS, 9)) + f" {i}" for i in range(SIZE)],
            "always the same": "yes",
            "never filled in": "",
            "all different": [f"key-{i}" for i in range(SIZE)],
            "date": days.strftime("%d.%m.%Y"),
            "boolean": np.where(opted, "True", "False"),
            "mixed": chance.choice(["12", "40", "n/a", "many", ""], SIZE),
            "number": chance.normal(50, 20, SIZE).round(1).astype(str),
            "Status": np.where(chance.random(SIZE) < np.where(opted, 0.7, 0.1), "Won", "Lost"),
        }
    )


@pytest.fixture(scope="module")
def definition() -> Definition:
    return definition_from(
        {
            "name": "K",
            "outcome": {"won": ["Won"], "lost": ["Lost"]},
            "columns": {"status": "Status"},
        },
        "k",
    )


@pytest.fixture(scope="module")
def candidate(definition: Definition) -> Candidate:
    return learn(Dataset(definition, read_crm(definition, table())))


def scored(candidate: Candidate, rows: pd.DataFrame, definition: Definition) -> pd.DataFrame:
    crm = read_crm(definition, rows.drop(columns="Status"), for_training=False)
    data = Dataset(definition, crm)
    return score_table(
        ScoringJob(Predictor(candidate.artifact), data, moments_of_scoring(data, None))
    )


def test_what_cannot_tell_is_left_out_and_the_rest_is_read_by_what_it_is(
    candidate: Candidate,
) -> None:
    """A date among them: where leads have no time, nothing is so many days ago. Of a text that
    nobody else has the words are learned that enough others have in theirs."""
    encoding = candidate.artifact.spec.model.encoding
    learned = {*encoding["numbers"], *(name for name, _ in encoding["words"])}
    mentioned = {f"free text mentions {word}" for word in WORDS if len(word) > 2}
    as_they_stand = {"many values", "boolean", "mixed", "number"}
    assert learned == {*as_they_stand, "completeness of the record", *mentioned}
    assert {field["name"]: field["kind"] for field in candidate.artifact.data["plan"]["fields"]}[
        "date"
    ] == "moment"
    assert "number" in encoding["numbers"]
    assert {"many values", "boolean", "mixed"} <= {name for name, _ in encoding["words"]}


def test_other_values_gaps_order_and_columns_change_no_more_than_they_mean(
    candidate: Candidate, definition: Definition
) -> None:
    rows = table()[:NEW]
    before = scored(candidate, rows, definition)
    assert before["error"].isna().all()
    apart = before["probability"].groupby(rows["boolean"]).mean()
    assert apart["True"] > apart["False"] + 0.3
    turned = scored(candidate, rows[list(rows.columns[::-1])], definition)
    pd.testing.assert_series_equal(turned["probability"], before["probability"])
    strange = rows.assign(
        **{
            "many values": "agency never seen",
            "mixed": "??",
            "number": "",
            "date": "soon",
            "boolean": "",
        }
    )
    for changed in (strange, rows.drop(columns=["number", "boolean", "many values"])):
        after = scored(candidate, changed, definition)
        assert after["error"].isna().all()
        assert after["probability"].between(0.02, 0.98).all()
        assert (
            (after["low"] <= after["probability"]) & (after["probability"] <= after["high"])
        ).all()
