"""Backup and restore of a store: models, labels, scores, keys and settings as one tar file.

A backup is consistent while a service answers and while models are trained: scores that wait for
the database are read first, databases by SQLite's own backup or, where the labels are elsewhere
(PostgreSQL), in one read transaction, and models under the store's lock. It names the SHA-256 of
every file; a restore checks them and the databases before anything is put in place. What a tracking
server or the CRM holds is theirs to back up.
"""

import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import sqlalchemy as sql

from winnable.core.files import locked
from winnable.data.feedback.store import tables
from winnable.data.feedback.store.database import (
    DATABASE_URL,
    FILE,
    open_database,
    writing,
)
from winnable.data.feedback.store.records import SCORE_LOG
from winnable.errors import DataError, StoreError

MANIFEST = "backup.json"
FORMAT = 1
_SQLITE_START = b"SQLite format 3\0"
_MLFLOW_FILE = "mlflow.db"
_TRANSIENT_ENDINGS = (".lock", ".holder", ".draft", "-wal", "-shm", "-journal")
_BATCH_ROWS = 1000
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Backup:
    """What a backup holds: when and of which store it was made, its files and their total size."""

    at: datetime
    store: str
    files: int
    size: int


def back_up(store: Path, file: Path) -> Backup:
    """Write a backup of a store to a file, which is whole or not there.

    Raises StoreError if there is no store, it cannot be read, or the file cannot be written.
    """
    if not store.is_dir():
        raise StoreError(f"{store}: there is no store to back up.")
    if file.resolve().is_relative_to(store.resolve()):
        raise StoreError(f"{file}: lies in the store. Choose a place outside of it.")
    draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
    try:
        with _private_file(draft) as raw, tarfile.open(fileobj=raw, mode="w") as tar:
            backup = _write(store, tar, file.absolute().parent)
        draft.replace(file)
    except OSError as error:
        raise StoreError(f"{file}: cannot be written ({error.strerror or error}).") from None
    finally:
        draft.unlink(missing_ok=True)
    return backup


def restore(file: Path, store: Path) -> Backup:
    """Put the store of a backup in a place where nothing is; paths in MLflow's database follow it.

    With WINNABLE_DATABASE_URL the labels go to that database, which has to be empty. Raises
    DataError if the file is not a whole backup, StoreError if something is in the place or it
    cannot be written; nothing is changed then.
    """
    if store.exists() and (not store.is_dir() or any(store.iterdir())):
        raise StoreError(f"{store}: is not empty. Restore into a place where nothing is.")
    place = store.absolute()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.restore-") as own:
            folder = Path(own) / "store"
            folder.mkdir(mode=0o700)
            backup = _extracted(file, folder)
            _move_paths(folder / _MLFLOW_FILE, Path(backup.store), place)
            with _labels_elsewhere(folder):
                if store.exists():
                    store.rmdir()
                folder.rename(place)
    except OSError as error:
        raise StoreError(f"{store}: cannot be written ({error.strerror or error}).") from None
    return backup


def copy_tables(source: sql.Connection, target: sql.Connection) -> None:
    """Copy every row of the feedback tables from one database to another, which has none."""
    for table in tables.metadata.sorted_tables:
        rows = source.execution_options(stream_results=True).execute(sql.select(table))
        for batch in rows.mappings().partitions(_BATCH_ROWS):
            target.execute(sql.insert(table), [dict(row) for row in batch])
    if target.dialect.name == "postgresql":
        target.execute(
            sql.text(
                "SELECT setval(pg_get_serial_sequence('audit', 'entry_id'),"
                " (SELECT max(entry_id) FROM audit)) WHERE EXISTS (SELECT 1 FROM audit)"
            )
        )


# --- writing


@contextmanager
def _private_file(path: Path) -> Iterator[Any]:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as raw:
        yield raw
        raw.flush()
        os.fsync(raw.fileno())


