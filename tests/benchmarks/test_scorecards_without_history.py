"""Scorecards written by reading the field, before any history: what they are worth on leads that
nobody learned from."""

from pathlib import Path

import numpy as np
import pandas as pd

from winnable.core.columns import BoolArray, FloatArray
from winnable.data.features.offline import compute_features
from winnable.data.features.plan import fit_feature_plan
from winnable.data.features.training_rows import build_training_rows
from winnable.data.ingestion.crm import latest_moment, read_crm
from winnable.definition.decide.scorecard import probability_of, score_points
from winnable.definition.load import load_definition

CARDS = Path(__file__).parent / "scorecards"


def olist(data: Path, folder: Path) -> str:
    """Both tables as one, from 2018 on: before December 2017 no win was written down."""
    leads = pd.read_csv(data / "olist-marketing-funnel/olist_marketing_qualified_leads_dataset.csv")
    deals = pd.read_csv(data / "olist-marketing-funnel/olist_closed_deals_dataset.csv")[
        ["mql_id", "won_date"]
    ]
    leads[leads.first_contact_date >= "2018"].merge(deals, how="left", on="mql_id").to_csv(
        folder / "olist.csv", index=False
    )
    return str(folder / "olist.csv")


def judged(card: str, source: str) -> tuple[FloatArray, BoolArray]:
    """The card's probability for each lead whose end is known, and which of them were won."""
    agreed = load_definition(CARDS / card)
    crm = read_crm(agreed, source)
    latest = latest_moment(crm)
    rows = build_training_rows(agreed, crm, None if latest is None else latest.to_pydatetime())
    rows = rows.take(rows.known)
    features = compute_features(fit_feature_plan(agreed, crm), agreed, crm, rows.leads, rows.as_of)
    return probability_of(score_points(agreed, features).logit), rows.won == 1.0


def log_loss(probability: FloatArray | float, won: BoolArray) -> float:
    return float(-np.mean(np.where(won, np.log(probability), np.log1p(-np.asarray(probability)))))


def test_x_education_beats_the_base_rate_with_no_training_row(shared_data: Path) -> None:
    probability, won = judged("x-education.toml", str(shared_data / "x-education/Leads.csv"))
    card, base = log_loss(probability, won), log_loss(float(won.mean()), won)
    print(
        f"\nX Education: {len(won):,} leads; log loss {card:.4f}, of the base rate {base:.4f},"
        f" saved {1 - card / base:.1%}"
    )
    assert card < base, "the base rate is that of these very leads, which nobody knows beforehand"


def test_olist_beats_what_is_known_beforehand(shared_data: Path, tmp_path: Path) -> None:
    """Better than the conversion that the field expects, and no better than the one that only
    hindsight knows.

    All that the card asks of these leads is their origin, and that tells little: even the true
    conversion of every origin saves only 3 % of the base rate's log loss. The field is right that
    search converts more, and social pages, mails and advertisements less; but people who were sent
    by somebody are no better than others here, and those of unknown origin are the best of all.
    """
    probability, won = judged("olist.toml", olist(shared_data, tmp_path))
    card, expected, hindsight = (
        log_loss(probability, won),
        log_loss(0.10, won),
        log_loss(float(won.mean()), won),
    )
    print(
        f"\nOlist: {len(won):,} leads; log loss {card:.5f}, of 10 in 100 {expected:.5f}, of the"
        f" base rate {hindsight:.5f}"
    )
    assert card < expected
    assert card < 1.01 * hindsight
