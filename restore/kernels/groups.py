"""Groups of similar patches, coded over atoms learned on each group.

A group is a set of n patches that look alike. The atoms that suit it best are its own
principal components: with the group's patches, less their mean m, as the rows of Y, they
are the eigenvectors of Y'Y / n. A patch is coded over them, every coefficient is shrunk by
a gain between 0 and 1 that depends on the energy l of its atom and on the variance s of the
noise, and the atoms are summed up again. Three equations:

    K = Y Y' / n,     M = (I + K / t)^-1,     X = m + gain(M) Y.

K has the same energies as Y'Y / n, so that Y times a function of the one is the same
function of the other times Y; it is the smaller of the two, and both gains below are
rational functions of it, so no eigenvector is ever computed. M tells the share of t in each
energy, t / (l + t).

`shrink` learns from the very patches it codes, whose energies hold the noise, and has to
tell atoms of noise (l about s) from atoms of the picture (l >> t, a multiple of s):

    gain = I - M M (3 I - 2 M).

The smooth step 3 m^2 - 2 m^3 makes the decision sharper; the result is close to a weighted
threshold of singular values. `wiener` learns from the group P as an estimate shows it, with
t = s, and its gain is the best linear one, l / (l + s):

    K = P P' / n,     X = m + Y P' M P / (n s).

References
----------
Mairal, Bach, Ponce, Sapiro & Zisserman, "Non-local sparse models for image restoration",
ICCV 2009, section 3 (similar patches share their atoms).
Dong, Shi & Li, "Nonlocal image restoration with bilateral variance estimation: a low-rank
approach", IEEE TIP 22(2), 2013; Gu, Zhang, Zuo & Feng, "Weighted nuclear norm minimization
with application to image denoising", CVPR 2014 (shrinking the group's singular values).
Lebrun, Buades & Morel, "A nonlocal Bayesian image denoising algorithm", SIAM J. Imaging
Sciences 6(3), 2013 (the covariance filter in two steps).
Palser & Manolopoulos, "Canonical purification of the density matrix in electronic-structure
theory", Phys. Rev. B 58, 1998 (the smooth step of a matrix).
"""

import numpy as np

from restore.kernels.jit import kernel
from restore.kernels.linear import invert

#: Share of a group's energy that float32 can tell from its rounding, and an energy that is none.
ROUNDING, LEAST = np.float32(1e-6), np.float32(1e-20)

#: Follows the bits of infinity, the largest that a distance can have.
NO_DISTANCE = np.int32(0x7F800001)


@kernel(reorder=True)
def match(guide, rows, columns, side, reach, places):
    """The patches nearest to each reference patch: smallest sum of squared differences.

    Parameters
    ----------
    guide : (height, width) float32
    rows, columns : (n,) int64
        Top left corners of the reference patches: every row with every column.
    side, reach : int
        Sides of a patch, and the largest shift that is looked at.
    places : (rows * columns, size) int32, written
        ``row * width + column`` of the top left corners of the nearest patches, the
        reference among them; of equally near ones those that come first. Patches whose
        distance is NaN are left out; the reference is repeated where too few remain.
    """
    height, width = guide.shape
    distances = np.empty((2 * reach + 1) ** 2, np.float32)
    for r in range(rows.shape[0]):
        top, bottom = max(0, rows[r] - reach), min(height - side, rows[r] + reach)
        for c in range(columns.shape[0]):
            left, right = max(0, columns[c] - reach), min(width - side, columns[c] + reach)
            across = right - left + 1
            count = (bottom - top + 1) * across
            for v in range(top, bottom + 1):
                line = distances[(v - top) * across : (v - top + 1) * across]
                line[:] = np.float32(0)
                for y in range(side):
                    patch_row = guide[rows[r] + y, columns[c] : columns[c] + side]
                    _add_squares(guide[v + y, left : right + side], patch_row, line)
            nearest = places[r * columns.shape[0] + c]
            own = (rows[r] - top) * across + columns[c] - left
            _smallest(distances[:count], own, nearest)
            for k in range(nearest.shape[0]):
                v = nearest[k] // across
                nearest[k] = (top + v) * width + left + nearest[k] - v * across


