"""The decisions of a picture in blocks and their contexts; `restore.kernels.bits` codes them.

Contexts come from coded neighbours, after D. Marpe, H. Schwarz, T. Wiegand, "Context-based
adaptive binary arithmetic coding in H.264/AVC", IEEE TCSVT 13(7), 2003, Sec. III. One function,
`code_row`, both writes and reads.
"""

from typing import NamedTuple

import numpy as np

from restore.kernels.bits import Coder, bucket, code_bit, code_even, code_large
from restore.kernels.blocks import CELLS, SCALES, Z_COLUMN, Z_ROW, scale_bucket
from restore.kernels.jit import kernel
from restore.typing import Floats, Integers

#: Number of block sizes, and maximum number of modes and of classes of a size.
SIZES, MODES, CLASSES = 4, 32, 16
#: Parts of the picture, eight down and eight across: a context that helps for similar pictures.
PLACES = 64
#: Number of coefficients of a block, the first ones, whose signs are modelled.
SIGNED = 8

#: Mean magnitude in 1/16 of a step where the spread is 2^((bucket - 9.5) / 2) steps.
_EXPECTED = np.array(
    [0, 0, 0, 0, 0, 1, 2, 4, 6, 9, 13, 18, 26, 36, 51, 72, 102, 145, 204, 290, 410, 580, 820, 1160]
)

# Index of the first model of each decision, in one table.
_SPLIT = 0
MODE = _SPLIT + 9 * (25 + 9 + 5 + PLACES)
_NODES = SIZES * MODES
_BESIDE = SIZES * MODES + 1
_CODED = MODE + _NODES * (3 + 3 * _BESIDE + PLACES)
_LAST = _CODED + SIZES * 3 * (16 + 9 + 9 + 9 + PLACES) + SIZES * MODES * 2
_TAIL = _LAST + 16 * (SIZES * 3 * (9 + 9 + 9 + PLACES) + SIZES * MODES * 2)
_ZERO = _TAIL + SIZES * 16 * 8
_ATOMS = 2 * SIZES * CLASSES * 256
_MORE = (
    _ZERO
    + (3 * SCALES * 5 + _ATOMS + SCALES * 27 + SCALES * 8 * 5 + 8 * 9 * 5 * 3 + SCALES * 81 * 3)
    + 2 * SIZES * 16 * PLACES
)
_SIGN = _MORE + 15 * (2 * SCALES * 5 + SCALES * 8 + 27 + 2 * SIZES * CLASSES * 32 + 81 * 3)
_ESCAPE = _SIGN + SIZES * MODES * SIGNED * (1 + PLACES)
#: Total number of adaptive models, and of sets of mixing weights.
MODELS = _ESCAPE + 32
SETS = 12 * 4 + 12 * 6 + 12 * 15 + 1


class Picture(NamedTuple):
    """The decisions of a picture."""

    #: (planes, pixels) int32: quantised coefficients, block after block in the order of the walk
    levels: np.ndarray
    #: (planes, rows, columns) uint8: size and mode of the block of each cell of 8 x 8 pixels
    sizes: np.ndarray
    modes: np.ndarray
    #: (planes, rows, columns) int32, initially 0: 16 times the sum of the magnitudes of a block's
    #: levels, per cell
    activity: np.ndarray
    #: (rows, columns) int8: increase of the step in eighths of octaves
    coarser: np.ndarray
    #: (planes,) int64, initially 0: index in `levels` of the next block
    starts: np.ndarray


class Around(NamedTuple):
    """The contexts of a block."""

    plane: int
    #: part of the picture, of `PLACES`
    where: int
    #: sizes of the blocks to the left, above, and in the first plane; 4 if there is none
    west: int
    north: int
    luma: int
    #: size and mode of these blocks, as one number; 128 if there is none
    west_mode: int
    north_mode: int
    luma_mode: int
    #: activity to the left and above
    beside: int
    above: int


@kernel
def _around(picture: Picture, plane: int, y: int, x: int) -> Around:
    """The contexts of the block that begins in cell (y, x)."""
    sizes, modes = picture.sizes, picture.modes
    _, rows, columns = sizes.shape
    west = np.int64(sizes[plane, y, x - 1]) if x else 4
    north = np.int64(sizes[plane, y - 1, x]) if y else 4
    luma = np.int64(sizes[0, y, x]) if plane else 4
    return Around(
        plane,
        y * 8 // rows * 8 + x * 8 // columns,
        west,
        north,
        luma,
        west * MODES + np.int64(modes[plane, y, x - 1]) if x else 128,
        north * MODES + np.int64(modes[plane, y - 1, x]) if y else 128,
        luma * MODES + np.int64(modes[0, y, x]) if plane else 128,
        np.int64(picture.activity[plane, y, x - 1]) if x else 0,
        np.int64(picture.activity[plane, y - 1, x]) if y else 0,
    )


