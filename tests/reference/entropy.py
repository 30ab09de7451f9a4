"""The reader of pictures in learned bases."""

import numpy as np

from tests.reference.bits import BitReader
from tests.reference.blocks import spread_bucket
from tests.reference.coarseness import read_tiles

# What the decisions of a compressed picture depend on, in the order of the stored models:
# for each kind of decision the shapes of its tables, one per context.
_CONTEXTS = {
    "split": [(9, 5, 5), (9, 9), (9, 5), (9, 64)],
    "mode": [(4, 32, 3), (4, 32, 129), (4, 32, 129), (4, 32, 129), (4, 32, 64)],
    "coded": [(4, 3, 4, 4), (4, 3, 9), (4, 3, 9), (4, 3, 9), (2, 4, 32), (4, 3, 64)],
    "last": [(4, 3, 9, 16), (2, 4, 32, 16), (4, 3, 9, 16), (4, 3, 9, 16), (4, 3, 64, 16)],
    "place": [(4, 16, 8)],
    "zero": [
        (3, 24, 5),
        (2, 4, 16, 256),
        (24, 9, 3),
        (24, 8, 5),
        (8, 9, 5, 3),
        (24, 9, 9, 3),
        (2, 4, 16, 64),
    ],
    "more": [(15, 2, 24, 5), (15, 24, 8), (15, 9, 3), (15, 2, 4, 16, 32), (15, 9, 9, 3)],
    "sign": [(4, 32, 8), (4, 32, 8, 64)],
    "escape": [(32,)],
}


#: The last set of weights.
_SIGN_WEIGHTS = 300
_MEANS = [0, 0, 0, 0, 0, 1, 2, 4, 6, 9, 13, 18, 26, 36, 51, 72]
_MEANS += [102, 145, 204, 290, 410, 580, 820, 1160]