@kernel(reorder=True)
def _add_squares(line, patch_row, distances):
    """distances_k += sum_x (patch_row_x - line_{k + x})^2, three x at a time."""
    count = distances.shape[0]
    x = 0
    while x + 3 <= patch_row.shape[0]:
        first, second, third = patch_row[x], patch_row[x + 1], patch_row[x + 2]
        shifted = line[x : x + count + 2]
        for k in range(count):
            a, b, c = first - shifted[k], second - shifted[k + 1], third - shifted[k + 2]
            distances[k] += a * a + b * b + c * c
        x += 3
    while x < patch_row.shape[0]:
        first = patch_row[x]
        shifted = line[x : x + count]
        for k in range(count):
            a = first - shifted[k]
            distances[k] += a * a
        x += 1


@kernel
def _smallest(distances, own, chosen):
    """Indices of the smallest distances, `own` among them, as many as `chosen` has room for.

    The bits of non-negative floats are ordered as the floats are: the limit between near
    and far is found by bisection, in which counting vectorises. The bits of NaN are not
    ordered, and may be negative: they are replaced by `NO_DISTANCE`, and never chosen.
    """
    bits = distances.view(np.int32)
    size = chosen.shape[0]
    below, limit = np.int32(-1), np.int32(0)
    for k in range(bits.shape[0]):
        bits[k] = bits[k] if 0 <= bits[k] < NO_DISTANCE else NO_DISTANCE
    bits[own] = -1
    for k in range(bits.shape[0]):
        limit = bits[k] if bits[k] > limit else limit
    while limit - below > 1:
        middle = below + (limit - below) // np.int32(2)
        count = np.int32(0)
        for k in range(bits.shape[0]):
            count += np.int32(bits[k] <= middle)
        if count < size:
            below = middle
        else:
            limit = middle
        if count == size:
            break
    taken = 0
    for k in range(bits.shape[0]):
        if bits[k] < limit and taken < size:
            chosen[taken] = k
            taken += 1
    for k in range(bits.shape[0]):
        if bits[k] == limit and limit < NO_DISTANCE and taken < size:
            chosen[taken] = k
            taken += 1
    for k in range(taken, size):
        chosen[k] = own


@kernel
def shrink(plane, variances, places, side, threshold, total, weight):
    """Code groups over the atoms learned on themselves: gain = I - M M (3 I - 2 M).

    Parameters
    ----------
    plane : (height, width) float32
    variances : (height, width) float32
        Variance of the noise in the patch with that top left corner; the mean over a
        group is taken, and of that the magnitude.
    places : (n_groups, size) int32
        As `match` gives them.
    side : int
    threshold : float32
        t in variances of the noise.
    total : (rows, width) float32, added to
        The weighted patches, summed, for the rows that the groups touch.
    weight : (rows, width) float32, added to
        The weights, at the top left corner of their patch.
    """
    groups, size = places.shape
    dim = side * side
    group = np.empty((size, dim), np.float32)
    coded = np.empty((size, dim), np.float32)
    mean = np.empty(dim, np.float32)
    share = np.empty((size, size), np.float32)
    square = np.empty((size, size), np.float32)
    gain = np.empty((size, size), np.float32)
    top = places.min() // plane.shape[1]
    for g in range(groups):
        _gather(plane, places[g], side, group, mean)
        _noise_share(group, threshold * _mean_variance(variances, places[g]), share)
        np.dot(share, share, square)
        for i in range(size):
            for j in range(size):
                share[i, j] *= np.float32(2)
            share[i, i] -= np.float32(3)
        np.dot(square, share, gain)
        for i in range(size):
            gain[i, i] += np.float32(1)
        np.dot(gain, group, coded)
        _scatter(coded, mean, _confidence(gain), places[g], side, top, total, weight)


