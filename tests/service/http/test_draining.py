"""Asked to stop or to begin anew under load, the service answers every request that it took."""

import http.client
import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.service.conftest import Live, serving, until
from tests.service.test_server import workers_of

BODY = json.dumps({"leads": [{"Employees": 10}]})
HEADERS = {"Content-Type": "application/json"}
CLIENTS = 6


class Load:
    """Clients that ask for scores as fast as they can: half of them on one connection for as long
    as the service keeps it, half on a new one each time."""

    def __init__(self, live: Live) -> None:
        self._port = int(live.url.rsplit(":", 1)[1])
        self.answers: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask_on, args=(i % 2 == 0,)) for i in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask_on(self, keep: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._stop.is_set():
            try:
                connection.request("POST", "/score", BODY, HEADERS)
                answer = connection.getresponse()
                answer.read()
                outcome = str(answer.status)
                if not keep:
                    connection.close()
            except ConnectionRefusedError:  # it listens no more, and took nothing
                outcome = "refused"
                connection.close()
                time.sleep(0.01)
            except (OSError, http.client.HTTPException) as error:
                outcome = type(error).__name__
                connection.close()
            with self._lock:
                self.answers[outcome] += 1
        connection.close()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_no_request_is_lost(
    store: Path, tmp_path: Path, workers: int, number: signal.Signals
) -> None:
    """One worker ends by either signal; several are replaced by SIGHUP, one after the other."""
    with serving(store, tmp_path / "log", "--workers", str(workers)) as live:
        until(lambda: len(workers_of(live)) == workers)
        load = Load(live)
        try:
            until(lambda: load.answers["200"] >= 100)
            live.process.send_signal(number)
            if workers > 1 and number == signal.SIGHUP:
                until(lambda: live.journal().count('"stopped"') == workers, 120)
                assert live.process.poll() is None
                answered = load.answers["200"]
                until(lambda: load.answers["200"] > answered + 20)
                assert load.answers.keys() == {"200"}
            else:
                assert live.process.wait(60) == 0
        finally:
            load.stop()
    assert load.answers.keys() <= {"200", "refused"}, load.answers


def test_a_worker_that_dies_while_it_is_asked_is_replaced_at_once(
    store: Path, tmp_path: Path
) -> None:
    with serving(store, tmp_path / "log", "--workers", "2") as live:
        until(lambda: len(workers_of(live)) == 2)
        victim, other = workers_of(live)
        kill_while_it_is_asked(victim)
        until(lambda: len({*workers_of(live)} - {victim, other}) == 1, 20)


def test_the_service_stops_at_once_although_a_worker_just_died(store: Path, tmp_path: Path) -> None:
    with serving(store, tmp_path / "log", "--workers", "2") as live:
        until(lambda: len(workers_of(live)) == 2)
        kill_while_it_is_asked(workers_of(live)[0])
        live.process.send_signal(signal.SIGTERM)
        assert live.process.wait(20) == 0


def kill_while_it_is_asked(worker: int) -> None:
    """Kill a worker after the process above it has asked whether it lives, which it does every half
    a second, and before it can answer."""
    os.kill(worker, signal.SIGSTOP)
    time.sleep(2)
    os.kill(worker, signal.SIGKILL)
