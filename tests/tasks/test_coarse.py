"""Coarse noise: film grain is removed, and the pictures of every second sample fit together."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from restore import denoise
from restore.imaging.noise import Noise
from restore.sparse import white
from restore.tasks.denoising.coarse import APART, restore_coarse


def grainy(channels):
    """A photo, and the photo under grain of a standard deviation of 15 levels."""
    clean = data.astronaut()[40:201, 120:301, :channels] / np.float32(255)
    grain = np.random.default_rng(0).standard_normal(clean.shape)
    grain = ndimage.gaussian_filter(grain, (0.8, 0.8, 0))
    return clean, clean + np.float32(15 / 255 / grain.std()) * grain.astype(np.float32)


def decibels(image, clean):
    return -10 * np.log10(np.mean((image - clean) ** 2))


@pytest.mark.parametrize("channels", [1, 3])
def test_grain_is_removed_better_than_as_white_noise(channels):
    clean, noisy = grainy(channels)
    found = decibels(restore_coarse(noisy, np.array([24 / 255]), 1.0, None), clean)
    for level in (15, 20, 24, 30):
        one = white.by_groups(noisy, np.array([level / 255]))
        assert found > decibels(one, clean) + 0.1


def test_it_is_the_mean_of_the_whole_and_of_four_pictures():
    _, noisy = grainy(1)
    sigmas = np.array([24 / 255])
    expected = np.empty_like(noisy)
    for top in range(2):
        for left in range(2):
            part = np.ascontiguousarray(noisy[top::2, left::2])
            expected[top::2, left::2] = white.by_groups(part, APART * sigmas)
    expected = (expected + white.by_groups(noisy, sigmas)) / 2
    assert np.abs(restore_coarse(noisy, sigmas, 1.0, None) - expected).max() < 1e-6
    told = denoise(noisy, noise=Noise("camera", sigmas))
    assert np.abs(told - expected).max() < 1e-6


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1), (2, 3)])
def test_small_pictures_come_back_whole(shape):
    image = np.random.default_rng(0).random((*shape, 1), np.float32)
    restored = restore_coarse(image, np.array([0.1]), 1.0, None)
    assert restored.shape == image.shape
    assert np.isfinite(restored).all()
