"""The interface as a client sees it, over real HTTP."""

import csv
import json
import re
from datetime import datetime
from typing import Any

import httpx
import pandas as pd
import pytest

import winnable
from tests.conftest import DemoStore
from tests.service.conftest import until
from winnable.service.routes.schemas import Problem, ScoreResponse

AS_OF = "2026-07-01T00:00:00+00:00"


def leads_of(demo_store: Any, most: int = 60) -> list[dict[str, Any]]:
    """The demo's open leads as a CRM would send them, with their activities."""
    with demo_store.files.open_leads.open() as file:
        leads = [dict(lead) for lead in csv.DictReader(file)][:most]
    for lead in leads:
        del lead["Decision Reason"]  # training quarantines it, so that the model does not know it
    did: dict[str, list[dict[str, str]]] = {lead["Lead ID"]: [] for lead in leads}
    with demo_store.files.activities.open() as file:
        for row in csv.DictReader(file):
            if row["Lead ID"] in did:
                did[row["Lead ID"]].append(
                    {"kind": row["Type"], "at": row["At"], "recorded": row["Recorded At"] or None}
                )
    return [lead | {"activities": did[lead["Lead ID"]]} for lead in leads]


def with_status_history(leads: list[dict[str, Any]], demo_store: Any) -> list[dict[str, Any]]:
    """The leads with the changes of their status, as the CRM's field history has them."""
    changes: dict[str, list[dict[str, str]]] = {lead["Lead ID"]: [] for lead in leads}
    with demo_store.files.history.open() as file:
        for row in csv.DictReader(file):
            if row["Lead ID"] in changes and row["Field"] == "Lead Status":
                change = {"at": row["At"], "old": row["Old"], "new": row["New"]}
                changes[row["Lead ID"]].append(change)
    return [lead | {"status_history": changes[lead["Lead ID"]]} for lead in leads]


def asked(client: httpx.Client, leads: list[Any], **more: Any) -> dict[str, Any]:
    answer = client.post("/score", json={"leads": leads, "as_of": AS_OF, **more})
    assert answer.status_code == 200, answer.text
    ScoreResponse.model_validate_json(answer.content)
    return answer.json()


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = Problem.model_validate_json(answer.content)
    assert told.status == status
    return told.detail


def test_a_score_says_everything(client: httpx.Client, demo_store: Any) -> None:
    lead = leads_of(demo_store, 1)[0]
    told = asked(client, [lead])
    score = told["scores"][0]
    assert score["lead_id"] == lead["Lead ID"]
    assert score["low"] <= score["probability"] <= score["high"]
    assert score["probability"] <= score["probability_winnable"]
    assert score["because"].endswith(".")
    assert 1 <= len(score["reasons"]) <= 6
    assert told["model"]["mode"] in {"rules", "blend", "learned"}
    assert told["model"]["why"]
    assert (told["model"]["horizon_days"], told["model"]["winnable_days"]) == (90, 365)
    assert datetime.fromisoformat(told["as_of"]) == datetime.fromisoformat(AS_OF)
    assert told["errors"] == told["warnings"] == []


@pytest.mark.parametrize("has_history", [False, True])
def test_equals_the_batch(client: httpx.Client, demo_store: Any, *, has_history: bool) -> None:
    from winnable.data.dataset import Dataset
    from winnable.data.features.returns import returned_leads
    from winnable.data.ingestion.crm import read_crm
    from winnable.learning.scoring.batch import ScoringJob, moments_of_scoring, score_table
    from winnable.service.scoring.champion import ChampionFollower

    files = demo_store.files
    predictor = ChampionFollower(demo_store.store).current()
    crm = read_crm(
        predictor.definition,
        str(files.open_leads),
        str(files.activities),
        str(files.history) if has_history else None,
        for_training=False,
    )
    data = Dataset(predictor.definition, crm)
    batch = score_table(
        ScoringJob(predictor, data, moments_of_scoring(data, AS_OF[:10]))
    ).set_index("lead_id")
    leads = leads_of(demo_store, 1000)
    if has_history:
        assert returned_leads(predictor.definition, crm) > 2
        leads = with_status_history(leads, demo_store)
    told = asked(client, leads)
    assert len(told["scores"]) == len(batch) > 20
    for score in told["scores"]:
        row = batch.loc[score["lead_id"]]
        for name in ("probability", "low", "high", "probability_winnable"):
            assert score[name] == pytest.approx(row[name], abs=1e-9)
        assert score["grade"] == row["grade"]
        assert "; ".join(reason["says"] for reason in score["reasons"]) == row["reasons"]


