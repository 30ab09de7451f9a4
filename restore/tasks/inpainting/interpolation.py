"""First estimate of the unknown samples, interpolated from the nearest known ones."""

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import inpainting as kernels
from restore.typing import Flags, Floats

#: Kriging: search radius in pixels, maximum number of samples, and exponent of the variogram (the
#: mean squared difference of two samples grows as this power of their distance).
RADIUS = 8
NEAREST = 16
POWER = 1.5

#: Rows in a band.
ROWS = 32


def interpolate(planes: Floats, known: Flags, pool: Pool | None = None) -> Floats:
    """Fill unknown samples by kriging near known ones, and smoothly far from them.

    Parameters
    ----------
    planes : (channels, height, width) float32 ndarray
        0 where they are not known.
    known : (height, width) bool ndarray
    pool : Pool, optional

    Returns
    -------
    (channels, height, width) float32 ndarray
    """
    filled = _spread(planes, known)
    offsets = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1].reshape(2, -1).T
    squares = (offsets**2).sum(axis=1)
    order = np.argsort(squares, kind="stable")
    offsets = np.ascontiguousarray(offsets[order][(0 < squares[order])])
    distances = np.hypot(*np.mgrid[: 2 * RADIUS + 1, : 2 * RADIUS + 1]) ** POWER
    covariance = (2 * distances.max() - distances).astype(np.float32)

    def interpolate_band(rows: slice) -> tuple[slice, Floats]:
        band = np.ascontiguousarray(filled[:, rows])
        kernels.interpolate(planes, known, offsets, covariance, band, rows.start, NEAREST)
        return rows, band

    slices = bands.slices(planes.shape[1], ROWS)
    for rows, band in bands.map_bands(interpolate_band, slices, pool):
        filled[:, rows] = band
    return filled


def _spread(planes: Floats, known: Flags) -> Floats:
    """Fill unknown pixels with the mean of the known ones in the smallest cell that has any.

    The side of the cells doubles from level to level, and each level is filled from the next one by
    bilinear interpolation: the pull-push algorithm of Gortler et al., "The lumigraph", SIGGRAPH
    1996.
    """
    if known.all():
        return planes.copy()
    channels, height, width = planes.shape
    weight = np.zeros((height + height % 2, width + width % 2), np.float32)
    weight[:height, :width] = known
    total = np.zeros((channels, *weight.shape), np.float32)
    total[:, :height, :width] = planes * known
    weight = weight.reshape(weight.shape[0] // 2, 2, -1, 2).sum(axis=(1, 3))
    total = total.reshape(channels, weight.shape[0], 2, -1, 2).sum(axis=(2, 4))
    coarse = _spread(total / np.maximum(weight, 1), weight > 0)
    fine = _doubled(coarse)[:, :height, :width]
    return np.where(known, planes, fine)


def _doubled(planes: Floats) -> Floats:
    """Enlarge planes by 2, with bilinear interpolation between the centres of the cells."""
    for axis in (1, 2):
        size = planes.shape[axis]
        before = planes.take(np.maximum(np.arange(size) - 1, 0), axis)
        after = planes.take(np.minimum(np.arange(size) + 1, size - 1), axis)
        pair = np.stack([0.25 * before + 0.75 * planes, 0.25 * after + 0.75 * planes], axis + 1)
        planes = pair.reshape(*planes.shape[:axis], 2 * size, *planes.shape[axis + 1 :])
    return planes
