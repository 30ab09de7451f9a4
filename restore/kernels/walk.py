"""The walk over the blocks of a plane: quantising, reconstructing, and counting levels.

`restore.kernels.blocks` defines the blocks and gives the equation.
"""

from typing import NamedTuple

import numpy as np

from restore.kernels.blocks import (
    BORDER,
    CELL,
    CELLS,
    DIM,
    EIGHTHS,
    LARGEST,
    SUPER,
    Z_COLUMN,
    Z_ROW,
    Bases,
    border,
    lower,
    raise_,
    scale_bucket,
)
from restore.kernels.jit import kernel
from restore.typing import Floats, Integers, Number


class Plane(NamedTuple):
    """A plane of a picture that is coded or decoded."""

    #: (height, width) float32: samples to code, in levels about 0; sides multiples of 8
    pixels: np.ndarray
    #: (height, width) float32: samples as the decoder reconstructs them
    decoded: np.ndarray
    #: (height * width,) int32: quantised coefficients in the order of the walk
    levels: np.ndarray
    #: (rows, columns) uint8, by cell: size and mode of its block
    sizes: np.ndarray
    modes: np.ndarray
    #: (rows, columns) float32, by cell: price of a bit in squared steps; empty to decode
    prices: np.ndarray
    #: (rows, columns) int8, by cell: increase of the step in eighths of octaves
    coarser: np.ndarray


class Quantiser(NamedTuple):
    """How coefficients are quantised."""

    #: (SCALES, 3, 17) float32: bits of levels 0 to 15, by expected magnitude and last two levels
    rates: np.ndarray
    #: (SCALES, 3) float32: shift of levels 1, 2 and above towards zero, in steps
    bias: np.ndarray
    #: 8 log2(step), rounded
    log_step: int
    #: float32, in levels of 255
    step: Number


@kernel(reorder=True)
def _dot(first: Floats, second: Floats, count: int) -> Number:
    total = np.float32(0)
    for i in range(count):
        total += first[i] * second[i]
    return total


@kernel
def _transpose(block: Floats, side: int) -> None:
    """Transpose a square block in place."""
    for i in range(side):
        for j in range(i):
            keep = block[i * side + j]
            block[i * side + j] = block[j * side + i]
            block[j * side + i] = keep


@kernel
def _quantise(
    coefficients: Floats,
    scales: Integers,
    quantiser: Quantiser,
    price: Number,
    gains: Floats,
    quantised: Integers,
) -> None:
    """Choose the level of each coefficient and the last one that is coded, by rate and distortion.

    Coefficients are in steps.
    """
    rates, bias, log_step, _ = quantiser
    before, older = 0, 0
    for i in range(quantised.size):
        value = abs(coefficients[i])
        value = value if value < LARGEST else LARGEST
        bucket = scale_bucket(scales[i], log_step)
        bits = rates[bucket, min(before + older, 2)]
        best = 0
        level = int(value + np.float32(0.5))
        lowest = value * value + price * bits[0]
        for trial in range(max(level - 1, 1), level + 1):
            rest = value - np.float32(trial)
            if trial < 3:
                rest += bias[bucket, trial - 1]
            rate = bits[min(trial, 15)]
            if trial > 15:
                rate += np.float32(2) * np.log2(np.float32(trial - 14))
            cost = rest * rest + price * rate
            if cost < lowest:
                lowest, best = cost, trial
        gains[i] = value * value - lowest
        quantised[i] = best if coefficients[i] >= 0 else -best
        older, before = before, best
    # The last coded coefficient maximises what all up to it save, minus the cost of its position.
    total, most, last = np.float32(0), np.float32(0), -1
    for i in range(quantised.size):
        total += gains[i]
        if quantised[i]:
            saved = total - price * (np.float32(2.0) + np.float32(1.2) * np.log2(np.float32(i + 1)))
            if saved > most:
                most, last = saved, i
    for i in range(last + 1, quantised.size):
        quantised[i] = 0


@kernel
def _add_levels(
    quantised: Integers,
    transform: Floats,
    weights: Floats,
    scales: Integers,
    quantiser: Quantiser,
    guess: Floats,
) -> None:
    """Dequantise the levels, and add their inverse transform to `guess`."""
    _, bias, log_step, step = quantiser
    for i in range(quantised.size):
        level = quantised[i]
        if level:
            value = np.float32(abs(level))
            value -= bias[scale_bucket(scales[i], log_step), min(abs(level), 3) - 1]
            value *= step * weights[i]
            if level < 0:
                value = -value
            for j in range(quantised.size):
                guess[j] += value * transform[i, j]


