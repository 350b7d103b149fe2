"""The score journal: files in the store to which a serving process appends what it answers, before
it answers.

What is in them outlives every process, whoever ends it and how; a machine that loses its power may
lose the last seconds, since a request does not wait for the disk. A file is deleted once its scores
are in the database (`score_log`), so that nothing stays here for long. A process holds the lock of
its files as long as it lives; what it leaves behind is taken over by the next one. The rows are
made in `score_log_worker`.
"""

import errno
import os
import struct
import tempfile
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic_core import to_json

from winnable.data.feedback.store.records import SCORE_LOG
from winnable.service.scoring.loaded_model import LoadedModel
from winnable.service.scoring.score_parts import described

if TYPE_CHECKING:
    from filelock import BaseFileLock

HEAD = struct.Struct("<cI")
"""Begins an entry: its kind, and how many bytes follow."""

ANSWERED = struct.Struct("<dII")
"""Begins a request's entry: when it was answered, in seconds since 1970, the leads that were
scored, the bytes of its body. The answer is the rest."""

MODEL = b"M"
PARTS = b"P"
"""Stands before its request, where reasons were given."""
REQUEST = b"R"


class Answered(NamedTuple):
    """The body of a request, that of its answer, how many of its leads were scored, and the numbers
    of their parts (`score_parts`), where reasons were given."""

    body: bytes
    content: bytes
    leads: int
    log_odds: bytes = b""


MAX_WAITING_BYTES = 1_000_000_000
"""Requests and answers of a process that are not in the database yet; more are refused."""

HURRY_SHARE = 0.25
"""Of what may wait, from which on parts of scores are left out, so that no score is refused for
their sake."""

LARGE_PART_BYTES = 8_000_000
"""A file of this size is closed, even if others wait before it."""

PROBE_BYTES = 65_536
"""Written and taken back, to see whether a disk that was full has room again."""


@dataclass(frozen=True, slots=True)
class JournalPart:
    """A file that nothing is added to any more: its size in bytes, and the scores in it."""

    path: Path
    size: int
    leads: int


