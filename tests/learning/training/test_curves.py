"""Curves: each table says what it promises, on cases that can be counted by hand."""

import numpy as np
import pytest

from winnable.learning.reporting.plots import gain_plot, net_benefit_plot, reliability_plot
from winnable.learning.training.curves import gains, lift_table, net_benefit, reliability_table

WON = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
SCORES = np.linspace(0.9, 0.0, 10)


def test_gains_count_wins_from_the_best_lead_on() -> None:
    np.testing.assert_allclose(gains(WON, SCORES), [0, 1, 2, 2, 3, 3, 3, 3, 3, 3, 4])
    np.testing.assert_allclose(gains(WON, np.full(10, 0.3)), np.linspace(0, 4, 11))
    np.testing.assert_allclose(
        gains(WON, np.repeat([0.6, 0.1], 5)), [0, 0.6, 1.2, 1.8, 2.4, 3, 3.2, 3.4, 3.6, 3.8, 4]
    )


def test_lift_is_the_rate_among_those_worked_over_the_rate_of_all() -> None:
    table = lift_table(WON, SCORES, parts=5).set_index("leads")
    assert table.loc[4, "rate"] == pytest.approx(0.75)
    assert table.loc[4, "lift"] == pytest.approx(0.75 / 0.4)
    assert table.loc[4, "gain"] == pytest.approx(0.75)
    assert table["gain"].iloc[-1] == table["lift"].iloc[-1] == 1
    assert len(lift_table(WON[:3], SCORES[:3])) == 3


def test_net_benefit_weighs_leads_worked_in_vain_by_the_odds_of_the_threshold() -> None:
    table = net_benefit(WON, {"model": SCORES}, np.array([0.25, 0.65]))
    assert table.loc[0.25, "model"] == pytest.approx((3 - 4 / 3) / 10)
    assert table.loc[0.65, "model"] == pytest.approx((2 - 0.65 / 0.35) / 10)
    assert table.loc[0.25, "all"] == pytest.approx(0.4 - 0.6 / 3)
    assert (table["none"] == 0).all()


def test_the_truth_is_never_worth_less_than_handing_over_all_or_none() -> None:
    chance = np.random.default_rng(0)
    truth = chance.beta(1, 4, 20_000)
    won = (chance.random(20_000) < truth).astype(float)
    table = net_benefit(won, {"truth": truth, "wrong": truth[::-1]})
    assert (table["truth"] >= table[["all", "none", "wrong"]].max(axis=1) - 0.002).all()
    assert (table["truth"] > table["wrong"] + 0.01).mean() > 0.5


def test_the_intervals_of_true_probabilities_hold_their_share_of_groups() -> None:
    chance, held = np.random.default_rng(1), []
    for _ in range(60):
        truth = chance.beta(1, 4, 1000)
        table = reliability_table((chance.random(1000) < truth).astype(float), truth)
        assert table["leads"].sum() == 1000
        assert table["predicted"].is_monotonic_increasing
        held.append(
            ((table["low"] <= table["predicted"]) & (table["predicted"] <= table["high"])).mean()
        )
    assert np.mean(held) == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("won", [WON, np.zeros(10), np.ones(10)])
def test_every_plot_can_be_drawn_of_anything(won: np.ndarray) -> None:
    for figure in (
        reliability_plot(won, SCORES),
        gain_plot(won, SCORES, np.full(10, 0.2)),
        net_benefit_plot(won, {"model": SCORES, "rules": np.full(10, 0.2)}),
    ):
        figure.canvas.draw()
        assert figure.axes[0].get_title(loc="left")
