"""The command ``restore deblur``."""

import json

import numpy as np
import pytest
from scipy import ndimage

from restore.files.reading import read_picture
from restore.imaging.measures import psnr
from restore.tasks.deconvolution import blurs
from tests import SAMPLES
from tests.cli.commands import restore, save

KERNEL = blurs.motion(9, 30)


@pytest.fixture
def photo(tmp_path):
    """A small blurred picture, and beside it its kernel; the clean one is returned as well."""
    clean = read_picture(SAMPLES / "coffee-clean.png").samples[:72, :96]
    image = ndimage.convolve(clean, KERNEL[..., None])
    image += 0.01 * np.random.default_rng(0).standard_normal(image.shape)
    save(tmp_path / "kernel.png", KERNEL[..., None] / KERNEL.max(), "16")
    return save(tmp_path / "photo.png", image, "16"), clean


def test_a_motion_by_its_numbers_or_as_a_picture(photo):
    file, clean = photo
    ways = (["--motion", "9,30"], ["--kernel", file.with_name("kernel.png")])
    results = []
    for way in ways:
        done = restore("deblur", file, *way, "--sigma", "2.55", "--json", "--overwrite")
        report = json.loads(done.stdout)
        assert report["output"].endswith("photo-deblurred.png") and report["depth"] == "16"
        assert report["sigma"] == 2.55 and report["residuals"][-1] < report["residuals"][0]
        results.append(read_picture(report["output"]).samples)
    blurred = read_picture(file).samples
    assert psnr(clean, results[0]) > psnr(clean, blurred) + 3
    assert np.abs(results[0] - results[1]).mean() < 1e-3


def test_a_lens_is_found(tmp_path):
    clean = read_picture(SAMPLES / "camera-clean.png").samples
    image = ndimage.convolve(clean, blurs.defocus(3)[..., None])
    image += 0.005 * np.random.default_rng(0).standard_normal(image.shape)
    file = save(tmp_path / "photo.png", image[20:-20, 20:-20])
    done = restore("deblur", file, "--kernel", "auto", "--json")
    report = json.loads(done.stdout)
    name, width = report["blur"].split()
    assert name == "defocus" and float(width) == pytest.approx(3, rel=0.2)
    assert 0.5 < report["sigma"] < 3


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "say what the blur is"),
        (["--gaussian", "1", "--defocus", "2"], "by one of"),
        (["--motion", "15"], "LENGTH,ANGLE"),
        (["--motion", "0,30"], "LENGTH,ANGLE"),
        (["--gaussian", "nan"], "no number"),
    ],
)
def test_wrong_usage_is_said(photo, arguments, words):
    done = restore("deblur", photo[0], *arguments)
    assert done.returncode == 2 and words in " ".join(done.stderr.split())


def test_a_black_kernel_fails_the_file(photo):
    black = save(photo[0].with_name("black.png"), np.zeros((5, 5, 1)))
    done = restore("deblur", photo[0], "--kernel", black)
    assert done.returncode == 1 and "a kernel has levels" in done.stderr
