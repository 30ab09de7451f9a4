"""Filling unknown samples: interpolation from the nearest known ones, and groups of patches.

A group is a set of similar patches. Their mean m and covariance C say how the samples of
one of them go together; given its known samples x_K, the expected patch is

    m + C_:K (C_KK + r I)^-1 (x_K - m_K).

References
----------
Matheron, "The intrinsic random functions and their applications", Advances in Applied
Probability 5, 1973 (kriging).
Yu, Sapiro & Mallat, "Solving inverse problems with piecewise linear estimators: from
Gaussian mixture models to structured sparsity", IEEE TIP 21(5), 2012, equations 7-10.
Lebrun, Buades & Morel, "A nonlocal Bayesian image denoising algorithm", SIAM J. Imaging
Sciences 6(3), 2013 (one Gaussian per group of similar patches).
"""

from typing import NamedTuple

import numpy as np

from restore.kernels.jit import kernel
from restore.kernels.linear import factorise, solve

#: Share of the trace of a covariance that float32 can tell from its rounding.
ROUNDING = np.float32(1e-6)


@kernel
def interpolate(planes, known, offsets, covariance, filled, top, most):
    """Ordinary kriging of every unknown pixel from the nearest known ones.

    The weights l minimise the expected squared error of a random surface of the given
    covariance c and unknown mean: with A_ij = c(p_i - p_j) and b_i = c(p_i - p),

        l = A^-1 (b + 1 (1 - 1'A^-1 b) / (1'A^-1 1))     (Matheron 1973).

    Parameters
    ----------
    planes : (channels, height, width) float32
    known : (height, width) bool
    offsets : (n, 2) int64, rows and columns from the pixel, the nearest first
    covariance : (side, side) float32, by distance in rows and in columns
    filled : (channels, rows, width) float32, written where unknown, as far as any of the
        offsets is known
    top : int, the first row to fill
    most : int, known samples to use
    """
    channels, rows, width = filled.shape
    height = planes.shape[1]
    factor = np.empty((most, most), np.float32)
    near = np.empty((most, 2), np.int64)
    ones = np.empty(most, np.float32)
    weights = np.empty(most, np.float32)
    for row in range(rows):
        y = row + top
        for x in range(width):
            if known[y, x]:
                continue
            count = 0
            for k in range(offsets.shape[0]):
                v, u = y + offsets[k, 0], x + offsets[k, 1]
                if 0 <= v < height and 0 <= u < width and known[v, u]:
                    near[count, 0], near[count, 1] = offsets[k, 0], offsets[k, 1]
                    count += 1
                    if count == most:
                        break
            if count == 0:
                continue
            for i in range(count):
                for j in range(i + 1):
                    factor[i, j] = covariance[
                        abs(near[i, 0] - near[j, 0]), abs(near[i, 1] - near[j, 1])
                    ]
                weights[i] = covariance[abs(near[i, 0]), abs(near[i, 1])]
                ones[i] = np.float32(1)
            factorise(factor, count)
            solve(factor, count, weights)
            solve(factor, count, ones)
            lacking, total = np.float32(1), np.float32(0)
            for i in range(count):
                lacking -= weights[i]
                total += ones[i]
            for c in range(channels):
                value = np.float32(0)
                for i in range(count):
                    weight = weights[i] + ones[i] * (lacking / total)
                    value += weight * planes[c, y + near[i, 0], x + near[i, 1]]
                filled[c, row, x] = value


class Grouping(NamedTuple):
    """What `complete` does with the patches at its places."""

    top: int
    """First row of the picture in `total`."""
    side: int
    """Rows and columns of a patch."""
    reach: int
    """Pixels around a patch in which similar ones are looked for."""
    size: int
    """Patches in a group."""
    share: int
    """Patches of it that are estimated, the nearest ones."""
    whole: bool
    """Whether wholly known patches are estimated, too."""
    ridge: np.float32
    """r: variance of the noise and of what the covariance misses; no less than `ROUNDING` of the
    covariance's trace is taken, which float32 cannot tell from rounding."""


