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
from restore.kernels.lanes import LANES, if_greater, load, padded, splat, store
from restore.typing import Floats

#: Side of the blocks.
SIDE = 8
#: Offsets of the grids, in rows and columns.
SHIFTS = np.array([(0, 0), (2, 2), (4, 4), (6, 6), (1, 5), (5, 1), (3, 7), (7, 3)])

#: Magnitude, in thresholds, up to which a coefficient is set to 0, and from which it is kept.
BEGIN, END = 0.8, 1.2

#: cos(pi k / 16) / 2, the factors of the orthonormal DCT of 8 samples.
_C1, _C2, _C3, _C4, _C5, _C6, _C7 = (np.float32(np.cos(np.pi * k / 16) / 2) for k in range(1, SIDE))


@kernel
def _transform(codes: Floats, first: int, step: int, at: int) -> None:
    """DCT of eight rows of `codes`, every `step`-th from `first` on, for LANES blocks from `at`.

    Even frequencies depend on the sums of opposite samples, odd ones on their differences
    (W.-H. Chen, C. H. Smith, S. C. Fralick, "A fast computational algorithm for the discrete cosine
    transform", IEEE Trans. Communications 25(9), 1977).
    """
    row = codes[first : first + 7 * step + 1 : step]
    one, other = load(row[0], at), load(row[7], at)
    sum0, rest0 = one + other, one - other
    one, other = load(row[1], at), load(row[6], at)
    sum1, rest1 = one + other, one - other
    one, other = load(row[2], at), load(row[5], at)
    sum2, rest2 = one + other, one - other
    one, other = load(row[3], at), load(row[4], at)
    sum3, rest3 = one + other, one - other
    store(_C1 * rest0 + _C3 * rest1 + _C5 * rest2 + _C7 * rest3, row[1], at)
    store(_C3 * rest0 - _C7 * rest1 - _C1 * rest2 - _C5 * rest3, row[3], at)
    store(_C5 * rest0 - _C1 * rest1 + _C7 * rest2 + _C3 * rest3, row[5], at)
    store(_C7 * rest0 - _C5 * rest1 + _C3 * rest2 - _C1 * rest3, row[7], at)
    one, other = sum0 + sum3, sum1 + sum2
    store(_C4 * (one + other), row[0], at)
    store(_C4 * (one - other), row[4], at)
    one, other = sum0 - sum3, sum1 - sum2
    store(_C2 * one + _C6 * other, row[2], at)
    store(_C6 * one - _C2 * other, row[6], at)


@kernel
def _invert(codes: Floats, first: int, step: int, at: int) -> None:
    """The inverse of `_transform`."""
    row = codes[first : first + 7 * step + 1 : step]
    mean, fourth = load(row[0], at), load(row[4], at)
    one, other = _C4 * (mean + fourth), _C4 * (mean - fourth)
    second, sixth = load(row[2], at), load(row[6], at)
    wide, narrow = _C2 * second + _C6 * sixth, _C6 * second - _C2 * sixth
    sum0, sum1, sum2, sum3 = one + wide, other + narrow, other - narrow, one - wide
    code1, code3, code5, code7 = (
        load(row[1], at),
        load(row[3], at),
        load(row[5], at),
        load(row[7], at),
    )
    rest = _C1 * code1 + _C3 * code3 + _C5 * code5 + _C7 * code7
    store(sum0 + rest, row[0], at)
    store(sum0 - rest, row[7], at)
    rest = _C3 * code1 - _C7 * code3 - _C1 * code5 - _C5 * code7
    store(sum1 + rest, row[1], at)
    store(sum1 - rest, row[6], at)
    rest = _C5 * code1 - _C1 * code3 + _C7 * code5 + _C3 * code7
    store(sum2 + rest, row[2], at)
    store(sum2 - rest, row[5], at)
    rest = _C7 * code1 - _C5 * code3 + _C3 * code5 - _C1 * code7
    store(sum3 + rest, row[3], at)
    store(sum3 - rest, row[4], at)


