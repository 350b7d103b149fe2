"""Backup, restore and audit trail, as people meet them."""

import csv
import shutil
from pathlib import Path

from tests.cli.test_commands import winnable
from tests.conftest import DemoStore


def test_a_store_is_backed_up_restored_and_goes_on(demo_store: DemoStore, tmp_path: Path) -> None:
    shutil.copytree(demo_store.store, tmp_path / "models")
    added = winnable("keys", "add", "--role", "feedback", folder=tmp_path)
    secret = added.stdout.strip()
    made = winnable("backup", "backup.tar", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "files of models" in made.stdout
    again = winnable("restore", "backup.tar", folder=tmp_path)
    assert again.returncode == 1
    assert "models: is not empty" in again.stderr
    restored = winnable("restore", "backup.tar", "--store", "other", folder=tmp_path)
    assert restored.returncode == 0, restored.stderr
    promoted = winnable("promote", "1", "--store", "other", folder=tmp_path)
    assert promoted.stdout == "Version 1 is champion.\n", promoted.stderr
    trail = winnable("audit", "--store", "other", "--csv", "audit.csv", folder=tmp_path)
    assert trail.stdout == "3 entries written to audit.csv\n"
    rows = list(csv.DictReader((tmp_path / "audit.csv").read_text().splitlines()))
    actions = ["added a key", "restored", "promoted"]  # the backup ended after what is in it
    assert [row["action"] for row in rows] == actions
    assert all(row["who"] and row["place"] and row["at"] for row in rows)
    assert secret not in (tmp_path / "audit.csv").read_text()
    assert "backed up" in winnable("audit", folder=tmp_path).stdout


def test_what_cannot_be_backed_up_or_restored_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.tar").write_text("no tar file")
    for words, says in (
        (("backup", "x.tar"), "there is no store to back up"),
        (("restore", "no.tar"), "not a whole backup"),
        (("restore", "none.tar"), "there is no such file"),
    ):
        done = winnable(*words, folder=tmp_path)
        assert done.returncode == 1
        assert says in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "models").exists()
