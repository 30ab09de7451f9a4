"""Every operator against its adjoint, and against what it stands for."""

import numpy as np
import pytest

from restore.imaging.resize import resize
from restore.sparse.operators import Blur, Decimation, Identity, Mask, Mosaic


def picture(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


SHAPE = (13, 18, 3)
KERNEL = picture((3, 5), 5)
KNOWN = picture(SHAPE, 6) > 0

OPERATORS = {
    "identity": Identity(),
    "mask of pixels": Mask(KNOWN[..., 0]),
    "mask of samples": Mask(KNOWN),
    "mosaic": Mosaic("GRBG"),
    "blur": Blur(KERNEL),
    "decimation": Decimation(SHAPE[:2], (4, 6)),
    "decimation by the mean": Decimation(
        SHAPE[:2], (6, 9), lambda distance: 1.0 * (np.abs(distance) < 0.5), 0.5
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_the_adjoint_is_one(name):
    operator = OPERATORS[name]
    for seed in range(3):
        image = picture(SHAPE, seed)
        measured = operator.forward(image)
        other = picture(measured.shape, seed + 10)
        back = operator.adjoint(other)
        assert back.shape == SHAPE and back.dtype == measured.dtype == np.float32
        assert np.vdot(measured, other) == pytest.approx(np.vdot(image, back), rel=1e-4)


@pytest.mark.parametrize("name", OPERATORS)
def test_it_is_linear(name):
    operator, one, other = OPERATORS[name], picture(SHAPE), picture(SHAPE, 1)
    together = operator.forward(2 * one - other)
    assert np.allclose(together, 2 * operator.forward(one) - operator.forward(other), atol=1e-5)


def test_a_mask_reads_nothing_unknown():
    image = picture(SHAPE)
    holed = np.where(KNOWN, image, np.float32(np.nan))
    assert np.array_equal(Mask(KNOWN).forward(holed), Mask(KNOWN).forward(image))


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_a_mosaic_has_the_named_colours(pattern):
    image = picture(SHAPE)
    mosaic = Mosaic(pattern)
    for k, letter in enumerate(pattern):
        at = np.s_[k // 2 :: 2, k % 2 :: 2]
        assert np.array_equal(mosaic.forward(image)[at], image[..., "RGB".index(letter)][at])
    assert np.array_equal(mosaic.known(SHAPE[:2]), mosaic.adjoint(mosaic.forward(image)) != 0)


def test_a_blur_is_a_sum_of_moved_pictures():
    image = picture(SHAPE)
    expected = sum(
        KERNEL[y, x] * image[2 - y : SHAPE[0] - y, 4 - x : SHAPE[1] - x]
        for y in range(3)
        for x in range(5)
    )
    assert np.allclose(Blur(KERNEL).forward(image), expected, atol=1e-5)


@pytest.mark.parametrize("small", [(4, 6), (6, 9), (13, 18), (5, 7)])
def test_decimation_is_what_resizing_does(small):
    image = picture(SHAPE)
    assert np.allclose(
        Decimation(SHAPE[:2], small).forward(image), resize(image, *small), atol=1e-5
    )