@kernel
def _shrink(codes: Floats, slopes: Floats, thresholds: Floats, shares: Floats, at: int) -> None:
    """Shrink the codes of LANES blocks, and multiply them by W, which is written to `shares`."""
    nothing, whole = splat(np.float32(0)), splat(np.float32(1))
    scale = whole / load(thresholds, at)
    kept, offset = splat(np.float32(1)), np.float32(BEGIN / (END - BEGIN))
    for k in range(1, SIDE * SIDE):
        code = load(codes[k], at)
        gain = if_greater(code, nothing, code, nothing - code) * (scale * slopes[k]) - offset
        gain = if_greater(gain, nothing, gain, nothing)
        gain = if_greater(whole, gain, gain, whole)
        store(code * gain, codes[k], at)
        kept += gain
    weight = whole / kept
    for k in range(SIDE * SIDE):
        store(load(codes[k], at) * weight, codes[k], at)
    store(weight, shares, at)


@kernel
def _middle(thresholds: Floats, y: int, x: int) -> float:
    """The threshold of the cell that contains the centre of a block of the padded plane."""
    row = min(max(y - SIDE // 2, 0) // SIDE, thresholds.shape[0] - 1)
    return thresholds[row, min(max(x - SIDE // 2, 0) // SIDE, thresholds.shape[1] - 1)]


@kernel
def smooth(margined: Floats, out: Floats, top: int, thresholds: Floats, weights: Floats) -> None:
    """Filter some rows of a plane.

    Parameters
    ----------
    margined : (height + 16, width + 16) float32
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
    most = padded(margined.shape[1] // SIDE)
    # a column for each block of a row
    codes = np.zeros((SIDE * SIDE, most), np.float32)
    own, shares = np.ones((2, most), np.float32)
    spread = np.empty(most * SIDE, np.float32)
    for shift in range(SHIFTS.shape[0]):
        left = SHIFTS[shift, 1]
        count = (margined.shape[1] - left) // SIDE
        # block rows of this grid that touch rows top + 8 to top + 8 + rows of `margined`
        first = (top + 1 - SHIFTS[shift, 0] + SIDE - 1) // SIDE * SIDE + SHIFTS[shift, 0]
        for y in range(first, min(top + SIDE + rows, margined.shape[0] - SIDE + 1), SIDE):
            for i in range(SIDE):
                line = margined[y + i, left : left + count * SIDE]
                for j in range(SIDE):
                    code = codes[i * SIDE + j]
                    for b in range(count):
                        code[b] = line[b * SIDE + j]
            for b in range(count):
                own[b] = _middle(thresholds, y, left + b * SIDE)
            for at in range(0, count, LANES):
                for i in range(SIDE):
                    _transform(codes, i, SIDE, at)
                for i in range(0, SIDE * SIDE, SIDE):
                    _transform(codes, i, 1, at)
                _shrink(codes, slopes, own, shares, at)
                for i in range(0, SIDE * SIDE, SIDE):
                    _invert(codes, i, 1, at)
                for i in range(SIDE):
                    _invert(codes, i, SIDE, at)
            for b in range(count):
                for j in range(SIDE):
                    spread[b * SIDE + j] = shares[b]
            for i in range(max(0, top + SIDE - y), min(SIDE, top + SIDE + rows - y)):
                row = y + i - top - SIDE
                line = total[row, left : left + count * SIDE]
                sums = counts[row, left : left + count * SIDE]
                for b in range(count):
                    for j in range(SIDE):
                        line[b * SIDE + j] += codes[i * SIDE + j, b]
                for x in range(count * SIDE):
                    sums[x] += spread[x]
    for i in range(rows):
        for j in range(width):
            out[i, j] = total[i, j + SIDE] / counts[i, j + SIDE]
