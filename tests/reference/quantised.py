"""Sparse coding in whole levels, and the reader of such codes."""

import numpy as np

from tests.reference.bits import BitReader


def pursued_levels(patch, atoms, step, price, most):
    """{atom: level}: the cheapest of the supports that pursuit in whole steps goes through.

    After each choice all coefficients are fitted and rounded; the next atom is the one that goes
    best with what the rounded ones leave.
    """
    support, left = [], patch.astype(np.float64)
    best, found, worse = left @ left, {}, 0
    for _ in range(min(most, len(atoms), len(patch))):
        chosen = int(np.abs(atoms @ left).argmax())
        if chosen in support:
            break
        support.append(chosen)
        fitted = np.linalg.lstsq(atoms[support].T, patch, rcond=None)[0]
        levels = np.rint(fitted / step)
        levels[levels == 0] = np.where(fitted > 0, 1, -1)[levels == 0]
        left = patch - step * levels @ atoms[support]
        bits = sum(
            np.log2(len(atoms)) - np.log2(n + 1) + 3 + 1.5 * np.log2(abs(level))
            for n, level in enumerate(levels)
        )
        if left @ left + price * bits < best:
            best, found, worse = left @ left + price * bits, dict(zip(support, levels)), 0
        else:
            worse += 1
            if worse == 2:
                break
    return {atom: int(found[atom]) for atom in sorted(found)}


class AtomReader(BitReader):
    """Means, sets of atoms and levels of the patches of one layer, row by row."""

    def read(self, rows, columns, channels, n_atoms):
        means = np.zeros((rows, columns, channels), int)
        codes = [[{} for _ in range(columns)] for _ in range(rows)]
        for i in range(rows):
            for j in range(columns):
                for c in range(channels):
                    expected, apart = self.neighbours(means[..., c], i, j)
                    context = min(apart.bit_length(), 4) + (5 if c else 0)
                    means[i, j, c] = expected + self.signed(16 * context)
                beside = [codes[y][x] for y, x in ((i - 1, j), (i, j - 1)) if y >= 0 and x >= 0]
                near = sum(map(len, beside)) * (2 if len(beside) == 1 else 1)
                start = 160 + 32 * min(near, 15)
                count = self.bits_of(lambda n, s=start: self.mixed([s + n], 0), min(32, n_atoms))
                atoms = self.some(0, n_atoms, count, 1, 0)
                start = 160 + 512 + 80 * 64 + 16 * (min(count, 4) - 1)
                codes[i][j] = {atom: self.level(start) for atom in atoms}
        return means, codes

    def neighbours(self, means, i, j):
        if not i and not j:
            return 0, 255
        if not i or not j:
            return int(means[i, j - 1] if j else means[i - 1, j]), 8
        above, left, corner = int(means[i - 1, j]), int(means[i, j - 1]), int(means[i - 1, j - 1])
        return sorted([above, left, above + left - corner])[1], abs(above - left)

    def signed(self, start):
        size = self.bits_of(lambda n: self.mixed([start + n], 0), 15)
        if size == 15:
            size = 14 + self.large(160 + 512 + 80 * 64 + 64)
        return -size if size and self.split_interval(32768) else size

    def some(self, first, end, count, node, depth):
        """Which `count` of the atoms from `first` to before `end`."""
        if count in (0, end - first):
            return list(range(first, end)) if count else []
        middle = first + (end - first + 1) // 2
        inside = max(0, count - (end - middle))
        place = node if node < 64 else 64 + min(depth, 15)
        place = 160 + 512 + (8 * place + min(count, 8) - 1) * 8
        while inside < min(count, middle - first) and self.mixed([place + min(inside, 7)], 0):
            inside += 1
        return self.some(first, middle, inside, 2 * node, depth + 1) + self.some(
            middle, end, count - inside, 2 * node + 1, depth + 1
        )

    def level(self, start):
        size = 1 + self.bits_of(lambda n: self.mixed([start + n], 0), 15)
        if size == 16:
            size = 15 + self.large(160 + 512 + 80 * 64 + 64 + 32)
        return -size if self.split_interval(32768) else size
