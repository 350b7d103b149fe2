"""Who may ask for what."""

import base64
import multiprocessing
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.conftest import COMMAND, Live, serving, until
from winnable.errors import StoreError
from winnable.service.http.guards.key_usage import last_uses
from winnable.service.http.keys import (
    ENVIRONMENT,
    Keys,
    add_key,
    keys_were_used,
    read_expiry,
    read_keys,
    turn_off,
    withdraw_key,
)


def test_only_the_hash_is_kept(tmp_path: Path) -> None:
    key, secret = add_key(tmp_path, "score", "the website")
    kept = (tmp_path / "keys.json").read_text()
    assert secret not in kept
    assert key.sha256 in kept
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
    assert Keys(tmp_path, {}).role(secret) == "score"
    assert Keys(tmp_path, {}).role(secret + "x") is None
    assert Keys(tmp_path, {}).role("") is None


def test_a_withdrawn_key_is_forgotten(tmp_path: Path) -> None:
    first, _ = add_key(tmp_path, "score")
    second, _ = add_key(tmp_path, "admin")
    withdraw_key(tmp_path, first.name)
    assert read_keys(tmp_path) == (second,)
    with pytest.raises(StoreError, match="no key named"):
        withdraw_key(tmp_path, first.name)


def test_keys_from_the_environment(tmp_path: Path) -> None:
    key, secret = add_key(tmp_path / "elsewhere", "feedback")
    assert Keys(tmp_path, {ENVIRONMENT: f"feedback:{key.sha256}"}).role(secret) == "feedback"
    for wrong in ("feedback", "boss:" + key.sha256, "score:abc"):
        with pytest.raises(StoreError, match="role:sha256"):
            Keys(tmp_path, {ENVIRONMENT: wrong})


@pytest.mark.parametrize("harm", ["missing", "broken", "a folder"])
def test_without_its_file_no_key_is_in_force_and_one_is_asked_for(
    tmp_path: Path, harm: str
) -> None:
    _, secret = add_key(tmp_path, "score")
    fixed, fixed_secret = add_key(tmp_path / "elsewhere", "score")
    environment = {ENVIRONMENT: f"score:{fixed.sha256}"}
    running = Keys(tmp_path, environment)
    file = tmp_path / "keys.json"
    kept = file.rename(tmp_path / "kept")
    if harm == "broken":
        file.write_text('{"keys": [{"name": ')
    elif harm == "a folder":
        file.mkdir()
    until(lambda: running.role(secret) is None)
    for keys in (running, Keys(tmp_path, environment), Keys(tmp_path, {})):
        assert keys.required()
        assert keys.problem
        assert keys.role(secret) is None
    assert running.role(fixed_secret) == "score"
    if harm == "a folder":
        file.rmdir()
    kept.rename(file)
    until(lambda: running.role(secret) == "score")
    assert running.problem is None


def test_a_process_remembers_that_keys_were_used(tmp_path: Path) -> None:
    """Even if the whole store is emptied, which leaves a new process nothing to know it by."""
    _, secret = add_key(tmp_path, "score")
    keys = Keys(tmp_path, {})
    for path in tmp_path.iterdir():
        path.unlink()
    until(lambda: keys.role(secret) is None)
    assert keys.required()


def test_a_store_of_an_earlier_version_is_protected_from_its_first_start(tmp_path: Path) -> None:
    add_key(tmp_path, "score")
    (tmp_path / "keys.required").unlink()
    Keys(tmp_path, {})
    (tmp_path / "keys.json").unlink()
    assert Keys(tmp_path, {}).required()


def test_only_off_takes_the_protection_away(tmp_path: Path) -> None:
    key, _ = add_key(tmp_path, "score")
    keys = Keys(tmp_path, {})
    withdraw_key(tmp_path, key.name)
    assert keys_were_used(tmp_path)
    assert Keys(tmp_path, {}).required()
    done = keys_command("off", tmp_path)
    assert done.returncode == 0
    assert "0 keys" in done.stdout
    until(lambda: not keys.required())
    assert not keys_were_used(tmp_path)
    assert not Keys(tmp_path, {}).required()
    _, secret = add_key(tmp_path, "score")
    until(keys.required)
    assert keys.role(secret) == "score"
    (tmp_path / "keys.json").write_text("{")
    assert "Traceback" not in keys_command("list", tmp_path).stderr
    assert keys_command("add", tmp_path, "--role", "score").returncode == 1
    assert keys_command("off", tmp_path).returncode == 0  # of a broken file, too
    assert not Keys(tmp_path, {}).required()


