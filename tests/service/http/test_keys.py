"""Who may ask for what."""

import base64
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import COMMAND, serving, until
from winnable.errors import StoreError
from winnable.service.http.keys import ENVIRONMENT, Keys, add_key, read_keys, withdraw_key


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


def test_a_broken_file_is_an_error_at_the_start_and_ignored_later(tmp_path: Path) -> None:
    _, secret = add_key(tmp_path, "score")
    keys = Keys(tmp_path, {})
    (tmp_path / "keys.json").write_text('{"keys": [{"name": ')
    with pytest.raises(StoreError, match="file of keys"):
        Keys(tmp_path, {})
    until(lambda: keys.role(secret) == "score" and keys.problem)
    assert keys.role(secret) == "score"


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
    _, feedback_secret = add_key(store, "feedback")
    _, admin_secret = add_key(store, "admin")
    body = {"leads": [{}]}
    with serving(store, tmp_path / "log", "--host", "0.0.0.0") as live:
        with live.client() as nobody:
            refused = nobody.post("/score", json=body)
            assert refused.status_code == 401
            assert refused.headers.get_list("www-authenticate") == [
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
            # Without any key left nobody but this machine is answered, wherever the service
            # listens.
            until(
                lambda: (
                    mine.post("/score", json=body, headers={"Host": "leads.example"}).status_code
                    == 403
                )
            )
            assert mine.post("/score", json=body, headers={"Authorization": ""}).status_code == 200
        assert score_secret not in live.journal()


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
