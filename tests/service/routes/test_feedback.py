"""Labels and leads over real HTTP: durable before they are answered, refused without an echo, and
only for who may."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.conftest import Live, serving, until
from tests.service.test_api import AS_OF, asked, leads_of, refused
from winnable.core.values import text
from winnable.data.feedback.store.store import FeedbackStore
from winnable.service.http.keys import add_key
from winnable.service.routes.schemas import LabelOut, LeadsOut

SQL = "'; DROP TABLE labels; --"


@pytest.fixture(scope="module")
def shop(demo_store: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Path]]:
    """A service with a store of its own, whose labels these tests may write; and the store."""
    import shutil

    store = tmp_path_factory.mktemp("shop") / "store"
    shutil.copytree(demo_store.store / "served", store / "served")
    with serving(store, store / "log") as live:
        yield live, store


@pytest.fixture
def sales(shop: tuple[Live, Path]) -> Iterator[httpx.Client]:
    with shop[0].client() as client:
        yield client


def said(client: httpx.Client, key: str | None = None, **label: Any) -> dict[str, Any]:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = client.post("/feedback", json=label, headers=headers)
    assert answer.status_code == 201, answer.text
    LabelOut.model_validate_json(answer.content)
    return answer.json()


def leads(client: httpx.Client, **asked_for: Any) -> dict[str, Any]:
    answer = client.get("/leads", params=asked_for)
    assert answer.status_code == 200, answer.text
    LeadsOut.model_validate_json(answer.content)
    return answer.json()


def test_a_given_score_is_kept_and_may_be_answered(sales: httpx.Client, demo_store: Any) -> None:
    lead = leads_of(demo_store, 1)[0]
    score = asked(sales, [lead, {key: value for key, value in lead.items() if key != "Lead ID"}])[
        "scores"
    ][0]
    shown = until(lambda: leads(sales, search=lead["Lead ID"].lower())["leads"])
    assert len(shown) == 1  # the lead without an id is nobody's
    given = {name: value for name, value in score.items() if name != "rest"}
    kept = {name: shown[0]["score"][name] for name in given}
    assert kept == given
    assert shown[0]["name"] == f"{lead['First Name']} {lead['Last Name']}, {lead['Company']}"
    assert (shown[0]["owner"], shown[0]["source"], shown[0]["state"]) == (
        lead["Owner"],
        text(lead["Lead Source"]),
        "new",
    )
    label = said(
        sales, lead_id=lead["Lead ID"], score_id=score["score_id"], label="accepted", by="Kim"
    )
    assert leads(sales, state="accepted", search=lead["Lead ID"])["leads"][0]["label"] == label
    metrics = sales.get("/metrics").text
    assert "winnable_scores_kept_total " in metrics
    assert "winnable_scores_not_kept_total " in metrics


def test_what_is_kept_is_what_the_model_was_told(
    shop: tuple[Live, Path], sales: httpx.Client, demo_store: Any
) -> None:
    lead = leads_of(demo_store, 2)[1]
    asked(sales, [lead])
    until(lambda: leads(sales, search=lead["Lead ID"])["leads"])
    story = FeedbackStore.open(shop[1]).lead(lead["Lead ID"])
    assert story is not None
    kept = story.scores[-1]
    assert kept.values["Title"] == lead["Title"]
    assert kept.as_of.isoformat() == AS_OF
    assert len(kept.activities) == min(len(lead["activities"]), 200)
    assert kept.activities[-1]["at"] == max(each["at"] for each in lead["activities"])


def test_a_label_is_on_the_disk_when_it_is_answered(
    shop: tuple[Live, Path], sales: httpx.Client
) -> None:
    label = said(
        sales,
        lead_id="L-1",
        label="rejected",
        reason="No budget",
        note="asked twice",
        by="Kim",
        at="2026-03-01T12:00:00+01:00",
    )
    (kept,) = FeedbackStore.open(shop[1]).labels("L-1")
    assert kept.label_id == label["label_id"]
    assert label["at"] == "2026-03-01T11:00:00Z"
    assert (kept.note, kept.origin) == ("asked twice", "api")


def test_an_id_that_is_a_whole_number_is_taken_as_it_is_for_a_score(sales: httpx.Client) -> None:
    assert said(sales, lead_id=7, label="won", by="Kim")["lead_id"] == "7"
    refused(sales.post("/feedback", json={"lead_id": True, "label": "won", "by": "Kim"}), 422)


def test_a_repeated_request_adds_nothing_and_a_reused_key_is_a_conflict(
    shop: tuple[Live, Path], sales: httpx.Client
) -> None:
    first = said(sales, "k-1", lead_id="L-2", label="won", by="Kim")
    assert said(sales, "k-1", lead_id="L-2", label="won", by="Kim") == first
    assert said(sales, '"k-1"', lead_id="L-2", label="won", by="Kim") == first
    other = sales.post(
        "/feedback",
        json={"lead_id": "L-2", "label": "lost", "by": "Kim"},
        headers={"Idempotency-Key": "k-1"},
    )
    assert "key" in refused(other, 409)
    assert len(FeedbackStore.open(shop[1]).labels("L-2")) == 1


def test_the_time_until_sales_answers_is_counted(store: Path, tmp_path: Path) -> None:
    with serving(store, tmp_path / "log") as live, live.client() as client:
        first = asked(client, [{"Lead ID": "L-1"}])["scores"][0]
        until(lambda: leads(client, search="L-1")["leads"])
        for _ in range(2):  # told again, it counts once
            said(
                client, "k-1", lead_id="L-1", score_id=first["score_id"], label="accepted", by="Kim"
            )
        said(client, lead_id="L-1", label="won", by="Kim")
        said(client, lead_id="never scored", label="lost", by="Kim")
        lines = client.get("/metrics").text.splitlines()
        lag = {
            line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.startswith("winnable_feedback_lag")
        }
        assert lag["winnable_feedback_lag_seconds_count"] == 2
        assert 0 < lag["winnable_feedback_lag_seconds_sum"] < 60
        labels = [line for line in lines if line.startswith("winnable_labels_total{")]
        assert [line.rsplit(" ", 1)[1] for line in labels] == ["1.0", "1.0", "1.0"]


def test_a_label_is_corrected_and_taken_back(sales: httpx.Client) -> None:
    wrong = said(sales, lead_id="L-3", label="rejected", by="Kim")
    right = said(sales, lead_id="L-3", label="accepted", by="Kim", replaces=wrong["label_id"])
    assert said(sales, lead_id="L-3", label="withdrawn", by="Kim")["replaces"] == right["label_id"]
    again = sales.post("/feedback", json={"lead_id": "L-3", "label": "withdrawn", "by": "Kim"})
    assert refused(again, 409) == "This person has no label on this lead to withdraw."


def test_another_persons_label_is_corrected_by_an_admin_only(store: Path, tmp_path: Path) -> None:
    sales = add_key(store, "feedback")
    admin = add_key(store, "admin")
    with serving(store, tmp_path / "log") as live:
        with live.client(sales[1]) as client:
            kims = said(client, lead_id="L-1", label="won", by="Kim")
            attack = {"lead_id": "L-1", "label": "withdrawn", "by": "Mallory"}
            replaced = {"replaces": kims["label_id"]}
            answer = client.post("/feedback", json={**attack, **replaced})
            assert "another person's label" in refused(answer, 409)
            assert leads(client, state="won")["leads"] != []
        with live.client(admin[1]) as client:
            said(client, lead_id="L-1", label="withdrawn", by="Ada", **replaced)
            assert leads(client, state="won")["leads"] == []
    trail = FeedbackStore.open(store).audit_trail()
    assert [(entry.action, entry.who, entry.key, entry.place) for entry in trail] == [
        ("labelled", "Kim", sales[0].name, "127.0.0.1"),
        ("labelled", "Ada", admin[0].name, "127.0.0.1"),
    ]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"])
def test_a_label_of_an_impossible_time_is_refused(sales: httpx.Client, at: str) -> None:
    label = {"lead_id": "L-5", "label": "won", "by": "Kim", "at": at}
    assert refused(sales.post("/feedback", json=label), 422).startswith("at: is ")


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"label": "won", "by": "Kim"}, 422, "lead_id"),
        ({"lead_id": "L-4", "label": "geheim", "by": "Kim"}, 422, "label"),
        ({"lead_id": "L-4", "label": "won"}, 422, "by"),
        ({"lead_id": "L-4", "label": "won", "by": "  "}, 422, "by"),
        ({"lead_id": [4], "label": "won", "by": "Kim"}, 422, "lead_id"),
        ({"lead_id": "L-4", "label": "won", "by": "Kim", "geheim": 1}, 422, "member"),
        (
            {"lead_id": "L-4", "label": "rejected", "by": "Kim", "reason": "geheim"},
            422,
            "No budget",
        ),
        ({"lead_id": "L-4", "label": "won", "by": "Kim", "at": "geheim"}, 422, "at"),
        (
            {"lead_id": "L-4", "label": "won", "by": "Kim", "at": "2999-01-01T00:00:00Z"},
            422,
            "future",
        ),
        ({"lead_id": "L-4", "label": "won", "by": "Kim", "note": "geheim" * 400}, 422, "note"),
        ({"lead_id": "L-4", "label": "won", "by": "Kim", "replaces": "geheim"}, 409, "replace"),
        ([], 422, "object"),
    ],
)
def test_what_is_no_label_is_refused_without_an_echo(
    sales: httpx.Client, body: Any, status: int, says: str
) -> None:
    told = refused(sales.post("/feedback", json=body), status)
    assert says in told
    assert "geheim" not in told
    assert not leads(sales, search="L-4", state="all")["leads"]


def test_bodies_that_are_no_json_or_too_large_are_refused(sales: httpx.Client) -> None:
    json = {"Content-Type": "application/json"}
    refused(sales.post("/feedback", content=b"{", headers=json), 400)
    refused(sales.post("/feedback", content=b'{"by": "a", "by": "b"}', headers=json), 400)
    refused(
        sales.post(
            "/feedback",
            content=b"lead_id=L-4",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ),
        415,
    )
    refused(sales.post("/feedback", content=b" " * 30_000, headers=json), 413)
    answer = sales.post(
        "/feedback",
        json={"lead_id": "L-4", "label": "won", "by": "K"},
        headers={"Idempotency-Key": "a b"},
    )
    assert "Idempotency-Key" in refused(answer, 422)


@pytest.mark.parametrize(
    "asked_for",
    [{"page": 0}, {"page": "geheim"}, {"size": 1000}, {"state": "geheim"}, {"geheim": 1}],
)
def test_questions_that_make_no_sense_are_refused(
    sales: httpx.Client, asked_for: dict[str, Any]
) -> None:
    assert "geheim" not in refused(sales.get("/leads", params=asked_for), 422)


def test_sql_in_every_field_is_only_text(shop: tuple[Live, Path], sales: httpx.Client) -> None:
    label = said(
        sales,
        SQL.replace(" ", "_"),
        lead_id=SQL,
        label="lost",
        by=SQL,
        reason=SQL,
        note=SQL,
        score_id=SQL,
    )
    assert [label[name] for name in ("lead_id", "by", "reason", "note", "score_id")] == [SQL] * 5
    for field in ("search", "owner", "source"):
        told = leads(sales, state="all", **{field: SQL})
        assert [each["lead_id"] for each in told["leads"]] == ([SQL] if field == "search" else [])
    assert FeedbackStore.open(shop[1]).labels(SQL)


def test_only_sales_may_ask_and_answer(store: Path, tmp_path: Path) -> None:
    secrets = {role: add_key(store, role)[1] for role in ("score", "feedback", "admin")}
    label = {"lead_id": "L-1", "label": "won", "by": "Kim"}
    with serving(store, tmp_path / "log") as live:
        for role, status in (("score", 403), ("feedback", 201), ("admin", 201), (None, 401)):
            with live.client(None if role is None else secrets[role]) as client:
                assert client.post("/feedback", json=label).status_code == status
                assert client.get("/leads").status_code == (200 if status == 201 else status)
        with live.client(secrets["feedback"]) as client:
            refused(client.post("/score", json={"leads": [{}]}), 403)
        told = live.journal()
    assert "L-1" not in told
    assert "Kim" not in told


def test_scores_are_given_when_they_cannot_be_kept_and_the_loss_is_told(
    store: Path, tmp_path: Path, demo_store: Any
) -> None:
    (store / "labels.db").mkdir()  # no database can be there
    with serving(store, tmp_path / "log") as live, live.client() as client:
        asked(client, leads_of(demo_store, 3))
        until(lambda: "scores not kept" in live.journal())
        assert client.get("/readyz").status_code == 503
        assert "winnable_scores_not_kept_total" in client.get("/metrics").text
        assert asked(client, leads_of(demo_store, 1))["scores"][0] is not None
        refused(client.post("/feedback", json={"lead_id": "L-1", "label": "won", "by": "Kim"}), 503)


def test_scores_under_way_are_kept_when_the_service_is_asked_to_stop(
    store: Path, tmp_path: Path, demo_store: Any
) -> None:
    with serving(store, tmp_path / "log") as live, live.client() as client:
        asked(client, leads_of(demo_store, 40))
    assert len(list(FeedbackStore.open(store).scores())) == 40


SOON_SECONDS = 20
"""Less than the patience of those who write (30 seconds), however busy the machine is."""


def test_a_locked_database_is_told_soon(store: Path, tmp_path: Path) -> None:
    """Where the service has yet to open it, and where many wait to write."""
    FeedbackStore.open(store).close()
    somebody = sqlite3.connect(store / "labels.db", isolation_level=None, check_same_thread=False)
    with serving(store, tmp_path / "log") as live, live.client() as client:
        somebody.execute("PRAGMA locking_mode = EXCLUSIVE")
        somebody.execute("BEGIN EXCLUSIVE")
        somebody.execute("CREATE TABLE somebody_else (x)")
        for _ in range(2):  # the second one is not made to wait for what the first waited for
            began = time.monotonic()
            answer = client.get("/leads")
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"] == "5"
            assert time.monotonic() - began < SOON_SECONDS
        somebody.execute("ROLLBACK")
        somebody.close()
        until(lambda: client.get("/leads").status_code == 200)
        client.post("/inbox/sign-in", data={"by": "Kim"})

        somebody = sqlite3.connect(store / "labels.db", isolation_level=None)
        somebody.execute("BEGIN IMMEDIATE")
        label = {"lead_id": "L-1", "label": "won", "by": "Kim"}
        with ThreadPoolExecutor(12) as many:
            writing = [
                many.submit(httpx.post, f"{live.url}/feedback", json=label, timeout=120)
                for _ in range(12)
            ]
            time.sleep(1)  # so that all of them wait
            began = time.monotonic()
            assert client.get("/leads").status_code == 200
            assert client.get("/inbox/results").status_code == 200
            assert time.monotonic() - began < SOON_SECONDS
            somebody.execute("ROLLBACK")
            somebody.close()
            assert {written.result().status_code for written in writing} == {201}
