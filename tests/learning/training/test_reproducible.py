"""The same data, definition and seed give the same model byte for byte, whatever the process is
like that trains it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.test_commands import SMALL, leads_table

TRAIN = """
import sys
from pathlib import Path
from winnable.definition.load import load_definition
from winnable.data.ingestion.crm import read_crm
from winnable.learning.artifacts.artifact import write_artifact
from winnable.data.dataset import Dataset
from winnable.learning.training.train import TrainingOptions, learn
folder, threads, model = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
definition = load_definition(folder / "definition.toml")
crm = read_crm(definition, str(folder / "leads.csv"))
candidate = learn(Dataset(definition, crm), TrainingOptions(threads=threads))
write_artifact(candidate.artifact, model)
"""


def test_neither_threads_nor_the_order_of_hashes_change_a_byte(tmp_path: Path) -> None:
    leads_table(150).to_csv(tmp_path / "leads.csv", index=False)
    (tmp_path / "definition.toml").write_text(SMALL)
    for name, threads, processors, hashes in (("one", 1, "1", "0"), ("four", 4, "4", "12345")):
        environment = {**os.environ, "OMP_NUM_THREADS": processors, "PYTHONHASHSEED": hashes}
        words = [sys.executable, "-c", TRAIN, str(tmp_path), str(threads), str(tmp_path / name)]
        subprocess.run(words, env=environment, check=True)
    one, four = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "four")
    )
    assert {"spec.json", "catboost.txt"} <= set(one)
    assert one == four
