"""The champion of a tracking server elsewhere: followed by MLflow's REST API, without MLflow, and
copied to this store.

Asked are the alias, then, if it names another version than the copy, the place of its artifact and
the files. What arrives is checked against its digests before it becomes the served copy. Artifacts
that MLflow's server hands out itself (`mlflow-artifacts:`, its default) and those on this
machine's own disk can be fetched so; for other places, promote on this machine with `winnable
promote`.
"""

import base64
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from filelock import FileLock

from winnable.errors import StoreError
from winnable.learning.artifacts.artifact import DIGESTS, Artifact, read_artifact
from winnable.learning.artifacts.deployed import champion_of, deploy

# As the registry calls them, which is not imported here since it imports mlflow.
MODEL = "winnable"
CHAMPION = "champion"
ANSWER_TIMEOUT_SECONDS = 10.0
MAX_FILE_BYTES = 500_000_000

_API = "/api/2.0/mlflow/"
_FILES = "/api/2.0/mlflow-artifacts/artifacts"


class RemoteChampion:
    """The champion alias at a tracking server; `uri` is http or https. The sign-in is MLflow's own:
    `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`."""

    def __init__(self, uri: str, environment: Mapping[str, str] = os.environ) -> None:
        self._uri = uri.rstrip("/")
        self._headers = _sign_in(environment)

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
        store.mkdir(parents=True, exist_ok=True)
        with FileLock(store / ".fetch.lock"):  # one of several workers fetches for all of them
            if not _is_served(store, named):
                deploy(store, named[0], self._artifact(named[0]))

    def _champion(self) -> tuple[int, str | None] | None:
        """The version that the alias names, and its fingerprint."""
        try:
            version = self._json(
                f"{_API}registered-models/alias?{urlencode({'name': MODEL, 'alias': CHAMPION})}"
            )["model_version"]
            tags = {tag["key"]: tag["value"] for tag in version.get("tags", [])}
            return int(version["version"]), tags.get("fingerprint")
        except _Absent:
            return None
        except (KeyError, TypeError, ValueError):
            raise StoreError(
                "The tracking server's answer is not that of an MLflow registry."
            ) from None

    def _artifact(self, version: int) -> Artifact:
        query = urlencode({"name": MODEL, "version": version})
        parts = urlsplit(
            self._json(f"{_API}model-versions/get-download-uri?{query}")["artifact_uri"]
        )
        if parts.scheme in {"", "file"}:
            return _artifact_below(Path(parts.path))
        if parts.scheme != "mlflow-artifacts":
            raise StoreError(
                f"Artifacts at {parts.scheme}: cannot be fetched by the service. Promote it on this"
                " machine."
            )
        with tempfile.TemporaryDirectory() as folder:
            self._download(PurePosixPath(parts.path.lstrip("/")) / "data", Path(folder))
            return _artifact_below(Path(folder))

    def _download(self, path: PurePosixPath, to: Path) -> None:
        """All files below a path of the server's artifacts; the names come from elsewhere, so that
        only plain ones are taken."""
        for entry in self._json(f"{_FILES}?{urlencode({'path': str(path)})}").get("files", []):
            name = PurePosixPath(entry["path"]).name
            if name in {"", ".", ".."}:
                continue
            if entry.get("is_dir"):
                (to / name).mkdir()
                self._download(path / name, to / name)
            else:
                (to / name).write_bytes(self._get(f"{_FILES}/{quote(str(path / name))}"))

    def _json(self, path: str) -> Any:
        return json.loads(self._get(path))

    def _get(self, path: str) -> bytes:
        request = urllib.request.Request(self._uri + path, headers=self._headers)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_SECONDS) as answer:
                content: bytes = answer.read(MAX_FILE_BYTES + 1)
        except urllib.error.HTTPError as error:
            text = error.read(10_000)
            if b"RESOURCE_DOES_NOT_EXIST" in text or (b"alias" in text and b"not found" in text):
                raise _Absent from None
            raise StoreError(f"The tracking server refused: HTTP {error.code}.") from None
        except OSError:
            raise StoreError("The tracking server does not answer.") from None
        if len(content) > MAX_FILE_BYTES:
            raise StoreError("A file of the artifact is too large to be one of ours.")
        return content


class _Absent(Exception):
    """There is no such thing at the server."""


def _is_served(store: Path, named: tuple[int, str | None]) -> bool:
    """Whether the served copy is that version; where the registry tells no fingerprint, the number
    has to do."""
    champion = champion_of(store)
    if champion is None or champion.version != named[0]:
        return False
    try:
        served = json.loads((store / "served" / "champion.json").read_bytes()).get("fingerprint")
    except (OSError, ValueError):
        return False
    return named[1] is None or served == named[1]


def _artifact_below(folder: Path) -> Artifact:
    found = next(folder.rglob(DIGESTS), None)
    if found is None:
        raise StoreError("The registered champion holds no model of ours.")
    return read_artifact(found.parent)


def _sign_in(environment: Mapping[str, str]) -> dict[str, str]:
    user = environment.get("MLFLOW_TRACKING_USERNAME")
    password = environment.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return {
            "Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        }
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}
