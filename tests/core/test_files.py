"""Files are whole or not there, what cannot be written is seen before any long work, and a lock is
held by one process at a time."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from winnable.core.files import (
    check_output,
    locked,
    make_private_file,
    make_private_folder,
    whole_file,
)
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


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        with whole_file(pipe) as file:
            file.write("Zoë\n")
        assert reader.communicate(timeout=60)[0] == "Zoë\n".encode()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_stays_one(tmp_path: Path) -> None:
    """Whoever may, root, replaced `/dev/null` by a file."""
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        device.read_bytes()
    except OSError:
        device = Path("/dev/null")  # who may make no device may replace none
    with whole_file(device) as file:
        file.write("nothing")
    assert stat.S_ISCHR(device.stat().st_mode)


def test_standard_output_is_a_file_like_another(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from winnable.core.files import whole_file\n"
        "with whole_file(Path('/dev/stdout')) as file: file.write('a')\n"
        "print('b')"
    )
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() in {b"ab\n", b"b\n"}  # as the shell's own > would
    piped = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert piped.stdout == b"ab\n"


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "scores.csv"
    target.parent.mkdir()
    link = tmp_path / "latest.csv"
    link.symlink_to(target)
    for text in ("new", "newer"):  # at first the link leads nowhere
        with whole_file(link) as file:
            file.write(text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_who_may_read_a_file(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        for name, private in (("open", False), ("private", True)):
            with whole_file(tmp_path / name, private=private) as file:
                file.write("new")
        kept = tmp_path / "kept"
        kept.touch()
        kept.chmod(0o640)
        with whole_file(kept, private=True) as file:
            file.write("new")
        make_private_folder(tmp_path / "folder")
        make_private_file(tmp_path / "database")
        (tmp_path / "loose").touch(0o666)
        make_private_file(tmp_path / "loose")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {
        "open": 0o666 & ~umask,
        "private": 0o600,
        "kept": 0o640,
        "folder": 0o700,
        "database": 0o600,
        "loose": 0o600,
    }


def test_nobody_else_leads_a_draft_elsewhere(tmp_path: Path) -> None:
    """A link under the draft's name, as anybody may lay in a folder that all may write."""
    other = tmp_path / "other"
    other.write_text("of somebody else")
    (tmp_path / f".page.md.{os.getpid()}.draft").symlink_to(other)
    with whole_file(tmp_path / "page.md") as file:
        file.write("new")
    assert other.read_text() == "of somebody else"
    assert (tmp_path / "page.md").read_text() == "new"
