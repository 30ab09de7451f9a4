"""Lossless coding of samples: they are predicted from coded ones, and the residuals are coded.

A sample x is predicted by several fixed predictors and by two that learn. The first one is fitted
by least squares to every other sample, in a window of about 2^`WINDOW` of them,

    R = sum_t f^t u u',  b = sum_t f^t u (x - m),  w_i += (b_i - sum_j R_ij w_j) / R_ii,

where f = 1 - 2^-`WINDOW`, and u are the neighbouring samples, in this plane and in those coded
before it, minus the mean m of two of them. Each time only a few coordinates i are updated, in turn
(Gauss-Seidel; Y. Zakharov, G. White, J. Liu, "Low-complexity RLS algorithms using dichotomous
coordinate descent iterations", IEEE Trans. Signal Processing 56(7), 2008, Sec. II). The second one
adapts faster, by normalised least mean squares, v_i += e u_i / (32 sum_j u_j^2) with e its error.
The predictions are averaged with the weights 1 / c_k^2, where c_k are the errors of predictor k at
the neighbours. A residual is coded as whether it is nonzero, its sign, and its magnitude; contexts
are the residuals and the pattern of the neighbours (X. Wu, N. Memon, "Context-based, adaptive,
lossless image coding", IEEE Trans. Communications 45(4), 1997, Sec. III-IV). Probabilities are
mixed as in `restore.kernels.mixing`. All arithmetic is in integers.
"""

from typing import NamedTuple

import numpy as np

from restore.kernels.bits import bucket
from restore.kernels.jit import kernel
from restore.kernels.mixing import Mixer, code_mixed, code_plain
from restore.typing import Integers

#: Rows above and columns on both sides that a plane is padded with.
PAD = 3
#: Number of predictors; number of taps in the plane itself, and in each of up to two before it.
PREDICTORS, OWN_TAPS, OTHER_TAPS = 8, 16, 6
TAPS = OWN_TAPS + 2 * OTHER_TAPS
#: Binary logarithm of the window of the least squares, coordinates updated each time, and ridge.
WINDOW, TURNS, RIDGE = 8, 2, 64
#: Maximum bits of the numbers that are summed, and maximum weight of a tap, in 1/65536.
SUMMED, LARGEST = 8, 1 << 20
#: Models of a context: nonzero, sign, number of bits, and the three bits after the first.
NODES = 160
_BITS, _REST = 2, 20
#: Number of contexts of each kind in a plane, and index of the first one.
_SIZES = (40 * 8, 20 * 20, 23 * 20, 256 * 8, 23 * 23, 23 * 20, 64 * 8)
RESTS = len(_SIZES)
_PLACES = np.cumsum((0, *_SIZES))
#: Numbers of contexts, sets of weights, and biases of a plane.
PER_PLANE = int(_PLACES[-1])
SETS = NODES + 40 * 4
BIASES = 256 * 8
#: Weight of a prediction by its errors at the neighbours; beyond the table by a 256th of them.
_WEIGHTS = (1 << 32) // (np.arange(4096, dtype=np.int64) ** 2 + 4)


class Planes(NamedTuple):
    """Planes of samples and the state of their prediction; all but samples and tops start at 0."""

    #: (planes, PAD + height, width + 2 PAD) int32: the samples, padded
    samples: np.ndarray
    #: (planes, 2, width + 2 PAD) int32: residuals of the last two rows, by parity
    rests: np.ndarray
    #: (planes, 2, width + 2 PAD, PREDICTORS) int32: errors of the predictors there
    errors: np.ndarray
    #: (planes, TAPS + 3, TAPS) int32: R, b, and w and v in 1/65536
    sums: np.ndarray
    #: (planes, BIASES) int32: mean residual by pattern, in 1/64
    biases: np.ndarray
    #: (PREDICTORS,) int64: predictions
    guesses: np.ndarray
    #: (TAPS,) int32: neighbouring samples minus their mean
    taps: np.ndarray
    #: (planes,) int64: the largest possible sample
    tops: np.ndarray


@kernel
def half_octave(value: int, most: int) -> int:
    """Twice the number of bits of a non-negative integer, minus one if the second bit is 0."""
    bits = bucket(value, 40)
    if bits < 2:
        return min(bits, most)
    return min(2 * bits - 2 + (value >> (bits - 2) & 1), most)


@kernel
def _signed(value: int) -> int:
    """Number of bits of an integer, with its sign: 0 to 22, and 11 for 0."""
    bits = bucket(abs(value), 11)
    return 11 - bits if value < 0 else 11 + bits


