"""Signals: the same end at any moment, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests import HOUSE

INVERT = [sys.executable, str(HOUSE / "tests" / "invert_command.py")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HOUSE)}
pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals"),
    pytest.mark.usefixtures("heard"),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for name in range(6):
        Image.fromarray(np.zeros((8, 9), np.uint8)).save(tmp_path / f"in/{name}.png")
    return tmp_path


# Sends itself the signal twice as a module is about to be imported.
AT_IMPORT = """
import os, sys
wanted, number, *sys.argv[1:] = sys.argv[1:]
class Finder:
    def find_spec(name, path, target=None):
        if name == wanted:
            os.kill(os.getpid(), int(number))
            os.kill(os.getpid(), int(number))
sys.meta_path.insert(0, Finder)
from restore.__main__ import main
main()
"""
MODULES = ["restore.cli", "click", "restore.batch", "numpy", "numpy._core.multiarray", "numba"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", MODULES)
def test_during_start_up_and_twice(folder, module, number):
    words = [module, str(int(number)), "denoise", str(folder / "in"), "-o", str(folder / "out")]
    program = [sys.executable, "-c", AT_IMPORT, *words, "--quality", "fast"]
    done = subprocess.run(program, env=ENVIRONMENT, capture_output=True, timeout=60)
    assert done.returncode == 128 + number and not done.stdout
    assert done.stderr in (b"", b"interrupted: 6 not done\n")


# An exception raised in there is printed, and forgotten.
IN_A_CALLBACK = """
import ctypes, os, signal
from restore.files import signals
signals.listen()
ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), signal.SIGTERM))()
"""


def test_within_a_callback_of_a_library():
    program = [sys.executable, "-c", IN_A_CALLBACK]
    done = subprocess.run(program, env=ENVIRONMENT, capture_output=True, timeout=60)
    assert done.returncode == 143 and not done.stderr


def test_what_is_ignored_stays_so():
    program = "import signal; from restore.files import signals; signals.listen()\n"
    program += "print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=ENVIRONMENT,
        capture_output=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # as nohup does
    )
    assert done.stdout == b"True\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_twice_to_the_whole_group(folder, number, jobs):
    process = subprocess.Popen(
        [*INVERT, folder / "in", "-o", folder / "out", "--wait", "0.5", "--json", "-j", jobs],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    process.stdout.readline()
    os.killpg(process.pid, number)
    time.sleep(0.02)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert said.startswith(b"interrupted: ") and said.count(b"\n") == 1
    assert not list((folder / "out").glob(".*"))


def test_workers_end_with_a_parent_that_is_killed(folder):
    process = subprocess.Popen(
        [*INVERT, folder / "in", "-o", folder / "out", "--wait", "1", "--json", "-j", "2"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    time.sleep(0.4)  # the next two are begun
    process.kill()
    process.wait()
    done = sorted((folder / "out").glob("*.png"))
    process.communicate(timeout=20)  # until they have closed their ends of the pipes, too
    assert sorted((folder / "out").iterdir()) == done
