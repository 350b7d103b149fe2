"""Refusals: what the limits of connections and wrong keys refuse, counted for the metrics at once
and told to the log once a second, since an attack must not fill the log."""

import time
from collections import Counter

from winnable.service.http.logs import JsonLogger
from winnable.service.http.metrics import Metrics

LOG_INTERVAL_SECONDS = 1.0
COUNT_REFUSAL = "winnable.count_refusal"
"""The name in the lifespan's state under which the application gives the server's connections
`Refusals.count`."""


class Refusals:
    """Counts refusals by reason. For the event loop only."""

    def __init__(self, metrics: Metrics, logger: JsonLogger) -> None:
        self._metrics = metrics
        self._logger = logger
        self._unlogged: Counter[str] = Counter()
        self._log_due = 0.0

    def count(self, reason: str) -> None:
        """Something was refused."""
        self._metrics.refused(reason)
        self._unlogged[reason] += 1

    def flush(self) -> None:
        """Log what was refused, a line for each reason, if it is time to."""
        if not self._unlogged or time.monotonic() < self._log_due:
            return
        self._log_due = time.monotonic() + LOG_INTERVAL_SECONDS
        unlogged, self._unlogged = self._unlogged, Counter()
        for reason, count in unlogged.items():
            self._logger.event("refused", level="error", reason=reason, count=count)