class ScoreJournal:
    """The files of one process. `append` and `probe` raise OSError where nothing can be written:
    the disk is full, or more than `max_bytes` wait. Safe to use from several threads."""

    def __init__(self, store: Path, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._folder: Path | None = None
        self._writer = uuid.uuid4().hex
        self._writer_lock: BaseFileLock | None = None
        self._number = 0
        self._lock = threading.Lock()
        self._file: int | None = None
        self._path = Path()
        self._size = 0
        self._leads = 0
        self._waiting = 0  # bytes in all files of this process
        # The last one that was asked, which this does not keep from being let go of.
        self._model: Callable[[], LoadedModel | None] = lambda: None
        self._model_entry = b""  # which takes milliseconds to make, and every file begins with
        self._is_named = False  # whether the file has it

    @property
    def is_filling(self) -> bool:
        """Whether so much waits that what keeps it has to hurry."""
        return self._waiting > HURRY_SHARE * self._max_bytes

    @property
    def is_large(self) -> bool:
        """Whether the current file is large enough to be closed."""
        return self._size >= LARGE_PART_BYTES

    def append(self, model: LoadedModel, answered: Sequence[Answered]) -> None:
        """Write requests and their answers, all or none of them."""
        now = time.time()
        pieces = []
        for body, content, leads, log_odds in answered:
            if log_odds:
                pieces += [HEAD.pack(PARTS, len(log_odds)), log_odds]
            size = ANSWERED.size + len(body) + len(content)
            head = ANSWERED.pack(now, leads, len(body))
            pieces += [HEAD.pack(REQUEST, size), head, body, content]
        entry = b"".join(pieces)
        with self._lock:
            if model is not self._model():
                self._model_entry = _model_entry(model)
                self._model = weakref.ref(model)
                self._is_named = False
            self._write(entry if self._is_named else self._model_entry + entry)
            self._is_named = True
            self._leads += sum(each.leads for each in answered)

    def cut(self) -> JournalPart | None:
        """Close the current file and begin another one; None if nothing is in it."""
        if self._size == 0:
            return None
        path: Path | None = None
        fresh: int | None = None
        with suppress(OSError):  # then the next request tries, and is refused
            path, fresh = self._begin()  # before the lock is taken, so that no request waits
        with self._lock:
            assert self._file is not None, "what has a size is open"
            os.close(self._file)
            part = JournalPart(self._path, self._size, self._leads)
            self._path = path or Path()
            self._file = fresh
            self._is_named = False
            self._size = 0
            self._leads = 0
            return part

    def set_aside(self, part: JournalPart) -> None:
        """Leave a file for people to look at, which is not tried again."""
        with suppress(OSError):
            part.path.rename(part.path.with_suffix(".refused"))
        self._forget(part)

    def remove(self, part: JournalPart) -> None:
        """Delete a file: its scores are in the database."""
        part.path.unlink(missing_ok=True)
        self._forget(part)

    def probe(self) -> None:
        """See whether something can be written; an OSError if not."""
        with self._lock:
            before = self._size
            self._write(bytes(PROBE_BYTES))
            assert self._file is not None, "it was just written to"
            os.ftruncate(self._file, before)
            self._size = before
            self._waiting -= PROBE_BYTES

    def left_behind(self) -> list[JournalPart]:
        """The files of processes that have ended, which belong to this one now, oldest first."""
        from filelock import FileLock, Timeout

        folder = self._open_folder()
        found = sorted(folder.glob("*.scores"), key=lambda path: path.name.partition("-")[2])
        adopted: list[JournalPart] = []
        for writer in {path.name.partition("-")[0] for path in found} - {self._writer}:
            lock_path = folder / f"{writer}.lock"
            lock = FileLock(lock_path, mode=0o600)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            of_writer = [path for path in found if path.name.startswith(f"{writer}-")]
            adopted += filter(None, map(self._adopted, of_writer))
            lock_path.unlink(missing_ok=True)
            lock.release()
        return adopted

    def close(self) -> None:
        """Close the files; those that are not empty stay for the next process."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None
                if self._size == 0:
                    self._path.unlink(missing_ok=True)
            if self._folder is None or self._writer_lock is None:
                return
            if not any(self._folder.glob(f"{self._writer}-*.scores")):
                Path(self._writer_lock.lock_file).unlink(missing_ok=True)
            self._writer_lock.release()
            self._writer_lock = None

    def _write(self, entry: bytes) -> None:
        if self._waiting + len(entry) > self._max_bytes:
            raise OSError(errno.EDQUOT, "too many scores wait for the database")
        if self._file is None:
            self._path, self._file = self._begin()
        written = os.write(self._file, entry)
        if written < len(entry):
            os.ftruncate(self._file, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written
        self._waiting += written

    def _begin(self) -> tuple[Path, int]:
        path = self._next_path()
        return path, os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)

    def _next_path(self) -> Path:
        from filelock import FileLock

        folder = self._open_folder()
        if self._writer_lock is None:
            self._writer_lock = FileLock(
                folder / f"{self._writer}.lock", mode=0o600, thread_local=False
            )
            self._writer_lock.acquire(blocking=False)
        self._number += 1
        return folder / f"{self._writer}-{time.time_ns():020d}-{self._number}.scores"

    def _open_folder(self) -> Path:
        """The store's folder for these files; where the store cannot be written, a temporary one,
        which outlives this process but not its machine."""
        if self._folder is None:
            folder = self._store / SCORE_LOG
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                writable = os.access(folder, os.W_OK | os.X_OK)
            except OSError:
                writable = False
            self._folder = (
                folder if writable else Path(tempfile.mkdtemp(prefix="winnable-score-log-"))
            )
        return self._folder

    def _adopted(self, path: Path) -> JournalPart | None:
        """The file under a name of this process; None if nothing is in it, or it is gone."""
        try:
            size = path.stat().st_size
            if size == 0:
                path.unlink()
                return None
            with self._lock:
                mine = self._next_path()
                path.rename(mine)
                self._waiting += size
        except FileNotFoundError:
            return None
        leads = sum(
            ANSWERED.unpack_from(payload)[1] for kind, payload in entries(mine) if kind == REQUEST
        )
        return JournalPart(mine, size, leads)

    def _forget(self, part: JournalPart) -> None:
        with self._lock:
            self._waiting -= part.size


def entries(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a file: kind and content. One that was cut off by the end of its process was
    never answered, and is left out."""
    with path.open("rb") as file:
        while len(head := file.read(HEAD.size)) == HEAD.size:
            kind, size = HEAD.unpack(head)
            payload = file.read(size)
            if len(payload) < size:
                return
            yield kind, payload


def _model_entry(model: LoadedModel) -> bytes:
    predictor = model.predictor
    definition = predictor.definition.model_dump(mode="json", exclude_defaults=True)
    payload = to_json(
        {
            "definition": definition,
            "plan": predictor.plan.to_json(),
            "parts": described(predictor),
        }
    )
    return HEAD.pack(MODEL, len(payload)) + payload