def _write(store: Path, tar: tarfile.TarFile, scratch: Path) -> Backup:
    writer = _BackupWriter(store, tar, scratch)
    # Waiting scores before the database: what leaves them meanwhile is in the database then.
    for path in sorted((store / SCORE_LOG).glob("*-*.*")):
        writer.add_if_there(path)
    with locked(store / ".lock"):  # the registry's: no version is registered or promoted meanwhile
        for path in _files(store):
            writer.add(path)
    if DATABASE_URL in os.environ:
        writer.add_database_elsewhere()
    return writer.finish()


def _files(store: Path) -> Iterator[Path]:
    """The files of a store but those that are only there while something runs."""
    for folder, names, files in os.walk(store):
        names[:] = sorted(name for name in names if Path(folder, name) != store / SCORE_LOG)
        for name in sorted(files):
            if not name.endswith(_TRANSIENT_ENDINGS):
                yield Path(folder, name)
        for name in names:
            if Path(folder, name).is_symlink():
                raise StoreError(f"{Path(folder, name)}: is a link to a folder. Copy it instead.")


class _BackupWriter:
    """Adds files to a tar file, and in the end the list of their digests. Copies of databases lie
    in `scratch` meanwhile."""

    def __init__(self, store: Path, tar: tarfile.TarFile, scratch: Path) -> None:
        self._store = store
        self._tar = tar
        self._scratch = scratch
        self._files: dict[str, dict[str, Any]] = {}

    def add(self, path: Path) -> None:
        """Add a file, a database by SQLite's backup."""
        name = path.relative_to(self._store).as_posix()
        with path.open("rb") as file:
            if file.read(len(_SQLITE_START)) != _SQLITE_START:
                file.seek(0)
                self._add(name, file, os.fstat(file.fileno()).st_size)
                return
        if name == FILE and DATABASE_URL in os.environ:
            return  # not in use
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            copy = Path(folder, "copy.db")
            _copy_sqlite(path, copy)
            self._add_path(name, copy)

    def add_if_there(self, path: Path) -> None:
        """Add a file that may be gone by now."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return
        if not path.name.endswith(_TRANSIENT_ENDINGS):
            name = path.relative_to(self._store).as_posix()
            self._add(name, io.BytesIO(content), len(content))

    def add_database_elsewhere(self) -> None:
        """Add the labels that are in another database, as a database of SQLite."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            source = open_database(self._store)
            target = open_database(Path(folder), {})
            one_view = source.readers.connect().execution_options(isolation_level="REPEATABLE READ")
            with one_view as reading, reading.begin(), writing(target.writers) as connection:
                copy_tables(reading, connection)
            source.close()
            whole = target.writers.connect().execution_options(isolation_level="AUTOCOMMIT")
            with whole as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            target.close()
            self._add_path(FILE, Path(folder, FILE))

    def finish(self) -> Backup:
        """Add the list of files."""
        at = datetime.now(UTC)
        listed = {
            "format": FORMAT,
            "at": at.isoformat(),
            "store": str(self._store.absolute()),
            "files": self._files,
        }
        content = json.dumps(listed, indent=1).encode()
        self._add(MANIFEST, io.BytesIO(content), len(content))
        del self._files[MANIFEST]
        return _backup_of(listed)

    def _add_path(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self._add(name, file, path.stat().st_size)

    def _add(self, name: str, file: Any, size: int) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = size
        entry.mode = 0o600
        reader = _HashingReader(file)
        self._tar.addfile(entry, reader)  # an OSError if the file has become shorter
        self._files[name] = {"sha256": reader.digest(), "size": size}


class _HashingReader:
    """A file that is hashed while it is read."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        content: bytes = self._file.read(size)
        self._hash.update(content)
        return content

    def digest(self) -> str:
        """The SHA-256 of what was read."""
        return self._hash.hexdigest()


def _copy_sqlite(path: Path, copy: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot be read ({error}).") from None


# --- restoring


def _extracted(file: Path, folder: Path) -> Backup:
    """The files of a backup in a folder, checked. Raises DataError if anything is not as it was
    written."""
    try:
        with tarfile.open(file, "r:") as tar:
            found = {entry.name: _extract(tar, entry, folder) for entry in tar}
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such file.") from None
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{file}: not a whole backup ({error}).") from None
    found.pop(MANIFEST, None)
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())
        backup = _backup_of(listed)
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            f"{file}: not a whole backup, since its list of files is missing."
        ) from None
    if listed["format"] != FORMAT:
        raise DataError(f"{file}: was written by a newer version of winnable; use that version.")
    expected = {name: entry["sha256"] for name, entry in listed["files"].items()}
    wrong = [name for name in expected | found if found.get(name) != expected.get(name)]
    if wrong:
        raise DataError(f"{file}: {wrong[0]} is missing or not as it was written.")
    (folder / MANIFEST).unlink()
    for name in found:
        _check_database(folder / name, file)
    return backup


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> str:
    """Write one file, and return its SHA-256. Only plain files at plain places are taken."""
    parts = PurePosixPath(entry.name).parts
    is_plain = entry.isreg() and parts and not {"..", "/", ""} & set(parts) and ":" not in parts[0]
    place = folder.joinpath(*parts)
    if not is_plain or "\\" in entry.name or place.exists():
        raise DataError(f"{entry.name!r}: no backup has such a file; nothing was restored.")
    for parent in reversed(place.relative_to(folder).parents[:-1]):
        (folder / parent).mkdir(mode=0o700, exist_ok=True)
    source = tar.extractfile(entry)
    assert source is not None, "a regular file can be read"
    reader = _HashingReader(source)
    with _private_file(place) as target:
        while content := reader.read(_CHUNK_BYTES):
            target.write(content)
    return reader.digest()


def _check_database(path: Path, file: Path) -> None:
    with path.open("rb") as opened:
        if opened.read(len(_SQLITE_START)) != _SQLITE_START:
            return
    try:
        with closing(sqlite3.connect(path)) as connection:
            result = connection.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.Error as error:
        result = str(error)
    if result != "ok":
        raise DataError(f"{file}: the database {path.name} is damaged ({result}).")


@contextmanager
def _labels_elsewhere(folder: Path) -> Iterator[None]:
    """Put the labels into the database that the environment names, if it names one, when the block
    succeeds."""
    if DATABASE_URL not in os.environ or not (folder / FILE).exists():
        yield
        return
    target = open_database(folder)
    source = open_database(folder, {})
    try:
        with writing(target.writers) as connection, source.readers.connect() as reading:
            for table in tables.metadata.sorted_tables:
                if connection.scalar(sql.select(sql.func.count()).select_from(table)):
                    raise StoreError(f"{DATABASE_URL}: that database is not empty. Empty it first.")
            copy_tables(reading, connection)
            source.close()
            for path in folder.glob(f"{FILE}*"):
                path.unlink()
            yield
    finally:
        source.close()
        target.close()


def _move_paths(database: Path, before: Path, now: Path) -> None:
    """Let MLflow's database name the artifacts where they are now."""
    if not database.exists() or before == now:
        return
    old = before.as_uri()
    with closing(sqlite3.connect(database)) as connection, connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in names:
            for _, column, kind, *_ in connection.execute(
                f'PRAGMA table_info("{table}")'
            ).fetchall():
                if "CHAR" in kind.upper() or "TEXT" in kind.upper():
                    connection.execute(
                        f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?)'
                        f' WHERE "{column}" = ? OR substr("{column}", 1, ?) = ?',
                        (now.as_uri(), len(old) + 1, old, len(old) + 1, f"{old}/"),
                    )


def _backup_of(listed: dict[str, Any]) -> Backup:
    files = listed["files"].values()
    return Backup(
        datetime.fromisoformat(listed["at"]),
        str(listed["store"]),
        len(files),
        sum(int(entry["size"]) for entry in files),
    )
