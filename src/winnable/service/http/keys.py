"""API keys: authentication and roles, that is who may ask the service for what.

A key is 32 random bytes, shown once when it is made; the store keeps its SHA-256 only, in
`keys.json`. So much chance cannot be guessed from a hash, which is why no slower hash is needed. A
key given is compared with all of them in constant time. The file is looked at again every second,
so that keys are added and withdrawn without a restart. Once a store has had a key, a file that is
missing or cannot be read lets nobody in; only `turn_off` takes the protection away. `WINNABLE_KEYS`
may hold more keys, as `role:sha256` separated by spaces; those change with a restart only.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

from winnable.core.files import file_state, locked
from winnable.errors import StoreError

Role = Literal["score", "feedback", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
ENVIRONMENT = "WINNABLE_KEYS"
POLL_SECONDS = 1.0
LOCK_FILE = ".keys.lock"
LOCK_TIMEOUT_SECONDS = 30.0
"""For others who change the file of keys at the same time."""

TIME = "%Y-%m-%dT%H:%M:%SZ"
_PREFIX = "winnable_"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class Key:
    """What is kept of a key: a short name to withdraw it by, its role, the hash, when it was added,
    a note on who uses it, and when it ends ("": never). Times are written as in `TIME`, in UTC."""

    name: str
    role: Role
    sha256: str
    added: str = ""
    note: str = ""
    expires: str = ""


@dataclass(frozen=True)
class KeyFile:
    """What a store's file of keys says: the keys, and whether nobody is to be asked for one."""

    keys: tuple[Key, ...]
    is_off: bool


