"""Every operator against its adjoint, and against what it stands for."""

import numpy as np
import pytest

from restore.imaging.resize import resize
from restore.sparse.operators import (
    Blocks,
    Blur,
    Decimation,
    Fourier,
    Identity,
    Mask,
    Mosaic,
    Observed,
)


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
    "blur": Blur(KERNEL, SHAPE[:2]),
    "blur, a row left out": Observed(Blur(KERNEL, SHAPE[:2]), np.arange(11)[:, None, None] != 3),
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
    assert np.allclose(Blur(KERNEL, SHAPE[:2]).forward(image), expected, atol=1e-5)


@pytest.mark.parametrize("small", [(4, 6), (6, 9), (13, 18), (5, 7)])
def test_decimation_is_what_resizing_does(small):
    image = picture(SHAPE)
    assert np.allclose(
        Decimation(SHAPE[:2], small).forward(image), resize(image, *small), atol=1e-5
    )


def complex_picture(shape, seed=0):
    return (picture(shape, seed) + 1j * picture(shape, seed + 50)).astype(np.complex64)


PLANE = (12, 17)

#: Those of one plane, and how their pictures and measurements are drawn.
PLANES = {
    "Fourier": (Fourier(picture(PLANE) > 0), complex_picture, complex_picture),
    "Fourier of real pictures": (Fourier(picture(PLANE) > 0, True), picture, complex_picture),
    "blocks": (Blocks(picture((7, 25)), PLANE), picture, picture),
}


@pytest.mark.parametrize("name", PLANES)
def test_the_adjoint_of_planes_is_one(name):
    operator, draw, draw_measured = PLANES[name]
    for seed in range(3):
        image = draw(PLANE, seed)
        measured = operator.forward(image)
        other = draw_measured(measured.shape, seed + 10)
        back = operator.adjoint(other)
        assert back.shape == PLANE and back.dtype == image.dtype and measured.dtype == other.dtype
        assert np.vdot(measured, other).real == pytest.approx(np.vdot(image, back).real, rel=1e-4)


def test_fourier_samples_are_sums_of_waves():
    mask = picture(PLANE) > 0
    image = complex_picture(PLANE)
    rows, columns = np.mgrid[: PLANE[0], : PLANE[1]]
    expected = [
        (image * np.exp(-2j * np.pi * (v * rows / PLANE[0] + u * columns / PLANE[1]))).sum()
        for v, u in np.argwhere(mask)
    ]
    assert np.allclose(
        Fourier(mask).forward(image), np.array(expected) / np.sqrt(image.size), atol=1e-4
    )


def test_blocks_are_projected_one_by_one():
    matrix = picture((7, 25))
    image = picture(PLANE)
    padded = np.zeros((15, 20), np.float32)
    padded[: PLANE[0], : PLANE[1]] = image
    expected = [
        matrix @ padded[y : y + 5, x : x + 5].ravel() for y in (0, 5, 10) for x in (0, 5, 10, 15)
    ]
    assert np.allclose(Blocks(matrix, PLANE).forward(image), expected, atol=1e-4)


def test_the_inverse_of_a_blur_is_about_one():
    image = picture((64, 64, 1))
    blur, weight = Blur(np.outer([1, 3, 1], [1, 3, 1]).astype(np.float32) / 25, (64, 64)), 0.1
    back = blur.precondition(blur.adjoint(blur.forward(image)) + weight * image, weight)
    inner = np.s_[12:-12, 12:-12]
    assert np.abs(back - image)[inner].max() < 0.05 * np.abs(image).max()
