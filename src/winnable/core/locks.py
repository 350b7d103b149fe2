"""One at a time: locks between processes, which the operating system releases when a process ends,
however it ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from winnable.errors import StoreError

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
