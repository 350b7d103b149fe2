"""Metrics for monitoring: tallies of requests, scores and labels, and the drift of scores.

A request only adds to plain numbers here, which costs it hardly anything. `prometheus` moves the
tallies into the client library's metrics, now and then and for a scrape. Nothing here names a lead.
"""

import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log

REQUEST_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
PROBABILITY_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FEEDBACK_LAG_SECONDS_BUCKETS = tuple(
    86_400.0 * days for days in (1 / 24, 0.25, 1, 2, 3, 7, 14, 30, 90, 180)
)
RECENT_SCORES = 1000
"""Scores of a process that the drift is computed from."""

MIN_SCORES_FOR_DRIFT = 100
"""With fewer scores a drift would be chance."""

MIN_BINS_FOR_DRIFT = 5

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder in which the metrics of several workers meet."""


class HistogramTally:
    """Counts of values by bucket, and their sum. The last bucket has no upper bound."""

    def __init__(self, upper_bounds: tuple[float, ...]) -> None:
        self._upper_bounds = upper_bounds
        self.counts = [0] * (len(upper_bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self._upper_bounds, value)] += 1
        self.sum += value


@dataclass
class Tallies:
    """What was counted since the tallies were last taken."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    request_seconds: dict[str, HistogramTally] = field(default_factory=dict)
    scores: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    faulty_leads: int = 0
    unexpected: Counter[tuple[str, str]] = field(default_factory=Counter)
    probability: HistogramTally = field(default_factory=lambda: HistogramTally(PROBABILITY_BUCKETS))
    scores_kept: int = 0
    scores_not_kept: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    feedback_lag: HistogramTally = field(
        default_factory=lambda: HistogramTally(FEEDBACK_LAG_SECONDS_BUCKETS)
    )


class Metrics:
    """Counts what one process does. Safe to use from several threads."""

    def __init__(self) -> None:
        self._tallies = Tallies()
        self._lock = threading.Lock()
        self._recent_probabilities: deque[float] = deque(maxlen=RECENT_SCORES)
        self._fingerprint = ""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        with self._lock:
            self._tallies.requests[(method, route, status)] += 1
            histogram = self._tallies.request_seconds.get(route)
            if histogram is None:
                histogram = HistogramTally(REQUEST_SECONDS_BUCKETS)
                self._tallies.request_seconds[route] = histogram
            histogram.add(seconds)

    def scored(
        self,
        fingerprint: str,
        mode: str,
        grades: Sequence[str],
        probabilities: Sequence[float],
        faults: int,
    ) -> None:
        """Leads were scored by the model of this fingerprint, and so many could not be."""
        with self._lock:
            if fingerprint != self._fingerprint:
                self._fingerprint = fingerprint
                # Another model's scores say nothing about this one's drift.
                self._recent_probabilities.clear()
            self._recent_probabilities.extend(probabilities)
            self._tallies.faulty_leads += faults
            scores = self._tallies.scores
            histogram = self._tallies.probability
            for grade, probability in zip(grades, probabilities, strict=True):
                scores[(fingerprint, mode, grade)] += 1
                histogram.add(probability)

    def unexpected(self, values: Iterable[tuple[str, str]]) -> None:
        """Values were given that training did not have: their columns, and of which kind."""
        with self._lock:
            unexpected = self._tallies.unexpected
            for value in values:
                unexpected[value] += 1

    def kept(self, scores: int) -> None:
        """So many scores were kept for sales and for learning."""
        with self._lock:
            self._tallies.scores_kept += scores

    def not_kept(self, scores: int) -> None:
        """So many scores were given but not kept, because the database failed or was too slow."""
        with self._lock:
            self._tallies.scores_not_kept += scores

    def labeled(self, label: str, lag_seconds: float | None) -> None:
        """Somebody gave a label, so many seconds after the score that it answers; None where there
        was none."""
        with self._lock:
            self._tallies.labels[label] += 1
            if lag_seconds is not None:
                self._tallies.feedback_lag.add(lag_seconds)

    def refused(self, reason: str) -> None:
        """A connection was closed or a request was put off for this reason, before anybody could
        answer it."""
        with self._lock:
            self._tallies.refused[reason] += 1

    def take(self) -> Tallies:
        """What was counted since this was last asked; counting begins anew."""
        with self._lock:
            tallies, self._tallies = self._tallies, Tallies()
        return tallies

    def recent_score_counts(self, typical_log_odds: Sequence[float]) -> list[int]:
        """How many of the recent scores lie nearest to each of the typical ones, which ascend."""
        with self._lock:
            probabilities = list(self._recent_probabilities)
        bounds = [(low + high) / 2 for low, high in pairwise(typical_log_odds)]
        counts = Counter(bisect_left(bounds, log(p / (1 - p))) for p in probabilities)
        return [counts[i] for i in range(len(typical_log_odds))]

    def drift(self, typical_log_odds: Sequence[float]) -> float | None:
        """The drift of this process's recent scores, as of `population_stability_index`."""
        return population_stability_index(self.recent_score_counts(typical_log_odds))


def population_stability_index(counts: Sequence[float]) -> float | None:
    """The population stability index (PSI) of counts in bins that held equal shares in training.

    That is the sum of (p - q) ln(p / q). Siddiqi (Credit Risk Scorecards, 2006) takes 0.1 and 0.25
    as signs of change. None where there are too few scores or bins.
    """
    scores = sum(counts)
    bins = len(counts)
    if bins < MIN_BINS_FOR_DRIFT or scores < MIN_SCORES_FOR_DRIFT:
        return None
    expected = 1 / bins
    shares = [(count + 0.5) / (scores + 0.5 * bins) for count in counts]
    return sum((share - expected) * log(share / expected) for share in shares)
