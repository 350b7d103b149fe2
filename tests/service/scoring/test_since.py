"""Why a score changed, over real HTTP: compared with what the service itself kept of a lead, in the
words of the reasons, adding up."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic_core import from_json, to_json

from tests.data.feedback.scores import given
from tests.service.conftest import serving, until
from tests.service.test_api import leads_of, refused
from winnable.data.feedback.store.records import packed, unpacked
from winnable.data.feedback.store.store import FeedbackStore
from winnable.learning.scoring.changes import ScoreParts
from winnable.service.http.metrics import Metrics
from winnable.service.http.request import read_body
from winnable.service.routes.schemas import ScoreResponse
from winnable.service.scoring.champion import ChampionFollower
from winnable.service.scoring.loaded_model import LoadedModel
from winnable.service.scoring.score_journal import (
    HEAD,
    MODEL,
    Answered,
    ScoreJournal,
    entries,
)
from winnable.service.scoring.score_log import ScoreLog
from winnable.service.scoring.score_log_worker import JournalReader

MONDAY = "2026-06-22T00:00:00Z"
TUESDAY = "2026-06-23T00:00:00Z"
FRIDAY = "2026-06-26T00:00:00Z"
WITHOUT_REASONS = {"Lead ID": "quick", "Employees": 10}


def scored(client: httpx.Client, leads: list[Any], as_of: str, **more: Any) -> list[dict[str, Any]]:
    answer = client.post("/score", json={"leads": leads, "as_of": as_of, **more})
    assert answer.status_code == 200, answer.text
    ScoreResponse.model_validate_json(answer.content)
    found: list[dict[str, Any]] = answer.json()["scores"]
    return found


def answered_with_reasons(store: Path, leads: list[dict[str, Any]]) -> tuple[LoadedModel, Answered]:
    """The model of a store, and its answer for two leads as the journal takes it."""
    model = LoadedModel(ChampionFollower(store).current())
    body = to_json({"leads": leads[:2], "as_of": FRIDAY})
    read = model.read(read_body(body), body, datetime.now(UTC))
    scored_leads = model.score([read], reasons=True)[0]
    assert scored_leads.scores.log_odds is not None
    content = model.answer(read, scored_leads, ["S-1", "S-2"])
    return model, Answered(body, content, 2, scored_leads.scores.log_odds.tobytes())


def kept(store: Path, lead: str) -> int:
    feedback = FeedbackStore.open(store)
    try:
        found = feedback.lead(lead)
        return 0 if found is None else len(found.scores)
    finally:
        feedback.close()


@pytest.fixture(scope="module")
def leads(demo_store: Any) -> list[dict[str, Any]]:
    """The demo's leads that were there on Monday."""
    every = leads_of(demo_store)
    return [lead for lead in every if lead["Created Date"] < "2026-06-20"][:30]


@pytest.fixture(scope="module")
def shop(
    demo_store: Any, leads: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, Path]]:
    """A service that scored the leads on Monday, and its store."""
    store = tmp_path_factory.mktemp("since") / "store"
    shutil.copytree(demo_store.store / "served", store / "served")
    with serving(store, store / "log") as live, live.client() as client:
        scored(client, leads, MONDAY)
        client.post("/score?reasons=false", json={"leads": [WITHOUT_REASONS], "as_of": MONDAY})
        until(lambda: kept(store, "quick"))
        yield client, store


def test_a_score_is_compared_with_the_one_that_was_kept(
    shop: tuple[httpx.Client, Path], leads: list[dict[str, Any]]
) -> None:
    client, _ = shop
    before = scored(client, leads, MONDAY)
    after = scored(client, leads, FRIDAY, since=TUESDAY)
    named = 0
    for then, now in zip(before, after, strict=True):
        change = now["change"]
        assert change["probability"] == pytest.approx(then["probability"], abs=1e-12)
        assert change["as_of"] == MONDAY
        assert change["effect"] == now["probability"] - change["probability"]
        total = sum(part["effect"] for part in change["parts"]) + change["rest"]
        assert total == pytest.approx(change["effect"], abs=1e-12)
        assert " since Mon 22 Jun 2026" in change["says"]
        for part in change["parts"]:
            words = part["says"].rpartition(": ")[0]
            assert words in change["says"] or part not in change["parts"][:2]
            named += 1
    assert named > 20


