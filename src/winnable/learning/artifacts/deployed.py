"""The deployed copy: which version a store's champion is, and its files, for processes that serve
without MLflow.

`served/<version>/` are artifact folders and `served/champion.json` points to one of them. The
pointer is replaced in one step after the folder it names is complete, so that a reader finds the
old champion or the new one and nothing between.
"""

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from winnable.core.files import keep_private, whole_file
from winnable.errors import ArtifactError, StoreError
from winnable.learning.artifacts.artifact import Artifact, read_artifact, write_artifact

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


def deploy(store: Path, version: int, artifact: Artifact) -> None:
    """Make an artifact the one that is served under this version; a broken earlier copy of it is
    put aside and replaced."""
    folder = store / "served" / str(version)
    keep_private(store / "served")
    if folder.exists():
        try:
            known = read_artifact(folder).fingerprint == artifact.fingerprint
        except ArtifactError:
            known = False
        if not known:
            folder.rename(folder.with_name(f"{folder.name}.broken-{os.urandom(4).hex()}"))
    if not folder.exists():
        write_artifact(artifact, folder)
    pointer = store / "served" / "champion.json"
    with whole_file(pointer, "Choose another --store.", private=True) as file:
        file.write(json.dumps({"version": version, "fingerprint": artifact.fingerprint}))


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
