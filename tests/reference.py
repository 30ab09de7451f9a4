"""Literal, slow twins of the kernels: the equations as they stand in the papers.

Imports nothing from `restore`.
"""

import itertools

import numpy as np

# --- Resizing ---------------------------------------------------------------------------


def resized(plane, height, width):
    """Keys 1981: each sample a normalised sum over all samples of the mirrored plane."""

    def kernel(distance):
        distance = abs(distance)
        if distance <= 1:
            return 1.5 * distance**3 - 2.5 * distance**2 + 1
        if distance < 2:
            return -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        return 0.0

    def along_first_axis(plane, new):
        old = len(plane)
        stretch = min(new / old, 1.0)
        result = np.zeros((new, plane.shape[1]))
        for i in range(new):
            centre = (i + 0.5) * old / new - 0.5
            total = 0.0
            for position in range(-4 * old, 5 * old):
                weight = kernel((centre - position) * stretch)
                source = position % (2 * old)
                source = min(source, 2 * old - 1 - source)
                result[i] += weight * plane[source]
                total += weight
            result[i] /= total
        return result

    return along_first_axis(along_first_axis(plane, height).T, width).T


# --- Patches ----------------------------------------------------------------------------


def extracted(image, patch_shape, rows, columns):
    """Elad & Aharon 2006, eq. 4: R_p x for every place, samples in the order y, x, channel."""
    height, width, _ = patch_shape
    return np.array([image[y : y + height, x : x + width].ravel() for y in rows for x in columns])


def aggregated(patches, weights, patch_shape, rows, columns, shape):
    """sum_p R_p^T w_p x_p and sum_p R_p^T w_p."""
    height, width, _ = patch_shape
    total, weight = np.zeros(shape), np.zeros(shape[:2])
    places = [(y, x) for y in rows for x in columns]
    for (y, x), patch, w in zip(places, patches, weights, strict=True):
        total[y : y + height, x : x + width] += w * patch.reshape(patch_shape)
        weight[y : y + height, x : x + width] += w
    return total, weight


def centred(patches, channels):
    """Every channel of every patch less its mean, and the means."""
    planes = patches.reshape(len(patches), -1, channels)
    means = planes.mean(axis=1)
    return (planes - means[:, None]).reshape(patches.shape), means


# --- Sparse coding ----------------------------------------------------------------------


def pursued(patch, atoms, sparsity, tolerance=0.0, rule="ormp"):
    """One patch at a time, every choice a least squares problem of its own.

    OMP (Pati et al. 1993) takes the atom that correlates most with the residual; ORMP the
    one whose least squares fit leaves least.
    """
    patch, atoms = patch.astype(np.float64), atoms.astype(np.float64)
    support, coefficients, residual = [], np.zeros(0), patch
    while len(support) < sparsity and residual @ residual > tolerance:
        if rule == "omp":
            gains = np.abs(atoms @ residual)
        else:
            gains = -np.array([_left(patch, atoms, [*support, j]) for j in range(len(atoms))])
        gains[support] = -np.inf
        support.append(int(np.argmax(gains)))
        coefficients = np.linalg.lstsq(atoms[support].T, patch, rcond=None)[0]
        residual = patch - coefficients @ atoms[support]
    return support, coefficients


def _left(patch, atoms, support):
    chosen = atoms[support].T
    residual = patch - chosen @ np.linalg.lstsq(chosen, patch, rcond=None)[0]
    return residual @ residual


