"""Batches on several processes, and signals to all of them."""

import functools
import json
import os
import platform
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from restore import batch
from tests import HOUSE
from tests.batch.helpers import is_inverted, run, started, tree, write
from tests.invert_command import invert_picture


def test_jobs_times_threads_never_exceed_the_processors():
    for jobs, threads, count, cpus in np.ndindex(6, 6, 5, 9):
        processes, each = batch.shares(jobs + 1, threads or None, count, cpus + 1)
        assert 1 <= processes <= jobs + 1 and each >= 1
        assert processes * each <= cpus + 1
        assert each <= (threads or cpus + 1)


# Prints the pages that arrays take from the system once a first picture has been restored.
PAGES = """
import resource, sys
import numpy as np
from restore.cli import cli
cli.main(["denoise", sys.argv[1], "-o", sys.argv[2], "--sigma", "9"], standalone_mode=False)
np.ones(1 << 20, np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    np.ones(1 << 20, np.float32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc's malloc")
def test_memory_is_kept_for_the_next_arrays(tmp_path):
    write(tmp_path / "a.png")
    words = [tmp_path / "a.png", tmp_path / "b.png"]
    done = subprocess.run(
        [sys.executable, "-c", PAGES, *words], cwd=HOUSE, capture_output=True, check=True
    )
    assert int(done.stdout) < 1000  # of 100,000


def test_jobs_in_a_thread_of_a_program(tmp_path, capsys):
    """In which signals cannot be set."""
    for name in "ab":
        write(tmp_path / f"{name}.png")
    with ThreadPoolExecutor() as pool:
        assert pool.submit(run, [tmp_path], output=tmp_path / "out", jobs=2).result() == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_killed_worker_is_a_failed_file(tmp_path, capsys):
    for height in range(4, 10):
        write(tmp_path / f"{height}.png", shape=(height, 5, 3))
    process = functools.partial(invert_picture, die=6)
    assert run([tmp_path], process, output=tmp_path / "out", jobs=2, json=True) == 1
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [report["status"] for report in reports] == ["done"] * 2 + ["failed"] + ["done"] * 3
    assert "signal 9" in reports[2]["error"]
    assert tree(tmp_path / "out") == ["4.png", "5.png", "7.png", "8.png", "9.png"]


def test_two_hundred_files_of_which_five_are_bad(tmp_path, capsys):
    for number in range(195):
        write(tmp_path / f"in/{number // 50}/{number:03}.png", depth="16")
    for number in range(5):
        (tmp_path / f"in/{number}.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish" * number)
    options = {"recursive": True, "output": tmp_path / "out"}
    assert run([tmp_path / "in"], jobs=4, **options) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["restore"] * 5 + ["195 done, 5 failed"]
    results = tree(tmp_path / "out")
    assert len(results) == 195
    assert all(is_inverted(tmp_path / "in" / name, tmp_path / "out" / name) for name in results)
    alone = {**options, "output": tmp_path / "alone"}
    assert run([tmp_path / "in"], jobs=1, **alone) == 1
    for name in results:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("jobs", [1, 3])
def test_interrupted(tmp_path, number, code, jobs, heard):
    for name in range(24):
        write(tmp_path / f"in/{name}.png")
    process = started(
        *(tmp_path / "in", "-o", tmp_path / "out", "--wait", "0.4", "--json", "-j", jobs),
        start_new_session=True,
    )
    process.stdout.readline()
    start = time.monotonic()
    os.killpg(process.pid, number)  # as a terminal does: the whole group
    _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert time.monotonic() - start < 5
    assert b"Traceback" not in said and b"interrupted: " in said and b"not done" in said
    results = tree(tmp_path / "out")
    assert 0 < len(results) < 24
    assert all(is_inverted(tmp_path / "in" / name, tmp_path / "out" / name) for name in results)
