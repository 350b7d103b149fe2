"""Sessions: a cookie is believed for twelve hours, as long as its key is in force, and a form's
token belongs to its session alone."""

import time
from pathlib import Path

import pytest

from winnable.service.http.keys import Keys, add_key, withdraw_key
from winnable.service.web.sessions import SESSION_SECONDS, Sessions


def test_a_cookie_is_believed_for_twelve_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = Sessions(tmp_path, Keys(tmp_path))
    cookie = sessions.open("", "Kim Osei")
    session = sessions.read(cookie)
    assert session is not None
    assert (session.key, session.by) == ("", "Kim Osei")
    assert SESSION_SECONDS == 12 * 3600
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + SESSION_SECONDS - 60)
    assert sessions.read(cookie) == session
    monkeypatch.setattr(time, "time", lambda: now + SESSION_SECONDS + 60)
    assert sessions.read(cookie) is None


def test_a_cookie_ends_with_its_key_and_says_nothing_of_it(tmp_path: Path) -> None:
    key, secret = add_key(tmp_path, "feedback")
    cookie = Sessions(tmp_path, Keys(tmp_path)).open(secret, "Kim")
    assert cookie is not None
    assert secret not in cookie
    assert key.sha256 not in cookie
    assert Sessions(tmp_path, Keys(tmp_path)).read(cookie) is not None  # another worker
    withdraw_key(tmp_path, key.name)
    assert Sessions(tmp_path, Keys(tmp_path)).read(cookie) is None
    add_key(tmp_path, "feedback")
    assert Sessions(tmp_path, Keys(tmp_path)).read(cookie) is None


def test_a_cookie_without_a_key_ends_with_the_first_key(tmp_path: Path) -> None:
    cookie = Sessions(tmp_path, Keys(tmp_path)).open("", "Kim")
    key, _ = add_key(tmp_path, "admin")
    sessions = Sessions(tmp_path, Keys(tmp_path))
    assert sessions.read(cookie) is None
    assert sessions.read(f"{key.name}{cookie}") is None
    assert sessions.read(f"unknown{cookie}") is None


def test_a_changed_cookie_is_none(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, Keys(tmp_path))
    cookie = sessions.open("", "Kim")
    assert cookie is not None
    for place in range(len(cookie) - 1):  # the last one has bits that say nothing
        other = "A" if cookie[place] != "A" else "B"
        assert sessions.read(cookie[:place] + other + cookie[place + 1 :]) is None


def test_a_token_belongs_to_its_session(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, Keys(tmp_path))
    mine, other = (sessions.read(sessions.open("", "Kim")) for _ in range(2))
    assert mine is not None
    assert other is not None
    token = sessions.token(mine)
    assert sessions.holds(mine, token)
    assert not sessions.holds(other, token)
    for wrong in ("", "é", "\ud800", token[:-2], f"{token}AAAA"):
        assert not sessions.holds(mine, wrong)