class PictureReader(BitReader):
    """Every decision of a payload in learned bases.

    `scales` (planes, classes, coefficients) for each size of blocks, `shape` (planes, rows,
    columns) in cells of 8 x 8. Where steps vary, `tiles` of 4 x 4 cells are read first.
    """

    def __init__(self, payload, models, weights, scales, shape, log_step, tiles=False):
        super().__init__(payload, models, weights)
        self.scales, self.shape, self.step_of_file, self.tiles = scales, shape, log_step, tiles
        self.starts, start = {}, 0
        for kind, tables in _CONTEXTS.items():
            self.starts[kind] = []
            for table in tables:
                self.starts[kind].append(start)
                start += int(np.prod(table))
        self.end = start
        assert start + 104 * tiles == len(models)
        self.sizes, self.modes, self.activity = np.zeros((3, *shape), int)
        self.levels = [[] for _ in range(shape[0])]

    def decide(self, kind, mixing, *contexts):
        models = [
            start + int(np.ravel_multi_index(context, table))
            for start, context, table in zip(
                self.starts[kind], contexts, _CONTEXTS[kind], strict=True
            )
        ]
        return self.mixed(models, mixing)

    def read(self):
        """Sizes and modes (planes, rows, columns), levels of each plane in the order of blocks."""
        planes, rows, columns = self.shape
        if self.tiles:
            wide = -(-columns // 4)
            self.coarser = read_tiles(self, -(-rows // 4), wide, self.end, _SIGN_WEIGHTS + 1)
        for top in range(0, rows, 8):
            for left in range(0, columns, 8):
                for plane in range(planes):
                    self.read_quarter(plane, top, left, 3)
        return self.sizes, self.modes, [np.concatenate(blocks) for blocks in self.levels]

    def read_quarter(self, plane, y, x, size):
        """A square of 2^size cells: one block, or four squares half as wide."""
        _, rows, columns = self.shape
        if y >= rows or x >= columns:
            return
        fits = y + 2**size <= rows and x + 2**size <= columns
        if size and (not fits or self.read_split(plane, y, x, size)):
            half = 2 ** (size - 1)
            for down, right in ((0, 0), (0, half), (half, 0), (half, half)):
                self.read_quarter(plane, y + down, x + right, size - 1)
        else:
            self.read_block(plane, y, x, size)

    def beside(self, values, plane, y, x, otherwise):
        """What is left of a cell and above it."""
        return (
            int(values[plane, y, x - 1]) if x else otherwise,
            int(values[plane, y - 1, x]) if y else otherwise,
        )

    def place(self, y, x):
        """In which of 8 x 8 parts of the picture a cell lies."""
        return y * 8 // self.shape[1] * 8 + x * 8 // self.shape[2]

    def read_split(self, plane, y, x, size):
        west, north = self.beside(self.sizes, plane, y, x, 4)
        near = min(sum(self.beside(self.activity, plane, y, x, 0)).bit_length(), 8)
        luma = int(self.sizes[0, y, x]) if plane else 4
        kind = (size - 1) * 3 + plane
        contexts = (kind, west, north), (kind, near), (kind, luma), (kind, self.place(y, x))
        return self.decide("split", 38 + plane, *contexts)

    def read_block(self, plane, y, x, size):
        here = slice(y, y + 2**size), slice(x, x + 2**size)
        classes = 2 * self.scales[size].shape[1]
        seen = [128, 128, 128]
        if x:
            seen[0] = int(self.sizes[plane, y, x - 1] * 32 + self.modes[plane, y, x - 1])
        if y:
            seen[1] = int(self.sizes[plane, y - 1, x] * 32 + self.modes[plane, y - 1, x])
        if plane:
            seen[2] = int(self.sizes[0, y, x] * 32 + self.modes[0, y, x])
        node = 1
        for _ in range((classes - 1).bit_length() or 1):
            last = (plane, *seen, self.place(y, x))
            contexts = [(size, node, context) for context in last]
            node = 2 * node + self.decide("mode", 41 + (plane > 0), *contexts)
        mode = min(node - (1 << node.bit_length() - 1), classes - 1)
        under = below = 0
        if plane:
            under = int(self.activity[plane - 1][here].sum()) >> 2 * size
        if plane == 2:
            below = int(self.activity[0][here].sum()) >> 2 * size
        levels = self.read_levels(plane, y, x, size, mode, under, below)
        self.levels[plane].append(levels)
        self.activity[plane][here] = min(16 * int(np.abs(levels).sum()) >> 2 * size, 4095)
        self.sizes[plane][here], self.modes[plane][here] = size, mode

    def read_levels(self, plane, y, x, size, mode, under, below):
        def octaves(value, most=8):
            return min(int(value).bit_length(), most)

        scales = self.scales[size][plane, mode >> 1]
        self.log_step = self.step_of_file
        if self.tiles:
            self.log_step += 2 * self.coarser[y // 4, x // 4]
        count, colour, kind, where = len(scales), int(plane > 0), mode >> 1, self.place(y, x)
        choice = size * 3 + plane
        west, north = self.beside(self.activity, plane, y, x, 0)
        near, under, below = octaves(west + north), octaves(under), octaves(below)
        likely = octaves(sum(int(scale) - self.log_step > -8 for scale in scales))
        levels = np.zeros(count, int)
        coarse = [min(octaves(value) + 1 >> 1, 3) for value in (west, north)]
        own = size, plane
        contexts = [(*own, *coarse), (*own, near), (*own, under), (*own, likely)]
        if not self.decide("coded", choice, *contexts, (colour, size, mode), (*own, where)):
            return levels

        group = 0
        while group < (11 if count == 64 else 15):
            contexts = [(*own, near, group), (colour, size, mode, group), (*own, likely, group)]
            contexts += [(*own, under, group), (*own, where, group)]
            if not self.decide("last", 48 + choice * 6 + group % 6, *contexts):
                break
            group += 1
        last = group
        if group >= 3:
            digits = (group + 1 >> 1) - 1
            value = 0
            for j in range(digits - 1, -1, -1):
                value = 2 * value + self.decide("place", 36, (size, group, j))
            last = (2 + (group + 1 & 1) << digits) + value - 1
        last = min(last, count - 1)

        total = expected = decay = 0
        for i in range(last + 1):
            scale = spread_bucket(scales[i], self.log_step)
            recent = sum(abs(int(level)) for level in levels[max(i - 2, 0) : i])
            recent = recent if recent < 3 else 3 if recent < 5 else 4
            ratio = octaves((16 * total + 8) * 16 // (expected + 8), 10)
            ratio = max(min(ratio, 9) - 2, 0)
            faded = min(octaves(decay >> 3), 4)
            found = True
            if i < last:
                distance = octaves(last - i) - 1
                found = self.decide(
                    "zero",
                    120 + choice * 15 + min(scale, 14),
                    (plane, scale, recent),
                    (colour, size, kind, i),
                    (scale, near, plane),
                    (scale, ratio, faded),
                    (distance, octaves(i), faded, plane),
                    (scale, under, below, plane),
                    (colour, size, min(i, 15), where),
                )
            value = 0
            if found:
                value = 1
                while value < 15 and self.decide(
                    "more",
                    choice + 12 * min(value, 2),
                    (value - 1, colour, scale, recent),
                    (value - 1, scale, ratio),
                    (value - 1, near, plane),
                    (value - 1, colour, size, kind, min(i, 31)),
                    (value - 1, under, below, plane),
                ):
                    value += 1
                if value == 15:
                    digits = 1
                    while digits < 26 and self.decide("escape", 37, (digits,)):
                        digits += 1
                    number = 1
                    for _ in range(digits - 1):
                        number = 2 * number + self.split_interval(32768)
                    value = number + 14
                if i < 8 and not plane:
                    signs = (size, mode, i), (size, mode, i, where)
                    negative = self.decide("sign", _SIGN_WEIGHTS, *signs)
                else:
                    negative = self.split_interval(32768)
                levels[i] = -value if negative else value
            total += value
            decay += 8 * min(value, 15) - (decay >> 2)
            expected += _MEANS[scale]
        return levels
