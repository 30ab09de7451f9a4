"""The command line itself: what it imports, says and completes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from restore import __version__
from restore.cli import cli
from restore.files.picture import Picture
from restore.files.reading import read_picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages

HEAVY = ("numpy", "numba", "scipy", "skimage", "PIL", "tifffile", "imagecodecs", "tqdm", "loky")
COMMANDS = cli.list_commands(click.Context(cli))


def restore(*arguments, **options):
    """The command in a process of its own."""
    options = {"capture_output": True, "text": True, "timeout": 60, **options}
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        **options.pop("environment", {}),
    }
    python = [sys.executable, *options.pop("flags", []), "-m", "restore"]
    return subprocess.run([*python, *map(str, arguments)], env=environment, **options)


def save(path, samples, depth="8"):
    with whole_file(path) as file:
        write_pages(file, [Picture(np.float32(samples), None, depth)], path.suffix[1:])
    return path


# --- Start-up -------------------------------------------------------------------------


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
    times = []
    for _ in range(3):
        start = time.perf_counter()
        restore("denoise", "--help")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5  # 0.3 on a machine that does nothing else


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
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
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


# --- restore compare ------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    """A reference, the same with noise of 10 levels, and one of another size."""
    random = np.random.default_rng(0)
    clean = np.tile(np.linspace(0.2, 0.8, 64, dtype=np.float32)[:, None], (1, 48))[..., None]
    noisy = clean + np.float32(10 / 255) * random.standard_normal(clean.shape, np.float32)
    save(tmp_path / "clean.tiff", clean, "f32")
    save(tmp_path / "noisy.tiff", noisy, "f32")
    save(tmp_path / "small.png", clean[:20])
    return tmp_path


def test_compare_prints_a_table(pictures):
    files = [str(pictures / name) for name in ("clean.tiff", "noisy.tiff", "clean.tiff")]
    result = CliRunner().invoke(cli, ["compare", *files], standalone_mode=False)
    assert result.return_value == 0
    noisy, same = result.stdout.splitlines()
    assert noisy.startswith(files[1]) and float(noisy.split()[1]) == pytest.approx(28.13, abs=0.3)
    assert same.split()[1:] == ["inf", "dB", "SSIM", "1.0000"]


def test_compare_goes_on_after_a_bad_result(pictures):
    files = [str(pictures / name) for name in ("clean.tiff", "small.png", "none.png", "noisy.tiff")]
    result = CliRunner().invoke(cli, ["compare", *files, "--json"], standalone_mode=False)
    assert result.return_value == 1
    report = json.loads(result.stdout)
    assert report["result"] == files[-1] and set(report) == {"reference", "result", "psnr", "ssim"}
    small, none = result.stderr.splitlines()
    assert "48 x 64" in small and "48 x 20" in small
    assert "No such file" in none
    done = restore("compare", pictures / "none.png", files[0])
    assert done.returncode == 1 and done.stderr.count("\n") == 1


def test_compare_draws_a_picture(pictures):
    files = [str(pictures / name) for name in ("clean.tiff", "noisy.tiff")]
    figure = str(pictures / "figure.png")
    arguments = ["compare", *files, "--picture", figure]
    assert CliRunner().invoke(cli, arguments, standalone_mode=False).return_value == 0
    drawn = read_picture(figure)
    assert drawn.samples.shape[2] == 3 and min(drawn.samples.shape[:2]) > 600
    assert drawn.samples.std() > 0.1
    again = CliRunner().invoke(cli, arguments)
    assert again.exit_code == 2 and "--overwrite" in again.output
    wrong = CliRunner().invoke(cli, ["compare", *files, "--picture", "figure.xyz"])
    assert wrong.exit_code == 2


# --- restore cache --------------------------------------------------------------------


def test_cache_path_and_clear(tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    assert restore("cache", "--path", environment=environment).stdout.strip() == str(
        tmp_path / "kernels"
    )
    (tmp_path / "kernels/function.nbi").touch()
    assert restore("cache", "--clear", environment=environment).returncode == 0
    assert not list(tmp_path.rglob("*.nb?"))
