"""Noise with a map of its strength: strips of large pictures do not show."""

import numpy as np
import pytest
from skimage import data

from restore import denoise
from restore.imaging import bands
from restore.imaging.noise import Noise
from restore.tasks.denoising import mapped
from restore.tasks.denoising.artefacts import dejpeg
from training.camera import as_jpeg

PHOTO = np.tile(data.astronaut()[100:400, 100:260], (2, 1, 1)) / np.float32(255)


def in_strips(monkeypatch, row):
    """Cut pictures of `row` samples a row into strips as large ones are."""
    monkeypatch.setattr(bands, "WHOLE", row)
    monkeypatch.setattr(bands, "STRIP", 2 * mapped.ALIGNED * row)


@pytest.mark.parametrize("channels", [1, 3])
def test_strips_of_a_jpeg_picture_do_not_show(channels, monkeypatch):
    decoded, coding = as_jpeg(PHOTO[..., :channels], 20, 2)
    whole, _ = dejpeg(decoded, coding)
    in_strips(monkeypatch, decoded[0].size)
    shape = (channels, *decoded.shape[:2])
    assert [rows.stop - rows.start for rows in mapped.strips(shape)] == [192, 192, 192, 24]
    cut, _ = dejpeg(decoded, coding)
    assert np.abs(cut - whole).max() < 0.5 / 255


def test_strips_of_a_noisy_photo_do_not_show(monkeypatch):
    random = np.random.default_rng(0)
    noisy = np.clip(PHOTO + 0.05 * random.standard_normal(PHOTO.shape), 0, 1)
    brightness = np.array([0.0, 1.0], np.float32)
    levels = np.full((2, 3), 0.05, np.float32)
    noise = Noise("camera", np.full(3, 0.05), brightness=brightness, levels=levels)
    whole = denoise(noisy, noise=noise)
    in_strips(monkeypatch, noisy[0].size)
    assert np.abs(denoise(noisy, noise=noise) - whole).max() < 0.5 / 255
