"""Batch scoring: every row of the source gets an answer or an error, whatever the size of the
blocks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import DemoStore
from winnable.core.timestamps import NEVER, datetime_of, microseconds
from winnable.data.dataset import Dataset
from winnable.data.features.accounts import ACCOUNT_HISTORY
from winnable.data.features.offline import words_at
from winnable.data.features.plan import AGE
from winnable.data.features.returns import DAYS_SINCE_OUTCOME, RETURNS, STATUS_HISTORY
from winnable.data.ingestion.crm import Crm
from winnable.errors import DataError
from winnable.learning.scoring.batch import (
    COLUMNS,
    ScoringJob,
    moments_of_scoring,
    read_to_score,
    score_table,
)
from winnable.learning.scoring.predictor import Predictor
from winnable.service.http.request import ACTIVITIES, ScoreRequest
from winnable.service.scoring.loaded_model import LoadedModel


@pytest.fixture(scope="module")
def predictor(demo_store: DemoStore) -> Predictor:
    return Predictor.of_store(demo_store.store)


@pytest.fixture(scope="module")
def data(demo_store: DemoStore, predictor: Predictor) -> Dataset:
    files = demo_store.files
    return read_to_score(predictor, str(files.leads), str(files.activities), str(files.history))


@pytest.fixture(scope="module")
def crm(data: Dataset) -> Crm:
    return data.crm


def told(data: Dataset, predictor: Predictor, row: int, moment: datetime) -> dict[str, object]:
    """A lead as a request tells it: its columns as they were at the moment, what was known of its
    account, and every change of its status, those that came later too."""
    crm = data.crm
    at = np.array([microseconds(moment)])
    place = np.array([row])
    written = {name: crm.leads[name].iloc[row] for name in crm.leads if not name.startswith("@")}
    for field in predictor.plan.fields:
        words = words_at(data.definition, crm, field.name, place, at)
        code = words.codes[0]
        written[field.name] = None if code < 0 else words.vocabulary[code]
    values = {name: None if pd.isna(value) else value for name, value in written.items()}
    assert data.accounts is not None
    facts = {name: float(found[0]) for name, found in data.accounts.at(place, at).items()}
    assert crm.history is not None
    changes = crm.history[crm.history["@id"] == crm.leads["@id"].iloc[row]]
    changes = changes[changes["@field"] == data.definition.columns.status].iloc[::-1]
    return {
        **values,
        ACTIVITIES: [
            {"kind": kind, "at": done.isoformat(), "recorded": recorded.isoformat()}
            for kind, done, recorded in _activities_of(data, row)
        ],
        ACCOUNT_HISTORY: None if np.isnan(facts["won"]) else facts,
        STATUS_HISTORY: [
            {"at": when.isoformat(), "new": new, "old": None if pd.isna(old) else old}
            for when, new, old in zip(changes["@at"], changes["@new"], changes["@old"], strict=True)
        ],
    }


def _activities_of(data: Dataset, row: int) -> Iterator[tuple[str, pd.Timestamp, pd.Timestamp]]:
    log = data.crm.activities
    assert log is not None
    mine = log[log["@id"] == data.crm.leads["@id"].iloc[row]]
    return zip(mine["@kind"], mine["@at"], mine["@recorded"], strict=True)


@pytest.mark.parametrize("day", ["2026-06-30", "2026-03-11T10:20:30Z", "2025-08-01"])
def test_a_lead_alone_has_the_same_score_as_in_a_batch(
    predictor: Predictor, data: Dataset, day: str
) -> None:
    """To 1e-9, whether it came for the first time or came back: fields by vocabulary and activities
    by DuckDB on one side, a request and plain Python on the other."""
    as_of = moments_of_scoring(data, day)
    table = score_table(ScoringJob(predictor, data, as_of))
    moment = datetime_of(as_of[0])
    features = data.features(predictor.plan, np.arange(len(data.crm.leads)), as_of)
    returned = features.numbers(RETURNS) > 0
    assert returned.sum() >= 10
    seventh = np.arange(len(table)) % 7 == 0
    scored = table["error"].isna().to_numpy()
    model = LoadedModel(predictor)
    for row in np.flatnonzero((returned | seventh) & scored).tolist():
        request = ScoreRequest([told(data, predictor, row, moment)], moment)
        parsed = model.read(request, b"", moment)
        assert parsed.leads[0].fault is None
        scores = model.score([parsed], reasons=True)[0].scores
        for name in ("probability", "low", "high", "winnable"):
            one, many = (
                getattr(scores, name)[0],
                table["probability_winnable" if name == "winnable" else name].iloc[row],
            )
            assert one == pytest.approx(many, rel=0, abs=1e-9), (row, name)
        assert "; ".join(reason.text for reason in scores.reasons[0]) == table["reasons"].iloc[row]


def test_a_lead_that_came_back_and_does_not_say_so_is_scored_as_one_that_came_for_the_first_time(
    predictor: Predictor, data: Dataset
) -> None:
    moment = datetime(2026, 6, 30, tzinfo=UTC)
    as_of = np.full(len(data.crm.leads), microseconds(moment))
    features = data.features(predictor.plan, np.arange(len(data.crm.leads)), as_of)
    returned = np.flatnonzero(features.numbers(RETURNS) > 0)[:20].tolist()
    telling = [told(data, predictor, row, moment) for row in returned]
    silent = [{**lead, STATUS_HISTORY: None} for lead in telling]
    model = LoadedModel(predictor)
    parsed = model.read(ScoreRequest([*telling, *silent], moment), b"", moment)
    both = predictor.features(
        [lead.values for lead in parsed.leads],
        [lead.activities for lead in parsed.leads],
        [moment] * len(parsed.leads),
    )
    size = len(returned)
    assert (both.numbers(RETURNS) > 0).tolist() == [True] * size + [False] * size
    assert np.isnan(both.numbers(DAYS_SINCE_OUTCOME)[size:]).all()
    assert (both.numbers(AGE)[:size] < both.numbers(AGE)[size:]).all()
    p = model.score([parsed], reasons=False)[0].scores.probability
    assert np.abs(p[:size] - p[size:]).max() > 0.01


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ("Closed Lost", "status_history: expected a list"),
        ([{}] * 1001, "status_history: more than 1,000"),
        (["Closed Lost"], "status_history.0: expected an object with at, new"),
        ([{"at": "2026-01-01T00:00:00Z", "to": "New"}], "status_history.0: expected an object"),
        ([{"at": "2026-01-01T00:00:00Z", "new": "New", "from": "-"}], "status_history.0: expected"),
        ([{"at": "2026-01-01", "new": "New"}], "status_history.0.at: expected a date and time"),
        ([{"at": "2026-01-01T00:00:00Z", "new": 3}], "status_history.0.new: expected the status"),
        ([{"at": "2026-01-01T00:00:00Z", "new": " "}], "status_history.0.new: expected the status"),
        ([{"at": "2026-01-01T00:00:00Z", "new": "New", "old": 3}], "status_history.0.old: expec"),
    ],
)
def test_a_status_history_that_cannot_be_read_is_that_lead_s_fault(
    predictor: Predictor, changes: object, fault: str
) -> None:
    moment = datetime(2026, 6, 30, tzinfo=UTC)
    request = ScoreRequest([{"Lead ID": "1", STATUS_HISTORY: changes}, {"Lead ID": "2"}], moment)
    one, other = LoadedModel(predictor).read(request, b"", moment).leads
    assert one.fault is not None
    assert one.fault.startswith(fault)
    assert other.fault is None


def test_rows_that_could_not_be_read_stand_in_their_place_with_the_reason(
    predictor: Predictor, crm: Crm, data: Dataset
) -> None:
    lost = crm.leads.index[[0, 10]]
    reason = pd.DataFrame(
        {"table": "leads", "row": lost, "id": ["L-0", None], "reason": "it has 3 values too many"}
    )
    table = score_table(
        ScoringJob(
            predictor,
            replace(data, crm=replace(crm, leads=crm.leads.drop(lost), rejects=reason)),
            moments_of_scoring(data, None)[2:],
        )
    )
    assert list(table.columns) == COLUMNS
    assert table.index.tolist() == crm.leads.index.tolist()
    assert table.index[table["error"].notna()].tolist() == [0, 10]
    assert table.loc[[0, 10], "probability"].isna().all()


def test_blocks_change_no_number(
    predictor: Predictor, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To 1e-12: a matrix product of other rows may round the last bit otherwise, by processor."""
    as_of = moments_of_scoring(data, None)
    whole = score_table(ScoringJob(predictor, data, as_of))
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr("winnable.learning.scoring.batch.BLOCK_ROWS", 97)
    parts = score_table(
        ScoringJob(predictor, data, as_of),
        progress=lambda _, done, total: seen.append((done, total)),
    )
    assert seen[-1] == (len(data.crm.leads), len(data.crm.leads))
    assert len(seen) > 1
    pd.testing.assert_frame_equal(parts, whole, rtol=0, atol=1e-12)


