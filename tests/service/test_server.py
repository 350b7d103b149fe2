"""The process: several workers, a graceful end, and what it never loads."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.service.conftest import COMMAND, Live, serving, until


def counted(url: str, series: str) -> float:
    """The value of a series in one scrape, over a new connection; 0 if it is not there."""
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        if line.startswith(f"{series} "):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def workers_of(live: Live) -> list[int]:
    """The processes of the workers that have started, by the log."""
    lines = [line for line in live.journal().splitlines() if line[:1] == "{"]
    events = [json.loads(line) for line in lines]
    return [event["worker"] for event in events if event["event"] == "started"]


SCORED = 'winnable_requests_total{method="POST",route="/score",status="200"}'


def test_several_workers_tell_of_all_in_one_scrape_and_end_gracefully(
    store: Path, tmp_path: Path
) -> None:
    folders = {"TMPDIR": str(tmp_path)}
    with serving(store, tmp_path / "log", "--workers", "2", environment=folders) as live:
        until(lambda: len(workers_of(live)) == 2)
        for _ in range(40):  # a new connection each, for any of the workers to take
            lead = {"leads": [{"Employees": 10}]}
            assert httpx.post(f"{live.url}/score", json=lead).status_code == 200
        until(lambda: counted(live.url, SCORED) == 40)
        # Whichever worker is scraped says the same.
        assert {counted(live.url, SCORED) for _ in range(20)} == {40.0}
        assert counted(live.url, "winnable_score_probability_count") == 40
        (folder,) = tmp_path.glob("winnable-metrics-*")
        both = {f"counter_{worker}.db" for worker in workers_of(live)}
        until(lambda: both <= {file.name for file in folder.iterdir()})

        os.kill(workers_of(live)[0], signal.SIGKILL)
        until(lambda: len(workers_of(live)) == 3)
        # What the dead worker counted stays, but it has no say in what is the case now.
        assert counted(live.url, SCORED) == 40
        dead = f"gauge_livemax_{workers_of(live)[0]}.db"
        until(lambda: counted(live.url, SCORED) == 40 and not (folder / dead).exists())
    assert live.process.returncode == 0
    assert not folder.exists()


def test_requests_under_way_are_finished(store: Path, tmp_path: Path) -> None:
    content = json.dumps({"leads": [{"Employees": i} for i in range(1000)]}).encode()
    head = (
        "POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type:"
        f" application/json\r\nContent-Length: {len(content)}\r\n"
    )
    with serving(store, tmp_path / "log") as live:
        with socket.create_connection(("127.0.0.1", int(live.url.rsplit(":", 1)[1]))) as connection:
            connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert connection.recv(1 << 16).startswith(
                b"HTTP/1.1 100"
            )  # it is under way, and waits for its body
            live.process.send_signal(signal.SIGTERM)
            connection.sendall(content)
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert live.process.wait(20) == 0
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b'"score_id"') == 1000


def test_a_slow_body_does_not_hold_the_others_up(live) -> None:
    port = int(live.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(
            b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type:"
            b" application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        assert httpx.post(f"{live.url}/score", json={"leads": [{}]}).status_code == 200


def test_an_answer_arrives_in_one_piece(live) -> None:
    with socket.create_connection(("127.0.0.1", int(live.url.rsplit(":", 1)[1]))) as connection:
        for _ in range(5):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(1 << 16).endswith(b'\r\n\r\n{"status":"ok"}')


def test_a_taken_port_is_told(store: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [*COMMAND, "serve", "--store", str(store), "--port", str(port)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Choose another --port" in done.stderr


def test_any_asgi_server_can_run_it(demo_store) -> None:
    """The factory takes its store from the environment; and what answers has loaded nothing that
    trains."""
    code = """
import asyncio, sys
from winnable.service.api import create_app

async def main():
    app = create_app()
    sent = []
    body = b'{"leads": [{"Employees": 10}]}'
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/score", "raw_path": b"/score", "root_path": "", "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}
    async def send(message):
        sent.append(message)
    await app(scope, receive, send)
    assert sent[0]["status"] == 200, sent
    assert b'"probability":0.' in sent[1]["body"]

asyncio.run(main())
heavy = (
    "mlflow", "pandas", "sklearn", "matplotlib", "lightgbm", "catboost", "scipy", "ibis", "duckdb",
    "pyarrow", "sqlalchemy",
)
print(*(name for name in heavy if name in sys.modules))
"""
    environment = {"WINNABLE_STORE": str(demo_store.store), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_a_served_process_is_small(store: Path, tmp_path: Path) -> None:
    """Some seconds after its start, when it has handed back what loading took for a moment."""
    with serving(store, tmp_path / "log") as live:
        httpx.post(f"{live.url}/score", json={"leads": [{"Employees": 10}]})
        status = Path(f"/proc/{live.process.pid}/status")

        def resident() -> int:
            lines = status.read_text().splitlines()
            return int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))

        time.sleep(5)
        until(lambda: resident() < 120_000)  # kB
