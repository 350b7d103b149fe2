"""What one client can do to a real service by connections alone: unfinished heads, endless ones,
and more connections than there is room for."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import Live, serving, until
from winnable.service.http.guards.connections import MAX_CONNECTIONS, MAX_CONNECTIONS_PER_CLIENT
from winnable.service.http.keys import add_key
from winnable.service.http.protocol import HEAD_TIMEOUT_SECONDS, MAX_HEAD_BYTES

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


def connect(live: Live, host: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection((host, int(live.url.rsplit(":", 1)[1])), timeout=60)
    connection.settimeout(60)
    return connection


def answer_of(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except ConnectionError:  # closed while we were still sending
        pass
    return b"".join(parts)


def send_until_closed(connection: socket.socket, begin: bytes, piece: bytes, most: int) -> bytes:
    """Send pieces until the other side closes, or so many bytes were sent; what it answered."""
    try:
        connection.sendall(begin)
        for _ in range(most // len(piece)):
            connection.sendall(piece)
    except ConnectionError:
        pass
    else:
        pytest.fail(f"{most:,} bytes were taken")
    return answer_of(connection)


def refused(live: Live, reason: str) -> float:
    """How often the metrics say that something was refused for this reason."""
    name = f'winnable_refused_total{{reason="{reason}"}} '
    lines = httpx.get(f"{live.url}/metrics", timeout=60).text.splitlines()
    return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)


def resident_kilobytes(live: Live) -> int:
    lines = Path(f"/proc/{live.process.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


@contextmanager
def dripping(connections: dict[socket.socket, bytes]) -> Iterator[None]:
    """Every so often another byte on each connection, as long as the block lasts."""
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.5):
            for connection, piece in connections.items():
                try:
                    connection.sendall(piece)
                except OSError:
                    continue

    thread = threading.Thread(target=drip)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_unfinished_heads_hold_nobody_up(store: Path, tmp_path: Path) -> None:
    """More of them than there are connections; then they are closed, however slowly they go on."""
    with serving(store, tmp_path / "log") as live, ExitStack() as opened:
        connections = []
        for _ in range(MAX_CONNECTIONS + 5):
            connection = opened.enter_context(connect(live))
            connection.sendall(HEAD)
            connections.append(connection)
        answer = httpx.post(f"{live.url}/score", json={"leads": [{"Employees": 10}]}, timeout=60)
        assert answer.status_code == 200
        assert refused(live, "made_room") >= 5
        slow = opened.enter_context(connect(live))
        slow.sendall(HEAD + b"X: ")
        silent = opened.enter_context(connect(live))
        answered = opened.enter_context(connect(live))
        answered.sendall(
            b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
        )
        began = time.monotonic()
        with dripping({slow: b"x", answered: b"x"}):
            assert answer_of(slow).startswith(b"HTTP/1.1 408 ")
            assert answer_of(silent) == b""
            assert answer_of(answered).startswith(b"HTTP/1.1 404 ")
        assert time.monotonic() - began >= HEAD_TIMEOUT_SECONDS - 1
        assert answer_of(connections[-1]).startswith(b"HTTP/1.1 408 ")
        until(lambda: refused(live, "head_timeout") + refused(live, "made_room") >= 1000)
        until(lambda: '"event": "refused"' in live.journal())
        assert live.journal().count('"event": "refused"') < 50  # a line a second and reason


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", b"x" * 10_000),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"X: " + b"x" * 97 + b"\r\n"),
        (b"GET /", b"x" * 10_000),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"x" * 10_000),
    ],
    ids=["one header", "many headers", "path", "name of a header"],
)
def test_an_endless_head_is_refused(live: Live, begin: bytes, piece: bytes) -> None:
    before = (refused(live, "head_too_large"), resident_kilobytes(live))
    with connect(live) as connection:
        answer = send_until_closed(connection, begin, piece, 50_000_000)
    assert refused(live, "head_too_large") == before[0] + 1
    assert resident_kilobytes(live) < before[1] + 20_000
    if answer:  # it may be lost where we were still sending
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 431


def test_endless_trailers_are_refused(live: Live) -> None:
    begin = (
        b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    )
    before = resident_kilobytes(live)
    with connect(live) as connection:
        send_until_closed(connection, begin, b"X: " + b"x" * 10_000 + b"\r\n", 50_000_000)
    assert resident_kilobytes(live) < before + 20_000


@pytest.mark.parametrize(("room", "status"), [(100, 200), (-100, 431)])
def test_a_head_up_to_the_limit_is_read(live: Live, room: int, status: int) -> None:
    filler = b"x" * (MAX_HEAD_BYTES - room - len(HEAD))
    with connect(live) as connection:
        for _ in range(2 if status == 200 else 1):  # the second one on the same connection
            connection.sendall(HEAD + b"X: " + filler + b"\r\n\r\n")
            assert connection.recv(1 << 16).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_large_body_behind_its_head_is_no_large_head(live: Live) -> None:
    body = json.dumps({"leads": [{"Notes": "x" * 300_000}]}).encode()
    head = (
        "POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with connect(live) as connection:
        for _ in range(3):
            connection.sendall(head.encode() + body)
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_http_is_a_problem(live: Live) -> None:
    with connect(live) as connection:
        connection.sendall(b"no http at all\r\n\r\n")
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


def own_address() -> str:
    """An address of this machine that others can reach; the test is skipped where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("connections of another client: give this machine a network address")
        return str(probe.getsockname()[0])


def test_one_client_has_so_many_connections_and_no_more(store: Path, tmp_path: Path) -> None:
    host = own_address()
    _, key = add_key(store, "admin")
    with (
        serving(store, tmp_path / "log", "--host", "0.0.0.0") as live,
        live.client(key) as here,
        ExitStack() as opened,
    ):
        for _ in range(MAX_CONNECTIONS_PER_CLIENT + 20):
            opened.enter_context(connect(live, host)).sendall(HEAD)

        def count(reason: str) -> float:
            name = f'winnable_refused_total{{reason="{reason}"}} '
            lines = here.get("/metrics").text.splitlines()
            found = [line for line in lines if line.startswith(name)]
            return float(found[0].removeprefix(name)) if found else 0.0

        until(lambda: count("made_room") >= 20)
        # Others have room.
        assert here.get("/model").status_code == 200
