"""Rejections as evidence about the definition: what such leads have in common is proposed, and
nothing by chance."""

from datetime import UTC, datetime

import numpy as np
import pytest

from winnable.data.analysis.rejections import rejection_evidence
from winnable.data.analysis.to_toml import rejection_lines
from winnable.data.dataset import Dataset
from winnable.data.feedback.store.records import Label
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import load_definition
from winnable.definition.schema import Definition, Profile
from winnable.demo.company import write_demo

AT = datetime(2026, 6, 1, tzinfo=UTC)
UNWANTED = "Not a customer that we want"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> tuple[Definition, Crm]:
    """The demo company, which has not yet written down whom it does not want."""
    files = write_demo(tmp_path_factory.mktemp("demo"), leads=1000, seed=3)
    definition = load_definition(files.definition)
    crm = read_crm(definition, str(files.leads), str(files.activities), str(files.history))
    profile = Profile(ideal=definition.profile.ideal, personas=definition.profile.personas)
    return definition.model_copy(update={"profile": profile}), crm


def said(lead: str, label: str, reason: str | None = None) -> tuple[Label, ...]:
    return (Label(lead, label, "Kim", AT, reason=reason),)  # type: ignore[arg-type]


def test_what_unwanted_leads_have_in_common_is_proposed(company: tuple[Definition, Crm]) -> None:
    definition, crm = company
    rng, industry = np.random.default_rng(1), crm.leads["Industry"]
    opinions = {}
    for lead, field in zip(crm.leads["@id"][:600], industry[:600], strict=False):
        unwanted = rng.random() < (0.9 if field == "Retail" else 0.03)
        opinions[lead] = said(lead, "rejected", UNWANTED) if unwanted else said(lead, "accepted")
    found = rejection_evidence(Dataset(definition, crm), opinions, ())
    assert [(each.kind, str(each.condition)) for each in found] == [
        ("unacceptable", "Industry is Retail")
    ]
    assert found[0].rejected.low > 0.5
    assert 0 < found[0].won.hits < found[0].won.trials
    lines = list(rejection_lines(found))
    assert lines[0] == "# For unacceptable = [...] of [profile]:"
    assert lines[1].startswith('{ field = "Industry", any_of = ["Retail"] },  # sales rejected ')


def test_rejections_by_chance_and_for_other_reasons_propose_nothing(
    company: tuple[Definition, Crm],
) -> None:
    definition, crm = company
    rng = np.random.default_rng(2)
    labels = [("rejected", UNWANTED), ("rejected", "No budget"), ("junk", None), ("accepted", None)]
    opinions = {lead: said(lead, *labels[rng.integers(4)]) for lead in crm.leads["@id"]}
    assert rejection_evidence(Dataset(definition, crm), opinions, ()) == ()
    assert rejection_evidence(Dataset(definition, crm), {}, ()) == ()
    assert list(rejection_lines(())) == []
