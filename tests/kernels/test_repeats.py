"""The coder without loss reads what it wrote, as its literal twin does."""

import numpy as np
import pytest

from restore.kernels import predicting
from restore.tasks.compression import lossless
from tests.reference.repeats import read_picture

RNG = np.random.default_rng(3)


def screen(height, width, planes, colours, top):
    """Blocks of few colours, some of them again, some noise."""
    shades = RNG.integers(0, top + 1, (colours, planes))
    tile = RNG.integers(0, colours, (5, 7))
    numbers = np.tile(tile, (height // 5 + 1, width // 7 + 1))[:height, :width]
    numbers[height // 2 :, width // 3 :] = 0
    noise = RNG.random((height, width)) < 0.1
    numbers[noise] = RNG.integers(0, colours, noise.sum())
    return np.ascontiguousarray(np.moveaxis(shades[numbers], 2, 0), np.int32)


def natural(height, width, planes, top):
    """A ramp, an edge and noise, all planes alike."""
    y, x = np.mgrid[:height, :width] / 8
    clean = 0.3 + 0.03 * x + 0.2 * (x > y + 1)
    samples = [
        top * (clean + 0.02 * RNG.normal(size=clean.shape) + 0.05 * p) for p in range(planes)
    ]
    return np.rint(samples).clip(0, top).astype(np.int32)


@pytest.mark.parametrize(
    "samples, top, mode",
    [
        (natural(14, 17, 1, 255), 255, 0),
        (natural(11, 9, 4, 255), 255, 0),
        (natural(9, 12, 3, 65535), 65535, 0),
        (RNG.integers(0, 65536, (2, 9, 8)).astype(np.int32), 65535, 0),
        (screen(24, 30, 1, 3, 255), 255, 2),
        (screen(20, 22, 4, 9, 65535), 65535, 2),
        (np.full((1, 6, 5), 7, np.int32), 255, 2),
    ],
)
def test_a_picture_is_read_as_by_the_reference(samples, top, mode):
    payload = lossless.encode(samples, top)
    assert payload[0] & 3 == mode
    planes, _ = lossless._best_planes(samples, top)
    assert np.array_equal(read_picture(payload, samples.shape, top), planes)
    assert np.array_equal(lossless.decode(payload, samples.shape, top), samples)


def test_pixels_of_many_colours_are_read_as_by_the_reference(monkeypatch):
    monkeypatch.setattr(lossless, "COLOURS", 4)
    samples = screen(20, 26, 3, 12, 255)
    payload = lossless.encode(samples, 255)
    assert payload[0] & 3 == 1
    planes, _ = lossless._best_planes(samples, 255)
    assert np.array_equal(read_picture(payload, samples.shape, 255), planes)


@pytest.mark.parametrize("value", range(70))
def test_half_octaves_rise_by_ones(value):
    steps = predicting.half_octave(value + 1, 39) - predicting.half_octave(value, 39)
    assert steps in (0, 1) and predicting.half_octave(value, 5) <= 5
    if value & value - 1 == 0 and value:
        assert predicting.half_octave(value, 39) == max(2 * (value.bit_length() - 1), 1)
