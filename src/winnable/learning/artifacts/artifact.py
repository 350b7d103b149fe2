"""The artifact: everything a trained model is, as a folder of text files with digests.

`spec.json` holds the definition, the feature plan, the learned numbers and the model card;
`<name>.txt` the trees of an expert; `digests.json` the SHA-256 of each. There is no code and no
pickle in it, so that reading a model can never run anything. A folder appears whole or not at all.
What the JSON means is known to `card`; where artifacts are registered and which one is served is
decided in `registry`.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

from winnable.core.files import PRIVATE_FILE, make_private_folder
from winnable.errors import ArtifactError, StoreError
from winnable.learning.artifacts.card import Spec

FORMAT = 3
"""Raised whenever an older reader would misread a newer folder."""

SPEC = "spec.json"
DIGESTS = "digests.json"

MAX_FILES = 32
"""Files of one artifact: the spec and a text for each expert, of which there are five."""

_PLAIN_NAME = re.compile(r"[a-z0-9_]{1,64}\.(json|txt)")
"""Names of files as they are written here. A digest's name comes from wherever the model does, and
any other, such as `../../x`, could lead out of the folder."""

_EXPERTS_OF_FORMAT_2 = {"apart": "per_segment", "leafwise": "lightgbm", "symmetric": "catboost"}
"""What the experts of format 2 are called since format 3, which differs in nothing else."""

_ORDER_OF_WEIGHTS = ("per_segment", "lightgbm", "ridge", "rules", "catboost")
"""The blend is a sum of floats, whose last bit depends on the order of its terms. `spec.json` does
not keep the order of keys; this is the one that format 2 was read in, so that a score is the same
to the last bit in either format."""


Value = TypeVar("Value")


@dataclass(frozen=True)
class Artifact:
    """A trained model as data: `data` is the content of `spec.json` in plain JSON types, `boosters`
    are the trees of experts as text, by the expert's name.

    `digests` are those of its files where it was read from some, by their names. `original` are
    these files as they were, where they are of an older format: they remain what is written, and
    what the fingerprint is of.
    """

    data: Mapping[str, Any]
    boosters: Mapping[str, str]
    digests: Mapping[str, str] | None = field(default=None, compare=False, repr=False)
    original: Mapping[str, bytes] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, spec: Spec, boosters: Mapping[str, str]) -> Self:
        """The artifact of a model, in the present format.

        Its data are those that reading it from a file gives: a model that was just trained and the
        same model loaded give the same scores, to the last bit.
        """
        data = json.loads(_bytes({"format": FORMAT, **spec.to_json()}))
        return cls(_in_order(data), boosters)

    @cached_property
    def spec(self) -> Spec:
        """The content of `spec.json` as typed data, parsed once; `ArtifactError` if a part of it is
        missing or of another shape."""
        try:
            return Spec.from_json(self.data)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{SPEC}: cannot be read as a model ({type(error).__name__}: {error}). Train again"
                " or promote another version."
            ) from None

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any byte of the model."""
        return hashlib.sha256(_bytes(self.digests or _digests(_files(self)))).hexdigest()[:12]


def write_artifact(artifact: Artifact, folder: Path) -> None:
    """Write the folder in one step; an existing one of that name is an error (`StoreError`), as is
    a place without permission."""
    files = _files(artifact)
    try:
        make_private_folder(folder.parent)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    except OSError as error:
        raise StoreError(
            f"{folder.parent}: cannot write a model here ({error.strerror}). Choose another"
            " --store."
        ) from None
    try:
        for name, content in {**files, DIGESTS: _bytes(_digests(files))}.items():
            write_durably(draft / name, content)
        draft.rename(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise StoreError(f"{folder}: the model could not be written ({error.strerror}).") from None


def read_artifact(folder: Path) -> Artifact:
    """Read a folder and check every file against its digest; `ArtifactError` says which file is
    missing, altered, misnamed or of a format that is not read."""
    return artifact_from(lambda name: (folder / name).read_bytes(), str(folder))


def artifact_from(read: Callable[[str], bytes], place: str) -> Artifact:
    """The artifact whose files `read` hands out by their names, wherever they lie; `place` names it
    in errors, which are those of `read_artifact`.

    Only plain names are asked for. `read` raises `FileNotFoundError` for a file that is not there.
    """
    try:
        digests = _named_digests(json.loads(read(DIGESTS)), place)
        files = {name: read(name) for name in digests}
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{place}: {Path(str(error.filename)).name} is missing. Train again or promote another"
            " version."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{place}: cannot be read ({error}). Train again or promote another version."
        ) from None
    altered = sorted(name for name, digest in _digests(files).items() if digest != digests[name])
    if altered or SPEC not in files:
        raise ArtifactError(
            f"{place}: {', '.join(altered) or SPEC} differs from its digest. Train again or"
            " promote another version."
        )
    try:
        return _parsed(files, digests, place)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{place}: {SPEC} is not of a model ({type(error).__name__}: {error}). Train again or"
            " promote another version."
        ) from None


