"""Whole files and locks: whatever else is in the folder, and whoever else writes there."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from restore.files import safe
from tests import HOUSE


def python(program, *arguments):
    """A process that runs `program`, which can be talked to."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def made_old(path):
    past = time.time() - 2 * safe.LEFT_BEHIND
    os.utime(path, (past, past), follow_symlinks=False)


# As in containers, in each of which the first process has the number 1.
WRITE = """
import os, sys
os.getpid = lambda: 1
from restore.files.safe import whole_file
with whole_file(sys.argv[1]) as file:
    file.write(sys.argv[1].encode())
    print("written", flush=True)
    sys.stdin.readline()
"""


def test_processes_of_one_number_do_not_disturb_each_other(tmp_path):
    (tmp_path / ".restore-1-0.tmp").touch()
    paths = [tmp_path / name for name in "abc"]
    processes = [python(WRITE, path) for path in paths]
    for process in processes:
        assert process.stdout.readline() == b"written\n"
    for process in processes:
        process.communicate(b"\n", timeout=20)
        assert process.returncode == 0
    assert [path.read_text() for path in paths] == [str(path) for path in paths]
    assert names(tmp_path) == [".restore-1-0.tmp", "a", "b", "c"]


def test_what_a_killed_process_left_is_removed_when_it_is_old(tmp_path):
    process = python(WRITE, tmp_path / "a")
    process.stdout.readline()
    process.kill()
    process.communicate()
    (left,) = tmp_path.iterdir()
    with safe.whole_file(tmp_path / "b") as file:
        file.write(b"b")
    assert left.exists()
    made_old(left)
    safe._searched.clear()
    with safe.whole_file(tmp_path / "c") as file:
        file.write(b"c")
    assert names(tmp_path) == ["b", "c"]


def test_nothing_but_what_was_left_behind_is_removed(tmp_path):
    process = python(WRITE, tmp_path / "a")  # goes on writing
    process.stdout.readline()
    ours = ".restore-" + 16 * "0"
    for name in (f"{ours}.tmp", f"{ours}-0.tmp", f"{ours}-{16 * '0'}.tmp.png", "x.tmp"):
        (tmp_path / name).touch()
    (tmp_path / f"{ours}.lock").write_text("precious")
    (tmp_path / "precious").write_text("precious")
    (tmp_path / f"{ours}-{16 * '1'}.tmp").symlink_to(tmp_path / "precious")
    (tmp_path / f"{ours}-{16 * '2'}.tmp").mkdir()
    before = names(tmp_path)
    for path in tmp_path.iterdir():
        made_old(path)
    with safe.whole_file(tmp_path / "z"):
        pass
    assert names(tmp_path) == [*before, "z"]
    process.communicate(b"\n", timeout=20)
    assert process.returncode == 0 and (tmp_path / "a").read_text() == str(tmp_path / "a")


HOLD = """
import sys
from restore.files.safe import only_one
with only_one(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_is_taken_over_from_a_killed_process(tmp_path):
    path = tmp_path / "d.npz"
    process = python(HOLD, path)
    process.stdout.readline()
    with pytest.raises(BlockingIOError, match="another run"), safe.only_one(path):
        pass
    process.kill()
    process.communicate()
    (stale,) = tmp_path.iterdir()
    made_old(stale)
    with safe.only_one(path):
        with safe.whole_file(path):  # does not take its own lock for left behind
            pass
        with pytest.raises(BlockingIOError), safe.only_one(path):
            pass
    assert names(tmp_path) == ["d.npz"]


def test_a_lock_that_was_left_behind_goes_with_any_file_that_is_written(tmp_path):
    process = python(HOLD, tmp_path / "d.npz")
    process.stdout.readline()
    process.kill()
    process.communicate()
    (stale,) = tmp_path.iterdir()
    made_old(stale)
    with safe.whole_file(tmp_path / "other"):
        pass
    assert names(tmp_path) == ["other"]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not remove files that are open")
def test_two_never_hold_one_lock(tmp_path):
    holders, most = [], []

    def compete(name):
        for _ in range(300):
            try:
                with safe.only_one(tmp_path / "d.npz"):
                    holders.append(name)
                    most.append(len(holders))
                    holders.remove(name)
            except BlockingIOError:
                pass

    threads = [threading.Thread(target=compete, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1} and len(most) > 10
    assert names(tmp_path) == []


def test_names_as_long_as_can_be(tmp_path):
    path = tmp_path / (251 * "d" + ".npz")
    with safe.only_one(path), safe.whole_file(path) as file:
        file.write(b"d")
    assert names(tmp_path) == [path.name]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("program", [WRITE, HOLD])
def test_a_signal_leaves_nothing(tmp_path, number, program, heard):
    listening = "from restore.files import signals\nsignals.listen()\n" + program
    process = python(listening, tmp_path / "a")
    process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert names(tmp_path) == []
