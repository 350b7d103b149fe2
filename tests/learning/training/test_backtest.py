"""The backtest: nothing from after a cut reaches what was answered then, and outcomes that are
still open mislead nobody."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from winnable.core.timestamps import microseconds, times_of
from winnable.data.dataset import Dataset
from winnable.data.features.training_rows import build_training_rows
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import definition_from, load_definition
from winnable.definition.schema import Definition
from winnable.demo.company import DemoFiles, write_demo
from winnable.errors import DataError
from winnable.learning.training.backtest import (
    BASE,
    MODEL,
    PREVIOUS,
    RULES,
    Backtest,
    Period,
    backtest,
    seen_by,
)
from winnable.learning.training.train import TrainingOptions

START = datetime(2025, 1, 1, tzinfo=UTC)
HORIZON = 30


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> DemoFiles:
    return write_demo(tmp_path_factory.mktemp("crm"), leads=400, seed=7)


@pytest.fixture(scope="module")
def definition(files: DemoFiles) -> Definition:
    return load_definition(files.definition)


@pytest.fixture(scope="module")
def crm(files: DemoFiles, definition: Definition) -> Crm:
    return read_crm(definition, str(files.leads), str(files.activities), str(files.history))


@pytest.fixture(scope="module")
def tested(definition: Definition, crm: Crm) -> Backtest:
    return backtest(Dataset(definition, crm), TrainingOptions(threads=1, quick=True), periods=3)


def test_every_period_is_judged_on_people_who_first_came_in_it(tested: Backtest, crm: Crm) -> None:
    assert len(tested.periods) == 3
    created = times_of(crm.leads["@created"])
    seen: set[int] = set()
    for period in tested.periods:
        begin, stop = microseconds(period.start), microseconds(period.end)
        for moments in (created[period.rows.leads], period.rows.as_of):
            assert ((moments >= begin) & (moments < stop)).all()
        people = set(period.rows.person.tolist())
        assert not people & seen
        seen |= people
        assert period.rows.known.all()
    assert [period.end for period in tested.periods[:-1]] == [
        period.start for period in tested.periods[1:]
    ]


def test_what_happens_after_a_period_changes_nothing_that_was_answered_in_it(
    tested: Backtest, definition: Definition, crm: Crm
) -> None:
    """Every outcome after the last cut is turned round; after its period, changes are to something
    else and nobody is active."""
    period = tested.periods[-1]
    later = (crm.leads["@closed"] >= period.start).to_numpy()
    turned = crm.leads["@status"].replace(
        {"Closed Won": "Closed Lost", "Closed Lost": "Closed Won"}
    )
    leads = crm.leads.assign(**{"@status": crm.leads["@status"].mask(later, turned)})
    assert crm.activities is not None
    assert crm.history is not None
    activities = crm.activities[
        (crm.activities["@at"] < period.end) & (crm.activities["@recorded"] < period.end)
    ]
    changes = crm.history.assign(
        **{"@new": crm.history["@new"].mask(crm.history["@at"] >= period.end, "something else")}
    )
    other = replace(crm, leads=leads, activities=activities, history=changes)
    told: list[tuple[int, int]] = []
    (again,) = backtest(
        Dataset(definition, other),
        TrainingOptions(threads=1, quick=True),
        periods=[period.start, period.end],
        progress=lambda _, done, total: told.append((done, total)),
    ).periods
    assert told == [(0, 1), (1, 1)]
    said = [dict(zip(keys(each), each.answers[MODEL], strict=True)) for each in (period, again)]
    common = said[0].keys() & said[1].keys()
    assert len(common) > 0.9 * len(said[0])
    assert [said[0][key] for key in common] == [said[1][key] for key in common]
    assert again.rows.won.mean() != period.rows.won.mean()


def keys(period: Period) -> list[tuple[int, int]]:
    return list(zip(period.rows.leads.tolist(), period.rows.as_of.tolist(), strict=True))


def test_the_previous_model_is_the_one_of_the_period_before(
    tested: Backtest, definition: Definition, crm: Crm
) -> None:
    first, second, _ = tested.periods
    assert PREVIOUS not in first.answers
    (alone,) = backtest(
        Dataset(definition, crm),
        TrainingOptions(threads=1, quick=True),
        periods=[first.start, second.end],
    ).periods
    said = dict(zip(keys(alone), alone.answers[MODEL], strict=True))
    previous = second.answers[PREVIOUS]
    assert [said[key] for key in keys(second)] == pytest.approx(previous, rel=0, abs=1e-12)
    assert second.answers[MODEL].tolist() != previous.tolist()


def test_the_table_and_the_whole_agree_with_the_answers(tested: Backtest) -> None:
    table = tested.table()
    assert set(table["answer"]) == {MODEL, PREVIOUS, RULES, BASE}
    last = tested.periods[-1]
    row = table[(table["answer"] == MODEL) & (table["start"] == f"{last.start:%Y-%m-%d}")].iloc[0]
    answer, won = last.answers[MODEL], last.rows.won
    loss = -np.mean(np.where(won == 1, np.log(answer), np.log(1 - answer)))
    assert row["log_loss"] == pytest.approx(loss)
    assert row["skill_low"] < row["skill"] < row["skill_high"]
    assert row["brier_ipcw"] == pytest.approx(np.mean((answer - won) ** 2))
    assert table.loc[table["answer"] == BASE, "skill"].to_numpy() == pytest.approx(0)
    together = tested.measured()
    assert together[BASE].skill == pytest.approx(0)
    assert together[MODEL].leads == sum(len(period.rows.won) for period in tested.periods[1:])
    assert tested.compared(RULES).mean == pytest.approx(
        together[RULES].log_loss - together[MODEL].log_loss
    )


# --- outcomes that are still open


def plain(
    created: list[datetime], days: np.ndarray, won: np.ndarray, present: datetime
) -> tuple[Definition, Crm]:
    """Leads that end after so many days, as they are seen at present."""
    roles = {"id": "id", "status": "status", "created": "created", "closed": "closed"}
    agreed = definition_from(
        {"outcome": {"won": ["Won"], "lost": ["Lost"], "horizon_days": HORIZON}, "columns": roles},
        "test",
    )
    closed = pd.Series(created) + pd.to_timedelta(days, unit="D")
    ended = closed <= present
    status = pd.Series(np.where(ended, np.where(won, "Won", "Lost"), "Open"), dtype="str")
    ids = pd.Series([f"L{i}" for i in range(len(created))], dtype="str")
    dates = {
        "@created": pd.Series(created).astype("datetime64[us, UTC]"),
        "@closed": closed.where(ended).astype("datetime64[us, UTC]"),
    }
    written = {name: dates[f"@{name}"].astype("str") for name in ("created", "closed")}
    leads = pd.DataFrame(
        {"id": ids, "@id": ids, "status": status, "@status": status, **written, **dates}
    )
    return agreed, Crm(
        leads, None, None, pd.DataFrame(columns=["table", "row", "id", "reason"]), ()
    )


def test_seen_outcomes_stand_for_those_that_are_still_open() -> None:
    """Wins come early and losses late: whoever counts what is seen finds too many wins, and the
    mature ones alone are few."""
    chance = np.random.default_rng(8)
    size, present = 30_000, START + timedelta(days=120)
    created = [START + timedelta(days=float(day)) for day in chance.uniform(70, 120, size)]
    sure = chance.beta(1, 3, size)
    won = chance.random(size) < sure
    days = np.where(won, chance.exponential(10, size), chance.exponential(40, size))
    agreed, crm = plain(created, days, won, present)
    rows = build_training_rows(agreed, crm, present)
    assert 0.3 < rows.known.mean() < 0.5
    seen = seen_by(Dataset(agreed, crm), rows, present)
    truth = (won & (days <= HORIZON))[rows.leads].astype(float)
    answer = sure[rows.leads]
    full = np.mean((answer - truth) ** 2)
    weighed = seen.weight @ (answer - seen.won) ** 2 / size
    naive = np.mean((answer - seen.won)[seen.weight > 0] ** 2)
    assert weighed == pytest.approx(full, rel=0.03)
    assert abs(naive - full) > 3 * abs(weighed - full)
    assert seen.weight.mean() == pytest.approx(1, abs=0.02)
    assert (seen.won == truth)[seen.weight > 0].all()


# --- what cannot be tested


def test_a_history_that_is_too_short_is_told() -> None:
    chance = np.random.default_rng(2)
    created = [START + timedelta(days=float(day)) for day in np.linspace(0, 40, 400)]
    agreed, crm = plain(
        created, chance.exponential(5, 400), chance.random(400) < 0.4, START + timedelta(days=41)
    )
    with pytest.raises(DataError, match="too short for a backtest"):
        backtest(Dataset(agreed, crm))
    few = replace(crm, leads=crm.leads.iloc[:15])
    with pytest.raises(DataError, match="more than 10 won and 10 other leads"):
        backtest(Dataset(agreed, few))


def test_leads_without_a_creation_date_are_told() -> None:
    agreed, crm = plain([START] * 3, np.ones(3), np.ones(3, dtype=bool), START + timedelta(days=3))
    with pytest.raises(DataError, match="needs the creation date of each lead"):
        backtest(Dataset(agreed, replace(crm, leads=crm.leads.drop(columns="@created"))))


def test_periods_are_months_where_they_see_ten_wins() -> None:
    chance = np.random.default_rng(4)
    size, present = 600, START + timedelta(days=300)
    created = [START + timedelta(days=float(day)) for day in np.sort(chance.uniform(0, 299, size))]
    agreed, crm = plain(created, chance.exponential(8, size), chance.random(size) < 0.4, present)
    test = backtest(Dataset(agreed, crm), TrainingOptions(threads=1, quick=True))
    assert {period.start.day for period in test.periods} == {1}
    assert test.periods[0].start == datetime(2025, 4, 1, tzinfo=UTC)  # the latest six
    assert test.periods[-1].end == datetime(2025, 10, 1, tzinfo=UTC)
    assert test.periods[-1].rows.known.mean() < 1
    assert all(period.rows.known.all() for period in test.periods[:-1])