class Block(NamedTuple):
    """A block and the contexts of its quantised coefficients; activities are in buckets."""

    plane: int
    size: int
    mode: int
    #: part of the picture, of `PLACES`
    where: int
    #: activity to the left and above: their sum, then each
    near: int
    left: int
    above: int
    #: activity of the same cells in the previous plane, and for the third plane in the first
    under: int
    below: int


@kernel
def _block(activity: Integers, around: Around, y: int, x: int, size: int, mode: int) -> Block:
    plane = around.plane
    first, second = 0, 0
    if plane:
        for i in range(y, y + (1 << size)):
            for j in range(x, x + (1 << size)):
                first += activity[0, i, j]
                second += activity[plane - 1, i, j]
    return Block(
        plane,
        size,
        mode,
        around.where,
        bucket(around.beside + around.above, 8),
        min(bucket(around.beside, 8) + 1 >> 1, 3),
        min(bucket(around.above, 8) + 1 >> 1, 3),
        bucket(second >> 2 * size, 8),
        bucket(first >> 2 * size if plane == 2 else 0, 8),
    )


@kernel
def _code_size(coder: Coder, size: int, around: Around, most: int) -> int:
    """Code the size of a block, at most `most`."""
    active = coder.active
    reading = coder.state[4]
    wanted = np.int64(size) if not reading else 0
    near = bucket(around.beside + around.above, 8)
    while most:
        kind = (most - 1) * 3 + around.plane
        active[0] = _SPLIT + kind * 25 + around.west * 5 + around.north
        active[1] = _SPLIT + 225 + kind * 9 + near
        active[2] = _SPLIT + 225 + 81 + kind * 5 + around.luma
        active[3] = _SPLIT + 225 + 81 + 45 + kind * PLACES + around.where
        if not code_bit(coder, 1 if wanted < most else 0, 4, 38 + around.plane):
            break
        most -= 1
    return most


@kernel
def _code_mode(coder: Coder, mode: int, around: Around, size: int, count: int) -> int:
    """Code which of `count` modes a block has, bit by bit."""
    active, plane = coder.active, around.plane
    depth = 1
    while (1 << depth) < count:
        depth += 1
    wanted = np.int64(mode) if not coder.state[4] else 0
    node = 1
    for j in range(depth - 1, -1, -1):
        at = size * MODES + node
        active[0] = MODE + at * 3 + plane
        active[1] = MODE + _NODES * 3 + at * _BESIDE + around.west_mode
        active[2] = MODE + _NODES * (3 + _BESIDE) + at * _BESIDE + around.north_mode
        active[3] = MODE + _NODES * (3 + 2 * _BESIDE) + at * _BESIDE + around.luma_mode
        active[4] = MODE + _NODES * (3 + 3 * _BESIDE) + at * PLACES + around.where
        node = node << 1 | code_bit(coder, wanted >> j & 1, 5, 41 + (1 if plane else 0))
    return min(node - (1 << depth), count - 1)


@kernel
def _code_any(coder: Coder, found: int, block: Block, likely: int) -> int:
    """Code whether a block has nonzero levels; `likely` is the bucket of how many to expect."""
    active = coder.active
    choice = block.size * 3 + block.plane
    colour = 1 if block.plane else 0
    base = _CODED
    active[0] = base + choice * 16 + block.left * 4 + block.above
    base += SIZES * 3 * 16
    active[1] = base + choice * 9 + block.near
    base += SIZES * 3 * 9
    active[2] = base + choice * 9 + block.under
    base += SIZES * 3 * 9
    active[3] = base + choice * 9 + likely
    base += SIZES * 3 * 9
    active[4] = base + (colour * SIZES + block.size) * MODES + block.mode
    base += SIZES * MODES * 2
    active[5] = base + choice * PLACES + block.where
    return code_bit(coder, found, 6, choice)


