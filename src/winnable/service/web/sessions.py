"""Sessions of the inbox: who is signed in, kept in a signed cookie, and the token that every form
of theirs carries (against cross-site request forgery, CSRF).

Cookies and tokens are signed by itsdangerous. The signature of a cookie covers the hash of the key
that was used, so that a session ends when its key is withdrawn, whoever holds the cookie by then.
Nothing of the key stands in the cookie. Where the service has no keys, a session holds only the
name of the person, and ends as soon as there are keys. The secret that signs lies in the store, so
that several workers and a restart know it.
"""

import hashlib
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from itsdangerous import BadData, Signer, URLSafeTimedSerializer

from winnable.errors import StoreError
from winnable.service.http.keys import Keys, Role

COOKIE = "winnable_session"
SESSION_SECONDS = 12 * 3600
"""A working day."""

MAX_NAME_CHARACTERS = 80
MIN_SECRET_BYTES = 32
MAY_SIGN_IN: frozenset[Role] = frozenset({"feedback", "admin"})

KEY_DERIVATION = "hmac"
DIGEST = hashlib.sha256


@dataclass(frozen=True)
class Session:
    """One person at one browser: `by` is their name, `key` the name of the key ("" without keys),
    `nonce` tells it from all other sessions."""

    key: str
    by: str
    nonce: str


class Sessions:
    """Opens sessions and tells whose they are. Safe to ask from several threads."""

    def __init__(self, store: Path, keys: Keys) -> None:
        self._file = store / "session.secret"
        self._keys = keys
        self._secret: bytes | None = None

    def open(self, secret: str, by: str) -> str | None:
        """The cookie for whoever shows this key and gives this name; None where the key may not
        sign in. `StoreError` if the secret that signs cannot be kept."""
        name = ""
        if self._keys.required():
            key = self._keys.find(secret)
            if key is None or key.role not in MAY_SIGN_IN:
                return None
            name = key.name
        session = Session(name, by, secrets.token_urlsafe(18))
        return f"{name}.{self._serializer(name).dumps(asdict(session))}"

    def read(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None if it was not signed here, has ended, or its key is no
        longer what it was."""
        # The name before the point only says which key's signature to check.
        name, _, signed = (cookie or "").partition(".")
        try:
            session = Session(**self._serializer(name).loads(signed, max_age=SESSION_SECONDS))
        except (BadData, ValueError):
            return None
        if session.key != name:
            return None
        if not session.key:
            return None if self._keys.required() else session
        key = self._keys.named(session.key)
        return session if key is not None and key.role in MAY_SIGN_IN else None

    def token(self, session: Session) -> str:
        """What every form of this session carries, and no page elsewhere can know."""
        return self._token_signer().get_signature(session.nonce).decode("ascii")

    def holds(self, session: Session, token: str) -> bool:
        """Whether a form came from a page of this session."""
        signature = token.encode("utf-8", "surrogatepass")
        return self._token_signer().verify_signature(session.nonce, signature)

    def _serializer(self, key_name: str) -> URLSafeTimedSerializer:
        """What signs and checks the cookies of those who signed in with this key."""
        key = self._keys.named(key_name)
        key_hash = "" if key is None else key.sha256
        return URLSafeTimedSerializer(
            self._signing_secret(),
            salt=f"winnable session {key_hash}",
            signer_kwargs={"key_derivation": KEY_DERIVATION, "digest_method": DIGEST},
        )

    def _token_signer(self) -> Signer:
        return Signer(
            self._signing_secret(),
            salt=b"winnable form",
            key_derivation=KEY_DERIVATION,
            digest_method=DIGEST,
        )

    def _signing_secret(self) -> bytes:
        if self._secret is None:
            self._secret = _read_or_make(self._file)
        return self._secret


def _read_or_make(path: Path) -> bytes:
    """The secret in the file, made by the first who needs it, readable by its owner only."""
    draft = path.with_name(f".session.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        if not path.exists():
            with os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as file:
                file.write(secrets.token_bytes(MIN_SECRET_BYTES))
            try:
                os.link(draft, path)  # fails if another worker was quicker; then theirs counts
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        secret = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{path}: the secret that signs sessions cannot be kept ({error.strerror})."
        ) from None
    if len(secret) < MIN_SECRET_BYTES:
        raise StoreError(
            f"{path}: holds no secret that could sign sessions. Remove it; everyone has to sign in"
            " again."
        )
    return secret
