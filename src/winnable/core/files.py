"""Atomic file writes and lock files: a file is written whole or not at all, and whether it can be
written is checked before any long work.

These are the files that people ask for: tables, pages, definitions. What is written is not known
here, and a store has ways of its own for what it keeps.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from winnable.errors import StoreError


def check_output(output: Path, inputs: Sequence[str | None]) -> None:
    """Check that a file can be written there and is not one of the inputs; else `StoreError`."""
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
    """A text file in UTF-8, line ends as written, that replaces `path` when the block succeeds.

    It is then on disk (fsync). If the block fails, the old file stays. `StoreError` if it cannot be
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


LOCK_TIMEOUT_SECONDS = 120.0
"""Seconds to wait for another process. A training holds a store for some seconds, while it compares
and registers."""


@contextmanager
def locked(path: Path, patience: float = LOCK_TIMEOUT_SECONDS) -> Iterator[None]:
    """Hold a lock file, so that what stands within is done by one process at a time.

    `StoreError` if another one does not let go within `patience` seconds. Not to be entered twice
    by one thread.
    """
    with path.open("a+") as file:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    file.seek(0)
                    busy = (
                        f"process {file.read().strip() or 'unknown'} has been at work in this store"
                        f" for {patience:.0f} seconds"
                    )
                    raise StoreError(
                        f"{path.parent}: {busy}. Wait for it to end, or end it, and try again."
                    ) from None
                time.sleep(0.05)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
