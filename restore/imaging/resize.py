"""Changing the size of an image by separable cubic interpolation."""

from collections.abc import Callable

import numpy as np

from restore.imaging.bands import Pool, map_bands, slices
from restore.kernels.resize import blend_columns, blend_rows
from restore.typing import Floats, Integers

#: Rows of the result resampled in one piece.
ROWS = 256


def cubic(distance: Floats) -> Floats:
    """The cubic convolution kernel with a = -0.5 (Keys 1981, equation 15)."""
    distance = np.abs(distance)
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def resize(
    image: Floats,
    height: int,
    width: int,
    pool: Pool | None = None,
    *,
    kernel: Callable[[Floats], Floats] = cubic,
    radius: float = 2.0,
) -> Floats:
    """Resample `image` to `height` x `width`, by cubic convolution by default.

    When shrinking, the kernel is widened by the factor, as an antialiasing filter. Same weights as
    Matlab's ``imresize``: a = -0.5, centres aligned, mirrored borders.

    Parameters
    ----------
    image : (h, w, c) float32 array
    height, width : int
        Size of the result, at least 1.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.
    kernel : callable
        Weights by distance, in samples of the coarser of the two grids.
    radius : float
        Distance beyond which `kernel` is zero.

    Returns
    -------
    (height, width, c) float32 array
        Not clipped: cubic interpolation overshoots at edges.

    References
    ----------
    Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981.
    """
    old_height, old_width, channels = image.shape
    row_indices, row_weights = taps(old_height, height, kernel, radius)
    column_indices, column_weights = taps(old_width, width, kernel, radius)
    resized = np.empty((height, width, channels), np.float32)

    def resample(band: slice) -> None:
        # Only the rows that this band needs, so that memory is bounded by one band.
        needed = row_indices[band]
        first, last = needed.min(), needed.max() + 1
        size = band.stop - band.start
        for channel in range(channels):
            source = np.ascontiguousarray(image[first:last, :, channel])
            if height * old_width <= old_height * width:
                tall = np.empty((size, old_width), np.float32)
                blend_rows(source, needed - first, row_weights[band], tall)
                both = np.empty((size, width), np.float32)
                blend_columns(tall, column_indices, column_weights, both)
            else:
                wide = np.empty((len(source), width), np.float32)
                blend_columns(source, column_indices, column_weights, wide)
                both = np.empty((size, width), np.float32)
                blend_rows(wide, needed - first, row_weights[band], both)
            resized[band, :, channel] = both

    for _ in map_bands(resample, slices(height, ROWS), pool):
        pass
    return resized


def taps(
    old: int, new: int, kernel: Callable[[Floats], Floats] = cubic, radius: float = 2.0
) -> tuple[Integers, Floats]:
    """Indices and weights of the `old` samples for each of the `new` samples.

    Parameters
    ----------
    old, new : int
        Numbers of samples along one axis.
    kernel, radius
        As for `resize`.

    Returns
    -------
    indices : (new, n_taps) int32 array
        Mirrored into ``range(old)``.
    weights : (new, n_taps) float32 array
        Each row sums to one.
    """
    factor = new / old
    stretch = min(factor, 1.0)
    centres = (np.arange(new) + 0.5) / factor - 0.5
    n_taps = int(np.ceil(2 * radius / stretch)) + 2
    indices = np.floor(centres - radius / stretch).astype(np.int64)[:, None] + np.arange(n_taps)
    weights = kernel((centres[:, None] - indices) * stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    used = np.flatnonzero(np.abs(weights).max(axis=0) > 1e-12)
    kept = slice(used[0], used[-1] + 1)
    indices = indices[:, kept] % (2 * old)
    indices = np.minimum(indices, 2 * old - 1 - indices)
    return indices.astype(np.int32), weights[:, kept].astype(np.float32)
