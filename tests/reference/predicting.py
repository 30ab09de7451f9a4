"""Samples without loss, read one by one."""

from collections import defaultdict


def bits_of(value, most=40):
    return min(value.bit_length(), most)


def half_octave(value, most):
    bits = value.bit_length()
    return min(bits if bits < 2 else 2 * bits - 2 + (value >> (bits - 2) & 1), most)


def signed(value):
    return 11 + (-1 if value < 0 else 1) * bits_of(abs(value), 11)


class PlanesReader:
    """Planes of samples; what lies outside repeats the edge, as the samples' padding does."""

    def __init__(self, reader, count, width, tops):
        self.reader, self.count, self.width, self.tops = reader, count, width, tops
        self.samples = [{} for _ in range(count)]
        self.rests = defaultdict(int)
        self.errors = defaultdict(lambda: [0] * 8)
        self.least_squares = [LeastSquares() for _ in range(count)]
        self.biases = defaultdict(int)

    def at(self, plane, y, x):
        """A sample, or what stands for it beyond the edges; 0 above the first row."""
        if y < 0:
            return 0
        if x < 0:
            return self.at(plane, y - 1, 0)
        return self.samples[plane][y, min(x, self.width - 1)]

    def taps(self, plane, y, x):
        mean = (self.at(plane, y, x - 1) + self.at(plane, y - 1, x)) >> 1
        own = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1), (-1, -2), (-1, 2)]
        own += [(-2, -1), (-2, -2), (-2, 2), (0, -3), (-3, 0), (-1, -3), (-1, 3)]
        taps = [self.at(plane, y + i, x + j) - mean for i, j in own]
        for before in range(plane if plane < 3 else 0):
            middle = (self.at(before, y, x - 1) + self.at(before, y - 1, x)) >> 1
            other = [(0, 0), (0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2)]
            taps += [self.at(before, y + i, x + j) - middle for i, j in other]
        return taps, mean

    def read(self, plane, y, x):
        """Read a sample."""
        w, n, nw = (self.at(plane, y - i, x - j) for i, j in ((0, 1), (1, 0), (1, 1)))
        ne, nne = self.at(plane, y - 1, x + 1), self.at(plane, y - 2, x + 1)
        ww, nn = self.at(plane, y, x - 2), self.at(plane, y - 2, x)
        taps, mean = self.taps(plane, y, x)
        top = self.tops[plane]
        learned, swift = self.least_squares[plane].predict(taps)
        guesses = [
            min(max(mean + learned, 0), top),
            sorted((w, n, w + n - nw))[1],
            w + ne - n,
            w + n - nw,
            n + ne - nne,
            (2 * (w + n) + ne - nw + 2) >> 2,
            (3 * (w + n) - 2 * nw + 2) >> 2,
            min(max(mean + swift, 0), top),
        ]
        plain = self.blend(plane, y, x, guesses)

        e_w, e_n, e_nw, e_ne = (
            abs(self.rests[plane, i, j])
            for i, j in ((y, x - 1), (y - 1, x), (y - 1, x - 1), (y - 1, x + 1))
        )
        slope = abs(w - nw) + abs(n - nw) + abs(n - ne)
        energy = half_octave(4 * (e_w + e_n) + 2 * (e_nw + e_ne) + slope, 39)
        coarse = min(energy // 2, 19)
        level = min(max(coarse - 3, 0), 7)
        around = [n, w, nw, ne, nn, ww, 2 * n - nn, 2 * w - ww]
        pattern = sum((value > plain >> 3) << k for k, value in enumerate(around))
        bias = self.biases[plane, pattern, level]
        guess = min(max(plain + (bias >> 3), 0), 8 * top)
        centre = (guess + 4) >> 3
        if 0 < plane < 3:
            first = self.rests[plane - 1, y, x]
        else:
            first = self.rests[plane, y, x - 1] + self.rests[plane, y - 1, x]
        depth = max(top.bit_length() - 8, 0)
        contexts = [
            (energy, guess % 8),
            (half_octave(e_w, 19), half_octave(e_n, 19)),
            (signed(first), coarse),
            (pattern, level),
            (signed(guesses[1] - centre), signed(guesses[2] - centre)),
            (signed(guesses[0] - centre), coarse),
            (min(centre >> depth + 2, 63), level),
        ]
        rest = self.rest(plane, energy, contexts)
        sample = min(max(centre + rest, 0), top)
        self.samples[plane][y, x] = sample
        self.rests[plane, y, x] = sample - centre
        self.biases[plane, pattern, level] += (8 * (8 * sample - plain) - bias) >> 5
        self.errors[plane, y, x] = [min(abs(sample - guess), 65535) for guess in guesses]
        self.least_squares[plane].fit(taps, sample - mean, sample - guesses[7], x + y)

    def skip(self, plane, y, x):
        """Pass a sample that is known."""
        self.rests[plane, y, x] = 0
        self.errors[plane, y, x] = [0] * 8

    def blend(self, plane, y, x, guesses):
        near = [(2, y, x - 1), (2, y - 1, x), (1, y, x - 2), (1, y - 1, x - 1), (1, y - 1, x + 1)]
        costs = [sum(k * self.errors[plane, i, j][g] for k, i, j in near) for g in range(8)]
        weights = [
            max(2**32 // (cost**2 + 4) if cost < 4096 else 2**32 // ((cost >> 8) ** 2 + 4) >> 16, 1)
            for cost in costs
        ]
        total = sum(weight * guess for weight, guess in zip(weights, guesses, strict=True))
        return (8 * total + sum(weights) // 2) // sum(weights)

    def rest(self, plane, energy, contexts):
        def bit(node, part):
            return self.reader.mixed(
                [("rest", plane, k, context, node) for k, context in enumerate(contexts)],
                ("rest by node", plane, node),
                ("rest by energy", plane, energy, part),
                ("rest", plane, node),
            )

        if not bit(0, 0):
            return 0
        negative = bit(1, 1)
        bits = 1
        while bits < 17 and bit(2 + bits, 2):
            bits += 1
        found = 1
        for _ in range(min(bits - 1, 3)):
            found = 2 * found + bit(20 + 8 * (bits - 2) + found, 3)
        plain = max(bits - 4, 0)
        found = found << plain | self.reader.plain(plain)
        return -found if negative else found


class LeastSquares:
    """R, b and w, improved coordinate by coordinate; v, which learns faster; both in 1/65536."""

    def __init__(self):
        self.matrix, self.products, self.weights, self.swift = None, None, None, None

    def predict(self, taps):
        if self.matrix is None:
            self.matrix = [[0] * len(taps) for _ in taps]
            self.products, self.weights = [0] * len(taps), [0] * len(taps)
            self.swift = [0] * len(taps)
        return (
            sum(w * tap for w, tap in zip(weights, taps, strict=True)) >> 16
            for weights in (self.weights, self.swift)
        )

    def fit(self, taps, wanted, error, place):
        step = (error << 21) // (16 + sum(tap * tap for tap in taps))
        for i, tap in enumerate(taps):
            self.swift[i] = min(max(self.swift[i] + (step * tap >> 10), -(1 << 20)), 1 << 20)
        if place % 2:
            return
        largest = max(abs(value) for value in (wanted, *taps))
        shift = max(bits_of(largest, 18) - 8, 0)
        taps, wanted = [tap >> shift for tap in taps], wanted >> shift
        count = len(taps)
        for i in range(count):
            for j in range(count):
                self.matrix[i][j] += taps[i] * taps[j] - (self.matrix[i][j] >> 8)
            self.products[i] += taps[i] * wanted - (self.products[i] >> 8)
        for turn in range(2):
            i = ((place + 6) // 2 * 2 + turn) % count
            fitted = sum(self.matrix[i][j] * self.weights[j] for j in range(count))
            move = ((self.products[i] << 16) - fitted) // (self.matrix[i][i] + 64)
            self.weights[i] = min(max(self.weights[i] + move, -(1 << 20)), 1 << 20)
