"""Metrics in Prometheus' text format: what was asked, how quickly it was answered, what the scores
were and whether they drift.

Each process counts for itself and says so by the label `worker`; with several workers a scrape
reaches one of them, and `sum without (worker)` over the series adds up what was scraped. Nothing
here names a lead.
"""

import os
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate, pairwise
from math import log
from typing import Any

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
PROBABILITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
DAYS = tuple(86_400.0 * days for days in (1 / 24, 0.25, 1, 2, 3, 7, 14, 30, 90, 180))
RECENT = 1000  # scores that the drift is taken of
LEAST = 100  # scores below which a drift would be chance
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = "winnable_request_seconds"

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """The counts of one process since its start."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, _Histogram] = {}
        self._scores: Counter[tuple[str, str, str]] = Counter()
        self._faults = 0
        self._kept, self._not_kept = 0, 0
        self._probability = _Histogram(PROBABILITIES)
        self._labels: Counter[tuple[str]] = Counter()
        self._lag = _Histogram(DAYS)
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._of = ""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests[(method, route, status)] += 1
        if route not in self._seconds:
            self._seconds[route] = _Histogram(SECONDS)
        self._seconds[route].add(seconds)

    def scored(
        self,
        model: str,
        mode: str,
        grades: Sequence[str],
        probabilities: Sequence[float],
        faults: int,
    ) -> None:
        """Leads were scored by the model of this fingerprint, and so many could not be."""
        if model != self._of:
            self._of = model
            self._recent.clear()  # another model's scores say nothing about this one's drift
        self._faults += faults
        self._recent.extend(probabilities)
        for grade, probability in zip(grades, probabilities, strict=True):
            self._scores[(model, mode, grade)] += 1
            self._probability.add(probability)

    def kept(self, many: int) -> None:
        """So many scores were kept for sales and for learning."""
        self._kept += many

    def not_kept(self, many: int) -> None:
        """So many scores were given but not kept, because the database failed or could not follow."""
        self._not_kept += many

    def heard(self, label: str, after: float | None) -> None:
        """Somebody gave a label, so many seconds after the score that it answers; None where there
        was none."""
        self._labels[(label,)] += 1
        if after is not None:
            self._lag.add(after)

    def exposition(
        self,
        model: Mapping[str, Any],
        usual: Sequence[float],
        known_until: datetime | None,
        changed_at: float,
        problem: bool,
    ) -> str:
        """All of it as text. `model` describes the one in charge, `usual` are scores (log-odds)
        typical of its training, each for an equal share of the leads, `known_until` is when its
        history ends, `changed_at` when it took charge.
        """
        lines = [
            *_counted(
                "winnable_requests_total",
                "Requests answered.",
                ("method", "route", "status"),
                self._requests,
            ),
            *_family(_SECONDS, "histogram", "Time to answer a request."),
            *(
                line
                for route, each in sorted(self._seconds.items())
                for line in each.lines(_SECONDS, (("route", route),))
            ),
            *_counted(
                "winnable_scores_total", "Leads scored.", ("model", "mode", "grade"), self._scores
            ),
            *_gauge(
                "winnable_faulty_leads_total",
                "Leads that could not be scored.",
                self._faults,
                kind="counter",
            ),
            *_gauge(
                "winnable_scores_kept_total",
                "Scores kept in the database of labels.",
                self._kept,
                kind="counter",
            ),
            *_gauge(
                "winnable_scores_not_kept_total",
                "Scores given but not kept.",
                self._not_kept,
                kind="counter",
            ),
            *_family("winnable_score_probability", "histogram", "Probabilities given."),
            *self._probability.lines("winnable_score_probability", ()),
            *_counted("winnable_labels_total", "Labels taken down.", ("label",), self._labels),
            *_family(
                "winnable_feedback_lag_seconds",
                "histogram",
                "Time from a score until a label answers it.",
            ),
            *self._lag.lines("winnable_feedback_lag_seconds", ()),
            *_family("winnable_model_info", "gauge", "The model in charge."),
            _line(
                "winnable_model_info",
                tuple((name, str(model[name])) for name in ("version", "fingerprint", "mode")),
                1,
            ),
            *_gauge(
                "winnable_model_in_charge_seconds",
                "Time since the model in charge was taken up.",
                time.time() - changed_at,
            ),
            *_gauge(
                "winnable_model_problem",
                "1 while something is not as it should be; /readyz says what.",
                int(problem),
            ),
        ]
        if known_until is not None:
            age = time.time() - known_until.timestamp()
            lines += _gauge(
                "winnable_model_age_seconds",
                "Time since the end of the history that the model learned from.",
                age,
            )
        drift = self.drift(usual)
        if drift is not None:
            says = (
                f"Population stability index of the last {RECENT:,} probabilities against the"
                " training; above 0.25 is much."
            )
            lines += _gauge("winnable_score_drift_psi", says, drift)
        return "\n".join(lines) + "\n"

    def drift(self, usual: Sequence[float]) -> float | None:
        """The population stability index of recent scores against the usual ones, sum of (p - q)
        ln(p / q) over bins of equal share; None while there are too few of either (Siddiqi, Credit
        Risk Scorecards, 2006, gives 0.1 and 0.25 as signs of change)."""
        if len(usual) < 5 or len(self._recent) < LEAST:
            return None
        bars = [(low + high) / 2 for low, high in pairwise(usual)]
        counts = Counter(bisect_left(bars, log(p / (1 - p))) for p in self._recent)
        expected = 1 / len(usual)
        shares = [
            (counts[i] + 0.5) / (len(self._recent) + 0.5 * len(usual)) for i in range(len(usual))
        ]
        return sum((share - expected) * log(share / expected) for share in shares)


class _Histogram:
    def __init__(self, bars: tuple[float, ...]) -> None:
        self._bars = bars
        self._counts = [0] * (len(bars) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bars, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: Labels) -> Iterator[str]:
        marks = [*(f"{bar:g}" for bar in self._bars), "+Inf"]
        for mark, count in zip(marks, accumulate(self._counts), strict=True):
            yield _line(f"{name}_bucket", (*labels, ("le", mark)), count)
        yield _line(f"{name}_sum", labels, self._sum)
        yield _line(f"{name}_count", labels, sum(self._counts))


def _counted(
    name: str, says: str, labels: tuple[str, ...], counts: Mapping[tuple[Any, ...], int]
) -> Iterator[str]:
    yield from _family(name, "counter", says)
    for key, count in sorted(counts.items()):
        yield _line(
            name,
            tuple((label, str(value)) for label, value in zip(labels, key, strict=True)),
            count,
        )


def _gauge(name: str, says: str, value: float, kind: str = "gauge") -> list[str]:
    return [*_family(name, kind, says), _line(name, (), value)]


def _family(name: str, kind: str, says: str) -> Iterable[str]:
    return (f"# HELP {name} {says}", f"# TYPE {name} {kind}")


def _line(name: str, labels: Labels, value: float) -> str:
    told = ",".join(
        f'{label}="{_escaped(text)}"' for label, text in (*labels, ("worker", str(os.getpid())))
    )
    return f"{name}{{{told}}} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
