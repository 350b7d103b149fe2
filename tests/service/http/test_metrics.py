"""The drift of scores, and what a scrape reads."""

from datetime import UTC, datetime

import numpy as np

from winnable.service.http.metrics import MIN_SCORES_FOR_DRIFT, Metrics
from winnable.service.http.prometheus import ModelState, PrometheusExporter

TYPICAL = np.linspace(-4, 0, 20).tolist()


def scrape(metrics: Metrics) -> str:
    state = ModelState(
        version="1",
        fingerprint="m",
        mode="learned",
        typical_log_odds=TYPICAL,
        known_until=None,
        changed_at=0.0,
        has_problem=False,
    )
    return PrometheusExporter(metrics).exposition(state).decode()


def scored(metrics: Metrics, logits: np.ndarray, model: str = "m") -> None:
    probabilities = (1 / (1 + np.exp(-logits))).tolist()
    metrics.scored(model, "learned", ["hot"] * len(probabilities), probabilities, 0)


def test_no_drift_is_small_and_drift_is_large() -> None:
    rng = np.random.default_rng(0)
    same, other = Metrics(), Metrics()
    scored(same, rng.choice(TYPICAL, 1000) + rng.normal(0, 0.05, 1000))
    scored(other, rng.choice(TYPICAL, 1000) + 2)
    assert same.drift(TYPICAL) < 0.1
    assert other.drift(TYPICAL) > 0.25


def test_few_scores_say_nothing_and_a_new_model_begins_anew() -> None:
    metrics = Metrics()
    scored(metrics, np.zeros(MIN_SCORES_FOR_DRIFT - 1))
    assert metrics.drift(TYPICAL) is None
    scored(metrics, np.zeros(1))
    assert metrics.drift(TYPICAL) is not None
    assert metrics.drift(TYPICAL[:2]) is None
    scored(metrics, np.zeros(1), model="another")
    assert metrics.drift(TYPICAL) is None


def test_labels_are_escaped() -> None:
    metrics = Metrics()
    metrics.scored("m", "learned", ['very "hot"\\\n'], [0.5], 2)
    text = scrape(metrics)
    assert r'grade="very \"hot\"\\\n"' in text
    assert "winnable_faulty_leads_total 2.0" in text


def test_histograms_add_up() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.002, 0.002, 100.0):
        metrics.request("POST", "/score", 200, seconds)
    text = scrape(metrics)
    counts = [
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("winnable_request_seconds_bucket")
    ]
    assert counts == sorted(counts)
    assert (counts[0], counts[1], counts[-1]) == (1, 3, 4)


def test_a_scrape_has_the_names_and_the_drift_and_takes_nothing_away() -> None:
    metrics = Metrics()
    scored(metrics, np.full(200, 2.0))
    metrics.labeled("won", 60.0)
    metrics.kept(3)
    metrics.not_kept(1)
    metrics.request("POST", "/score", 200, 0.001)
    exporter = PrometheusExporter(metrics)
    state = ModelState("1", "m", "learned", TYPICAL, datetime(2026, 1, 1, tzinfo=UTC), 0.0, True)
    first, second = (exporter.exposition(state).decode() for _ in range(2))
    for line in (
        'winnable_requests_total{method="POST",route="/score",status="200"} 1.0',
        'winnable_request_seconds_bucket{le="0.001",route="/score"} 1.0',
        'winnable_scores_total{grade="hot",mode="learned",model="m"} 200.0',
        "winnable_scores_kept_total 3.0",
        "winnable_scores_not_kept_total 1.0",
        "winnable_score_probability_count 200.0",
        'winnable_labels_total{label="won"} 1.0',
        "winnable_feedback_lag_seconds_sum 60.0",
        'winnable_model_info{fingerprint="m",mode="learned",version="1"} 1.0',
        "winnable_model_problem 1.0",
    ):
        assert line in first.splitlines()
        assert line in second.splitlines()
    for name in (
        "winnable_model_in_charge_seconds",
        "winnable_model_age_seconds",
        "winnable_score_drift_psi",
    ):
        assert f"# TYPE {name} gauge" in first
    assert "_created" not in first
    assert "winnable_recent_scores" not in first
