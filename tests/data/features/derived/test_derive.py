"""Derived features are the same for an export and for a request, hold no personal data, and follow
the verdict on their columns."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from tests.conftest import DemoStore
from winnable.core.columns import CategoricalColumn, FeatureTable, NumericColumn
from winnable.core.timestamps import microseconds
from winnable.data.dataset import Dataset
from winnable.data.features.derived.choose import MAX_TOKENS_PER_COLUMN, MIN_PEOPLE_PER_TOKEN
from winnable.data.features.derived.derive import DerivedFeature, derived_columns
from winnable.data.features.offline import compute_features
from winnable.data.features.online import features_of_records
from winnable.data.features.plan import AGE, FeaturePlan
from winnable.data.ingestion.crm import read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition

PRESENT = datetime(2026, 6, 30, 12, tzinfo=UTC)


def agreed(**columns: object) -> Definition:
    roles = {"id": "Id", "status": "Status", "created": "Created", **columns}
    outcome = {"won": ["Won"], "lost": ["Lost"]}
    return definition_from({"outcome": outcome, "columns": roles}, "the test")


def company(tmp_path, titles: list[str | None], **columns: object) -> Dataset:
    size = len(titles)
    leads = pd.DataFrame(
        {
            "Id": [f"L{row}" for row in range(size)],
            "Status": ["Won" if row % 3 == 0 else "Lost" for row in range(size)],
            "Created": pd.date_range("2026-01-01", periods=size, freq="7h").astype(str),
            "Email": [f"somebody{row}@firm{row}.de" for row in range(size)],
            "Company": [f"Firm{row}" for row in range(size)],
            "Phone": ["+49 30 1234567" if row % 2 else None for row in range(size)],
            "Title": titles,
            "Size": [str(row % 7) for row in range(size)],
        }
    )
    leads.to_csv(tmp_path / "leads.csv", index=False)
    definition = agreed(**columns)
    return Dataset(definition, read_crm(definition, str(tmp_path / "leads.csv")))


def as_request(features: FeatureTable, name: str) -> list[object]:
    column = features.columns[name]
    if isinstance(column, CategoricalColumn):
        return [None if code < 0 else column.vocabulary[code] for code in column.codes]
    return [None if np.isnan(value) else value for value in column.values]


def test_an_export_and_a_request_derive_the_same(demo_store: DemoStore) -> None:
    data = demo_store.data
    plan = replace(data.feature_plan(), aggregates=(), accounts=None)
    assert {feature.what for feature in plan.derived} >= {
        *("email provider", "email company", "phone country", "made-up name"),
        *("completeness", "weekday", "hour"),
    }
    crm = replace(data.crm, history=None)
    size = len(crm.leads)
    moment = np.full(size, microseconds(PRESENT))
    offline = compute_features(plan, data.definition, crm, np.arange(size), moment)
    names = [str(name) for name in crm.leads.columns if not str(name).startswith("@")]
    table = crm.leads[names].astype(object).where(crm.leads[names].notna(), None)
    records = table.to_dict("records")
    for few in (records, records[:8]):
        online = features_of_records(
            plan, data.definition, few, [()] * len(few), [PRESENT] * len(few)
        )
        for feature in plan.derived:
            expected = as_request(offline.take(np.arange(len(few))), feature.name)
            assert as_request(online, feature.name) == expected, feature.name


def test_a_plan_with_derived_features_is_read_back_and_one_of_before_has_none(
    demo_store: DemoStore,
) -> None:
    plan = demo_store.data.feature_plan()
    data = json.loads(json.dumps(plan.to_json()))
    assert FeaturePlan.from_json(data) == plan
    del data["derived"]
    assert FeaturePlan.from_json(data).derived == ()


def test_no_address_and_no_number_is_in_a_model(demo_store: DemoStore) -> None:
    written = json.dumps(demo_store.candidate.artifact.data)
    leads = demo_store.crm.leads
    for name in ("Email", "Phone"):
        values = [str(value).strip() for value in leads[name].dropna()]
        assert not [value for value in values if len(value) > 7 and value in written]


def test_what_is_derived_follows_the_verdict_on_its_column(tmp_path) -> None:
    titles: list[str | None] = ["Head", "Planner"] * 50
    data = company(tmp_path, titles)
    derived = {feature.name for feature in data.feature_plan().derived}
    assert {"Email provider", "Email domain", "Phone country"} <= derived
    for left_out, gone in (
        ("Email", {"Email provider", "Email country", "Email domain"}),
        ("Phone", {"Phone country"}),
        ("Email provider", {"Email provider"}),
    ):
        plan = data.feature_plan((left_out,))
        rest = {feature.name for feature in plan.derived}
        assert rest == derived - gone
        assert left_out not in plan.derived_from
    ignoring = company(tmp_path, titles, ignore=["Phone"]).feature_plan()
    assert "Phone country" not in ignoring.learned


def test_a_telephone_number_that_only_won_leads_have_is_kept_out(tmp_path) -> None:
    data = company(tmp_path, ["Head"] * 300)
    leads = data.crm.leads
    leads.loc[leads["Status"] != "Won", "Phone"] = None
    leads["Phone"] = leads["Phone"].where(leads["Status"] != "Won", "+49 30 1234567")
    assert "Phone" in data.left_out
    verdict = next(verdict for verdict in data.verdicts if verdict.name == "Phone")
    assert "1234567" not in str(verdict)
    assert "Phone country" not in data.feature_plan(data.left_out).learned


def test_texts_give_their_tokens_within_a_budget(tmp_path) -> None:
    rng = np.random.default_rng(0)
    words = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(60)]
    titles: list[str | None] = [
        f"{'Leiter' if row % 2 else 'Élève'} {' '.join(rng.choice(words, 6))}, secret{row:04d}x"
        for row in range(400)
    ]
    derived = company(tmp_path, titles).feature_plan().derived
    mentions = [feature for feature in derived if feature.of == ("Title",)]
    assert len(mentions) == MAX_TOKENS_PER_COLUMN
    assert {"Title mentions leiter", "Title mentions eleve"} <= {one.name for one in mentions}
    assert not [one for one in mentions if "secret" in one.word]
    few = company(tmp_path, ["Head of Logistics"] * (MIN_PEOPLE_PER_TOKEN - 1) + titles[:100])
    assert "Title mentions logistics" not in few.feature_plan().learned


def test_a_token_of_one_account_alone_is_not_kept(tmp_path) -> None:
    titles: list[str | None] = [f"Head of {chr(97 + row % 26)}{row} things" for row in range(200)]
    titles[:30] = [f"Fenaford manager of x{row}" for row in range(30)]
    data = company(tmp_path, titles, account="Company")
    data.crm.leads.loc[:29, ["Company", "@account"]] = "Fenaford"
    learned = data.feature_plan().learned
    assert "Title mentions head" in learned
    assert not [name for name in learned if "fenaford" in name.lower()]


def test_nothing_is_learned_of_names_and_addresses_in_columns_of_any_name(tmp_path) -> None:
    """Many people are called Thomas, and many addresses end alike."""
    names: list[str | None] = [
        f"{'Thomas' if row % 2 else 'Maria'} von N{chr(97 + row % 26)}{chr(97 + row // 26)}x"
        for row in range(300)
    ]
    assert not [one for one in company(tmp_path, names).feature_plan().derived if one.word]
    addresses: list[str | None] = [f"thomas.mueller@firm{row}.de" for row in range(300)]
    assert not [one for one in company(tmp_path, addresses).feature_plan().derived if one.word]


def test_international_numbers_are_no_numbers(tmp_path) -> None:
    data = company(tmp_path, ["Clerk"] * 60)
    data.crm.leads["Phone"] = [f"+49301234{row:03d}" for row in range(60)]
    plan = data.feature_plan()
    (phone,) = [field for field in plan.fields if field.name == "Phone"]
    assert phone.kind == "words"


def test_values_of_each_kind() -> None:
    features = FeatureTable(
        4,
        {
            "Title": CategoricalColumn.of(["Head of IT", "IT-Leiter", None, "head"]),
            "Size": NumericColumn(np.array([1.0, np.nan, np.nan, 4.0])),
            AGE: NumericColumn(np.array([0.5, 1.5, np.nan, 7.25])),
        },
    )
    derived = (
        DerivedFeature("head", "mention", ("Title",), "head"),
        DerivedFeature("complete", "completeness", ("Title", "Size")),
        DerivedFeature("weekday", "weekday", (AGE,)),
        DerivedFeature("hour", "hour", (AGE,)),
    )
    as_of = np.full(4, microseconds(PRESENT))  # a Tuesday, at noon
    found = FeatureTable(4, derived_columns(derived, agreed(), features, as_of))
    assert as_request(found, "head") == [1.0, 0.0, None, 1.0]
    assert as_request(found, "complete") == [1.0, 0.5, 0.0, 1.0]
    assert as_request(found, "weekday") == ["Tuesday", "Monday", None, "Tuesday"]
    assert as_request(found, "hour") == [0.0, 0.0, None, 6.0]
