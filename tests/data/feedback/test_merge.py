"""Outcomes that sales told, in the CRM's history: at their time, by the rules of what was known
when, and never over the CRM."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from winnable.data.dataset import Dataset
from winnable.data.features.point_in_time import as_of
from winnable.data.features.training_rows import build_training_rows, outcomes
from winnable.data.feedback.merge import WithFeedback, with_feedback
from winnable.data.feedback.store.records import Label, LabelName, Return
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import definition_from

DEFINITION = definition_from(
    {
        "outcome": {"won": ["Won", "Closed Won"], "lost": ["Lost"], "horizon_days": 30},
        "columns": {"id": "Id", "created": "Created", "closed": "Closed", "status": "Status"},
    },
    "test",
)
LEADS = """Id,Created,Closed,Status
A,2026-01-01,2026-01-20,Won
B,2026-01-01,,Working
C,2026-01-01,2026-02-01,Lost
D,2026-01-01,,Lost
E,2026-01-01,,Working
F,2026-04-01,,Working
"""
HISTORY = "Id,At,Field,Old,New\nB,2026-01-03,Status,New,Working\n"
JAN = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.fixture
def crm(tmp_path: Path) -> Crm:
    (tmp_path / "leads.csv").write_text(LEADS)
    (tmp_path / "history.csv").write_text(HISTORY)
    return read_crm(DEFINITION, str(tmp_path / "leads.csv"), None, str(tmp_path / "history.csv"))


def told(*labels: tuple[str, str, datetime, str]) -> list[Label]:
    return [
        Label(lead, label, by, at, label_id=str(place), recorded_at=at)  # type: ignore[arg-type]
        for place, (lead, label, at, by) in enumerate(labels)
    ]


def merged(crm: Crm, *labels: tuple[str, str, datetime, str]) -> WithFeedback:
    return with_feedback(Dataset(DEFINITION, crm), told(*labels))


def lead(crm: Crm, lead_id: str) -> pd.Series:
    return crm.leads[crm.leads["@id"] == lead_id].iloc[0]


def test_an_outcome_closes_an_open_lead_at_its_time(crm: Crm) -> None:
    found = merged(crm, ("B", "won", JAN, "Kim"), ("D", "lost", JAN, "Kim"))
    assert dict(found.fates) == {"closed": 1, "dated": 1}
    assert (lead(found.crm, "B")["@status"], lead(found.crm, "B")["Status"]) == ("Won", "Won")
    assert lead(found.crm, "B")["@closed"] == JAN
    assert lead(found.crm, "D")["@closed"] == JAN
    for same in ("A", "C", "E", "F"):
        assert lead(found.crm, same).equals(lead(crm, same))
    assert found.crm.leads.dtypes.equals(crm.leads.dtypes)
    assert outcomes(DEFINITION, found.crm).tolist()[:4] == [1, 1, 0, 0]


def test_before_its_time_the_lead_is_open(crm: Crm) -> None:
    found = merged(crm, ("B", "won", JAN, "Kim"))
    before = as_of(DEFINITION, found.crm, JAN - timedelta(days=1))
    assert (lead(before, "B")["@status"], pd.isna(lead(before, "B")["@closed"])) == (
        "Working",
        True,
    )
    after = as_of(DEFINITION, found.crm, JAN + timedelta(days=1))
    assert lead(after, "B")["@status"] == "Won"
    rows = build_training_rows(DEFINITION, found.crm, datetime(2026, 4, 1, tzinfo=UTC))
    of_b = rows.take(rows.leads == 1)
    assert of_b.won.tolist() == [1.0] * len(of_b.won)
    assert of_b.age.max() < (JAN - datetime(2026, 1, 1, tzinfo=UTC)).days


def test_the_crm_counts_where_it_knows_an_outcome_and_the_contradiction_is_told(crm: Crm) -> None:
    found = merged(
        crm,
        ("A", "lost", JAN, "Kim"),
        ("C", "lost", JAN, "Kim"),
        ("E", "won", JAN, "Kim"),
        ("E", "lost", JAN, "Lee"),
    )
    assert dict(found.fates) == {"contradicted": 1, "agreed": 1, "closed": 1}
    assert lead(found.crm, "A").equals(lead(crm, "A"))
    assert lead(found.crm, "C").equals(lead(crm, "C"))
    assert [(each.lead_id, each.crm, len(each.labels)) for each in found.contradictions] == [
        ("A", "won", 1),
        ("E", None, 2),
    ]


def test_what_the_export_cannot_know_yet_waits(crm: Crm) -> None:
    """Of other leads nobody knows what became of them in that time: taking this one alone would
    favour what closes quickly."""
    found = merged(
        crm, ("B", "won", datetime(2026, 5, 1, tzinfo=UTC), "Kim"), ("Z", "won", JAN, "Kim")
    )
    assert dict(found.fates) == {"later": 1, "unknown lead": 1}
    assert found.crm.leads.equals(crm.leads)


def test_a_lead_is_never_closed_before_it_came(crm: Crm) -> None:
    found = merged(crm, ("E", "lost", datetime(2025, 6, 1, tzinfo=UTC), "Kim"))
    assert lead(found.crm, "E")["@closed"] == lead(crm, "E")["@created"]


def test_opinions_and_what_was_taken_back_close_nothing(crm: Crm) -> None:
    labels = told(
        ("B", "won", JAN, "Kim"),
        ("E", "rejected", JAN, "Kim"),
        ("E", "accepted", JAN + timedelta(1), "Kim"),
    )
    labels.append(Label("B", "withdrawn", "Kim", JAN, replaces="0", label_id="9", recorded_at=JAN))
    found = with_feedback(Dataset(DEFINITION, crm), labels)
    assert found.crm.leads.equals(crm.leads)
    assert dict(found.fates) == {}
    assert [label.label for label in found.opinions["E"]] == ["accepted"]
    assert "B" not in found.opinions


HISTORY_OF_B = """Id,At,Field,Old,New
B,2026-01-03,Status,New,Working
B,2026-03-10,Status,Working,Won
"""


def test_labels_before_and_after_a_return_are_of_two_episodes_and_do_not_contradict(
    tmp_path: Path,
) -> None:
    (tmp_path / "leads.csv").write_text(
        LEADS.replace("B,2026-01-01,,Working", "B,2026-01-01,2026-03-10,Won")
    )
    (tmp_path / "history.csv").write_text(HISTORY_OF_B)
    crm = read_crm(DEFINITION, str(tmp_path / "leads.csv"), None, str(tmp_path / "history.csv"))
    march = datetime(2026, 3, 10, tzinfo=UTC)
    first, second = (
        Label("B", "lost", "Kim", JAN, label_id="1", recorded_at=JAN, sequence=1),
        Label("B", "won", "Ines", march, label_id="2", recorded_at=march, sequence=2),
    )
    back = Return("B", 1, datetime(2026, 2, 20, tzinfo=UTC))
    data = Dataset(DEFINITION, crm)
    without = with_feedback(data, [first, second])
    assert [each.lead_id for each in without.contradictions] == ["B"]
    found = with_feedback(data, [first, second], [back])
    assert found.contradictions == ()
    assert dict(found.fates) == {"before a return": 1, "agreed": 1}
    history = found.crm.history
    assert history is not None
    of_b = history[history["@id"] == "B"]
    assert of_b[["@old", "@new"]].to_numpy().tolist() == [
        ["New", "Working"],
        ["Working", "Lost"],
        ["Lost", "Working"],
        ["Working", "Won"],
    ]
    episodes = found.data.episodes
    assert episodes is not None
    assert (episodes.lead == 1).sum() == 2
    rows = found.data.training_rows
    age = {won: rows.as_of[(rows.leads == 1) & (rows.won == won)] for won in (0.0, 1.0)}
    assert len(age[0.0])
    assert len(age[1.0])
    assert age[0.0].max() < age[1.0].min()


def test_opinions_before_a_return_are_not_compared_with_what_became_of_the_lead_since(
    crm: Crm,
) -> None:
    later = JAN + timedelta(days=60)
    rejected = Label("E", "rejected", "Kim", JAN, label_id="1", recorded_at=JAN, sequence=1)
    accepted = Label("E", "accepted", "Kim", later, label_id="2", recorded_at=later, sequence=2)
    back = Return("E", 1, JAN + timedelta(days=50))
    found = with_feedback(Dataset(DEFINITION, crm), [rejected, accepted], [back])
    assert [label.label for label in found.opinions["E"]] == ["accepted"]
    assert found.earlier == 1


def test_an_end_that_the_crm_has_from_before_the_return_can_contradict(crm: Crm) -> None:
    label = Label("C", "won", "Kim", JAN, label_id="1", recorded_at=JAN, sequence=1)
    back = Return("C", 1, datetime(2026, 3, 1, tzinfo=UTC))
    found = with_feedback(Dataset(DEFINITION, crm), [label], [back])
    assert [each.crm for each in found.contradictions] == ["lost"]
    assert dict(found.fates) == {"contradicted": 1}
    assert lead(found.crm, "C").equals(lead(crm, "C"))


HISTORY_OF_C = """Id,At,Field,Old,New
C,2026-01-03 09:00,Status,New,Working
C,2026-02-01 09:00,Status,Working,Lost
"""
BACK = Return("C", 1, datetime(2026, 3, 1, tzinfo=UTC))
SINCE = datetime(2026, 3, 20, tzinfo=UTC)


def company_of_c(folder: Path, history: str | None, leads: str = LEADS) -> Dataset:
    (folder / "leads.csv").write_text(leads)
    if history is not None:
        (folder / "history.csv").write_text(history)
    changes = None if history is None else str(folder / "history.csv")
    return Dataset(DEFINITION, read_crm(DEFINITION, str(folder / "leads.csv"), None, changes))


def said(label: LabelName, at: datetime, sequence: int) -> Label:
    return Label("C", label, "Kim", at, label_id=f"{sequence}", recorded_at=at, sequence=sequence)


def changes_of_c(found: WithFeedback) -> list[tuple[str, str, str]]:
    history = found.crm.history
    assert history is not None
    of_c = history[history["@id"] == "C"]
    days = of_c["@at"].dt.strftime("%m-%d")
    return list(zip(days, of_c["@old"], of_c["@new"], strict=True))


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_an_outcome_after_a_return_closes_a_lead_that_the_crm_never_reopened(
    tmp_path: Path, outcome: LabelName
) -> None:
    data = company_of_c(tmp_path, HISTORY_OF_C)
    labels = [said("lost", datetime(2026, 2, 1, tzinfo=UTC), 1), said(outcome, SINCE, 2)]
    found = with_feedback(data, labels, [BACK])
    assert dict(found.fates) == {"agreed": 1, "closed": 1}
    assert found.contradictions == ()
    word = outcome.title()
    assert changes_of_c(found) == [
        ("01-03", "New", "Working"),
        ("02-01", "Working", "Lost"),
        ("03-01", "Lost", "Working"),
        ("03-20", "Working", word),
    ]
    assert (lead(found.crm, "C")["@status"], lead(found.crm, "C")["@closed"]) == (word, SINCE)
    episodes = found.data.episodes
    assert episodes is not None
    assert episodes.outcome[episodes.lead == 2].tolist() == [0.0, float(outcome == "won")]
    rows = found.data.training_rows
    of_c = rows.as_of[(rows.leads == 2) & rows.known]
    days = pd.to_datetime(of_c, unit="us", utc=True)
    assert not ((days > datetime(2026, 2, 2, tzinfo=UTC)) & (days < BACK.at)).any()
    assert (days >= BACK.at).any()


def test_the_end_before_the_return_may_stand_in_the_closing_date_alone(tmp_path: Path) -> None:
    data = company_of_c(tmp_path, HISTORY_OF_C.rsplit("C,2026", 1)[0])
    found = with_feedback(data, [said("won", SINCE, 2)], [BACK])
    assert changes_of_c(found)[1:] == [
        ("02-01", "Working", "Lost"),
        ("03-01", "Lost", "Working"),
        ("03-20", "Working", "Won"),
    ]
    episodes = found.data.episodes
    assert episodes is not None
    assert episodes.outcome[episodes.lead == 2].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("history", [None, HISTORY])
def test_without_a_history_of_the_lead_only_its_present_episode_is_told(
    tmp_path: Path, history: str | None
) -> None:
    found = with_feedback(company_of_c(tmp_path, history), [said("won", SINCE, 2)], [BACK])
    assert dict(found.fates) == {"closed": 1}
    assert found.contradictions == ()
    episodes = found.data.episodes
    assert episodes is not None
    assert episodes.outcome[episodes.lead == 2].tolist() == [1.0]


def test_two_outcomes_after_two_returns_are_two_more_episodes(tmp_path: Path) -> None:
    again = Return("C", 2, datetime(2026, 3, 25, tzinfo=UTC))
    labels = [said("won", SINCE, 2), said("lost", datetime(2026, 3, 30, tzinfo=UTC), 3)]
    found = with_feedback(company_of_c(tmp_path, HISTORY_OF_C), labels, [BACK, again])
    assert dict(found.fates) == {"before a return": 1, "closed": 1}
    assert found.contradictions == ()
    assert changes_of_c(found)[2:] == [
        ("03-01", "Lost", "Working"),
        ("03-20", "Working", "Won"),
        ("03-25", "Won", "Working"),
        ("03-30", "Working", "Lost"),
    ]


@pytest.mark.parametrize(
    ("history", "closed"),
    [
        (HISTORY_OF_C, "2026-03-10"),  # the CRM closed it after the return
        (f"{HISTORY_OF_C}C,2026-03-05,Status,Lost,Working\n", "2026-02-01"),  # it was reopened
        (HISTORY, ""),  # nobody knows when it was lost
    ],
)
def test_an_end_that_may_be_of_the_time_since_the_return_still_contradicts(
    tmp_path: Path, history: str, closed: str
) -> None:
    leads = LEADS.replace("C,2026-01-01,2026-02-01,Lost", f"C,2026-01-01,{closed},Lost")
    data = company_of_c(tmp_path, history, leads)
    found = with_feedback(data, [said("won", SINCE, 2)], [BACK])
    assert dict(found.fates) == {"contradicted": 1}
    assert [(each.lead_id, each.crm) for each in found.contradictions] == [("C", "lost")]
    assert lead(found.crm, "C").equals(lead(data.crm, "C"))


def test_without_a_return_the_later_label_contradicts(tmp_path: Path) -> None:
    found = with_feedback(company_of_c(tmp_path, HISTORY_OF_C), [said("won", SINCE, 2)])
    assert dict(found.fates) == {"contradicted": 1}


def test_an_outcome_after_a_return_waits_until_the_export_can_know_it(tmp_path: Path) -> None:
    data = company_of_c(tmp_path, HISTORY_OF_C)
    found = with_feedback(data, [said("won", datetime(2026, 5, 1, tzinfo=UTC), 2)], [BACK])
    assert dict(found.fates) == {"later": 1}
    assert found.contradictions == ()
    assert found.crm.leads.equals(data.crm.leads)