def keys_command(command: str, store: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [*COMMAND, "keys", command, *options, "--store", str(store)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def test_a_key_ends_in_time(tmp_path: Path) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=3)
    _, secret = add_key(tmp_path, "score", expires=soon)
    _, other = add_key(tmp_path, "score", expires=soon + timedelta(days=1))
    keys = Keys(tmp_path, {})
    assert keys.role(secret) == keys.role(other) == "score"
    until(lambda: keys.role(secret) is None)
    assert datetime.now(UTC) >= soon - timedelta(seconds=1)  # whole seconds are kept
    assert keys.role(other) == "score"
    assert keys.required()
    assert "(over)" in keys_command("list", tmp_path).stdout


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ("90d", datetime(2026, 9, 29, 12, tzinfo=UTC)),
        ("2026-07-01", datetime(2026, 7, 2, tzinfo=UTC)),
        ("2027-02-28", datetime(2027, 3, 1, tzinfo=UTC)),
    ],
)
def test_when_a_key_ends(given: str, end: datetime) -> None:
    assert read_expiry(given, datetime(2026, 7, 1, 12, tzinfo=UTC)) == end


@pytest.mark.parametrize("given", ["soon", "0d", "-1d", "2020-01-01", "2027-02-30", "", "99999d9"])
def test_no_end_of_a_key(given: str) -> None:
    with pytest.raises(ValueError, match=r"over|format|day is out of range"):
        read_expiry(given, datetime.now(UTC))


def test_an_end_that_is_none_is_told(tmp_path: Path) -> None:
    added = keys_command("add", tmp_path, "--role", "score", "--expires", "soon")
    assert added.returncode == 2
    assert read_keys(tmp_path) == ()
    assert keys_command("add", tmp_path, "--role", "score", "--expires", "90d").returncode == 0
    assert read_keys(tmp_path)[0].expires


def test_the_last_use_of_a_key_is_kept(store: Path, tmp_path: Path) -> None:
    key, secret = add_key(store, "feedback")
    unused, _ = add_key(store, "feedback")
    with serving(store, tmp_path / "log") as live, live.client(secret) as client:
        assert client.get("/model").status_code == 200
        until(lambda: key.name in last_uses(store))
        first = last_uses(store)
        (store / "keys.used.json").unlink()
        assert client.get("/model").status_code == 200
    # What was used since is written in the end, not with each request.
    assert last_uses(store).keys() == first.keys() == {key.name}
    listed = keys_command("list", store).stdout.splitlines()
    assert [last_uses(store)[key.name] in line for line in listed if key.name in line] == [True]
    assert unused.name in " ".join(listed)


ROUNDS = 25
"""For each of four processes: 100 in all."""


def change_keys(store: Path, start: Any, mine: list[str]) -> None:
    """A process's rounds: withdraw a key and add one."""
    start.wait()
    for name in mine:
        withdraw_key(store, name)
        add_key(store, "score", note="added")


