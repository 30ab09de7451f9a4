"""The element-wise half of unrolled sparse coding; the other half is matrix products."""

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Floats, Integers


@kernel
def step(codes: Floats, analysed: Floats, gains: Floats, thresholds: Floats) -> None:
    """z <- shrink(z + g a, t) with shrink(v, t) = sign(v) max(|v| - t, 0), in place.

    One step of learned iterative shrinkage (Gregor & LeCun 2010, "Learning fast
    approximations of sparse coding", algorithm 3), after z was multiplied by its matrix.

    Parameters
    ----------
    codes : (n_patches, n_atoms) float32, z, overwritten
    analysed : (n_patches, n_atoms) float32, a
    gains : (n_atoms,) float32, g
    thresholds : (n_atoms,) float32, t, none negative
    """
    for p in range(codes.shape[0]):
        for k in range(codes.shape[1]):
            value = codes[p, k] + gains[k] * analysed[p, k]
            threshold = thresholds[k]
            # the excess over the thresholds on either side
            above = value - threshold
            below = value + threshold
            above = above if above > np.float32(0) else np.float32(0)
            below = below if below < np.float32(0) else np.float32(0)
            codes[p, k] = above + below


@kernel
def add_windowed(
    patches: Floats,
    window: Floats,
    rows: Integers,
    columns: Integers,
    total: Floats,
    weight: Floats,
) -> None:
    """total += sum_p R_p^T x_p and weight += sum_p R_p^T w.

    The patches are already multiplied by the window w with which they are averaged.

    Parameters
    ----------
    patches : (rows, columns, side, side, channels) float32
    window : (side, side) float32
    rows, columns : (n,) int64, top left corners
    total : (height, width, channels) float32, added to
    weight : (height, width) float32, added to
    """
    n_rows, n_columns, side, _, channels = patches.shape
    length = np.uint64(side * channels)
    total = total.reshape(total.shape[0], total.shape[1] * channels)
    patches = patches.reshape(n_rows, n_columns, side, side * channels)
    for r in range(n_rows):
        for c in range(n_columns):
            start, corner = np.uint64(columns[c] * channels), np.uint64(columns[c])
            for y in range(side):
                line, own = total[rows[r] + y], patches[r, c, y]
                for k in range(length):  # unsigned, as in `restore.kernels.patches`
                    line[start + k] += own[k]
                shares, window_row = weight[rows[r] + y], window[y]
                for x in range(np.uint64(side)):
                    shares[corner + x] += window_row[x]
