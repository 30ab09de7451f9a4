"""Clean pictures are not told to be noisy: texture is no noise."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

import restore
from restore.imaging.measures import psnr
from restore.imaging.noise import estimate_noise

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
