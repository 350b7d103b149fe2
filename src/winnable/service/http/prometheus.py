"""Prometheus: the tallies of `metrics` as the client library's metrics, and the text of a scrape.

With several workers each writes its numbers into files of a folder that all of them share
(`PROMETHEUS_MULTIPROC_DIR`, made by `winnable serve`), and whichever worker is scraped adds up what
is there: one scrape tells the whole service. The folder has to be named before this module is
loaded, which the library asks for. Loaded with the first need, since it takes long.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from winnable.service.http.metrics import (
    FEEDBACK_LAG_SECONDS_BUCKETS,
    METRICS_FOLDER,
    PROBABILITY_BUCKETS,
    RECENT_SCORES,
    REQUEST_SECONDS_BUCKETS,
    HistogramTally,
    Metrics,
    population_stability_index,
)

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
GAUGE_INTERVAL_SECONDS = 1.0
"""Between two updates of the gauges that the workers share."""

_RECENT = "winnable_recent_scores"
_DRIFT = "winnable_score_drift_psi"
_DRIFT_HELP = (
    f"Population stability index of the last {RECENT_SCORES:,} probabilities (of each worker)"
    " against the training; above 0.25 is much."
)

disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class ModelState:
    """The model in charge, for the gauges.

    `typical_log_odds` are scores typical of its training, each for an equal share of the leads,
    `known_until` is when its history ends, `changed_at` when it took charge (seconds since 1970).
    """

    version: str
    fingerprint: str
    mode: str
    typical_log_odds: Sequence[float]
    known_until: datetime | None
    changed_at: float
    has_problem: bool


class TalliedHistogram(Histogram):
    """A histogram that takes many values at once, as counts by bucket."""

    def add(self, tally: HistogramTally) -> None:
        """Add what was counted, in the same buckets."""
        self._sum.inc(tally.sum)
        for bucket, count in zip(self._buckets, tally.counts, strict=True):
            if count:
                bucket.inc(count)


class PrometheusExporter:
    """The metrics of one process, or its part of those of the whole service."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._folder = os.environ.get(METRICS_FOLDER)
        self._state: ModelState | None = None
        self._gauges_due = 0.0
        # In a process of several the registry of a scrape reads the files of all of them instead.
        registry = CollectorRegistry()
        self._requests = Counter(
            "winnable_requests_total",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._request_seconds = TalliedHistogram(
            "winnable_request_seconds",
            "Time to answer a request.",
            ("route",),
            registry=registry,
            buckets=REQUEST_SECONDS_BUCKETS,
        )
        self._scores = Counter(
            "winnable_scores_total", "Leads scored.", ("model", "mode", "grade"), registry=registry
        )
        self._faulty_leads = Counter(
            "winnable_faulty_leads_total", "Leads that could not be scored.", registry=registry
        )
        self._unexpected = Counter(
            "winnable_unexpected_values_total",
            "Values of leads that training did not have, by column and kind.",
            ("column", "kind"),
            registry=registry,
        )
        self._scores_kept = Counter(
            "winnable_scores_kept_total",
            "Scores saved to the feedback store.",
            registry=registry,
        )
        self._scores_not_kept = Counter(
            "winnable_scores_not_kept_total", "Scores that could not be saved.", registry=registry
        )
        self._probability = TalliedHistogram(
            "winnable_score_probability",
            "Probabilities returned.",
            registry=registry,
            buckets=PROBABILITY_BUCKETS,
        )
        self._labels = Counter(
            "winnable_labels_total", "Labels saved.", ("label",), registry=registry
        )
        self._feedback_lag = TalliedHistogram(
            "winnable_feedback_lag_seconds",
            "Time from a score until a label answers it.",
            registry=registry,
            buckets=FEEDBACK_LAG_SECONDS_BUCKETS,
        )
        self._refused = Counter(
            "winnable_refused_total",
            "Connections closed or put off by a limit, before their requests were answered.",
            ("reason",),
            registry=registry,
        )
        # The workers take a model up one after the other; the one longest in charge counts.
        self._in_charge = Gauge(
            "winnable_model_in_charge_seconds",
            "Time since the live model was loaded.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._problem = Gauge(
            "winnable_model_problem",
            "1 while something is not as it should be; /readyz says what.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._recent_scores = Gauge(
            _RECENT,
            "Recent scores by bin, which the drift is computed from.",
            ("model", "bin"),
            registry=registry,
            multiprocess_mode="livesum",
        )
        source = registry if self._folder is None else _read_all_workers()
        self._scraped = CollectorRegistry()
        self._scraped.register(_ServiceCollector(self, source))

    @property
    def state(self) -> ModelState:
        """The model in charge as of the last flush."""
        assert self._state is not None, "flushed before it is read"
        return self._state

    @property
    def is_shared(self) -> bool:
        """Whether other workers' scrapes need what this process counts."""
        return self._folder is not None

    def flush(self, state: ModelState, *, force: bool = False) -> None:
        """Move the tallies into the library's metrics, and the gauges if they are due."""
        if force or time.monotonic() >= self._gauges_due:
            self._gauges_due = time.monotonic() + GAUGE_INTERVAL_SECONDS
            self._set_gauges(state)
        tallies = self._metrics.take()
        for (method, route, status), count in tallies.requests.items():
            self._requests.labels(method, route, str(status)).inc(count)
        for route, seconds in tallies.request_seconds.items():
            self._request_seconds.labels(route).add(seconds)
        for (fingerprint, mode, grade), count in tallies.scores.items():
            self._scores.labels(fingerprint, mode, grade).inc(count)
        for label, count in tallies.labels.items():
            self._labels.labels(label).inc(count)
        for reason, count in tallies.refused.items():
            self._refused.labels(reason).inc(count)
        for (column, kind), count in tallies.unexpected.items():
            self._unexpected.labels(column, kind).inc(count)
        self._faulty_leads.inc(tallies.faulty_leads)
        self._scores_kept.inc(tallies.scores_kept)
        self._scores_not_kept.inc(tallies.scores_not_kept)
        self._probability.add(tallies.probability)
        self._feedback_lag.add(tallies.feedback_lag)

    def exposition(self, state: ModelState) -> bytes:
        """All of it in Prometheus' text format."""
        self.flush(state, force=True)
        if self._folder is not None:
            _forget_dead_workers(Path(self._folder))
        text: bytes = generate_latest(self._scraped)
        return text

    def close(self, state: ModelState) -> None:
        """Leave what was counted to the other workers."""
        self.flush(state)
        if self._folder is not None:
            mark_process_dead(os.getpid(), self._folder)  # type: ignore[no-untyped-call]

    def _set_gauges(self, state: ModelState) -> None:
        before, self._state = self._state, state
        self._in_charge.set(time.time() - state.changed_at)
        self._problem.set(int(state.has_problem))
        if before is not None and before.fingerprint != state.fingerprint:
            for i in range(len(before.typical_log_odds)):
                self._recent_scores.labels(before.fingerprint, str(i)).set(0)
        counts = self._metrics.recent_score_counts(state.typical_log_odds)
        for i, count in enumerate(counts):
            self._recent_scores.labels(state.fingerprint, str(i)).set(count)


def _read_all_workers() -> MultiProcessCollector:
    return MultiProcessCollector(None)  # type: ignore[no-untyped-call]


def _forget_dead_workers(folder: Path) -> None:
    """Take away the gauges of workers that died without a word; what they counted stays."""
    if os.name == "nt":  # there `os.kill` asks nothing but kills
        return
    for file in folder.glob("gauge_live*_*.db"):
        process = int(file.stem.rpartition("_")[2])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]
        except PermissionError:  # alive, and somebody else's
            continue


