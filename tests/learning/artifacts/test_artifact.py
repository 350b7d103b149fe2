"""The artifact: complete, unaltered and of this format, or refused."""

import json
from pathlib import Path

import pytest

from winnable.errors import ArtifactError, StoreError
from winnable.learning.artifacts.artifact import FORMAT, Artifact, read_artifact, write_artifact

ARTEFACT = Artifact(
    {"format": FORMAT, "numbers": [0.1, 1e-300, 3], "word": "Straße"},
    {"trees": "tree\nversion=v4\n"},
)


def test_what_is_written_is_read_to_the_last_bit(tmp_path: Path) -> None:
    write_artifact(ARTEFACT, tmp_path / "model")
    read = read_artifact(tmp_path / "model")
    assert read == ARTEFACT
    assert read.fingerprint == ARTEFACT.fingerprint


def test_the_same_model_is_the_same_bytes_whatever_the_order_of_its_keys(tmp_path: Path) -> None:
    write_artifact(ARTEFACT, tmp_path / "one")
    write_artifact(
        Artifact(dict(reversed(ARTEFACT.spec.items())), ARTEFACT.boosters), tmp_path / "two"
    )
    for name in ("spec.json", "trees.txt", "digests.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("name", ["spec.json", "trees.txt", "digests.json"])
def test_a_missing_file_is_refused_by_name(name: str, tmp_path: Path) -> None:
    write_artifact(ARTEFACT, tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        read_artifact(tmp_path / "model")


@pytest.mark.parametrize("name", ["spec.json", "trees.txt"])
def test_one_altered_byte_is_refused(name: str, tmp_path: Path) -> None:
    write_artifact(ARTEFACT, tmp_path / "model")
    file = tmp_path / "model" / name
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match=name):
        read_artifact(tmp_path / "model")


def test_another_format_is_refused(tmp_path: Path) -> None:
    write_artifact(Artifact({**ARTEFACT.spec, "format": FORMAT + 1}, {}), tmp_path / "model")
    with pytest.raises(ArtifactError, match=f"format {FORMAT + 1}"):
        read_artifact(tmp_path / "model")


def test_numbers_that_json_does_not_know_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_artifact(Artifact({"format": FORMAT, "bad": float("nan")}, {}), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="--store"):
        write_artifact(ARTEFACT, tmp_path / "file" / "model")


def test_it_is_data_only(tmp_path: Path) -> None:
    write_artifact(ARTEFACT, tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "digests.json",
        "spec.json",
        "trees.txt",
    ]
    json.loads((tmp_path / "model" / "spec.json").read_text())
