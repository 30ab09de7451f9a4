"""Distribution of the bits over a picture, for visual quality or for the PSNR."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import coarseness
from restore.kernels.blocks import CELL
from restore.tasks.compression.search import PRICE
from restore.tasks.compression.seen import TILE, Seen, coarser_of, tiles_of
from restore.typing import Floats

#: What can be optimised: visual quality or the PSNR.
TUNES = ("eye", "psnr")

#: For visual quality: the numbers of `Seen`.
_DETAIL, _COLOUR, _SHARE = 8, 14, 0
#: Price of a bit relative to that for the PSNR.
_DEARER = 1.2
#: Step of a quality relative to that for the PSNR, chosen so that files have similar sizes.
_FINER = 0.4
#: Exponents of the visibility of errors in the weights of the luma, which determine the steps, and
#: in those of the chroma planes: what goes on in the luma hides errors of colours less.
_POWER, _COLOUR_POWER = 0.5, 0.3
#: Factor by which the picture is reduced for `visibility`; standard deviation of the window there.
_SCALE, _WINDOW = 4, 1.5
#: The constant c of `visibility`, as a variance of lightness in [0, 1].
_UNSEEN = 0.00045
#: Light added to black, so that the slope of the cube root is finite.
_BLACK = 0.0038
#: Weights of red, green and blue in light; lightness of the middle grey.
_LIGHT, _GREY = np.array([0.265, 0.657, 0.078]), 0.7


def prices(planes: list[Floats]) -> Floats:
    """Price of a bit in each cell for the PSNR, in squared quantisation steps.

    Parameters
    ----------
    planes : list of (height, width) float32 ndarray
        Sides multiples of 8.

    Returns
    -------
    (planes, rows, columns) float32 ndarray
        Constant.
    """
    return np.full((len(planes), *(side // CELL for side in planes[0].shape)), PRICE)


def plan(
    image: Floats, planes: list[Floats], tune: str, pool: Pool | None = None
) -> tuple[Seen | None, Floats]:
    """The variation of the step of a picture, or None, and the prices of its planes."""
    return for_the_eye(image, pool=pool) if tune == "eye" else (None, prices(planes))


def for_the_eye(
    image: Floats, shown: Floats | None = None, pool: Pool | None = None
) -> tuple[Seen, Floats]:
    """The variation of the step and the prices for visual quality.

    Parameters
    ----------
    image : (height, width, 1 or 3) float32 ndarray
        In [0, 1].
    shown : (height, width, 1 or 3) float32 ndarray, optional
        The picture as decoded by an earlier pass.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    seen : restore.tasks.compression.seen.Seen
    prices : (channels, rows, columns) float32 ndarray
        As from `prices`.
    """
    visible = visibility(image, shown, pool)
    rows, columns = visible.shape
    tall, wide = tiles_of(rows, columns)
    ends = [(0, count * TILE - side) for count, side in ((tall, rows), (wide, columns))]
    octaves = np.pad(_POWER * np.log2(visible), ends, "edge")
    octaves = octaves.reshape(tall, TILE, wide, TILE).mean(axis=(1, 3))
    tiles = np.clip(np.rint(-2 * octaves), -coarseness.MOST, coarseness.MOST).astype(np.int8)
    seen = Seen(_DETAIL, _COLOUR, _SHARE, tiles)
    # the part of the weights that the steps of the tiles do not account for
    powers = np.array([_POWER, *[_COLOUR_POWER] * 2])[: image.shape[2], None, None]
    rest = visible**powers * 4.0 ** (coarser_of(seen, (rows, columns)) / 8)
    return seen, np.clip(PRICE * _DEARER / rest, PRICE / 8, PRICE * 16).astype(np.float32)


def step_of(quality: float, tune: str) -> float:
    """The quantisation step in levels of 255 for a quality from 1 to 100."""
    ends = (1 - quality / 100) ** 8 - 1.9 * (quality / 100) ** 8
    return (_FINER if tune == "eye" else 1) * 2.0 ** (7.35 - 0.0435 * quality + ends)


def visibility(image: Floats, shown: Floats | None = None, pool: Pool | None = None) -> Floats:
    """Visibility of a squared error of the luma in each cell.

    Parameters
    ----------
    image : (height, width, 1 or 3) float32 ndarray
        In [0, 1].
    shown : (height, width, 1 or 3) float32 ndarray, optional
        The picture as decoded by an earlier pass; `image` by default.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (rows, columns) float64 ndarray
        About 1 in flat areas of middle grey.

    Notes
    -----
    Multi-scale structural similarity (Wang, Simoncelli & Bovik 2003) divides a squared error by the
    local variance; lightness is the cube root of light. So in the picture reduced 4 times, a
    squared error of the lightness has the weight

        w = c (v + c) / ((v + u) / 2 + c)^2,

    where v and u are the variances of the picture and of the decoded picture in a Gaussian window;
    w is averaged over the windows that contain a pixel. It is the derivative of the dissimilarity
    by the squared error if the error is the part of the picture that is not decoded: where a
    texture was lost (u = 0), a part of it has up to four times the weight.
    """
    rows, columns = (-(-side // CELL) for side in image.shape[:2])
    many = CELL // _SCALE
    variances = []
    for picture in (shown, image) if shown is not None else (image,):
        lightness = _lightness(picture, pool)
        variance = gaussian_filter(np.square(lightness), _WINDOW)
        variance -= np.square(gaussian_filter(lightness, _WINDOW))
        variances.append(np.maximum(variance, 0) + _UNSEEN)
    weights = _UNSEEN * variances[-1] / np.square(np.mean(variances, axis=0))
    weights = gaussian_filter(weights, _WINDOW)
    weights *= (lightness / _GREY) ** -0.73  # squared derivative of lightness by level
    return weights.reshape(rows, many, columns, many).mean(axis=(1, 3))


def _lightness(image: Floats, pool: Pool | None) -> Floats:
    """Lightness of a picture that is padded to whole cells and reduced."""
    ends = [(0, -side % CELL) for side in image.shape[:2]]
    image = np.pad(image, (*ends, (0, 0)), "edge")
    height, width, channels = image.shape
    reduced = np.empty((height // _SCALE, width // _SCALE))

    def reduce(rows: slice) -> None:
        light = image[_SCALE * rows.start : _SCALE * rows.stop].astype(np.float64) ** 2.2
        light = light @ (_LIGHT if channels == 3 else np.ones(1))
        small = light.reshape(-1, _SCALE, width // _SCALE, _SCALE).mean(axis=(1, 3))
        reduced[rows] = np.cbrt(small + _BLACK)

    bands.for_each(reduce, bands.rows((len(reduced), _SCALE * width, channels)), pool)
    return reduced
