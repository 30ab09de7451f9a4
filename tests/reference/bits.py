"""Adaptive arithmetic coding."""

import numpy as np


def mixed_chance(chances, weights):
    """Mahoney 2005: probabilities mixed in the logistic domain."""
    chances = np.asarray(chances, float)
    return 1 / (1 + np.exp(-np.dot(weights, np.log(chances / (1 - chances)))))


class BitReader:
    """Bits of a payload, each under a mixed chance, as docs/file-format.md tells.

    `models` and `weights` as the coder starts with; whole numbers alone.
    """

    def __init__(self, payload, models, weights):
        self.bits = "".join(f"{byte:08b}" for byte in payload) + 64 * "0"
        self.low, self.high, self.word, self.at = 0, 2**32 - 1, int(self.bits[:32], 2), 32
        self.chances = [int(model) >> 8 for model in models]
        self.seen = [int(model) & 255 for model in models]
        self.weights = [[int(weight) for weight in row] for row in weights]
        squash = [65536 / (1 + np.exp(-x / 256)) for x in range(-2047, 2048)]
        self.squash = [min(max(int(p + 0.5), 24), 65512) for p in squash]
        stretch = np.searchsorted(self.squash, np.arange(4096) * 16 + 8) - 2047
        self.stretch = stretch.clip(-2047, 2047).tolist()

    def split_interval(self, chance):
        """Which side of the interval the word lies on: 1 below, with `chance` in 65536."""
        middle = self.low + ((self.high - self.low) * chance >> 16)
        bit = int(self.word <= middle)
        self.low, self.high = (self.low, middle) if bit else (middle + 1, self.high)
        while self.low >> 24 == self.high >> 24:
            byte = int(self.bits[self.at : self.at + 8] or "0", 2)
            self.low, self.at = self.low << 8 & 0xFFFFFFFF, self.at + 8
            self.high = self.high << 8 & 0xFFFFFFFF | 255
            self.word = self.word << 8 & 0xFFFFFFFF | byte
        return bit

    def mixed(self, models, mixing):
        """A bit whose chance is mixed from models, which learn from it."""
        weights = self.weights[mixing]
        opinions = [self.stretch[self.chances[model] >> 10] for model in models]
        total = sum(w * x for w, x in zip(weights, opinions)) >> 16
        chance = self.squash[min(max(total, -2047), 2047) + 2047]
        bit = self.split_interval(chance)
        for i, (model, opinion) in enumerate(zip(models, opinions)):
            weights[i] += (opinion * 6 * (65536 * bit - chance) + 2**19) >> 20
            rate = int(65536 / (self.seen[model] + 1.6))
            chance_before = self.chances[model]
            moved = chance_before + (((bit << 22) - chance_before) * rate >> 16)
            self.chances[model] = min(max(moved, 64), 2**22 - 64)
            self.seen[model] = min(self.seen[model] + 1, max(self.seen[model], 250))
        return bit

    def bits_of(self, more, most):
        """How often `more(n)` says so, n = 0, 1, ..., `most` times at the most."""
        found = 0
        while found < most and more(found):
            found += 1
        return found

    def large(self, start, mixing=0):
        """A number from 1 on: one less than its bits in unary, then all but the first of them."""
        bits = 1 + self.bits_of(lambda n: self.mixed([start + 1 + n], mixing), 25)
        return int("1" + "".join(str(self.split_interval(32768)) for _ in range(bits - 1)), 2)
