from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore.demosaicing import RED, demosaic
from restore.kernels import mosaic as kernels

COFFEE = Path(__file__).parent.parent / "sample_images" / "coffee-clean.png"


def picture(height=96, width=120):
    """A corner of the sample picture of a coffee cup, in colour."""
    return np.asarray(Image.open(COFFEE).convert("RGB"))[40 : 40 + height, 60 : 60 + width]


def sampled(colour, pattern):
    """The mosaic a camera with that filter would have measured."""
    mosaic = np.empty(colour.shape[:2], colour.dtype)
    for k, letter in enumerate(pattern):
        row, column = divmod(k, 2)
        mosaic[row::2, column::2] = colour[row::2, column::2, "RGB".index(letter)]
    return mosaic


def decibels(estimate, truth, border=0):
    error = (estimate - truth / 255.0)[
        border or None : -border or None, border or None : -border or None
    ]
    return -10 * np.log10(np.mean(error**2))


@pytest.mark.parametrize("pattern", RED)
def test_measured_samples_come_back_bit_for_bit(pattern):
    colour = demosaic(sampled(picture(31, 44), pattern), pattern)
    again = sampled(colour, pattern)
    expected = (sampled(picture(31, 44), pattern) / 255.0).astype(np.float32)
    assert colour.dtype == np.float32
    assert np.array_equal(again, expected)


@pytest.mark.parametrize("pattern", RED)
@pytest.mark.parametrize("channel", range(3))
def test_a_scene_of_one_primary_stays_it(pattern, channel):
    scene = np.zeros((20, 23, 3), np.float32)
    scene[..., channel] = 0.6
    assert np.allclose(demosaic(sampled(scene, pattern), pattern), scene, atol=1e-5)


@pytest.mark.parametrize("pattern", RED)
def test_all_patterns_are_one_shifted(pattern):
    top, left = RED[pattern]
    scene = picture(60, 64)
    mosaic = sampled(scene, "RGGB")
    whole = demosaic(mosaic, "RGGB")
    part = demosaic(mosaic[top:, left:], pattern)
    assert np.allclose(part[28:-28, 28:-28], whole[top:, left:][28:-28, 28:-28], atol=1e-5)


def test_threads_change_nothing():
    mosaic = sampled(picture(300, 60), "GBRG")
    one = demosaic(mosaic, "GBRG", threads=1)
    assert np.array_equal(one, demosaic(mosaic, "GBRG", threads=3))


@pytest.mark.parametrize("height", range(1, 8))
@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_small_and_odd_sizes(height, width):
    for pattern in RED:
        flat = np.full((height, width), 0.25, np.float32)
        colour = demosaic(flat, pattern)
        assert colour.shape == (height, width, 3)
        assert np.allclose(colour, 0.25, atol=1e-5)


def test_clipped_highlights_have_no_fringes():
    scene = np.ones((40, 40, 3), np.float32)
    scene[:, :17] = (0.1, 0.3, 0.2)
    colour = demosaic(sampled(scene, "RGGB"))
    assert colour.max() == 1
    assert np.allclose(colour[:, 20:], 1, atol=0.02)


def test_black_stays_black():
    assert not demosaic(np.zeros((30, 30), np.uint16), "BGGR").any()


def test_better_than_bilinear_up_to_the_border():
    scene = picture(128, 160)
    colour = demosaic(sampled(scene, "RGGB"))
    assert decibels(colour, scene, 4) > 37
    rim = np.ones(scene.shape[:2], bool)
    rim[4:-4, 4:-4] = False
    error = (colour - scene / 255.0) ** 2
    assert 10 * np.log10(error[rim].mean() / error[~rim].mean()) < 3


@pytest.mark.parametrize(
    ("mosaic", "pattern", "words"),
    [
        (np.zeros((8, 8, 3)), "RGGB", "full colour already"),
        (np.zeros((8, 8)), "RGBG", "OpenCV's names are shifted"),
        (np.zeros((8, 8)), "rggb", "RGGB, BGGR, GRBG or GBRG"),
        (np.full((8, 8), np.nan), "RGGB", "not finite"),
    ],
)
def test_what_is_refused(mosaic, pattern, words):
    with pytest.raises(ValueError, match=words):
        demosaic(mosaic, pattern)


def test_one_compiled_signature_per_kernel():
    demosaic(sampled(picture(40, 40), "RGGB"))
    for name in ("tentative_rows", "green_difference", "chroma_bilinear", "chroma_residual"):
        assert len(getattr(kernels, name).signatures) <= 1
