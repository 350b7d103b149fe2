"""The journal: one JSON object a line on standard error, for the requests and for what happens to
the service.

A line about a request holds its id, route, status, time and number of leads: nothing of what was in
it. Lines about requests are written in bunches, since a system call for each would cost more than
the line; lines about events are written at once.
"""

import json
import logging
import sys
import threading
import time
from functools import lru_cache
from typing import TextIO

BUNCH = 512  # lines held back at most


class JsonLogger:
    """Writes lines to a stream. Safe to use from several threads."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._lock = threading.Lock()

    def event(self, event: str, level: str = "info", **facts: object) -> None:
        """Write down that something happened, with what the bunch holds before it."""
        self._lines.append(line_of(event, level, facts))
        self.flush()

    def request(
        self, request_id: str, method: str, route: str, status: int, seconds: float, leads: int
    ) -> None:
        """Take a request into the bunch. Every text is one of our own words, or was checked to need
        no escapes."""
        self._lines.append(
            f'{{"at":"{_now()}","level":"info","event":"request","request_id":"{request_id}","method":"{method}","route":"{route}",'
            f'"status":{status},"ms":{seconds * 1000:.2f},"leads":{leads}}}\n'
        )
        if len(self._lines) >= BUNCH:
            self.flush()

    def flush(self) -> None:
        """Write what the bunch holds."""
        with self._lock:
            lines, self._lines = self._lines, []
            if lines:
                stream = self._stream or sys.stderr
                stream.write("".join(lines))
                stream.flush()


def line_of(event: str, level: str, facts: dict[str, object]) -> str:
    """One line of the journal."""
    return (
        json.dumps(
            {"at": _now(), "level": level, "event": event, **facts}, ensure_ascii=False, default=str
        )
        + "\n"
    )


def _now() -> str:
    seconds, millis = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{millis:03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class JsonFormatter(logging.Formatter):
    """Writes the records of other libraries' loggers as such lines. Tracebacks are cut to the kind
    of the error: its text may hold values."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line, without the line's end."""
        facts: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            facts["error"] = record.exc_info[0].__name__
        told = record.getMessage().split("\n", 1)[0]
        return line_of(told, record.levelname.lower(), facts).rstrip("\n")
