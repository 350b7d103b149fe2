"""The champion of a tracking server elsewhere: followed by MLflow's REST API, without MLflow, and
copied to this store.

Asked are the alias, then, if it names another version than the copy, the place of its artifact and
the files that its digests name. What arrives is checked against them before it becomes the served
copy. Only artifacts that MLflow's server hands out itself (`mlflow-artifacts:`, its default) are
fetched so; for other places, promote on this machine with `winnable promote`.
"""

import errno
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from filelock import FileLock, Timeout

from winnable.core.files import make_private_folder
from winnable.errors import StoreError
from winnable.learning.artifacts.artifact import Artifact, artifact_from
from winnable.learning.artifacts.deployed import champion_of, deploy
from winnable.learning.registry.artifact_places import MAX_BYTES, path_at_server
from winnable.service.http.guards.outgoing import RefusedError
from winnable.service.scoring.tracking_client import TrackingClient

# As the registry calls them, which is not imported here since it imports mlflow.
MODEL = "winnable"
CHAMPION = "champion"
QUESTION_SECONDS = 5.0
"""For the whole answer to a question."""

DOWNLOAD_SECONDS = 60.0
"""For all files of a model, which are a few million bytes."""

_API = "/api/2.0/mlflow/"


class RemoteChampion:
    """The champion alias at a tracking server; `uri` is http or https, `environment` has the
    sign-in of `TrackingClient`. No more than `max_bytes` are taken for a model."""

    def __init__(
        self, uri: str, environment: Mapping[str, str] = os.environ, max_bytes: int = MAX_BYTES
    ) -> None:
        self._client = TrackingClient(uri, environment)
        self._max_bytes = max_bytes

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ
    ) -> "RemoteChampion | None":
        """The server that `MLFLOW_TRACKING_URI` names; None if that is no server."""
        uri = environment.get("MLFLOW_TRACKING_URI", "")
        return cls(uri, environment) if urlsplit(uri).scheme in {"http", "https"} else None

    def fetch(self, store: Path) -> None:
        """Make the store's served copy that of the alias. `StoreError` if the server cannot be
        asked, `ArtifactError` if what it sent is broken; the copy stays as it was then. Without a
        champion there, nothing changes.
        """
        named = self._champion()
        if named is None or _is_served(store, named):
            return
        make_private_folder(store)
        try:  # one of several workers fetches for all of them
            with FileLock(store / ".fetch.lock", timeout=DOWNLOAD_SECONDS):
                if not _is_served(store, named):
                    deploy(store, named[0], self._artifact(named[0]))
        except Timeout:
            raise StoreError(f"{store}: another process is still fetching the champion.") from None

    def close(self) -> None:
        """Give up a `fetch` under way in another thread, and every later one."""
        self._client.close()

    def _champion(self) -> tuple[int, str | None] | None:
        """The version that the alias names, and its fingerprint."""
        query = urlencode({"name": MODEL, "alias": CHAMPION})
        until = time.monotonic() + QUESTION_SECONDS
        try:
            found = self._client.get_json(f"{_API}registered-models/alias?{query}", until)
            version = found["model_version"]
            tags = {tag["key"]: tag["value"] for tag in version.get("tags", [])}
            return int(version["version"]), tags.get("fingerprint")
        except RefusedError as error:
            if _is_without_champion(error.text):
                return None
            raise
        except (AttributeError, KeyError, TypeError, ValueError):
            raise StoreError(
                "The tracking server's answer is not that of an MLflow registry."
            ) from None

    def _artifact(self, version: int) -> Artifact:
        query = urlencode({"name": MODEL, "version": version})
        until = time.monotonic() + DOWNLOAD_SECONDS
        found = self._client.get_json(f"{_API}model-versions/get-download-uri?{query}", until)
        try:
            path = path_at_server(self._client.uri, found["artifact_uri"])
        except (AttributeError, KeyError, TypeError, ValueError):
            path = None
        if path is None:
            raise StoreError(
                "The champion's artifact does not lie at the tracking server and cannot be fetched"
                " by the service. Promote it on this machine."
            )
        files = _Files(self._client, path, until, self._max_bytes)
        return artifact_from(files.read, f"version {version} at the tracking server")


class _Files:
    """The files below a path of the server, which are given up when time or bytes run out."""

    def __init__(self, client: TrackingClient, path: str, until: float, max_bytes: int) -> None:
        self._client = client
        self._path = path
        self._until = until
        self._left = max_bytes

    def read(self, name: str) -> bytes:
        try:
            content = self._client.get(f"{self._path}/{name}", self._until, self._left)
        except RefusedError as error:
            if error.status == 404:
                raise FileNotFoundError(errno.ENOENT, "not there", name) from None
            raise
        self._left -= len(content)
        return content


def _is_without_champion(text: bytes) -> bool:
    """Whether the server says that there is no such model or alias."""
    return b"RESOURCE_DOES_NOT_EXIST" in text or (b"alias" in text and b"not found" in text)


def _is_served(store: Path, named: tuple[int, str | None]) -> bool:
    """Whether the served copy is that version; where the registry tells no fingerprint, the number
    has to do."""
    try:
        champion = champion_of(store)
        served = json.loads((store / "served" / "champion.json").read_bytes()).get("fingerprint")
    except (OSError, ValueError, StoreError):
        return False
    if champion is None or champion.version != named[0]:
        return False
    return named[1] is None or served == named[1]
