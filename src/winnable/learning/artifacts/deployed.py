"""The deployed copy: which version a store's champion is, and its files, for processes that serve
without MLflow.

`served/<version>/` are artifact folders and `served/champion.json` points to one of them. The
pointer is replaced in one step after the folder it names is complete, so that a reader finds the
old champion or the new one and nothing between. What can fail, such as a full disk, fails before.
"""

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from winnable.core.files import keep_private
from winnable.errors import ArtifactError, StoreError
from winnable.learning.artifacts.artifact import (
    Artifact,
    read_artifact,
    write_artifact,
    write_durably,
)

STALE_DRAFT_SECONDS = 3600.0
"""The age at which nobody is still writing a draft."""


@dataclass(frozen=True)
class Champion:
    """The version in charge and where its artifact lies."""

    version: int
    folder: Path


def champion_of(store: Path) -> Champion | None:
    """The champion of a store, or None if there is none yet."""
    pointer = store / "served" / "champion.json"
    try:
        content = json.loads(pointer.read_bytes())
        return Champion(int(content["version"]), pointer.parent / str(content["version"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{pointer}: cannot be read ({error}). Promote a version again to write it anew."
        ) from None


@dataclass(frozen=True)
class Deployment:
    """A version whose copy is complete, but not in charge yet."""

    draft: Path
    pointer: Path

    def switch(self) -> None:
        """Put it in charge, in one step that needs no space. `StoreError` if that is not
        allowed."""
        try:
            self.draft.replace(self.pointer)
        except OSError as error:
            raise _cannot_write(self.pointer, error) from None

    def discard(self) -> None:
        """Leave in charge what is; the copy stays for another time."""
        self.draft.unlink(missing_ok=True)


def prepare(store: Path, version: int, artifact: Artifact) -> Deployment:
    """Copy an artifact to where it is served under this version, and everything that `switch` needs
    besides; a broken earlier copy of it is put aside and replaced. `StoreError` if there is no
    space, or the store cannot be written."""
    folder = store / "served" / str(version)
    pointer = folder.with_name("champion.json")
    draft = folder.with_name(f".champion.json.{os.getpid()}.draft")
    keep_private(folder.parent)
    content = json.dumps({"version": version, "fingerprint": artifact.fingerprint})
    try:
        if folder.exists() and not _is_copy(folder, artifact):
            folder.rename(folder.with_name(f"{folder.name}.broken-{os.urandom(4).hex()}"))
        if not folder.exists():
            write_artifact(artifact, folder)
        draft.unlink(missing_ok=True)
        write_durably(draft, content.encode())
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise _cannot_write(draft, error) from None
    return Deployment(draft, pointer)


def deploy(store: Path, version: int, artifact: Artifact) -> None:
    """Make an artifact the one that is served under this version; errors as of `prepare`."""
    prepare(store, version, artifact).switch()


def _is_copy(folder: Path, artifact: Artifact) -> bool:
    try:
        return read_artifact(folder).fingerprint == artifact.fingerprint
    except ArtifactError:
        return False


def _cannot_write(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path.parent}: cannot be written ({error.strerror or error}). Make space, or make it"
        " writable, and try again."
    )


def remove_stale_drafts(store: Path) -> None:
    """Remove drafts that were left behind an hour ago or earlier, by whoever was killed while
    writing them."""
    folder = store / "served"
    for draft in (*folder.glob(".*-*"), *folder.glob("*champion.*.draft")):
        if time.time() - draft.lstat().st_mtime > STALE_DRAFT_SECONDS:
            if draft.is_dir():
                shutil.rmtree(draft)
            else:
                draft.unlink()