def test_a_lead_alone_and_among_others_scores_alike(client: httpx.Client, demo_store: Any) -> None:
    leads = leads_of(demo_store, 8)
    together = asked(client, leads)["scores"]
    for lead, among in zip(leads, together, strict=True):
        alone = asked(client, [lead])["scores"][0]
        assert alone["probability"] == pytest.approx(among["probability"], abs=1e-12)
        assert alone["decision"] == among["decision"]


def test_without_reasons(client: httpx.Client, demo_store: Any) -> None:
    body = {"leads": leads_of(demo_store, 2), "as_of": AS_OF}
    told = client.post("/score?reasons=false", json=body).json()
    assert [score["reasons"] for score in told["scores"]] == [[], []]
    assert [s["probability"] for s in told["scores"]] == pytest.approx(
        [s["probability"] for s in asked(client, body["leads"])["scores"]], rel=0, abs=1e-12
    )


def test_score_ids_are_unique_and_sorted(client: httpx.Client) -> None:
    ids = [s["score_id"] for _ in range(3) for s in asked(client, [{}] * 100)["scores"]]
    assert len(set(ids)) == 300
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("lead", "place"),
    [
        ({"Employees": [3]}, "Employees"),
        ({"Title": {"name": "Director"}}, "Title"),
        ({"Title": "x" * 20_000}, "Title"),
        ({"Lead ID": ["L1"]}, "Lead ID"),
        ({"Created Date": "the day before"}, "Created Date"),
        ({"Created Date": "2026-07-02"}, "created after"),
        ({"activities": "none"}, "activities"),
        ({"activities": [{"kind": "Call"}]}, "activities.0.at"),
        ({"activities": [{"kind": "Call", "at": "2026-06-01T12:00:00"}]}, "activities.0.at"),
        ({"activities": [{"kind": 3, "at": "2026-06-01T12:00:00Z"}]}, "activities.0.kind"),
        (
            {"activities": [{"kind": "Call", "at": "2026-06-01T12:00:00Z", "recorded": 7}]},
            "activities.0.recorded",
        ),
        ({"status_history": {"new": "Closed Lost"}}, "status_history: expected a list"),
        ({"status_history": [{"at": "2026-06-01", "new": "New"}]}, "status_history.0.at"),
        ({"status_history": [{"at": "2026-06-01T12:00:00Z"}]}, "status_history.0: expected"),
        ("not an object", "object"),
    ],
)
def test_a_faulty_lead_is_its_own_fault_alone(client: httpx.Client, lead: Any, place: str) -> None:
    told = asked(client, [{"Employees": 10}, lead, {"Employees": "1,000"}])
    assert [score is None for score in told["scores"]] == [False, True, False]
    (error,) = told["errors"]
    assert (error["index"], error["status"]) == (1, 422)
    assert place in error["detail"]


def test_missing_words_are_no_fault(client: httpx.Client) -> None:
    told = asked(
        client, [{"Employees": "n/a", "Company": None, "Created Date": "-", "activities": None}, {}]
    )
    assert told["errors"] == []
    one, other = (score["probability"] for score in told["scores"])
    assert one == pytest.approx(other, rel=0, abs=1e-12)


