"""The model card and the spec: the JSON of an artifact, read into typed data and written as it
was."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import DemoStore
from winnable.definition.load import load_definition
from winnable.errors import ArtifactError
from winnable.learning.artifacts.artifact import Artifact, read_artifact, write_artifact
from winnable.learning.artifacts.card import ModelCard, Spec
from winnable.learning.scoring.predictor import scorecard_artifact

CARD = {
    "horizon_days": 90.0,
    "winnable_days": None,
    "leads": 400,
    "wins": 40,
    "rows": 812,
    "known_until": "2026-06-30T12:00:00.250000+02:00",
    "base_rate": 0.1,
    "judged_on": "leads from 2026-03-01 on",
    "measured": {"model": {"log_loss": 0.25}},
    "winnable": "0.9",
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"known_until": None, "horizon_days": None, "judged_on": None, "measured": {}},
        {"left_out": [], "as_they_stand": ["Title"], "segments": None},
        {
            "left_out": ["Reason"],
            "as_they_stand": [],
            "segments": "One model.",
            "feedback": {"a": 1},
        },
        {"of_another_version": [1, 2]},
    ],
)
def test_a_card_is_written_as_it_was_read(more: dict[str, object]) -> None:
    assert ModelCard.from_json({**CARD, **more}).to_json() == {**CARD, **more}


def test_its_time_is_a_moment_with_a_zone() -> None:
    card = ModelCard.from_json(CARD)
    assert card.known_until == datetime(2026, 6, 30, 10, 0, 0, 250000, tzinfo=UTC)
    assert ModelCard.from_json({**CARD, "known_until": "2026-06-30"}).known_until == datetime(
        2026, 6, 30, tzinfo=UTC
    )


def test_the_spec_of_a_trained_model_is_written_as_it_was_read(demo_store: DemoStore) -> None:
    folder = demo_store.store / "served" / "1"
    written = json.loads((folder / "spec.json").read_text())
    artifact = read_artifact(folder)
    again = json.loads(json.dumps({"format": written["format"], **artifact.spec.to_json()}))
    assert again == written
    remade = Artifact.of(Spec.from_json(artifact.data), artifact.boosters)
    assert remade.fingerprint == artifact.fingerprint


def test_a_spec_without_one_of_its_parts_is_refused(demo_store: DemoStore, tmp_path: Path) -> None:
    data = scorecard_artifact(load_definition(demo_store.files.definition)).data
    for part in ("definition", "plan", "model", "pace", "usual_bar", "card"):
        folder = tmp_path / part
        write_artifact(Artifact({k: v for k, v in data.items() if k != part}, {}), folder)
        with pytest.raises(ArtifactError, match=re.escape(part)):
            _ = read_artifact(folder).spec
