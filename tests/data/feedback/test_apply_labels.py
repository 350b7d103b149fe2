"""What sales said, before training: what it changed is counted, and the leads worked by lot tell of
what lies below the gate."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from winnable.data.dataset import Dataset
from winnable.data.features.point_in_time import as_of
from winnable.data.features.training_rows import outcomes
from winnable.data.feedback.apply_labels import apply_labels, load_and_apply_labels
from winnable.data.feedback.store.records import HandedOver, Label
from winnable.data.feedback.store.store import FeedbackStore
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.decide.gate import randomly_selected
from winnable.definition.load import load_definition
from winnable.definition.schema import Definition
from winnable.demo.company import write_demo
from winnable.learning.reporting.report import feedback_effect
from winnable.learning.scoring.predictor import scorecard_artifact
from winnable.learning.training.train import Candidate

T = datetime(2026, 1, 1, tzinfo=UTC)
LOT = "Drawn by lot: sales works 3 in 100 leads whatever their score, so that we keep learning."


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> tuple[Definition, Crm]:
    """A company whose CRM stands where it stood on the first of January, and everything that came
    to be known later."""
    files = write_demo(tmp_path_factory.mktemp("demo"), leads=400, seed=3)
    definition = load_definition(files.definition)
    return definition, read_crm(
        definition, str(files.leads), str(files.activities), str(files.history)
    )


def said(lead: str, label: str, at: datetime, by: str = "Kim") -> Label:
    return Label(lead, label, by, at, label_id=f"{lead} {label} {by}", recorded_at=at)  # type: ignore[arg-type]


def test_outcomes_that_the_crm_learns_of_late_change_training_rows(
    company: tuple[Definition, Crm],
) -> None:
    definition, crm = company
    then = as_of(definition, crm, T)
    late = then.leads[(then.leads["@closed"] > T - timedelta(days=90)).fillna(False)]
    slow = then.leads.copy()
    slow.loc[late.index, ["@status", definition.columns.status]] = "Opportunity"
    slow.loc[late.index, "@closed"] = None
    lagging = Crm(slow, then.activities, then.history, then.rejects, then.notes)
    labels = [
        said(
            lead["@id"],
            "won" if lead["@status"] in definition.outcome.won else "lost",
            lead["@closed"].to_pydatetime(),
        )
        for lead in late.to_dict("records")
    ]
    heard = apply_labels(Dataset(definition, lagging), labels, [])
    assert heard.merged.learned == len(late) > 20
    assert (outcomes(definition, heard.crm) == 1).sum() == (outcomes(definition, then) == 1).sum()
    assert heard.wins > 0
    assert heard.rows >= heard.wins
    told = heard.to_json()
    assert told is not None
    assert (told["labels"], told["outcomes"], told["rows_won"]) == (
        len(labels),
        {"closed": len(late)},
        heard.wins,
    )
    assert f"{len(late):,} outcomes came from labels before the CRM had them" in " ".join(
        heard.summary()
    )
    assert "Kim" not in str(told) + str(heard.summary())
    section = feedback_effect(
        Candidate(scorecard_artifact(definition), definition, None, (), {"feedback": told})
    )
    assert section is not None
    assert section.paragraphs == tuple(heard.summary())
    assert (
        feedback_effect(Candidate(scorecard_artifact(definition), definition, None, (), {})) is None
    )


def test_the_leads_worked_by_lot_tell_the_rate_below_the_gate(
    company: tuple[Definition, Crm],
) -> None:
    definition, crm = company
    ended = crm.leads["@id"][outcomes(definition, crm) == outcomes(definition, crm)].to_list()
    won = dict(zip(crm.leads["@id"], outcomes(definition, crm) == 1, strict=True))
    drawn = [HandedOver(lead, "1", T, 0.05, LOT) for lead in ended[:40]]
    others = [HandedOver(lead, "1", T, 0.30, "It is among the best.") for lead in ended[40:60]]
    above = HandedOver(ended[60], "1", T, 0.40, LOT)  # would have been among the best
    again = HandedOver(ended[0], "1", T + timedelta(days=7), 0.20, LOT)
    heard = apply_labels(Dataset(definition, crm), [], [*drawn, *others, above, again])
    assert all(randomly_selected(each.because) for each in drawn)
    sample = heard.random_sample
    assert sample.drawn == 40
    assert (sample.won.hits, sample.won.trials) == (
        sum(won[lead] for lead in ended[:40]),
        40,
    )
    assert sample.expected == pytest.approx(0.05)
    assert sample.won.low < sample.won.hits / 40 < sample.won.high
    assert heard.summary() == [
        f"Of 40 randomly selected leads below the gate, {sample.won.hits} of 40 (95% CI"
        f" {100 * sample.won.low:.0f}% to {100 * sample.won.high:.0f}%) were won;"
        " predicted: 5.0%."
    ]


def test_opinions_are_told_apart_from_outcomes(company: tuple[Definition, Crm]) -> None:
    definition, crm = company
    fates = zip(crm.leads["@id"], outcomes(definition, crm), strict=True)
    labels = [
        said(lead, "accepted" if fate == 1 else "rejected", T)
        for lead, fate in fates
        if fate == fate
    ]
    labels.append(said(labels[0].lead_id, "accepted", T, "Lee"))
    heard = apply_labels(Dataset(definition, crm), labels, [])
    assert heard.crm.leads.equals(crm.leads)
    assert heard.rows == 0
    assert heard.opinions.telling
    assert "never count as won or lost" in " ".join(heard.summary())


def test_a_store_without_labels_changes_nothing_and_is_not_made(
    company: tuple[Definition, Crm], tmp_path: Path
) -> None:
    definition, crm = company
    heard = load_and_apply_labels(Dataset(definition, crm), tmp_path, {})
    assert (heard.crm, heard.to_json(), heard.summary()) == (crm, None, [])
    assert list(tmp_path.iterdir()) == []
    FeedbackStore.open(tmp_path).add(Label("L-1", "won", "Kim"))
    assert load_and_apply_labels(Dataset(definition, crm), tmp_path, {}).labels == 1