@kernel
def complete(estimate, observed, known, places, total, weight, grouping):
    """Estimate patches anew from their known samples and the group they belong to.

    For every place: the patches of `estimate` nearest to the one there make a group, and
    those of them that are nearest still are estimated (see the module) and added to
    `total`. Patches are compared on the first channel; every channel has its own mean and
    covariance, so the channels should be decorrelated.

    Parameters
    ----------
    estimate : (channels, height, width) float32, the whole picture as estimated so far
    observed : (channels, height, width) float32, anything where unknown
    known : (height, width) bool
    places : (n, 2) int64, top left corners of patches
    total : (channels, rows, width) float32, added to
    weight : (rows, width) float32, patches added
    grouping : Grouping
    """
    channels, height, width = estimate.shape
    top, side, reach, size, share, whole, ridge = grouping
    dim = side * side
    distances = np.empty(2 * reach + 1, np.float32)
    nearest = np.empty(size, np.float32)
    rows = np.empty(size, np.int64)
    columns = np.empty(size, np.int64)
    group = np.empty((size, dim), np.float32)
    mean = np.empty(dim, np.float32)
    covariance = np.empty((dim, dim), np.float32)
    factor = np.empty((dim, dim), np.float32)
    vector = np.empty(dim, np.float32)
    samples = np.empty(dim, np.int64)
    patch = np.empty(dim, np.float32)
    for p in range(places.shape[0]):
        count = _match(estimate[0], places[p], side, reach, distances, nearest, rows, columns)
        order = np.argsort(nearest[:count], kind="mergesort")
        for c in range(channels):
            _gather(estimate[c], rows, columns, count, side, group, mean)
            np.dot(group.T, group, covariance)
            trace = np.float32(0)
            for i in range(dim):
                for j in range(dim):
                    covariance[i, j] *= np.float32(1) / np.float32(count)
                trace += covariance[i, i]
            least = ROUNDING * trace
            added = ridge if ridge > least else least
            for chosen in order[:share]:
                y, x = rows[chosen], columns[chosen]
                n_known = 0
                for k in range(dim):
                    v, u = y + k // side, x + k % side
                    if known[v, u]:
                        samples[n_known] = k
                        vector[n_known] = observed[c, v, u] - mean[k]
                        n_known += 1
                if n_known == dim and not whole:
                    continue
                for i in range(n_known):
                    row = covariance[samples[i]]
                    for j in range(i + 1):
                        factor[i, j] = row[samples[j]]
                    factor[i, i] += added
                factorise(factor, n_known)
                solve(factor, n_known, vector)
                for k in range(dim):
                    patch[k] = mean[k]
                for i in range(n_known):
                    row = covariance[samples[i]]
                    for k in range(dim):
                        patch[k] += vector[i] * row[k]
                for k in range(dim):
                    v, u = y + k // side - top, x + k % side
                    total[c, v, u] += patch[k]
                    if c == 0:
                        weight[v, u] += np.float32(1)


@kernel
def _match(plane, place, side, reach, distances, nearest, rows, columns):
    """The patches within `reach` of `place` that differ least from the one there.

    Returns how many there are; `nearest` is a heap with the farthest on top.
    """
    height, width = plane.shape
    first, last = max(0, place[0] - reach), min(height - side, place[0] + reach)
    left, right = max(0, place[1] - reach), min(width - side, place[1] + reach)
    across = right - left + 1
    count = 0
    for y in range(first, last + 1):
        for k in range(across):
            distances[k] = np.float32(0)
        for dy in range(side):
            line = plane[y + dy, left : left + across + side]
            for dx in range(side):
                sample = plane[place[0] + dy, place[1] + dx]
                for k in range(across):
                    difference = line[dx + k] - sample
                    distances[k] += difference * difference
        for k in range(across):
            if count < nearest.shape[0]:
                _rise(distances[k], y, left + k, count, nearest, rows, columns)
                count += 1
            elif distances[k] < nearest[0]:
                _sink(distances[k], y, left + k, nearest, rows, columns)
    return count


@kernel
def _rise(distance, y, x, at, nearest, rows, columns):
    """Add an entry to the heap at its end."""
    while at > 0 and nearest[(at - 1) // 2] < distance:
        above = (at - 1) // 2
        nearest[at], rows[at], columns[at] = nearest[above], rows[above], columns[above]
        at = above
    nearest[at], rows[at], columns[at] = distance, y, x


@kernel
def _sink(distance, y, x, nearest, rows, columns):
    """Replace the top of the full heap."""
    at = 0
    while 2 * at + 1 < nearest.shape[0]:
        below = 2 * at + 1
        if below + 1 < nearest.shape[0] and nearest[below + 1] > nearest[below]:
            below += 1
        if nearest[below] <= distance:
            break
        nearest[at], rows[at], columns[at] = nearest[below], rows[below], columns[below]
        at = below
    nearest[at], rows[at], columns[at] = distance, y, x


@kernel
def _gather(plane, rows, columns, count, side, group, mean):
    """The centred patches of a group, zeros beyond its count, and their mean."""
    dim = side * side
    for k in range(dim):
        mean[k] = np.float32(0)
    for p in range(count):
        for dy in range(side):
            for dx in range(side):
                sample = plane[rows[p] + dy, columns[p] + dx]
                group[p, dy * side + dx] = sample
                mean[dy * side + dx] += sample
    for k in range(dim):
        mean[k] /= np.float32(count)
    for p in range(count):
        for k in range(dim):
            group[p, k] -= mean[k]
    for p in range(count, group.shape[0]):
        for k in range(dim):
            group[p, k] = np.float32(0)
