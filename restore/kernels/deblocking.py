"""The deblocking filter of the decoder: shifted block transforms, thresholded and averaged.

    y = sum_s S_s^-1 W_s D^T H(D S_s x) / sum_s W_s

S_s shifts the grid of 8 x 8 blocks, D is their DCT, and H is the threshold: it keeps the mean and
multiplies every other coefficient c by (|c| / t - 0.8) / 0.4, clipped to [0, 1]. The ramp between
0 and 1 keeps rounding errors small. If the quantisation step varies by place and by frequency, so
does the threshold t. W_s is one over the sum of these factors. The picture is sparse on every grid,
the quantisation errors are so only on the coder's grid (R. R. Coifman and D. L. Donoho,
"Translation-invariant de-noising", 1995; A. Nosratinia, "Enhancement of JPEG-compressed images by
re-application of JPEG", J. VLSI Signal Processing 27, 2001, Sec. 3).
"""

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Floats, Number

#: Side of the blocks.
SIDE = 8
#: Offsets of the grids, in rows and columns.
SHIFTS = np.array([(0, 0), (2, 2), (4, 4), (6, 6), (1, 5), (5, 1), (3, 7), (7, 3)])

#: Magnitude, in thresholds, up to which a coefficient is set to 0, and from which it is kept.
BEGIN, END = 0.8, 1.2

_ROWS = np.arange(SIDE)
_COSINES = np.cos(np.pi * _ROWS[:, None] * (2 * _ROWS + 1) / (2 * SIDE))
_COSINES *= np.where(_ROWS[:, None] == 0, np.sqrt(1 / SIDE), np.sqrt(2 / SIDE))
#: The orthonormal DCT of a whole block, one frequency per row, and its transpose: one matrix
#: product for many blocks is faster than two small ones for each.
DCT = np.kron(_COSINES, _COSINES).astype(np.float32)
DCT_T = np.ascontiguousarray(DCT.T)


@kernel(reorder=True)
def _shrink(codes: Floats, slopes: Floats, share: Number) -> Number:
    """Shrink the codes of a block, multiply them by its weight W, and return that."""
    kept, offset = np.float32(1), np.float32(BEGIN / (END - BEGIN))
    mean = codes[0]
    codes[0] = np.float32(0)
    for i in range(codes.shape[0]):
        gain = abs(codes[i]) * (share * slopes[i]) - offset
        gain = gain if gain > 0 else np.float32(0)
        gain = gain if gain < 1 else np.float32(1)
        codes[i] *= gain
        kept += gain
    weight = np.float32(1) / kept
    codes[0] = mean
    for i in range(codes.shape[0]):
        codes[i] *= weight
    return weight


@kernel
def _middle(thresholds: Floats, y: int, x: int) -> float:
    """The threshold of the cell that contains the centre of a block of the padded plane."""
    row = min(max(y - SIDE // 2, 0) // SIDE, thresholds.shape[0] - 1)
    return thresholds[row, min(max(x - SIDE // 2, 0) // SIDE, thresholds.shape[1] - 1)]


@kernel
def smooth(padded: Floats, out: Floats, top: int, thresholds: Floats, weights: Floats) -> None:
    """Filter some rows of a plane.

    Parameters
    ----------
    padded : (height + 16, width + 16) float32
        The plane with a margin of eight mirrored samples.
    out : (rows, width) float32
        Written: the rows from `top` on.
    top : int
    thresholds : (height / 8, width / 8) float32
        In levels, by cell: a block uses that of the cell which contains its centre.
    weights : (8, 8) float32
        Factors on the threshold, by frequency.
    """
    rows, width = out.shape
    total = np.zeros((rows, width + 2 * SIDE), np.float32)
    counts = np.zeros((rows, width + 2 * SIDE), np.float32)
    slopes = (np.float32(1 / (END - BEGIN)) / weights).ravel()
    most = padded.shape[1] // SIDE
    blocks = np.empty((most, SIDE * SIDE), np.float32)
    codes = np.empty((most, SIDE * SIDE), np.float32)
    shares = np.empty(most, np.float32)
    for shift in range(SHIFTS.shape[0]):
        left = SHIFTS[shift, 1]
        count = (padded.shape[1] - left) // SIDE
        # block rows of this grid that touch rows top + 8 to top + 8 + rows of `padded`
        first = (top + 1 - SHIFTS[shift, 0] + SIDE - 1) // SIDE * SIDE + SHIFTS[shift, 0]
        for y in range(first, min(top + SIDE + rows, padded.shape[0] - SIDE + 1), SIDE):
            for i in range(SIDE):
                line = padded[y + i, left : left + count * SIDE]
                for b in range(count):
                    for j in range(SIDE):
                        blocks[b, i * SIDE + j] = line[b * SIDE + j]
            np.dot(blocks[:count], DCT_T, codes[:count])
            for b in range(count):
                threshold = _middle(thresholds, y, left + b * SIDE)
                shares[b] = _shrink(codes[b], slopes, np.float32(1) / threshold)
            np.dot(codes[:count], DCT, blocks[:count])
            for i in range(max(0, top + SIDE - y), min(SIDE, top + SIDE + rows - y)):
                row = y + i - top - SIDE
                line = total[row, left : left + count * SIDE]
                sums = counts[row, left : left + count * SIDE]
                for b in range(count):
                    for j in range(SIDE):
                        line[b * SIDE + j] += blocks[b, i * SIDE + j]
                        sums[b * SIDE + j] += shares[b]
    for i in range(rows):
        for j in range(width):
            out[i, j] = total[i, j + SIDE] / counts[i, j + SIDE]
