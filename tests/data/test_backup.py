"""A backup is whole, consistent and private, and a restore puts nothing else in place."""

import io
import json
import sqlite3
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.feedback.scores import given
from winnable.data.backup import MANIFEST, back_up, restore
from winnable.data.feedback.store.database import DATABASE_URL
from winnable.data.feedback.store.records import Label, packed
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import DataError, StoreError, WinnableError


def fill(store: Path, labels: int = 3) -> FeedbackStore:
    """A store with scores, labels, a model and a registry's database."""
    (store / "served" / "1").mkdir(parents=True)
    (store / "served" / "1" / "spec.json").write_text("{}")
    (store / "served" / "champion.json").write_text('{"version": 1}')
    (store / "keys.json").write_text('{"keys": []}')
    (store / ".lock").touch()
    with sqlite3.connect(store / "mlflow.db") as registry:
        registry.execute("CREATE TABLE runs (artifact_uri VARCHAR(200))")
        registry.execute("INSERT INTO runs VALUES (?)", [f"{store.as_uri()}/artefacts/1"])
        registry.execute("INSERT INTO runs VALUES (?)", [f"{store.as_uri()}-other/1"])
    registry.close()
    feedback = FeedbackStore.open(store)
    feedback.remember([given("L-1", parts=packed({"model": "a", "parts": []})), given("L-2")])
    for number in range(labels):
        feedback.add(Label("L-1", "accepted", f"Person {number}"))
    return feedback


def test_a_store_comes_back_as_it_was(label_place: Path, tmp_path: Path) -> None:
    feedback = fill(label_place)
    labels = feedback.labels()
    scores = list(feedback.scores())
    trail = feedback.audit_trail()
    file = tmp_path / "backup.tar"
    made = back_up(label_place, file)
    assert file.stat().st_mode & 0o777 == 0o600
    empty_database(feedback)
    place = tmp_path / "restored" / "store"
    found = restore(file, place)
    assert found == made
    again = FeedbackStore.open(place)
    assert again.labels() == labels
    assert list(again.scores()) == scores
    assert again.audit_trail() == trail
    assert again.add(Label("L-1", "won", "Kim")).sequence == len(labels) + 1
    assert len(again.audit_trail()) == len(trail) + 1
    again.close()
    assert json.loads((place / "served" / "champion.json").read_text()) == {"version": 1}
    with sqlite3.connect(place / "mlflow.db") as registry:
        paths = {path for (path,) in registry.execute("SELECT artifact_uri FROM runs")}
    registry.close()
    assert paths == {f"{place.as_uri()}/artefacts/1", f"{label_place.as_uri()}-other/1"}
    files = [path for path in place.rglob("*") if not path.name.startswith("labels.db-")]
    assert [path.name for path in (place, *files) if path.stat().st_mode & 0o077] == []
    assert sorted(path.name for path in place.parent.iterdir()) == ["store"]


def empty_database(feedback: FeedbackStore) -> None:
    """As a new server's is."""
    from sqlalchemy import text

    if feedback.engine.dialect.name == "postgresql":
        with feedback.engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    feedback.close()


