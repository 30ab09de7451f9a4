"""Blocks of the picture codec: their borders, their transforms, and the cost of their modes.

A plane of the picture is split into blocks of 8, 16, 32 or 64 pixels by a quadtree over
superblocks of 64. A block x is predicted from its border b (pixels already decoded), and the
residual is coded in an orthonormal basis. Predictor and basis are learned, one pair per class k:

    c = T_k (L (x - m) - G_k (b - m)),        x' = m + L^T (G_k (b - m) + T_k^T Q(c))

m is the mean of the border; L is the identity for blocks of 8 and 16, and takes larger ones to the
16 x 16 lowest frequencies of their DCT. Each class gives two modes: as it is, and transposed. The
union of orthonormal bases chosen block by block follows O. G. Sezer, O. G. Guleryuz, Y. Altunbasak,
"Approximation and compression with sparse orthonormal transforms", IEEE TIP 24(8), 2015, Sec. II;
the choice of levels follows G. J. Sullivan and T. Wiegand, "Rate-distortion optimization for video
compression", IEEE SPM 15(6), 1998.

The parsing of a file does not depend on these functions, which use floating point: that is done by
`restore.kernels.entropy` in integers alone.
"""

from typing import NamedTuple

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Floats, Integers, Number

#: Side of a superblock and of a cell, in pixels, and of a superblock in cells.
SUPER, CELL, CELLS = 64, 8, 8
#: Maximum number of coded samples of a block, and of samples of its (reduced) border.
DIM, BORDER = 256, 65
#: Buckets of expected magnitude, half an octave each.
SCALES = 24
#: 2^(n / 8) for n from -64 to 63.
EIGHTHS = (2.0 ** (np.arange(-64, 64) / 8)).astype(np.float32)

#: Z-order of the cells of a superblock, and its inverse.
Z_ORDER = np.zeros((CELLS, CELLS), np.int64)
for _y in range(CELLS):
    for _x in range(CELLS):
        for _bit in range(3):
            Z_ORDER[_y, _x] |= ((_x >> _bit & 1) << 2 * _bit) | ((_y >> _bit & 1) << (2 * _bit + 1))
Z_ROW = np.array([int(np.argwhere(z == Z_ORDER)[0][0]) for z in range(64)])
Z_COLUMN = np.array([int(np.argwhere(z == Z_ORDER)[0][1]) for z in range(64)])