@pytest.mark.parametrize("written", ["a great many", "about ten", True])
def test_a_number_that_is_none_counts_as_missing_and_is_told(
    client: httpx.Client, demo_store: DemoStore, written: object
) -> None:
    """As in a table, and as MLflow's model has it."""
    lead = {"Lead ID": "L-7", "Created Date": "2026-06-01"}
    told = asked(client, [{**lead, "Employees": written}, lead, {**lead, "Employees": 12}])
    assert told["errors"] == []
    assert told["warnings"] == [
        "Employees: 1 of 2 values (50%) are not numbers; they count as missing"
    ]
    one, other, _ = (score["probability"] for score in told["scores"])
    assert one == other
    table = winnable.load(demo_store.store).score(
        pd.DataFrame([{**lead, "Employees": written}]), as_of=AS_OF
    )
    assert table["probability"].iloc[0] == pytest.approx(one, rel=1e-9)


def test_ranges_where_the_training_had_numbers_are_told_as_in_a_table(
    client: httpx.Client, demo_store: DemoStore
) -> None:
    lead = {"Lead ID": "L-7", "Created Date": "2026-06-01", "Employees": "51-200"}
    told = asked(client, [lead, lead])
    says = "Employees: 2 of 2 values (100%) are ranges, where the training had numbers; each counts"
    assert told["warnings"] == [f"{says} as its middle"]
    table = winnable.load(demo_store.store).score(pd.DataFrame([lead]), as_of=AS_OF)
    assert table["probability"].iloc[0] == pytest.approx(told["scores"][0]["probability"], rel=1e-9)


def test_values_that_training_did_not_have_are_told_once_a_column(client: httpx.Client) -> None:
    lead = {"Created Date": "2026-06-01"}
    strange = [{**lead, "Lead Source": "Carrier pigeon", "Employees": 9e9}] * 3
    told = asked(client, [*strange, {**lead, "Lead Source": "Referral", "Employees": 30}])
    source, employees = sorted(told["warnings"], reverse=True)
    assert source == "Lead Source: 3 of 4 values (75%) were never seen in training, or only once"
    assert employees.startswith("Employees: 3 of 4 values (75%) lie outside the training's usual")
    text = client.get("/metrics").text
    counted = re.findall(r"winnable_unexpected_values_total\{(.*)\} (\d+)", text)
    assert {labels for labels, _ in counted} >= {
        'column="Lead Source",kind="unknown word"',
        'column="Employees",kind="far number"',
    }
    assert "Carrier pigeon" not in text


def test_a_column_that_is_spelled_another_way_is_recognized(client: httpx.Client) -> None:
    told = asked(client, [{"employees": 10}])
    (warning,) = told["warnings"]
    assert warning.endswith("it was ignored. The model knows 'Employees'")


@pytest.mark.parametrize(
    ("end", "decision"),
    [({"Close Date": "2026-06-20"}, "closed"), ({}, "closed"), ({"Close Date": "2026-09-01"}, "")],
)
def test_a_closed_lead_is_closed_as_in_a_table(
    client: httpx.Client, demo_store: DemoStore, end: dict[str, str], decision: str
) -> None:
    outcome = demo_store.data.definition.outcome
    for status in (outcome.won[0], outcome.lost[0]):
        lead = {"Lead ID": "L-8", "Created Date": "2026-06-01", "Lead Status": status, **end}
        (score,) = asked(client, [lead])["scores"]
        table = winnable.load(demo_store.store).score(pd.DataFrame([lead]), as_of=AS_OF)
        assert (score["decision"], score["because"]) == (table["decision"][0], table["because"][0])
        assert (score["decision"] == "closed") == bool(decision)


def test_a_lead_without_an_id_is_answered_without_one(client: httpx.Client) -> None:
    told = asked(client, [{"Lead ID": 7}, {"Lead ID": 7.0}, {"Lead ID": None}, {}])
    assert [score["lead_id"] for score in told["scores"]] == ["7", "7", None, None]


