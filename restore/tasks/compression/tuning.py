"""What is spent where: for the eye, or for the PSNR."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from restore.kernels import coarseness
from restore.kernels.blocks import CELL
from restore.tasks.compression.search import PRICE
from restore.tasks.compression.seen import TILE, Seen, coarser_of, tiles_of
from restore.typing import Floats

#: What a picture can be coded for.
TUNES = ("eye", "psnr")

#: For the eye: `Seen` of the brightness and of the differences of colour.
_DETAIL, _COLOUR, _SHARE = 8, 8, 0
#: By how much bits are dearer than for the PSNR, in the brightness and in the colours.
_DEARER = (1.2, 0.72)
#: How large steps are for a quality beside those for the PSNR, so that files are as large.
_FINER = 0.4
#: Which power of the weights of errors the steps follow.
_POWER = 0.5
#: Scales of the picture on which errors are weighed, by how much each counts; the window there.
_SCALES, _WINDOW = {4: 0.56, 8: 0.44}, 1.5
#: Below which variance of lightness, from 0 to 1, nothing more is seen.
_UNSEEN = 0.00045
#: Of light: what the eye sees of black, so that its cube root has no end of slope.
_BLACK = 0.0038
#: What red, green and blue light weigh in it, and lightness in the middle of the levels.
_LIGHT, _GREY = np.array([0.265, 0.657, 0.078]), 0.7


def prices(planes: list[Floats]) -> Floats:
    """For the PSNR: the price of a bit in each cell, in squared quantiser steps.

    Parameters
    ----------
    planes : list of (height, width) float32 ndarray
        Sides multiples of 8.

    Returns
    -------
    (planes, rows, columns) float32 ndarray
        The same everywhere.
    """
    return np.full((len(planes), *(side // CELL for side in planes[0].shape)), PRICE)


def plan(image: Floats, planes: list[Floats], tune: str) -> tuple[Seen | None, Floats]:
    """How steps vary, or None, and the prices of a picture, its planes given as well."""
    return for_the_eye(image) if tune == "eye" else (None, prices(planes))


def for_the_eye(image: Floats, shown: Floats | None = None) -> tuple[Seen, Floats]:
    """Steps and prices that follow what is seen.

    Parameters
    ----------
    image : (height, width, 1 or 3) float32 ndarray
        In [0, 1].
    shown : (height, width, 1 or 3) float32 ndarray, optional
        As it was decoded.

    Returns
    -------
    seen : restore.tasks.compression.seen.Seen
    prices : (channels, rows, columns) float32 ndarray
        As of `prices`.
    """
    weights = visibility(image, shown) ** _POWER
    rows, columns = weights.shape
    tall, wide = tiles_of(rows, columns)
    ends = [(0, count * TILE - side) for count, side in ((tall, rows), (wide, columns))]
    octaves = np.pad(np.log2(weights), ends, "edge")
    octaves = octaves.reshape(tall, TILE, wide, TILE).mean(axis=(1, 3))
    tiles = np.clip(np.rint(-2 * octaves), -coarseness.MOST, coarseness.MOST).astype(np.int8)
    seen = Seen(_DETAIL, _COLOUR, _SHARE, tiles)
    # what the tile's step leaves of the weights
    rest = weights * 4.0 ** (coarser_of(seen, (rows, columns)) / 8)
    dearer = np.array([_DEARER[0], *[_DEARER[1]] * 2])[: image.shape[2], None, None]
    return seen, np.clip(PRICE * dearer / rest, PRICE / 8, PRICE * 16).astype(np.float32)


def step_of(quality: float, tune: str) -> float:
    """The quantiser's step in levels for a quality from 1 to 100."""
    ends = (1 - quality / 100) ** 8 - 1.9 * (quality / 100) ** 8
    return (_FINER if tune == "eye" else 1) * 2.0 ** (7.35 - 0.0435 * quality + ends)


def visibility(image: Floats, shown: Floats | None = None) -> Floats:
    """By how much a squared error of the brightness is seen in each cell.

    Parameters
    ----------
    image : (height, width, 1 or 3) float32 ndarray
        In [0, 1].
    shown : (height, width, 1 or 3) float32 ndarray, optional
        As it was decoded; by default as it is.

    Returns
    -------
    (rows, columns) float64 ndarray
        About 1 where little goes on in middle grey.

    Notes
    -----
    Structural similarity on the scales of the eye (Wang, Simoncelli & Bovik 2003) divides the
    square of an error by the variance around it; lightness is the cube root of light. So on the
    picture made 4 and 8 times smaller a squared error of the lightness weighs

        w = c (v + c) / ((v + u) / 2 + c)^2

    with v its variance in a Gaussian window and u that of the decoded one, averaged over the
    windows that it lies in. That is the slope of the dissimilarity over the error where what is
    not decoded is the error: where a texture was lost some of it is worth four times as much.
    """
    height, width = image.shape[:2]
    rows, columns = -(-height // CELL), -(-width // CELL)
    both = [_light(picture) for picture in (image, shown) if picture is not None]
    total = np.zeros((rows, columns))
    for scale, share in _SCALES.items():
        many = CELL // scale
        variances = []
        for light in both[::-1]:
            small = light.reshape(rows * many, scale, columns * many, scale).mean(axis=(1, 3))
            lightness = np.cbrt(small + _BLACK)
            variance = gaussian_filter(np.square(lightness), _WINDOW)
            variance -= np.square(gaussian_filter(lightness, _WINDOW))
            variances.append(np.maximum(variance, 0) + _UNSEEN)
        weights = _UNSEEN * variances[-1] / np.square(np.mean(variances, axis=0))
        weights = gaussian_filter(weights, _WINDOW)
        weights *= (lightness / _GREY) ** -0.73  # the square of its slope over levels
        total += share * weights.reshape(rows, many, columns, many).mean(axis=(1, 3))
    return total


def _light(image: Floats) -> Floats:
    """The light of a picture, its sides filled up to whole cells."""
    ends = [(0, -side % CELL) for side in image.shape[:2]]
    light = np.pad(image, (*ends, (0, 0)), "edge").astype(np.float64) ** 2.2
    return light @ (_LIGHT if image.shape[2] == 3 else np.ones(1))