@kernel
def wiener(plane, pilot, variances, places, side, total, weight):
    """Code groups of `plane` over the atoms that `pilot` shows: gain l / (l + s).

    Parameters
    ----------
    plane, pilot : (height, width) float32
        The noisy plane and an estimate of it.
    variances, places, side, total, weight
        As in `shrink`.
    """
    groups, size = places.shape
    dim = side * side
    shown = np.empty((size, dim), np.float32)
    group = np.empty((size, dim), np.float32)
    mean = np.empty(dim, np.float32)
    share = np.empty((size, size), np.float32)
    product = np.empty((size, size), np.float32)
    codes = np.empty((size, size), np.float32)
    top = places.min() // plane.shape[1]
    for g in range(groups):
        _gather(pilot, places[g], side, shown, mean)
        scale = _noise_share(shown, _mean_variance(variances, places[g]), share)
        _gather(plane, places[g], side, group, mean)
        np.dot(group, shown.T, product)
        np.dot(product, share, codes)
        for i in range(size):
            for j in range(size):
                codes[i, j] *= scale
                share[i, j] = -share[i, j]
            share[i, i] += np.float32(1)
        np.dot(codes, shown, group)
        _scatter(group, mean, _confidence(share), places[g], side, top, total, weight)


@kernel
def _gather(plane, places, side, group, mean):
    """The patches at `places` as rows, less their mean, which is written, too."""
    width = plane.shape[1]
    size, dim = group.shape
    mean[:] = np.float32(0)
    for k in range(size):
        row, column = places[k] // width, places[k] % width
        for y in range(side):
            line = plane[row + y, column : column + side]
            for x in range(side):
                group[k, y * side + x] = line[x]
        for j in range(dim):
            mean[j] += group[k, j]
    for j in range(dim):
        mean[j] /= np.float32(size)
    for k in range(size):
        for j in range(dim):
            group[k, j] -= mean[j]


@kernel
def _scatter(coded, mean, confidence, places, side, top, total, weight):
    """Add the patches at `places` to `total`, whose first row is `top`."""
    width = total.shape[1]
    for k in range(coded.shape[0]):
        row, column = places[k] // width - top, places[k] % width
        weight[row, column] += confidence
        for y in range(side):
            line = total[row + y, column : column + side]
            for x in range(side):
                line[x] += confidence * (coded[k, y * side + x] + mean[y * side + x])


@kernel
def _mean_variance(variances, places):
    """Magnitude of the mean over a group."""
    width = variances.shape[1]
    total = np.float32(0)
    for k in range(places.shape[0]):
        total += variances[places[k] // width, places[k] % width]
    return abs(total) / np.float32(places.shape[0])


@kernel
def _noise_share(group, threshold, share):
    """M = (I + K / t)^-1; the 1 / (n t) that was used, t being no smaller than rounding."""
    size = group.shape[0]
    np.dot(group, group.T, share)
    energy = LEAST
    for i in range(size):
        energy += share[i, i]
    least = ROUNDING * energy
    threshold *= np.float32(size)
    scale = np.float32(1) / (threshold if threshold > least else least)
    for i in range(size):
        for j in range(size):
            share[i, j] *= scale
        share[i, i] += np.float32(1)
    invert(share)
    return scale


@kernel(reorder=True)
def _confidence(gain):
    """Weight of a group's patches: 1 / (1 + |gain|^2), less the more of the noise passes."""
    passed = np.float32(1)
    for i in range(gain.shape[0]):
        for j in range(gain.shape[1]):
            passed += gain[i, j] * gain[i, j]
    return np.float32(1) / passed


@kernel
def window_sums(plane, side, direction, first, sums):
    """Sums of the windows that begin (direction 1) or end (-1) at every pixel of some rows.

        sums_ij = sum_{y, x < side} plane_{first + i + direction y, j + direction x}

    Beyond the plane everything is 0.

    Parameters
    ----------
    plane : (height, width) float32
    side, direction, first : int
    sums : (rows, width) float32, written
    """
    height, width = plane.shape
    down = np.empty(width, np.float32)
    for i in range(sums.shape[0]):
        for j in range(width):
            down[j] = plane[first + i, j]
        for k in range(1, side):
            row = first + i + direction * k
            if 0 <= row < height:
                for j in range(width):
                    down[j] += plane[row, j]
        line = sums[i]
        for j in range(width):
            line[j] = down[j]
        for k in range(1, side):
            begun, ended = (0, k) if direction > 0 else (k, 0)
            for j in range(width - k):
                line[begun + j] += down[ended + j]
