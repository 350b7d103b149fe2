"""Sessions of the inbox: who is signed in, kept in a signed cookie, and the token that every form
of theirs carries.

The signature covers the hash of the key that was used, so that a session ends when its key is
withdrawn, whoever holds the cookie by then. Nothing of the key stands in the cookie. Where the
service has no keys, a session holds only the name of the person, and ends as soon as there are
keys. The secret that signs lies in the store, so that several workers and a restart know it.
"""

import hashlib
import hmac
import json
import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from winnable.errors import StoreError
from winnable.service.http.keys import Keys, Role

COOKIE = "winnable_session"
LASTS = 12 * 3600  # seconds: a working day
LONGEST_NAME = 80  # characters
MAY_SIGN_IN: frozenset[Role] = frozenset({"feedback", "admin"})


@dataclass(frozen=True)
class Session:
    """One person at one browser: `by` is their name, `key` the name of the key ("" without keys),
    `until` seconds since 1970."""

    key: str
    by: str
    nonce: str
    until: int


class Sessions:
    """Opens sessions and tells whose they are. Safe to ask from several threads."""

    def __init__(self, store: Path, keys: Keys) -> None:
        self._file = store / "session.secret"
        self._keys = keys
        self._kept: bytes | None = None

    def open(self, secret: str, by: str) -> str | None:
        """The cookie for whoever shows this key and gives this name; None where the key may not
        sign in. `StoreError` if the secret that signs cannot be kept."""
        name = ""
        if self._keys.any():
            key = self._keys.find(secret)
            if key is None or key.role not in MAY_SIGN_IN:
                return None
            name = key.name
        return self._written(Session(name, by, secrets.token_urlsafe(18), int(time.time()) + LASTS))

    def read(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None if it was not written here, has ended, or its key is no
        longer what it was."""
        content, _, signature = (cookie or "").partition(".")
        try:
            session = Session(**json.loads(urlsafe_b64decode(content)))
            expected = self._written(session).encode()
        except (ValueError, TypeError, RecursionError):
            return None
        if (
            not hmac.compare_digest(expected, f"{content}.{signature}".encode())
            or session.until < time.time()
        ):
            return None
        if not session.key:
            return None if self._keys.any() else session
        key = self._keys.named(session.key)
        return session if key is not None and key.role in MAY_SIGN_IN else None

    def token(self, session: Session) -> str:
        """What every form of this session carries, and no page elsewhere can know."""
        return _signed(self._secret(), f"form {session.nonce}")

    def holds(self, session: Session, token: str) -> bool:
        """Whether a form came from a page of this session."""
        return hmac.compare_digest(
            self.token(session).encode(), token.encode("utf-8", "surrogatepass")
        )

    def _written(self, session: Session) -> str:
        key = self._keys.named(session.key)
        told = json.dumps(
            {"key": session.key, "by": session.by, "nonce": session.nonce, "until": session.until}
        )
        content = urlsafe_b64encode(told.encode()).decode()
        of_key = "" if key is None else key.sha256
        return f"{content}.{_signed(self._secret(), f'session {content} {of_key}')}"

    def _secret(self) -> bytes:
        if self._kept is None:
            self._kept = _read_or_make(self._file)
        return self._kept


def _signed(secret: bytes, words: str) -> str:
    return (
        urlsafe_b64encode(
            hmac.digest(secret, words.encode("utf-8", "surrogatepass"), hashlib.sha256)
        )
        .decode()
        .rstrip("=")
    )


def _read_or_make(path: Path) -> bytes:
    """The secret in the file, made by the first who needs it, readable by its owner only."""
    draft = path.with_name(f".session.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        if not path.exists():
            with os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as file:
                file.write(secrets.token_bytes(32))
            try:
                os.link(draft, path)  # fails if another worker was quicker; then theirs counts
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        kept = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{path}: the secret that signs sessions cannot be kept ({error.strerror})."
        ) from None
    if len(kept) < 32:
        raise StoreError(
            f"{path}: holds no secret that could sign sessions. Remove it; everyone has to sign in"
            " again."
        )
    return kept
