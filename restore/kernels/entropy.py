"""The decisions of pictures in blocks, each with its contexts; `restore.kernels.bits` codes them.

Contexts come from coded neighbours, after D. Marpe, H. Schwarz, T. Wiegand, "Context-based
adaptive binary arithmetic coding in H.264/AVC", IEEE TCSVT 13(7), 2003, Sec. III. One function,
`code_row`, both writes and reads.
"""

from typing import NamedTuple

import numpy as np

from restore.kernels.bits import bucket, code_bit, code_even, code_large
from restore.kernels.blocks import CELLS, SCALES, Z_COLUMN, Z_ROW, scale_bucket
from restore.kernels.jit import kernel

#: Sizes of blocks, most modes of a size, most classes of a size.
SIZES, MODES, CLASSES = 4, 32, 16
#: Places in the picture, eight down and eight across, that archives of like pictures learn.
PLACES = 64
#: Coefficients of a block whose signs are modelled.
SIGNED = 8

#: Mean magnitude in 1/16 of a step where the spread is 2^((bucket - 9.5) / 2) steps.
_EXPECTED = np.array(
    [0, 0, 0, 0, 0, 1, 2, 4, 6, 9, 13, 18, 26, 36, 51, 72, 102, 145, 204, 290, 410, 580, 820, 1160]
)

# Where the models of each decision start, in one table.
_SPLIT = 0
_MODE = _SPLIT + 9 * (25 + 9 + 5 + PLACES)
_NODES = SIZES * MODES
_BESIDE = SIZES * MODES + 1
_CODED = _MODE + _NODES * (3 + 3 * _BESIDE + PLACES)
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
#: Adaptive models in all, and sets of mixing weights.
MODELS = _ESCAPE + 32
SETS = 12 * 4 + 12 * 6 + 12 * 15 + 1


class Picture(NamedTuple):
    """The decisions of a picture."""

    #: (planes, pixels) int32: quantised coefficients, block after block in the order of the walk
    levels: np.ndarray
    #: (planes, rows, columns) uint8: for each cell of 8 x 8 pixels the block it lies in
    sizes: np.ndarray
    modes: np.ndarray
    #: (planes, rows, columns) int32, zero: how much was coded there
    activity: np.ndarray
    #: (planes,) int64, zero: where in `levels` the walk stands
    starts: np.ndarray


