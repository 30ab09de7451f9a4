"""What is printed: to pipes, terminals, closed streams and full disks."""

import fcntl
import os
import struct
import subprocess
import sys
import termios

import pytest

from restore import batch, kernels
from restore.imaging.bands import Pool
from tests.batch.helpers import command, run, started, tree, write


def test_pipes(tmp_path):
    source = write(tmp_path / "a.tif", depth="16")
    assert command(source, "--format", "png").returncode == 0
    piped = command("-", "-o", "-", "--format", "png", input=source.read_bytes())
    assert piped.returncode == 0
    assert piped.stdout == (tmp_path / "a-inverted.png").read_bytes()
    assert command("-", input=source.read_bytes()).stdout.startswith(b"II*\0")
    into_file = command("-", "-o", tmp_path / "b.png", input=source.read_bytes())
    assert into_file.returncode == 0 and not into_file.stdout
    assert (tmp_path / "b.png").read_bytes() == piped.stdout
    assert command(source, "-o", "-").stdout == (command("-", input=source.read_bytes()).stdout)


@pytest.mark.parametrize("data", [b"", b"hello"])
def test_a_bad_pipe_is_one_line(data):
    done = command("-", input=data)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith(b"restore: -: ") and done.stderr.count(b"\n") == 1


def test_pipes_that_make_no_sense(tmp_path):
    a, b = write(tmp_path / "a.png"), write(tmp_path / "b.png")
    for arguments in ((a, "-"), (a, b, "-o", "-"), (a, "-o", "-", "--json"), ("-", "-o", "x/")):
        done = command(*arguments, input=b"")
        assert done.returncode == 2 and not done.stdout


def test_a_reader_that_leaves_is_no_traceback(tmp_path):
    source = write(tmp_path / "a.tif", shape=(400, 500, 3))
    process = started(source, "-o", "-")
    process.stdout.read(10)
    process.stdout.close()
    said = process.stderr.read()
    process.wait(30)
    process.stderr.close()
    assert b"Traceback" not in said and b"Exception" not in said


def test_a_terminal_gets_no_picture_but_a_bar(tmp_path):
    source = write(tmp_path / "a.png")
    terminal, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    with open(source, "rb") as data:
        process = started("-", stdin=data, stdout=end)
        assert b"terminal" in process.communicate()[1] and process.returncode == 2
    process = started(source, "--wait", "1", stderr=end)
    process.communicate()
    os.close(end)
    shown = os.read(terminal, 100_000)
    os.close(terminal)
    assert b"inverting" in shown and b"\r" in shown


def compile_two(picture, *, pool):
    """As the cache of kernels does it."""
    for kernel in ("match", "aggregate"):
        for listener in kernels.listeners:
            listener(kernel)
    pool.progress("inverting", 1, 1)
    return picture


def test_what_is_compiled_is_shown_on_a_terminal_only(tmp_path, capsys):
    write(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], compile_two) == 0
    assert "compiling" not in capsys.readouterr().err
    assert run([tmp_path / "a.png"], compile_two, overwrite=True, progress=True) == 0
    shown = capsys.readouterr().err
    assert "compiling for this machine, once: 1 kernels, match" in shown
    assert "2 kernels, aggregate" in shown and "inverting" in shown
    assert run([tmp_path / "a.png"], compile_two, overwrite=True, progress=True, quiet=True) == 0
    assert not capsys.readouterr().err
    assert not kernels.listeners


def test_what_workers_compile_is_said_on_a_terminal_only(tmp_path, monkeypatch, capsys):
    for name in "ab":
        write(tmp_path / f"in/{name}.png")
    monkeypatch.setattr("restore.kernels.jit.is_cached", lambda: False)
    options = {"output": tmp_path / "out", "jobs": 2}
    assert run([tmp_path / "in"], **options) == 0
    assert "compiling" not in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run([tmp_path / "in"], **options, overwrite=True, progress=False) == 0
    assert capsys.readouterr().err.startswith("compiling the kernels for this machine (once")
    assert run([tmp_path / "in"], **options, skip_existing=True, progress=False) == 0
    assert "compiling" not in capsys.readouterr().err


def test_the_progress_of_one_picture_as_a_whole():
    shares = [("grouping", 1), ("coding", 5), ("grouping", 1), ("coding", 10), ("correcting", 3)]

    def told(stages):
        seen = []
        pool = Pool(progress=lambda *progress: seen.append(progress))
        tell = batch.overall(pool, "denoising", shares).progress
        for name, steps in stages:
            for step in range(steps):
                tell(name, step + 1, steps)
        assert {(stage, total) for stage, _, total in seen} == {("denoising", 1000)}
        parts = [done for _, done, _ in seen]
        assert parts == sorted(parts)
        return parts

    steps = [("grouping", 2), ("coding", 4), ("grouping", 2), ("coding", 4), ("correcting", 1)]
    parts = told(steps)
    assert parts[:3] == [25, 50, 112] and parts[-2:] == [850, 1000]
    assert told(steps[3:])[-1] == 1000  # stages that are left out
    assert told([("looking", 3), *steps]) == parts  # and others
    again = [("grouping", 2), ("grouping", 2)]  # the same one twice, one after the other
    assert told(again) == [25, 50, 325, 350]
    assert batch.overall(Pool(2), "denoising", shares) == Pool(2)


# --- Logs that cannot be written ------------------------------------------------------


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_under_the_log(tmp_path, jobs):
    for number in range(3):
        write(tmp_path / f"in/{number}.png")
    words = [tmp_path / "in", "-j", jobs, "-v", "--progress"]
    with open("/dev/full", "wb") as full:
        streams = {"capture_output": False, "stdout": subprocess.PIPE, "stderr": full}
        done = command(*words, "-o", tmp_path / "one", **streams)
        assert done.returncode == 0
        streams = {"capture_output": False, "stdout": full, "stderr": subprocess.PIPE}
        done = command(*words[:-2], "-o", tmp_path / "two", "--json", **streams)
    assert done.returncode == 1
    assert done.stderr.count(b"standard output cannot be written: No space left") == 1
    assert b"Traceback" not in done.stderr and b"3 done" in done.stderr
    assert tree(tmp_path / "one") == tree(tmp_path / "two") == ["0.png", "1.png", "2.png"]


def test_words_cannot_steer_the_terminal(tmp_path, capsys):
    name = "a\x1b[31m.png"
    write(tmp_path / name)
    (tmp_path / "b\x07.png").write_text("hello")
    assert (
        run([tmp_path / name, tmp_path / "b\x07.png"], output=tmp_path / "out", verbose=True) == 1
    )
    said = capsys.readouterr().err
    assert "\x1b" not in said and "\x07" not in said
    assert "a\\x1b[31m.png" in said and "b\\x07.png" in said


def test_no_bar_and_no_words_where_they_do_not_belong(tmp_path):
    write(tmp_path / "a.png")
    write(tmp_path / "b.png")
    done = command(tmp_path, "-o", tmp_path / "out")
    assert b"\r" not in done.stderr and not done.stdout
    done = command(tmp_path, "-o", tmp_path / "out", "--overwrite", "-q")
    assert not done.stderr and not done.stdout
    done = command(tmp_path, "-o", tmp_path / "out", "--overwrite", "--progress")
    assert b"\r" in done.stderr
    done = command(tmp_path, "-o", tmp_path / "out", "--overwrite", "-v")
    assert done.stderr.count(b" -> ") == 2 and b"mean" in done.stderr