def pursued_known(patch, known, atoms, channels, sparsity, tolerance=0.0):
    """ORMP over the known samples: of all atoms the one whose least squares fit, together with a
    constant for each channel, leaves least. Mairal, Elad & Sapiro 2008, section IV. Without
    constants where there are 0 channels.
    """
    seen = atoms.astype(np.float64)[:, known]
    patch, place = patch[known].astype(np.float64), np.flatnonzero(known)
    constants = np.zeros((channels, len(patch)))
    for c in range(channels):
        constants[c] = place % channels == c
    share = np.array([np.sum(_left_over(row, constants) ** 2) for row in seen])
    usable = share > 0.1 * known.mean()
    support, coefficients, means = [], np.zeros(0), constants @ patch / constants.sum(axis=1)
    residual = patch - means @ constants
    most = min(sparsity, known.sum() - channels - 1)
    while len(support) < most and residual @ residual > tolerance * known.sum():
        left = np.full(len(atoms), np.inf)
        for j in np.flatnonzero(usable):
            outside = _left_over(seen[j], np.concatenate([constants, seen[support]]))
            if outside @ outside > 0.01 * share[j]:
                left[j] = np.sum(
                    _left_over(patch, np.concatenate([constants, seen[[*support, j]]])) ** 2
                )
        if not np.isfinite(left).any():
            break
        support.append(int(np.argmin(left)))
        rows = np.concatenate([constants, seen[support]])
        fit = np.linalg.lstsq(rows.T, patch, rcond=None)[0]
        means, coefficients, residual = fit[:channels], fit[channels:], patch - fit @ rows
    return support, coefficients, means


def _left_over(signal, rows):
    return signal - rows.T @ np.linalg.lstsq(rows.T, signal, rcond=None)[0]


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


def reconstructed(indices, coefficients, counts, atoms):
    """x = sum_i a_i d_i."""
    patches = np.zeros((len(counts), atoms.shape[1]))
    for p, count in enumerate(counts):
        for t in range(count):
            patches[p] += coefficients[p, t] * atoms[indices[p, t]]
    return patches


# --- Learning ---------------------------------------------------------------------------


def updated_atoms(patches, codes, atoms, exact=False, overshoot=None):
    """All atoms of K-SVD at once; `codes` is a full (n_patches, n_atoms) matrix.

    The exact update is Aharon, Elad & Bruckstein 2006, figure 2: the first singular vector of
    the error E without the atom; the approximate one, d = g^T E, is Rubinstein et al. 2008,
    algorithm 5, with the atoms of before in every E (Irofti & Dumitrescu 2014). With `overshoot`
    the atoms go so many times as far as is best for the codes, all by the same share.
    """
    atoms, codes = atoms.astype(np.float64), codes.astype(np.float64)
    updated = atoms.copy()
    for j in range(len(atoms)):
        users = np.flatnonzero(codes[:, j])
        if len(users) == 0:
            continue
        without = codes[users].copy()
        without[:, j] = 0
        error = patches[users] - without @ atoms
        if exact:
            updated[j] = np.linalg.svd(error)[2][0]
        else:
            updated[j] = codes[users, j] @ error / np.sum(codes[users, j] ** 2)
    if overshoot:
        moved = codes @ (updated - atoms)
        share = np.sum(moved * (patches - codes @ atoms)) / np.sum(moved**2)
        updated = atoms + overshoot * share * (updated - atoms)
    return updated / np.linalg.norm(updated, axis=1, keepdims=True)


def updated_known_atoms(residuals, known, codes, atoms, channels, rounds):
    """Masked K-SVD: Mairal, Elad & Sapiro 2008, eq. 14, an atom at a time, by alternating least
    squares; `codes` is a full (n_patches, n_atoms) matrix. Gives atoms and codes.
    """
    residuals, known = residuals.astype(np.float64), known.astype(np.float64)
    codes, atoms = codes.astype(np.float64).copy(), atoms.astype(np.float64).copy()
    for j in range(len(atoms)):
        users = np.flatnonzero(codes[:, j])
        if len(users) == 0:
            continue
        seen, a, d = known[users], codes[users, j], atoms[j].copy()
        error = seen * (residuals[users] + np.outer(a, d))
        for _ in range(rounds):
            for k in range(len(d)):
                if seen[:, k].any():
                    d[k] = np.sum(a * error[:, k]) / np.sum(a**2 * seen[:, k])
            for p in range(len(a)):
                if seen[p].any():
                    a[p] = np.sum(d * error[p]) / np.sum(d**2 * seen[p])
        residuals[users] = error - seen * np.outer(a, d)
        for c in range(channels):
            d[c::channels] -= d[c::channels].mean()
        length = np.linalg.norm(d) * np.sign(d[np.abs(d).argmax()])
        atoms[j], codes[users, j] = d / length, a * length
    return atoms, codes


