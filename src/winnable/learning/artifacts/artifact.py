"""The artifact: everything a trained model is, as a folder of text files with digests.

`spec.json` holds the definition, the feature plan and the learned numbers; `<name>.txt` the trees
of an expert; `digests.json` the SHA-256 of each. There is no code and no pickle in it, so that
reading a model can never run anything. A folder appears whole or not at all. Where artifacts are
registered and which one is served is decided in `registry`.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from winnable.errors import ArtifactError, StoreError

FORMAT = 2  # raised whenever an older reader would misread a newer folder
SPEC, DIGESTS = "spec.json", "digests.json"


@dataclass(frozen=True)
class Artifact:
    """A trained model as data: `spec` is plain JSON types, `boosters` are the trees of experts as
    text, by the expert's name.

    `digests` are those of its files where it was read from some, by their names.
    """

    spec: Mapping[str, Any]
    boosters: Mapping[str, str]
    digests: Mapping[str, str] | None = field(default=None, compare=False, repr=False)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any byte of the model."""
        return hashlib.sha256(_bytes(self.digests or _digests(_files(self)))).hexdigest()[:12]


def write_artifact(artifact: Artifact, folder: Path) -> None:
    """Write the folder in one step; an existing one of that name is an error (`StoreError`), as is
    a place without permission."""
    files = _files(artifact)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    except OSError as error:
        raise StoreError(
            f"{folder.parent}: cannot write a model here ({error.strerror}). Choose another"
            " --store."
        ) from None
    try:
        for name, content in {**files, DIGESTS: _bytes(_digests(files))}.items():
            _write_durably(draft / name, content)
        draft.chmod(0o755)
        draft.rename(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise StoreError(f"{folder}: the model could not be written ({error.strerror}).") from None


def read_artifact(folder: Path) -> Artifact:
    """Read a folder and check every file against its digest; `ArtifactError` says which file is
    missing, altered or too new."""
    try:
        digests = json.loads((folder / DIGESTS).read_bytes())
        files = {name: (folder / name).read_bytes() for name in digests}
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{folder}: {Path(str(error.filename)).name} is missing. Train again or promote another"
            " version."
        ) from None
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{folder}: cannot be read ({error}). Train again or promote another version."
        ) from None
    altered = sorted(name for name, digest in _digests(files).items() if digest != digests[name])
    if altered or SPEC not in files:
        raise ArtifactError(
            f"{folder}: {', '.join(altered) or SPEC} differs from its digest. Train again or"
            " promote another version."
        )
    spec = json.loads(files.pop(SPEC))
    if spec.get("format") != FORMAT:
        raise ArtifactError(
            f"{folder}: written in format {spec.get('format')}, this version reads format {FORMAT}."
            " Train again."
        )
    return Artifact(
        spec,
        {name.removesuffix(".txt"): content.decode() for name, content in files.items()},
        digests,
    )


def _files(artifact: Artifact) -> dict[str, bytes]:
    return {
        SPEC: _bytes(artifact.spec),
        **{f"{name}.txt": text.encode() for name, text in artifact.boosters.items()},
    }


def _bytes(data: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys, so that the same model is the same bytes; Python's floats are written
    to the last bit."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1).encode()


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
