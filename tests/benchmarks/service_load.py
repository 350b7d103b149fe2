"""A load generator, run in a process of its own: python service_load.py PORT PATH BODY_FILE
CONNECTIONS SECONDS.

Each connection sends the same request again as soon as it has its answer. Prints JSON: requests a
second, milliseconds at the 50th and the 99th percentile, and how many answers were not 200.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop


class Asker(asyncio.Protocol):
    """One connection. It reads no more of an answer than its status and length."""

    def __init__(self, request: bytes, until: float, seconds: list[float]) -> None:
        self.request, self.until, self.seconds = request, until, seconds
        self.failed, self.left, self.buffer = 0, 0, b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if not self.left:
            self.buffer += data
            head, found, body = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            self.failed += not head.startswith(b"HTTP/1.1 200")
            lengths = [
                line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
            ]
            self.left, data, self.buffer = int(lengths[0].split(b":")[1]), body, b""
        self.left -= len(data)
        if self.left <= 0:
            now = time.perf_counter()
            self.seconds.append(now - self.sent)
            if now < self.until:
                self.ask()
            else:
                self.transport.close()
                self.done.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.failed += 1
            self.done.set_result(None)


async def load(
    port: int, path: str, body: bytes, connections: int, seconds: float
) -> dict[str, float]:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type:"
        f" application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    times: list[float] = []
    start = time.perf_counter()
    loop = asyncio.get_running_loop()
    askers = [
        (
            await loop.create_connection(
                lambda: Asker(head.encode() + body, start + seconds, times), "127.0.0.1", port
            )
        )[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(asker.done for asker in askers))
    took, times = time.perf_counter() - start, sorted(times)
    at = {
        f"p{part}": 1000 * times[min(len(times) - 1, len(times) * part // 100)] for part in (50, 99)
    }
    return {"per_second": len(times) / took, **at, "failed": sum(asker.failed for asker in askers)}


if __name__ == "__main__":
    port, path, body, connections, seconds = sys.argv[1:]
    print(
        json.dumps(
            uvloop.run(
                load(int(port), path, Path(body).read_bytes(), int(connections), float(seconds))
            )
        )
    )
