"""Features from activities: what twice as many of them cost, in time and in memory.

Each size runs in a process of its own, so that its peak memory is its own. No absolute time is
asserted.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.core.timestamps import DAY
from winnable.data.features.offline import compute_features
from winnable.data.features.plan import fit_feature_plan
from winnable.data.ingestion.crm import Crm
from winnable.definition.load import definition_from

AGES = (7, 30, 90)
EACH = 50  # activities of a lead
KINDS = ["Pricing page", "Demo request", "E-book", "Webinar", *(f"Kind {i}" for i in range(21))]


def company(activities: int) -> Crm:
    """Leads with 50 activities each on average, of 25 kinds, over about a third of a year."""
    chance, leads = np.random.default_rng(0), activities // EACH
    ids = pd.array([f"L-{i:07d}" for i in range(leads)], dtype="str")
    created = 1_700_000_000_000_000 + chance.integers(0, 300 * DAY, leads)
    who = np.sort(chance.integers(0, leads, activities))
    at = created[who] + chance.exponential(40 * DAY, activities).astype(np.int64)
    order = np.lexsort((at, who))

    def moments(times: np.ndarray) -> pd.Series:
        return pd.Series(times.astype("datetime64[us]")).dt.tz_localize("UTC")

    kinds = pd.array(KINDS, dtype="str").take(chance.integers(0, len(KINDS), activities))
    log = pd.DataFrame({"@id": ids.take(who[order]), "@at": moments(at[order]), "@kind": kinds})
    table = pd.DataFrame({"Id": ids, "Created": ids, "@id": ids, "@created": moments(created)})
    return Crm(table, log, None, pd.DataFrame(columns=["table", "row", "id", "reason"]), ())


def run(activities: int) -> None:
    """Compute the features of every lead at three ages and print how long that took and the most
    memory of the process."""
    import resource
    import time

    crm = company(activities)
    roles = {"id": "Id", "created": "Created", "status": "Status"}
    groups = {"intent": KINDS[:2], "interest": KINDS[2:4]}
    definition = definition_from(
        {"outcome": {"won": ["Won"]}, "columns": roles, "activities": groups}, "test"
    )
    leads = len(crm.leads)
    created = (
        crm.leads["@created"].dt.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
    )
    began = time.perf_counter()
    plan = fit_feature_plan(definition, crm)
    features = compute_features(
        plan,
        definition,
        crm,
        np.tile(np.arange(leads), 3),
        np.concatenate([created + age * DAY for age in AGES]),
    )
    seconds = time.perf_counter() - began
    assert features.numbers("times any activity").sum() > 0
    print(
        json.dumps(
            {
                "seconds": seconds,
                "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
            }
        )
    )


def measured(activities: int) -> dict[str, float]:
    command = f"from tests.benchmarks.test_features_speed import run; run({activities})"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=root, capture_output=True, text=True, check=True
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


@pytest.mark.timeout(900)
def test_twice_the_activities_take_no_more_than_twice_the_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sizes = (1_000_000, 2_000_000, 4_000_000)
    costs = {size: measured(size) for size in sizes}
    with capsys.disabled():
        for size, cost in costs.items():
            print(
                f"\n{size:,} activities of {size // EACH:,} leads: {cost['seconds']:.1f} s,"
                f" {cost['gigabytes']:.2f} GB",
                end="",
            )
    for half, whole in ((sizes[0], sizes[1]), (sizes[1], sizes[2])):
        assert costs[whole]["seconds"] < 2.3 * costs[half]["seconds"]
        assert costs[whole]["gigabytes"] < 2 * costs[half]["gigabytes"]