@kernel
def _known(plane: Floats, y: int, x: int, at_y: int, at_x: int) -> bool:
    """Whether pixel (at_y, at_x) is decoded before the block at (y, x)."""
    if at_y < 0 or at_x < 0 or at_y >= plane.shape[0] or at_x >= plane.shape[1]:
        return False
    if at_y // SUPER != y // SUPER:
        return at_y < y
    if at_x // SUPER != x // SUPER:
        return at_x < x
    return (
        Z_ORDER[at_y % SUPER // CELL, at_x % SUPER // CELL]
        < Z_ORDER[y % SUPER // CELL, x % SUPER // CELL]
    )


@kernel
def border(plane: Floats, out: Floats, y: int, x: int, size: int) -> Number:
    """Write the border of a block, minus its mean m, to `out`, and return m.

    The border runs from below left, up the left side, over the corner, along the top to above
    right: 4 size + 1 samples, so that transposing the block reverses it. Samples that are not
    decoded yet repeat the last one that is. The borders of blocks of 32 and 64 are averaged down to
    65 samples.
    """
    step = max(1, size // 16)
    half = 2 * size // step
    left, top = x > 0, y > 0
    if not left and not top:
        out[: 2 * half + 1] = 0
        return np.float32(0)
    total = np.float32(0)
    share = np.float32(1) / np.float32(step)
    value = np.float32(0)
    if left:
        known = True
        for i in range(half):
            if i * step >= size and i * step % CELL == 0 and known:
                known = _known(plane, y, x, y + i * step, x - 1)
            if known:
                value = np.float32(0)
                for j in range(step):
                    value += plane[y + i * step + j, x - 1]
                value *= share
            out[half - 1 - i] = value
            if i * step < size:
                total += value
    if top:
        known = True
        for i in range(half):
            if i * step >= size and i * step % CELL == 0 and known:
                known = _known(plane, y, x, y - 1, x + i * step)
            if known:
                value = np.float32(0)
                for j in range(step):
                    value += plane[y - 1, x + i * step + j]
                value *= share
            out[half + 1 + i] = value
            if i * step < size:
                total += value
    count = half // 2
    if left and top:
        out[half] = plane[y - 1, x - 1]
        count = half
    elif left:
        for i in range(half + 1):
            out[half + i] = out[half - 1]
    else:
        for i in range(half + 1):
            out[i] = out[half + 1]
    mean = total / np.float32(count)
    for i in range(2 * half + 1):
        out[i] -= mean
    return mean


@kernel
def gather(
    pixels: Floats, decoded: Floats, places: Integers, blocks: Floats, borders: Floats, size: int
) -> None:
    """Extract blocks and borders, both minus the border's mean, at `places` (n, 2) of a plane."""
    for n in range(places.shape[0]):
        y, x = places[n, 0], places[n, 1]
        mean = border(decoded, borders[n], y, x, size)
        for i in range(size):
            for j in range(size):
                blocks[n, i * size + j] = pixels[y + i, x + j] - mean


class Bases(NamedTuple):
    """The learned bases for blocks of 8, 16, 32 and 64, as the kernels read them."""

    #: per size (classes, coefficients, samples): orthonormal rows, by decreasing spread
    transforms: tuple
    #: per size (classes, samples, border)
    predictors: tuple
    #: per size (classes, coefficients) int16: spread in eighths of octaves of a level
    scales: tuple
    #: per size (classes, coefficients) float32: factor on the step of each
    weights: tuple
    #: per size (16, size): the lowest frequencies of the DCT (unused below 32)
    cosines: tuple
    #: per size (classes, samples + border, coefficients): (T_k, -T_k G_k) transposed: one product
    #: with it gives the coefficients of a block and its border
    analyses: tuple


@kernel(reorder=True)
def lower(block: Floats, cosines: Floats, half: Floats, out: Floats, size: int) -> None:
    """out = C block C^T: the 16 x 16 lowest frequencies of a block of `size`."""
    for k in range(16):
        for x in range(size):
            half[k * size + x] = 0
        for y in range(size):
            weight = cosines[k, y]
            for x in range(size):
                half[k * size + x] += weight * block[y * size + x]
    for k in range(16):
        for j in range(16):
            total = np.float32(0)
            for x in range(size):
                total += half[k * size + x] * cosines[j, x]
            out[k * 16 + j] = total


@kernel
def raise_(low: Floats, cosines: Floats, half: Floats, out: Floats, size: int) -> None:
    """out = C^T low C: a block of `size` from its 16 x 16 lowest frequencies."""
    for k in range(16):
        for x in range(size):
            half[k * size + x] = 0
        for j in range(16):
            weight = low[k * 16 + j]
            for x in range(size):
                half[k * size + x] += weight * cosines[j, x]
    out[: size * size] = 0
    for k in range(16):
        for y in range(size):
            weight = cosines[k, y]
            for x in range(size):
                out[y * size + x] += weight * half[k * size + x]


@kernel
def scale_bucket(log_scale: int, log_step: int) -> int:
    """Bucket of the expected magnitude in quantisation steps; arguments in eighths of octaves."""
    return min(max((np.int64(log_scale) - log_step + 40) >> 2, 0), SCALES - 1)


#: Number of levels with a tabulated rate, and extra bits for each level beyond.
_RATED, _BEYOND = 16, np.float32(0.1)
#: Largest level: larger values and NaN are replaced by it before the conversion to integers.
LARGEST = np.float32(1 << 24)


@kernel(reorder=True)
def mode_costs(
    views: Floats,
    analyses: Floats,
    scales: Integers,
    rates: Floats,
    costs: Floats,
    log_step: int,
    step: Number,
    prices: Floats,
) -> None:
    """Add up the rate-distortion cost of blocks in every mode, in squared quantisation steps.

        costs[2 k + t, n] += sum_i min_q (c_i / step - q)^2 + prices[n] rate(q | expected magnitude)

    where c are the coefficients of block n in class k, as it is (t = 0) or transposed (t = 1).
    Modes whose cost is infinite are skipped.

    Parameters
    ----------
    views : (2, blocks, samples + border) float32
        Blocks and their borders; transposed in the second view.
    analyses : (classes, samples + border, samples) float32
        `Bases.analyses` of this size of blocks.
    scales : (classes, samples) int16
    rates : (SCALES, 17) float32
    costs : (2 classes, blocks) float32, added to
    log_step : int
    step : float32
    prices : (blocks,) float32
    """
    classes, _, count = analyses.shape
    inverse = np.float32(1) / step
    coefficients = np.empty((views.shape[1], count), np.float32)
    table = np.empty(count * _RATED, np.float32)
    tried = np.empty(views.shape[1], np.int64)
    rows = np.empty(views.shape[1:], np.float32)
    for mode in range(2 * classes):
        many = 0
        for n in range(views.shape[1]):
            if costs[mode, n] < np.inf:
                tried[many] = n
                rows[many] = views[mode & 1, n]
                many += 1
        if not many:
            continue
        np.dot(rows[:many], analyses[mode >> 1], coefficients[:many])
        for i in range(count):
            bucket = scale_bucket(scales[mode >> 1, i], log_step)
            for level in range(_RATED):
                table[i * _RATED + level] = rates[bucket, level] - rates[bucket, 0]
        for place in range(many):
            n = tried[place]
            row, price = coefficients[place], prices[n]
            total = np.float32(0)
            for i in range(count):
                value = abs(row[i]) * inverse
                value = value if value < LARGEST else LARGEST
                level = np.int32(value + np.float32(0.4))
                rated = level if level < _RATED else np.int32(_RATED - 1)
                rest = value - np.float32(level)
                rate = table[i * _RATED + rated] + _BEYOND * np.float32(level - rated)
                cost = rest * rest + price * rate
                whole = value * value
                total += cost if cost < whole else whole
            costs[mode, n] += total
