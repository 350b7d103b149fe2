"""The company's own identity provider (OpenID Connect), as a store knows it: `sign-in.json`.

The file is made by `winnable sign-in set`, is for its owner alone, and is looked at again with
every page, so that a change needs no restart. Here is what it says and whether that can be used;
the provider itself is asked by `provider`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from winnable.core.files import file_state, keep_private, make_private_folder, whole_file
from winnable.errors import StoreError
from winnable.service.http.guards.this_machine import is_loopback
from winnable.service.http.keys import ROLES, Role

MAY_SIGN_IN: frozenset[Role] = frozenset({"feedback", "admin"})
"""The roles that the pages are for."""

CALLBACK = "/inbox/signed-in"
"""Where the provider sends people back to, below the service's address."""

MAX_GROUPS = 1000


@dataclass(frozen=True)
class CompanySignIn:
    """What is needed to sign people in: the provider's `issuer`, what it calls this service, the
    `address` under which browsers reach it, and which role each group of people has.

    `groups_claim` and `name_claim` are the claims of the ID token that list a person's groups and
    name the person; "" as `client_secret` is a client without one. `made` tells one setting from
    the next, so that setting it anew ends all sessions.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    address: str
    groups: Mapping[str, Role]
    groups_claim: str = "groups"
    name_claim: str = "email"
    made: str = ""

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends people back to; it has to be registered there."""
        return self.address + CALLBACK

    @property
    def has_tls(self) -> bool:
        """Whether browsers reach the service by TLS."""
        return self.address.startswith("https://")

    @property
    def fingerprint(self) -> str:
        """A hash that changes with anything of this."""
        content = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


class SignInSettings:
    """The setting of a store as it is now. Safe to ask from several threads."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._read: tuple[tuple[int, ...], CompanySignIn | None] = ((), None)

    def now(self) -> CompanySignIn | None:
        """The setting; None if there is none. `StoreError` if it cannot be read."""
        seen = file_state(_file(self._store))
        if seen != self._read[0]:
            self._read = (seen, read_sign_in(self._store))
        return self._read[1]


def read_sign_in(store: Path) -> CompanySignIn | None:
    """The setting in a store; None if there is none. `StoreError` if it cannot be used."""
    path = _file(store)
    try:
        content = json.loads(path.read_bytes())
        return checked(CompanySignIn(**content))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        raise StoreError(
            f"{path}: cannot be read as a setting for signing in. Make it anew: `winnable sign-in"
            " set`, or take it away: `winnable sign-in off`."
        ) from None


def write_sign_in(store: Path, setting: CompanySignIn) -> None:
    """Keep the setting, readable by its owner only. `StoreError` if that fails, or what it needs is
    not installed."""
    if find_spec("authlib") is None:
        raise StoreError(
            "authlib is not installed, which signing in by an identity provider needs. Install"
            " winnable[sign-in]."
        )
    try:
        make_private_folder(store)
    except OSError as error:
        raise StoreError(f"{store}: cannot be written ({error.strerror}).") from None
    keep_private(_file(store))  # before there is a secret in it
    with whole_file(_file(store), "Choose another --store.", private=True) as file:
        json.dump(asdict(setting), file, indent=1)


def remove_sign_in(store: Path) -> bool:
    """Forget the setting; whether there was one. `StoreError` if it cannot be removed."""
    try:
        _file(store).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"{_file(store)}: cannot be removed ({error.strerror}).") from None
    return True


def checked(setting: CompanySignIn) -> CompanySignIn:
    """The setting, if all its parts are what they should be; else `ValueError` that says which is
    not."""
    texts: dict[str, Any] = {
        "issuer": setting.issuer,
        "client_id": setting.client_id,
        "address": setting.address,
        "groups_claim": setting.groups_claim,
        "name_claim": setting.name_claim,
    }
    for name, text in texts.items():
        if not (isinstance(text, str) and text and text.isprintable()):
            raise ValueError(f"{name} is missing or no plain text")
    if not isinstance(setting.client_secret, str):
        raise ValueError("client_secret is no text")
    check_address(setting.issuer)
    check_address(setting.address)
    if setting.address != _origin(setting.address):
        raise ValueError(f"the address has to be as {_origin(setting.address)}, without a path")
    if not 0 < len(setting.groups) <= MAX_GROUPS:
        raise ValueError("no group has a role: nobody could sign in")
    for group, role in setting.groups.items():
        if role not in ROLES or not isinstance(group, str) or not group:
            raise ValueError(f"the roles are {', '.join(ROLES)}, each as role=group")
    return setting


def check_address(url: object) -> None:
    """`ValueError` unless an address is https, or http on this machine, and names no user."""
    parts = urlsplit(url if isinstance(url, str) else "")
    host = parts.hostname or ""
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not (host and is_safe) or "@" in parts.netloc or parts.fragment or not str(url).isascii():
        raise ValueError("an address begins with https:// (http:// only on this machine)")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _file(store: Path) -> Path:
    return store / "sign-in.json"
