"""An hour's load in short, with promotions in it, and ten thousand broken bodies."""

import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.service.conftest import Live, serving
from tests.service.scoring.test_champion import LEAD, wait_for
from tests.service.test_robustness import BODY, PIECES, check, mutated
from winnable.definition.load import load_definition
from winnable.learning.artifacts.artifact import read_artifact
from winnable.learning.artifacts.deployed import deploy
from winnable.learning.scoring.predictor import scorecard_artifact

REQUESTS = 40_000


@pytest.fixture(scope="module")
def client(demo_store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        serving(demo_store.store, tmp_path_factory.mktemp("live") / "log") as live,
        live.client() as client,
    ):
        yield client


def resident(live: Live) -> int:
    """Memory of the process in kB."""
    status = Path(f"/proc/{live.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def test_twenty_promotions_under_load(demo_store, tmp_path: Path) -> None:
    """No request fails, and memory does not grow with their number."""
    artifacts = [
        read_artifact(demo_store.store / "served" / "1"),
        scorecard_artifact(load_definition(demo_store.files.definition)),
    ]
    store = tmp_path / "store"
    deploy(store, 1, artifacts[0])
    counts: list[int] = []
    failed: list[str] = []
    left = threading.Semaphore(REQUESTS)

    def ask(url: str) -> None:
        done = 0
        with httpx.Client(base_url=url, timeout=60) as client:
            while left.acquire(blocking=False):
                answer = client.post("/score", json=LEAD)
                done += 1
                if answer.status_code != 200:
                    failed.append(answer.text)
        counts.append(done)

    with serving(store, tmp_path / "log") as live, live.client() as client:
        askers = [threading.Thread(target=ask, args=(live.url,)) for _ in range(4)]
        for asker in askers:
            asker.start()
        memory = []
        for version in range(2, 22):
            deploy(store, version, artifacts[version % 2 - 1])
            wait_for(client, str(version))
            memory.append(resident(live))
        for asker in askers:
            asker.join()
        memory.append(resident(live))
    print(
        f"\n{sum(counts):,} requests, 20 promotions, {len(failed)} failed; {memory[3]:,} kB, at the"
        f" end {memory[-1]:,} kB"
    )
    assert failed == []
    assert sum(counts) == REQUESTS
    assert memory[-1] < 1.1 * memory[3]


@settings(
    max_examples=10_000,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(body=BODY, places=st.lists(st.tuples(st.integers(0, 10_000), PIECES), max_size=4))
def test_ten_thousand_mutated_bodies(
    client: httpx.Client, body: dict, places: list[tuple[int, bytes]]
) -> None:
    content = mutated(json.dumps(body).encode(), places)
    check(client.post("/score", content=content, headers={"Content-Type": "application/json"}))


def test_ten_megabytes_of_anything(client: httpx.Client) -> None:
    for piece in (
        b"[",
        b"{",
        b'"',
        b"9",
        b'{"leads":[',
        b" ",
        b"\x00",
        random.Random(0).randbytes(1000),
    ):
        content = (piece * (10_000_000 // len(piece)))[:9_999_000]
        check(client.post("/score", content=content, headers={"Content-Type": "application/json"}))
    assert client.get("/healthz").status_code == 200
