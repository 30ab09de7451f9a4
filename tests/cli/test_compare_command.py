"""The command ``restore compare``."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from restore.cli import cli
from restore.files.reading import read_picture
from tests.cli.commands import restore, save


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


def test_compare_takes_folders(pictures):
    noisy = read_picture(pictures / "noisy.tiff").samples
    save(pictures / "results/noisy.png", noisy)
    save(pictures / "results/other.png", np.zeros((5, 5, 1)))
    words = ["compare", str(pictures), str(pictures / "results")]
    result = CliRunner().invoke(cli, [*words, "--json"], standalone_mode=False)
    report = json.loads(result.stdout)
    assert report["reference"] == str(pictures / "noisy.tiff") and report["psnr"] > 40
    assert result.return_value == 1 and "no file called other.*" in result.stderr
    assert CliRunner().invoke(cli, [*words, "--picture", "figure.png"]).exit_code == 2
    save(pictures / "noisy.png", noisy)
    result = CliRunner().invoke(cli, [*words, "--json"], standalone_mode=False)
    assert json.loads(result.stdout)["reference"] == str(pictures / "noisy.png")
    (pictures / "empty").mkdir()
    empty = CliRunner().invoke(cli, [*words[:2], str(pictures / "empty")], standalone_mode=False)
    assert empty.return_value == 3


def test_what_is_wrong_is_said_without_the_name_twice(pictures):
    for command in ("compare", "inspect", "denoise"):
        words = [command, *[pictures / "clean.tiff"] * (command == "compare"), pictures / "none.x"]
        (said,) = restore(*words).stderr.splitlines()
        assert said.startswith(f"restore: {pictures / 'none.x'}: ") and said.count("none.x") == 1


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