@kernel
def _taps(planes: Planes, plane: int, y: int, x: int) -> tuple[int, int]:
    """Set the taps, neighbours minus their mean; return the number of taps and the mean."""
    taps = planes.taps
    samples = planes.samples[plane]
    above, over = samples[y - 1], samples[y - 2]
    mean = np.int64(samples[y, x - 1] + above[x]) >> 1
    taps[0], taps[1] = samples[y, x - 1] - mean, above[x] - mean
    taps[2], taps[3] = above[x - 1] - mean, above[x + 1] - mean
    taps[4], taps[5] = samples[y, x - 2] - mean, over[x] - mean
    taps[6], taps[7] = over[x + 1] - mean, above[x - 2] - mean
    taps[8], taps[9] = above[x + 2] - mean, over[x - 1] - mean
    taps[10], taps[11] = over[x - 2] - mean, over[x + 2] - mean
    taps[12], taps[13] = samples[y, x - 3] - mean, samples[y - 3, x] - mean
    taps[14], taps[15] = above[x - 3] - mean, above[x + 3] - mean
    used = OWN_TAPS
    for before in range(plane if plane < 3 else 0):
        here, there = planes.samples[before, y], planes.samples[before, y - 1]
        middle = np.int64(here[x - 1] + there[x]) >> 1
        taps[used], taps[used + 1] = here[x] - middle, here[x - 1] - middle
        taps[used + 2], taps[used + 3] = there[x] - middle, there[x - 1] - middle
        taps[used + 4], taps[used + 5] = there[x + 1] - middle, here[x - 2] - middle
        used += OTHER_TAPS
    return used, mean


@kernel
def _predict(planes: Planes, plane: int, y: int, x: int) -> tuple[int, int]:
    """Set all predictions of a sample; return the number of taps and their mean."""
    guesses, taps = planes.guesses, planes.taps
    samples = planes.samples[plane]
    slow, swift = planes.sums[plane, TAPS + 1], planes.sums[plane, TAPS + 2]
    above, over = samples[y - 1], samples[y - 2]
    w, n = np.int64(samples[y, x - 1]), np.int64(above[x])
    nw, ne = np.int64(above[x - 1]), np.int64(above[x + 1])
    used, mean = _taps(planes, plane, y, x)
    total, other = np.int64(0), np.int64(0)
    for i in range(used):
        total += np.int64(slow[i]) * taps[i]
        other += np.int64(swift[i]) * taps[i]
    guesses[7] = min(max(mean + (other >> 16), 0), planes.tops[plane])
    guesses[0] = min(max(mean + (total >> 16), 0), planes.tops[plane])
    guesses[1] = min(max(w + n - nw, min(w, n)), max(w, n))
    guesses[2] = w + ne - n
    guesses[3] = w + n - nw
    guesses[4] = n + ne - over[x + 1]
    guesses[5] = (2 * (w + n) + ne - nw + 2) >> 2
    guesses[6] = (3 * (w + n) - 2 * nw + 2) >> 2
    return used, mean


@kernel
def _blend(planes: Planes, plane: int, row: int, x: int) -> int:
    """Average the predictions, in 1/8, weighted by their accuracy at the neighbours."""
    guesses = planes.guesses
    here, above = planes.errors[plane, row], planes.errors[plane, 1 - row]
    total, weights = np.int64(0), np.int64(0)
    for k in range(PREDICTORS):
        cost = np.int64(2 * (here[x - 1, k] + above[x, k]) + here[x - 2, k])
        cost += above[x - 1, k] + above[x + 1, k]
        weight = _WEIGHTS[cost] if cost < _WEIGHTS.size else _WEIGHTS[cost >> 8] >> 16
        weight = max(weight, 1)
        total += weight * guesses[k]
        weights += weight
    return (8 * total + (weights >> 1)) // weights


@kernel
def _contexts(
    mixer: Mixer, planes: Planes, plane: int, y: int, x: int, guess: int
) -> tuple[int, int, int]:
    """Set the contexts of a residual; return energy (half-octaves), guess plus bias, bias index."""
    guesses, bases = planes.guesses, mixer.bases
    samples, rests = planes.samples[plane], planes.rests[plane]
    row = y & 1
    above, over = samples[y - 1], samples[y - 2]
    w, n, nw, ne = samples[y, x - 1], above[x], above[x - 1], above[x + 1]
    ww, nn = samples[y, x - 2], over[x]
    e_w, e_n = np.int64(abs(rests[row, x - 1])), np.int64(abs(rests[1 - row, x]))
    e_nw, e_ne = np.int64(abs(rests[1 - row, x - 1])), np.int64(abs(rests[1 - row, x + 1]))
    slope = abs(w - nw) + abs(n - nw) + abs(n - ne)
    energy = half_octave(4 * (e_w + e_n) + 2 * (e_nw + e_ne) + slope, 39)
    centre = guess >> 3
    pattern = (
        (n > centre) + 2 * (w > centre) + 4 * (nw > centre) + 8 * (ne > centre)
        + 16 * (nn > centre) + 32 * (ww > centre) + 64 * (2 * n - nn > centre)
        + 128 * (2 * w - ww > centre)
    )  # fmt: skip
    coarse = min(energy >> 1, 19)
    biased = pattern * 8 + min(max(coarse - 3, 0), 7)
    top = planes.tops[plane]
    guess = min(max(guess + (planes.biases[plane, biased] >> 3), 0), 8 * top)
    centre = (guess + 4) >> 3
    first = rests[row, x - 1] + rests[1 - row, x]
    if plane and plane < 3:
        first = planes.rests[plane - 1, row, x]
    shift = max(bucket(top, 16) - 8, 0)
    at = plane * PER_PLANE
    places = (
        energy * 8 + (guess & 7),
        half_octave(e_w, 19) * 20 + half_octave(e_n, 19),
        _signed(first) * 20 + coarse,
        biased,
        _signed(guesses[1] - centre) * 23 + _signed(guesses[2] - centre),
        _signed(guesses[0] - centre) * 20 + coarse,
        min(centre >> shift + 2, 63) * 8 + min(max(coarse - 3, 0), 7),
    )
    for i in range(RESTS):
        bases[i] = (at + _PLACES[i] + places[i]) * NODES
    return energy, guess, biased