class _ServiceCollector:
    """What a scrape tells: the metrics of `source`, the drift that follows from them, and the model
    in charge, which is the same for every worker."""

    def __init__(
        self, exporter: PrometheusExporter, source: CollectorRegistry | MultiProcessCollector
    ) -> None:
        self._exporter = exporter
        self._source = source

    def collect(self) -> Iterator[Metric]:
        """All of them, one after the other."""
        state = self._exporter.state
        counts = [0.0] * len(state.typical_log_odds)
        for metric in sorted(self._source.collect(), key=lambda metric: metric.name):
            if metric.name != _RECENT:
                yield metric
                continue
            for sample in metric.samples:
                if sample.labels["model"] == state.fingerprint:
                    counts[int(sample.labels["bin"])] += sample.value
        drift = population_stability_index(counts)
        if drift is not None:
            yield GaugeMetricFamily(_DRIFT, _DRIFT_HELP, drift)
        info = GaugeMetricFamily(
            "winnable_model_info", "The live model.", labels=("version", "fingerprint", "mode")
        )
        info.add_metric((state.version, state.fingerprint, state.mode), 1)
        yield info
        if state.known_until is not None:
            yield GaugeMetricFamily(
                "winnable_model_age_seconds",
                "Time since the end of the history that the model learned from.",
                time.time() - state.known_until.timestamp(),
            )
