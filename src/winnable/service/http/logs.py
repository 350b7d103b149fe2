"""Logs: one JSON object a line on standard error, for the requests and for what happens to the
service, by the standard library's `logging`.

A line about a request holds its id, route, status, time, number of leads and the name of its key:
nothing of what was in it. These access lines are written in batches, since a record and a system
call for each would cost more than the line; lines about events are written at once.
"""

import json
import logging
import sys
import threading
import time
from functools import lru_cache
from typing import TextIO

LOGGER = "winnable.service"
MAX_HELD_LINES = 512
_LEVELS = {"info": logging.INFO, "error": logging.ERROR}


class JsonFormatter(logging.Formatter):
    """Writes a log record as a JSON object: `at`, `level`, `event` and the record's `fields`.

    Records of other libraries name their logger instead. Tracebacks are cut to the kind of the
    error, since its text may hold values.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line, without the line's end."""
        fields: dict[str, object] | None = getattr(record, "fields", None)
        if fields is None:
            fields = {"logger": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            fields = fields | {"error": record.exc_info[0].__name__}
        line = {
            "at": _timestamp(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "event": record.getMessage().split("\n", 1)[0],
            **fields,
        }
        return json.dumps(line, ensure_ascii=False, default=str)


class JsonLogger:
    """The service's log. Safe to use from several threads."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._handler = logging.StreamHandler(stream or sys.stderr)
        self._handler.setFormatter(JsonFormatter())
        self._held_lines: list[str] = []
        self._lock = threading.Lock()

    def event(self, event: str, level: str = "info", **fields: object) -> None:
        """Log that something happened, after the lines that are held back."""
        self.flush()
        record = logging.LogRecord(LOGGER, _LEVELS[level], "", 0, event, None, None)
        record.fields = fields
        self._handler.handle(record)

    def request(
        self,
        request_id: str,
        method: str,
        route: str,
        status: int,
        seconds: float,
        leads: int,
        key: str = "",
    ) -> None:
        """Hold a request's line back; `key` is the name of the key that it was let in by. Every
        text is one of our own words, or was checked to need no escapes."""
        now = _timestamp(time.time_ns() // 1_000_000)
        by = f',"key":"{key}"' if key else ""
        self._held_lines.append(
            f'{{"at":"{now}","level":"info","event":"request","request_id":"{request_id}",'
            f'"method":"{method}","route":"{route}",'
            f'"status":{status},"ms":{seconds * 1000:.2f},"leads":{leads}{by}}}\n'
        )
        if len(self._held_lines) >= MAX_HELD_LINES:
            self.flush()

    def flush(self) -> None:
        """Write the lines that are held back."""
        with self._lock:
            lines, self._held_lines = self._held_lines, []
        if lines:
            self._handler.acquire()
            try:
                self._handler.stream.write("".join(lines))
                self._handler.flush()
            finally:
                self._handler.release()


def _timestamp(milliseconds: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_whole_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=4)
def _whole_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
