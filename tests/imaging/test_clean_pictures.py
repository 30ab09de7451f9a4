"""Clean pictures are not told to be noisy: texture is no noise."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image
from scipy import ndimage

import restore
from restore.imaging.measures import psnr
from restore.imaging.noise import estimate_noise
from training.camera import as_jpeg as coded

TEXTURES = ("brick", "coins", "grass", "gravel", "camera")


def as_it_is(picture):
    return picture


def as_jpeg(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=92, subsampling=2)
    return np.asarray(Image.open(file))


def as_thumbnail(picture):
    height = round(picture.shape[0] * 160 / picture.shape[1])
    return np.asarray(Image.fromarray(picture).resize((160, height), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("form", [as_it_is, as_jpeg, as_thumbnail])
@pytest.mark.parametrize("name", TEXTURES)
def test_texture_is_not_taken_for_noise(name, form):
    picture = form(getattr(skimage.data, name)())
    assert 255 * np.max(estimate_noise(picture).sigma) < 3


@pytest.mark.parametrize("name", ["coins", "grass"])
def test_a_clean_picture_comes_back_as_it_was(name):
    picture = getattr(skimage.data, name)()[:200, :200]
    assert psnr(picture / 255, restore.denoise(picture)) > 42


def test_weak_grain_of_a_good_jpeg_is_left():
    """A file of quality 95 kept the grain because somebody wanted it; asked for, it is told."""
    grain = ndimage.gaussian_filter(
        np.random.default_rng(0).standard_normal((512, 512, 3)), (0.8, 0.8, 0)
    )
    light = np.linspace(0.2, 0.8, 512)[:, None, None]
    for level, found in ((2.5, "none"), (8, "camera")):
        picture = np.float32(light + level / 255 * grain / grain.std())
        stored, coding = coded(picture, 95, 2)
        assert estimate_noise(stored, coding).kind == found
        assert estimate_noise(stored, coding, "camera").kind == "camera"
    stored, coding = coded(np.float32(light + 2.5 / 255 * grain / grain.std()), 88, 2)
    assert estimate_noise(stored, coding).kind == "camera"