def test_each_lead_may_have_its_own_moment(predictor: Predictor, crm: Crm, data: Dataset) -> None:
    days = ["2026-06-30", "2026-05-01T12:00:00Z", None] + ["2026-06-30"] * (len(crm.leads) - 3)
    leads = crm.leads.assign(Asked=pd.Series(days, dtype="str", index=crm.leads.index))
    dated = replace(data, crm=replace(crm, leads=leads))
    as_of = moments_of_scoring(dated, "Asked")
    assert as_of[2] == NEVER
    table = score_table(ScoringJob(predictor, dated, as_of))
    assert table["as_of"].iloc[:2].tolist() == ["2026-06-30T00:00:00Z", "2026-05-01T12:00:00Z"]
    assert table["error"].iloc[2] == "the column of --as-of has no date for this lead"


def test_without_a_wish_the_newest_record_is_the_present(data: Dataset) -> None:
    moments = moments_of_scoring(data, None)
    assert str(np.datetime64(int(moments[0]), "us")).startswith("2026-06-29")
    with pytest.raises(DataError, match="neither a date"):
        moments_of_scoring(data, "soon")


def test_the_present_is_that_of_the_whole_export_and_its_newest_record_counts(
    predictor: Predictor, demo_store: DemoStore
) -> None:
    """A quiet lead that is scored alone is as old as among all the others, and what it did last is
    known."""
    files = demo_store.files
    leads, activities = (
        pd.read_csv(files.leads, dtype=str),
        pd.read_csv(files.activities, dtype=str),
    )
    newest = pd.Timestamp("2026-06-29T23:59:58Z")
    for lead, at in (("L-100001", "2026-06-29T23:59:57Z"), ("somebody else", newest.isoformat())):
        activities.loc[len(activities)] = {"Lead ID": lead, "At": at, "Type": "Demo request"}
    alone = read_to_score(predictor, leads[leads["Lead ID"] == "L-100001"], activities)
    assert moments_of_scoring(alone, None)[0] == microseconds(newest.to_pydatetime()) + 1_000_000
    last = read_to_score(predictor, leads[leads["Lead ID"] == "L-100001"], activities[:-1])
    features = last.features(
        predictor.plan, np.zeros(1, dtype=np.int64), moments_of_scoring(last, None)
    )
    assert features.numbers("days since any activity")[0] < 2 / 86_400  # two seconds