def test_no_change_is_lost_where_many_change_at_once(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    names = [[add_key(tmp_path, "score")[0].name for _ in range(ROUNDS)] for _ in range(4)]
    start = processes.Barrier(len(names))
    running = [
        processes.Process(target=change_keys, args=(tmp_path, start, mine)) for mine in names
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * len(names)
    left = read_keys(tmp_path)
    assert {key.name for key in left}.isdisjoint(name for mine in names for name in mine)
    assert len(left) == len(names) * ROUNDS


def test_the_command_line_prints_a_key_once(tmp_path: Path) -> None:
    made = subprocess.run(
        [*COMMAND, "keys", "add", "--role", "score", "--store", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert Keys(tmp_path, {}).role(made.stdout.strip()) == "score"
    listed = subprocess.run(
        [*COMMAND, "keys", "list", "--store", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert read_keys(tmp_path)[0].name in listed.stdout
    assert made.stdout.strip() not in listed.stdout
    wrong = subprocess.run(
        [*COMMAND, "keys", "add", "--role", "boss", "--store", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert wrong.returncode == 2


def test_roles_and_rotation_without_a_restart(store: Path, tmp_path: Path) -> None:
    score, score_secret = add_key(store, "score")
    feedback, feedback_secret = add_key(store, "feedback")
    _, admin_secret = add_key(store, "admin")
    body = {"leads": [{}]}
    with serving(store, tmp_path / "log", "--host", "0.0.0.0") as live:
        with live.client() as nobody:
            refused = nobody.post("/score", json=body)
            assert refused.status_code == 401
            # On two lines: Chromium reads the first challenge of a line only.
            for answer in (refused, nobody.get("/docs"), nobody.get("/definition")):
                assert answer.headers.get_list("www-authenticate") == [
                    'Bearer realm="winnable"',
                    'Basic realm="winnable", charset="UTF-8"',
                ]
            assert refused.headers["content-type"] == "application/problem+json"
            for path in (
                "/model",
                "/definition",
                "/metrics",
                "/docs",
                "/docs/docs.js",
                "/guide",
                "/openapi.json",
                "/nowhere",
            ):
                assert nobody.get(path).status_code == 401, path
            assert nobody.get("/healthz").status_code == nobody.get("/readyz").status_code == 200
            assert nobody.get("/model", headers={"Authorization": "Basic %%%"}).status_code == 401
            assert (
                nobody.get("/model", headers={"Authorization": b"Bearer \xff"}).status_code == 401
            )
            basic = base64.b64encode(f"me:{score_secret}".encode()).decode()
            remembered = {"Authorization": f"Basic {basic}"}
            assert nobody.get("/docs", headers=remembered).status_code == 200
            # A browser sends a remembered password along, whoever makes it send a request.
            assert nobody.post("/score", json=body, headers=remembered).status_code == 200
            for site in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
                elsewhere = nobody.post("/score", json=body, headers=remembered | site)
                assert elsewhere.status_code == 403
        with (
            live.client(score_secret) as mine,
            live.client(feedback_secret) as sales,
            live.client(admin_secret) as admin,
        ):
            assert mine.post("/score", json=body).status_code == 200
            assert sales.post("/score", json=body).status_code == 403
            assert sales.get("/model").status_code == 200
            assert admin.post("/score", json=body).status_code == 200
            _, newer_secret = add_key(store, "score")
            withdraw_key(store, score.name)
            until(lambda: mine.post("/score", json=body).status_code == 401)
        with live.client(newer_secret) as mine:
            assert mine.post("/score", json=body).status_code == 200
            for key in read_keys(store):
                withdraw_key(store, key.name)
            until(lambda: mine.post("/score", json=body).status_code == 401)
            turn_off(store)
            # Without keys nobody but this machine is answered, wherever the service listens.
            until(
                lambda: (
                    mine.post("/score", json=body, headers={"Host": "leads.example"}).status_code
                    == 403
                )
            )
            assert mine.post("/score", json=body, headers={"Authorization": ""}).status_code == 200
        told = live.journal()
    assert score_secret not in told
    for key in (score, feedback):
        assert any(f'"key":"{key.name}"' in line for line in told.splitlines())
    assert last_uses(store) == {}  # of keys that are withdrawn nothing is kept


PATHS = ("/leads", "/model", "/", "/inbox/sign-in", "/docs", "/metrics")


def refused_for_want_of_keys(live: Live, secret: str) -> bool:
    """Whether nobody is let in, with the key and without one, and the answers say why."""
    with live.client() as nobody, live.client(secret) as mine:
        answers = [client.get(path) for path in PATHS for client in (nobody, mine)]
        answers.append(mine.post("/score", json={"leads": [{}]}))
        assert nobody.get("/healthz").status_code == 200
        assert "keys" in " ".join(nobody.get("/readyz").json()["problems"])
    return all(
        answer.status_code == 503 and "winnable keys off" in answer.text for answer in answers
    )


def test_without_the_file_of_keys_nobody_is_let_in(store: Path, tmp_path: Path) -> None:
    """Moved while the service runs, with a restart, and until it is back or keys are off."""
    _, secret = add_key(store, "admin")
    file = store / "keys.json"
    with serving(store, tmp_path / "log") as live, live.client() as nobody:
        assert nobody.get("/leads").status_code == 401
        file.rename(tmp_path / "moved")
        until(lambda: nobody.get("/leads").status_code == 503)
        assert refused_for_want_of_keys(live, secret)
    with serving(store, tmp_path / "log") as live, live.client(secret) as mine:
        assert refused_for_want_of_keys(live, secret)
        assert '"degraded"' in live.journal()
        (tmp_path / "moved").rename(file)
        until(lambda: mine.get("/leads").status_code == 200)
        turn_off(store)
        until(lambda: mine.get("/leads", headers={"Authorization": ""}).status_code == 200)


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Real-IP",
        "Via",
    ],
)
def test_without_keys_nobody_is_answered_through_a_proxy(client: httpx.Client, header: str) -> None:
    for path in ("/leads", "/healthz", "/", "/inbox/sign-in", "/docs"):
        answer = client.get(path, headers={header: "for=192.0.2.1"})
        assert answer.status_code == 403
        assert "winnable keys add" in answer.json()["detail"]
    sent = client.post("/score", json={"leads": [{}]}, headers={header: "192.0.2.1"})
    assert sent.status_code == 403


def test_without_keys_on_this_machine_only(store: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "serve", "--store", str(store), "--host", "0.0.0.0"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "winnable keys add" in done.stderr


def test_a_broken_file_of_keys_stops_the_start(store: Path) -> None:
    (store / "keys.json").write_text("{")
    done = subprocess.run(
        [*COMMAND, "serve", "--store", str(store)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "file of keys" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_ipv6_loopback_is_this_machine(live) -> None:
    port = live.url.rsplit(":", 1)[1]
    assert httpx.get(f"{live.url}/model", headers={"Host": f"[::1]:{port}"}).status_code == 200
    assert httpx.get(f"{live.url}/model", headers={"Host": "[::1"}).status_code == 403
