"""What users rely on stays as it was: the scores of the demo company, the columns of `scores.csv`,
and the statuses, media types, keys and types of what the HTTP interface answers.

`unchanged/http.json` was written by version 0.1.0 before its modules were laid out anew, the scores
when models began to learn what is derived of columns; leads have had four keys
more since they come back (queue, before, comes_back, returns_at). Words are not compared.
Probabilities may differ as far as another processor makes them differ.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

import winnable
from tests.conftest import DemoStore
from tests.service.conftest import serving, until

UNCHANGED = Path(__file__).with_name("unchanged")
SCORE_COLUMNS = (
    "lead_id probability low high probability_winnable grade decision because reasons mode model"
    " as_of error"
)
LEAD = {
    "Lead ID": "L-1",
    "Title": "Head of Logistics",
    "Employees": 410,
    "Country": "Germany",
    "Lead Source": "Referral",
    "activities": [{"kind": "Pricing page", "at": "2026-06-28T14:30:00Z"}],
}
AS_OF = "2026-07-01T00:00:00Z"


def test_the_demo_is_scored_as_before(demo_store: DemoStore) -> None:
    before = pd.read_csv(UNCHANGED / "scores.csv", dtype={"model": str})
    files = demo_store.files
    model = winnable.load(demo_store.store)
    now = model.score(files.open_leads, files.activities, files.history)
    assert list(now) == SCORE_COLUMNS.split()
    for name in ("lead_id", "mode", "model", "as_of"):
        assert now[name].tolist() == before[name].tolist()
    for name in ("probability", "low", "high", "probability_winnable"):
        difference = (now[name] - before[name]).abs()
        assert difference.max() < 0.02, name
    for name in ("grade", "decision"):
        assert (now[name] == before[name]).mean() >= 0.95, name


def shape(value: Any) -> Any:
    """Keys and types of a JSON value; of a list those of its first element."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def shown(answer: httpx.Response) -> dict[str, Any]:
    media_type = answer.headers["content-type"].split(";")[0]
    body = shape(answer.json()) if media_type.endswith("json") else media_type
    return {"status": answer.status_code, "type": media_type, "body": body}


@pytest.fixture(scope="module")
def http(demo_store: DemoStore, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same requests as those whose answers are in `unchanged/http.json`."""
    folder = tmp_path_factory.mktemp("unchanged")
    store = folder / "store"
    store.mkdir()
    (store / "served").symlink_to(demo_store.store / "served")
    json_type = {"Content-Type": "application/json"}
    scored = {"leads": [LEAD], "as_of": AS_OF}
    faulty = {"leads": [{"Lead ID": "L-2", "Employees": [1]}, {"Lead ID": "L-3", "No such": "x"}]}
    with serving(store, folder / "log") as service, service.client() as client:
        found = {
            "POST /score": client.post("/score", json=scored),
            "POST /score?reasons=false": client.post("/score?reasons=false", json=scored),
            "POST /score with a fault": client.post("/score", json=faulty),
            "POST /score with no body": client.post("/score", content=b"{", headers=json_type),
        }
        until(lambda: client.get("/leads").json()["leads"])
        label = {"lead_id": "L-1", "label": "accepted", "by": "Kim"}
        wrong = {**label, "label": "nonsense"}
        found |= {
            "POST /feedback": client.post("/feedback", json=label),
            "POST /feedback with a wrong label": client.post("/feedback", json=wrong),
            "GET /leads": client.get("/leads"),
            "GET /model": client.get("/model"),
            "GET /definition": client.get("/definition", headers={"Accept": "application/json"}),
        }
        found |= {f"GET {path}": client.get(path) for path in ("/healthz", "/readyz", "/nothing")}
        paths = client.get("/openapi.json").json()["paths"]
        metrics = client.get("/metrics").text
    return {
        **{name: shown(answer) for name, answer in found.items()},
        "paths": sorted(f"{method.upper()} {path}" for path in paths for method in paths[path]),
        "metrics": {line.split("{")[0].split()[0] for line in metrics.splitlines() if line},
    }


BEFORE = json.loads((UNCHANGED / "http.json").read_text())


@pytest.mark.parametrize("request_name", [name for name in BEFORE if " /" in name])
def test_an_answer_has_the_form_it_had(http: dict[str, Any], request_name: str) -> None:
    assert http[request_name] == BEFORE[request_name]


def test_no_path_and_no_metric_is_gone(http: dict[str, Any]) -> None:
    assert set(BEFORE["paths"]) <= set(http["paths"])
    assert set(BEFORE["metrics"]) <= http["metrics"]
