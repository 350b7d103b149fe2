"""Lessons: what rows teach whose outcome is not known yet, and what resolved leads teach where
nobody knows when they ended."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from winnable.core.timestamps import DAY, microseconds
from winnable.data.dataset import Dataset
from winnable.data.features.training_rows import build_training_rows
from winnable.data.ingestion.crm import Crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.learning.training.targets import build_targets

START = pd.Timestamp("2026-01-01", tz="UTC")


def definition(**columns: str) -> Definition:
    outcome = {"won": ["Won"], "lost": ["Lost"], "horizon_days": 90}
    return definition_from({"outcome": outcome, "columns": {"status": "status", **columns}}, "test")


DATED = definition(created="created", closed="closed")


def company(size: int, present: float, *, seed: int = 0, rate: float = 0.3) -> Crm:
    """Leads that came evenly until day `present`; `rate` of them are won, at a median of 30 days,
    the others lost at 15."""
    chance = np.random.default_rng(seed)
    came = np.sort(chance.uniform(0, present, size))
    won = chance.random(size) < rate
    ended = came + np.where(won, 30, 15) * np.exp(0.8 * chance.normal(size=size))
    seen = ended <= present
    created = START + pd.to_timedelta(came, unit="D")
    closed = pd.Series(START + pd.to_timedelta(ended, unit="D")).where(seen)
    leads = pd.DataFrame(
        {
            "@id": pd.Series([f"L{i}" for i in range(size)], dtype="str"),
            "@status": pd.Series(np.where(seen, np.where(won, "Won", "Lost"), "Open"), dtype="str"),
            "@created": pd.Series(created).astype("datetime64[us, UTC]"),
            "@closed": closed.astype("datetime64[us, UTC]"),
        }
    )
    return Crm(leads, None, None, pd.DataFrame(columns=["table", "row", "id", "reason"]), ())


@pytest.mark.parametrize("present", [60.0, 150.0, 500.0])
def test_the_rate_within_the_horizon_is_learned_from_open_leads_too(present: float) -> None:
    crm, day = company(20_000, present), START + timedelta(days=present)
    targets = build_targets(
        Dataset(DATED, crm), build_training_rows(DATED, crm, day.to_pydatetime())
    )
    from_the_future = build_training_rows(
        DATED, company(20_000, 2000.0), (START + timedelta(days=2000)).to_pydatetime()
    )
    within = float(np.nanmean(from_the_future.won))
    assert targets.base_rate() == pytest.approx(within, abs=0.02)


def test_leads_whose_horizon_has_passed_teach_as_before() -> None:
    crm = company(2000, 400.0)
    rows = build_training_rows(DATED, crm, (START + timedelta(days=400)).to_pydatetime())
    targets = build_targets(Dataset(DATED, crm), rows)
    assert (targets.weights[rows.known] == 1).all()
    assert (targets.won[rows.known] == rows.won[rows.known]).all()
    assert targets.usable.sum() > rows.known.sum()


def test_rows_seen_at_an_earlier_moment_teach_what_an_export_of_that_moment_would() -> None:
    now = company(3000, 400.0)
    cut = START + timedelta(days=200)
    rows = build_training_rows(DATED, now, (START + timedelta(days=400)).to_pydatetime())
    then = build_targets(Dataset(DATED, now), rows.as_known_at(microseconds(cut.to_pydatetime())))
    leads = now.leads[now.leads["@created"] <= cut].copy()
    later = ~(leads["@closed"] <= cut)
    leads.loc[later, "@status"], leads.loc[later, "@closed"] = "Open", pd.NaT
    export = Crm(leads, None, None, now.rejects, ())
    told = build_targets(
        Dataset(DATED, export), build_training_rows(DATED, export, cut.to_pydatetime())
    )
    size = len(told.won)
    assert then.weights[:size] == pytest.approx(told.weights)
    assert (then.won[:size] == told.won).all()
    assert not then.usable[size:].any()


def test_leads_watched_for_less_than_a_third_of_the_horizon_promise_nothing() -> None:
    crm = company(2000, 25.0)
    assert not build_targets(
        Dataset(DATED, crm),
        build_training_rows(DATED, crm, (START + timedelta(days=25)).to_pydatetime()),
    ).usable.any()


def test_where_leads_end_long_before_their_horizon_the_latest_teach_as_much_as_the_old() -> None:
    chance = np.random.default_rng(3)
    created = pd.Series(START + pd.to_timedelta(np.arange(400), unit="D")).astype(
        "datetime64[us, UTC]"
    )
    closed = created + pd.to_timedelta(chance.uniform(0, 0.5, 400), unit="D")
    status = pd.Series(np.where(chance.random(400) < 0.3, "Won", "Lost"), dtype="str")
    leads = pd.DataFrame(
        {
            "@id": status,
            "@status": status,
            "@created": created,
            "@closed": closed.astype("datetime64[us, UTC]"),
        }
    )
    crm = Crm(leads, None, None, pd.DataFrame(), ())
    targets = build_targets(
        Dataset(DATED, crm),
        build_training_rows(DATED, crm, (START + timedelta(days=400)).to_pydatetime()),
    )
    assert targets.usable.all()
    assert targets.settled.all()
    assert targets.weights.min() > 0.9
    assert (targets.won == (status == "Won").to_numpy()).all()


def test_without_closing_dates_the_resolved_speak_for_the_open_ones_of_their_age() -> None:
    crm = company(20_000, 60.0)
    undated = Crm(crm.leads.drop(columns="@closed"), None, None, crm.rejects, ())
    rows = build_training_rows(
        definition(created="created"), undated, (START + timedelta(days=60)).to_pydatetime()
    )
    targets = build_targets(Dataset(definition(created="created"), undated), rows)
    assert targets.win_time_curve is None
    assert (targets.usable == rows.known).all()
    age = (rows.present - rows.as_of) / DAY
    young, old = targets.usable & (age < 5), targets.usable & (age > 55)
    assert targets.weights[young].mean() > 3 * targets.weights[old].mean()
    # The young speak for all of their age, so that no age counts for much less than its share of
    # the leads.
    assert targets.weights[age < 30].sum() == pytest.approx(
        targets.weights[age >= 30].sum(), rel=0.2
    )
    assert targets.weights.sum() < rows.known.sum()