def test_unknown_columns_are_named_and_change_nothing(client: httpx.Client) -> None:
    told = asked(
        client,
        [
            {"Employees": 10, "Shoe size": 43},
            {"Employees": 10, "Notes": "ignored by the definition"},
        ],
    )
    assert told["warnings"] == ["Shoe size: the model does not know this column; it was ignored"]
    one, other = (score["probability"] for score in told["scores"])
    assert one == pytest.approx(other, rel=0, abs=1e-12)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not JSON", 400),
        (b'{"leads": [{"Employees": NaN}]}', 400),
        (b'{"leads": [{"Employees": -Infinity}]}', 400),
        (b'{"leads": [{"Employees": 1, "Employees": 2}]}', 400),
        (b'{"leads": [{"Company": "\xff\xfe"}]}', 400),
        (b'{"leads": [{"Company": "\\ud800"}]}', 400),
        (b'{"leads": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400),
        (b'{"leads": [{"Employees": ' + b"9" * 10_000 + b"}]}", 400),
        (b"[]", 422),
        (b'{"leads": []}', 422),
        (b'{"leads": {}}', 422),
        (b'{"leads": [' + b"{}," * 1000 + b"{}]}", 422),
        (b'{"leads": [{}], "as_of": "yesterday"}', 422),
        (b'{"leads": [{}], "as_of": 1}', 422),
        (b'{"leads": [{}], "more": 1}', 422),
        (b'{"leads": [{"Notes": "' + b"x" * 10_500_000 + b'"}]}', 413),
    ],
)
def test_a_body_that_cannot_be_used_is_a_problem(
    client: httpx.Client, body: bytes, status: int
) -> None:
    refused(
        client.post("/score", content=body, headers={"Content-Type": "application/json"}), status
    )


def test_a_body_without_a_length_is_limited_too(client: httpx.Client) -> None:
    chunks = (b" " * 1_000_000 for _ in range(12))
    refused(
        client.post("/score", content=chunks, headers={"Content-Type": "application/json"}), 413
    )


