"""Decisions mixed under two sets of weights, and refined."""

from collections import defaultdict

from tests.reference.bits import BitReader


class MixedReader(BitReader):
    """Bits of a payload; models, weights and tables are made when they are first asked for."""

    def __init__(self, payload):
        super().__init__(payload, [], [])
        self.model = defaultdict(lambda: (1 << 21, 0))
        self.weight = defaultdict(lambda: 9830)
        knots = [self.squash[min(max(128 * (k - 16), -2047), 2047) + 2047] for k in range(33)]
        self.refined = defaultdict(lambda: [64 * chance for chance in knots])

    def mixed(self, contexts, first, second, kind):
        """A bit under the models of `contexts`."""
        opinions = [self.stretch[self.model[context][0] >> 10] for context in contexts]
        rows = [[(which, i) for which in (first, second)] for i in range(len(contexts))]
        total = sum(
            (self.weight[a] + self.weight[b]) * x for (a, b), x in zip(rows, opinions, strict=True)
        )
        total = min(max(total >> 16, -2047), 2047)
        mixed = self.squash[total + 2047]
        table = self.refined[kind]
        knot, part = divmod(total + 2048, 128)
        found = (table[knot] * (128 - part) + table[knot + 1] * part) >> 13
        bit = self.split_interval(min(max((mixed + 3 * found + 2) >> 2, 4), 65532))
        near = knot + (part >= 64)
        table[near] += ((bit << 22) - table[near]) >> 6
        for (a, b), x, context in zip(rows, opinions, contexts, strict=True):
            change = (3 * x * (65536 * bit - mixed) + 2**19) >> 20
            self.weight[a] += change
            self.weight[b] += change
            chance, seen = self.model[context] if self.model[context][1] else (mixed << 6, 8)
            chance += ((bit << 22) - chance) * int(65536 / (seen + 1.6)) >> 16
            self.model[context] = min(max(chance, 64), 2**22 - 64), min(seen + 1, 250)
        return bit

    def plain(self, count):
        """A number of so many bits."""
        return sum(self.split_interval(32768) << j for j in range(count - 1, -1, -1))
