"""The statistics agree with the textbook's where there is one stratum, and with brute force where
there are several."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import fisher_exact, hypergeom

from winnable.data.analysis.association import (
    Counts,
    benjamini_hochberg,
    effect,
    joint_log_odds,
    prior_variance,
    two_sided,
)

RNG = np.random.default_rng(3)


def counts(*tables: tuple[int, int, int, int]) -> Counts:
    """One candidate; a table a stratum: held and won, held and not, others won, others not."""
    a, b, c, d = (np.asarray([[table[i] for table in tables]], dtype=float) for i in range(4))
    return Counts(a + b, a, (a + c)[0], (a + b + c + d)[0])


@pytest.mark.parametrize(
    "table", [(8, 2, 1, 5), (0, 70, 93, 1062), (30, 10, 100, 500), (3, 3, 3, 3)]
)
def test_one_stratum_is_fishers_exact_test(table: tuple[int, int, int, int]) -> None:
    more, fewer = counts(table).p_values()
    square = [[table[0], table[1]], [table[2], table[3]]]
    assert more[0] == pytest.approx(fisher_exact(square, alternative="greater").pvalue, rel=1e-9)
    assert fewer[0] == pytest.approx(fisher_exact(square, alternative="less").pvalue, rel=1e-9)


def test_several_strata_are_every_combination_added_up() -> None:
    tables = [(4, 2, 3, 6), (1, 5, 2, 7), (3, 0, 4, 4)]
    seen, more = sum(table[0] for table in tables), 0.0
    margins = [(a + b + c + d, a + c, a + b) for a, b, c, d in tables]
    for wins in product(*(range(held + 1) for _, _, held in margins)):
        if sum(wins) >= seen:
            more += np.prod(
                [hypergeom.pmf(x, *margin) for x, margin in zip(wins, margins, strict=True)]
            )
    assert counts(*tables).p_values()[0][0] == pytest.approx(more, rel=1e-9)


def test_age_that_explains_everything_leaves_nothing() -> None:
    # Within each stratum those held convert as the others do; all together they seem to convert far
    # more often.
    confounded = counts((90, 10, 9, 1), (1, 9, 10, 90))
    assert two_sided(*confounded.p_values())[0] > 0.5
    assert two_sided(*counts((91, 19, 19, 91)).p_values())[0] < 1e-15
    assert abs(confounded.log_odds_ratios()[0][0]) < 0.2


def test_counting_rows() -> None:
    held, won, stratum = RNG.random((3, 500)) < 0.3, RNG.random(500) < 0.4, RNG.integers(0, 2, 500)
    told = Counts.of(held, won, stratum)
    assert told.held[1, 0] == (held[1] & (stratum == 0)).sum()
    assert told.won_held[2, 1] == (held[2] & won & (stratum == 1)).sum()
    assert told.size.sum() == 500


def test_the_effect_is_drawn_towards_nothing_and_less_so_with_more_leads() -> None:
    few, many = (
        effect(counts((4, 6, 10, 60)), 0, 0.5),
        effect(counts((400, 600, 1000, 6000)), 0, 0.5),
    )
    truth = (400 / 600) / (1000 / 6000)
    assert 1 < few.odds_ratio < many.odds_ratio < truth
    assert many.odds_ratio == pytest.approx(truth, rel=0.05)
    assert few.high - few.low > many.high - many.low
    assert many.sure


def test_none_won_is_evidence_too() -> None:
    assert effect(counts((0, 70, 93, 1062)), 0, 0.6).sure
    assert not effect(counts((0, 5, 93, 1062)), 0, 0.6).sure


def test_a_strong_effect_of_many_leads_is_not_lost_in_rounding() -> None:
    found = effect(counts((894, 479, 3746, 36069)), 0, 2.0)
    assert found.odds_ratio == pytest.approx((894 / 479) / (3746 / 36069), rel=0.02)
    assert found.low < found.odds_ratio < found.high


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    hits, trials = 0, 300
    for _ in range(trials):
        truth = RNG.normal(0, 0.7)
        chance = 1 / (1 + np.exp(-(-1 + truth)))
        a, c = RNG.binomial(120, chance), RNG.binomial(600, 1 / (1 + np.exp(1)))
        found = effect(counts((a, 120 - a, c, 600 - c)), 0, 0.49)
        hits += found.low <= np.exp(truth) <= found.high
    assert 0.91 < hits / trials < 0.985


def test_benjamini_hochberg_as_published() -> None:
    small = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p = np.array([*small, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0])
    assert int((benjamini_hochberg(p) <= 0.05).sum()) == 4  # the example of the paper
    assert benjamini_hochberg(p[::-1])[::-1] == pytest.approx(benjamini_hochberg(p))
    assert len(benjamini_hochberg(np.zeros(0))) == 0


def test_the_prior_is_learned_from_all() -> None:
    errors = np.full(400, 0.2)
    assert prior_variance(RNG.normal(0, 0.2, 400), errors) < 0.01
    assert prior_variance(RNG.normal(0, np.hypot(0.2, 0.8), 400), errors) == pytest.approx(
        0.64, rel=0.2
    )


def test_joint_log_odds_tell_apart_what_goes_together() -> None:
    cause = RNG.random(6000) < 0.4
    follower = np.where(RNG.random(6000) < 0.9, cause, ~cause)
    stratum = RNG.integers(0, 2, 6000)
    won = RNG.random(6000) < 1 / (1 + np.exp(-(-2 + 1.5 * cause + 0.5 * stratum)))
    added, deviation, base = joint_log_odds(
        np.column_stack([cause, follower]).astype(float), won.astype(float), stratum, 1.0
    )
    assert (added[0] / deviation[0] > 5, abs(added[1] / deviation[1]) < 3) == (True, True)
    assert added[0] == pytest.approx(1.5, abs=0.25)
    assert abs(added[1]) < 0.25
    assert base[1] - base[0] == pytest.approx(0.5, abs=0.2)