def test_labels_move_from_one_database_to_the_other(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlalchemy as sql

    engine = sql.create_engine(postgres.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(sql.text("DROP SCHEMA public CASCADE"))
        connection.execute(sql.text("CREATE SCHEMA public"))
    engine.dispose()
    feedback = fill(tmp_path / "store")
    labels = feedback.labels()
    feedback.close()
    back_up(tmp_path / "store", tmp_path / "1.tar")
    monkeypatch.setenv(DATABASE_URL, postgres)
    restore(tmp_path / "1.tar", tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").glob("labels.db*"))
    there = FeedbackStore.open(tmp_path / "elsewhere")
    assert there.engine.dialect.name == "postgresql"
    assert there.labels() == labels
    there.close()
    with pytest.raises(StoreError, match="that database is not empty"):
        restore(tmp_path / "1.tar", tmp_path / "again")
    assert not (tmp_path / "again").exists()
    back_up(tmp_path / "elsewhere", tmp_path / "2.tar")
    monkeypatch.delenv(DATABASE_URL)
    restore(tmp_path / "2.tar", tmp_path / "back")
    back = FeedbackStore.open(tmp_path / "back")
    assert back.engine.dialect.name == "sqlite"
    assert back.labels() == labels
    back.close()


def test_what_was_acknowledged_before_a_backup_is_in_it(label_place: Path, tmp_path: Path) -> None:
    """Labels come in all the while; the backup has each that was there when it began, and of those
    that came meanwhile no half."""
    feedback = fill(label_place)
    stop = threading.Event()
    acknowledged: list[str] = []

    def work() -> None:
        while not stop.is_set():
            label = Label(f"L-{len(acknowledged)}", "won", "Kim")
            acknowledged.append(feedback.add(label).label_id)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for number in range(3):
            before = set(acknowledged)
            back_up(label_place, tmp_path / f"{number}.tar")
            assert before <= labels_in(tmp_path / f"{number}.tar", tmp_path / f"copy-{number}")
    finally:
        stop.set()
        worker.join()
    feedback.close()
    assert acknowledged


def labels_in(file: Path, folder: Path) -> set[str]:
    with tarfile.open(file) as tar:
        tar.extract("labels.db", folder, filter="data")
    with sqlite3.connect(folder / "labels.db") as database:
        found = {label_id for (label_id,) in database.execute("SELECT label_id FROM labels")}
        entries = {subject for (subject,) in database.execute("SELECT subject FROM audit")}
    database.close()
    assert found == entries
    return found


def damaged(change: Callable[[dict[str, bytes]], None]) -> Callable[[Path], None]:
    """What rewrites a backup with other members."""

    def rewrite(file: Path) -> None:
        with tarfile.open(file) as tar:
            members = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
        change(members)
        with tarfile.open(file, "w") as tar:
            for name, content in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))

    return rewrite


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def one_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[content.index(b"append only")] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "attack",
    [
        cut_off,
        one_byte,
        damaged(lambda members: members.pop("keys.json")),
        damaged(lambda members: members.pop(MANIFEST)),
        damaged(lambda members: members.update({"more.txt": b"more"})),
        damaged(lambda members: members.update({"../../evil": b"x"})),
        damaged(lambda members: members.update({"/tmp/winnable-evil": b"x"})),
        lambda file: file.write_bytes(b"no tar file"),
        lambda file: file.unlink(),
    ],
)
def test_a_backup_that_is_not_whole_puts_nothing_in_place(
    tmp_path: Path, attack: Callable[[Path], None]
) -> None:
    fill(tmp_path / "store").close()
    file = tmp_path / "backup.tar"
    back_up(tmp_path / "store", file)
    attack(file)
    with pytest.raises(DataError):
        restore(file, tmp_path / "deep" / "place")
    assert list((tmp_path / "deep").iterdir()) == []
    assert not (tmp_path / "evil").exists()
    assert not Path("/tmp/winnable-evil").exists()


def test_links_and_devices_are_not_restored(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "backup.tar", "w") as tar:
        link = tarfile.TarInfo("served")
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc"
        tar.addfile(link)
    with pytest.raises(DataError, match="no backup has such a file"):
        restore(tmp_path / "backup.tar", tmp_path / "place")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    fill(tmp_path / "store").close()
    back_up(tmp_path / "store", tmp_path / "backup.tar")
    for wrong in (
        lambda: restore(tmp_path / "backup.tar", tmp_path / "store"),
        lambda: back_up(tmp_path / "none", tmp_path / "backup.tar"),
        lambda: back_up(tmp_path / "store", tmp_path / "store" / "backup.tar"),
        lambda: back_up(tmp_path / "store", tmp_path / "none" / "backup.tar"),
    ):
        with pytest.raises(WinnableError):
            wrong()
    (tmp_path / "empty").mkdir()
    restore(tmp_path / "backup.tar", tmp_path / "empty")
    assert (tmp_path / "empty" / "labels.db").exists()


BACK_UP = """
import sys
from pathlib import Path
from winnable.data.backup import back_up
print("begins", flush=True)
while True:
    back_up(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_backup_that_is_killed_leaves_the_last_whole_one(tmp_path: Path) -> None:
    fill(tmp_path / "store", labels=300).close()
    file = tmp_path / "backup.tar"
    back_up(tmp_path / "store", file)
    for number in range(5):
        command = [sys.executable, "-c", BACK_UP, str(tmp_path / "store"), str(file)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.02 * number + 0.01)
        process.kill()
        process.wait()
        process.stdout.close()
        place = tmp_path / f"restored-{number}"
        restore(file, place)
        restored = FeedbackStore.open(place)
        assert len(restored.labels()) == 300
        restored.close()
