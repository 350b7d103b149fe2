"""The inbox filled by a batch: open leads with what a person needs to see, once."""

from pathlib import Path

import pytest

from tests.conftest import DemoStore
from winnable.data.feedback.store.leads import LeadFilter
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import DataError
from winnable.learning.scoring.batch import (
    ScoringJob,
    moments_of_scoring,
    read_to_score,
    score_table,
)
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.scoring.publish import score_and_publish


def test_open_leads_come_with_their_reasons_names_and_activities_once(
    demo_store: DemoStore, tmp_path: Path
) -> None:
    predictor, files = Predictor.of_store(demo_store.store), demo_store.files
    data = read_to_score(predictor, str(files.leads), str(files.activities), str(files.history))
    crm = data.crm
    as_of = moments_of_scoring(data, None)
    for _ in range(2):
        table = score_and_publish(
            ScoringJob(predictor, data, as_of), tmp_path, tmp_path / "scores.csv"
        )
    assert table.equals(score_table(ScoringJob(predictor, data, as_of)))
    wanted = (
        table[table["decision"].notna() & (table["decision"] != "closed")]
        .drop_duplicates("lead_id")
        .set_index("lead_id")
    )
    feedback = FeedbackStore.open(tmp_path)
    kept = {score.lead_id: score for score in feedback.scores()}
    assert kept.keys() == set(wanted.index)
    assert len(list(feedback.scores())) == len(kept)
    best = feedback.leads(LeadFilter(size=1)).leads[0].score
    assert best is not None
    row, lead = wanted.loc[best.lead_id], crm.leads[crm.leads["@id"] == best.lead_id].iloc[0]
    assert (best.probability, best.grade, best.because) == (
        row["probability"],
        row["grade"],
        row["because"],
    )
    assert "; ".join(reason["says"] for reason in best.reasons) == row["reasons"]
    assert all(isinstance(reason["log_odds"], float) for reason in best.reasons)
    assert best.name == f"{lead['First Name']} {lead['Last Name']}, {lead['Company']}"
    assert (best.owner, best.values["Title"]) == (lead["Owner"], lead["Title"])
    log = crm.activities
    assert log is not None
    assert [each["kind"] for each in best.activities][-3:] == log[log["@id"] == best.lead_id][
        "@kind"
    ].tolist()[-3:]
    assert list(best.activities) == sorted(best.activities, key=lambda each: each["at"])


def test_leads_without_an_id_cannot_be_answered(demo_store: DemoStore, tmp_path: Path) -> None:
    predictor = Predictor.of_store(demo_store.store)
    data = read_to_score(predictor, str(demo_store.files.open_leads))
    columns = predictor.definition.columns.model_copy(update={"id": None})
    predictor.definition = predictor.definition.model_copy(update={"columns": columns})
    with pytest.raises(DataError, match="leads with an id"):
        score_and_publish(
            ScoringJob(predictor, data, moments_of_scoring(data, None)),
            tmp_path,
            tmp_path / "scores.csv",
        )
