"""Patches in and out of images: R_p x and sum_p R_p^T w_p x_p (Elad & Aharon 2006, eq. 4).

A row of a patch is contiguous, its channels included, and moves as a whole. Indices within it are
unsigned: numba then makes no check for negative ones, which would keep LLVM from doing so.
"""

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Floats, Integers


@kernel
def extract(image: Floats, rows: Integers, columns: Integers, patches: Floats) -> None:
    """patches_p = R_p image, for every row of `rows` and, within it, every column.

    Parameters
    ----------
    image : (height, width, channels) float32
    rows, columns : (n,) int64, top left corners
    patches : (rows, columns, patch_height, patch_width, channels) float32, written
    """
    n_rows, n_columns, patch_height, patch_width, channels = patches.shape
    length = np.uint64(patch_width * channels)
    image = image.reshape(image.shape[0], image.shape[1] * channels)
    patches = patches.reshape(n_rows, n_columns, patch_height, patch_width * channels)
    for r in range(n_rows):
        for c in range(n_columns):
            start = np.uint64(columns[c] * channels)
            for y in range(patch_height):
                line, own = image[rows[r] + y], patches[r, c, y]
                for k in range(length):
                    own[k] = line[start + k]


@kernel
def aggregate(
    patches: Floats,
    weights: Floats,
    rows: Integers,
    columns: Integers,
    total: Floats,
    weight: Floats,
) -> None:
    """total += sum_p R_p^T (w_p x_p) and weight += sum_p R_p^T w_p.

    Parameters
    ----------
    patches : (rows, columns, patch_height, patch_width, channels) float32
    weights : (rows, columns) float32
    rows, columns : (n,) int64, top left corners
    total : (height, width, channels) float32, added to
    weight : (height, width) float32, added to
    """
    n_rows, n_columns, patch_height, patch_width, channels = patches.shape
    length = np.uint64(patch_width * channels)
    total = total.reshape(total.shape[0], total.shape[1] * channels)
    patches = patches.reshape(n_rows, n_columns, patch_height, patch_width * channels)
    for r in range(n_rows):
        for c in range(n_columns):
            w = weights[r, c]
            start, corner = np.uint64(columns[c] * channels), np.uint64(columns[c])
            for y in range(patch_height):
                line, own = total[rows[r] + y], patches[r, c, y]
                for k in range(length):
                    line[start + k] += w * own[k]
                shares = weight[rows[r] + y]
                for x in range(np.uint64(patch_width)):
                    shares[corner + x] += w


@kernel
def centre(patches: Floats, means: Floats) -> None:
    """Subtract the mean of every channel from every patch, in place; the means are written.

    Parameters
    ----------
    patches : (n_patches, samples, channels) float32
    means : (n_patches, channels) float32, written
    """
    n_patches, samples, channels = patches.shape
    for p in range(n_patches):
        for channel in range(channels):
            total = np.float32(0)
            for k in range(samples):
                total += patches[p, k, channel]
            mean = total / np.float32(samples)
            means[p, channel] = mean
            for k in range(samples):
                patches[p, k, channel] -= mean