@kernel
def _code_last(coder: Coder, last: int, count: int, block: Block, likely: int) -> int:
    """Code the index of the last nonzero level of `count`: half-octave in unary, then offset."""
    active = coder.active
    choice = block.size * 3 + block.plane
    colour = 1 if block.plane else 0
    group = 0
    if last >= 3:
        bits = bucket(last + 1, 9) - 1
        group = 2 * bits + ((last + 1) >> (bits - 1) & 1) - 1
    elif last > 0:
        group = last
    most = 11 if count == 64 else 15
    found = 0
    while found < most:
        base = _LAST
        active[0] = base + (choice * 9 + block.near) * 16 + found
        base += 16 * SIZES * 3 * 9
        active[1] = base + ((colour * SIZES + block.size) * MODES + block.mode) * 16 + found
        base += 16 * SIZES * MODES * 2
        active[2] = base + (choice * 9 + likely) * 16 + found
        base += 16 * SIZES * 3 * 9
        active[3] = base + (choice * 9 + block.under) * 16 + found
        base += 16 * SIZES * 3 * 9
        active[4] = base + (choice * PLACES + block.where) * 16 + found
        if not code_bit(coder, 1 if group > found else 0, 5, 48 + choice * 6 + found % 6):
            break
        found += 1
    if found < 3:
        last = found
    else:
        bits = (found + 1) >> 1
        rest = bits - 1
        first = (2 + ((found + 1) & 1)) << rest
        offset = last + 1 - first if not coder.state[4] else 0
        value = 0
        for j in range(rest - 1, -1, -1):
            active[0] = _TAIL + (block.size * 16 + found) * 8 + j
            value = value << 1 | code_bit(coder, offset >> j & 1, 1, 3 * 12)
        last = first + value - 1
    return min(last, count - 1)


class Coefficient(NamedTuple):
    """The contexts of a coefficient; all but the index are in buckets."""

    index: int
    #: distance to the last nonzero level
    distance: int
    #: expected magnitude
    scale: int
    #: sum of the last two magnitudes, sum of all before relative to the expected one, decaying sum
    recent: int
    ratio: int
    faded: int


@kernel
def _contexts_of_found(active: Integers, block: Block, coefficient: Coefficient) -> None:
    """Set the contexts of the decision whether a level is nonzero."""
    plane, size = block.plane, block.size
    i, distance, scale, recent, ratio, faded = coefficient
    atom = (1 if plane else 0) * SIZES + size
    base = _ZERO
    active[0] = base + (plane * SCALES + scale) * 5 + recent
    base += 3 * SCALES * 5
    active[1] = base + (atom * CLASSES + (block.mode >> 1)) * 256 + i
    base += _ATOMS
    active[2] = base + scale * 27 + block.near * 3 + plane
    base += SCALES * 27
    active[3] = base + (scale * 8 + ratio) * 5 + faded
    base += SCALES * 8 * 5
    active[4] = base + ((distance * 9 + bucket(i, 8)) * 5 + faded) * 3 + plane
    base += 8 * 9 * 5 * 3
    active[5] = base + (scale * 81 + block.under * 9 + block.below) * 3 + plane
    base += SCALES * 81 * 3
    active[6] = base + (atom * 16 + min(i, 15)) * PLACES + block.where


@kernel
def _contexts_of_more(active: Integers, block: Block, coefficient: Coefficient, step: int) -> None:
    """Set the contexts of the decision whether a magnitude is above `step` + 1."""
    plane = block.plane
    i, _, scale, recent, ratio, _ = coefficient
    colour = 1 if plane else 0
    base = _MORE
    active[0] = base + (step * 2 * SCALES + colour * SCALES + scale) * 5 + recent
    base += 15 * 2 * SCALES * 5
    active[1] = base + (step * SCALES + scale) * 8 + ratio
    base += 15 * SCALES * 8
    active[2] = base + step * 27 + block.near * 3 + plane
    base += 15 * 27
    active[3] = base + ((step * 2 + colour) * SIZES + block.size) * CLASSES * 32
    active[3] += (block.mode >> 1) * 32 + min(i, 31)
    base += 15 * 2 * SIZES * CLASSES * 32
    active[4] = base + step * 243 + (block.under * 9 + block.below) * 3 + plane


