"""Models that were altered on purpose, with digests that are right: refused, or answered; none ends
or stops the process."""

import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import DemoStore
from tests.learning.artifacts.mutated import known_crashes, small
from winnable.errors import ArtifactError
from winnable.learning.artifacts.artifact import Artifact, read_artifact
from winnable.learning.scoring.predictor import Predictor


def test_no_altered_model_kills_or_stops_the_process(demo_store: DemoStore) -> None:
    folder = demo_store.store / "served" / "1"
    command = [sys.executable, "-m", "tests.learning.artifacts.mutated", str(folder)]
    seed = int(time.time()) // 3600  # others every hour; the seed of a model is in its line
    done = subprocess.run(
        [*command, str(seed * 1000), "120"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert done.returncode == 0, done.stderr[-2000:]
    # LightGBM warns on the same channel.
    lines = re.findall(r'^\[(?:\d|").*\]$', done.stdout, re.MULTILINE)
    ends = dict(json.loads(line) for line in lines)
    assert ends["whole"] == "answered"
    known = {"answered", "ArtifactError", "KeyError", "IndexError", "TypeError", "ValueError"}
    others = {
        "OverflowError",
        "MemoryError",
        "AttributeError",
        "ZeroDivisionError",
        "UFuncTypeError",
    }
    assert {name: end for name, end in ends.items() if end not in known | others} == {}
    assert Counter(ends.values())["ArtifactError"] >= 10


@pytest.fixture(scope="module")
def model(demo_store: DemoStore) -> Artifact:
    return small(read_artifact(demo_store.store / "served" / "1"))


def test_what_crashed_lightgbm_is_refused(model: Artifact) -> None:
    for text in known_crashes(model.boosters["lightgbm"]).values():
        with pytest.raises(ArtifactError, match="trees of lightgbm"):
            Predictor(Artifact(model.data, {**model.boosters, "lightgbm": text}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trees", [[10**6] * 6] * 12),
        ("trees", [[-1] * 6] * 12),
        ("trees", [[0] * 60] * 12),
        ("members", [0, 99]),
        ("members", []),
        ("words", 3),
        ("columns", 10**9),
        ("base", "x"),
        ("indicators", [[99, 3]]),
        ("keys", [-5]),
        ("spans", [10**12]),
        ("values", [[1.0]]),
        ("splits", [[10**6, 0.5]]),
        ("sources", []),
    ],
)
def test_catboost_data_that_do_not_fit_are_refused(
    model: Artifact, name: str, value: object
) -> None:
    data = {**json.loads(model.boosters["catboost"]), name: value}
    with pytest.raises(ArtifactError, match="trees of catboost"):
        Predictor(Artifact(model.data, {**model.boosters, "catboost": json.dumps(data)}))