def test_what_a_lead_did_since_is_named_with_its_number(
    shop: tuple[httpx.Client, Path], leads: list[dict[str, Any]]
) -> None:
    client, _ = shop
    visits = [{"kind": "Demo request", "at": f"2026-06-25T0{hour}:00:00Z"} for hour in (8, 9)]
    lead = next(
        each
        for each in leads
        if each["activities"] and not any(done["at"] > "2026-06-19" for done in each["activities"])
    )
    busy = lead | {"activities": [*lead["activities"], *visits]}
    (score,) = scored(client, [busy], FRIDAY, since=MONDAY)
    parts = {part["feature"]: part for part in score["change"]["parts"]}
    asked_for = parts["Demo request"]
    assert asked_for["cause"] == "fact"
    assert asked_for["effect"] > 0
    assert asked_for["value"] == (asked_for["before"] or 0) + 2
    reason = next(each for each in score["reasons"] if each["feature"] == "Demo request")
    assert asked_for["says"].startswith(reason["says"].rpartition(": ")[0])


def test_a_lead_that_was_never_scored_has_no_change(shop: tuple[httpx.Client, Path]) -> None:
    client, _ = shop
    new = {"Lead ID": "never", "Employees": 10}
    faulty = {"Lead ID": "faulty", "Employees": [1]}
    nobody = {"Employees": 10}
    found = scored(client, [new, faulty, nobody], FRIDAY, since=MONDAY)
    assert found[1] is None
    assert (found[0]["change"], found[2]["change"]) == (None, None)


def test_without_kept_parts_only_the_difference_is_told(shop: tuple[httpx.Client, Path]) -> None:
    client, _ = shop
    (score,) = scored(client, [WITHOUT_REASONS | {"Employees": 900}], FRIDAY, since=MONDAY)
    change = score["change"]
    assert change["parts"] is None
    assert change["rest"] == change["effect"] != 0
    assert change["says"] == "Unchanged since Mon 22 Jun 2026"


def test_a_young_lead_is_compared_with_its_first_score(
    shop: tuple[httpx.Client, Path], leads: list[dict[str, Any]]
) -> None:
    client, _ = shop
    (score,) = scored(client, leads[:1], FRIDAY, since="2026-05-01T00:00:00Z")
    assert score["change"]["as_of"] == MONDAY


def test_a_new_champion_is_a_part_of_its_own(shop: tuple[httpx.Client, Path]) -> None:
    client, store = shop
    feedback = FeedbackStore.open(store)
    parts = {"model": "another", "parts": [["field", "Employees", 0.2, 3, 10.0, "Employees is 10"]]}
    then = datetime(2026, 6, 20, tzinfo=UTC)
    feedback.remember([replace(given("before", as_of=then, parts=packed(parts)), version="7")])
    feedback.close()
    lead = {"Lead ID": "before", "Employees": 10}
    (score,) = scored(client, [lead], FRIDAY, since=MONDAY)
    (part,) = score["change"]["parts"]
    assert (part["cause"], part["feature"], score["change"]["version"]) == ("model", None, "7")
    assert part["effect"] == pytest.approx(score["change"]["effect"])
    assert "a new model (" in score["change"]["says"]


def test_an_answer_without_since_is_as_before(
    shop: tuple[httpx.Client, Path], leads: list[dict[str, Any]]
) -> None:
    client, _ = shop
    assert "change" not in scored(client, leads[:1], FRIDAY)[0]
    assert "change" not in scored(client, leads[:1], FRIDAY, since=None)[0]


def test_a_score_that_was_compared_is_kept_like_any_other(
    shop: tuple[httpx.Client, Path], leads: list[dict[str, Any]]
) -> None:
    client, store = shop
    lead = leads[1] | {"Lead ID": "compared"}
    scored(client, [lead], MONDAY)
    until(lambda: kept(store, "compared") == 1)
    scored(client, [lead], FRIDAY, since=MONDAY)
    until(lambda: kept(store, "compared") == 2)
    page = client.get("/leads", params={"search": "compared"}).json()
    assert page["leads"][0]["score"]["as_of"] == FRIDAY