def descended_atoms(gram, cross, atoms):
    """Mairal, Bach, Ponce & Sapiro 2010, algorithm 2."""
    atoms = atoms.copy()
    for j in range(len(atoms)):
        step = atoms[j] + (cross[j] - gram[j] @ atoms) / gram[j, j]
        atoms[j] = step / np.linalg.norm(step)
    return atoms


def shrunk(patch, atoms, penalty, iterations=20000):
    """ISTA for one patch: Beck & Teboulle 2009, eq. 1.4, as it stands."""
    step = 1 / np.linalg.norm(atoms @ atoms.T, 2)
    code = np.zeros(len(atoms))
    for _ in range(iterations):
        descent = code + step * atoms @ (patch - code @ atoms)
        code = np.sign(descent) * np.maximum(np.abs(descent) - step * penalty, 0)
    return code


# --- The picture codec ------------------------------------------------------------------


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


def smoothed(plane, threshold):
    """Coifman & Donoho 1995 on eight grids of 8 x 8 blocks: threshold, weigh, average."""
    height, width = plane.shape
    padded = np.pad(plane.astype(np.float64), 8, "symmetric")
    rows = np.arange(8)
    dct = np.cos(np.pi * rows[:, None] * (2 * rows + 1) / 16) / 2
    dct[0] /= np.sqrt(2)
    total, weights = np.zeros((2, *padded.shape))
    for dy, dx in ((0, 0), (2, 2), (4, 4), (6, 6), (1, 5), (5, 1), (3, 7), (7, 3)):
        for y in range(dy, padded.shape[0] - 7, 8):
            for x in range(dx, padded.shape[1] - 7, 8):
                codes = dct @ padded[y : y + 8, x : x + 8] @ dct.T
                gains = ((np.abs(codes) / threshold - 0.8) / 0.4).clip(0, 1)
                gains[0, 0] = 1
                weight = 1 / gains.sum()
                total[y : y + 8, x : x + 8] += weight * (dct.T @ (gains * codes) @ dct)
                weights[y : y + 8, x : x + 8] += weight
    return (total / weights)[8 : 8 + height, 8 : 8 + width]


def mixed_chance(chances, weights):
    """Mahoney 2005: probabilities mixed in the logistic domain."""
    chances = np.asarray(chances, float)
    return 1 / (1 + np.exp(-np.dot(weights, np.log(chances / (1 - chances)))))


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


def rebuilt(levels, guess, transform, scales, bias, log_step, step, turned, size):
    """x' - m = L^T (G (b - m) + T^T Q(c)) of a block of `size` pixels."""
    values = np.zeros(len(levels))
    for i, level in enumerate(levels):
        if level:
            pull = bias[spread_bucket(scales[i], log_step), min(abs(level), 3) - 1]
            values[i] = np.sign(level) * (abs(level) - pull) * step
    low = (guess + transform.T.astype(float) @ values).reshape(2 * (min(size, 16),))
    low = low.T if turned else low
    if size <= 16:
        return low
    rows = np.array([low_frequencies(np.outer(one, np.ones(size)))[:, 0] for one in np.eye(size)])
    rows = rows.T / np.sqrt(size)
    return rows.T @ low @ rows


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

_MEANS = [0, 0, 0, 0, 0, 1, 2, 4, 6, 9, 13, 18, 26, 36, 51, 72]
_MEANS += [102, 145, 204, 290, 410, 580, 820, 1160]


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


class PictureReader(BitReader):
    """Every decision of a payload in learned bases.

    `scales` (classes, coefficients) for each size of blocks, `shape` (planes, rows, columns) in
    cells of 8 x 8.
    """

    def __init__(self, payload, models, weights, scales, shape, log_step):
        super().__init__(payload, models, weights)
        self.scales, self.shape, self.log_step = scales, shape, log_step
        self.starts, start = {}, 0
        for kind, tables in _CONTEXTS.items():
            self.starts[kind] = []
            for table in tables:
                self.starts[kind].append(start)
                start += int(np.prod(table))
        assert start == len(models)
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
        classes = 2 * len(self.scales[size])
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

        scales = self.scales[size][mode >> 1]
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
                    negative = self.decide("sign", len(self.weights) - 1, *signs)
                else:
                    negative = self.split_interval(32768)
                levels[i] = -value if negative else value
            total += value
            decay += 8 * min(value, 15) - (decay >> 2)
            expected += _MEANS[scale]
        return levels


