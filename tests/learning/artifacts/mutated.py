"""A program that scores with altered models whose digests would be right, each in a fork; prints
how each ended, a line of JSON each: `answered`, the error that refused it, or the signal that
killed it.

    python -m tests.learning.artifacts.mutated FOLDER SEED COUNT

A fork that is not done after some seconds hangs, and is ended by the alarm's signal.
"""

import json
import os
import random
import re
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from winnable.learning.artifacts.artifact import Artifact, read_artifact
from winnable.learning.scoring.predictor import Predictor

SECONDS = 60
TREES = 12
"""Of each booster: a model small enough to be loaded hundreds of times."""

NUMBERS = [-1, -2, 0, 1, 7, 8, 64, 66, 255, 4096, 10**6, 2**31 - 1, 2**31, -(2**31), 2**63, 10**30]
WORDS = ["", "x", "nan", "inf", "-inf", "1e999", "1_0", "0x10", "-0", "1.5", "٣"]
AS_OF = datetime(2026, 7, 1, tzinfo=UTC)
LEADS: list[dict[str, object]] = [
    {"Employees": 120, "Industry": "Logistics", "Title": "Head of Logistics", "Country": "Germany"},
    {},
    {"Employees": -(10.0**300), "Industry": "", "Title": "x" * 1000},
]


def small(artifact: Artifact) -> Artifact:
    """The model with the first trees of each booster."""
    boosters = dict(artifact.boosters)
    head, *trees = boosters["lightgbm"].split("\nend of trees")[0].split("\nTree=")
    boosters["lightgbm"] = "\nTree=".join([head, *trees[:TREES]]) + "\nend of trees\n"
    data = json.loads(boosters["catboost"])
    for name in ("trees", "values", "sizes_of_leaves"):
        data[name] = data[name][:TREES]
    data["members"] = [0, TREES // 2]
    boosters["catboost"] = json.dumps(data)
    return Artifact(artifact.data, boosters)


def mutated_text(text: str, chance: random.Random) -> str:
    """A LightGBM text with one or two of its lines changed."""
    lines = text.split("\n")
    for _ in range(chance.choice([1, 1, 2])):
        number = chance.randrange(len(lines))
        key, sep, value = lines[number].partition("=")
        words = value.split(" ")
        kind = chance.randrange(8)
        if kind < 4:
            place = chance.randrange(len(words))
            words[place] = str(chance.choice([*NUMBERS, *WORDS, chance.randrange(-10, 10)]))
            lines[number] = key + sep + " ".join(words)
        elif kind == 4:
            del words[chance.randrange(len(words))]
            lines[number] = key + sep + " ".join(words)
        elif kind == 5:
            lines[number] = key + sep + " ".join([*words, *words[: chance.randrange(3)]])
        elif kind == 6:
            del lines[number]
        else:
            lines.insert(number, chance.choice(lines))
    return "\n".join(lines)


def mutated_json(data: Any, chance: random.Random) -> Any:
    """The same JSON with one value somewhere in it changed, removed or doubled."""
    if isinstance(data, dict) and data:
        key = chance.choice(list(data))
        if chance.random() < 0.02:
            return {name: value for name, value in data.items() if name != key}
        return {**data, key: mutated_json(data[key], chance)}
    if isinstance(data, list) and data:
        place = chance.randrange(len(data))
        kind = chance.randrange(40)
        middle = [mutated_json(data[place], chance)]
        if kind == 0:
            middle = []
        elif kind == 1:
            middle = [data[place], data[place]]
        return [*data[:place], *middle, *data[place + 1 :]]
    return chance.choice([*NUMBERS, *WORDS, None, [], {}, 0.5, -1e300, chance.randrange(-10, 10)])


def mutation(artifact: Artifact, chance: random.Random) -> Artifact:
    """The model with one of its files altered."""
    boosters = dict(artifact.boosters)
    which = chance.choice(["lightgbm", "lightgbm", "lightgbm", "catboost", "catboost", "spec"])
    if which == "spec":
        data = dict(artifact.data)
        return Artifact({**data, "model": mutated_json(data["model"], chance)}, boosters)
    if which == "lightgbm":
        boosters[which] = mutated_text(boosters[which], chance)
    else:
        boosters[which] = json.dumps(mutated_json(json.loads(boosters[which]), chance))
    return Artifact(artifact.data, boosters)


def score(artifact: Artifact) -> None:
    """Load it and score, as the service does: one lead, and several with reasons."""
    predictor = Predictor(artifact, "1")
    for leads in (LEADS[:1], LEADS, LEADS * 20):
        features = predictor.features(leads, [[]] * len(leads), [AS_OF] * len(leads))
        predictor.score(features, [str(i) for i in range(len(leads))], reasons=True)


def ending(work: Callable[[], None]) -> str:
    """How a process of its own ends that does this work."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        signal.alarm(SECONDS)
        said = "answered"
        try:
            work()
        except Exception as error:
            said = type(error).__name__
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return said or f"exit {status}"


def known_crashes(text: str) -> Mapping[str, str]:
    """Texts that crashed or hung LightGBM 4.7 before trees were checked."""

    def with_first(key: str, value: str, place: int = 0) -> str:
        line = re.search(rf"^{key}=(.*)$", text, re.MULTILINE)
        assert line is not None
        words = line[1].split(" ")
        words[place] = value
        return text[: line.start(1)] + " ".join(words) + text[line.end(1) :]

    return {
        "child beyond the nodes": with_first("left_child", "100000000"),
        "child beyond the leaves": with_first("left_child", "-100000000"),
        "feature beyond the row": with_first("split_feature", "100000000"),
        "feature below the row": with_first("split_feature", "-100000000"),
        "circle": with_first("right_child", "0", 1).replace("left_child=1", "left_child=0", 1),
        "leaves that are not there": with_first("num_leaves", "100000000"),
        "categories that are not there": with_first("num_cat", "5"),
        "a wider row": with_first("max_feature_idx", "100000000"),
    }


def main(folder: Path, seed: int, count: int) -> None:
    whole = small(read_artifact(folder))
    print(json.dumps(["whole", ending(lambda: score(whole))]), flush=True)
    for name, text in known_crashes(whole.boosters["lightgbm"]).items():
        broken = Artifact(whole.data, {**whole.boosters, "lightgbm": text})
        print(json.dumps([name, ending(lambda broken=broken: score(broken))]), flush=True)
    for number in range(seed, seed + count):
        altered = mutation(whole, random.Random(number))
        print(json.dumps([number, ending(lambda altered=altered: score(altered))]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
