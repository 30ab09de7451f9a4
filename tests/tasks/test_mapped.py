"""Noise with a map of its strength: strips of large pictures do not show."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from restore import denoise
from restore.imaging import bands, jpeg
from restore.imaging.noise import Noise
from restore.tasks.denoising import mapped
from restore.tasks.denoising.artefacts import dejpeg

PHOTO = data.astronaut()[100:400, 100:260]


def saved(channels):
    """A photo after it has been a JPEG file, and its coding."""
    file = io.BytesIO()
    clean = np.tile(PHOTO, (2, 1, 1))
    Image.fromarray(clean if channels == 3 else clean[..., 0]).save(file, "JPEG", quality=20)
    image = Image.open(file)
    tables = tuple(tuple(image.quantization[layer[3]]) for layer in image.layer)
    return np.asarray(image), jpeg.Coding(tables, (2, 2) if channels == 3 else (1, 1))


def in_strips(monkeypatch, row):
    """Cut pictures of `row` samples a row into strips as large ones are."""
    monkeypatch.setattr(bands, "WHOLE", row)
    monkeypatch.setattr(bands, "STRIP", 2 * mapped.ALIGNED * row)


@pytest.mark.parametrize("channels", [1, 3])
def test_strips_of_a_jpeg_picture_do_not_show(channels, monkeypatch):
    decoded, coding = saved(channels)
    whole, _ = dejpeg(decoded, coding)
    in_strips(monkeypatch, decoded[0].size)
    shape = (channels, *decoded.shape[:2])
    assert [rows.stop - rows.start for rows in mapped.strips(shape)] == [192, 192, 192, 24]
    cut, _ = dejpeg(decoded, coding)
    assert np.abs(cut - whole).max() < 0.5 / 255


def test_strips_of_a_noisy_photo_do_not_show(monkeypatch):
    random = np.random.default_rng(0)
    clean = np.tile(PHOTO, (2, 1, 1)) / 255
    noisy = np.clip(clean + 0.05 * random.standard_normal(clean.shape), 0, 1)
    brightness = np.array([0.0, 1.0], np.float32)
    levels = np.full((2, 3), 0.05, np.float32)
    noise = Noise("camera", np.full(3, 0.05), brightness=brightness, levels=levels)
    whole = denoise(noisy, noise=noise)
    in_strips(monkeypatch, noisy[0].size)
    assert np.abs(denoise(noisy, noise=noise) - whole).max() < 0.5 / 255