# --- Inpainting -------------------------------------------------------------------------


def kriged(plane, known, y, x, radius, most, power):
    """Matheron 1973: the pixel from the nearest known ones, by the bordered system."""
    places = [
        (v, u)
        for v in range(max(0, y - radius), min(plane.shape[0], y + radius + 1))
        for u in range(max(0, x - radius), min(plane.shape[1], x + radius + 1))
        if known[v, u]
    ]
    places.sort(key=lambda place: (place[0] - y) ** 2 + (place[1] - x) ** 2)
    places = places[:most]
    matrix = np.zeros((len(places) + 1, len(places) + 1))
    right = np.ones(len(places) + 1)
    for i, (v, u) in enumerate(places):
        for j, (w, t) in enumerate(places):
            matrix[i, j] = -(np.hypot(v - w, u - t) ** power)
        matrix[i, -1] = matrix[-1, i] = 1
        right[i] = -(np.hypot(v - y, u - x) ** power)
    weights = np.linalg.solve(matrix, right)[:-1]
    return sum(weight * plane[place] for weight, place in zip(weights, places))


def completed(estimate, observed, known, places, side, reach, size, share, ridge):
    """Yu, Sapiro & Mallat 2012, one Gaussian per group: sums of patches, and their number."""
    channels, height, width = estimate.shape
    total = np.zeros((channels, height, width))
    weight = np.zeros((height, width))
    for y, x in places:
        wanted = estimate[0, y : y + side, x : x + side]
        found = []
        for v in range(max(0, y - reach), min(height - side, y + reach) + 1):
            for u in range(max(0, x - reach), min(width - side, x + reach) + 1):
                patch = estimate[0, v : v + side, u : u + side]
                found.append((np.sum((patch - wanted) ** 2), v, u))
        found = sorted(found)[:size]
        for c in range(channels):
            group = np.array(
                [estimate[c, v : v + side, u : u + side].ravel() for _, v, u in found], float
            )
            mean = group.mean(axis=0)
            covariance = (group - mean).T @ (group - mean) / len(group)
            added = max(ridge, 1e-6 * np.trace(covariance))
            for _, v, u in found[:share]:
                here = known[v : v + side, u : u + side].ravel()
                samples = observed[c, v : v + side, u : u + side].ravel()
                inverse = np.linalg.inv(
                    covariance[np.ix_(here, here)] + added * np.eye(np.count_nonzero(here))
                )
                patch = mean + covariance[:, here] @ inverse @ (samples - mean)[here]
                total[c, v : v + side, u : u + side] += patch.reshape(side, side)
                if c == 0:
                    weight[v : v + side, u : u + side] += 1
    return total, weight


def price(image, place, match, half, locality):
    """Squared difference of two patches, and the price of the way between them."""
    (y, x), (v, u) = place, match
    one = image[y - half : y + half + 1, x - half : x + half + 1].astype(float)
    other = image[v - half : v + half + 1, u - half : u + half + 1]
    square = (y - v) ** 2 + (x - u) ** 2
    return np.sum((one - other) ** 2) + locality[0] * square / (square + locality[1])


