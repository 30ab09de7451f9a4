"""The sample pictures are what their script makes, small, and described."""

import io
import runpy

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image, features

from tests import SAMPLES

FOLDER = SAMPLES


@pytest.fixture(scope="module")
def made():
    return runpy.run_path(str(FOLDER / "make.py"))["pictures"]()


def test_the_pictures_are_what_the_script_makes(made):
    assert {file.name for file in FOLDER.glob("*.png")} == set(made)
    for name, picture in made.items():
        stored = imageio.imread(FOLDER / name)
        assert stored.dtype == picture.dtype, name
        assert np.array_equal(stored, picture), name


@pytest.mark.skipif(not features.check("zlib_ng"), reason="Pillow compresses by another zlib")
def test_the_files_are_made_again_byte_for_byte(made):
    for name, picture in made.items():
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG", optimize=True)
        assert file.getvalue() == (FOLDER / name).read_bytes(), name


def test_noise_mask_and_mosaic_are_as_described(made):
    for name, sigma in [("camera", 25), ("chelsea", 25)]:
        error = made[f"{name}-noisy.png"].astype(float) - made[f"{name}-clean.png"]
        assert abs(error.std() - sigma) < 3
    untouched = made["astronaut-mask.png"] == 0
    assert 0.9 < untouched.mean() < 0.98
    assert np.array_equal(
        made["astronaut-scratched.png"][untouched], made["astronaut-clean.png"][untouched]
    )
    colour, samples = made["coffee-clean.png"], made["coffee-mosaic.png"]
    for row, column, channel in [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)]:
        expected = colour[row::2, column::2, channel] * np.uint16(257)
        assert np.array_equal(samples[row::2, column::2], expected)


def test_the_readme_names_every_picture(made):
    described = (FOLDER / "README.md").read_text()
    assert all(f"`{name}`" in described for name in made)


def test_the_pictures_stay_small():
    assert sum(file.stat().st_size for file in FOLDER.glob("*.png")) < 2.5e6
