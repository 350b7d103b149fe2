"""Sessions of the inbox: who is signed in, kept in a signed cookie, and the token that every form
of theirs carries (against cross-site request forgery, CSRF).

Cookies and tokens are signed by itsdangerous. The signature of a cookie covers the hash of the key
that was used, or of the setting of the company's sign-in, so that a session ends when its key is
withdrawn or the setting changes, whoever holds the cookie by then. Nothing of the key stands in the
cookie. Where the service has neither keys nor a company's sign-in, a session holds only the name of
the person, and ends as soon as there is either. The secret that signs lies in the store, so that
several workers and a restart know it.
"""

import hashlib
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from itsdangerous import BadData, Signer, URLSafeTimedSerializer
from starlette.responses import Response

from winnable.errors import StoreError
from winnable.service.http.keys import Keys
from winnable.service.web.sign_in.attempt import Attempt, pack, unpack
from winnable.service.web.sign_in.configuration import MAY_SIGN_IN, SignInSettings
from winnable.service.web.sign_in.id_token import KEY_NAME_MARK, MAX_NAME_CHARACTERS, Person

COOKIE = "winnable_session"
SESSION_SECONDS = 12 * 3600
"""A working day."""

MIN_SECRET_BYTES = 32
COMPANY = "~company"
"""Stands before the cookies of those who signed in at their company; no key has such a name."""


KEY_DERIVATION = "hmac"
DIGEST = hashlib.sha256


def keep_session(response: Response, cookie: str, *, secure: bool) -> None:
    """Let the browser keep a session; `secure` says that it may only be sent by TLS."""
    response.set_cookie(
        COOKIE,
        cookie,
        SESSION_SECONDS,
        path="/",
        httponly=True,
        samesite="lax",
        secure=secure,
    )


@dataclass(frozen=True)
class Session:
    """One person at one browser: `by` is their name, `key` the name of the key ("" without one),
    `nonce` tells it from all other sessions, `subject` is who the company's identity provider says
    they are ("" for those it did not sign in)."""

    key: str
    by: str
    nonce: str
    subject: str = ""


class Sessions:
    """Opens sessions and tells whose they are. Safe to ask from several threads."""

    def __init__(self, store: Path, keys: Keys) -> None:
        self._file = store / "session.secret"
        self._keys = keys
        self._secret: bytes | None = None
        self.company = SignInSettings(store)

    def open(self, secret: str, by: str) -> str | None:
        """The cookie for whoever shows this key and gives this name; None where the key may not
        sign in. Beside a company's sign-in the name says that it was given with a key. `StoreError`
        if the secret that signs cannot be kept."""
        name = ""
        if self._keys.required() or self.has_company():
            key = self._keys.find(secret)
            if key is None or key.role not in MAY_SIGN_IN:
                return None
            name = key.name
        if self.has_company():
            mark = f"{KEY_NAME_MARK}{name})"
            by = by.replace(KEY_NAME_MARK, " ")[: MAX_NAME_CHARACTERS - len(mark)] + mark
        return self._sealed(name, Session(name, by, secrets.token_urlsafe(18)))

    def open_for(self, person: Person, setting: str) -> str | None:
        """The cookie for whoever the identity provider has named under the setting with this
        fingerprint; None if that is no longer in force. `StoreError` as of `open`."""
        if self._opened_by(COMPANY) != setting:
            return None
        session = Session("", person.name, secrets.token_urlsafe(18), person.subject)
        return self._sealed(COMPANY, session)

    def read(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None if it was not signed here, has ended, or what it was opened
        by is no longer what it was."""
        # The name before the point only says which signature to check.
        name, _, signed = (cookie or "").partition(".")
        opener = self._opened_by(name)
        if opener is None:
            return None
        try:
            session = Session(**self._serializer(opener).loads(signed, max_age=SESSION_SECONDS))
        except (BadData, ValueError, TypeError):
            return None
        is_right = bool(session.subject) if name == COMPANY else session.key == name
        return session if is_right else None

    def pack(self, attempt: Attempt) -> str:
        """The cookie of an attempt to sign in at the company. `StoreError` as of `open`."""
        return pack(attempt, self._serializer(f"attempt {attempt.setting}"))

    def unpack(self, cookie: str | None, setting: str) -> Attempt | None:
        """The attempt that began under this setting, if the cookie is one's and not over."""
        return unpack(cookie, self._serializer(f"attempt {setting}"))

    def has_company(self) -> bool:
        """Whether people sign in at their company; a setting that cannot be read counts."""
        try:
            return self.company.now() is not None
        except StoreError:
            return True

    def _opened_by(self, name: str) -> str | None:
        """What a session of that name depends on, as it is now; None if none may be open."""
        if name == COMPANY:
            try:
                setting = self.company.now()
            except StoreError:
                return None
            return None if setting is None else setting.fingerprint
        if not name:
            return None if self._keys.required() or self.has_company() else ""
        key = self._keys.named(name)
        return key.sha256 if key is not None and key.role in MAY_SIGN_IN else None

    def _sealed(self, name: str, session: Session) -> str | None:
        opener = self._opened_by(name)
        return (
            None if opener is None else f"{name}.{self._serializer(opener).dumps(asdict(session))}"
        )

    def token(self, session: Session) -> str:
        """What every form of this session carries, and no page elsewhere can know."""
        return self._token_signer().get_signature(session.nonce).decode("ascii")

    def holds(self, session: Session, token: str) -> bool:
        """Whether a form came from a page of this session."""
        signature = token.encode("utf-8", "surrogatepass")
        return self._token_signer().verify_signature(session.nonce, signature)

    def _serializer(self, opener: str) -> URLSafeTimedSerializer:
        """What signs and checks the cookies that depend on this."""
        return URLSafeTimedSerializer(
            self._signing_secret(),
            salt=f"winnable session {opener}",
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
