"""The inbox filled by a batch: open leads with what a person needs to see, once."""

from pathlib import Path

import pytest

from tests.conftest import DemoStore
from winnable.data.feedback.store.leads import LeadFilter
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.load import definition_from
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


OF_ONE_NAME = """Id,Name,Company,Email,Created,Status
L-1,Ann Lee,Acme Ltd,Ann@Acme.example,2026-03-04 09:30,Working
L-2,Ann Lee,Acme,,12 Mar 2026,New
L-3,Bo Lind,Acme,bo@acme.example,2026-03-14,New
L-4,,Acme,,2026-03-14,New
"""


def test_a_lead_without_an_address_is_of_the_one_person_of_its_name_and_company(
    tmp_path: Path,
) -> None:
    definition = definition_from(
        {
            "outcome": {"won": ["Won"]},
            "columns": {"id": "Id", "status": "Status", "person": "Email", "created": "Created"},
        },
        "test",
    )
    (tmp_path / "leads.csv").write_text(OF_ONE_NAME)
    predictor = Predictor.from_rules(definition)
    data = read_to_score(predictor, str(tmp_path / "leads.csv"))
    job = ScoringJob(predictor, data, moments_of_scoring(data, "2026-06-30"))
    score_and_publish(job, tmp_path, tmp_path / "scores.csv")
    feedback = FeedbackStore.open(tmp_path)
    kept = {score.lead_id: score for score in feedback.scores()}
    assert {lead: score.person for lead, score in kept.items()} == {
        "L-1": "ann@acme.example",
        "L-2": "ann@acme.example",
        "L-3": "bo@acme.example",
        "L-4": None,
    }
    groups = {data.persons[row] for row in range(4)}
    assert (data.persons[0] == data.persons[1], len(groups)) == (True, 3)
    values = kept["L-2"].values
    assert (values["Created"], values["Status"]) == ("2026-03-12T00:00:00+00:00", "New")
    history = feedback.lead("L-2")
    assert history is not None
    assert [row.lead_id for row, _ in history.others] == ["L-1"]
    feedback.close()