@kernel
def code_plane(bases: Bases, plane: Plane, quantiser: Quantiser, top: int, start: int) -> int:
    """Walk over the blocks of one row of superblocks: quantise and reconstruct them.

    Parameters
    ----------
    bases : Bases
    plane : Plane
        `decoded` is written; `levels` are written if there are prices, otherwise read.
    quantiser : Quantiser
    top : int
        First row of cells.
    start : int
        Index in `levels` of the first level of this row of superblocks.

    Returns
    -------
    int
        Index of the first level of the next row.
    """
    pixels, decoded, levels, sizes, modes, prices, coarser = plane
    rows, columns = sizes.shape
    around = np.empty(BORDER, np.float32)
    guess = np.empty(DIM, np.float32)
    low = np.empty(DIM, np.float32)
    block = np.empty(SUPER * SUPER, np.float32)
    half = np.empty(16 * SUPER, np.float32)
    coefficients = np.empty(DIM, np.float32)
    gains = np.empty(DIM, np.float32)
    for left in range(0, columns, CELLS):
        z = 0
        while z < CELLS * CELLS:
            cell_y, cell_x = top + Z_ROW[z], left + Z_COLUMN[z]
            if cell_y >= rows or cell_x >= columns:
                z += 1
                continue
            level_size = np.int64(sizes[cell_y, cell_x])
            mode = np.int64(modes[cell_y, cell_x])
            kind = mode >> 1
            size = CELL << level_size
            y, x = cell_y * CELL, cell_x * CELL
            side = min(size, 16)
            count = side * side
            width = min(4 * size + 1, BORDER)
            mean = border(decoded, around, y, x, size)
            if mode & 1:
                for i in range(width // 2):
                    around[i], around[width - 1 - i] = around[width - 1 - i], around[i]
            predictor = bases.predictors[level_size][kind]
            transform = bases.transforms[level_size][kind]
            scales = bases.scales[level_size][kind]
            weights = bases.weights[level_size][kind]
            more = np.int64(coarser[cell_y, cell_x])
            here = Quantiser(
                quantiser.rates,
                quantiser.bias,
                quantiser.log_step + more,
                quantiser.step * EIGHTHS[more + 64],
            )
            quantised = levels[start : start + count]
            for i in range(count):
                guess[i] = _dot(predictor[i], around, width)

            if prices.size:
                price = np.float32(0)
                cells = 1 << level_size
                for i in range(cells):
                    for j in range(cells):
                        price += prices[cell_y + i, cell_x + j]
                price /= np.float32(cells * cells)
                for i in range(size):
                    for j in range(size):
                        block[i * size + j] = pixels[y + i, x + j] - mean
                low[:count] = block[:count]
                if size > 16:
                    lower(block, bases.cosines[level_size], half, low, size)
                if mode & 1:
                    _transpose(low, side)
                for i in range(count):
                    low[i] -= guess[i]
                for i in range(count):
                    coefficients[i] = _dot(transform[i], low, count) / (here.step * weights[i])
                _quantise(coefficients, scales, here, price, gains, quantised)
            _add_levels(quantised, transform, weights, scales, here, guess)
            if mode & 1:
                _transpose(guess, side)
            if size > 16:
                raise_(guess, bases.cosines[level_size], half, block, size)
            shown = block if size > 16 else guess
            for i in range(size):
                for j in range(size):
                    decoded[y + i, x + j] = shown[i * size + j] + mean
            start += count
            z += 1 << 2 * level_size
    return start


@kernel
def count_levels(
    levels: Integers,
    sizes: Integers,
    modes: Integers,
    scales: tuple[Integers, ...],
    counts: Integers,
    log_step: int,
) -> None:
    """counts[expected magnitude, last two levels, level] += 1 over the coded levels of a plane."""
    rows, columns = sizes.shape
    start = 0
    for top in range(0, rows, CELLS):
        for left in range(0, columns, CELLS):
            z = 0
            while z < CELLS * CELLS:
                y, x = top + Z_ROW[z], left + Z_COLUMN[z]
                if y >= rows or x >= columns:
                    z += 1
                    continue
                size = np.int64(sizes[y, x])
                spread = scales[size][modes[y, x] >> 1]
                last = -1
                for i in range(spread.size):
                    if levels[start + i]:
                        last = i
                before, older = 0, 0
                for i in range(last + 1):
                    level = abs(levels[start + i])
                    bucket = scale_bucket(spread[i], log_step)
                    counts[bucket, min(before + older, 2), min(level, 15)] += 1
                    older, before = before, level
                start += spread.size
                z += 1 << 2 * size
