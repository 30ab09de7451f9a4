"""The cache of compiled kernels: whatever happens to it, a run goes on and is right."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import HOUSE

# A kernel that calls another one, and says whether it was loaded or compiled.
PROBE = """
import numpy as np
from restore.kernels import jit

@jit.kernel
def double(number):
    return 2 * number

@jit.kernel
def total(values):
    result = np.float32(0)
    for value in values:
        result += double(value)
    return result

print(total(np.arange(5, dtype=np.float32)), len(total.stats.cache_hits), jit.cache_folder())
"""


def start(probe, house=HOUSE, **environment):
    """The probe started in a process of its own, with none of the caller's cache settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_"))}
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(probe)],
        env={**inherited, "PYTHONPATH": str(house), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """(result, cache hits, cache folder) of a probe, which must not have failed."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert errors == ""
    result, hits, folder = output.split(maxsplit=2)
    return float(result), int(hits), folder.strip()


def run(*arguments, **environment):
    return finish(start(*arguments, **environment))


@pytest.fixture
def probe(tmp_path):
    file = tmp_path / "probe.py"
    file.write_text(PROBE)
    return file


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "private" / "cache"
    folder.mkdir(parents=True)
    return folder


def test_the_second_run_compiles_nothing(probe, cache):
    result, hits, folder = run(probe, NUMBA_CACHE_DIR=str(cache))
    assert (result, hits) == (20, 0) and Path(folder).parent == cache / "restore"
    assert run(probe, NUMBA_CACHE_DIR=str(cache)) == (20, 1, folder)


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("keep", [0, 0.5])
def test_a_truncated_cache_recovers(probe, cache, suffix, keep):
    run(probe, NUMBA_CACHE_DIR=str(cache))
    files = list(cache.rglob(f"*.{suffix}"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    assert run(probe, NUMBA_CACHE_DIR=str(cache))[:2] == (20, 0)
    assert run(probe, NUMBA_CACHE_DIR=str(cache))[:2] == (20, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for ELF")
def test_damaged_machine_code_is_not_run(probe, cache):
    run(probe, NUMBA_CACHE_DIR=str(cache))
    for file in cache.rglob("*.nbc"):
        code = bytearray(file.read_bytes())
        first = code.index(b"\x7fELF") + 64  # instruction, after the header
        code[first : first + 100] = bytes(100)
        file.write_bytes(code)
    assert run(probe, NUMBA_CACHE_DIR=str(cache))[:2] == (20, 0)
    assert run(probe, NUMBA_CACHE_DIR=str(cache))[:2] == (20, 1)


def test_the_code_of_another_function_is_not_run(probe, cache):
    run(probe, NUMBA_CACHE_DIR=str(cache))
    (double,) = cache.rglob("probe.double*.nbc")
    (total,) = cache.rglob("probe.total*.nbc")
    shutil.copy(double, total)
    assert run(probe, NUMBA_CACHE_DIR=str(cache))[:2] == (20, 0)
    assert run(probe, NUMBA_CACHE_DIR=str(cache))[:2] == (20, 1)


def test_what_is_compiled_is_told(probe, cache):
    told = "\njit.listeners.append(print)\ntotal(np.arange(5, dtype=np.float32))\n"
    probe.write_text(PROBE.replace("print(total", "done = (total") + told + "total(np.arange(5))\n")
    process = start(probe, NUMBA_CACHE_DIR=str(cache))
    assert process.communicate(timeout=120) == ("total\ndouble\n", "")
    assert start(probe, NUMBA_CACHE_DIR=str(cache)).communicate(timeout=120) == ("", "")


def test_a_cache_that_cannot_be_written_is_done_without(probe, tmp_path):
    (tmp_path / "file").touch()
    assert run(probe, NUMBA_CACHE_DIR=str(tmp_path / "file" / "cache")) == (20, 0, "None")


def test_without_a_home_the_cache_is_in_the_temporary_folder(probe, tmp_path):
    folder = run(probe, HOME="/dev/null", XDG_CACHE_HOME="/dev/null", TMPDIR=str(tmp_path))[2]
    assert folder.startswith(str(tmp_path))


HOMELESS = """
import os, pwd
os.environ.pop("HOME", None)
os.environ.pop("XDG_CACHE_HOME", None)
def unknown(number):
    raise KeyError(number)
pwd.getpwuid = unknown
"""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs a list of users")
def test_a_user_without_home_and_name_has_a_cache(probe, tmp_path):
    probe.write_text(HOMELESS + PROBE)
    result, _, folder = run(probe, TMPDIR=str(tmp_path))
    assert result == 20 and folder.startswith(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_cache_that_others_can_write_is_not_trusted(probe, cache):
    cache.chmod(0o777)
    assert run(probe, NUMBA_CACHE_DIR=str(cache)) == (20, 0, "None")
    cache.chmod(0o1777)  # as /tmp: others can add to it, and not touch what is ours
    assert run(probe, NUMBA_CACHE_DIR=str(cache))[2].startswith(str(cache))


def test_the_cache_of_other_code_stays_where_it_was(tmp_path, cache):
    probe = tmp_path / "other.py"
    probe.write_text("""
import numba
from restore.kernels import patches
print(1, 0, numba.config.CACHE_DIR)
""")
    assert run(probe, NUMBA_CACHE_DIR=str(cache))[2] == str(cache)


def test_eight_processes_at_once_on_an_empty_cache(probe, cache):
    processes = [start(probe, NUMBA_CACHE_DIR=str(cache)) for _ in range(8)]
    assert {finish(process)[0] for process in processes} == {20}


def test_a_change_in_any_kernel_source_gives_another_folder(probe, tmp_path):
    house = tmp_path / "house"
    shutil.copytree(HOUSE / "restore", house / "restore", ignore=shutil.ignore_patterns("*.pyc"))
    settings = {"XDG_CACHE_HOME": str(tmp_path / "user"), "HOME": str(tmp_path)}
    first = run(probe, house, **settings)[2]
    assert run(probe, house, **settings)[2] == first
    with open(house / "restore" / "kernels" / "__init__.py", "a") as source:
        source.write("# changed\n")
    changed = run(probe, house, **settings)[2]
    assert changed != first
    assert changed.startswith(str(tmp_path))
