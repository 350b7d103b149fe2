"""Are the reasons plausible? Of the reasons shown, the sign agrees with how leads with and without
what they say were won, wherever that is beyond chance; and where a demo request helps at every
level, no reason says otherwise."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.test_leaks import bank, maven, olist, x_education
from winnable.core.columns import CategoricalColumn, FeatureTable, FloatArray, IntArray
from winnable.core.timestamps import DAY
from winnable.data.dataset import Dataset
from winnable.data.features.accounts import ACCOUNT_COLUMNS
from winnable.data.features.plan import AGE, Attribute
from winnable.data.features.returns import OUTCOME_BEFORE, RETURNS
from winnable.data.ingestion.crm import read_crm
from winnable.definition.decide.scorecard import score_points
from winnable.definition.load import definition_from, load_definition
from winnable.demo.company import write_demo
from winnable.learning.model.segments import with_segment
from winnable.learning.scoring.attributes import Attributes
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.scoring.reason_words import ReasonWords
from winnable.learning.training.train import TrainingOptions, learn

MIN_AGREEMENT = 0.95
BEYOND_CHANCE = 1.96
MAX_LEADS = 3000
WITHOUT_EVALUATION = TrainingOptions(evaluate=False)

FLAT = {"x-education": x_education, "bank": bank, "maven": maven, "olist": olist}


def bins(values: FloatArray, count: int) -> IntArray:
    """The quantile of each number, -1 where it is missing."""
    known = values[~np.isnan(values)]
    if not known.size:
        return np.zeros(len(values), dtype=np.int64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, count + 1)))[1:-1]
    return np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right"))


def alike(attributes: Attributes, attribute: Attribute, features: FeatureTable) -> IntArray:
    """A number for each lead, the same for those that have about the same of an attribute."""
    column = features.columns.get(attribute.name)
    if isinstance(column, CategoricalColumn):
        return column.codes
    found = np.zeros(features.size, dtype=np.int64)
    for each in attributes.aggregates.get(attribute, ()):
        if each.within_days is None and each.what in ("count", "days_since"):
            values = features.numbers(each.name).copy()
            if each.what == "count":
                values[values == 0] = np.nan
            found = found * 7 + bins(values, 3) + 1
    if attribute.about == "account":
        for name in ACCOUNT_COLUMNS:
            values = features.numbers(name)
            found = found * 3 + np.where(np.isnan(values), 2, values > 0)
    elif attribute.about == "returns":
        found = (features.numbers(RETURNS) > 0) * 4 + features.words(OUTCOME_BEFORE).codes
    elif attribute.about in ("field", "age"):
        name = AGE if attribute.about == "age" else attribute.name
        found = bins(features.numbers(name), 5)
    return found


def better_with(codes: IntArray, won: FloatArray) -> FloatArray:
    """For each lead by how many standard errors those that are alike were won more often than the
    others."""
    of = np.unique(codes, return_inverse=True)[1]
    counts = np.bincount(of)
    wins = np.bincount(of, won)
    others = np.maximum(len(won) - counts, 1)
    rate = won.mean()
    error = np.sqrt(rate * (1 - rate) * (1 / counts + 1 / others))
    return np.asarray(((wins / counts - (won.sum() - wins) / others) / error)[of])


def agreement(predictor: Predictor, features: FeatureTable, won: FloatArray) -> tuple[int, int]:
    """Of the reasons shown, those whose sign is beyond chance, and those of them that agree."""
    points = score_points(predictor.definition, features)
    features = with_segment(predictor.definition, features, points)
    attributes = Attributes(
        predictor.definition, predictor.plan, predictor.learned_columns, apart=False
    )
    words = ReasonWords(predictor.definition, attributes)
    by_name = {words.name(attribute): attribute for attribute in attributes.every}
    errors: dict[str, FloatArray] = {}
    clear = agreed = 0
    against: Counter[str] = Counter()
    for row, reasons in enumerate(predictor.score(features, [""] * features.size).reasons):
        for reason in reasons:
            if reason.name not in errors:
                attribute = by_name[reason.name]
                codes, _ = attributes.states(attribute, features, points)
                if attribute.about != "rule":
                    codes = alike(attributes, attribute, features)
                errors[reason.name] = better_with(codes, won)
            error = errors[reason.name][row]
            if abs(error) > BEYOND_CHANCE:
                clear += 1
                agreed += (error > 0) == (reason.effect > 0)
                against[reason.name] += (error > 0) != (reason.effect > 0)
    print(f"    against: {against.most_common(4)}")
    return clear, agreed


def of_history(data: Dataset) -> tuple[Predictor, FeatureTable, FloatArray]:
    """A model of a history, and one moment of each lead at which its outcome is known."""
    predictor = Predictor(learn(data, WITHOUT_EVALUATION).artifact)
    rows = data.training_rows
    order = np.random.default_rng(0).permutation(np.flatnonzero(rows.known))
    first = order[np.unique(rows.leads[order], return_index=True)[1]][:MAX_LEADS]
    chosen = rows.take(first.astype(np.int64))
    return predictor, data.features(predictor.plan, chosen.leads, chosen.as_of), chosen.won


def told(name: str, data: Dataset) -> None:
    clear, agreed = agreement(*of_history(data))
    print(f"{name}: {clear:,} reasons beyond chance, {agreed / max(clear, 1):.1%} agree")
    assert clear > 100
    assert agreed >= MIN_AGREEMENT * clear


@pytest.mark.timeout(3600)
def test_the_reasons_of_the_demo_agree_with_how_leads_were_won(tmp_path: Path) -> None:
    files = write_demo(tmp_path, leads=3000, seed=7)
    definition = load_definition(files.definition)
    crm = read_crm(definition, str(files.leads), str(files.activities), str(files.history))
    told("demo", Dataset(definition, crm))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FLAT)
def test_the_reasons_on_real_exports_agree_with_how_leads_were_won(
    name: str, shared_data: Path, tmp_path: Path
) -> None:
    leads, leaks = FLAT[name](shared_data)
    leads = leads.drop(columns=[column for column in leaks if column in leads])
    leads = leads.sample(min(len(leads), MAX_LEADS), random_state=0)
    path = tmp_path / "leads.csv"
    leads.to_csv(path, index=False)
    definition = definition_from(
        {
            "outcome": {"won": ["Closed Won"], "lost": ["Closed Lost"]},
            "columns": {"status": "status"},
        },
        name,
    )
    told(name, Dataset(definition, read_crm(definition, str(path))))


def where_demo_requests_help(folder: Path) -> tuple[Dataset, IntArray]:
    """A world in which every demo request helps, and when each lead was created (microseconds)."""
    chance = np.random.default_rng(5)
    size = 1500
    created = pd.Timestamp("2024-01-01") + pd.to_timedelta(chance.integers(0, 500, size), "D")
    pages = chance.poisson(3, size)
    demos = chance.poisson(np.where(pages > 3, 1.0, 0.3))
    country = chance.choice(["Aton", "Beham", "Cester"], size)
    logit = -2.6 + 0.15 * pages + 0.9 * demos + 0.6 * (country == "Aton")
    won = chance.random(size) < 1 / (1 + np.exp(-logit))
    ended = created + pd.to_timedelta(chance.integers(20, 60, size), "D")
    ids = [f"L{i}" for i in range(size)]
    pd.DataFrame(
        {
            "Id": ids,
            "Created": created.strftime("%Y-%m-%d"),
            "Closed": ended.strftime("%Y-%m-%d"),
            "Country": country,
            "Status": np.where(won, "Won", "Lost"),
        }
    ).to_csv(folder / "leads.csv", index=False)
    did = [
        (ids[i], kind, created[i] + pd.Timedelta(hours=float(chance.uniform(1, 24 * 15))))
        for kind, counts in (("Pricing page", pages), ("Demo request", demos))
        for i in range(size)
        for _ in range(counts[i])
    ]
    pd.DataFrame(did, columns=["Lead", "Kind", "At"]).to_csv(folder / "activities.csv", index=False)
    definition = definition_from(
        {
            "outcome": {"won": ["Won"], "lost": ["Lost"], "horizon_days": 90},
            "columns": {"id": "Id", "created": "Created", "closed": "Closed", "status": "Status"},
            "activities": {"intent": ["Pricing page", "Demo request"]},
        },
        "wrong way",
    )
    crm = read_crm(definition, str(folder / "leads.csv"), str(folder / "activities.csv"))
    at = created.to_numpy().astype("datetime64[us]").astype(np.int64)
    return Dataset(definition, crm), at


@pytest.mark.timeout(3600)
def test_where_a_demo_request_helps_at_every_level_no_reason_says_otherwise(
    tmp_path: Path,
) -> None:
    data, created = where_demo_requests_help(tmp_path)
    predictor = Predictor(learn(data, WITHOUT_EVALUATION).artifact)
    leads = np.arange(len(created))
    features = data.features(predictor.plan, leads, created + 16 * DAY)
    shown = [
        (reason.value, reason.effect, reason.text)
        for reasons in predictor.score(features, [""] * features.size).reasons
        for reason in reasons
        if reason.name == "Demo request"
    ]
    wrong = [text for times, effect, text in shown if (effect > 0) != bool(times)]
    print(f"Demo request: {len(shown)} reasons, {len(wrong)} say otherwise {wrong[:5]}")
    assert len(shown) > 100
    assert wrong == []
