"""The Python interface gives in a notebook what the command line gives, number for number."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import winnable
from tests.conftest import DemoStore

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.fixture(scope="module")
def data(demo_store: DemoStore) -> winnable.Dataset:
    files = demo_store.files
    return winnable.read(files.leads, files.activities, files.history, definition=files.definition)


@pytest.fixture(scope="module")
def model(data: winnable.Dataset) -> winnable.Model:
    return winnable.train(data)


def test_training_is_that_of_the_command_line(
    model: winnable.Model, demo_store: DemoStore, tmp_path: Path
) -> None:
    registered = winnable.load(demo_store.store)
    model.save(tmp_path / "saved")
    saved = winnable.load(tmp_path / "saved")
    assert registered.version == "1"
    assert model.version == saved.version == registered._predictor.fingerprint
    assert (
        model.measured_.loc["model", "log_loss"]
        == registered.card_["measured"]["model"]["log_loss"]
    )
    assert list(saved.measured_.index) == ["model", "rules", "base rate"]


def test_scores_are_those_of_the_command_line(demo_store: DemoStore, tmp_path: Path) -> None:
    files, output = demo_store.files, tmp_path / "scores.csv"
    more = [
        "--activities",
        files.activities,
        "--history",
        files.history,
        "--store",
        demo_store.store,
        "--output",
        output,
    ]
    command = [Path(sys.executable).with_name("winnable"), "score", files.open_leads, *more]
    subprocess.run(command, check=True, capture_output=True)
    scores = winnable.load(demo_store.store).score(
        files.open_leads, files.activities, files.history
    )
    written = pd.read_csv(output, dtype={"model": str, "error": str}, float_precision="round_trip")
    pd.testing.assert_frame_equal(scores, written, check_dtype=False, rtol=0, atol=1e-12)


def test_frames_are_read_like_the_files_they_come_from(
    model: winnable.Model, demo_store: DemoStore
) -> None:
    files = demo_store.files
    leads, activities, history = (
        pd.read_csv(path) for path in (files.open_leads, files.activities, files.history)
    )
    by_file = model.score(files.open_leads, files.activities, files.history)
    by_frame = model.score(leads.set_index("Lead ID", drop=False), activities, history)
    assert by_frame.index.tolist() == leads["Lead ID"].tolist()
    pd.testing.assert_frame_equal(by_frame.reset_index(drop=True), by_file)


def test_one_version_or_the_champion_is_loaded(demo_store: DemoStore, tmp_path: Path) -> None:
    assert winnable.load(demo_store.store, version=1).version == "1"
    with pytest.raises(winnable.StoreError, match="no version 99"):
        winnable.load(demo_store.store, version=99)
    with pytest.raises(winnable.StoreError, match="no champion here, no saved model"):
        winnable.load(tmp_path)


def test_a_thin_history_answers_by_the_rules(demo_store: DemoStore) -> None:
    files = demo_store.files
    few = winnable.read(pd.read_csv(files.leads, dtype=str).head(30), definition=files.definition)
    assert winnable.train(few).mode == "rules"


def test_what_is_public_is_there_and_in_the_readme() -> None:
    assert dir(winnable) == winnable.__all__ == sorted(winnable._HOME)
    for name in winnable.__all__:
        assert getattr(winnable, name).__doc__
    told = README.read_text().split("## Python in six lines")[1].split("\n## ")[0]
    rows = [line for line in told.splitlines() if line.startswith("| `")]
    assert set(winnable.__all__) == set(
        re.findall(r"`([A-Z]\w+|read|check|train|load)`", "".join(rows))
    )
    with pytest.raises(AttributeError, match="it has ArtifactError, Data"):
        winnable.trian  # noqa: B018


def test_a_model_and_its_saved_copy_give_the_same_scores_to_the_last_bit(
    model: winnable.Model, demo_store: DemoStore, tmp_path: Path
) -> None:
    files = demo_store.files
    model.save(tmp_path / "saved")
    now = model.score(files.open_leads, files.activities, files.history)
    again = winnable.load(tmp_path / "saved").score(
        files.open_leads, files.activities, files.history
    )
    assert model.mode == "blend"
    assert again.equals(now)