def votes(image, pixels, matches, costs, half, sharp):
    """Newson et al. 2017, equation 5: the patches over a pixel, weighted by their costs."""
    values = []
    for y, x in pixels:
        told = [
            (costs[v, u], image[matches[v, u, 0] + y - v, matches[v, u, 1] + x - u])
            for v in range(max(0, y - half), min(image.shape[0], y + half + 1))
            for u in range(max(0, x - half), min(image.shape[1], x + half + 1))
            if costs[v, u] >= 0
        ]
        least = min(cost for cost, _ in told)
        if sharp:
            values.append(next(value for cost, value in told if cost == least))
            continue
        spread = sorted(cost for cost, _ in told)[3 * len(told) // 4] + 1e-6
        weights = [np.exp(-(cost - least) / (2 * spread)) for cost, _ in told]
        values.append(sum(w * value for w, (_, value) in zip(weights, told)) / sum(weights))
    return np.array(values)


def peeled(image, source, known, pixels, locality, half, reach):
    """For each pixel the known patch that differs least where the pixel's patch has values."""
    height, width, _ = image.shape
    matches = []
    for y, x in pixels:
        best = None
        for v, u in np.argwhere(source):
            if abs(v - y) > reach or abs(u - x) > reach:
                continue
            square = (y - v) ** 2 + (x - u) ** 2
            cost = locality[0] * square / (square + locality[1])
            for dy in range(-half, half + 1):
                for dx in range(-half, half + 1):
                    inside = 0 <= y + dy < height and 0 <= x + dx < width
                    if inside and known[y + dy, x + dx]:
                        cost += np.sum((image[y + dy, x + dx] - image[v + dy, u + dx]) ** 2.0)
            if best is None or cost < best[0]:
                best = cost, v, u
        matches.append(best[1:])
    return np.array(matches)


# --- Mosaics: red filters at even rows and columns ----------------------------------------


def tentative(m):
    """Hamilton & Adams 1997 along one row: the mean of the neighbours, corrected."""
    found = np.full(len(m), np.nan)
    for j in range(2, len(m) - 2):
        found[j] = (m[j - 1] + m[j + 1]) / 2 + (2 * m[j] - m[j - 2] - m[j + 2]) / 4
    return found


def residual_interpolated(m):
    """Kiku et al. 2014 along one row: an affine guess, its residual interpolated."""
    n = len(m)
    guide = np.full(n, np.nan)
    guide[1:-1] = (m[:-2] + m[2:]) / 2

    def bend(values, k):
        return 2 * values[k] - values[k - 2] - values[k + 2]

    def fitted(centre, start):
        """Slope and shift of the colour measured at start, start + 2, ... near the centre."""
        measured = [k for k in range(centre - 5, centre + 6) if (k - start) % 2 == 0]
        top = sum(bend(m, k) * bend(guide, k) for k in measured)
        low = sum(bend(guide, k) ** 2 + 1e-10 for k in measured)
        slope = top / low
        return slope, np.mean([m[k] for k in measured]) - slope * np.mean(
            [guide[k] for k in measured]
        )

    residual, found = np.full(n, np.nan), np.full(n, np.nan)
    for j in range(13, n - 13):
        slope, shift = np.mean([fitted(c, j) for c in range(j - 5, j + 6)], axis=0)
        residual[j] = m[j] - (slope * guide[j] + shift)
    for j in range(14, n - 14):
        slope, shift = np.mean([fitted(c, j + 1) for c in range(j - 5, j + 6)], axis=0)
        found[j] = slope * m[j] + shift + (residual[j - 1] + residual[j + 1]) / 2
    return found


def green_differences(m, along, down):
    """Green minus the other colour, from four directions weighted by their smoothness."""
    sign = np.where(np.add.outer(*map(np.arange, m.shape)) % 2, -1, 1)
    rows, columns = sign * (along - m), sign * (down - m)
    found = np.full(m.shape, np.nan)
    for i in range(5, m.shape[0] - 5):
        for j in range(5, m.shape[1] - 5):
            top = low = 0
            for vertical, step in ((0, -1), (0, 1), (1, -1), (1, 1)):
                plane = columns if vertical else rows
                rough = 0
                for ahead in range(5):
                    for aside in range(-2, 3):
                        y, x = (step * ahead, aside) if vertical else (aside, step * ahead)
                        dy, dx = (1, 0) if vertical else (0, 1)
                        rough += abs(plane[i + y + dy, j + x + dx] - plane[i + y - dy, j + x - dx])
                mean = 0
                for ahead, weight in enumerate((0.56, 0.35, 0.08, 0.01)):
                    y, x = (step * ahead, 0) if vertical else (0, step * ahead)
                    mean += weight * plane[i + y, j + x]
                top += mean / (rough**2 + 1e-10)
                low += 1 / (rough**2 + 1e-10)
            found[i, j] = top / low
    return found


def colours_from_differences(m, difference):
    """Red, green, blue: green minus the mean difference of the nearest red or blue samples."""
    height, width = m.shape
    found = np.full((3, height, width), np.nan)
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            green = m[i, j] + (0 if (i + j) % 2 else difference[i, j])
            found[1, i, j] = green
            for channel, phase in ((0, 0), (2, 1)):
                near = [
                    difference[y, x]
                    for y in (i - 1, i, i + 1)
                    for x in (j - 1, j, j + 1)
                    if y % 2 == phase and x % 2 == phase
                ]
                found[channel, i, j] = green - np.mean(near)
    return found


def guided_chroma(m, green):
    """Kiku et al. 2014 in the plane: red and blue as affine functions of green, residual added."""
    found = np.full((3, *m.shape), np.nan)
    for channel, phase in ((0, 0), (2, 1)):
        own, guide = m[phase::2, phase::2], green[phase::2, phase::2]
        rows, columns = own.shape

        def bent(q):
            bend = np.full(q.shape, np.nan)
            bend[1:-1, 1:-1] = (
                4 * q[1:-1, 1:-1] - q[:-2, 1:-1] - q[2:, 1:-1] - q[1:-1, :-2] - q[1:-1, 2:]
            )
            return bend

        def boxed(q):
            sums = np.full(q.shape, np.nan)
            for i in range(2, q.shape[0] - 2):
                for j in range(2, q.shape[1] - 2):
                    sums[i, j] = q[i - 2 : i + 3, j - 2 : j + 3].mean()
            return sums

        a, b = bent(own), bent(guide)
        slope = boxed(a * b) / (boxed(b * b) + 1e-10 / 25)
        shift = boxed(own) - slope * boxed(guide)
        slope, shift = boxed(slope), boxed(shift)
        residual = own - slope * guide - shift
        for i in range(12, m.shape[0] - 12):
            for j in range(12, m.shape[1] - 12):
                ys = [(y - phase) // 2 for y in (i - 1, i, i + 1) if (y - phase) % 2 == 0]
                xs = [(x - phase) // 2 for x in (j - 1, j, j + 1) if (x - phase) % 2 == 0]
                mean = [
                    np.mean([plane[y, x] for y in ys for x in xs])
                    for plane in (slope, shift, residual)
                ]
                found[channel, i, j] = mean[0] * green[i, j] + mean[1] + mean[2]
    return found


def missing_of(colour):
    """Of (3, h, w) what a mosaic does not measure: see the words in the kernel."""
    found = np.empty((2, *colour.shape[1:]))
    for i in range(colour.shape[1]):
        for j in range(colour.shape[2]):
            row, other = (0, 2) if i % 2 == 0 else (2, 0)
            found[:, i, j] = colour[[row if (i + j) % 2 else 1, other], i, j]
    return found


def second_differences_explained(m, missing, i, j, reach):
    """Energies of the row's and the other colour's second differences, green's, products.

    Over the cells within `reach` cells of that of sample (i, j), where the colour is measured.
    """
    found = []
    for phase in (i % 2, 1 - i % 2):
        own = green = both = 0
        for u in range(i // 2 - reach, i // 2 + reach + 1):
            for v in range(j // 2 - reach, j // 2 + reach + 1):
                y, x = 2 * u + phase, 2 * v + phase
                places = [(y - 2, x), (y + 2, x), (y, x - 2), (y, x + 2)]
                a = 4 * m[y, x] - sum(m[place] for place in places)
                b = 4 * missing[0, y, x] - sum(missing[0][place] for place in places)
                own, green, both = own + a * a, green + b * b, both + a * b
        found.append((own, green, both))
    return found


def cell_sum(values, i, j, reach):
    """Sum over the cells within `reach` cells of that of sample (i, j)."""
    u, v = 2 * (i // 2), 2 * (j // 2)
    return values[u - 2 * reach : u + 2 * reach + 2, v - 2 * reach : v + 2 * reach + 2].sum()


# --- Groups of similar patches ----------------------------------------------------------


def nearest_patches(plane, corner, side, reach, size):
    """Corners of the patches with the smallest sums of squared differences, first ones first.

    `corner` itself is among them, and repeated where too few others have a distance.
    """
    height, width = plane.shape
    here = plane[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    found = []
    for y in range(max(0, corner[0] - reach), min(height - side, corner[0] + reach) + 1):
        for x in range(max(0, corner[1] - reach), min(width - side, corner[1] + reach) + 1):
            distance = ((plane[y : y + side, x : x + side] - here) ** 2).sum(dtype=float)
            if (y, x) == tuple(corner):
                found.append((-1, y, x))
            elif not np.isnan(distance):
                found.append((distance, y, x))
    nearest = [(y, x) for _, y, x in sorted(found)[:size]]
    return nearest + [tuple(corner)] * (size - len(nearest))


def window_sums(plane, side, direction):
    """Sums of the windows that begin (1) or end (-1) at each pixel; 0 beyond the plane."""
    height, width = plane.shape
    sums = np.zeros((height, width))
    for i, j, y, x in itertools.product(range(height), range(width), range(side), range(side)):
        row, column = i + direction * y, j + direction * x
        if 0 <= row < height and 0 <= column < width:
            sums[i, j] += plane[row, column]
    return sums


def coded_groups(plane, pilot, variances, places, side, threshold):
    """Groups coded over their principal components, each with its gain, and averaged."""
    plane = plane.astype(float)
    total, weight = np.zeros_like(plane), np.zeros_like(plane)
    for group in places:
        corners = [divmod(int(place), plane.shape[1]) for place in group]

        def patches(source, corners=corners):
            return np.array([source[y : y + side, x : x + side].ravel() for y, x in corners])

        noise = patches(variances.astype(float)).mean()
        shown = patches(plane if pilot is None else pilot.astype(float))
        shown = shown - shown.mean(axis=0)
        energies, atoms = np.linalg.eigh(shown.T @ shown / len(shown))
        if pilot is None:
            step = energies / (energies + threshold * noise)
            gains = 3 * step**2 - 2 * step**3
        else:
            gains = energies / (energies + noise)
        noisy = patches(plane)
        mean = noisy.mean(axis=0)
        codes = (noisy - mean) @ atoms
        estimates = mean + (codes * gains) @ atoms.T
        confidence = 1 / (1 + (gains**2).sum())
        for (y, x), estimate in zip(corners, estimates, strict=True):
            total[y : y + side, x : x + side] += confidence * estimate.reshape(side, side)
            weight[y : y + side, x : x + side] += confidence
    return total / weight


def completed_groups(shown, estimate, variances, mosaic, error, colours, places, side, prior):
    """Colour patches as the mean of a Gaussian, given an estimate and measured samples."""
    shown, estimate, variances = (np.asarray(a, float) for a in (shown, estimate, variances))
    total, weight = np.zeros_like(shown), np.zeros(mosaic.shape)
    channel, row, column = (axis.ravel() for axis in np.indices((3, side, side)))
    for group in places:
        corners = [divmod(int(place), mosaic.shape[1]) for place in group]

        def patches(planes, corners=corners):
            return np.array([planes[:, y : y + side, x : x + side].ravel() for y, x in corners])

        spread = patches(variances).reshape(len(corners), 3, -1).mean(axis=(0, 2))
        spread = np.repeat(spread, side * side)
        mean = patches(shown).mean(axis=0)
        centred = patches(shown) - mean
        covariance = centred.T @ centred / len(corners) + prior * np.diag(spread)
        left = np.trace(np.linalg.inv(np.linalg.inv(covariance) + np.diag(1 / spread)))
        for y, x in corners:
            at = np.flatnonzero(
                channel == colours[(y + row) % len(colours), (x + column) % len(colours)]
            )
            # one row for each thing that is known: the estimates, then the measured samples
            what = np.concatenate([np.eye(len(mean)), np.eye(len(mean))[at]])
            noise = np.diag(np.concatenate([spread, np.full(len(at), float(error))]))
            told = np.concatenate(
                [
                    estimate[:, y : y + side, x : x + side].ravel(),
                    mosaic[y + row[at], x + column[at]].astype(float),
                ]
            )
            gain = covariance @ what.T @ np.linalg.inv(what @ covariance @ what.T + noise)
            expected = mean + gain @ (told - what @ mean)
            total[:, y : y + side, x : x + side] += expected.reshape(3, side, side) / left
            weight[y : y + side, x : x + side] += 1 / left
    return total / weight


# --- Anchored regressions ---------------------------------------------------------------


def turned(window, pose):
    """One of the eight rotations and reflections: mirrored across, down, then transposed."""
    if pose & 1:
        window = window[:, ::-1]
    if pose & 2:
        window = window[::-1]
    if pose & 4:
        window = window.T
    return window


def turned_windows(plane, moments, step, side, rows, columns):
    """Each window without its mean, in the pose of its moments; and which pose that was."""
    windows, turns = [], []
    for i in range(rows):
        for j in range(columns):
            window = plane[i * step : i * step + side, j * step : j * step + side]
            window = window.astype(np.float64) - window.mean(dtype=np.float64)
            across, down, centre = (moments.reshape(3, side, side) * window).sum(axis=(1, 2))
            turn = 0
            if centre < 0:
                window, across, down, turn = -window, -across, -down, 8
            turn += (across < 0) + 2 * (down < 0) + 4 * (abs(down) > abs(across))
            windows.append(turned(window, turn & 7).ravel())
            turns.append(turn)
    return np.array(windows), np.array(turns)


def turned_patches(plane, turns, step, side, columns):
    """The patches of a lattice in given poses."""
    patches = []
    for n, turn in enumerate(turns):
        top, left = n // columns * step, n % columns * step
        patch = turned(plane[top : top + side, left : left + side], turn & 7)
        patches.append((-1 if turn & 8 else 1) * patch.ravel())
    return np.array(patches)


def anchored(features, compared, anchors, regressions, sharpness):
    """A+ (Timofte 2014), equation 5, with the two nearest anchors, blended by a softmax."""
    outputs = []
    for feature, row in zip(features, compared):
        scores = -0.5 * ((anchors - row) ** 2).sum(axis=1)
        order = np.argsort(-scores, kind="stable")[:2]
        shares = np.exp(sharpness * (scores[order] - scores[order[0]]))
        shares /= shares.sum()
        outputs.append(sum(w * feature @ regressions[k] for w, k in zip(shares, order)))
    return np.array(outputs)


# --- Unrolled sparse coding -------------------------------------------------------------


def soft(values, thresholds):
    """Gregor & LeCun 2010: sign(v) max(|v| - t, 0)."""
    return np.sign(values) * np.maximum(np.abs(values) - thresholds, 0)


def corrected(planes, sigma, analysis, steps, gains, thresholds, synthesis, window):
    """Patch by patch: the inputs, the steps, the atoms, the average with the window."""
    unit = 25 / 255
    noisy, first, last, filtered = planes
    channels, height, width = noisy.shape
    side = len(window)
    level = sigma / unit
    estimate = (last + filtered) / 2
    middle = np.array([0.5] if channels == 1 else [0.5 * np.sqrt(3), 0, 0])[:, None, None]
    inputs = [noisy - estimate, last - filtered, estimate - middle, first - estimate]
    inputs = np.stack(inputs, axis=1).reshape(-1, height, width) / unit
    rows, columns = (sorted({*range(0, n - side + 1, 2), n - side}) for n in (height, width))
    total, weight = np.zeros_like(noisy), np.zeros((height, width))
    for y in rows:
        for x in columns:
            patch = inputs[:, y : y + side, x : x + side].reshape(len(inputs), -1)
            a = sum(patch[i] @ (analysis[0, i] + level * analysis[1, i]) for i in range(len(patch)))
            t = np.maximum(thresholds[:, 0] + level * thresholds[:, 1], 0)
            z = soft(a, t[0])
            for k in range(len(steps)):
                z = soft(z @ steps[k] + gains[k] * a, t[k + 1])
            correction = sum(z[i] * synthesis[i] for i in range(len(z)))
            total[:, y : y + side, x : x + side] += np.moveaxis(correction, 2, 0)
            weight[y : y + side, x : x + side] += window
    return estimate + unit * total / weight