@kernel
def _code_rest(mixer: Mixer, rest: int, plane: int, energy: int) -> int:
    """Code a residual under the current contexts."""
    sets = plane * SETS
    local = sets + NODES + energy * 4
    kinds = plane * NODES
    if not code_mixed(mixer, 1 if rest else 0, RESTS, 0, sets, local, kinds):
        return np.int64(0)
    negative = code_mixed(mixer, 1 if rest < 0 else 0, RESTS, 1, sets + 1, local + 1, kinds + 1)
    size = abs(rest)
    bits = 1
    while bits < 17:
        node = _BITS + bits
        larger = 1 if size >> bits else 0
        if not code_mixed(mixer, larger, RESTS, node, sets + node, local + 2, kinds + node):
            break
        bits += 1
    found = np.int64(1)
    for j in range(bits - 2, max(bits - 5, -1), -1):
        node = _REST + (bits - 2) * 8 + found
        bit = size >> j & 1
        bit = code_mixed(mixer, bit, RESTS, node, sets + node, local + 3, kinds + node)
        found = found << 1 | bit
    plain = max(bits - 4, 0)
    found = found << plain | code_plain(mixer, size & ((1 << plain) - 1), plain)
    return -found if negative else found


@kernel
def _fit(sums: Integers, taps: Integers, wanted: int, error: int, used: int, place: int) -> None:
    """Update the fast weights; at every other sample also the least squares and some weights."""
    energy = np.int64(16)
    for i in range(used):
        energy += np.int64(taps[i]) * taps[i]
    step = (error << 21) // energy
    swift = sums[TAPS + 2]
    for i in range(used):
        swift[i] = min(max(swift[i] + (step * taps[i] >> 10), -LARGEST), LARGEST)
    if place & 1:
        return
    largest = abs(wanted)
    for i in range(used):
        largest = max(largest, abs(taps[i]))
    shift = max(bucket(largest, 18) - SUMMED, 0)
    wanted >>= shift
    for i in range(used):
        taps[i] >>= shift
    products, weights = sums[TAPS], sums[TAPS + 1]
    for i in range(used):
        row = sums[i]
        for j in range(used):
            row[j] += taps[i] * taps[j] - (row[j] >> WINDOW)
        products[i] += taps[i] * np.int32(wanted) - (products[i] >> WINDOW)
    for turn in range(TURNS):
        i = ((place >> 1) * TURNS + turn) % used
        total = np.int64(products[i]) << 16
        for j in range(used):
            total -= np.int64(sums[i, j]) * weights[j]
        total //= sums[i, i] + RIDGE
        weights[i] = min(max(weights[i] + total, -LARGEST), LARGEST)


@kernel
def code_sample(mixer: Mixer, planes: Planes, plane: int, y: int, x: int) -> None:
    """Write a sample, or read it into its place; samples that are read are clipped to the range."""
    row = y & 1
    guesses, taps = planes.guesses, planes.taps
    used, mean = _predict(planes, plane, y, x)
    plain = _blend(planes, plane, row, x)
    energy, guess, biased = _contexts(mixer, planes, plane, y, x, plain)
    centre = (guess + 4) >> 3
    samples = planes.samples[plane]
    rest = _code_rest(mixer, samples[y, x] - centre, plane, energy)
    sample = min(max(centre + rest, 0), planes.tops[plane])
    samples[y, x] = sample
    planes.rests[plane, row, x] = sample - centre
    bias = planes.biases[plane, biased]
    planes.biases[plane, biased] = bias + ((8 * (8 * sample - plain) - bias) >> 5)
    for k in range(PREDICTORS):
        planes.errors[plane, row, x, k] = min(abs(sample - guesses[k]), 65535)
    _fit(planes.sums[plane], taps, sample - mean, sample - guesses[7], used, x + y)


@kernel
def skip_sample(planes: Planes, plane: int, y: int, x: int) -> None:
    """Skip a sample that was coded otherwise, as if its predictions had been exact."""
    planes.rests[plane, y & 1, x] = 0
    for k in range(PREDICTORS):
        planes.errors[plane, y & 1, x, k] = 0
