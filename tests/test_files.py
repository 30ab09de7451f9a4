"""Files: whatever comes in goes out again, sample for sample and tag for tag."""

import io
import itertools

import numpy as np
import pytest

from restore.files import reading, writing
from restore.files.picture import LEVELS, Metadata, Picture, to_depth, to_unit

random = np.random.default_rng(0)


def levels(shape, depth):
    """Random samples that a file of this depth can hold exactly."""
    if depth == "f32":
        return (random.random(shape) * 4003 - 3).astype(np.float32)
    return to_unit(to_depth(random.random(shape).astype(np.float32), depth))


def round_trip(picture, name, **options):
    file = io.BytesIO()
    writing.write_pages(file, [picture], name, **options)
    file.seek(0)
    return reading.only_page(reading.read_pages(file))


LOSSLESS = [
    (name, depth, channels, alpha)
    for name in ("png", "tiff", "webp", "bmp")
    for depth, channels, alpha in itertools.product(writing.DEPTHS[name], (1, 3), (False, True))
    if not (alpha and name == "bmp") and not (name == "webp" and channels == 1)
]


@pytest.mark.parametrize("name, depth, channels, alpha", LOSSLESS)
def test_samples_and_alpha_come_back_bit_for_bit(name, depth, channels, alpha):
    picture = Picture(
        levels((13, 7, channels), depth), levels((13, 7), "16" if depth == "f32" else depth), depth
    )
    if not alpha:
        picture = picture.replace(alpha=None)
    back = round_trip(picture, name)
    assert back.depth == depth
    np.testing.assert_array_equal(back.samples, picture.samples)
    if alpha:
        np.testing.assert_array_equal(back.alpha, picture.alpha)
    else:
        assert back.alpha is None


@pytest.mark.parametrize("depth", LEVELS)
def test_every_level_survives(depth):
    stored = np.arange(LEVELS[depth] + 1, dtype=np.uint8 if depth == "8" else np.uint16)
    np.testing.assert_array_equal(to_depth(to_unit(stored)[:, None], depth)[:, 0], stored)


def test_integers_are_rounded_and_clipped():
    samples = np.array([[-1.0, 0.5, 2.0, np.nan, np.inf, 1.6 / 255]], np.float32)
    np.testing.assert_array_equal(to_depth(samples, "8"), [[0, 128, 255, 0, 255, 2]])


PROFILE = bytes(16) + b"RGB " + bytes(range(200))


@pytest.mark.parametrize("name", ["png", "jpeg", "tiff", "webp"])
def test_profile_and_xmp_are_kept(name):
    metadata = Metadata(icc=PROFILE, xmp=b"<x:xmpmeta/>", resolution=(300, 300, "inch"))
    back = round_trip(Picture(levels((9, 9, 3), "8"), metadata=metadata), name).metadata
    assert back.icc == PROFILE
    assert back.xmp == metadata.xmp
    if name != "webp":
        across, down, unit = back.resolution
        assert round(across * (2.54 if unit == "cm" else 1), 2) == 300 and across == down


def test_transparency_to_jpeg_is_refused_with_advice():
    picture = Picture(levels((9, 9, 3), "8"), levels((9, 9), "8"))
    with pytest.raises(ValueError, match="--format png"):
        round_trip(picture, "jpeg")