@pytest.mark.parametrize(
    ("query", "since", "says"),
    [
        ("?reasons=false", MONDAY, "leave out reasons=false"),
        ("", FRIDAY, "before that of scoring"),
        ("", "Monday", "since: expected a date and time"),
        ("", 7, "since: expected a date and time"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    shop: tuple[httpx.Client, Path], query: str, since: Any, says: str
) -> None:
    client, _ = shop
    body = {"leads": [WITHOUT_REASONS], "as_of": FRIDAY, "since": since}
    assert says in refused(client.post(f"/score{query}", json=body), 422)


def test_while_the_database_is_away_only_the_comparison_is_refused(
    store: Path, tmp_path: Path
) -> None:
    (store / "labels.db").mkdir()
    with serving(store, tmp_path / "log") as live, live.client() as client:
        body = {"leads": [WITHOUT_REASONS], "as_of": FRIDAY}
        answer = client.post("/score", json=body | {"since": MONDAY})
        assert "without since" in refused(answer, 503)
        assert answer.headers["retry-after"] == "5"
        assert client.post("/score", json=body).status_code == 200
        (store / "labels.db").rmdir()


def test_the_kept_parts_are_those_of_the_model(store: Path, leads: list[dict[str, Any]]) -> None:
    """Although the words are made beside the server, from what it wrote into the score journal."""
    model = LoadedModel(ChampionFollower(store).current())
    body = to_json({"leads": [*leads, {"Lead ID": "x", "Employees": [1]}], "as_of": FRIDAY})
    read = model.read(read_body(body), body, datetime.now(UTC))
    scored_leads = model.score([read], reasons=True, parts=True)[0]
    assert scored_leads.scores.parts is not None
    assert scored_leads.scores.log_odds is not None
    content = model.answer(read, scored_leads, [f"S-{place}" for place in range(len(leads))])
    written = scored_leads.scores.log_odds.tobytes()
    score_log = ScoreLog(store, Metrics(), lambda *_, **__: None)
    score_log.submit(model, [Answered(body, content, len(leads), written)])
    score_log.start()
    score_log.close()
    feedback = FeedbackStore.open(store)
    found = {score.score_id: score for score in feedback.scores()}
    feedback.close()
    for place, parts in enumerate(scored_leads.scores.parts):
        if f"S-{place}" in found:  # closed leads are not kept
            assert unpacked(found[f"S-{place}"].parts) == parts.to_json()
    assert len(found) > len(leads) / 2


def test_parts_of_another_version_cost_no_row(store: Path, leads: list[dict[str, Any]]) -> None:
    """Numbers of which there are not as many as attributes."""
    model = LoadedModel(ChampionFollower(store).current())
    body = to_json({"leads": leads[:2], "as_of": FRIDAY})
    read = model.read(read_body(body), body, datetime.now(UTC))
    content = model.answer(read, model.score([read], reasons=True)[0], ["S-1", "S-2"])
    score_log = ScoreLog(store, Metrics(), lambda *_, **__: None)
    score_log.submit(model, [Answered(body, content, 2, bytes(24))])
    score_log.start()
    score_log.close()
    feedback = FeedbackStore.open(store)
    found = list(feedback.scores())
    feedback.close()
    assert {score.score_id for score in found} == {"S-1", "S-2"}
    assert {score.parts for score in found} == {None}


def test_why_parts_could_not_be_made_is_counted_and_said_once(
    store: Path, leads: list[dict[str, Any]]
) -> None:
    """A file whose model is described as another version would do it."""
    model, answered = answered_with_reasons(store, leads)
    journal = ScoreJournal(store)
    journal.append(model, [answered])
    part = journal.cut()
    assert part is not None
    written = []
    for kind, payload in entries(part.path):
        told = payload
        if kind == MODEL:
            described = from_json(payload)
            told = to_json({**described, "parts": {**described["parts"], "typical": {}}})
        written.append(HEAD.pack(kind, len(told)) + told)
    part.path.write_bytes(b"".join(written))
    result = JournalReader(store).keep(part.path)
    assert (result["kept"], result["without_parts"]) == (2, 2)
    assert (result["parts_problem"], result["problem"]) == ("KeyError", None)
    journal.close()
    said: list[dict[str, Any]] = []
    score_log = ScoreLog(store, Metrics(), lambda event, **told: said.append(told))
    score_log._tell_of_parts(result["without_parts"], result["parts_problem"])
    assert [(each["problem"], each["scores"]) for each in said] == [
        ("they cannot be made (KeyError)", 2)
    ]
    score_log.close()


def test_parts_read_back_as_they_were_written() -> None:
    data = {"model": "a", "parts": [["field", "Title", 0.5, 3, "VP", "Title is VP"]]}
    assert ScoreParts.from_json(unpacked(packed(data))).to_json() == data


def test_parts_are_left_out_before_scores_are_refused(
    store: Path, leads: list[dict[str, Any]]
) -> None:
    model, answered = answered_with_reasons(store, leads)
    journal = ScoreJournal(store, max_bytes=300_000)
    journal.append(model, [answered])
    assert not journal.is_filling
    while not journal.is_filling:
        journal.append(model, [answered])
    part = journal.cut()
    assert part is not None
    result = JournalReader(store).keep(part.path, parts=False)
    assert result["kept"] == result["without_parts"] == part.leads
    journal.remove(part)
    assert not journal.is_filling
    journal.close()
    feedback = FeedbackStore.open(store)
    found = {score.score_id: score.parts for score in feedback.scores()}
    feedback.close()
    assert found == {"S-1": None, "S-2": None}
