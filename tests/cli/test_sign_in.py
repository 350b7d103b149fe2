"""Setting the company's identity provider, as people meet it."""

import json
import stat
from pathlib import Path

import pytest

from tests.cli.test_commands import winnable

ISSUER, ADDRESS = "http://127.0.0.1:1", "https://leads.example.com"
WORDS = ("--issuer", ISSUER, "--client-id", "winnable", "--address", ADDRESS)
GROUP = ("--group", "feedback=sales north")
SECRET = "not for anybody"


def test_it_is_set_shown_and_forgotten(tmp_path: Path) -> None:
    secret = {"WINNABLE_OIDC_CLIENT_SECRET": SECRET}
    none = winnable("sign-in", "show", folder=tmp_path)
    assert none.stdout == "Nobody signs in at an identity provider.\n"
    done = winnable("sign-in", "set", *WORDS, *GROUP, folder=tmp_path, **secret)
    assert done.returncode == 0, done.stderr
    assert f"Register {ADDRESS}/inbox/signed-in as the redirect URI" in done.stdout
    assert "nobody can sign in yet: The identity provider does not answer." in " ".join(
        done.stderr.split()
    )
    file = tmp_path / "models" / "sign-in.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = json.loads(file.read_text())
    assert first["groups"] == {"sales north": "feedback"}
    assert first["client_secret"] == SECRET
    file.chmod(0o644)  # somebody's mistake
    again = winnable("sign-in", "set", *WORDS, *GROUP, folder=tmp_path, **secret)
    assert again.returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["made"] != first["made"]
    shown = winnable("sign-in", "show", folder=tmp_path)
    assert "sales north" in shown.stdout
    assert winnable("sign-in", "off", folder=tmp_path).returncode == 0
    assert not file.exists()
    assert winnable("sign-in", "off", folder=tmp_path).stdout == none.stdout
    trail = winnable("audit", folder=tmp_path).stdout
    assert trail.count("set the sign-in") == 2
    assert trail.count("turned the sign-in off") == 1
    told = (done, again, shown)
    assert not any(SECRET in each.stdout + each.stderr for each in told)
    assert SECRET not in trail


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*WORDS, "--group", "boss=sales"), "the roles are score, feedback, admin"),
        ((*WORDS, "--group", "sales"), "the roles are score, feedback, admin"),
        ((*WORDS, "--group", "feedback="), "the roles are score, feedback, admin"),
        ((*WORDS, *GROUP, "--issuer", "http://login.example.com"), "begins with https://"),
        ((*WORDS, *GROUP, "--issuer", "file:///etc/passwd"), "begins with https://"),
        ((*WORDS, *GROUP, "--issuer", "https://a@login.example.com"), "begins with https://"),
        ((*WORDS, *GROUP, "--address", "http://leads.example.com"), "begins with https://"),
        ((*WORDS, *GROUP, "--address", f"{ADDRESS}/inbox"), "without a path"),
        ((*WORDS, *GROUP, "--client-id", ""), "client_id is missing"),
        ((*WORDS, *GROUP, "--name-claim", "a\nb"), "name_claim is missing or no plain text"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = winnable("sign-in", "set", *words, folder=tmp_path)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.replace("│", " ").split())
    assert not (tmp_path / "models" / "sign-in.json").exists()


def test_a_setting_that_cannot_be_used_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for content in ("", "{", "[]", '{"issuer": 1}', '{"groups": 1}', "[" * 100_000):
        (tmp_path / "models" / "sign-in.json").write_text(content)
        done = winnable("sign-in", "show", folder=tmp_path)
        assert done.returncode == 1
        assert "Make it anew" in done.stderr
        assert "Traceback" not in done.stderr