def _named_digests(data: Any, place: str) -> dict[str, str]:
    """The content of `digests.json`, if it is a list of few files with plain names."""
    if not isinstance(data, dict):
        raise ArtifactError(f"{place}: {DIGESTS} is not a list of files. Train again.")
    if len(data) > MAX_FILES:
        raise ArtifactError(
            f"{place}: {DIGESTS} names {len(data)} files, more than the {MAX_FILES} that a model"
            " may have. Train again."
        )
    for name in data:
        if not _PLAIN_NAME.fullmatch(name):
            raise ArtifactError(
                f"{place}: {DIGESTS} names {name[:80]!r}, which is no file name of a model. Do not"
                " use it: somebody has changed it. Train again."
            )
    return data


def _parsed(files: Mapping[str, bytes], digests: Mapping[str, str], place: str) -> Artifact:
    """The artifact of files that are what their digests say."""
    data = json.loads(files[SPEC])
    written_in = data.get("format")
    if written_in not in (2, FORMAT):
        raise ArtifactError(
            f"{place}: written in format {written_in}, this version reads formats 2 and {FORMAT}."
            " Train again."
        )
    boosters = {
        name.removesuffix(".txt"): content.decode()
        for name, content in files.items()
        if name != SPEC
    }
    if written_in == 2:
        upgraded = _in_order(_upgrade_from_format_2(data))
        return Artifact(upgraded, _renamed(boosters), digests, original=files)
    return Artifact(_in_order(data), boosters, digests)


def _upgrade_from_format_2(data: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a format 2 `spec.json` with its experts under the names of format 3."""
    if "model" not in data:
        return {**data, "format": FORMAT}
    model = data["model"]
    experts = {
        name: {**part, "kind": _EXPERTS_OF_FORMAT_2.get(part["kind"], part["kind"])}
        for name, part in _renamed(model["experts"]).items()
    }
    blend = {**model["blend"], "weights": _renamed(model["blend"]["weights"])}
    return {**data, "format": FORMAT, "model": {**model, "experts": experts, "blend": blend}}


def _renamed(by_expert: Mapping[str, Value]) -> dict[str, Value]:
    return {_EXPERTS_OF_FORMAT_2.get(name, name): value for name, value in by_expert.items()}


def _in_order(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same data with the blend's weights in `_ORDER_OF_WEIGHTS`."""
    if "model" not in data:
        return data
    model = data["model"]
    weights = model["blend"]["weights"]
    names = [name for name in _ORDER_OF_WEIGHTS if name in weights]
    names += [name for name in weights if name not in _ORDER_OF_WEIGHTS]
    blend = {**model["blend"], "weights": {name: weights[name] for name in names}}
    return {**data, "model": {**model, "blend": blend}}


def _files(artifact: Artifact) -> dict[str, bytes]:
    if artifact.original is not None:
        return dict(artifact.original)
    return {
        SPEC: _bytes(artifact.data),
        **{f"{name}.txt": text.encode() for name, text in artifact.boosters.items()},
    }


def _bytes(data: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys, so that the same model is the same bytes; Python's floats are written
    to the last bit."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1).encode()


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def write_durably(path: Path, content: bytes) -> None:
    """Write a file for its owner alone, and have it on disk. `OSError` if that cannot be done."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
