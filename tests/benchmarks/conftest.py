"""What several benchmarks share: a model of 40 columns."""

import csv
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.service.conftest import COMMAND


@dataclass(frozen=True)
class Forty:
    """A model of 40 columns, 10 of them text, in a store; a lead for it; and folders to work in."""

    folder: Path
    store: Path
    lead: dict[str, float | str]

    def body(self, leads: int = 1) -> Path:
        path = self.folder / f"{leads}.json"
        path.write_text(json.dumps({"leads": [self.lead] * leads}))
        return path


@pytest.fixture(scope="session")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Forty:
    folder, rng, size = tmp_path_factory.mktemp("forty"), np.random.default_rng(3), 3000
    numbers, words = rng.normal(size=(size, 30)), rng.integers(0, 20, size=(size, 10))
    drive = (
        -1
        + 1.5 * numbers[:, 0] * (numbers[:, 1] > 0)
        + np.abs(numbers[:, 2])
        - numbers[:, 3] ** 2 / 2
        + 1.5 * (words[:, 0] < 5)
    )
    won = rng.random(size) < 1 / (1 + np.exp(-drive))
    names = [
        "Lead ID",
        *(f"number {i}" for i in range(30)),
        *(f"word {i}" for i in range(10)),
        "Lead Status",
    ]
    with (folder / "leads.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(names)
        for i in range(size):
            told = [*(round(float(x), 4) for x in numbers[i]), *(f"word-{x}" for x in words[i])]
            rows.writerow([f"L{i}", *told, "Closed Won" if won[i] else "Closed Lost"])
    agreed = (
        '[outcome]\nwon = ["Closed Won"]\nlost = ["Closed Lost"]\n[columns]\nid = "Lead ID"\nstatus'
        ' = "Lead Status"\n'
    )
    (folder / "definition.toml").write_text(agreed)
    train = [
        *COMMAND,
        "train",
        str(folder / "leads.csv"),
        "--definition",
        str(folder / "definition.toml"),
        "--store",
        str(folder / "store"),
    ]
    subprocess.run([*train, "--quiet"], check=True)
    return Forty(
        folder,
        folder / "store",
        dict(
            zip(
                names,
                ["L0", *map(float, numbers[0].round(4)), *(f"word-{x}" for x in words[0])],
                strict=False,
            )
        ),
    )
