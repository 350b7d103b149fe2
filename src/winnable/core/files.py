"""Files: atomic writes, who may read them, checks of an output before any long work, and file
locks.

What is written is not known here: tables, pages and definitions that people ask for. A file is
whole or not there, since it takes its place in one step; what holds names of people is for its
owner alone, whatever the umask. How a store writes its own files is not decided here.
"""

import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

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


def file_state(path: Path) -> tuple[int, ...]:
    """What changes whenever a file is written or replaced: its time, size and place on disk; empty
    while it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return (status.st_mtime_ns, status.st_size, status.st_ino)


PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
"""Modes of what holds names of people: nobody but the owner."""

_STREAMS = ("/dev/std", "/dev/fd/", "/proc/")
"""Where a name stands for a file that is open already, such as `/dev/stdout`."""


@contextmanager
def whole_file(
    path: Path, mend: str = "Choose another --output.", *, private: bool = False
) -> Iterator[TextIO]:
    """A text file in UTF-8, line ends as written, that replaces `path` when the block succeeds.

    Otherwise as `whole_binary_file`.
    """
    with whole_binary_file(path, mend, private=private) as content:
        file = io.TextIOWrapper(content, encoding="utf-8", newline="")
        try:
            yield file
            file.flush()
        finally:
            with suppress(OSError):  # what could not be written has been told
                file.detach()


@contextmanager
def whole_binary_file(
    path: Path, mend: str = "Choose another --output.", *, private: bool = False
) -> Iterator[BinaryIO]:
    """A file that replaces `path` when the block succeeds; it is then on disk (fsync). If the block
    fails, the old file stays.

    A file that was there keeps its mode and owner, a new one is readable by its owner alone if it
    is `private`. A link stays, and what it points to is replaced. What is no file, such as a pipe
    or `/dev/null`, is written into. `StoreError` if it cannot be written; `mend` says what to do.
    """
    try:
        with _replacement(path, private) as file:
            yield file
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error}). {mend}") from None


@contextmanager
def _replacement(path: Path, private: bool) -> Iterator[BinaryIO]:
    present = path.stat() if path.exists() else None
    is_stream = str(path.absolute()).startswith(_STREAMS)
    if present is not None and (is_stream or not stat.S_ISREG(present.st_mode)):
        with path.open("wb") as file:
            yield file
        return
    place = Path(os.path.realpath(path))
    draft = place.with_name(f".{place.name}.{os.getpid()}.draft")
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(draft, _NEW, PRIVATE_FILE if private else 0o666), "wb") as file:
            if present is not None:
                _make_alike(draft, present)
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def _make_alike(draft: Path, present: os.stat_result) -> None:
    """Give a draft the owner and the mode of the file that it replaces."""
    draft.chmod(PRIVATE_FILE)  # first, so that no other group can read it meanwhile
    if hasattr(os, "chown"):
        with suppress(PermissionError):  # only root gives files to others
            os.chown(draft, present.st_uid, present.st_gid)
    draft.chmod(stat.S_IMODE(present.st_mode))


def make_private_folder(folder: Path) -> None:
    """Make a folder, if there is none, that is for its owner alone; `OSError` if it cannot be."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)


def keep_private(*paths: Path) -> None:
    """Take away what others may do with these files and folders, as far as they are there and
    ours."""
    for path in paths:
        with suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                path.chmod(mode & PRIVATE_FOLDER)


def make_private_file(path: Path) -> None:
    """Make an empty file, if there is none, that is for its owner alone, and keep an existing one
    so. SQLite gives the files beside a database its mode. `OSError` if it cannot be made."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
    keep_private(path)


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
        with suppress(OSError):  # on a full disk nobody is named
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