class Keys:
    """The keys of a store, as they are now. Safe to ask from several threads.

    Where keys were in use and the file is gone or cannot be read, none of its keys is in force, one
    is asked for all the same, and `problem` says so.
    """

    def __init__(self, store: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._store = store
        self._fixed = _from_environment(environment.get(ENVIRONMENT, ""))
        self._lock = threading.Lock()
        self.problem: str | None = None
        self._required = bool(self._fixed)
        self._known = self._fixed
        self._keys = self._fixed
        self._seen: tuple[int, ...] | None = None
        self._look()

    def required(self) -> bool:
        """Whether a key is asked for."""
        self._now()
        return self._required

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
        self._read_again()
        now = time.strftime(TIME, time.gmtime())
        self._keys = tuple(key for key in self._known if not has_expired(key, now))

    def _read_again(self) -> None:
        seen = file_state(_file(self._store))
        if seen == self._seen and self.problem is None:
            return
        try:
            found = _read(self._store)
            if found is None and (self._required or keys_were_used(self._store)):
                raise StoreError(f"{_file(self._store)}: is missing.")
        except StoreError:
            self._known = self._fixed
            self._required = True
            self.problem = (
                "the file of keys is missing or cannot be read: nobody is let in until it is back,"
                " or `winnable keys add` or `winnable keys off` was used"
            )
            return
        keys = () if found is None else found.keys
        self._known = (*self._fixed, *keys)
        self._required = bool(self._fixed) or not (found is None or found.is_off)
        self._seen = seen
        self.problem = None
        if keys:
            with suppress(OSError):  # this process remembers it anyway
                _mark_used(self._store)


def read_keys(store: Path) -> tuple[Key, ...]:
    """The keys in a store's file; none if there is no file. `StoreError` if it cannot be read."""
    found = _read(store)
    return () if found is None else found.keys


def keys_were_used(store: Path) -> bool:
    """Whether the store ever had a key, and they were not turned off since. `StoreError` if nobody
    can tell."""
    try:
        _marker(store).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreError(
            f"{_marker(store)}: cannot be looked at ({error.strerror}). Make the store readable."
        ) from None
    return True


def has_expired(key: Key, now: str) -> bool:
    """Whether a key has ended by now, which is written as in `TIME`."""
    return key.expires != "" and key.expires <= now


def read_expiry(given: str, now: datetime) -> datetime:
    """When a key ends: `90d` after so many days, `2027-03-31` with the end of that day (UTC).
    `ValueError` for anything else, and for a time that is over."""
    days = re.fullmatch(r"(\d{1,5})d", given)
    if days is not None:
        end = now + timedelta(days=int(days[1]))
    else:
        end = datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    if end <= now:
        raise ValueError("the time is over")
    return end


def add_key(
    store: Path, role: Role, note: str = "", expires: datetime | None = None
) -> tuple[Key, str]:
    """Make a key, keep its hash, and return what is kept and the secret, which nobody can tell
    again. `StoreError` if it cannot be kept."""
    secret = _PREFIX + secrets.token_urlsafe(32)
    added = datetime.now(UTC).strftime(TIME)
    end = "" if expires is None else expires.astimezone(UTC).strftime(TIME)
    key = Key(secrets.token_hex(4), role, _hash(secret), added, note, end)
    with _changing(store):
        keys = read_keys(store)
        _mark_used(store)  # first, so that a crash in between leaves the door shut
        _write(store, KeyFile((*keys, key), is_off=False))
    return key, secret


def withdraw_key(store: Path, name: str) -> None:
    """Forget the key of that name; `StoreError` if there is none. After the last one nobody is let
    in: see `turn_off`."""
    with _changing(store):
        keys = read_keys(store)
        left = tuple(key for key in keys if key.name != name)
        if len(left) == len(keys):
            raise StoreError(
                f"{_file(store)}: there is no key named {name}. `winnable keys list` shows the"
                " names."
            )
        _write(store, KeyFile(left, is_off=False))


def turn_off(store: Path) -> int:
    """Withdraw all keys, of a file that cannot be read as well, and ask nobody for one: only this
    machine is answered then. Returns how many there were. `StoreError` if it cannot be written."""
    with _changing(store):
        try:
            withdrawn = len(read_keys(store))
        except StoreError:
            withdrawn = 0
        _write(store, KeyFile((), is_off=True))
        _marker(store).unlink(missing_ok=True)
    return withdrawn


def _read(store: Path) -> KeyFile | None:
    """The file of keys; None if there is none. `StoreError` if it cannot be read."""
    try:
        content = json.loads(_file(store).read_bytes())
        keys = tuple(_key(**entry) for entry in content["keys"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise StoreError(
            f"{_file(store)}: cannot be read as a file of keys. Correct it, or make keys anew:"
            " `winnable keys off`, then `winnable keys add`."
        ) from None
    return KeyFile(keys, is_off=content.get("off") is True and not keys)


@contextmanager
def _changing(store: Path) -> Iterator[None]:
    """Nobody else changes the file of keys within. `StoreError` if the store cannot be written."""
    try:
        store.mkdir(parents=True, exist_ok=True)
        with locked(store / LOCK_FILE, LOCK_TIMEOUT_SECONDS):
            yield
    except OSError as error:
        raise StoreError(
            f"{_file(store)}: cannot be written ({error.strerror}). Choose another --store."
        ) from None


def _key(
    name: str, role: str, sha256: str, added: str = "", note: str = "", expires: str = ""
) -> Key:
    """A key whose parts are what they should be: its name stands in the log. Else `ValueError`."""
    if _NAME.fullmatch(name) is None or role not in ROLES:
        raise ValueError
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise ValueError
    if expires:
        datetime.strptime(expires, TIME)
    return Key(name, role, sha256, added, note, expires)


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


def _marker(store: Path) -> Path:
    return store / "keys.required"


def _mark_used(store: Path) -> None:
    """Leave word that this store has keys, which outlives the file of keys."""
    if not _marker(store).exists():
        _marker(store).write_text(
            "Keys are in use here: without one nobody is let in, even if keys.json is gone.\n"
            "`winnable keys off` takes the protection away.\n"
        )


def _write(store: Path, content: KeyFile) -> None:
    """Replace the file in one step, readable by its owner only."""
    draft = store / f".keys.{os.getpid()}.draft"
    entries: dict[str, object] = {"keys": [asdict(key) for key in content.keys]}
    if content.is_off:
        entries["off"] = True
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(entries, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(_file(store))
    finally:
        draft.unlink(missing_ok=True)
