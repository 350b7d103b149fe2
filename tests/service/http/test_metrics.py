"""The drift of scores, and what a scrape reads."""

import numpy as np

from winnable.service.http.metrics import LEAST, Metrics

USUAL = np.linspace(-4, 0, 20).tolist()


def scored(metrics: Metrics, logits: np.ndarray, model: str = "m") -> None:
    probabilities = (1 / (1 + np.exp(-logits))).tolist()
    metrics.scored(model, "learned", ["hot"] * len(probabilities), probabilities, 0)


def test_no_drift_is_small_and_drift_is_large() -> None:
    rng = np.random.default_rng(0)
    same, other = Metrics(), Metrics()
    scored(same, rng.choice(USUAL, 1000) + rng.normal(0, 0.05, 1000))
    scored(other, rng.choice(USUAL, 1000) + 2)
    assert same.drift(USUAL) < 0.1
    assert other.drift(USUAL) > 0.25


def test_few_scores_say_nothing_and_a_new_model_begins_anew() -> None:
    metrics = Metrics()
    scored(metrics, np.zeros(LEAST - 1))
    assert metrics.drift(USUAL) is None
    scored(metrics, np.zeros(1))
    assert metrics.drift(USUAL) is not None
    assert metrics.drift(USUAL[:2]) is None
    scored(metrics, np.zeros(1), model="another")
    assert metrics.drift(USUAL) is None


def test_labels_are_escaped() -> None:
    metrics = Metrics()
    metrics.scored("m", "learned", ['very "hot"\\\n'], [0.5], 2)
    text = metrics.exposition(
        {"version": "1", "fingerprint": "m", "mode": "learned"}, USUAL, None, 0.0, False
    )
    assert r'grade="very \"hot\"\\\n"' in text
    assert "winnable_faulty_leads_total{" in text


def test_histograms_add_up() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.002, 0.002, 100.0):
        metrics.request("POST", "/score", 200, seconds)
    text = metrics.exposition(
        {"version": "1", "fingerprint": "m", "mode": "learned"}, USUAL, None, 0.0, False
    )
    counts = [
        int(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("winnable_request_seconds_bucket")
    ]
    assert counts == sorted(counts)
    assert (counts[0], counts[1], counts[-1]) == (1, 3, 4)
