"""API keys: authentication and roles, that is who may ask the service for what.

A key is 32 random bytes, shown once when it is made; the store keeps its SHA-256 only, in
`keys.json`. So much chance cannot be guessed from a hash, which is why no slower hash is needed. A
key given is compared with all of them in constant time. The file is looked at again every second,
so that keys are added and withdrawn without a restart; where it cannot be read, the keys known
before stay in force. `WINNABLE_KEYS` may hold more, as `role:sha256` separated by spaces; those
change with a restart only.
"""

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from winnable.errors import StoreError

Role = Literal["score", "feedback", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
ENVIRONMENT = "WINNABLE_KEYS"
POLL_SECONDS = 1.0
_PREFIX = "winnable_"


@dataclass(frozen=True)
class Key:
    """What is kept of a key: a short name to withdraw it by, its role, the hash, when it was added,
    and a note on who uses it."""

    name: str
    role: Role
    sha256: str
    added: str = ""
    note: str = ""


class Keys:
    """The keys of a store, as they are now. Safe to ask from several threads. `StoreError` if the
    first look fails."""

    def __init__(self, store: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._store = store
        self._fixed = _from_environment(environment.get(ENVIRONMENT, ""))
        self._lock = threading.Lock()
        self.problem: str | None = None
        self._seen = _signature(_file(store))
        self._keys = (*self._fixed, *read_keys(store))
        self._looked = time.monotonic()

    def any(self) -> bool:
        """Whether there is any key at all."""
        return bool(self._now())

    def role(self, secret: str) -> Role | None:
        """The role of the key that was given; None if it is none of ours."""
        found = self.find(secret)
        return None if found is None else found.role

    def find(self, secret: str) -> Key | None:
        """What is kept of the key that was given; None if it is none of ours."""
        given = _hash(secret)
        found = None
        for key in self._now():  # all of them, so that the time says nothing
            if hmac.compare_digest(key.sha256, given):
                found = key
        return found

    def named(self, name: str) -> Key | None:
        """The key of that name that is in force; None if there is none."""
        return next((key for key in self._now() if key.name == name), None)

    def _now(self) -> tuple[Key, ...]:
        if time.monotonic() - self._looked >= POLL_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._keys

    def _look(self) -> None:
        self._looked = time.monotonic()
        seen = _signature(_file(self._store))
        if seen == self._seen:
            return
        try:
            self._keys = (*self._fixed, *read_keys(self._store))
            self._seen = seen
            self.problem = None
        except StoreError:
            self.problem = "the file of keys cannot be read; the keys known before stay in force"


def read_keys(store: Path) -> tuple[Key, ...]:
    """The keys in a store's file; none if there is no file. `StoreError` if it cannot be read."""
    try:
        return tuple(_key(**entry) for entry in json.loads(_file(store).read_bytes())["keys"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreError(
            f"{_file(store)}: cannot be read as a file of keys. Correct it, or remove it."
        ) from None


def add_key(store: Path, role: Role, note: str = "") -> tuple[Key, str]:
    """Make a key, keep its hash, and return what is kept and the secret, which nobody can tell
    again. `StoreError` if it cannot be kept."""
    secret = _PREFIX + secrets.token_urlsafe(32)
    added = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    key = Key(secrets.token_hex(4), role, _hash(secret), added, note)
    _write(store, (*read_keys(store), key))
    return key, secret


def withdraw_key(store: Path, name: str) -> None:
    """Forget the key of that name; `StoreError` if there is none."""
    keys = read_keys(store)
    left = tuple(key for key in keys if key.name != name)
    if len(left) == len(keys):
        raise StoreError(
            f"{_file(store)}: there is no key named {name}. `winnable keys list` shows the names."
        )
    _write(store, left)


def _key(name: str, role: str, sha256: str, added: str = "", note: str = "") -> Key:
    if role not in ROLES or len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise ValueError
    return Key(name, role, sha256, added, note)


def _from_environment(given: str) -> tuple[Key, ...]:
    try:
        return tuple(
            _key(f"environment-{i}", *entry.split(":")) for i, entry in enumerate(given.split(), 1)
        )
    except (TypeError, ValueError):
        roles = ", ".join(ROLES)
        raise StoreError(
            f"{ENVIRONMENT}: expected role:sha256 separated by spaces; roles are {roles}, a hash"
            " has 64 hexadecimal digits."
        ) from None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _file(store: Path) -> Path:
    return store / "keys.json"


def _signature(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _write(store: Path, keys: tuple[Key, ...]) -> None:
    """Replace the file in one step, readable by its owner only."""
    draft = store / f".keys.{os.getpid()}.draft"
    try:
        store.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"keys": [asdict(key) for key in keys]}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(_file(store))
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StoreError(
            f"{_file(store)}: cannot be written ({error.strerror}). Choose another --store."
        ) from None