@kernel
def _code_levels(coder, levels, scales, log_step, place, around):
    """Code the quantised coefficients of one block; return the sum of their magnitudes.

    `place` holds plane, size, mode, place in the picture; `around` the activity of the
    neighbours: left + above, left, above, previous plane, luma for the third plane.
    """
    active, reading = coder.active, coder.state[4]
    plane, size, mode, where = place[0], place[1], place[2], place[3]
    count = levels.size
    near = bucket(around[0], 8)
    under = bucket(around[3], 8)
    below = bucket(around[4], 8)
    kind = mode >> 1
    choice = size * 3 + plane
    colour = 1 if plane else 0
    # how many coefficients this class would have at this step
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
    base = _CODED
    active[0] = (
        base
        + choice * 16
        + min(bucket(around[1], 8) + 1 >> 1, 3) * 4
        + min(bucket(around[2], 8) + 1 >> 1, 3)
    )
    base += SIZES * 3 * 16
    active[1] = base + choice * 9 + near
    base += SIZES * 3 * 9
    active[2] = base + choice * 9 + under
    base += SIZES * 3 * 9
    active[3] = base + choice * 9 + likely
    base += SIZES * 3 * 9
    active[4] = base + (colour * SIZES + size) * MODES + mode
    base += SIZES * MODES * 2
    active[5] = base + choice * PLACES + where
    if not code_bit(coder, 1 if last >= 0 else 0, 6, choice):
        if reading:
            levels[:] = 0
        return 0

    # The last coefficient: its half-octave in unary, then the place in it.
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
        active[0] = base + (choice * 9 + near) * 16 + found
        base += 16 * SIZES * 3 * 9
        active[1] = base + ((colour * SIZES + size) * MODES + mode) * 16 + found
        base += 16 * SIZES * MODES * 2
        active[2] = base + (choice * 9 + likely) * 16 + found
        base += 16 * SIZES * 3 * 9
        active[3] = base + (choice * 9 + under) * 16 + found
        base += 16 * SIZES * 3 * 9
        active[4] = base + (choice * PLACES + where) * 16 + found
        if not code_bit(coder, 1 if group > found else 0, 5, 48 + choice * 6 + found % 6):
            break
        found += 1
    if found < 3:
        last = found
    else:
        bits = (found + 1) >> 1
        rest = bits - 1
        first = (2 + ((found + 1) & 1)) << rest
        offset = last + 1 - first if not reading else 0
        value = 0
        for j in range(rest - 1, -1, -1):
            active[0] = _TAIL + (size * 16 + found) * 8 + j
            value = value << 1 | code_bit(coder, offset >> j & 1, 1, 3 * 12)
        last = first + value - 1
    if last >= count:
        last = count - 1

    total, before, older, decay, expected = 0, 0, 0, 0, 0
    for i in range(last + 1):
        scale = scale_bucket(scales[i], log_step)
        recent = before + older
        recent = recent if recent < 3 else (3 if recent < 5 else 4)
        ratio = min(bucket((16 * total + 8) * 16 // (expected + 8), 10), 9)
        ratio = max(ratio - 2, 0)
        faded = min(bucket(decay >> 3, 8), 4)
        level = np.int64(levels[i]) if not reading else np.int64(0)
        size_of = abs(level)
        found = 1
        if i < last:
            distance = bucket(last - i, 8) - 1
            base = _ZERO
            active[0] = base + (plane * SCALES + scale) * 5 + recent
            base += 3 * SCALES * 5
            active[1] = base + ((colour * SIZES + size) * CLASSES + kind) * 256 + i
            base += _ATOMS
            active[2] = base + scale * 27 + near * 3 + plane
            base += SCALES * 27
            active[3] = base + (scale * 8 + ratio) * 5 + faded
            base += SCALES * 8 * 5
            active[4] = base + ((distance * 9 + bucket(i, 8)) * 5 + faded) * 3 + plane
            base += 8 * 9 * 5 * 3
            active[5] = base + (scale * 81 + under * 9 + below) * 3 + plane
            base += SCALES * 81 * 3
            active[6] = base + ((colour * SIZES + size) * 16 + min(i, 15)) * PLACES + where
            found = code_bit(coder, 1 if level else 0, 7, 120 + choice * 15 + min(scale, 14))
        value = 0
        if found:
            value = 1
            while value < 15:
                step = value - 1
                base = _MORE
                active[0] = base + (step * 2 * SCALES + colour * SCALES + scale) * 5 + recent
                base += 15 * 2 * SCALES * 5
                active[1] = base + (step * SCALES + scale) * 8 + ratio
                base += 15 * SCALES * 8
                active[2] = base + step * 27 + near * 3 + plane
                base += 15 * 27
                active[3] = (
                    base
                    + ((step * 2 + colour) * SIZES + size) * CLASSES * 32
                    + kind * 32
                    + min(i, 31)
                )
                base += 15 * 2 * SIZES * CLASSES * 32
                active[4] = base + step * 243 + (under * 9 + below) * 3 + plane
                if not code_bit(
                    coder, 1 if size_of > value else 0, 5, choice * 1 + 12 * min(step + 1, 2)
                ):
                    break
                value += 1
            if value == 15:
                value = 14 + code_large(coder, size_of - 14, _ESCAPE, 36 + 1)
            if i < SIGNED and not plane:
                base = _SIGN + (size * MODES + mode) * SIGNED + i
                active[0] = base
                active[1] = _SIGN + SIZES * MODES * SIGNED
                active[1] += ((size * MODES + mode) * SIGNED + i) * PLACES + where
                negative = code_bit(coder, 1 if level < 0 else 0, 2, SETS - 1)
            else:
                negative = code_even(coder, 1 if level < 0 else 0)
            level = -value if negative else value
            if reading:
                levels[i] = level
        elif reading:
            levels[i] = 0
        older, before = before, value
        total += value
        decay += 8 * min(value, 15) - (decay >> 2)
        expected += _EXPECTED[scale]
    if reading:
        levels[last + 1 :] = 0
    return total


@kernel
def code_row(coder, scales, picture, log_step, top):
    """Write the decisions of a row of superblocks to `coder.data`, or read them from it.

    Parameters
    ----------
    coder : Coder
    scales : tuple of (classes, coefficients) int16
        Expected magnitude, in eighths of octaves of a level, for each size of block.
    picture : Picture
    log_step : int
        The quantiser's step in the unit of `scales`.
    top : int
        First row of cells.

    Returns
    -------
    bool
        False where reading ran past the end.
    """
    levels, sizes, modes, active_cells, starts = picture
    active, state = coder.active, coder.state
    reading = state[4]
    planes, rows, columns = sizes.shape
    place = np.zeros(4, np.int64)
    around = np.zeros(5, np.int64)
    for left in range(0, columns, CELLS):
        if reading and state[3] > coder.data.size + 8:
            return False
        for plane in range(planes):
            place[0] = plane
            z = 0
            while z < CELLS * CELLS:
                y, x = top + Z_ROW[z], left + Z_COLUMN[z]
                if y >= rows or x >= columns:
                    z += 1
                    continue
                west = np.int64(sizes[plane, y, x - 1]) if x else 4
                north = np.int64(sizes[plane, y - 1, x]) if y else 4
                beside = active_cells[plane, y, x - 1] if x else 0
                above = active_cells[plane, y - 1, x] if y else 0
                luma = np.int64(sizes[0, y, x]) if plane else 4
                where = y * 8 // rows * 8 + x * 8 // columns
                size = 3
                while z & ((1 << 2 * size) - 1):
                    size -= 1
                wanted = np.int64(sizes[plane, y, x]) if not reading else 0
                while size:
                    cells = 1 << size
                    if y + cells > rows or x + cells > columns:
                        size -= 1
                        continue
                    kind = (size - 1) * 3 + plane
                    active[0] = _SPLIT + kind * 25 + west * 5 + north
                    active[1] = _SPLIT + 225 + kind * 9 + bucket(beside + above, 8)
                    active[2] = _SPLIT + 225 + 81 + kind * 5 + luma
                    active[3] = _SPLIT + 225 + 81 + 45 + kind * PLACES + where
                    if not code_bit(coder, 1 if wanted < size else 0, 4, 38 + plane):
                        break
                    size -= 1
                cells = 1 << size

                # The class, bit by bit.
                west_mode = west * MODES + np.int64(modes[plane, y, x - 1]) if x else 128
                north_mode = north * MODES + np.int64(modes[plane, y - 1, x]) if y else 128
                luma_mode = luma * MODES + np.int64(modes[0, y, x]) if plane else 128
                depth = 1
                while (1 << depth) < 2 * scales[size].shape[0]:
                    depth += 1
                mode = np.int64(modes[plane, y, x]) if not reading else 0
                node = 1
                for j in range(depth - 1, -1, -1):
                    at = size * MODES + node
                    active[0] = _MODE + at * 3 + plane
                    active[1] = _MODE + _NODES * 3 + at * _BESIDE + west_mode
                    active[2] = _MODE + _NODES * (3 + _BESIDE) + at * _BESIDE + north_mode
                    active[3] = _MODE + _NODES * (3 + 2 * _BESIDE) + at * _BESIDE + luma_mode
                    active[4] = _MODE + _NODES * (3 + 3 * _BESIDE) + at * PLACES + where
                    node = node << 1 | code_bit(coder, mode >> j & 1, 5, 41 + (1 if plane else 0))
                mode = min(node - (1 << depth), 2 * scales[size].shape[0] - 1)

                place[1], place[2], place[3] = size, mode, where
                around[0], around[1], around[2] = beside + above, beside, above
                around[3], around[4] = 0, 0
                if plane:
                    first, second = 0, 0
                    for i in range(cells):
                        for j in range(cells):
                            first += active_cells[0, y + i, x + j]
                            second += active_cells[plane - 1, y + i, x + j]
                    around[3] = second >> 2 * size
                    around[4] = first >> 2 * size if plane == 2 else 0
                count = 64 if size == 0 else 256
                start = starts[plane]
                total = _code_levels(
                    coder,
                    levels[plane, start : start + count],
                    scales[size][mode >> 1],
                    log_step,
                    place,
                    around,
                )
                starts[plane] += count
                activity = min((16 * total) >> 2 * size, 4095)
                for i in range(cells):
                    for j in range(cells):
                        active_cells[plane, y + i, x + j] = activity
                        if reading:
                            sizes[plane, y + i, x + j] = size
                            modes[plane, y + i, x + j] = mode
                z += cells * cells
    return not reading or state[3] <= coder.data.size + 8
