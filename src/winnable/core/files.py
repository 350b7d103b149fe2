"""Files that are whole or not there: each takes its place in one step, and whether it can is seen
before any long work.

These are the files that people ask for: tables, pages, definitions. What is written is not known
here, and what a store keeps for itself has ways of its own.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from winnable.errors import StoreError


def check_output(output: Path, inputs: Sequence[str | None]) -> None:
    """See that a file can be written there and is none of the inputs; `StoreError` says why not."""
    if output.is_dir():
        raise StoreError(
            f"{output}: is a folder. Name a file, such as {output / 'scores.csv'}, as --output."
        )
    if not output.absolute().parent.is_dir():
        raise StoreError(
            f"{output}: there is no folder {output.absolute().parent.name}. Make it or choose"
            " another --output."
        )
    if any(
        given is not None and output.exists() and Path(given).exists() and output.samefile(given)
        for given in inputs
    ):
        raise StoreError(
            f"{output}: is an input of this command and would be lost. Choose another --output."
        )


@contextmanager
def whole_file(path: Path, mend: str = "Choose another --output.") -> Iterator[TextIO]:
    """A text file, UTF-8 with the line ends that are given, that takes the place of `path` when the
    block has ended well.

    It is on disk then. If the block fails, what was there stays. `StoreError` if it cannot be
    written; `mend` says what to do.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error}). {mend}") from None
    finally:
        draft.unlink(missing_ok=True)
