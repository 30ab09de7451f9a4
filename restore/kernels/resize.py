"""Separable resampling: every output sample is a weighted sum of a few input samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.kernels.jit import kernel

if TYPE_CHECKING:
    from restore.typing import Floats, Integers


@kernel(reorder=True)
def blend_rows(source: Floats, indices: Integers, weights: Floats, blended: Floats) -> None:
    """Resample along the columns: blended[i] = sum_t weights[i, t] source[indices[i, t]].

    Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981,
    section III (with the weights of `restore.imaging.resize.taps`).

    Parameters
    ----------
    source : (height, width) float32 array
    indices : (new_height, n_taps) int32 array
    weights : (new_height, n_taps) float32 array
    blended : (new_height, width) float32 array
        Filled with the result.
    """
    height, width = blended.shape
    for i in range(height):
        for j in range(width):
            blended[i, j] = 0
        for t in range(indices.shape[1]):
            row = indices[i, t]
            weight = weights[i, t]
            for j in range(width):
                blended[i, j] += weight * source[row, j]


@kernel(reorder=True)
def blend_columns(source: Floats, indices: Integers, weights: Floats, blended: Floats) -> None:
    """Resample along the rows: blended[:, j] = sum_t weights[j, t] source[:, indices[j, t]].

    As `blend_rows`, for the other axis.

    Parameters
    ----------
    source : (height, width) float32 array
    indices : (new_width, n_taps) int32 array
    weights : (new_width, n_taps) float32 array
    blended : (height, new_width) float32 array
        Filled with the result.
    """
    height, width = blended.shape
    for i in range(height):
        for j in range(width):
            total = source[i, indices[j, 0]] * weights[j, 0]
            for t in range(1, indices.shape[1]):
                total += weights[j, t] * source[i, indices[j, t]]
            blended[i, j] = total
