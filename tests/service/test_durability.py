"""Labels from many clients to several workers that are killed meanwhile: what was acknowledged is
there, once and whole. The same at length is in tests/benchmarks."""

from pathlib import Path

import pytest

from tests.data.conftest import empty_postgres, label_place, postgres, postgres_server
from tests.service.conftest import serving
from tests.service.durability import Killer, faults, import_with_kills, post_labels
from winnable.data.feedback.store.store import FeedbackStore

__all__ = ["empty_postgres", "label_place", "postgres", "postgres_server"]  # the fixtures

LABELS = 200


@pytest.mark.timeout(600)
def test_no_acknowledged_label_is_lost_doubled_or_half(
    store: Path, label_place: Path, tmp_path: Path
) -> None:
    with serving(store, tmp_path / "log", "--workers", "2") as live:
        with Killer(live, times=2, pause=0.5) as killer:
            acknowledged = post_labels(live.url, LABELS, clients=8)
            while killer.has_more:
                more = post_labels(live.url, LABELS, clients=8)
                assert more == acknowledged  # the same keys again
        assert killer.kills == 2
    feedback = FeedbackStore.open(store)
    assert len(acknowledged) == LABELS
    assert faults(feedback, acknowledged) == []
    feedback.close()


@pytest.mark.timeout(600)
def test_an_import_that_is_killed_ends_as_if_it_was_not(label_place: Path, tmp_path: Path) -> None:
    rows = [f"L-{number},won,Kim" for number in range(1500)]
    (tmp_path / "labels.csv").write_text("\n".join(["lead_id,label,by", *rows]) + "\n")
    import_with_kills(tmp_path / "labels.csv", label_place, 2, {})
    feedback = FeedbackStore.open(label_place)
    assert sorted(label.lead_id for label in feedback.labels()) == sorted(
        f"L-{number}" for number in range(1500)
    )
    assert faults(feedback, {}) == []
    feedback.close()
