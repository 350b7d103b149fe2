"""Scores that were given are on disk in the end, whatever happens to the process that keeps them or
to the database."""

import os
import resource
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.data.feedback.scores import given
from tests.service.conftest import Live, serving, until
from winnable.data.feedback.store.store import FeedbackStore
from winnable.service.http.metrics import Metrics
from winnable.service.http.problems import HTTPProblem
from winnable.service.http.request import read_body
from winnable.service.scoring.champion import ChampionFollower
from winnable.service.scoring.loaded_model import LoadedModel
from winnable.service.scoring.score_journal import Answered
from winnable.service.scoring.score_log import ScoreLog
from winnable.service.scoring.score_log_worker import ScoreLogWriter


def ask(client: httpx.Client, *ids: str) -> list[str]:
    scores = client.post(
        "/score", json={"leads": [{"Lead ID": each, "Employees": 10} for each in ids]}
    ).json()["scores"]
    return [each["score_id"] for each in scores]


def keepers(live: Live) -> list[int]:
    tasks = Path(f"/proc/{live.process.pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def kept(store: Path) -> set[str]:
    return {each.score_id for each in FeedbackStore.open(store).scores()}


def counted(client: httpx.Client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(
        float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"winnable_{name} ")
    )


def test_a_process_that_dies_is_replaced_and_loses_nothing(store: Path, tmp_path: Path) -> None:
    with serving(store, tmp_path / "log") as live, live.client() as client:
        assert keepers(live) == []  # there is nothing to keep yet
        given = ask(client, "L-1", "L-2")
        until(lambda: counted(client, "scores_kept_total") == 2)
        os.kill(
            keepers(live)[0], signal.SIGSTOP
        )  # it takes the next scores, and does nothing with them
        given += ask(client, "L-3", "L-4")
        time.sleep(1)
        os.kill(keepers(live)[0], signal.SIGKILL)
        until(lambda: counted(client, "scores_kept_total") == 4)
        assert counted(client, "scores_not_kept_total") == 0
    assert kept(store) == set(given)


def test_it_outlives_a_signal_to_all_and_ends_with_the_server(store: Path, tmp_path: Path) -> None:
    """As a service manager and Ctrl-C send it: to every process of the service at once."""
    with serving(store, tmp_path / "log") as live, live.client() as client:
        given = ask(client, "L-1")
        until(lambda: counted(client, "scores_kept_total") == 1)
        given += ask(client, "L-2", "L-3")
        keeper = keepers(live)[0]
        for sent in (signal.SIGINT, signal.SIGTERM):
            os.kill(keeper, sent)
    assert kept(store) == set(given)
    assert not Path(f"/proc/{keeper}").exists()


def test_what_waited_for_the_database_is_kept_when_it_comes_back(
    store: Path, tmp_path: Path
) -> None:
    (store / "labels.db").mkdir()  # no database can be there
    with serving(store, tmp_path / "log") as live, live.client() as client:
        given = ask(client, "L-1", "L-2")
        until(lambda: "scores not kept" in live.journal())
        assert client.get("/readyz").status_code == 503
        (store / "labels.db").rmdir()
        until(lambda: "scores kept again" in live.journal())
        assert client.get("/readyz").status_code == 200
        assert counted(client, "scores_not_kept_total") == 0
    assert kept(store) == set(given)


def test_what_could_not_be_kept_at_the_end_is_told_and_kept_by_the_next_start(
    store: Path, tmp_path: Path
) -> None:
    (store / "labels.db").mkdir()
    with serving(store, tmp_path / "log") as live, live.client() as client:
        given = ask(client, "L-1", "L-2")
    assert '"scores": 2' in live.journal()
    (store / "labels.db").rmdir()
    with serving(store, tmp_path / "log") as live, live.client() as client:
        until(lambda: counted(client, "scores_kept_total") == 2)
    assert kept(store) == set(given)
    assert list((store / "score_log").iterdir()) == []


def test_a_server_that_is_killed_loses_nothing_that_it_answered(
    store: Path, tmp_path: Path
) -> None:
    """Killed before anything is in the database, since that begins two seconds after the start."""
    with serving(store, tmp_path / "log") as live, live.client() as client:
        given = ask(client, *(f"L-{number}" for number in range(200)))
        live.process.kill()
        live.process.wait()
    assert not (store / "labels.db").exists()
    (left,) = (store / "score_log").glob("*.scores")
    assert left.stat().st_mode & 0o777 == 0o600
    with left.open("ab") as file:  # as it stands when the kill came in the middle of a write
        file.write(left.read_bytes()[-5000:][:1000])
    with serving(store, tmp_path / "log") as live, live.client() as client:
        until(lambda: counted(client, "scores_kept_total") == 200)
    assert kept(store) == set(given)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits other processes")
def test_a_full_disk_refuses_scores_instead_of_losing_them(store: Path, tmp_path: Path) -> None:
    """The limit of a file's size stands for a disk that is full."""
    limit = resource.RLIMIT_FSIZE
    with serving(store, tmp_path / "log") as live, live.client() as client:
        given = ask(client, "L-1")
        until(lambda: counted(client, "scores_kept_total") == 1)
        resource.prlimit(live.process.pid, limit, (50_000, resource.RLIM_INFINITY))
        leads = [{"Lead ID": f"M-{number}", "Employees": 10} for number in range(300)]
        refused = client.post("/score", json={"leads": leads})
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
        assert client.get("/readyz").status_code == 503
        resource.prlimit(live.process.pid, limit, (resource.RLIM_INFINITY,) * 2)
        until(lambda: client.get("/readyz").status_code == 200)
        given += ask(client, *(lead["Lead ID"] for lead in leads))
    assert kept(store) == set(given)


def test_more_than_may_wait_is_refused(store: Path) -> None:
    metrics = Metrics()
    score_log = ScoreLog(store, metrics, lambda *_, **__: None, max_bytes=200_000)
    model = LoadedModel(ChampionFollower(store).current())
    body = b"x" * 1000
    for _ in range(150):
        score_log.submit(model, [Answered(body, b"", 1)])
    with pytest.raises(HTTPProblem, match="cannot be saved") as refused:
        score_log.submit(model, [Answered(50 * body, b"", 1)])
    assert refused.value.status == 503


def test_one_request_of_which_no_rows_can_be_made_costs_the_others_nothing(store: Path) -> None:
    events: list[str] = []
    metrics = Metrics()
    score_log = ScoreLog(store, metrics, lambda event, **_: events.append(event))
    model = LoadedModel(ChampionFollower(store).current())
    body = b'{"leads": [{"Lead ID": "L-1"}]}'
    read = model.read(read_body(body), body, datetime.now(UTC))
    content = model.answer(read, model.score([read], reasons=True)[0], ["S-1"])
    score_log.submit(model, [Answered(body, content, 1), Answered(body, b"{}", 3)])
    score_log.start()
    score_log.close()
    assert kept(store) == {"S-1"}
    tallies = metrics.take()
    assert (tallies.scores_kept, tallies.scores_not_kept) == (1, 3)
    assert events == ["scores not kept"]


def test_a_row_that_the_database_does_not_take_costs_the_others_nothing(store: Path) -> None:
    scores = [given(f"L-{place}") for place in range(40)]
    scores[7] = replace(scores[7], owner="\ud800")  # half of a character
    scores[8] = replace(scores[8], owner="\udfff")
    keeper = ScoreLogWriter(store)
    assert keeper.keep(scores) == (38, None)
    assert kept(store) == {each.score_id for each in scores if each not in scores[7:9]}
    assert keeper.keep(scores[:3]) == (3, None)


def test_a_process_that_cannot_live_is_not_started_again_and_again(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    score_log = ScoreLog(
        store, Metrics(), lambda event, **more: told.append(f"{event}: {more.get('problem')}")
    )
    model = LoadedModel(ChampionFollower(store).current())
    score_log.submit(model, [Answered(b"{}", b"{}", 1)])
    monkeypatch.setenv("PYTHONHOME", str(store))  # no Python can begin there
    score_log.start()
    until(lambda: told)
    assert score_log.problem == "scores are not being saved: the process that keeps them ended"
    time.sleep(2)
    assert told == ["scores not kept: the process that keeps them ended"]
    score_log.close()
    assert told[1:] == [
        "scores not kept yet: the service stopped before they were; its next start keeps them"
    ]


def test_a_run_of_large_requests_is_kept_whole_through_a_kill(store: Path, tmp_path: Path) -> None:
    """Faster than the database takes them: what was answered with 200 is in it in the end."""
    answered: list[str] = []
    with serving(store, tmp_path / "log") as live, live.client() as client:
        for place in range(20):
            answered += ask(client, *(f"L-{place}-{number}" for number in range(1000)))
            if place in {8, 14}:
                for keeper in keepers(live):
                    os.kill(keeper, signal.SIGKILL)
        until(lambda: counted(client, "scores_kept_total") >= len(answered))
        assert counted(client, "scores_not_kept_total") == 0
    assert len(answered) == 20_000
    assert kept(store) == set(answered)
