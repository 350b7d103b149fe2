"""Drift: each kind is found and named where it was put, and where nothing moves there are no more
alarms than promised."""

import re

import numpy as np
import pytest

from winnable.core.columns import CategoricalColumn, FeatureTable, FloatArray, NumericColumn
from winnable.learning.monitoring.drift import (
    SIGNIFICANCE,
    drift,
    expected,
    rates_of,
    separability,
    shift,
)

SOURCES = ("Referral", "Fair", "Paid search", "Purchased list")


def leads(
    chance: np.random.Generator,
    size: int,
    *,
    paid: float = 0.2,
    staff: float = 4.0,
    missing: float = 0.1,
) -> FeatureTable:
    """Leads with a source, a size and two columns of no interest."""
    shares = np.array([0.3, 0.4, paid, 0.3 - 0.2])
    source = chance.choice(4, size, p=shares / shares.sum())
    employees = np.exp(chance.normal(staff, 1, size)).round()
    employees[chance.random(size) < missing] = np.nan
    visits = chance.poisson(0.4, size).astype(float)
    owner = chance.choice(3, size)
    return FeatureTable(
        size,
        {
            "Lead Source": CategoricalColumn(source, SOURCES),
            "Employees": NumericColumn(employees),
            "Visits": NumericColumn(visits),
            "Owner": CategoricalColumn(owner, ("A", "B", "C")),
        },
    )


def scores(features: FeatureTable) -> FloatArray:
    """A model of source and size."""
    logit = np.array([-0.5, -1.5, -2.0, -4.0])[features.words("Lead Source").codes]
    logit = logit + 0.2 * np.nan_to_num(np.log(features.numbers("Employees")), nan=4.0)
    return 1 / (1 + np.exp(-logit))


def test_where_nothing_moves_there_are_no_more_alarms_than_promised() -> None:
    """Both groups drawn alike, of different sizes, 200 times: columns together, score, rates and
    classifier."""
    alarms = {"columns": 0, "score": 0, "rates": 0, "apart": 0}
    times = 200
    for seed in range(times):
        chance = np.random.default_rng(seed)
        old, new = leads(chance, 600), leads(chance, 250)
        won = [
            (chance.random(len(each)) < each).astype(float) for each in (scores(old), scores(new))
        ]
        shifts = [
            shift(name, old.columns[name], new.columns[name], len(old.columns))
            for name in old.columns
        ]
        alarms["columns"] += any(each is not None and each.moved for each in shifts)
        score = shift("score", NumericColumn(scores(old)), NumericColumn(scores(new)), 1)
        alarms["score"] += score is not None and score.moved
        rates = rates_of(won[0], won[1])
        alarms["rates"] += rates is not None and rates.moved
        if seed % 4 == 0:
            told = separability(old, new)
            alarms["apart"] += told is not None and told.moved
    # Up to so many of 200 at a rate of 5 % with 99 % probability; the classifier is asked 50 times.
    assert alarms["columns"] <= 18
    assert alarms["score"] <= 18
    assert 2 <= alarms["rates"] <= 18
    assert alarms["apart"] <= 6


def test_the_index_follows_its_distribution() -> None:
    """P-values of the index are spread evenly where nothing moves, so that it misses as little as
    its level allows."""
    chance = np.random.default_rng(1)
    p = []
    for _ in range(400):
        found = shift(
            "x", NumericColumn(chance.normal(size=500)), NumericColumn(chance.normal(size=300)), 1
        )
        assert found is not None
        p.append(found.p)
    assert np.mean(np.array(p) < SIGNIFICANCE) == pytest.approx(SIGNIFICANCE, abs=0.03)
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_one_column_that_moves_is_named_first_with_what_moved() -> None:
    chance = np.random.default_rng(5)
    old, new = leads(chance, 800), leads(chance, 400, paid=0.7)
    found = drift(old, new, (scores(old), scores(new)))
    assert [each.name for each in found.columns if each.moved] == ["Lead Source"]
    assert any(
        re.match(r"Lead Source: 'Paid search': \d+% of leads before, \d+% now \(PSI \d", says)
        for says in found.warnings
    )
    assert found.separability is not None
    assert found.separability.moved
    assert found.separability.by[0] == "Lead Source"
    assert "mainly by Lead Source" in found.warnings[-1]


def test_numbers_that_grow_or_are_no_longer_filled_in_are_named() -> None:
    chance = np.random.default_rng(6)
    old = leads(chance, 800)
    grown, empty = (
        drift(old, new) for new in (leads(chance, 400, staff=4.8), leads(chance, 400, missing=0.5))
    )
    assert any(says.startswith("Employees: median ") for says in grown.warnings)
    assert any(says.startswith("Employees: missing: ") for says in empty.warnings)


def test_a_word_that_nobody_knew_before_is_named() -> None:
    chance = np.random.default_rng(7)
    old, new = leads(chance, 500), leads(chance, 300)
    codes = np.where(chance.random(300) < 0.2, 4, new.words("Lead Source").codes)
    podcast = new.with_columns({"Lead Source": CategoricalColumn(codes, (*SOURCES, "Podcast"))})
    assert (
        drift(old, podcast).warnings[0].startswith("Lead Source: 'Podcast': 0% of leads before, ")
    )


def test_a_rate_that_moves_is_told_first() -> None:
    chance = np.random.default_rng(8)
    old, new = leads(chance, 800), leads(chance, 400)
    won = (chance.random(800) < 0.10).astype(float), (chance.random(400) < 0.20).astype(float)
    found = drift(old, new, (scores(old), scores(new)), rates_of(*won))
    assert found.warnings[0].startswith("Conversion rose significantly, from ")
    assert "(p < 0.001)" in found.warnings[0]
    assert not any(each.moved for each in found.columns)


def test_a_handful_of_leads_tells_nothing() -> None:
    chance = np.random.default_rng(9)
    found = drift(leads(chance, 800), leads(chance, 20, paid=5.0))
    assert found.columns == ()
    assert found.warnings == ()
    assert rates_of(np.zeros(0), np.ones(3)) is None


def test_calibrated_scores_know_their_own_performance_among_other_leads() -> None:
    chance = np.random.default_rng(10)
    new = leads(chance, 20_000, paid=0.8, staff=5.0)
    p = scores(new)
    won = (chance.random(len(p)) < p).astype(float)
    said = expected(p)
    assert said.low < won.sum() < said.high
    assert said.wins == pytest.approx(p.sum())
    assert said.log_loss == pytest.approx(
        -np.mean(np.where(won == 1, np.log(p), np.log(1 - p))), rel=0.03
    )
    order = np.argsort(p)
    ranks = np.empty(len(p))
    ranks[order] = np.arange(len(p))
    auc = (ranks[won == 1].mean() - (won.sum() - 1) / 2) / (len(p) - won.sum())
    assert said.auc == pytest.approx(auc, abs=0.01)


def test_they_do_not_see_that_the_same_leads_are_won_less_often() -> None:
    """Concept drift: the estimate stays where it was, and the wins are half of it."""
    chance = np.random.default_rng(11)
    p = scores(leads(chance, 5000))
    won = chance.random(5000) < 0.5 * p
    assert won.sum() < expected(p).low
