"""Local changes of the quantisation step: one number per tile, coded before the blocks.

Neighbouring tiles are similar, so the difference from the mean of the tiles to the left and above
is coded: its magnitude in unary, and its sign, by adaptive models (`restore.kernels.bits`) whose
context is the absolute difference of these two tiles, as in the predictive coding of M. J.
Weinberger, G. Seroussi, G. Sapiro, "The LOCO-I lossless image compression algorithm", IEEE TIP
9(8), 2000.
"""

from __future__ import annotations

import numpy as np

from restore.kernels import bits
from restore.kernels.bits import bucket, code_bit
from restore.kernels.jit import kernel
from restore.typing import Integers

#: Maximum change of a tile's step from that of the picture, in quarters of an octave.
MOST = 12
#: Contexts, and the models in each: of the sign, and of the magnitude in unary.
APART, DECISIONS = 4, 2 * MOST + 2
#: Total number of adaptive models.
MODELS = APART * DECISIONS


@kernel
def code_tiles(coder: bits.Coder, tiles: Integers, base: int, choice: int) -> bool:
    """Write the numbers of all tiles, or read them.

    Parameters
    ----------
    coder : restore.kernels.bits.Coder
    tiles : (rows, columns) int8
        Quarters of octaves from -`MOST` to `MOST`.
    base : int
        Index of the first of the `MODELS` models among the coder's.
    choice : int
        Index of the coder's set of weights for them, of which the first weight is used.

    Returns
    -------
    bool
        False if the data end before the last tile.
    """
    rows, columns = tiles.shape
    reading, active = coder.state[4], coder.active
    for y in range(rows):
        if reading and coder.state[3] > coder.data.size + 8:
            return False
        for x in range(columns):
            west = np.int64(tiles[y, x - 1]) if x else np.int64(tiles[y - 1, x]) if y else 0
            north = np.int64(tiles[y - 1, x]) if y else west
            expected = (west + north) >> 1
            start = base + min(bucket(abs(west - north), 8), APART - 1) * DECISIONS
            rest = np.int64(tiles[y, x]) - expected if not reading else 0
            size = 0
            while size < DECISIONS - 2:
                active[0] = start + 1 + size
                if not code_bit(coder, 1 if abs(rest) > size else 0, 1, choice):
                    break
                size += 1
            if size:
                active[0] = start
                if code_bit(coder, 1 if rest < 0 else 0, 1, choice):
                    size = -size
            if reading:
                tiles[y, x] = min(max(expected + size, -MOST), MOST)
    return True
