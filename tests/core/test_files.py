"""Files are whole or not there, what cannot be written is seen before any long work, and a lock is
held by one process at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from winnable.core.files import check_output, locked, whole_file
from winnable.errors import StoreError


def test_a_file_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("old")
    with whole_file(path) as file:
        file.write("Zoë\n")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_bytes() == "Zoë\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_if_the_new_one_fails(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(str(1 / 0))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    for path in (tmp_path / "taken", tmp_path / "none" / "page.md"):
        with (
            pytest.raises(
                StoreError, match=r"cannot be written \(.+\)\. Choose another --output\."
            ),
            whole_file(path) as file,
        ):
            file.write("new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_an_output_is_a_file_in_a_folder_that_is_there_and_no_input(tmp_path: Path) -> None:
    leads = tmp_path / "leads.csv"
    leads.touch()
    (tmp_path / "link.csv").symlink_to(leads)
    check_output(leads, ("other.csv", None, "sqlite:///crm.db#leads"))
    for output, told in (
        (leads, "would be lost"),
        (tmp_path / "link.csv", "would be lost"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(StoreError, match=told):
            check_output(output, (str(leads), None))
    with pytest.raises(StoreError, match="there is no folder none"):
        check_output(tmp_path / "none" / "scores.csv", ())


HOLD = """
import sys, time
from pathlib import Path
from winnable.core.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


def test_a_lock_is_waited_for_then_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with (
            pytest.raises(StoreError, match=rf"process {holder.pid} .* for 0 seconds\. Wait for"),
            locked(path, patience=0.2),
        ):
            pass
        holder.kill()
    with locked(path, patience=5):
        pass


def test_nothing_needs_fcntl(tmp_path: Path) -> None:
    """As on Windows, which has none."""
    code = f"""
import sys
sys.modules["fcntl"] = None
import winnable
import winnable.cli
import winnable.service.server
import winnable.data.feedback.store.database
import winnable.service.scoring.remote_champion
from pathlib import Path
from winnable.core.files import locked
with locked(Path({str(tmp_path / "lock")!r})):
    print("locked")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "locked\n"
