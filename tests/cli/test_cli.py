"""The command line itself: what it imports, says and completes."""

import os
import resource
import subprocess
import sys

import click
import numpy as np
import pytest

from restore import __version__
from restore.cli import cli
from restore.files.reading import read_picture
from tests import HOUSE, SAMPLES
from tests.cli.commands import restore, save

HEAVY = ("numpy", "numba", "scipy", "skimage", "PIL", "tifffile", "imagecodecs", "tqdm", "loky")


COMMANDS = cli.list_commands(click.Context(cli))


@pytest.mark.parametrize(
    "arguments",
    [[], ["--help"], ["--version"], ["nonsense"], *([name, "--help"] for name in COMMANDS)]
    + [["denoise"], ["denoise", "--sigma", "much", "a.png"], ["denoise", "a.png", "-o", "b.xyz"]],
    ids=" ".join,
)
def test_help_and_wrong_usage_import_nothing_heavy(arguments):
    done = restore(*arguments, flags=["-X", "importtime"])
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "click" in imported
    assert not imported & set(HEAVY)


def test_help_is_there_at_once():
    restore("--help")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    restore("denoise", "--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # processor time, which on a busy machine is less than what the clock says
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


def test_help_and_version_go_to_standard_output():
    for arguments in (["--help"], ["denoise", "-h"], ["--version"]):
        done = restore(*arguments)
        assert done.returncode == 0 and done.stdout and not done.stderr
    assert __version__ in done.stdout
    assert "Exit codes: 0 all done" in restore("--help").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["denoise"],
        ["denoise", "--sigma", "-3", "a.png"],
        ["denoise", "--sigma", "nan", "a.png"],
        ["denoise", "--sigma", "2560", "a.png"],
        ["denoise", "--sigma", "much", "a.png"],
        ["denoise", "--depth", "12", "a.png"],
        ["denoise", "--format", "xyz", "a.png"],
        ["denoise", "--jobs", "0", "a.png"],
        ["denoise", "--overwrite", "--skip-existing", "a.png"],
        ["compare", "a.png"],
        ["cache"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_code_2_and_says_what_is_wrong(arguments):
    done = restore(*arguments)
    assert done.returncode == 2 and not done.stdout
    assert "Error: " in done.stderr and "Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_traceback():
    done = subprocess.run(
        f"{sys.executable} -m restore denoise --help | head -c 10",
        shell=True,
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
        capture_output=True,
        text=True,
    )
    assert not done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell):
    done = restore(environment={"_RESTORE_COMPLETE": f"{shell}_source"})
    assert "restore" in done.stdout and done.returncode == 0
    words = {"COMP_WORDS": "restore den", "COMP_CWORD": "den" if shell == "fish" else "1"}
    done = restore(environment={"_RESTORE_COMPLETE": f"{shell}_complete", **words})
    assert "denoise" in done.stdout


def test_a_night_of_a_photographer(tmp_path):
    clean = read_picture(SAMPLES / "chelsea-noisy.png").samples[:96, :96]
    for number, name in enumerate(["a", "one/a", "one/b", "one/two/a", "two/c"]):
        save(tmp_path / f"photos/{name}.png", np.roll(clean, 10 * number, axis=0))
    script = str(HOUSE / "tests" / "photographer.sh")
    done = subprocess.run(
        ["bash", script, str(tmp_path), sys.executable, "-m", "restore"],
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
