"""Attacks on what a service has acknowledged: many clients at once, and processes that are killed
in the middle of it."""

import os
import queue
import random
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import sqlalchemy as sql

from tests.service.conftest import COMMAND, Live
from winnable.data.feedback.store.store import FeedbackStore

PATIENCE_SECONDS = 300.0
"""For one label, however often its worker is killed."""


def post_labels(url: str, labels: int, clients: int) -> dict[str, str]:
    """Give so many labels from so many clients at once, each until it is acknowledged; returns
    the ids of the labels by their keys."""
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(labels):
        numbers.put(number)
    acknowledged: dict[str, str] = {}

    def work() -> None:
        with suppress(queue.Empty):
            while True:
                number = numbers.get_nowait()
                acknowledged[f"key-{number}"] = post_label(url, number)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return acknowledged


def post_label(url: str, number: int) -> str:
    """Give one label, again with the same key while no answer comes; returns its id."""
    label = {"lead_id": f"L-{number}", "label": "won", "by": "Kim", "note": f"number {number}"}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            answer = httpx.post(
                f"{url}/feedback",
                json=label,
                headers={"Idempotency-Key": f"key-{number}"},
                timeout=30,
            )
            if answer.status_code == 201:
                return str(answer.json()["label_id"])
            assert answer.status_code == 503, answer.text
        time.sleep(0.05)
    raise AssertionError("a label was never acknowledged")


class Killer:
    """Kills one of the service's processes again and again while a block runs, so many times at
    most."""

    def __init__(self, live: Live, times: int, pause: float, seed: int = 7) -> None:
        self._live = live
        self._times = times
        self._pause = pause
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.kills = 0

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def has_more(self) -> bool:
        """Whether it is still at work."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while self.kills < self._times:
            if self._stop.wait(self._pause * (0.5 + self._chance.random())):
                return
            running = workers(self._live.process.pid)
            if running:
                with suppress(ProcessLookupError):
                    os.kill(self._chance.choice(running), signal.SIGKILL)
                    self.kills += 1


def workers(process: int) -> list[int]:
    """The processes that a server started: its workers, and theirs that keep scores."""
    found: list[int] = []
    for child in children(process):
        with suppress(OSError):
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"spawn_main" in command or b"score_log_worker" in command:
                found += [child, *workers(child)]
    return found


def children(process: int) -> list[int]:
    """The processes that a process started."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def import_with_kills(file: Path, store: Path, kills: int, environment: Mapping[str, str]) -> None:
    """Import a file of labels in a process that is killed so many times; then once to the end."""
    command = [*COMMAND, "feedback", "import", str(file), "--store", str(store)]
    chance = random.Random(7)
    for _ in range(kills):
        process = subprocess.Popen(command, env={**os.environ, **environment})
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5 + 1.5 * chance.random())
        process.kill()
        process.wait()
    subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)


def faults(feedback: FeedbackStore, acknowledged: Mapping[str, str]) -> list[str]:
    """What is lost, doubled or half among the labels of `post_labels`; nothing if all is well."""
    with feedback.reading() as connection:
        labels = connection.execute(sql.text("SELECT key, label_id, lead_id FROM labels")).all()
        entries = connection.scalars(
            sql.text("SELECT subject FROM audit WHERE action = 'labelled'")
        ).all()
        leads = connection.execute(sql.text("SELECT lead_id, label_id, state FROM leads")).all()
    by_key = {row.key: row.label_id for row in labels}
    label_of_lead = {row.lead_id: row.label_id for row in labels}
    found = [f"{key} is lost" for key, label in acknowledged.items() if by_key.get(key) != label]
    if len(label_of_lead) < len(labels):
        found.append("labels are doubled")
    if sorted(entries) != sorted(row.label_id for row in labels):
        found.append("labels and the audit trail differ")
    found += [
        f"{row.lead_id} is half"
        for row in leads
        if row.state != "won" or label_of_lead.get(row.lead_id) != row.label_id
    ]
    return found