@kernel
def _code_levels(
    coder: Coder, levels: Integers, scales: Integers, log_step: int, block: Block
) -> int:
    """Code the quantised coefficients of one block; return the sum of their magnitudes."""
    active, reading = coder.active, coder.state[4]
    count = levels.size
    choice = block.size * 3 + block.plane
    signed = (block.size * MODES + block.mode) * SIGNED
    # number of nonzero levels to expect from this class at this step
    likely = 0
    for i in range(count):
        if np.int64(scales[i]) - log_step > -8:
            likely += 1
    likely = bucket(likely, 8)
    last = -1
    if not reading:
        for i in range(count):
            if levels[i]:
                last = i
    if not _code_any(coder, 1 if last >= 0 else 0, block, likely):
        if reading:
            levels[:] = 0
        return 0
    last = _code_last(coder, last, count, block, likely)

    total, before, older, decay, expected = 0, 0, 0, 0, 0
    for i in range(last + 1):
        recent = before + older
        scale = scale_bucket(scales[i], log_step)
        ratio = min(bucket((16 * total + 8) * 16 // (expected + 8), 10), 9)
        coefficient = Coefficient(
            i,
            bucket(last - i, 8) - 1,
            scale,
            recent if recent < 3 else (3 if recent < 5 else 4),
            max(ratio - 2, 0),
            min(bucket(decay >> 3, 8), 4),
        )
        level = np.int64(levels[i]) if not reading else np.int64(0)
        found, value = 1, 0
        if i < last:
            _contexts_of_found(active, block, coefficient)
            group = 120 + choice * 15 + min(scale, 14)
            found = code_bit(coder, 1 if level else 0, 7, group)
        if found:
            value = 1
            while value < 15:
                _contexts_of_more(active, block, coefficient, value - 1)
                larger = 1 if abs(level) > value else 0
                if not code_bit(coder, larger, 5, choice + 12 * min(value, 2)):
                    break
                value += 1
            if value == 15:
                value = 14 + code_large(coder, abs(level) - 14, _ESCAPE, 36 + 1)
            negative = 1 if level < 0 else 0
            if i < SIGNED and not block.plane:
                active[0] = _SIGN + signed + i
                active[1] = _SIGN + SIZES * MODES * SIGNED + (signed + i) * PLACES + block.where
                negative = code_bit(coder, negative, 2, SETS - 1)
            else:
                negative = code_even(coder, negative)
            level = -value if negative else value
        if reading:
            levels[i] = level
        older, before = before, value
        total += value
        decay += 8 * min(value, 15) - (decay >> 2)
        expected += _EXPECTED[scale]
    if reading:
        levels[last + 1 :] = 0
    return total


@kernel
def code_row(
    coder: Coder, scales: tuple[Floats, ...], picture: Picture, log_step: int, top: int
) -> bool:
    """Write the decisions of a row of superblocks to `coder.data`, or read them from it.

    Parameters
    ----------
    coder : Coder
    scales : tuple of (classes, coefficients) int16
        Expected magnitude, in eighths of octaves of a level, for each size of block.
    picture : Picture
    log_step : int
        The quantisation step in the unit of `scales`.
    top : int
        First row of cells.

    Returns
    -------
    bool
        False if the data end too early.
    """
    levels, sizes, modes, activity, coarser, starts = picture
    state = coder.state
    reading = state[4]
    planes, rows, columns = sizes.shape
    for left in range(0, columns, CELLS):
        if reading and state[3] > coder.data.size + 8:
            return False
        for plane in range(planes):
            z = 0
            while z < CELLS * CELLS:
                y, x = top + Z_ROW[z], left + Z_COLUMN[z]
                if y >= rows or x >= columns:
                    z += 1
                    continue
                around = _around(picture, plane, y, x)
                most = 3
                while z & ((1 << 2 * most) - 1) or max(y - rows, x - columns) + (1 << most) > 0:
                    most -= 1
                size = _code_size(coder, sizes[plane, y, x], around, most)
                count = 2 * scales[size].shape[1]
                mode = _code_mode(coder, modes[plane, y, x], around, size, count)
                block = _block(activity, around, y, x, size, mode)
                start = starts[plane]
                starts[plane] += 64 if size == 0 else 256
                total = _code_levels(
                    coder,
                    levels[plane, start : starts[plane]],
                    scales[size][plane, mode >> 1],
                    log_step + np.int64(coarser[y, x]),
                    block,
                )
                cells = 1 << size
                for i in range(y, y + cells):
                    for j in range(x, x + cells):
                        activity[plane, i, j] = min((16 * total) >> 2 * size, 4095)
                        if reading:
                            sizes[plane, i, j] = size
                            modes[plane, i, j] = mode
                z += cells * cells
    return not reading or state[3] <= coder.data.size + 8
