"""The published minimum is computed as published."""

import numpy as np
import pytest

from winnable.learning.readiness.sample_size import (
    cox_snell,
    minimum_size,
    most_cox_snell,
    strength_factor,
)


def test_the_published_example_needs_662_leads_and_116_events() -> None:
    """Riley et al. 2019 and 2020: a diagnostic model of Chagas disease, 24 parameters, prevalence
    0.174, Cox-Snell R2 0.288."""
    needed = minimum_size(24, 0.174, 0.288, margin=0.05)
    assert (needed.shrinkage, needed.optimism, needed.rate) == (623, 662, 221)
    assert needed.leads == 662
    assert int(np.ceil(needed.leads * 0.174)) == 116


def test_the_largest_r2_is_the_published_one() -> None:
    """Riley et al. 2020: 0.75 for a prevalence of a half, 0.33 for 0.05, 0.48 for 0.1."""
    assert most_cox_snell(0.5) == pytest.approx(0.75, abs=0.005)
    assert most_cox_snell(0.1) == pytest.approx(0.48, abs=0.005)
    assert most_cox_snell(0.05) == pytest.approx(0.33, abs=0.005)


@pytest.mark.parametrize(("auc", "share"), [(0.65, 0.1), (0.77, 0.23), (0.81, 0.77), (0.88, 0.4)])
def test_r2_from_an_auc_is_where_the_published_simulation_converges(
    auc: float, share: float
) -> None:
    """Riley, Van Calster and Collins 2021: lost leads N(0, 1), won ones N(sqrt(2) z(AUC), 1), a
    logistic model of them."""
    from scipy.stats import norm
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    won = np.arange(400_000) < 400_000 * share
    x = random.normal(size=len(won)) + np.sqrt(2) * norm.ppf(auc) * won
    p = LogisticRegression(C=np.inf).fit(x[:, None], won).predict_proba(x[:, None])[:, 1]
    ratio = 2 * np.mean(np.where(won, np.log(p / share), np.log((1 - p) / (1 - share))))
    assert cox_snell(auc, share) == pytest.approx(1 - np.exp(-ratio), abs=0.004)


@pytest.mark.parametrize(
    ("auc", "low", "high"), [(0.65, 31, 39), (0.70, 17, 22), (0.75, 10, 14), (0.80, 6.5, 9)]
)
def test_wins_for_each_parameter_hardly_depend_on_the_base_rate(
    auc: float, low: float, high: float
) -> None:
    for share in (0.05, 0.1, 0.2):
        assert (
            low <= minimum_size(100, share, cox_snell(auc, share)).shrinkage * share / 100 <= high
        )


def test_strong_models_need_more_than_the_first_criterion_says() -> None:
    """Pavlou et al. 2024: half as many again at an AUC of 0.85, twice as many at 0.90."""
    assert [strength_factor(auc) for auc in (0.7, 0.8)] == [1, 1]
    assert strength_factor(0.85) == pytest.approx(1.5)
    assert strength_factor(0.90) == pytest.approx(2.0)


def test_the_base_rate_is_known_within_a_quarter_of_itself() -> None:
    needed = minimum_size(1, 0.02, cox_snell(0.7, 0.02))
    assert needed.rate * 0.02 == pytest.approx((1.96 / 0.25) ** 2 * 0.98, rel=0.01)
