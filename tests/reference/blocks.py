"""The blocks of the picture codec."""

import numpy as np


def block_border(plane, y, x, size):
    """Samples beside a block, from below left over the corner to above right, less their mean.

    Superblocks of 64 follow each other row by row, cells of 8 inside them in Z order; what
    comes later repeats the last sample that is known.
    """
    height, width = plane.shape

    def order(row, column):
        cell_y, cell_x = row % 64 // 8, column % 64 // 8
        within = 0
        for bit in range(3):
            within += (cell_x >> bit & 1) * 4**bit + (cell_y >> bit & 1) * 2 * 4**bit
        return row // 64, column // 64, within

    def known(row, column):
        inside = 0 <= row < height and 0 <= column < width
        return inside and order(row, column) < order(y, x)

    def side(places):
        values = []
        for place in places:
            if not known(*place):
                break
            values.append(float(plane[place]))
        if size > 16 and values:
            step = size // 16
            values = [np.mean(values[i : i + step]) for i in range(0, len(values), step)]
        missing = 2 * min(size, 16) - len(values)
        return values + values[-1:] * missing if values else None

    west = side([(y + i, x - 1) for i in range(2 * size)])
    north = side([(y - 1, x + i) for i in range(2 * size)])
    if west is None and north is None:
        return np.zeros(4 * min(size, 16) + 1), 0.0
    half = min(size, 16)
    mean = np.mean((west or [])[:half] + (north or [])[:half])
    corner = float(plane[y - 1, x - 1]) if west and north else (west or north)[0]
    west, north = west or [corner] * 2 * half, north or [corner] * 2 * half
    return np.array(west[::-1] + [corner] + north) - mean, mean


def low_frequencies(block):
    """The 16 x 16 lowest frequencies of the orthonormal DCT of a square block."""
    size = len(block)
    k = np.arange(16)[:, None]
    rows = np.cos(np.pi * k * (2 * np.arange(size) + 1) / (2 * size)) * np.sqrt(2 / size)
    rows[0] /= np.sqrt(2)
    return rows @ block @ rows.T


def cheapest_cost(coefficients, scales, rates, log_step, step, price):
    """Sullivan & Wiegand 1998: of each coefficient the least of distortion plus price times bits.

    `coefficients` and `scales` of one block, `rates` (buckets, 17) bits of a level by expected
    magnitude; in squared steps.
    """
    total = 0.0
    for coefficient, scale in zip(coefficients, scales, strict=True):
        value = abs(float(coefficient)) / step
        bits = rates[spread_bucket(scale, log_step)]
        nearest = int(value + 0.4)
        rate = bits[min(nearest, 15)] - bits[0] + 0.1 * max(nearest - 15, 0)
        total += min(value**2, (value - nearest) ** 2 + price * rate * (nearest > 0))
    return total


def spread_bucket(scale, log_step):
    """Half octaves of the expected magnitude in steps."""
    return min(max((int(scale) - log_step + 40) // 4, 0), 23)


def coefficients_of(block, around, transform, predictor, turned):
    """c = T (L (x - m) - G (b - m)) of a block less m, and the prediction G (b - m)."""
    low = block if len(block) <= 16 else low_frequencies(block)
    low, around = (low.T, around[::-1]) if turned else (low, around)
    guess = predictor.astype(float) @ around
    return transform.astype(float) @ (low.ravel() - guess), guess


def quantised(coefficients, scales, rates, bias, log_step, step, price):
    """Levels of a block: each the cheapest after those before, then the best place to stop."""
    levels, gains = [], []
    for coefficient, scale in zip(coefficients / step, scales, strict=True):
        value = abs(coefficient)
        bucket = spread_bucket(scale, log_step)
        bits = rates[bucket, min(sum(map(abs, levels[-2:])), 2)]

        def cost(level, value=value, bits=bits, bucket=bucket):
            pull = bias[bucket, level - 1] if 0 < level < 3 else 0
            rate = bits[min(level, 15)] + (2 * np.log2(level - 14) if level > 15 else 0)
            return (value - level + pull) ** 2 + price * rate

        nearest = int(value + 0.5)
        best = min({0, max(nearest - 1, 1), max(nearest, 1)} if nearest else {0}, key=cost)
        levels.append(best if coefficient >= 0 else -best)
        gains.append(value**2 - cost(best))
    saved = np.cumsum(gains) - price * (2 + 1.2 * np.log2(np.arange(len(levels)) + 1))
    ends = [i for i, level in enumerate(levels) if level and saved[i] > 0]
    end = max(ends, key=lambda i: saved[i]) if ends else -1
    return np.array(levels[: end + 1] + [0] * (len(levels) - end - 1))


def coarser_steps(atoms, side, slope, share):
    """Eighths of octaves by which the step of each atom (count, samples) is larger.

    share + slope / 4 log2(1 + e / 0.3), rounded, e the mean squared gradient over the mean square.
    """
    found = []
    for atom in atoms.astype(float):
        square = atom.reshape(2 * (min(side, 16),))
        if side > 16:
            k = np.arange(16)
            rough = np.pi**2 / side**2 * (square**2 * (k[:, None] ** 2 + k**2)).sum()
        else:
            rough = (np.diff(square, axis=0) ** 2).sum() + (np.diff(square, axis=1) ** 2).sum()
        found.append(share + slope / 4 * np.log2(1 + rough / (square**2).sum() / 0.3))
    return np.array(found)


def rebuilt(levels, guess, transform, scales, bias, log_step, step, turned, size):
    """x' - m = L^T (G (b - m) + T^T Q(c)) of a block of `size` pixels; `step` of each atom."""
    values = np.zeros(len(levels))
    for i, level in enumerate(levels):
        if level:
            pull = bias[spread_bucket(scales[i], log_step), min(abs(level), 3) - 1]
            values[i] = np.sign(level) * (abs(level) - pull) * step[i]
    low = (guess + transform.T.astype(float) @ values).reshape(2 * (min(size, 16),))
    low = low.T if turned else low
    if size <= 16:
        return low
    rows = np.array([low_frequencies(np.outer(one, np.ones(size)))[:, 0] for one in np.eye(size)])
    rows = rows.T / np.sqrt(size)
    return rows.T @ low @ rows
