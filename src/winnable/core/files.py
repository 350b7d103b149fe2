"""Files: atomic writes, checks of an output before any long work, and file locks.

What is written is not known here: tables, pages and definitions that people ask for. A file is
whole or not there, since it takes its place in one step. How a store writes its own files is not
decided here.
"""

import os
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
"""How long to wait for another process, which holds a store for some seconds while it compares and
registers a model."""


@contextmanager
def locked(path: Path, patience: float = LOCK_TIMEOUT_SECONDS) -> Iterator[None]:
    """Hold a lock file, so that only one process at a time does what stands within.

    A file beside it (`.holder`) names the process that holds it. `StoreError` if that process does
    not let go within `patience` seconds. Not to be entered twice by one thread.
    """
    from filelock import FileLock, Timeout  # takes long to load, and most commands lock nothing

    lock = FileLock(path)
    # Beside the lock, since Windows lets nobody else read a file that is locked.
    holder = path.with_name(f"{path.name}.holder")
    try:
        lock.acquire(timeout=patience, poll_interval=0.05)
    except Timeout:
        raise StoreError(
            f"{path.parent}: process {_holder(holder)} has been at work in this store for"
            f" {patience:.0f} seconds. Wait for it to end, or end it, and try again."
        ) from None
    try:
        holder.write_text(str(os.getpid()))
        yield
    finally:
        lock.release()


def _holder(file: Path) -> str:
    """The process that a holder's file names."""
    try:
        return file.read_text().strip() or "unknown"
    except OSError:
        return "unknown"
