"""The service against an empty endpoint and `mlflow models serve`, side by side in one run: every
assertion is a ratio."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx

from tests.benchmarks.conftest import Forty
from tests.service.conftest import COMMAND, free_port, serving

LOAD = Path(__file__).with_name("service_load.py")
ROUNDS = 5
EMPTY = """
from typing import Any
from fastapi import FastAPI
from pydantic import BaseModel

class Body(BaseModel):
    leads: list[dict[str, Any]]

app = FastAPI()

@app.post("/score")
async def score(body: Body) -> dict[str, bool]:
    return {"ok": True}

@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}
"""


@contextmanager
def empty_endpoint(folder: Path) -> Iterator[str]:
    (folder / "empty_endpoint.py").write_text(EMPTY)
    port = free_port()
    options = ["--port", str(port), "--log-level", "error", "--no-access-log"]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "empty_endpoint:app", *options], cwd=folder
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            httpx.get(url, timeout=5)
            return
        except httpx.TransportError:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)


def load(
    url: str, path: str, body: Path, connections: int = 8, seconds: float = 2
) -> dict[str, float]:
    command = [
        sys.executable,
        str(LOAD),
        url.rsplit(":", 1)[1],
        path,
        str(body),
        str(connections),
        str(seconds),
    ]
    told: dict[str, float] = json.loads(
        subprocess.run(command, check=True, capture_output=True).stdout
    )
    assert told["failed"] == 0
    return told


def test_single_leads_against_an_empty_endpoint(forty: Forty) -> None:
    """At least 0.6 of its requests a second, at most 2 times its 99th percentile; with reasons a
    third of that without."""
    body = forty.body()
    with empty_endpoint(forty.folder) as empty, serving(forty.store, forty.folder / "log") as live:
        load(empty, "/score", body), load(live.url, "/score", body)
        rounds = [
            (
                load(empty, "/score", body),
                load(live.url, "/score?reasons=false", body),
                load(live.url, "/score", body),
            )
            for _ in range(ROUNDS)
        ]
    speed = median(ours["per_second"] / base["per_second"] for base, ours, _ in rounds)
    tail = median(ours["p99"] / base["p99"] for base, ours, _ in rounds)
    reasons = median(told["per_second"] / ours["per_second"] for _, ours, told in rounds)
    rates = [median(each[i]["per_second"] for each in rounds) for i in range(3)]
    print(
        f"\nsingle leads: {rates[1]:,.0f} a second, an empty endpoint {rates[0]:,.0f} ({speed:.2f})"
    )
    print(f"with reasons {rates[2]:,.0f} ({reasons:.2f} of without)")
    print(f"99th percentile {tail:.2f} times that of the empty endpoint")
    assert speed >= 0.6
    assert tail <= 2
    assert reasons >= 1 / 3


def test_a_thousand_leads_a_request(forty: Forty) -> None:
    """At least 10 times the leads a second of single requests."""
    with serving(forty.store, forty.folder / "log") as live:
        load(live.url, "/score?reasons=false", forty.body())
        single = median(
            load(live.url, "/score?reasons=false", forty.body(), connections=1)["per_second"]
            for _ in range(3)
        )
        joined = median(
            load(live.url, "/score?reasons=false", forty.body())["per_second"] for _ in range(3)
        )
        many = median(
            1000
            * load(live.url, "/score?reasons=false", forty.body(1000), connections=2)["per_second"]
            for _ in range(3)
        )
    print(
        f"\n1,000 leads a request: {many:,.0f} leads a second, {many / single:.1f} times single"
        " requests on one connection,"
    )
    print(f"{many / joined:.1f} times those on eight, which are scored together")
    assert many >= 10 * single


def test_process_start_to_the_first_score(forty: Forty) -> None:
    """At most 1.5 times that of an empty endpoint. Both are compiled beforehand, as pip leaves what
    it installs."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(forty.folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def seconds(command: list[str], port: int) -> float:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=forty.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(f"http://127.0.0.1:{port}/healthz", process)
        answer = httpx.post(
            f"http://127.0.0.1:{port}/score", json={"leads": [forty.lead]}, timeout=30
        )
        took = time.perf_counter() - start
        assert answer.status_code == 200
        process.terminate()
        process.wait()
        return took

    (forty.folder / "empty_endpoint.py").write_text(EMPTY)
    rounds = []
    for _ in range(1 + ROUNDS):
        first, second = free_port(), free_port()
        base = seconds(
            [sys.executable, "-m", "uvicorn", "empty_endpoint:app", "--port", str(first)], first
        )
        rounds.append(
            (
                base,
                seconds(
                    [*COMMAND, "serve", "--store", str(forty.store), "--port", str(second)], second
                ),
            )
        )
    rounds = rounds[1:]  # the first one compiles
    ratio = median(ours / base for base, ours in rounds)
    print(
        f"\nstart to first score: {median(ours for _, ours in rounds):.2f} s, {ratio:.2f} times an"
        " empty endpoint"
    )
    assert ratio <= 1.5


def test_against_mlflow_models_serve(forty: Forty) -> None:
    """At least 30 times its requests a second, for the same model and lead."""
    port = free_port()
    body = forty.folder / "mlflow.json"
    body.write_text(
        json.dumps({"dataframe_records": [{k: v for k, v in forty.lead.items() if k != "Lead ID"}]})
    )
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{forty.store}/mlflow.db",
        "PATH": binaries,
    }
    command = [
        str(Path(sys.executable).with_name("mlflow")),
        "models",
        "serve",
        "-m",
        "models:/winnable/1",
        "--env-manager",
        "local",
    ]
    with serving(forty.store, forty.folder / "log") as live:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--workers", "1"],
            env=environment,
            start_new_session=True,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/ping", process)
            url = f"http://127.0.0.1:{port}"
            load(url, "/invocations", body), load(live.url, "/score", forty.body())
            rounds = [
                (
                    load(url, "/invocations", body),
                    load(live.url, "/score?reasons=false", forty.body()),
                )
                for _ in range(3)
            ]
        finally:
            os.killpg(process.pid, 15)
            process.wait()
    ratio = median(ours["per_second"] / theirs["per_second"] for theirs, ours in rounds)
    print(
        f"\n{ratio:.0f} times mlflow models serve ({rounds[0][0]['per_second']:.0f} requests a"
        " second)"
    )
    assert ratio >= 30