def test_other_refusals(client: httpx.Client) -> None:
    assert "Content-Type" in refused(
        client.post("/score", content=b"leads=1", headers={"Content-Type": "text/plain"}), 415
    )
    refused(client.post("/score?reasons=perhaps", json={"leads": [{}]}), 422)
    refused(client.get("/nowhere"), 404)
    answer = client.get("/score")
    refused(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_values_are_never_told_again(client: httpx.Client, live: Any) -> None:
    secret = "mallory.quux@secret.example"
    bodies = [
        {
            "leads": [
                {
                    "Employees": secret,
                    "Title": [secret],
                    "activities": [{"kind": secret, "at": secret}],
                }
            ]
        },
        {"leads": secret},
        {"leads": [{}], "as_of": secret},
        {"leads": [{}], secret: 1},
        {"leads": [secret, [secret], {"Email": {"a": secret}}]},
    ]
    for body in bodies:
        assert secret not in client.post("/score", json=body).text
    client.get(f"/{secret}", headers={"X-Request-ID": f"{secret} {secret}"})
    client.post("/score", json={"leads": [{"Lead ID": "X1", "Email": secret, "Company": secret}]})
    client.get("/healthz")
    assert secret not in client.get("/metrics").text
    assert secret not in live.journal()


def test_headers_keep_browsers_out(client: httpx.Client) -> None:
    for path in ("/healthz", "/docs", "/guide", "/nowhere"):
        answer = client.get(path, headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert client.options("/score", headers={"Origin": "https://evil.example"}).status_code == 405
    answer = client.get("/model", headers={"Host": "rebound.example"})
    assert "own machine" in refused(answer, 403)


def test_the_request_id_comes_back_if_it_is_a_plain_word(client: httpx.Client, live: Any) -> None:
    assert (
        client.get("/healthz", headers={"X-Request-ID": "abc-123"}).headers["x-request-id"]
        == "abc-123"
    )
    made = client.get("/healthz", headers={"X-Request-ID": 'a "b"'}).headers["x-request-id"]
    assert len(made) == 32
    client.get("/healthz", headers={"X-Request-ID": "last"})


def test_the_model_and_the_definition(client: httpx.Client) -> None:
    model = client.get("/model").json()
    assert model["version"] == "1"
    assert model["card"]["leads"] == 400
    assert {"name": "Employees", "kind": "number", "learned": True} in model["columns"]
    assert client.get("/definition").text.startswith("<!doctype html>")
    definition = client.get("/definition", headers={"Accept": "application/json"}).json()
    assert definition["outcome"]["won"] == ["Closed Won"]


def test_health_and_readiness(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["problems"]) == (
        200,
        "ready",
        [],
    )


def test_the_description_is_of_the_live_model(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    lead = document["components"]["schemas"]["Lead"]
    assert lead["properties"]["Employees"]["type"] == ["number", "string", "null"]
    assert {"Lead ID", "Title", "Created Date", "activities"} <= set(lead["properties"])
    history = lead["properties"]["status_history"]
    assert "'Closed Won', 'Closed Lost'" in history["description"]
    assert set(history["items"]["properties"]) == {"at", "old", "new"}
    assert "status_history" in client.get("/guide").text
    example = document["components"]["schemas"]["ScoreRequest"]["examples"][0]
    told = client.post("/score", json=example).json()
    assert told["errors"] == told["warnings"] == []
    described = {
        "/score",
        "/feedback",
        "/leads",
        "/model",
        "/definition",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    assert described == set(document["paths"])


def test_nothing_of_a_lead_is_published(client: httpx.Client, demo_store: Any) -> None:
    told = "".join(client.get(path).text for path in ("/openapi.json", "/guide", "/docs", "/model"))
    for lead in leads_of(demo_store, 400):
        for name in ("Email", "Company", "Last Name", "Phone", "Lead ID"):
            assert not lead[name] or f'"{lead[name]}"' not in told, name


def test_the_guide_loads_nothing(client: httpx.Client) -> None:
    page = client.get("/guide").text
    assert "Employees" in page
    assert "<script" not in page
    assert "src=" not in page
    assert json.dumps("Employees") in page.replace("&quot;", '"')
    assert "`" not in page
    assert "<code>?reasons=false</code>" in page
    assert 'href="docs"' in page


def test_the_documentation_loads_from_the_service_alone(client: httpx.Client) -> None:
    page = client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "http" not in policy
    assert 'href="guide"' in page.text
    addresses = re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text)
    assert len(addresses) == 4
    for address in addresses:
        asset = client.get(f"/{address}")
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]
        assert re.fullmatch(r"docs/[\w.-]+\?v=[0-9a-f]{12}", address)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)
    assert "<script>" not in page.text
    refused(client.get("/docs/LICENSE"), 404)
    refused(client.get("/docs/..%2fapp.py"), 404)


def test_metrics_are_prometheus_text(client: httpx.Client) -> None:
    asked(client, [{"Employees": 10}])
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            samples[name] = float(value)
    scored = [value for name, value in samples.items() if name.startswith("winnable_scores_total")]
    assert sum(scored) >= 1
    assert any(
        name.startswith('winnable_requests_total{method="POST",route="/score",status="200"')
        for name in samples
    )
    assert any(
        name.startswith("winnable_model_info{") and 'version="1"' in name for name in samples
    )
    assert any(name.startswith("winnable_model_age_seconds") for name in samples)


def test_the_journal_is_json_lines(client: httpx.Client, live: Any) -> None:
    def written() -> list[dict[str, Any]]:
        lines = [
            json.loads(line)
            for line in live.journal().splitlines(keepends=True)
            if line[:1] == "{" and line[-1:] == "\n"
        ]
        return [line for line in lines if line.get("request_id") == "journal-test"]

    client.post("/score", json={"leads": [{}, {}, {}]}, headers={"X-Request-ID": "journal-test"})
    (mine,) = until(written)
    assert (mine["event"], mine["route"], mine["status"], mine["leads"]) == (
        "request",
        "/score",
        200,
        3,
    )
