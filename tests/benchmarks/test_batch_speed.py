"""`winnable score` against the models that it asks: a million leads of 40 columns, and the memory
that they take."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.conftest import Forty
from tests.service.conftest import COMMAND
from winnable.data.features.offline import compute_features
from winnable.data.ingestion.crm import read_crm
from winnable.definition.decide.scorecard import score_points
from winnable.learning.scoring.predictor import Predictor

LEADS = 1_000_000
BARE = 20_000  # leads that the models are asked about without anything around them


def export(forty: Forty, leads: int) -> Path:
    """The leads that the model learned from, again and again, without their outcome."""
    head, *rows = (forty.folder / "leads.csv").read_text().splitlines()
    values = [row.split(",", 1)[1].rsplit(",", 1)[0] for row in rows]
    path = forty.folder / f"{leads}.csv"
    with path.open("w") as file:
        file.write(head.rsplit(",", 1)[0] + "\n")
        file.writelines(f"L{i},{values[i % len(values)]}\n" for i in range(leads))
    return path


def scored(forty: Forty, leads: Path, *options: str) -> tuple[float, float]:
    """Seconds of `winnable score` from its start to its end, and its memory at most, in MB."""
    output = forty.folder / "scores.csv"
    command = [
        *COMMAND,
        "score",
        str(leads),
        "--store",
        str(forty.store),
        "--output",
        str(output),
        "--quiet",
        *options,
    ]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert sum(1 for _ in output.open()) == sum(1 for _ in leads.open())
    return time.perf_counter() - start, used.ru_maxrss / (
        1024 if sys.platform == "linux" else 1024**2
    )


def bare(forty: Forty, *, reasons: bool) -> float:
    """Leads a second of the experts alone, from encoded leads to log-odds and, if asked, what each
    column adds."""
    predictor = Predictor.of_store(forty.store)
    crm = read_crm(predictor.definition, str(export(forty, BARE)), for_training=False)
    features = compute_features(
        predictor.plan, predictor.definition, crm, np.arange(BARE), np.full(BARE, 10**15)
    )
    encoded = predictor.scorer._encoding.encode(
        features, score_points(predictor.definition, features).logit
    )
    start = time.perf_counter()
    for expert in predictor.scorer._experts:
        expert.predict(encoded, reasons=reasons)
    return BARE / (time.perf_counter() - start)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("reasons", [True, False])
def test_a_million_leads(forty: Forty, reasons: bool) -> None:
    """At least half the leads a second of the models alone. What grows with the leads is the export
    and the scores themselves, a few bytes of memory for each byte of the file; what the models need
    does not."""
    option = "--reasons" if reasons else "--no-reasons"
    rate = bare(forty, reasons=reasons)
    few, many = export(forty, LEADS // 4), export(forty, LEADS)
    (_, small), (seconds, large) = scored(forty, few, option), scored(forty, many, option)
    ratio = LEADS / seconds / rate
    growth = (large - small) * 2**20 / (many.stat().st_size - few.stat().st_size)
    print(
        f"\n{option}: {LEADS / seconds:,.0f} leads a second, {ratio:.2f} of the models alone"
        f" ({rate:,.0f})"
    )
    print(f"at most {large:,.0f} MB; each byte more of the export takes {growth:.1f} more")
    assert ratio >= 0.5
    assert growth <= 6
