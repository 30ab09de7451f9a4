"""Patches in and out of images: R_p x and sum_p R_p^T w_p x_p (Elad & Aharon 2006, eq. 4)."""

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
    _, _, patch_height, patch_width, channels = patches.shape
    for r in range(rows.shape[0]):
        for c in range(columns.shape[0]):
            for y in range(patch_height):
                for x in range(patch_width):
                    for channel in range(channels):
                        patches[r, c, y, x, channel] = image[rows[r] + y, columns[c] + x, channel]


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
    _, _, patch_height, patch_width, channels = patches.shape
    for r in range(rows.shape[0]):
        for c in range(columns.shape[0]):
            w = weights[r, c]
            for y in range(patch_height):
                for x in range(patch_width):
                    weight[rows[r] + y, columns[c] + x] += w
                    for channel in range(channels):
                        total[rows[r] + y, columns[c] + x, channel] += (
                            w * patches[r, c, y, x, channel]
                        )


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
