"""Suggestions find what was put there, find nothing where nothing is, and look only at what was
known."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.data.analysis.suggest import Suggestions, suggest
from winnable.data.analysis.to_toml import proposal
from winnable.data.autodetect.draft import draft
from winnable.data.autodetect.infer import guess
from winnable.data.dataset import Dataset
from winnable.data.features.offline import compute_features
from winnable.data.features.plan import fit_feature_plan
from winnable.data.features.training_rows import build_training_rows
from winnable.data.ingestion.crm import Crm, latest_moment, read_crm
from winnable.definition.decide.scorecard import probability_of, score_points
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition


def definition(**more: object) -> Definition:
    return definition_from(
        {
            "outcome": {"won": ["Won"], "lost": ["Lost"], "horizon_days": 60},
            "columns": {
                "id": "id",
                "created": "created",
                "closed": "closed",
                "status": "status",
                "source": "Source",
            },
            **more,
        },
        "test",
    )


def company(seed: int = 0, size: int = 3000, *, signal: bool = True) -> pd.DataFrame:
    """Leads of which friends and large companies are won more often, and companies from Lyon never,
    if there is any signal."""
    rng = np.random.default_rng(seed)
    leads = pd.DataFrame(
        {
            "id": [f"L{i}" for i in range(size)],
            "created": (
                pd.Timestamp("2024-01-01")
                + pd.to_timedelta(np.sort(rng.integers(0, 500, size)), unit="D")
            ),
            "Source": rng.choice(["Friend", "Web", "Fair", "List"], size),
            "City": rng.choice(["Bonn", "Rome", "Lyon", "Oslo", "Kyiv"], size),
            "Employees": rng.integers(1, 1000, size),
            "Colour": rng.choice([f"colour {i}" for i in range(30)], size),
        }
    )
    logit = -1.5 + signal * (
        1.2 * (leads.Source == "Friend")
        + 1.0 * (leads.Employees >= 600)
        - 4 * (leads.City == "Lyon")
    )
    won = rng.random(size) < 1 / (1 + np.exp(-logit))
    leads["status"] = np.where(won, "Won", "Lost")
    leads["closed"] = leads.created + pd.Timedelta(days=50)
    return leads


def activities_of(leads: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """Those who will be won ask for a demo more often, everyone reads mails; some things happen
    only after the end."""
    rng = np.random.default_rng(seed)
    won = (leads.status == "Won").to_numpy()
    parts = []
    kinds = (
        ("Demo", np.where(won, 0.6, 0.2), 1),
        ("Mail", np.full(len(won), 0.5), 1),
        ("Invoice", won * 1.0, 55),
    )
    for kind, chance, day in kinds:
        did = rng.random(len(won)) < chance
        at = leads.created[did] + pd.to_timedelta(day + rng.random(did.sum()), unit="D")
        parts.append(pd.DataFrame({"id": leads.id[did], "at": at, "kind": kind}))
    return pd.concat(parts)


def read(
    folder: Path, agreed: Definition, leads: pd.DataFrame, activities: pd.DataFrame | None = None
) -> Crm:
    leads.to_csv(folder / "leads.csv", index=False)
    if activities is not None:
        activities.to_csv(folder / "log.csv", index=False)
    return read_crm(
        agreed, str(folder / "leads.csv"), None if activities is None else str(folder / "log.csv")
    )


def told(found: Suggestions) -> dict[str, int]:
    return {str(rule.condition): rule.points for rule in found.rules}


def test_what_was_put_there_is_found_and_nothing_else(tmp_path: Path) -> None:
    agreed = definition()
    found = suggest(Dataset(agreed, read(tmp_path, agreed, company())))
    rules = told(found)
    assert found.confirmed
    assert set(rules) == {
        "Source is Friend",
        "City is Lyon",
        *(name for name in rules if name.startswith("Employees is")),
    }
    assert len(rules) == 3
    assert rules["Source is Friend"] == pytest.approx(1.2 * 20 / np.log(2), abs=8)
    assert rules["City is Lyon"] < -40
    friend = next(rule for rule in found.rules if str(rule.condition) == "Source is Friend")
    assert friend.leads + friend.without == found.leads
    assert friend.lift > 1.3
    assert friend.effect.low < np.exp(1.2) < friend.effect.high


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_is_nothing_is_proposed(seed: int, tmp_path: Path) -> None:
    agreed = definition()
    leads = company(seed, 2000, signal=False)
    found = suggest(Dataset(agreed, read(tmp_path, agreed, leads)))
    assert found.looked_at > 40
    assert found.rules == ()
    assert proposal(agreed, found) == ""


def test_touchpoints_are_compared_as_they_were_known(tmp_path: Path) -> None:
    agreed = definition(activities={"intent": ["Demo"], "interest": ["Mail"]})
    leads = company(signal=False)
    found = suggest(Dataset(agreed, read(tmp_path, agreed, leads, activities_of(leads))))
    assert [name for name in told(found) if not name.startswith("Demo")] == []
    assert found.rules[0].points > 0
    verdicts = {signal.kind: signal.verdict for signal in found.signals}
    assert verdicts["Demo"] == "speaks for"
    assert verdicts["Mail"] in {"no use", "cannot tell"}
    assert "Invoice" not in verdicts, "it happens after the end, so no open lead ever had one"


def test_a_signal_with_many_leads_and_no_effect_is_called_useless(tmp_path: Path) -> None:
    agreed = definition()
    leads = company(signal=False, size=9000)
    found = suggest(Dataset(agreed, read(tmp_path, agreed, leads, activities_of(leads))))
    assert {signal.kind: signal.verdict for signal in found.signals}["Mail"] == "no use"


def test_a_column_that_knows_the_outcome_is_left_out(tmp_path: Path) -> None:
    leads = company()
    leads["Loss reason"] = np.where(
        leads.status == "Lost", np.resize(["Price", "Timing"], len(leads)), ""
    )
    agreed = definition()
    found = suggest(Dataset(agreed, read(tmp_path, agreed, leads)))
    assert "Loss reason" in found.left_out
    assert not any(name.startswith("Loss reason") for name in told(found))


def test_one_person_counts_once(tmp_path: Path) -> None:
    leads = company(size=400, signal=False)
    again = pd.concat(
        [leads.assign(id=leads.id + f"-{i}", Person=leads.id + "@x.example") for i in range(5)]
    )
    plain, agreed = (
        definition(),
        definition(
            columns={**definition().columns.model_dump(exclude_none=True), "person": "Person"}
        ),
    )
    once, each = (
        suggest(Dataset(version, read(tmp_path, version, again))).leads
        for version in (agreed, plain)
    )
    assert 380 < once <= 400
    assert each == 5 * once


@pytest.mark.parametrize("wins", [0, 10])
def test_too_few_wins_propose_nothing(wins: int, tmp_path: Path) -> None:
    agreed = definition()
    leads = company(size=500).assign(status="Lost")
    leads.loc[:wins, "status"] = "Won" if wins else "Lost"
    found = suggest(Dataset(agreed, read(tmp_path, agreed, leads)))
    assert (found.rules, found.looked_at) == ((), 0)


def test_without_times_leads_are_held_back_by_lot(tmp_path: Path) -> None:
    agreed = definition(columns={"id": "id", "status": "status"})
    found = suggest(
        Dataset(agreed, read(tmp_path, agreed, company().drop(columns=["created", "closed"])))
    )
    assert {"Source is Friend", "City is Lyon"} <= set(told(found))


def test_the_proposal_loads_and_its_probabilities_are_right(tmp_path: Path) -> None:
    agreed = definition(
        scorecard=[
            {
                "name": "From past wins",
                "conversion_at_threshold": 0.2,
                "points_to_double_the_odds": 10,
            }
        ]
    )
    leads = company()
    crm = read(tmp_path, agreed, leads)
    text = proposal(agreed, suggest(Dataset(agreed, crm)))
    card = tomllib.loads(text)["scorecard"][0]
    assert (card["name"], card["conversion_at_threshold"], card["points_to_double_the_odds"]) == (
        "From past wins (2)",
        0.2,
        10,
    )
    assert text.count("# ") >= len(card["rule"]), "every rule has its evidence"
    pasted = definition_from(
        {**agreed.model_dump(mode="json", exclude_defaults=True), "scorecard": [card]}, "test"
    )
    latest = latest_moment(crm)
    assert latest is not None
    rows = build_training_rows(pasted, crm, latest.to_pydatetime())
    rows = rows.take(rows.known)
    points = score_points(
        pasted, compute_features(fit_feature_plan(pasted, crm), pasted, crm, rows.leads, rows.as_of)
    )
    assert probability_of(points.logit).mean() == pytest.approx(rows.won.mean(), abs=0.03)


def test_the_same_data_propose_the_same(tmp_path: Path) -> None:
    agreed = definition()
    leads = company(size=900)
    crm = read(tmp_path, agreed, leads, activities_of(leads))
    first = suggest(Dataset(agreed, crm))
    assert first.rules
    assert first == suggest(Dataset(agreed, crm))


def guessed(*sources: str) -> tuple[Definition, Crm]:
    agreed = definition_from(tomllib.loads(draft(guess(*sources))), "test")
    return agreed, read_crm(agreed, *sources)


def test_maven_has_no_signal(shared_data: Path) -> None:
    assert (
        suggest(Dataset(*guessed(str(shared_data / "maven-crm" / "sales_pipeline.csv")))).rules
        == ()
    )


def test_x_education(shared_data: Path) -> None:
    found = suggest(Dataset(*guessed(str(shared_data / "x-education" / "Leads.csv"))))
    rules = told(found)
    assert rules["Lead Origin is Lead Add Form"] > 20
    assert rules["What is your current occupation is Working Professional"] > 20
    assert rules["Do Not Email is Yes"] < 0
    assert all(rule.points * np.log(rule.effect.odds_ratio) > 0 for rule in found.rules), (
        "points agree with their evidence"
    )


def test_what_an_activity_was_like_is_proposed_as_a_rule_that_loads(tmp_path: Path) -> None:
    agreed = definition(activities={"intent": ["Demo"], "interest": ["Mail"]})
    leads = company(signal=False)
    log = activities_of(leads)
    log = log[log.kind == "Mail"].reset_index(drop=True)
    won = log.id.map(leads.set_index("id").status) == "Won"
    chance = np.where(won, 0.8, 0.3)
    long = np.random.default_rng(3).random(len(log)) < chance
    log["minutes"] = np.where(long, 40, 5) + np.arange(len(log)) % 5
    found = suggest(Dataset(agreed, read(tmp_path, agreed, leads, log)))
    (rule,) = [rule for rule in found.rules if rule.condition.having]
    assert rule.points > 0
    assert str(rule.condition).startswith("Mail (minutes is ")
    cards = tomllib.loads(proposal(agreed, found))["scorecard"]
    assert cards[0]["rule"][0]["when"][0]["having"][0]["field"] == "minutes"
    assert {signal.kind for signal in found.signals} == {"Mail"}