def test_at_any_age_a_lead_that_goes_on_stands_better_than_one_that_does_not(
    predictor: Predictor, demo_store: DemoStore
) -> None:
    """The same people on the day they came, and 7 and 30 days later: nothing happened since, or a
    demo was asked for."""
    from winnable.data.features.online import Activity

    people = pd.read_csv(demo_store.files.open_leads, dtype=str, keep_default_na=False).to_dict(
        "records"
    )
    came = pd.Timestamp("2026-03-02 09:00", tz="UTC")
    people = [{**person, "Created Date": came.isoformat()} for person in people]

    def odds(age: int, happened: tuple[int, ...]) -> float:
        now = came + pd.Timedelta(days=age, minutes=1)
        done = [
            Activity("Demo request", (came + pd.Timedelta(days=day)).to_pydatetime())
            for day in happened
            if day < age
        ]
        features = predictor.features(
            people, [done] * len(people), [now.to_pydatetime()] * len(people)
        )
        p = predictor.score(features, [""] * len(people), reasons=False).probability
        return float(np.log(p / (1 - p)).mean())

    assert odds(30, ()) < odds(0, ())
    for age in (7, 30):
        assert odds(age, (age - 3, age - 1)) > odds(age, ())


def test_one_curve_answers_for_every_horizon(predictor: Predictor, data: Dataset) -> None:
    as_of = moments_of_scoring(data, "2026-06-30")
    features = data.features(predictor.plan, np.arange(len(data.crm.leads)), as_of)
    scores, outcome = (
        predictor.score(features, [""] * features.size, reasons=False),
        predictor.definition.outcome,
    )
    answers = [
        predictor.within(features, scores.probability, days)
        for days in (1, 30, outcome.horizon_days, 180, outcome.winnable_days)
    ]
    curve = np.array([answer for answer in answers if answer is not None])
    assert curve.shape == (5, features.size)
    assert (np.diff(curve, axis=0) >= -1e-12).all()
    assert curve[2] == pytest.approx(scores.probability)
    assert scores.winnable is not None
    assert curve[4] == pytest.approx(scores.winnable)


def test_an_export_that_does_not_say_when_leads_were_created_is_scored_as_a_request_is(
    predictor: Predictor, demo_store: DemoStore, tmp_path: Path
) -> None:
    leads = pd.read_csv(demo_store.files.open_leads, dtype=str, keep_default_na=False)
    leads = leads.drop(columns="Created Date")
    leads.to_csv(tmp_path / "leads.csv", index=False)
    data = read_to_score(predictor, str(tmp_path / "leads.csv"))
    as_of = moments_of_scoring(data, "2026-06-30")
    table = score_table(ScoringJob(predictor, data, as_of, reasons=False))
    assert table["error"].isna().all()
    assert any("no 'Created Date'" in note for note in data.crm.notes)
    moment = pd.Timestamp("2026-06-30", tz="UTC").to_pydatetime()
    records = leads.to_dict("records")
    features = predictor.features(records, [[]] * len(leads), [moment] * len(leads))
    scores = predictor.score(features, leads["Lead ID"].tolist(), reasons=False)
    np.testing.assert_allclose(table["probability"], scores.probability, rtol=0, atol=1e-9)
