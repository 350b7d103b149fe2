"""The artifact: complete, unaltered and of this format, or refused."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import DemoStore
from winnable.core.columns import FIELD, ID, NEW, OLD
from winnable.core.text import word_key
from winnable.errors import ArtifactError, StoreError
from winnable.learning.artifacts.artifact import FORMAT, Artifact, read_artifact, write_artifact
from winnable.learning.artifacts.deployed import deploy
from winnable.learning.scoring.batch import (
    ScoringJob,
    moments_of_scoring,
    read_to_score,
    score_table,
)
from winnable.learning.scoring.predictor import Predictor

ARTIFACT = Artifact(
    {"format": FORMAT, "numbers": [0.1, 1e-300, 3], "word": "Straße"},
    {"trees": "tree\nversion=v4\n"},
)


def test_what_is_written_is_read_to_the_last_bit(tmp_path: Path) -> None:
    write_artifact(ARTIFACT, tmp_path / "model")
    read = read_artifact(tmp_path / "model")
    assert read == ARTIFACT
    assert read.fingerprint == ARTIFACT.fingerprint


def test_the_same_model_is_the_same_bytes_whatever_the_order_of_its_keys(tmp_path: Path) -> None:
    write_artifact(ARTIFACT, tmp_path / "one")
    write_artifact(
        Artifact(dict(reversed(ARTIFACT.data.items())), ARTIFACT.boosters), tmp_path / "two"
    )
    for name in ("spec.json", "trees.txt", "digests.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("name", ["spec.json", "trees.txt", "digests.json"])
def test_a_missing_file_is_refused_by_name(name: str, tmp_path: Path) -> None:
    write_artifact(ARTIFACT, tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        read_artifact(tmp_path / "model")


@pytest.mark.parametrize("name", ["spec.json", "trees.txt"])
def test_one_altered_byte_is_refused(name: str, tmp_path: Path) -> None:
    write_artifact(ARTIFACT, tmp_path / "model")
    file = tmp_path / "model" / name
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match=name):
        read_artifact(tmp_path / "model")


def test_another_format_is_refused(tmp_path: Path) -> None:
    write_artifact(Artifact({**ARTIFACT.data, "format": FORMAT + 1}, {}), tmp_path / "model")
    with pytest.raises(ArtifactError, match=f"format {FORMAT + 1}"):
        read_artifact(tmp_path / "model")


def test_a_format_before_the_last_one_is_refused_in_one_sentence(tmp_path: Path) -> None:
    write_artifact(Artifact({**ARTIFACT.data, "format": 1}, {}), tmp_path / "model")
    with pytest.raises(
        ArtifactError, match=r"written in format 1, .* formats 2 and 3. Train again"
    ):
        read_artifact(tmp_path / "model")


def in_format_2(artifact: Artifact, folder: Path) -> Path:
    """The same model in a folder as format 2 wrote it, with the experts' names of that time."""
    former = {"catboost": "symmetric", "lightgbm": "leafwise", "per_segment": "apart"}
    data = json.loads(json.dumps(artifact.data))
    model = data["model"]
    for part in model["experts"].values():
        part["kind"] = former.get(part["kind"], part["kind"])
    for parent, key in ((model, "experts"), (model["blend"], "weights")):
        parent[key] = {former.get(name, name): value for name, value in parent[key].items()}
    boosters = {former.get(name, name): text for name, text in artifact.boosters.items()}
    write_artifact(Artifact({**data, "format": 2}, boosters), folder)
    return folder


def test_a_model_of_format_2_answers_the_same_to_the_last_bit(
    demo_store: DemoStore, tmp_path: Path
) -> None:
    new = read_artifact(demo_store.store / "served" / "1")
    folder = in_format_2(new, tmp_path / "old")
    assert {"symmetric.txt", "leafwise.txt"} <= {path.name for path in folder.iterdir()}
    old = read_artifact(folder)
    assert old == new
    assert set(old.spec.model.weights) >= {"catboost", "lightgbm", "ridge"}
    files = demo_store.files
    tables = []
    for artifact in (new, old):
        predictor = Predictor(artifact, "1")
        data = read_to_score(predictor, str(files.open_leads))
        job = ScoringJob(predictor, data, moments_of_scoring(data, None))
        tables.append(score_table(job))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_a_model_of_format_2_is_copied_as_it_is(demo_store: DemoStore, tmp_path: Path) -> None:
    folder = in_format_2(read_artifact(demo_store.store / "served" / "1"), tmp_path / "old")
    old = read_artifact(folder)
    # The registry knows it by the fingerprint of its files, which the copy must keep.
    deploy(tmp_path / "store", 1, old)
    deploy(tmp_path / "store", 1, old)
    copy = tmp_path / "store" / "served" / "1"
    assert [path.name for path in copy.parent.glob("*.broken-*")] == []
    for path in folder.iterdir():
        assert (copy / path.name).read_bytes() == path.read_bytes()
    assert read_artifact(copy).fingerprint == old.fingerprint


def test_numbers_that_json_does_not_know_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_artifact(Artifact({"format": FORMAT, "bad": float("nan")}, {}), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="--store"):
        write_artifact(ARTIFACT, tmp_path / "file" / "model")


def test_it_is_data_only(tmp_path: Path) -> None:
    write_artifact(ARTIFACT, tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "digests.json",
        "spec.json",
        "trees.txt",
    ]
    json.loads((tmp_path / "model" / "spec.json").read_text())


def test_no_word_of_a_model_belongs_to_one_person_alone(demo_store: DemoStore) -> None:
    data = demo_store.data
    leads = data.crm.leads
    history = data.crm.history
    assert history is not None
    person_of_lead = dict(zip(leads[ID], data.persons, strict=True))
    checked = 0
    for name, words in demo_store.candidate.artifact.spec.model.encoding["words"]:
        if name not in leads:
            continue
        owners: dict[str, set[int]] = {}
        changes = history[history[FIELD] == name]
        for table, values in ((leads, name), (changes, OLD), (changes, NEW)):
            for lead, value in table[[ID, values]].dropna().itertuples(index=False):
                owners.setdefault(word_key(value), set()).add(person_of_lead[lead])
        alone = [word for word in words if len(owners[word_key(word)]) < 2]
        assert alone == [], name
        checked += len(words)
    assert checked > 30
